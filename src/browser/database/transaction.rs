//! One transaction, over both object stores.

use super::binding::{
    self, CommittingTransaction, Cursor, DurableDatabase, Source, from_key, from_record, instant, number, read_rows, record_key,
    to_record,
};
use super::failure::store_error;
use super::listening::{Answer, Listening};
use super::{
    BEGINNING, BY_AFTER, BY_DUE, BY_ID, BY_KEY, COMMITTING, Connection, DOCUMENTS, Density, Handle, QUEUE, READING, WRITING,
};
use crate::browser::BrowserClock;
use crate::platform::tables::{Durability, Kind, Lane, Row, Transaction};
use crate::platform::{Access, StoreError, StoreErrorKind};
use crate::queue::row::place_named_by;
use crate::store::runs::{Changes, MOST_ROWS, RecordKey, Requests, Span, unpack_record};
use crate::store::turn::Turn;
use crate::time::WallTime;
use futures_util::future::try_join_all;
use js_sys::{Array, JsString};
use std::cell::{Cell, RefCell};
use std::ops::RangeInclusive;
use std::rc::{Rc, Weak};
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
    /// By user, what is to be written: rows that come together lie together.
    unwritten: RefCell<Vec<(Box<str>, Changes)>>,
    /// How often that has changed.
    version: Cell<u32>,
    /// Whose turn it is to write it.
    turn: Rc<Turn>,
    /// Which answer is to have come before the next rows are written.
    pace: Cell<u32>,
    density: Density,
    database: IdbDatabase,
    slot: Weak<RefCell<Connection>>,
}

/// How many rows are written at a time, and how many bytes.
const MOST_UNWRITTEN: usize = 200;
const LARGEST_UNWRITTEN: usize = 256 << 10;
/// Texts that are shorter than this cross together.
const SHORT: usize = 4 << 10;

/// From so many ids on, whose places are so near to one another, all that lies there is read.
const MANY: usize = 8;
const NEAR: u64 = 8;

/// Some of the rows of a lane.
struct Found {
    rows: Vec<Row>,
    /// How many records have these.
    records: u32,
    /// The last place of the last of these.
    end: Option<u64>,
    may_be_more: bool,
}

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
            version: Cell::default(),
            turn: Rc::default(),
            pace: Cell::default(),
            density: handle.density.clone(),
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

    fn tell(&self, request: Result<IdbRequest, JsValue>, rows: u64) -> Result<(), StoreError> {
        request.map(|request| self.listening.tell(request, rows)).map_err(self.failed(WRITING))
    }

    /// Changes what is yet to be written of a user's queue.
    fn change(&self, user_id: &str, change: impl FnOnce(&mut Changes)) {
        self.version.set(self.version.get().wrapping_add(1));
        let mut unwritten = self.unwritten.borrow_mut();
        let at = unwritten.iter().position(|(own, _)| **own == *user_id).unwrap_or_else(|| {
            unwritten.push((user_id.into(), Changes::default()));
            unwritten.len().saturating_sub(1)
        });
        if let Some((_, changes)) = unwritten.get_mut(at) {
            change(changes);
        }
    }

    fn put(&self, user_id: &str, row: &Row, is_new: bool) -> Result<(), StoreError> {
        // What only reads says at once that it does not write.
        if self.access == Access::Read {
            let user = self.user(user_id);
            let key = record_key(&user, RecordKey { lane: row.lane, last: row.seq, count: 1 });
            return self.tell(self.queue.put_with_key(&to_record(&user, row), &key), 1);
        }
        self.change(user_id, |changes| changes.write(row, is_new));
        Ok(())
    }

    /// Writes what is yet to be written. To be awaited before anything is read of the rows. One that is given up has done nothing.
    async fn flush(&self) -> Result<(), StoreError> {
        if self.unwritten.borrow().is_empty() {
            return Ok(());
        }
        let _held = self.turn.take().await;
        while !self.unwritten.borrow().is_empty() {
            let version = self.version.get();
            let ends: Vec<_> =
                self.unwritten.borrow().iter().map(|(user_id, changes)| (self.user(user_id), changes.ends())).collect();
            let mut known = Vec::with_capacity(ends.len());
            for (at, (user, ends)) in ends.into_iter().enumerate() {
                let at_ends = self.records_at(&user, &ends).await?;
                let cut = self.unwritten.borrow().get(at).map(|(_, changes)| changes.cut(&at_ends));
                let cut = self.texts_of(&user, cut.unwrap_or_default()).await?;
                known.push((user, at_ends, cut));
            }
            // Whoever has changed it meanwhile has changed what has to be known.
            if version == self.version.get() {
                self.version.set(version.wrapping_add(1));
                let asked =
                    self.unwritten.take().iter().zip(known).try_for_each(|((_, changes), (user, at_ends, cut))| {
                        self.request(&user, &changes.requests(&at_ends, &cut))
                    });
                // Nobody may commit a part of it.
                return asked.inspect_err(|_| self.listening.abort());
            }
        }
        Ok(())
    }

    /// The records that have these places, as far as any has. All are asked for before the first has answered.
    async fn records_at(&self, user: &JsString, places: &[(Lane, u64)]) -> Result<Vec<RecordKey>, StoreError> {
        let ask = |&(lane, seq): &(Lane, u64)| {
            let range = self.record_at(user, lane, seq)?;
            Ok((lane, self.ask(self.queue.get_key(&range))?))
        };
        let asked: Vec<_> = places.iter().map(ask).collect::<Result<_, StoreError>>()?;
        let mut found = Vec::with_capacity(asked.len());
        for (lane, answer) in asked {
            let key = self.hear(answer.await)?;
            found.extend(key.is_array().then(|| from_key(lane, &key)));
        }
        Ok(found)
    }

    /// The same for what is in some records.
    async fn texts_of(&self, user: &JsString, keys: Vec<RecordKey>) -> Result<Vec<(RecordKey, String)>, StoreError> {
        let ask = |key: RecordKey| Ok((key, self.ask(self.queue.get(&record_key(user, key)))?));
        let asked: Vec<_> = keys.into_iter().map(ask).collect::<Result<_, StoreError>>()?;
        let mut found = Vec::with_capacity(asked.len());
        for (key, answer) in asked {
            found.push((key, self.hear(answer.await)?.as_string().unwrap_or_default()));
        }
        Ok(found)
    }

    /// The keys of which the first is that of the record which has a place, if any has.
    fn record_at(&self, user: &JsString, lane: Lane, seq: u64) -> Result<IdbKeyRange, StoreError> {
        self.places(user, lane, seq, seq.saturating_add(MOST_ROWS.saturating_sub(1)))
    }

    fn request(&self, user: &JsString, Requests { gone, cut, put }: &Requests<'_>) -> Result<(), StoreError> {
        for &Span { lane, first, last } in gone {
            self.listening.expect_deletions(last.saturating_sub(first));
            self.tell(self.queue.delete(&*self.places(user, lane, first, last)?), 1)?;
        }
        for key in cut {
            self.tell(self.queue.delete(&record_key(user, *key)), 1)?;
        }
        for some in put.chunks(MOST_UNWRITTEN) {
            // Short texts cross to JavaScript together, a line each: it is the crossing that costs. JSON may have line breaks between its tokens.
            let is_line = |packed: &str| packed.len() < SHORT && !packed.contains('\n');
            let mut texts = String::new();
            for put in some.iter().filter(|put| is_line(put.packed)) {
                put.write(&mut texts);
                texts.push('\n');
            }
            let mut lines = JsString::from(texts).split("\n").into_iter();
            for put in some {
                let text = if is_line(put.packed) { lines.next() } else { None };
                let text = text.unwrap_or_else(|| {
                    let mut text = String::new();
                    put.write(&mut text);
                    text.into()
                });
                let record = binding::record_of(user, (put.key.lane, put.key.last), put.marks, text);
                self.tell(self.queue.put_with_key(&record, &record_key(user, put.key)), put.key.count)?;
            }
        }
        Ok(())
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

    /// The keys of the records of which the last row has one of these places.
    fn places(&self, user: &JsString, lane: Lane, first: u64, last: u64) -> Result<IdbKeyRange, StoreError> {
        let end = binding::end_of_place(user, lane.into(), number(last), &Array::new());
        self.range(&binding::place_key(user, lane.into(), number(first)), &end)
    }

    /// The rows of the first records from a place on, of so many records at most, until there are enough. Of those that somebody else has
    /// written, or damaged, the keys still say which rows lie there.
    async fn some_rows(&self, range: &IdbKeyRange, place: (Lane, u64), limit: u32, enough: usize) -> Result<Found, StoreError> {
        let (lane, first) = place;
        let all: Array = self.read(self.queue.get_all_with_key_and_limit(range, limit)).await?.unchecked_into();
        let (mut rows, mut records, mut are_read) = (Vec::new(), 0_u32, true);
        while are_read && rows.len() < enough && records < all.length() {
            are_read = read_rows(&all.get(records), lane, &mut rows);
            records = records.saturating_add(1);
        }
        let mut end = rows.last().map(|row| row.seq);
        if !are_read || end.is_some_and(|end| end < first) {
            let keys: Array = self.read(self.queue.get_all_keys_with_key_and_limit(range, records)).await?.unchecked_into();
            rows.clear();
            for (record, key) in all.iter().zip(keys.iter()) {
                let key = from_key(lane, &key);
                let packed = record.as_string().unwrap_or_default();
                let unpacked = unpack_record(key, &packed);
                match from_record(&record, Some(lane)) {
                    Some(row) => rows.push(row),
                    None => rows.extend(unpacked.map(|(seq, row)| row.map_or_else(|| foreign(lane, seq), |row| row.row(lane)))),
                }
                end = Some(key.last);
            }
        }
        Ok(Found { rows, records, end, may_be_more: records == limit || records < all.length() })
    }

    /// The row of an id that is in the index.
    fn by_id(&self, user: &JsString, id: &str) -> Result<impl Future<Output = Result<Option<Row>, StoreError>>, StoreError> {
        let record = self.ask(self.index(BY_ID)?.get(&binding::text_key(user, id)))?;
        Ok(async move { Ok(from_record(&self.hear(record.await)?, None)) })
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

/// Where many of some places are close to one another: it is cheaper to read all that lies there than to look for each in all lanes.
fn dense(places: &[u64]) -> Vec<RangeInclusive<u64>> {
    let near = places.chunk_by(|one, other| other.saturating_sub(*one) <= NEAR);
    near.filter(|places| places.len() >= MANY).filter_map(|places| Some(*places.first()?..=*places.last()?)).collect()
}

/// What stands in for a row that is none of ours.
fn foreign(lane: Lane, seq: u64) -> Row {
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
            Some(text) => self.tell(self.documents.put_with_key(&text.into(), &key), 1),
            None => self.tell(self.documents.delete(&key), 1),
        }
    }

    async fn rows(&self, user_id: &str, lane: Lane, first: u64, last: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.flush().await?;
        let (user, mut rows, mut first) = (self.user(user_id), Vec::new(), first);
        loop {
            let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(rows.len());
            let missing = (room as u64).min(last.saturating_sub(first).saturating_add(1));
            // A range that ends before it begins is an error.
            if missing == 0 || first > last {
                return Ok(rows);
            }
            // As many records as have so many rows, if they are like those that were read last.
            let (of_rows, records) = self.density.get();
            let limit = missing.saturating_mul(records).div_ceil(of_rows.max(1)).clamp(1, missing);
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            let enough = usize::try_from(missing).unwrap_or(usize::MAX);
            let range = self.places(&user, lane, first, last.saturating_add(MOST_ROWS))?;
            let found = self.some_rows(&range, (lane, first), limit, enough).await?;
            let Some(end) = found.end else { return Ok(rows) };
            self.density.set((found.rows.len() as u64, found.records.into()));
            rows.extend(found.rows.into_iter().filter(|row| (first..=last).contains(&row.seq)).take(room));
            if !found.may_be_more {
                return Ok(rows);
            }
            first = end.saturating_add(1);
        }
    }

    async fn find(&self, user_id: &str, id: &str) -> Result<Option<Row>, StoreError> {
        self.flush().await?;
        let user = self.user(user_id);
        if let Some(seq) = place_named_by(id) {
            let in_lane = async |lane: Lane| {
                let found = self.some_rows(&self.record_at(&user, lane, seq)?, (lane, seq), 1, 1).await?;
                Ok::<_, StoreError>(found.rows.into_iter().find(|row| row.id == id))
            };
            if let Some(row) = try_join_all(Lane::ALL.map(in_lane)).await?.into_iter().flatten().next() {
                return Ok(Some(row));
            }
        }
        self.by_id(&user, id)?.await
    }

    async fn find_all(&self, user_id: &str, ids: &[String]) -> Result<Vec<Option<Row>>, StoreError> {
        self.flush().await?;
        let user = self.user(user_id);
        let mut places: Vec<u64> = ids.iter().filter_map(|id| place_named_by(id)).collect();
        places.sort_unstable();
        let looked_through = dense(&places);
        let mut found: Vec<Row> = Vec::new();
        for places in &looked_through {
            for lane in Lane::ALL {
                let rows = self.rows(user_id, lane, *places.start(), *places.end(), u32::MAX).await?;
                found.extend(rows);
            }
        }
        found.retain(|row| places.binary_search(&row.seq).is_ok());
        found.sort_unstable_by_key(|row| row.seq);
        let find = |id: &String| {
            let place = place_named_by(id);
            let at = place.and_then(|place| found.binary_search_by_key(&place, |row| row.seq).ok());
            let row = at.and_then(|at| found.get(at)).filter(|row| row.id == *id).cloned();
            let is_elsewhere = place.is_some_and(|place| looked_through.iter().any(|places| places.contains(&place)));
            let (user, id) = (user.clone(), id.clone());
            async move {
                match row {
                    Some(row) => Ok(Some(row)),
                    None if is_elsewhere => self.by_id(&user, &id)?.await,
                    None => self.find(user_id, &id).await,
                }
            }
        };
        try_join_all(ids.iter().map(find)).await
    }

    async fn of_key(&self, user_id: &str, key: &str, first: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.flush().await?;
        let user = self.user(user_id);
        let (first, end) = (binding::ordered_key(&user, key, number(first)), binding::end_of_text(&user, key, &Array::new()));
        let range = self.range(&first, &end)?;
        self.rows_in(BY_KEY, &range, limit).await
    }

    async fn last_of_key(&self, user_id: &str, key: &str) -> Result<Option<Row>, StoreError> {
        self.flush().await?;
        let user = self.user(user_id);
        let (first, end) = (binding::ordered_key(&user, key, 0.0), binding::end_of_text(&user, key, &Array::new()));
        let (range, index) = (self.range(&first, &end)?, self.index(BY_KEY)?);
        let request = index.unchecked_ref::<Source>().open_cursor(&range, "prev").map_err(self.failed(READING))?;
        Ok(self.reached(&request).await?.and_then(|cursor| from_record(&cursor.value(), None)))
    }

    async fn due(&self, user_id: &str, until: WallTime, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.flush().await?;
        let user = self.user(user_id);
        let range = self.range(&binding::user_key(&user), &binding::number_key(&user, instant(until)))?;
        self.rows_in(BY_DUE, &range, limit).await
    }

    async fn after(&self, user_id: &str, id: &str, limit: u32) -> Result<Vec<Row>, StoreError> {
        self.flush().await?;
        self.rows_in(BY_AFTER, &binding::text_key(&self.user(user_id), id), limit).await
    }

    async fn count(&self, user_id: &str, lane: Lane) -> Result<u64, StoreError> {
        self.flush().await?;
        let range = self.places(&self.user(user_id), lane, 0, u64::MAX)?;
        let keys: Array = self.read(self.queue.get_all_keys_with_key(&range)).await?.unchecked_into();
        Ok(keys.iter().map(|key| from_key(lane, &key).count).sum())
    }

    fn write(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        self.put(user_id, row, false)
    }

    fn write_new(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        self.put(user_id, row, true)
    }

    async fn pace(&self) -> Result<(), StoreError> {
        let is_much = |(rows, bytes)| rows >= MOST_UNWRITTEN || bytes >= LARGEST_UNWRITTEN;
        // Of whoever writes a lot, most is one user's.
        if !self.unwritten.borrow().iter().any(|(_, changes)| is_much(changes.size())) {
            return Ok(());
        }
        self.flush().await?;
        // The rows before these: while they are being written, there is always something on its way to the disk.
        let before = self.pace.replace(self.listening.asked());
        let heard = self.listening.reach(before).await;
        self.hear(heard)
    }

    fn delete(&self, user_id: &str, lane: Lane, first: u64, last: u64) -> Result<(), StoreError> {
        if self.access == Access::Read {
            return self.tell(self.queue.delete(&*self.places(&self.user(user_id), lane, first, first)?), 1);
        }
        if first <= last {
            self.change(user_id, |changes| changes.delete(Span { lane, first, last }));
        }
        Ok(())
    }

    async fn users(&self) -> Result<Vec<String>, StoreError> {
        self.flush().await?;
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
        self.flush().await?;
        // Not before all writes have been taken: of a transaction that was told to commit already, WebKit commits what has not failed, and
        // so does Firefox if it fails before the word has come.
        if self.listening.has_written() {
            let request = self.documents.get_key(&0.into()).map_err(self.failed(COMMITTING))?;
            self.hear(self.listening.ask(request, COMMITTING).await)?;
        }
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
