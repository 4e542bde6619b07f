use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Backend, Send, in_file, refused};

const PATH: &str = "/api/user/error-preferences";

fn specified() -> Value {
    json!({
        "notifications": { "enabled": true, "channels": ["in_app", "email"], "frequency": "immediate" },
        "disclosure": { "level": "standard", "showTechnicalDetails": false, "autoRetry": true },
        "recovery": { "autoRetryEnabled": true, "maxAutoRetries": 2, "fallbackModeEnabled": true }
    })
}

#[tokio::test]
async fn the_preferences_of_the_specification_are_stored_and_answered() {
    let directory = tempfile::tempdir().unwrap();
    let backend = Backend::with(in_file(&directory)).await;
    assert_eq!(backend.get_as("alice", PATH).await.json(), json!({}), "nobody has said anything yet");
    let answer = backend.send_as("alice", Method::PUT, PATH, &specified()).await;
    assert_eq!((answer.status, answer.json()), (200, specified()));
    backend.stop().await;
    let backend = Backend::with(in_file(&directory)).await;
    assert_eq!(backend.get_as("alice", PATH).await.json(), specified());
    assert_eq!(backend.get_as("bob", PATH).await.json(), json!({}));
}

#[tokio::test]
async fn a_put_replaces_all_of_them() {
    let backend = Backend::start().await;
    backend.send_as("alice", Method::PUT, PATH, &specified()).await;
    let fewer = json!({ "recovery": { "autoRetryEnabled": false } });
    assert_eq!(backend.send_as("alice", Method::PUT, PATH, &fewer).await.json(), fewer);
    assert_eq!(backend.get_as("alice", PATH).await.json(), fewer);
}

#[tokio::test]
async fn what_cannot_be_preferred_is_refused_with_its_field_and_changes_nothing() {
    let backend = Backend::start().await;
    backend.send_as("alice", Method::PUT, PATH, &specified()).await;
    for (document, field) in [
        (json!({ "recovery": { "maxAutoRetries": 21 } }), "recovery.maxAutoRetries"),
        (json!({ "recovery": { "maxAutoRetries": -1 } }), "recovery.maxAutoRetries"),
        (json!({ "recovery": { "maxAutoRetries": 1.5 } }), "recovery.maxAutoRetries"),
        (json!({ "recovery": { "autoRetryEnabled": "yes" } }), "recovery.autoRetryEnabled"),
        (json!({ "disclosure": { "level": "" } }), "disclosure.level"),
        (json!({ "disclosure": "standard" }), "disclosure"),
        (json!({ "notifications": { "channels": "email" } }), "notifications.channels"),
        (json!({ "notifications": { "channels": ["x".repeat(65)] } }), "notifications.channels"),
        (json!({ "notifications": { "channels": vec!["email"; 17] } }), "notifications.channels"),
        (json!({ "notifications": { "frequency": "" } }), "notifications.frequency"),
        (json!([]), "."),
        (json!("off"), "."),
    ] {
        let answer = backend.send_as("alice", Method::PUT, PATH, &document).await;
        assert_eq!(answer.refusal(), refused(400, "VALIDATION_ERROR"), "{document}");
        assert_eq!(answer.json()["error"]["details"][0]["field"], field, "{document}");
    }
    let broken = backend.request(Method::PUT, PATH).bearer_auth("demo.alice").body("{\"recovery\":").answer().await;
    assert_eq!(broken.refusal(), refused(400, "VALIDATION_INVALID_FORMAT"));
    assert_eq!(backend.get_as("alice", PATH).await.json(), specified());
}
