//! The parser against the vectors: every example of the five specifications, field by field, and the errors of some three
//! hundred other services and frameworks.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "../examples/parse_corpus/record.rs"]
mod record;

use record::{FIELDS, Record, Verdict};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The fields that are counted, and what is wrong with the others.
fn compare(text: &str) -> (usize, Vec<String>) {
    let (mut counted, mut wrong) = (0, Vec::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let record = Record::read(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let error = record.parse();
        for (field, verdict) in FIELDS.iter().zip(record.compare(&error)) {
            match verdict {
                Verdict::NotCounted => {}
                Verdict::Right => counted += 1,
                Verdict::Wrong { expected, found } => {
                    counted += 1;
                    wrong.push(format!("{} {field}: expected {expected}, found {found}", record.id));
                }
            }
        }
    }
    (counted, wrong)
}

fn vectors(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)).unwrap()
}

const SPECIFICATIONS: [&str; 5] = ["cosnap", "stellarflow", "oriel", "qwen_proxy", "news_filter"];

#[test]
fn every_example_of_the_five_specifications_is_read_as_it_should_be() {
    for name in SPECIFICATIONS {
        let (counted, wrong) = compare(&vectors(&format!("specs/{name}.jsonl")));
        assert!(counted > 50, "{name}: {counted}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn every_example_of_the_five_specifications_is_read_to_the_last_member() {
    for name in SPECIFICATIONS {
        for line in vectors(&format!("specs/{name}.jsonl")).lines() {
            let record = Record::read(line).unwrap();
            let exact: Value = serde_json::from_str(line).unwrap();
            let mut error = serde_json::to_value(record.parse()).unwrap();
            error["format"] = error["format"]["name"].take();
            for (member, expected) in exact["exact"].as_object().unwrap() {
                assert!(
                    matches(member, expected, &error[member]),
                    "{} {member}: {expected} and not {}",
                    record.id,
                    error[member]
                );
            }
        }
    }
}

/// Whether a member is as it should be: of a limit, a hint and an upstream error, those that are named.
fn matches(member: &str, expected: &Value, found: &Value) -> bool {
    match (member, expected) {
        ("severity", Value::Null) => true,
        // What is empty is left out.
        ("fieldErrors", Value::Array(expected)) if expected.is_empty() => found.is_null(),
        ("rateLimit" | "upstream" | "retryHint", Value::Object(expected)) => {
            expected.iter().all(|(name, value)| &found[name] == value)
        }
        ("recovery", Value::Object(_)) => {
            let sorted = |recovery: &Value| {
                let mut links = recovery["links"].as_array().unwrap().clone();
                links.sort_by_key(|link| link["rel"].to_string());
                (recovery["suggestedAction"].clone(), links)
            };
            sorted(expected) == sorted(found)
        }
        _ => expected == found,
    }
}

#[test]
fn the_errors_of_hundreds_of_services_are_read_as_they_should_be() {
    let (counted, wrong) = compare(&vectors("families.jsonl"));
    assert!(counted > 3500, "{counted}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A larger corpus of what services really send may lie beside the repository; it is third parties' and no part of it.
#[test]
fn what_services_really_send_is_read_right_in_97_of_100_fields() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/error-bodies.jsonl");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("there is no corpus beside the repository");
        return;
    };
    let (counted, wrong) = compare(&text);
    assert!(counted > 900, "{counted}");
    assert!(wrong.len() * 100 <= counted * 3, "{} of {counted}:\n{}", wrong.len(), wrong.join("\n"));
}
