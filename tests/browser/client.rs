//! A client over the browser's platform.

use crate::{fresh_database, network};
use js_sys::{Function, Reflect};
use std::rc::Rc;
use steadfast::browser::Browser;
use steadfast::client::{Client, Options};
use steadfast::platform::Http;
use steadfast::queue::draft::Draft;
use wasm_bindgen_test::wasm_bindgen_test;

/// A backend that keeps the sync contract.
const APPLIES_ALL: &str = "return request.json().then((batch) => Response.json({ success: true, results: batch.actions.map(({ id }) => ({ id, status: 'applied' })) }))";

fn open(database: &str, backend: &str) -> Client<Browser> {
    let options = r#"{"baseUrl":"https://api.example","userId":"ada","retry":{"baseDelayMs":10}}"#;
    let options = Options::read(options, "https://api.example", Rc::default()).unwrap();
    Client::open(Browser::new(database, network(backend), Function::new_no_args("")), options)
}

fn draft(data: &str) -> Draft {
    Draft::read(r#"{"type":"save_draft","key":"draft"}"#, data).unwrap()
}

#[wasm_bindgen_test]
async fn an_action_travels_from_enqueue_to_its_deletion() {
    let client = open(&fresh_database(), APPLIES_ALL);
    let receipts = client.enqueue(vec![draft("{}"), draft("{}")]).await.unwrap();
    assert_eq!(receipts[0].durability, steadfast::platform::Durability::IndexedDb);
    let outcome = client.settled(&receipts[1].id).unwrap().await.unwrap();
    assert_eq!(outcome.get(), r#"{"status":"applied"}"#);
    assert_eq!(client.snapshot().await.unwrap().counts.total(), 0);
    client.close();
}

#[wasm_bindgen_test]
async fn what_one_client_could_not_send_the_next_one_does() {
    let database = fresh_database();
    let offline = open(&database, "return Promise.reject(new TypeError('Failed to fetch'))");
    let receipt = offline.enqueue(vec![draft(r#"{"n":1}"#)]).await.unwrap().remove(0);
    offline.sync().await.unwrap();
    assert_eq!(offline.snapshot().await.unwrap().counts.pending, 1);
    offline.close();
    drop(offline);
    let online = open(&database, APPLIES_ALL);
    let outcome = online.settled(&receipt.id).unwrap().await.unwrap();
    assert_eq!(outcome.get(), r#"{"status":"applied"}"#);
    online.close();
}

#[wasm_bindgen_test]
async fn a_call_is_tried_again_until_it_succeeds() {
    Reflect::set(&js_sys::global(), &"steadfastCalls".into(), &0.into()).unwrap();
    let fetch = network(
        "globalThis.steadfastCalls += 1; return Promise.resolve(new Response('{}', { status: globalThis.steadfastCalls < 3 ? 503 : 200 }))",
    );
    let request = fetch.json_request("PUT", "https://api.example/a", Some("{}".into())).unwrap();
    let client = open(&fresh_database(), "return Promise.reject()");
    drop(client);
    let options =
        Options::read(r#"{"baseUrl":"https://api.example","retry":{"baseDelayMs":1}}"#, "https://api.example", Rc::default())
            .unwrap();
    let client = Client::open(Browser::new(&fresh_database(), fetch, Function::new_no_args("")), options);
    let response = client.call(&request, "{}").await.unwrap();
    assert_eq!(response.into_js().status(), 200);
}
