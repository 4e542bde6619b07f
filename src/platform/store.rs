//! How the disk is asked, and how it fails.

use serde::Serialize;

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It changes nothing, and waits for no disk.
    Read,
    /// It may change anything.
    Write,
}

/// What went wrong with the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{operation}: {message}")]
#[serde(rename_all = "camelCase")]
pub struct StoreError {
    /// What kind of failure it is.
    pub kind: StoreErrorKind,
    /// What was being done.
    pub operation: &'static str,
    /// The browser's own words: a `DOMException`'s name and message.
    pub message: String,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StoreErrorKind {
    /// There is no such store here, or it may not be used: no IndexedDB, storage denied.
    Unavailable,
    /// It is full.
    QuotaExceeded,
    /// Another tab holds an older version of it open.
    Blocked,
    /// It did not answer in time.
    TimedOut,
    /// The connection was lost: closed by the browser, or the database deleted.
    Closed,
    /// What is stored cannot be read.
    Unreadable,
    /// What is stored is encrypted, or has to be, and the key cannot be had just now.
    KeyUnavailable,
    /// Files that an action names are not kept any longer, or not yet: they have to be stored again.
    FilesGone,
    /// Another tab has changed the same in the same moment, or only now it was seen that a key is needed. Nothing was changed here; it
    /// can be tried again.
    Overtaken,
    /// Anything else.
    Failed,
}

impl StoreErrorKind {
    /// Whether it is the store as a whole that cannot be used just now, and not something in it.
    pub fn is_of_the_store(self) -> bool {
        matches!(self, Self::Unavailable | Self::Blocked | Self::TimedOut | Self::Closed)
    }
}

impl StoreError {
    /// An error of that kind.
    pub fn new(kind: StoreErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self { kind, operation, message: message.into() }
    }
}
