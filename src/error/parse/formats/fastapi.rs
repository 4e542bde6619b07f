//! FastAPI's `{ detail: [{ loc, msg, type }] }`.

use super::fields;
use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, generic};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "fastapi", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let detail = evidence.body?.get("detail")?.items().next()?;
    let shaped = detail.get("loc").is_some() && detail.get("msg").is_some();
    shaped.then_some(("detail[].loc", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = evidence.body else { return Reading::default() };
    let detail = body.get("detail");
    Reading {
        field_errors: detail.map(fields::list).unwrap_or_default(),
        details: detail.map(crate::json::Value::to_json),
        ..generic::read_common(body)
    }
}
