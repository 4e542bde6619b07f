//! `localStorage`, and the tab's own memory where there is none: in workers, in sandboxed frames, where the user forbids it (then
//! merely looking at it throws), and when it is full.

use super::global;
use crate::platform::{KeyValue, LONGEST_SHARED_VALUE};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::Storage;

/// The small texts of the tabs that share a database.
#[derive(Debug)]
pub struct LocalStorage {
    prefix: String,
    // What could not be shared. A text that is in the storage is newer: this one was written when the storage had none.
    own: OwnTexts,
}

/// Small texts that nobody else sees. Clones are the same texts.
pub(super) type OwnTexts = Rc<RefCell<Vec<(String, String)>>>;

impl LocalStorage {
    /// The texts beside the database of that name.
    pub fn new(database: &str) -> Self {
        Self::over(database, OwnTexts::default())
    }

    /// The same, over the texts that the page remembers by itself.
    pub(super) fn over(database: &str, own: OwnTexts) -> Self {
        Self { prefix: format!("steadfast:{database}:"), own }
    }

    fn name(&self, key: &str) -> String {
        [&self.prefix, key].concat()
    }

    fn forget(&self, key: &str) {
        self.own.borrow_mut().retain(|(own, _)| own != key);
    }
}

impl KeyValue for LocalStorage {
    fn read(&self, key: &str) -> Option<String> {
        let shared = storage().and_then(|storage| storage.get_item(&self.name(key)).ok().flatten());
        shared.or_else(|| self.own.borrow().iter().find(|(own, _)| own == key).map(|(_, value)| value.clone()))
    }

    fn write(&self, key: &str, value: &str) {
        let name = self.name(key);
        let is_shared = storage().is_some_and(|storage| {
            let is_shared = value.len() <= LONGEST_SHARED_VALUE && storage.set_item(&name, value).is_ok();
            if !is_shared {
                // What is there is out of date, and would be read instead. That it cannot be removed is as if it could not be read.
                let _: Result<(), JsValue> = storage.remove_item(&name);
            }
            is_shared
        });
        self.forget(key);
        if !is_shared {
            self.own.borrow_mut().push((key.into(), value.into()));
        }
    }

    fn remove(&self, key: &str) {
        if let Some(storage) = storage() {
            // It fails only where nothing can be read either.
            let _: Result<(), JsValue> = storage.remove_item(&self.name(key));
        }
        self.forget(key);
    }
}

/// Looked up each time: a user may forbid it, or allow it, while the page is open. Only windows have one. Node has one too, which
/// is no origin's, and warns whoever looks at it.
pub(super) fn storage() -> Option<Storage> {
    global::member::<JsValue>("window")?;
    global::member("localStorage")
}
