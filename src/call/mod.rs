//! The call path: correlate, wait for the turn, attempt, parse, decide, wait, again.

pub mod attempt;
pub mod correlation;
pub mod credentials;
pub mod exposure;
pub(crate) mod facts;
pub mod idempotency;
pub mod trace_context;

use crate::connectivity::Watch;
use crate::error::parse::{Degraded, Extensions, ResponseParts, Success, inspect, parse, text};
use crate::error::{ApiError, RequestFacts};
use crate::platform::{Clock, Headers, Http, Platform, RequestSummary, Response};
use crate::policy::budget::Urgency;
use crate::policy::preferences::Preferences;
use crate::policy::retry::{RetryPolicy, method_is_idempotent};
use crate::resilience::hedge::HedgePolicy;
use crate::resilience::pipeline::{self, Attempt, Failure, Plan};
use crate::resilience::services::Services;
use crate::time::MonotonicTime;
use attempt::AttemptError;
use correlation::{Brought, CallTrace, CorrelationPolicy, Recipient, idempotency_header, unique_id};
use credentials::Credentials;
use serde::de::IgnoredAny;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// The most that is read of an error's body.
pub const LARGEST_ERROR_BODY: usize = 256 << 10;

/// An error whose headers arrive at the deadline of its call has so long to say more.
const SHORTEST_READING: Duration = Duration::from_millis(50);

/// A call without a deadline waits no longer than this for new credentials.
const LONGEST_RENEWAL: Duration = Duration::from_secs(120);

/// The most that is read of an answer in JSON.
pub const LARGEST_JSON: usize = 32 << 20;

/// What holds for all calls.
#[derive(Debug, Clone)]
pub struct CallPolicy {
    /// How calls are retried.
    pub retry: RetryPolicy,
    /// The origins that get the SDK's headers. To others they would be a leak, and a needless preflight.
    pub trusted_origins: Vec<String>,
    /// What those headers say.
    pub correlation: CorrelationPolicy,
    /// The application's formats and codes.
    pub extensions: Rc<Extensions>,
}

/// What holds for one call.
#[derive(Debug, Clone)]
pub struct CallOptions {
    /// How it is retried.
    pub retry: RetryPolicy,
    /// Its idempotency key.
    pub idempotency_key: IdempotencyKey,
    /// The caller's own word for the service that it goes to, beside its origin.
    pub service: Option<String>,
    /// Whether someone is waiting for it.
    pub urgency: Urgency,
    /// When an attempt gets company, if the method is safe.
    pub hedge: Option<HedgePolicy>,
    /// Whether credentials that have expired are refreshed.
    pub refresh: bool,
    /// By what it stands apart from all other calls to its origin: as the place that the server itself has named to ask instead, or
    /// as what refreshes the credentials that others wait for. That the server wants to be left alone elsewhere, fails there, or is
    /// in use by those who wait, does not hold here.
    pub apart: Option<String>,
}

/// What calls are made with.
pub struct Caller<'a, P: Platform> {
    /// The services that they go to.
    pub services: &'a Services<P>,
    /// What holds for all of them.
    pub policy: &'a CallPolicy,
    /// What they are authorised by.
    pub credentials: &'a Credentials<P>,
    /// What the user prefers at the moment.
    pub preferences: &'a dyn Fn() -> Preferences,
    /// What learns from answers whether the backend can be reached.
    pub watch: &'a Watch<P>,
}

/// How the server can tell that two requests are the same one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IdempotencyKey {
    /// It cannot, unless the method is idempotent or the request brings a key of its own.
    #[default]
    None,
    /// By a key that the SDK makes for this call.
    Generated,
    /// By this key.
    Given(String),
}

/// A whole answer in JSON.
#[derive(Debug)]
pub struct JsonAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers that the page may read.
    pub headers: Headers,
    /// The JSON; empty for an answer without a body.
    pub text: String,
    /// What is wrong with it, though it is one.
    pub degraded: Option<Degraded>,
}

/// Sends a request until it succeeds, or until sending it again would be wrong or in vain. A success is a response with a status
/// below 400, whose body has yet to arrive.
pub async fn call<P: Platform>(
    caller: &Caller<'_, P>,
    options: &CallOptions,
    request: &<P::Http as Http>::Request,
) -> Result<<P::Http as Http>::Response, Box<ApiError>> {
    let platform = caller.services.platform();
    let call = Call::new(platform, options, platform.http().summary(request));
    let clock = platform.clock();
    let deadline = options.retry.total_timeout.map(|total| clock.monotonic().after(total));
    let send = async |headers: &Headers, limit: Duration| {
        let sent = clock.monotonic();
        match attempt::send(platform, request, &call.summary, headers, limit).await {
            Ok(response) if response.status() < 400 => {
                caller.watch.answered(&call.summary.origin, response.status());
                Ok(response)
            }
            Ok(response) => {
                let left = deadline.map_or(limit, |deadline| deadline.since(clock.monotonic()).max(SHORTEST_READING));
                let parts = attempt::read_error(platform, response, limit.min(left), LARGEST_ERROR_BODY).await;
                Err(call.understand(caller, &parts))
            }
            Err(failure) => Err(call.no_response(caller, failure, sent)),
        }
    };
    until_it_succeeds(caller, options, &call, |_| false, send).await
}

/// As [`call`], but a success is a whole answer in JSON that is not an error itself: `success: false`, `ok: false` and GraphQL's
/// errors are errors whatever the status.
pub async fn call_json<P: Platform>(
    caller: &Caller<'_, P>,
    options: &CallOptions,
    request: &<P::Http as Http>::Request,
) -> Result<JsonAnswer, Box<ApiError>> {
    let platform = caller.services.platform();
    let call = Call::new(platform, options, platform.http().summary(request));
    let send = async |headers: &Headers, limit| {
        let sent = platform.clock().monotonic();
        match attempt::exchange(platform, request, &call.summary, headers, limit, LARGEST_JSON).await {
            Ok(parts) if parts.status < 400 => call.conclude(caller, parts),
            Ok(parts) => Err(call.understand(caller, &parts)),
            Err(failure) => Err(call.no_response(caller, failure, sent)),
        }
    };
    let is_degraded = |answer: &JsonAnswer| answer.degraded.is_some();
    until_it_succeeds(caller, options, &call, is_degraded, send).await
}

/// One logical call, whatever it takes.
struct Call {
    summary: RequestSummary,
    /// The key that the SDK adds.
    key: Option<String>,
    /// Whether the server gets any key at all.
    carries_key: bool,
}

impl Call {
    fn new<P: Platform>(platform: &P, options: &CallOptions, summary: RequestSummary) -> Self {
        let key = match &options.idempotency_key {
            IdempotencyKey::None => None,
            // The application knows by it what has been sent before, perhaps before the page was reloaded.
            IdempotencyKey::Generated if summary.idempotency_key.is_some() => None,
            IdempotencyKey::Generated => Some(unique_id(platform)),
            IdempotencyKey::Given(key) => Some(key.clone()),
        };
        let carries_key = summary.carries_headers && (key.is_some() || summary.idempotency_key.is_some());
        Self { summary, key, carries_key }
    }

    fn no_response<P: Platform>(&self, caller: &Caller<'_, P>, failure: AttemptError, sent: MonotonicTime) -> Box<ApiError> {
        caller.watch.not_answered(&self.summary.origin, failure.kind(), sent);
        Box::new(failure.into_api_error())
    }

    fn conclude<P: Platform>(&self, caller: &Caller<'_, P>, parts: ResponseParts) -> Result<JsonAnswer, Box<ApiError>> {
        let (status, origin) = (parts.status, &self.summary.origin);
        let answer = json_answer(parts, &caller.policy.extensions);
        match &answer {
            Err(error) if error.format.name == "html" => caller.watch.answered_with_page(origin),
            _ => caller.watch.answered(origin, status),
        }
        answer
    }

    fn understand<P: Platform>(&self, caller: &Caller<'_, P>, parts: &ResponseParts) -> Box<ApiError> {
        caller.watch.answered(&self.summary.origin, parts.status);
        let mut error = Box::new(parse(parts, &caller.policy.extensions));
        idempotency::judge(&mut error, &parts.headers, self.carries_key);
        exposure::warn_of_hidden_hint(caller.services.platform(), &self.summary.origin, &parts.headers, &error);
        error
    }

    /// The services that it goes through: its origin, and the part of the backend that the caller names or an error has named.
    fn services<P: Platform>(&self, services: &Services<P>, options: &CallOptions) -> Vec<String> {
        if let Some(apart) = &options.apart {
            return vec![[&self.summary.origin, " (", apart, ")"].concat()];
        }
        let particular = options.service.clone().or_else(|| services.routes.service_of(&self.summary.url));
        let mut keys = Vec::with_capacity(2);
        keys.push(self.summary.origin.clone());
        keys.extend(particular.filter(|service| *service != self.summary.origin));
        keys
    }

    fn trace<P: Platform>(&self, platform: &P, policy: &CallPolicy) -> CallTrace {
        let (summary, page) = (&self.summary, &platform.http().surroundings().page);
        let traced = &policy.correlation.traced_origins;
        let recipient = Recipient::of(&summary.origin, page.origin.as_deref(), &policy.trusted_origins, traced);
        let brought = Brought {
            correlation_id: summary.correlation_id.as_deref(),
            traceparent: summary.traceparent.as_deref(),
            tracestate: summary.tracestate.as_deref(),
            page_traceparent: page.traceparent.as_deref(),
        };
        CallTrace::begin(platform, &policy.correlation, recipient, brought)
    }
}

/// What an answer that HTTP calls a success is.
fn json_answer(mut parts: ResponseParts, extensions: &Extensions) -> Result<JsonAnswer, Box<ApiError>> {
    let degraded = match inspect(&parts, extensions) {
        Success::Failed(error) => return Err(error),
        Success::Degraded(degraded) => Some(degraded),
        Success::Whole => None,
    };
    let text = text(&parts).trim().to_string();
    let message = if parts.truncated {
        "The answer is longer than 32 MiB."
    } else if text.is_empty() || serde_json::from_str::<IgnoredAny>(&text).is_ok() {
        return Ok(JsonAnswer { status: parts.status, headers: parts.headers, text, degraded });
    } else {
        "The answer is no JSON, or cut off; it may not be the backend's."
    };
    parts.body.truncate(LARGEST_ERROR_BODY);
    Err(Box::new(parse(&parts, extensions).overruled("RESPONSE_UNREADABLE", message)))
}

/// Makes attempts, all under the same id, until one succeeds, or until another would be wrong or in vain.
async fn until_it_succeeds<P: Platform, T>(
    caller: &Caller<'_, P>,
    options: &CallOptions,
    call: &Call,
    is_degraded: impl Fn(&T) -> bool,
    send: impl AsyncFn(&Headers, Duration) -> Result<T, Box<ApiError>>,
) -> Result<T, Box<ApiError>> {
    let (platform, services, summary) = (caller.services.platform(), caller.services, &call.summary);
    let trace = call.trace(platform, caller.policy);
    let is_safe = matches!(summary.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let keys = call.services(services, options);
    let is_trusted = caller.policy.trusted_origins.contains(&summary.origin);
    let plan = Plan {
        id: trace.correlation_id(),
        services: &keys,
        is_named_by_caller: options.service.is_some() || options.apart.is_some(),
        may_name_services: is_trusted,
        retry: &options.retry,
        repeatable: method_is_idempotent(&summary.method) || call.carries_key,
        hedge: options.hedge.filter(|_| is_safe),
        urgency: options.urgency,
        bound: &|attempts| (caller.preferences)().bound(attempts),
    };
    let complete = |mut error: Box<ApiError>| {
        error.correlation_id.get_or_insert_with(|| trace.correlation_id().into());
        error.request = Some(RequestFacts { method: summary.method.clone(), url: summary.url.clone(), attempts: 0 });
        if let (Some(service), true) = (&error.service, is_trusted) {
            services.routes.learn(&summary.url, service);
        }
        error
    };
    let may_refresh = Cell::new(options.refresh && is_trusted);
    let attempt = async |attempt: Attempt| {
        let headers = || {
            let mut headers = trace.headers(platform, attempt.number);
            // A key that the caller asked for goes wherever the call goes; all else only to those who are trusted.
            headers.extend(call.key.as_deref().map(idempotency_header));
            headers
        };
        let clock = platform.clock();
        let seen = may_refresh.get().then(|| caller.credentials.generation()).flatten();
        let error = match (send(&headers(), attempt.limit).await, seen) {
            (Err(error), Some(_)) if credentials::have_expired(&error) && may_refresh.replace(false) => error,
            (result, _) => return result.map_err(complete),
        };
        let time = attempt.patience.deadline.map_or(LONGEST_RENEWAL, |deadline| deadline.since(clock.monotonic()));
        let renewal = caller.credentials.renew(&error, seen.unwrap_or_default());
        if !attempt::within(platform, time, renewal).await.unwrap_or(false) {
            return Err(complete(error));
        }
        // That may have taken a while.
        if let Err(refusal) = services.wait_again(&keys, attempt.patience).await {
            return Err(complete(Failure::refused(&refusal, clock.wall())));
        }
        match attempt.limit_from(clock) {
            Duration::ZERO => Err(complete(error)),
            limit => send(&headers(), limit).await.map_err(complete),
        }
    };
    pipeline::execute(services, &plan, is_degraded, attempt).await.map_err(|error| match error.request {
        Some(_) => error,
        // It was never sent.
        None => complete(error),
    })
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::time::WallTime;

    #[test]
    fn an_answer_is_read_in_the_charset_that_it_names() {
        let headers = vec![("content-type".to_string(), "application/json; charset=iso-8859-1".to_string())];
        let body = b"{\"title\":\"Gr\xfc\xdfe\"}".to_vec();
        let parts = ResponseParts { status: 200, headers, body, truncated: false, received_at: WallTime(0) };
        assert_eq!(json_answer(parts, &Extensions::default()).unwrap().text, "{\"title\":\"Grüße\"}");
    }
}
