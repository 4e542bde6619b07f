//! What Cosnap's services sent before the standard: `{ error: "…" }`, `{ success: false, message }` and
//! `{ status, error: { message } }`.

use super::{Confidence, Evidence, FormatDefinition, Reading, member};
use serde_json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "legacy", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Option<(&'static str, Confidence)> {
    let body = evidence.json.as_ref()?;
    if body.get("error").is_some_and(Value::is_string) {
        return Some(("error is a string", Confidence::Likely));
    }
    if body.get("success") == Some(&Value::Bool(false)) && body.get("message").is_some_and(Value::is_string) {
        return Some(("success is false, with a message", Confidence::Likely));
    }
    let nested = evidence.error_object()?.get("message").is_some_and(Value::is_string);
    nested.then_some(("error.message", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = &evidence.json else { return Reading::default() };
    let error = evidence.error_object().unwrap_or(body);
    Reading {
        code: member::code(error, "code"),
        message: member::text(error, "message").or_else(|| member::text(body, "error")),
        details: member::any(error, "details"),
        ..Reading::default()
    }
}
