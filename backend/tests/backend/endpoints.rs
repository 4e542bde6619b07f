use reqwest::Method;
use serde_json::json;
use steadfast::wire::{ErrorHandlingConfiguration, Health};

use crate::support::{Backend, Send, refused};

#[tokio::test]
async fn health_says_how_long_the_database_takes() {
    let backend = Backend::start().await;
    let answer = backend.get("/api/health").await;
    let health: Health = answer.parse();
    assert_eq!((answer.status, health.status.as_str()), (200, "healthy"));
    assert_eq!(health.services["database"]["status"], "healthy");
    assert!(health.services["database"]["responseTime"].as_f64().unwrap() > 0.0);
    assert_eq!(health.version, env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn the_metrics_count_requests_and_the_servers_own_failures() {
    let backend = Backend::start().await;
    backend.get("/api/nothing").await;
    backend.get("/api/demo/errors/gateway/empty-503").await;
    let health: Health = backend.get("/api/health").await.parse();
    assert_eq!(health.metrics["requestsPerMinute"], 2);
    assert_eq!(health.metrics["errorRate"], 0.5);
}

#[tokio::test]
async fn the_configuration_is_that_of_the_specification() {
    let backend = Backend::start().await;
    let answer = backend.get("/api/config/error-handling").await;
    let configuration: ErrorHandlingConfiguration = answer.parse();
    assert_eq!(configuration.retry_defaults.unwrap().max_attempts, 3);
    assert_eq!(
        answer.json(),
        json!({
            "retryDefaults": { "maxAttempts": 3, "baseDelay": 1000, "backoffMultiplier": 2.0 },
            "circuitBreaker": { "failureThreshold": 5, "recoveryTimeout": 30000, "halfOpenMaxCalls": 3 },
            "errorDisclosure": { "levelThresholds": { "critical": 1, "high": 2, "medium": 3 } },
            "businessRules": { "highValueCustomerThreshold": 1000, "priorityEscalationEnabled": true }
        })
    );
}

#[tokio::test]
async fn an_unknown_path_is_answered_in_the_envelope() {
    let backend = Backend::start().await;
    for path in ["/", "/api", "/api/nothing", "/api/sync/status/", "/api/faults"] {
        let answer = backend.get(path).await;
        assert_eq!(answer.refusal(), refused(404, "RESOURCE_NOT_FOUND"), "{path}");
        assert!(!answer.envelope().error.retryable);
    }
}

#[tokio::test]
async fn a_wrong_method_is_answered_in_the_envelope_with_the_right_ones() {
    let backend = Backend::start().await;
    let answer = backend.request(Method::DELETE, "/api/sync/queue-actions").answer().await;
    assert_eq!(answer.refusal(), refused(405, "METHOD_NOT_ALLOWED"));
    assert_eq!(answer.named_header("allow"), "POST");
    let answer = backend.request(Method::POST, "/api/health").answer().await;
    assert_eq!(answer.refusal(), refused(405, "METHOD_NOT_ALLOWED"));
    assert_eq!(answer.named_header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn answers_of_the_api_are_not_cached_and_not_sniffed() {
    let backend = Backend::start().await;
    for path in ["/api/health", "/api/nothing", "/api/demo/errors/gateway/html-502"] {
        let answer = backend.get(path).await;
        assert_eq!(answer.named_header("cache-control"), "no-store");
        assert_eq!(answer.named_header("x-content-type-options"), "nosniff");
    }
}
