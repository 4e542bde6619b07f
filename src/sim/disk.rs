//! A disk that all tabs share: what was committed survives every crash, what was not never happened.

use super::world::Inner;
use crate::platform::{Access, Store, StoreError, StoreErrorKind, Transaction};
use crate::queue::action::Action;
use crate::queue::record::UserRecord;
use futures_util::lock::{Mutex, OwnedMutexGuard};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
struct Rows {
    users: BTreeMap<String, String>,
    actions: BTreeMap<(String, u64), String>,
}

/// What is on the disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    rows: RefCell<Rows>,
    turn: Arc<Mutex<()>>,
    /// How many more commits succeed before one fails; none fails without it.
    pub(super) commits_until_failure: Cell<Option<u32>>,
}

impl Disk {
    /// Makes each row of a user that has this text in it read that one instead.
    pub(super) fn rewrite(&self, user_id: &str, old: &str, new: &str) {
        for ((owner, _), row) in &mut self.rows.borrow_mut().actions {
            if owner == user_id {
                *row = row.replace(old, new);
            }
        }
    }

    /// The record of a user's queue.
    pub(super) fn record(&self, user_id: &str) -> UserRecord {
        self.rows.borrow().users.get(user_id).map_or_else(UserRecord::default, |text| serde_json::from_str(text).unwrap())
    }

    /// The ids of a user's actions, in order.
    pub(super) fn action_ids(&self, user_id: &str) -> Vec<String> {
        let rows = self.rows.borrow();
        let range = rows.actions.range((user_id.to_string(), 0)..=(user_id.to_string(), u64::MAX));
        range.map(|((user_id, seq), row)| read(row, user_id, *seq).id).collect()
    }
}

fn read(row: &str, user_id: &str, seq: u64) -> Action {
    let value: serde_json::Value = serde_json::from_str(row).unwrap();
    let id = value.get("id").and_then(serde_json::Value::as_str).unwrap().to_string();
    Action::read(row, user_id, seq, &id)
}

/// A tab's way to the disk.
pub struct SimStore {
    pub(super) world: Rc<Inner>,
}

/// A transaction on the disk; others wait for it.
pub struct SimTransaction {
    world: Rc<Inner>,
    access: Access,
    rows: RefCell<Rows>,
    _turn: OwnedMutexGuard<()>,
}

impl Store for SimStore {
    type Transaction = SimTransaction;

    fn durability(&self) -> &'static str {
        "simulated"
    }

    async fn transaction(&self, access: Access) -> Result<SimTransaction, StoreError> {
        let turn = self.world.disk.turn.clone().lock_owned().await;
        let rows = RefCell::new(self.world.disk.rows.borrow().clone());
        Ok(SimTransaction { world: self.world.clone(), access, rows, _turn: turn })
    }
}

impl SimTransaction {
    fn read(&self, user_id: &str, first: u64, last: u64, limit: u32) -> Vec<Action> {
        let rows = self.rows.borrow();
        let range = rows.actions.range((user_id.to_string(), first)..=(user_id.to_string(), last));
        range.take(limit as usize).map(|((user_id, seq), row)| read(row, user_id, *seq)).collect()
    }
}

impl Transaction for SimTransaction {
    async fn record(&self, user_id: &str) -> Result<UserRecord, StoreError> {
        self.world.yield_for_a_while().await;
        let rows = self.rows.borrow();
        Ok(rows.users.get(user_id).map_or_else(UserRecord::default, |text| serde_json::from_str(text).unwrap()))
    }

    async fn actions_from(&self, user_id: &str, seq: u64, limit: u32) -> Result<Vec<Action>, StoreError> {
        self.world.yield_for_a_while().await;
        Ok(self.read(user_id, seq, u64::MAX, limit))
    }

    async fn actions_between(&self, user_id: &str, first: u64, last: u64) -> Result<Vec<Action>, StoreError> {
        self.world.yield_for_a_while().await;
        Ok(self.read(user_id, first, last, u32::MAX))
    }

    async fn find(&self, user_id: &str, id: &str) -> Result<Option<Action>, StoreError> {
        self.world.yield_for_a_while().await;
        Ok(self.read(user_id, 0, u64::MAX, u32::MAX).into_iter().find(|action| action.id == id))
    }

    fn write_record(&self, user_id: &str, record: &UserRecord) -> Result<(), StoreError> {
        self.rows.borrow_mut().users.insert(user_id.into(), serde_json::to_string(record).unwrap());
        Ok(())
    }

    fn write(&self, action: &Action) -> Result<(), StoreError> {
        let row = serde_json::to_string(action).unwrap();
        self.rows.borrow_mut().actions.insert((action.user_id.clone(), action.seq), row);
        Ok(())
    }

    fn delete(&self, user_id: &str, seq: u64) -> Result<(), StoreError> {
        self.rows.borrow_mut().actions.remove(&(user_id.into(), seq));
        Ok(())
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.world.yield_for_a_while().await;
        if self.access == Access::Read {
            return Ok(());
        }
        match self.world.disk.commits_until_failure.get() {
            Some(0) => {
                self.world.disk.commits_until_failure.set(None);
                return Err(StoreError::new(StoreErrorKind::QuotaExceeded, "committing to disk", "the disk is full"));
            }
            Some(left) => self.world.disk.commits_until_failure.set(Some(left - 1)),
            None => {}
        }
        *self.world.disk.rows.borrow_mut() = self.rows.take();
        // Here a crash finds the change on disk and nobody who knows of it.
        self.world.yield_for_a_while().await;
        Ok(())
    }
}
