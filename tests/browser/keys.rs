//! The keys of an encrypted queue, and the queue that they open.

use crate::fresh_database;
use futures_util::future::join_all;
use js_sys::{Function, Promise, Uint8Array};
use steadfast::browser::{BrowserClock, Database, KeyDatabase};
use steadfast::platform::tables::{Kind, Lane, Row, Store, Transaction};
use steadfast::platform::{Access, Encryption, Keys, StoreErrorKind};
use steadfast::store::Sealed;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::Blob;

fn keys(name: &str) -> KeyDatabase {
    KeyDatabase::new(name, BrowserClock::new())
}

/// Runs the body of an asynchronous JavaScript function, which gets the name of a database, `all` that is in it as the entries of its
/// object stores, and the `argument`.
async fn script(name: &str, argument: &JsValue, body: &str) -> JsValue {
    let body = format!(
        "const done = (request) => new Promise((resolve, reject) => {{
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
        }});
        return (async () => {{
            const database = await done(indexedDB.open(name));
            const all = [];
            for (const store of database.objectStoreNames) {{
                const transaction = database.transaction(store).objectStore(store);
                const [keys, values] = await Promise.all([done(transaction.getAllKeys()), done(transaction.getAll())]);
                keys.forEach((key, place) => all.push([key, values[place]]));
            }}
            database.close();
            {body}
        }})();"
    );
    let function = Function::new_with_args("name, argument", &body);
    let promise: Promise = function.call2(&JsValue::NULL, &name.into(), argument).unwrap().into();
    JsFuture::from(promise).await.unwrap()
}

#[wasm_bindgen_test]
async fn tabs_that_make_a_key_at_once_have_the_same_one() {
    let name = fresh_database();
    let made = join_all((0..8).map(|_| async { keys(&name).make("ada", None).await.unwrap() })).await;
    assert_eq!(made[0].len(), 1);
    assert!(made.iter().all(|found| *found == made[0]));
    assert!(made[0][0].1.bytes.iter().any(|byte| *byte != 0));
    assert_eq!(keys(&name).load(Some("ada")).await.unwrap(), made[0], "after a reload as well");
    assert_eq!(keys(&name).make("ada", None).await.unwrap(), made[0]);
    let other = keys(&name).make("bob", None).await.unwrap();
    assert_ne!(other[0].1.bytes, made[0][0].1.bytes);
    assert_eq!(keys(&name).load(None).await.unwrap().len(), 2);
}

#[wasm_bindgen_test]
async fn no_script_can_read_the_key_that_wraps_the_others_nor_find_one_of_them() {
    let name = fresh_database();
    let made = keys(&name).make("ada", None).await.unwrap();
    let told = script(
        &[&name, "-keys"].concat(),
        &Uint8Array::from(made[0].1.bytes.as_slice()),
        "const key = all.find(([name]) => name === 'wrapping')[1];
        const refusals = await Promise.all(['raw', 'jwk'].map((format) =>
            crypto.subtle.exportKey(format, key).then(() => 'exported', (error) => error.name)));
        const kept = new Uint8Array(all.find(([name]) => Array.isArray(name))[1].key);
        const found = kept.join().includes(argument.slice(0, 8).join());
        return [key.type, key.extractable, key.algorithm.length, ...refusals, found].join();",
    )
    .await;
    assert_eq!(told.as_string().unwrap(), "secret,false,256,InvalidAccessError,InvalidAccessError,false");
}

#[wasm_bindgen_test]
async fn a_key_is_renewed_kept_and_forgotten() {
    let name = fresh_database();
    let first = keys(&name).make("ada", None).await.unwrap();
    let number = first[0].1.number;
    let both = keys(&name).make("ada", Some(number)).await.unwrap();
    assert_eq!((both.len(), both[0].1.number), (2, number));
    assert!(both[1].1.number > number && both[1].1.bytes != both[0].1.bytes);
    keys(&name).forget("ada", both[1].1.number).await.unwrap();
    assert_eq!(keys(&name).load(Some("ada")).await.unwrap(), both[1..]);
    // What a tab needs yet is there again; and what is there already stays as it is.
    for _ in 0..2 {
        keys(&name).keep("ada", &both[0].1).await.unwrap();
        assert_eq!(keys(&name).load(Some("ada")).await.unwrap(), both);
    }
}

#[wasm_bindgen_test]
async fn a_key_that_was_put_in_the_place_of_another_users_is_none() {
    let name = fresh_database();
    let made = keys(&name).make("ada", None).await.unwrap();
    script(
        &[&name, "-keys"].concat(),
        &JsValue::NULL,
        "const again = await done(indexedDB.open(name));
        const [place, value] = all.find(([name]) => Array.isArray(name));
        await done(again.transaction('keys', 'readwrite').objectStore('keys').put(value, ['bob', place[1]]));
        again.close();",
    )
    .await;
    assert_eq!(keys(&name).load(Some("bob")).await.unwrap(), []);
    assert_eq!(keys(&name).load(None).await.unwrap(), made);
}

#[wasm_bindgen_test]
async fn a_key_that_nothing_unwraps_any_longer_is_none_and_another_is_made_beside_it() {
    for gone in ["store.delete('wrapping')", "store.put(other, 'wrapping')"] {
        let name = fresh_database();
        let lost = keys(&name).make("ada", None).await.unwrap();
        let body = format!(
            "const other = await crypto.subtle.generateKey({{ name: 'AES-GCM', length: 256 }}, false, ['encrypt', 'decrypt']);
            const again = await done(indexedDB.open(name));
            const store = again.transaction('keys', 'readwrite').objectStore('keys');
            await done({gone});
            again.close();"
        );
        script(&[&name, "-keys"].concat(), &JsValue::NULL, &body).await;
        assert_eq!(keys(&name).load(Some("ada")).await.unwrap(), [], "{gone}");
        // Whoever is told of none does not know its number.
        let made = keys(&name).make("ada", None).await.unwrap();
        assert_eq!(made.len(), 1, "{gone}");
        assert!(made[0].1.number > lost[0].1.number && made[0].1.bytes != lost[0].1.bytes, "{gone}");
        assert_eq!(keys(&name).load(Some("ada")).await.unwrap(), made, "{gone}: after a reload as well");
    }
}

#[wasm_bindgen_test]
async fn the_queue_in_the_database_is_encrypted_and_read_after_a_reload() {
    let name = fresh_database();
    let open = || {
        let database = Database::new(&name, BrowserClock::new());
        Sealed::new(database, keys(&name), Encryption::Required, Some("ada".into()))
    };
    let row = Row {
        lane: Lane::Normal,
        seq: 1,
        id: "a1".into(),
        key: Some("marker key".into()),
        due: None,
        after: None,
        text: "{\"data\":\"marker\"}".into(),
        weight: None,
    };
    let transaction = open().transaction(Access::Write).await.unwrap();
    transaction.write("ada", &row).unwrap();
    transaction.write_document("ada", Kind::Queue, "", Some("{\"marker\":1}")).unwrap();
    transaction.commit().await.unwrap();

    let raw = script(&name, &JsValue::NULL, "return JSON.stringify(all)").await.as_string().unwrap();
    assert!(raw.contains("s1.") && raw.contains("a1") && !raw.contains("marker"), "{raw}");
    let transaction = open().transaction(Access::Read).await.unwrap();
    assert_eq!(transaction.last_of_key("ada", "marker key").await.unwrap(), Some(row));
    assert_eq!(transaction.document("ada", Kind::Queue, "").await.unwrap().as_deref(), Some("{\"marker\":1}"));
}

async fn bytes(blob: &Blob) -> Vec<u8> {
    Uint8Array::new(&JsFuture::from(blob.array_buffer()).await.unwrap()).to_vec()
}

fn blob(content: &[u8]) -> Blob {
    let parts = js_sys::Array::of1(&Uint8Array::from(content));
    Blob::new_with_u8_array_sequence(&parts).unwrap()
}

#[wasm_bindgen_test]
async fn a_blob_is_opened_where_it_belongs_with_the_key_that_it_was_sealed_with() {
    let keys = keys(&fresh_database());
    let content = vec![7; 100_000];
    let sealed = keys.seal_blob("ada", "photo 1", &blob(&content)).await.unwrap();
    let raw = bytes(&sealed).await;
    assert_eq!(raw.len(), content.len() + 18 + 16);
    assert!(!raw.windows(16).any(|part| part == [7; 16]));
    let open = keys.open_blob("ada", "photo 1", &sealed, "image/png").await.unwrap().unwrap();
    assert_eq!((bytes(&open).await, open.type_()), (content.clone(), "image/png".to_string()));
    assert_ne!(bytes(&keys.seal_blob("ada", "photo 1", &blob(&content)).await.unwrap()).await, raw);

    for (user_id, place) in [("ada", "photo 2"), ("bob", "photo 1")] {
        assert!(keys.open_blob(user_id, place, &sealed, "").await.unwrap().is_none());
    }
    for place in [0, 6, 18, raw.len() - 1] {
        let mut damaged = raw.clone();
        damaged[place] ^= 1;
        assert!(keys.open_blob("ada", "photo 1", &blob(&damaged), "").await.unwrap().is_none(), "{place}");
    }
    assert!(keys.open_blob("ada", "photo 1", &blob(&raw[..17]), "").await.unwrap().is_none());

    let number = keys.load(Some("ada")).await.unwrap()[0].1.number;
    let newest = keys.make("ada", Some(number)).await.unwrap()[1].1.number;
    assert!(keys.open_blob("ada", "photo 1", &sealed, "").await.unwrap().is_some());
    keys.forget("ada", newest).await.unwrap();
    assert!(keys.open_blob("ada", "photo 1", &sealed, "").await.unwrap().is_none());
}

#[wasm_bindgen_test]
async fn without_webcrypto_there_is_no_key() {
    let crypto = js_sys::Reflect::get(&js_sys::global(), &"crypto".into()).unwrap();
    let replace =
        Function::new_with_args("crypto", "Object.defineProperty(crypto, 'subtle', { value: undefined, configurable: true })");
    replace.call1(&JsValue::NULL, &crypto).unwrap();
    let failed = keys(&fresh_database()).make("ada", None).await.unwrap_err();
    let restore = Function::new_with_args("crypto", "delete crypto.subtle");
    restore.call1(&JsValue::NULL, &crypto).unwrap();
    assert_eq!(failed.kind, StoreErrorKind::Unavailable, "{failed}");
    assert_eq!(keys(&fresh_database()).make("ada", None).await.unwrap().len(), 1);
}
