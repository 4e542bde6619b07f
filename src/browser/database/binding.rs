//! What is asked of IndexedDB for every row, a crossing each, and as little as possible within it.

use crate::platform::tables::{Lane, Row};
use crate::store::runs::{MOST_ROWS, Marks, RecordKey, pack, unpack};
use crate::time::WallTime;
use js_sys::{Array, JsString, Object};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbKeyRange, IdbRequest, IdbTransaction};

#[wasm_bindgen]
extern "C" {
    /// `IDBDatabase`, with the third argument of `transaction`.
    pub(super) type DurableDatabase;
    #[wasm_bindgen(method, catch)]
    pub(super) fn transaction(
        this: &DurableDatabase,
        stores: &Array,
        mode: &str,
        options: &Object,
    ) -> Result<IdbTransaction, JsValue>;

    /// `IDBTransaction`, with a method that not all browsers have.
    pub(super) type CommittingTransaction;
    #[wasm_bindgen(method, catch)]
    pub(super) fn commit(this: &CommittingTransaction) -> Result<(), JsValue>;

    /// `IDBObjectStore` and `IDBIndex`, read by a cursor.
    pub(super) type Source;
    #[wasm_bindgen(method, catch, js_name = openCursor)]
    pub(super) fn open_cursor(this: &Source, range: &IdbKeyRange, direction: &str) -> Result<IdbRequest, JsValue>;
    #[wasm_bindgen(method, catch, js_name = openKeyCursor)]
    pub(super) fn open_key_cursor(this: &Source) -> Result<IdbRequest, JsValue>;

    /// `IDBCursorWithValue`.
    pub(super) type Cursor;
    #[wasm_bindgen(method, getter)]
    pub(super) fn key(this: &Cursor) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub(super) fn value(this: &Cursor) -> JsValue;
    #[wasm_bindgen(method, catch, js_name = continue)]
    pub(super) fn go_on_to(this: &Cursor, key: &JsValue) -> Result<(), JsValue>;

    // Keys. Made in one crossing each, numbers and texts included.
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn user_key(user: &JsString) -> JsValue;
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn place_key(user: &JsString, lane: u8, seq: f64) -> JsValue;
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn run_key(user: &JsString, lane: u8, last: f64, count: f64) -> JsValue;
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn text_key(user: &JsString, text: &str) -> JsValue;
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn ordered_key(user: &JsString, text: &str, seq: f64) -> JsValue;
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn number_key(user: &JsString, number: f64) -> JsValue;
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn document_key(user: &JsString, kind: u8, name: &str) -> JsValue;
    // Behind every key that begins like it: arrays come after all else.
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn end_of_user(user: &JsValue, end: &Array) -> JsValue;
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn end_of_text(user: &JsString, text: &str, end: &Array) -> JsValue;
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn end_of_place(user: &JsString, lane: u8, seq: f64, end: &Array) -> JsValue;
    #[wasm_bindgen(js_namespace = Array, js_name = of)]
    pub(super) fn end_of_kind(user: &JsString, kind: u8, end: &Array) -> JsValue;

    /// A record of the queue.
    pub(super) type Record;
    #[wasm_bindgen(method, setter)]
    fn set_u(this: &Record, user: &JsString);
    #[wasm_bindgen(method, setter)]
    fn set_l(this: &Record, lane: u8);
    #[wasm_bindgen(method, setter)]
    fn set_s(this: &Record, seq: f64);
    #[wasm_bindgen(method, setter)]
    fn set_i(this: &Record, id: &str);
    #[wasm_bindgen(method, setter)]
    fn set_t(this: &Record, text: &JsValue);
    #[wasm_bindgen(method, setter)]
    fn set_k(this: &Record, key: &str);
    #[wasm_bindgen(method, setter)]
    fn set_d(this: &Record, due: f64);
    #[wasm_bindgen(method, setter)]
    fn set_a(this: &Record, after: &str);
    // As values, for they may be damaged.
    #[wasm_bindgen(method, getter)]
    fn l(this: &Record) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn s(this: &Record) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn i(this: &Record) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn t(this: &Record) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn k(this: &Record) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn d(this: &Record) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn a(this: &Record) -> JsValue;

    /// A record of the first version.
    pub(super) type FirstRecord;
    #[wasm_bindgen(method, getter, js_name = userId)]
    fn user_id(this: &FirstRecord) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn seq(this: &FirstRecord) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn id(this: &FirstRecord) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub(super) fn row(this: &FirstRecord) -> JsValue;
}

/// Sequence numbers and times stay below 2^53, where a double is exact; and beyond it, bounds of ranges are as good as exact.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn number(seq: u64) -> f64 {
    seq as f64
}

/// As a number that IndexedDB takes for a key.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn instant(time: WallTime) -> f64 {
    time.0 as f64
}

/// The key of a record.
pub(super) fn record_key(user: &JsString, key: RecordKey) -> JsValue {
    match key.count {
        1 => place_key(user, key.lane.into(), number(key.last)),
        count => run_key(user, key.lane.into(), number(key.last), number(count)),
    }
}

/// Which record has that key. One that is none of ours has one place.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
pub(super) fn from_key(lane: Lane, key: &JsValue) -> RecordKey {
    let part = |at: u32| key.unchecked_ref::<Array>().get(at).as_f64().filter(|part| part.fract() == 0.0).map(|part| part as u64);
    let count = part(3).filter(|count| (1..=MOST_ROWS).contains(count)).unwrap_or(1);
    RecordKey { lane, last: part(2).unwrap_or_default(), count }
}

/// A row as a record.
pub(super) fn to_record(user: &JsString, row: &Row) -> JsValue {
    let mut packed = String::new();
    pack(row, &mut packed);
    record_of(user, (row.lane, row.seq), Marks::of(row).as_ref(), packed.into())
}

/// What is packed already as a record. What is found by its place alone is a text: nothing is faster to write or to read. Any other row
/// is an object with what it is found by; members that are missing are in no index.
pub(super) fn record_of(user: &JsString, (lane, seq): (Lane, u64), marks: Option<&Marks>, packed: JsValue) -> JsValue {
    let Some(marks) = marks else { return packed };
    let record: Record = Object::new().unchecked_into();
    record.set_u(user);
    record.set_l(lane.into());
    record.set_s(number(seq));
    record.set_t(&packed);
    if let Some(id) = &marks.id {
        record.set_i(id);
    }
    if let Some(key) = &marks.key {
        record.set_k(key);
    }
    if let Some(due) = marks.due {
        record.set_d(instant(due));
    }
    if let Some(after) = &marks.after {
        record.set_a(after);
    }
    record.into()
}

/// Appends the rows of a record of a lane. Says whether they could be read.
pub(super) fn read_rows(record: &JsValue, lane: Lane, rows: &mut Vec<Row>) -> bool {
    let Some(record) = record.as_string() else {
        let row = from_record(record, Some(lane));
        let is_read = row.is_some();
        rows.extend(row);
        return is_read;
    };
    let unpacked = unpack(&record);
    rows.extend(unpacked.iter().flatten().map(|row| row.row(lane)));
    unpacked.is_some()
}

/// An object as a row; `lane` if it is known. `None` if it is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
pub(super) fn from_record(value: &JsValue, lane: Option<Lane>) -> Option<Row> {
    // Nothing is there.
    if !value.is_object() {
        return None;
    }
    let record: &Record = value.unchecked_ref();
    let lane = lane.unwrap_or_else(|| Lane::from(record.l().as_f64().map_or(u8::MAX, |lane| lane as u8)));
    let found_by = |row: Row| Row {
        key: record.k().as_string(),
        due: record.d().as_f64().map(|due| WallTime(due as i64)),
        after: record.a().as_string(),
        ..row
    };
    let packed = record.t().as_string().unwrap_or_default();
    let damaged = || {
        let (seq, id) = (record.s().as_f64()? as u64, record.i().as_string().unwrap_or_default());
        Some(Row { lane, seq, id, key: None, due: None, after: None, text: packed.clone(), weight: None })
    };
    let row = unpack(&packed).and_then(|rows| Some(rows.first()?.row(lane)));
    row.or_else(damaged).map(found_by)
}

impl FirstRecord {
    /// The row of the first version in its new place: whose it is, and the row. `None` if nothing of it can be found again.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub(super) fn to_row(&self, lane: Lane, key: Option<String>, due: Option<WallTime>) -> Option<(String, Row)> {
        let (user, seq, id) = (self.user_id().as_string()?, self.seq().as_f64()? as u64, self.id().as_string()?);
        Some((user, Row { lane, seq, id, key, due, after: None, text: self.row().as_string().unwrap_or_default(), weight: None }))
    }
}
