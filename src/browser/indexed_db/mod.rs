//! The queue in IndexedDB: one row per action, one per user, every write with strict durability.

mod connection;
mod request;
mod transaction;

pub use transaction::IndexedDbTransaction;

use crate::platform::{Access, Store, StoreError};
use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared};
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
    connection: Rc<RefCell<Connection>>,
}

/// All who come while the database opens wait for the same opening, and go on in the order in which they came.
type Opening = Shared<LocalBoxFuture<'static, Result<IdbDatabase, StoreError>>>;

#[derive(Debug, Default)]
enum Connection {
    #[default]
    Closed,
    Opening(Opening),
    Open(IdbDatabase),
}

impl Connection {
    /// That connection has ended; another one, opened since, has not.
    fn forget(&mut self, ended: &IdbDatabase) {
        if matches!(self, Self::Open(open) if open == ended) {
            *self = Self::Closed;
        }
    }
}

impl IndexedDb {
    /// The store in the database of that name. Opens nothing yet.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), connection: Rc::default() }
    }

    async fn connect(&self) -> Result<IdbDatabase, StoreError> {
        let opening = {
            let mut connection = self.connection.borrow_mut();
            match &*connection {
                Connection::Open(open) => return Ok(open.clone()),
                Connection::Opening(opening) => opening.clone(),
                Connection::Closed => {
                    let opening = connection::open(self.name.clone(), Rc::downgrade(&self.connection)).boxed_local().shared();
                    *connection = Connection::Opening(opening.clone());
                    opening
                }
            }
        };
        let opened = opening.clone().await;
        let mut connection = self.connection.borrow_mut();
        // The first to go on enters the result; a failure is not kept, and the next one tries again.
        if matches!(&*connection, Connection::Opening(current) if current.ptr_eq(&opening)) {
            *connection = opened.clone().map_or(Connection::Closed, Connection::Open);
        }
        opened
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
        self.connection.borrow_mut().forget(&database);
        IndexedDbTransaction::begin(&self.connect().await?, access)
    }
}

impl Drop for IndexedDb {
    fn drop(&mut self) {
        if Rc::strong_count(&self.connection) == 1
            && let Connection::Open(open) = self.connection.take()
        {
            open.close();
        }
    }
}
