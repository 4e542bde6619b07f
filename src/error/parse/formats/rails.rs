//! Rails: `{ status: 404, error: "Not Found" }`, with `exception` and `traces` in development, and `{ errors }` of a model.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "rails", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let body = evidence.body?;
    let members = body.members().count();
    let status = body.get("status").is_some_and(Value::is_number) && body.get("error").is_some_and(Value::is_string);
    if status && body.get("traces").is_some() {
        return Some(("status, error and traces", Confidence::Certain));
    }
    if status && members == 2 {
        return Some(("status and error", Confidence::Likely));
    }
    let errors = body.get("errors").filter(|_| members == 1)?;
    let of_fields = errors.members().all(|(_, messages)| messages.items().next().is_some_and(Value::is_string));
    let of_texts = errors.items().all(Value::is_string);
    (of_fields && of_texts && !errors.is_empty()).then_some(("errors alone", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    evidence.generic()
}
