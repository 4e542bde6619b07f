//! GraphQL responses (specification §7, GraphQL over HTTP): `{ errors: [{ message, path, locations, extensions }], data? }`,
//! whatever the HTTP status.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, fields, generic};
use crate::error::FieldError;
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "graphql", recognise, read };

fn first<'a>(evidence: &Evidence<'a>) -> Option<Value<'a>> {
    let body = evidence.body?;
    // A batch answers with a list.
    let body = if body.is_array() { body.items().find(|item| item.get("errors").is_some())? } else { body };
    body.get("errors")?.items().next().filter(|first| first.get("message").is_some())
}

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let first = first(evidence)?;
    if evidence.media_type == "application/graphql-response+json" {
        return Some(("the media type", Confidence::Certain));
    }
    if first.get("locations").is_some_and(Value::is_array) || first.get("extensions").is_some_and(Value::is_object) {
        return Some(("errors[].locations or extensions", Confidence::Certain));
    }
    let has_data = evidence.body?.members().any(|(name, _)| name.is("data"));
    (has_data || first.get("path").is_some_and(Value::is_array)).then_some(("errors[].message beside data", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let (Some(body), Some(first)) = (evidence.body, first(evidence)) else { return Reading::default() };
    let extensions = first.get("extensions");
    let extension = |name| extensions.and_then(|extensions| extensions.text(name));
    let code =
        extension("code").or_else(|| first.text("code")).or_else(|| extension("classification")).or_else(|| first.text("type"));
    Reading {
        code: code.or_else(|| extension("type")),
        message: first.text("message"),
        field_errors: extensions.map(of_extensions).unwrap_or_default(),
        details: Some(body.get("errors").unwrap_or(first).to_json()),
        ..generic::read_common(body)
    }
}

/// Servers put the errors of an input's fields into the extensions, by several names.
fn of_extensions(extensions: Value<'_>) -> Vec<FieldError> {
    ["validation", "validationErrors", "fieldErrors", "errors", "invalidArgs", "fields", "problems"]
        .iter()
        .filter_map(|name| extensions.get(name))
        .map(fields::read)
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}
