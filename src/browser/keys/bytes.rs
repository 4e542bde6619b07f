//! Encrypting what is no text, outside of any transaction: `WebCrypto` works beside the page, and never holds it up.
//!
//! What comes of it is, in bytes: 6 of the data key's number, 12 of the nonce, then what was encrypted with its tag.

use super::{KeyDatabase, crypto};
use crate::browser::{BrowserRandom, describe};
use crate::platform::{Keys, Random, StoreError, StoreErrorKind};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag};

const SEALING: &str = "encrypting a file of the queue";
const OPENING: &str = "decrypting a file of the queue";
const NUMBER: usize = 6;
const IV_BEGINS: u32 = 6;
const HEAD: u32 = 18;

impl KeyDatabase {
    /// Encrypts a blob of a user's with the newest data key, which is made if there is none. `place` names what it belongs to: it is
    /// opened for that and for nothing else. All of it is in memory meanwhile, twice. Renewing the user's key and forgetting the old
    /// ones makes it unreadable, as it does rows.
    ///
    /// # Errors
    /// There is no key, or the blob cannot be read ([`StoreErrorKind::Unreadable`]).
    pub async fn seal_blob(&self, user_id: &str, place: &str, blob: &Blob) -> Result<Blob, StoreError> {
        let mut keys = self.load(Some(user_id)).await?;
        if keys.is_empty() {
            keys = self.make(user_id, None).await?;
        }
        let newest = keys.pop().ok_or_else(|| StoreError::new(StoreErrorKind::KeyUnavailable, SEALING, "there is no key"))?.1;
        let mut head = [0; HEAD as usize];
        let (number, iv) = head.split_at_mut(NUMBER);
        number.copy_from_slice(newest.number.to_be_bytes().split_at(8 - NUMBER).1);
        BrowserRandom.fill(iv);
        let iv = Uint8Array::from(&*iv);
        let bytes = read(SEALING, blob).await?;
        let sealing = async {
            let key = import(&newest.bytes).await?;
            let sealed = crypto::encrypt(&key, &iv, &whole_place(user_id, place), &bytes).await?;
            Blob::new_with_u8_array_sequence(&Array::of2(&Uint8Array::from(head.as_slice()), &sealed))
        };
        sealing.await.map_err(|thrown| crypto::failure(SEALING, &thrown))
    }

    /// Opens what [`seal_blob`](Self::seal_blob) has made for that place, as a blob of that content type. `None` if it is damaged,
    /// belongs elsewhere, or its key was forgotten.
    ///
    /// # Errors
    /// The keys cannot be had just now, or the blob cannot be read ([`StoreErrorKind::Unreadable`]).
    pub async fn open_blob(&self, user_id: &str, place: &str, sealed: &Blob, kind: &str) -> Result<Option<Blob>, StoreError> {
        let bytes = Uint8Array::new(&read(OPENING, sealed).await?);
        if bytes.length() < HEAD {
            return Ok(None);
        }
        let mut number = [0; 8];
        bytes.subarray(0, IV_BEGINS).copy_to(number.split_at_mut(8 - NUMBER).1);
        let number = u64::from_be_bytes(number);
        let keys = self.load(Some(user_id)).await?;
        let Some((_, key)) = keys.into_iter().find(|(_, key)| key.number == number) else { return Ok(None) };
        let (iv, content) = (bytes.subarray(IV_BEGINS, HEAD), bytes.subarray(HEAD, bytes.length()));
        let key = import(&key.bytes).await.map_err(|thrown| crypto::failure(OPENING, &thrown))?;
        let Ok(open) = crypto::decrypt(&key, &iv, &whole_place(user_id, place), &content).await else { return Ok(None) };
        let options = BlobPropertyBag::new();
        options.set_type(kind);
        let open = Blob::new_with_u8_array_sequence_and_options(&Array::of1(&open), &options);
        open.map(Some).map_err(|thrown| crypto::failure(OPENING, &thrown))
    }
}

/// All of a blob.
async fn read(operation: &'static str, blob: &Blob) -> Result<JsValue, StoreError> {
    let read = JsFuture::from(blob.array_buffer()).await;
    read.map_err(|thrown| StoreError::new(StoreErrorKind::Unreadable, operation, describe(&thrown)))
}

/// The half of a data key that texts are encrypted with, as a key of `WebCrypto`'s.
async fn import(bytes: &[u8; 64]) -> Result<JsValue, JsValue> {
    let (texts, _) = bytes.split_at(32);
    let bytes = Uint8Array::from(texts);
    let key = crypto::import(&bytes).await;
    bytes.fill(0, 0, bytes.length());
    key
}

fn whole_place(user_id: &str, place: &str) -> String {
    ["blob:", &user_id.len().to_string(), ":", user_id, place].concat()
}
