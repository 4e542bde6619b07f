use super::{ApiError, Category, Extensions, ResponseParts, RetryReason, WallTime, parse};
use crate::error::{Confidence, HintSource, Json, Severity, UserAction};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Mon, 01 Jun 2026 12:00:00 GMT.
const NOW: WallTime = WallTime(1_780_315_200_000);

fn read(status: u16, headers: &[(&str, &str)], body: &str) -> ApiError {
    let headers = headers.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
    parse(
        &ResponseParts { status, headers, body: body.as_bytes().to_vec(), truncated: false, received_at: NOW },
        &Extensions::default(),
    )
}

fn read_json_body(status: u16, body: &Value) -> ApiError {
    read(status, &[("Content-Type", "application/json")], &body.to_string())
}

#[test]
fn cosnap_with_all_its_contexts() {
    let body = json!({
        "success": false,
        "error": {
            "code": "AI_PROCESSING_TIMEOUT", "message": "Upstream took 61 s", "details": { "seconds": 61 },
            "correlationId": "req_1_abc", "timestamp": "2025-08-21T10:30:00Z", "userMessage": "Die KI braucht länger",
            "retryable": true, "retryAfter": 30, "helpLink": "https://help.example/ai", "severity": "medium"
        },
        "context": { "endpoint": "/api/effects", "method": "POST", "statusCode": 504, "requestId": "r-9", "service": "runninghub_api" },
        "businessContext": { "impactType": "conversion", "estimatedImpact": 25.99, "userTier": "pro", "feature": "ai_portrait_effect" }
    });
    let error = read_json_body(504, &body);
    assert_eq!((error.format.name.as_ref(), error.format.confidence), ("cosnap", Confidence::Certain));
    assert_eq!(error.code.as_deref(), Some("AI_PROCESSING_TIMEOUT"));
    assert_eq!(error.user_message.as_deref(), Some("Die KI braucht länger"), "the server's words win");
    assert_eq!((error.category, error.severity), (Category::Timeout, Severity::Medium));
    assert_eq!((error.retryable, error.retry_reason), (true, RetryReason::Body));
    let hint = error.retry_hint.unwrap();
    assert_eq!((hint.after_ms, hint.source, hint.at), (30_000, HintSource::Body, WallTime(NOW.0 + 30_000)));
    assert_eq!(error.correlation_id.as_deref(), Some("req_1_abc"));
    assert_eq!((error.request_id.as_deref(), error.service.as_deref()), (Some("r-9"), Some("runninghub_api")));
    assert_eq!(error.help_link.as_deref(), Some("https://help.example/ai"));
    assert_eq!(error.business_context, Some(Json::from(&body["businessContext"])));
    assert_eq!(error.details, Some(Json::from(&json!({ "seconds": 61 }))));
    assert_eq!(error.raw.text, body.to_string());
}

#[test]
fn stellar_flow_puts_recovery_inside_or_outside() {
    for inside in [true, false] {
        let recovery = json!({ "suggestedAction": "Upgrade", "retryAfter": 3600, "alternativeEndpoint": "/api/v2/alternative" });
        let mut body = json!({ "success": false, "error": { "code": "RATE_LIMIT_EXCEEDED", "message": "API rate limit exceeded",
            "details": { "limit": 10000, "window": "1h", "remaining": 0, "resetAt": "2025-07-23T13:00:00Z" } } });
        if inside {
            body["error"]["recovery"] = recovery;
        } else {
            body["recovery"] = recovery;
        }
        // The reset is a year before the body's own: it must lose against Retry-After.
        let error = read(
            429,
            &[("X-RateLimit-Reset", "1721748000"), ("X-RateLimit-Remaining", "0"), ("Retry-After", "3600")],
            &body.to_string(),
        );
        assert_eq!(error.format.name, "stellarFlow");
        assert_eq!((error.category, error.retryable), (Category::RateLimit, true));
        assert_eq!(error.retry_hint.unwrap().after_ms, 3_600_000);
        let recovery = error.recovery.unwrap();
        assert_eq!(recovery.suggested_action.as_deref(), Some("Upgrade"));
        assert_eq!(
            (recovery.links[0].rel.as_str(), recovery.links[0].href.as_str()),
            ("alternativeEndpoint", "/api/v2/alternative")
        );
        let limit = error.rate_limit.unwrap();
        assert_eq!((limit.limit, limit.remaining), (Some(10_000), Some(0)));
    }
}

#[test]
fn stellar_flow_lists_what_is_wrong_with_which_field() {
    let body = json!({ "success": false, "error": { "code": "VALIDATION_ERROR", "message": "Request validation failed", "details": [
        { "field": "data.attributes.maxAgents", "constraint": "max", "message": "Must not exceed 100", "value": 150, "path": "/data/attributes/maxAgents" },
        { "field": "data.attributes.topology", "constraint": "enum", "message": "Must be one of: mesh, ring", "value": "invalid", "allowed": ["mesh", "ring"] } ] } });
    let error = read_json_body(422, &body);
    assert_eq!((error.format.name.as_ref(), error.format.confidence), ("stellarFlow", Confidence::Likely));
    assert_eq!((error.category, error.retryable), (Category::Validation, false));
    assert_eq!(error.field_errors[0].path, "data.attributes.maxAgents");
    assert_eq!(error.field_errors[0].value, Some(Json::from(&json!(150))));
    assert_eq!(error.field_errors[1].constraint.as_deref(), Some("enum"));
    assert_eq!(error.field_errors[1].allowed, Some(Json::from(&json!(["mesh", "ring"]))));
}

#[test]
fn stellar_flow_names_the_service_that_failed() {
    let body = json!({ "success": false, "error": { "code": "INTEGRATION_SERVICE_ERROR", "message": "External service returned an error",
        "details": { "service": "github", "statusCode": 503, "message": "GitHub API is temporarily unavailable" } } });
    let error = read_json_body(502, &body);
    let upstream = error.upstream.unwrap();
    assert_eq!((upstream.provider.as_deref(), upstream.status), (Some("github"), Some(503)));
    assert_eq!((error.service.as_deref(), error.category), (Some("github"), Category::Integration));
}

#[test]
fn news_filter_has_a_numeric_code_and_metadata() {
    let validation = read_json_body(
        400,
        &json!({ "success": false, "error": { "code": 400, "message": "Validation failed",
        "metadata": { "validation_errors": [{ "field": "title", "error": "Title cannot be empty" }] } } }),
    );
    assert_eq!((validation.format.name.as_ref(), validation.code.as_deref()), ("newsFilter", Some("400")));
    assert_eq!(validation.field_errors[0].message.as_deref(), Some("Title cannot be empty"));
    let provider = read_json_body(
        502,
        &json!({ "success": false, "error": { "code": 502, "message": "Error communicating with LLM provider",
        "metadata": { "provider_name": "openai", "raw": { "error": { "message": "Rate limit exceeded", "type": "rate_limit_error", "code": "rate_limit_exceeded" } } } } }),
    );
    let upstream = provider.upstream.unwrap();
    assert_eq!((upstream.provider.as_deref(), upstream.code.as_deref()), (Some("openai"), Some("rate_limit_exceeded")));
    assert!(provider.retryable);
    let plain = read_json_body(404, &json!({ "success": false, "error": { "code": 404, "message": "No such article" } }));
    assert_eq!((plain.format.name.as_ref(), plain.category), ("newsFilter", Category::NotFound));
}

#[test]
fn news_filter_gives_resets_in_milliseconds_and_a_stale_one_says_nothing() {
    let body = |reset: &str| {
        json!({ "success": false, "error": { "code": 429, "message": "Rate limit exceeded",
        "metadata": { "headers": { "X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset } } } })
    };
    let stale = read_json_body(429, &body("1619284800000"));
    assert_eq!((stale.rate_limit.unwrap().limit, stale.rate_limit.unwrap().reset_at), (Some(100), None));
    assert_eq!(stale.retry_hint, None);
    let fresh = read_json_body(429, &body("1780315260000"));
    let hint = fresh.retry_hint.unwrap();
    assert_eq!((hint.after_ms, hint.source), (60_000, HintSource::BodyReset));
}

#[test]
fn oriel_says_whether_it_can_be_recovered_from() {
    let error = read_json_body(
        402,
        &json!({ "error": { "code": "PAYMENT_DECLINED", "message": "Payment declined",
        "details": { "reason": "insufficient_funds" }, "timestamp": "2024-01-01T00:00:00Z", "recoverable": true } }),
    );
    assert_eq!((error.format.name.as_ref(), error.code.as_deref()), ("oriel", Some("PAYMENT_DECLINED")));
    assert_eq!((error.category, error.retryable, error.retry_reason), (Category::Payment, true, RetryReason::Body));
    assert_eq!(error.timestamp.as_deref(), Some("2024-01-01T00:00:00Z"));
    let field = read_json_body(
        422,
        &json!({ "error": { "code": "VALIDATION_ERROR", "message": "Email is required",
        "details": { "field": "email" }, "recoverable": false } }),
    );
    assert_eq!(
        (field.field_errors[0].path.as_str(), field.field_errors[0].message.as_deref()),
        ("email", Some("Email is required"))
    );
}

#[test]
fn qwen_proxy_gives_an_error_id_also_in_a_stream() {
    let body = json!({ "error": { "type": "api_error", "message": "Internal server error", "error_id": "0f8c" } });
    let error = read_json_body(500, &body);
    assert_eq!((error.format.name.as_ref(), error.error_id.as_deref()), ("qwenProxy", Some("0f8c")));
    assert_eq!(error.code.as_deref(), Some("api_error"), "the type stands in for a missing code");
    let stream = "data: {\"choices\":[]}\n\ndata: {\"error\":{\"message\":\"Stream error occurred\",\"type\":\"stream_error\",\"code\":\"ECONNRESET\",\"error_id\":\"77\"}}\n\ndata: [DONE]\n\n";
    let error = read(200, &[("Content-Type", "text/event-stream")], stream);
    assert_eq!((error.format.name.as_ref(), error.code.as_deref()), ("qwenProxy", Some("ECONNRESET")));
}

#[test]
fn the_legacy_shapes() {
    for (body, message) in [
        (r#"{"error":"File too large"}"#, "File too large"),
        (r#"{"success":false,"message":"Upload failed"}"#, "Upload failed"),
        (r#"{"status":500,"error":{"message":"Internal server error"}}"#, "Internal server error"),
    ] {
        let error = read(500, &[("Content-Type", "application/json")], body);
        assert_eq!((error.format.name.as_ref(), error.message.as_deref()), ("legacy", Some(message)));
        assert_eq!(error.code, None);
    }
}

#[test]
fn what_is_no_format_is_said_and_kept() {
    for (body, content_type, name, message) in [
        ("<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>", "text/html", "html", "502 Bad Gateway"),
        ("<HTML><body>no title</body>", "", "html", "HTTP 502"),
        ("", "", "empty", "HTTP 502"),
        ("  \n", "text/plain", "empty", "HTTP 502"),
        ("upstream connect error", "text/plain", "text", "upstream connect error"),
        (r#"{"error":{"code":"A_B","mess"#, "application/json", "malformedJson", "HTTP 502"),
        ("<b>7</b> {not JSON", "application/json", "malformedJson", "HTTP 502"),
        ("words under a wrong label", "application/json", "text", "words under a wrong label"),
        (r#"{"title":"Not a format we know","left":7}"#, "", "unknownJson", "Not a format we know"),
        ("[]", "", "unknownJson", "HTTP 502"),
    ] {
        let error = read(502, &[("content-type", content_type)], body);
        assert_eq!((error.format.name.as_ref(), error.to_string().as_str()), (name, message), "{body}");
        assert_eq!(error.raw.text, body);
        assert_eq!((error.format.confidence, error.retryable), (Confidence::Guess, true));
    }
}

#[test]
fn a_mislabelled_body_and_a_byte_order_mark_are_read_all_the_same() {
    let error = read(400, &[("Content-Type", "text/html")], "\u{feff}{\"error\":\"too bad\"}");
    assert_eq!(error.message.as_deref(), Some("too bad"));
}

#[test]
fn a_body_that_is_longer_than_what_is_read_is_read_as_far_as_it_goes() {
    let entries = r#"{"field":"a","message":"too long"},"#.repeat(3);
    let body =
        format!(r#"{{"code":"VALIDATION_FAILED","message":"Check these","errors":[{entries}{{"field":"b","mess"#).into_bytes();
    let error =
        parse(&ResponseParts { status: 422, headers: vec![], body, truncated: true, received_at: NOW }, &Extensions::default());
    assert_eq!((error.code.as_deref(), error.message.as_deref()), (Some("VALIDATION_FAILED"), Some("Check these")));
    assert_eq!(error.field_errors.len(), 4);
    assert!(error.raw.truncated && error.format.confidence < Confidence::Certain, "{:?}", error.format);
}

#[test]
fn bodies_in_other_charsets_are_read() {
    let utf_16: Vec<u8> = "{\"message\":\"Zu groß\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin_1 = b"{\"message\":\"Zu gro\xdf\"}".to_vec();
    for (content_type, body) in [
        ("application/json", utf_16.clone()),
        ("application/json; charset=utf-16", [b"\xff\xfe".to_vec(), utf_16].concat()),
        ("application/json; charset=ISO-8859-1", latin_1),
        ("application/json; charset=\"iso-8859-1\"", "{\"message\":\"Zu groß\"}".as_bytes().to_vec()),
    ] {
        let headers = vec![("content-type".to_string(), content_type.to_string())];
        let error =
            parse(&ResponseParts { status: 413, headers, body, truncated: false, received_at: NOW }, &Extensions::default());
        assert_eq!(error.message.as_deref(), Some("Zu groß"), "{content_type}");
    }
}

#[test]
fn members_of_the_wrong_type_are_left_out_and_not_fatal() {
    let error = read_json_body(
        500,
        &json!({ "success": "no", "error": { "code": "X", "message": 7, "retryable": "yes",
        "severity": ["high"], "retryAfter": {}, "correlationId": null, "userMessage": "" } }),
    );
    assert_eq!((error.format.name.as_ref(), error.message.as_deref()), ("cosnap", None));
    assert_eq!((error.retryable, error.retry_reason), (true, RetryReason::Status));
    assert_eq!(error.user_message, None);
}

#[test]
fn an_empty_code_is_none() {
    for (name, value, body) in [
        ("grpc-status", "", ""),
        ("content-type", "application/json", r##"{"__type":"#"}"##),
        ("content-type", "application/json", r#"{"error":"","error_description":"none"}"#),
        ("x-error-code", ";", ""),
    ] {
        assert_eq!(read(400, &[(name, value)], body).code, None, "{name}: {value} {body}");
    }
}

#[test]
fn what_many_fields_share_is_not_copied_for_each_without_end() {
    let long = "x".repeat(50_000);
    let many = |piece: &str| vec![piece; 3000].join(",");
    for body in [
        format!(r#"{{"errors":{{"{long}":{{{}}}}}}}"#, many(r#""a":"b""#)),
        format!(r#"{{"errors":[{{"fields":[{}],"message":"m","value":"{long}"}}]}}"#, many(r#""a""#)),
        format!(r#"{{"errors":[{{"fields":[{}],"message":"{long}"}}]}}"#, many(r#""a""#)),
        format!(r#"{{"errors":[{{"field":"{long}","messages":[{}]}}]}}"#, many(r#""b""#)),
        format!(
            r#"{{"message":[{{"property":"{long}","children":[{}]}}]}}"#,
            many(r#"{"property":"a","constraints":{"b":"c"}}"#)
        ),
        format!(r#"{{"validation_messages":{{"{long}":{{{}}}}}}}"#, many(r#""a":"b""#)),
        format!(
            r#"{{"success":false,"error":{{"code":"AUTH_X","recovery":{{"method":"{long}",{}}}}}}}"#,
            many(r#""endpoint":"/a""#)
        ),
    ] {
        let error = read(422, &[("content-type", "application/json")], &body);
        let written = serde_json::to_string(&error).unwrap().len();
        assert!(written < 10 * body.len(), "{written} bytes of {}: {}…", body.len(), &body[..30]);
    }
}

#[test]
fn no_more_fields_are_told_of_than_anyone_could_look_at() {
    let violations = r#"{"@type":"BadRequest","fieldViolations":[{"field":"a","description":"b"}]}"#;
    let body = format!(r#"{{"error":{{"code":400,"status":"A","details":[{}]}}}}"#, vec![violations; 1500].join(","));
    assert_eq!(read(400, &[("content-type", "application/json")], &body).field_errors.len(), 1000);
}

#[test]
fn a_value_beside_several_fields_stays_with_each_if_it_is_short() {
    let body = r#"{"errors":[{"fields":["from","to"],"message":"overlap","value":7}]}"#;
    let error = read(422, &[("content-type", "application/json")], body);
    let values: Vec<_> = error.field_errors.iter().map(|field| field.value.as_ref().unwrap().text()).collect();
    assert_eq!(values, ["7", "7"]);
}

#[test]
fn a_body_of_a_hundred_thousand_brackets_is_refused_and_not_followed() {
    let body = "[".repeat(100_000);
    let error = read(500, &[("Content-Type", "application/json")], &body);
    assert_eq!(error.format.name, "malformedJson");
    assert_eq!(error.raw.text.len(), 100_000);
}

proptest! {
    #[test]
    fn anything_is_parsed_and_its_text_is_kept(
        status in 0_u16..=999,
        body in prop_oneof![".{0,200}", r#"\{"(error|success|message)":(\{"(code|message|recoverable|metadata)":.{0,30}\}|.{0,30})\}"#],
        name in "(?i)(retry-after|content-type|x-request-id|x-correlation-id)",
        value in ".{0,60}",
    ) {
        let error = read(status, &[(&name, &value)], &body);
        prop_assert_eq!(error.raw.text, body.strip_prefix('\u{feff}').unwrap_or(&body));
        prop_assert_eq!(error.status, Some(status));
    }

    #[test]
    fn any_bytes_are_parsed(body in prop::collection::vec(any::<u8>(), 0..300), status in any::<u16>()) {
        let parts = ResponseParts { status, headers: vec![], body: body.clone(), truncated: false, received_at: NOW };
        let error = parse(&parts, &Extensions::default());
        if let Ok(text) = String::from_utf8(body) {
            prop_assert_eq!(error.raw.text, text.strip_prefix('\u{feff}').unwrap_or(&text));
        }
    }
}

#[test]
fn what_is_read_of_a_body_is_never_many_times_as_long_as_the_body() {
    let long = "k".repeat(100_000);
    let many = |entry: fn(usize) -> String| (0..10_000).map(entry).collect::<Vec<_>>().join(",");
    let names = many(|index| format!("\"f{index}\""));
    let texts = many(|index| format!("\"f{index}\":\"a\""));
    let lists = many(|index| format!("\"f{index}\":[\"a\"]"));
    for body in [
        format!(r#"{{"errors":{{"{long}":{{{lists}}}}}}}"#),
        format!(r#"{{"errors":[{{"message":"{long}","fields":[{names}]}}]}}"#),
        format!(r#"{{"errors":[{{"message":"m","value":"{long}","fields":[{names}]}}]}}"#),
        format!(r#"{{"errors":[{{"message":"m","allowed":["{long}"],"fields":[{names}]}}]}}"#),
        format!(r#"{{"errors":[{{"property":"{long}","constraints":{{{texts}}}}}]}}"#),
        format!(r#"{{"errors":[{{"path":"{long}","messages":[{names}]}}]}}"#),
        format!(r#"{{"errors":[{{"source":{{"pointer":"{long}"}},"messages":[{names}]}}]}}"#),
        format!(r#"{{"errors":[{{"name":"{long}","messages":[{names}]}}]}}"#),
        format!(r#"{{"errors":[{{"loc":["{long}"],"messages":[{names}]}}]}}"#),
        format!(r#"{{"validation_messages":{{"{long}":{{{texts}}}}}}}"#),
        format!(r#"{{"error":{{"{long}":[{names}]}}}}"#),
        format!(r#"{{"error":{{{lists}}}}}"#),
    ] {
        let error = read(400, &[], &body);
        let read = serde_json::to_string(&error).unwrap().len();
        assert!(read < 5 * body.len(), "{read} of {}: {}", body.len(), body.get(..60).unwrap());
        assert!(error.field_errors.len() <= 1000, "{}", body.get(..60).unwrap());
    }
}

#[test]
fn a_number_and_a_word_in_capitals_are_not_yet_googles_status() {
    for word in ["ERROR", "FAIL", "", "BAD REQUEST"] {
        let error = read_json_body(500, &json!({ "code": 500, "status": word, "message": "The database is away" }));
        assert_eq!(
            (error.format.name.as_ref(), error.message.as_deref()),
            ("unknownJson", Some("The database is away")),
            "{word}"
        );
    }
    let error = read_json_body(404, &json!({ "error": { "code": 404, "status": "NOT_FOUND", "message": "No" } }));
    assert_eq!((error.format.name.as_ref(), error.code.as_deref()), ("googleRpc", Some("NOT_FOUND")));
}

#[test]
fn what_stands_behind_amazons_gateways_is_read_as_what_it_is() {
    let body = json!({ "detail": [{ "loc": ["body", "age"], "msg": "not an integer", "type": "int_type" }] }).to_string();
    for name in ["x-amz-cf-id", "x-amzn-requestid", "x-amzn-trace-id", "x-amz-apigw-id"] {
        let error = read(422, &[(name, "a")], &body);
        assert_eq!(
            (error.format.name.as_ref(), error.code.as_deref(), error.message.as_deref()),
            ("fastapi", None, None),
            "{name}"
        );
    }
}

#[test]
fn what_others_say_in_an_error_of_a_known_shape_is_not_lost() {
    let error = read_json_body(
        503,
        &json!({ "error": { "code": "ORDER_BUSY", "message": "m", "retryable": true, "requestId": "r-1", "retryAfterMs": 700,
            "fieldErrors": [{ "field": "quantity", "message": "Too many" }], "documentation_url": "https://docs.example/x" } }),
    );
    assert_eq!((error.format.name.as_ref(), error.format.confidence), ("cosnap", Confidence::Likely));
    assert_eq!((error.request_id.as_deref(), error.help_link.as_deref()), (Some("r-1"), Some("https://docs.example/x")));
    assert_eq!((error.field_errors.len(), error.retry_hint.unwrap().after_ms), (1, 700));

    let error = read_json_body(
        503,
        &json!({ "error": { "code": "BUSY", "message": "m", "recoverable": true, "severity": "high", "requestId": "r-1",
            "retryAfter": 7, "userMessage": "Bitte warten" } }),
    );
    assert_eq!((error.format.name.as_ref(), error.retry_reason), ("oriel", RetryReason::Body));
    assert_eq!((error.request_id.as_deref(), error.user_message.as_deref()), (Some("r-1"), Some("Bitte warten")));
    assert_eq!(error.retry_hint.unwrap().after_ms, 7000);

    let error = read_json_body(
        400,
        &json!({ "error": { "type": "invalid_request_error", "message": "Too large", "param": "max_tokens", "error_id": "e-1",
            "code": "too_large", "severity": "error" } }),
    );
    assert_eq!((error.format.name.as_ref(), error.error_id.as_deref()), ("qwenProxy", Some("e-1")));
    assert_eq!(error.field_errors[0].path, "max_tokens");
}

#[test]
fn a_link_that_would_run_as_a_script_is_no_help() {
    for body in [
        json!({ "success": false, "error": { "code": "A_B", "message": "m", "retryable": false, "helpLink": "javascript:alert(1)" } }),
        json!({ "success": false, "error": { "code": "AUTH_X", "message": "m", "documentation": "javascript:alert(1)" } }),
        json!({ "error": "invalid_grant", "error_description": "m", "error_uri": "javascript:alert(1)" }),
        json!({ "errors": [{ "detail": "m", "source": { "pointer": "" }, "links": { "about": "javascript:alert(1)" } }] }),
        json!({ "error": { "code": "x", "message": "m", "help": "data:text/html,x" } }),
    ] {
        assert_eq!(read_json_body(400, &body).help_link, None, "{body}");
    }
}

#[test]
fn the_service_of_an_error_is_a_provider_only_where_the_integration_failed() {
    let of = |code: &str| {
        read_json_body(
            503,
            &json!({ "success": false, "error": { "code": code, "message": "m", "details": { "service": "api" } } }),
        )
    };
    assert_eq!(of("SYSTEM_MAINTENANCE").upstream, None);
    assert_eq!(of("SYSTEM_MAINTENANCE").service.as_deref(), Some("api"));
    assert_eq!(of("INTEGRATION_TIMEOUT").upstream.unwrap().provider.as_deref(), Some("api"));
}

#[test]
fn lists_of_things_are_no_errors_of_fields() {
    for body in [
        json!({ "error": { "code": "A_B", "message": "m", "details": { "tags": ["a", "b"], "regions": ["eu"] } } }),
        json!({ "error": { "code": "A_B", "message": "m", "details": { "conflictingIds": ["1", "2"] } } }),
        json!({ "message": "Out of stock", "data": { "items": ["sku-1", "sku-2"] } }),
        json!({ "routes": ["/a", "/b"] }),
        json!({ "success": false, "error": { "code": "A_B", "message": "m", "retryable": false,
            "details": { "supportedTypes": ["png", "jpg"] } } }),
        json!({ "error": { "type": "card_error", "message": "m", "param": "" } }),
    ] {
        assert_eq!(read_json_body(400, &body).field_errors, [], "{body}");
    }
    let boom = json!({ "statusCode": 400, "error": "Bad Request", "message": "name is required",
        "validation": { "source": "payload", "keys": ["name"] } });
    let fields = read_json_body(400, &boom).field_errors;
    assert_eq!((fields.len(), fields[0].path.as_str()), (1, "name"));
    let words =
        json!({ "error": { "code": "A_B", "message": "m", "details": { "email": ["Required"], "age": ["not a number"] } } });
    assert_eq!(read_json_body(400, &words).field_errors.len(), 2);
}

#[test]
fn the_rejected_and_the_allowed_values_of_a_field_are_kept() {
    let values = |entry: Value| {
        let error = read_json_body(400, &json!({ "message": "m", "errors": [entry] }));
        let field = error.field_errors.into_iter().next().unwrap();
        (field.value.map(|json| json.text().to_string()), field.allowed.map(|json| json.text().to_string()))
    };
    let both = (Some("3".to_string()), Some("[1,2]".to_string()));
    assert_eq!(values(json!({ "field": "a", "message": "m", "provided_value": 3, "allowed_values": [1, 2] })), both);
    assert_eq!(values(json!({ "propertyName": "a", "errorMessage": "m", "attemptedValue": 3 })), (both.0.clone(), None));
    let ajv = json!({ "instancePath": "/a", "keyword": "enum", "params": { "allowedValues": [1, 2] }, "message": "m" });
    assert_eq!(values(ajv), (None, both.1));
}

#[test]
fn words_for_developers_are_not_told_to_users() {
    let thrown =
        json!({ "cause": null, "stackTrace": [{ "className": "a.B" }], "message": "x is null", "localizedMessage": "x is null" });
    assert_eq!(read_json_body(500, &thrown).user_message, None);
    let meant = read_json_body(400, &json!({ "message": "m", "localizedMessage": "Das geht nicht" }));
    assert_eq!(meant.user_message.as_deref(), Some("Das geht nicht"));
}

#[test]
fn a_sentence_is_no_oauth_code_and_a_pending_authorization_is_asked_about_again() {
    let error = read_json_body(400, &json!({ "error": "Something broke here", "error_description": "The thing broke" }));
    assert_eq!((error.code.as_deref(), error.message.as_deref()), (None, Some("The thing broke")));
    let pending = read_json_body(400, &json!({ "error": "authorization_pending" }));
    assert!(pending.retryable && pending.category != Category::Permission);
}

#[test]
fn a_challenge_is_read_with_its_quotes() {
    let challenged = |value: &str| {
        let error = read(401, &[("WWW-Authenticate", value)], "");
        (error.code, error.message)
    };
    let of = |code: &str, message: Option<&str>| (Some(code.to_string()), message.map(ToString::to_string));
    assert_eq!(
        challenged(r#"Bearer error="invalid_token", error_description="a \"quoted\" word""#),
        of("invalid_token", Some("a \"quoted\" word"))
    );
    assert_eq!(
        challenged(r#"Basic realm="x, error=\"no\"", Bearer realm="y", error="invalid_token""#),
        of("invalid_token", None)
    );
    assert_eq!(challenged(r#"Bearer realm="bad, error=evil""#), (None, None));
    assert_eq!(
        challenged("DPoP error=use_dpop_nonce, error_description=\"Use a nonce\""),
        of("use_dpop_nonce", Some("Use a nonce"))
    );
    assert_eq!(challenged("Bearer error=\"never closed"), (None, None));
}

#[test]
fn json_that_was_written_twice_is_read_once_more() {
    let inner = json!({ "error": { "code": "OUT_OF_STOCK", "message": "Nothing left" } }).to_string();
    let body = Value::from(inner).to_string();
    let error = read(400, &[("content-type", "application/json")], &body);
    assert_eq!((error.code.as_deref(), error.message.as_deref()), (Some("OUT_OF_STOCK"), Some("Nothing left")));
    assert_eq!(error.raw.text, body);
}

#[test]
fn a_delay_in_a_body_may_be_a_number_a_duration_or_a_moment() {
    let hint = |value: Value| {
        let bodies = [
            json!({ "message": "m", "retryAfter": value }),
            json!({ "success": false, "error": { "code": "A_B", "message": "m", "retryable": true, "retryAfter": value } }),
            json!({ "success": false, "error": { "code": "RATE_X", "message": "m", "recovery": { "retryAfter": value } } }),
            json!({ "error": { "code": "A_B", "message": "m", "recoverable": true, "details": { "retry_after": value } } }),
        ];
        let hints = bodies.map(|body| read_json_body(429, &body).retry_hint.map(|hint| (hint.after_ms, hint.source)));
        assert!(hints.iter().all(|hint| *hint == hints[0]), "{value}: {hints:?}");
        hints[0]
    };
    assert_eq!(hint(json!(30)), Some((30_000, HintSource::Body)));
    assert_eq!(hint(json!("1.5")), Some((1500, HintSource::Body)));
    assert_eq!(hint(json!("1m30s")), Some((90_000, HintSource::Body)));
    assert_eq!(hint(json!("2026-06-01T12:00:30Z")), Some((30_000, HintSource::BodyReset)));
    assert_eq!(hint(json!(NOW.0 / 1000 + 60)), Some((60_000, HintSource::BodyReset)));
    assert_eq!(hint(json!(NOW.0 + 60_000)), Some((60_000, HintSource::BodyReset)));
    for none in [json!(-1), json!("soon"), json!(true), json!({}), json!("")] {
        assert_eq!(hint(none.clone()), None, "{none}");
    }
}

#[test]
fn the_address_that_was_asked_is_no_help() {
    for name in ["url", "href", "link"] {
        let mut body = json!({ "message": "m" });
        body[name] = json!("https://api.example.com/v1/documents/3");
        assert_eq!(read_json_body(404, &body).help_link, None, "{name}");
        body[name] = json!("https://example.com/docs/users");
        assert_eq!(read_json_body(404, &body).help_link.as_deref(), Some("https://example.com/docs/users"), "{name}");
    }
}

#[test]
fn comments_before_a_page_do_not_hide_it() {
    let error = read(503, &[], "<!-- template 4 --> <!-- x --><html><head><title>Down</title></head></html>");
    assert_eq!((error.format.name.as_ref(), error.message.as_deref()), ("html", Some("Down")));
    assert_eq!(read(503, &[], "<!-- never closed <html>").message, None);
}

#[test]
fn a_recovery_in_words_is_kept_and_an_empty_one_is_none() {
    let with = |recovery: Value| {
        let body = json!({ "success": false, "error": { "code": "AUTH_X", "message": "m", "recovery": recovery } });
        read_json_body(400, &body).recovery
    };
    assert_eq!(with(json!("Try later")).unwrap().suggested_action.as_deref(), Some("Try later"));
    assert_eq!(with(json!({})), None);
    assert_eq!(with(json!(["a"])), None);
}

#[test]
fn odata_keeps_both_its_details_and_its_innermost_code() {
    let error = read_json_body(
        400,
        &json!({ "error": { "code": "BadArgument", "message": "Several", "details": [{ "code": "NullValue", "target": "Phone", "message": "Missing" }],
        "innererror": { "code": "PasswordError", "innererror": { "code": "PasswordDoesNotMeetPolicy" } } } }),
    );
    assert_eq!((error.format.name.as_ref(), error.code.as_deref()), ("odata", Some("BadArgument")));
    assert_eq!((error.field_errors[0].path.as_str(), error.field_errors[0].constraint.as_deref()), ("Phone", Some("NullValue")));
    let details = error.details.unwrap();
    assert!(details.text().contains("PasswordDoesNotMeetPolicy") && details.text().contains("NullValue"), "{details:?}");
}

#[test]
fn a_user_is_not_told_to_try_again_by_a_server_that_wants_to_be_left_alone_for_years() {
    let of = |after: &str| read(503, &[("Retry-After", after)], "").user_action;
    assert_eq!((of("60"), of("99999999999")), (UserAction::Wait, UserAction::ContactSupport));
}
