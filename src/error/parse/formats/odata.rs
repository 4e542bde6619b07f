//! OData (JSON format §21.1) and the Microsoft REST guidelines, as Azure and Microsoft Graph send them: `{ error: { code,
//! message, target?, details?, innererror? } }`.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, fields};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "odata", recognise, read };

fn error<'a>(evidence: &Evidence<'a>) -> Option<Value<'a>> {
    let body = evidence.body?;
    body.first(&["error", "odata.error"]).filter(|error| error.is_object()).or(Some(body))
}

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let error = error(evidence)?;
    error.get("code")?;
    if evidence.body?.get("odata.error").is_some() {
        return Some(("odata.error", Confidence::Certain));
    }
    if error.first(&["innererror", "innerError"]).is_some() {
        return Some(("error.innererror", Confidence::Certain));
    }
    if evidence.response.header("x-ms-error-code").is_some() || evidence.response.header("x-ms-request-id").is_some() {
        return Some(("Microsoft's headers", Confidence::Likely));
    }
    let listed = error
        .get("details")
        .is_some_and(|details| details.items().any(|detail| detail.get("code").is_some() && detail.get("message").is_some()));
    let targeted = error.get("target").is_some_and(Value::is_string);
    (error.get("message").is_some() && (targeted || listed)).then_some(("error.target or details[].code", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(error) = error(evidence) else { return Reading::default() };
    let mut reading = evidence.generic();
    reading.code = error.text("code").or_else(|| error.get("code").and_then(Value::as_digits).map(Into::into));
    reading.field_errors = error.get("details").map(fields::list).unwrap_or_default();
    // The innermost code is the most telling (Microsoft REST guidelines §7.10.2): nothing of the error is left out.
    let parts = ["details", "innererror", "innerError"].iter().filter_map(|name| error.get(name));
    reading.details = parts.clone().next().map(|first| if parts.count() > 1 { error.to_json() } else { first.to_json() });
    reading
}
