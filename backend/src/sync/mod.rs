//! The sync contract: a batch of queued actions in, what became of each out.

mod action;
mod batch;
mod effect;
mod status;

use axum::{
    Extension, Json,
    extract::{Path, Request, State, rejection::PathRejection},
};
use steadfast::wire::{QueueActionsRequest, QueueActionsResponse, SyncStatus, WireAction};

use crate::{
    authentication::User, correlation::Exchange, database::Database, error::RequestError, faults::RejectHalf, request_body,
};

/// The most actions that a batch may have.
const BATCH_LIMIT: usize = 500;
/// The longest id of an action, in bytes.
const ID_LIMIT: usize = 200;

/// `POST /api/sync/queue-actions`.
pub(crate) async fn queue_actions(
    State(database): State<Database>,
    Extension(exchange): Extension<Exchange>,
    user: Result<User, RequestError>,
    reject_half: Option<Extension<RejectHalf>>,
    request: Request,
) -> Result<Json<QueueActionsResponse>, RequestError> {
    let body = request_body::read(request).await;
    let user = user?;
    let batch: QueueActionsRequest = request_body::parse(&body?)?;
    user.must_be(&batch.user_id, "body")?;
    let received = batch.actions.len();
    if received > BATCH_LIMIT {
        return Err(RequestError::BatchTooLarge { limit: BATCH_LIMIT, received });
    }
    batch.actions.iter().enumerate().try_for_each(|(index, action)| check_id(index, action))?;
    let results = if batch.actions.is_empty() {
        Vec::new()
    } else {
        batch::apply(&database, &user, &batch.actions, &exchange.correlation_id, reject_half.is_some()).await?
    };
    Ok(Json(QueueActionsResponse { success: true, results }))
}

/// Without a usable id an action cannot be answered, so the batch as a whole is refused.
fn check_id(index: usize, action: &WireAction) -> Result<(), RequestError> {
    if (1..=ID_LIMIT).contains(&action.id.len()) {
        return Ok(());
    }
    let message = format!("must have 1 to {ID_LIMIT} bytes");
    Err(RequestError::Invalid { field: format!("actions[{index}].id"), message })
}

/// `GET /api/sync/status/{userId}`.
pub(crate) async fn status(
    State(database): State<Database>,
    user: User,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<SyncStatus>, RequestError> {
    let Path(named) = path.map_err(|_| RequestError::NotFound)?;
    user.must_be(&named, "path")?;
    Ok(Json(status::read(&database, &user).await?))
}
