//! A draft that is saved by a request of its own, for clients that send no batches: once for each `Idempotency-Key`.

use axum::{
    Extension, Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json, value::to_raw_value};
use steadfast::wire::{ActionStatus, Priority, StandardErrorContext, StandardErrorResponse, WireAction};

use super::batch;
use crate::{
    authentication::User, clock, correlation::Exchange, database::Database, error::RequestError, operations::idempotency::key_of,
    request_body,
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
    let id = key_of(&headers)?.ok_or_else(|| RequestError::Invalid {
        field: "Idempotency-Key".to_owned(),
        message: "is required: by it a request that comes again is known".to_owned(),
    })?;
    data.insert("draftId".to_owned(), Value::String(draft_id.clone()));
    let action = WireAction {
        files: Vec::new(),
        id,
        kind: "save_draft".to_owned(),
        key: None,
        timestamp: clock::now(),
        priority: Priority::default(),
        data: to_raw_value(&data)?,
    };
    let results = batch::apply(&database, &user, std::slice::from_ref(&action), &exchange.correlation_id, false).await?;
    let Some(result) = results.into_iter().next() else { return Err(RequestError::NotFound) };
    let status = match result.status {
        ActionStatus::Applied | ActionStatus::Duplicate => return Ok(Json(json!({ "id": draft_id })).into_response()),
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
