//! Operations that failed and are queued once more: one, or several at once.
//!
//! What the operations are is nobody's business here: this backend has none of its own, and takes every id for one of the user's.

pub(crate) mod idempotency;
mod recovery;
mod retry;

use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde_json::Value;
use steadfast::wire::{
    LONGEST_NAME, MOST_OPERATIONS, RecoverBatchRequest, RecoverBatchResponse, RetryOperationRequest, RetryOperationResponse,
};

use crate::{authentication::User, correlation::Exchange, database::Database, error::RequestError, request_body};
use idempotency::Keyed;

const LONGEST_REASON: usize = 64;

/// `POST /api/operations/retry`.
pub(crate) async fn retry(
    State(database): State<Database>,
    Extension(exchange): Extension<Exchange>,
    user: Result<User, RequestError>,
    request: Request,
) -> Result<Json<RetryOperationResponse>, RequestError> {
    let key = idempotency::key_of(request.headers());
    let body = request_body::read(request).await;
    let (user, key, body) = (user?, key?, body?);
    let operation: RetryOperationRequest = request_body::parse(&body)?;
    check_id("originalRequestId", &operation.original_request_id)?;
    check_reason(&operation.retry_reason)?;
    retry::check_params(operation.modified_params.as_deref())?;
    let mut transaction = database.write().await?;
    let keyed = Keyed::new(&user, &exchange.path, key, &body)?;
    if let Some(answer) = keyed.earlier(&mut transaction).await? {
        return Ok(Json(answer));
    }
    let answer = retry::queue(&mut transaction, &user, &operation).await?;
    keyed.record(&mut transaction, &answer).await?;
    transaction.commit().await?;
    Ok(Json(answer))
}

/// `POST /api/operations/recover-batch`.
pub(crate) async fn recover_batch(
    State(database): State<Database>,
    Extension(exchange): Extension<Exchange>,
    user: Result<User, RequestError>,
    request: Request,
) -> Result<Json<RecoverBatchResponse>, RequestError> {
    let key = idempotency::key_of(request.headers());
    let body = request_body::read(request).await;
    let (user, key, body) = (user?, key?, body?);
    let batch: RecoverBatchRequest = request_body::parse(&body)?;
    let received = batch.failed_operations.len();
    if received > MOST_OPERATIONS {
        return Err(RequestError::BatchTooLarge { limit: MOST_OPERATIONS, received, unit: "operations" });
    }
    if batch.recovery_strategy != recovery::STRATEGY {
        let message = format!("must be {}", recovery::STRATEGY);
        return Err(RequestError::Invalid { field: "recoveryStrategy".to_owned(), message });
    }
    for (index, operation) in batch.failed_operations.iter().enumerate() {
        check_id(&format!("failedOperations[{index}].requestId"), &operation.request_id)?;
    }
    let mut transaction = database.write().await?;
    let keyed = Keyed::new(&user, &exchange.path, key, &body)?;
    if let Some(answer) = keyed.earlier(&mut transaction).await? {
        return Ok(Json(answer));
    }
    let recovered = recovery::recover(&mut transaction, &user, &batch.failed_operations, &exchange.correlation_id).await?;
    let answer = RecoverBatchResponse { success: true, recovered };
    keyed.record(&mut transaction, &answer).await?;
    transaction.commit().await?;
    Ok(Json(answer))
}

fn check_id(field: &str, id: &str) -> Result<(), RequestError> {
    if (1..=LONGEST_NAME).contains(&id.chars().count()) {
        return Ok(());
    }
    let message = format!("must have 1 to {LONGEST_NAME} characters");
    Err(RequestError::Invalid { field: field.to_owned(), message })
}

fn check_reason(reason: &str) -> Result<(), RequestError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=LONGEST_REASON).contains(&reason.len()) && reason.bytes().all(plain) {
        return Ok(());
    }
    let message = format!("must have 1 to {LONGEST_REASON} characters of a to z, 0 to 9 and _");
    Err(RequestError::Invalid { field: "retryReason".to_owned(), message })
}

/// The JSON of a request, as a value: it is the same request whatever its white space and the order of its members.
fn as_value(body: &[u8]) -> Result<Value, RequestError> {
    request_body::parse(body)
}
