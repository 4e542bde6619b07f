//! An application's own formats and codes.

use super::vocabulary::help;
use super::{Reading, ResponseParts, fields, generic};
use crate::error::{Category, Confidence, Format, KnownCode, Recovery, RecoveryLink, Severity, Upstream};
use crate::json::{Document, Value};
use crate::policy::hint;

/// A format that an application brings: it looks at a response and, if it knows it, says what it says.
pub trait CustomFormat {
    /// As in [`Format::name`].
    fn name(&self) -> &str;
    /// What the response says, as a JSON object of members as in [`ApiError`](crate::error::ApiError), and `retryAfter` in
    /// seconds; `None` if it is of another format. `text` is the body.
    fn read(&self, response: &ResponseParts, text: &str) -> Option<String>;
}

/// What an application knows of a code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomCode {
    /// The code.
    pub code: String,
    /// What kind of problem it is.
    pub category: Option<Category>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// Whether the same request may succeed later.
    pub retryable: Option<bool>,
}

/// What an application adds to the parser.
#[derive(Default)]
pub struct Extensions {
    /// Its formats, asked in order before all others.
    pub formats: Vec<Box<dyn CustomFormat>>,
    /// Its codes; they overrule the table.
    pub codes: Vec<CustomCode>,
}

impl std::fmt::Debug for Extensions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.formats.iter().map(|format| format.name()).collect();
        out.debug_struct("Extensions").field("formats", &names).field("codes", &self.codes).finish()
    }
}

/// What is known of a code.
pub(super) struct CodeFacts {
    pub(super) category: Option<Category>,
    pub(super) severity: Option<Severity>,
    pub(super) retryable: Option<bool>,
}

impl From<&KnownCode> for CodeFacts {
    fn from(known: &KnownCode) -> Self {
        Self { category: Some(known.category), severity: Some(known.severity), retryable: known.retryable }
    }
}

impl Extensions {
    pub(super) fn read(&self, response: &ResponseParts, text: &str) -> Option<(Format, Reading)> {
        self.formats.iter().find_map(|format| {
            let read = format.read(response, text)?;
            let document = Document::read(&read).filter(|document| document.root().is_object())?;
            let name = format.name().to_string().into();
            let format = Format { name, mark: "the application's format".into(), confidence: Confidence::Certain };
            Some((format, reading(document.root())))
        })
    }

    /// Whether one of the application's formats takes the response for an error.
    pub(super) fn knows(&self, response: &ResponseParts, text: &str) -> bool {
        self.read(response, text).is_some()
    }

    pub(super) fn code(&self, code: &str) -> Option<CodeFacts> {
        let custom = self.codes.iter().find(|custom| custom.code == code)?;
        Some(CodeFacts { category: custom.category, severity: custom.severity, retryable: custom.retryable })
    }
}

/// Reads the members of an error as this SDK names them; what is of a wrong type is as good as not there.
fn reading(object: Value<'_>) -> Reading {
    let timestamp = object.text("timestamp");
    let mut reading = Reading {
        code: object.text("code").or_else(|| object.get("code").and_then(Value::as_digits).map(Into::into)),
        message: object.text("message"),
        user_message: object.text("userMessage"),
        category: object.text("category").as_deref().and_then(Category::from_name),
        severity: object.text("severity").as_deref().and_then(Severity::from_name),
        retryable: object.get("retryable").and_then(Value::as_bool),
        correlation_id: object.text("correlationId"),
        request_id: object.text("requestId"),
        error_id: object.text("errorId"),
        field_errors: object.get("fieldErrors").map(fields::read).unwrap_or_default(),
        recovery: object.get("recovery").map(|recovery| Recovery {
            suggested_action: recovery.text("suggestedAction"),
            links: recovery
                .get("links")
                .into_iter()
                .flat_map(Value::items)
                .filter_map(|link| {
                    Some(RecoveryLink { rel: link.text("rel")?, href: link.text("href")?, method: link.text("method") })
                })
                .collect(),
        }),
        help_link: help(object, "helpLink"),
        service: object.text("service"),
        business_context: object.get("businessContext").map(Value::to_json),
        upstream: object.get("upstream").map(|upstream| Upstream {
            provider: upstream.text("provider"),
            code: upstream.text("code"),
            message: upstream.text("message"),
            status: upstream.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()),
            raw: upstream.get("raw").map(Value::to_json),
        }),
        details: object.get("details").map(Value::to_json),
        ..Reading::default()
    };
    generic::take_delay(&mut reading.hints, object.get("retryAfter"));
    reading.hints.timestamp = timestamp.as_deref().and_then(hint::timestamp);
    reading.timestamp = timestamp;
    reading
}
