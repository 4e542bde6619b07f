//! When a server wants to be asked again: one resolver over every place where it may say so.
//!
//! The first of these that says something counts, and what cannot be read, or is stale, says nothing:
//!
//! 1. the headers that ask: `retry-after-ms`, `x-ms-retry-after-ms`, `Retry-After`, `X-Retry-After`;
//! 2. the delay that the body gives: it asks, too, and is the only thing that a page can always read across origins;
//! 3. the headers that tell of a limit that is exhausted, from which a delay follows: `RateLimit`, `RateLimit-Reset`,
//!    `X-RateLimit-Retry-After`, `X-RateLimit-Reset` and what resembles it;
//! 4. headers that the body carries, read as those of the response;
//! 5. the moment that the body gives, or the reset of the exhausted limit that it tells of, whichever is later.
//!
//! A hint is never earlier than what the server said: fractions are rounded up, of several values in one place the longest counts,
//! and moments are meant by the server's clock, which the response tells.

mod clock;
mod date;
mod duration;
mod fields;
mod rate_limit;
pub mod retry_after;
mod wait;

pub use date::timestamp;
pub use duration::{from_seconds, go_duration, protobuf_duration};
pub use wait::Wait;

use crate::time::WallTime;
use clock::Clock;
use duration::milliseconds_rounded_up;
use fields::Fields;
use serde::Serialize;
use std::time::Duration;

/// When a server wants to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryHint {
    /// Milliseconds from the arrival of the response, rounded up; [`u64::MAX`] for a delay beyond all clocks.
    pub after_ms: u64,
    /// The same as a moment of the client's wall clock, at most [`LAST_DATE`](crate::time::LAST_DATE).
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
    /// The `Retry-After` header (RFC 9110 §10.2.3), or one that means the same: `X-Retry-After`, `X-RateLimit-Retry-After`.
    RetryAfterHeader,
    /// The `retry-after-ms` or `x-ms-retry-after-ms` header.
    RetryAfterMsHeader,
    /// An exhausted policy in the `RateLimit` header (draft-ietf-httpapi-ratelimit-headers).
    RateLimitHeader,
    /// The reset of an exhausted limit in a header: `RateLimit-Reset`, `X-RateLimit-Reset` and what resembles it.
    RateLimitResetHeader,
    /// A delay in the body (`error.retryAfter`, `recovery.retryAfter`).
    Body,
    /// A moment in the body: until when the service is away, or the reset of an exhausted limit.
    BodyReset,
    /// No response: the call was not sent, because an earlier answer had asked for patience.
    EarlierAnswer,
    /// No response: until then the circuit breaker of the service is open.
    CircuitBreaker,
}

impl HintSource {
    /// Its name, as it is serialised.
    pub fn name(self) -> &'static str {
        match self {
            Self::RetryAfterHeader => "retryAfterHeader",
            Self::RetryAfterMsHeader => "retryAfterMsHeader",
            Self::RateLimitHeader => "rateLimitHeader",
            Self::RateLimitResetHeader => "rateLimitResetHeader",
            Self::Body => "body",
            Self::BodyReset => "bodyReset",
            Self::EarlierAnswer => "earlierAnswer",
            Self::CircuitBreaker => "circuitBreaker",
        }
    }
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

impl Confidence {
    /// Its name, as it is serialised.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guess => "guess",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// A limit that was hit, or of several the one that is nearest to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// How many requests a window allows.
    pub limit: Option<u64>,
    /// How many are left.
    pub remaining: Option<u64>,
    /// When the window ends, by the client's clock. A moment that had passed when the response arrived is left out.
    pub reset_at: Option<WallTime>,
    /// How long a window is, in milliseconds.
    pub window_ms: Option<u64>,
}

/// What a body says about when to come back. Moments are of the server's clock.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BodyHints {
    /// How long to wait.
    pub after: Option<Duration>,
    /// The moment until which the service is away or the limit is exhausted.
    pub until: Option<WallTime>,
    /// When the server wrote the body.
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
    /// The limit that was hit or is told of, whether or not it is exhausted.
    pub rate_limit: Option<RateLimit>,
    /// By how many milliseconds the server's clock is ahead of the client's (negative: behind), if the response has a stamp: its
    /// `Date`, or else the body's timestamp. It holds the time that the response travelled, and that of a `Date` has whole
    /// seconds, so less than a second or two is no difference; a `Date` of the second that the client's clock shows is 0.
    pub skew_ms: Option<i64>,
}

/// Reads when to come back out of a response's headers and body, in the order that the [module](self) gives. Takes any headers,
/// names in any case, and never fails. `received_at` is the client's clock when the response arrived.
///
/// ```
/// use steadfast::policy::hint::{BodyHints, Confidence, HintSource, resolve};
/// use steadfast::time::WallTime;
///
/// let headers = [("RateLimit".into(), "\"burst\";r=0;t=30, \"daily\";r=10;t=9000".into())];
/// let resolved = resolve(429, &headers, WallTime(1_780_315_200_000), &BodyHints::default());
/// let hint = resolved.hint.unwrap();
/// assert_eq!((hint.after_ms, hint.source), (30_000, HintSource::RateLimitHeader));
/// assert_eq!(hint.confidence, Confidence::Certain);
/// assert_eq!(resolved.rate_limit.unwrap().remaining, Some(0));
/// ```
pub fn resolve(status: u16, headers: &[(String, String)], received_at: WallTime, body: &BodyHints) -> Resolved {
    let fields = Fields::new(headers);
    let clock = Clock::read(&fields, received_at, body.timestamp);
    let outer = read_headers(&fields, status, &clock);
    let inner = read_headers(&Fields::new(&body.headers), status, &clock);
    let found = outer
        .asked
        .or_else(|| Some((Wait { after: body.after?, confidence: Confidence::Certain }, HintSource::Body)))
        .or(outer.reset)
        .or_else(|| inner.asked.or(inner.reset).map(|(wait, source)| (wait, within_body(source))))
        .or_else(|| Some((moment_of_body(status, body, &clock)?, HintSource::BodyReset)));
    let told = body.rate_limit.map(|limit| RateLimit { reset_at: by_client(limit.reset_at, &clock), ..limit });
    Resolved {
        hint: found.map(|(wait, source)| RetryHint {
            after_ms: milliseconds_rounded_up(wait.after),
            at: clock.after(wait.after),
            source,
            confidence: wait.confidence,
        }),
        rate_limit: complete(complete(outer.nearest, inner.nearest), told),
        skew_ms: clock.skew_ms,
    }
}

/// By how many milliseconds the server's clock is ahead of the client's, by the `Date` of a response: see [`Resolved::skew_ms`].
pub fn skew(headers: &[(String, String)], received_at: WallTime) -> Option<i64> {
    Clock::read(&Fields::new(headers), received_at, None).skew_ms
}

/// What a set of headers says.
struct FromHeaders {
    /// How long to wait.
    asked: Option<(Wait, HintSource)>,
    /// When an exhausted limit is one no longer.
    reset: Option<(Wait, HintSource)>,
    nearest: Option<RateLimit>,
}

fn read_headers(fields: &Fields<'_>, status: u16, clock: &Clock) -> FromHeaders {
    let limits = rate_limit::from_headers(fields, status, clock);
    FromHeaders { asked: retry_after::from_headers(fields, clock), reset: limits.wait, nearest: limits.nearest }
}

/// What stands in a header that stands in the body, stands in the body.
fn within_body(source: HintSource) -> HintSource {
    match source {
        HintSource::RetryAfterHeader | HintSource::RetryAfterMsHeader | HintSource::Body => HintSource::Body,
        HintSource::RateLimitHeader | HintSource::RateLimitResetHeader | HintSource::BodyReset => HintSource::BodyReset,
        // Which no response gives.
        HintSource::EarlierAnswer | HintSource::CircuitBreaker => source,
    }
}

/// The later of the moment that the body gives and the reset of an exhausted limit.
fn moment_of_body(status: u16, body: &BodyHints, clock: &Clock) -> Option<Wait> {
    let exhausted = body.rate_limit.filter(|limit| limit.remaining == Some(0) || status == 429);
    let moments = [(body.until, Confidence::Likely), (exhausted.and_then(|limit| limit.reset_at), Confidence::Guess)];
    wait::longest(
        moments
            .into_iter()
            .filter_map(|(moment, confidence)| Some(Wait { after: clock.until_unless_stale(moment?)?, confidence })),
    )
}

/// A moment of the server's clock by the client's, unless it has passed.
fn by_client(moment: Option<WallTime>, clock: &Clock) -> Option<WallTime> {
    let after = clock.until(moment?);
    (after > Duration::ZERO).then(|| clock.after(after))
}

/// One account of a limit, and from another what it leaves out.
fn complete(first: Option<RateLimit>, second: Option<RateLimit>) -> Option<RateLimit> {
    let (Some(first), Some(second)) = (first, second) else { return first.or(second) };
    Some(RateLimit {
        limit: first.limit.or(second.limit),
        remaining: first.remaining.or(second.remaining),
        reset_at: first.reset_at.or(second.reset_at),
        window_ms: first.window_ms.or(second.window_ms),
    })
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
