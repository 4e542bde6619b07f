//! The durable queue: each function is one store transaction, in which the pure decisions of [`crate::queue`] are made on
//! what is on disk and carried out. Written once, for every store.

use crate::broken::{self, Variant};
use crate::flat_map::FlatMap;
use crate::input::{InvalidInput, Subject};
use crate::platform::{Access, Store, StoreError, Transaction};
use crate::policy::backoff::Backoff;
use crate::policy::gate::{GateReason, Trigger};
use crate::queue::action::{Action, ActionState};
use crate::queue::answer::Verdict;
use crate::queue::plan::{BatchLimits, Planner};
use crate::queue::record::{BatchRecord, Counts, RowChange, Settlement, UserRecord};
use crate::time::WallTime;
use std::time::Duration;

/// How many rows are read at a time when looking for work.
const PAGE: u32 = 128;

/// Why actions were not taken in.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk failed. Nothing of what was handed in is stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An action cannot be taken. Nothing of what was handed in is stored.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
}

/// Takes in actions, all or none, in order. Resolves when they are on disk, with what is in the queue then.
pub async fn append<S: Store>(store: &S, user_id: &str, mut actions: Vec<Action>) -> Result<(Vec<Action>, Counts), AppendError> {
    let transaction = store.transaction(Access::Write).await?;
    let mut record = transaction.record(user_id).await?;
    for action in &mut actions {
        if transaction.find(user_id, &action.id).await?.is_some() {
            return Err(InvalidInput::new(
                Subject::Action,
                "id",
                &action.id,
                "an id that is not in the queue already; an action keeps its id until it is settled",
            )
            .into());
        }
        record.admit(action);
        transaction.write(action)?;
    }
    transaction.write_record(user_id, &record)?;
    let committed = transaction.commit().await;
    if !broken::is(Variant::ResolveBeforeCommit) {
        committed?;
    }
    Ok((actions, record.counts))
}

/// Whether a drain may start.
#[derive(Debug)]
pub enum Begin {
    /// There is nothing to send.
    Idle(Counts),
    /// The gate is closed for this trigger.
    Closed {
        /// For so long.
        wait: Duration,
        /// What is in the queue.
        counts: Counts,
    },
    /// It may, under this epoch.
    Open {
        /// To be shown in every later transaction of the drain.
        epoch: u64,
        /// What is in the queue.
        counts: Counts,
    },
}

/// Starts a drain: every earlier one loses its right to write.
pub async fn begin<S: Store>(store: &S, user_id: &str, trigger: Trigger, now: WallTime) -> Result<Begin, StoreError> {
    let transaction = store.transaction(Access::Write).await?;
    let mut record = transaction.record(user_id).await?;
    let counts = record.counts;
    if counts.pending == 0 {
        transaction.commit().await?;
        return Ok(Begin::Idle(counts));
    }
    let wait = record.gate.wait(trigger, now);
    if !wait.is_zero() {
        if record.gate.notice_clock_set_back(now) {
            transaction.write_record(user_id, &record)?;
        }
        transaction.commit().await?;
        return Ok(Begin::Closed { wait, counts });
    }
    record.epoch += 1;
    transaction.write_record(user_id, &record)?;
    transaction.commit().await?;
    Ok(Begin::Open { epoch: record.epoch, counts })
}

/// What there is to send.
#[derive(Debug)]
pub enum Claim {
    /// This batch, which is on disk as the one whose answer is awaited.
    Batch {
        /// Its `Idempotency-Key`.
        key: String,
        /// Its actions, in order.
        actions: Vec<Action>,
        /// How often it has failed as a whole, and may itself have been the reason.
        failures: u32,
    },
    /// Nothing is due.
    Nothing {
        /// When something will be.
        next_due: Option<WallTime>,
        /// What is in the queue.
        counts: Counts,
    },
    /// Another drain has begun since.
    Superseded,
}

/// Claims the next batch. One whose answer never came is claimed again as it was, under the same key, so that the server
/// can tell. If the application has discarded some of it since, or it is to be smaller, another is made, under `fresh_key`.
pub async fn claim<S: Store>(
    store: &S,
    user_id: &str,
    epoch: u64,
    limits: BatchLimits,
    now: WallTime,
    fresh_key: &str,
) -> Result<Claim, StoreError> {
    let transaction = store.transaction(Access::Write).await?;
    let mut record = transaction.record(user_id).await?;
    if record.epoch != epoch && !broken::is(Variant::NoEpochFence) {
        transaction.commit().await?;
        return Ok(Claim::Superseded);
    }
    let (mut actions, mut next_due) = (Vec::new(), None);
    let (mut key, mut failures) = (fresh_key.to_string(), 0);
    if let Some(batch) = record.batch.as_ref().filter(|_| broken::is(Variant::BatchNotFixed)) {
        key.clone_from(&batch.key);
        failures = batch.failures;
    } else if let Some(batch) = &record.batch {
        let rows = rows_of(&transaction, user_id, &batch.seqs).await?;
        let is_whole = rows.len() == batch.seqs.len() && rows.iter().all(|action| action.state == ActionState::Pending);
        if is_whole {
            actions = rows;
            actions.truncate(limits.actions.min(batch.size()));
        }
        if actions.len() == batch.seqs.len() {
            key.clone_from(&batch.key);
            failures = batch.failures;
        }
    }
    if actions.is_empty() {
        let mut planner = Planner::new(limits, now);
        let mut from = 0;
        while planner.wants_more() {
            let mut page = transaction.actions_from(user_id, from, PAGE).await?;
            let Some(last) = page.last() else { break };
            from = last.seq + 1;
            let is_last_page = page.len() < PAGE as usize;
            if broken::is(Variant::OrderByWallClock) {
                page.sort_by_key(|action| action.timestamp);
            }
            for action in page {
                planner.offer(action);
            }
            if is_last_page {
                break;
            }
        }
        let plan = planner.finish();
        (actions, next_due) = (plan.batch, plan.next_due);
    }
    let batch = (!actions.is_empty()).then(|| BatchRecord {
        key: key.clone(),
        seqs: actions.iter().map(|action| action.seq).collect(),
        failures,
    });
    if broken::is(Variant::DeleteBeforeSend) {
        for action in &actions {
            record.discard(action);
            transaction.delete(user_id, action.seq)?;
        }
        transaction.write_record(user_id, &record)?;
    }
    if record.batch != batch {
        record.batch = batch;
        transaction.write_record(user_id, &record)?;
    }
    transaction.commit().await?;
    Ok(if actions.is_empty() {
        Claim::Nothing { next_due, counts: record.counts }
    } else {
        Claim::Batch { key, actions, failures }
    })
}

/// How the policies of the queue bear on a transaction, and the chance and the moment it is decided at.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The delays between attempts.
    pub backoff: &'a Backoff,
    /// Now, by the wall clock.
    pub now: WallTime,
    /// Uniformly random in `[0, 1)`.
    pub unit: f64,
}

/// What became of a batch.
#[derive(Debug)]
pub struct Settled {
    /// What changed.
    pub settlement: Settlement,
    /// What is in the queue now.
    pub counts: Counts,
    /// Whether the drain is still the current one.
    pub current: bool,
}

/// Enters the verdicts on a batch into the books, and opens the gate. Actions leave the disk here and, on the application's
/// wish, in [`discard`], and nowhere else.
pub async fn settle<S: Store>(
    store: &S,
    user_id: &str,
    epoch: u64,
    verdicts: &FlatMap<u64, Verdict>,
    moment: Moment<'_>,
) -> Result<Settled, StoreError> {
    let transaction = store.transaction(Access::Write).await?;
    let mut record = transaction.record(user_id).await?;
    let current = record.epoch == epoch || broken::is(Variant::NoEpochFence);
    let before = record.counts;
    let seqs: Vec<u64> = verdicts.keys().copied().collect();
    let rows = rows_of(&transaction, user_id, &seqs).await?;
    let settlement = record.settle(rows, verdicts, current, moment.backoff, moment.now, moment.unit);
    for change in &settlement.changes {
        match change {
            RowChange::Write(action) => transaction.write(action)?,
            RowChange::Delete { seq } => transaction.delete(user_id, *seq)?,
        }
    }
    if current {
        record.gate.open(moment.now);
    }
    if broken::is(Variant::CountsApart) {
        let apart = UserRecord { counts: before, ..record.clone() };
        transaction.write_record(user_id, &apart)?;
        transaction.commit().await?;
        let transaction = store.transaction(Access::Write).await?;
        let apart = UserRecord { counts: record.counts, ..transaction.record(user_id).await? };
        transaction.write_record(user_id, &apart)?;
        transaction.commit().await?;
        return Ok(Settled { settlement, counts: record.counts, current });
    }
    transaction.write_record(user_id, &record)?;
    transaction.commit().await?;
    Ok(Settled { settlement, counts: record.counts, current })
}

/// A gate that was closed.
#[derive(Debug, Clone, Copy)]
pub struct Closed {
    /// For so long.
    pub wait: Duration,
    /// Why.
    pub because: GateReason,
    /// What is in the queue.
    pub counts: Counts,
}

/// Closes the gate after a batch got no answer; the batch stays claimed, as it was. `counts_against_batch` says whether the
/// batch itself may be the reason, so that it is halved when this goes on.
pub async fn close_gate<S: Store>(
    store: &S,
    user_id: &str,
    because: GateReason,
    hint: Option<Duration>,
    counts_against_batch: bool,
    moment: Moment<'_>,
) -> Result<Closed, StoreError> {
    let transaction = store.transaction(Access::Write).await?;
    let mut record = transaction.record(user_id).await?;
    if let Some(batch) = record.batch.as_mut().filter(|_| counts_against_batch) {
        batch.failures += 1;
    }
    let wait = record.gate.close(moment.backoff, because, hint, moment.now, moment.unit);
    if !broken::is(Variant::GateNotPersisted) {
        transaction.write_record(user_id, &record)?;
    }
    transaction.commit().await?;
    Ok(Closed { wait, because: record.gate.reason(moment.now).unwrap_or(because), counts: record.counts })
}

/// Takes an action out of the queue because the application says so. `None` if there is none of that id.
pub async fn discard<S: Store>(store: &S, user_id: &str, id: &str) -> Result<Option<Counts>, StoreError> {
    let transaction = store.transaction(Access::Write).await?;
    let mut record = transaction.record(user_id).await?;
    let Some(action) = transaction.find(user_id, id).await? else {
        transaction.commit().await?;
        return Ok(None);
    };
    record.discard(&action);
    transaction.delete(user_id, action.seq)?;
    transaction.write_record(user_id, &record)?;
    transaction.commit().await?;
    Ok(Some(record.counts))
}

/// Puts a dead letter or a conflict back among the pending, in its old place; any other stays as it is. `None` if there is no action of that id.
pub async fn requeue<S: Store>(store: &S, user_id: &str, id: &str) -> Result<Option<Counts>, StoreError> {
    let transaction = store.transaction(Access::Write).await?;
    let mut record = transaction.record(user_id).await?;
    let Some(mut action) = transaction.find(user_id, id).await? else {
        transaction.commit().await?;
        return Ok(None);
    };
    if matches!(action.state, ActionState::Dead | ActionState::Conflict) {
        record.requeue(&mut action);
        transaction.write(&action)?;
        transaction.write_record(user_id, &record)?;
    }
    transaction.commit().await?;
    Ok(Some(record.counts))
}

/// The record of a user's queue.
pub async fn record<S: Store>(store: &S, user_id: &str) -> Result<UserRecord, StoreError> {
    let transaction = store.transaction(Access::Read).await?;
    let record = transaction.record(user_id).await?;
    transaction.commit().await?;
    Ok(record)
}

/// Up to `limit` of a user's actions from `seq` on, in order, and the record they belong to.
pub async fn list<S: Store>(store: &S, user_id: &str, seq: u64, limit: u32) -> Result<(UserRecord, Vec<Action>), StoreError> {
    let transaction = store.transaction(Access::Read).await?;
    let record = transaction.record(user_id).await?;
    let actions = transaction.actions_from(user_id, seq, limit).await?;
    transaction.commit().await?;
    Ok((record, actions))
}

/// Those of the rows that are still there: one request for each run of neighbours, so that a batch which spans a long
/// queue does not read all of it.
async fn rows_of<T: Transaction>(transaction: &T, user_id: &str, seqs: &[u64]) -> Result<Vec<Action>, StoreError> {
    let mut rows = Vec::with_capacity(seqs.len());
    for run in seqs.chunk_by(|one, next| one + 1 == *next) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            rows.extend(transaction.actions_between(user_id, *first, *last).await?);
        }
    }
    Ok(rows)
}
