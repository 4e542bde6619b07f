use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use steadfast::wire::ActionStatus::{Applied, Duplicate, Rejected};

use crate::support::{Backend, Send, refused, save};

fn one_save() -> Value {
    json!([save("a1", "d", "saved", None)])
}

/// The batch as text, for a connection that is watched byte by byte.
fn raw_batch(actions: &Value) -> String {
    let body = json!({ "userId": "alice", "actions": actions }).to_string();
    let length = body.len();
    format!(
        "POST /api/sync/queue-actions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer demo.alice\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn the_switch_is_not_there_without_the_flag() {
    let backend = Backend::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = backend.request(method.clone(), "/api/faults").json(&json!({ "kind": "drop" })).answer().await;
        assert_eq!(answer.refusal(), refused(404, "RESOURCE_NOT_FOUND"), "{method}");
    }
    assert_eq!(backend.statuses("alice", &one_save()).await, [Applied]);
}

#[tokio::test]
async fn the_switch_says_what_it_is_set_to() {
    let backend = Backend::with_faults().await;
    assert_eq!(backend.get("/api/faults").await.json(), json!({ "fault": null }));
    let fault = json!({ "kind": "status", "status": 503, "retryAfter": "2", "count": 3, "path": "/api/" });
    let set = backend.request(Method::PUT, "/api/faults").json(&fault).answer().await;
    assert_eq!(set.json(), json!({ "fault": fault }));
    assert_eq!(backend.get("/api/faults").await.json(), json!({ "fault": fault }));
    let cleared = backend.request(Method::DELETE, "/api/faults").answer().await;
    assert_eq!((cleared.status, cleared.json()), (200, json!({ "fault": null })));
    assert_eq!(backend.get("/api/health").await.status, 200);
}

#[tokio::test]
async fn the_switch_refuses_what_it_cannot_do() {
    let backend = Backend::with_faults().await;
    for (fault, field) in [
        (json!({ "kind": "explode" }), "kind"),
        (json!({ "kind": "latency" }), "latencyMs"),
        (json!({ "kind": "latency", "latencyMs": 600_001 }), "latencyMs"),
        (json!({ "kind": "status" }), "status"),
        (json!({ "kind": "status", "status": 204 }), "status"),
        (json!({ "kind": "status", "status": 503, "retryAfter": "a\nb" }), "retryAfter"),
        (json!({ "kind": "status", "status": 503, "service": "" }), "service"),
        (json!({ "kind": "drop", "count": 0 }), "count"),
        (json!({ "kind": "drop", "path": "api" }), "path"),
        (json!({ "kind": "drop", "unknown": 1 }), "unknown"),
    ] {
        let answer = backend.request(Method::PUT, "/api/faults").json(&fault).answer().await;
        assert_eq!(answer.refusal(), refused(400, "VALIDATION_ERROR"), "{fault}");
        assert_eq!(answer.json()["error"]["details"][0]["field"], field, "{fault}");
    }
    assert_eq!(backend.get("/api/faults").await.json(), json!({ "fault": null }));
}

#[tokio::test]
async fn a_status_is_answered_instead_of_handling_with_its_retry_after_as_it_is() {
    let backend = Backend::with_faults().await;
    for (status, retry_after, code, seconds) in [
        (503, "7", "SERVICE_UNAVAILABLE", json!(7)),
        (429, "Wed, 21 Oct 2026 07:28:00 GMT", "RATE_LIMIT_EXCEEDED", Value::Null),
        (500, "-1", "SYSTEM_INTERNAL_ERROR", Value::Null),
    ] {
        backend.set_fault(json!({ "kind": "status", "status": status, "retryAfter": retry_after })).await;
        let answer = backend.batch("alice", &one_save()).answer().await;
        assert_eq!(answer.refusal(), refused(status, code));
        assert_eq!(answer.named_header("retry-after"), retry_after);
        assert_eq!(answer.json()["error"]["retryAfter"], seconds);
        assert!(answer.envelope().error.retryable);
    }
    assert_eq!(backend.applied("alice").await, [""; 0]);
}

#[tokio::test]
async fn a_fault_ends_after_its_count() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "status", "status": 503, "count": 2 })).await;
    assert_eq!(backend.get("/api/health").await.status, 200, "another path does not count");
    for expected in [503, 503, 200] {
        assert_eq!(backend.batch("alice", &one_save()).answer().await.status, expected);
    }
    assert_eq!(backend.get("/api/faults").await.json(), json!({ "fault": null }));
}

#[tokio::test]
async fn a_fault_applies_to_its_path_and_never_to_the_switch() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "status", "status": 500, "path": "/" })).await;
    assert_eq!(backend.get("/api/health").await.status, 500);
    assert_eq!(backend.get("/nothing").await.status, 500);
    assert_eq!(backend.request(Method::DELETE, "/api/faults").answer().await.status, 200);
    assert_eq!(backend.get("/api/health").await.status, 200);
}

#[tokio::test]
async fn a_committed_batch_whose_answer_is_dropped_is_a_duplicate_the_next_time() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "commit_then_drop", "count": 1 })).await;
    assert_eq!(backend.raw(&raw_batch(&one_save())).await, b"");
    assert_eq!(backend.applied("alice").await, ["a1"]);
    assert_eq!(backend.statuses("alice", &one_save()).await, [Duplicate]);
}

#[tokio::test]
async fn a_dropped_request_was_not_handled() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "drop", "count": 1 })).await;
    assert_eq!(backend.raw(&raw_batch(&one_save())).await, b"");
    assert_eq!(backend.applied("alice").await, [""; 0]);
    assert_eq!(backend.statuses("alice", &one_save()).await, [Applied]);
}

#[tokio::test]
async fn an_error_names_the_service_that_is_to_have_failed() {
    let backend = Backend::with_faults().await;
    let service = "runninghub_api";
    backend.set_fault(json!({ "kind": "status", "status": 503, "service": service, "path": "/api/documents" })).await;
    let answer = backend.get_as("alice", "/api/documents").await;
    assert_eq!(answer.envelope().context.unwrap().service.as_deref(), Some(service));
    assert_eq!(backend.get_as("alice", "/api/sync/status/alice").await.status, 200);
}

#[tokio::test]
async fn no_fault_applies_to_the_switch_itself() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "status", "status": 503, "path": "/" })).await;
    for (method, path) in [(Method::DELETE, "/api/faults/configuration"), (Method::DELETE, "/api/faults")] {
        assert_eq!(backend.request(method, path).answer().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_client_sees_a_dropped_connection_as_a_network_error() {
    let backend = Backend::with_faults().await;
    backend.get("/api/health").await;
    for kind in ["drop", "commit_then_drop"] {
        backend.set_fault(json!({ "kind": kind, "count": 1 })).await;
        assert!(backend.batch("alice", &one_save()).send().await.unwrap_err().is_request(), "{kind}");
        assert_eq!(backend.get("/api/faults").await.json(), json!({ "fault": null }), "not sent again behind our back");
    }
}

#[tokio::test]
async fn a_captive_portal_answers_every_request_with_its_page() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "html" })).await;
    let answer = backend.batch("alice", &one_save()).answer().await;
    assert_eq!((answer.status, answer.named_header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(answer.body.starts_with("<!doctype html>"));
    assert_eq!(backend.applied("alice").await, [""; 0]);
}

#[tokio::test]
async fn a_truncated_answer_has_the_length_of_its_half_and_was_handled() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "truncated" })).await;
    let answer = backend.batch("alice", &one_save()).answer().await;
    assert_eq!((answer.status, answer.named_header("content-type")), (200, "application/json"));
    assert_eq!(answer.named_header("content-length"), answer.body.len().to_string());
    assert!(serde_json::from_str::<Value>(&answer.body).unwrap_err().is_eof());
    assert_eq!(backend.applied("alice").await, ["a1"]);

    let refusal = backend.get_as("mallory", "/api/sync/status/alice").await;
    assert_eq!(refusal.status, 403);
    assert!(serde_json::from_str::<Value>(&refusal.body).unwrap_err().is_eof(), "an error is cut as well");
}

#[tokio::test]
async fn every_second_action_is_rejected_and_the_others_are_applied() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "reject_half", "count": 1 })).await;
    let actions: Value = (0..4).map(|index| save(&format!("a{index}"), "d", "x", None)).collect();
    let results = backend.sync("alice", &actions).await;
    let statuses: Vec<_> = results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [Applied, Rejected, Applied, Rejected]);
    assert_eq!(results[1].error.as_ref().unwrap().code, "FAULT_REJECTED");
    assert_eq!(backend.status_of("alice").await.failed_actions, 2);
    assert_eq!(backend.statuses("alice", &actions).await, [Duplicate, Applied, Duplicate, Applied]);
    assert_eq!(backend.status_of("alice").await.failed_actions, 0);
}

#[tokio::test]
async fn latency_delays_the_answer_and_changes_nothing_else() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "latency", "latencyMs": 60 })).await;
    let start = Instant::now();
    assert_eq!(backend.statuses("alice", &one_save()).await, [Applied]);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn no_connection_serves_twice_while_there_can_be_faults() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "html" })).await;
    for path in ["/api/health", "/api/faults", "/api/nothing", "/api/sync/status/alice"] {
        assert_eq!(backend.get(path).await.named_header("connection"), "close", "{path}");
    }
    let backend = Backend::start().await;
    assert_eq!(backend.get("/api/health").await.named_header("connection"), "");
}
