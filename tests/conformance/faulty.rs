//! A store that fails when it is told to.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use steadfast::platform::tables::{Durability, Kind, Lane, Row, Store, Transaction};
use steadfast::platform::{Access, StoreError, StoreErrorKind};
use steadfast::store::{Memory, MemoryTransaction};
use steadfast::time::WallTime;

/// Its clones are the same store.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    pub(crate) store: Memory,
    pub(crate) durability: Durability,
    pub(crate) faults: Rc<Faults>,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// With what no transaction begins.
    pub(crate) beginning: Cell<Option<StoreErrorKind>>,
    /// With what the next commit fails that changes something.
    pub(crate) commit: Cell<Option<StoreErrorKind>>,
    /// Whether it has happened nevertheless.
    pub(crate) is_unreported: Cell<bool>,
    /// Whether no transaction is committed that writes rows; those that delete some are.
    pub(crate) is_full: Cell<bool>,
    /// How often it was asked whether the page may go on.
    pub(crate) paced: Cell<u32>,
    /// Who is told of a loss.
    pub(crate) on_loss: RefCell<Option<Listener>>,
}

/// A listener, which says nothing of itself.
pub(crate) struct Listener(pub(crate) Box<dyn Fn()>);

impl fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Listener")
    }
}

impl Faulty {
    pub(crate) fn new(durability: Durability) -> Self {
        Self { store: Memory::default(), durability, faults: Rc::default() }
    }
}

pub(crate) struct FaultyTransaction {
    transaction: MemoryTransaction,
    access: Access,
    faults: Rc<Faults>,
    writes_rows: Cell<bool>,
}

fn error(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "testing", "it was told to")
}

impl Store for Faulty {
    type Transaction = FaultyTransaction;

    fn durability(&self) -> Durability {
        self.durability
    }

    fn on_loss(&self, listener: Box<dyn Fn()>) {
        self.faults.on_loss.replace(Some(Listener(listener)));
    }

    async fn transaction(&self, access: Access) -> Result<FaultyTransaction, StoreError> {
        if let Some(kind) = self.faults.beginning.get() {
            return Err(error(kind));
        }
        Ok(FaultyTransaction {
            transaction: self.store.transaction(access).await?,
            access,
            faults: self.faults.clone(),
            writes_rows: Cell::default(),
        })
    }
}

impl Transaction for FaultyTransaction {
    fn durability(&self) -> Durability {
        self.transaction.durability()
    }

    async fn document(&self, user_id: &str, kind: Kind, name: &str) -> Result<Option<String>, StoreError> {
        self.transaction.document(user_id, kind, name).await
    }
    async fn documents(&self, user_id: &str, kind: Kind) -> Result<Vec<(String, String)>, StoreError> {
        self.transaction.documents(user_id, kind).await
    }
    fn write_document(&self, user_id: &str, kind: Kind, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        self.transaction.write_document(user_id, kind, name, text)
    }
    async fn rows(&self, user_id: &str, lane: Lane, first: u64, last: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.transaction.rows(user_id, lane, first, last, limit).await
    }
    async fn find(&self, user_id: &str, id: &str) -> Result<Option<Row>, StoreError> {
        self.transaction.find(user_id, id).await
    }
    async fn of_key(&self, user_id: &str, key: &str, first: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.transaction.of_key(user_id, key, first, limit).await
    }
    async fn last_of_key(&self, user_id: &str, key: &str) -> Result<Option<Row>, StoreError> {
        self.transaction.last_of_key(user_id, key).await
    }
    async fn due(&self, user_id: &str, until: WallTime, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.transaction.due(user_id, until, limit).await
    }
    async fn after(&self, user_id: &str, id: &str, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.transaction.after(user_id, id, limit).await
    }
    async fn count(&self, user_id: &str, lane: Lane) -> Result<u64, StoreError> {
        self.transaction.count(user_id, lane).await
    }
    fn write(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        self.writes_rows.set(true);
        self.transaction.write(user_id, row)
    }
    fn delete(&self, user_id: &str, lane: Lane, first: u64, last: u64) -> Result<(), StoreError> {
        self.transaction.delete(user_id, lane, first, last)
    }
    async fn pace(&self) -> Result<(), StoreError> {
        self.faults.paced.set(self.faults.paced.get() + 1);
        self.transaction.pace().await
    }
    async fn users(&self) -> Result<Vec<String>, StoreError> {
        self.transaction.users().await
    }
    async fn commit(self) -> Result<(), StoreError> {
        if self.faults.is_full.get() && self.writes_rows.get() {
            return Err(error(StoreErrorKind::QuotaExceeded));
        }
        if self.access == Access::Write
            && let Some(kind) = self.faults.commit.take()
        {
            if self.faults.is_unreported.get() {
                self.transaction.commit().await?;
            }
            return Err(error(kind));
        }
        self.transaction.commit().await
    }
}
