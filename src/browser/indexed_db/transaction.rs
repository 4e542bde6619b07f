//! One transaction, over both object stores.

use super::request::{Once, result_of, store_error};
use super::{ACTIONS, BY_ID, USERS};
use crate::browser::global;
use crate::platform::{Access, StoreError, StoreErrorKind, Transaction};
use crate::queue::action::Action;
use crate::queue::record::UserRecord;
use js_sys::{Array, Object, Reflect};
use serde::de::DeserializeOwned;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, IdbDatabase, IdbKeyRange, IdbObjectStore, IdbTransaction};

const BEGINNING: &str = "beginning a transaction";
const READING: &str = "reading the queue";
const WRITING: &str = "writing to the queue";
const COMMITTING: &str = "committing to disk";

#[wasm_bindgen]
extern "C" {
    /// `IDBDatabase`, with the third argument of `transaction`.
    type DurableDatabase;
    #[wasm_bindgen(method, catch)]
    fn transaction(this: &DurableDatabase, stores: &Array, mode: &str, options: &Object) -> Result<IdbTransaction, JsValue>;
}

/// A transaction. Dropping it before it is committed aborts it.
#[derive(Debug)]
pub struct IndexedDbTransaction {
    transaction: IdbTransaction,
    actions: IdbObjectStore,
    users: IdbObjectStore,
    ended: Once<bool>,
    committed: bool,
    _on_complete: Closure<dyn FnMut(Event)>,
    _on_abort: Closure<dyn FnMut(Event)>,
}

impl IndexedDbTransaction {
    pub(super) fn begin(database: &IdbDatabase, access: Access) -> Result<Self, StoreError> {
        let failed = |thrown: JsValue| store_error(BEGINNING, &thrown);
        let options = Object::new();
        // Chromium's default is to answer before the data is on disk.
        Reflect::set(&options, &"durability".into(), &"strict".into()).map_err(failed)?;
        let mode = if access == Access::Write { "readwrite" } else { "readonly" };
        let stores = Array::of2(&ACTIONS.into(), &USERS.into());
        let transaction = database.unchecked_ref::<DurableDatabase>().transaction(&stores, mode, &options).map_err(failed)?;
        let ended = Once::new();
        let (completed, aborted) = (ended.clone(), ended.clone());
        let on_complete = Closure::new(move |_: Event| completed.happen(true));
        let on_abort = Closure::new(move |event: Event| {
            event.stop_propagation();
            aborted.happen(false);
        });
        transaction.set_oncomplete(Some(on_complete.as_ref().unchecked_ref()));
        transaction.set_onabort(Some(on_abort.as_ref().unchecked_ref()));
        Ok(Self {
            actions: transaction.object_store(ACTIONS).map_err(failed)?,
            users: transaction.object_store(USERS).map_err(failed)?,
            transaction,
            ended,
            committed: false,
            _on_complete: on_complete,
            _on_abort: on_abort,
        })
    }

    async fn rows(&self, range: &IdbKeyRange, limit: u32) -> Result<Vec<Action>, StoreError> {
        let request = self.actions.get_all_with_key_and_limit(range, limit).map_err(|thrown| store_error(READING, &thrown))?;
        let rows: Array = result_of(&request, READING).await?.unchecked_into();
        Ok(rows.iter().map(|row| read_row(&row)).collect())
    }
}

/// Sequence numbers stay below 2^53, where a double is exact.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn key(user_id: &str, seq: u64) -> JsValue {
    Array::of2(&user_id.into(), &(seq as f64).into()).into()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
fn read_row(row: &JsValue) -> Action {
    let member = |name| global::property::<JsValue>(row, name);
    let text = |name| member(name).and_then(|text| text.as_string()).unwrap_or_default();
    let seq = member("seq").and_then(|seq| seq.as_f64()).unwrap_or_default() as u64;
    Action::read(&text("row"), &text("userId"), seq, &text("id"))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::new(StoreErrorKind::Unreadable, READING, error.to_string()))
}

fn to_text<T: serde::Serialize>(value: &T) -> Result<JsValue, StoreError> {
    let text = serde_json::to_string(value);
    text.map(Into::into).map_err(|error| StoreError::new(StoreErrorKind::Failed, WRITING, error.to_string()))
}

impl Transaction for IndexedDbTransaction {
    async fn record(&self, user_id: &str) -> Result<UserRecord, StoreError> {
        let request = self.users.get(&user_id.into()).map_err(|thrown| store_error(READING, &thrown))?;
        match result_of(&request, READING).await?.as_string() {
            Some(text) => parse(&text),
            None => Ok(UserRecord::default()),
        }
    }

    async fn actions_from(&self, user_id: &str, seq: u64, limit: u32) -> Result<Vec<Action>, StoreError> {
        self.actions_in(user_id, seq, u64::from(u32::MAX) << 20, limit).await
    }

    async fn actions_between(&self, user_id: &str, first: u64, last: u64) -> Result<Vec<Action>, StoreError> {
        self.actions_in(user_id, first, last, u32::MAX).await
    }

    async fn find(&self, user_id: &str, id: &str) -> Result<Option<Action>, StoreError> {
        let failed = |thrown: JsValue| store_error(READING, &thrown);
        let key: JsValue = Array::of2(&user_id.into(), &id.into()).into();
        let request = self.actions.index(BY_ID).map_err(failed)?.get(&key).map_err(failed)?;
        let row = result_of(&request, READING).await?;
        Ok((!row.is_undefined()).then(|| read_row(&row)))
    }

    fn write_record(&self, user_id: &str, record: &UserRecord) -> Result<(), StoreError> {
        self.users.put_with_key(&to_text(record)?, &user_id.into()).map_err(|thrown| store_error(WRITING, &thrown))?;
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "sequence numbers stay below 2^53")]
    fn write(&self, action: &Action) -> Result<(), StoreError> {
        let failed = |thrown: JsValue| store_error(WRITING, &thrown);
        let row = Object::new();
        Reflect::set(&row, &"userId".into(), &action.user_id.as_str().into()).map_err(failed)?;
        Reflect::set(&row, &"seq".into(), &(action.seq as f64).into()).map_err(failed)?;
        Reflect::set(&row, &"id".into(), &action.id.as_str().into()).map_err(failed)?;
        Reflect::set(&row, &"row".into(), &to_text(action)?).map_err(failed)?;
        self.actions.put(&row).map_err(failed)?;
        Ok(())
    }

    fn delete(&self, user_id: &str, seq: u64) -> Result<(), StoreError> {
        self.actions.delete(&key(user_id, seq)).map_err(|thrown| store_error(WRITING, &thrown))?;
        Ok(())
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        // Without waiting for the transaction to notice that it is idle. It may already have ended by itself, and says so.
        if let Some(commit) = global::property::<js_sys::Function>(&self.transaction, "commit") {
            let _: Result<JsValue, JsValue> = commit.call0(&self.transaction);
        }
        self.committed = true;
        if self.ended.clone().await {
            return Ok(());
        }
        Err(match self.transaction.error() {
            Some(error) => store_error(COMMITTING, &error),
            None => StoreError::new(StoreErrorKind::Failed, COMMITTING, "the transaction was aborted"),
        })
    }
}

impl IndexedDbTransaction {
    async fn actions_in(&self, user_id: &str, first: u64, last: u64, limit: u32) -> Result<Vec<Action>, StoreError> {
        let range =
            IdbKeyRange::bound(&key(user_id, first), &key(user_id, last)).map_err(|thrown| store_error(READING, &thrown))?;
        self.rows(&range, limit).await
    }
}

impl Drop for IndexedDbTransaction {
    fn drop(&mut self) {
        if !self.committed {
            // It fails if the transaction has ended already.
            let _: Result<(), JsValue> = self.transaction.abort();
        }
        self.transaction.set_oncomplete(None);
        self.transaction.set_onabort(None);
    }
}
