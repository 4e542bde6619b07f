//! What is done by a request of its own, for clients that send no batches: once for each `Idempotency-Key`.

use axum::{
    Extension, Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json, value::to_raw_value};
use steadfast::wire::{ActionStatus, Priority, StandardErrorContext, StandardErrorResponse, WireAction};

use super::batch::{self, Submitted};
use crate::{
    authentication::User, clock, correlation::Exchange, database::Database, error::RequestError, files::ReceivedFile,
    operations::idempotency::key_of, request_body,
};

/// `PUT /api/drafts/{draftId}`.
///
/// The same key is the same request: it is answered as the first time, and changes nothing. The key is recorded with the effect, so
/// that a request which was refused may be sent again with another body.
pub(crate) async fn save_draft(
    State(database): State<Database>,
    Extension(exchange): Extension<Exchange>,
    user: Result<User, RequestError>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, RequestError> {
    let body = request_body::read(request).await;
    let (user, Path(draft_id)) = (user?, path.map_err(|_| RequestError::NotFound)?);
    let mut data: Map<String, Value> = request_body::parse(&body?)?;
    data.insert("draftId".to_owned(), Value::String(draft_id.clone()));
    let submitted = submitted("save_draft", &headers, &data, Vec::new())?;
    answer(&database, &exchange, &user, submitted, &json!({ "id": draft_id })).await
}

/// The request as an action, whose id is its key.
pub(super) fn submitted(
    kind: &str,
    headers: &HeaderMap,
    data: &Map<String, Value>,
    files: Vec<ReceivedFile>,
) -> Result<Submitted, RequestError> {
    let id = key_of(headers)?.ok_or_else(|| RequestError::Invalid {
        field: "Idempotency-Key".to_owned(),
        message: "is required: by it a request that comes again is known".to_owned(),
    })?;
    let action = WireAction {
        id,
        kind: kind.to_owned(),
        key: None,
        timestamp: clock::now(),
        priority: Priority::default(),
        data: to_raw_value(data)?,
        files: Vec::new(),
    };
    Ok(Submitted { action, files })
}

/// Applies it, and answers `done` if it is or was applied.
pub(super) async fn answer(
    database: &Database,
    exchange: &Exchange,
    user: &User,
    submitted: Submitted,
    done: &Value,
) -> Result<Response, RequestError> {
    let results = batch::apply(database, user, &[submitted], &exchange.correlation_id, false).await?;
    let Some(result) = results.into_iter().next() else { return Err(RequestError::NotFound) };
    let status = match result.status {
        ActionStatus::Applied | ActionStatus::Duplicate => return Ok(Json(done).into_response()),
        ActionStatus::Conflict => {
            return Ok((StatusCode::CONFLICT, Json(json!({ "conflict": result.conflict }))).into_response());
        }
        ActionStatus::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
        ActionStatus::Retry => StatusCode::SERVICE_UNAVAILABLE,
    };
    let context = StandardErrorContext {
        endpoint: exchange.path.to_string(),
        method: exchange.method.to_string(),
        status_code: status.as_u16(),
        request_id: exchange.correlation_id.to_string(),
        service: None,
    };
    let context = Some(context);
    let refusal = result.error.map(|error| StandardErrorResponse { success: false, error, context, business_context: None });
    Ok((status, Json(refusal)).into_response())
}
