//! A disk that all tabs share: what was committed survives every crash, what was not never happened.

use super::world::Inner;
use crate::platform::tables::{Durability, Kind, Lane, Row, Store, Transaction};
use crate::platform::{Access, Files, KeptFile, OfUsers, StoreError, StoreErrorKind};
use crate::queue::record::UserRecord;
use crate::store::{Memory, MemoryTransaction, Opener, Table};
use crate::time::WallTime;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// A file.
pub type SimFile = Rc<[u8]>;

/// What is on the disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) memory: Memory,
    /// How many more commits succeed before one fails; none fails without it.
    pub(super) commits_until_failure: Cell<Option<u32>>,
    /// Of so many steps in a thousand, one fails.
    pub(super) faults: Cell<DiskFaults>,
    /// Whether nobody can reach it, and which tabs cannot.
    pub(super) is_missing: Cell<bool>,
    pub(super) is_missing_for: RefCell<BTreeSet<u64>>,
    /// Whether nothing more goes on it.
    pub(super) is_full: Cell<bool>,
    /// All keys that were ever made, for those who look on.
    pub(super) made: RefCell<OfUsers>,
    /// The keys beside it, and how many rows were sealed from outside.
    pub(super) keys: RefCell<OfUsers>,
    resealed: Cell<u64>,
    /// The files beside the queue, by user and id.
    pub(super) files: RefCell<FilesOfAll>,
    /// By tab: how many transactions it has begun, or waits to begin.
    begun: RefCell<BTreeMap<u64, u32>>,
}

/// How often, of a thousand times, something happens.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFaults {
    /// A transaction does not begin.
    pub unavailable: u16,
    /// A read fails.
    pub unreadable: u16,
    /// A commit fails, and nothing of it is there.
    pub aborted: u16,
    /// A commit is there, and nobody hears of it.
    pub unheard: u16,
}

impl Disk {
    /// What has been committed, in the clear.
    pub(super) fn table(&self) -> Table {
        let table = self.memory.committed();
        let keys = self.made.borrow();
        if keys.is_empty() { table } else { Opener::new(&keys).open_table(&table).unwrap() }
    }

    /// All is deleted, the keys with it.
    pub(super) fn clear(&self) {
        self.memory.clear();
        self.files.borrow_mut().clear();
        self.keys.borrow_mut().clear();
    }

    /// Whether that tab can reach it.
    fn is_there_for(&self, tab: u64) -> bool {
        !self.is_missing.get() && !self.is_missing_for.borrow().contains(&tab)
    }

    /// Whether a tab has a transaction under way.
    pub(super) fn is_busy_for(&self, tab: u64) -> bool {
        self.begun.borrow().get(&tab).is_some_and(|begun| *begun > 0)
    }

    /// The record of a user's queue.
    pub(super) fn record(&self, user_id: &str) -> UserRecord {
        let table = self.table();
        table.document(user_id, Kind::Queue, "").map_or_else(UserRecord::default, |text| serde_json::from_str(text).unwrap())
    }

    /// The rows of a user, in order.
    pub(super) fn rows(&self, user_id: &str) -> Vec<Row> {
        let mut rows = self.table().all_rows(user_id);
        rows.sort_by_key(|row| row.seq);
        rows
    }

    /// Makes each row of a user that has this text in it read that one instead. What ends with an id as JSON, `"id":"…"`, is about
    /// the row of that id.
    pub(super) fn rewrite(&self, user_id: &str, old: &str, new: &str) {
        let text_of = |pattern: &str| pattern.split_once(r#","id":""#).map_or(pattern, |(text, _)| text).to_string();
        let id = old.split_once(r#""id":""#).map(|(_, id)| id.trim_end_matches('"').to_string());
        let (old, new) = (text_of(old), text_of(new));
        let rows = self.rows(user_id).into_iter().filter(|row| id.as_ref().is_none_or(|id| *id == row.id));
        // All others are left alone: a transaction may be under way.
        let rows = rows.filter(|row| row.text.contains(&old));
        let rows: Vec<Row> = rows.collect();
        let (opener, sealed) = (Opener::new(&self.made.borrow()), self.memory.committed());
        let nonce = || {
            let resealed = self.resealed.replace(self.resealed.get() + 1).to_be_bytes();
            std::array::from_fn(|place| resealed.get(place).copied().unwrap_or(0xff))
        };
        self.memory.tamper(|table| {
            for row in rows {
                let there = sealed.find(user_id, &row.id).filter(|there| there.text != row.text);
                let rewritten = Row { text: row.text.replace(&old, &new), ..row };
                let nonce = nonce();
                // With the key that it was sealed with: the newest one of all may have been deleted with a disk that was cleared.
                let again = there.and_then(|there| opener.seal_row_like(&there.text, user_id, &rewritten, &nonce));
                table.write(user_id, &again.unwrap_or(rewritten));
            }
        });
    }
}

/// Who is told in a tab that what lay on the disk has been deleted.
pub(super) type LossListener = Rc<RefCell<Option<Rc<dyn Fn()>>>>;

/// A tab's way to the disk.
pub struct SimStore {
    pub(super) world: Rc<Inner>,
    pub(super) tab: u64,
    pub(super) on_loss: LossListener,
}

/// Says that a tab has a transaction under way, until it is dropped.
struct Begun {
    world: Rc<Inner>,
    tab: u64,
}

impl Begun {
    fn by(world: &Rc<Inner>, tab: u64) -> Self {
        *world.disk.begun.borrow_mut().entry(tab).or_default() += 1;
        Self { world: world.clone(), tab }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(begun) = self.world.disk.begun.borrow_mut().get_mut(&self.tab) {
            *begun -= 1;
        }
    }
}

/// A transaction on the disk; others wait for it.
pub struct SimTransaction {
    world: Rc<Inner>,
    access: Access,
    transaction: MemoryTransaction,
    begun: Begun,
}

/// The longest that it takes to notice that the disk cannot be reached, in milliseconds.
const LONGEST_LOOK: u64 = 3_000;

impl Inner {
    /// Whether that tab can reach the disk; it may take a while to notice that it cannot.
    pub(super) async fn reach_disk(&self, tab: u64, operation: &'static str) -> Result<(), StoreError> {
        if self.disk.is_there_for(tab) {
            return Ok(());
        }
        self.may_be_split();
        let kind = *self.one_of(&[StoreErrorKind::Unavailable, StoreErrorKind::Blocked, StoreErrorKind::TimedOut]);
        if kind != StoreErrorKind::Unavailable {
            self.sleep(Duration::from_millis(self.below(LONGEST_LOOK))).await;
        }
        Err(StoreError::new(kind, operation, "the disk cannot be reached"))
    }
}

fn closed(operation: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Closed, operation, "the disk cannot be reached any longer")
}

fn failed(operation: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Failed, operation, "the disk failed")
}

impl Store for SimStore {
    type Transaction = SimTransaction;

    fn durability(&self) -> Durability {
        Durability::IndexedDb
    }

    fn on_loss(&self, listener: Box<dyn Fn()>) {
        self.on_loss.replace(Some(listener.into()));
    }

    async fn transaction(&self, access: Access) -> Result<SimTransaction, StoreError> {
        self.world.reach_disk(self.tab, "opening the queue").await?;
        let begun = Begun::by(&self.world, self.tab);
        let transaction = self.world.disk.memory.transaction(access).await?;
        if self.world.happens(self.world.disk.faults.get().unavailable) {
            return Err(failed("beginning a transaction"));
        }
        Ok(SimTransaction { world: self.world.clone(), access, transaction, begun })
    }
}

impl SimStore {
    /// A transaction on the files. Those on the queue do not wait for it.
    async fn on_files<T>(&self, access: Access, work: impl FnOnce(&mut FilesOfAll) -> T) -> Result<T, StoreError> {
        let (world, faults) = (&self.world, self.world.disk.faults.get());
        world.reach_disk(self.tab, "reaching the files").await?;
        let _begun = Begun::by(world, self.tab);
        world.yield_for_a_while().await;
        let is_refused = access == Access::Write && world.disk.is_full.get();
        if is_refused {
            return Err(StoreError::new(StoreErrorKind::QuotaExceeded, "writing files", "the disk is full"));
        }
        if world.happens(faults.unavailable)
            || world.happens(if access == Access::Write { faults.aborted } else { faults.unreadable })
        {
            return Err(failed("reaching the files"));
        }
        let done = work(&mut world.disk.files.borrow_mut());
        world.yield_for_a_while().await;
        if access == Access::Write && world.happens(faults.unheard) {
            return Err(failed("writing files"));
        }
        Ok(done)
    }
}

type FilesOfAll = BTreeMap<(String, String), KeptFile<SimFile>>;

impl Files for SimStore {
    type File = KeptFile<SimFile>;

    fn size(&self, file: &Self::File) -> u64 {
        file.file.len() as u64
    }

    async fn write_files(&self, user_id: &str, files: Vec<(String, Self::File)>) -> Result<(), StoreError> {
        let named = files.into_iter().map(|(id, file)| ((user_id.to_string(), id), file));
        self.on_files(Access::Write, |kept| kept.extend(named)).await
    }

    async fn file(&self, user_id: &str, id: &str, _kind: &str) -> Result<Option<Self::File>, StoreError> {
        self.on_files(Access::Read, |kept| kept.get(&(user_id.into(), id.into())).cloned()).await
    }

    async fn delete_files(&self, user_id: &str, ids: &[String]) -> Result<(), StoreError> {
        self.on_files(Access::Write, |kept| kept.retain(|(owner, id), _| owner != user_id || !ids.contains(id))).await
    }

    async fn file_ids(&self, user_id: &str) -> Result<Vec<String>, StoreError> {
        let of_user =
            |kept: &mut FilesOfAll| kept.keys().filter(|(owner, _)| owner == user_id).map(|(_, id)| id.clone()).collect();
        self.on_files(Access::Read, of_user).await
    }
}

impl SimTransaction {
    /// Others come in between, and now and then it fails.
    async fn read(&self) -> Result<(), StoreError> {
        self.world.yield_for_a_while().await;
        if !self.world.disk.is_there_for(self.begun.tab) {
            return Err(closed("reading the queue"));
        }
        if self.world.happens(self.world.disk.faults.get().unreadable) { Err(failed("reading the queue")) } else { Ok(()) }
    }
}

impl Transaction for SimTransaction {
    fn durability(&self) -> Durability {
        Durability::IndexedDb
    }

    async fn document(&self, user_id: &str, kind: Kind, name: &str) -> Result<Option<String>, StoreError> {
        self.read().await?;
        self.transaction.document(user_id, kind, name).await
    }

    async fn documents(&self, user_id: &str, kind: Kind) -> Result<Vec<(String, String)>, StoreError> {
        self.read().await?;
        self.transaction.documents(user_id, kind).await
    }

    fn write_document(&self, user_id: &str, kind: Kind, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        self.transaction.write_document(user_id, kind, name, text)
    }

    async fn rows(&self, user_id: &str, lane: Lane, first: u64, last: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.read().await?;
        self.transaction.rows(user_id, lane, first, last, limit).await
    }

    async fn find(&self, user_id: &str, id: &str) -> Result<Option<Row>, StoreError> {
        self.read().await?;
        self.transaction.find(user_id, id).await
    }

    async fn of_key(&self, user_id: &str, key: &str, first: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.read().await?;
        self.transaction.of_key(user_id, key, first, limit).await
    }

    async fn last_of_key(&self, user_id: &str, key: &str) -> Result<Option<Row>, StoreError> {
        self.read().await?;
        self.transaction.last_of_key(user_id, key).await
    }

    async fn due(&self, user_id: &str, until: WallTime, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.read().await?;
        self.transaction.due(user_id, until, limit).await
    }

    async fn after(&self, user_id: &str, id: &str, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.read().await?;
        self.transaction.after(user_id, id, limit).await
    }

    async fn count(&self, user_id: &str, lane: Lane) -> Result<u64, StoreError> {
        self.read().await?;
        self.transaction.count(user_id, lane).await
    }

    fn write(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        self.transaction.write(user_id, row)
    }

    fn delete(&self, user_id: &str, lane: Lane, first: u64, last: u64) -> Result<(), StoreError> {
        self.transaction.delete(user_id, lane, first, last)
    }

    async fn pace(&self) -> Result<(), StoreError> {
        self.transaction.pace().await
    }

    async fn users(&self) -> Result<Vec<String>, StoreError> {
        self.read().await?;
        self.transaction.users().await
    }

    async fn commit(self) -> Result<(), StoreError> {
        let Self { world, access, transaction, begun } = self;
        let faults = world.disk.faults.get();
        world.yield_for_a_while().await;
        let is_lost = !world.disk.is_there_for(begun.tab);
        if is_lost && (access == Access::Read || world.happens(500)) {
            return Err(closed("committing to disk"));
        }
        if access == Access::Write {
            match world.disk.commits_until_failure.get() {
                Some(0) => {
                    world.may_be_split();
                    world.disk.commits_until_failure.set(None);
                    return Err(StoreError::new(StoreErrorKind::QuotaExceeded, "committing to disk", "the disk is full"));
                }
                Some(left) => world.disk.commits_until_failure.set(Some(left - 1)),
                None => {}
            }
            if world.disk.is_full.get() {
                world.may_be_split();
                return Err(StoreError::new(StoreErrorKind::QuotaExceeded, "committing to disk", "the disk is full"));
            }
            if world.happens(faults.aborted) {
                return Err(failed("committing to disk"));
            }
        }
        transaction.commit().await?;
        drop(begun);
        // Here a crash finds the change on disk and nobody who knows of it.
        world.yield_for_a_while().await;
        if is_lost {
            return Err(closed("committing to disk"));
        }
        if access == Access::Write && world.happens(faults.unheard) {
            return Err(failed("committing to disk"));
        }
        Ok(())
    }
}
