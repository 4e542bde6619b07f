//! What the headers say of an error when the body does not.

use super::{ResponseParts, percent_decoded};

/// The server's id of the request: a header that is named for it, then one that follows it through services, and last the
/// id that a content delivery network gave it.
pub(super) fn request_id(response: &ResponseParts) -> Option<String> {
    let rank = |name: &str| {
        let name = name.to_ascii_lowercase();
        let is = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if name == "x-request-id" || name == "request-id" {
            Some(0)
        } else if is(&["request-id", "requestid", "request_id", "-tid"]) {
            Some(1)
        } else if is(&["correlation-id", "trace-id", "transaction-id", "x-b3-traceid", "traceid", "debug-id"]) {
            Some(2)
        } else if is(&["cf-ray", "x-amz-cf-id", "x-vercel-id", "x-served-by-request", "akamai-grn"]) {
            Some(3)
        } else {
            None
        }
    };
    let ranked = response.headers.iter().filter_map(|(name, value)| Some((rank(name)?, value.trim())));
    ranked
        .filter(|(_, value)| !value.is_empty() && value.len() <= 256)
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, value)| value.into())
}

/// What `WWW-Authenticate` says went wrong (RFC 6750 §3, RFC 9449 §7.1): the code and the words.
pub(super) fn challenge(response: &ResponseParts) -> Option<(String, Option<String>)> {
    let value = response.header("www-authenticate")?;
    let at = ["bearer ", "dpop "].iter().find_map(|scheme| value.to_ascii_lowercase().find(scheme))?;
    let challenge = value.get(at..)?;
    let code = parameter(challenge, "error")?;
    let is_code = !code.is_empty() && code.len() <= 64 && !code.contains(char::is_whitespace);
    is_code.then(|| (code.to_string(), parameter(challenge, "error_description").map(Into::into)))
}

/// A parameter of a header, quoted or not.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = header;
    loop {
        let at = rest.find(name)?;
        let before = rest.get(..at)?;
        let after = rest.get(at + name.len()..)?;
        if let Some(value) = after.trim_start().strip_prefix('=').filter(|_| before.ends_with([' ', ',', ';', '\t'])) {
            let value = value.trim_start();
            return match value.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next(),
                None => value.split([',', ';', ' ']).next(),
            };
        }
        rest = after;
    }
}

/// A code that some servers and proxies send beside or instead of a body.
pub(super) fn code(response: &ResponseParts) -> Option<String> {
    let named = ["x-ms-error-code", "x-error-code", "x-amzn-query-error"].iter().find_map(|name| response.header(name));
    let code = named.map(|value| value.split(';').next().unwrap_or(value)).or_else(|| {
        // RFC 9209 §2.1.1.
        parameter(response.header("proxy-status")?, "error")
    })?;
    (!code.is_empty() && code.len() <= 128).then(|| percent_decoded(code))
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
