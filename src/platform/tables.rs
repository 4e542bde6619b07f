//! The disk: two tables, and transactions over both.

pub use crate::queue::durability::Durability;
pub use crate::queue::row::{Lane, Row};

use super::{Access, StoreError};
use crate::time::WallTime;
use futures_util::future::try_join_all;
use serde::Serialize;
use std::future::{Future, ready};

/// A place that outlives the page, or says that it does not.
pub trait Store {
    /// See [`Transaction`].
    type Transaction: Transaction;

    /// What `enqueue` promises when it stores here.
    fn durability(&self) -> Durability;
    /// Begins a transaction. One that may write holds the store alone until it is committed or dropped, which rolls it back.
    fn transaction(&self, access: Access) -> impl Future<Output = Result<Self::Transaction, StoreError>>;

    /// For a caller for whom writing has failed for good: from now on everything goes to a lesser place. `false` if there is none.
    fn step_down(&self, _error: StoreError) -> bool {
        false
    }
    /// Says that what is put here of a user's queue next may lie in a better place as well: nobody could tell whether it was stored there.
    fn is_in_doubt(&self, _user_id: &str) {}
    /// Whether what is here of a user's queue may be sent: whether nothing older lies in a better place that cannot be used just now.
    fn may_send(&self, _user_id: &str) -> bool {
        true
    }
    /// Where what is to be sent next of a user's queue lies: here, or in a better place that can be read and takes nothing new, as when
    /// it is full. `None` if that lies where it cannot be read just now, so that nothing [may be sent](Store::may_send).
    fn sends_from(&self, _user_id: &str) -> Option<Durability> {
        Some(self.durability())
    }
    /// Begins a transaction in the place that [is sent from](Store::sends_from), whatever place new actions go to by now.
    fn transaction_at(&self, _place: Durability, access: Access) -> impl Future<Output = Result<Self::Transaction, StoreError>> {
        self.transaction(access)
    }
    /// The places in which something of a user's queue may lie, as far as is known: the one where new actions go to, and then others.
    fn places(&self, _user_id: &str) -> Vec<Durability> {
        vec![self.durability()]
    }
    /// Whether some of a user's queue may lie in two places: it is being brought from one to the other, or that was broken off.
    fn is_in_two_places(&self, _user_id: &str) -> bool {
        false
    }
    /// The places that could be used when that was tried last, the best first.
    fn usable_places(&self) -> Vec<Durability> {
        vec![self.durability()]
    }
    /// Whether something of a user's queue is thought to lie in a place, so that it matters when [nothing is left](Store::nothing_is_left).
    fn is_thought_to_hold(&self, _user_id: &str, _place: Durability) -> bool {
        false
    }
    /// Says that nothing is left in a place of a user's queue that would have to be sent before what comes later. To be called while
    /// nobody can put anything there: in a transaction that may write.
    fn nothing_is_left(&self, _user_id: &str, _place: Durability) {}
    /// Brings what lies in a lesser place to the best one that works, and goes on there. To be called when there is
    /// [something to bring](Store::may_be_promoted), by one tab at a time, while nobody sends. What lies there of others is brought as
    /// well, if it is known that nobody sends it either.
    ///
    /// `absorb` writes a lot to the better place, by the rules of appending, and hands the transaction back. Nothing but the methods of its transaction may be awaited
    /// in it. What it fails with ends the promotion: what has been brought stays there, the rest where it was.
    fn promote(
        &self,
        _user_id: &str,
        _others: &[String],
        _absorb: impl AsyncFn(Self::Transaction, Lot) -> Result<Self::Transaction, StoreError>,
    ) -> impl Future<Output = Result<(), StoreError>> {
        ready(Ok(()))
    }
    /// Whose queues lie in lesser places, as far as that can be seen.
    fn users_below(&self) -> impl Future<Output = Vec<String>> {
        ready(Vec::new())
    }
    /// Whether this is not the best place, or something may lie in a lesser one.
    fn may_be_promoted(&self, _user_id: &str) -> bool {
        false
    }
    /// Calls the listener when the browser has ended what was open here, as it does when it deletes it. It need not be so that anything
    /// is gone, and something may be gone without it.
    fn on_loss(&self, _listener: Box<dyn Fn()>) {}
    /// Takes why what ought to be encrypted is kept in plain text, if that has come to be since this was asked last.
    fn take_key_failure(&self) -> Option<StoreError> {
        None
    }
    /// Encrypts what is there of a user's queue in plain text, if it ought not to be: once, after that was asked for.
    fn seal_the_rest(&self, _user_id: &str) -> impl Future<Output = Result<(), StoreError>> {
        ready(Ok(()))
    }
    /// From now on what is written of a user is encrypted with another key, if it is encrypted.
    fn renew_key(&self, _user_id: &str) -> impl Future<Output = Result<(), StoreError>> {
        ready(Ok(()))
    }
    /// Forgets the keys that were renewed, and with that all that only they can open.
    fn forget_old_keys(&self, _user_id: &str) -> impl Future<Output = Result<(), StoreError>> {
        ready(Ok(()))
    }
    /// From now on nothing new is put where it ends with the page: there is nobody left here who would bring it to a better place.
    fn close(&self) {}
    /// Takes what has happened since this was asked last, in order.
    fn take_changes(&self) -> Vec<PlaceChange> {
        Vec::new()
    }
}

/// Everything is kept in another place from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceChange {
    /// Where it was kept until then.
    pub from: Durability,
    /// Where it is kept from now on.
    pub to: Durability,
    /// Why it is a lesser place; nothing if it is a better one.
    pub error: Option<StoreError>,
}

/// All that lies in a lesser place of a user: what is brought to a better one at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Whose it is.
    pub user_id: String,
    /// Where it lies.
    pub from: Durability,
    /// The rows that are not in the better place yet, of all lanes, in the order of their sequence numbers.
    pub rows: Vec<Row>,
    /// The documents, as they are there: kinds, names and texts.
    pub documents: Vec<(Kind, String, String)>,
    /// Whether some of it may have been brought before, without being gone from there.
    pub may_have_been_brought: bool,
}

/// The kinds of documents. Within a kind, a user's documents have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The record of the queue as a whole, without a name.
    Queue = 0,
    /// What became of the actions of a batch, by the batch's number.
    History = 1,
    /// What [holds](crate::queue::file::Holder) a file, by the file's id. It is never encrypted: there is nothing in it but ids and moments.
    File = 2,
}

/// Changes that happen all or not at all.
///
/// Between its creation and its commit nothing may be awaited but its own methods: an IndexedDB transaction ends by itself
/// as soon as it is idle. Several reads may be under way at the same time. A read sees what the same transaction has written.
pub trait Transaction {
    /// Where it writes, which is where its store kept things when it was begun.
    fn durability(&self) -> Durability;
    /// Whether what it reads of a user's queue may lie in a better place as well, and have been sent from there.
    fn may_lie_above(&self, _user_id: &str) -> bool {
        false
    }
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
    /// The rows of these ids, in their order.
    fn find_all(&self, user_id: &str, ids: &[String]) -> impl Future<Output = Result<Vec<Option<Row>>, StoreError>> {
        try_join_all(ids.iter().map(|id| self.find(user_id, id)))
    }
    /// Up to `limit` of the rows of that key from `first` on, in whatever lanes, in the order of their sequence numbers.
    fn of_key(&self, user_id: &str, key: &str, first: u64, limit: u32) -> impl Future<Output = Result<Vec<Row>, StoreError>>;
    /// The last of the rows of that key, in whatever lane.
    fn last_of_key(&self, user_id: &str, key: &str) -> impl Future<Output = Result<Option<Row>, StoreError>>;
    /// Up to `limit` of the rows whose time comes until then, the earliest first.
    fn due(&self, user_id: &str, until: WallTime, limit: u32) -> impl Future<Output = Result<Vec<Row>, StoreError>>;
    /// Up to `limit` of the rows that depend on the action of that id.
    fn after(&self, user_id: &str, id: &str, limit: u32) -> impl Future<Output = Result<Vec<Row>, StoreError>>;
    /// How many rows are in a lane. This may take as long as there are many.
    fn count(&self, user_id: &str, lane: Lane) -> impl Future<Output = Result<u64, StoreError>>;
    /// Writes a row at its place. One of the same id at another place has been deleted before, in the same transaction or earlier.
    fn write(&self, user_id: &str, row: &Row) -> Result<(), StoreError>;
    /// Writes a row at a place where none has been, nor has been deleted. What comes together so may be stored together, at less cost.
    fn write_new(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        self.write(user_id, row)
    }
    /// Deletes the rows of a lane with sequence numbers from `first` to `last`.
    fn delete(&self, user_id: &str, lane: Lane, first: u64, last: u64) -> Result<(), StoreError>;
    /// To be awaited now and then by whoever writes many rows: lets the page do something else in between, if it is time to.
    fn pace(&self) -> impl Future<Output = Result<(), StoreError>> {
        ready(Ok(()))
    }
    /// Whose queues there are.
    fn users(&self) -> impl Future<Output = Result<Vec<String>, StoreError>>;

    /// Resolves when all of it is on disk.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>>;
}
