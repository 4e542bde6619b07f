//! The network.

use crate::error::network::{NetworkFailureKind, Rejection, Surroundings, Verdict};
use crate::error::{ApiError, Confidence};
use std::future::Future;
use std::rc::Rc;

/// Header names and values, in order.
pub type Headers = Vec<(String, String)>;

/// Sends requests.
pub trait Http {
    /// A file that can be sent.
    type File;
    /// A request that can be sent any number of times.
    type Request;
    /// A response whose headers have arrived.
    type Response: Response;

    /// A request for JSON, with a body of JSON if there is one.
    fn json_request(&self, method: &str, url: &str, body: Option<String>) -> Result<Self::Request, NetworkFailure>;
    /// Any request.
    fn request(&self, request: &OutgoingRequest<'_, Self::File>) -> Result<Self::Request, NetworkFailure>;
    /// The same request, which will be sent only once: its body need not be kept.
    fn once(&self, request: Self::Request) -> Self::Request {
        request
    }
    /// Asks the application for what it adds to that request, credentials for one, so that nothing is waited for when it is sent. The
    /// headers of a request for which that was not done are asked for then.
    fn authorize(&self, request: Self::Request) -> impl Future<Output = Result<Self::Request, NetworkFailure>>;
    /// What the call path needs to know of a request.
    fn summary(&self, request: &Self::Request) -> RequestSummary;
    /// Sends it once, with these headers on top, and resolves when the response's headers have arrived. Dropping the future
    /// aborts the attempt. A failure of the network is left [unexplained](NetworkFailure::unexplained): the call path looks
    /// into it.
    fn send(&self, request: &Self::Request, headers: &Headers) -> impl Future<Output = Result<Self::Response, NetworkFailure>>;
    /// Gets a URL once, past all caches, without the application's headers and without any that would need a preflight. Dropping
    /// the future aborts it.
    fn look(&self, url: &str) -> impl Future<Output = Result<Self::Response, NetworkFailure>>;
    /// Where the page is, and what it has learnt of the network around it.
    fn surroundings(&self) -> &Surroundings;
    /// Whether the application can refresh the credentials that requests are sent with.
    fn can_refresh_credentials(&self) -> bool;
    /// Has the application refresh them, because of this error.
    fn refresh_credentials(&self, error: &ApiError) -> impl Future<Output = Result<(), NetworkFailure>>;
    /// Whether anything answers at that URL: asks with `HEAD`, without credentials, in a way that shows nothing of the answer but
    /// that there is one. "No" may also mean that the browser did not let the question out, or the answer in.
    fn probe(&self, url: &str) -> impl Future<Output = bool>;
}

/// Told how much of a request's body has left, of how much: both in bytes.
pub type Progress = Rc<dyn Fn(u64, u64)>;

/// A request that is to be made.
#[derive(Clone)]
pub struct OutgoingRequest<'a, F> {
    /// The HTTP method.
    pub method: &'a str,
    /// The absolute URL.
    pub url: &'a str,
    /// Its headers.
    pub headers: &'a Headers,
    /// Its body.
    pub body: OutgoingBody<'a, F>,
    /// Which of the browser's own credentials go along, if it is not the usual ones: `include` or `omit`.
    pub credentials: Option<&'a str>,
    /// Who is told how much of the body has left, if that can be known.
    pub progress: Option<Progress>,
}

/// The body of a request.
#[derive(Debug, Clone, Copy)]
pub enum OutgoingBody<'a, F> {
    /// It has none.
    None,
    /// A text.
    Text(&'a str),
    /// A file as it is. Without a header that says otherwise, its content type is that of the file.
    File(&'a F),
    /// `multipart/form-data`: names and values, in order. Its content type has the boundary, and is set by whoever sends it.
    Form(&'a [(&'a str, FormValue<'a, F>)]),
}

/// A value in a form.
#[derive(Debug, Clone, Copy)]
pub enum FormValue<'a, F> {
    /// A text, and its content type if it is not plain text.
    Text(&'a str, Option<&'a str>),
    /// A file, and its name.
    File {
        /// The file.
        file: &'a F,
        /// Its name, if it has one.
        name: Option<&'a str>,
    },
}

/// What the call path needs to know of a request.
#[derive(Debug, Clone)]
pub struct RequestSummary {
    /// The HTTP method, upper case.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// The URL's origin; `null` if it has none.
    pub origin: String,
    /// Whether headers of ours arrive at all: a browser silently leaves them out of a `no-cors` request.
    pub carries_headers: bool,
    /// The caller's own `Idempotency-Key`, if there is something in it.
    pub idempotency_key: Option<String>,
    /// The caller's own `x-correlation-id`.
    pub correlation_id: Option<String>,
    /// The caller's own `traceparent`.
    pub traceparent: Option<String>,
    /// The caller's own `tracestate`.
    pub tracestate: Option<String>,
}

/// A response whose headers have arrived.
pub trait Response {
    /// The HTTP status.
    fn status(&self) -> u16;
    /// The headers that the page may read.
    fn headers(&self) -> Headers;
    /// Whether a redirect led to another origin than the one that was asked.
    fn redirected_elsewhere(&self) -> bool;
    /// Reads the body up to `limit` bytes and leaves the rest unread.
    fn body(self, limit: usize) -> impl Future<Output = ResponseBody>;
}

/// What was read of a body.
#[derive(Debug, Clone, Default)]
pub struct ResponseBody {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether there was more than the limit.
    pub truncated: bool,
    /// What broke the transfer off, if something did.
    pub broken: Option<NetworkFailure>,
}

/// A request that got no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rejection}")]
pub struct NetworkFailure {
    /// Why, as far as it can be told.
    pub verdict: Verdict,
    /// What was thrown.
    pub rejection: Rejection,
    /// Whether the page's content security policy reported the request.
    pub violates_policy: bool,
    /// Whether it had been handed over to be sent, so that the server may have seen it.
    pub was_dispatched: bool,
}

impl NetworkFailure {
    /// One of that kind, of which there is no doubt, before anything was handed over to be sent.
    pub fn certain(kind: NetworkFailureKind, reason: &'static str, rejection: Rejection) -> Self {
        let verdict = Verdict { kind, confidence: Confidence::Certain, reason };
        Self { verdict, rejection, violates_policy: false, was_dispatched: false }
    }

    /// One that nothing is known of yet, after it was handed over to be sent.
    pub fn unexplained(rejection: Rejection) -> Self {
        Self { verdict: Verdict::UNKNOWN, rejection, violates_policy: false, was_dispatched: true }
    }
}
