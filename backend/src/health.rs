use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use steadfast::wire::Health;

use crate::{clock, database::Database, error::RequestError, traffic::Traffic};

#[derive(Debug, Serialize)]
struct Services {
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
        services: serde_json::to_value(Services { database })?,
        metrics: serde_json::to_value(traffic.metrics())?,
    };
    Ok((code, Json(health)))
}
