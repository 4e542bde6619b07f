//! One transaction, over both object stores.

use super::binding::{
    self, CommittingTransaction, Cursor, DurableDatabase, Marks, Source, from_record, instant, number, pack, to_record,
};
use super::failure::store_error;
use super::listening::{Answer, Listening};
use super::{BEGINNING, BY_AFTER, BY_DUE, BY_ID, BY_KEY, Connection, DOCUMENTS, Handle, QUEUE, READING, WRITING};
use crate::browser::BrowserClock;
use crate::platform::tables::{Durability, Kind, Lane, Row, Transaction};
use crate::platform::{Access, StoreError, StoreErrorKind};
use crate::queue::row::place_named_by;
use crate::time::WallTime;
use futures_util::future::try_join_all;
use js_sys::{Array, JsString};
use std::cell::{Cell, RefCell};
use std::rc::Weak;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbDatabase, IdbIndex, IdbKeyRange, IdbObjectStore, IdbRequest};

/// A transaction. Dropping one that may write before it is committed aborts it.
#[derive(Debug)]
pub struct DatabaseTransaction {
    listening: Listening,
    queue: IdbObjectStore,
    documents: IdbObjectStore,
    access: Access,
    is_committed: bool,
    /// The last user that was asked for, as JavaScript has him: most transactions are about one.
    user: RefCell<Option<(Box<str>, JsString)>>,
    unwritten: RefCell<Unwritten>,
    /// Which answer is to have come before the next rows are written.
    pace: Cell<u32>,
    database: IdbDatabase,
    slot: Weak<RefCell<Connection>>,
}

/// Rows that are to be written: their texts cross to JavaScript together, because it is the crossing that costs.
#[derive(Debug, Default)]
struct Unwritten {
    user: Option<JsString>,
    /// The texts, a line each.
    lines: String,
    rows: Vec<(Lane, u64, Option<Marks>)>,
}

/// How many rows are written at a time, and how many bytes.
const MOST_UNWRITTEN: usize = 200;
const LARGEST_UNWRITTEN: usize = 256 << 10;

impl DatabaseTransaction {
    pub(super) fn begin(
        handle: &Handle,
        access: Access,
        slot: Weak<RefCell<Connection>>,
        clock: &BrowserClock,
    ) -> Result<Self, StoreError> {
        let failed = |thrown: JsValue| store_error(BEGINNING, &thrown);
        let mode = if access == Access::Write { "readwrite" } else { "readonly" };
        let database: &DurableDatabase = handle.database.unchecked_ref();
        let transaction = database.transaction(&handle.stores, mode, &handle.options).map_err(failed)?;
        Ok(Self {
            queue: transaction.object_store(QUEUE).map_err(failed)?,
            documents: transaction.object_store(DOCUMENTS).map_err(failed)?,
            listening: Listening::new(transaction, clock.clone()),
            access,
            is_committed: false,
            user: RefCell::default(),
            unwritten: RefCell::default(),
            pace: Cell::default(),
            database: handle.database.clone(),
            slot,
        })
    }

    /// Reads something, for the sake of knowing whether that is possible.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        let request = self.documents.get(&0.into()).map_err(|thrown| store_error(BEGINNING, &thrown))?;
        self.hear(self.listening.ask(request, BEGINNING).await)?;
        Ok(())
    }

    fn user(&self, user_id: &str) -> JsString {
        let mut user = self.user.borrow_mut();
        if let Some((_, value)) = user.as_ref().filter(|(own, _)| **own == *user_id) {
            return value.clone();
        }
        let value = JsString::from(user_id);
        *user = Some((user_id.into(), value.clone()));
        value
    }

    /// Lets go of a connection that fails, so that the next transaction begins on another.
    fn hear<T>(&self, heard: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError { kind: StoreErrorKind::Closed | StoreErrorKind::TimedOut, .. }) = heard {
            self.database.close();
            if let Some(slot) = self.slot.upgrade() {
                slot.borrow_mut().forget(&self.database);
            }
        }
        heard
    }

    fn failed(&self, operation: &'static str) -> impl Fn(JsValue) -> StoreError {
        move |thrown| {
            let error = self.listening.thrown(operation, &thrown);
            self.hear::<()>(Err(error.clone())).err().unwrap_or(error)
        }
    }

    fn ask(&self, request: Result<IdbRequest, JsValue>) -> Result<Answer<'_>, StoreError> {
        request.map(|request| self.listening.ask(request, READING)).map_err(self.failed(READING))
    }

    fn tell(&self, request: Result<IdbRequest, JsValue>) -> Result<(), StoreError> {
        request.map(|request| self.listening.tell(request)).map_err(self.failed(WRITING))
    }

    /// Writes what is yet to be written. To be called before anything else is asked of the rows.
    fn flush(&self) -> Result<(), StoreError> {
        let Unwritten { user: Some(user), lines, rows } = self.unwritten.take() else { return Ok(()) };
        let texts = JsString::from(lines).split("\n");
        for ((lane, seq, marks), text) in rows.into_iter().zip(texts.iter()) {
            let record = binding::record_of(&user, (lane, seq), marks.as_ref(), text);
            self.put(&user, (lane, seq), &record)?;
        }
        Ok(())
    }

    fn put(&self, user: &JsString, (lane, seq): (Lane, u64), record: &JsValue) -> Result<(), StoreError> {
        self.tell(self.queue.put_with_key(record, &binding::place_key(user, lane.into(), number(seq))))
    }

    async fn read(&self, request: Result<IdbRequest, JsValue>) -> Result<JsValue, StoreError> {
        let answer = self.ask(request)?;
        self.hear(answer.await)
    }

    fn index(&self, name: &str) -> Result<IdbIndex, StoreError> {
        self.queue.index(name).map_err(self.failed(READING))
    }

    fn range(&self, first: &JsValue, last: &JsValue) -> Result<IdbKeyRange, StoreError> {
        IdbKeyRange::bound(first, last).map_err(self.failed(READING))
    }

    fn places(&self, user_id: &str, lane: Lane, first: u64, last: u64) -> Result<IdbKeyRange, StoreError> {
        let user = self.user(user_id);
        let place = |seq| binding::place_key(&user, lane.into(), number(seq));
        self.range(&place(first), &place(last))
    }

    async fn rows_in(&self, index: &str, range: &JsValue, limit: u32) -> Result<Vec<Row>, StoreError> {
        // 0 would be all of them.
        if limit == 0 {
            return Ok(vec![]);
        }
        let records = self.read(self.index(index)?.get_all_with_key_and_limit(range, limit)).await?;
        let records: Array = records.unchecked_into();
        Ok(records.iter().filter_map(|record| from_record(&record, None)).collect())
    }

    /// What a cursor has reached; `None` at its end. The answer to its request, and again after each step.
    async fn reached(&self, request: &IdbRequest) -> Result<Option<Cursor>, StoreError> {
        let cursor = self.read(Ok(request.clone())).await?;
        Ok((!cursor.is_null()).then(|| cursor.unchecked_into()))
    }

    /// Of an object store whose keys begin with the user, the users.
    async fn users_in(&self, store: &IdbObjectStore, users: &mut Vec<String>) -> Result<(), StoreError> {
        let request = store.unchecked_ref::<Source>().open_key_cursor().map_err(self.failed(READING))?;
        while let Some(cursor) = self.reached(&request).await? {
            let user = cursor.key().unchecked_into::<Array>().get(0);
            users.extend(user.as_string());
            cursor.go_on_to(&binding::end_of_user(&user, &Array::new())).map_err(self.failed(READING))?;
        }
        Ok(())
    }
}

/// What stands in for a record that is none of ours.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn foreign(lane: Lane, key: &JsValue) -> Row {
    let seq = key.unchecked_ref::<Array>().get(2).as_f64().unwrap_or_default() as u64;
    let id = ["unreadable-", &seq.to_string()].concat();
    Row { lane, seq, id, key: None, due: None, after: None, text: String::new(), weight: None }
}

impl Transaction for DatabaseTransaction {
    fn durability(&self) -> Durability {
        Durability::IndexedDb
    }

    async fn document(&self, user_id: &str, kind: Kind, name: &str) -> Result<Option<String>, StoreError> {
        let key = binding::document_key(&self.user(user_id), kind as u8, name);
        Ok(self.read(self.documents.get(&key)).await?.as_string())
    }

    async fn documents(&self, user_id: &str, kind: Kind) -> Result<Vec<(String, String)>, StoreError> {
        let user = self.user(user_id);
        let first = binding::document_key(&user, kind as u8, "");
        let range = self.range(&first, &binding::end_of_kind(&user, kind as u8, &Array::new()))?;
        let keys = self.ask(self.documents.get_all_keys_with_key(&range))?;
        let texts = self.ask(self.documents.get_all_with_key(&range))?;
        let (keys, texts) = (self.hear(keys.await)?, self.hear(texts.await)?);
        let (keys, texts): (Array, Array) = (keys.unchecked_into(), texts.unchecked_into());
        let name = |key: JsValue| key.unchecked_into::<Array>().get(2).as_string();
        Ok(keys.iter().zip(texts.iter()).filter_map(|(key, text)| Some((name(key)?, text.as_string()?))).collect())
    }

    fn write_document(&self, user_id: &str, kind: Kind, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        let key = binding::document_key(&self.user(user_id), kind as u8, name);
        match text {
            Some(text) => self.tell(self.documents.put_with_key(&text.into(), &key)),
            None => self.tell(self.documents.delete(&key)),
        }
    }

    async fn rows(&self, user_id: &str, lane: Lane, first: u64, last: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.flush()?;
        // 0 would be all of them, and a range that ends before it begins is an error.
        if limit == 0 || first > last {
            return Ok(vec![]);
        }
        let range = self.places(user_id, lane, first, last)?;
        let records: Array = self.read(self.queue.get_all_with_key_and_limit(&range, limit)).await?.unchecked_into();
        let rows: Vec<Option<Row>> = records.iter().map(|record| from_record(&record, Some(lane))).collect();
        if rows.iter().all(Option::is_some) {
            return Ok(rows.into_iter().flatten().collect());
        }
        // Somebody else has written there. Its key still says where it lies.
        let keys: Array = self.read(self.queue.get_all_keys_with_key_and_limit(&range, limit)).await?.unchecked_into();
        Ok(rows.into_iter().zip(keys.iter()).map(|(row, key)| row.unwrap_or_else(|| foreign(lane, &key))).collect())
    }

    async fn find(&self, user_id: &str, id: &str) -> Result<Option<Row>, StoreError> {
        self.flush()?;
        let user = self.user(user_id);
        if let Some(seq) = place_named_by(id) {
            let in_lane = |lane: Lane| {
                let record = self.ask(self.queue.get(&binding::place_key(&user, lane.into(), number(seq))));
                async move { Ok(from_record(&self.hear(record?.await)?, Some(lane))) }
            };
            let rows = try_join_all(Lane::ALL.map(in_lane)).await?;
            if let Some(row) = rows.into_iter().flatten().find(|row| row.id == id) {
                return Ok(Some(row));
            }
        }
        let record = self.read(self.index(BY_ID)?.get(&binding::text_key(&user, id))).await?;
        Ok(from_record(&record, None))
    }

    async fn of_key(&self, user_id: &str, key: &str, first: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.flush()?;
        let user = self.user(user_id);
        let (first, end) = (binding::ordered_key(&user, key, number(first)), binding::end_of_text(&user, key, &Array::new()));
        let range = self.range(&first, &end)?;
        self.rows_in(BY_KEY, &range, limit).await
    }

    async fn last_of_key(&self, user_id: &str, key: &str) -> Result<Option<Row>, StoreError> {
        self.flush()?;
        let user = self.user(user_id);
        let (first, end) = (binding::ordered_key(&user, key, 0.0), binding::end_of_text(&user, key, &Array::new()));
        let (range, index) = (self.range(&first, &end)?, self.index(BY_KEY)?);
        let request = index.unchecked_ref::<Source>().open_cursor(&range, "prev").map_err(self.failed(READING))?;
        Ok(self.reached(&request).await?.and_then(|cursor| from_record(&cursor.value(), None)))
    }

    async fn due(&self, user_id: &str, until: WallTime, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.flush()?;
        let user = self.user(user_id);
        let range = self.range(&binding::user_key(&user), &binding::number_key(&user, instant(until)))?;
        self.rows_in(BY_DUE, &range, limit).await
    }

    async fn after(&self, user_id: &str, id: &str, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.flush()?;
        self.rows_in(BY_AFTER, &binding::text_key(&self.user(user_id), id), limit).await
    }

    async fn count(&self, user_id: &str, lane: Lane) -> Result<u64, StoreError> {
        self.flush()?;
        let range = self.places(user_id, lane, 0, u64::MAX)?;
        let count = self.read(self.queue.count_with_key(&range)).await?.as_f64().unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is neither")]
        Ok(count as u64)
    }

    fn write(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        let user = self.user(user_id);
        let others = self.unwritten.borrow().user.as_ref().is_some_and(|other| *other != user);
        // JSON may have line breaks between its tokens, and an id of the caller's may have any.
        let is_line = !row.text.contains('\n') && !row.id.contains('\n');
        if others || !is_line || self.unwritten.borrow().lines.len() > LARGEST_UNWRITTEN {
            self.flush()?;
        }
        // What only reads says at once that it does not write.
        if !is_line || self.access == Access::Read {
            return self.put(&user, (row.lane, row.seq), &to_record(&user, row));
        }
        let mut unwritten = self.unwritten.borrow_mut();
        if !unwritten.rows.is_empty() {
            unwritten.lines.push('\n');
        }
        pack(row, &mut unwritten.lines);
        unwritten.rows.push((row.lane, row.seq, Marks::of(row)));
        unwritten.user = Some(user);
        Ok(())
    }

    async fn pace(&self) -> Result<(), StoreError> {
        if self.unwritten.borrow().rows.len() < MOST_UNWRITTEN {
            return Ok(());
        }
        self.flush()?;
        // The rows before these: while they are being written, there is always something on its way to the disk.
        let before = self.pace.replace(self.listening.asked());
        let heard = self.listening.reach(before).await;
        self.hear(heard)
    }

    fn delete(&self, user_id: &str, lane: Lane, first: u64, last: u64) -> Result<(), StoreError> {
        self.flush()?;
        if first > last {
            return Ok(());
        }
        let range = self.places(user_id, lane, first, last)?;
        self.listening.expect_deletions(last.saturating_sub(first));
        self.tell(self.queue.delete(&range))
    }

    async fn users(&self) -> Result<Vec<String>, StoreError> {
        self.flush()?;
        let mut users = vec![];
        self.users_in(&self.queue, &mut users).await?;
        self.users_in(&self.documents, &mut users).await?;
        users.sort_unstable();
        users.dedup();
        Ok(users)
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        if self.access == Access::Read {
            // Nothing to wait for: it has read what it has read.
            self.is_committed = true;
            return Ok(());
        }
        self.flush()?;
        self.is_committed = true;
        // Without waiting for the transaction to notice that it is idle. It may already have ended by itself, and says so.
        let _: Result<(), JsValue> = self.listening.transaction.unchecked_ref::<CommittingTransaction>().commit();
        let completed = self.listening.complete().await;
        self.hear(completed)
    }
}

impl Drop for DatabaseTransaction {
    fn drop(&mut self) {
        // One that only reads as well: of a page that is frozen meanwhile, it would keep all others from writing.
        if !self.is_committed {
            self.listening.abort();
        }
    }
}
