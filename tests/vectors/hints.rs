//! Runs the vectors of this directory that tell when a server wants to be asked again, natively and in browsers alike.

use serde_json::Value;
use std::time::Duration;
use steadfast::policy::hint::{BodyHints, RateLimit, resolve, retry_after, timestamp};
use steadfast::time::{LAST_DATE, WallTime, milliseconds};

/// What all vectors were received at: 2026-06-01T12:00:00Z.
const NOW: WallTime = WallTime(1_780_315_200_000);

fn cases(vectors: &str) -> Vec<Value> {
    let mut vectors: Value = serde_json::from_str(vectors).unwrap();
    assert!(vectors["now"].is_null() || vectors["now"].as_str().and_then(timestamp) == Some(NOW));
    let Value::Array(cases) = vectors["cases"].take() else { panic!("no list of cases") };
    assert!(cases.len() > 20, "the vectors were not found");
    cases
}

pub(crate) fn every_retry_after_is_read_as_it_should_be() {
    for case in cases(include_str!("retry_after.json")) {
        let read = retry_after::read(case["value"].as_str().unwrap(), NOW);
        let confidence = read.map(|wait| serde_json::to_value(wait.confidence).unwrap());
        assert_eq!(confidence.unwrap_or_default(), case["confidence"], "{case}");
        let headers = [("Retry-After".to_string(), case["value"].as_str().unwrap().to_string())];
        let hint = resolve(503, &headers, NOW, &BodyHints::default()).hint;
        assert_eq!(hint.is_some(), read.is_some(), "{case}");
        match &case["afterMs"] {
            Value::Null => assert_eq!(hint, None, "{case}"),
            Value::String(_) => assert_eq!(hint.map(|hint| (hint.after_ms, hint.at)), Some((u64::MAX, LAST_DATE)), "{case}"),
            expected => assert_eq!(hint.map(|hint| hint.after_ms), expected.as_u64(), "{case}"),
        }
    }
}

pub(crate) fn every_response_is_resolved_as_it_should_be() {
    for case in cases(include_str!("rate_limit.json")) {
        let status = case["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap();
        let resolved = resolve(status, &headers(&case["headers"]), NOW, &body(&case["body"]));
        let expected = &case["hint"];
        assert_eq!(resolved.hint.is_none(), expected.is_null(), "{case}: {:?}", resolved.hint);
        if let Some(hint) = resolved.hint {
            match &expected["afterMs"] {
                Value::String(how) if how == "saturate" => assert_eq!((hint.after_ms, hint.at), (u64::MAX, LAST_DATE), "{case}"),
                Value::String(_) => assert_eq!(hint.at, LAST_DATE, "{case}"),
                after => {
                    assert_eq!(Some(hint.after_ms), after.as_u64(), "{case}");
                    assert_eq!(hint.at, NOW.after(Duration::from_millis(hint.after_ms)), "{case}");
                }
            }
            assert_eq!(serde_json::to_value(hint.source).unwrap(), expected["source"], "{case}");
            assert_eq!(serde_json::to_value(hint.confidence).unwrap(), expected["confidence"], "{case}");
        }
        let expected = &case["rateLimit"];
        assert_eq!(resolved.rate_limit.is_none(), expected.is_null(), "{case}: {:?}", resolved.rate_limit);
        if let Some(limit) = resolved.rate_limit {
            assert_eq!(limit.limit, expected["limit"].as_u64(), "{case}");
            assert_eq!(limit.remaining, expected["remaining"].as_u64(), "{case}");
            assert_eq!(limit.window_ms, expected["windowMs"].as_u64(), "{case}");
            match &expected["resetAfterMs"] {
                Value::String(_) => assert_eq!(limit.reset_at, Some(LAST_DATE), "{case}"),
                after => assert_eq!(limit.reset_at.map(|reset| milliseconds(reset.since(NOW))), after.as_u64(), "{case}"),
            }
        }
        assert_eq!(resolved.skew_ms, case["skewMs"].as_i64(), "{case}");
    }
}

pub(crate) fn every_timestamp_is_read_as_it_should_be() {
    for case in cases(include_str!("timestamp.json")) {
        assert_eq!(timestamp(case["value"].as_str().unwrap()).map(|moment| moment.0), case["moment"].as_i64(), "{case}");
    }
}

fn headers(members: &Value) -> Vec<(String, String)> {
    let members = members.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_string())).collect()
}

fn body(members: &Value) -> BodyHints {
    let moment = |value: &Value| value.as_str().map(|text| timestamp(text).unwrap());
    let limit = &members["rateLimit"];
    BodyHints {
        after: members["afterMs"].as_u64().map(Duration::from_millis),
        until: moment(&members["until"]),
        timestamp: moment(&members["timestamp"]),
        rate_limit: limit.is_object().then(|| RateLimit {
            limit: limit["limit"].as_u64(),
            remaining: limit["remaining"].as_u64(),
            reset_at: moment(&limit["resetAt"]),
            window_ms: None,
        }),
        headers: headers(&members["headers"]),
    }
}
