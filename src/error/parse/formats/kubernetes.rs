//! Kubernetes' `Status` (meta/v1): `{ kind: "Status", status: "Failure", reason, message, code, details: { causes,
//! retryAfterSeconds } }`.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, fields, generic};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "kubernetes", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let body = evidence.body?;
    body.get("apiVersion")?;
    body.get("kind")?.is("Status").then_some(("kind is Status", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = evidence.body else { return Reading::default() };
    let details = body.get("details");
    Reading {
        code: body.text("reason").or_else(|| body.get("code").and_then(Value::as_digits).map(Into::into)),
        message: body.text("message"),
        field_errors: details.and_then(|details| details.get("causes")).map(fields::list).unwrap_or_default(),
        details: details.map(Value::to_json),
        ..generic::read_common(body)
    }
}
