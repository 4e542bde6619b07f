//! The code and the message, by the names that backends give them.

use super::super::vocabulary::{CODE, LIKE_CODE, MESSAGE, NUMERIC_CODE, is_code, is_link, words};
use super::subject::Subject;
use crate::json::Value;

/// The machine-readable code: a symbol by a name that means it, a symbol by a name that may, a number.
pub(super) fn code(subject: &Subject<'_>) -> Option<String> {
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

/// The message that an object itself has.
pub(super) fn message_here(object: Value<'_>) -> Option<String> {
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

pub(super) fn message(subject: &Subject<'_>, code: Option<&str>) -> Option<String> {
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
        .filter(|text| text.len() <= super::super::LONGEST_MESSAGE)
}
