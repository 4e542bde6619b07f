//! What is written down of a request that must not be sent twice, before it is sent.

use super::ledger::Ledger;
use crate::platform::tables::Store;
use crate::platform::{Access, StoreError};
use crate::queue::action::Action;

/// Writes down that the server may see that action from now on or, if it has turned out so, that it has not seen it. Says whether it
/// may be sent: it is still there, and no other drain has begun since.
pub async fn mark_sent<S: Store>(
    store: &S,
    user_id: &str,
    epoch: u64,
    action: &Action,
    is_sent: bool,
) -> Result<bool, StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let found = ledger.find(&action.id).await?.filter(|found| found.seq == action.seq && found.lane == action.lane);
    let is_current = ledger.record.epoch == epoch && ledger.record.is_in_flight(action.seq);
    let mark = found.filter(|_| is_current);
    if let Some(mut found) = mark.clone() {
        found.sent = is_sent;
        ledger.rewrite(found.lane, found.bytes(), &found)?;
    }
    ledger.commit().await?;
    Ok(mark.is_some())
}
