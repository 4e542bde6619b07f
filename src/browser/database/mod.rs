//! The queue in IndexedDB: a record per row or run of rows, per document and per file, every write with strict durability.

mod binding;
mod connection;
mod failure;
mod files;
mod listening;
mod transaction;
mod upgrade;

pub(super) use failure::store_error;
pub use transaction::DatabaseTransaction;

use super::BrowserClock;
use super::timer::microseconds;
use crate::platform::tables::{Durability, Store};
use crate::platform::{Access, Clock, StoreError, StoreErrorKind};
use crate::store::runs::MOST_ROWS;
use futures_util::FutureExt as _;
use futures_util::future::{AbortHandle, Aborted, LocalBoxFuture, Shared, abortable};
use js_sys::{Array, Object, Reflect};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;
use web_sys::IdbDatabase;

/// Records by `[user, lane, seq]`: a text or, if it is found by more than that, `{ u: user, l: lane, s: seq, t: text, i?: id, k?: key,
/// d?: due, a?: after }`; and the texts of runs by `[user, lane, last seq, how many rows]` (see [`runs`](crate::store::runs), which has
/// what the texts are).
const QUEUE: &str = "queue";
/// The texts of documents by `[user, kind, name]`.
const DOCUMENTS: &str = "documents";
/// Blobs by `[user, id]`, those that are encrypted in a list of one.
const FILES: &str = "files";
/// [`QUEUE`] by `[u, i]`, unique.
const BY_ID: &str = "byId";
/// [`QUEUE`] by `[u, k, s]`. Here and below, records without such a member are in no index, and cost nothing there.
const BY_KEY: &str = "byKey";
/// [`QUEUE`] by `[u, d]`.
const BY_DUE: &str = "byDue";
/// [`QUEUE`] by `[u, a]`.
const BY_AFTER: &str = "byAfter";

const OPENING: &str = "opening the database";
const BEGINNING: &str = "beginning a transaction";
const READING: &str = "reading the queue";
const WRITING: &str = "writing to the queue";
const COMMITTING: &str = "committing to disk";

/// How long nothing may be heard of a transaction, by the monotonic clock.
const PATIENCE: Duration = Duration::from_secs(20);
const TIMED_OUT: &str = "no answer within 20 s";
/// How long to wait before a connection that was lost is opened again: once each, then it is given up.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];
/// After how many microseconds of rest a connection is tried before it is used: one that the browser has lost in the meantime only
/// says so when it is asked for something.
const REST: u64 = 1_000_000;

/// The store in a database. Opens it when it is first needed, and again when the connection was lost.
#[derive(Debug, Clone)]
pub struct Database {
    name: Rc<str>,
    clock: BrowserClock,
    connection: Rc<RefCell<Connection>>,
    loss: Rc<Loss>,
}

/// Who is told that the browser has ended a connection, as it does when the database is deleted.
#[derive(Default)]
struct Loss(RefCell<Option<Box<dyn Fn()>>>);

impl Loss {
    fn tell(&self) {
        if let Some(listener) = &*self.0.borrow() {
            listener();
        }
    }
}

impl fmt::Debug for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Loss").finish_non_exhaustive()
    }
}

/// All who come while the database opens wait for the same opening, and go on in the order in which they came.
type Opening = Shared<LocalBoxFuture<'static, Result<Handle, StoreError>>>;

#[derive(Debug, Default)]
enum Connection {
    #[default]
    Closed,
    Opening {
        opening: Opening,
        _driver: Driver,
    },
    Open(Handle),
}

/// Goes on with an opening, whether anybody waits for it just now or not, until this is dropped: an upgrade of which the page does
/// nothing is committed without what it was to do, and the database is of no use for ever.
#[derive(Debug)]
struct Driver(AbortHandle);

impl Driver {
    fn of(opening: &Opening) -> Self {
        let (driven, handle) = abortable(opening.clone());
        wasm_bindgen_futures::spawn_local(async move {
            // What it comes to is told to those who wait.
            let _: Result<Result<Handle, StoreError>, Aborted> = driven.await;
        });
        Self(handle)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection, and what its transactions begin with.
#[derive(Debug, Clone)]
struct Handle {
    database: IdbDatabase,
    /// What they are about.
    stores: Array,
    /// How they are to be committed.
    options: Object,
    /// When one of them began last, in microseconds of the monotonic clock.
    used: Rc<Cell<u64>>,
    density: Density,
}

/// How many rows the records have that were read last: of so many records.
type Density = Rc<Cell<(u64, u64)>>;

impl Handle {
    fn new(database: IdbDatabase) -> Self {
        let options = Object::new();
        // Chromium's default is to answer before the data is on disk. An object of our own takes any member.
        let _: Result<bool, _> = Reflect::set(&options, &"durability".into(), &"strict".into());
        let stores = Array::of2(&QUEUE.into(), &DOCUMENTS.into());
        Self { database, stores, options, used: Rc::new(microseconds().into()), density: Rc::new(Cell::new((MOST_ROWS, 1))) }
    }
}

/// Whose connection it is.
struct Owner {
    slot: Weak<RefCell<Connection>>,
    loss: Weak<Loss>,
}

impl Connection {
    /// That connection has ended; another one, opened since, has not.
    fn forget(&mut self, ended: &IdbDatabase) {
        if matches!(self, Self::Open(open) if open.database == *ended) {
            *self = Self::Closed;
        }
    }
}

impl Database {
    /// The store in the database of that name. Opens nothing yet. Its waits go by that clock.
    pub fn new(name: &str, clock: BrowserClock) -> Self {
        Self { name: name.into(), clock, connection: Rc::default(), loss: Rc::default() }
    }

    async fn connect(&self) -> Result<Handle, StoreError> {
        let opening = {
            let mut connection = self.connection.borrow_mut();
            match &*connection {
                Connection::Open(open) => return Ok(open.clone()),
                Connection::Opening { opening, .. } => opening.clone(),
                Connection::Closed => {
                    let owner = Owner { slot: Rc::downgrade(&self.connection), loss: Rc::downgrade(&self.loss) };
                    let open = connection::open(self.name.clone(), owner, self.clock.clone());
                    let opening = open.map(|opened| opened.map(Handle::new)).boxed_local().shared();
                    *connection = Connection::Opening { opening: opening.clone(), _driver: Driver::of(&opening) };
                    opening
                }
            }
        };
        let opened = opening.clone().await;
        let mut connection = self.connection.borrow_mut();
        // The first to go on enters the result; a failure is not kept, and the next one tries again.
        if matches!(&*connection, Connection::Opening { opening: current, .. } if current.ptr_eq(&opening)) {
            *connection = opened.clone().map_or(Connection::Closed, Connection::Open);
        }
        opened
    }

    async fn begin(&self, access: Access) -> Result<DatabaseTransaction, StoreError> {
        let handle = self.connect().await?;
        let now = microseconds();
        let rested = now.saturating_sub(handle.used.replace(now)) >= REST;
        let begun = DatabaseTransaction::begin(&handle, access, Rc::downgrade(&self.connection), &self.clock);
        let transaction = begun.inspect_err(|_| {
            handle.database.close();
            self.connection.borrow_mut().forget(&handle.database);
        })?;
        if rested {
            transaction.probe().await?;
        }
        Ok(transaction)
    }
}

impl Store for Database {
    type Transaction = DatabaseTransaction;

    fn durability(&self) -> Durability {
        Durability::IndexedDb
    }

    fn on_loss(&self, listener: Box<dyn Fn()>) {
        self.loss.0.replace(Some(listener));
    }

    async fn transaction(&self, access: Access) -> Result<DatabaseTransaction, StoreError> {
        for pause in PAUSES {
            match self.begin(access).await {
                // The browser closed the connection behind our back, or the disk did not open. Another one may work.
                Err(lost) if lost.kind == StoreErrorKind::Closed => self.clock.sleep(pause).await,
                begun => return begun,
            }
        }
        self.begin(access).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if Rc::strong_count(&self.connection) > 1 {
            return;
        }
        match self.connection.take() {
            Connection::Open(open) => open.database.close(),
            // It was opened, and nobody came for it.
            Connection::Opening { opening, .. } => {
                if let Some(Ok(open)) = opening.peek() {
                    open.database.close();
                }
            }
            Connection::Closed => {}
        }
    }
}
