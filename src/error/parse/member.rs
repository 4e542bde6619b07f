//! Reading members of a JSON object that may not be there, or be of another type than documented.

use crate::error::FieldError;
use serde_json::Value;

/// A member that is a string with something in it.
pub(super) fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().filter(|text| !text.is_empty()).map(ToString::to_string)
}

/// A code: a string, or a number as its digits.
pub(super) fn code(object: &Value, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(code) if !code.is_empty() => Some(code.clone()),
        _ => None,
    }
}

/// A member that is `true` or `false`.
pub(super) fn flag(object: &Value, name: &str) -> Option<bool> {
    object.get(name)?.as_bool()
}

/// A whole number, or a string of digits: what rate-limit counts come as.
pub(super) fn count(object: &Value, name: &str) -> Option<u64> {
    let value = object.get(name)?;
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A number of seconds, as a number or a numeric string.
pub(super) fn seconds(object: &Value, name: &str) -> Option<f64> {
    let value = object.get(name)?;
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A member that is there and not null.
pub(super) fn any(object: &Value, name: &str) -> Option<Value> {
    object.get(name).filter(|value| !value.is_null()).cloned()
}

/// A list of `{ field | path, message | error, constraint, value, allowed }`; other lists give nothing.
pub(super) fn field_errors(list: Option<&Value>) -> Vec<FieldError> {
    let entries = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            Some(FieldError {
                path: text(entry, "field").or_else(|| text(entry, "path"))?,
                message: text(entry, "message").or_else(|| text(entry, "error")),
                constraint: text(entry, "constraint"),
                value: any(entry, "value").as_ref().map(Into::into),
                allowed: any(entry, "allowed").as_ref().map(Into::into),
            })
        })
        .collect()
}
