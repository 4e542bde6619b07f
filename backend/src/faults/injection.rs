use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::{self, Body},
    extract::{Request, State},
    http::{
        HeaderValue, StatusCode,
        header::{CONNECTION, CONTENT_LENGTH},
    },
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use tokio::time;

use super::{
    PATH,
    switch::{Fault, FaultSwitch, Kind},
};
use crate::{
    connection::Connection,
    correlation::Exchange,
    error::{self, RequestError},
    request_body,
};

/// Marks a batch of which every second action is to be rejected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RejectHalf;

/// Does to the request what the switch says.
pub(crate) async fn inject(
    State(switch): State<Arc<FaultSwitch>>,
    Extension(connection): Extension<Connection>,
    Extension(exchange): Extension<Exchange>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let is_switch = path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let fault = if is_switch { None } else { switch.take(path) };
    let mut response = match fault {
        Some(fault) => misbehave(&fault, &connection, &exchange, request, next).await,
        None => next.run(request).await,
    };
    // Browsers silently send a request again when a connection that served before closes without an answer. So that
    // a drop is seen as one, no connection serves twice while there can be faults.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn misbehave(fault: &Fault, connection: &Connection, exchange: &Exchange, mut request: Request, next: Next) -> Response {
    tracing::warn!(correlation_id = %exchange.correlation_id, kind = ?fault.kind, "fault");
    if let Some(latency) = fault.latency_ms {
        time::sleep(Duration::from_millis(latency)).await;
    }
    match fault.kind {
        Kind::Latency => next.run(request).await,
        Kind::Status => {
            request_body::read(request).await.ok();
            fault.answer().into_response()
        }
        Kind::Html => {
            request_body::read(request).await.ok();
            Html(include_str!("captive-portal.html")).into_response()
        }
        Kind::Truncated => halve(error::write_envelope(next.run(request).await, exchange)).await,
        Kind::CommitThenDrop => {
            next.run(request).await;
            match connection.cut().await {}
        }
        Kind::Drop => match connection.cut().await {},
        Kind::RejectHalf => {
            request.extensions_mut().insert(RejectHalf);
            next.run(request).await
        }
    }
}

/// The length is that of the half, so that only the JSON tells.
async fn halve(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = body::to_bytes(body, usize::MAX).await else {
        return RequestError::Fault { status: StatusCode::INTERNAL_SERVER_ERROR, retry_after: None, service: None }
            .into_response();
    };
    let half = bytes.slice(..bytes.len() / 2);
    head.headers.insert(CONTENT_LENGTH, half.len().into());
    Response::from_parts(head, Body::from(half))
}
