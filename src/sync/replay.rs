//! Whole requests: each is sent by itself, to where it says.

use super::batch::{LARGEST_ANSWER, Sent, failed_attempt};
use super::drain::{Drainer, LONGEST_CLAIM, MOST_LOOKS, Turn};
use super::files::FileOf;
use super::reply::{self, Answerer, Reply};
use super::succession::Ready;
use crate::broken::{self, Variant};
use crate::call::attempt::{self, AttemptError};
use crate::call::correlation::{Brought, CallTrace, Recipient, idempotency_header, is_same_origin};
use crate::call::exposure;
use crate::error::ApiError;
use crate::flat_map::FlatMap;
use crate::outbox::{self, Batch};
use crate::platform::{
    Clock, Connectivity, FormValue, Http, NetworkFailureKind, OutgoingBody, OutgoingRequest, Platform, Random, RequestSummary,
    StoreError, StoreErrorKind,
};
use crate::policy::gate::GateReason;
use crate::queue::action::Action;
use crate::queue::answer::Verdict;
use crate::queue::request::{Body, OUTCOME_UNKNOWN, WholeRequest};
use crate::time::MonotonicTime;
use std::cell::RefCell;
use std::time::Duration;

/// The origins beside the backend's that have failed lately: how often in a row, and until when nothing is sent there.
#[derive(Debug, Default)]
pub(super) struct Resting {
    origins: RefCell<FlatMap<String, (u32, MonotonicTime)>>,
}

/// What is known of the sending of a whole request.
pub(super) struct Sending {
    /// What came of it.
    pub(super) sent: Sent,
    /// The origin that it went to, if that is another than the backend's: what happens there is nothing that batches wait for.
    pub(super) elsewhere: Option<String>,
}

impl<P: Platform> Drainer<P> {
    /// Sends a whole request once. `None` if it is not to be sent after all: it has left the queue, or another drain has begun.
    pub(super) async fn send_whole(
        &self,
        turn: Turn,
        claimed: &mut Ready,
        files: &[FileOf<P>],
        resumed: Option<CallTrace>,
    ) -> Result<Option<(Sending, CallTrace)>, StoreError> {
        let Ready { batch: Batch { key, actions, .. }, known_at } = claimed;
        let [action] = actions.as_mut_slice() else { return Ok(None) };
        let Some(whole) = action.request.clone() else { return Ok(None) };
        let http = self.platform.http();
        let form = form_of(&whole, action, files);
        let body = match &whole.body {
            Body::None => OutgoingBody::None,
            Body::Data => OutgoingBody::Text(action.data.get()),
            Body::Text(text) => OutgoingBody::Text(text),
            Body::File => files.first().map_or(OutgoingBody::None, OutgoingBody::File),
            Body::Form(_) => OutgoingBody::Form(&form),
        };
        let WholeRequest { method, url, headers, credentials, .. } = whole.as_ref();
        let (credentials, progress) = (credentials.as_deref(), self.progress_of(action));
        let outgoing = OutgoingRequest { method, url, headers, body, credentials, progress };
        let request = http.request(&outgoing).map(|request| http.once(request));
        let request = match request {
            Ok(request) => request,
            Err(failure) => {
                let error = ApiError::without_response("REQUEST_INVALID", failure.to_string(), false);
                let (sent, trace) = (rejected(error), self.trace_to(&self.policy.service, None));
                return Ok(Some((Sending { sent, elsewhere: None }, trace)));
            }
        };
        let summary = http.summary(&request);
        let elsewhere = (!is_same_origin(&summary.origin, &self.policy.service)).then(|| summary.origin.clone());
        let trace = resumed.unwrap_or_else(|| self.trace_to(&summary.origin, summary.correlation_id.as_deref()));
        if let Some(origin) = &elsewhere {
            let wait = self.services.paused_for(origin).max(self.rests_for(origin));
            if !wait.is_zero() {
                let sent = Sent::Answered(vec![Verdict::Postponed(wait)]);
                return Ok(Some((Sending { sent, elsewhere }, trace)));
            }
        }
        if action.is_sent_once() && !broken::is(Variant::SentOnceSentAgain) {
            if action.sent {
                let error = ApiError::without_response(OUTCOME_UNKNOWN, UNKNOWN.into(), false);
                return Ok(Some((Sending { sent: rejected(error), elsewhere }, trace)));
            }
            // Once it is on its way nobody can tell: the network may go after the request has left.
            if !self.platform.connectivity().online() {
                let message = "The browser says that there is no network; nothing was sent.".into();
                let error = Box::new(ApiError::without_response("NETWORK_OFFLINE", message, true));
                let sent = Sent::Failed { error, because: GateReason::Network, counts_against_batch: false };
                return Ok(Some((Sending { sent, elsewhere }, trace)));
            }
        }
        let patience = self.patience_for(std::slice::from_ref(action));
        let request = match attempt::authorize(self.platform.as_ref(), request, patience).await {
            Ok(request) => request,
            Err(error) => return Ok(Some((Sending { sent: failed_attempt(error), elsewhere }, trace))),
        };
        if !self.may_leave(turn, key, *known_at).await? {
            return Ok(None);
        }
        if action.is_sent_once() && !broken::is(Variant::SentOnceSentAgain) {
            action.sent = self.mark_sent(turn, action).await?;
            if !action.sent {
                return Ok(None);
            }
        }
        self.tell_sent(&trace, std::slice::from_ref(action));
        let exchange = Exchange { request: &request, summary: &summary, whole: &whole, patience };
        let mut sent = self.exchange_whole(exchange, action, &trace).await;
        if let (true, Outcome { sent: Sent::Failed { error, .. }, is_unseen }) = (action.is_sent_once(), &mut sent) {
            if *is_unseen {
                // If another drain has begun, it finds it marked as sent, and leaves the decision to the user.
                let place = self.at(turn.place);
                let write = async || outbox::mark_sent(&place, &self.user_id, turn.epoch, action, false, self.now()).await;
                action.sent = !self.insist(write).await.unwrap_or(false);
            } else if !broken::is(Variant::SentOnceSentAgain) {
                let message = [UNKNOWN, " ", error.message.as_deref().unwrap_or_default()].concat();
                sent.sent = rejected(error.clone().overruled(OUTCOME_UNKNOWN, message.trim()));
            }
        }
        Ok(Some((Sending { sent: sent.sent, elsewhere }, trace)))
    }

    /// Writes down that the server may see it from now on. Says whether it is to be sent: while a page stood still after that, another one
    /// may have taken over, and the user may have decided about it there.
    async fn mark_sent(&self, turn: Turn, action: &Action) -> Result<bool, StoreError> {
        let clock = self.platform.clock();
        let place = self.at(turn.place);
        let mark = async |is_sent| outbox::mark_sent(&place, &self.user_id, turn.epoch, action, is_sent, self.now()).await;
        let too_slow =
            "It was long ago by the time that it was written down that a request is about to be sent; nothing was sent.";
        let mut marked = Err(StoreError::new(StoreErrorKind::TimedOut, "mark as sent", too_slow));
        for _ in 0..MOST_LOOKS {
            let asked_at = clock.monotonic();
            let is_marked = mark(true).await;
            if !matches!(is_marked, Ok(true)) {
                marked = is_marked;
                break;
            }
            if clock.monotonic().since(asked_at) <= LONGEST_CLAIM {
                return Ok(true);
            }
        }
        // It was not sent. If that cannot be written down either, it counts as sent.
        drop(mark(false).await);
        marked
    }

    async fn exchange_whole(
        &self,
        Exchange { request, summary, whole, patience }: Exchange<'_, P>,
        action: &Action,
        trace: &CallTrace,
    ) -> Outcome {
        let platform = self.platform.as_ref();
        let mut headers = trace.headers(platform, 1);
        let mut key = action.id.clone();
        if action.attempts > 0 && broken::is(Variant::NewIdOnRetry) {
            key = [&*key, "-", &action.attempts.to_string()].concat();
        }
        headers.push(idempotency_header(&key));
        let began = platform.clock().monotonic();
        let exchange = attempt::exchange_from(platform, request, summary, &headers, patience, LARGEST_ANSWER).await;
        let (response, is_elsewhere) = match exchange {
            Ok(answered) => answered,
            Err(error) => {
                self.watch.not_answered(&summary.origin, error.kind(), began);
                return unanswered(error);
            }
        };
        let answerer = Answerer { is_elsewhere, is_trusted: self.trusts(&summary.origin) };
        let reply = reply::read(whole, &response, answerer, &self.policy.extensions);
        let is_page = matches!(&reply, Reply::Unsettled { error, .. } if error.format.name == "html" && response.status < 400);
        if is_page {
            self.watch.answered_with_page(&summary.origin);
        } else {
            self.watch.answered(&summary.origin, response.status);
        }
        match reply {
            Reply::Says(verdict) => Outcome { sent: Sent::Answered(vec![verdict]), is_unseen: false },
            Reply::Unsettled { error, because, counts_against_it, is_unseen } => {
                exposure::warn_of_hidden_hint(platform, &summary.origin, &response.headers, &error);
                self.learn_pause(&summary.origin, &error);
                Outcome { sent: Sent::Failed { error, because, counts_against_batch: counts_against_it }, is_unseen }
            }
        }
    }

    fn trusts(&self, origin: &str) -> bool {
        self.policy.trusted_origins.iter().any(|known| is_same_origin(known, origin))
    }

    /// What ties a request to what it causes: as for a call.
    pub(super) fn trace_to(&self, origin: &str, correlation_id: Option<&str>) -> CallTrace {
        let (platform, policy) = (self.platform.as_ref(), &self.policy);
        let page = &platform.http().surroundings().page;
        let traced = &policy.correlation.traced_origins;
        let recipient = Recipient::of(origin, page.origin.as_deref(), &policy.trusted_origins, traced);
        let brought = Brought { correlation_id, page_traceparent: page.traceparent.as_deref(), ..Brought::default() };
        CallTrace::begin(platform, &policy.correlation, recipient, brought)
    }

    /// Nothing more is sent there for a while.
    pub(super) fn rest(&self, origin: &str) {
        let now = self.platform.clock().monotonic();
        let mut origins = self.resting.origins.borrow_mut();
        let failures = origins.get(origin).map_or(0, |(failures, _)| *failures).saturating_add(1);
        let pause = self.policy.backoff.delay(failures, self.platform.random().unit());
        origins.insert(origin.into(), (failures, now.after(pause)));
    }

    /// It has answered.
    pub(super) fn wake_up(&self, origin: &str) {
        self.resting.origins.borrow_mut().remove(origin);
    }

    fn rests_for(&self, origin: &str) -> Duration {
        let now = self.platform.clock().monotonic();
        self.resting.origins.borrow().get(origin).map_or(Duration::ZERO, |(_, until)| until.since(now))
    }
}

/// The fields of a request that is a form.
fn form_of<'a, F>(whole: &'a WholeRequest, action: &'a Action, files: &'a [F]) -> Vec<(&'a str, FormValue<'a, F>)> {
    let Body::Form(fields) = &whole.body else { return Vec::new() };
    let value = |text: &'a Option<String>, number: Option<usize>| {
        if let Some(text) = text {
            return Some(FormValue::Text(text, None));
        }
        let number = number?;
        let name = action.files.get(number).and_then(|file| file.name.as_deref());
        Some(FormValue::File { file: files.get(number)?, name })
    };
    // Which files there are was checked when it was enqueued, and that they are there before this.
    fields.iter().filter_map(|field| Some((field.name.as_str(), value(&field.text, field.file)?))).collect()
}

/// What that means.
const UNKNOWN: &str = "The request was sent, and it is not known whether it was carried out; it is not to be sent twice.";

/// A whole request that is about to be sent, and how long its answer is waited for.
struct Exchange<'a, P: Platform> {
    request: &'a <P::Http as Http>::Request,
    summary: &'a RequestSummary,
    whole: &'a WholeRequest,
    patience: Duration,
}

/// What came of a request, and whether the server has certainly not carried it out.
struct Outcome {
    sent: Sent,
    is_unseen: bool,
}

fn rejected(error: ApiError) -> Sent {
    Sent::Answered(vec![Verdict::Rejected(Box::new(error))])
}

fn unanswered(error: AttemptError) -> Outcome {
    let kind = error.kind();
    let is_certain =
        matches!(&error, AttemptError::Failed(failure) if failure.verdict.confidence == crate::error::Confidence::Certain);
    // What stands in for `fetch` may fail after it has sent.
    let was_dispatched = !matches!(&error, AttemptError::Failed(failure) if !failure.was_dispatched);
    if kind == NetworkFailureKind::Invalid && !was_dispatched {
        return Outcome { sent: rejected(error.into_api_error()), is_unseen: true };
    }
    let is_unseen = match kind {
        NetworkFailureKind::Application | NetworkFailureKind::Invalid => !was_dispatched,
        NetworkFailureKind::MixedContent | NetworkFailureKind::Blocked => is_certain,
        _ => false,
    };
    // What one request is kept from does not keep others.
    let is_its_own = matches!(kind, NetworkFailureKind::Cors | NetworkFailureKind::Blocked | NetworkFailureKind::MixedContent);
    let sent = match failed_attempt(error) {
        Sent::Failed { error, because, counts_against_batch } => {
            Sent::Failed { error, because, counts_against_batch: counts_against_batch || is_its_own }
        }
        other => other,
    };
    Outcome { sent, is_unseen }
}

/// Whether a failure is the device's, which nothing gets past.
pub(super) fn is_everywhere(error: &ApiError, because: GateReason) -> bool {
    because == GateReason::Network && error.code.as_deref() == Some("NETWORK_OFFLINE")
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::network::Rejection;
    use crate::platform::NetworkFailure;

    #[test]
    fn what_stands_in_for_fetch_may_have_sent_before_it_failed() {
        for kind in [NetworkFailureKind::Application, NetworkFailureKind::Invalid] {
            let rejection = Rejection { name: "TypeError".into(), message: "x is undefined".into(), cause: None };
            let before = NetworkFailure::certain(kind, "it threw", rejection);
            let after = NetworkFailure { was_dispatched: true, ..before.clone() };
            assert!(unanswered(AttemptError::Failed(before)).is_unseen, "{kind:?}");
            let Outcome { sent, is_unseen } = unanswered(AttemptError::Failed(after));
            assert!(!is_unseen && matches!(sent, Sent::Failed { .. }), "{kind:?}");
        }
        assert!(!unanswered(AttemptError::TimedOut(Duration::from_secs(1))).is_unseen);
    }
}
