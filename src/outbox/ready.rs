//! The batch that goes next, made ready while one is on its way.
//!
//! When all of a batch is taken, nobody waits for the disk to choose what comes after it, or to write that down: it is there, and goes
//! while the books are brought up to date. As long as only one drain can know that it has not been sent, that one says so; whoever
//! finds it later takes it for sent.

use super::drain::{Batch, FEW, in_flight};
use super::due::see_to_due;
use super::ledger::{LAST, Ledger};
use crate::broken::{self, Variant};
use crate::platform::tables::{Lane, Row, Store, Transaction};
use crate::platform::{Access, StoreError};
use crate::policy::gate::GateReason;
use crate::queue::action::{Action, ActionState};
use crate::queue::outcome::Outcome;
use crate::queue::plan::{BatchLimits, choose, enough_of};
use crate::queue::record::{BatchRecord, Run, UserRecord};
use crate::time::WallTime;
use futures_util::future::try_join;

/// What a drain knows of the batch that was made ready.
#[derive(Debug, Clone, Copy)]
pub enum Following<'a> {
    /// Nothing: if there is one, the server may have seen it.
    Unknown,
    /// This one has not been sent, and is not going to be.
    Unsent(&'a Batch),
    /// It was sent when all of the one before it had been taken.
    OnItsWay,
}

impl Following<'_> {
    fn is_unsent(self, batch: &BatchRecord) -> bool {
        matches!(self, Self::Unsent(next) if batch.key == next.key) || broken::is(Variant::NextTakenForUnsent)
    }
}

/// Whether a batch that was made ready may be sent now, without waiting for the books: no other drain has begun, nobody has taken any of
/// it out of the queue, nobody was told to leave the server alone, and all of it is still worth sending.
pub async fn may_go<S: Store>(store: &S, user_id: &str, epoch: u64, batch: &Batch, now: WallTime) -> Result<bool, StoreError> {
    let record = Ledger::open(store, user_id, Access::Read).await?.commit().await?;
    let is_worth_sending = |action: &Action| action.sent || action.expiry(record.server_ahead).is_none_or(|moment| moment > now);
    let is_as_it_was = is_as_it_was(record.next_batch.as_ref(), &batch.key);
    Ok(is_as_it_was && is_open(&record, epoch, now) && batch.actions.iter().all(is_worth_sending))
}

/// Whether a batch that was claimed a while ago may still be sent under that key: no other drain has begun, nobody has taken any of it out
/// of the queue, and nobody was told to leave the server alone.
pub async fn may_go_still<S: Store>(store: &S, user_id: &str, epoch: u64, key: &str, now: WallTime) -> Result<bool, StoreError> {
    let record = Ledger::open(store, user_id, Access::Read).await?.commit().await?;
    let is_claimed = [&record.batch, &record.next_batch].into_iter().any(|batch| is_as_it_was(batch.as_ref(), key));
    Ok((is_claimed && is_open(&record, epoch, now)) || broken::is(Variant::NoEpochFence))
}

fn is_as_it_was(batch: Option<&BatchRecord>, key: &str) -> bool {
    batch.is_some_and(|batch| batch.key == key && !batch.is_broken)
}

/// Whether the server may be asked under that epoch.
pub(super) fn is_open(record: &UserRecord, epoch: u64, now: WallTime) -> bool {
    record.epoch == epoch && record.gate.reason(now) != Some(GateReason::ServerHint)
}

/// Lets go of the batch that was made ready, if it is known not to have been sent: it is to wait.
pub async fn let_wait<S: Store>(store: &S, user_id: &str, epoch: u64, following: Following<'_>) -> Result<(), StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    if ledger.record.epoch == epoch {
        ledger.forget_unsent(following);
    }
    ledger.commit().await.map(drop)
}

impl<T: Transaction> Ledger<'_, T> {
    /// Forgets the batch that was made ready, if that is known not to have been sent.
    pub(super) fn forget_unsent(&mut self, following: Following<'_>) {
        let Some(unsent) = self.record.next_batch.take_if(|batch| following.is_unsent(batch)) else { return };
        let places = u64::try_from(unsent.size()).unwrap_or(0);
        self.record.places = self.record.places.wrapping_sub(places);
        match following {
            Following::Unsent(next) => next.actions.iter().filter_map(Action::due).for_each(|due| self.record.expect(due)),
            _ => self.record.look_at_once(),
        }
    }

    /// Does the same with any: what is held back now, or goes in parts, may be in it. The server may have seen it.
    pub(super) async fn dissolve_next(&mut self) -> Result<(), StoreError> {
        let Some(batch) = self.record.next_batch.take() else { return Ok(()) };
        self.record.look_at_once();
        for mut action in in_flight(self, &batch).await?.into_iter().filter(|action| !action.sent) {
            action.sent = true;
            self.rewrite(action.lane, action.bytes(), &action)?;
        }
        Ok(())
    }

    /// The batch that goes next: the one that was made ready before, or one that is made ready now. `None` if it does not pay, or something
    /// has to be seen to first.
    pub(super) async fn make_ready(
        &mut self,
        key: &str,
        limits: BatchLimits,
        now: WallTime,
        settled: &mut Vec<(String, Outcome)>,
    ) -> Result<Option<Batch>, StoreError> {
        if let Some(next) = self.record.next_batch.clone() {
            let actions = in_flight(self, &next).await?;
            let is_whole = actions.len() == next.size() && !next.is_broken;
            return Ok(is_whole.then_some(Batch { key: next.key, actions, failures: next.failures, is_again: true }));
        }
        let Some(batch) = self.record.batch.clone() else { return Ok(None) };
        let size = limits.actions.max(1);
        // Where one has gone alone the next one may as well, and much would be looked at for it.
        if batch.size() < FEW && size >= FEW {
            return Ok(None);
        }
        // Only where as many wait as may go into it: what comes later is not kept out.
        if Lane::READY.into_iter().map(|lane| self.count_beside(&batch, lane)).sum::<u64>() < size as u64 {
            return Ok(None);
        }
        see_to_due(self, now, settled).await?;
        let (mut lanes, mut more_urgent): ([Vec<Action>; 4], u64) = Default::default();
        for (lane, slot) in Lane::READY.into_iter().zip(lanes.iter_mut()) {
            let count = self.count_beside(&batch, lane);
            if count > 0 {
                let rows = self.beside(&batch, lane, enough_of(lane, more_urgent, size)).await?;
                *slot = rows.iter().map(|row| Action::read(row, self.user_id)).collect();
            }
            more_urgent = more_urgent.saturating_add(count);
        }
        // What cannot be read is put aside when its turn comes.
        if lanes.iter().flatten().any(|action| action.state == ActionState::Unreadable) {
            return Ok(None);
        }
        let mut places = self.record.places;
        let actions = choose(lanes, limits, &mut places);
        if actions.is_empty() || actions.iter().any(Action::goes_alone) {
            return Ok(None);
        }
        self.record.places = places;
        let key = key.to_string();
        self.record.next_batch = Some(BatchRecord { key: key.clone(), runs: Run::of(&actions), failures: 0, is_broken: false });
        Ok(Some(Batch { key, actions, failures: 0, is_again: false }))
    }

    /// How many lie in a lane beside those of that batch.
    fn count_beside(&self, batch: &BatchRecord, lane: Lane) -> u64 {
        let sizes = of_lane(batch, lane).map(|run| u64::try_from(run.size()).unwrap_or(u64::MAX));
        sizes.fold(self.record.in_lane(lane), u64::saturating_sub)
    }

    /// The first rows of a lane that are not in that batch.
    async fn beside(&self, batch: &BatchRecord, lane: Lane, limit: u32) -> Result<Vec<Row>, StoreError> {
        let rows = |first, last, limit| self.transaction.rows(self.user_id, lane, first, last, limit);
        let ends = of_lane(batch, lane).map(|run| (run.first, run.last));
        let Some((first, last)) = ends.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))) else {
            return rows(0, LAST, limit).await;
        };
        // One run: what lies in between is the batch alone.
        let of_batch =
            of_lane(batch, lane).fold(0, |count: u32, run| count.saturating_add(u32::try_from(run.size()).unwrap_or(u32::MAX)));
        let is_one_run = of_lane(batch, lane).nth(1).is_none();
        let (from, also) = if is_one_run { (last.saturating_add(1), 0) } else { (first, of_batch) };
        let before = async {
            match first.checked_sub(1) {
                Some(end) => rows(0, end, limit).await,
                None => Ok(Vec::new()),
            }
        };
        let (mut before, behind) = try_join(before, rows(from, LAST, limit.saturating_add(also))).await?;
        before.extend(behind.into_iter().filter(|row| !batch.has(row.seq)));
        before.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(before)
    }
}

/// The runs of a batch in that lane.
fn of_lane(batch: &BatchRecord, lane: Lane) -> impl Iterator<Item = &Run> {
    batch.runs.iter().filter(move |run| run.lane == lane)
}
