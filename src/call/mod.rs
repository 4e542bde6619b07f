//! The call path: correlate, attempt, parse, decide, wait, again.

pub mod attempt;
pub mod correlation;
pub mod exposure;
pub mod idempotency;
pub mod trace_context;

use crate::error::parse::{Degraded, Extensions, ResponseParts, Success, inspect, parse, text};
use crate::error::{ApiError, RequestFacts};
use crate::event::Event;
use crate::platform::{Clock, Headers, Http, Platform, Random, RequestSummary, Response};
use crate::policy::retry::{Decision, FailedAttempt, RetryPolicy, decide, method_is_idempotent};
use crate::time::milliseconds;
use correlation::{correlation_headers, correlation_id, idempotency_header, unique_id};
use serde::de::IgnoredAny;
use std::rc::Rc;
use std::time::Duration;

/// The most that is read of an error's body.
pub const LARGEST_ERROR_BODY: usize = 256 << 10;

/// The most that is read of an answer in JSON.
pub const LARGEST_JSON: usize = 32 << 20;

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
    platform: &P,
    policy: &CallPolicy,
    options: &CallOptions,
    request: &<P::Http as Http>::Request,
) -> Result<<P::Http as Http>::Response, Box<ApiError>> {
    let limit = options.retry.attempt_timeout;
    let attempt =
        async |summary: &RequestSummary, headers: &Headers| match attempt::send(platform, request, summary, headers, limit).await
        {
            Ok(response) if response.status() < 400 => Ok(response),
            Ok(response) => {
                let parts = attempt::read_error(platform, response, limit, LARGEST_ERROR_BODY).await;
                Err(understand(platform, policy, summary, &parts))
            }
            Err(failure) => Err(Box::new(failure.into_api_error())),
        };
    until_it_succeeds(platform, policy, options, &platform.http().summary(request), attempt).await
}

/// As [`call`], but a success is a whole answer in JSON that is not an error itself: `success: false`, `ok: false` and GraphQL's
/// errors are errors whatever the status.
pub async fn call_json<P: Platform>(
    platform: &P,
    policy: &CallPolicy,
    options: &CallOptions,
    request: &<P::Http as Http>::Request,
) -> Result<JsonAnswer, Box<ApiError>> {
    let limit = options.retry.attempt_timeout;
    let attempt = async |summary: &RequestSummary, headers: &Headers| match attempt::exchange(
        platform,
        request,
        summary,
        headers,
        limit,
        LARGEST_JSON,
    )
    .await
    {
        Ok(parts) if parts.status < 400 => json_answer(parts, &policy.extensions),
        Ok(parts) => Err(understand(platform, policy, summary, &parts)),
        Err(failure) => Err(Box::new(failure.into_api_error())),
    };
    until_it_succeeds(platform, policy, options, &platform.http().summary(request), attempt).await
}

fn understand<P: Platform>(platform: &P, policy: &CallPolicy, summary: &RequestSummary, parts: &ResponseParts) -> Box<ApiError> {
    let error = Box::new(parse(parts, &policy.extensions));
    exposure::warn_of_hidden_hint(platform, &summary.origin, &parts.headers, &error);
    error
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

/// Makes attempts, each with the same headers, until one succeeds, or until another would be wrong or in vain.
async fn until_it_succeeds<P: Platform, T>(
    platform: &P,
    policy: &CallPolicy,
    options: &CallOptions,
    summary: &RequestSummary,
    attempt: impl AsyncFn(&RequestSummary, &Headers) -> Result<T, Box<ApiError>>,
) -> Result<T, Box<ApiError>> {
    let key = match &options.idempotency_key {
        IdempotencyKey::None => None,
        IdempotencyKey::Generated => Some(unique_id(platform)),
        IdempotencyKey::Given(key) => Some(key.clone()),
    };
    let has_key = summary.carries_headers && (key.is_some() || summary.idempotency_key.is_some());
    let repeatable = method_is_idempotent(&summary.method) || has_key;
    let correlation_id = summary.correlation_id.clone().unwrap_or_else(|| correlation_id(platform));
    let headers = headers(policy, summary, &correlation_id, key.as_deref());
    let mut attempts = 1;
    loop {
        let mut error = match attempt(summary, &headers).await {
            Ok(success) => return Ok(success),
            Err(error) => error,
        };
        error.request = Some(RequestFacts { method: summary.method.clone(), url: summary.url.clone(), attempts });
        error.correlation_id.get_or_insert_with(|| correlation_id.clone());
        let hint = error.retry_hint.map(|hint| Duration::from_millis(hint.after_ms));
        let failed = FailedAttempt { attempt: attempts, retryable: error.retryable, repeatable, hint };
        let correlation_id = correlation_id.clone();
        match decide(&options.retry, failed, platform.random().unit()) {
            Decision::Stop(because) => {
                platform.emit(&Event::CallFailed { correlation_id, because, error: error.clone() });
                return Err(error);
            }
            Decision::Retry { after, because } => {
                let after_ms = milliseconds(after);
                platform.emit(&Event::RetryScheduled { correlation_id, attempt: attempts, after_ms, because, error });
                platform.clock().sleep(after).await;
                attempts += 1;
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
