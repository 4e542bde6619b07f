//! The disk.

use crate::queue::action::Action;
use crate::queue::record::UserRecord;
use serde::Serialize;
use std::future::Future;

/// A place that outlives the page, or says that it does not.
pub trait Store {
    /// See [`Transaction`].
    type Transaction: Transaction;

    /// What `enqueue` promises when it stores here: `indexedDb`, `localStorage` or `memory`.
    fn durability(&self) -> &'static str;
    /// Begins a transaction. One that may write holds the store alone until it is committed or dropped, which rolls it back.
    fn transaction(&self, access: Access) -> impl Future<Output = Result<Self::Transaction, StoreError>>;
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It changes nothing, and waits for no disk.
    Read,
    /// It may change anything.
    Write,
}

/// Changes that happen all or not at all.
///
/// Between its creation and its commit nothing may be awaited but its own methods: an IndexedDB transaction ends by itself
/// as soon as it is idle.
pub trait Transaction {
    /// The record of a user's queue; the empty one if there is none yet.
    fn record(&self, user_id: &str) -> impl Future<Output = Result<UserRecord, StoreError>>;
    /// Up to `limit` of a user's actions from `seq` on, in order.
    fn actions_from(&self, user_id: &str, seq: u64, limit: u32) -> impl Future<Output = Result<Vec<Action>, StoreError>>;
    /// The user's actions with sequence numbers from `first` to `last`, in order.
    fn actions_between(&self, user_id: &str, first: u64, last: u64) -> impl Future<Output = Result<Vec<Action>, StoreError>>;
    /// The user's action of that id.
    fn find(&self, user_id: &str, id: &str) -> impl Future<Output = Result<Option<Action>, StoreError>>;
    /// Writes the record.
    fn write_record(&self, user_id: &str, record: &UserRecord) -> Result<(), StoreError>;
    /// Writes an action.
    fn write(&self, action: &Action) -> Result<(), StoreError>;
    /// Deletes an action.
    fn delete(&self, user_id: &str, seq: u64) -> Result<(), StoreError>;
    /// Resolves when all of it is on disk.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>>;
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
    /// Anything else.
    Failed,
}

impl StoreError {
    /// An error of that kind.
    pub fn new(kind: StoreErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self { kind, operation, message: message.into() }
    }
}
