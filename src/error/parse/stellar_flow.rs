//! StellarFlow's `{ success: false, error: { code: CATEGORY_SPECIFIC, message, details?, timestamp, requestId,
//! documentation?, recovery? }, recovery? }`. The specification documents `recovery` beside `error`, and every example of it
//! puts it inside: both are read, the inner one first.

use super::{Confidence, Evidence, FormatDefinition, Reading, member};
use crate::error::{RateLimit, Recovery, RecoveryLink, Upstream};
use serde_json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "stellarFlow", recognise, read };

/// The specification's seven categories.
const PREFIXES: [&str; 7] = ["AUTH_", "VALIDATION_", "RESOURCE_", "RATE_", "SYSTEM_", "INTEGRATION_", "BUSINESS_"];

fn recognise(evidence: &Evidence<'_>) -> Option<(&'static str, Confidence)> {
    let error = evidence.error_object()?;
    let body = evidence.json.as_ref()?;
    let code = error.get("code")?.as_str()?;
    let marks = [
        (error.get("recovery").is_some(), "error.recovery"),
        (body.get("recovery").is_some(), "recovery"),
        (error.get("documentation").is_some(), "error.documentation"),
        (error.get("requestId").is_some(), "error.requestId"),
    ];
    if let Some((_, mark)) = marks.into_iter().find(|(there, _)| *there) {
        return Some((mark, Confidence::Certain));
    }
    let shaped = body.get("success")? == &Value::Bool(false) && PREFIXES.iter().any(|prefix| code.starts_with(prefix));
    shaped.then_some(("the code's category prefix", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let (Some(body), Some(error)) = (&evidence.json, evidence.error_object()) else { return Reading::default() };
    let details = error.get("details");
    let recovery = error.get("recovery").or_else(|| body.get("recovery"));
    let detail = |name| details.and_then(|details| member::text(details, name));
    Reading {
        code: member::code(error, "code"),
        message: member::text(error, "message"),
        retry_after_seconds: recovery.and_then(|recovery| member::seconds(recovery, "retryAfter")),
        request_id: member::text(error, "requestId"),
        error_id: detail("errorId"),
        timestamp: member::text(error, "timestamp").or_else(|| detail("timestamp")),
        field_errors: member::field_errors(details),
        recovery: recovery.and_then(read_recovery),
        rate_limit: details.filter(|details| details.get("remaining").is_some() || details.get("limit").is_some()).map(
            |details| RateLimit {
                limit: member::count(details, "limit"),
                remaining: member::count(details, "remaining"),
                ..RateLimit::default()
            },
        ),
        help_link: member::text(error, "documentation"),
        service: detail("service"),
        upstream: details.filter(|details| details.get("service").is_some()).map(|details| Upstream {
            provider: member::text(details, "service"),
            code: None,
            message: member::text(details, "message"),
            status: member::count(details, "statusCode").and_then(|status| u16::try_from(status).ok()),
            raw: Some(details.into()),
        }),
        details: member::any(error, "details"),
        ..Reading::default()
    }
}

/// Every member of `recovery` that is a string, but for the words and the method, is a place to go.
fn read_recovery(recovery: &Value) -> Option<Recovery> {
    let members = recovery.as_object()?;
    let links: Vec<RecoveryLink> = members
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "suggestedAction" | "method"))
        .filter_map(|(name, value)| {
            Some(RecoveryLink {
                rel: name.clone(),
                href: value.as_str()?.to_string(),
                method: if name == "endpoint" { member::text(recovery, "method") } else { None },
            })
        })
        .collect();
    Some(Recovery { suggested_action: member::text(recovery, "suggestedAction"), links })
}
