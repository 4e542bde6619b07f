//! Files beside the queue, in the database, and on their way.

use crate::{fresh_database, network};
use js_sys::{Array, Function, Promise, Uint8Array};
use std::cell::RefCell;
use std::rc::Rc;
use steadfast::browser::{Browser, BrowserClock, Database, Fetch, KeyDatabase};
use steadfast::client::{Client, Options, QueueError};
use steadfast::platform::tables::{Kind, Store, Transaction};
use steadfast::platform::{
    Access, Encryption, Files, FormValue, Http, KeptFile, OutgoingBody, OutgoingRequest, Response, StoreErrorKind,
};
use steadfast::queue::draft::Draft;
use steadfast::store::Sealed;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Blob, BlobPropertyBag};

fn database(name: &str) -> Database {
    Database::new(name, BrowserClock::new())
}

fn blob(bytes: &[u8], kind: &str) -> Blob {
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    Blob::new_with_u8_array_sequence_and_options(&Array::of1(&Uint8Array::from(bytes)), &options).unwrap()
}

async fn bytes(blob: &Blob) -> Vec<u8> {
    Uint8Array::new(&JsFuture::from(blob.array_buffer()).await.unwrap()).to_vec()
}

fn agent() -> String {
    Function::new_no_args("return navigator.userAgent").call0(&JsValue::NULL).unwrap().as_string().unwrap()
}

fn is_webkit() -> bool {
    agent().contains("AppleWebKit") && !agent().contains("Chrome")
}

/// Whether this browser keeps blobs: WebKit does not in a private session, which it says when one is to be kept.
async fn keeps_blobs() -> bool {
    if !is_webkit() {
        return true;
    }
    let written = database(&fresh_database()).write_files("ada", vec![("a".into(), kept(b"1", ""))]).await;
    written.is_ok()
}

fn kept(bytes: &[u8], kind: &str) -> KeptFile<Blob> {
    KeptFile { file: blob(bytes, kind), is_sealed: false }
}

#[wasm_bindgen_test]
async fn a_file_is_there_to_the_last_byte_when_the_database_is_opened_anew_and_gone_when_it_was_deleted() {
    if !keeps_blobs().await {
        return;
    }
    let name = fresh_database();
    let long = b"0123456789\x00\xff".repeat(30_000);
    let sealed = KeptFile { is_sealed: true, ..kept(b"sealed", "") };
    let files = vec![("a".to_string(), kept(&long, "image/png")), ("b".into(), kept(b"", "")), ("c".into(), sealed)];
    database(&name).write_files("ada", files).await.unwrap();
    database(&name).write_files("bob", vec![("a".into(), kept(b"bob's", "text/plain"))]).await.unwrap();
    let store = database(&name);
    let found = store.file("ada", "a", "").await.unwrap().unwrap();
    assert_eq!((bytes(&found.file).await, found.file.type_(), found.is_sealed), (long, "image/png".to_string(), false));
    assert_eq!(bytes(&store.file("ada", "b", "").await.unwrap().unwrap().file).await, b"");
    assert!(store.file("ada", "c", "").await.unwrap().unwrap().is_sealed);
    assert!(store.file("ada", "d", "").await.unwrap().is_none());
    assert_eq!(store.file_ids("ada").await.unwrap(), ["a", "b", "c"]);
    store.delete_files("ada", &["a".into(), "c".into(), "d".into()]).await.unwrap();
    assert_eq!(store.file_ids("ada").await.unwrap(), ["b"]);
    assert_eq!(bytes(&store.file("bob", "a", "").await.unwrap().unwrap().file).await, b"bob's");
    assert!(store.file_ids("").await.unwrap().is_empty());
}

#[wasm_bindgen_test]
async fn an_encrypted_file_is_unreadable_on_disk_and_opened_as_what_it_was() {
    if !keeps_blobs().await {
        return;
    }
    let name = fresh_database();
    let keys = KeyDatabase::new(&name, BrowserClock::new());
    let store = Sealed::new(database(&name), keys.clone(), Encryption::Required, Some("ada".into()));
    let content = b"what nobody is to read".repeat(10);
    store.write_files("ada", vec![("a".into(), blob(&content, "text/plain"))]).await.unwrap();
    let on_disk = database(&name).file("ada", "a", "").await.unwrap().unwrap();
    assert!(on_disk.is_sealed && !bytes(&on_disk.file).await.windows(6).any(|part| part == b"nobody"));
    let open = store.file("ada", "a", "text/plain").await.unwrap().unwrap();
    assert_eq!((bytes(&open).await, open.type_()), (content, "text/plain".to_string()));
    // One that was put in the place of another is not opened there.
    database(&name).write_files("ada", vec![("b".into(), on_disk)]).await.unwrap();
    assert!(store.file("ada", "b", "").await.unwrap().is_none());
}

fn echo() -> Fetch {
    network(
        "return request.formData().then(async (form) => {
            const said = [];
            for (const [name, value] of form) {
                said.push(typeof value === 'string' ? [name, value] : [name, value.name, value.type, await value.text()]);
            }
            return new Response(JSON.stringify([request.keepalive === true, said]));
        })",
    )
}

async fn sent(fetch: &Fetch, body: OutgoingBody<'_, Blob>, headers: &[(&str, &str)]) -> (String, Vec<(u64, u64)>) {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let told = Rc::new(RefCell::new(Vec::new()));
    let ears = told.clone();
    let progress = Some(Rc::new(move |sent, total| ears.borrow_mut().push((sent, total))) as Rc<dyn Fn(u64, u64)>);
    let (method, url) = ("POST", "https://api.example/a");
    let outgoing = OutgoingRequest { method, url, headers: &headers, body, credentials: None, progress };
    let request = fetch.once(fetch.request(&outgoing).unwrap());
    let response = fetch.send(&request, &vec![]).await.unwrap();
    let text = String::from_utf8(response.body(1 << 20).await.bytes).unwrap();
    (text, told.take())
}

#[wasm_bindgen_test]
async fn a_form_carries_texts_and_files_in_its_order_with_names_and_types() {
    // It cannot read a form that it has made itself.
    if is_webkit() {
        return;
    }
    let (me, you) = (blob(b"me", "image/png"), blob(b"you", ""));
    let fields = [
        ("actions", FormValue::Text("{}", Some("application/json"))),
        ("file-0", FormValue::File { file: &me, name: Some("grüße.png") }),
        ("text", FormValue::Text("a=b", None)),
        ("file-1", FormValue::File { file: &you, name: None }),
    ];
    let (text, told) = sent(&echo(), OutgoingBody::Form(&fields), &[]).await;
    let expected = r#"[false,[["actions","blob","application/json","{}"],["file-0","grüße.png","image/png","me"],["text","a=b"],["file-1","blob","application/octet-stream","you"]]]"#;
    assert_eq!(text, expected);
    assert!(told.last().is_some_and(|(sent, total)| sent == total && *total >= 5), "{told:?}");
}

#[wasm_bindgen_test]
async fn a_body_that_is_a_file_has_its_type_unless_another_one_is_named() {
    let echo = network(
        "return request.text().then((body) => new Response([request.headers.get('content-type'), request.keepalive === true, body].join(' ')))",
    );
    let file = blob(b"me", "image/png");
    assert_eq!(sent(&echo, OutgoingBody::File(&file), &[]).await.0, "image/png false me");
    let (text, told) = sent(&echo, OutgoingBody::File(&file), &[("Content-Type", "a/b")]).await;
    assert_eq!((text.as_str(), told.last()), ("a/b false me", Some(&(2, 2))));
}

#[wasm_bindgen_test]
async fn an_action_with_a_file_travels_from_enqueue_to_its_deletion() {
    if !keeps_blobs().await {
        return;
    }
    let name = fresh_database();
    let backend = network(
        "return request.formData().then(async (form) => {
            const [action] = JSON.parse(await form.get('actions').text()).actions;
            const file = form.get(action.files[0].part);
            const result = [file.name, file.type, await file.text()];
            const results = [{ id: action.id, status: 'applied', result }];
            return new Response(JSON.stringify({ success: true, results }), { headers: { 'content-type': 'application/json' } });
        })",
    );
    let text = format!(r#"{{"baseUrl":"https://api.example","userId":"ada","database":"{name}"}}"#);
    let options = Options::read(&text, "https://api.example", Rc::default()).unwrap();
    let browser = Browser::new(&name, backend, Function::new_no_args("")).for_user(&name, Some("ada".into()), Encryption::Off);
    let client = Client::open(browser, options);
    let queue = client.queue().unwrap().clone();
    let ids = queue.store_files(vec![blob(b"1234", "image/png")]).await.unwrap();
    let file = format!(r#"{{"id":"{}","field":"photo","name":"me.png","type":"image/png","bytes":4}}"#, ids[0]);
    let draft = |id: &str| Draft::read(&format!(r#"{{"id":"{id}","type":"add_photo","files":[{file}]}}"#), "{}").unwrap();
    queue.enqueue(vec![draft("a")]).await.unwrap();
    let outcome = queue.settled("a").await.unwrap();
    assert_eq!(outcome.get(), r#"{"status":"applied","result":["me.png","image/png","1234"]}"#);
    queue.sync().await.unwrap();
    assert!(database(&name).file_ids("ada").await.unwrap().is_empty());
    let Err(QueueError::Store(gone)) = queue.enqueue(vec![draft("b")]).await else { panic!() };
    assert_eq!(gone.kind, StoreErrorKind::FilesGone);
    client.close();
}

#[wasm_bindgen_test]
async fn a_file_that_cannot_be_read_any_longer_is_as_good_as_none() {
    if !keeps_blobs().await {
        return;
    }
    let name = fresh_database();
    database(&name).write_files("ada", vec![("a".into(), kept(b"1234", ""))]).await.unwrap();
    let break_it = "const own = Blob.prototype.arrayBuffer;
        Blob.prototype.arrayBuffer = () => Promise.reject(new DOMException('gone', 'NotFoundError'));
        return () => { Blob.prototype.arrayBuffer = own; };";
    let restore: Function = Function::new_no_args(break_it).call0(&JsValue::NULL).unwrap().into();
    let found = database(&name).file("ada", "a", "").await;
    restore.call0(&JsValue::NULL).unwrap();
    assert!(found.unwrap().is_none());
    assert!(database(&name).file("ada", "a", "").await.unwrap().is_some());
}

#[wasm_bindgen_test]
async fn those_who_work_on_the_queue_do_not_wait_for_those_who_work_on_files() {
    // Firefox writes in one transaction of a database at a time, whatever they are about.
    if agent().contains("Firefox") || !keeps_blobs().await {
        return;
    }
    let name = fresh_database();
    let store = database(&name);
    store.write_files("ada", vec![]).await.unwrap();
    // Somebody has begun to write files, and goes on and on.
    let hold = "return new Promise((resolve) => {
        indexedDB.open(name).onsuccess = (event) => {
            const database = event.target.result;
            const files = database.transaction('files', 'readwrite').objectStore('files');
            let held = true;
            const again = () => { if (held) files.get(['ada', 'x']).onsuccess = again; };
            again();
            resolve(() => { held = false; database.close(); });
        };
    });";
    let promise: Promise = Function::new_with_args("name", hold).call1(&JsValue::NULL, &name.into()).unwrap().into();
    let release: Function = JsFuture::from(promise).await.unwrap().into();
    let transaction = store.transaction(Access::Write).await.unwrap();
    transaction.write_document("ada", Kind::File, "x", Some("text")).unwrap();
    transaction.commit().await.unwrap();
    release.call0(&JsValue::NULL).unwrap();
    store.write_files("ada", vec![("x".into(), kept(b"1234", ""))]).await.unwrap();
    assert_eq!(store.file_ids("ada").await.unwrap(), ["x"]);
}
