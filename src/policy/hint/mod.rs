//! When a server wants to be asked again: one resolver over every place where it may say so.

pub mod retry_after;

use crate::time::{WallTime, milliseconds};
use serde::Serialize;
use std::time::Duration;

/// When a server wants to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryHint {
    /// Milliseconds from the arrival of the response.
    pub after_ms: u64,
    /// The same as a moment of the wall clock.
    pub at: WallTime,
    /// Where the hint stood.
    pub source: HintSource,
    /// How sure its reading is.
    pub confidence: Confidence,
}

/// Where a retry hint stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HintSource {
    /// The `Retry-After` header (RFC 9110 §10.2.3).
    RetryAfterHeader,
    /// A documented member of the body (`error.retryAfter`, `recovery.retryAfter`).
    Body,
    /// The reset of an exhausted rate limit.
    RateLimitReset,
}

/// How sure a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Confidence {
    /// Concluded from something that usually means it.
    Guess,
    /// Its shape, without a mark of its own; a form that is not the standard's, though there is only one way to mean it.
    Likely,
    /// A mark that only this has; the form that the standard or the documentation gives.
    Certain,
}

/// A limit that was hit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// How many requests a window allows.
    pub limit: Option<u64>,
    /// How many are left.
    pub remaining: Option<u64>,
    /// When the window ends. A moment that had passed when the response arrived is left out.
    pub reset_at: Option<WallTime>,
}

/// What a body says about when to come back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BodyHints {
    /// How long to wait.
    pub after: Option<Duration>,
    /// The moment until which the service is away or the limit is exhausted.
    pub until: Option<WallTime>,
    /// When the server wrote the body, by its own clock.
    pub timestamp: Option<WallTime>,
    /// A limit that the body tells of.
    pub rate_limit: Option<RateLimit>,
    /// Headers that the body carries, as News Filter's `metadata.headers`.
    pub headers: Vec<(String, String)>,
}

/// What the headers and the body of a response say about when to come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resolved {
    /// When to come back, if anything says so.
    pub hint: Option<RetryHint>,
    /// The limit that was hit or is told of.
    pub rate_limit: Option<RateLimit>,
}

/// Reads when to come back out of a response's headers and body.
pub fn resolve(status: u16, headers: &[(String, String)], received_at: WallTime, body: &BodyHints) -> Resolved {
    let header = |name: &str| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    let now = received_at;
    let hint = |after: Duration, source, confidence| RetryHint {
        after_ms: milliseconds(after),
        at: now.after(after),
        source,
        confidence,
    };
    // A date is meant by the server's clock, which its own Date header tells; the client's may be off by anything.
    let server_now = header("date").and_then(retry_after::http_date).unwrap_or(now);
    let exhausted = body.rate_limit.filter(|limit| limit.remaining == Some(0) || status == 429);
    let found = if let Some(read) = header("retry-after").and_then(|value| retry_after::read(value, server_now)) {
        let confidence = if read.lenient { Confidence::Likely } else { Confidence::Certain };
        Some(hint(read.after, HintSource::RetryAfterHeader, confidence))
    } else if let Some(after) = body.after {
        Some(hint(after, HintSource::Body, Confidence::Certain))
    } else {
        exhausted
            .and_then(|limit| limit.reset_at)
            .map(|reset| hint(reset.since(now), HintSource::RateLimitReset, Confidence::Guess))
    };
    Resolved { hint: found, rate_limit: body.rate_limit }
}
