//! A store that is a table in memory, and whatever stands behind it.

use super::table::Table;
use super::turn::{Held, Turn};
use crate::platform::tables::{Durability, Kind, Lane, Row, Store, Transaction};
use crate::platform::{Access, StoreError, StoreErrorKind};
use crate::time::WallTime;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const READING: &str = "reading the queue";
const WRITING: &str = "writing to the queue";
const COMMITTING: &str = "committing to disk";

/// What stands behind a table: where its changes are kept, without waiting.
pub trait Backing {
    /// See [`Store::durability`].
    const DURABILITY: Durability;

    /// Brings the table up to date with what others may have written, when a transaction begins.
    fn refresh(&self, table: &mut Table, access: Access) -> Result<(), StoreError>;
    /// Keeps what has changed since the last commit, all of it or, with an error, nothing.
    fn keep(&self, table: &Table) -> Result<(), StoreError>;
}

/// Nothing stands behind it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

impl Backing for Nowhere {
    const DURABILITY: Durability = Durability::Memory;

    fn refresh(&self, _: &mut Table, _: Access) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep(&self, _: &Table) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A store that ends with the page. Its clones are the same store.
pub type Memory = TableStore<Nowhere>;

/// See [`Memory`].
pub type MemoryTransaction = TableTransaction<Nowhere>;

/// A store that works on a [`Table`]. Its clones are the same store.
///
/// Transactions come one after another, in the order in which they were begun; those that only read as well.
#[derive(Debug)]
pub struct TableStore<B> {
    shared: Rc<Shared<B>>,
}

#[derive(Debug)]
struct Shared<B> {
    backing: B,
    table: RefCell<Table>,
    turn: Rc<Turn>,
    /// How often all has been lost. A transaction that was begun before is over.
    losses: Cell<u64>,
}

impl<B> Clone for TableStore<B> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<B: Backing + Default> Default for TableStore<B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<B: Backing> TableStore<B> {
    /// An empty table, and what stands behind it.
    pub fn new(backing: B) -> Self {
        let shared = Shared { backing, table: RefCell::default(), turn: Rc::default(), losses: Cell::new(0) };
        Self { shared: Rc::new(shared) }
    }

    /// What stands behind it.
    pub fn backing(&self) -> &B {
        &self.shared.backing
    }

    /// A copy of what has been committed, whatever transaction is under way. It costs as much as there is.
    pub fn committed(&self) -> Table {
        let mut copy = self.shared.table.borrow().clone();
        copy.roll_back();
        copy
    }
}

impl Memory {
    /// Changes the table behind everyone's back: what stands behind it hears nothing of it, and no transaction takes it back.
    pub fn tamper(&self, change: impl FnOnce(&mut Table)) {
        self.shared.table.borrow_mut().untracked(change);
    }

    /// Loses all, as when the user clears a page's data: transactions that are under way fail with [`StoreErrorKind::Closed`].
    pub fn clear(&self) {
        self.shared.losses.set(self.shared.losses.get() + 1);
        self.shared.table.replace(Table::default());
    }
}

impl<B: Backing> Store for TableStore<B> {
    type Transaction = TableTransaction<B>;

    fn durability(&self) -> Durability {
        B::DURABILITY
    }

    async fn transaction(&self, access: Access) -> Result<TableTransaction<B>, StoreError> {
        let turn = self.shared.turn.take().await;
        self.shared.backing.refresh(&mut self.shared.table.borrow_mut(), access)?;
        Ok(TableTransaction { shared: self.shared.clone(), access, losses: self.shared.losses.get(), _turn: turn })
    }
}

/// A transaction. Dropping it before it is committed takes back what it has written.
#[derive(Debug)]
pub struct TableTransaction<B> {
    shared: Rc<Shared<B>>,
    access: Access,
    losses: u64,
    _turn: Held,
}

impl<B> TableTransaction<B> {
    fn is_over(&self) -> bool {
        self.shared.losses.get() != self.losses
    }

    fn read<T>(&self, operation: &'static str, read: impl FnOnce(&Table) -> T) -> Result<T, StoreError> {
        if self.is_over() {
            return Err(StoreError::new(StoreErrorKind::Closed, operation, "the store was emptied"));
        }
        Ok(read(&self.shared.table.borrow()))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> Result<T, StoreError> {
        self.read(WRITING, |_| ())?;
        if self.access == Access::Read {
            return Err(StoreError::new(StoreErrorKind::Failed, WRITING, "the transaction only reads"));
        }
        Ok(change(&mut self.shared.table.borrow_mut()))
    }
}

impl<B: Backing> Transaction for TableTransaction<B> {
    fn durability(&self) -> Durability {
        B::DURABILITY
    }

    async fn document(&self, user_id: &str, kind: Kind, name: &str) -> Result<Option<String>, StoreError> {
        self.read(READING, |table| table.document(user_id, kind, name).map(Into::into))
    }

    async fn documents(&self, user_id: &str, kind: Kind) -> Result<Vec<(String, String)>, StoreError> {
        self.read(READING, |table| table.documents(user_id, kind))
    }

    fn write_document(&self, user_id: &str, kind: Kind, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        self.change(|table| table.write_document(user_id, kind, name, text))
    }

    async fn rows(&self, user_id: &str, lane: Lane, first: u64, last: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.read(READING, |table| table.rows(user_id, lane, first, last, limit))
    }

    async fn find(&self, user_id: &str, id: &str) -> Result<Option<Row>, StoreError> {
        self.read(READING, |table| table.find(user_id, id).cloned())
    }

    async fn of_key(&self, user_id: &str, key: &str, first: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.read(READING, |table| table.of_key(user_id, key, first, limit))
    }

    async fn last_of_key(&self, user_id: &str, key: &str) -> Result<Option<Row>, StoreError> {
        self.read(READING, |table| table.last_of_key(user_id, key).cloned())
    }

    async fn due(&self, user_id: &str, until: WallTime, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.read(READING, |table| table.due(user_id, until, limit))
    }

    async fn after(&self, user_id: &str, id: &str, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.read(READING, |table| table.after(user_id, id, limit))
    }

    async fn count(&self, user_id: &str, lane: Lane) -> Result<u64, StoreError> {
        self.read(READING, |table| table.count(user_id, lane))
    }

    fn write(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        if self.change(|table| table.write(user_id, row))? {
            Ok(())
        } else {
            Err(StoreError::new(StoreErrorKind::Failed, WRITING, "there is another row of that id"))
        }
    }

    fn delete(&self, user_id: &str, lane: Lane, first: u64, last: u64) -> Result<(), StoreError> {
        self.change(|table| table.delete(user_id, lane, first, last))
    }

    async fn users(&self) -> Result<Vec<String>, StoreError> {
        self.read(READING, Table::users)
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.read(COMMITTING, |table| self.shared.backing.keep(table))??;
        self.shared.table.borrow_mut().commit();
        Ok(())
    }
}

impl<B> Drop for TableTransaction<B> {
    /// After a commit there is nothing to take back.
    fn drop(&mut self) {
        if !self.is_over() {
            self.shared.table.borrow_mut().roll_back();
        }
    }
}
