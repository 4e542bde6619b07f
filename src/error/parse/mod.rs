//! Reads an error response of any backend into one [`ApiError`].
//!
//! First a fingerprint: the formats in `FORMATS` are asked in order, most specific first, whether they know the body
//! by a mark of their own; never by the URL. The first that does reads it. What it found is then completed from the
//! headers, the table of known codes and the status. Parsing never fails and never loses the body.
//!
//! A format is one file: how to recognise it and how to read it. Adding one touches that file and `FORMATS`.

mod cosnap;
mod fallback;
mod legacy;
mod member;
mod news_filter;
mod oriel;
mod qwen_proxy;
mod stellar_flow;

use super::{
    ApiError, Category, Confidence, FieldError, Format, RateLimit, RawBody, Recovery, RetryReason, Severity, Upstream,
    UserAction, known_code,
};
use crate::policy::hint::{self, BodyHints, retry_after};
use crate::time::WallTime;
use serde_json::Value;
use std::borrow::Cow;

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
    /// The first header of that name, trimmed.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What the formats look at to recognise a body.
struct Evidence<'a> {
    received_at: WallTime,
    media_type: String,
    text: &'a str,
    /// The body as JSON, if it is JSON. For an event stream, the last event that is a JSON object.
    json: Option<Value>,
    truncated: bool,
}

impl Evidence<'_> {
    /// The `error` member, if it is an object.
    fn error_object(&self) -> Option<&Value> {
        self.json.as_ref()?.get("error").filter(|error| error.is_object())
    }
}

/// One wire format.
struct FormatDefinition {
    /// As in [`Format::name`].
    name: &'static str,
    /// The mark by which this format knows the body, and how sure that mark is.
    recognise: fn(&Evidence<'_>) -> Option<(&'static str, Confidence)>,
    /// What the body says.
    read: fn(&Evidence<'_>) -> Reading,
}

/// Most specific first: the first that recognises the body reads it.
const FORMATS: &[FormatDefinition] = &[
    cosnap::FORMAT,
    qwen_proxy::FORMAT,
    oriel::FORMAT,
    news_filter::FORMAT,
    stellar_flow::FORMAT,
    legacy::FORMAT,
    fallback::UNKNOWN_JSON,
    fallback::EMPTY,
    fallback::HTML,
    fallback::MALFORMED_JSON,
    fallback::TEXT,
];

/// What a format read out of a body; the rest is concluded from the headers, the code and the status.
#[derive(Default)]
struct Reading {
    code: Option<String>,
    message: Option<String>,
    user_message: Option<String>,
    category: Option<Category>,
    severity: Option<Severity>,
    retryable: Option<bool>,
    retry_after_seconds: Option<f64>,
    correlation_id: Option<String>,
    request_id: Option<String>,
    error_id: Option<String>,
    timestamp: Option<String>,
    field_errors: Vec<FieldError>,
    recovery: Option<Recovery>,
    rate_limit: Option<RateLimit>,
    help_link: Option<String>,
    service: Option<String>,
    business_context: Option<Value>,
    upstream: Option<Upstream>,
    details: Option<Value>,
}

/// Reads a response into an [`ApiError`]. Takes any bytes and any headers, and never fails.
///
/// ```
/// use steadfast::error::parse::{ResponseParts, parse};
/// use steadfast::time::WallTime;
///
/// let error = parse(&ResponseParts {
///     status: 503,
///     headers: vec![("Retry-After".into(), "120".into())],
///     body: br#"{"error":{"code":"RENDER_BUSY","message":"All renderers are busy","recoverable":true}}"#.to_vec(),
///     truncated: false,
///     received_at: WallTime(1_780_315_200_000),
/// });
/// assert_eq!(error.format.name, "oriel");
/// assert_eq!(error.code.as_deref(), Some("RENDER_BUSY"));
/// assert!(error.retryable);
/// assert_eq!(error.retry_hint.unwrap().after_ms, 120_000);
/// ```
pub fn parse(response: &ResponseParts) -> ApiError {
    let content_type = response.header("content-type").map(ToString::to_string);
    let media_type = media_type(content_type.as_deref());
    let text = decode(&response.body);
    let json = read_json(&text, &media_type);
    let evidence = Evidence { received_at: response.received_at, media_type, text: &text, json, truncated: response.truncated };
    let matched = FORMATS.iter().find_map(|format| (format.recognise)(&evidence).map(|mark| (format, mark)));
    let (format, reading) = match matched {
        Some((format, (mark, confidence))) => {
            (Format { name: format.name.into(), mark: mark.into(), confidence }, (format.read)(&evidence))
        }
        // Unreachable by the last entries of the list, which between them take everything; harmless if it were not.
        None => (
            Format { name: "text".into(), mark: "nothing else matched".into(), confidence: Confidence::Guess },
            Reading::default(),
        ),
    };
    drop(evidence);
    let raw = RawBody { text: text.into_owned(), truncated: response.truncated, content_type };
    conclude(response, reading, format, raw)
}

/// Completes what the body says from the headers, the table of known codes and the status.
fn conclude(response: &ResponseParts, reading: Reading, format: Format, raw: RawBody) -> ApiError {
    let status = response.status;
    let known = reading.code.as_deref().and_then(known_code);
    let category = reading.category.or(known.map(|known| known.category)).unwrap_or_else(|| Category::of_status(status));
    let (retryable, retry_reason) = match (reading.retryable, known.and_then(|known| known.retryable)) {
        (Some(said), _) => (said, RetryReason::Body),
        (None, Some(known)) => (known, RetryReason::Code),
        (None, None) => (status_is_retryable(status), RetryReason::Status),
    };
    let body = BodyHints {
        after: reading.retry_after_seconds.and_then(retry_after::from_seconds),
        rate_limit: reading.rate_limit,
        ..BodyHints::default()
    };
    let hint::Resolved { hint, rate_limit } = hint::resolve(status, &response.headers, response.received_at, &body);
    ApiError {
        message: reading.message,
        user_message: reading.user_message,
        category,
        severity: reading.severity.or(known.map(|known| known.severity)).unwrap_or_else(|| category.severity()),
        status: Some(status),
        retryable,
        retry_reason,
        retry_hint: hint,
        user_action: UserAction::of(category, retryable, hint.is_some(), !reading.field_errors.is_empty()),
        correlation_id: reading.correlation_id.or_else(|| response.header("x-correlation-id").map(ToString::to_string)),
        request_id: reading.request_id.or_else(|| response.header("x-request-id").map(ToString::to_string)),
        code: reading.code,
        error_id: reading.error_id,
        timestamp: reading.timestamp,
        field_errors: reading.field_errors,
        recovery: reading.recovery,
        rate_limit,
        help_link: reading.help_link,
        service: reading.service,
        business_context: reading.business_context.as_ref().map(Into::into),
        upstream: reading.upstream,
        details: reading.details.as_ref().map(Into::into),
        raw,
        format,
        request: None,
    }
}

/// Statuses that are worth another try where nothing better is known.
fn status_is_retryable(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 520..=529)
}

/// The type and subtype of a `Content-Type`, lower case, without parameters.
fn media_type(content_type: Option<&str>) -> String {
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The body's text: UTF-8 without its byte order mark, broken sequences replaced.
pub(crate) fn decode(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body))
}

/// The body as JSON, whatever its media type says: backends mislabel their errors.
fn read_json(text: &str, media_type: &str) -> Option<Value> {
    if media_type == "text/event-stream" {
        return text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?).ok())
            .rfind(|event| event.get("error").is_some());
    }
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '[']) { read_value(trimmed) } else { None }
}

/// Reads JSON, also such with half of a surrogate pair in it: what JavaScript writes for an emoji that was cut in two.
pub(crate) fn read_value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&without_lone_surrogates(text)?).ok())
}

/// Replaces each escape of an unpaired surrogate by that of U+FFFD; `None` if there is none.
fn without_lone_surrogates(text: &str) -> Option<String> {
    let unit = |at: usize| {
        let escape = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(escape, 16).ok()
    };
    let (mut repaired, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        match unit(at) {
            Some(0xD800..=0xDBFF) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => at += 12,
            Some(0xD800..=0xDFFF) => {
                repaired.push_str(text.get(copied..at)?);
                repaired.push_str("\\ufffd");
                at += 6;
                copied = at;
            }
            Some(_) => at += 6,
            // An escaped backslash must not be taken for the beginning of the next escape.
            None => at += 2,
        }
    }
    if copied == 0 {
        return None;
    }
    repaired.push_str(text.get(copied..)?);
    Some(repaired)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
