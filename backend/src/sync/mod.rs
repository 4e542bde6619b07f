//! The sync contract: a batch of queued actions in, what became of each out.

mod action;
mod alone;
mod batch;
mod effect;
mod status;
mod upload;

pub(crate) use alone::save_draft;
pub(crate) use upload::{add_photo, save_file};

use axum::{
    Extension, Json,
    extract::{Path, Request, State, rejection::PathRejection},
};
use steadfast::wire::{LONGEST_NAME, MOST_ACTIONS, QueueActionsResponse, SyncStatus, WireAction};

use crate::{authentication::User, correlation::Exchange, database::Database, error::RequestError, faults::RejectHalf};

/// `POST /api/sync/queue-actions`: JSON, or a form of that JSON and the files that its actions name.
pub(crate) async fn queue_actions(
    State(database): State<Database>,
    Extension(exchange): Extension<Exchange>,
    user: Result<User, RequestError>,
    reject_half: Option<Extension<RejectHalf>>,
    request: Request,
) -> Result<Json<QueueActionsResponse>, RequestError> {
    let batch = upload::read_batch(request).await;
    let user = user?;
    let (user_id, actions) = batch?;
    user.must_be(&user_id, "body")?;
    let received = actions.len();
    if received > MOST_ACTIONS as usize {
        return Err(RequestError::BatchTooLarge { limit: MOST_ACTIONS as usize, received, unit: "actions" });
    }
    actions.iter().enumerate().try_for_each(|(index, submitted)| check_id(index, &submitted.action))?;
    let results = if actions.is_empty() {
        Vec::new()
    } else {
        batch::apply(&database, &user, &actions, &exchange.correlation_id, reject_half.is_some()).await?
    };
    Ok(Json(QueueActionsResponse { success: true, results }))
}

/// Without a usable id an action cannot be answered, so the batch as a whole is refused.
fn check_id(index: usize, action: &WireAction) -> Result<(), RequestError> {
    if (1..=LONGEST_NAME).contains(&action.id.chars().count()) {
        return Ok(());
    }
    let message = format!("must have 1 to {LONGEST_NAME} characters");
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
