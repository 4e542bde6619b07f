//! Where the errors of fields stand.

use super::super::fields;
use super::super::vocabulary::FIELD_ERRORS;
use super::subject::{Subject, tells};
use super::words::message_here;
use crate::error::FieldError;
use crate::json::Value;

/// Whether messages are of no field: a list of texts, or a text in one language or another.
fn is_about_the_whole(messages: Value<'_>) -> bool {
    messages.items().any(Value::is_string)
        || messages.first(&["value", "text", "lang", "message", "en", "default", "error", "errors", "global"]).is_some()
}

/// The fields that a list of keys names; what is wrong with them is the message of the whole.
fn keys(validation: Value<'_>) -> Vec<FieldError> {
    let names = validation.get("keys").into_iter().flat_map(Value::items).filter_map(Value::as_str).take(fields::MOST_FIELDS);
    names.map(|name| FieldError { path: name.into(), ..FieldError::default() }).collect()
}

pub(super) fn field_errors(subject: &Subject<'_>, status: u16) -> Vec<FieldError> {
    // Who it is and how often they ask is no matter of what they entered.
    if matches!(status, 401 | 407 | 429) {
        return Vec::new();
    }
    // A server that broke says nothing of fields, but may well leave maps of its own affairs behind.
    if status >= 500 {
        let listed =
            subject.inside_out().find_map(|object| object.first(&["errors", "fieldErrors", "violations"])).map(fields::list);
        return listed.unwrap_or_default();
    }
    if let Some(list) = subject.list {
        return fields::list(list);
    }
    for object in subject.inside_out() {
        for name in FIELD_ERRORS {
            let Some(value) = object.get(name).filter(|value| value.is_array() || value.is_object()) else { continue };
            let found = match name {
                "validation_messages" => fields::rules(value),
                // hapi: `{ source: "payload", keys: ["name"] }`.
                "validation" if value.get("keys").is_some_and(Value::is_array) => keys(value),
                "details" | "data" | "causes" | "params" | "detail" | "issues" | "extra" => fields::of_details(value, status),
                "message" | "messages" if is_about_the_whole(value) => Vec::new(),
                "message" if value.is_array() => fields::list(value),
                "message" if !fields::inside(value).is_empty() => fields::inside(value),
                _ => fields::read(value),
            };
            let found = if found.is_empty() { fields::inside(value) } else { found };
            if !found.is_empty() {
                return found;
            }
        }
    }
    let inner = subject.inner;
    // One error that names its own field.
    if inner.first(&["param", "field", "source", "parameter", "pointer", "element"]).is_some() {
        let wrapped = fields::one(inner);
        if !wrapped.is_empty() {
            return wrapped;
        }
    }
    // CKAN's `error`, which is a map of fields beside the type of the error.
    if !inner.is_same(subject.outer) && message_here(inner).is_none() {
        let listed = inner.members().filter(|(_, value)| value.items().next().is_some_and(Value::is_string));
        let found: Vec<_> =
            listed.flat_map(|(name, value)| fields::of_field(&name.as_str(), value)).take(fields::MOST_FIELDS).collect();
        if !found.is_empty() {
            return found;
        }
    }
    // A bare list of entries, or a bare map of fields.
    let outer = subject.outer;
    if !tells(outer) && outer.first(&["error", "errors", "success", "ok"]).is_none() && inner.is_same(outer) {
        return fields::map_of_words(outer);
    }
    Vec::new()
}
