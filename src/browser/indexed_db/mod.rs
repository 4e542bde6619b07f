//! The queue in IndexedDB: one row per action, one per user, every write with strict durability.

mod connection;
mod request;
mod transaction;

pub use transaction::IndexedDbTransaction;

use crate::platform::{Access, Store, StoreError};
use std::cell::RefCell;
use std::rc::Rc;
use web_sys::IdbDatabase;

/// Rows `{ userId, seq, id, row }`; `row` is the action's JSON, so that reading one crosses into the SDK once.
const ACTIONS: &str = "actions";
/// The index of [`ACTIONS`] by user and id.
const BY_ID: &str = "byId";
/// The records of the queues, as JSON, by user.
const USERS: &str = "users";

/// The store in a database. Opens it when it is first needed, and again when the connection was lost.
#[derive(Debug, Clone)]
pub struct IndexedDb {
    name: Rc<str>,
    connection: Rc<RefCell<Option<IdbDatabase>>>,
}

impl IndexedDb {
    /// The store in the database of that name. Opens nothing yet.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), connection: Rc::default() }
    }

    async fn connect(&self) -> Result<IdbDatabase, StoreError> {
        if let Some(open) = self.connection.borrow().clone() {
            return Ok(open);
        }
        let opened = connection::open(&self.name, &self.connection).await?;
        let mut connection = self.connection.borrow_mut();
        if let Some(earlier) = connection.clone() {
            // Two transactions found it closed at the same time; one connection is enough.
            opened.close();
            return Ok(earlier);
        }
        *connection = Some(opened.clone());
        Ok(opened)
    }
}

impl Store for IndexedDb {
    type Transaction = IndexedDbTransaction;

    fn durability(&self) -> &'static str {
        "indexedDb"
    }

    async fn transaction(&self, access: Access) -> Result<IndexedDbTransaction, StoreError> {
        let database = self.connect().await?;
        if let Ok(transaction) = IndexedDbTransaction::begin(&database, access) {
            return Ok(transaction);
        }
        // The browser closed the connection behind our back. A fresh one is tried once.
        self.connection.borrow_mut().take();
        IndexedDbTransaction::begin(&self.connect().await?, access)
    }
}

impl Drop for IndexedDb {
    fn drop(&mut self) {
        if Rc::strong_count(&self.connection) == 1
            && let Some(open) = self.connection.borrow_mut().take()
        {
            open.close();
        }
    }
}
