//! What can be read out of JSON that has no name: the same few things, by the names that backends usually give them.

use super::vocabulary::{
    CODE, CORRELATION_ID, ENVELOPE, ERROR_ID, FIELD_ERRORS, HELP, LIKE_CODE, MESSAGE, NUMERIC_CODE, REQUEST_ID,
    RETRY_AFTER_MILLISECONDS, RETRY_AFTER_SECONDS, RETRYABLE, is_code, is_link, link, words,
};
use super::{Reading, fields};
use crate::error::FieldError;
use crate::json::Value;
use crate::policy::hint::{self, BodyHints};
use crate::time::WallTime;
use std::time::Duration;

/// The objects that tell of an error, from the body down to the innermost.
struct Subject<'d> {
    /// The body, or the first entry of a body that is a list.
    outer: Value<'d>,
    /// The object that the error itself is.
    inner: Value<'d>,
    /// Those between the two, outermost first.
    between: Vec<Value<'d>>,
    /// The body, if it is a list.
    list: Option<Value<'d>>,
}

/// Envelopes stand in each other at most so deep.
const DEEPEST: usize = 4;

impl<'d> Subject<'d> {
    fn of(body: Value<'d>) -> Self {
        let outer = if body.is_array() { body.items().find(|item| item.is_object()).unwrap_or(body) } else { body };
        let (mut inner, mut between) = (outer, Vec::new());
        while between.len() < DEEPEST {
            let Some(next) = envelope(inner).or_else(|| only_inner(inner)) else { break };
            if !inner.is_same(outer) {
                between.push(inner);
            }
            inner = next;
        }
        Self { outer, inner, between, list: body.is_array().then_some(body) }
    }

    /// From the innermost outwards.
    fn inside_out(&self) -> impl Iterator<Item = Value<'d>> {
        let outer = (!self.inner.is_same(self.outer)).then_some(self.outer);
        std::iter::once(self.inner).chain(self.between.iter().rev().copied()).chain(outer)
    }
}

/// The error inside this object, if it holds one rather than being one.
fn envelope(object: Value<'_>) -> Option<Value<'_>> {
    ENVELOPE.iter().find_map(|name| {
        let inner = object.get(name)?;
        // Data is an error only as a list of results, of which the first failed.
        if *name == "data"
            && !inner.items().next().is_some_and(|first| first.get("code").is_some() && message_here(first).is_some())
        {
            return None;
        }
        if inner.is_array() {
            // A list beside a message tells more of the same error; alone, its first entry is the error.
            let first = inner.items().next().filter(|first| first.is_object())?;
            let is_told = message_here(object).is_some() || object.first(&["title", "error"]).is_some_and(Value::is_string);
            return (!is_told).then_some(first);
        }
        let speaks = inner.is_object() && (tells(inner) || envelope(inner).is_some());
        speaks.then_some(inner)
    })
}

/// The one object in an object that says nothing itself: an answer under the name of its method, as Alipay's.
fn only_inner(object: Value<'_>) -> Option<Value<'_>> {
    let mut objects = object.members().map(|(_, value)| value).filter(|value| value.is_object());
    let (only, none) = (objects.next()?, objects.next());
    let speaks = only.first(&CODE).is_some_and(|code| code.is_string() || code.is_number()) && message_here(only).is_some();
    (none.is_none() && speaks && !tells(object)).then_some(only)
}

/// Whether an object says what went wrong, in any way.
fn tells(object: Value<'_>) -> bool {
    object.first(&CODE).is_some_and(|code| code.is_string() || code.is_number())
        || message_here(object).is_some()
        || object.first(&["type", "__type", "reason", "title", "status", "name", "error"]).is_some_and(Value::is_string)
}

/// Reads what can be read.
pub(super) fn read(body: Value<'_>, status: u16) -> Reading {
    let subject = Subject::of(body);
    let field_errors = field_errors(&subject, status);
    // A bare map of fields has no words of its own: what it calls `message` is a field of that name.
    let is_map = !field_errors.is_empty() && subject.inside_out().all(|object| !tells(object) && object.get("error").is_none());
    let mut reading = Reading { field_errors, ..Reading::default() };
    if is_map {
        return reading;
    }
    reading.code = code(&subject);
    reading.message = message(&subject, reading.code.as_deref());
    reading.details =
        subject.inner.first(&["details", "data", "metadata", "extensions"]).or(subject.outer.get("details")).map(Value::to_json);
    common(&subject, &mut reading);
    reading
}

/// Reads the members that mean the same wherever they stand: ids, links, hints.
fn common(subject: &Subject<'_>, reading: &mut Reading) {
    reading.request_id = id(subject, &REQUEST_ID);
    reading.correlation_id = id(subject, &CORRELATION_ID);
    reading.error_id = id(subject, &ERROR_ID);
    reading.help_link = subject.inside_out().find_map(help_link);
    reading.retryable = subject.inside_out().find_map(|object| object.first(&RETRYABLE)?.as_bool());
    let (after, until) = subject.inside_out().find_map(retry_after).unwrap_or_default();
    (reading.hints.after, reading.hints.until) = (after, until);
    reading.user_message = subject.inside_out().find_map(|object| {
        let own = ["userMessage", "user_message", "displayMessage", "display_message"];
        // Java's exceptions have one that is for developers.
        let localized = || object.get("localizedMessage").filter(|_| object.get("stackTrace").is_none());
        words(object.first(&own).or_else(localized)?)
    });
    reading.timestamp =
        subject.inside_out().find_map(|object| object.first(&["timestamp", "time", "date"])?.as_str().map(Into::into));
    reading.hints.timestamp = reading.timestamp.as_deref().and_then(hint::timestamp);
}

/// The code and the message alone.
pub(super) fn summary(body: Value<'_>) -> (Option<String>, Option<String>) {
    let subject = Subject::of(body);
    let code = code(&subject);
    let message = message(&subject, code.as_deref());
    (code, message)
}

/// The members that mean the same wherever they stand, for formats that read the rest themselves.
pub(super) fn read_common(body: Value<'_>) -> Reading {
    let mut reading = Reading::default();
    common(&Subject::of(body), &mut reading);
    reading
}

/// The objects beside the error in which ids stand.
const ASIDE: [&str; 9] = ["innererror", "innerError", "meta", "metadata", "_meta", "context", "extensions", "details", "data"];

fn id(subject: &Subject<'_>, names: &[&str]) -> Option<String> {
    let read = |object: Value<'_>| {
        let value = object.first(names)?;
        let text = value.as_str().map(Into::into).or_else(|| value.as_digits().map(ToString::to_string))?;
        Some(text).filter(|text: &String| !text.trim().is_empty() && text.len() <= 256)
    };
    subject
        .inside_out()
        .find_map(read)
        .or_else(|| subject.inside_out().find_map(|object| ASIDE.iter().find_map(|aside| object.get(aside).and_then(read))))
}

/// What stands in the address of documentation.
const HELP_WORDS: [&str; 10] =
    ["docs", "/doc/", "documentation", "help", "support", "developer", "devcenter", "swagger", "reference", "error"];

/// Documentation: a link by a name that means it, or in a list or an object of links.
fn help_link(object: Value<'_>) -> Option<String> {
    HELP.iter()
        .find_map(|name| {
            let value = object.get(name)?;
            let found = link(value).or_else(|| link(value.first(&["url", "href", "link"])?))?;
            // By these names it may as well be the address that was asked.
            let is_help = !matches!(*name, "url" | "href" | "link") || HELP_WORDS.iter().any(|word| found.contains(word));
            is_help.then_some(found)
        })
        .or_else(|| {
            let links = object.first(&["links", "_links"])?;
            let is_help = |relation: &str| {
                matches!(relation, "help" | "about" | "information_link" | "documentation" | "describedby" | "type")
            };
            let href = |value: Value<'_>| link(value).or_else(|| link(value.first(&["href", "url"])?));
            if links.is_array() {
                return links.items().find_map(|entry| {
                    let relation = entry.first(&["rel", "type"])?.as_str()?;
                    is_help(&relation).then(|| href(entry)).flatten()
                });
            }
            links.members().find_map(|(name, value)| is_help(&name.as_str()).then(|| href(value)).flatten())
        })
}

fn retry_after(object: Value<'_>) -> Option<(Option<Duration>, Option<WallTime>)> {
    let here = |object: Value<'_>| {
        let milliseconds = object.first(&RETRY_AFTER_MILLISECONDS).and_then(Value::as_f64);
        if let Some(after) = milliseconds.and_then(|number| hint::from_seconds(number / 1000.0)) {
            return Some((Some(after), None));
        }
        let asked = delay(object.first(&RETRY_AFTER_SECONDS)?);
        (asked.0.is_some() || asked.1.is_some()).then_some(asked)
    };
    here(object).or_else(|| {
        ["recovery", "details", "parameters", "extensions", "metadata", "data", "params", "meta"]
            .iter()
            .find_map(|aside| object.get(aside).and_then(here))
    })
}

/// Takes the delay that a body gives into its hints.
pub(super) fn take_delay(hints: &mut BodyHints, value: Option<Value<'_>>) {
    let (after, until) = value.map(delay).unwrap_or_default();
    hints.after = after.or(hints.after);
    hints.until = until.or(hints.until);
}

/// A delay as bodies give it, in seconds or as a duration, or else the moment that stands in its place.
fn delay(value: Value<'_>) -> (Option<Duration>, Option<WallTime>) {
    /// More seconds than that, some thirty years, are a moment of the epoch.
    const FIRST_EPOCH_SECOND: f64 = 1e9;
    const FIRST_EPOCH_MILLISECOND: f64 = 1e11;
    const LAST_EPOCH_MILLISECOND: f64 = 1e14;
    if let Some(number) = value.as_f64() {
        let milliseconds = if number < FIRST_EPOCH_MILLISECOND { number * 1000.0 } else { number };
        if (FIRST_EPOCH_SECOND..LAST_EPOCH_MILLISECOND).contains(&number) {
            let since_epoch = hint::from_seconds(milliseconds / 1000.0);
            return (None, since_epoch.map(|since| WallTime(0).after(since)));
        }
        return (hint::from_seconds(number), None);
    }
    let text = value.as_str().unwrap_or_default();
    (hint::go_duration(&text), hint::timestamp(&text))
}

/// The machine-readable code: a symbol by a name that means it, a symbol by a name that may, a number.
fn code(subject: &Subject<'_>) -> Option<String> {
    let symbols = subject.inside_out().find_map(symbol);
    let category = |object: Value<'_>| object.get("category")?.as_str().filter(|text| is_code(text)).map(Into::into);
    symbols.or_else(|| subject.inside_out().find_map(number)).or_else(|| subject.inside_out().find_map(category))
}

/// The code of an object that says it with a word.
fn symbol(object: Value<'_>) -> Option<String> {
    let told = message_here(object).is_some();
    let certain = CODE.iter().find_map(|name| {
        let text = object.get(name)?.as_str()?;
        let text = text.trim();
        (!text.is_empty() && text.len() <= 128 && !text.contains('\n') && !is_link(text)).then(|| text.to_string())
    });
    let extension = || {
        ["extensions", "data", "sys"].iter().find_map(|name| {
            let aside = object.get(name)?;
            let code = if *name == "sys" { aside.get("id") } else { aside.first(&["code", "errorCode"]) };
            code?.as_str().filter(|code| is_code(code)).map(Into::into)
        })
    };
    let likely = || {
        LIKE_CODE.iter().find_map(|name| {
            let text = object.get(name)?.as_str()?;
            // Names of classes of things: they are a code only where something else is the message.
            let only_with_words = matches!(*name, "name" | "id" | "key" | "slug");
            // A status in words is a code only as a constant.
            let constant = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit());
            let symbolic = constant && !text.bytes().all(|byte| byte.is_ascii_digit()) || text.contains('_');
            let fits = is_code(&text) && (!only_with_words || told) && (*name != "status" || symbolic);
            fits.then(|| text.into_owned())
        })
    };
    certain.or_else(extension).or_else(likely)
}

fn number(object: Value<'_>) -> Option<String> {
    CODE.iter().chain(&NUMERIC_CODE).find_map(|name| object.get(name)?.as_digits().map(ToString::to_string))
}

/// Whether messages are of no field: a list of texts, or a text in one language or another.
fn is_about_the_whole(messages: Value<'_>) -> bool {
    messages.items().any(Value::is_string)
        || messages.first(&["value", "text", "lang", "message", "en", "default", "error", "errors", "global"]).is_some()
}

/// The message that an object itself has.
fn message_here(object: Value<'_>) -> Option<String> {
    MESSAGE.iter().find_map(|name| {
        let value = object.get(name)?;
        // OData 3 has `message: { lang, value }`; class-validator and Jira have lists.
        let value = match value.items().next() {
            Some(first) if matches!(*name, "message" | "errorMessages" | "error_messages") => first,
            _ => value.first(&["value", "message", "text"]).unwrap_or(value),
        };
        words(value)
    })
}

fn message(subject: &Subject<'_>, code: Option<&str>) -> Option<String> {
    let is_told = |text: &String| Some(text.as_str()) != code;
    subject
        .inside_out()
        .find_map(message_here)
        .or_else(|| {
            // What may be a code is words if it is not the code.
            subject.inside_out().find_map(|object| {
                ["error", "err", "reason", "title", "errors", "errorText", "cause", "info", "issue", "details", "text"]
                    .iter()
                    .find_map(|name| {
                        let value = object.get(name)?;
                        let value = if value.is_array() { value.items().next()? } else { value };
                        words(value.get("text").unwrap_or(value)).filter(is_told)
                    })
            })
        })
        .or_else(|| {
            let text = subject.list.unwrap_or(subject.outer);
            words(text).or_else(|| text.items().find_map(words)).filter(is_told)
        })
        .filter(|text| text.len() <= super::LONGEST_MESSAGE)
}

/// The fields that a list of keys names; what is wrong with them is the message of the whole.
fn keys(validation: Value<'_>) -> Vec<FieldError> {
    let names = validation.get("keys").into_iter().flat_map(Value::items).filter_map(Value::as_str).take(fields::MOST_FIELDS);
    names.map(|name| FieldError { path: name.into(), ..FieldError::default() }).collect()
}

fn field_errors(subject: &Subject<'_>, status: u16) -> Vec<FieldError> {
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
