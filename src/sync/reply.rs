//! What the answer to a whole request says about it.

use crate::broken::{self, Variant};
use crate::call::idempotency::{self, KeyVerdict};
use crate::error::ApiError;
use crate::error::parse::{Extensions, ResponseParts, Success, inspect, parse, text};
use crate::json::{Document, Json};
use crate::policy::gate::GateReason;
use crate::queue::answer::{LARGEST_RESULT, Verdict, conflict};
use crate::queue::request::WholeRequest;
use crate::wire::Conflict;

/// What an answer says about a whole request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// What becomes of it.
    Says(Verdict),
    /// Nothing that settles it: it is sent again, later.
    Unsettled {
        /// What there was instead.
        error: Box<ApiError>,
        /// Why it waits.
        because: GateReason,
        /// Whether the request itself may be the reason.
        counts_against_it: bool,
        /// Whether it has certainly not been carried out.
        is_unseen: bool,
    },
}

/// Who has answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answerer {
    /// Whether a redirect led to another origin than the one that was asked.
    pub(super) is_elsewhere: bool,
    /// Whether it is an origin that gets credentials.
    pub(super) is_trusted: bool,
}

/// Reads the answer to a whole request, which carried its id as its idempotency key.
///
/// Only a success says that it was carried out; a page where something else was expected is none, and neither is what a redirect
/// has brought from elsewhere. What the server will never take is rejected. All else says nothing.
pub(super) fn read(request: &WholeRequest, response: &ResponseParts, answerer: Answerer, extensions: &Extensions) -> Reply {
    let status = response.status;
    if (200..300).contains(&status) {
        return if broken::is(Variant::AcknowledgeOnSuccess) {
            Reply::Says(Verdict::Applied(None))
        } else {
            read_success(request, response, answerer, extensions)
        };
    }
    let mut error = Box::new(parse(response, extensions));
    let of_key = idempotency::judge(&mut error, &response.headers, true);
    let names_a_moment = error.retry_hint.is_some_and(|hint| hint.after_ms > 0);
    // A gateway's answer, and a server that asks for patience, say nothing about what was sent.
    let is_general = matches!(status, 429 | 502..=504) || names_a_moment || error.format.name == "html";
    let later = |error, is_unseen| Reply::Unsettled {
        error,
        because: GateReason::ServerError,
        counts_against_it: !is_general,
        is_unseen,
    };
    match of_key {
        // The first sending is still being worked on: later it gets its answer.
        Some(KeyVerdict::InUse) if error.retryable => return later(error, false),
        // What was answered once is answered again.
        Some(KeyVerdict::Replayed) if status >= 500 => return Reply::Says(Verdict::Rejected(error)),
        Some(KeyVerdict::Reused | KeyVerdict::Unusable) => return Reply::Says(Verdict::Rejected(error)),
        _ => {}
    }
    match status {
        401 | 403 if answerer.is_trusted => Reply::Unsettled {
            error,
            because: GateReason::Authentication,
            // It may be what this user must not do, however well it is known who it is.
            counts_against_it: status == 403,
            is_unseen: true,
        },
        408 | 425 | 429 => later(error, true),
        400..=499 if names_a_moment => later(error, true),
        409 | 412 => Reply::Says(Verdict::Conflict(stands_against(status, response, &error))),
        400..=499 => Reply::Says(Verdict::Rejected(error)),
        _ => later(error, false),
    }
}

fn read_success(request: &WholeRequest, response: &ResponseParts, answerer: Answerer, extensions: &Extensions) -> Reply {
    let no_success = |message| Reply::Unsettled {
        error: Box::new(parse(response, extensions).overruled("RESPONSE_UNREADABLE", message)),
        because: GateReason::ServerError,
        counts_against_it: true,
        is_unseen: false,
    };
    if answerer.is_elsewhere {
        return no_success("A redirect led to another origin; what answered there is not what was asked.");
    }
    let is_page = || {
        response.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
            || !response.body.is_empty() && parse(response, extensions).format.name == "html"
    };
    // What asks for pages gets them.
    let wants_page = request.header("accept").is_some_and(|accept| accept.to_ascii_lowercase().contains("html"));
    if !wants_page && is_page() {
        return no_success("The answer is a page; it may not be the backend's.");
    }
    match inspect(response, extensions) {
        Success::Failed(error) if error.retryable => Reply::Unsettled {
            counts_against_it: error.retry_hint.is_none_or(|hint| hint.after_ms == 0),
            error,
            because: GateReason::ServerError,
            is_unseen: false,
        },
        Success::Failed(error) => Reply::Says(Verdict::Rejected(error)),
        Success::Whole | Success::Degraded(_) => Reply::Says(Verdict::Applied(result(response))),
    }
}

/// What came of it, if that is JSON of a size that can be kept.
fn result(response: &ResponseParts) -> Option<Json> {
    if response.body.len() > LARGEST_RESULT.saturating_mul(4) || response.truncated {
        return None;
    }
    let text = text(response);
    let result = Document::read(text.trim())?.root().to_json();
    (result.text().len() <= LARGEST_RESULT && result.text() != "null").then_some(result)
}

/// What stands against a request that was answered 409 or 412: what the answer says of a conflict or, if it says nothing of one, the
/// whole of it.
fn stands_against(status: u16, response: &ResponseParts, error: &ApiError) -> Conflict {
    let text = text(response);
    let document = Document::read(text.trim());
    let body = document.as_ref().map(Document::root);
    if let Some(told) = body.and_then(|body| body.get("conflict")).filter(|told| told.is_object()) {
        return conflict(Some(told));
    }
    let usual = if status == 412 { "precondition_failed" } else { "conflict" };
    Conflict {
        conflict_type: error.code.clone().unwrap_or_else(|| usual.into()),
        resolution: None,
        server: body.map(|body| body.get("server").unwrap_or(body).to_json()),
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::queue::request::tests::request;
    use crate::time::WallTime;

    const BACKEND: Answerer = Answerer { is_elsewhere: false, is_trusted: true };
    const STRANGER: Answerer = Answerer { is_elsewhere: false, is_trusted: false };
    const REDIRECTED: Answerer = Answerer { is_elsewhere: true, is_trusted: true };

    const PAGE: &str = "<!doctype html><title>Welcome to the airport</title>";
    const PLAIN: &[(&str, &str)] = &[];
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    const HTML: &[(&str, &str)] = &[("content-type", "text/html; charset=utf-8")];
    const SOON: &[(&str, &str)] = &[("retry-after", "7")];
    const KEPT: &[(&str, &str)] = &[("idempotent-replayed", "true")];

    fn answer(answerer: Answerer, status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let response = ResponseParts { status, headers, body: body.into(), truncated: false, received_at: WallTime(0) };
        read(&request("PUT", "https://api.example/drafts/7"), &response, answerer, &Extensions::default())
    }

    /// In a word: `+` what is settled, `?` what is not.
    fn shown(reply: &Reply) -> String {
        match reply {
            Reply::Says(Verdict::Applied(result)) => ["+applied ", result.as_ref().map_or("nothing", Json::text)].concat(),
            Reply::Says(Verdict::Conflict(conflict)) => {
                ["+conflict ", &conflict.conflict_type, " ", conflict.server.as_ref().map_or("nothing", Json::text)].concat()
            }
            Reply::Says(Verdict::Rejected(error)) => ["+rejected ", error.code.as_deref().unwrap_or("no code")].concat(),
            Reply::Says(_) => "+something else".into(),
            Reply::Unsettled { because, counts_against_it, is_unseen, .. } => {
                let its_own = if *counts_against_it { " its own?" } else { "" };
                let unseen = if *is_unseen { " unseen" } else { "" };
                format!("?{because:?}{its_own}{unseen}")
            }
        }
    }

    #[test]
    fn each_answer_says_what_becomes_of_the_request() {
        let failure = r#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"Title is required"}}"#;
        let passing = r#"{"success":false,"error":{"code":"SERVICE_UNAVAILABLE","message":"m","retryable":true}}"#;
        let in_use = r#"{"type":"https://api.example/idempotency","title":"A request with this Idempotency-Key is outstanding"}"#;
        let reused = r#"{"title":"This Idempotency-Key was used with a different payload"}"#;
        for (answerer, status, headers, body, expected) in [
            // Successes.
            (BACKEND, 200, JSON, r#"{"id": "d7"}"#, r#"+applied {"id": "d7"}"#),
            (BACKEND, 201, JSON, "[1]", "+applied [1]"),
            (BACKEND, 204, PLAIN, "", "+applied nothing"),
            (BACKEND, 200, PLAIN, "OK", "+applied nothing"),
            (BACKEND, 200, JSON, "null", "+applied nothing"),
            (STRANGER, 200, JSON, "{}", "+applied {}"),
            // What looks like one.
            (BACKEND, 200, HTML, PAGE, "?ServerError its own?"),
            (BACKEND, 200, PLAIN, PAGE, "?ServerError its own?"),
            (BACKEND, 200, HTML, "", "?ServerError its own?"),
            (REDIRECTED, 200, JSON, "{}", "?ServerError its own?"),
            (BACKEND, 200, JSON, failure, "+rejected VALIDATION_ERROR"),
            (BACKEND, 200, JSON, passing, "?ServerError its own?"),
            // What stands against it.
            (BACKEND, 409, JSON, r#"{"version":8}"#, r#"+conflict conflict {"version":8}"#),
            (BACKEND, 412, JSON, r#"{"server":{"v":8}}"#, r#"+conflict precondition_failed {"v":8}"#),
            (BACKEND, 409, JSON, r#"{"conflict":{"conflictType":"version","server":1}}"#, "+conflict version 1"),
            (BACKEND, 409, PLAIN, "", "+conflict conflict nothing"),
            (BACKEND, 409, SOON, "", "?ServerError unseen"),
            (BACKEND, 409, JSON, in_use, "?ServerError its own?"),
            // What the server will never take.
            (BACKEND, 400, PLAIN, "", "+rejected no code"),
            (BACKEND, 404, HTML, PAGE, "+rejected no code"),
            (BACKEND, 410, PLAIN, "", "+rejected no code"),
            (BACKEND, 413, PLAIN, "", "+rejected no code"),
            (BACKEND, 422, JSON, failure, "+rejected VALIDATION_ERROR"),
            (BACKEND, 422, JSON, reused, "+rejected IDEMPOTENCY_KEY_REUSED"),
            (BACKEND, 405, PLAIN, "", "+rejected no code"),
            (BACKEND, 413, SOON, "", "?ServerError unseen"),
            (BACKEND, 500, KEPT, "", "+rejected no code"),
            // Who is not let in.
            (BACKEND, 401, PLAIN, "", "?Authentication unseen"),
            (BACKEND, 403, PLAIN, "", "?Authentication its own? unseen"),
            (STRANGER, 401, PLAIN, "", "+rejected no code"),
            (STRANGER, 403, PLAIN, "", "+rejected no code"),
            // What says nothing of it.
            (BACKEND, 408, PLAIN, "", "?ServerError its own? unseen"),
            (BACKEND, 425, PLAIN, "", "?ServerError its own? unseen"),
            (BACKEND, 429, SOON, "", "?ServerError unseen"),
            (BACKEND, 500, PLAIN, "", "?ServerError its own?"),
            (BACKEND, 502, PLAIN, "", "?ServerError"),
            (BACKEND, 503, PLAIN, "", "?ServerError"),
            (BACKEND, 504, HTML, PAGE, "?ServerError"),
            (BACKEND, 304, PLAIN, "", "?ServerError its own?"),
            (BACKEND, 0, PLAIN, "", "?ServerError its own?"),
        ] {
            let reply = answer(answerer, status, headers, body);
            let shown = shown(&reply);
            let coded = shown.starts_with("+rejected ") && expected == "+rejected no code";
            assert!(coded || shown == expected, "{status} {headers:?} {body}: {shown}, not {expected}");
        }
    }

    #[test]
    fn who_asks_for_a_page_gets_one() {
        let mut asks = request("POST", "https://api.example/forms");
        asks.headers.push(("Accept".into(), "text/html".into()));
        let headers = vec![("content-type".into(), "text/html".into())];
        let response = ResponseParts { status: 200, headers, body: PAGE.into(), truncated: false, received_at: WallTime(0) };
        assert_eq!(read(&asks, &response, BACKEND, &Extensions::default()), Reply::Says(Verdict::Applied(None)));
    }

    #[test]
    fn a_result_that_is_too_large_to_keep_is_none() {
        let large = format!("\"{}\"", "x".repeat(LARGEST_RESULT));
        assert_eq!(answer(BACKEND, 200, JSON, &large), Reply::Says(Verdict::Applied(None)));
    }
}
