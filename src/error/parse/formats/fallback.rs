//! What is no format at all: JSON of an unknown shape, plain text, nothing, and JSON that cannot be read.

use super::{Confidence, FormatDefinition, LONGEST_MESSAGE, Reading};

pub(super) const UNKNOWN_JSON: FormatDefinition = FormatDefinition {
    name: "unknownJson",
    recognise: |evidence| {
        let body = evidence.body?;
        Some(if body.first(&["error", "errors", "message", "code", "detail"]).is_some() {
            ("the usual names", Confidence::Likely)
        } else {
            ("JSON of no known shape", Confidence::Guess)
        })
    },
    read: |evidence| evidence.generic(),
};

pub(super) const EMPTY: FormatDefinition = FormatDefinition {
    name: "empty",
    recognise: |evidence| evidence.text.trim().is_empty().then_some(("the body is empty", Confidence::Guess)),
    read: |_| Reading::default(),
};

pub(super) const MALFORMED_JSON: FormatDefinition = FormatDefinition {
    name: "malformedJson",
    recognise: |evidence| {
        let promised = evidence.media_type == "application/json" || evidence.media_type.ends_with("+json");
        let start = evidence.text.trim_start();
        let begun = start.starts_with(['{', '[']);
        // A server that sends words as JSON meant the words.
        let says = promised && !begun && !start.contains(['{', '[', '"', '<']);
        (begun || promised && !says).then_some(("JSON that cannot be read", Confidence::Guess))
    },
    read: |_| Reading::default(),
};

pub(super) const TEXT: FormatDefinition = FormatDefinition {
    name: "text",
    recognise: |_| Some(("plain text", Confidence::Guess)),
    read: |evidence| {
        let text = evidence.text.trim();
        Reading { message: (text.len() <= LONGEST_MESSAGE).then(|| text.to_string()), ..Reading::default() }
    },
};
