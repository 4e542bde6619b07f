//! Looking things up in the global scope, which is not the same in a window and in a worker.

use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};

/// A member of the global object; `None` if this browser, or this kind of scope, has none.
pub(super) fn member<T: JsCast>(name: &str) -> Option<T> {
    property(&js_sys::global(), name)
}

/// A member of any object; `None` if it is missing, null, or may not be read.
pub(super) fn property<T: JsCast>(object: &JsValue, name: &str) -> Option<T> {
    let value = Reflect::get(object, &JsValue::from_str(name)).ok()?;
    // Unchecked: a mock, or an object of another realm, is no instance of this realm's class.
    (!value.is_undefined() && !value.is_null()).then(|| value.unchecked_into())
}

/// What was thrown, in words: an error's name and message, or whatever it is as a string.
pub(crate) fn describe(thrown: &JsValue) -> String {
    let text = |name| property::<JsValue>(thrown, name).and_then(|value| value.as_string());
    match (text("name"), text("message")) {
        (Some(name), Some(message)) if !message.is_empty() => format!("{name}: {message}"),
        (Some(name), _) => name,
        (None, Some(message)) => message,
        (None, None) => thrown.as_string().unwrap_or_else(|| format!("{thrown:?}")),
    }
}
