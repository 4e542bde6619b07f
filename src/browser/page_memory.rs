//! What a page keeps of a queue where nothing else can: as long as it lives, however many clients it opens and closes meanwhile.

use super::global;
use super::key_value::OwnTexts;
use crate::flat_map::FlatMap;
use crate::store::Memory;
use std::cell::RefCell;
use wasm_bindgen::JsValue;

thread_local! {
    static KEPT: RefCell<FlatMap<String, PageMemory>> = RefCell::default();
}

/// What is kept. Its clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct PageMemory {
    /// The lowest of the places for queues.
    pub(super) queues: Memory,
    /// What is known of the places above it, where that cannot be shared.
    pub(super) hints: OwnTexts,
}

impl PageMemory {
    /// What is kept beside the database of that name: by the page, if this is one. A server that runs the application as well has clients
    /// that know nothing of each other.
    pub(super) fn beside(database: &str) -> Self {
        if global::member::<JsValue>("document").is_none() {
            return Self::default();
        }
        KEPT.with_borrow_mut(|kept| {
            if let Some(known) = kept.get(database) {
                return known.clone();
            }
            let new = Self::default();
            kept.insert(database.into(), new.clone());
            new
        })
    }
}
