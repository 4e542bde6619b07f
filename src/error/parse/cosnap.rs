//! Cosnap's `StandardErrorResponse`: `{ success: false, error: { code, …, correlationId, userMessage, retryable, severity },
//! context?, businessContext? }`.

use super::{Confidence, Evidence, FormatDefinition, Reading, member};
use crate::error::Severity;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "cosnap", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Option<(&'static str, Confidence)> {
    let error = evidence.error_object()?;
    error.get("code")?.as_str()?;
    [
        ("correlationId", "error.correlationId"),
        ("userMessage", "error.userMessage"),
        ("severity", "error.severity"),
        ("retryable", "error.retryable"),
    ]
    .into_iter()
    .find(|(name, _)| error.get(*name).is_some())
    .map(|(_, mark)| (mark, Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let (Some(body), Some(error)) = (&evidence.json, evidence.error_object()) else { return Reading::default() };
    let context = body.get("context");
    Reading {
        code: member::code(error, "code"),
        message: member::text(error, "message"),
        user_message: member::text(error, "userMessage"),
        severity: member::text(error, "severity").and_then(|name| Severity::from_name(&name)),
        retryable: member::flag(error, "retryable"),
        retry_after_seconds: member::seconds(error, "retryAfter"),
        correlation_id: member::text(error, "correlationId"),
        request_id: context.and_then(|context| member::text(context, "requestId")),
        timestamp: member::text(error, "timestamp"),
        field_errors: member::field_errors(error.get("details")),
        help_link: member::text(error, "helpLink"),
        service: context.and_then(|context| member::text(context, "service")),
        business_context: member::any(body, "businessContext"),
        details: member::any(error, "details"),
        ..Reading::default()
    }
}
