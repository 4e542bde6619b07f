//! One drain: lock, claim, send, settle, until nothing is due.

use super::batch::Sent;
use super::files::Attached;
use super::replay::{Resting, Sending, is_everywhere};
use super::succession::{Ready, Succession};
use super::turn::Draining;
use super::waiters::Waiters;
use crate::broken::{self, Variant};
use crate::call::correlation::{CallTrace, CorrelationPolicy};
use crate::call::credentials::{self, Credentials};
use crate::connectivity::Watch;
use crate::error::ApiError;
use crate::error::parse::Extensions;
use crate::event::Event;
use crate::outbox::{self, Batch, Begin, Failure, Following, Mirror};
use crate::platform::tables::{Durability, Lane};
use crate::platform::{Clock, KeyValue, Locks, Platform, Random, Store, StoreError, StoreErrorKind};
use crate::policy::backoff::Backoff;
use crate::policy::gate::{GateReason, LONGEST_SPREAD, Trigger};
use crate::policy::retry::later;
use crate::queue::answer::Verdict;
use crate::queue::outcome::Outcome;
use crate::queue::plan::BatchLimits;
use crate::queue::record::{BatchRecord, Counts, UserRecord};
use crate::queue::settlement::Moment;
use crate::resilience::services::Services;
use crate::store::At;
use crate::time::{MonotonicTime, WallTime};
use futures_channel::oneshot;
use futures_util::future::{AbortHandle, Aborted, abortable, join};
use serde_json::value::to_raw_value;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// A page that stood still for longer between claiming a batch and sending it looks at the books again: another one may have taken over
/// and been told to wait meanwhile. That takes longer; see [`super::turn`].
pub(super) const LONGEST_CLAIM: Duration = Duration::from_secs(3);
/// How often it is looked, at most, whether a batch may still be sent: a slow disk is no reason to send nothing at all.
pub(super) const MOST_LOOKS: u32 = 3;

/// So often it is tried to write what others must know, if it is the store as a whole that cannot be used.
const MOST_OUT_OF_REACH: u32 = 8;

/// How the queue is brought to the server.
#[derive(Debug, Clone)]
pub struct SyncPolicy {
    /// Where batches go.
    pub url: String,
    /// Where to ask what became of a batch whose answer names no actions: the user's id follows. `None` if nowhere.
    pub status_url: Option<String>,
    /// Whether any success takes a batch as a whole, though it names no actions.
    pub acknowledges_whole: bool,
    /// How large they are.
    pub limits: BatchLimits,
    /// The delays after a failure.
    pub backoff: Backoff,
    /// How long the server may take for a batch.
    pub timeout: Duration,
    /// The service that they go to: the origin.
    pub service: String,
    /// What ties a batch to what it causes.
    pub correlation: CorrelationPolicy,
    /// The application's formats and codes.
    pub extensions: Rc<Extensions>,
    /// After how long actions cease to be worth sending that do not say so themselves.
    pub max_age: Option<Duration>,
    /// The origins that get the SDK's headers and credentials, the backend's among them.
    pub trusted_origins: Vec<String>,
}

/// What a drain leaves behind.
#[derive(Debug, Clone, Copy)]
pub struct DrainReport {
    /// What is in the queue.
    pub counts: Counts,
    /// How long until something may be sent again; `None` if nothing waits for a moment.
    pub next: Option<Duration>,
    /// How long until there is something to do here: that, or an action expires.
    pub wakes: Option<Duration>,
}

/// Drains one user's queue.
pub struct Drainer<P: Platform> {
    /// The world.
    pub platform: Rc<P>,
    /// Whose queue it is.
    pub user_id: String,
    /// The name of the lock that one drain at a time holds.
    pub lock: String,
    /// How.
    pub policy: SyncPolicy,
    /// Who waits in this tab.
    pub waiters: Rc<Waiters>,
    /// What is known of the backend: when it wants to be asked again.
    pub services: Rc<Services<P>>,
    /// What learns from answers whether the backend can be reached.
    pub watch: Rc<Watch<P>>,
    /// What requests are authorised by.
    pub credentials: Rc<Credentials<P>>,
    /// How long an action took lately, in milliseconds.
    pace: Cell<Option<f64>>,
    /// How often in a row a better place for the queue could not be had, and until when it is not tried again.
    pub(super) promotions: Cell<(u32, MonotonicTime)>,
    /// Whether something of another user was left in a lesser place, since it may have been on its way from there.
    pub(super) leaves_others: Cell<bool>,
    /// The origins beside the backend's that have failed lately.
    pub(super) resting: Resting,
    /// Whether what could not be read has been looked at again.
    has_read_again: Cell<bool>,
    /// Whether it was looked whether anything lies in a lesser place.
    pub(super) has_looked_below: Cell<bool>,
    /// When it was last looked for files that were left behind.
    pub(super) swept_at: Cell<Option<MonotonicTime>>,
    /// Whether there may be files that nothing holds any longer, as far as this tab has seen.
    has_let_go: Cell<bool>,
    /// What this tab has put into the queue and not seen settled.
    pub mirror: RefCell<Mirror>,
    /// What was in the queue when it was last looked at.
    pub(super) known: Cell<Counts>,
    /// By how many milliseconds the server's clock was ahead when it answered last, if it has told.
    pub(super) server_ahead: Cell<Option<i64>>,
    /// Whether this tab drains just now.
    pub(super) is_draining: Cell<bool>,
    /// Whether a tab that drains has said so since it was asked.
    pub(super) has_answered: Cell<bool>,
    /// Whether it was asked who drains while this tab did not.
    pub(super) was_asked: Cell<bool>,
    /// What ends the present drain.
    pub(super) drain: RefCell<Option<AbortHandle>>,
    /// What breaks off what is being written of new actions.
    pub(super) append: RefCell<Option<AbortHandle>>,
    /// Whether the page is frozen, and who waits until it no longer is.
    pub(super) frozen: RefCell<Option<Vec<oneshot::Sender<()>>>>,
}

/// Who waits in this tab, what is known of the backend, whether it can be reached, and what requests are authorised by.
type Surroundings<P> = (Rc<Waiters>, Rc<Services<P>>, Rc<Watch<P>>, Rc<Credentials<P>>);

/// What a drain shows in each of its transactions: where it sends from, and that no other one has begun since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) place: Durability,
    pub(super) epoch: u64,
}

/// Whether a batch that has failed once more is a lone action over which the server fails.
fn is_to_step_aside(batch: &Batch) -> bool {
    let [action] = batch.actions.as_slice() else { return false };
    action.alone || batch.failures.saturating_add(1) >= BatchRecord::FAILURES_PER_HALVING
}

impl<P: Platform> Drainer<P> {
    /// Drains that user's queue while it holds that lock.
    pub fn new(
        platform: Rc<P>,
        user_id: String,
        lock: String,
        policy: SyncPolicy,
        (waiters, services, watch, credentials): Surroundings<P>,
    ) -> Self {
        Self {
            platform,
            user_id,
            lock,
            policy,
            waiters,
            services,
            watch,
            credentials,
            pace: Cell::default(),
            promotions: Cell::default(),
            leaves_others: Cell::default(),
            resting: Resting::default(),
            has_read_again: Cell::default(),
            has_looked_below: Cell::default(),
            swept_at: Cell::default(),
            has_let_go: Cell::default(),
            mirror: RefCell::default(),
            known: Cell::default(),
            server_ahead: Cell::default(),
            is_draining: Cell::default(),
            has_answered: Cell::default(),
            was_asked: Cell::default(),
            drain: RefCell::default(),
            append: RefCell::default(),
            frozen: RefCell::default(),
        }
    }

    /// How long it takes to send so many actions, at the pace of the last ones.
    pub fn remaining(&self, actions: u64) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let milliseconds = self.pace.get()? * actions as f64;
        Duration::try_from_secs_f64(milliseconds / 1000.0).ok()
    }

    /// So many actions took so long.
    pub(super) fn took(&self, actions: usize, time: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let pace = time.as_secs_f64() * 1000.0 / actions.max(1) as f64;
        // Old batches fade: three quarters of what was known.
        self.pace.set(Some(self.pace.get().map_or(pace, |known| known * 0.75 + pace * 0.25)));
    }

    /// Sends what is due, batch by batch, until nothing is, or the server does not answer.
    pub async fn drain(&self, trigger: Trigger) -> Result<DrainReport, StoreError> {
        self.awake().await;
        self.promote(true).await;
        self.awake().await;
        let (drain, abort) = abortable(self.drain_here(trigger));
        self.drain.replace(Some(abort));
        let drained = drain.await;
        self.drain.take();
        let report = match drained {
            Ok(report) => report,
            // The page comes back with news of its own. Until then nothing is begun: a transaction would stand as still as the page,
            // and hold up all others.
            Err(Aborted) => return Ok(DrainReport { counts: self.known.get(), next: None, wakes: None }),
        };
        self.tell_place_changes();
        let mut report = report?;
        self.known.set(report.counts);
        let promotion = self.next_promotion();
        report.next = report.next.into_iter().chain(promotion).min();
        report.wakes = report.wakes.into_iter().chain(promotion).min();
        Ok(report)
    }

    async fn drain_here(&self, trigger: Trigger) -> Result<DrainReport, StoreError> {
        let store = self.platform.store();
        // A look that costs no write and no lock: most triggers find nothing to do, or the gate closed.
        let mut record = self.look().await?;
        // Once, whatever it was that asked first, and whether the disk failed then.
        if !self.has_read_again.get() && record.counts().unreadable > 0 {
            record = outbox::read_again(store, &self.user_id).await?;
            self.has_read_again.set(true);
        }
        if let Err(error) = store.seal_the_rest(&self.user_id).await {
            self.platform.emit(&Event::StoreFailed { error });
        }
        let Some(place) = store.sends_from(&self.user_id) else {
            return Ok(DrainReport { counts: record.counts(), next: None, wakes: None });
        };
        let is_above = place != store.durability();
        if record.place != place {
            record = outbox::record(&self.at(place), &self.user_id).await?;
        }
        let was_there = record.counts().total() > record.counts().dead;
        let report = self.drain_at(place, record, trigger).await?;
        self.clean_up(self.has_let_go.take()).await;
        self.sweep_now_and_then().await;
        self.see_whether_nothing_is_left(place, report.counts, is_above && was_there).await?;
        Ok(report)
    }

    /// Nothing is left there that what lies below would have to wait for, if that is so.
    async fn see_whether_nothing_is_left(&self, place: Durability, counts: Counts, makes_room: bool) -> Result<(), StoreError> {
        let (store, user_id) = (self.platform.store(), self.user_id.as_str());
        // A dead letter holds nothing back; but all that lies in a lesser place is to be brought up.
        let is_empty = |counts: Counts| {
            let dead = if place == Durability::IndexedDb { counts.dead } else { 0 };
            counts.total() == dead
        };
        if !is_empty(counts) || store.sends_from(user_id) != Some(place) || !store.is_thought_to_hold(user_id, place) {
            return Ok(());
        }
        let tell = || store.nothing_is_left(user_id, place);
        let is_so = outbox::while_it_is(&self.at(place), user_id, |record| is_empty(record.counts()), tell).await?;
        // And there is room, if there was not.
        if is_so && makes_room {
            self.promotions.take();
        }
        Ok(())
    }

    /// Sends what is due of what lies in that place, where that record was read.
    async fn drain_at(&self, place: Durability, mut record: UserRecord, trigger: Trigger) -> Result<DrainReport, StoreError> {
        let store = &self.at(place);
        // Whether or not the server may be asked: what has expired leaves when its time comes.
        if record.is_due(self.now()) {
            let arrived = outbox::bring_due(store, &self.user_id, self.now()).await?;
            record = arrived.record;
            if !arrived.settled.is_empty() {
                self.announce(record.counts(), arrived.settled);
            }
        }
        if !record.has_work() {
            return Ok(self.report(&record, None));
        }
        let wait = record.gate.wait(trigger, self.now());
        if !wait.is_zero() && !record.gate.was_closed_after(self.now()) {
            return Ok(self.report(&record, Some(wait)));
        }
        // Calls go through another door to the same server: what it has told them holds here, too.
        let paused = self.left_alone(trigger);
        if !paused.is_zero() && !record.gate.was_closed_after(self.now()) {
            return Ok(self.report(&record, Some(self.after_pause(paused))));
        }
        let _one_drain_at_a_time = if broken::is(Variant::LeaseWithoutLock) {
            let (texts, now) = (self.platform.key_value(), self.now());
            let until = texts.read(&self.lock).and_then(|text| text.parse().ok()).map_or(now, WallTime);
            if now < until {
                return Ok(self.report(&record, Some(until.since(now))));
            }
            texts.write(&self.lock, &now.after(Duration::from_secs(5)).0.to_string());
            None
        } else {
            Some(self.turn().await)
        };
        let _draining = Draining::begin(&self.is_draining);
        self.answer_late();
        // Whoever had it before may have brought what lay here to a better place.
        if !self.is_sent_from(place) {
            return Ok(self.report(&record, Some(Duration::ZERO)));
        }
        let excludes = self.platform.locks().exclude() || broken::is(Variant::LeaseWithoutLock);
        let record = match outbox::begin(store, &self.user_id, trigger, self.now(), excludes).await? {
            Begin::Idle(record) => return Ok(self.report(&record, None)),
            Begin::Closed { wait, record } => return Ok(self.report(&record, Some(wait))),
            Begin::Open(record) => record,
        };
        self.platform.emit(&Event::SyncStarted { trigger, counts: record.counts() });
        let report = self.send_batches(Turn { place, epoch: record.epoch }, trigger).await?;
        self.platform.emit(&Event::SyncFinished {
            counts: report.counts,
            next_attempt_at: report.next.map(|wait| self.now().after(wait)),
        });
        Ok(report)
    }

    async fn send_batches(&self, turn: Turn, trigger: Trigger) -> Result<DrainReport, StoreError> {
        let mut succession = Succession::new(self, turn, trigger);
        // Once until a batch is answered: new credentials that are refused as well do not become better by newer ones.
        let mut may_refresh = true;
        // What a batch belongs to that is sent again with new credentials: that is no retry.
        let mut resumed: Option<CallTrace> = None;
        loop {
            let mut claimed = match succession.next().await? {
                Ok(claimed) => claimed,
                Err(report) => return Ok(report),
            };
            let seen = may_refresh.then(|| self.credentials.generation()).flatten();
            let began = self.platform.clock().monotonic();
            let sending = self.send_batch(turn, &mut claimed, &mut resumed);
            // What the last one has come to is written down, if it is not yet, and told, while this one is on its way.
            let (sent, caught_up) = join(sending, succession.catch_up()).await;
            if let Err(failed) = caught_up {
                // A moment that the server has named stands, whatever becomes of the books.
                if let Ok(Some((Sending { sent: Sent::Failed { error, because, .. }, .. }, trace))) = sent
                    && error.retry_hint.is_some()
                {
                    let correlation_id = trace.correlation_id().to_string();
                    self.close_gate(turn, correlation_id, error, (because, false), Following::Unknown).await?;
                }
                return Err(failed);
            }
            let Some((Sending { sent, elsewhere }, trace)) = sent? else {
                continue;
            };
            let (batch, correlation_id) = (claimed.batch, trace.correlation_id().to_string());
            let verdicts = match sent {
                Sent::Answered(verdicts) => {
                    if let (Some(origin), false) = (&elsewhere, matches!(verdicts.as_slice(), [Verdict::Postponed(_)])) {
                        self.wake_up(origin);
                    }
                    if let (true, Ok(applied)) =
                        (broken::is(Variant::SettledOnAnswer), to_raw_value(&Outcome::Applied { result: None }))
                    {
                        self.tell(batch.actions.iter().map(|action| (action.id.clone(), applied.clone())).collect());
                    }
                    succession.limits = self.policy.limits;
                    may_refresh = true;
                    verdicts
                }
                // Whichever action it is that the server does not take: halves find it.
                Sent::Refused(error) if batch.actions.len() > 1 => {
                    let next_size = batch.actions.len() / 2;
                    succession.limits.actions = next_size;
                    self.platform.emit(&Event::BatchSplit { correlation_id, error, next_size });
                    continue;
                }
                Sent::Refused(error) => {
                    succession.limits = self.policy.limits;
                    vec![Verdict::Rejected(error)]
                }
                // It stands alone and fails again and again: it waits by itself, and holds nothing but its key.
                Sent::Failed { error, counts_against_batch: true, .. } if is_to_step_aside(&batch) => {
                    if let Some(origin) = &elsewhere {
                        self.rest(origin);
                    }
                    self.platform.emit(&Event::ActionStepsAside { id: batch.first_id(), error: error.clone() });
                    vec![Verdict::StepsAside(error)]
                }
                Sent::Failed { error, because: GateReason::Authentication, .. }
                    if may_refresh && self.has_new_credentials(&error, seen).await =>
                {
                    // Claimed again, it is the same batch under the same key, if nothing of it was discarded meanwhile.
                    may_refresh = false;
                    resumed = Some(trace);
                    continue;
                }
                // Nothing is known of the backend by that: what else there is goes on.
                Sent::Failed { error, because, .. } if elsewhere.is_some() && !is_everywhere(&error, because) => {
                    self.rest(elsewhere.as_deref().unwrap_or_default());
                    self.platform.emit(&Event::ActionStepsAside { id: batch.first_id(), error: error.clone() });
                    vec![Verdict::StepsAside(error)]
                }
                Sent::Unnamed(error) => match self.reconcile(&batch.actions, &trace).await {
                    Ok(verdicts) => verdicts,
                    // It may say when to come back.
                    Err(refusal) => {
                        let error = refusal.unwrap_or(error);
                        let failed = (GateReason::ServerError, false);
                        return self.close_gate(turn, correlation_id, error, failed, succession.unsent()).await;
                    }
                },
                Sent::Failed { error, because, counts_against_batch } => {
                    let failed = (because, counts_against_batch);
                    return self.close_gate(turn, correlation_id, error, failed, succession.unsent()).await;
                }
            };
            if broken::is(Variant::FilesDeletedFirst) {
                self.delete_early(&batch.actions, &verdicts).await;
            }
            succession.answered(batch, verdicts, began).await?;
        }
    }

    /// Sends a batch once. `None` if it is not to be sent after all.
    async fn send_batch(
        &self,
        turn: Turn,
        claimed: &mut Ready,
        resumed: &mut Option<CallTrace>,
    ) -> Result<Option<(Sending, CallTrace)>, StoreError> {
        let resumed = resumed.take();
        let to_backend = || self.trace_to(&self.policy.service, None);
        let files = match self.attached(&claimed.batch).await? {
            Attached::Files(files) => files,
            Attached::Withheld(verdict) => {
                return Ok(Some((Sending { sent: Sent::Answered(vec![verdict]), elsewhere: None }, to_backend())));
            }
        };
        if matches!(claimed.batch.actions.as_slice(), [whole] if whole.request.is_some()) {
            return self.send_whole(turn, claimed, &files, resumed).await;
        }
        let trace = resumed.unwrap_or_else(to_backend);
        let sent = self.send(turn, claimed, &files, &trace).await?;
        Ok(sent.map(|sent| (Sending { sent, elsewhere: None }, trace)))
    }

    /// Whether a batch may be sent that was claimed then. Where that was a while ago, since its files were read, the application was asked
    /// for its headers or the page stood still, another drain may have begun, or the server have asked for patience.
    pub(super) async fn may_leave(&self, turn: Turn, key: &str, known_at: MonotonicTime) -> Result<bool, StoreError> {
        let (clock, mut known_at) = (self.platform.clock(), known_at);
        for _ in 0..MOST_LOOKS {
            if clock.monotonic().since(known_at) <= LONGEST_CLAIM {
                break;
            }
            known_at = clock.monotonic();
            if !outbox::may_go_still(&self.at(turn.place), &self.user_id, turn.epoch, key, self.now()).await? {
                return Ok(false);
            }
        }
        let is_left_alone = !self.services.paused_for(&self.policy.service).is_zero() && !broken::is(Variant::OnlineOpensGate);
        // What was claimed may be behind what another tab has put into a better place meanwhile. If nothing is there now, nothing was then.
        Ok(!is_left_alone && self.is_sent_from(turn.place))
    }

    /// Whether what is to be sent next lies there still: nothing has come to lie in a better place, and nothing was brought there.
    pub(super) fn is_sent_from(&self, place: Durability) -> bool {
        self.platform.store().sends_from(&self.user_id) == Some(place)
    }

    /// What a drain does that sends from there, it does there.
    pub(super) fn at(&self, place: Durability) -> At<'_, P::Store> {
        At { store: self.platform.store(), place }
    }

    /// What is left behind, when the server may be asked again only then. The time of an action may come before.
    pub(super) fn report(&self, record: &UserRecord, next: Option<Duration>) -> DrainReport {
        self.has_let_go.set(record.has_let_go);
        let due = record.until_due(self.now());
        let next = next.into_iter().chain(due.filter(|_| record.in_lane(Lane::Delayed) > 0)).min();
        DrainReport { counts: record.counts(), next, wakes: next.into_iter().chain(due).min() }
    }

    /// For how long the server wants to be left alone.
    pub(super) fn left_alone(&self, trigger: Trigger) -> Duration {
        if trigger == Trigger::Online && broken::is(Variant::OnlineOpensGate) {
            return Duration::ZERO;
        }
        self.services.paused_for(&self.policy.service)
    }

    /// What to report while the server wants to be left alone, or when another place is sent from by now.
    pub(super) async fn paused(&self, turn: Turn, trigger: Trigger) -> Result<Option<DrainReport>, StoreError> {
        let paused = self.left_alone(trigger);
        let is_sent_from = self.is_sent_from(turn.place);
        if paused.is_zero() && is_sent_from {
            return Ok(None);
        }
        let record = outbox::record(&self.at(turn.place), &self.user_id).await?;
        let wait = if is_sent_from { self.after_pause(paused) } else { Duration::ZERO };
        Ok(Some(self.report(&record, Some(wait))))
    }

    /// When to come back to a server that wants to be left alone: behind the calls, for which someone waits.
    fn after_pause(&self, pause: Duration) -> Duration {
        later(pause, pause, LONGEST_SPREAD, self.platform.random().unit())
    }

    /// Whether there are others now than the `seen` credentials that the server has refused.
    async fn has_new_credentials(&self, error: &ApiError, seen: Option<u64>) -> bool {
        match seen {
            Some(seen) if credentials::have_expired(error) => self.credentials.renew(error, seen).await,
            _ => false,
        }
    }

    async fn close_gate(
        &self,
        turn: Turn,
        correlation_id: String,
        error: Box<ApiError>,
        (because, counts_against_batch): (GateReason, bool),
        following: Following<'_>,
    ) -> Result<DrainReport, StoreError> {
        let hint = error.retry_hint.map(|hint| Duration::from_millis(hint.after_ms));
        let failure = Failure { because, hint, counts_against_batch };
        let written = self.write_gate(turn, failure, following).await;
        let now = self.now();
        let (wait, waiting_for) = match &written {
            // Another drain sees to it, unless its tab is gone.
            Ok((wait, record)) if wait.is_zero() && record.epoch != turn.epoch => (self.policy.timeout, record.gate.reason(now)),
            Ok((wait, record)) => (*wait, record.gate.reason(now)),
            Err(_) => (hint.unwrap_or_else(|| self.policy.backoff.delay(1, self.platform.random().unit())), None),
        };
        let (next_attempt_at, waiting_for) = (now.after(wait), waiting_for.unwrap_or(because));
        self.platform.emit(&Event::BatchFailed { correlation_id, error, next_attempt_at, waiting_for });
        written.map(|(_, record)| self.report(&record, Some(wait)))
    }

    /// Closes the gate on disk: another tab, or this one after a reload, would ask the server again without knowing that it must not
    /// yet.
    async fn write_gate(
        &self,
        turn: Turn,
        failure: Failure,
        following: Following<'_>,
    ) -> Result<(Duration, UserRecord), StoreError> {
        let (place, moment) = (self.at(turn.place), self.moment());
        let write = async || outbox::close_gate(&place, &self.user_id, turn.epoch, failure, following, moment).await;
        let (wait, record) = self.insist(write).await?;
        // The disk may have taken its time.
        Ok((wait.saturating_sub(self.now().since(moment.now)), record))
    }

    /// Writes what others must know before they send. While the disk fails, the lock is not let go; if it cannot be reached at all any
    /// longer, nobody finds there what is not written.
    pub(super) async fn insist<T>(&self, write: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut failures = 0;
        loop {
            let error = match write().await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            failures += 1;
            let is_out_of_reach = error.kind.is_of_the_store() || error.kind == StoreErrorKind::KeyUnavailable;
            if is_out_of_reach && failures >= MOST_OUT_OF_REACH {
                return Err(error);
            }
            self.platform.emit(&Event::StoreFailed { error });
            let pause = self.policy.backoff.delay(failures, self.platform.random().unit());
            self.platform.clock().sleep(pause).await;
        }
    }

    pub(super) fn now(&self) -> WallTime {
        self.platform.clock().wall()
    }

    pub(super) fn moment(&self) -> Moment<'_> {
        let server_ahead = self.server_ahead.get();
        Moment { backoff: &self.policy.backoff, now: self.now(), unit: self.platform.random().unit(), server_ahead }
    }
}
