use reqwest::{Method, header::HeaderValue};

use crate::support::{Backend, Send};

async fn echo(backend: &Backend, path: &str, id: HeaderValue) -> String {
    let request = backend.request(Method::GET, path).header("x-correlation-id", id);
    request.answer().await.named_header("x-correlation-id").to_owned()
}

#[tokio::test]
async fn the_clients_id_comes_back_in_the_header_and_in_the_error() {
    let backend = Backend::start().await;
    let id = HeaderValue::from_static("req_1755772200000_abc123xyz");
    assert_eq!(echo(&backend, "/api/health", id.clone()).await, id);

    let answer = backend.request(Method::GET, "/api/nothing").header("x-correlation-id", &id).answer().await;
    let envelope = answer.envelope();
    assert_eq!(envelope.error.correlation_id, id);
    let context = envelope.context.unwrap();
    assert_eq!((context.endpoint.as_str(), context.method.as_str()), ("/api/nothing", "GET"));
}

#[tokio::test]
async fn an_id_that_is_not_usable_is_replaced() {
    let backend = Backend::start().await;
    let long = "x".repeat(129);
    for id in [&b""[..], b"two words", "\u{e9}".as_bytes(), long.as_bytes()] {
        let made = echo(&backend, "/api/health", HeaderValue::from_bytes(id).unwrap()).await;
        assert!(made.starts_with("req_"), "{made}");
    }
}

#[tokio::test]
async fn a_request_without_an_id_gets_one_of_its_own() {
    let backend = Backend::start().await;
    let first = backend.get("/api/health").await.named_header("x-correlation-id").to_owned();
    let second = backend.get("/api/health").await.named_header("x-correlation-id").to_owned();
    assert_eq!(first.split('_').count(), 3);
    assert_ne!(first, second);
}

#[tokio::test]
async fn an_id_with_quotes_does_not_break_the_body() {
    let backend = Backend::start().await;
    let id = r#"a"b\c"#;
    for path in ["/api/nothing", "/api/demo/errors/cosnap/service-unavailable"] {
        let answer = backend.request(Method::GET, path).header("x-correlation-id", id).answer().await;
        assert_eq!(answer.json()["error"]["correlationId"], id, "{path}");
    }
}
