//! OAuth 2 (RFC 6749 §5.2) and OpenID Connect: `{ error, error_description?, error_uri? }`, also form-encoded.

use super::{Confidence, Evidence, FormatDefinition, Mark, Reading, is_link};
use crate::json::Value;

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "oauth", recognise, read };

/// The registered codes (IANA OAuth Extensions Error Registry, OpenID Connect Core §3.1.2.6).
const CODES: [&str; 28] = [
    "access_denied",
    "account_selection_required",
    "authorization_pending",
    "consent_required",
    "expired_token",
    "insufficient_scope",
    "interaction_required",
    "invalid_client",
    "invalid_client_metadata",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_redirect_uri",
    "invalid_request",
    "invalid_request_object",
    "invalid_request_uri",
    "invalid_scope",
    "invalid_target",
    "invalid_token",
    "login_required",
    "registration_not_supported",
    "request_not_supported",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
];

fn recognise(evidence: &Evidence<'_>) -> Mark {
    let Some(body) = evidence.body else {
        return form(evidence.text, "error").map(|_| ("error=", Confidence::Likely));
    };
    // A sentence is a message, not a code.
    let error = body.get("error")?.as_str().filter(|error| !error.trim().contains(char::is_whitespace))?;
    if body.first(&["error_description", "error_uri"]).is_some() {
        return Some(("error_description", Confidence::Certain));
    }
    let bare = body.get("ok").is_none() && body.get("message").is_none();
    (bare && CODES.contains(&&*error)).then_some(("a registered code", Confidence::Likely))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let Some(body) = evidence.body else {
        return Reading {
            code: form(evidence.text, "error"),
            message: form(evidence.text, "error_description"),
            help_link: form(evidence.text, "error_uri").filter(|uri| is_link(uri)),
            ..Reading::default()
        };
    };
    let general = evidence.generic();
    Reading {
        code: body.text("error"),
        // RFC 8628 §3.5: the user has not come to it yet, and is asked about again.
        retryable: general.retryable.or(body.get("error").filter(|code| code.is("authorization_pending")).map(|_| true)),
        message: body
            .get("error_description")
            .and_then(|words| {
                words.as_str().map(Into::into).or_else(|| words.items().next().and_then(Value::as_str).map(Into::into))
            })
            .or(body.text("message")),
        details: None,
        ..general
    }
}

/// A member of a form-encoded body.
fn form(text: &str, name: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with("error=") && !text.contains("&error=") || text.contains(char::is_whitespace) {
        return None;
    }
    text.split('&').find_map(|pair| {
        let (found, value) = pair.split_once('=')?;
        (found == name).then(|| super::percent_decoded(&value.replace('+', " ")))
    })
}
