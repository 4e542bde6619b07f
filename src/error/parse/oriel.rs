//! Oriel's `{ error: { code, message, details?, timestamp, recoverable } }`.

use super::{Confidence, Evidence, FormatDefinition, Reading, member};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "oriel", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Option<(&'static str, Confidence)> {
    evidence.error_object()?.get("recoverable")?.as_bool()?;
    Some(("error.recoverable", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(error) = evidence.error_object() else { return Reading::default() };
    let details = error.get("details");
    let mut field_errors = member::field_errors(details);
    // `ValidationError("Email is required", field="email")` puts the one field into the details.
    if let Some(field) = details.and_then(|details| member::text(details, "field")) {
        field_errors.push(crate::error::FieldError {
            path: field,
            message: member::text(error, "message"),
            ..Default::default()
        });
    }
    Reading {
        code: member::code(error, "code"),
        message: member::text(error, "message"),
        retryable: member::flag(error, "recoverable"),
        timestamp: member::text(error, "timestamp"),
        field_errors,
        details: member::any(error, "details"),
        ..Reading::default()
    }
}
