//! All that a device keeps of queues, wherever it lies.

use super::world::{Inner, World};
use crate::platform::Access;
use crate::platform::tables::{Durability, Kind, Row, Store as _};
use crate::store::{Journalled, Opener, Table, TextStore};
use futures_util::FutureExt as _;
use std::collections::BTreeSet;

/// What lies on a device, in the clear: on its disk, in its texts, and in the memory of each of its pages, in that order.
pub struct Places {
    tables: Vec<(Durability, Table)>,
    shut: BTreeSet<String>,
}

impl Places {
    /// The disk.
    pub fn disk(&self) -> &Table {
        &self.tables[0].1
    }

    /// The ids of the rows that were sealed with keys which the device has no longer.
    pub fn shut(&self) -> &BTreeSet<String> {
        &self.shut
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (Durability, &Table)> {
        self.tables.iter().map(|(durability, table)| (*durability, table))
    }

    /// The rows of a user, those of one place after those of another, and in order within it. One that is on its way may be in two.
    pub fn rows(&self, user_id: &str) -> Vec<Row> {
        let of = |(_, table): &(Durability, Table)| {
            let mut rows = table.all_rows(user_id);
            rows.sort_by_key(|row| row.seq);
            rows
        };
        self.tables.iter().flat_map(of).collect()
    }

    /// The ids of a user's actions, those of one place after those of another, and in order within it.
    pub fn ids(&self, user_id: &str) -> Vec<String> {
        let mut known = BTreeSet::new();
        let ids = self.rows(user_id).into_iter().map(|row| row.id);
        ids.filter(|id| known.insert(id.clone())).collect()
    }

    /// The row of that id, in the best of the places in which it lies.
    pub fn find(&self, user_id: &str, id: &str) -> Option<Row> {
        self.tables.iter().find_map(|(_, table)| table.find(user_id, id).cloned())
    }

    /// All of a user's documents of that kind.
    pub fn documents(&self, user_id: &str, kind: Kind) -> Vec<(String, String)> {
        self.tables.iter().flat_map(|(_, table)| table.documents(user_id, kind)).collect()
    }
}

impl Inner {
    /// What has been committed, wherever.
    pub(super) fn places(&self) -> Places {
        let (made, kept) = (self.disk.made.borrow(), self.disk.keys.borrow());
        let (opener, own) = (Opener::new(&made), Opener::new(&kept));
        let mut shut = BTreeSet::new();
        let mut open = |table: Table| {
            if made.is_empty() {
                return table;
            }
            let opened = opener.open_table(&table).unwrap();
            if made.len() != kept.len() {
                let own = own.open_table(&table).unwrap();
                for user_id in table.users() {
                    let rows = opened.all_rows(&user_id).into_iter();
                    let is_shut = |row: &Row| own.find(&user_id, &row.id).is_none_or(|own| own.text != row.text);
                    shut.extend(rows.filter(is_shut).map(|row| row.id));
                }
            }
            opened
        };
        let texts = TextStore::new(Journalled::new(self.queue_texts.copy(), "who looks on"));
        // Nobody else has it, so nothing is waited for.
        drop(texts.transaction(Access::Read).now_or_never().unwrap().unwrap());
        let memories = self.memories.borrow();
        let mut tables = vec![(Durability::IndexedDb, open(self.disk.memory.committed()))];
        tables.push((Durability::LocalStorage, open(texts.committed())));
        tables.extend(memories.values().map(|memory| (Durability::Memory, open(memory.committed()))));
        Places { tables, shut }
    }
}

impl World {
    /// What has been committed, wherever.
    pub fn places(&self) -> Places {
        self.inner.places()
    }
}
