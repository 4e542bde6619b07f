//! What the pages show of an error as the application gets it.

use serde::Serialize;
use steadfast::error::{ApiError, FieldError, HintSource, RateLimit, Recovery, RetryReason, Upstream, UserAction};

/// What is worth showing of an [`ApiError`], in its order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Excerpt<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    retryable: bool,
    retry_reason: RetryReason,
    user_action: UserAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_hint: Option<HintExcerpt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    field_errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<&'a Recovery>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<RateLimit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help_link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a Upstream>,
}

/// A retry hint without the moment, which is another for every reader.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HintExcerpt {
    after_ms: u64,
    source: HintSource,
}

impl<'a> Excerpt<'a> {
    pub(crate) fn of(error: &'a ApiError) -> Self {
        // The response above it says these itself; where there is none, they are all there is.
        let is_concluded = matches!(error.retry_reason, RetryReason::Network | RetryReason::Idempotency);
        let is_own = error.status.is_none() || is_concluded || error.raw.text.starts_with('<');
        Self {
            code: error.code.as_deref().filter(|_| is_own),
            message: error.message.as_deref().filter(|_| is_own),
            retryable: error.retryable,
            retry_reason: error.retry_reason,
            user_action: error.user_action,
            retry_hint: error.retry_hint.map(|hint| HintExcerpt { after_ms: hint.after_ms, source: hint.source }),
            correlation_id: error.correlation_id.as_deref(),
            request_id: error.request_id.as_deref(),
            error_id: error.error_id.as_deref(),
            field_errors: &error.field_errors,
            recovery: error.recovery.as_ref(),
            rate_limit: error.rate_limit,
            help_link: error.help_link.as_deref(),
            service: error.service.as_deref(),
            upstream: error.upstream.as_ref(),
        }
    }
}
