//! Several operations at once: each is queued or refused for itself.

use std::collections::HashMap;

use sqlx::SqliteConnection;
use steadfast::wire::{FailedOperation, RecoveredOperation, RecoveryStatus, StandardError};

use super::retry::once_more;
use crate::{authentication::User, correlation::CorrelationId, error::RequestError};

/// The only strategy that there is.
pub(super) const STRATEGY: &str = "auto_retry";

/// Errors that the same operation would meet again, as their codes begin.
const HOPELESS: [&str; 5] = ["AUTH_", "FILE_TOO_LARGE", "FILE_INVALID_TYPE", "PAYMENT_INSUFFICIENT_FUNDS", "VALIDATION_"];

/// What becomes of each operation, in their order. One that is listed twice is queued once.
pub(super) async fn recover(
    connection: &mut SqliteConnection,
    user: &User,
    operations: &[FailedOperation],
    correlation_id: &CorrelationId,
) -> Result<Vec<RecoveredOperation>, RequestError> {
    let mut recovered: Vec<RecoveredOperation> = Vec::with_capacity(operations.len());
    let mut done: HashMap<(&str, &str), usize> = HashMap::new();
    for operation in operations {
        let name = (operation.user_id.as_str(), operation.request_id.as_str());
        if let Some(earlier) = done.get(&name).and_then(|index| recovered.get(*index)).cloned() {
            recovered.push(earlier);
            continue;
        }
        done.insert(name, recovered.len());
        let entry = match recover_one(connection, user, operation).await {
            Ok(new_request_id) => RecoveredOperation {
                request_id: operation.request_id.clone(),
                status: RecoveryStatus::Queued,
                new_request_id: Some(new_request_id),
                error: None,
            },
            // The database as a whole is in trouble: nothing of the batch stays.
            Err(error @ (RequestError::Database(_) | RequestError::Answer(_))) => return Err(error),
            Err(refusal) => RecoveredOperation {
                request_id: operation.request_id.clone(),
                status: RecoveryStatus::Refused,
                new_request_id: None,
                error: Some(StandardError { user_message: USER_MESSAGE.to_owned(), ..refusal.standard(correlation_id) }),
            },
        };
        recovered.push(entry);
    }
    Ok(recovered)
}

const USER_MESSAGE: &str = "This could not be started again.";

async fn recover_one(
    connection: &mut SqliteConnection,
    user: &User,
    operation: &FailedOperation,
) -> Result<String, RequestError> {
    user.must_be(&operation.user_id, "operation")?;
    let code = operation.error_code.as_deref().unwrap_or("");
    if HOPELESS.iter().any(|hopeless| code.starts_with(hopeless)) {
        return Err(RequestError::NotRecoverable { code: code.chars().take(100).collect() });
    }
    Ok(once_more(connection, user, &operation.request_id, STRATEGY, None, 0).await?.request_id)
}
