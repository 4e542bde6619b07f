//! The call path: correlate, attempt, parse, decide, wait, again.

pub mod attempt;
pub mod correlation;
pub mod exposure;

use crate::error::parse::{Extensions, parse};
use crate::error::{ApiError, RequestFacts};
use crate::event::Event;
use crate::platform::{Clock, Headers, Http, Platform, Random, RequestSummary, Response};
use crate::policy::retry::{Decision, FailedAttempt, RetryPolicy, decide, method_is_idempotent};
use crate::time::milliseconds;
use correlation::{correlation_headers, correlation_id, idempotency_header, unique_id};
use std::rc::Rc;
use std::time::Duration;

/// The most that is read of an error's body.
pub const LARGEST_ERROR_BODY: usize = 256 << 10;

/// What holds for all calls.
#[derive(Debug, Clone)]
pub struct CallPolicy {
    /// How calls are retried.
    pub retry: RetryPolicy,
    /// The origins that get the SDK's headers. To others they would be a leak, and a needless preflight.
    pub trusted_origins: Vec<String>,
    /// What `x-source-service` says.
    pub source_service: String,
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

/// Sends a request until it succeeds, or until sending it again would be wrong or in vain.
pub async fn call<P: Platform>(
    platform: &P,
    policy: &CallPolicy,
    options: &CallOptions,
    request: &<P::Http as Http>::Request,
) -> Result<<P::Http as Http>::Response, Box<ApiError>> {
    let summary = platform.http().summary(request);
    let key = match &options.idempotency_key {
        IdempotencyKey::None => None,
        IdempotencyKey::Generated => Some(unique_id(platform)),
        IdempotencyKey::Given(key) => Some(key.clone()),
    };
    let has_key = summary.carries_headers && (key.is_some() || summary.idempotency_key.is_some());
    let repeatable = method_is_idempotent(&summary.method) || has_key;
    let correlation_id = summary.correlation_id.clone().unwrap_or_else(|| correlation_id(platform));
    let headers = headers(policy, &summary, &correlation_id, key.as_deref());
    let mut attempt = 1;
    loop {
        let sent = attempt::send(platform, request, &summary, &headers, options.retry.attempt_timeout).await;
        let mut error = match sent {
            Ok(response) if response.status() < 400 => return Ok(response),
            Ok(response) => {
                let limit = options.retry.attempt_timeout;
                let parts = attempt::read_error(platform, response, limit, LARGEST_ERROR_BODY).await;
                let error = parse(&parts, &policy.extensions);
                exposure::warn_of_hidden_hint(platform, &summary.origin, &parts.headers, &error);
                error
            }
            Err(failure) => failure.into_api_error(),
        };
        error.request = Some(RequestFacts { method: summary.method.clone(), url: summary.url.clone(), attempts: attempt });
        error.correlation_id.get_or_insert_with(|| correlation_id.clone());
        let hint = error.retry_hint.map(|hint| Duration::from_millis(hint.after_ms));
        let failed = FailedAttempt { attempt, retryable: error.retryable, repeatable, hint };
        let error = Box::new(error);
        match decide(&options.retry, failed, platform.random().unit()) {
            Decision::Stop(because) => {
                let correlation_id = correlation_id.clone();
                platform.emit(&Event::CallFailed { correlation_id, because, error: error.clone() });
                return Err(error);
            }
            Decision::Retry { after, because } => {
                let correlation_id = correlation_id.clone();
                platform.emit(&Event::RetryScheduled { correlation_id, attempt, after_ms: milliseconds(after), because, error });
                platform.clock().sleep(after).await;
                attempt += 1;
            }
        }
    }
}

/// The SDK's headers for a call. A key that the caller asked for goes wherever the call goes; all else only to those who are
/// trusted.
fn headers(policy: &CallPolicy, summary: &RequestSummary, correlation_id: &str, key: Option<&str>) -> Headers {
    let mut headers = Headers::new();
    if let Some(key) = key {
        headers.push(idempotency_header(key));
    }
    if policy.trusted_origins.contains(&summary.origin) {
        headers.extend(correlation_headers(correlation_id, &policy.source_service));
    }
    headers
}
