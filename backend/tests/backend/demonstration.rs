use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use steadfast::wire::StandardErrorResponse;

use crate::support::{Answer, Backend, Send, refused};

/// Whether the body is the JSON that it says it is. One case is there to break that promise.
fn parses(case: &str, answer: &Answer) -> bool {
    let is_json = serde_json::from_str::<Value>(&answer.body).is_ok();
    answer.named_header("content-type") != "application/json" || is_json != (case == "truncated-json-500")
}

#[tokio::test]
async fn every_case_is_served_with_its_status_and_parses() {
    let backend = Backend::start().await;
    let catalogue = backend.get("/api/demo/errors").await.json();
    let mut formats = BTreeSet::new();
    for entry in catalogue.as_array().unwrap() {
        let (path, case) = (entry["path"].as_str().unwrap(), entry["case"].as_str().unwrap());
        let answer = backend.get(path).await;
        assert_eq!(u64::from(answer.status), entry["status"].as_u64().unwrap(), "{path}");
        assert!(parses(case, &answer), "{path}: {answer:?}");
        assert!(!entry["title"].as_str().unwrap().is_empty());
        formats.insert(entry["format"].as_str().unwrap().to_owned());
    }
    let expected = [
        "cosnap",
        "frameworks",
        "gateway",
        "legacy",
        "news-filter",
        "oriel",
        "qwen-proxy",
        "services",
        "standards",
        "stellarflow",
    ];
    assert_eq!(formats, expected.map(str::to_owned).into());
}

#[tokio::test]
async fn the_cosnap_cases_are_standard_error_responses_of_this_request() {
    let backend = Backend::start().await;
    let catalogue = backend.get("/api/demo/errors").await.json();
    for entry in catalogue.as_array().unwrap().iter().filter(|entry| entry["format"] == "cosnap") {
        let answer = backend.get(entry["path"].as_str().unwrap()).await;
        let envelope: StandardErrorResponse = answer.parse();
        assert_eq!(envelope.error.correlation_id, answer.named_header("x-correlation-id"));
        assert_eq!(envelope.context.unwrap().status_code, answer.status);
    }
}

#[tokio::test]
async fn stellarflow_has_its_sixteen_codes_and_the_headers_of_the_rate_limit() {
    let backend = Backend::start().await;
    let catalogue = backend.get("/api/demo/errors").await.json();
    let mut codes = BTreeSet::new();
    for entry in catalogue.as_array().unwrap().iter().filter(|entry| entry["format"] == "stellarflow") {
        let body = backend.get(entry["path"].as_str().unwrap()).await.json();
        codes.insert(body["error"]["code"].as_str().unwrap().to_owned());
    }
    codes.remove("ERROR_CODE");
    assert_eq!(codes.len(), 16);

    let limit = backend.get("/api/demo/errors/stellarflow/rate-limit-exceeded").await;
    assert_eq!(limit.status, 429);
    for (name, value) in [
        ("x-ratelimit-limit", "10000"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1721748000"),
        ("retry-after", "3600"),
    ] {
        assert_eq!(limit.named_header(name), value);
    }
}

#[tokio::test]
async fn a_body_is_sent_in_the_order_of_its_specification() {
    let backend = Backend::start().await;
    let answer = backend.get("/api/demo/errors/oriel/error-response-format").await;
    let expected = r#"{
  "error": {
    "code": "ERROR_CODE",
    "message": "Human-readable error message",
    "details": {
      "additional": "context information"
    },
    "timestamp": "2024-01-01T00:00:00Z",
    "recoverable": true
  }
}"#;
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn the_stream_ends_with_an_error_and_then_is_done() {
    let backend = Backend::start().await;
    let answer = backend.get("/api/demo/errors/qwen-proxy/stream").await;
    assert_eq!((answer.status, answer.named_header("content-type")), (200, "text/event-stream"));
    let events: Vec<&str> = answer.body.split_terminator("\n\n").map(|event| &event["data: ".len()..]).collect();
    let [.., error, done] = events.as_slice() else { panic!("{events:?}") };
    let error: Value = serde_json::from_str(error).unwrap();
    assert_eq!(error["error"]["type"], "stream_error");
    assert_eq!(*done, "[DONE]");
}

#[tokio::test]
async fn success_with_problems_is_a_success() {
    let backend = Backend::start().await;
    let warnings = backend.get("/api/demo/errors/news-filter/success-with-warnings").await;
    assert_eq!(warnings.status, 200);
    assert_eq!(warnings.json()["warnings"][0]["code"], "PARTIAL_DATA");
    let fallback = backend.get("/api/demo/errors/news-filter/success-with-fallback").await;
    assert_eq!(fallback.status, 200);
    assert_eq!(fallback.json()["data"]["fallback_used"], true);
}

#[tokio::test]
async fn gateways_answer_with_anything_but_an_envelope() {
    let backend = Backend::start().await;
    let answer = async |case: &str| backend.get(&format!("/api/demo/errors/gateway/{case}")).await;
    let html = answer("html-502").await;
    assert_eq!((html.status, html.named_header("content-type")), (502, "text/html"));
    let empty = answer("empty-503").await;
    assert_eq!((empty.status, empty.body.as_str()), (503, ""));
    let text = answer("text-504").await;
    assert_eq!((text.status, text.named_header("content-type")), (504, "text/plain"));
    let truncated = answer("truncated-json-500").await;
    assert!(serde_json::from_str::<Value>(&truncated.body).unwrap_err().is_eof());
}

#[tokio::test]
async fn a_case_that_is_not_there_is_not_found() {
    let backend = Backend::start().await;
    for path in ["/api/demo/errors/oriel/nothing", "/api/demo/errors/nobody/internal", "/api/demo/errors/oriel/%ff"] {
        assert_eq!(backend.get(path).await.refusal(), refused(404, "RESOURCE_NOT_FOUND"), "{path}");
    }
}

#[tokio::test]
async fn a_sign_up_is_refused_in_each_dialect_at_its_fields_and_else_taken() {
    let backend = Backend::start().await;
    let post = async |dialect: &str, body: &'static str| {
        backend.request(Method::POST, &format!("/api/demo/sign-ups/{dialect}")).body(body).answer().await
    };
    let wrong = r#"{"name":"","email":"ada","drafts":3}"#;
    for (dialect, status, at_email) in [
        ("problem-details", 422, "/errors/1/pointer"),
        ("json-api", 422, "/errors/1/source/pointer"),
        ("fastapi", 422, "/detail/1/loc/1"),
        ("laravel", 422, "/errors/email/0"),
        ("spring", 400, "/errors/1/field"),
    ] {
        let answer = post(dialect, wrong).await;
        assert_eq!(answer.status, status, "{dialect}: {answer:?}");
        assert!(answer.json().pointer(at_email).is_some(), "{dialect}: {answer:?}");
        let taken = post(dialect, r#"{"name":"Ada","email":"ada@example.com","drafts":3}"#).await;
        assert_eq!((taken.status, &taken.json()["data"]["name"]), (201, &"Ada".into()));
    }
    assert_eq!(post("morse", wrong).await.refusal(), refused(404, "RESOURCE_NOT_FOUND"));
    assert_eq!(post("spring", "{").await.status, 400);
}
