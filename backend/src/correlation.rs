//! One id per request: in the answer, in the error and in the log.

use std::{fmt, iter, sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method,
        header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::Response,
};

use crate::{error, traffic::Traffic};

pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");
const LONGEST: usize = 128;

/// The id of a request: the client's, if it sent a usable one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CorrelationId(Arc<str>);

impl CorrelationId {
    fn of_request(headers: &HeaderMap) -> Self {
        let sent = headers.get(HEADER).map(HeaderValue::as_bytes).and_then(Self::parse);
        sent.unwrap_or_else(Self::random)
    }

    /// An id goes into headers and log lines: nothing but visible ASCII, and not much of it.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let usable = (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        let text = std::str::from_utf8(bytes).ok()?;
        usable.then(|| Self(text.into()))
    }

    /// In Cosnap's form: `req_<milliseconds>_<9 characters of base 36>`.
    pub(crate) fn random() -> Self {
        let milliseconds = jiff::Timestamp::now().as_millisecond();
        let suffix: String = iter::repeat_with(|| fastrand::digit(36)).take(9).collect();
        Self(format!("req_{milliseconds}_{suffix}").into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What an error says about the request that it answers.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) correlation_id: CorrelationId,
    pub(crate) method: Method,
    pub(crate) path: Arc<str>,
}

/// The outermost layer: gives the request its id, and sees every answer.
pub(crate) async fn correlate(State(traffic): State<Arc<Traffic>>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let exchange = Exchange {
        correlation_id: CorrelationId::of_request(request.headers()),
        method: request.method().clone(),
        path: request.uri().path().into(),
    };
    request.extensions_mut().insert(exchange.clone());
    let mut response = error::write_envelope(next.run(request).await, &exchange);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(exchange.correlation_id.as_str()) {
        headers.insert(HEADER, value);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let (status, elapsed) = (response.status(), start.elapsed());
    traffic.record(status, elapsed);
    tracing::info!(
        correlation_id = %exchange.correlation_id,
        method = %exchange.method,
        path = &*exchange.path,
        status = status.as_u16(),
        milliseconds = elapsed.as_millis(),
        "answered"
    );
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_visible_ascii_id_is_taken_as_it_is() {
        assert_eq!(CorrelationId::parse(b"req_1_abc-~!").unwrap().as_str(), "req_1_abc-~!");
        assert!(CorrelationId::parse(&[b'x'; 128]).is_some());
    }

    #[test]
    fn an_id_that_is_empty_long_or_not_visible_ascii_is_refused() {
        for bytes in [&b""[..], &[b'x'; 129], b"a b", b"a\tb", "é".as_bytes(), b"a\x7f"] {
            assert_eq!(CorrelationId::parse(bytes), None);
        }
    }

    #[test]
    fn a_random_id_has_the_form_of_cosnap() {
        let id = CorrelationId::random();
        let [prefix, milliseconds, suffix] = id.as_str().split('_').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(prefix, "req");
        assert!(milliseconds.parse::<u64>().unwrap() > 1_700_000_000_000);
        assert_eq!(suffix.len(), 9);
        assert!(suffix.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()));
    }
}
