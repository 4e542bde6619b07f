//! A server's "come back later" that the page cannot read.
//!
//! Across origins a browser shows a page seven headers only, and `Retry-After` is none of them (Fetch Standard, "CORS-safelisted
//! response-header name"), unless `Access-Control-Expose-Headers` names it. Whoever forgets that gets clients that come back too
//! early, and nothing tells them why.

use crate::error::ApiError;
use crate::event::{Event, Warning};
use crate::platform::{Headers, Http, Platform};

/// Whether a hint may have been hidden: the status asks for one (RFC 6585 §4, RFC 9110 §15.6.4), and there is none to be read,
/// neither in the body nor in any header of that purpose, not even a broken one.
///
/// Whether the server sent one at all cannot be known.
pub fn hint_may_be_hidden(crosses_origins: bool, headers: &[(String, String)], error: &ApiError) -> bool {
    let tells_when = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("retry-after")
            || name.starts_with("ratelimit")
            || name.starts_with("x-ratelimit")
            || name.starts_with("x-rate-limit")
    };
    crosses_origins
        && matches!(error.status, Some(429 | 503))
        && error.retry_hint.is_none()
        && error.rate_limit.is_none()
        && !headers.iter().any(|(name, _)| tells_when(name))
}

/// Tells developers, once for each origin, which header is missing if the server sends a hint.
pub fn warn_of_hidden_hint<P: Platform>(platform: &P, origin: &str, headers: &Headers, error: &ApiError) {
    let around = platform.http().surroundings();
    if hint_may_be_hidden(around.crosses_origins(origin), headers, error) && around.warns_of(origin) {
        let status = error.status.unwrap_or_default();
        let message = format!(
            "{origin} answered {status}, and nothing that this page can read says when to come back. If the server sends \
             Retry-After, the browser hides it across origins until the server also sends \
             \"Access-Control-Expose-Headers: Retry-After, RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining, \
             X-RateLimit-Reset\". (\"*\" does not work for requests with credentials.) Until then, backoff decides."
        );
        platform.emit(&Event::Warning { code: Warning::RetryAfterHidden, origin: origin.into(), message });
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::parse::{Extensions, ResponseParts, parse};
    use crate::time::WallTime;

    fn is_hidden(crosses_origins: bool, status: u16, headers: &[(&str, &str)], body: &str) -> bool {
        let headers: Headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let parts = ResponseParts {
            status,
            headers: headers.clone(),
            body: body.into(),
            truncated: false,
            received_at: WallTime(1_780_315_200_000),
        };
        hint_may_be_hidden(crosses_origins, &headers, &parse(&parts, &Extensions::default()))
    }

    #[test]
    fn a_hint_may_be_hidden_where_one_is_due_and_none_can_be_read() {
        assert!(is_hidden(true, 429, &[], ""));
        assert!(is_hidden(true, 503, &[("content-type", "application/json")], r#"{"error":"down"}"#));
    }

    #[test]
    fn nothing_is_hidden_from_the_same_origin_or_by_a_status_that_asks_for_no_patience() {
        assert!(!is_hidden(false, 429, &[], ""));
        assert!(!is_hidden(true, 500, &[], ""));
        assert!(!is_hidden(true, 404, &[], ""));
    }

    #[test]
    fn what_can_be_read_is_not_hidden_even_if_it_makes_no_sense() {
        for name in
            ["Retry-After", "retry-after-ms", "RateLimit", "RateLimit-Reset", "X-RateLimit-Remaining", "X-Rate-Limit-Reset"]
        {
            assert!(!is_hidden(true, 429, &[(name, "soon")], ""), "{name}");
        }
        assert!(!is_hidden(
            true,
            429,
            &[],
            r#"{"error":{"code":"X","message":"m","retryAfter":7,"correlationId":"c","retryable":true}}"#
        ));
    }
}
