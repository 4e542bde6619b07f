//! Actions that come to wait for another one after that may have left.

use super::history;
use super::ledger::Ledger;
use crate::platform::StoreError;
use crate::platform::tables::{Lane, Transaction};
use crate::queue::action::Action;
use crate::queue::outcome::Outcome;

/// Puts an action back among those that are to be sent, in its old place: if it still depends on another one, behind that. `from` is
/// the lane in which it lies on disk, `bytes` what it weighs there. Says what became of it, if it is settled by that.
pub(super) async fn put_back<T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    from: Lane,
    bytes: u64,
    mut action: Action,
) -> Result<Option<(String, Outcome)>, StoreError> {
    if action.depends_on.is_none() {
        ledger.put_back(from, bytes, action).await?;
        return Ok(None);
    }
    action.lane = Lane::Dependent;
    ledger.rewrite(from, bytes, &action)?;
    if let Some(key) = &action.key {
        ledger.hold(key, action.seq).await?;
    }
    catch_up(ledger, action).await
}

/// Tells an action that waits for another one what became of that, if it is no longer there to tell. Says what became of the action, if
/// it is settled by that.
pub(super) async fn catch_up<T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    action: Action,
) -> Result<Option<(String, Outcome)>, StoreError> {
    let Some(other) = action.depends_on.clone().filter(|_| action.lane == Lane::Dependent) else { return Ok(None) };
    // One that was enqueued later under the same id may wait for this one, as later ones do.
    if ledger.find(&other).await?.is_some_and(|other| other.seq < action.seq) {
        return Ok(None);
    }
    let known = history::find(&ledger.transaction, ledger.user_id, std::slice::from_ref(&other)).await?;
    let applied = known.last().and_then(|(_, outcome)| history::Applied::read(outcome));
    let outcome = applied.map_or(Outcome::Gone, |applied| Outcome::Applied { result: applied.result });
    ledger.tell(action, &other, &outcome).await
}
