//! What comes from outside is taken whatever it is: the vectors, and bodies that are as large as they get and as nasty as they
//! can be, against the properties that are also fuzzed.
//!
//! Nothing here looks at a clock. A reader whose time grew with the square of what it reads would not come to its end.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[allow(unreachable_pub, clippy::expect_used, clippy::format_push_string, reason = "a library of its own when it is fuzzed")]
#[path = "../fuzz/src/lib.rs"]
mod properties;

use properties::exchange::{self, NOW};
use serde_json::Value;
use std::fs;
use std::path::Path;
use steadfast::call::LARGEST_ERROR_BODY;
use steadfast::error::parse::ResponseParts;

/// The responses of all vectors.
fn vectors() -> Vec<ResponseParts> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files =
        fs::read_dir(vectors.join("specs")).unwrap().map(|entry| entry.unwrap().path()).chain([vectors.join("families.jsonl")]);
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let texts: Vec<String> = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .map(|line| {
            let vector: Value = serde_json::from_str(line).unwrap();
            let response = &vector["response"];
            let headers = response["headers"].as_object().unwrap().iter();
            ResponseParts {
                status: response["status"].as_u64().unwrap().try_into().unwrap(),
                headers: headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_string())).collect(),
                body: response["body"].as_str().unwrap().into(),
                truncated: false,
                received_at: NOW,
            }
        })
        .collect()
}

#[test]
fn every_vector_holds() {
    let vectors = vectors();
    assert!(vectors.len() > 500, "the vectors were not found");
    for response in vectors {
        let written = exchange::write(&response);
        assert_eq!(exchange::read(&written).body, response.body);
        properties::error_response::holds(&written);
        properties::success::holds(&written);
        properties::json::holds(&response.body);
    }
}

#[test]
fn every_vector_that_was_cut_off_holds() {
    for response in vectors() {
        for share in 1..4 {
            let body = response.body[..response.body.len() * share / 4].to_vec();
            properties::error_response::holds(&exchange::write(&ResponseParts { body, truncated: true, ..response.clone() }));
        }
    }
}

/// A body as large as any that is read: a beginning, the same piece over and over, an end.
fn large(beginning: &str, piece: &str, end: &str) -> String {
    format!("{beginning}{}{end}", piece.repeat((LARGEST_ERROR_BODY - beginning.len() - end.len()) / piece.len()))
}

fn holds(headers: &[(&str, &str)], body: &str) {
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<Vec<_>>().concat();
    for status in ["400", "429 cut"] {
        let response = format!("{status}\n{headers}\n{body}");
        properties::error_response::holds(response.as_bytes());
        properties::success::holds(response.as_bytes());
    }
}

#[test]
fn large_markup_is_read() {
    for (media_type, body) in [
        ("text/html", large("", "<", "")),
        ("text/html", large("<html>", "<a", "")),
        ("text/html", large("<html>", "<a ", ">")),
        ("text/html", large("<html>", "<title>", "")),
        ("text/html", large("<html>", "<title>x</titl>", "")),
        ("text/html", large("<html>", "<!", "")),
        ("text/html", large("<html>", "</", "")),
        ("text/html", large("<title>", "&amp;", "</title>")),
        ("text/html", large("<title>", "&", "</title>")),
        ("text/html", large("<title>", "&#x", ";</title>")),
        ("text/html", large("<h1>", "<p>", "</h1>")),
        ("text/html", large("<title></title>", "<p></p>", "")),
        ("application/xml", large("<?xml version='1.0'?>", "<message><a>", "")),
        ("application/xml", large("<Error>", "<Message>", "</Message>")),
        ("application/xml", large("<Error>", "<Code><![CDATA[", "]]></Code>")),
        ("application/xml", large("<", "a:", ">")),
        ("application/xml", large(&"<message>".repeat(200), "<a>", "</message>")),
        (
            "application/xml",
            large(&format!("{}{}", "<message>".repeat(250), "<a></b>".repeat(200)), "</message><message><b></c>", ""),
        ),
        ("application/problem+xml", large("<problem>", "<detail><b ", "</detail>")),
    ] {
        holds(&[("content-type", media_type)], &body);
    }
}

#[test]
fn large_json_is_read() {
    for body in [
        large("", "[", ""),
        large("", "{\"error\":", ""),
        large("", "[{\"errors\":", ""),
        large("[", "[],", "[]]"),
        large("{\"errors\":[", "{},", "{}]}"),
        large("{\"errors\":[", "{\"field\":\"a\",\"message\":\"b\"},", "{}]}"),
        large("{\"error\":{", "\"code\":\"A\",", "\"message\":\"b\"}}"),
        large("{", "\"a\":1,", "\"message\":\"b\"}"),
        large("{", "\"\\u0061\":1,", "\"message\":\"b\"}"),
        large("{\"message\":\"", "\\u0041", "\"}"),
        large("{\"message\":\"", "\\", "\"}"),
        large("{\"message\":\"", "\\ud83d", "\"}"),
        large("{\"message\":\"", "x", "\"}"),
        large("{\"code\":", "9", "}"),
        large("{\"retryAfter\":0.", "9", "}"),
        large("{\"error\":{\"recoverable\":true,\"details\":{", "\"a\":[\"b\"],", "\"c\":[\"d\"]}}}"),
        large("{\"message\":[", "{\"property\":\"a\",\"constraints\":{\"b\":\"c\"}},", "{}]}"),
        large("{\"validation_messages\":{", "\"a\":{\"b\":\"c\"},", "\"d\":{\"e\":\"f\"}}}"),
        large(
            "{\"error\":{\"code\":400,\"status\":\"A\",\"details\":[",
            "{\"@type\":\"BadRequest\",\"fieldViolations\":[{\"field\":\"a\",\"description\":\"b\"}]},",
            "{}]}}",
        ),
        large("{\"success\":false,\"error\":{\"code\":\"AUTH_X\",\"recovery\":{", "\"a\":\"/b\",", "\"c\":\"/d\"}}}"),
        large("{\"warnings\":[", "{\"code\":\"A\"},", "\"b\"],\"data\":{}}"),
        large(")]}',\n[", "\n", "]"),
    ] {
        holds(&[("content-type", "application/json")], &body);
    }
}

#[test]
fn large_json_comes_back() {
    for body in [
        large("", "[", ""),
        large("[", "[],", "[]]"),
        large("{", "\"\\u0061\":1,", "\"message\":\"b\"}"),
        large("[\"", "\\ud83d", "\"]"),
        large("[\"", "x", "\"]"),
        large("[", "0.1e1,", "1]"),
    ] {
        properties::json::holds(body.as_bytes());
    }
}

/// Where one thing is told of many, each with its own copy.
#[test]
fn what_many_fields_share_is_not_copied_without_end() {
    let long = "x".repeat(LARGEST_ERROR_BODY / 2);
    let half = |piece: &str| piece.repeat(LARGEST_ERROR_BODY / 2 / piece.len());
    for body in [
        format!("{{\"errors\":{{\"{long}\":{{{}\"z\":\"z\"}}}}}}", half("\"a\":\"b\",")),
        format!("{{\"errors\":{{\"{long}\":[{}\"z\"]}}}}", half("\"b\",")),
        format!("{{\"errors\":[{{\"message\":\"m\",\"fields\":[{}\"z\"],\"value\":\"{long}\"}}]}}", half("\"a\",")),
        format!("{{\"errors\":[{{\"message\":\"{long}\",\"fields\":[{}\"z\"]}}]}}", half("\"a\",")),
        format!("{{\"errors\":[{{\"field\":\"{long}\",\"messages\":[{}\"z\"]}}]}}", half("\"b\",")),
        format!(
            "{{\"errors\":[{{\"loc\":[\"{long}\",\"b\"],\"msg\":\"m\"}},{}{{}}]}}",
            half("{\"field\":\"a\",\"message\":\"b\"},")
        ),
        format!(
            "{{\"message\":[{{\"property\":\"{long}\",\"children\":[{}{{}}]}}]}}",
            half("{\"property\":\"a\",\"constraints\":{\"b\":\"c\"}},")
        ),
        format!("{{\"message\":[{{\"property\":\"{long}\",\"constraints\":{{{}\"z\":\"c\"}}}}]}}", half("\"b\":\"c\",")),
        format!("{{\"validation_messages\":{{\"{long}\":{{{}\"z\":\"c\"}}}}}}", half("\"b\":\"c\",")),
        format!(
            "{{\"error\":{{\"message\":\"{long}\",\"recoverable\":true,\"details\":{{\"field\":\"a\",\"errors\":[{}{{}}]}}}}}}",
            half("{\"field\":\"a\",\"message\":\"b\"},")
        ),
    ] {
        holds(&[("content-type", "application/json")], &body);
    }
}

#[test]
fn large_texts_and_streams_are_read() {
    for (media_type, body) in [
        ("text/event-stream", large("", "data:\n", "")),
        ("text/event-stream", large("", "data: {\"a\":1}\n\n", "")),
        ("text/event-stream", large("", "event: error\ndata: x\n\n", "")),
        ("text/event-stream", large("data: {\"error\":\"", "\ndata:x", "\"}")),
        ("text/event-stream", large("", "data: [\n", "\n\n")),
        ("application/x-www-form-urlencoded", large("error=", "%41", "&error_description=b")),
        ("application/x-www-form-urlencoded", large("", "a&", "&error=b")),
        ("application/grpc-web+proto", large("", "grpc-status\n", "grpc-status: 3")),
        ("application/grpc-web+proto", large("grpc-status: 3\ngrpc-message: ", "%", "")),
        ("text/plain", large("", "\u{feff}", "")),
        ("text/plain; charset=utf-16", large("", "{\0", "")),
        ("text/plain; charset=iso-8859-1", large("", "\u{e9}", "")),
        ("text/plain", large("", " ", "x")),
        ("text/plain", large("", "\n", "x")),
    ] {
        holds(&[("content-type", media_type)], &body);
    }
}

/// Who reads no more than a part of a body decides that before; what is read gets what it gets.
#[test]
fn a_body_of_five_megabytes_is_read() {
    for (media_type, piece) in
        [("application/json", "[1],"), ("text/html", "<p>x</p>"), ("text/plain", "words "), ("text/html", "<")]
    {
        let body = format!("400 cut\ncontent-type: {media_type}\n\n[{}", piece.repeat((5 << 20) / piece.len()));
        properties::error_response::holds(body.as_bytes());
    }
}

#[test]
fn large_headers_are_read() {
    for (name, value) in [
        ("retry-after", large("", "Mon, 01 Jun 2026 12:00:00 GMT, ", "x")),
        ("retry-after", large("", "1,", "x")),
        ("retry-after", large("", "9", "")),
        ("retry-after-ms", large("0.", "9", "")),
        ("date", large("Mon, 01 Jun 2026 12:00:00 GMT", " ", "")),
        ("ratelimit", large("", "\"a\";r=0;t=1, ", "\"b\";r=0;t=2")),
        ("ratelimit", large("\"a\";r=0", ";t=1", "")),
        ("ratelimit-policy", large("", "\"a\";q=1;w=1, ", "\"b\";q=1;w=1")),
        ("ratelimit-policy", large("(", "(", "")),
        ("x-ratelimit-limit", large("", "1;w=1, ", "2")),
        ("x-ratelimit-reset", large("", "1ms", "")),
        ("x-ratelimit-reset", large("", "2026-06-01T12:00:00Z,", "2026-06-01T12:00:00.")),
        ("www-authenticate", large("Bearer ", "error", "=\"a\"")),
        ("www-authenticate", large("Bearer ", "error =", "\"a\"")),
        ("proxy-status", large("a; ", "error", "=b")),
        ("content-type", large("text/html", ";charset", "=utf-8")),
        ("content-type", large("a/", "b,", "")),
        ("x-error-code", large("", "%4", "")),
    ] {
        holds(&[(name, &value)], "");
        properties::retry_hint::holds(format!("429\n{name}: {value}\n\n").as_bytes());
    }
}

#[test]
fn many_headers_are_read() {
    for name in ["retry-after: 1", "date: Mon, 01 Jun 2026 12:00:00 GMT", "x-a: 1", "x-request-id: a", "ratelimit: \"a\";r=0;t=1"]
    {
        let headers = large("", &format!("{name}\n"), "");
        properties::error_response::holds(format!("429\n{headers}\n").as_bytes());
        properties::retry_hint::holds(format!("429\n{headers}\n").as_bytes());
    }
    let families: Vec<_> = (0..8000).map(|number| format!("x-ratelimit-remaining-{number}: 0\n")).collect();
    properties::retry_hint::holds(format!("429\n{}\n", families.concat()).as_bytes());
}

#[test]
fn large_answers_to_a_batch_are_read() {
    for answer in [
        large("{\"results\":[", "{\"id\":\"action-0\",\"status\":\"retry\"},", "{}]}"),
        large("{\"results\":[{\"id\":\"action-0\",\"status\":\"rejected\",\"error\":{\"message\":\"", "\\ud83d", "\"}}]}"),
        large("{\"results\":[{\"id\":\"action-1\",\"status\":\"conflict\",\"conflict\":{\"server\":[", "[],", "[]]}}]}"),
        large("{\"results\":", "[", ""),
        large("", "\u{feff}", ""),
    ] {
        properties::sync_answer::holds(answer.as_bytes());
    }
}

#[test]
fn large_options_and_rejections_are_read() {
    for text in [
        large("{\"baseUrl\":\"", "x", "\"}"),
        large("{", "\"a\":{},", "\"b\":{}}"),
        large("{\"baseUrl\":\"x\",\"trustedOrigins\":[", "\"https://a\",", "\"https://b\"]}"),
        large("", "[", ""),
        large("TypeError\n", " (", ")"),
        large("TypeError\n", "access-control-allow-", "\n"),
    ] {
        properties::options::holds(text.as_bytes());
        properties::network_failure::holds(text.as_bytes());
    }
}
