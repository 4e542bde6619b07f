//! When a server wants to be asked again: the vectors, natively.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "vectors/hints.rs"]
mod vectors;

use serde_json::Value;
use std::fs;
use steadfast::policy::hint::{BodyHints, Confidence, resolve, retry_after, timestamp};

#[test]
fn every_retry_after_is_read_as_it_should_be() {
    vectors::every_retry_after_is_read_as_it_should_be();
}

#[test]
fn every_response_is_resolved_as_it_should_be() {
    vectors::every_response_is_resolved_as_it_should_be();
}

#[test]
fn every_timestamp_is_read_as_it_should_be() {
    vectors::every_timestamp_is_read_as_it_should_be();
}

/// Vectors that are not part of this repository, where they are at hand.
#[test]
fn vectors_from_elsewhere_agree() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors/hints.json");
    let Ok(text) = fs::read_to_string(path) else {
        eprintln!("skipped: there are no vectors at {path}");
        return;
    };
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let now = timestamp(vectors["now"].as_str().unwrap()).unwrap();
    let expected = |case: &Value| match &case["expect_ms"] {
        Value::String(_) => Some(u64::MAX),
        number => number.as_u64(),
    };
    for case in vectors["retry_after"].as_array().unwrap() {
        let value = case["value"].as_str().unwrap();
        let headers = [("Retry-After".to_string(), value.to_string())];
        let hint = resolve(503, &headers, now, &BodyHints::default()).hint;
        assert_eq!(hint.map(|hint| hint.after_ms), expected(case), "{case}");
        if let Some(read) = retry_after::read(value, now) {
            assert_eq!(read.confidence == Confidence::Certain, case["tier"] == "strict", "{case}");
        }
    }
    for case in vectors["rate_limit"].as_array().unwrap() {
        let headers: Vec<(String, String)> = case["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_string()))
            .collect();
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let hint = resolve(status, &headers, now, &BodyHints::default()).hint;
        assert_eq!(hint.map(|hint| hint.after_ms), expected(case), "{case}");
    }
}
