//! What gateways and frameworks answer with when nobody asked for JSON: HTML pages and XML.

use super::{Confidence, Evidence, FormatDefinition, LONGEST_MESSAGE, Mark, Reading, markup};

/// A page. Its title is what it says; where the title says nothing, as Express' does, the first heading or preformatted
/// text is.
pub(super) const HTML: FormatDefinition = FormatDefinition {
    name: "html",
    recognise: |evidence| {
        let start = without_comments(evidence.text);
        let begins = |mark: &str| start.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
        if ["<!doctype html", "<html", "<head", "<body", "<center", "<h1"].into_iter().any(begins) {
            return Some(("an HTML page", Confidence::Guess));
        }
        let named = matches!(evidence.media_type.as_str(), "text/html" | "application/xhtml+xml");
        (named && start.contains("</")).then_some(("the media type", Confidence::Guess))
    },
    read: |evidence| Reading { message: page_message(evidence.text), ..Reading::default() },
};

/// What follows the comments that a template left before the page.
fn without_comments(page: &str) -> &str {
    let mut start = page.trim_start();
    while let Some((_, rest)) = start.strip_prefix("<!--").and_then(|comment| comment.split_once("-->")) {
        start = rest.trim_start();
    }
    start
}

fn page_message(page: &str) -> Option<String> {
    let title = markup::element(page, &["title"]).filter(|title| !title.eq_ignore_ascii_case("error"));
    title.or_else(|| markup::element(page, &["h1", "pre", "h2", "title", "p"])).filter(|text| text.len() <= LONGEST_MESSAGE)
}

/// XML of no known shape.
pub(super) const XML: FormatDefinition =
    FormatDefinition { name: "xml", recognise: |evidence| recognise_xml(evidence), read: |evidence| read_xml(evidence.text) };

fn read_xml(text: &str) -> Reading {
    const CODE: [&str; 5] = ["faultcode", "code", "errorCode", "error_code", "statusCode"];
    const MESSAGE: [&str; 14] = [
        "faultstring",
        "message",
        "reason",
        "detail",
        "error_description",
        "description",
        "text",
        "title",
        "ServiceException",
        "ExceptionText",
        "error",
        "msg",
        "diagnostics",
        "details",
    ];
    let fault = |name| markup::leaf_after(text, name);
    Reading {
        code: fault("<name>faultCode</name>")
            .or_else(|| markup::leaf(text, &CODE))
            .or_else(|| markup::value_attribute(text, &CODE)),
        message: fault("<name>faultString</name>")
            .or_else(|| markup::leaf(text, &MESSAGE))
            .or_else(|| markup::value_attribute(text, &["diagnostics", "text", "display"])),
        request_id: markup::leaf(text, &["requestId", "request-id", "traceId"]),
        ..Reading::default()
    }
}

fn recognise_xml(evidence: &Evidence<'_>) -> Mark {
    let start = evidence.text.trim_start();
    let named = evidence.media_type.ends_with("/xml") || evidence.media_type.ends_with("+xml");
    (start.starts_with("<?xml") || start.starts_with('<') && (named || start.ends_with('>')))
        .then_some(("XML", Confidence::Guess))
}
