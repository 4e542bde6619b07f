//! One drain: lock, claim, send, settle, until nothing is due.

use super::waiters::{Announcement, Waiters};
use crate::broken::{self, Variant};
use crate::call::attempt::{self, AttemptError};
use crate::call::correlation::{Brought, CallTrace, CorrelationPolicy, Recipient, idempotency_header, unique_id};
use crate::call::credentials::{self, Credentials};
use crate::call::exposure;
use crate::connectivity::Watch;
use crate::error::ApiError;
use crate::error::parse::{Extensions, ResponseParts, parse};
use crate::event::Event;
use crate::flat_map::FlatMap;
use crate::outbox::{self, Begin, Claim, Closed, Moment};
use crate::platform::{Channel, Clock, Http, KeyValue, Locks, NetworkFailureKind, Platform, Random, StoreError};
use crate::policy::backoff::Backoff;
use crate::policy::gate::{GateReason, LONGEST_SPREAD, Trigger};
use crate::policy::retry::later;
use crate::queue::action::Action;
use crate::queue::answer::{self, NoAnswer, Verdict};
use crate::queue::plan::BatchLimits;
use crate::queue::record::{BatchRecord, Counts, Outcome};
use crate::resilience::services::Services;
use crate::time::WallTime;
use crate::wire::QueueActionsRequest;
use serde_json::value::{RawValue, to_raw_value};
use std::rc::Rc;
use std::time::Duration;

/// The most that is read of the answer to a batch. A result with the server's copy of a document may be long.
const LARGEST_ANSWER: usize = 16 << 20;

/// How the queue is brought to the server.
#[derive(Debug, Clone)]
pub struct SyncPolicy {
    /// Where batches go.
    pub url: String,
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
}

/// What a drain leaves behind.
#[derive(Debug, Clone, Copy)]
pub struct DrainReport {
    /// What is in the queue.
    pub counts: Counts,
    /// How long until there is something to do again; `None` if nothing waits.
    pub next: Option<Duration>,
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
}

/// What became of a batch that was sent.
enum Sent {
    Answered(Vec<Verdict>),
    /// The server does not take the batch as a whole; it may take its parts.
    Refused(Box<ApiError>),
    /// There is no answer that settles it. It is sent again as it is.
    Failed {
        error: Box<ApiError>,
        because: GateReason,
        /// Whether the batch itself may be the reason: its size, or something in it.
        counts_against_batch: bool,
    },
}

fn failed(error: ApiError, because: GateReason) -> Sent {
    // A gateway's answer, and a server that asks for patience, say nothing about what was sent.
    let is_general = matches!(error.status, Some(429 | 502..=504)) || error.retry_hint.is_some() || error.format.name == "html";
    let counts_against_batch = because == GateReason::ServerError && !is_general;
    Sent::Failed { error: Box::new(error), because, counts_against_batch }
}

impl<P: Platform> Drainer<P> {
    /// Sends what is due, batch by batch, until nothing is, or the server does not answer.
    pub async fn drain(&self, trigger: Trigger) -> Result<DrainReport, StoreError> {
        let store = self.platform.store();
        // Before the look: what is waited for from here on may be stored after it.
        let waited_for = if trigger >= Trigger::Visible { self.waiters.ids() } else { vec![] };
        // A look that costs no write and no lock: most triggers find nothing to do, or the gate closed.
        let record = outbox::record(store, &self.user_id).await?;
        if record.counts.total() == 0 {
            self.release(&waited_for);
        }
        if record.counts.pending == 0 {
            return Ok(DrainReport { counts: record.counts, next: None });
        }
        let wait = record.gate.wait(trigger, self.now());
        if !wait.is_zero() && !record.gate.was_closed_after(self.now()) {
            return Ok(DrainReport { counts: record.counts, next: Some(wait) });
        }
        // Calls go through another door to the same server: what it has told them holds here, too.
        let paused = self.paused(trigger);
        if !paused.is_zero() && !record.gate.was_closed_after(self.now()) {
            return Ok(DrainReport { counts: record.counts, next: Some(self.after_pause(paused)) });
        }
        let _one_drain_at_a_time = if broken::is(Variant::LeaseWithoutLock) {
            let (texts, now) = (self.platform.key_value(), self.now());
            let until = texts.read(&self.lock).and_then(|text| text.parse().ok()).map_or(now, WallTime);
            if now < until {
                return Ok(DrainReport { counts: record.counts, next: Some(until.since(now)) });
            }
            texts.write(&self.lock, &now.after(Duration::from_secs(5)).0.to_string());
            None
        } else {
            Some(self.platform.locks().acquire(&self.lock).await)
        };
        let (epoch, counts) = match outbox::begin(store, &self.user_id, trigger, self.now()).await? {
            Begin::Idle(counts) => return Ok(DrainReport { counts, next: None }),
            Begin::Closed { wait, counts } => return Ok(DrainReport { counts, next: Some(wait) }),
            Begin::Open { epoch, counts } => (epoch, counts),
        };
        self.platform.emit(&Event::SyncStarted { trigger, counts });
        let report = self.send_batches(epoch, trigger).await?;
        self.platform.emit(&Event::SyncFinished {
            counts: report.counts,
            next_attempt_at: report.next.map(|wait| self.now().after(wait)),
        });
        Ok(report)
    }

    async fn send_batches(&self, epoch: u64, trigger: Trigger) -> Result<DrainReport, StoreError> {
        let mut limits = self.policy.limits;
        // Once until a batch is answered: new credentials that are refused as well do not become better by newer ones.
        let mut may_refresh = true;
        // What a batch belongs to that is sent again with new credentials: that is no retry.
        let mut resumed: Option<CallTrace> = None;
        loop {
            let paused = self.paused(trigger);
            if !paused.is_zero() {
                let record = outbox::record(self.platform.store(), &self.user_id).await?;
                return Ok(DrainReport { counts: record.counts, next: Some(self.after_pause(paused)) });
            }
            let fresh_key = unique_id(self.platform.as_ref());
            let claim = outbox::claim(self.platform.store(), &self.user_id, epoch, limits, self.now(), &fresh_key).await?;
            let (key, actions, failures) = match claim {
                Claim::Batch { key, actions, failures } => (key, actions, failures),
                Claim::Nothing { next_due, counts } => {
                    return Ok(DrainReport { counts, next: next_due.map(|moment| moment.since(self.now())) });
                }
                Claim::Superseded => return self.superseded().await,
            };
            let trace = resumed.take().unwrap_or_else(|| self.trace());
            let seen = may_refresh.then(|| self.credentials.generation()).flatten();
            let correlation_id = trace.correlation_id().to_string();
            self.platform.emit(&Event::BatchSent {
                correlation_id: correlation_id.clone(),
                ids: actions.iter().map(|action| action.id.clone()).collect(),
            });
            let verdicts = match self.send(&actions, &key, &trace).await {
                Sent::Answered(verdicts) => {
                    limits = self.policy.limits;
                    may_refresh = true;
                    if let (true, Ok(applied)) = (broken::is(Variant::SettledOnAnswer), to_raw_value(&Outcome::Applied)) {
                        self.tell(actions.iter().map(|action| (action.id.clone(), applied.clone())).collect());
                    }
                    verdicts
                }
                // Whichever action it is that the server does not take: halves find it.
                Sent::Refused(error) if actions.len() > 1 => {
                    limits.actions = actions.len() / 2;
                    let next_size = limits.actions;
                    self.platform.emit(&Event::BatchSplit { correlation_id, error, next_size });
                    continue;
                }
                Sent::Refused(error) => {
                    limits = self.policy.limits;
                    vec![Verdict::Rejected(error)]
                }
                // It stands alone and fails again and again: it waits by itself, and holds nothing but its key.
                Sent::Failed { error, counts_against_batch: true, .. }
                    if actions.len() == 1 && failures + 1 >= BatchRecord::FAILURES_PER_HALVING =>
                {
                    vec![Verdict::Retry(Some(error))]
                }
                Sent::Failed { error, because: GateReason::Authentication, .. }
                    if may_refresh && self.has_new_credentials(&error, seen).await =>
                {
                    // Claimed again, it is the same batch under the same key, if nothing of it was discarded meanwhile.
                    may_refresh = false;
                    resumed = Some(trace);
                    continue;
                }
                Sent::Failed { error, because, counts_against_batch } => {
                    return Ok(self.close_gate(correlation_id, error, because, counts_against_batch).await);
                }
            };
            let verdicts = actions.iter().map(|action| action.seq).zip(verdicts).collect();
            if !self.settle(epoch, &verdicts).await? {
                return self.superseded().await;
            }
        }
    }

    /// For how long the server wants to be left alone.
    fn paused(&self, trigger: Trigger) -> Duration {
        if trigger == Trigger::Online && broken::is(Variant::OnlineOpensGate) {
            return Duration::ZERO;
        }
        self.services.paused_for(&self.policy.service)
    }

    /// When to come back to a server that wants to be left alone: behind the calls, for which someone waits.
    fn after_pause(&self, pause: Duration) -> Duration {
        later(pause, pause, LONGEST_SPREAD, self.platform.random().unit())
    }

    /// Another drain has taken over and will see to the rest, unless its tab is gone before.
    async fn superseded(&self) -> Result<DrainReport, StoreError> {
        let record = outbox::record(self.platform.store(), &self.user_id).await?;
        let next = (record.counts.pending > 0).then_some(self.policy.timeout);
        Ok(DrainReport { counts: record.counts, next })
    }

    /// Whether there are others now than the `seen` credentials that the server has refused.
    async fn has_new_credentials(&self, error: &ApiError, seen: Option<u64>) -> bool {
        match seen {
            Some(seen) if credentials::have_expired(error) => self.credentials.renew(error, seen).await,
            _ => false,
        }
    }

    /// What ties a batch to what it causes: as for a call, except that it goes to the backend, which is trusted.
    fn trace(&self) -> CallTrace {
        let (platform, policy) = (self.platform.as_ref(), &self.policy);
        let (page, trusted) = (&platform.http().surroundings().page, std::slice::from_ref(&policy.service));
        let recipient = Recipient::of(&policy.service, page.origin.as_deref(), trusted, &policy.correlation.traced_origins);
        let brought = Brought { page_traceparent: page.traceparent.as_deref(), ..Brought::default() };
        CallTrace::begin(platform, &policy.correlation, recipient, brought)
    }

    async fn send(&self, actions: &[Action], key: &str, trace: &CallTrace) -> Sent {
        let http = self.platform.http();
        let body = QueueActionsRequest { user_id: self.user_id.clone(), actions: actions.iter().map(Action::to_wire).collect() };
        let mut body = body;
        for (wire, action) in body.actions.iter_mut().zip(actions) {
            if action.attempts > 0 && broken::is(Variant::NewIdOnRetry) {
                wire.id = [&*wire.id, "-", &action.attempts.to_string()].concat();
            }
        }
        let request = serde_json::to_string(&body)
            .map_err(|error| error.to_string())
            .and_then(|body| http.json_request("POST", &self.policy.url, Some(body)).map_err(|failure| failure.to_string()));
        let request = match request {
            Ok(request) => request,
            Err(message) => {
                return failed(ApiError::without_response("REQUEST_INVALID", message, false), GateReason::ServerError);
            }
        };
        // How often it was sent before is not counted: each time has an id of its own.
        let mut headers = trace.headers(self.platform.as_ref(), 1);
        headers.push(idempotency_header(key));
        let summary = http.summary(&request);
        let platform = self.platform.as_ref();
        let began = platform.clock().monotonic();
        let exchange = attempt::exchange(platform, &request, &summary, &headers, self.policy.timeout, LARGEST_ANSWER);
        match exchange.await {
            Ok(response) => {
                let sent = self.understand(&response, actions);
                if broken::is(Variant::StrangersAcknowledged) {
                    self.acknowledge_strangers(&response.body, actions).await;
                }
                if let Sent::Refused(error) | Sent::Failed { error, .. } = &sent {
                    exposure::warn_of_hidden_hint(platform, &summary.origin, &response.headers, error);
                    // What it has asked for holds for calls as well.
                    if let (Some(429 | 503), Some(hint)) = (error.status, error.retry_hint)
                        && !broken::is(Variant::HintIgnored)
                    {
                        self.services.pause(&self.policy.service, Duration::from_millis(hint.after_ms));
                    }
                }
                match &sent {
                    Sent::Failed { error, .. } if error.format.name == "html" && response.status < 400 => {
                        self.watch.answered_with_page(&summary.origin);
                    }
                    _ => self.watch.answered(&summary.origin, response.status),
                }
                sent
            }
            Err(error) => {
                self.watch.not_answered(&summary.origin, error.kind(), began);
                let (because, counts_against_batch) = match &error {
                    // Made here, and not by the network: news about the network changes nothing.
                    AttemptError::Failed(failure)
                        if matches!(failure.verdict.kind, NetworkFailureKind::Invalid | NetworkFailureKind::Application) =>
                    {
                        (GateReason::ServerError, false)
                    }
                    // Whatever it looks like: it is a guess, and the batch waits for better times as it is.
                    AttemptError::Failed(_) => (GateReason::Network, false),
                    // On a slow network a smaller batch may make it in time.
                    AttemptError::TimedOut(_) => (GateReason::Network, true),
                };
                Sent::Failed { error: Box::new(error.into_api_error()), because, counts_against_batch }
            }
        }
    }

    /// Deletes whatever the answer lists as applied.
    async fn acknowledge_strangers(&self, body: &[u8], actions: &[Action]) {
        let Ok(answer) = serde_json::from_slice::<crate::wire::QueueActionsResponse>(body) else { return };
        for result in answer.results.iter().filter(|result| !actions.iter().any(|action| action.id == result.id)) {
            // One that is not there is no loss.
            drop(outbox::discard(self.platform.store(), &self.user_id, &result.id).await);
        }
    }

    fn understand(&self, response: &ResponseParts, actions: &[Action]) -> Sent {
        let status = response.status;
        if (200..300).contains(&status) {
            if broken::is(Variant::AcknowledgeOnSuccess) {
                return Sent::Answered(actions.iter().map(|_| Verdict::Applied).collect());
            }
            return match answer::read(&response.body, actions, self.now(), &self.policy.extensions) {
                Ok(verdicts) => Sent::Answered(verdicts),
                Err(no_answer) => {
                    let message = match no_answer {
                        NoAnswer::NotJson => "The answer to the batch is no JSON, or cut off; it may not be the backend's.",
                        NoAnswer::NoResults => "The answer to the batch has no list of results; see the sync contract.",
                    };
                    let error = parse(response, &self.policy.extensions).overruled("SYNC_ANSWER_UNREADABLE", message);
                    failed(error, GateReason::ServerError)
                }
            };
        }
        let error = parse(response, &self.policy.extensions);
        // A server that says when to come back does not mean "never", and a page or nothing at all is not its word on an action.
        let is_final = error.retry_hint.is_none_or(|hint| hint.after_ms == 0);
        let is_the_backends = !matches!(error.format.name.as_ref(), "html" | "empty");
        match status {
            413 if is_final => Sent::Refused(Box::new(error)),
            400 | 422 if is_final && is_the_backends => Sent::Refused(Box::new(error)),
            401 | 403 => failed(error, GateReason::Authentication),
            _ => failed(error, GateReason::ServerError),
        }
    }

    async fn close_gate(
        &self,
        correlation_id: String,
        error: Box<ApiError>,
        because: GateReason,
        counts_against_batch: bool,
    ) -> DrainReport {
        let hint = error.retry_hint.map(|hint| Duration::from_millis(hint.after_ms));
        let closed = self.write_gate(because, hint, counts_against_batch).await;
        let next_attempt_at = self.now().after(closed.wait);
        self.platform.emit(&Event::BatchFailed { correlation_id, error, next_attempt_at, waiting_for: closed.because });
        DrainReport { counts: closed.counts, next: Some(closed.wait) }
    }

    /// Closes the gate on disk. While the disk fails, the lock is not let go: another tab, or this one
    /// after a reload, would ask the server again without knowing that it must not yet.
    async fn write_gate(&self, because: GateReason, hint: Option<Duration>, counts_against_batch: bool) -> Closed {
        let moment = self.moment();
        let mut failures = 0;
        loop {
            match outbox::close_gate(self.platform.store(), &self.user_id, because, hint, counts_against_batch, moment).await {
                // The disk may have taken its time.
                Ok(closed) => return Closed { wait: closed.wait.saturating_sub(self.now().since(moment.now)), ..closed },
                Err(error) => self.platform.emit(&Event::StoreFailed { error }),
            }
            failures += 1;
            let pause = self.policy.backoff.delay(failures, self.platform.random().unit());
            self.platform.clock().sleep(pause).await;
        }
    }

    /// Enters the verdicts into the books and tells everyone. Says whether this drain may go on.
    async fn settle(&self, epoch: u64, verdicts: &FlatMap<u64, Verdict>) -> Result<bool, StoreError> {
        let settled = outbox::settle(self.platform.store(), &self.user_id, epoch, verdicts, self.moment()).await?;
        self.announce(settled.counts, settled.settlement.settled);
        Ok(settled.current)
    }

    /// Tells the other tabs what is in the queue now and, like those who wait and the application here, what was settled.
    pub fn announce(&self, counts: Counts, settled: Vec<(String, Outcome)>) {
        let settled: Vec<(String, Box<RawValue>)> =
            settled.into_iter().filter_map(|(id, outcome)| Some((id, to_raw_value(&outcome).ok()?))).collect();
        let announcement = Announcement { user_id: self.user_id.clone(), counts, settled };
        if let Ok(message) = serde_json::to_string(&announcement) {
            self.platform.channel().post(&message);
        }
        self.tell(announcement.settled);
    }

    /// The queue is empty, so these are settled; the tab that settled them was gone before it told this one, or this one slept.
    fn release(&self, ids: &[String]) {
        if let Ok(gone) = to_raw_value(&Outcome::Gone) {
            for id in ids {
                self.waiters.resolve(id, &gone);
            }
        }
    }

    /// Hears what another tab has done. Says whether something waits now: that tab may be gone before it has sent it.
    pub fn hear(&self, message: &str) -> bool {
        let Ok(announcement) = serde_json::from_str::<Announcement>(message) else { return false };
        if announcement.user_id != self.user_id {
            return false;
        }
        self.tell(announcement.settled);
        self.platform.emit(&Event::QueueChanged { counts: announcement.counts });
        announcement.counts.pending > 0
    }

    fn tell(&self, settled: Vec<(String, Box<RawValue>)>) {
        for (id, outcome) in settled {
            self.waiters.resolve(&id, &outcome);
            self.platform.emit(&Event::Settled { id, outcome });
        }
    }

    fn now(&self) -> WallTime {
        self.platform.clock().wall()
    }

    fn moment(&self) -> Moment<'_> {
        Moment { backoff: &self.policy.backoff, now: self.now(), unit: self.platform.random().unit() }
    }
}
