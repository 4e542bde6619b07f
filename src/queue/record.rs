//! What is kept about a user's queue as a whole, so that nothing needs to count it.

use super::action::{Action, ActionState};
use super::answer::Verdict;
use crate::broken::{self, Variant};
use crate::flat_map::FlatMap;
use crate::policy::backoff::Backoff;
use crate::policy::gate::{Gate, LONGEST_HONOURED_HINT};
use crate::policy::retry::spread;
use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;

/// One user's queue as a whole: a single row, read and written in every transaction on that queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserRecord {
    /// The sequence number of the next action.
    pub next_seq: u64,
    /// Which drain is the current one. Each drain starts by adding one; what an earlier one still writes is then refused.
    pub epoch: u64,
    /// What is in the queue.
    pub counts: Counts,
    /// The batch that was sent last and whose answer is not in the books yet. It is sent again as it is until it is.
    pub batch: Option<BatchRecord>,
    /// Whether the server may be asked.
    pub gate: Gate,
}

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
    /// Bytes of all of these.
    pub bytes: u64,
}

/// A batch that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchRecord {
    /// The `Idempotency-Key` of the batch.
    pub key: String,
    /// The sequence numbers of its actions, ascending.
    pub seqs: Vec<u64>,
    /// How often the server, or the time it may take, has failed it as a whole.
    #[serde(default)]
    pub failures: u32,
}

impl BatchRecord {
    /// After so many failures a batch is halved, or steps aside if it is a lone action: something in it, or its size, may be what
    /// fails.
    pub const FAILURES_PER_HALVING: u32 = 3;

    /// How many of its actions are to be sent together.
    pub fn size(&self) -> usize {
        let halvings = self.failures / Self::FAILURES_PER_HALVING;
        self.seqs.len().checked_shr(halvings).unwrap_or(0).max(1)
    }
}

/// A change of one row.
#[derive(Debug, Clone)]
pub enum RowChange {
    /// It is written.
    Write(Box<Action>),
    /// It is deleted.
    Delete {
        /// Whose it is.
        seq: u64,
    },
}

/// What became of an action: an event, and what `settled` resolves to. It crosses to other tabs, and to JavaScript, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase")]
pub enum Outcome {
    /// The server has applied it. It is gone from the disk.
    Applied,
    /// The server had applied it before. It is gone from the disk.
    Duplicate,
    /// The server will never take it as it is. It is kept as a dead letter.
    Rejected {
        /// Why.
        error: Box<crate::error::ApiError>,
    },
    /// Something newer stands against it. It is kept, and its key parked.
    Conflict {
        /// What.
        conflict: crate::wire::Conflict,
    },
    /// The application took it back.
    Discarded,
    /// It is no longer in the queue, and this tab did not hear what became of it.
    Gone,
}

impl Counts {
    fn of(&mut self, state: ActionState) -> &mut u64 {
        match state {
            // What it was counted as is not known; most are pending.
            ActionState::Pending | ActionState::Unreadable => &mut self.pending,
            ActionState::Conflict => &mut self.conflicts,
            ActionState::Dead => &mut self.dead,
        }
    }

    fn add(&mut self, action: &Action) {
        let count = self.of(action.state);
        *count = count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(action.bytes());
    }

    fn remove(&mut self, action: &Action) {
        let count = self.of(action.state);
        *count = count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(action.bytes());
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.pending.saturating_add(self.conflicts).saturating_add(self.dead)
    }
}

impl UserRecord {
    /// Takes in a new action and gives it its place.
    pub fn admit(&mut self, action: &mut Action) {
        action.seq = self.next_seq;
        self.next_seq += 1;
        self.counts.add(action);
    }

    /// Whether `seq` is in the batch whose answer is awaited.
    pub fn is_in_flight(&self, seq: u64) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.seqs.binary_search(&seq).is_ok())
    }

    /// Carries out the verdicts on a batch. `rows` are the actions of the batch that are still on disk; verdicts on others
    /// change nothing. `current` says whether the drain that asks is still the current one: if not, only what the server has
    /// positively taken is deleted, since that stays true whoever reports it.
    pub fn settle(
        &mut self,
        rows: Vec<Action>,
        verdicts: &FlatMap<u64, Verdict>,
        current: bool,
        backoff: &Backoff,
        now: WallTime,
        unit: f64,
    ) -> Settlement {
        let mut settlement = Settlement::default();
        for mut action in rows {
            let outcome = match verdicts.get(&action.seq) {
                Some(Verdict::Applied) => Some(Outcome::Applied),
                Some(Verdict::Duplicate) => Some(Outcome::Duplicate),
                _ if !current => continue,
                Some(Verdict::Rejected(error)) => Some(Outcome::Rejected { error: error.clone() }),
                Some(Verdict::Conflict(conflict)) => Some(Outcome::Conflict { conflict: conflict.clone() }),
                Some(Verdict::Retry(_) | Verdict::Unlisted) => None,
                None => continue,
            };
            self.counts.remove(&action);
            match &outcome {
                Some(Outcome::Applied | Outcome::Duplicate | Outcome::Discarded | Outcome::Gone) => {
                    settlement.changes.push(RowChange::Delete { seq: action.seq });
                }
                Some(Outcome::Rejected { error }) => {
                    action.state = ActionState::Dead;
                    action.attempts = action.attempts.saturating_add(1);
                    action.last_error = to_json(error);
                }
                Some(Outcome::Conflict { conflict }) => {
                    action.state = ActionState::Conflict;
                    action.attempts = action.attempts.saturating_add(1);
                    action.conflict = Some(conflict.clone());
                }
                None => {
                    action.attempts = action.attempts.saturating_add(1);
                    let said = match verdicts.get(&action.seq) {
                        Some(Verdict::Retry(error)) => error.clone(),
                        _ => None,
                    };
                    let hint = said.as_ref().and_then(|error| error.retry_hint).map(|hint| Duration::from_millis(hint.after_ms));
                    let wait = match hint.filter(|hint| !hint.is_zero()) {
                        Some(hint) => spread(hint.min(LONGEST_HONOURED_HINT), unit),
                        None => backoff.delay(action.attempts, unit),
                    };
                    action.not_before = Some(now.after(wait));
                    action.last_error = said.and_then(|error| to_json(&error)).or(action.last_error);
                }
            }
            let id = action.id.clone();
            let is_dropped = match &outcome {
                Some(Outcome::Rejected { .. }) => broken::is(Variant::RejectedDropped),
                Some(Outcome::Conflict { .. }) => broken::is(Variant::ConflictDropped),
                None => action.attempts >= 5 && broken::is(Variant::RetriesRunOut),
                _ => false,
            };
            if is_dropped {
                settlement.changes.push(RowChange::Delete { seq: action.seq });
                continue;
            }
            if !matches!(outcome, Some(Outcome::Applied | Outcome::Duplicate)) {
                self.counts.add(&action);
                settlement.changes.push(RowChange::Write(Box::new(action)));
            }
            settlement.settled.extend(outcome.map(|outcome| (id, outcome)));
        }
        if current {
            self.batch = None;
        }
        settlement
    }

    /// Takes one action out of the books, which the application has given up on.
    pub fn discard(&mut self, action: &Action) {
        self.counts.remove(action);
    }

    /// Puts a dead letter or a conflict back among the pending, where it was.
    pub fn requeue(&mut self, action: &mut Action) {
        self.counts.remove(action);
        action.reset();
        self.counts.add(action);
    }
}

/// Kept as text: it is only ever shown, and code that reads an error back would be dead weight.
fn to_json(error: &crate::error::ApiError) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(error).ok()
}

/// What carrying out the verdicts on a batch changes.
#[derive(Debug, Default)]
pub struct Settlement {
    /// The rows to write and to delete.
    pub changes: Vec<RowChange>,
    /// What became of the actions that are settled, by id.
    pub settled: Vec<(String, Outcome)>,
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::queue::plan::tests::action;

    #[test]
    fn what_a_damaged_record_counts_is_counted_no_further_than_it_can_be() {
        let most = u64::MAX;
        let text = format!(r#"{{"counts":{{"pending":{most},"conflicts":{most},"dead":{most},"bytes":{most}}}}}"#);
        let mut record: UserRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(record.counts.total(), u64::MAX);
        record.admit(&mut action(1, None));
        assert_eq!((record.counts.pending, record.counts.bytes), (u64::MAX, u64::MAX));
        let tired = Action { attempts: u32::MAX, ..action(7, None) };
        let backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30));
        let verdicts = FlatMap::from_iter([(7, Verdict::Retry(None))]);
        let settlement = record.settle(vec![tired], &verdicts, true, &backoff, WallTime(0), 0.5);
        let [RowChange::Write(again)] = settlement.changes.as_slice() else { panic!("{settlement:?}") };
        assert_eq!(again.attempts, u32::MAX);
    }
}
