//! Qwen Proxy's `{ error: { type, message, code?, error_id } }`, also as the last event of a stream.

use super::{Confidence, Evidence, FormatDefinition, Reading, member};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "qwenProxy", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Option<(&'static str, Confidence)> {
    evidence.error_object()?.get("error_id")?.as_str()?;
    Some(("error.error_id", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(error) = evidence.error_object() else { return Reading::default() };
    Reading {
        // The server writes `type: err.code || "api_error"`: the type is the code where there is no other.
        code: member::code(error, "code").or_else(|| member::code(error, "type")),
        message: member::text(error, "message"),
        error_id: member::text(error, "error_id"),
        ..Reading::default()
    }
}
