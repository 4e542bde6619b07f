//! StellarFlow's `{ success: false, error: { code: CATEGORY_SPECIFIC, message, details?, timestamp, requestId,
//! documentation?, recovery? }, recovery? }`. The specification documents `recovery` beside `error`, and every example of it
//! puts it inside: both are read, the inner one first.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, fields, generic, help};
use crate::error::{RateLimit, Recovery, RecoveryLink, Upstream};
use crate::json::Value;
use crate::policy::hint;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "stellarFlow", recognise, read };

/// The specification's seven categories.
const PREFIXES: [&str; 7] = ["AUTH_", "VALIDATION_", "RESOURCE_", "RATE_", "SYSTEM_", "INTEGRATION_", "BUSINESS_"];

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let (body, error) = (evidence.body?, evidence.error_object()?);
    let code = error.get("code")?.as_str()?;
    let marks = [
        (error.get("recovery").is_some_and(Value::is_object), "error.recovery"),
        (body.get("recovery").is_some_and(Value::is_object), "recovery"),
        (error.get("documentation").is_some(), "error.documentation"),
    ];
    if let Some((_, mark)) = marks.into_iter().find(|(there, _)| *there) {
        return Some((mark, Confidence::Certain));
    }
    if body.get("success")?.as_bool()? {
        return None;
    }
    if PREFIXES.iter().any(|prefix| code.starts_with(prefix)) {
        return Some(("the code's category prefix", Confidence::Likely));
    }
    error.get("requestId").map(|_| ("error.requestId", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let (Some(body), Some(error)) = (evidence.body, evidence.error_object()) else { return Reading::default() };
    let details = error.get("details");
    let recovery = error.get("recovery").or_else(|| body.get("recovery"));
    let detail = |name| details.and_then(|details| details.text(name));
    // The service of any other error is the backend's own.
    let is_integration = error.text("code").is_some_and(|code| code.starts_with("INTEGRATION_"));
    let own_timestamp = error.text("timestamp").or_else(|| detail("timestamp"));
    let mut reading = Reading {
        code: error.text("code"),
        message: error.text("message"),
        request_id: error.text("requestId"),
        error_id: detail("errorId"),
        field_errors: details.map(|details| fields::of_details(details, evidence.response.status)).unwrap_or_default(),
        recovery: recovery.and_then(read_recovery),
        help_link: help(error, "documentation"),
        service: detail("service"),
        upstream: details.filter(|details| is_integration && details.get("service").is_some()).map(|details| Upstream {
            provider: details.text("service"),
            code: None,
            message: details.text("message"),
            status: details.get("statusCode").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()),
            raw: Some(details.to_json()),
        }),
        details: details.map(Value::to_json),
        ..Reading::default()
    };
    let hints = &mut reading.hints;
    hints.until = detail("scheduledUntil").as_deref().and_then(hint::timestamp);
    generic::take_delay(hints, recovery.and_then(|recovery| recovery.get("retryAfter")));
    hints.timestamp = own_timestamp.as_deref().and_then(hint::timestamp);
    hints.rate_limit = details.filter(|details| details.first(&["remaining", "limit"]).is_some()).map(|details| RateLimit {
        limit: details.get("limit").and_then(Value::as_u64),
        remaining: details.get("remaining").and_then(Value::as_u64),
        reset_at: detail("resetAt").as_deref().and_then(hint::timestamp),
        window_ms: detail("window").as_deref().and_then(hint::go_duration).map(crate::time::milliseconds),
    });
    reading.timestamp = own_timestamp;
    reading
}

/// No method of HTTP is longer.
const LONGEST_METHOD: usize = 32;

/// Every member of `recovery` that is a string, but for the words and the method, is a place to go.
fn read_recovery(recovery: Value<'_>) -> Option<Recovery> {
    // Once, and not again for each of many endpoints.
    let method = recovery.text("method").filter(|method| method.len() <= LONGEST_METHOD);
    let links: Vec<_> = recovery
        .members()
        .filter(|(name, _)| !name.is("suggestedAction") && !name.is("method"))
        .filter_map(|(name, value)| {
            Some(RecoveryLink {
                rel: name.as_str().into_owned(),
                href: value.as_str()?.into_owned(),
                method: if name.is("endpoint") { method.clone() } else { None },
            })
        })
        .collect();
    let suggested_action = recovery.text("suggestedAction").or_else(|| recovery.as_str().map(Into::into));
    (suggested_action.is_some() || !links.is_empty()).then_some(Recovery { suggested_action, links })
}
