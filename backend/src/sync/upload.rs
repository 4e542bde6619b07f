//! What comes with files: batches, and requests of their own for clients that send no batches.

use std::collections::HashMap;

use axum::{
    Extension,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, header::CONTENT_TYPE},
    response::Response,
};
use serde_json::{Map, Value, json};
use steadfast::wire::{ACTIONS_PART, QueueActionsRequest, WireAction};

use super::{alone, batch::Submitted};
use crate::{
    authentication::User,
    correlation::Exchange,
    database::Database,
    error::RequestError,
    files::ReceivedFile,
    multipart::{self, Part},
    request_body::{self, LARGEST_UPLOAD},
};

/// Reads a batch: JSON, or a form of JSON and the files that its actions name.
pub(super) async fn read_batch(request: Request) -> Result<(String, Vec<Submitted>), RequestError> {
    let Some(boundary) = multipart::boundary_of(request.headers()) else {
        let batch: QueueActionsRequest = request_body::json(request).await?;
        return Ok((batch.user_id, batch.actions.into_iter().map(Submitted::without_files).collect()));
    };
    let body = request_body::read_at_most(request, LARGEST_UPLOAD).await?;
    let mut parts = multipart::parts(boundary, body).await?.into_iter();
    let first = parts
        .next()
        .filter(|part| part.name == ACTIONS_PART)
        .ok_or_else(|| RequestError::Invalid { field: ACTIONS_PART.to_owned(), message: "must be the first part".to_owned() })?;
    let batch: QueueActionsRequest = request_body::parse(&first.content)?;
    let mut parts: HashMap<String, Part> = parts.map(|part| (part.name.clone(), part)).collect();
    let actions = batch.actions.into_iter().enumerate();
    let actions: Result<Vec<_>, _> = actions.map(|(index, action)| with_files(index, action, &mut parts)).collect();
    Ok((batch.user_id, actions?))
}

/// The action and its files. A part belongs to one action.
fn with_files(index: usize, action: WireAction, parts: &mut HashMap<String, Part>) -> Result<Submitted, RequestError> {
    let mut files = Vec::with_capacity(action.files.len());
    for (place, file) in action.files.iter().enumerate() {
        let refused = |message: String| RequestError::Invalid { field: format!("actions[{index}].files[{place}]"), message };
        let part = parts.remove(&file.part).ok_or_else(|| refused(format!("there is no part {}", file.part)))?;
        let received = part.content.len() as u64;
        if received != file.bytes {
            return Err(refused(format!("has {received} bytes, and not {}", file.bytes)));
        }
        files.push(ReceivedFile {
            field: file.field.clone(),
            name: file.name.clone(),
            kind: file.kind.clone(),
            content: part.content,
        });
    }
    Ok(Submitted { action, files })
}

/// `PUT /api/files/{fileId}`: the body is the file, whatever it is.
pub(crate) async fn save_file(
    State(database): State<Database>,
    Extension(exchange): Extension<Exchange>,
    user: Result<User, RequestError>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, RequestError> {
    let content = request_body::read_at_most(request, LARGEST_UPLOAD).await;
    let (user, Path(file_id)) = (user?, path.map_err(|_| RequestError::NotFound)?);
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::to_str).and_then(Result::ok).unwrap_or_default().to_owned();
    let file = ReceivedFile { field: None, name: None, kind, content: content?.into() };
    let data = Map::from_iter([("fileId".to_owned(), Value::String(file_id.clone()))]);
    let submitted = alone::submitted("save_file", &headers, &data, vec![file])?;
    alone::answer(&database, &exchange, &user, submitted, &json!({ "id": file_id })).await
}

/// `POST /api/photos`: a form. Its texts are the data, its files the files.
pub(crate) async fn add_photo(
    State(database): State<Database>,
    Extension(exchange): Extension<Exchange>,
    user: Result<User, RequestError>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, RequestError> {
    let boundary = multipart::boundary_of(&headers);
    let body = request_body::read_at_most(request, LARGEST_UPLOAD).await;
    let user = user?;
    let boundary = boundary.ok_or_else(|| RequestError::Invalid {
        field: "Content-Type".to_owned(),
        message: "must be multipart/form-data with a boundary".to_owned(),
    })?;
    let (mut data, mut files) = (Map::new(), Vec::new());
    for Part { name, file_name, kind, content } in multipart::parts(boundary, body?).await? {
        if file_name.is_some() {
            files.push(ReceivedFile { field: Some(name), name: file_name, kind, content });
        } else {
            data.insert(name, Value::String(String::from_utf8_lossy(&content).into_owned()));
        }
    }
    let submitted = alone::submitted("add_photo", &headers, &data, files)?;
    let id = json!({ "id": submitted.action.id });
    alone::answer(&database, &exchange, &user, submitted, &id).await
}
