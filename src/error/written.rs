//! How an error is written as JSON.

use super::{
    ApiError, Category, Confidence, FieldError, Format, HintSource, RateLimit, RawBody, Recovery, RecoveryLink, RequestFacts,
    RetryHint, RetryReason, Severity, Upstream, UserAction,
};
use crate::json::{Json, ToJson, to_json};
use serde::{Serialize, Serializer};

to_json!(Category, Confidence, HintSource, RetryReason, Severity, UserAction);
to_json!(FieldError: "path" path, "message" message, "constraint" constraint, "value" value, "allowed" allowed);
to_json!(Format: "name" name, "mark" mark, "confidence" confidence);
to_json!(RateLimit: "limit" limit, "remaining" remaining, "resetAt" reset_at, "windowMs" window_ms);
to_json!(RawBody: "text" text, "truncated" truncated, "contentType" content_type);
to_json!(Recovery: "suggestedAction" suggested_action, "links" links);
to_json!(RecoveryLink: "rel" rel, "href" href, "method" method);
to_json!(RequestFacts: "method" method, "url" url, "attempts" attempts);
to_json!(RetryHint: "afterMs" after_ms, "at" at, "source" source, "confidence" confidence);
to_json!(Upstream: "provider" provider, "code" code, "message" message, "status" status, "raw" raw);

/// In camel case, without the members that are `None` or empty.
impl ToJson for ApiError {
    fn write(&self, out: &mut String) {
        // Name and value of what is always there, then of what may be left out.
        macro_rules! member {
            ($name:literal, $value:expr) => {
                out.push_str(concat!(",\"", $name, "\":"));
                $value.write(out);
            };
        }
        macro_rules! optional {
            ($name:literal, $value:expr) => {
                if let Some(value) = &$value {
                    member!($name, value);
                }
            };
        }
        out.push_str("{\"category\":");
        self.category.write(out);
        member!("severity", self.severity);
        member!("retryable", self.retryable);
        member!("retryReason", self.retry_reason);
        member!("userAction", self.user_action);
        member!("raw", self.raw);
        member!("format", self.format);
        for (name, text) in [
            (",\"code\":", &self.code),
            (",\"message\":", &self.message),
            (",\"userMessage\":", &self.user_message),
            (",\"correlationId\":", &self.correlation_id),
            (",\"requestId\":", &self.request_id),
            (",\"errorId\":", &self.error_id),
            (",\"timestamp\":", &self.timestamp),
            (",\"helpLink\":", &self.help_link),
            (",\"service\":", &self.service),
        ] {
            if let Some(text) = text {
                out.push_str(name);
                text.write(out);
            }
        }
        optional!("status", self.status);
        optional!("retryHint", self.retry_hint);
        optional!("recovery", self.recovery);
        optional!("rateLimit", self.rate_limit);
        optional!("businessContext", self.business_context);
        optional!("upstream", self.upstream);
        optional!("details", self.details);
        optional!("request", self.request);
        if !self.field_errors.is_empty() {
            member!("fieldErrors", self.field_errors);
        }
        out.push('}');
    }
}

impl Serialize for ApiError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Json::of(self).serialize(serializer)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::parse::{Extensions, ResponseParts, parse};
    use crate::time::WallTime;
    use serde_json::{Value, json, to_value};

    fn written(value: &impl ToJson) -> Value {
        serde_json::from_str(Json::of(value).text()).unwrap()
    }

    #[test]
    fn every_part_of_an_error_is_written_as_it_is_serialised() {
        let link = RecoveryLink { rel: "statusPage".into(), href: "/status?\"a\\b\"".into(), method: None };
        let recovery =
            Recovery { suggested_action: Some("Wait\n\u{1}\u{1f}\u{7f}é😀".into()), links: vec![link.clone(), link] };
        assert_eq!(written(&recovery), to_value(&recovery).unwrap());
        let field = FieldError {
            path: "a.b".into(),
            constraint: Some("max".into()),
            value: Some(Json::from(&json!([150]))),
            ..FieldError::default()
        };
        assert_eq!(written(&field), to_value(&field).unwrap());
        let upstream = Upstream { provider: Some("openai".into()), status: Some(429), ..Upstream::default() };
        assert_eq!(written(&upstream), to_value(&upstream).unwrap());
        let limit = RateLimit { remaining: Some(0), reset_at: Some(WallTime(-1)), window_ms: Some(u64::MAX), limit: None };
        assert_eq!(written(&limit), to_value(limit).unwrap());
        let raw = RawBody { text: "\t\r".into(), truncated: true, content_type: Some(String::new()) };
        assert_eq!(written(&raw), to_value(&raw).unwrap());
        let request = RequestFacts { method: "GET".into(), url: "https://example.com/".into(), attempts: 3 };
        assert_eq!(written(&request), to_value(&request).unwrap());
        for source in [
            HintSource::RetryAfterHeader,
            HintSource::RetryAfterMsHeader,
            HintSource::RateLimitHeader,
            HintSource::RateLimitResetHeader,
            HintSource::Body,
            HintSource::BodyReset,
            HintSource::EarlierAnswer,
            HintSource::CircuitBreaker,
        ] {
            let hint = RetryHint { after_ms: 1, at: WallTime(i64::MIN), source, confidence: Confidence::Certain };
            assert_eq!(written(&hint), to_value(hint).unwrap());
        }
        for confidence in [Confidence::Guess, Confidence::Likely, Confidence::Certain] {
            let format = Format { name: "none".into(), mark: "".into(), confidence };
            assert_eq!(written(&format), to_value(&format).unwrap());
        }
        for severity in [Severity::Low, Severity::Medium, Severity::High, Severity::Critical] {
            assert_eq!(written(&severity), to_value(severity).unwrap());
        }
        for reason in [
            RetryReason::Body,
            RetryReason::Header,
            RetryReason::Code,
            RetryReason::Hint,
            RetryReason::Status,
            RetryReason::Network,
            RetryReason::Idempotency,
        ] {
            assert_eq!(written(&reason), to_value(reason).unwrap());
        }
    }

    #[test]
    fn what_an_error_does_not_say_is_left_out() {
        let response = ResponseParts {
            status: 503,
            headers: vec![("Retry-After".into(), "120".into())],
            body:
                br#"{"error":{"code":"BUSY","message":"All renderers are \"busy\"","details":{"queue":[1]},"recoverable":true}}"#
                    .to_vec(),
            truncated: false,
            received_at: WallTime(0),
        };
        let error = parse(&response, &Extensions::default());
        let expected = json!({
            "code": "BUSY",
            "message": "All renderers are \"busy\"",
            "category": "unavailable",
            "severity": "high",
            "status": 503,
            "retryable": true,
            "retryReason": "body",
            "userAction": "wait",
            "retryHint": { "afterMs": 120_000, "at": 120_000, "source": "retryAfterHeader", "confidence": "certain" },
            "details": { "queue": [1] },
            "raw": { "text": error.raw.text, "truncated": false, "contentType": null },
            "format": { "name": "oriel", "mark": error.format.mark, "confidence": "certain" },
        });
        assert_eq!(written(&error), expected);
        assert_eq!(to_value(&error).unwrap(), expected);
    }
}
