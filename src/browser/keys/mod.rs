//! Where the keys of the queue are kept: in a database of their own, wrapped with a key that no script can read.
//!
//! The wrapping key is a `CryptoKey` that `WebCrypto` has made and does not give away (`extractable: false`); IndexedDB keeps it as an
//! object. It encrypts the data keys, one or, while it is renewed, two for each user. See `docs/decisions/0014-encryption-at-rest.md`.

mod bytes;
mod crypto;
mod store;

use super::timer::microseconds;
use super::{BrowserClock, BrowserRandom};
use crate::platform::{Clock, DATA_KEY_BYTES, DataKey, Keys, OfUsers, Random, StoreError, StoreErrorKind, new_key_number};
use js_sys::Uint8Array;
use std::cell::RefCell;
use std::rc::Rc;
use store::{Connection, Kept, Place};
use wasm_bindgen::JsValue;
use web_sys::Blob;

const READING: &str = "reading the keys of the queue";
const MAKING: &str = "making a key for the queue";

/// For how long it is not tried again to open a database that did not open, in microseconds: it may take seconds to find out.
const REST: u64 = 30_000_000;

/// The keys beside a database. Its clones are the same keys.
#[derive(Debug, Clone)]
pub struct KeyDatabase {
    name: Rc<str>,
    clock: BrowserClock,
    /// When they could not be had, and why.
    failed: Rc<RefCell<Option<(u64, StoreError)>>>,
}

impl KeyDatabase {
    /// The keys beside the database of that name. Opens nothing yet.
    pub fn new(database: &str, clock: BrowserClock) -> Self {
        Self { name: [database, "-keys"].concat().into(), clock, failed: Rc::default() }
    }

    async fn connect(&self) -> Result<Connection, StoreError> {
        if let Some((since, failed)) = &*self.failed.borrow()
            && microseconds().saturating_sub(*since) < REST
        {
            return Err(failed.clone());
        }
        let opened = Connection::open(&self.name, &self.clock).await;
        self.failed.replace(opened.as_ref().err().map(|failed| (microseconds(), failed.clone())));
        opened
    }

    /// Unwraps keys. One that is damaged is as good as none.
    async fn unwrap(&self, wrapping: Option<JsValue>, kept: Vec<Kept>) -> OfUsers {
        let mut keys = Vec::new();
        let Some(wrapping) = wrapping else { return keys };
        for Kept { user_id, number, iv, wrapped } in kept {
            let Ok(bytes) = crypto::decrypt(&wrapping, &iv, &place_of(&user_id, number), &wrapped).await else { continue };
            let mut key = DataKey { number, bytes: Box::new([0; DATA_KEY_BYTES]) };
            if bytes.length() as usize == key.bytes.len() {
                bytes.copy_to(key.bytes.as_mut_slice());
                keys.push((user_id, key));
            }
            bytes.fill(0, 0, bytes.length());
        }
        keys.sort_by_key(|(_, key)| key.number);
        keys
    }

    /// Wraps a key and writes it. Of the wrapping keys that several tabs make at once, the first to be written is it.
    async fn write(&self, user_id: &str, key: &DataKey, place: Place) -> Result<(), StoreError> {
        let connection = self.connect().await?;
        let wrapping = if let Some(there) = connection.wrapping_key().await? {
            there
        } else {
            let made = crypto::generate().await.map_err(|thrown| crypto::failure(MAKING, &thrown))?;
            connection.put_wrapping_key(&made).await?
        };
        connection.put(wrap(&wrapping, user_id, key).await?, place).await
    }
}

/// A data key as it is kept.
async fn wrap(wrapping: &JsValue, user_id: &str, key: &DataKey) -> Result<Kept, StoreError> {
    let mut iv = [0; 12];
    BrowserRandom.fill(&mut iv);
    let (iv, bytes) = (Uint8Array::from(iv.as_slice()), Uint8Array::from(key.bytes.as_slice()));
    let wrapped = crypto::encrypt(wrapping, &iv, &place_of(user_id, key.number), &bytes).await;
    bytes.fill(0, 0, bytes.length());
    let wrapped = wrapped.map_err(|thrown| crypto::failure(MAKING, &thrown))?;
    Ok(Kept { user_id: user_id.into(), number: key.number, iv, wrapped })
}

/// What a wrapped key belongs to.
fn place_of(user_id: &str, number: u64) -> String {
    ["key:", &number.to_string(), ":", user_id].concat()
}

impl Keys for KeyDatabase {
    type File = Blob;

    async fn seal_file(&self, user_id: &str, place: &str, file: &Blob) -> Result<Blob, StoreError> {
        self.seal_blob(user_id, place, file).await
    }

    async fn open_file(&self, user_id: &str, place: &str, sealed: &Blob, kind: &str) -> Result<Option<Blob>, StoreError> {
        self.open_blob(user_id, place, sealed, kind).await
    }

    async fn load(&self, user_id: Option<&str>) -> Result<OfUsers, StoreError> {
        let connection = self.connect().await?;
        let kept = connection.kept(user_id).await?;
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let wrapping = connection.wrapping_key().await?;
        Ok(self.unwrap(wrapping, kept).await)
    }

    async fn make(&self, user_id: &str, newest: Option<u64>) -> Result<OfUsers, StoreError> {
        // Those that are there and cannot be unwrapped any longer, as when the wrapping key was lost, are none.
        let mut unless = newest;
        for _ in 0..2 {
            let mut random = [0; 2];
            BrowserRandom.fill(&mut random);
            let number = new_key_number(self.clock.wall(), unless, u16::from_le_bytes(random));
            let mut key = DataKey { number, bytes: Box::new([0; DATA_KEY_BYTES]) };
            BrowserRandom.fill(key.bytes.as_mut_slice());
            self.write(user_id, &key, Place::UnlessNewer(unless)).await?;
            let keys = self.load(Some(user_id)).await?;
            if keys.iter().any(|(_, key)| Some(key.number) > newest) {
                return Ok(keys);
            }
            unless = self.connect().await?.kept(Some(user_id)).await?.iter().map(|kept| kept.number).max();
        }
        let message = "a key was written and cannot be read";
        Err(StoreError::new(StoreErrorKind::Unavailable, MAKING, message))
    }

    async fn keep(&self, user_id: &str, key: &DataKey) -> Result<(), StoreError> {
        if self.load(Some(user_id)).await?.iter().any(|(_, known)| known == key) {
            return Ok(());
        }
        self.write(user_id, key, Place::Any).await
    }

    async fn forget(&self, user_id: &str, before: u64) -> Result<(), StoreError> {
        self.connect().await?.forget(user_id, before).await
    }

    fn fill(&self, buffer: &mut [u8]) {
        BrowserRandom.fill(buffer);
    }
}
