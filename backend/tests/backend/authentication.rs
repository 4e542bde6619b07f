use reqwest::Method;
use serde_json::json;

use crate::support::{Backend, Send, refused};

const PROTECTED: [(Method, &str); 10] = [
    (Method::POST, "/api/sync/queue-actions"),
    (Method::GET, "/api/sync/status/alice"),
    (Method::GET, "/api/documents"),
    (Method::GET, "/api/applied-actions"),
    (Method::GET, "/api/user/error-preferences"),
    (Method::PUT, "/api/user/error-preferences"),
    (Method::POST, "/api/operations/retry"),
    (Method::POST, "/api/operations/recover-batch"),
    (Method::POST, "/admin/api/monitoring/circuit-breakers/reset/runninghub_api"),
    (Method::POST, "/admin/api/monitoring/circuit-breakers/reset-all"),
];

#[tokio::test]
async fn a_request_without_a_token_is_told_so() {
    let backend = Backend::start().await;
    for (method, path) in PROTECTED {
        for header in [None, Some(""), Some("Bearer"), Some("Bearer ")] {
            let mut request = backend.request(method.clone(), path);
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let answer = request.answer().await;
            assert_eq!(answer.refusal(), refused(401, "AUTH_TOKEN_MISSING"), "{method} {path} {header:?}");
            assert_eq!(answer.named_header("www-authenticate"), "Bearer");
        }
    }
}

#[tokio::test]
async fn a_malformed_token_is_told_so() {
    let backend = Backend::start().await;
    for (method, path) in PROTECTED {
        for header in ["Basic demo.alice", "Bearer alice", "Bearer demo.", "Bearer demo.a b", "demo.alice"] {
            let answer = backend.request(method.clone(), path).header("authorization", header).answer().await;
            assert_eq!(answer.refusal(), refused(401, "AUTH_TOKEN_INVALID"), "{method} {path} {header:?}");
        }
        let long = format!("demo.{}", "x".repeat(129));
        let answer = backend.request(method.clone(), path).bearer_auth(long).answer().await;
        assert_eq!(answer.refusal(), refused(401, "AUTH_TOKEN_INVALID"));
    }
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let backend = Backend::start().await;
    let answer = backend.request(Method::GET, "/api/documents").header("authorization", "bearer demo.alice");
    assert_eq!(answer.answer().await.status, 200);
}

#[tokio::test]
async fn nobody_reads_or_writes_what_is_anothers() {
    let backend = Backend::start().await;
    let status = backend.get_as("mallory", "/api/sync/status/alice").await;
    assert_eq!(status.refusal(), refused(403, "AUTH_INSUFFICIENT_PERMISSIONS"));

    let batch = backend
        .request(Method::POST, "/api/sync/queue-actions")
        .bearer_auth("demo.mallory")
        .json(&json!({ "userId": "alice", "actions": [crate::support::save("a", "d", "mine now", None)] }));
    assert_eq!(batch.answer().await.refusal(), refused(403, "AUTH_INSUFFICIENT_PERMISSIONS"));
    assert_eq!(backend.applied("alice").await, [""; 0]);
}

#[tokio::test]
async fn a_user_id_in_the_path_is_decoded() {
    let backend = Backend::start().await;
    let answer = backend.get_as("alice@example.com", "/api/sync/status/alice%40example.com").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn users_do_not_see_each_others_documents_and_share_no_ids() {
    let backend = Backend::start().await;
    backend.sync("alice", &json!([crate::support::save("same-id", "d", "of alice", None)])).await;
    assert_eq!(backend.documents("bob").await, json!({ "drafts": [], "bookmarks": [] }));
    let results = backend.sync("bob", &json!([crate::support::save("same-id", "d", "of bob", None)])).await;
    assert_eq!(results[0].status, steadfast::wire::ActionStatus::Applied);
    assert_eq!(backend.documents("alice").await["drafts"][0]["content"], "of alice");
    assert_eq!(backend.documents("bob").await["drafts"][0]["content"], "of bob");
}

#[tokio::test]
async fn what_is_public_needs_no_token() {
    let backend = Backend::start().await;
    for path in ["/api/health", "/api/health/detailed", "/api/config/error-handling", "/api/demo/errors"] {
        assert_eq!(backend.get(path).await.status, 200, "{path}");
    }
}
