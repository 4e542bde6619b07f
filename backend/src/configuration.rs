use axum::Json;
use serde_json::json;
use steadfast::wire::{ErrorHandlingConfiguration, RetryDefaults};

/// `GET /api/config/error-handling`.
pub(crate) async fn error_handling() -> Json<ErrorHandlingConfiguration> {
    Json(ErrorHandlingConfiguration {
        retry_defaults: Some(RetryDefaults { max_attempts: 3, base_delay: 1000, backoff_multiplier: 2.0 }),
        circuit_breaker: Some(json!({ "failureThreshold": 5, "recoveryTimeout": 30000, "halfOpenMaxCalls": 3 })),
        error_disclosure: Some(json!({ "levelThresholds": { "critical": 1, "high": 2, "medium": 3 } })),
        business_rules: Some(json!({ "highValueCustomerThreshold": 1000, "priorityEscalationEnabled": true })),
    })
}
