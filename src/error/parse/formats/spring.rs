//! Spring Boot's default: `{ timestamp, status, error, path, message?, exception?, trace?, errors? }`.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "spring", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let body = evidence.body?;
    let shaped = body.get("timestamp").is_some()
        && body.get("status").is_some_and(Value::is_number)
        && body.get("error").is_some_and(Value::is_string)
        && body.get("path").is_some();
    shaped.then_some(("timestamp, status, error and path", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = evidence.body else { return Reading::default() };
    let general = evidence.generic();
    // The error is the status in words, and the exception is the server's own affair.
    let code = general.code.filter(|_| body.first(&["code", "errorCode"]).is_some());
    let message = body.text("message").filter(|message| message != "No message available").or_else(|| body.text("error"));
    Reading { code, message, ..general }
}
