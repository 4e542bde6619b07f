//! `WebCrypto`: AES-256-GCM with keys that it does not give away.

use crate::browser::describe;
use crate::platform::{StoreError, StoreErrorKind};
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    // Without HTTPS there is no `subtle`, and each of these throws.
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = generateKey, catch)]
    fn generate_key(algorithm: &JsValue, extractable: bool, usages: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = importKey, catch)]
    fn import_key(
        format: &str,
        bytes: &JsValue,
        algorithm: &JsValue,
        extractable: bool,
        usages: &Array,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = encrypt, catch)]
    fn subtle_encrypt(algorithm: &JsValue, key: &JsValue, bytes: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = decrypt, catch)]
    fn subtle_decrypt(algorithm: &JsValue, key: &JsValue, bytes: &JsValue) -> Result<Promise, JsValue>;
}

const NAME: &str = "AES-GCM";

fn algorithm(members: &[(&str, JsValue)]) -> JsValue {
    let algorithm = Object::new();
    for (name, value) in [("name", JsValue::from_str(NAME))].iter().chain(members) {
        // An object of our own takes any member.
        let _: Result<bool, JsValue> = Reflect::set(&algorithm, &JsValue::from_str(name), value);
    }
    algorithm.into()
}

fn usages() -> Array {
    Array::of2(&"encrypt".into(), &"decrypt".into())
}

/// A new key that nobody can read.
pub(super) async fn generate() -> Result<JsValue, JsValue> {
    JsFuture::from(generate_key(&algorithm(&[("length", 256.into())]), false, &usages())?).await
}

/// A key of these bytes, which nobody can read any longer.
pub(super) async fn import(bytes: &Uint8Array) -> Result<JsValue, JsValue> {
    JsFuture::from(import_key("raw", bytes, &algorithm(&[]), false, &usages())?).await
}

fn parameters(iv: &Uint8Array, place: &str) -> JsValue {
    algorithm(&[("iv", iv.into()), ("additionalData", Uint8Array::from(place.as_bytes()).into())])
}

/// Encrypts bytes that belong to a place. No two may get the same `iv` of 12 bytes.
pub(super) async fn encrypt(key: &JsValue, iv: &Uint8Array, place: &str, bytes: &JsValue) -> Result<Uint8Array, JsValue> {
    let encrypted = JsFuture::from(subtle_encrypt(&parameters(iv, place), key, bytes)?).await?;
    Ok(Uint8Array::new(&encrypted))
}

/// Decrypts what was encrypted with that key for that place, or fails.
pub(super) async fn decrypt(key: &JsValue, iv: &Uint8Array, place: &str, bytes: &JsValue) -> Result<Uint8Array, JsValue> {
    let decrypted = JsFuture::from(subtle_decrypt(&parameters(iv, place), key, bytes)?).await?;
    Ok(Uint8Array::new(&decrypted))
}

/// Why there is no key, or it is of no use.
pub(super) fn failure(operation: &'static str, thrown: &JsValue) -> StoreError {
    let message = ["WebCrypto cannot be used here, as without HTTPS (", &describe(thrown), ")"].concat();
    StoreError::new(StoreErrorKind::Unavailable, operation, message)
}
