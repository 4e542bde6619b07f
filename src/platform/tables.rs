//! The disk: two tables, and transactions over both.

use super::{Access, StoreError};
use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use std::future::Future;

/// A place that outlives the page, or says that it does not.
pub trait Store {
    /// See [`Transaction`].
    type Transaction: Transaction;

    /// What `enqueue` promises when it stores here.
    fn durability(&self) -> Durability;
    /// Begins a transaction. One that may write holds the store alone until it is committed or dropped, which rolls it back.
    fn transaction(&self, access: Access) -> impl Future<Output = Result<Self::Transaction, StoreError>>;
}

/// Where something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Durability {
    /// In the page alone. It ends with it.
    Memory,
    /// In `localStorage`: it survives reloads and crashes of the page.
    LocalStorage,
    /// In IndexedDB, with strict durability: it survives crashes of the browser as well.
    IndexedDb,
}

/// A part of a user's queue. What lies in one lane is in the order of its sequence numbers.
///
/// What lies in one of the first four may be sent; nothing else may. So whoever looks for work reads what he takes, and no more,
/// however much lies elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", from = "u8")]
#[repr(u8)]
pub enum Lane {
    /// To be sent, before all others.
    Critical = 0,
    /// To be sent.
    High = 1,
    /// To be sent.
    Normal = 2,
    /// To be sent.
    Low = 3,
    /// Behind others of its key.
    Waiting = 4,
    /// Until its time has come.
    Delayed = 5,
    /// Until another action has been applied.
    Dependent = 6,
    /// Until a conflict is decided.
    Conflict = 7,
    /// A dead letter.
    Dead = 8,
    /// It cannot be read: a newer version has written it, or it is damaged.
    Unreadable = 9,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 10] = [
        Self::Critical,
        Self::High,
        Self::Normal,
        Self::Low,
        Self::Waiting,
        Self::Delayed,
        Self::Dependent,
        Self::Conflict,
        Self::Dead,
        Self::Unreadable,
    ];
    /// Those from which actions are sent, the most urgent first.
    pub const READY: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// Whether what lies in it may be sent.
    pub fn is_ready(self) -> bool {
        self <= Self::Low
    }
}

impl From<Lane> for u8 {
    fn from(lane: Lane) -> Self {
        lane as Self
    }
}

impl From<u8> for Lane {
    /// What a newer version has put elsewhere cannot be read.
    fn from(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Unreadable)
    }
}

/// An action as the store sees it: a text, and what it is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The part of the queue that it lies in.
    pub lane: Lane,
    /// Its place there. No two rows of a user have the same, whatever their lanes. Below 2^53.
    pub seq: u64,
    /// No two rows of a user have the same.
    pub id: String,
    /// The key behind whose earlier actions it waits. See [`Transaction::behind`].
    pub behind: Option<String>,
    /// When its time comes. See [`Transaction::due`].
    pub due: Option<WallTime>,
    /// The id of the action that it depends on. See [`Transaction::after`].
    pub after: Option<String>,
    /// All that is known of it.
    pub text: String,
}

/// The kinds of documents. Within a kind, a user's documents have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The record of the queue as a whole, without a name.
    Queue = 0,
    /// What is known of a key, by its name.
    Key = 1,
    /// What became of the actions of a batch, by the batch's number.
    History = 2,
}

/// Changes that happen all or not at all.
///
/// Between its creation and its commit nothing may be awaited but its own methods: an IndexedDB transaction ends by itself
/// as soon as it is idle. Several reads may be under way at the same time. A read sees what the same transaction has written.
pub trait Transaction {
    /// The document of that kind and name.
    fn document(&self, user_id: &str, kind: Kind, name: &str) -> impl Future<Output = Result<Option<String>, StoreError>>;
    /// All of a user's documents of that kind, in the order of their names: names, and texts.
    fn documents(&self, user_id: &str, kind: Kind) -> impl Future<Output = Result<Vec<(String, String)>, StoreError>>;
    /// Writes a document, or deletes it.
    fn write_document(&self, user_id: &str, kind: Kind, name: &str, text: Option<&str>) -> Result<(), StoreError>;

    /// Up to `limit` of the rows of a lane with sequence numbers from `first` to `last`, in order.
    fn rows(
        &self,
        user_id: &str,
        lane: Lane,
        first: u64,
        last: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>>;
    /// The row of that id.
    fn find(&self, user_id: &str, id: &str) -> impl Future<Output = Result<Option<Row>, StoreError>>;
    /// Up to `limit` of the rows that wait behind that key, in the order of their sequence numbers.
    fn behind(&self, user_id: &str, key: &str, limit: u32) -> impl Future<Output = Result<Vec<Row>, StoreError>>;
    /// The last of the rows that wait behind that key.
    fn last_behind(&self, user_id: &str, key: &str) -> impl Future<Output = Result<Option<Row>, StoreError>>;
    /// Up to `limit` of the rows whose time comes until then, the earliest first.
    fn due(&self, user_id: &str, until: WallTime, limit: u32) -> impl Future<Output = Result<Vec<Row>, StoreError>>;
    /// Up to `limit` of the rows that depend on the action of that id.
    fn after(&self, user_id: &str, id: &str, limit: u32) -> impl Future<Output = Result<Vec<Row>, StoreError>>;
    /// How many rows are in a lane. This may take as long as there are many.
    fn count(&self, user_id: &str, lane: Lane) -> impl Future<Output = Result<u64, StoreError>>;
    /// Writes a row at its place. One of the same id at another place has been deleted before, in the same transaction or earlier.
    fn write(&self, user_id: &str, row: &Row) -> Result<(), StoreError>;
    /// Deletes the rows of a lane with sequence numbers from `first` to `last`.
    fn delete(&self, user_id: &str, lane: Lane, first: u64, last: u64) -> Result<(), StoreError>;
    /// Whose queues there are.
    fn users(&self) -> impl Future<Output = Result<Vec<String>, StoreError>>;

    /// Resolves when all of it is on disk.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>>;
}
