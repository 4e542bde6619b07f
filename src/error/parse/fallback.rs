//! What is no format at all: JSON of an unknown shape, gateways' pages, plain text, nothing, and JSON that breaks off.

use super::{Confidence, FormatDefinition, Reading, member};

/// The longest text that is taken for a message; a longer one is a document.
const LONGEST_MESSAGE: usize = 500;

pub(super) const UNKNOWN_JSON: FormatDefinition = FormatDefinition {
    name: "unknownJson",
    recognise: |evidence| evidence.json.as_ref().map(|_| ("JSON of no known shape", Confidence::Guess)),
    read: |evidence| {
        let Some(body) = &evidence.json else { return Reading::default() };
        let message = ["message", "detail", "title", "description"].into_iter().find_map(|name| member::text(body, name));
        Reading { code: member::code(body, "code"), message, details: Some(body.clone()), ..Reading::default() }
    },
};

pub(super) const EMPTY: FormatDefinition = FormatDefinition {
    name: "empty",
    recognise: |evidence| evidence.text.trim().is_empty().then_some(("the body is empty", Confidence::Guess)),
    read: |_| Reading::default(),
};

pub(super) const HTML: FormatDefinition = FormatDefinition {
    name: "html",
    recognise: |evidence| {
        if matches!(evidence.media_type.as_str(), "text/html" | "application/xhtml+xml") && evidence.text.contains('<') {
            return Some(("the media type", Confidence::Guess));
        }
        let start = evidence.text.trim_start();
        let is_page = ["<!doctype html", "<html"]
            .iter()
            .any(|mark| start.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark)));
        is_page.then_some(("an HTML page", Confidence::Guess))
    },
    read: |evidence| Reading { message: title(evidence.text), ..Reading::default() },
};

pub(super) const MALFORMED_JSON: FormatDefinition = FormatDefinition {
    name: "malformedJson",
    recognise: |evidence| {
        let promised = evidence.media_type == "application/json" || evidence.media_type.ends_with("+json");
        let begun = evidence.text.trim_start().starts_with(['{', '[']);
        if !promised && !begun {
            return None;
        }
        Some(if evidence.truncated {
            ("JSON, longer than the SDK reads", Confidence::Guess)
        } else {
            ("JSON that cannot be read", Confidence::Guess)
        })
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

/// The text of a page's `<title>`.
fn title(page: &str) -> Option<String> {
    // ASCII lower case keeps every byte in its place, so an index into one is an index into the other.
    let lower = page.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let start = open + lower.get(open..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find("</title")?;
    let title = page.get(start..end)?.trim();
    (!title.is_empty() && title.len() <= LONGEST_MESSAGE).then(|| title.to_string())
}
