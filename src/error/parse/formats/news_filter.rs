//! News Filter's `{ success: false, error: { code: NUMBER, message, metadata? } }`.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, fields, generic};
use crate::error::{Category, Upstream};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "newsFilter", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let error = evidence.error_object()?;
    error.get("code").filter(|code| code.is_number())?;
    if error.get("metadata").is_some_and(Value::is_object) {
        return Some(("error.metadata", Confidence::Certain));
    }
    let failed = evidence.body?.get("success")?.as_bool() == Some(false);
    failed.then_some(("numeric error.code", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(error) = evidence.error_object() else { return Reading::default() };
    let metadata = error.get("metadata");
    let of_metadata = |name| metadata.and_then(|metadata| metadata.get(name));
    let provider = metadata.and_then(|metadata| metadata.text("provider_name"));
    let raw = of_metadata("raw");
    let (inner_code, inner_message) = raw.map(generic::summary).unwrap_or_default();
    let mut reading = Reading {
        code: error.get("code").and_then(Value::as_digits).map(Into::into),
        message: error.text("message"),
        // A gateway whose provider failed: the specification's own use of 502.
        category: (provider.is_some() && evidence.response.status == 502).then_some(Category::Integration),
        field_errors: of_metadata("validation_errors").map(fields::list).unwrap_or_default(),
        upstream: provider.map(|provider| Upstream {
            provider: Some(provider),
            code: inner_code,
            message: inner_message,
            status: None,
            raw: raw.map(Value::to_json),
        }),
        details: metadata.map(Value::to_json),
        ..Reading::default()
    };
    reading.hints.headers = of_metadata("headers")
        .into_iter()
        .flat_map(Value::members)
        .filter_map(|(name, value)| {
            let text = value.as_str().map(Into::into).or_else(|| value.as_digits().map(ToString::to_string))?;
            Some((name.as_str().into_owned(), text))
        })
        .take(32)
        .collect();
    reading
}
