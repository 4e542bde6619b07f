use reqwest::Method;
use serde_json::{Value, json};
use steadfast::wire::ActionStatus;

use crate::support::{Backend, Send, action, refused, save};

const LIMIT: usize = steadfast::wire::LARGEST_BATCH;

async fn post(backend: &Backend, body: impl Into<reqwest::Body>) -> crate::support::Answer {
    let request = backend.request(Method::POST, "/api/sync/queue-actions").bearer_auth("demo.alice");
    request.header("content-type", "application/json").body(body).answer().await
}

/// A well-formed batch of exactly that many bytes.
fn batch_of(bytes: usize) -> String {
    let batch = json!({ "userId": "alice", "actions": [], "padding": "" }).to_string();
    batch.replace(r#""padding":"""#, &format!(r#""padding":"{}""#, "x".repeat(bytes - batch.len())))
}

#[tokio::test]
async fn a_body_of_two_mebibytes_is_taken_and_a_larger_one_is_not() {
    let backend = Backend::start().await;
    assert_eq!(post(&backend, batch_of(LIMIT)).await.status, 200);
    for size in [LIMIT + 1, 4 * LIMIT] {
        let answer = post(&backend, batch_of(size)).await;
        assert_eq!(answer.refusal(), refused(413, "PAYLOAD_TOO_LARGE"));
        assert_eq!(answer.json()["error"]["details"]["limit"], LIMIT);
    }
}

#[tokio::test]
async fn a_large_body_that_is_refused_before_it_is_read_still_gets_its_answer() {
    let backend = Backend::with_faults().await;
    let request = backend.request(Method::POST, "/api/sync/queue-actions").body(batch_of(4 * LIMIT));
    assert_eq!(request.answer().await.refusal(), refused(401, "AUTH_TOKEN_MISSING"));
    backend.set_fault(json!({ "kind": "status", "status": 503 })).await;
    assert_eq!(post(&backend, batch_of(4 * LIMIT)).await.refusal(), refused(503, "SERVICE_UNAVAILABLE"));
}

#[tokio::test]
async fn five_hundred_actions_are_taken_and_one_more_is_not() {
    let backend = Backend::start().await;
    let actions = |count: usize| -> Value {
        (0..count).map(|index| action(&format!("a{index}"), "remove_bookmark", None, json!({ "effectId": "e" }))).collect()
    };
    let answer = backend.batch("alice", &actions(501)).answer().await;
    assert_eq!(answer.refusal(), refused(413, "BATCH_TOO_LARGE"));
    assert_eq!(answer.json()["error"]["details"], json!({ "limit": 500, "received": 501, "unit": "actions" }));
    assert_eq!(backend.applied("alice").await.len(), 0);

    assert_eq!(backend.statuses("alice", &actions(500)).await, [ActionStatus::Applied; 500]);
}

#[tokio::test]
async fn an_empty_batch_succeeds() {
    let backend = Backend::start().await;
    assert_eq!(backend.sync("alice", &json!([])).await, []);
}

#[tokio::test]
async fn a_body_that_is_not_json_says_where() {
    let backend = Backend::start().await;
    for (body, column) in [("", 0), ("{\"userId\":", 10), ("nonsense", 2), ("{\"userId\":\"alice\",\"actions\":[]} {}", 33)] {
        let answer = post(&backend, body).await;
        assert_eq!(answer.refusal(), refused(400, "VALIDATION_INVALID_FORMAT"), "{body}");
        assert_eq!(answer.json()["error"]["details"]["column"], column, "{body}");
    }
}

#[tokio::test]
async fn a_batch_that_is_not_understood_says_what_and_where() {
    let backend = Backend::start().await;
    let mut without_type = save("a", "d", "", None);
    without_type.as_object_mut().unwrap().remove("type");
    let mut urgent = save("a", "d", "", None);
    urgent["priority"] = "urgent".into();
    for (body, field) in [
        (json!([]), "."),
        (json!({ "userId": "alice" }), "."),
        (json!({ "userId": 7, "actions": [] }), "userId"),
        (json!({ "userId": "alice", "actions": {} }), "actions"),
        (json!({ "userId": "alice", "actions": [save("a", "d", "", None), without_type] }), "actions[1]"),
        (json!({ "userId": "alice", "actions": [urgent] }), "actions[0].priority"),
        (json!({ "userId": "alice", "actions": [save("", "d", "", None)] }), "actions[0].id"),
        (json!({ "userId": "alice", "actions": [save(&"x".repeat(257), "d", "", None)] }), "actions[0].id"),
    ] {
        let answer = post(&backend, body.to_string()).await;
        assert_eq!(answer.refusal(), refused(400, "VALIDATION_ERROR"), "{body}");
        let details = answer.json()["error"]["details"].clone();
        assert_eq!(details[0]["field"], field, "{body}");
        assert!(!details[0]["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(backend.applied("alice").await.len(), 0);
}

#[tokio::test]
async fn pages_of_applied_actions_continue_where_the_last_one_ended() {
    let backend = Backend::start().await;
    let actions: Value = (0..5).map(|index| save(&format!("a{index}"), "d", "", None)).collect();
    backend.sync("alice", &actions).await;
    let mut after = 0;
    let mut ids = Vec::new();
    loop {
        let page = backend.get_as("alice", &format!("/api/applied-actions?after={after}&limit=2")).await.json();
        let Some(last) = page["actions"].as_array().unwrap().last() else { break };
        after = last["position"].as_i64().unwrap();
        ids.extend(page["actions"].as_array().unwrap().iter().map(|action| action["id"].clone()));
    }
    assert_eq!(ids, ["a0", "a1", "a2", "a3", "a4"]);
}

#[tokio::test]
async fn a_page_that_is_not_understood_is_refused() {
    let backend = Backend::start().await;
    for query in ["after=x", "limit=-1", "limit=all"] {
        let answer = backend.get_as("alice", &format!("/api/applied-actions?{query}")).await;
        assert_eq!(answer.refusal(), refused(400, "VALIDATION_ERROR"), "{query}");
    }
}
