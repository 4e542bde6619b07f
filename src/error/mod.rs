//! One error out of any wire format: what [`ApiError`] is, how it is classified, and [`parse`], which reads it.

mod category;
mod classify;
mod code;
pub mod network;
pub mod parse;
mod user_action;
pub mod words;
mod written;

pub use crate::json::Json;
pub use crate::policy::hint::{Confidence, HintSource, RateLimit, RetryHint};
pub use category::{Category, Severity};
pub use code::{CODES, KnownCode, known_code};
pub use user_action::UserAction;

use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// What went wrong with a call, whatever the backend's wire format: Cosnap's `StandardErrorResponse`, widened until every
/// other format fits without loss.
///
/// What a response does not say is `None` or empty, never guessed; what was concluded says from what
/// ([`retry_reason`](Self::retry_reason), [`Format::mark`]). The body as received is always in [`raw`](Self::raw).
///
/// Serialised in camel case, without the members that are `None` or empty.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The machine-readable code that the server gave, or one of the SDK's own: for what a server says of an idempotency key
    /// without a code (`IDEMPOTENCY_KEY_IN_USE`, `IDEMPOTENCY_KEY_REUSED`), and for failures that never reached a server
    /// (`NETWORK_OFFLINE`, `NETWORK_UNREACHABLE`, `NETWORK_CORS`, `NETWORK_BLOCKED`, `NETWORK_MIXED_CONTENT`,
    /// `NETWORK_TIMEOUT`, `NETWORK_ERROR`, `REQUEST_INVALID`, `APPLICATION_HOOK_FAILED`, `SYNC_ANSWER_UNREADABLE`).
    pub code: Option<String>,
    /// For developers: the server's words, or a description of what happened. `None` if the server gave none.
    pub message: Option<String>,
    /// For users: the server's own words. Where it gave none, [`Words`](words::Words) has words for the code and the category.
    pub user_message: Option<String>,
    /// What kind of problem this is.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// The HTTP status; `None` when no response arrived.
    pub status: Option<u16>,
    /// Whether the same request may succeed later. Says nothing about whether it may safely be sent twice.
    pub retryable: bool,
    /// What [`retryable`](Self::retryable) was concluded from.
    pub retry_reason: RetryReason,
    /// What the user can do now.
    pub user_action: UserAction,
    /// When the server wants to be asked again.
    pub retry_hint: Option<RetryHint>,
    /// The id that follows the call through all services.
    pub correlation_id: Option<String>,
    /// The server's id of the request.
    pub request_id: Option<String>,
    /// The server's id of this error, to quote to support.
    pub error_id: Option<String>,
    /// When it happened, as the server wrote it.
    pub timestamp: Option<String>,
    /// What is wrong with which field of the request.
    pub field_errors: Vec<FieldError>,
    /// What the server suggests to do.
    pub recovery: Option<Recovery>,
    /// The limit that was hit.
    pub rate_limit: Option<RateLimit>,
    /// Documentation of this error.
    pub help_link: Option<String>,
    /// Which of the backend's services failed.
    pub service: Option<String>,
    /// Cosnap's `businessContext`, as sent.
    pub business_context: Option<Json>,
    /// A provider's own error inside this one.
    pub upstream: Option<Upstream>,
    /// What the format calls details, as sent.
    pub details: Option<Json>,
    /// The body as received.
    pub raw: RawBody,
    /// Which wire format this was read as, and why.
    pub format: Format,
    /// The call that failed, once it went through the call path.
    pub request: Option<RequestFacts>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.message, self.status) {
            (Some(message), _) => out.write_str(message),
            (None, Some(status)) => write!(out, "HTTP {status}"),
            (None, None) => out.write_str("no response"),
        }
    }
}

impl std::error::Error for ApiError {}

impl ApiError {
    /// The same response, of which more is known than its body says: it is the error of that code.
    #[must_use]
    pub fn overruled(self, code: &str, message: &str) -> Self {
        let known = Self::without_response(code, message.into(), true);
        Self {
            code: known.code,
            message: known.message,
            user_message: None,
            category: known.category,
            severity: known.severity,
            retryable: known.retryable,
            retry_reason: RetryReason::Code,
            user_action: known.user_action,
            ..self
        }
    }

    /// An error about a call that got no response.
    pub fn without_response(code: &str, message: String, retryable: bool) -> Self {
        let known = known_code(code);
        let category = known.map_or(Category::Network, |known| known.category);
        Self {
            code: Some(code.into()),
            message: Some(message),
            user_message: None,
            category,
            severity: known.map_or(Severity::Medium, |known| known.severity),
            status: None,
            retryable,
            retry_reason: RetryReason::Network,
            user_action: UserAction::of(category, retryable, false, false),
            retry_hint: None,
            correlation_id: None,
            request_id: None,
            error_id: None,
            timestamp: None,
            field_errors: Vec::new(),
            recovery: None,
            rate_limit: None,
            help_link: None,
            service: None,
            business_context: None,
            upstream: None,
            details: None,
            raw: RawBody::default(),
            format: Format { name: "none".into(), mark: "no response arrived".into(), confidence: Confidence::Certain },
            request: None,
        }
    }
}

/// What a verdict on retrying was concluded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryReason {
    /// The body says so (`retryable`, `recoverable`).
    Body,
    /// A header says so (`x-should-retry`).
    Header,
    /// The code is known, or can only mean one thing.
    Code,
    /// The server says when to come back.
    Hint,
    /// By the HTTP status: 408, 425, 429, 500, 502, 503, 504 and 520–529 are worth another try.
    Status,
    /// No response arrived.
    Network,
    /// By what the server says of the request's idempotency key: its first request is still being worked on, it was used for
    /// another request, or this is the answer that was kept under it.
    Idempotency,
}

impl RetryReason {
    /// Its name, as it is serialised.
    pub fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Header => "header",
            Self::Code => "code",
            Self::Hint => "hint",
            Self::Status => "status",
            Self::Network => "network",
            Self::Idempotency => "idempotency",
        }
    }
}

/// What is wrong with one field of the request.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// Which field, as the server writes it.
    pub path: String,
    /// What is wrong with it.
    pub message: Option<String>,
    /// The rule it broke, by the server's code for it: `required`, `max`, `invalid_format`.
    pub constraint: Option<String>,
    /// The rejected value.
    pub value: Option<Json>,
    /// The values that would do.
    pub allowed: Option<Json>,
}

/// What a server suggests to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// In words.
    pub suggested_action: Option<String>,
    /// Places to go: an alternative endpoint, a status page, the resource that is in the way.
    pub links: Vec<RecoveryLink>,
}

/// A place that a server points to in an error.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryLink {
    /// What it is, by the server's own name: `alternativeEndpoint`, `statusPage`, `upgradeUrl`.
    pub rel: String,
    /// Where it is, as sent: possibly relative, never to be followed unseen.
    pub href: String,
    /// The HTTP method to use, if the server named one.
    pub method: Option<String>,
}

/// A provider's own error inside an error.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Upstream {
    /// Who it was.
    pub provider: Option<String>,
    /// Its code.
    pub code: Option<String>,
    /// Its message.
    pub message: Option<String>,
    /// Its HTTP status.
    pub status: Option<u16>,
    /// All it said.
    pub raw: Option<Json>,
}

/// A body as received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RawBody {
    /// Its text. Bytes that are no UTF-8 are replaced by U+FFFD.
    pub text: String,
    /// Whether the text ends before the body did, because it was longer than the SDK reads.
    pub truncated: bool,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
}

/// Which wire format an error was read as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Format {
    /// The name in `parse/formats/`, in camel case: `cosnap`, `problemDetails`, `googleRpc`; `unknownJson` for what was read by
    /// the usual names; `html`, `xml`, `text`, `empty` and `malformedJson` for what is none; that of a format of the
    /// application's; or `none` when no response arrived.
    pub name: Cow<'static, str>,
    /// The mark it was recognised by; when no response arrived, what the code was concluded from.
    pub mark: Cow<'static, str>,
    /// How sure the reading, or the conclusion, is.
    pub confidence: Confidence,
}

/// The call that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestFacts {
    /// The HTTP method.
    pub method: String,
    /// Where it went.
    pub url: String,
    /// How many times it was sent.
    pub attempts: u32,
}
