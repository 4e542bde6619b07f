//! Reading `Retry-After` (RFC 9110 §10.2.3): a number of seconds or a date.

use crate::time::WallTime;
use std::time::Duration;

/// From here a number is a moment of the epoch and no longer a delay of more than thirty years: seconds, or milliseconds.
const FIRST_EPOCH_SECOND: u64 = 1_000_000_000;
const FIRST_EPOCH_MILLISECOND: u64 = 100_000_000_000;

/// What a `Retry-After` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter {
    /// How long to wait from now.
    pub after: Duration,
    /// Whether the value is not of the standard's form, but can only be meant one way.
    pub lenient: bool,
}

/// Reads the value of a `Retry-After` header; `None` if it says nothing, which is not the same as zero. `now` is what the
/// server takes for now, by its `Date` header, or else the time of arrival.
///
/// Strict: `120`, and the three date forms of RFC 9110 §5.6.7. Lenient, and said so: decimal seconds, and a number so large
/// that it can only be a moment of the epoch. A date that has passed is zero. `-5`, `1e3`, `120s`, `soon` are no hint.
///
/// ```
/// use steadfast::{policy::hint::retry_after, time::WallTime};
///
/// let now = WallTime(1_780_315_200_000); // Mon, 01 Jun 2026 12:00:00 GMT
/// assert_eq!(retry_after::read("120", now).unwrap().after.as_secs(), 120);
/// assert_eq!(retry_after::read("Mon, 01 Jun 2026 12:01:00 GMT", now).unwrap().after.as_secs(), 60);
/// assert_eq!(retry_after::read("soon", now), None);
/// ```
pub fn read(value: &str, now: WallTime) -> Option<RetryAfter> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that overflow are a delay beyond all clocks.
        let number = value.parse().unwrap_or(u64::MAX);
        let until = |moment: u64| {
            let moment = WallTime(i64::try_from(moment).unwrap_or(i64::MAX));
            RetryAfter { after: moment.since(now), lenient: true }
        };
        return Some(match number {
            u64::MAX => RetryAfter { after: Duration::from_secs(u64::MAX), lenient: false },
            FIRST_EPOCH_MILLISECOND.. => until(number),
            FIRST_EPOCH_SECOND.. => until(number * 1000),
            _ => RetryAfter { after: Duration::from_secs(number), lenient: false },
        });
    }
    if value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return from_seconds(value.parse().ok()?).map(|after| RetryAfter { after, lenient: true });
    }
    Some(RetryAfter { after: http_date(value)?.since(now), lenient: false })
}

/// Reads a date in any of the three forms of RFC 9110 §5.6.7.
pub fn http_date(value: &str) -> Option<WallTime> {
    let date = httpdate::parse_http_date(value).ok()?;
    let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(WallTime(i64::try_from(since_epoch.as_millis()).ok()?))
}

/// A delay given as a number of seconds, as bodies give it; `None` for what is no delay.
pub fn from_seconds(seconds: f64) -> Option<Duration> {
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(u64::MAX)))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::time::milliseconds;
    use serde_json::Value;

    #[test]
    fn every_vector_is_read_as_it_should_be() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/retry_after.json")).unwrap();
        for case in vectors["cases"].as_array().unwrap() {
            let read = read(case["value"].as_str().unwrap(), WallTime(1_780_315_200_000));
            match &case["afterMs"] {
                Value::Null => assert_eq!(read, None, "{case}"),
                Value::String(_) => assert_eq!(read.map(|read| milliseconds(read.after)), Some(u64::MAX), "{case}"),
                expected => {
                    let read = read.unwrap_or_else(|| panic!("{case}"));
                    assert_eq!(Some(milliseconds(read.after)), expected.as_u64(), "{case}");
                    assert_eq!(Some(read.lenient), case["lenient"].as_bool(), "{case}");
                }
            }
        }
    }
}
