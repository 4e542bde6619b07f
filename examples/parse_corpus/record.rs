//! One record of a corpus: a response, and what is expected of its reading.
#![allow(clippy::indexing_slicing, reason = "a JSON value that has no such member gives null")]

use serde_json::{Map, Value, json};
use steadfast::error::parse::{Extensions, ResponseParts, parse};
use steadfast::error::{ApiError, HintSource};
use steadfast::time::WallTime;

/// The fields that are compared.
pub(crate) const FIELDS: [&str; 8] =
    ["code", "message", "retryable", "retryAfterMs", "requestId", "fieldErrors", "category", "helpUrl"];

/// When the responses arrive, where a record does not say: Mon, 01 Jun 2026 12:00:00 GMT.
const NOW: WallTime = WallTime(1_780_315_200_000);

/// A response and what is expected of it.
pub(crate) struct Record {
    /// Its name.
    pub(crate) id: String,
    response: ResponseParts,
    expected: Map<String, Value>,
    alternatives: Map<String, Value>,
}

/// How a field's reading compares.
pub(crate) enum Verdict {
    /// It is arguable, and so not counted.
    NotCounted,
    /// As expected, or as an alternative.
    Right,
    /// Something else.
    Wrong {
        /// What was expected.
        expected: Value,
        /// What was read.
        found: Value,
    },
}

impl Record {
    /// Reads a line.
    pub(crate) fn read(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let response = &value["response"];
        let headers = object(&response["headers"])
            .into_iter()
            .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), Into::into)))
            .collect();
        let body = match &response["body"] {
            Value::String(text) => text.clone().into_bytes(),
            Value::Null => Vec::new(),
            other => other.to_string().into_bytes(),
        };
        let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok()).ok_or("no response.status")?;
        let received_at = value["receivedAt"].as_i64().map_or(NOW, WallTime);
        Ok(Self {
            id: value["id"].as_str().ok_or("no id")?.into(),
            response: ResponseParts { status, headers, body, truncated: response["truncated"] == true, received_at },
            expected: object(&value["expected"]),
            alternatives: object(&value["alternatives"]),
        })
    }

    /// What the parser makes of it.
    pub(crate) fn parse(&self) -> ApiError {
        parse(&self.response, &Extensions::default())
    }

    /// Compares the fields, in the order of [`FIELDS`].
    pub(crate) fn compare(&self, error: &ApiError) -> [Verdict; FIELDS.len()] {
        FIELDS.map(|field| {
            let expected = self.expected.get(field).cloned().unwrap_or_default();
            if expected.is_null() && matches!(field, "retryable" | "category") {
                return Verdict::NotCounted;
            }
            let found = value_of(error, field);
            let alternatives = self.alternatives.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if std::iter::once(&expected).chain(alternatives).any(|right| *right == found) {
                Verdict::Right
            } else {
                Verdict::Wrong { expected, found }
            }
        })
    }
}

/// The value of a field, as a corpus writes it.
fn value_of(error: &ApiError, field: &str) -> Value {
    match field {
        "code" => json!(error.code),
        "message" => json!(error.message),
        "retryable" => json!(error.retryable),
        // What the server asks for; that a limit resets some time is not counted.
        "retryAfterMs" => json!(error.retry_hint.filter(|hint| asks(hint.source)).map(|hint| hint.after_ms)),
        "requestId" => json!(reference(error)),
        "category" => json!(error.category.name()),
        "helpUrl" => json!(error.help_link),
        _ => error
            .field_errors
            .iter()
            .map(|error| {
                let mut entry = json!({ "path": error.path, "message": error.message });
                if let Some(constraint) = &error.constraint {
                    entry["code"] = json!(constraint);
                }
                entry
            })
            .collect(),
    }
}

fn asks(source: HintSource) -> bool {
    matches!(source, HintSource::RetryAfterHeader | HintSource::RetryAfterMsHeader | HintSource::Body)
}

/// Whatever id of the request there is to quote, one of the body's first.
fn reference(error: &ApiError) -> Option<&str> {
    let ids = [error.request_id.as_deref(), error.correlation_id.as_deref()];
    let in_body = ids.into_iter().flatten().find(|id| error.raw.text.contains(id));
    in_body.or_else(|| ids.into_iter().flatten().next())
}
