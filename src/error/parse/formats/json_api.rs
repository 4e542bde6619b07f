//! JSON:API error objects (§9): `{ errors: [{ id, status: "422", code, title, detail, source, links, meta }] }`. The first is
//! the error; those with a source are errors of fields.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, fields, generic, link};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "jsonApi", recognise, read };

fn first<'a>(evidence: &Evidence<'a>) -> Option<Value<'a>> {
    evidence.body?.get("errors")?.items().next().filter(|first| first.is_object())
}

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let first = first(evidence)?;
    if evidence.media_type == "application/vnd.api+json" {
        return Some(("the media type", Confidence::Certain));
    }
    if first.get("source").is_some_and(|source| source.first(&["pointer", "parameter", "header"]).is_some()) {
        return Some(("errors[].source", Confidence::Certain));
    }
    let speaks = first.first(&["title", "detail"]).is_some();
    (speaks && first.get("status").is_some_and(Value::is_string)).then_some(("errors[].status is a string", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let (Some(body), Some(first)) = (evidence.body, first(evidence)) else { return Reading::default() };
    let errors = body.get("errors");
    let about = first.get("links").and_then(|links| links.first(&["about", "type"]));
    let common = generic::read_common(body);
    Reading {
        code: first.text("code").or_else(|| first.get("code").and_then(Value::as_digits).map(Into::into)),
        message: first.text("detail").or_else(|| first.text("title")).or_else(|| first.text("message")),
        error_id: first.text("id"),
        field_errors: errors.map(fields::list).unwrap_or_default(),
        help_link: about.and_then(|about| link(about).or_else(|| link(about.get("href")?))).or(common.help_link),
        details: errors.map(Value::to_json),
        ..common
    }
}
