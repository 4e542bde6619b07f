//! `localStorage` as it is, for a store that has to know whether something was kept.

use super::global::{self, describe};
use super::key_value::storage;
use crate::platform::{StoreError, StoreErrorKind, Texts};
use js_sys::Object;
use wasm_bindgen::JsValue;
use web_sys::Storage;

const READING: &str = "reading localStorage";
const WRITING: &str = "writing to localStorage";

/// The texts in `localStorage` under names that begin alike. There are none in workers, and where the user forbids them.
#[derive(Debug, Clone)]
pub struct LocalTexts {
    prefix: String,
}

impl LocalTexts {
    /// The texts of the queue that belongs to the database of that name.
    pub fn new(database: &str) -> Self {
        Self { prefix: ["steadfast:", database, ":queue:"].concat() }
    }

    fn name(&self, key: &str) -> String {
        [&self.prefix, key].concat()
    }
}

fn available(operation: &'static str) -> Result<Storage, StoreError> {
    storage().ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, operation, "there is no localStorage here"))
}

fn failed(operation: &'static str, thrown: &JsValue) -> StoreError {
    let name = global::property::<JsValue>(thrown, "name").and_then(|name| name.as_string()).unwrap_or_default();
    let kind = match name.as_str() {
        // Gecko once had a name of its own for it.
        "QuotaExceededError" | "NS_ERROR_DOM_QUOTA_REACHED" => StoreErrorKind::QuotaExceeded,
        // Denied, or no storage at all but something of the same name.
        "SecurityError" | "TypeError" => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Failed,
    };
    StoreError::new(kind, operation, describe(thrown))
}

impl Texts for LocalTexts {
    fn read(&self, key: &str) -> Result<Option<String>, StoreError> {
        available(READING)?.get_item(&self.name(key)).map_err(|thrown| failed(READING, &thrown))
    }

    fn write(&self, key: &str, text: &str) -> Result<(), StoreError> {
        available(WRITING)?.set_item(&self.name(key), text).map_err(|thrown| failed(WRITING, &thrown))
    }

    fn remove(&self, key: &str) -> Result<(), StoreError> {
        available(WRITING)?.remove_item(&self.name(key)).map_err(|thrown| failed(WRITING, &thrown))
    }

    fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let prefix = self.name(prefix);
        let names = Object::keys(available(READING)?.as_ref()).into_iter().filter_map(|name| name.as_string());
        Ok(names
            .filter(|name| name.starts_with(&prefix))
            .filter_map(|name| Some(name.get(self.prefix.len()..)?.into()))
            .collect())
    }
}
