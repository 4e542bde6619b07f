//! What can go wrong with a request, and how it is said: always in Cosnap's envelope.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use steadfast::wire::{StandardError, StandardErrorContext, StandardErrorResponse};

use crate::{
    clock,
    correlation::{CorrelationId, Exchange},
};

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("Authentication token is required")]
    TokenMissing,
    #[error("The provided authentication token is invalid: {reason}")]
    TokenInvalid { reason: &'static str },
    #[error("The token is of another user than the one that is named in the {place}")]
    OtherUser { place: &'static str },
    #[error("There is nothing at this path")]
    NotFound,
    #[error("The path does not take this method")]
    MethodNotAllowed { allow: Option<HeaderValue> },
    #[error("The body is not the JSON that is expected here: {source}")]
    Syntax { source: serde_json::Error },
    #[error("Request validation failed: {field}: {message}")]
    Invalid { field: String, message: String },
    #[error("The body ended early")]
    BodyInterrupted,
    #[error("The body is larger than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("The batch has {received} {unit}, more than {limit}")]
    BatchTooLarge { limit: usize, received: usize, unit: &'static str },
    #[error("Only an administrator may do this")]
    NotAdministrator,
    #[error("The Idempotency-Key was used for another request")]
    KeyReused,
    #[error("This would be retry {received} of the operation, and there are {limit} at most")]
    RetriesExhausted { limit: u32, received: u32 },
    #[error("The operation would fail with {code} again")]
    NotRecoverable { code: String },
    #[error("The file cannot be served")]
    File { status: StatusCode },
    #[error("The database cannot be used at the moment")]
    Database(#[from] sqlx::Error),
    #[error("The answer could not be written")]
    Answer(#[from] serde_json::Error),
    #[error("The fault switch asked for this answer")]
    Fault { status: StatusCode, retry_after: Option<HeaderValue>, service: Option<String> },
}

/// The parts of the envelope that follow from the kind of error.
struct Face {
    status: StatusCode,
    code: &'static str,
    severity: &'static str,
    user_message: &'static str,
}

const SIGN_IN: &str = "Please sign in again.";
const REQUEST_REFUSED: &str = "Something in this request is not right.";
const TOO_MUCH: &str = "This is too much to send at once.";
const NO_MORE_RETRIES: &str = "This has been tried too often. Please start it anew.";
const TRY_LATER: &str = "The service is not available right now. Please try again in a moment.";

impl RequestError {
    fn face(&self) -> Face {
        let (status, code, severity, user_message) = match self {
            Self::TokenMissing => (StatusCode::UNAUTHORIZED, "AUTH_TOKEN_MISSING", "medium", SIGN_IN),
            Self::TokenInvalid { .. } => (StatusCode::UNAUTHORIZED, "AUTH_TOKEN_INVALID", "medium", SIGN_IN),
            Self::OtherUser { .. } => {
                let message = "This belongs to another account.";
                (StatusCode::FORBIDDEN, "AUTH_INSUFFICIENT_PERMISSIONS", "high", message)
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND", "low", "This does not exist."),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "low", "This cannot be done here.")
            }
            Self::Syntax { .. } => (StatusCode::BAD_REQUEST, "VALIDATION_INVALID_FORMAT", "medium", REQUEST_REFUSED),
            Self::Invalid { .. } => (StatusCode::BAD_REQUEST, "VALIDATION_ERROR", "medium", REQUEST_REFUSED),
            Self::BodyInterrupted => (StatusCode::BAD_REQUEST, "VALIDATION_INVALID_FORMAT", "low", REQUEST_REFUSED),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "medium", TOO_MUCH),
            Self::BatchTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "BATCH_TOO_LARGE", "medium", TOO_MUCH),
            Self::NotAdministrator => (StatusCode::FORBIDDEN, "AUTH_INSUFFICIENT_PERMISSIONS", "medium", "You may not do this."),
            Self::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", "high", REQUEST_REFUSED),
            Self::RetriesExhausted { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "OPERATION_RETRIES_EXHAUSTED", "medium", NO_MORE_RETRIES)
            }
            Self::NotRecoverable { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "OPERATION_NOT_RECOVERABLE", "medium", REQUEST_REFUSED)
            }
            Self::Database(_) => (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", "high", TRY_LATER),
            Self::Answer(_) => (StatusCode::INTERNAL_SERVER_ERROR, "SYSTEM_INTERNAL_ERROR", "critical", TRY_LATER),
            Self::File { status } | Self::Fault { status, .. } => {
                let (code, severity, message) = face_of_status(*status);
                (*status, code, severity, message)
            }
        };
        Face { status, code, severity, user_message }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::TokenMissing => Some(json!({ "header": "Authorization", "format": "Bearer demo.{userId}" })),
            Self::TokenInvalid { reason } => Some(json!({ "reason": reason, "format": "Bearer demo.{userId}" })),
            Self::Syntax { source } => {
                Some(json!({ "expected": "application/json", "line": source.line(), "column": source.column() }))
            }
            Self::Invalid { field, message } => Some(json!([{ "field": field, "message": message }])),
            Self::BodyTooLarge { limit } => Some(json!({ "limit": limit, "unit": "bytes" })),
            Self::BatchTooLarge { limit, received, unit } => Some(json!({ "limit": limit, "received": received, "unit": unit })),
            Self::RetriesExhausted { limit, received } => {
                Some(json!({ "limit": limit, "received": received, "unit": "retries" }))
            }
            Self::NotRecoverable { code } => Some(json!({ "errorCode": code })),
            _ => None,
        }
    }

    /// Which of the server's services failed, if one did.
    fn service(&self) -> Option<String> {
        match self {
            Self::Fault { service, .. } => service.clone(),
            _ => None,
        }
    }

    /// The seconds to wait, if they were given as a number.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Fault { retry_after: Some(value), .. } => value.to_str().ok()?.trim().parse().ok(),
            _ => None,
        }
    }

    fn header(&self) -> Option<(axum::http::HeaderName, HeaderValue)> {
        match self {
            Self::TokenMissing | Self::TokenInvalid { .. } => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::MethodNotAllowed { allow: Some(methods) } => Some((ALLOW, methods.clone())),
            Self::Fault { retry_after: Some(value), .. } => Some((RETRY_AFTER, value.clone())),
            _ => None,
        }
    }

    /// The error as it stands in an envelope, or in the answer to one entry of a batch.
    pub(crate) fn standard(&self, correlation_id: &CorrelationId) -> StandardError {
        let face = self.face();
        StandardError {
            code: face.code.to_owned(),
            message: self.to_string(),
            details: self.details(),
            correlation_id: correlation_id.to_string(),
            timestamp: clock::now(),
            user_message: face.user_message.to_owned(),
            retryable: is_retryable(face.status),
            retry_after: self.retry_after(),
            help_link: None,
            severity: face.severity.to_owned(),
        }
    }

    fn envelope(&self, exchange: &Exchange) -> StandardErrorResponse {
        let face = self.face();
        StandardErrorResponse {
            success: false,
            error: self.standard(&exchange.correlation_id),
            context: Some(StandardErrorContext {
                endpoint: exchange.path.to_string(),
                method: exchange.method.to_string(),
                status_code: face.status.as_u16(),
                request_id: exchange.correlation_id.to_string(),
                service: self.service(),
            }),
            business_context: None,
        }
    }
}

fn face_of_status(status: StatusCode) -> (&'static str, &'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => ("AUTH_TOKEN_EXPIRED", "medium", SIGN_IN),
        StatusCode::FORBIDDEN => ("AUTH_INSUFFICIENT_PERMISSIONS", "medium", "You may not do this."),
        StatusCode::NOT_FOUND => ("RESOURCE_NOT_FOUND", "low", "This does not exist."),
        StatusCode::CONFLICT => ("RESOURCE_CONFLICT", "medium", "Something newer stands against this."),
        StatusCode::PAYLOAD_TOO_LARGE => ("PAYLOAD_TOO_LARGE", "medium", TOO_MUCH),
        StatusCode::TOO_MANY_REQUESTS => ("RATE_LIMIT_EXCEEDED", "low", "That was a little fast. Please wait a moment."),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            ("SERVICE_UNAVAILABLE", "high", TRY_LATER)
        }
        status if status.is_server_error() => ("SYSTEM_INTERNAL_ERROR", "critical", TRY_LATER),
        _ => ("REQUEST_REFUSED", "medium", REQUEST_REFUSED),
    }
}

fn is_retryable(status: StatusCode) -> bool {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => false,
        status => status.is_server_error(),
    }
}

/// Without a body: [`write_envelope`] adds it where the request is known.
impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let mut response = self.face().status.into_response();
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Gives the response of a [`RequestError`] its body. Other responses stay as they are.
pub(crate) fn write_envelope(mut response: Response, exchange: &Exchange) -> Response {
    let Some(error) = response.extensions_mut().remove::<Arc<RequestError>>() else {
        return response;
    };
    if response.status().is_server_error() {
        let cause = std::error::Error::source(&*error).map(ToString::to_string);
        tracing::error!(correlation_id = %exchange.correlation_id, cause, "{error}");
    }
    match serde_json::to_vec(&error.envelope(exchange)) {
        Ok(body) => {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // The empty body had its length written down already.
            response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
            *response.body_mut() = Body::from(body);
        }
        Err(error) => tracing::error!(%error, "an error could not be written"),
    }
    response
}
