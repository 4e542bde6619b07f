//! Cosnap's `StandardErrorResponse`: `{ success: false, error: { code, …, correlationId, userMessage, retryable, severity },
//! context?, businessContext? }`.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, beyond, fields, generic, help};
use crate::error::Severity;
use crate::json::Value;
use crate::policy::hint;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "cosnap", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let error = evidence.error_object()?;
    // StellarFlow's codes travel in the same envelope, with marks of their own.
    error.get("code").filter(|code| code.is_string() && error.get("recovery").is_none())?;
    // Without the envelope, others have one or the other of these members, too.
    let failed = evidence.body?.get("success").and_then(Value::as_bool) == Some(false);
    [
        ("correlationId", "error.correlationId"),
        ("userMessage", "error.userMessage"),
        ("severity", "error.severity"),
        ("retryable", "error.retryable"),
    ]
    .into_iter()
    .find(|(name, _)| error.get(name).is_some())
    .map(|(_, mark)| (mark, if failed { Confidence::Certain } else { Confidence::Likely }))
}

/// The members of its `error`.
const MEMBERS: [&str; 10] = [
    "code",
    "message",
    "details",
    "correlationId",
    "timestamp",
    "userMessage",
    "retryable",
    "retryAfter",
    "helpLink",
    "severity",
];

fn read(evidence: &Evidence<'_>) -> Reading {
    let (Some(body), Some(error)) = (evidence.body, evidence.error_object()) else { return Reading::default() };
    let context = body.get("context");
    let of_context = |name| context.and_then(|context| context.text(name));
    let details = error.get("details");
    let timestamp = error.text("timestamp");
    let more = beyond(evidence, error, &MEMBERS);
    let of_details = details.map(|details| fields::of_details(details, evidence.response.status)).unwrap_or_default();
    let mut reading = Reading {
        code: error.text("code"),
        message: error.text("message"),
        user_message: error.text("userMessage"),
        severity: error.text("severity").and_then(|name| Severity::from_name(&name)),
        retryable: error.get("retryable").and_then(Value::as_bool),
        correlation_id: error.text("correlationId"),
        request_id: of_context("requestId").or(more.request_id),
        field_errors: if of_details.is_empty() { more.field_errors } else { of_details },
        help_link: help(error, "helpLink").or(more.help_link),
        service: of_context("service"),
        business_context: body.get("businessContext").map(Value::to_json),
        details: details.map(Value::to_json),
        error_id: more.error_id,
        hints: more.hints,
        ..Reading::default()
    };
    generic::take_delay(&mut reading.hints, error.get("retryAfter"));
    reading.hints.timestamp = timestamp.as_deref().and_then(hint::timestamp);
    reading.timestamp = timestamp;
    reading
}
