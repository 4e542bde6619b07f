use reqwest::Method;
use serde_json::{Value, json};
use steadfast::wire::{RecoverBatchResponse, RecoveryStatus, RetryOperationResponse};

use crate::support::{Answer, Backend, Send, in_file, refused};

const RETRY: &str = "/api/operations/retry";
const RECOVER: &str = "/api/operations/recover-batch";

fn operation(id: &str, count: u32) -> Value {
    json!({ "originalRequestId": id, "retryReason": "network_timeout", "retryCount": count })
}

async fn with_key(backend: &Backend, user: &str, path: &str, key: &str, body: &Value) -> Answer {
    let request = backend.request(Method::POST, path).bearer_auth(format!("demo.{user}"));
    request.header("idempotency-key", key).json(body).answer().await
}

async fn retry(backend: &Backend, body: &Value) -> Answer {
    backend.send_as("alice", Method::POST, RETRY, body).await
}

async fn recover(backend: &Backend, operations: Value) -> RecoverBatchResponse {
    let body = json!({ "failedOperations": operations, "recoveryStrategy": "auto_retry" });
    let answer = backend.send_as("alice", Method::POST, RECOVER, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.parse()
}

fn failed(id: &str, code: &str, user: &str) -> Value {
    json!({ "requestId": id, "errorCode": code, "userId": user })
}

#[tokio::test]
async fn an_operation_is_queued_under_a_new_id() {
    let backend = Backend::start().await;
    let body = json!({
        "originalRequestId": "req_123456789",
        "retryReason": "network_timeout",
        "retryCount": 2,
        "modifiedParams": { "quality": "medium", "timeout": 60000 }
    });
    let answer = retry(&backend, &body).await;
    let queued: RetryOperationResponse = answer.parse();
    assert_eq!((answer.status, queued.success, queued.message.as_str()), (200, true, "Operation queued for retry"));
    assert!(queued.new_request_id.starts_with("req_") && queued.new_request_id != "req_123456789");
    let completion: jiff::Timestamp = queued.estimated_completion.unwrap().parse().unwrap();
    assert!(completion > jiff::Timestamp::now());
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_queues_once() {
    let directory = tempfile::tempdir().unwrap();
    let backend = Backend::with(in_file(&directory)).await;
    let first = with_key(&backend, "alice", RETRY, "\"k1\"", &operation("req_1", 1)).await;
    backend.stop().await;

    let backend = Backend::with(in_file(&directory)).await;
    let reordered = json!({ "retryCount": 1, "retryReason": "network_timeout", "originalRequestId": "req_1" });
    for _ in 0..6 {
        let again = with_key(&backend, "alice", RETRY, "k1", &reordered).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
    }
    let other_key = with_key(&backend, "alice", RETRY, "\"k2\"", &operation("req_1", 1)).await;
    assert_ne!(other_key.json()["newRequestId"], first.json()["newRequestId"]);
    let other_user = with_key(&backend, "bob", RETRY, "\"k1\"", &operation("req_1", 1)).await;
    assert_ne!(other_user.json()["newRequestId"], first.json()["newRequestId"]);
}

#[tokio::test]
async fn a_lost_answer_is_had_by_asking_again() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "commit_then_drop", "path": RETRY, "count": 1 })).await;
    let request = backend.request(Method::POST, RETRY).bearer_auth("demo.alice").header("idempotency-key", "k");
    assert!(request.json(&operation("req_1", 1)).send().await.is_err());
    let again = with_key(&backend, "alice", RETRY, "k", &operation("req_1", 1)).await;
    let once_more = with_key(&backend, "alice", RETRY, "k", &operation("req_1", 1)).await;
    assert_eq!((again.status, &again.body), (200, &once_more.body));
    // It was queued once: there is room for four more.
    for _ in 0..4 {
        assert_eq!(retry(&backend, &operation("req_1", 1)).await.status, 200);
    }
    assert_eq!(retry(&backend, &operation("req_1", 1)).await.status, 422);
}

#[tokio::test]
async fn a_key_is_of_one_request_only() {
    let backend = Backend::start().await;
    with_key(&backend, "alice", RETRY, "k", &operation("req_1", 1)).await;
    let answer = with_key(&backend, "alice", RETRY, "k", &operation("req_2", 1)).await;
    assert_eq!(answer.refusal(), refused(422, "IDEMPOTENCY_KEY_REUSED"));
    assert!(!answer.envelope().error.retryable);
    let answer = with_key(&backend, "alice", RETRY, "\"k", &operation("req_1", 1)).await;
    assert_eq!(answer.refusal(), refused(400, "VALIDATION_ERROR"));
    assert_eq!(answer.json()["error"]["details"][0]["field"], "Idempotency-Key");
}

#[tokio::test]
async fn an_operation_is_not_retried_for_ever_whatever_its_ids() {
    let backend = Backend::start().await;
    let mut id = "req_1".to_owned();
    for _ in 0..5 {
        let answer = retry(&backend, &operation(&id, 1)).await;
        assert_eq!(answer.status, 200);
        id = answer.json()["newRequestId"].as_str().unwrap().to_owned();
    }
    for id in [&id, "req_1"] {
        let answer = retry(&backend, &operation(id, 1)).await;
        assert_eq!(answer.refusal(), refused(422, "OPERATION_RETRIES_EXHAUSTED"));
        assert!(!answer.envelope().error.retryable);
        assert_eq!(answer.json()["error"]["details"], json!({ "limit": 5, "received": 6, "unit": "retries" }));
    }
    assert_eq!(retry(&backend, &operation("req_2", 5)).await.status, 200);
    assert_eq!(retry(&backend, &operation("req_3", 6)).await.refusal(), refused(422, "OPERATION_RETRIES_EXHAUSTED"));
}

#[tokio::test]
async fn what_is_no_retry_is_refused_with_its_field() {
    let backend = Backend::start().await;
    for (member, value) in [
        ("originalRequestId", json!("")),
        ("originalRequestId", json!("x".repeat(257))),
        ("originalRequestId", json!(7)),
        ("retryReason", json!("Network timeout")),
        ("retryReason", json!("")),
        ("retryReason", json!("x".repeat(65))),
        ("retryCount", json!(-1)),
        ("retryCount", json!("2")),
        ("modifiedParams", json!([1])),
        ("modifiedParams", json!("quality")),
        ("modifiedParams", json!({ "x": "x".repeat(64 << 10) })),
    ] {
        let mut body = operation("req_1", 1);
        body[member] = value;
        let answer = retry(&backend, &body).await;
        assert_eq!(answer.refusal(), refused(400, "VALIDATION_ERROR"), "{member}");
        assert_eq!(answer.json()["error"]["details"][0]["field"], member);
    }
    for body in [json!({}), json!(["req_1", "network_timeout", 1, null])] {
        assert_eq!(retry(&backend, &body).await.refusal(), refused(400, "VALIDATION_ERROR"), "{body}");
    }
}

#[tokio::test]
async fn a_batch_is_recovered_one_by_one() {
    let backend = Backend::start().await;
    let operations = json!([
        failed("req_1", "AI_PROCESSING_TIMEOUT", "alice"),
        failed("req_2", "FILE_TOO_LARGE", "alice"),
        failed("req_3", "AI_PROCESSING_TIMEOUT", "bob"),
        failed("req_1", "AI_PROCESSING_TIMEOUT", "alice"),
        { "requestId": "req_4", "userId": "alice" },
    ]);
    let answer = recover(&backend, operations).await;
    let ids: Vec<_> = answer.recovered.iter().map(|entry| entry.request_id.as_str()).collect();
    assert_eq!(ids, ["req_1", "req_2", "req_3", "req_1", "req_4"]);
    let codes: Vec<_> = answer.recovered.iter().map(|entry| entry.error.as_ref().map(|error| error.code.as_str())).collect();
    let not_recoverable = Some("OPERATION_NOT_RECOVERABLE");
    assert_eq!(codes, [None, not_recoverable, Some("AUTH_INSUFFICIENT_PERMISSIONS"), None, None]);
    for entry in &answer.recovered {
        assert_eq!(entry.status == RecoveryStatus::Queued, entry.error.is_none());
        assert_eq!(entry.new_request_id.is_some(), entry.error.is_none());
    }
    assert_eq!(answer.recovered[0].new_request_id, answer.recovered[3].new_request_id, "queued once");
}

#[tokio::test]
async fn retries_are_counted_however_they_were_asked_for() {
    let backend = Backend::start().await;
    for _ in 0..4 {
        retry(&backend, &operation("req_1", 1)).await;
    }
    let fifth = recover(&backend, json!([failed("req_1", "NETWORK_TIMEOUT", "alice")])).await;
    assert_eq!(fifth.recovered[0].status, RecoveryStatus::Queued);
    let sixth = recover(&backend, json!([failed("req_1", "NETWORK_TIMEOUT", "alice")])).await;
    assert_eq!(sixth.recovered[0].error.as_ref().unwrap().code, "OPERATION_RETRIES_EXHAUSTED");
}

#[tokio::test]
async fn a_batch_under_a_key_is_recovered_once() {
    let backend = Backend::start().await;
    let body = json!({
        "failedOperations": [failed("req_1", "NETWORK_TIMEOUT", "alice")],
        "recoveryStrategy": "auto_retry"
    });
    let first = with_key(&backend, "alice", RECOVER, "k", &body).await;
    let again = with_key(&backend, "alice", RECOVER, "k", &body).await;
    assert_eq!((first.status, &first.body), (200, &again.body));
    let on_the_other_path = with_key(&backend, "alice", RETRY, "k", &operation("req_1", 1)).await;
    assert_eq!(on_the_other_path.status, 200, "a key is of one path");
}

#[tokio::test]
async fn a_batch_that_cannot_be_understood_is_refused_as_a_whole() {
    let backend = Backend::start().await;
    assert_eq!(recover(&backend, json!([])).await.recovered, []);
    let many: Value = (0..101).map(|index| failed(&format!("req_{index}"), "NETWORK_TIMEOUT", "alice")).collect();
    let body = json!({ "failedOperations": many, "recoveryStrategy": "auto_retry" });
    let answer = backend.send_as("alice", Method::POST, RECOVER, &body).await;
    assert_eq!(answer.refusal(), refused(413, "BATCH_TOO_LARGE"));
    assert_eq!(answer.json()["error"]["details"], json!({ "limit": 100, "received": 101, "unit": "operations" }));
    for (operations, strategy, field) in [
        (json!([]), "prayer", "recoveryStrategy"),
        (json!([failed("", "NETWORK_TIMEOUT", "alice")]), "auto_retry", "failedOperations[0].requestId"),
        (json!([{ "requestId": "req_1" }]), "auto_retry", "failedOperations[0]"),
        (json!("all"), "auto_retry", "failedOperations"),
    ] {
        let body = json!({ "failedOperations": operations, "recoveryStrategy": strategy });
        let answer = backend.send_as("alice", Method::POST, RECOVER, &body).await;
        assert_eq!(answer.refusal(), refused(400, "VALIDATION_ERROR"), "{field}");
        assert_eq!(answer.json()["error"]["details"][0]["field"], field);
    }
}
