//! What is kept about a user's queue as a whole, so that nothing needs to count it.

use super::action::Action;
use super::durability::Durability;
use super::row::Lane;
use crate::policy::gate::{Gate, LONGEST_HONOURED_HINT};
use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The layout of the record that this version writes.
pub const RECORD_VERSION: u32 = 2;

/// One user's queue as a whole: a single document, read and written in every transaction on that queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserRecord {
    /// Where it was found.
    #[serde(skip)]
    pub place: Durability,
    /// The layout it was written in; 0 if that is not known.
    pub schema_version: u32,
    /// When the queue was created, which tells it from one that was here before and was deleted.
    pub created_at: WallTime,
    /// The sequence number of the next action.
    pub next_seq: u64,
    /// Which drain is the current one. Each drain starts by adding one; what an earlier one still writes is then refused.
    pub epoch: u64,
    /// How many actions lie in each lane, by its number.
    pub lanes: [u64; 10],
    /// Bytes of all of these.
    pub bytes: u64,
    /// The batch whose answer is awaited, or is not in the books yet. It is sent again as it is until that is.
    pub batch: Option<BatchRecord>,
    /// The batch that goes as soon as all of that one is taken, before that is in the books. It may have gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_batch: Option<BatchRecord>,
    /// Whether the server may be asked.
    pub gate: Gate,
    /// How many places in batches have been given away: every eighth belongs to the oldest action.
    pub places: u64,
    /// The number of the next entry of the history.
    pub history: u64,
    /// When a batch was settled last, by the wall clock.
    pub last_sync: Option<WallTime>,
    /// When the present drain did something last, by the wall clock. Where there are no locks, this is what keeps others from
    /// overtaking it again and again.
    pub at_work_since: Option<WallTime>,
    /// No action's time comes before this, be it to be sent again or to expire; `None` while none waits for its time.
    pub next_due: Option<WallTime>,
    /// The wall clock when actions were last told to wait, which is how it shows that the clock has been set back since.
    pub delayed_at: Option<WallTime>,
    /// By how many milliseconds the server's clock is ahead of the wall clock (negative: behind), as far as its answers have told.
    pub server_ahead: i64,
    /// Whether there may be files that nothing holds any longer, and that are to be deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_let_go: bool,
}

/// An action that is told to wait waits no longer than this. What seems to was told to by a clock that has been set back since.
pub const LONGEST_DELAY: Duration = Duration::from_secs(2 * LONGEST_HONOURED_HINT.as_secs());

/// A clock that is further off than this, in milliseconds, is not believed: a year.
const FARTHEST_AHEAD: u64 = 366 * 86_400_000;
/// A difference between clocks of no more than this, in milliseconds, may be that of the journey and of whole seconds.
const NO_DIFFERENCE: u64 = 2_000;

/// A drain that has done nothing for this long is taken for dead: longer than a batch may take.
const LONGEST_STEP: Duration = Duration::from_secs(45);

/// What is in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Actions that wait to be sent or for their answer.
    pub pending: u64,
    /// Actions that wait for a decision about a conflict.
    pub conflicts: u64,
    /// Dead letters.
    pub dead: u64,
    /// Actions that this version cannot read, and keeps for one that can.
    pub unreadable: u64,
    /// Bytes of all of these.
    pub bytes: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.pending.saturating_add(self.conflicts).saturating_add(self.dead).saturating_add(self.unreadable)
    }

    /// Those of two places together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            pending: self.pending.saturating_add(other.pending),
            conflicts: self.conflicts.saturating_add(other.conflicts),
            dead: self.dead.saturating_add(other.dead),
            unreadable: self.unreadable.saturating_add(other.unreadable),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// Neighbours in a lane: the actions with these sequence numbers, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(Lane, u64, u64)", from = "(Lane, u64, u64)")]
pub struct Run {
    /// The lane.
    pub lane: Lane,
    /// The first sequence number.
    pub first: u64,
    /// The last one.
    pub last: u64,
}

impl From<(Lane, u64, u64)> for Run {
    fn from((lane, first, last): (Lane, u64, u64)) -> Self {
        Self { lane, first, last }
    }
}

impl From<Run> for (Lane, u64, u64) {
    fn from(run: Run) -> Self {
        (run.lane, run.first, run.last)
    }
}

impl Run {
    /// Actions as runs of neighbours, so that what lies together is read and deleted together.
    pub fn of<'a>(actions: impl IntoIterator<Item = &'a Action>) -> Vec<Self> {
        let mut runs: Vec<Self> = Vec::new();
        for action in actions {
            match runs.iter_mut().find(|run| run.lane == action.lane && run.last.checked_add(1) == Some(action.seq)) {
                Some(run) => run.last = action.seq,
                None => runs.push(Self { lane: action.lane, first: action.seq, last: action.seq }),
            }
        }
        runs
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        usize::try_from(self.last.saturating_sub(self.first).saturating_add(1)).unwrap_or(usize::MAX)
    }
}

/// A batch that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchRecord {
    /// The `Idempotency-Key` of the batch.
    pub key: String,
    /// Its actions.
    pub runs: Vec<Run>,
    /// How often the server, or the time it may take, has failed it as a whole.
    #[serde(default)]
    pub failures: u32,
    /// Whether the application has taken some of it out of the queue since.
    #[serde(default)]
    pub is_broken: bool,
}

impl BatchRecord {
    /// After so many failures a batch is halved, or steps aside if it is a lone action: something in it, or its size, may be what
    /// fails.
    pub const FAILURES_PER_HALVING: u32 = 3;

    /// How many actions it has.
    pub fn size(&self) -> usize {
        self.runs.iter().fold(0, |size, run| size.saturating_add(run.size()))
    }

    /// How many of its actions are to be sent together.
    pub fn next_size(&self) -> usize {
        let halvings = self.failures / Self::FAILURES_PER_HALVING;
        self.size().checked_shr(halvings).unwrap_or(0).max(1)
    }

    /// Whether that action is in it.
    pub fn has(&self, seq: u64) -> bool {
        self.runs.iter().any(|run| (run.first..=run.last).contains(&seq))
    }
}

impl UserRecord {
    /// How many actions lie in a lane.
    pub fn in_lane(&self, lane: Lane) -> u64 {
        self.lanes.get(usize::from(u8::from(lane))).copied().unwrap_or(0)
    }

    fn lane_mut(&mut self, lane: Lane) -> Option<&mut u64> {
        self.lanes.get_mut(usize::from(u8::from(lane)))
    }

    /// Counts an action in the lane that it lies in.
    pub fn count(&mut self, lane: Lane, bytes: u64) {
        if let Some(count) = self.lane_mut(lane) {
            *count = count.saturating_add(1);
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Counts it no longer.
    pub fn discount(&mut self, lane: Lane, bytes: u64) {
        if let Some(count) = self.lane_mut(lane) {
            *count = count.saturating_sub(1);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Gives a new action its place.
    pub fn next_place(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq = seq.saturating_add(1);
        seq
    }

    /// What is in the queue.
    pub fn counts(&self) -> Counts {
        let pending = Lane::ALL.into_iter().filter(|lane| *lane <= Lane::Dependent);
        Counts {
            pending: pending.fold(0, |sum, lane| sum.saturating_add(self.in_lane(lane))),
            conflicts: self.in_lane(Lane::Conflict),
            dead: self.in_lane(Lane::Dead),
            unreadable: self.in_lane(Lane::Unreadable),
            bytes: self.bytes,
        }
    }

    /// Whether something is there that may be sent now.
    pub fn has_work(&self) -> bool {
        self.batch.is_some() || Lane::READY.into_iter().any(|lane| self.in_lane(lane) > 0)
    }

    /// Whether the time of an action may have come: to be sent again, or to expire.
    pub fn is_due(&self, now: WallTime) -> bool {
        self.next_due.is_some_and(|due| due <= now) || self.in_lane(Lane::Delayed) > 0 && self.was_set_back(now)
    }

    /// Whether the wall clock has been set back since actions were told to wait, or nobody knows when they were.
    pub fn was_set_back(&self, now: WallTime) -> bool {
        self.delayed_at.is_none_or(|delayed_at| delayed_at > now)
    }

    /// Something is to be looked at when that moment comes.
    pub fn expect(&mut self, due: WallTime) {
        self.next_due = Some(self.next_due.map_or(due, |known| known.min(due)));
    }

    /// What was in flight is no longer, and nobody has looked meanwhile whether its time had come.
    pub fn look_at_once(&mut self) {
        self.expect(WallTime::default());
    }

    /// How long until the time of an action comes, if one waits for it.
    pub fn until_due(&self, now: WallTime) -> Option<Duration> {
        self.next_due.map(|due| due.since(now))
    }

    /// An answer has told by how much the server's clock is ahead, if it has.
    pub fn meet_server_clock(&mut self, ahead: Option<i64>) {
        let believed = ahead.filter(|ahead| ahead.unsigned_abs() <= FARTHEST_AHEAD);
        if let Some(ahead) = believed.filter(|ahead| ahead.abs_diff(self.server_ahead) > NO_DIFFERENCE) {
            self.server_ahead = ahead;
        }
    }

    /// For how long another drain is to be left to its work. Beyond what it can be by a clock that was set back, it is dead.
    pub fn busy_for(&self, now: WallTime) -> Duration {
        let Some(since) = self.at_work_since.filter(|since| *since <= now.after(LONGEST_STEP)) else { return Duration::ZERO };
        LONGEST_STEP.saturating_sub(now.since(since))
    }

    /// Whether `seq` is in the batch whose answer is awaited, or in the one that goes next, at any moment.
    pub fn is_in_flight(&self, seq: u64) -> bool {
        [&self.batch, &self.next_batch].into_iter().flatten().any(|batch| batch.has(seq))
    }

    /// How many are.
    pub fn in_flight(&self) -> usize {
        [&self.batch, &self.next_batch].into_iter().flatten().map(BatchRecord::size).fold(0, usize::saturating_add)
    }

    /// One that may be in flight has left, or is no longer what it was.
    pub fn break_batch_of(&mut self, seq: u64) {
        for batch in [&mut self.batch, &mut self.next_batch].into_iter().flatten() {
            batch.is_broken |= batch.has(seq);
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::queue::plan::tests::action;

    #[test]
    fn what_a_damaged_record_counts_is_counted_no_further_than_it_can_be() {
        let most = u64::MAX;
        let text = format!(r#"{{"nextSeq":{most},"bytes":{most},"lanes":[{most},{most},0,0,0,0,0,0,{most},0]}}"#);
        let mut record: UserRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(record.counts().total(), u64::MAX);
        record.count(Lane::Critical, 1);
        assert_eq!((record.next_place(), record.next_place(), record.bytes), (most, most, most));
    }

    #[test]
    fn neighbours_of_a_lane_are_one_run() {
        let low = |seq| Action { lane: Lane::Low, ..action(seq, None) };
        let actions = [action(1, None), action(2, None), low(3), action(4, None), low(5), low(6)];
        let runs = Run::of(&actions);
        let expected = [(Lane::Normal, 1, 2), (Lane::Low, 3, 3), (Lane::Normal, 4, 4), (Lane::Low, 5, 6)];
        assert_eq!(runs, expected.map(Run::from));
        let batch = BatchRecord { key: "k".into(), runs, failures: 3, is_broken: false };
        assert_eq!((batch.size(), batch.next_size(), batch.has(3), batch.has(7)), (6, 3, true, false));
    }
}
