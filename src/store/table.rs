//! The rows and documents of all users, and an undo log of what has changed since the last commit.

use super::sorted::{Place, Sorted};
use crate::platform::tables::{Kind, Lane, Row};
use crate::time::WallTime;
use std::mem;
use std::rc::Rc;

/// The two tables of the disk: every question that a [`Transaction`](crate::platform::tables::Transaction) answers, without waiting.
///
/// Rows are kept once and sorted in five ways, so that no question reads more than its answer, and no change moves more than some
/// hundred references.
#[derive(Debug, Clone, Default)]
pub struct Table {
    users: Sorted<(String, Queue)>,
    changes: Vec<Change>,
}

#[derive(Debug, Clone, Default)]
struct Queue {
    documents: Sorted<Document>,
    orders: [Sorted<Rc<Row>>; Order::ALL.len()],
}

#[derive(Debug, Clone)]
struct Document {
    kind: Kind,
    name: String,
    text: String,
}

/// Something that has changed since the last commit, and what was there before.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) user_id: String,
    pub(super) what: Changed,
}

/// See [`Change`].
#[derive(Debug, Clone)]
pub(super) enum Changed {
    Row { lane: Lane, seq: u64, before: Option<Rc<Row>> },
    Document { kind: Kind, name: String, before: Option<String> },
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy)]
enum Order {
    Place,
    Id,
    Key,
    Due,
    After,
}

/// A place in an order: by the number, then by the text, then by the sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position<'a> {
    number: i64,
    text: &'a str,
    seq: u64,
}

impl Order {
    const ALL: [Self; 5] = [Self::Place, Self::Id, Self::Key, Self::Due, Self::After];

    /// Where a row is in it, if it is there at all.
    fn position(self, row: &Row) -> Option<Position<'_>> {
        let by_text = |text| Position { number: 0, text, seq: row.seq };
        match self {
            Self::Place => Some(Position::in_lane(row.lane, row.seq)),
            Self::Id => Some(Position { number: 0, text: &row.id, seq: 0 }),
            Self::Key => row.key.as_deref().map(by_text),
            Self::Due => row.due.map(|due| Position { number: due.0, text: "", seq: row.seq }),
            Self::After => row.after.as_deref().map(by_text),
        }
    }
}

impl Position<'_> {
    fn in_lane(lane: Lane, seq: u64) -> Self {
        Self { number: i64::from(u8::from(lane)), text: "", seq }
    }
}

impl Queue {
    fn order(&self, order: Order) -> &Sorted<Rc<Row>> {
        let [place, id, key, due, after] = &self.orders;
        match order {
            Order::Place => place,
            Order::Id => id,
            Order::Key => key,
            Order::Due => due,
            Order::After => after,
        }
    }

    /// The rows from `first` to `last`.
    fn between(&self, order: Order, first: Position<'_>, last: Position<'_>) -> impl Iterator<Item = &Rc<Row>> {
        let rows = self.order(order);
        let (Ok(start) | Err(start)) = rows.find(&|row| order.position(row).cmp(&Some(first)));
        rows.from(start).take_while(move |row| order.position(row) <= Some(last))
    }

    fn get(&self, order: Order, position: Position<'_>) -> Option<&Rc<Row>> {
        let rows = self.order(order);
        rows.get(rows.find(&|row| order.position(row).cmp(&Some(position))).ok()?)
    }

    fn put(&mut self, row: &Rc<Row>) -> Option<Rc<Row>> {
        let before = self.take(Position::in_lane(row.lane, row.seq));
        for (order, rows) in Order::ALL.into_iter().zip(&mut self.orders) {
            if let Some(position) = order.position(row)
                && let Err(place) = rows.find(&|other| order.position(other).cmp(&Some(position)))
            {
                rows.insert(place, row.clone());
            }
        }
        before
    }

    fn take(&mut self, position: Position<'_>) -> Option<Rc<Row>> {
        let row = self.get(Order::Place, position)?.clone();
        for (order, rows) in Order::ALL.into_iter().zip(&mut self.orders) {
            if let Some(position) = order.position(&row)
                && let Ok(place) = rows.find(&|other| order.position(other).cmp(&Some(position)))
            {
                rows.remove(place);
            }
        }
        Some(row)
    }

    fn put_document(&mut self, kind: Kind, name: &str, text: Option<String>) -> Option<String> {
        let found = self.documents.find(&|document| (document.kind, document.name.as_str()).cmp(&(kind, name)));
        match (found, text) {
            (Ok(place), Some(text)) => self.documents.get_mut(place).map(|document| mem::replace(&mut document.text, text)),
            (Ok(place), None) => self.documents.remove(place).map(|document| document.text),
            (Err(place), Some(text)) => {
                self.documents.insert(place, Document { kind, name: name.into(), text });
                None
            }
            (Err(_), None) => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.order(Order::Place).is_empty()
    }
}

fn copies<'a>(rows: impl Iterator<Item = &'a Rc<Row>>, limit: u32) -> Vec<Row> {
    rows.take(usize::try_from(limit).unwrap_or(usize::MAX)).map(|row| Row::clone(row)).collect()
}

impl Table {
    /// See [`Transaction::document`](crate::platform::tables::Transaction::document).
    pub fn document(&self, user_id: &str, kind: Kind, name: &str) -> Option<&str> {
        let documents = &self.queue(user_id)?.documents;
        let place = documents.find(&|document| (document.kind, document.name.as_str()).cmp(&(kind, name))).ok()?;
        documents.get(place).map(|document| document.text.as_str())
    }

    /// See [`Transaction::documents`](crate::platform::tables::Transaction::documents).
    pub fn documents(&self, user_id: &str, kind: Kind) -> Vec<(String, String)> {
        let Some(queue) = self.queue(user_id) else { return Vec::new() };
        let (Ok(start) | Err(start)) = queue.documents.find(&|document| (document.kind, document.name.as_str()).cmp(&(kind, "")));
        let those = queue.documents.from(start).take_while(|document| document.kind == kind);
        those.map(|document| (document.name.clone(), document.text.clone())).collect()
    }

    /// See [`Transaction::rows`](crate::platform::tables::Transaction::rows).
    pub fn rows(&self, user_id: &str, lane: Lane, first: u64, last: u64, limit: u32) -> Vec<Row> {
        self.between(user_id, Order::Place, Position::in_lane(lane, first), Position::in_lane(lane, last), limit)
    }

    /// See [`Transaction::find`](crate::platform::tables::Transaction::find).
    pub fn find(&self, user_id: &str, id: &str) -> Option<&Row> {
        self.queue(user_id)?.get(Order::Id, Position { number: 0, text: id, seq: 0 }).map(AsRef::as_ref)
    }

    /// See [`Transaction::of_key`](crate::platform::tables::Transaction::of_key).
    pub fn of_key(&self, user_id: &str, key: &str, first: u64, limit: u32) -> Vec<Row> {
        self.of_text(user_id, Order::Key, key, first, limit)
    }

    /// See [`Transaction::last_of_key`](crate::platform::tables::Transaction::last_of_key).
    pub fn last_of_key(&self, user_id: &str, key: &str) -> Option<&Row> {
        let rows = self.queue(user_id)?.order(Order::Key);
        let end = Position { number: 0, text: key, seq: u64::MAX };
        let (Ok(end) | Err(end)) = rows.find(&|row| Order::Key.position(row).cmp(&Some(end)));
        rows.before(end).map(AsRef::as_ref).filter(|row| row.key.as_deref() == Some(key))
    }

    /// See [`Transaction::due`](crate::platform::tables::Transaction::due).
    pub fn due(&self, user_id: &str, until: WallTime, limit: u32) -> Vec<Row> {
        let first = Position { number: i64::MIN, text: "", seq: 0 };
        self.between(user_id, Order::Due, first, Position { number: until.0, text: "", seq: u64::MAX }, limit)
    }

    /// See [`Transaction::after`](crate::platform::tables::Transaction::after).
    pub fn after(&self, user_id: &str, id: &str, limit: u32) -> Vec<Row> {
        self.of_text(user_id, Order::After, id, 0, limit)
    }

    /// See [`Transaction::count`](crate::platform::tables::Transaction::count).
    pub fn count(&self, user_id: &str, lane: Lane) -> u64 {
        let Some(queue) = self.queue(user_id) else { return 0 };
        let rank = |seq| {
            let rows = queue.order(Order::Place);
            let (Ok(place) | Err(place)) = rows.find(&|row| Order::Place.position(row).cmp(&Some(Position::in_lane(lane, seq))));
            rows.rank(place)
        };
        u64::try_from(rank(u64::MAX) - rank(0)).unwrap_or(u64::MAX)
    }

    /// See [`Transaction::users`](crate::platform::tables::Transaction::users).
    pub fn users(&self) -> Vec<String> {
        self.users.from(Place::START).map(|(user_id, _)| user_id.clone()).collect()
    }

    /// All rows of a user: lane by lane, and in each in order.
    pub fn all_rows(&self, user_id: &str) -> Vec<Row> {
        Lane::ALL.into_iter().flat_map(|lane| self.rows(user_id, lane, 0, u64::MAX, u32::MAX)).collect()
    }

    /// See [`Transaction::write`](crate::platform::tables::Transaction::write). `false` if the id is in another place, and nothing has changed.
    pub fn write(&mut self, user_id: &str, row: &Row) -> bool {
        if self.find(user_id, &row.id).is_some_and(|other| (other.lane, other.seq) != (row.lane, row.seq)) {
            return false;
        }
        let before = self.queue_to_change(user_id).and_then(|queue| queue.put(&Rc::new(row.clone())));
        self.log(user_id, Changed::Row { lane: row.lane, seq: row.seq, before });
        true
    }

    /// See [`Transaction::delete`](crate::platform::tables::Transaction::delete).
    pub fn delete(&mut self, user_id: &str, lane: Lane, first: u64, last: u64) {
        let Some(queue) = self.queue(user_id) else { return };
        let range = queue.between(Order::Place, Position::in_lane(lane, first), Position::in_lane(lane, last));
        let places: Vec<u64> = range.map(|row| row.seq).collect();
        for seq in places {
            let before = self.queue_to_change(user_id).and_then(|queue| queue.take(Position::in_lane(lane, seq)));
            self.log(user_id, Changed::Row { lane, seq, before });
        }
        self.forget_if_empty(user_id);
    }

    /// See [`Transaction::write_document`](crate::platform::tables::Transaction::write_document).
    pub fn write_document(&mut self, user_id: &str, kind: Kind, name: &str, text: Option<&str>) {
        let before = self.queue_to_change(user_id).and_then(|queue| queue.put_document(kind, name, text.map(Into::into)));
        self.log(user_id, Changed::Document { kind, name: name.into(), before });
        self.forget_if_empty(user_id);
    }

    /// What has changed since the last commit stays.
    pub fn commit(&mut self) {
        self.changes = Vec::new();
    }

    /// All is as it was at the last commit.
    pub fn roll_back(&mut self) {
        while let Some(Change { user_id, what }) = self.changes.pop() {
            let Some(queue) = self.queue_to_change(&user_id) else { continue };
            match what {
                Changed::Row { before: Some(row), .. } => drop(queue.put(&row)),
                Changed::Row { lane, seq, before: None } => drop(queue.take(Position::in_lane(lane, seq))),
                Changed::Document { kind, name, before } => drop(queue.put_document(kind, &name, before)),
            }
            self.forget_if_empty(&user_id);
        }
    }

    /// Changes it without remembering what was before.
    pub(super) fn untracked(&mut self, change: impl FnOnce(&mut Self)) {
        let changes = mem::take(&mut self.changes);
        change(self);
        self.changes = changes;
    }

    /// What has changed since the last commit, in the order in which it did.
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The row at that place.
    pub(super) fn row(&self, user_id: &str, lane: Lane, seq: u64) -> Option<&Row> {
        self.queue(user_id)?.get(Order::Place, Position::in_lane(lane, seq)).map(AsRef::as_ref)
    }

    fn of_text(&self, user_id: &str, order: Order, text: &str, first: u64, limit: u32) -> Vec<Row> {
        let position = |seq| Position { number: 0, text, seq };
        self.between(user_id, order, position(first), position(u64::MAX), limit)
    }

    fn between(&self, user_id: &str, order: Order, first: Position<'_>, last: Position<'_>, limit: u32) -> Vec<Row> {
        self.queue(user_id).map(|queue| copies(queue.between(order, first, last), limit)).unwrap_or_default()
    }

    fn place(&self, user_id: &str) -> Result<Place, Place> {
        self.users.find(&|(owner, _)| owner.as_str().cmp(user_id))
    }

    fn queue(&self, user_id: &str) -> Option<&Queue> {
        self.users.get(self.place(user_id).ok()?).map(|(_, queue)| queue)
    }

    /// It is there afterwards, if it was not.
    fn queue_to_change(&mut self, user_id: &str) -> Option<&mut Queue> {
        let (Ok(place) | Err(place)) = self.place(user_id).or_else(|place| {
            self.users.insert(place, (user_id.into(), Queue::default()));
            self.place(user_id)
        });
        self.users.get_mut(place).map(|(_, queue)| queue)
    }

    fn log(&mut self, user_id: &str, what: Changed) {
        self.changes.push(Change { user_id: user_id.into(), what });
    }

    fn forget_if_empty(&mut self, user_id: &str) {
        if let Ok(place) = self.place(user_id)
            && self.users.get(place).is_some_and(|(_, queue)| queue.is_empty())
        {
            self.users.remove(place);
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(lane: Lane, seq: u64, id: String) -> Row {
        Row { lane, seq, id, key: None, due: None, after: None, text: String::new(), weight: None }
    }

    #[test]
    fn a_hundred_thousand_rows_are_written_each_for_itself_and_deleted_from_the_front() {
        let mut table = Table::default();
        for seq in 0..100_000_u64 {
            // Ids in no order, as callers choose them.
            let id = seq.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_string();
            let key = Some(format!("key {}", seq % 50_000));
            assert!(table.write("ada", &Row { key, due: Some(WallTime(-1)), ..row(Lane::Normal, seq, id) }));
            table.commit();
        }
        assert_eq!(table.count("ada", Lane::Normal), 100_000);
        for seq in 0..100_000 {
            table.delete("ada", Lane::Normal, seq, seq);
            table.commit();
        }
        assert!(table.users().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_rolled_back_never_happened(
            steps in prop::collection::vec((0..5u8, 0..4u8, 0..30u64, 0..8u64), 0..200),
        ) {
            let mut table = Table::default();
            let mut committed = (Vec::new(), Vec::new());
            for (step, lane, seq, extent) in steps {
                let lane = Lane::from(lane);
                match step {
                    0 => {
                        let text = |value: u64| value.is_multiple_of(3).then(|| (value % 4).to_string());
                        let due = seq.is_multiple_of(2).then_some(WallTime(10 - i64::try_from(extent).unwrap()));
                        let id = (seq % 20).to_string();
                        table.write("ada", &Row { key: text(extent), after: text(seq), due, ..row(lane, seq, id) });
                    }
                    1 => table.delete("ada", lane, seq, seq + extent),
                    2 => table.write_document("ada", Kind::History, &seq.to_string(), (extent > 3).then_some("text")),
                    3 => {
                        table.commit();
                        committed = (table.all_rows("ada"), table.documents("ada", Kind::History));
                    }
                    _ => {
                        table.roll_back();
                        prop_assert_eq!(&(table.all_rows("ada"), table.documents("ada", Kind::History)), &committed);
                    }
                }
                let rows = table.all_rows("ada");
                prop_assert!(rows.iter().all(|row| table.find("ada", &row.id) == Some(row)));
                for key in ["0", "1", "2", "3"] {
                    let mut expected: Vec<Row> = rows.iter().filter(|row| row.key.as_deref() == Some(key)).cloned().collect();
                    expected.sort_by_key(|row| row.seq);
                    let mut found = table.of_key("ada", key, 0, u32::MAX);
                    prop_assert_eq!(table.last_of_key("ada", key).map(|row| row.seq), found.last().map(|row| row.seq));
                    found.sort_by_key(|row| (row.seq, row.lane));
                    expected.sort_by_key(|row| (row.seq, row.lane));
                    // Rows of one sequence number in several lanes are against the contract, and one of them may be missing.
                    expected.dedup_by_key(|row| row.seq);
                    found.dedup_by_key(|row| row.seq);
                    prop_assert_eq!(found.len(), expected.len());
                }
                let due = table.due("ada", WallTime(6), u32::MAX);
                prop_assert!(due.is_sorted_by_key(|row| row.due) && due.iter().all(|row| row.due <= Some(WallTime(6))));
            }
        }
    }
}
