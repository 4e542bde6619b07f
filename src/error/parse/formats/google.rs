//! `google.rpc.Status` as Google's APIs and gRPC gateways send it (AIP-193): `{ error: { code, message, status, details } }`
//! or the bare status, with the standard details by their `@type`.

use super::{Confidence, Evidence, FormatDefinition, GRPC_CODES, Mark, Reading, fields, generic, is_link};
use crate::json::Value;
use crate::policy::hint;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "googleRpc", recognise, read };

/// The status itself: inside `error`, bare, or in the list that a stream of answers is.
fn status<'a>(evidence: &Evidence<'a>) -> Option<Value<'a>> {
    let body = evidence.body?;
    let body = if body.is_array() { body.items().next()? } else { body };
    body.get("error").filter(|error| error.is_object()).or(Some(body))
}

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let status = status(evidence)?;
    let details = status.get("details").filter(|details| details.is_array());
    if details.is_some_and(|details| details.items().any(|detail| detail.get("@type").is_some())) {
        return Some(("details[].@type", Confidence::Certain));
    }
    if !status.get("code")?.is_number() {
        return None;
    }
    // Not just any word in capitals: `ERROR` and `FAIL` beside a number are many an API's own.
    if status.get("status").and_then(Value::as_str).is_some_and(|name| GRPC_CODES.contains(&&*name)) {
        return Some(("error.status", Confidence::Certain));
    }
    let legacy = status.get("errors").is_some_and(|errors| errors.items().any(|error| error.get("domain").is_some()));
    if legacy {
        return Some(("errors[].domain", Confidence::Certain));
    }
    // gRPC-Gateway writes the bare status, its details always a list.
    (details.is_some() && status.get("message").is_some()).then_some(("code, message and details", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let (Some(body), Some(status)) = (evidence.body, status(evidence)) else { return Reading::default() };
    let mut reading = generic::read_common(body);
    let details = status.get("details");
    let legacy = status.get("errors");
    reading.code =
        status.text("status").or_else(|| legacy.and_then(|errors| errors.items().next()?.text("reason"))).or_else(|| {
            status.get("code").and_then(|code| code.as_digits().map(Into::into).or_else(|| code.as_str().map(Into::into)))
        });
    reading.message = status.text("message").or_else(|| status.text("error"));
    for detail in details.into_iter().flat_map(Value::items) {
        read_detail(detail, &mut reading);
    }
    if reading.field_errors.is_empty() {
        reading.field_errors = legacy.map(fields::list).unwrap_or_default();
    }
    reading.details = details.or(legacy).map(Value::to_json);
    reading
}

/// The standard details (`google/rpc/error_details.proto`), by the last part of their type.
fn read_detail(detail: Value<'_>, reading: &mut Reading) {
    let kind = detail.text("@type").unwrap_or_default();
    match kind.rsplit(['/', '.']).next().unwrap_or_default() {
        "RetryInfo" => reading.hints.after = detail.text("retryDelay").as_deref().and_then(hint::protobuf_duration),
        "BadRequest" => reading.field_errors.extend(detail.get("fieldViolations").map(fields::list).unwrap_or_default()),
        "ErrorInfo" => reading.service = detail.text("domain").or(reading.service.take()),
        "LocalizedMessage" => reading.user_message = detail.text("message"),
        "Help" => {
            let links = detail.get("links").into_iter().flat_map(Value::items);
            reading.help_link = links.filter_map(|link| link.text("url")).find(|url| is_link(url)).or(reading.help_link.take());
        }
        "RequestInfo" => reading.request_id = detail.text("requestId").or(reading.request_id.take()),
        // What a quota failed on, the resource and what helps to debug are for developers: they stay in the details.
        _ => {}
    }
}
