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
    /// How many lie in each of the lanes beside the batch.
    counts: [u64; 4],
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
    // What went alone may be followed by such that do, of which not much is read.
    let Some(batch) = claimed.batch.as_ref().filter(|batch| batch.size() > 1) else { return Ok(None) };
    let of_batch = |lane: Lane| batch.runs.iter().filter(move |run| run.lane == lane);
    let beside = |lane| of_batch(lane).fold(claimed.in_lane(lane), |count, run| count.saturating_sub(run.size() as u64));
    let counts = Lane::READY.map(beside);
    if counts == [0; 4] {
        return Ok(None);
    }
    let ledger = Ledger::open(store, user_id, Access::Read).await?;
    if ledger.record != claimed {
        return Ok(None);
    }
    let (mut lanes, mut more_urgent): ([Vec<Action>; 4], u64) = Default::default();
    for ((lane, count), slot) in Lane::READY.into_iter().zip(counts).zip(lanes.iter_mut()) {
        if count > 0 {
            let first = of_batch(lane).map(|run| run.last.saturating_add(1)).max().unwrap_or(0);
            let enough = enough_of(lane, more_urgent, limits.actions.max(1));
            let rows = ledger.transaction.rows(user_id, lane, first, LAST, enough).await?;
            *slot = rows.iter().map(|row| Action::read(row, user_id)).collect();
        }
        more_urgent = more_urgent.saturating_add(count);
    }
    ledger.commit().await?;
    if lanes.iter().flatten().any(|action| action.state == ActionState::Unreadable) {
        return Ok(None);
    }
    Ok(Some(Ahead { claimed, limits, counts, lanes }))
}

impl Ahead {
    /// What there is to choose from in a queue that has this record, if nothing but the batch, and all of it, has left since.
    pub(super) fn lanes(self, record: &UserRecord, limits: BatchLimits) -> Option<[Vec<Action>; 4]> {
        let is_same_queue = record.created_at == self.claimed.created_at;
        // It leaves at once.
        let has_left = record.revision == self.claimed.revision.saturating_add(1);
        let is_so = is_same_queue && has_left && Lane::READY.map(|lane| record.in_lane(lane)) == self.counts;
        ((is_so || broken::is(Variant::AheadIsBelieved)) && limits == self.limits).then_some(self.lanes)
    }
}
