//! Markdown out of words, lists and the names of things.

use crate::error::Result;
use serde::Serialize;

/// How wide the prose is set.
const COLUMNS: usize = 128;

/// Each of them once, in the order in which they first came.
pub(crate) fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// The name of a unit variant, as it is in the JSON that applications get.
pub(crate) fn name<T: Serialize>(variant: &T) -> Result<String> {
    Ok(serde_json::to_value(variant)?.as_str().unwrap_or_default().to_string())
}

pub(crate) fn named<T: Serialize>(variant: &T) -> Result<String> {
    Ok(format!("`{}`", name(variant)?))
}

pub(crate) fn listed<T: Serialize>(variants: &[T]) -> Result<String> {
    Ok(variants.iter().map(named).collect::<Result<Vec<_>>>()?.join(", "))
}

pub(crate) fn linked(code: &str) -> String {
    format!("[`{code}`](#{})", code.to_lowercase())
}

pub(crate) fn bullets(items: &[String]) -> String {
    items.iter().fold(String::new(), |text, item| text + &wrapped(item, "- ", "  ") + "\n")
}

pub(crate) fn steps(items: &[String]) -> String {
    (1..).zip(items).fold(String::new(), |text, (number, item)| text + &wrapped(item, &format!("{number}. "), "   ") + "\n")
}

/// Set in lines, the first and the others after what they begin with.
pub(crate) fn wrapped(text: &str, first: &str, others: &str) -> String {
    let mut lines = vec![first.to_string()];
    let mut is_first_word = true;
    for word in text.split(' ') {
        let line = lines.pop().unwrap_or_default();
        if is_first_word {
            lines.push(line + word);
        } else if line.chars().count() + 1 + word.chars().count() <= COLUMNS {
            lines.push(line + " " + word);
        } else {
            lines.extend([line, others.to_string() + word]);
        }
        is_first_word = false;
    }
    lines.join("\n")
}

/// A status with its name (RFC 9110 §15, RFC 6585, RFC 8470, RFC 4918, RFC 7725; above 509 by common use).
pub(crate) fn described(status: u16) -> String {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        423 => "Locked",
        425 => "Too Early",
        429 => "Too Many Requests",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        520 => "(Cloudflare: unknown error)",
        529 => "(overloaded)",
        _ => return status.to_string(),
    };
    format!("{status} {reason}")
}
