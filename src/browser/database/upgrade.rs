//! The layout of the database, and how one of an earlier version gets it.

use super::binding::{self, FirstRecord};
use super::failure::store_error;
use super::listening::Listening;
use super::{BY_AFTER, BY_DUE, BY_ID, BY_KEY, DOCUMENTS, FILES, OPENING, QUEUE};
use crate::browser::BrowserClock;
use crate::platform::first_version::{Place, place};
use crate::platform::tables::{Kind, Lane};
use crate::platform::{StoreError, StoreErrorKind};
use js_sys::{Array, JsString};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbDatabase, IdbIndexParameters, IdbKeyRange, IdbObjectStore, IdbTransaction};

/// The first version's object stores: records `{ userId, seq, id, row }`, and the records of the queues by user.
const ACTIONS: &str = "actions";
const USERS: &str = "users";
/// How many rows are in memory at a time.
const STRIDE: u32 = 500;

/// Creates what is missing, and moves what the first version has left. The transaction is the upgrade's; it is aborted when this
/// fails, and everything is then as it was.
pub(super) async fn upgrade(database: &IdbDatabase, transaction: IdbTransaction, clock: BrowserClock) -> Result<(), StoreError> {
    let listening = Listening::new(transaction, clock);
    let upgraded = move_in(database, &listening).await;
    if upgraded.is_err() {
        listening.abort();
    }
    upgraded
}

async fn move_in(database: &IdbDatabase, listening: &Listening) -> Result<(), StoreError> {
    let failed = |thrown: JsValue| listening.thrown(OPENING, &thrown);
    let present = database.object_store_names();
    let is_first = present.contains(ACTIONS) && present.contains(USERS);
    if present.length() > 0 && !is_first {
        return Err(not_ours(&database.name()));
    }
    let (queue, documents) = create(database).map_err(failed)?;
    if is_first {
        move_actions(listening, &listening.transaction.object_store(ACTIONS).map_err(failed)?, &queue).await?;
        move_records(listening, &listening.transaction.object_store(USERS).map_err(failed)?, &documents).await?;
        database.delete_object_store(ACTIONS).map_err(failed)?;
        database.delete_object_store(USERS).map_err(failed)?;
    }
    Ok(())
}

/// Some other application uses a database of that name.
pub(super) fn not_ours(name: &str) -> StoreError {
    let message = ["the database ", name, " is not Steadfast's; the option database can name another"].concat();
    StoreError::new(StoreErrorKind::Unreadable, OPENING, message)
}

fn create(database: &IdbDatabase) -> Result<(IdbObjectStore, IdbObjectStore), JsValue> {
    let keys = |names: &[&str]| -> JsValue { names.iter().map(|name| JsValue::from_str(name)).collect::<Array>().into() };
    let queue = database.create_object_store(QUEUE)?;
    let unique = IdbIndexParameters::new();
    unique.set_unique(true);
    queue.create_index_with_str_sequence_and_optional_parameters(BY_ID, &keys(&["u", "i"]), &unique)?;
    queue.create_index_with_str_sequence(BY_KEY, &keys(&["u", "k", "s"]))?;
    queue.create_index_with_str_sequence(BY_DUE, &keys(&["u", "d"]))?;
    queue.create_index_with_str_sequence(BY_AFTER, &keys(&["u", "a"]))?;
    database.create_object_store(FILES)?;
    Ok((queue, database.create_object_store(DOCUMENTS)?))
}

/// Some of what lies in an object store, behind a key: keys and values.
async fn part(listening: &Listening, store: &IdbObjectStore, behind: &JsValue) -> Result<(Array, Array), StoreError> {
    let failed = |thrown: JsValue| listening.thrown(OPENING, &thrown);
    let range = if behind.is_undefined() {
        JsValue::UNDEFINED
    } else {
        IdbKeyRange::lower_bound_with_open(behind, true).map_err(failed)?.into()
    };
    let keys = listening.ask(store.get_all_keys_with_key_and_limit(&range, STRIDE).map_err(failed)?, OPENING);
    let values = listening.ask(store.get_all_with_key_and_limit(&range, STRIDE).map_err(failed)?, OPENING);
    Ok((keys.await?.unchecked_into(), values.await?.unchecked_into()))
}

async fn move_actions(listening: &Listening, actions: &IdbObjectStore, queue: &IdbObjectStore) -> Result<(), StoreError> {
    let mut last = JsValue::UNDEFINED;
    loop {
        let (keys, rows) = part(listening, actions, &last).await?;
        for row in rows.iter() {
            let first: FirstRecord = row.unchecked_into();
            let text = first.row();
            let unreadable = Place { lane: Lane::Unreadable, key: None, due: None };
            let Place { lane, key, due } = text.as_string().map_or(unreadable, |text| place(&text));
            // Its key path was made of the user and the place: they are there.
            let Some((user, row)) = first.to_row(lane, key, due) else { continue };
            let user = JsString::from(user);
            let key = binding::place_key(&user, row.lane.into(), binding::number(row.seq));
            let put = queue.put_with_key(&binding::to_record(&user, &row), &key);
            put.map_err(|thrown| listening.thrown(OPENING, &thrown))?;
        }
        if keys.length() < STRIDE {
            return Ok(());
        }
        last = keys.get(STRIDE - 1);
    }
}

async fn move_records(listening: &Listening, users: &IdbObjectStore, documents: &IdbObjectStore) -> Result<(), StoreError> {
    let mut last = JsValue::UNDEFINED;
    loop {
        let (keys, texts) = part(listening, users, &last).await?;
        for (user, text) in keys.iter().zip(texts.iter()) {
            let key = Array::of3(&user, &(Kind::Queue as u8).into(), &"".into());
            documents.put_with_key(&text, &key).map_err(|thrown| store_error(OPENING, &thrown))?;
        }
        if keys.length() < STRIDE {
            return Ok(());
        }
        last = keys.get(STRIDE - 1);
    }
}
