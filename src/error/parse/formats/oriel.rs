//! Oriel's `{ error: { code, message, details?, timestamp, recoverable } }`.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, beyond, fields, generic};
use crate::error::FieldError;
use crate::json::Value;
use crate::policy::hint;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "oriel", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    evidence.error_object()?.get("recoverable")?.as_bool()?;
    Some(("error.recoverable", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(error) = evidence.error_object() else { return Reading::default() };
    let details = error.get("details");
    let mut field_errors = details.map(|details| fields::of_details(details, evidence.response.status)).unwrap_or_default();
    // `ValidationError("Email is required", field="email")` puts the one field into the details.
    if let Some(field) = details.and_then(|details| details.text("field")) {
        field_errors.push(FieldError { path: field, message: error.text("message"), ..FieldError::default() });
    }
    let more = beyond(evidence, error, &["code", "message", "details", "timestamp", "recoverable"]);
    if field_errors.is_empty() {
        field_errors.clone_from(&more.field_errors);
    }
    let timestamp = error.text("timestamp");
    let mut reading = Reading {
        code: error.text("code"),
        message: error.text("message"),
        retryable: error.get("recoverable").and_then(Value::as_bool),
        field_errors,
        service: details.and_then(|details| details.text("service")),
        details: details.map(Value::to_json),
        ..more
    };
    reading.hints.timestamp = timestamp.as_deref().and_then(hint::timestamp);
    generic::take_delay(&mut reading.hints, details.and_then(|details| details.get("retry_after")));
    reading.timestamp = timestamp;
    reading
}
