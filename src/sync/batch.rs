//! One batch on its way: the request, the exchange, and what the answer says.

use super::Drainer;
use super::drain::Turn;
use super::files::FileOf;
use super::succession::Ready;
use crate::broken::{self, Variant};
use crate::call::attempt::{self, AttemptError};
use crate::call::correlation::{CallTrace, idempotency_header};
use crate::call::exposure;
use crate::error::ApiError;
use crate::error::parse::{ResponseParts, parse};
use crate::event::Event;
use crate::outbox::{self, Batch};
use crate::platform::{
    Clock as _, FormValue, Http, NetworkFailure, NetworkFailureKind, OutgoingBody, OutgoingRequest, Platform, StoreError,
};
use crate::policy::gate::GateReason;
use crate::policy::hint;
use crate::queue::action::Action;
use crate::queue::answer::{self, NoAnswer, Verdict};
use crate::queue::file::part_of;
use crate::queue::request::encoded;
use crate::wire::{ACTIONS_PART, QueueActionsRequest};
use std::time::Duration;

/// The most that is read of the answer to a batch. A result with the server's copy of a document may be long.
pub(super) const LARGEST_ANSWER: usize = 16 << 20;
/// What became of a batch that was sent.
pub(super) enum Sent {
    Answered(Vec<Verdict>),
    /// A success that does not say of which actions.
    Unnamed(Box<ApiError>),
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

/// What a batch has come to that got no answer.
pub(super) fn failed_attempt(error: AttemptError) -> Sent {
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

fn failed(error: ApiError, because: GateReason) -> Sent {
    // A gateway's answer, and a server that asks for patience, say nothing about what was sent.
    let is_general = matches!(error.status, Some(429 | 502..=504)) || error.retry_hint.is_some() || error.format.name == "html";
    let counts_against_batch = because == GateReason::ServerError && !is_general;
    Sent::Failed { error: Box::new(error), because, counts_against_batch }
}

impl<P: Platform> Drainer<P> {
    pub(super) fn tell_sent(&self, trace: &CallTrace, actions: &[Action]) {
        self.platform.emit(&Event::BatchSent {
            correlation_id: trace.correlation_id().into(),
            ids: actions.iter().map(|action| action.id.clone()).collect(),
        });
    }

    /// Sends a batch once. `None` if it is not to be sent after all.
    pub(super) async fn send(
        &self,
        turn: Turn,
        claimed: &Ready,
        files: &[FileOf<P>],
        trace: &CallTrace,
    ) -> Result<Option<Sent>, StoreError> {
        let http = self.platform.http();
        let Batch { key, actions, .. } = &claimed.batch;
        let mut body =
            QueueActionsRequest { user_id: self.user_id.clone(), actions: actions.iter().map(Action::to_wire).collect() };
        for (wire, action) in body.actions.iter_mut().zip(actions) {
            if action.attempts > 0 && broken::is(Variant::NewIdOnRetry) {
                wire.id = [&*wire.id, "-", &action.attempts.to_string()].concat();
            }
        }
        let request = serde_json::to_string(&body)
            .map_err(|error| error.to_string())
            .and_then(|body| self.request_for(body, actions, files).map_err(|failure| failure.to_string()))
            .map(|request| http.once(request));
        let request = match request {
            Ok(request) => request,
            Err(message) => {
                let error = ApiError::without_response("REQUEST_INVALID", message, false);
                return Ok(Some(failed(error, GateReason::ServerError)));
            }
        };
        // How often it was sent before is not counted: each time has an id of its own.
        let mut headers = trace.headers(self.platform.as_ref(), 1);
        headers.push(idempotency_header(key));
        let summary = http.summary(&request);
        let platform = self.platform.as_ref();
        let patience = self.patience_for(actions);
        let request = match attempt::authorize(platform, request, patience).await {
            Ok(request) => request,
            Err(error) => return Ok(Some(failed_attempt(error))),
        };
        if !self.may_leave(turn, key, claimed.known_at).await? {
            return Ok(None);
        }
        self.tell_sent(trace, actions);
        let began = platform.clock().monotonic();
        let exchange = attempt::exchange(platform, &request, &summary, &headers, patience, LARGEST_ANSWER);
        Ok(Some(match exchange.await {
            Ok(response) => {
                self.server_ahead.set(hint::skew(&response.headers, self.now()));
                if broken::is(Variant::StrangersAcknowledged) {
                    self.acknowledge_strangers(&response.body, actions).await;
                }
                let sent = self.understand(&response, actions);
                if let Sent::Refused(error) | Sent::Failed { error, .. } = &sent {
                    exposure::warn_of_hidden_hint(platform, &summary.origin, &response.headers, error);
                    self.learn_pause(&self.policy.service, error);
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
                failed_attempt(error)
            }
        }))
    }

    /// A batch as a request: JSON, or a form of which that is the first part, if an action has files.
    fn request_for(
        &self,
        body: String,
        actions: &[Action],
        files: &[FileOf<P>],
    ) -> Result<<P::Http as Http>::Request, NetworkFailure> {
        let (http, url) = (self.platform.http(), &self.policy.url);
        let Some(action) = actions.first().filter(|action| !action.files.is_empty()) else {
            return http.json_request("POST", url, Some(body));
        };
        let parts: Vec<String> = (0..files.len()).map(part_of).collect();
        let named = action.files.iter().zip(files).zip(&parts);
        let mut form = vec![(ACTIONS_PART, FormValue::Text(&body, Some("application/json")))];
        form.extend(named.map(|((named, file), part)| (part.as_str(), FormValue::File { file, name: named.name.as_deref() })));
        let headers = vec![("Accept".to_string(), "application/json".to_string())];
        let progress = self.progress_of(action);
        let body = OutgoingBody::Form(&form);
        http.request(&OutgoingRequest { method: "POST", url, headers: &headers, body, credentials: None, progress })
    }

    /// Asks what became of a batch whose answer named no actions, unless the server has asked for patience while that was on its way.
    pub(super) async fn reconcile(&self, actions: &[Action], trace: &CallTrace) -> Result<Vec<Verdict>, Option<Box<ApiError>>> {
        let (platform, http) = (self.platform.as_ref(), self.platform.http());
        let Some(status_url) = self.policy.status_url.as_deref() else { return Err(None) };
        let request = http.json_request("GET", &[status_url, &encoded(&self.user_id)].concat(), None).map_err(|_| None)?;
        let (summary, headers) = (http.summary(&request), trace.headers(platform, 1));
        let request = attempt::authorize(platform, request, self.policy.timeout).await.map_err(|_| None)?;
        if !self.services.paused_for(&self.policy.service).is_zero() {
            return Err(None);
        }
        let exchange = attempt::exchange(platform, &request, &summary, &headers, self.policy.timeout, LARGEST_ANSWER);
        let response = exchange.await.map_err(|_| None)?;
        if response.status == 200 {
            return answer::reconcile(&response.body, actions).ok_or(None);
        }
        let error = parse(&response, &self.policy.extensions);
        self.learn_pause(&self.policy.service, &error);
        Err(error.retry_hint.is_some().then(|| Box::new(error)))
    }

    /// What the server has asked for holds for calls as well.
    pub(super) fn learn_pause(&self, service: &str, error: &ApiError) {
        if let (Some(429 | 503), Some(hint)) = (error.status, error.retry_hint)
            && !broken::is(Variant::HintIgnored)
        {
            self.services.pause(service, Duration::from_millis(hint.after_ms));
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
                return Sent::Answered(actions.iter().map(|_| Verdict::Applied(None)).collect());
            }
            return match answer::read(&response.body, actions, self.now(), &self.policy.extensions) {
                Ok(verdicts) => Sent::Answered(verdicts),
                // An empty body, too: but not a page, or what was cut off.
                Err(no_answer)
                    if self.policy.acknowledges_whole && (no_answer == NoAnswer::NoResults || response.body.is_empty()) =>
                {
                    Sent::Answered(actions.iter().map(|_| Verdict::Applied(None)).collect())
                }
                Err(no_answer) => {
                    let message = match no_answer {
                        NoAnswer::NotJson => "The answer to the batch is no JSON, or cut off; it may not be the backend's.",
                        NoAnswer::NoResults => "The answer to the batch has no list of results; see the sync contract.",
                    };
                    let error = parse(response, &self.policy.extensions).overruled("SYNC_ANSWER_UNREADABLE", message);
                    match no_answer {
                        NoAnswer::NoResults => Sent::Unnamed(Box::new(error)),
                        NoAnswer::NotJson => failed(error, GateReason::ServerError),
                    }
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
}
