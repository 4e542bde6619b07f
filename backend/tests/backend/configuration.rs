use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Send, refused};

const PATH: &str = "/api/config/error-handling";
const SWITCH: &str = "/api/faults/configuration";

async fn get_if_none_match(backend: &Backend, tags: &str) -> Answer {
    backend.request(Method::GET, PATH).header("if-none-match", tags).answer().await
}

#[tokio::test]
async fn a_client_that_has_it_is_sent_no_body() {
    let backend = Backend::start().await;
    let first = backend.get(PATH).await;
    let tag = first.named_header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    assert_eq!(first.named_header("cache-control"), "no-cache");
    assert_eq!(first.named_header("content-type"), "application/json");
    for tags in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = get_if_none_match(&backend, &tags).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{tags}");
        assert_eq!((again.named_header("etag"), again.named_header("cache-control")), (tag.as_str(), "no-cache"));
    }
    let other = get_if_none_match(&backend, "\"other\"").await;
    assert_eq!((other.status, &other.body), (200, &first.body));
}

#[tokio::test]
async fn the_switch_says_something_else_until_it_is_cleared_and_the_tag_says_that_it_changed() {
    let backend = Backend::with_faults().await;
    let usual = backend.get(PATH).await;
    let tag = usual.named_header("etag").to_owned();
    for configuration in [json!({ "retryDefaults": { "maxAttempts": 1_000_000 } }), json!(["nonsense"]), Value::Null] {
        let set = backend.request(Method::PUT, SWITCH).json(&configuration).answer().await;
        assert_eq!((set.status, set.json()), (200, json!({ "configuration": configuration })));
        let changed = get_if_none_match(&backend, &tag).await;
        assert_eq!((changed.status, changed.json()), (200, configuration));
        assert_ne!(changed.named_header("etag"), tag);
    }
    assert_eq!(backend.request(Method::DELETE, SWITCH).answer().await.status, 200);
    assert_eq!(get_if_none_match(&backend, &tag).await.status, 304);
}

#[tokio::test]
async fn the_switch_takes_only_json_and_is_not_there_without_the_flag() {
    let backend = Backend::with_faults().await;
    let answer = backend.request(Method::PUT, SWITCH).body("{").answer().await;
    assert_eq!(answer.refusal(), refused(400, "VALIDATION_INVALID_FORMAT"));
    let answer = backend.request(Method::PUT, SWITCH).json(&"x".repeat(256 << 10)).answer().await;
    assert_eq!(answer.refusal(), refused(413, "PAYLOAD_TOO_LARGE"));
    let backend = Backend::start().await;
    let answer = backend.request(Method::PUT, SWITCH).json(&json!({})).answer().await;
    assert_eq!(answer.refusal(), refused(404, "RESOURCE_NOT_FOUND"));
}
