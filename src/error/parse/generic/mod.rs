//! What can be read out of JSON that has no name: the same few things, by the names that backends usually give them.

mod field_errors;
mod subject;
mod words;

use super::Reading;
use super::vocabulary::{
    CORRELATION_ID, ERROR_ID, HELP, REQUEST_ID, RETRY_AFTER_MILLISECONDS, RETRY_AFTER_SECONDS, RETRYABLE, link, words as text,
};
use crate::json::Value;
use crate::policy::hint::{self, BodyHints};
use crate::time::WallTime;
use field_errors::field_errors;
use std::time::Duration;
use subject::{Subject, tells};
use words::{code, message};

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
        text(object.first(&own).or_else(localized)?)
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
