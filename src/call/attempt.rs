//! One attempt: send, wait at most so long, and put what went wrong into words.

use super::LARGEST_ERROR_BODY;
use crate::error::network::{Evidence, Probe, Rejection, Verdict, classify};
use crate::error::parse::ResponseParts;
use crate::error::{ApiError, Confidence};
use crate::platform::{
    Clock, Connectivity, Headers, Http, NetworkFailure, NetworkFailureKind, Platform, RequestSummary, Response,
};
use crate::time::MonotonicTime;
use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// How long a server has to give a sign of life.
const LONGEST_PROBE: Duration = Duration::from_secs(3);

/// A timer that ends so late belongs to a page that stood still: frozen in the background, or with its device.
const STANDSTILL: Duration = Duration::from_secs(1);
/// How long such a page has to hear of what arrived meanwhile.
const CATCHING_UP: Duration = Duration::from_millis(500);

/// Why an attempt got no response.
#[derive(Debug)]
pub enum AttemptError {
    /// The request failed.
    Failed(NetworkFailure),
    /// It took longer than this.
    TimedOut(Duration),
}

impl AttemptError {
    /// What kind of failure it is.
    pub fn kind(&self) -> NetworkFailureKind {
        match self {
            Self::Failed(failure) => failure.verdict.kind,
            Self::TimedOut(_) => NetworkFailureKind::TimedOut,
        }
    }

    /// As the error that the application sees.
    pub fn into_api_error(self) -> ApiError {
        match self {
            Self::TimedOut(limit) => ApiError::without_response(
                "NETWORK_TIMEOUT",
                format!("The server did not answer within {} ms.", limit.as_millis()),
                true,
            ),
            Self::Failed(NetworkFailure { verdict, rejection, .. }) => {
                let message = format!("{rejection} ({})", verdict.reason);
                let mut error = ApiError::without_response(verdict.code(), message, verdict.retryable());
                error.format.mark = verdict.reason.into();
                error.format.confidence = verdict.confidence;
                error
            }
        }
    }
}

/// Sends a request once. The deadline ends when the response's headers have arrived.
pub async fn send<P: Platform>(
    platform: &P,
    request: &<P::Http as Http>::Request,
    summary: &RequestSummary,
    headers: &Headers,
    limit: Duration,
) -> Result<<P::Http as Http>::Response, AttemptError> {
    let sent = platform.clock().monotonic();
    match within(platform, limit, dispatch(platform, request, summary, headers)).await? {
        Ok(response) => Ok(response),
        Err(failure) => Err(AttemptError::Failed(diagnose(platform, summary, sent, failure).await)),
    }
}

/// Sends a request once and reads the response to its end, all within the deadline; an error at most as far as any.
pub async fn exchange<P: Platform>(
    platform: &P,
    request: &<P::Http as Http>::Request,
    summary: &RequestSummary,
    headers: &Headers,
    limit: Duration,
    largest_body: usize,
) -> Result<ResponseParts, AttemptError> {
    let answered = exchange_from(platform, request, summary, headers, limit, largest_body).await?;
    Ok(answered.0)
}

/// Asks the application for what it adds to a request, so that nothing is waited for when it is sent.
pub async fn authorize<P: Platform>(
    platform: &P,
    request: <P::Http as Http>::Request,
    limit: Duration,
) -> Result<<P::Http as Http>::Request, AttemptError> {
    if let Ok(authorized) = within(platform, limit, platform.http().authorize(request)).await {
        return authorized.map_err(AttemptError::Failed);
    }
    let (kind, reason) = (NetworkFailureKind::Application, "the headers option did not answer in time");
    let message = format!("no headers within {} ms", limit.as_millis());
    let rejection = Rejection { name: "TimeoutError".into(), message, cause: None };
    Err(AttemptError::Failed(NetworkFailure::certain(kind, reason, rejection)))
}

/// As [`exchange`], and whether a redirect led to another origin than the one that was asked.
pub async fn exchange_from<P: Platform>(
    platform: &P,
    request: &<P::Http as Http>::Request,
    summary: &RequestSummary,
    headers: &Headers,
    limit: Duration,
    largest_body: usize,
) -> Result<(ResponseParts, bool), AttemptError> {
    let exchange = async {
        let response = dispatch(platform, request, summary, headers).await?;
        let is_elsewhere = response.redirected_elsewhere();
        let mut parts = head(platform, &response);
        let most = if parts.status < 400 { largest_body } else { LARGEST_ERROR_BODY };
        match read_body(&mut parts, response, most).await {
            // An error whose body broke off is still that error; an answer is only whole or none.
            Some(failure) if parts.status < 400 => Err(failure),
            _ => Ok((parts, is_elsewhere)),
        }
    };
    let sent = platform.clock().monotonic();
    match within(platform, limit, exchange).await? {
        Ok(answered) => Ok(answered),
        Err(failure) => Err(AttemptError::Failed(diagnose(platform, summary, sent, failure).await)),
    }
}

/// Sends, and remembers who has answered.
async fn dispatch<P: Platform>(
    platform: &P,
    request: &<P::Http as Http>::Request,
    summary: &RequestSummary,
    headers: &Headers,
) -> Result<<P::Http as Http>::Response, NetworkFailure> {
    let response = platform.http().send(request, headers).await?;
    platform.http().surroundings().answered(&summary.origin, platform.clock().monotonic());
    Ok(response)
}

/// Finds out what can be found out about a failure, where that is wanted by a probe. The deadline of the attempt does not count
/// here, or a server that does not answer would look like one that is slow.
async fn diagnose<P: Platform>(
    platform: &P,
    summary: &RequestSummary,
    sent: MonotonicTime,
    failure: NetworkFailure,
) -> NetworkFailure {
    if failure.verdict != Verdict::UNKNOWN {
        return failure;
    }
    let (http, now) = (platform.http(), platform.clock().monotonic());
    let around = http.surroundings();
    let mut evidence = Evidence {
        rejection: &failure.rejection,
        page: around.page.origin.as_deref(),
        target: &summary.origin,
        no_cors: !summary.carries_headers,
        online: platform.connectivity().online(),
        violates_policy: failure.violates_policy,
        elapsed: now.since(sent),
        answers: around.answers(&summary.origin, sent, now),
        probe: None,
    };
    let mut verdict = classify(&evidence);
    if verdict.confidence == Confidence::Guess && around.may_probe(&summary.origin) {
        evidence.probe = Some(probe(platform, summary).await);
        verdict = classify(&evidence);
    }
    NetworkFailure { verdict, ..failure }
}

/// Asks the server for a sign of life, unless that has just been done.
///
/// The root of the origin comes first, and the URL itself only if the request was safe (RFC 9110 §9.2.1), so that the question
/// can do nothing that the request has not done itself.
async fn probe<P: Platform>(platform: &P, summary: &RequestSummary) -> Probe {
    let (http, clock) = (platform.http(), platform.clock());
    let around = http.surroundings();
    let _one_at_a_time = around.probing.lock().await;
    if let Some(outcome) = around.last_probe(&summary.origin, &summary.url, clock.monotonic()) {
        return outcome;
    }
    let answers = async |url: &str| within(platform, LONGEST_PROBE, http.probe(url)).await.unwrap_or(false);
    let outcome = if !answers(&format!("{}/", summary.origin)).await {
        Probe::Silence
    } else if !matches!(summary.method.as_str(), "GET" | "HEAD") {
        Probe::RootAnswers
    } else if answers(&summary.url).await {
        Probe::UrlAnswers
    } else {
        Probe::OnlyRootAnswers
    };
    around.probed(&summary.origin, &summary.url, outcome, clock.monotonic());
    outcome
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

/// Does something within a limit. Where the limit has ended late, because the page stood still, what had happened by then has only
/// to be heard of: for that there is a moment more.
pub async fn within<P: Platform, F: Future>(platform: &P, limit: Duration, work: F) -> Result<F::Output, AttemptError> {
    let clock = platform.clock();
    let (began, work, deadline) = (clock.monotonic(), pin!(work), pin!(clock.sleep(limit)));
    let work = match select(work, deadline).await {
        Either::Left((done, _)) => return Ok(done),
        Either::Right(((), work)) => work,
    };
    if clock.monotonic().since(began).saturating_sub(limit) < STANDSTILL {
        return Err(AttemptError::TimedOut(limit));
    }
    match select(work, pin!(clock.sleep(CATCHING_UP))).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(_) => Err(AttemptError::TimedOut(limit)),
    }
}
