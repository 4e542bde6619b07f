//! The places in which a queue may be kept.

use serde::{Deserialize, Serialize};

/// Where something is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Durability {
    /// In the page alone. It ends with it.
    #[default]
    Memory,
    /// In `localStorage`: it survives reloads and crashes of the page.
    LocalStorage,
    /// In IndexedDB, with strict durability: it survives crashes of the browser as well.
    IndexedDb,
}
