//! One attempt: send, wait at most so long, and put what went wrong into words.

use super::LARGEST_ERROR_BODY;
use crate::error::ApiError;
use crate::error::parse::ResponseParts;
use crate::platform::{Clock, Headers, Http, NetworkFailure, NetworkFailureKind, Platform, Response};
use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// Why an attempt got no response.
#[derive(Debug)]
pub enum AttemptError {
    /// The request failed.
    Failed(NetworkFailure),
    /// It took longer than this.
    TimedOut(Duration),
}

impl AttemptError {
    /// As the error that the application sees.
    pub fn into_api_error(self) -> ApiError {
        match self {
            Self::TimedOut(limit) => ApiError::without_response(
                "NETWORK_TIMEOUT",
                format!("The server did not answer within {} ms.", limit.as_millis()),
                true,
            ),
            Self::Failed(NetworkFailure { kind, message }) => match kind {
                NetworkFailureKind::Unreachable => ApiError::without_response("NETWORK_ERROR", message, true),
                NetworkFailureKind::Invalid => ApiError::without_response("REQUEST_INVALID", message, false),
                NetworkFailureKind::Application => ApiError::without_response("APPLICATION_HOOK_FAILED", message, false),
            },
        }
    }
}

/// Sends a request once. The deadline ends when the response's headers have arrived.
pub async fn send<P: Platform>(
    platform: &P,
    request: &<P::Http as Http>::Request,
    headers: &Headers,
    limit: Duration,
) -> Result<<P::Http as Http>::Response, AttemptError> {
    within(platform, limit, platform.http().send(request, headers)).await?.map_err(AttemptError::Failed)
}

/// Sends a request once and reads the response to its end, all within the deadline; an error at most as far as any.
pub async fn exchange<P: Platform>(
    platform: &P,
    request: &<P::Http as Http>::Request,
    headers: &Headers,
    limit: Duration,
    largest_body: usize,
) -> Result<ResponseParts, AttemptError> {
    let exchange = async {
        let response = platform.http().send(request, headers).await?;
        let mut parts = head(platform, &response);
        let most = if parts.status < 400 { largest_body } else { LARGEST_ERROR_BODY };
        match read_body(&mut parts, response, most).await {
            // An error whose body broke off is still that error; an answer is only whole or none.
            Some(failure) if parts.status < 400 => Err(failure),
            _ => Ok(parts),
        }
    };
    within(platform, limit, exchange).await?.map_err(AttemptError::Failed)
}

/// Reads an error response. A body that breaks off or never ends does not hold up the call: the status alone is an error too.
pub async fn read_error<P: Platform>(
    platform: &P,
    response: <P::Http as Http>::Response,
    limit: Duration,
    largest_body: usize,
) -> ResponseParts {
    let head = head(platform, &response);
    let mut parts = head.clone();
    // What stays unread after the deadline is as good as cut off.
    match within(platform, limit, read_body(&mut parts, response, largest_body)).await {
        Ok(_) => parts,
        Err(_) => head,
    }
}

/// A response before its body is read.
fn head<P: Platform>(platform: &P, response: &<P::Http as Http>::Response) -> ResponseParts {
    ResponseParts {
        status: response.status(),
        headers: response.headers(),
        body: Vec::new(),
        truncated: true,
        received_at: platform.clock().wall(),
    }
}

/// Reads the body to its end or to the limit, and says what broke it off, if something did.
async fn read_body(parts: &mut ResponseParts, response: impl Response, largest_body: usize) -> Option<NetworkFailure> {
    let body = response.body(largest_body).await;
    parts.truncated = body.truncated || body.broken.is_some();
    parts.body = body.bytes;
    body.broken
}

async fn within<P: Platform, F: Future>(platform: &P, limit: Duration, work: F) -> Result<F::Output, AttemptError> {
    let (work, deadline) = (pin!(work), pin!(platform.clock().sleep(limit)));
    match select(work, deadline).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(((), _)) => Err(AttemptError::TimedOut(limit)),
    }
}
