//! A look at what is sent next, while a batch is on its way.
//!
//! When its answer is there, nobody waits for the disk to read what comes after it. What was seen counts only if nothing but the batch
//! has left since; otherwise it is read again, in the transaction that claims it.

use super::ledger::{LAST, Ledger};
use crate::broken::{self, Variant};
use crate::platform::tables::{Lane, Store, Transaction as _};
use crate::platform::{Access, StoreError};
use crate::queue::action::{Action, ActionState};
use crate::queue::plan::{BatchLimits, enough_of};
use crate::queue::record::UserRecord;

/// What there is to choose from when a batch has left, as it was while that was on its way.
#[derive(Debug)]
pub struct Ahead {
    claimed: UserRecord,
    limits: BatchLimits,
    lanes: [Vec<Action>; 4],
}

/// Reads what comes after the batch that was `claimed` with that record, for one within these limits. `None` if there is nothing,
/// or something that only the transaction of a claim can see to: the queue was written to since, or some of it cannot be read.
pub async fn look_ahead<S: Store>(
    store: &S,
    user_id: &str,
    claimed: UserRecord,
    limits: BatchLimits,
) -> Result<Option<Ahead>, StoreError> {
    let Some(batch) = &claimed.batch else { return Ok(None) };
    let beyond = Lane::READY.map(|lane| {
        let own = || batch.runs.iter().filter(move |run| run.lane == lane);
        let count = own().fold(claimed.in_lane(lane), |count, run| count.saturating_sub(run.size() as u64));
        (lane, count, own().map(|run| run.last.saturating_add(1)).max().unwrap_or(0))
    });
    if beyond.iter().all(|(_, count, _)| *count == 0) {
        return Ok(None);
    }
    let ledger = Ledger::open(store, user_id, Access::Read).await?;
    if ledger.record != claimed {
        return Ok(None);
    }
    let (mut lanes, mut more_urgent): ([Vec<Action>; 4], u64) = Default::default();
    for ((lane, count, first), slot) in beyond.into_iter().zip(lanes.iter_mut()) {
        if count > 0 {
            let enough = enough_of(lane, more_urgent, limits.actions.max(1));
            let rows = ledger.transaction.rows(user_id, lane, first, LAST, enough).await?;
            *slot = rows.iter().map(|row| Action::read(row, user_id)).collect();
        }
        more_urgent = more_urgent.saturating_add(count);
    }
    if lanes.iter().flatten().any(|action| action.state == ActionState::Unreadable) {
        return Ok(None);
    }
    Ok(Some(Ahead { claimed, limits, lanes }))
}

impl Ahead {
    /// Whether the queue is as it was then.
    pub(super) fn is_of(&self, record: &UserRecord) -> bool {
        self.claimed == *record || broken::is(Variant::AheadIsBelieved)
    }

    /// What there is to choose from in a queue that was as it was then when the transaction began, and has this record now: if nothing
    /// but the batch has left in it.
    pub(super) fn lanes(self, record: &UserRecord, limits: BatchLimits) -> Option<[Vec<Action>; 4]> {
        let has_only_left = record.revision == self.claimed.revision.saturating_add(1) || broken::is(Variant::AheadIsBelieved);
        (has_only_left && limits == self.limits).then_some(self.lanes)
    }
}
