//! How actions come into the queue again that were in one which has been deleted.

use super::dependents;
use super::history;
use super::ledger::Ledger;
use crate::platform::tables::{Store, Transaction};
use crate::platform::{Access, StoreError};
use crate::queue::action::Action;
use crate::queue::outcome::Outcome;
use crate::queue::record::UserRecord;
use crate::time::WallTime;
use futures_util::future::try_join_all;

/// What has come of putting actions into the queue again.
#[derive(Debug, Default)]
pub struct Restored {
    /// How many were written.
    pub count: u64,
    /// All of them by id: their places, or none if they were settled here.
    pub places: Vec<(String, Option<u64>)>,
    /// What became of those that cannot be sent any longer.
    pub settled: Vec<(String, Outcome)>,
}

/// Puts into the queue what it lacks, under the same ids and in order. `missing` says by the record which actions that may be. Those
/// that are there, or were settled there, are left as they are. `now` is read when the transaction has begun, which may take a while.
pub async fn restore<S: Store>(
    store: &S,
    user_id: &str,
    now: &dyn Fn() -> WallTime,
    missing: &dyn Fn(&UserRecord) -> Vec<Action>,
) -> Result<(Restored, UserRecord), StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let (missing, now) = (missing(&ledger.record), now());
    let restored = put_back(&mut ledger, missing, now).await?;
    history::write(&mut ledger, &restored.settled)?;
    Ok((restored, ledger.commit().await?))
}

/// The same, in a transaction that is under way.
pub(super) async fn put_back<T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    missing: Vec<Action>,
    now: WallTime,
) -> Result<Restored, StoreError> {
    let mut restored = Restored::default();
    if missing.is_empty() {
        return Ok(restored);
    }
    ledger.begin_life(now);
    let found = try_join_all(missing.iter().map(|action| ledger.transaction.find(ledger.user_id, &action.id))).await?;
    let absent: Vec<String> =
        missing.iter().zip(&found).filter(|(_, row)| row.is_none()).map(|(action, _)| action.id.clone()).collect();
    let settled = if absent.is_empty() { vec![] } else { history::find(&ledger.transaction, ledger.user_id, &absent).await? };
    for (action, row) in missing.into_iter().zip(found) {
        let id = action.id.clone();
        let seq = match row {
            Some(row) => Some(row.seq),
            // Another tab has put it there, and it has left since.
            None if settled.iter().any(|(known, _)| *known == id) => None,
            None => Some(write(ledger, action, &mut restored).await?),
        };
        restored.places.push((id, seq));
    }
    Ok(restored)
}

async fn write<T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    mut action: Action,
    restored: &mut Restored,
) -> Result<u64, StoreError> {
    restored.count = restored.count.saturating_add(1);
    let last = match &action.key {
        Some(key) => ledger.transaction.last_of_key(ledger.user_id, key).await?.map(|row| Action::read(&row, ledger.user_id)),
        None => None,
    };
    let seq = ledger.record.next_place();
    action.seq = seq;
    // It may have been part of a request, which nobody remembers.
    action.sent = true;
    ledger.place(&mut action, last.as_ref()).await?;
    ledger.append(&action)?;
    // They may be gone with the queue. Then it is told so when it is to be sent.
    ledger.hold_files(&action)?;
    restored.settled.extend(dependents::catch_up(ledger, action).await?);
    Ok(seq)
}
