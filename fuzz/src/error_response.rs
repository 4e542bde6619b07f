//! What must hold for an error that was read from any response.

use super::exchange;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;
use steadfast::error::parse::{CustomFormat, Extensions, ResponseParts, parse};
use steadfast::error::words::Words;
use steadfast::error::{ApiError, Json};
use steadfast::time::LAST_DATE;

/// No form has more fields than this, and nobody could look through them.
const MOST_FIELD_ERRORS: usize = 1000;

/// What an error may weigh beside its body: fields that share a path or a message, each with its own copy.
const LARGEST_ERROR: usize = 8 << 20;

/// Read once: it takes longer than an error does.
static ENGLISH: LazyLock<Words> = LazyLock::new(Words::english);

/// Reads the bytes as a response, and that as an error, also by a format of the application.
pub fn holds(bytes: &[u8]) {
    let response = exchange::read(bytes);
    let error = parse(&response, &Extensions::default());
    assert!(error == parse(&response, &Extensions::default()), "read twice, a response is the same error");
    holds_for(&response, &error);
    let extensions = Extensions { formats: vec![Box::new(Echo)], codes: Vec::new() };
    holds_for(&response, &parse(&response, &extensions));
}

/// A format of an application that says whatever the server says.
struct Echo;

impl CustomFormat for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn read(&self, _: &ResponseParts, text: &str) -> Option<String> {
        Some(text.into())
    }
}

/// What must hold for the error that a response was read as.
pub fn holds_for(response: &ResponseParts, error: &ApiError) {
    assert_eq!(error.status, Some(response.status));
    assert_eq!(error.raw.truncated, response.truncated);
    raw_text_is_kept(response, error);
    let written = serde_json::to_string(error).expect("an error can be written");
    // Bodies may be nested deeper than serde_json follows into values; skipping has no such bound.
    serde_json::from_str::<IgnoredAny>(&written).expect("what is written is JSON");
    says_what_the_error_says(&written, error);
    let given = response.body.len() + response.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    // The text, the details and the context, in which every byte may need six to be written, and what is read out of them.
    assert!(written.len() <= LARGEST_ERROR + 32 * given, "{} bytes were made of {given}", written.len());
    assert!(error.field_errors.len() <= MOST_FIELD_ERRORS, "{} field errors", error.field_errors.len());
    for (what, json) in [("details", &error.details), ("businessContext", &error.business_context)] {
        if let Some(json) = json {
            is_json(json, what);
        }
    }
    for field in &error.field_errors {
        field.value.iter().chain(&field.allowed).for_each(|json| is_json(json, "a field's value"));
    }
    if let Some(hint) = &error.retry_hint {
        assert!(hint.at >= response.received_at, "a hint is not before the response that gives it");
        assert_eq!(hint.at, response.received_at.after(Duration::from_millis(hint.after_ms)));
        assert!(hint.at <= LAST_DATE);
    }
    assert!(!error.format.name.is_empty() && !error.format.mark.is_empty());
    assert!(error.code.as_ref().is_none_or(|code| !code.is_empty()), "an empty code is none");
    let links = error.recovery.iter().flat_map(|recovery| &recovery.links);
    assert!(links.count() <= given, "there are no more links than the body has bytes");
    assert!(!error.user_text(&ENGLISH).is_empty(), "there is always something to say");
}

/// What is written is read back as what it was.
fn says_what_the_error_says(written: &str, error: &ApiError) {
    // A body may be nested deeper than serde_json follows into values.
    let Ok(value) = serde_json::from_str::<Value>(written) else { return };
    assert!(value["raw"]["text"].as_str() == Some(error.raw.text.as_str()), "the text is written as it is");
    for (name, text) in [
        ("code", &error.code),
        ("message", &error.message),
        ("userMessage", &error.user_message),
        ("correlationId", &error.correlation_id),
        ("requestId", &error.request_id),
        ("errorId", &error.error_id),
        ("timestamp", &error.timestamp),
        ("helpLink", &error.help_link),
        ("service", &error.service),
    ] {
        assert_eq!(value[name].as_str(), text.as_deref(), "{name}");
    }
    assert_eq!(value["status"].as_u64(), error.status.map(u64::from));
    assert_eq!(value["retryHint"]["afterMs"].as_u64(), error.retry_hint.map(|hint| hint.after_ms));
    let fields = value["fieldErrors"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(fields.len(), error.field_errors.len());
    for (written, field) in fields.iter().zip(&error.field_errors) {
        assert_eq!(written["path"].as_str(), Some(field.path.as_str()));
        assert_eq!(written["message"].as_str(), field.message.as_deref());
    }
}

/// UTF-8 without a mark and without a label is kept to the letter.
fn raw_text_is_kept(response: &ResponseParts, error: &ApiError) {
    let labelled = response.header("content-type").is_some_and(|value| value.to_ascii_lowercase().contains("charset"));
    let looks_like_utf_16 = response.body.get(..2).is_some_and(|start| start.contains(&0));
    let marked = [&b"\xEF\xBB\xBF"[..], b"\xFF\xFE", b"\xFE\xFF"].iter().any(|mark| response.body.starts_with(mark));
    if labelled || looks_like_utf_16 || marked {
        return;
    }
    assert!(error.raw.text == String::from_utf8_lossy(&response.body), "the text is kept");
}

fn is_json(json: &Json, what: &str) {
    serde_json::from_str::<IgnoredAny>(json.text()).unwrap_or_else(|error| panic!("{what} is no JSON: {error}"));
}
