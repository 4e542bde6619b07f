//! What is written down of a request that must not be sent twice, before it is sent.

use super::ledger::Ledger;
use super::ready::is_open;
use crate::platform::tables::Store;
use crate::platform::{Access, StoreError};
use crate::queue::action::Action;
use crate::time::WallTime;

/// Writes down that the server may see that action from now on or, if it has turned out so, that it has not seen it. Says whether it
/// may be sent: it is still there, no other drain has begun since, and nobody was told to leave the server alone.
pub async fn mark_sent<S: Store>(
    store: &S,
    user_id: &str,
    epoch: u64,
    action: &Action,
    is_sent: bool,
    now: WallTime,
) -> Result<bool, StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let found = ledger.find(&action.id).await?.filter(|found| found.seq == action.seq && found.lane == action.lane);
    let may_be = if is_sent { is_open(&ledger.record, epoch, now) } else { ledger.record.epoch == epoch };
    let is_current = may_be && ledger.record.is_in_flight(action.seq);
    let mark = found.filter(|_| is_current);
    if let Some(mut found) = mark.clone() {
        found.sent = is_sent;
        ledger.rewrite(found.lane, found.bytes(), &found)?;
    }
    ledger.commit().await?;
    Ok(mark.is_some())
}
