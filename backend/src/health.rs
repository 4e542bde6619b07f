use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use steadfast::wire::{DetailedHealth, Health, OverallHealth, ServiceHealth};

use crate::{clock, database::Database, error::RequestError, services::Services, traffic::Traffic};

#[derive(Debug, Serialize)]
struct Checked {
    database: Service,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    status: &'static str,
    /// In milliseconds; nothing if it did not answer.
    response_time: Option<f64>,
    last_check: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    issues: Vec<&'static str>,
}

/// `GET /api/health`: 503 while the database does not answer, so that a check which reads no bodies notices as well.
pub(crate) async fn health(
    State(database): State<Database>,
    State(traffic): State<Arc<Traffic>>,
) -> Result<(StatusCode, Json<Health>), RequestError> {
    let last_check = clock::now();
    let (code, database) = match database.response_time().await {
        Ok(time) => {
            let response_time = Some(time.as_secs_f64() * 1000.0);
            (StatusCode::OK, Service { status: "healthy", response_time, last_check, issues: Vec::new() })
        }
        Err(error) => {
            tracing::error!(%error, "the database does not answer");
            let issues = vec!["Does not answer"];
            (StatusCode::SERVICE_UNAVAILABLE, Service { status: "unhealthy", response_time: None, last_check, issues })
        }
    };
    let health = Health {
        status: database.status.to_owned(),
        timestamp: clock::now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: traffic.uptime().as_secs(),
        services: serde_json::to_value(Checked { database })?,
        metrics: serde_json::to_value(traffic.metrics())?,
    };
    Ok((code, Json(health)))
}

/// `GET /api/health/detailed`: the services and the circuit breakers towards them. 503 while the database does not answer.
pub(crate) async fn detailed(
    State(database): State<Database>,
    State(services): State<Arc<Services>>,
) -> (StatusCode, Json<DetailedHealth>) {
    let answers = match database.response_time().await {
        Ok(_) => true,
        Err(error) => {
            tracing::error!(%error, "the database does not answer");
            false
        }
    };
    let database = ServiceHealth {
        status: if answers { "healthy" } else { "unhealthy" }.to_owned(),
        circuit_breaker_state: if answers { "closed" } else { "open" }.to_owned(),
        failure_count: u32::from(!answers),
        last_failure: (!answers).then(clock::now),
        recovery_time: None,
    };
    let mut services = services.health();
    services.insert("database".to_owned(), database);
    let status = if answers { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(summed_up(services)))
}

/// What the services come to. Without its database a server is nothing; without another service it is less.
fn summed_up(services: BTreeMap<String, ServiceHealth>) -> DetailedHealth {
    let mut score: u32 = 100;
    let mut recommendations = Vec::new();
    for (name, service) in &services {
        let lost = match service.status.as_str() {
            "healthy" => continue,
            "degraded" => 15,
            _ => 40,
        };
        score = score.saturating_sub(lost);
        recommendations.push(format!("Monitor {name} for recovery"));
        if service.circuit_breaker_state == "open" {
            recommendations.push(format!("Consider enabling fallback mode for {name}"));
        }
    }
    let lives = services.get("database").is_some_and(|database| database.status == "healthy");
    let status = match (lives, score) {
        (false, _) => "unhealthy",
        (true, 100) => "healthy",
        (true, _) => "degraded",
    };
    DetailedHealth { overall: OverallHealth { status: status.to_owned(), score }, services, recommendations }
}
