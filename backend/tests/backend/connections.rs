use std::time::Duration;

use serde_json::json;
use steadfast::wire::ActionStatus::Applied;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{self, Instant},
};

use crate::support::{Backend, PATIENCE, save};

const HEALTH: &[u8] = b"GET /api/health HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Waits until the fault that is set for one request has met it: it counts the request before it delays it.
async fn under_way(backend: &Backend) {
    let delayed = async { while !backend.get("/api/faults").await.json()["fault"].is_null() {} };
    time::timeout(PATIENCE, delayed).await.unwrap();
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_ends_with_the_server() {
    let backend = Backend::start().await;
    let mut connection = backend.connect().await;
    let mut received = [0; 4096];
    for _ in 0..3 {
        connection.write_all(HEALTH).await.unwrap();
        let length = connection.read(&mut received).await.unwrap();
        assert!(received[..length].starts_with(b"HTTP/1.1 200"));
    }
    let start = Instant::now();
    backend.stop().await;
    assert!(start.elapsed() < Duration::from_secs(1), "an idle connection does not delay the end");
    assert_eq!(connection.read(&mut received).await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_server_ends() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "latency", "latencyMs": 300, "path": "/api/health", "count": 1 })).await;
    let mut connection = backend.connect().await;
    connection.write_all(HEALTH).await.unwrap();
    under_way(&backend).await;
    let mut received = Vec::new();
    let (answer, ()) = tokio::join!(connection.read_to_end(&mut received), backend.stop());
    answer.unwrap();
    assert!(received.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&received));
}

#[tokio::test]
async fn a_request_that_does_not_finish_does_not_keep_the_server() {
    let backend = Backend::with_faults().await;
    backend.set_fault(json!({ "kind": "latency", "latencyMs": 60_000, "path": "/api/health", "count": 1 })).await;
    let mut connection = backend.connect().await;
    connection.write_all(HEALTH).await.unwrap();
    under_way(&backend).await;
    backend.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_the_server_as_it_was() {
    let backend = Backend::start().await;
    for request in [
        &b"POST /api/sync/queue-actions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer demo.alice\r\n\
        content-length: 1000\r\n\r\n{\"userId\""[..],
        b"GET /api/hea",
        b"\x16\x03\x01 not http",
    ] {
        let mut connection = backend.connect().await;
        connection.write_all(request).await.unwrap();
        drop(connection);
    }
    assert_eq!(backend.statuses("alice", &json!([save("a1", "d", "", None)])).await, [Applied]);
}

#[tokio::test]
async fn many_clients_at_once_are_all_answered() {
    let directory = tempfile::tempdir().unwrap();
    let backend = Backend::with(crate::support::in_file(&directory)).await;
    let users: Vec<String> = (0..40).map(|index| format!("user_{index}")).collect();
    let syncs = users.iter().map(|user| async {
        let actions = json!([save("a1", "d", user, None), save("a2", "d", user, Some(1))]);
        (backend.statuses(user, &actions).await, backend.documents(user).await)
    });
    let answers = time::timeout(PATIENCE, futures_util::future::join_all(syncs)).await.unwrap();
    for (user, (statuses, documents)) in users.iter().zip(answers) {
        assert_eq!(statuses, [Applied; 2]);
        assert_eq!(documents["drafts"][0]["content"], user.as_str());
    }
}
