//! News Filter's `{ success: false, error: { code: NUMBER, message, metadata? } }`.

use super::{Confidence, Evidence, FormatDefinition, Reading, member};
use crate::error::{RateLimit, Upstream};
use crate::time::WallTime;
use serde_json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "newsFilter", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Option<(&'static str, Confidence)> {
    let error = evidence.error_object()?;
    if !error.get("code")?.is_number() {
        return None;
    }
    if error.get("metadata").is_some_and(Value::is_object) {
        return Some(("error.metadata", Confidence::Certain));
    }
    (evidence.json.as_ref()?.get("success")? == &Value::Bool(false)).then_some(("numeric error.code", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(error) = evidence.error_object() else { return Reading::default() };
    let metadata = error.get("metadata").unwrap_or(&Value::Null);
    let headers = metadata.get("headers");
    Reading {
        code: member::code(error, "code"),
        message: member::text(error, "message"),
        field_errors: member::field_errors(metadata.get("validation_errors")),
        rate_limit: headers.map(|headers| RateLimit {
            limit: member::count(headers, "X-RateLimit-Limit"),
            remaining: member::count(headers, "X-RateLimit-Remaining"),
            // Milliseconds since the epoch, as a string. One that has passed says nothing.
            reset_at: member::count(headers, "X-RateLimit-Reset")
                .and_then(|millis| i64::try_from(millis).ok())
                .map(WallTime)
                .filter(|reset| *reset > evidence.received_at),
            window_ms: None,
        }),
        upstream: metadata.get("provider_name").map(|_| {
            let raw = metadata.get("raw");
            let inner = raw.and_then(|raw| raw.get("error"));
            Upstream {
                provider: member::text(metadata, "provider_name"),
                code: inner.and_then(|inner| member::code(inner, "code")),
                message: inner.and_then(|inner| member::text(inner, "message")),
                status: None,
                raw: raw.map(Into::into),
            }
        }),
        details: member::any(error, "metadata"),
        ..Reading::default()
    }
}
