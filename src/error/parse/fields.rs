//! Errors of fields: lists of entries, maps of names, and every nesting of them that frameworks came up with.

use super::vocabulary::{ALLOWED, FIELD, FIELD_CODE, FIELD_ERRORS, FIELD_MESSAGE, VALUE, is_code};
use crate::error::FieldError;
use crate::json::Value;

/// More are not read: nobody could mark them all, and a body may be all errors.
pub(super) const MOST_FIELDS: usize = 1000;

/// A longer text names no field.
const LONGEST_PATH: usize = 512;

/// What several fields share is copied for each of them, unless it is longer than this.
const LONGEST_SHARED: usize = super::LONGEST_MESSAGE;

/// How deep maps of maps are followed.
const DEEPEST: usize = 8;

/// Reads a list of entries that each name their field, or a map from names to what is wrong.
pub(super) fn read(value: Value<'_>) -> Vec<FieldError> {
    if value.is_array() { list(value) } else { map(value) }
}

/// The entries of a list that name a field; others are no errors of fields.
pub(super) fn list(value: Value<'_>) -> Vec<FieldError> {
    let mut found = Vec::new();
    for item in value.items() {
        if item.first(&["constraints", "children"]).is_some() && item.get("property").is_some() {
            by_property(item, "", 0, &mut found);
        } else {
            found.extend(entry(item));
        }
        if found.len() >= MOST_FIELDS {
            found.truncate(MOST_FIELDS);
            break;
        }
    }
    found
}

/// class-validator's tree: `{ property, constraints: { rule: message }, children }`.
fn by_property(item: Value<'_>, parent: &str, depth: usize, found: &mut Vec<FieldError>) {
    let path = step(parent, &item.text("property").unwrap_or_default());
    if path.len() > LONGEST_PATH || found.len() >= MOST_FIELDS {
        return;
    }
    if let Some(constraints) = item.get("constraints") {
        by_rule(constraints, &path, found);
    }
    for child in item.get("children").into_iter().flat_map(Value::items).take_while(|_| depth < DEEPEST) {
        by_property(child, &path, depth + 1, found);
    }
}

/// A map from the rules that one field broke to the messages.
fn by_rule(rules: Value<'_>, path: &str, found: &mut Vec<FieldError>) {
    if path.len() > LONGEST_PATH {
        return;
    }
    let messages = rules.members().filter_map(|(rule, message)| Some((rule.as_str().into_owned(), message.as_str()?)));
    found.extend(messages.take(MOST_FIELDS.saturating_sub(found.len())).map(|(rule, message)| FieldError {
        path: path.into(),
        message: Some(message.into_owned()),
        constraint: Some(rule),
        ..FieldError::default()
    }));
}

/// A map from fields to the rules that they broke: laminas' `validation_messages`.
pub(super) fn rules(value: Value<'_>) -> Vec<FieldError> {
    let mut found = Vec::new();
    for (field, rules) in value.members().take(MOST_FIELDS) {
        by_rule(rules, &field.as_str(), &mut found);
    }
    found
}

/// What is wrong with which field, in a member that may be about anything: a list of entries that name their field, or, where
/// the status says that the input is wrong, a map from names to lists.
pub(super) fn of_details(details: Value<'_>, status: u16) -> Vec<FieldError> {
    let nested = inside(details);
    if details.is_array() {
        list(details)
    } else if !nested.is_empty() {
        nested
    } else if status <= 400 || matches!(status, 409 | 422) {
        map_of_words(details)
    } else {
        Vec::new()
    }
}

/// The errors of fields that a `details` object holds by a name of their own.
pub(super) fn inside(value: Value<'_>) -> Vec<FieldError> {
    FIELD_ERRORS
        .iter()
        .filter_map(|name| value.get(name))
        .map(|inner| if inner.is_array() { list(inner) } else { strict_map(inner) })
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// The errors of an object that names its own field.
pub(super) fn one(object: Value<'_>) -> Vec<FieldError> {
    // Its code is the whole error's, which stands there.
    entry(object)
        .into_iter()
        .filter(|error| !error.path.is_empty())
        .map(|error| FieldError { constraint: None, ..error })
        .collect()
}

/// One entry of a list: most name one field, some several (`fields: ["a", "b"]`).
fn entry(entry: Value<'_>) -> Vec<FieldError> {
    let Some(paths) = paths(entry).filter(|paths| paths.iter().all(|path| path.len() <= LONGEST_PATH)) else {
        return Vec::new();
    };
    let messages = entry.first(&["messages", "errors"]).into_iter().flat_map(Value::items).filter_map(Value::as_str);
    let messages: Vec<_> = messages.take(MOST_FIELDS).collect();
    if let ([path], [_, _, ..]) = (paths.as_slice(), messages.as_slice()) {
        let each = messages.into_iter().map(|message| Some(message.into_owned()));
        return each.map(|message| FieldError { path: path.clone(), message, ..FieldError::default() }).collect();
    }
    let fits = |text: &str| paths.len() == 1 || text.len() <= LONGEST_SHARED;
    let json = |value: Option<Value<'_>>| value.map(Value::to_json).filter(|json| fits(json.text()));
    let error = FieldError {
        path: String::new(),
        message: message(entry).filter(|text| fits(text)),
        constraint: constraint(entry).filter(|text| fits(text)),
        value: json(entry.first(&VALUE)),
        allowed: json(entry.first(&ALLOWED).or_else(|| entry.get("params")?.first(&ALLOWED))),
    };
    paths.into_iter().map(|path| FieldError { path, ..error.clone() }).collect()
}

/// The fields that an entry names, as the source writes them; the steps of a path are joined by dots.
fn paths(entry: Value<'_>) -> Option<Vec<String>> {
    // JSON:API §9.
    if let Some(source) = entry.get("source").filter(|source| source.is_object()) {
        let named = ["pointer", "parameter", "header"].iter().find_map(|name| source.get(name)?.as_str());
        return named.map(|path| vec![path.into_owned()]);
    }
    let named = FIELD.iter().find_map(|name| {
        let value = entry.get(name)?;
        if let Some(path) = value.as_str() {
            // A location that is only the part of the request it lies in says nothing.
            let part = matches!(*name, "location" | "in")
                && matches!(&*path, "body" | "query" | "path" | "header" | "headers" | "params");
            return (!part && !path.contains('\n') && path.len() <= LONGEST_PATH).then(|| vec![path.into_owned()]);
        }
        if !value.is_array() || value.is_empty() {
            return None;
        }
        if matches!(*name, "fields" | "members" | "memberNames" | "expression" | "ErrorRelatedTo") {
            let names: Vec<_> = value.items().filter_map(Value::as_str).take(MOST_FIELDS).map(Into::into).collect();
            return (!names.is_empty()).then_some(names);
        }
        joined(value).map(|path| vec![path])
    });
    // A name beside a reason is a field's (RFC 7807 §3), and may be a person's or a class's otherwise.
    named.or_else(|| {
        let name = entry.get("name")?.as_str()?;
        let is_class = name.ends_with("Error") || name.ends_with("Exception");
        (entry.first(&["reason", "message", "messages", "error", "errors"]).is_some() && !is_class)
            .then(|| vec![name.into_owned()])
    })
}

/// The steps of a path, joined by dots. A step may be an object with a key (Standard Schema).
fn joined(steps: Value<'_>) -> Option<String> {
    let mut path = String::new();
    for step in steps.items().take(64) {
        let step = step.get("key").unwrap_or(step);
        if !path.is_empty() {
            path.push('.');
        }
        match (step.as_str(), step.as_digits()) {
            (Some(name), _) => path.push_str(&name),
            (None, Some(index)) => path.push_str(index),
            (None, None) => return None,
        }
    }
    Some(path)
}

fn message(entry: Value<'_>) -> Option<String> {
    let found = FIELD_MESSAGE.iter().find_map(|name| {
        let value = entry.get(name)?;
        let value = if value.is_array() { value.items().next()? } else { value };
        value.as_str().filter(|text| !text.trim().is_empty())
    });
    let found = found.or_else(|| entry.get("details")?.get("text")?.as_str());
    // What issue says, if it is not a code: PayPal writes sentences there, too.
    found.or_else(|| entry.get("issue")?.as_str().filter(|issue| !is_code(issue))).map(Into::into)
}

fn constraint(entry: Value<'_>) -> Option<String> {
    let has_words =
        entry.first(&["message", "msg", "detail", "description", "errorMessage", "defaultMessage", "title"]).is_some();
    FIELD_CODE.iter().find_map(|name| {
        let value = entry.get(name)?;
        if let Some(digits) = value.as_digits() {
            return (*name != "type").then(|| digits.to_string());
        }
        let code = value.as_str()?;
        let plain = matches!(*name, "code" | "constraint" | "errorCode" | "error_code" | "rule" | "keyword" | "tag");
        // The reason and the error are the message where there is no other.
        let is_message = matches!(*name, "reason" | "error") && !has_words;
        (!is_message && !code.trim().is_empty() && (plain && code.len() <= 128 || is_code(&code))).then(|| code.into_owned())
    })
}

/// A map from names to what is wrong: a text, a list of texts, an object that says it, or more names.
pub(super) fn map(value: Value<'_>) -> Vec<FieldError> {
    let mut found = Vec::new();
    if value.is_object() && !walk(value, "", 0, &mut found) {
        found.clear();
    }
    found
}

/// What a list of messages says of one field.
pub(super) fn of_field(path: &str, messages: Value<'_>) -> Vec<FieldError> {
    let most = if path.len() <= LONGEST_PATH { MOST_FIELDS } else { 0 };
    let texts = messages.items().filter_map(Value::as_str).take(most);
    texts.map(|text| FieldError { path: path.into(), message: Some(text.into_owned()), ..FieldError::default() }).collect()
}

/// A map in which no text stands alone, only in lists or as a message: what a map that goes by a name of many meanings must be.
pub(super) fn strict_map(value: Value<'_>) -> Vec<FieldError> {
    fn is_strict(value: Value<'_>, depth: usize) -> bool {
        value.members().all(|(name, inner)| {
            if inner.is_array() {
                let listed = inner
                    .items()
                    .all(|item| item.is_string() || item.is_object() && (speaks(item) || is_strict(item, depth + 1)));
                listed && (!inner.is_empty() || name.is("_errors"))
            } else {
                inner.is_object() && depth < DEEPEST && (speaks(inner) || !inner.is_empty() && is_strict(inner, depth + 1))
            }
        })
    }
    if value.is_object() && is_strict(value, 0) { map(value) } else { Vec::new() }
}

/// The same, if what it says is words: a map of lists may as well be of tags, ids or regions, which are no errors.
pub(super) fn map_of_words(value: Value<'_>) -> Vec<FieldError> {
    let is_words =
        |text: &String| text.contains(' ') || !text.is_ascii() || text.starts_with(|first: char| first.is_ascii_uppercase());
    let mut found = strict_map(value);
    if !found.iter().any(|error| error.constraint.is_some() || error.message.as_ref().is_some_and(is_words)) {
        found.clear();
    }
    found
}

/// Whether an object says what is wrong with the field it stands for.
fn speaks(object: Value<'_>) -> bool {
    object
        .first(&["message", "msg", "detail", "description", "error", "errorMessage", "defaultMessage"])
        .is_some_and(Value::is_string)
}

/// Whether everything in there was what is wrong with something.
fn walk(value: Value<'_>, path: &str, depth: usize, found: &mut Vec<FieldError>) -> bool {
    if depth > DEEPEST || found.len() >= MOST_FIELDS {
        return depth <= DEEPEST;
    }
    if path.len() > LONGEST_PATH {
        return false;
    }
    let push = |found: &mut Vec<FieldError>, message: Option<String>, constraint: Option<String>| {
        found.push(FieldError { path: path.into(), message, constraint, ..FieldError::default() });
    };
    if let Some(text) = value.as_str() {
        push(found, Some(text.into_owned()), None);
        return true;
    }
    if value.is_array() {
        return value.items().enumerate().all(|(index, item)| {
            if item.is_string() || speaks(item) {
                walk(item, path, depth + 1, found)
            } else if item.is_empty() {
                true
            } else {
                // One map per item of a list of things, as Django REST framework nests them.
                item.is_object() && walk(item, &step(path, &index.to_string()), depth + 1, found)
            }
        });
    }
    if !value.is_object() {
        return false;
    }
    if depth > 0 && speaks(value) {
        push(found, message(value), constraint(value));
        return true;
    }
    value.members().all(|(name, inner)| {
        let name = name.as_str();
        // A list of errors by a name that says so has no field of that name.
        if name.ends_with("rrors") && name != "_errors" && inner.items().any(Value::is_object) {
            found.extend(list(inner));
            return true;
        }
        // `_errors` (zod, Discord) are of what they stand in.
        let inner_path = if name == "_errors" { path.to_string() } else { step(path, &name) };
        (name == "_errors" && inner.is_empty()) || walk(inner, &inner_path, depth + 1, found)
    })
}

fn step(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}
