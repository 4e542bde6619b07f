//! Texts that outlive the page.

use super::StoreError;

/// Texts under their keys, which all tabs of an origin share and which outlive them: `localStorage`, as it is.
///
/// Unlike a [`KeyValue`](super::KeyValue) it says so when it cannot keep something. Nothing here waits. A write of one text is atomic;
/// whoever runs in the same process sees it at once, and another process a moment later.
pub trait Texts {
    /// The text under that key.
    fn read(&self, key: &str) -> Result<Option<String>, StoreError>;
    /// Replaces the text under that key. [`QuotaExceeded`](super::StoreErrorKind::QuotaExceeded) if there is no room for it: then
    /// the old one is still there.
    fn write(&self, key: &str, text: &str) -> Result<(), StoreError>;
    /// Forgets the text under that key, if there is one.
    fn remove(&self, key: &str) -> Result<(), StoreError>;
    /// All keys that begin so, in any order.
    fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError>;
}
