use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Send};

async fn put(backend: &Backend, key: Option<&str>, body: &Value) -> Answer {
    let request = backend.request(Method::PUT, "/api/drafts/d7").bearer_auth("demo.alice").json(body);
    match key {
        Some(key) => request.header("Idempotency-Key", key).answer().await,
        None => request.answer().await,
    }
}

#[tokio::test]
async fn a_draft_that_comes_again_under_its_key_is_saved_once_and_answered_the_same() {
    let backend = Backend::start().await;
    for key in ["\"k 1\"", "k 1", "\"k 1\""] {
        let answer = put(&backend, Some(key), &json!({ "content": "one" })).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "id": "d7" })));
    }
    assert_eq!(put(&backend, Some("\"k2\""), &json!({ "content": "two" })).await.status, 200);
    let documents = backend.documents("alice").await;
    assert_eq!((&documents["drafts"][0]["version"], &documents["drafts"][0]["content"]), (&json!(2), &json!("two")));
    assert_eq!(backend.applied("alice").await, ["k 1", "k2"]);
}

#[tokio::test]
async fn a_refused_draft_says_why_and_its_key_may_come_again_with_another_body() {
    let backend = Backend::start().await;
    let answer = put(&backend, Some("\"k\""), &json!({ "content": 7 })).await;
    assert_eq!(answer.refusal(), (422, "VALIDATION_ERROR".to_owned()));
    let answer = put(&backend, Some("\"k\""), &json!({ "content": "x", "baseVersion": 3 })).await;
    assert_eq!((answer.status, &answer.json()["conflict"]["conflictType"]), (409, &json!("version_mismatch")));
    assert_eq!(put(&backend, Some("\"k\""), &json!({ "content": "x" })).await.status, 200);
}

#[tokio::test]
async fn a_draft_without_a_key_is_refused() {
    let backend = Backend::start().await;
    assert_eq!(put(&backend, None, &json!({ "content": "x" })).await.refusal(), (400, "VALIDATION_ERROR".to_owned()));
}
