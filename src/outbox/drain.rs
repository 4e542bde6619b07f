//! The steps of a drain.

use super::dependents;
use super::due::see_to_due;
use super::history;
use super::ledger::{LAST, Ledger, PAGE};
use super::ready::Following;
use crate::broken::{self, Variant};
use crate::flat_map::FlatMap;
use crate::platform::tables::{Lane, Store, Transaction};
use crate::platform::{Access, StoreError};
use crate::policy::gate::{GateReason, Trigger};
use crate::queue::action::{Action, ActionState};
use crate::queue::answer::Verdict;
use crate::queue::outcome::Outcome;
use crate::queue::plan::{BatchLimits, choose, enough_of};
use crate::queue::record::{BatchRecord, Run, UserRecord};
use crate::queue::settlement::{Fate, Moment, carry_out};
use crate::time::WallTime;
use futures_util::future::try_join_all;
use std::time::Duration;

/// For so many it is looked at first, where one may be all.
pub(super) const FEW: usize = 2;

/// Whether a drain may start.
#[derive(Debug)]
pub enum Begin {
    /// There is nothing to send.
    Idle(UserRecord),
    /// The gate is closed for this trigger.
    Closed {
        /// For so long.
        wait: Duration,
        /// The record of the queue.
        record: UserRecord,
    },
    /// It may, under the epoch of the record, which is to be shown in every later transaction of the drain.
    Open(UserRecord),
}

/// Starts a drain: every earlier one loses its right to write. `excludes` says whether whoever calls it knows that no other tab is
/// draining; if not, one that has been at work a moment ago is left to it.
pub async fn begin<S: Store>(
    store: &S,
    user_id: &str,
    trigger: Trigger,
    now: WallTime,
    excludes: bool,
) -> Result<Begin, StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    if !ledger.record.has_work() {
        return Ok(Begin::Idle(ledger.commit().await?));
    }
    let busy = ledger.record.busy_for(now);
    if !excludes && !busy.is_zero() {
        return Ok(Begin::Closed { wait: busy, record: ledger.commit().await? });
    }
    let wait = ledger.record.gate.wait(trigger, now);
    if !wait.is_zero() {
        ledger.record.gate.notice_clock_set_back(now);
        return Ok(Begin::Closed { wait, record: ledger.commit().await? });
    }
    ledger.record.epoch = ledger.record.epoch.wrapping_add(1) & LAST;
    ledger.record.at_work_since = Some(now);
    Ok(Begin::Open(ledger.commit().await?))
}

/// Takes up what an older version, or a newer one, has put aside because it could not read it, and this one can. Where it lay is
/// found out from what it says of itself.
pub async fn read_again<S: Store>(store: &S, user_id: &str) -> Result<UserRecord, StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let (mut from, mut settled) = (0, Vec::new());
    loop {
        let rows = ledger.transaction.rows(user_id, Lane::Unreadable, from, LAST, PAGE).await?;
        let Some(last) = rows.last() else { break };
        from = last.seq.saturating_add(1);
        for row in rows {
            let bytes = Action::read(&row, user_id).bytes();
            let Some(mut action) = Action::read_again(&row, user_id) else { continue };
            match action.state {
                // What it depends on may have been applied while nobody could tell it so.
                ActionState::Pending => {
                    settled.extend(dependents::put_back(&mut ledger, Lane::Unreadable, bytes, action).await?);
                }
                ActionState::Unreadable => {}
                ActionState::Conflict | ActionState::Dead => {
                    action.lane = if action.state == ActionState::Dead { Lane::Dead } else { Lane::Conflict };
                    ledger.rewrite(Lane::Unreadable, bytes, &action)?;
                    ledger.release_all(action.key.into_iter().collect()).await?;
                }
            }
        }
    }
    history::write(&mut ledger, &settled)?;
    ledger.commit().await
}

/// What a batch is to be like.
#[derive(Debug)]
pub struct Claiming<'a> {
    /// How large it may be.
    pub limits: BatchLimits,
    /// Now, by the wall clock.
    pub now: WallTime,
    /// Its key, if it is a new one.
    pub fresh_key: &'a str,
    /// The key of the one that is made ready to follow it.
    pub next_key: &'a str,
}

/// What there is to send.
#[derive(Debug)]
pub enum Claim {
    /// This batch, which is on disk as the one whose answer is awaited.
    Batch(Batch),
    /// There is nothing that may be sent, or nothing until then: the record has when the time of an action comes.
    Nothing {
        /// When the server may be asked again, if it is left alone.
        next_due: Option<WallTime>,
    },
    /// Another drain has begun since.
    Superseded,
}

/// A batch that is to be sent.
#[derive(Debug)]
pub struct Batch {
    /// Its `Idempotency-Key`.
    pub key: String,
    /// Its actions, in order.
    pub actions: Vec<Action>,
    /// How often it has failed as a whole, and may itself have been the reason.
    pub failures: u32,
    /// Whether it was claimed before: the server may have seen it then.
    pub is_again: bool,
}

impl Batch {
    /// The id of its first action.
    pub fn first_id(&self) -> String {
        self.actions.first().map(|action| action.id.clone()).unwrap_or_default()
    }
}

/// What a transaction of a drain has led to.
#[derive(Debug)]
pub struct Step {
    /// What there is to send next, unless that is on its way already.
    pub claim: Claim,
    /// The batch that may follow at once, if all of the one that goes now is taken.
    pub next: Option<Batch>,
    /// What became of actions, by id.
    pub settled: Vec<(String, Outcome)>,
    /// The record of the queue.
    pub record: UserRecord,
}

/// Claims the next batch. One whose answer never came is claimed again as it was, under the same key, so that the server
/// can tell. If the application has discarded some of it since, or it is to be smaller, another is made, under the fresh key.
pub async fn claim<S: Store>(
    store: &S,
    user_id: &str,
    epoch: u64,
    claiming: Claiming<'_>,
    following: Following<'_>,
) -> Result<Step, StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let mut settled = Vec::new();
    let is_current = ledger.record.epoch == epoch || broken::is(Variant::NoEpochFence);
    let (mut claim, mut next) = (Claim::Superseded, None);
    if is_current {
        ledger.forget_unsent(following);
        (claim, next) = choose_next(&mut ledger, claiming, following, usize::MAX, &mut settled).await?;
    }
    history::write(&mut ledger, &settled)?;
    Ok(Step { claim, next, settled, record: ledger.commit().await? })
}

/// Enters the verdicts on a batch into the books, opens the gate, and claims the next batch, if that is asked for. `batch` are the
/// actions as they were claimed, in order; `following` is what is known of the batch that was made ready to follow it. Actions leave the
/// disk here and, on the application's wish or by its policy, in `discard`, `purge`, `append` and where their time comes, and nowhere else.
///
/// If another drain has begun since, only what the server has positively taken is deleted, since that stays true whoever reports it.
pub async fn settle<S: Store>(
    store: &S,
    user_id: &str,
    epoch: u64,
    batch: &Batch,
    verdicts: &[Verdict],
    moment: Moment<'_>,
    (next_batch, following): (Option<Claiming<'_>>, Following<'_>),
) -> Result<Step, StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let is_current = ledger.record.epoch == epoch || broken::is(Variant::NoEpochFence);
    let before = ledger.record.clone();
    let runs = Run::of(&batch.actions);
    // While the record has the batch as it was claimed, its actions are what they were: whoever changes one takes it out.
    let is_untouched = is_current
        && ledger.record.batch.as_ref().is_some_and(|record| record.key == batch.key && record.runs == runs && !record.is_broken);
    let mut rows = if is_untouched { batch.actions.clone() } else { still_there(&ledger, &batch.actions).await? };
    // One that is put off without being sent now may have been sent then. What must not be sent twice has been marked itself.
    for action in rows.iter_mut().filter(|action| batch.is_again && !action.is_sent_once()) {
        action.sent = true;
    }
    let verdict_on = |action: &Action| {
        let index = batch.actions.binary_search_by_key(&action.seq, |action| action.seq).ok()?;
        verdicts.get(index)
    };
    let mut settled = enter(&mut ledger, rows, verdict_on, is_current.then_some((&*batch.key, following)), moment).await?;
    let (mut claim, mut next) = (Claim::Superseded, None);
    ledger.record.meet_server_clock(moment.server_ahead);
    if is_current {
        // The latest, until what was delayed then has been looked at: the clock may have been set back since.
        ledger.record.delayed_at = ledger.record.delayed_at.max(Some(moment.now));
        ledger.record.gate.open(moment.now);
        ledger.record.last_sync = Some(moment.now);
        (claim, next) = match next_batch {
            // Where one has gone alone the next one may as well, and then no more is looked at.
            Some(claiming) if batch.actions.len() < FEW => {
                choose_next(&mut ledger, claiming, following, FEW, &mut settled).await?
            }
            Some(claiming) => choose_next(&mut ledger, claiming, following, usize::MAX, &mut settled).await?,
            None => (Claim::Nothing { next_due: None }, None),
        };
    }
    history::write(&mut ledger, &settled)?;
    if broken::is(Variant::CountsApart) {
        let record = ledger.record.clone();
        (ledger.record.lanes, ledger.record.bytes) = (before.lanes, before.bytes);
        ledger.commit().await?;
        let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
        (ledger.record.lanes, ledger.record.bytes) = (record.lanes, record.bytes);
        return Ok(Step { claim, next, settled, record: ledger.commit().await? });
    }
    Ok(Step { claim, next, settled, record: ledger.commit().await? })
}

/// Those of the actions that are still there, as they are now.
async fn still_there<T: Transaction>(ledger: &Ledger<'_, T>, actions: &[Action]) -> Result<Vec<Action>, StoreError> {
    let found = try_join_all(actions.iter().map(|action| ledger.find(&action.id))).await?;
    let same = |(now, then): (Option<Action>, &Action)| now.filter(|now| now.seq == then.seq);
    Ok(found.into_iter().zip(actions).filter_map(same).collect())
}

/// Carries out the verdicts on actions. `current` is the key of their batch, and what the drain knows of the one that was made ready to
/// follow it, if it is the current drain.
async fn enter<'v, T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    rows: Vec<Action>,
    verdict_on: impl Fn(&Action) -> Option<&'v Verdict>,
    current: Option<(&str, Following<'_>)>,
    moment: Moment<'_>,
) -> Result<Vec<(String, Outcome)>, StoreError> {
    let is_current = current.is_some();
    let (mut settled, mut leaving) = (Vec::new(), Vec::new());
    // By key: the first action that stays, and holds back the others.
    let mut held: FlatMap<String, u64> = FlatMap::default();
    let mut let_go: FlatMap<String, ()> = FlatMap::default();
    // From here on nothing of it is in flight. What was to follow it does if all of it is taken; what stays may hold some of that back.
    if let Some((key, following)) = current {
        ledger.forget_unsent(following);
        let all_taken = rows.iter().all(|action| verdict_on(action).is_some_and(Verdict::is_taken));
        // If another one is on its way, this one is in the books already.
        let is_its_own = ledger.record.batch.as_ref().is_none_or(|batch| batch.key == key);
        if is_its_own && all_taken {
            ledger.record.batch = ledger.record.next_batch.take();
        } else if is_its_own {
            ledger.record.batch = None;
            ledger.dissolve_next().await?;
        }
    }
    for mut action in rows {
        let Some(verdict) = verdict_on(&action) else { continue };
        let (lane, bytes) = (action.lane, action.bytes());
        if !is_current && !verdict.is_taken() {
            continue;
        }
        let fate = carry_out(&mut action, verdict, moment);
        let is_dropped = match &fate {
            Fate::Rests(Outcome::Rejected { .. }) => broken::is(Variant::RejectedDropped),
            Fate::Rests(_) => broken::is(Variant::ConflictDropped),
            Fate::Stays => action.attempts > 5 && broken::is(Variant::RetriesRunOut),
            Fate::Leaves(_) => false,
        };
        if is_dropped {
            ledger.let_go(&action.files)?;
            ledger.record.discount(lane, bytes);
            leaving.push(Action { lane, ..action });
            continue;
        }
        match fate {
            Fate::Leaves(outcome) => {
                ledger.let_go(&action.files)?;
                ledger.record.discount(lane, bytes);
                settled.push((action.id.clone(), outcome));
                let_go.extend(action.key.clone().map(|key| (key, ())));
                leaving.push(action);
            }
            fate => {
                if let Some(key) = action.key.clone() {
                    if action.lane == Lane::Dead {
                        let_go.insert(key, ());
                    } else if held.contains_key(&key) {
                        // The first one has the wait; this one goes when that goes.
                        if action.lane == Lane::Delayed {
                            (action.lane, action.not_before) = (Lane::Waiting, None);
                        }
                    } else {
                        held.insert(key, action.seq);
                    }
                }
                ledger.rewrite(lane, bytes, &action)?;
                if let Fate::Rests(outcome) = fate {
                    settled.push((action.id, outcome));
                }
            }
        }
    }
    // What another drain has sent as well is no longer what it has claimed.
    for action in &leaving {
        ledger.record.break_batch_of(action.seq);
    }
    let runs = Run::of(&leaving).into_iter().map(|run| {
        let last = if broken::is(Variant::NeighbourDeleted) { run.last.saturating_add(1) } else { run.last };
        Run { last, ..run }
    });
    ledger.delete_rows(runs)?;
    for (key, seq) in held.iter().filter(|_| !broken::is(Variant::RetryLosesOrder)) {
        ledger.hold(key, *seq).await?;
    }
    for index in 0..settled.len() {
        let Some((id, outcome)) = settled.get(index).cloned() else { break };
        settled.extend(ledger.tell_dependents(&id, &outcome).await?);
    }
    ledger.release_all(let_go.into_iter().map(|(key, ())| key).collect()).await?;
    Ok(settled)
}

/// Chooses what is sent next, and what may follow that, and writes both down. For how many it is looked first: for all, unless there is
/// reason to think that it will be fewer.
async fn choose_next<T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    claiming: Claiming<'_>,
    following: Following<'_>,
    expected: usize,
    settled: &mut Vec<(String, Outcome)>,
) -> Result<(Claim, Option<Batch>), StoreError> {
    let Claiming { limits, now, next_key, .. } = claiming;
    // Whoever was told so may have been another drain, which this one has overtaken.
    if ledger.record.gate.reason(now) == Some(GateReason::ServerHint) && !broken::is(Variant::OnlineOpensGate) {
        ledger.record.at_work_since = None;
        let again = now.after(ledger.record.gate.remaining(now));
        return Ok((Claim::Nothing { next_due: Some(again) }, None));
    }
    let claim = match following {
        Following::OnItsWay => {
            ledger.record.at_work_since = Some(now);
            Claim::Nothing { next_due: None }
        }
        _ => choose_first(ledger, claiming, expected, settled).await?,
    };
    let goes_alone = matches!(&claim, Claim::Batch(batch) if batch.actions.iter().any(Action::goes_alone));
    let next = if goes_alone { None } else { ledger.make_ready(next_key, limits, now, settled).await? };
    Ok((claim, next))
}

/// Chooses what is sent first.
async fn choose_first<T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    claiming: Claiming<'_>,
    expected: usize,
    settled: &mut Vec<(String, Outcome)>,
) -> Result<Claim, StoreError> {
    let size = claiming.limits.actions.max(1);
    let now = claiming.now;
    let mut fresh_key = claiming.fresh_key.to_string();
    if let Some(batch) = ledger.record.batch.take_if(|_| broken::is(Variant::BatchNotFixed)) {
        fresh_key = batch.key;
    }
    ledger.record.at_work_since = Some(now);
    // What follows none, in a record that is damaged, is the first.
    let next_batch = if ledger.record.batch.is_none() { ledger.record.next_batch.take() } else { None };
    if let Some(batch) = ledger.record.batch.take().or(next_batch) {
        let mut actions = in_flight(ledger, &batch).await?;
        let is_whole = actions.len() == batch.size() && !batch.is_broken;
        let kept = if is_whole { size.min(batch.next_size()) } else { 0 };
        if is_whole && kept >= actions.len() {
            let (key, failures) = (batch.key.clone(), batch.failures);
            ledger.record.batch = Some(batch);
            return Ok(Claim::Batch(Batch { key, actions, failures, is_again: true }));
        }
        // It goes in parts, or without what has left it. The server may have seen all of it. What cannot be sent is looked at.
        ledger.dissolve_next().await?;
        ledger.record.look_at_once();
        for action in actions.iter_mut().filter(|action| !action.sent) {
            action.sent = true;
            ledger.rewrite(action.lane, action.bytes(), action)?;
        }
        actions.truncate(kept);
        if !actions.is_empty() {
            return write_down(ledger, fresh_key, actions);
        }
    }
    see_to_due(ledger, now, settled).await?;
    let mut looked_for = size.min(expected);
    loop {
        // Each time round something has left the lanes, so this ends.
        let Some(lanes) = first_of_lanes(ledger, looked_for).await? else { continue };
        let mut places = ledger.record.places;
        let actions = choose(lanes, BatchLimits { actions: looked_for, ..claiming.limits }, &mut places);
        if looked_for < size && actions.len() == looked_for {
            looked_for = size;
            continue;
        }
        ledger.record.places = places;
        let is_blocked = broken::is(Variant::OneKeyBlocksAll) && ledger.record.in_lane(Lane::Conflict) > 0;
        if actions.is_empty() || is_blocked {
            ledger.record.at_work_since = None;
            return Ok(Claim::Nothing { next_due: None });
        }
        return write_down(ledger, fresh_key, actions);
    }
}

/// The first actions of each lane that is sent from, as many as a batch of that size may take. `None` if some of them could not be
/// read, and have been put aside.
async fn first_of_lanes<T: Transaction>(ledger: &mut Ledger<'_, T>, size: usize) -> Result<Option<[Vec<Action>; 4]>, StoreError> {
    let mut lanes: [Vec<Action>; 4] = Default::default();
    let (mut more_urgent, mut is_whole) = (0_u64, true);
    for (lane, slot) in Lane::READY.into_iter().zip(lanes.iter_mut()) {
        let count = ledger.record.in_lane(lane);
        if count > 0 {
            let enough = enough_of(lane, more_urgent, size);
            let rows = ledger.transaction.rows(ledger.user_id, lane, 0, LAST, enough).await?;
            match ledger.readable(rows).await? {
                Some(actions) => *slot = actions,
                None => is_whole = false,
            }
        }
        more_urgent = more_urgent.saturating_add(count);
    }
    Ok(is_whole.then_some(lanes))
}

fn write_down<T: Transaction>(ledger: &mut Ledger<'_, T>, key: String, actions: Vec<Action>) -> Result<Claim, StoreError> {
    if broken::is(Variant::DeleteBeforeSend) {
        for action in &actions {
            ledger.remove(action)?;
        }
    }
    ledger.record.batch = Some(BatchRecord { key: key.clone(), runs: Run::of(&actions), failures: 0, is_broken: false });
    Ok(Claim::Batch(Batch { key, actions, failures: 0, is_again: false }))
}

/// The actions of a batch that are still there and can be sent, in order.
pub(super) async fn in_flight<T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    batch: &BatchRecord,
) -> Result<Vec<Action>, StoreError> {
    let (transaction, user_id) = (&ledger.transaction, ledger.user_id);
    let rows = batch.runs.iter().map(|run| transaction.rows(user_id, run.lane, run.first, run.last, u32::MAX));
    let rows = try_join_all(rows).await?.into_iter().flatten();
    let mut actions: Vec<Action> = rows.map(|row| Action::read(&row, user_id)).collect();
    // What cannot be read is put aside when it is read to be sent.
    actions.retain(|action| action.state == ActionState::Pending && action.lane.is_ready());
    actions.sort_unstable_by_key(|action| action.seq);
    Ok(actions)
}

/// Why a batch got no answer.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// What has failed.
    pub because: GateReason,
    /// When the server wants to be asked again, if it has said so.
    pub hint: Option<Duration>,
    /// Whether the batch itself may be the reason, so that it is halved when this goes on.
    pub counts_against_batch: bool,
}

/// Closes the gate after a batch got no answer; the batch stays claimed, as it was, and what has not followed it is not claimed any
/// longer. Gives how long the gate is closed, and the record.
///
/// If another drain has begun since, only a moment that the server has named is written down, since that stands whoever reports it.
pub async fn close_gate<S: Store>(
    store: &S,
    user_id: &str,
    epoch: u64,
    failure: Failure,
    following: Following<'_>,
    moment: Moment<'_>,
) -> Result<(Duration, UserRecord), StoreError> {
    let Failure { because, hint, counts_against_batch } = failure;
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let is_current = ledger.record.epoch == epoch || broken::is(Variant::NoEpochFence);
    ledger.record.meet_server_clock(moment.server_ahead);
    if is_current {
        ledger.forget_unsent(following);
        if let Some(batch) = ledger.record.batch.as_mut().filter(|_| counts_against_batch) {
            batch.failures = batch.failures.saturating_add(1);
        }
        ledger.record.at_work_since = None;
    }
    let wait = if is_current || hint.is_some_and(|hint| !hint.is_zero()) {
        ledger.record.gate.close(moment.backoff, because, hint, moment.now, moment.unit)
    } else {
        ledger.record.gate.remaining(moment.now)
    };
    if broken::is(Variant::GateNotPersisted) {
        return Ok((wait, ledger.record));
    }
    Ok((wait, ledger.commit().await?))
}
