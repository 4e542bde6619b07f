//! Salesforce's `[{ message, errorCode, fields }]`.

use super::fields;
use super::{Confidence, Evidence, FormatDefinition, Mark, Reading};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "salesforce", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let first = evidence.body.filter(|body| body.is_array())?.items().next()?;
    (first.get("errorCode")?.is_string() && first.get("message").is_some()).then_some(("[].errorCode", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = evidence.body else { return Reading::default() };
    Reading { field_errors: fields::list(body), details: Some(body.to_json()), ..evidence.generic() }
}
