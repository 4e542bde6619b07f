//! Reads an error response of any backend into one [`ApiError`].
//!
//! First a fingerprint: the formats are asked in order, the application's own first and then the most specific, whether they
//! know the body by a mark of their own; never by the URL. The first that does reads it. What it found is then completed from
//! the headers, the table of known codes and the status. Parsing never fails and never loses the body.
//!
//! A format is one file in `formats/`: how to recognise it and how to read it. Adding one touches that file and the list.

mod body;
mod custom;
mod fields;
mod formats;
mod generic;
mod headers;
mod markup;
mod success;
mod vocabulary;

pub use body::{charset, reads_charset};
pub use custom::{CustomCode, CustomFormat, Extensions};
pub use success::{Degraded, Success, Warning, inspect};

use super::{
    ApiError, Category, Confidence, FieldError, Format, RawBody, Recovery, RetryHint, RetryReason, Severity, Upstream,
    UserAction, classify, known_code,
};
use crate::json::{Document, Json, Value};
use crate::policy::hint::{self, BodyHints};
use crate::time::WallTime;
use formats::{FORMATS, Mark};
use std::borrow::Cow;

/// The longest text that is taken for a message; a longer one is a document.
const LONGEST_MESSAGE: usize = 1000;

/// A response, as far as the parser needs it.
#[derive(Debug, Clone)]
pub struct ResponseParts {
    /// The HTTP status.
    pub status: u16,
    /// The headers that the page may read; names in any case.
    pub headers: Vec<(String, String)>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether the body went on after that.
    pub truncated: bool,
    /// When the response arrived.
    pub received_at: WallTime,
}

impl ResponseParts {
    /// The response without its body.
    fn clone_head(&self) -> Self {
        Self { headers: self.headers.clone(), body: Vec::new(), ..*self }
    }

    /// The first header of that name, trimmed.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What the formats look at to recognise a body.
struct Evidence<'a> {
    response: &'a ResponseParts,
    media_type: String,
    text: &'a str,
    /// The body as JSON, if it is JSON. For an event stream, the event that tells of an error.
    body: Option<Value<'a>>,
}

impl<'a> Evidence<'a> {
    /// The `error` member, if it is an object.
    fn error_object(&self) -> Option<Value<'a>> {
        self.body?.get("error").filter(|error| error.is_object())
    }

    /// What the body says by the usual names.
    fn generic(&self) -> Reading {
        self.body.map(|body| generic::read(body, self.response.status)).unwrap_or_default()
    }
}

/// One wire format.
struct FormatDefinition {
    /// As in [`Format::name`].
    name: &'static str,
    /// The mark by which this format knows the body, and how sure that mark is.
    recognise: fn(&Evidence<'_>) -> Mark,
    /// What the body says.
    read: fn(&Evidence<'_>) -> Reading,
}

/// What a format read out of a body; the rest is concluded from the headers, the code and the status.
#[derive(Default)]
struct Reading {
    code: Option<String>,
    message: Option<String>,
    user_message: Option<String>,
    category: Option<Category>,
    severity: Option<Severity>,
    retryable: Option<bool>,
    hints: BodyHints,
    correlation_id: Option<String>,
    request_id: Option<String>,
    error_id: Option<String>,
    timestamp: Option<String>,
    field_errors: Vec<FieldError>,
    recovery: Option<Recovery>,
    help_link: Option<String>,
    service: Option<String>,
    business_context: Option<Json>,
    upstream: Option<Upstream>,
    details: Option<Json>,
}

/// Reads a response into an [`ApiError`]. Takes any bytes and any headers, and never fails. The application's own formats and
/// codes, if it has any, come first.
///
/// ```
/// use steadfast::error::parse::{Extensions, ResponseParts, parse};
/// use steadfast::time::WallTime;
///
/// let response = ResponseParts {
///     status: 503,
///     headers: vec![("Retry-After".into(), "120".into())],
///     body: br#"{"error":{"code":"RENDER_BUSY","message":"All renderers are busy","recoverable":true}}"#.to_vec(),
///     truncated: false,
///     received_at: WallTime(1_780_315_200_000),
/// };
/// let error = parse(&response, &Extensions::default());
/// assert_eq!(error.format.name, "oriel");
/// assert_eq!(error.code.as_deref(), Some("RENDER_BUSY"));
/// assert!(error.retryable);
/// assert_eq!(error.retry_hint.unwrap().after_ms, 120_000);
/// ```
pub fn parse(response: &ResponseParts, extensions: &Extensions) -> ApiError {
    let content_type = response.header("content-type").map(ToString::to_string);
    let text = body::text(response);
    let media_type = body::media_type(content_type.as_deref());
    let (format, reading) = extensions.read(response, &text).unwrap_or_else(|| {
        let telling = body::telling(&text, &media_type);
        let document = body::document(&telling, &media_type, response.truncated);
        let evidence = Evidence { response, media_type, text: &telling, body: document.as_ref().map(Document::root) };
        let (format, reading) = read(&evidence);
        let complete = document.as_ref().is_none_or(Document::is_complete);
        // What is missing might have been another format's mark.
        let confidence = if complete { format.confidence } else { format.confidence.min(Confidence::Likely) };
        (Format { confidence, ..format }, reading)
    });
    let raw = RawBody { text: text.into_owned(), truncated: response.truncated, content_type };
    conclude(response, reading, format, raw, extensions)
}

/// Lets the first format that recognises the body read it.
fn read(evidence: &Evidence<'_>) -> (Format, Reading) {
    for format in &FORMATS {
        if let Some((mark, confidence)) = (format.recognise)(evidence) {
            return (Format { name: format.name.into(), mark: mark.into(), confidence }, (format.read)(evidence));
        }
    }
    // Unreachable by the last entries of the list, which between them take everything; harmless if it were not.
    (Format { name: "text".into(), mark: "nothing else matched".into(), confidence: Confidence::Guess }, Reading::default())
}

/// Completes what the body says from the headers, the tables of known codes and the status.
fn conclude(response: &ResponseParts, mut reading: Reading, format: Format, raw: RawBody, extensions: &Extensions) -> ApiError {
    let status = response.status;
    reading.field_errors.truncate(fields::MOST_FIELDS);
    let (mut code, mut message) = (reading.code.filter(|code| !code.is_empty()), reading.message);
    if code.is_none() {
        if let Some((challenged, words)) = headers::challenge(response) {
            code = Some(challenged);
            message = message.or(words);
        } else {
            code = headers::code(response);
        }
    }
    let known = code.as_deref().and_then(|code| extensions.code(code).or_else(|| known_code(code).map(Into::into)));
    let hint::Resolved { hint, rate_limit, .. } = hint::resolve(status, &response.headers, response.received_at, &reading.hints);
    let symptoms = classify::Symptoms {
        status,
        code: code.as_deref(),
        message: message.as_deref(),
        has_hint: hint.is_some(),
        limit_exhausted: rate_limit.is_some_and(|limit| limit.remaining == Some(0)),
    };
    let known_category = known.as_ref().and_then(|known| known.category);
    let category = reading.category.or(known_category).unwrap_or_else(|| classify::category(&symptoms));
    let (retryable, retry_reason) = match (reading.retryable, headers::should_retry(response)) {
        (Some(said), _) => (said, RetryReason::Body),
        (None, Some(said)) => (said, RetryReason::Header),
        (None, None) => match known.as_ref().and_then(|known| known.retryable) {
            Some(known) => (known, RetryReason::Code),
            None => classify::retryable(&symptoms, category),
        },
    };
    let ids = headers::ids(response);
    let worth_waiting = hint.is_none_or(is_worth_waiting);
    let known_severity = known.as_ref().and_then(|known| known.severity);
    ApiError {
        message,
        user_message: reading.user_message,
        category,
        severity: reading.severity.or(known_severity).unwrap_or_else(|| category.severity()),
        status: Some(status),
        retryable,
        retry_reason,
        retry_hint: hint,
        user_action: UserAction::of(category, retryable && worth_waiting, hint.is_some(), !reading.field_errors.is_empty()),
        correlation_id: reading.correlation_id.or(ids.correlation),
        request_id: reading.request_id.or(ids.request),
        code,
        error_id: reading.error_id,
        timestamp: reading.timestamp,
        field_errors: reading.field_errors,
        recovery: reading.recovery,
        rate_limit,
        help_link: reading.help_link,
        service: reading.service,
        business_context: reading.business_context,
        upstream: reading.upstream,
        details: reading.details,
        raw,
        format,
        request: None,
    }
}

/// Whether a user can be told to wait for it; nobody waits for a year.
fn is_worth_waiting(hint: RetryHint) -> bool {
    const YEAR_MS: u64 = 366 * 24 * 60 * 60 * 1000;
    hint.after_ms <= YEAR_MS
}

/// The body's text, in the charset that it is in.
pub(crate) fn text(response: &ResponseParts) -> Cow<'_, str> {
    body::text(response)
}

/// The text of a body in UTF-8: without its byte order mark, broken sequences replaced.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    body::decode(bytes, None)
}

/// A text without its percent-encoding (RFC 3986 §2.1); what is not encoded rightly stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (*first, digit(0), digit(1)) {
            bytes.extend(u8::try_from(high * 16 + low));
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
