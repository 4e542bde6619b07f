//! Elasticsearch and OpenSearch: `{ error: { root_cause, type, reason, caused_by }, status }`.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "elasticsearch", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let error = evidence.error_object()?;
    error.get("root_cause").filter(|causes| causes.is_array())?;
    Some(("error.root_cause", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(error) = evidence.error_object() else { return Reading::default() };
    let cause = error.get("root_cause").and_then(|causes| causes.items().next()).unwrap_or(error);
    Reading {
        code: error.text("type").or_else(|| cause.text("type")),
        message: error.text("reason").or_else(|| cause.text("reason")),
        details: Some(error.to_json()),
        ..Reading::default()
    }
}
