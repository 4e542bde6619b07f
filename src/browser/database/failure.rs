//! What IndexedDB says when it fails, and what that means.

use crate::browser::global::{describe, property};
use crate::platform::{StoreError, StoreErrorKind};
use wasm_bindgen::JsValue;

/// What browsers say, in lower case and under whatever name, when the connection is of no use any longer. Chromium: "Internal error
/// opening backing store for indexedDB.open.", "The database connection is closing."; WebKit: "Connection to Indexed Database server
/// lost. Refresh the page to try again".
const LOST: [&str; 5] = ["backing store", "connection is closing", "connection was closed", "server lost", "connection lost"];
/// Chromium: "Encountered full disk while opening backing store for indexedDB.open."
const FULL: [&str; 4] = ["full disk", "disk is full", "quota", "no space"];
/// Firefox, in a private window of an old version: "A mutation operation was attempted on a database that did not allow mutations."
const FORBIDDEN: [&str; 2] = ["did not allow mutations", "denied"];
/// Chromium, where the file of a large value is gone: "Failed to read large IndexedDB value".
const DAMAGED: [&str; 2] = ["failed to read", "corrupt"];

/// What was thrown, or given as the reason of a failure or an abort.
pub(in crate::browser) fn store_error(operation: &'static str, thrown: &JsValue) -> StoreError {
    let text = |name| property::<JsValue>(thrown, name).and_then(|value| value.as_string()).unwrap_or_default();
    let (name, message) = (text("name"), text("message").to_lowercase());
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    // We never wait for what we have aborted ourselves: it was the browser, which may do better with another connection.
    let is_lost = matches!(name.as_str(), "InvalidStateError" | "UnknownError" | "AbortError") || says(&LOST);
    let kind = match name.as_str() {
        "QuotaExceededError" => StoreErrorKind::QuotaExceeded,
        "SecurityError" | "NotSupportedError" | "NotAllowedError" => StoreErrorKind::Unavailable,
        "VersionError" | "DataCloneError" | "NotReadableError" => StoreErrorKind::Unreadable,
        "TimeoutError" => StoreErrorKind::TimedOut,
        _ if says(&FULL) => StoreErrorKind::QuotaExceeded,
        _ if says(&FORBIDDEN) => StoreErrorKind::Unavailable,
        _ if says(&DAMAGED) => StoreErrorKind::Unreadable,
        _ if is_lost => StoreErrorKind::Closed,
        _ => StoreErrorKind::Failed,
    };
    let words = match name.as_str() {
        "VersionError" => [
            "a newer version of Steadfast has used this database, and this one cannot read it: reload the page to get the newer \
             version, or deploy it again (",
            &describe(thrown),
            ")",
        ]
        .concat(),
        _ => describe(thrown),
    };
    StoreError::new(kind, operation, words)
}
