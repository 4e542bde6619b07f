//! Qwen Proxy's `{ error: { type, message, code?, error_id } }`, also as the last event of a stream.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, beyond};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "qwenProxy", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    evidence.error_object()?.get("error_id").filter(|id| id.is_string())?;
    Some(("error.error_id", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(error) = evidence.error_object() else { return Reading::default() };
    let digits = || error.get("code").and_then(Value::as_digits).map(Into::into);
    Reading {
        // The server writes `type: err.code || "api_error"`: the type is the code where there is no other.
        code: error.text("code").or_else(digits).or_else(|| error.text("type")),
        message: error.text("message"),
        error_id: error.text("error_id"),
        ..beyond(evidence, error, &["type", "message", "code", "error_id"])
    }
}
