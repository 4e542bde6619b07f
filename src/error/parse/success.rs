//! Answers that HTTP calls a success and that are none, or not a whole one: `success: false`, `ok: false`, GraphQL errors and
//! error events under 200, warnings, fallbacks.

use super::{Extensions, ResponseParts, body, formats, generic, parse};
use crate::error::ApiError;
use crate::json::Value;
use serde::Serialize;

/// What is to be said of an answer that HTTP calls a success.
#[derive(Debug, Clone, PartialEq)]
pub enum Success {
    /// It is one.
    Whole,
    /// It is one, with problems.
    Degraded(Degraded),
    /// It is an error.
    Failed(Box<ApiError>),
}

/// A success with problems: News Filter's `warnings` and `fallback_used`, and GraphQL's errors beside data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Degraded {
    /// What did not go as it should have.
    pub warnings: Vec<Warning>,
    /// Whether something else stands in for what was asked for.
    pub fallback_used: bool,
    /// Why it does.
    pub fallback_reason: Option<String>,
}

/// One thing that did not go as it should have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// Machine-readable.
    pub code: Option<String>,
    /// For developers.
    pub message: Option<String>,
}

/// More are not read.
const MOST_WARNINGS: usize = 100;

/// Looks at an answer with a status below 400. A body that is not JSON, and no event stream, is taken for what it was asked for.
///
/// Of a long body only the beginning is looked at, where an error or a warning says that it is one.
pub fn inspect(response: &ResponseParts, extensions: &Extensions) -> Success {
    if response.body.len() > LARGEST_INSPECTED {
        let body = response.body.get(..LARGEST_INSPECTED).unwrap_or_default().to_vec();
        return inspect(&ResponseParts { body, truncated: true, ..response.clone_head() }, extensions);
    }
    let text = body::text(response);
    let media_type = body::media_type(response.header("content-type"));
    let failed = formats::grpc_web_failed(response, &media_type, &text) || body::is_failed_stream(&text, &media_type);
    let telling = body::telling(&text, &media_type);
    let Some(document) = body::document(&telling, &media_type, response.truncated) else {
        return if failed { Success::Failed(Box::new(parse(response, extensions))) } else { Success::Whole };
    };
    let root = document.root();
    if failed || extensions.knows(response, &text) || is_error(root) {
        return Success::Failed(Box::new(parse(response, extensions)));
    }
    degraded(root).map_or(Success::Whole, Success::Degraded)
}

/// Whether a body tells of an error rather than giving what was asked for.
fn is_error(body: Value<'_>) -> bool {
    let body = if body.is_array() { body.items().find(|item| item.get("errors").is_some()).unwrap_or(body) } else { body };
    let is = |name, value| body.get(name).and_then(Value::as_bool) == Some(value);
    let tells =
        body.first(&["error", "errors", "message", "msg", "code", "error_code", "error_message", "errmsg", "detail"]).is_some();
    if is("success", false) && tells || is("ok", false) || is("error", true) {
        return true;
    }
    if is("success", true) || is("ok", true) {
        return false;
    }
    // What has an id is a thing that was asked for, be it a job that failed.
    if body.get("id").is_some() && body.get("jsonrpc").is_none() || body.get("done").is_some_and(|done| done.as_bool().is_some())
    {
        return false;
    }
    let has_data = body.first(&["data", "result", "results"]).is_some_and(|data| !data.is_empty());
    let status = body.get("status").and_then(Value::as_str);
    let status_fails = status.is_some_and(|status| matches!(&*status, "error" | "fail" | "failed" | "failure" | "Failure"));
    if status_fails && tells && !has_data {
        return true;
    }
    // WeChat and those like it: a number that is 0 for a success.
    if ["errcode", "error_code", "errno"]
        .iter()
        .any(|name| body.get(name).is_some_and(|code| code.is_number() && code.as_u64() != Some(0)))
    {
        return true;
    }
    if body.text("error_message").is_some() && !has_data {
        return true;
    }
    let error = body.get("error").or_else(|| body.get("Response")?.get("Error"));
    if error.is_some_and(|error| error.is_object() && !error.is_empty() || error.as_str().is_some_and(|text| !text.is_empty())) {
        return !has_data;
    }
    let listed = body.get("errors").is_some_and(|errors| {
        errors.items().next().is_some_and(|first| first.first(&["message", "code", "detail", "title"]).is_some())
    });
    listed && !has_data
}

/// What is wrong with a success, if something is.
fn degraded(body: Value<'_>) -> Option<Degraded> {
    let data = body.get("data");
    let of_either = |names: &[&str]| data.and_then(|data| data.first(names)).or_else(|| body.first(names));
    let listed = |name: &str| body.get(name).filter(|list| list.is_array()).into_iter().flat_map(Value::items);
    // GraphQL: what could be had is there, and what could not is said.
    let partial = listed("errors").filter(|error| error.get("message").is_some() && data.is_some());
    let warnings: Vec<Warning> = listed("warnings").chain(partial).take(MOST_WARNINGS).map(warning).collect();
    let fallback_used = of_either(&["fallback_used", "fallbackUsed"]).and_then(Value::as_bool) == Some(true);
    let fallback_reason = of_either(&["fallback_reason", "fallbackReason"]).and_then(Value::as_str).map(Into::into);
    (fallback_used || !warnings.is_empty()).then_some(Degraded { warnings, fallback_used, fallback_reason })
}

fn warning(entry: Value<'_>) -> Warning {
    if let Some(text) = entry.as_str() {
        return Warning { code: None, message: Some(text.into_owned()) };
    }
    let (code, message) = generic::summary(entry);
    Warning { code, message }
}

/// As much of a body is looked at.
const LARGEST_INSPECTED: usize = 256 << 10;

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::time::WallTime;

    fn look(body: &str) -> Success {
        look_at("application/json", body)
    }

    fn look_at(media_type: &str, body: &str) -> Success {
        let headers = vec![("content-type".to_string(), media_type.to_string())];
        let received_at = WallTime(1_780_315_200_000);
        let response = ResponseParts { status: 200, headers, body: body.into(), truncated: false, received_at };
        inspect(&response, &Extensions::default())
    }

    #[test]
    fn what_was_asked_for_is_a_success_whatever_it_is_about() {
        for body in [
            r#"{"success":true,"data":{"title":"x"}}"#,
            r#"{"errors":[],"data":{"a":1}}"#,
            r#"{"error":null,"data":[1]}"#,
            r#"{"error":"","ok":true}"#,
            r#"{"status":"error","id":7,"results":[{"name":"a job that failed"}]}"#,
            r#"{"errors":[{"message":"logged"}],"results":[{"id":1}],"success":true}"#,
            r#"{"errcode":0,"errmsg":"ok"}"#,
            r#"{"id":7,"state":"failed","error":{"code":"OOM","message":"The job broke"}}"#,
            r#"{"id":7,"status":"failed","message":"Job 7 failed"}"#,
            r#"{"name":"operations/1","done":true,"error":{"code":5,"message":"Not found"}}"#,
            r#"{"error_message":"","candidates":[]}"#,
            r#"{"warnings":[]}"#,
            "[1,2,3]",
            "\"words\"",
            "",
            "<html></html>",
        ] {
            assert_eq!(look(body), Success::Whole, "{body}");
        }
    }

    #[test]
    fn an_error_under_200_is_an_error() {
        for (body, code) in [
            (r#"{"success":false,"error":{"code":429,"message":"Rate limit exceeded"}}"#, Some("429")),
            (r#"{"ok":false,"error":"invalid_auth"}"#, Some("invalid_auth")),
            (r#"{"data":null,"errors":[{"message":"No","extensions":{"code":"FORBIDDEN"}}]}"#, Some("FORBIDDEN")),
            (r#"{"errcode":40001,"errmsg":"invalid credential"}"#, Some("40001")),
            (r#"{"status":"error","message":"No such city"}"#, None),
            (r#"{"error":{"code":498,"message":"Invalid token"}}"#, Some("498")),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"No"}}"#, Some("-32601")),
            (r#"{"Response":{"Error":{"Code":"AuthFailure","Message":"No"},"RequestId":"r"}}"#, Some("AuthFailure")),
        ] {
            let Success::Failed(error) = look(body) else { panic!("{body}") };
            assert_eq!(error.code.as_deref(), code, "{body}");
        }
    }

    #[test]
    fn an_event_that_is_an_error_and_trailers_that_tell_of_one_make_an_error() {
        let stream = "text/event-stream";
        for (media_type, body, code) in [
            (stream, "event: error\ndata: {\"code\":\"OVERLOADED\",\"message\":\"Busy\"}\n\n", "OVERLOADED"),
            (stream, "event: error\rdata: {\"code\":\"OVERLOADED\",\"message\":\"Busy\"}\r\r", "OVERLOADED"),
            (stream, "data: {\"a\":1}\r\n\r\ndata: {\"error\":{\"code\":\"x_y\"}}\r\n\r\ndata: [DONE]\r\n\r\n", "x_y"),
            ("application/grpc-web+proto", "\0\0\0\0\u{2}ab\u{80}\0\0\0\u{20}grpc-status:5\r\ngrpc-message:no\r\n", "NOT_FOUND"),
            ("application/grpc-web-text", "gAAAAB5ncnBjLXN0YXR1czo3DQpncnBjLW1lc3NhZ2U6bm8NCg==", "PERMISSION_DENIED"),
            (
                "application/grpc-web-text",
                "AAAAAAJhYg==gAAAAB5ncnBjLXN0YXR1czo3DQpncnBjLW1lc3NhZ2U6bm8NCg==",
                "PERMISSION_DENIED",
            ),
        ] {
            let Success::Failed(error) = look_at(media_type, body) else { panic!("{body}") };
            assert_eq!(error.code.as_deref(), Some(code), "{body}");
            assert_eq!(error.raw.text, body);
        }
        for (media_type, body) in [
            (stream, "data: {\"a\":1}\n\ndata: {\"error\":null}\n\n"),
            ("application/grpc-web+proto", "\u{80}\0\0\0\u{f}grpc-status:0\r\n"),
            ("application/grpc-web-text", "gAAAAA9ncnBjLXN0YXR1czowDQo="),
        ] {
            assert_eq!(look_at(media_type, body), Success::Whole, "{body}");
        }
    }

    #[test]
    fn a_success_with_warnings_or_a_fallback_is_degraded() {
        let Success::Degraded(warned) = look(
            r#"{"success":true,"data":{},"warnings":[{"code":"PARTIAL_DATA","message":"Some metadata is missing"},"and words"]}"#,
        ) else {
            panic!()
        };
        assert_eq!(warned.warnings[0].code.as_deref(), Some("PARTIAL_DATA"));
        assert_eq!(warned.warnings[1].message.as_deref(), Some("and words"));
        let Success::Degraded(fallback) =
            look(r#"{"success":true,"data":{"fallback_used":true,"fallback_reason":"The scoring service is away"}}"#)
        else {
            panic!()
        };
        assert!(fallback.fallback_used && fallback.fallback_reason.is_some());
        let Success::Degraded(partial) = look(r#"{"data":{"a":1,"b":null},"errors":[{"message":"b failed","path":["b"]}]}"#)
        else {
            panic!()
        };
        assert_eq!(partial.warnings[0].message.as_deref(), Some("b failed"));
    }
}
