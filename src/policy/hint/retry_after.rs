//! Reading `Retry-After` (RFC 9110 §10.2.3): a number of seconds or a date.

use super::clock::Clock;
use super::duration::Decimal;
use super::fields::Fields;
use super::wait::{Wait, read_joined};
use super::{Confidence, HintSource, date};
use crate::time::WallTime;
use std::time::Duration;

/// From here a number is a moment of the epoch and no longer a delay of more than thirty years: seconds, or milliseconds.
const FIRST_EPOCH_SECOND: u64 = 1_000_000_000;
const FIRST_EPOCH_MILLISECOND: u64 = 100_000_000_000;

/// Reads the value of a `Retry-After` header; `None` if it says nothing, which is not the same as zero. `now` is what the
/// server takes for now, by its `Date` header, or else the time of arrival.
///
/// Certain: `120`, and the three date forms of RFC 9110 §5.6.7. Likely: decimal seconds, ISO 8601, other offsets than `GMT`, a
/// number so large that it can only be a moment of the epoch, and the longest of several values that have been joined by commas.
/// A guess: a date without an offset, taken for UTC. A date that has passed is zero. `-5`, `1e3`, `120s`, `soon` are no hint.
///
/// ```
/// use steadfast::{policy::hint::retry_after, time::WallTime};
///
/// let now = WallTime(1_780_315_200_000); // Mon, 01 Jun 2026 12:00:00 GMT
/// assert_eq!(retry_after::read("120", now).unwrap().after.as_secs(), 120);
/// assert_eq!(retry_after::read("Mon, 01 Jun 2026 12:01:00 GMT", now).unwrap().after.as_secs(), 60);
/// assert_eq!(retry_after::read("soon", now), None);
/// ```
pub fn read(value: &str, now: WallTime) -> Option<Wait> {
    read_joined(value, |value| read_one(value, now))
}

fn read_one(value: &str, now: WallTime) -> Option<Wait> {
    let Some(number) = Decimal::read(value) else {
        let (moment, confidence) = date::read(value, now)?;
        return Some(Wait { after: moment.since(now), confidence });
    };
    let likely = |after| Wait { after, confidence: Confidence::Likely };
    Some(match number.whole {
        // Digits that overflow are a delay beyond all clocks.
        u64::MAX => Wait { after: Duration::from_secs(u64::MAX), confidence: Confidence::Certain },
        FIRST_EPOCH_MILLISECOND.. => likely(date::epoch_milliseconds(number).since(now)),
        FIRST_EPOCH_SECOND.. => likely(date::epoch_seconds(number).since(now)),
        _ if value.contains('.') => likely(number.seconds()),
        _ => Wait { after: number.seconds(), confidence: Confidence::Certain },
    })
}

/// Reads the headers that say outright when to come back: `retry-after-ms` and `x-ms-retry-after-ms` (milliseconds, more
/// precise than what stands beside them), then `Retry-After`, then `X-Retry-After`.
pub(super) fn from_headers(fields: &Fields<'_>, clock: &Clock) -> Option<(Wait, HintSource)> {
    let in_milliseconds = |name| {
        let read = |value: &str| Some(Wait { after: Decimal::read(value)?.milliseconds(), confidence: Confidence::Certain });
        Some((read_joined(&fields.get(name)?, read)?, HintSource::RetryAfterMsHeader))
    };
    let standard = |name| Some((read(&fields.get(name)?, clock.server_now)?, HintSource::RetryAfterHeader));
    let alike = |(wait, source): (Wait, _)| (Wait { confidence: wait.confidence.min(Confidence::Likely), ..wait }, source);
    in_milliseconds("retry-after-ms")
        .or_else(|| in_milliseconds("x-ms-retry-after-ms"))
        .or_else(|| standard("retry-after"))
        .or_else(|| standard("x-retry-after").map(alike))
}
