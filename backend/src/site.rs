//! The demo application's files.

use std::path::Path;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY},
    },
    response::Response,
};
use tower::ServiceExt;
use tower_http::services::ServeDir;

use crate::error::RequestError;

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'",
        ),
    ),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

/// A directory of static files.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    files: ServeDir,
}

impl Site {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { files: ServeDir::new(directory) }
    }
}

/// Serves the file at the path of the request. What the API does not have is never looked for among the files.
pub(crate) async fn serve(State(site): State<Site>, request: Request) -> Result<Response, RequestError> {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return Err(RequestError::NotFound);
    }
    let Ok(mut response) = site.files.oneshot(request).await.map(|response| response.map(Body::new));
    match response.status() {
        StatusCode::NOT_FOUND => Err(RequestError::NotFound),
        StatusCode::METHOD_NOT_ALLOWED => Err(RequestError::MethodNotAllowed { allow: response.headers_mut().remove(ALLOW) }),
        status if status.is_client_error() || status.is_server_error() => Err(RequestError::File { status }),
        _ => {
            response.headers_mut().extend(HEADERS);
            Ok(response)
        }
    }
}
