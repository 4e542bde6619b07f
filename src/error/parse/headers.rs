//! What the headers say of an error when the body does not.

use super::{ResponseParts, percent_decoded};

/// The ids that headers give.
#[derive(Default)]
pub(super) struct Ids {
    /// The server's id of the request; if there is nothing else, the one that a content delivery network gave it.
    pub(super) request: Option<String>,
    /// The id that follows the call through all services.
    pub(super) correlation: Option<String>,
}

/// Reads the ids that headers give, by how the headers are named.
pub(super) fn ids(response: &ResponseParts) -> Ids {
    let mut ids = Ids::default();
    let (mut trace, mut network) = (None, None);
    for (name, value) in &response.headers {
        let value = value.trim();
        if value.is_empty() || value.len() > 256 {
            continue;
        }
        let is = |endings: &[&str]| {
            endings.iter().any(|ending| {
                let start = name.len().checked_sub(ending.len());
                start.and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(ending))
            })
        };
        let place = if is(&["request-id", "requestid", "request_id", "-tid"]) {
            // The plain header wins over a vendor's own.
            if name.eq_ignore_ascii_case("x-request-id") || name.eq_ignore_ascii_case("request-id") {
                ids.request = None;
            }
            &mut ids.request
        } else if is(&["correlation-id", "correlationid"]) {
            &mut ids.correlation
        } else if is(&["trace-id", "traceid", "transaction-id", "debug-id"]) {
            &mut trace
        } else if is(&["cf-ray", "x-amz-cf-id", "x-vercel-id", "akamai-grn"]) {
            &mut network
        } else {
            continue;
        };
        place.get_or_insert_with(|| value.to_string());
    }
    ids.request = ids.request.or(trace);
    if ids.correlation.is_none() {
        ids.request = ids.request.or(network);
    }
    ids
}

/// What `WWW-Authenticate` says went wrong (RFC 6750 §3, RFC 9449 §7.1): the code and the words.
pub(super) fn challenge(response: &ResponseParts) -> Option<(String, Option<String>)> {
    let value = response.header("www-authenticate")?;
    let at = ["bearer ", "dpop "].iter().find_map(|scheme| value.to_ascii_lowercase().find(scheme))?;
    let challenge = value.get(at..)?;
    let code = parameter(challenge, "error")?;
    let is_code = !code.is_empty() && code.len() <= 64 && !code.contains(char::is_whitespace);
    is_code.then(|| (code, parameter(challenge, "error_description")))
}

/// A parameter of a header, quoted or not (RFC 9110 §5.6.4, §5.6.6); what is in another's quotes is none.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header;
    let mut after_boundary = false;
    while let Some(next) = rest.chars().next() {
        if next == '"' {
            rest = quoted(rest).1;
        } else if after_boundary
            && let Some(value) = rest.strip_prefix(name).and_then(|after| after.trim_start().strip_prefix('='))
        {
            let value = value.trim_start();
            return Some(if value.starts_with('"') {
                quoted(value).0
            } else {
                value.split([',', ';', ' ']).next().unwrap_or_default().into()
            });
        } else {
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
        }
        after_boundary = matches!(next, ' ' | ',' | ';' | '\t');
    }
    None
}

/// The text in the quotes with which a text begins, and what follows them.
fn quoted(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut characters = text.chars();
    characters.next();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    (out, characters.as_str())
}

/// A code that some servers and proxies send beside or instead of a body.
pub(super) fn code(response: &ResponseParts) -> Option<String> {
    let named = ["x-ms-error-code", "x-error-code", "x-amzn-query-error"].iter().find_map(|name| response.header(name));
    let code = named.map(|value| value.split(';').next().unwrap_or(value).to_string()).or_else(|| {
        // RFC 9209 §2.1.1.
        parameter(response.header("proxy-status")?, "error")
    })?;
    (!code.is_empty() && code.len() <= 128).then(|| percent_decoded(&code))
}

/// Whether the server itself says if another try helps: Stripe's and OpenAI's header.
pub(super) fn should_retry(response: &ResponseParts) -> Option<bool> {
    let value = ["x-should-retry", "stripe-should-retry"].iter().find_map(|name| response.header(name))?;
    match value {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}
