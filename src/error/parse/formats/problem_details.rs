//! Problem details (RFC 9457, RFC 7807), in JSON and in XML, with the extensions that are in use. Members of a wrong type are
//! ignored (§3.1), the response's status counts, not the body's (§3.1.2), and a relative `type` is a name within the API.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, is_link, markup};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "problemDetails", recognise, read };

fn recognise(evidence: &Evidence<'_>) -> Mark {
    if evidence.media_type.ends_with("problem+json") && evidence.body.is_some_and(Value::is_object) {
        return Some(("the media type", Confidence::Certain));
    }
    let is_xml = evidence.body.is_none() && evidence.text.trim_start().starts_with('<');
    if is_xml && (evidence.media_type.ends_with("problem+xml") || evidence.text.contains("urn:ietf:rfc:7807")) {
        return Some(("the media type", Confidence::Certain));
    }
    let body = evidence.body.filter(|body| body.get("error").is_none())?;
    let is_text = |name| body.get(name).is_some_and(Value::is_string);
    let type_is_uri = body
        .get("type")
        .and_then(Value::as_str)
        .is_some_and(|uri| uri == "about:blank" || uri.contains("://") || uri.starts_with("urn:") || uri.starts_with('/'));
    let shaped = type_is_uri && (is_text("title") || is_text("detail"))
        || is_text("title")
            && body.get("status").is_some_and(Value::is_number)
            && (is_text("detail") || is_text("instance") || is_text("traceId"));
    shaped.then_some(("the members of a problem", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = evidence.body else { return read_xml(evidence.text) };
    let uri = body.text("type").filter(|uri| uri != "about:blank");
    let general = evidence.generic();
    // An extension may be the API's code; else the type is what tells this problem from others.
    let extension = ["code", "errorCode", "error_code"].iter().find_map(|name| {
        let code = body.get(name)?;
        code.as_str().map(Into::into).or_else(|| code.as_digits().map(Into::into))
    });
    Reading {
        code: extension.or_else(|| uri.clone()),
        message: body.text("detail").or_else(|| body.text("title")).or_else(|| body.text("message")),
        help_link: uri.filter(|uri| is_link(uri)).or(general.help_link.clone()),
        details: Some(body.to_json()),
        ..general
    }
}

fn read_xml(text: &str) -> Reading {
    let uri = markup::leaf(text, &["type"]).filter(|uri| uri != "about:blank");
    Reading {
        help_link: uri.clone().filter(|uri| is_link(uri)),
        code: uri,
        message: markup::leaf(text, &["detail", "title"]),
        ..Reading::default()
    }
}
