//! What is asked of IndexedDB for every row, a crossing each, and as little as possible within it.

use crate::platform::tables::{Lane, Row};
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
    fn set_t(this: &Record, text: &str);
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
    // What a row of the first version becomes, its values as they are.
    #[wasm_bindgen(method, setter, js_name = u)]
    fn set_user_value(this: &Record, user: &JsValue);
    #[wasm_bindgen(method, setter, js_name = s)]
    fn set_seq_value(this: &Record, seq: &JsValue);
    #[wasm_bindgen(method, setter, js_name = i)]
    fn set_id_value(this: &Record, id: &JsValue);
    #[wasm_bindgen(method, setter, js_name = t)]
    fn set_text_value(this: &Record, text: &JsValue);

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

impl Record {
    fn empty() -> Self {
        Object::new().unchecked_into()
    }

    pub(super) fn new(user: &JsString, row: &Row) -> Self {
        let record = Self::empty();
        record.set_u(user);
        record.set_l(row.lane.into());
        record.set_s(number(row.seq));
        record.set_i(&row.id);
        record.set_t(&row.text);
        record.set_places(row.key.as_deref(), row.due, row.after.as_deref());
        record
    }

    /// The row of the first version in its new place.
    pub(super) fn from_first(first: &FirstRecord, text: &JsValue, lane: Lane, key: Option<&str>, due: Option<WallTime>) -> Self {
        let record = Self::empty();
        record.set_user_value(&first.user_id());
        record.set_l(lane.into());
        record.set_seq_value(&first.seq());
        record.set_id_value(&first.id());
        record.set_text_value(text);
        record.set_places(key, due, None);
        record
    }

    /// What it is found by: members that are missing are in no index.
    fn set_places(&self, key: Option<&str>, due: Option<WallTime>, after: Option<&str>) {
        if let Some(key) = key {
            self.set_k(key);
        }
        if let Some(due) = due {
            self.set_d(instant(due));
        }
        if let Some(after) = after {
            self.set_a(after);
        }
    }

    /// As a row; `lane` if it is known.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub(super) fn to_row(&self, lane: Option<Lane>) -> Row {
        let lane = lane.unwrap_or_else(|| Lane::from(self.l().as_f64().map_or(u8::MAX, |lane| lane as u8)));
        Row {
            lane,
            seq: self.s().as_f64().unwrap_or_default() as u64,
            id: self.i().as_string().unwrap_or_default(),
            key: self.k().as_string(),
            due: self.d().as_f64().map(|due| WallTime(due as i64)),
            after: self.a().as_string(),
            text: self.t().as_string().unwrap_or_default(),
        }
    }
}
