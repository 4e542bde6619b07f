//! One operation, once more.

use std::time::Duration;

use serde_json::value::RawValue;
use sqlx::SqliteConnection;
use steadfast::wire::{LARGEST_PARAMS, MOST_OPERATION_RETRIES, RetryOperationRequest, RetryOperationResponse};

use crate::{authentication::User, clock, correlation::CorrelationId, error::RequestError};

/// How long an operation is said to take; each further retry is queued behind the others for as long again.
const DURATION: Duration = Duration::from_secs(30);

/// An operation that is queued once more.
pub(super) struct Queued {
    pub(super) request_id: String,
    pub(super) estimated_completion: String,
}

pub(super) fn check_params(params: Option<&RawValue>) -> Result<(), RequestError> {
    let invalid = |message: String| RequestError::Invalid { field: "modifiedParams".to_owned(), message };
    match params.map(RawValue::get) {
        Some(text) if text.len() > LARGEST_PARAMS => Err(invalid(format!("must not exceed {LARGEST_PARAMS} bytes"))),
        Some(text) if !text.starts_with('{') => Err(invalid("must be an object".to_owned())),
        None | Some(_) => Ok(()),
    }
}

/// Queues what the request asks for.
pub(super) async fn queue(
    connection: &mut SqliteConnection,
    user: &User,
    request: &RetryOperationRequest,
) -> Result<RetryOperationResponse, RequestError> {
    let params = request.modified_params.as_deref().map(RawValue::get);
    let id = &request.original_request_id;
    let queued = once_more(connection, user, id, &request.retry_reason, params, request.retry_count).await?;
    Ok(RetryOperationResponse {
        success: true,
        new_request_id: queued.request_id,
        estimated_completion: Some(queued.estimated_completion),
        message: "Operation queued for retry".to_owned(),
    })
}

/// Queues an operation, unless it was queued too often: as the server has counted, or as the client has, which may know of
/// retries that never arrived.
pub(super) async fn once_more(
    connection: &mut SqliteConnection,
    user: &User,
    request_id: &str,
    reason: &str,
    params: Option<&str>,
    counted_by_client: u32,
) -> Result<Queued, RequestError> {
    let origin: Option<String> =
        sqlx::query_scalar("SELECT origin_id FROM retried_operations WHERE user_id = ? AND request_id = ?")
            .bind(user.id())
            .bind(request_id)
            .fetch_optional(&mut *connection)
            .await?;
    let origin = origin.unwrap_or_else(|| request_id.to_owned());
    let earlier: u32 = sqlx::query_scalar("SELECT count(*) FROM retried_operations WHERE user_id = ? AND origin_id = ?")
        .bind(user.id())
        .bind(&origin)
        .fetch_one(&mut *connection)
        .await?;
    let number = earlier.saturating_add(1).max(counted_by_client);
    if number > MOST_OPERATION_RETRIES {
        return Err(RequestError::RetriesExhausted { limit: MOST_OPERATION_RETRIES, received: number });
    }
    let queued = Queued {
        request_id: CorrelationId::random().to_string(),
        estimated_completion: clock::in_a(DURATION.saturating_mul(number)),
    };
    sqlx::query(
        "INSERT INTO retried_operations
            (user_id, request_id, origin_id, reason, modified_params, queued_at, estimated_completion)
        VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user.id())
    .bind(&queued.request_id)
    .bind(&origin)
    .bind(reason)
    .bind(params)
    .bind(clock::now())
    .bind(&queued.estimated_completion)
    .execute(connection)
    .await?;
    Ok(queued)
}
