//! The errors of the systems that Steadfast understands, each as its specification or its documentation shows it, and a form's
//! backend that refuses in several of their words.

mod catalogue;
mod sign_up;

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};

pub(crate) use catalogue::Catalogue;
pub use catalogue::CatalogueError;
use catalogue::Entry;
pub(crate) use sign_up::sign_up;

use crate::{correlation::Exchange, error::RequestError};

/// `GET /api/demo/errors`.
pub(crate) async fn catalogue(State(catalogue): State<Arc<Catalogue>>) -> Json<Vec<Entry>> {
    Json(catalogue.entries())
}

/// `GET /api/demo/errors/{format}/{case}`.
pub(crate) async fn error(
    State(catalogue): State<Arc<Catalogue>>,
    Extension(exchange): Extension<Exchange>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, RequestError> {
    let Path((format, case)) = path.map_err(|_| RequestError::NotFound)?;
    catalogue.answer(&format, &case, &exchange.correlation_id).ok_or(RequestError::NotFound)
}
