//! What must hold for when to come back, whatever the headers say, and for the readers of single values.

use super::exchange;
use std::ops::RangeInclusive;
use std::time::Duration;
use steadfast::policy::hint::{
    BodyHints, RateLimit, from_seconds, go_duration, protobuf_duration, resolve, retry_after, timestamp,
};
use steadfast::time::{LAST_DATE, WallTime};

/// The longest duration that protobuf has, in seconds.
const LONGEST_PROTOBUF: u64 = 315_576_000_000;

/// The years 1 to 9999, all that RFC 3339 has. A leap second, or an offset, may lead out of them.
const YEARS: RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Reads the bytes as a response, its body as lines of what bodies say (`after: 1.5`, `until: 2026-06-01T12:00:00Z`,
/// `remaining: 0`), and resolves when to come back.
pub fn holds(bytes: &[u8]) {
    let response = exchange::read(bytes);
    let (headers, now) = (&response.headers, response.received_at);
    let body = body_hints(&String::from_utf8_lossy(&response.body));
    let resolved = resolve(response.status, headers, now, &body);
    assert_eq!(resolved, resolve(response.status, headers, now, &body), "resolved twice, it is the same");
    if let Some(hint) = resolved.hint {
        assert!(hint.at >= now, "nobody is asked to have come back already");
        assert!(hint.after_ms == 0 || hint.at > now);
        assert_eq!(hint.at, now.after(Duration::from_millis(hint.after_ms)));
    }
    if let Some(limit) = resolved.rate_limit {
        assert!(limit.reset_at.is_none_or(|reset| reset > now && reset <= LAST_DATE), "a reset is to come: {limit:?}");
    }
    let louder: Vec<_> = headers.iter().map(|(name, value)| (name.to_ascii_uppercase(), value.clone())).collect();
    assert_eq!(resolved, resolve(response.status, &louder, now, &body), "the case of a name means nothing");
    let more: Vec<_> = headers.iter().cloned().chain([("x-unrelated".to_string(), "1".to_string())]).collect();
    assert_eq!(resolved, resolve(response.status, &more, now, &body), "a header that means nothing means nothing");

    let values: Vec<&str> = headers.iter().map(|(_, value)| value.as_str()).collect();
    for value in &values {
        single_value_holds(value, now);
    }
    for pair in values.windows(2) {
        joined_values_hold(pair.first().copied().unwrap_or_default(), pair.last().copied().unwrap_or_default(), now);
    }
}

fn single_value_holds(value: &str, now: WallTime) {
    assert_eq!(retry_after::read(value, now), retry_after::read(&format!(" {value}\t"), now), "space around it means nothing");
    if let Some(moment) = timestamp(value) {
        assert!(moment <= LAST_DATE);
        if YEARS.contains(&moment.0) {
            assert_eq!(timestamp(&moment.to_rfc3339()), Some(moment), "what is written is read back");
        }
    }
    if let Some(duration) = protobuf_duration(value) {
        assert!(duration <= Duration::from_secs(LONGEST_PROTOBUF));
        assert_eq!(go_duration(value), Some(duration), "Go writes seconds alike");
    }
    if let Ok(number) = value.parse::<f64>() {
        assert_eq!(from_seconds(number).is_some(), number >= 0.0, "a delay is not negative");
    }
}

/// Of two values that have been joined, the later one counts.
fn joined_values_hold(first: &str, second: &str, now: WallTime) {
    let is_whole = |value: &str| !value.contains(',');
    let (Some(one), Some(other)) = (retry_after::read(first, now), retry_after::read(second, now)) else { return };
    if is_whole(first) && is_whole(second) {
        let joined = retry_after::read(&format!("{first}, {second}"), now).expect("what can be read alone can be read joined");
        assert!(joined.after >= one.after.max(other.after), "{first}, {second}");
    }
}

fn body_hints(text: &str) -> BodyHints {
    let mut hints = BodyHints::default();
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim_start();
        let limit = || hints.rate_limit.unwrap_or_default();
        match name {
            "after" => hints.after = value.parse().ok().and_then(from_seconds),
            "until" => hints.until = timestamp(value),
            "timestamp" => hints.timestamp = timestamp(value),
            "limit" => hints.rate_limit = Some(RateLimit { limit: value.parse().ok(), ..limit() }),
            "remaining" => hints.rate_limit = Some(RateLimit { remaining: value.parse().ok(), ..limit() }),
            "reset" => hints.rate_limit = Some(RateLimit { reset_at: timestamp(value), ..limit() }),
            _ => hints.headers.push((name.into(), value.into())),
        }
    }
    hints
}
