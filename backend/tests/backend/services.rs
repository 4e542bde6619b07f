use reqwest::Method;
use serde_json::{Value, json};
use steadfast::wire::DetailedHealth;

use crate::support::{Answer, Backend, Send, refused};

const PATH: &str = "/api/health/detailed";
const RESET: &str = "/admin/api/monitoring/circuit-breakers/reset";

async fn set(backend: &Backend, service: &str, setting: Value) -> Answer {
    backend.request(Method::PUT, &format!("/api/faults/services/{service}")).json(&setting).answer().await
}

async fn health(backend: &Backend) -> DetailedHealth {
    let answer = backend.get(PATH).await;
    assert_eq!(answer.status, 200);
    answer.parse()
}

#[tokio::test]
async fn all_is_well_at_first() {
    let backend = Backend::start().await;
    let health = health(&backend).await;
    assert_eq!((health.overall.status.as_str(), health.overall.score), ("healthy", 100));
    assert_eq!(health.services.keys().collect::<Vec<_>>(), ["database", "email_service", "runninghub_api"]);
    assert!(health.services.values().all(|service| service.circuit_breaker_state == "closed"));
    assert_eq!(health.recommendations, [""; 0]);
}

#[tokio::test]
async fn an_open_circuit_says_since_when_and_until_when() {
    let backend = Backend::with_faults().await;
    let setting = json!({ "circuitBreakerState": "open", "recoverAfterMs": 600_000, "failureCount": 7 });
    assert_eq!(set(&backend, "runninghub_api", setting).await.status, 200);
    let health = health(&backend).await;
    let service = &health.services["runninghub_api"];
    assert_eq!((service.status.as_str(), service.circuit_breaker_state.as_str()), ("unhealthy", "open"));
    assert_eq!(service.failure_count, 7);
    let moment = |text: &Option<String>| text.as_deref().unwrap().parse::<jiff::Timestamp>().unwrap();
    let open = moment(&service.recovery_time).duration_since(moment(&service.last_failure));
    assert_eq!(open.as_millis(), 600_000);
    assert_eq!((health.overall.status.as_str(), health.overall.score), ("degraded", 60));
    assert_eq!(
        health.recommendations,
        ["Monitor runninghub_api for recovery", "Consider enabling fallback mode for runninghub_api"]
    );
}

#[tokio::test]
async fn a_circuit_whose_time_has_come_is_half_open() {
    let backend = Backend::with_faults().await;
    set(&backend, "email_service", json!({ "circuitBreakerState": "open", "recoverAfterMs": 0 })).await;
    set(&backend, "runninghub_api", json!({ "circuitBreakerState": "half-open" })).await;
    let health = health(&backend).await;
    for name in ["email_service", "runninghub_api"] {
        let service = &health.services[name];
        assert_eq!((service.status.as_str(), service.circuit_breaker_state.as_str()), ("degraded", "half-open"), "{name}");
    }
    assert_eq!(health.overall.score, 70);
}

#[tokio::test]
async fn an_administrator_closes_one_circuit_or_all() {
    let backend = Backend::with_faults().await;
    for service in ["email_service", "runninghub_api", "renderer"] {
        set(&backend, service, json!({ "circuitBreakerState": "open" })).await;
    }
    let answer = backend.send_as("admin", Method::POST, &format!("{RESET}/renderer"), &json!({})).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "success": true, "services": ["renderer"] })));
    let after = health(&backend).await;
    assert_eq!(after.services["renderer"].circuit_breaker_state, "closed");
    assert_eq!(after.services["renderer"].recovery_time, None);
    assert_eq!(after.services["email_service"].circuit_breaker_state, "open");

    let answer = backend.send_as("admin", Method::POST, &format!("{RESET}-all"), &json!({})).await;
    assert_eq!(answer.json()["services"], json!(["email_service", "renderer", "runninghub_api"]));
    assert_eq!(health(&backend).await.overall.score, 100);
}

#[tokio::test]
async fn nobody_but_an_administrator_closes_circuits_and_nobody_one_that_there_is_not() {
    let backend = Backend::with_faults().await;
    set(&backend, "runninghub_api", json!({ "circuitBreakerState": "open" })).await;
    for path in [format!("{RESET}/runninghub_api"), format!("{RESET}-all")] {
        let answer = backend.send_as("alice", Method::POST, &path, &json!({})).await;
        assert_eq!(answer.refusal(), refused(403, "AUTH_INSUFFICIENT_PERMISSIONS"), "{path}");
    }
    assert_eq!(health(&backend).await.services["runninghub_api"].circuit_breaker_state, "open");
    let answer = backend.send_as("admin", Method::POST, &format!("{RESET}/nothing"), &json!({})).await;
    assert_eq!(answer.refusal(), refused(404, "RESOURCE_NOT_FOUND"));
}

#[tokio::test]
async fn the_switch_refuses_a_state_that_there_is_not() {
    let backend = Backend::with_faults().await;
    for (setting, field) in [
        (json!({ "circuitBreakerState": "ajar" }), "circuitBreakerState"),
        (json!({ "circuitBreakerState": "closed", "recoverAfterMs": 1 }), "recoverAfterMs"),
        (json!({ "circuitBreakerState": "open", "recoverAfterMs": 3_600_001 }), "recoverAfterMs"),
        (json!({ "circuitBreakerState": "open", "failureCount": -1 }), "failureCount"),
        (json!({ "circuitBreakerState": "open", "unknown": 1 }), "unknown"),
    ] {
        let answer = set(&backend, "runninghub_api", setting).await;
        assert_eq!(answer.refusal(), refused(400, "VALIDATION_ERROR"), "{field}");
        assert_eq!(answer.json()["error"]["details"][0]["field"], field);
    }
    assert_eq!(set(&backend, &"x".repeat(65), json!({ "circuitBreakerState": "open" })).await.status, 400);
    assert_eq!(health(&backend).await.overall.score, 100);
    let unswitched = Backend::start().await;
    assert_eq!(set(&unswitched, "runninghub_api", json!({ "circuitBreakerState": "open" })).await.status, 404);
}

#[tokio::test]
async fn there_are_only_so_many_services() {
    let backend = Backend::with_faults().await;
    let mut refused = 0;
    for index in 0..40 {
        refused += u32::from(set(&backend, &format!("s{index}"), json!({ "circuitBreakerState": "closed" })).await.status == 400);
    }
    assert_eq!(refused, 10, "two of 32 were there before");
    assert_eq!(set(&backend, "s0", json!({ "circuitBreakerState": "open" })).await.status, 200, "one that is there still moves");
}
