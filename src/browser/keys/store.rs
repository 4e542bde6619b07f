//! The database of the keys. It is opened when something is wanted of it, which is once or twice in the life of a page, and closed.

use super::READING;
use crate::browser::database::store_error;
use crate::browser::{BrowserClock, global};
use crate::platform::{Clock, StoreError, StoreErrorKind};
use futures_util::future::{Either, select};
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use std::pin::pin;
use std::time::Duration;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, IdbDatabase, IdbFactory, IdbKeyRange, IdbObjectStore, IdbOpenDbRequest, IdbRequest, IdbTransaction};

const VERSION: u32 = 1;
/// The wrapping key by [`WRAPPING`], the wrapped ones by `[user, number]`.
const KEYS: &str = "keys";
const WRAPPING: &str = "wrapping";
const OPENING: &str = "opening the database of the keys";
const WRITING: &str = "writing the keys of the queue";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A data key as it is kept.
pub(super) struct Kept {
    pub(super) user_id: String,
    pub(super) number: u64,
    pub(super) iv: Uint8Array,
    pub(super) wrapped: Uint8Array,
}

/// Where a data key may be written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// In the place of what may be there.
    Any,
    /// Nowhere, if the user has one that is newer than that.
    UnlessNewer(Option<u64>),
}

/// An open database, until it is dropped.
pub(super) struct Connection {
    database: IdbDatabase,
    clock: BrowserClock,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.database.close();
    }
}

/// What a promise gives, unless that takes too long.
async fn in_time(clock: &BrowserClock, promise: Promise, operation: &'static str) -> Result<JsValue, Option<StoreError>> {
    match select(JsFuture::from(promise), pin!(clock.sleep(PATIENCE))).await {
        Either::Left((settled, _)) => settled.map_err(|_| None),
        Either::Right(((), _)) => Err(Some(StoreError::new(StoreErrorKind::TimedOut, operation, "no answer within 5 s"))),
    }
}

/// What a request is answered.
async fn answer(clock: &BrowserClock, request: &IdbRequest, operation: &'static str) -> Result<JsValue, StoreError> {
    let promise = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    in_time(clock, promise, operation).await.map_err(|failed| {
        failed.unwrap_or_else(|| match request.error() {
            Ok(Some(error)) => store_error(operation, &error),
            _ => StoreError::new(StoreErrorKind::Failed, operation, "it failed without a reason"),
        })
    })?;
    request.result().map_err(|thrown| store_error(operation, &thrown))
}

impl Connection {
    pub(super) async fn open(name: &str, clock: &BrowserClock) -> Result<Self, StoreError> {
        let factory = global::member::<IdbFactory>("indexedDB")
            .ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, OPENING, "this scope has no IndexedDB"))?;
        let request = factory.open_with_u32(name, VERSION).map_err(|thrown| store_error(OPENING, &thrown))?;
        let created = request.clone();
        let upgrade = Closure::<dyn FnMut(Event)>::new(move |_: Event| {
            if let Ok(database) = created.result() {
                // If it fails, the request does.
                let _: Result<IdbObjectStore, JsValue> = database.unchecked_into::<IdbDatabase>().create_object_store(KEYS);
            }
        });
        request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
        let opened = answer(clock, &request, OPENING).await;
        if opened.as_ref().is_err_and(|failed| failed.kind == StoreErrorKind::TimedOut) {
            close_when_it_opens(&request);
            // It may still have to be created. JavaScript collects it together with the request.
            upgrade.into_js_value();
        } else {
            request.set_onupgradeneeded(None);
        }
        let database: IdbDatabase = opened?.unchecked_into();
        let connection = Self { database, clock: clock.clone() };
        if connection.database.object_store_names().contains(KEYS) {
            Ok(connection)
        } else {
            Err(StoreError::new(StoreErrorKind::Unreadable, OPENING, "the database is not Steadfast's"))
        }
    }

    /// Begins a transaction. What writes waits for the disk.
    fn begin(&self, mode: &str) -> Result<(IdbTransaction, IdbObjectStore), StoreError> {
        let failed = |thrown: JsValue| store_error(READING, &thrown);
        let options = Object::new();
        // An object of our own takes any member.
        let _: Result<bool, JsValue> = Reflect::set(&options, &"durability".into(), &"strict".into());
        let transaction = begin(self.database.unchecked_ref(), KEYS, mode, &options).map_err(failed)?;
        let store = transaction.object_store(KEYS).map_err(failed)?;
        Ok((transaction, store))
    }

    async fn ask(&self, request: Result<IdbRequest, JsValue>) -> Result<JsValue, StoreError> {
        answer(&self.clock, &request.map_err(|thrown| store_error(READING, &thrown))?, READING).await
    }

    async fn complete(&self, transaction: &IdbTransaction) -> Result<(), StoreError> {
        let promise = Promise::new(&mut |resolve, reject| {
            transaction.set_oncomplete(Some(&resolve));
            transaction.set_onabort(Some(&reject));
        });
        in_time(&self.clock, promise, WRITING).await.map(|_| ()).map_err(|failed| {
            failed.unwrap_or_else(|| match transaction.error() {
                Some(error) => store_error(WRITING, &error),
                None => StoreError::new(StoreErrorKind::Closed, WRITING, "the browser has aborted the transaction"),
            })
        })
    }

    pub(super) async fn wrapping_key(&self) -> Result<Option<JsValue>, StoreError> {
        let (_, store) = self.begin("readonly")?;
        let found = self.ask(store.get(&WRAPPING.into())).await?;
        Ok(Some(found).filter(JsValue::is_object))
    }

    /// Writes the wrapping key, unless there is one: that one it is.
    pub(super) async fn put_wrapping_key(&self, key: &JsValue) -> Result<JsValue, StoreError> {
        let (transaction, store) = self.begin("readwrite")?;
        let there = self.ask(store.get(&WRAPPING.into())).await?;
        if there.is_object() {
            return Ok(there);
        }
        store.put_with_key(key, &WRAPPING.into()).map_err(|thrown| store_error(WRITING, &thrown))?;
        self.complete(&transaction).await?;
        Ok(key.clone())
    }

    /// The data keys of a user, or of all users.
    pub(super) async fn kept(&self, user_id: Option<&str>) -> Result<Vec<Kept>, StoreError> {
        let (_, store) = self.begin("readonly")?;
        let range = match user_id {
            Some(user_id) => of_user(user_id, None)?,
            // Arrays come after all else.
            None => IdbKeyRange::lower_bound(&Array::new()).map_err(|thrown| store_error(READING, &thrown))?.into(),
        };
        let names = self.ask(store.get_all_keys_with_key(&range)).await?;
        let values = self.ask(store.get_all_with_key(&range)).await?;
        let (names, values) = (Array::from(&names), Array::from(&values));
        Ok(names.iter().zip(values.iter()).filter_map(|(name, value)| read(&Array::from(&name), &value)).collect())
    }

    /// Writes a data key.
    pub(super) async fn put(&self, key: Kept, place: Place) -> Result<(), StoreError> {
        let (transaction, store) = self.begin("readwrite")?;
        if let Place::UnlessNewer(newest) = place {
            let names = self.ask(store.get_all_keys_with_key(&of_user(&key.user_id, None)?)).await?;
            let number = |name: JsValue| Array::from(&name).get(1).as_f64();
            #[expect(clippy::cast_precision_loss, reason = "below 2^48")]
            let is_newer = |number: f64| newest.is_none_or(|newest| number > newest as f64);
            if Array::from(&names).iter().filter_map(number).any(is_newer) {
                return Ok(());
            }
        }
        let value = Object::new();
        for (name, member) in [("iv", key.iv), ("key", key.wrapped)] {
            // An object of our own takes any member.
            let _: Result<bool, JsValue> = Reflect::set(&value, &name.into(), &member);
        }
        let named = name_of(&key.user_id, key.number);
        store.put_with_key(&value, &named).map_err(|thrown| store_error(WRITING, &thrown))?;
        self.complete(&transaction).await
    }

    pub(super) async fn forget(&self, user_id: &str, before: u64) -> Result<(), StoreError> {
        let (transaction, store) = self.begin("readwrite")?;
        store.delete(&of_user(user_id, Some(before))?).map_err(|thrown| store_error(WRITING, &thrown))?;
        self.complete(&transaction).await
    }
}

fn name_of(user_id: &str, number: u64) -> Array {
    #[expect(clippy::cast_precision_loss, reason = "below 2^48")]
    let number = number as f64;
    Array::of2(&user_id.into(), &number.into())
}

/// The places of a user's keys, or of those before a number.
fn of_user(user_id: &str, before: Option<u64>) -> Result<JsValue, StoreError> {
    let first = Array::of1(&user_id.into());
    // An array comes after all numbers.
    let end = before.map_or_else(|| Array::of2(&user_id.into(), &Array::new()), |before| name_of(user_id, before));
    let range = IdbKeyRange::bound_with_lower_open_and_upper_open(&first, &end, false, true);
    range.map(Into::into).map_err(|thrown| store_error(READING, &thrown))
}

fn read(name: &Array, value: &JsValue) -> Option<Kept> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^48")]
    let number = name.get(1).as_f64()? as u64;
    let (iv, wrapped) = (global::property(value, "iv")?, global::property(value, "key")?);
    Some(Kept { user_id: name.get(0).as_string()?, number, iv, wrapped })
}

/// A connection that comes after we have given up would stand in the way of a later version for ever.
fn close_when_it_opens(request: &IdbOpenDbRequest) {
    let late = request.clone();
    let close = Closure::once_into_js(move |_: Event| {
        if let Ok(database) = late.result() {
            database.unchecked_into::<IdbDatabase>().close();
        }
    });
    request.set_onsuccess(Some(close.unchecked_ref()));
}

#[wasm_bindgen::prelude::wasm_bindgen]
extern "C" {
    type Begins;
    // web-sys knows of no options.
    #[wasm_bindgen(method, js_name = transaction, catch)]
    fn transaction(this: &Begins, stores: &str, mode: &str, options: &Object) -> Result<IdbTransaction, JsValue>;
}

fn begin(database: &JsValue, stores: &str, mode: &str, options: &Object) -> Result<IdbTransaction, JsValue> {
    database.unchecked_ref::<Begins>().transaction(stores, mode, options)
}
