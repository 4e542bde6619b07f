//! What servers answer to an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header §2.6, and what Stripe and those who took
//! after it do): that the first request of the key is still being worked on, that the key was used for something else, or what
//! they answered the last time.

use crate::error::{ApiError, Category, RetryReason, UserAction, known_code};
use crate::json::{Document, Value};

/// A key was sent again with a request that is not the one it was first sent with.
pub const KEY_REUSED: &str = "IDEMPOTENCY_KEY_REUSED";
/// The request that a key was first sent with is still being worked on.
pub const KEY_IN_USE: &str = "IDEMPOTENCY_KEY_IN_USE";

/// What a server says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyVerdict {
    /// The first request of this key is still being worked on: the same one, sent later, gets its answer.
    InUse,
    /// The key belongs to another request: this one will never be taken under it.
    Reused,
    /// The key is none that the server takes: it is missing where the server looks for it, or not of the form that it wants.
    Unusable,
    /// This is the answer to an earlier request of this key, kept: it will never be another.
    Replayed,
}

/// Completes an error of a request that carried an idempotency key by what it says of the key, if it says something, and tells
/// what that was. An error that is about something else stays as it is; so does any error of a request without a key.
///
/// A server that says itself whether to try again (`retryable`, `x-should-retry`) is believed about a key in use. Of a kept
/// answer that was said the first time, and is true no longer.
pub fn judge(error: &mut ApiError, headers: &[(String, String)], key_was_sent: bool) -> Option<KeyVerdict> {
    let verdict = verdict(error, headers).filter(|_| key_was_sent)?;
    let says_so_itself = matches!(error.retry_reason, RetryReason::Body | RetryReason::Header);
    match verdict {
        KeyVerdict::InUse if says_so_itself => {}
        // Not a conflict: nothing stands against the request but that it takes its time.
        KeyVerdict::InUse => {
            error.category = Category::Timeout;
            name(error, KEY_IN_USE);
            conclude(error, true);
        }
        // Not a validation error: nothing that a user has entered is wrong.
        KeyVerdict::Reused | KeyVerdict::Unusable => {
            error.category = Category::Client;
            if verdict == KeyVerdict::Reused {
                name(error, KEY_REUSED);
            }
            conclude(error, false);
        }
        KeyVerdict::Replayed => conclude(error, false),
    }
    Some(verdict)
}

/// Gives an error a code if it has none of its own. The type of a problem is none: it is where the API's keys are explained, and
/// the same for all that can be wrong with one.
fn name(error: &mut ApiError, code: &str) {
    let has_own = error.code.as_deref().is_some_and(|code| !code.contains([':', '/']));
    if !has_own {
        error.code = Some(code.into());
        error.severity = known_code(code).map_or(error.severity, |known| known.severity);
    }
}

fn conclude(error: &mut ApiError, retryable: bool) {
    error.retryable = retryable;
    error.retry_reason = RetryReason::Idempotency;
    let has_fields = !error.field_errors.is_empty();
    error.user_action = UserAction::of(error.category, retryable, error.retry_hint.is_some(), has_fields);
}

fn verdict(error: &ApiError, headers: &[(String, String)]) -> Option<KeyVerdict> {
    let status = error.status?;
    if matches!(status, 400 | 409 | 422) {
        let words = words_about_the_key(error, headers);
        if !words.is_empty() {
            return Some(match (status, tells_of_another_request(&words)) {
                (409, false) => KeyVerdict::InUse,
                (400, false) => KeyVerdict::Unusable,
                _ => KeyVerdict::Reused,
            });
        }
    }
    is_replayed(headers).then_some(KeyVerdict::Replayed)
}

/// Whether the response is one that was kept: Stripe's `Idempotent-Replayed: true`, or `Idempotency-Replayed`, as others write it.
fn is_replayed(headers: &[(String, String)]) -> bool {
    let says_so = |name: &str| {
        let name = name.strip_prefix("x-").or_else(|| name.strip_prefix("X-")).unwrap_or(name);
        ["idempotent-replayed", "idempotency-replayed"].iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    headers.iter().any(|(name, value)| says_so(name) && matches!(value.trim(), "true" | "True" | "TRUE" | "?1" | "1"))
}

/// What an error says, in lower case and with spaces between the words, if any of it names idempotency; else nothing.
fn words_about_the_key(error: &ApiError, headers: &[(String, String)]) -> String {
    let mut said = String::new();
    let mut add = |text: &str| {
        said.extend(text.chars().map(|character| if character.is_alphanumeric() { character.to_ascii_lowercase() } else { ' ' }));
        said.push(' ');
    };
    let texts = [&error.code, &error.message, &error.user_message, &error.help_link];
    texts.into_iter().flatten().for_each(|text| add(text));
    for field in &error.field_errors {
        add(&field.path);
        add(field.message.as_deref().unwrap_or_default());
    }
    // A problem's type and title (RFC 9457 §3.1), of which the message may be neither.
    if let Some(document) = error.details.as_ref().and_then(|details| Document::read(details.text())) {
        for name in ["type", "title"] {
            add(document.root().get(name).and_then(Value::as_str).as_deref().unwrap_or_default());
        }
    }
    // Where there is no body to speak of, the draft lets a link say it.
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("link") && value.contains("describedby") {
            add(value);
        }
    }
    // `idempotencyKey`, `idempotency_key` and `Idempotency-Key`; an `idempotent` method is something else.
    if said.contains("idempotency") || said.contains("idempotent key") { said } else { String::new() }
}

/// Whether words about a key say that it is spent on another request, and not that one is still being worked on.
fn tells_of_another_request(words: &str) -> bool {
    let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let other_request = [
        "different",
        "differs",
        "differing",
        "mismatch",
        "not match",
        "conflicting payload",
        "conflicting request body",
        "another request body",
        "another payload",
        "other parameters",
        "changed",
        "key conflict",
        "idempotency conflict",
    ];
    let in_progress =
        ["in use", "in progress", "in flight", "process", "outstanding", "concurrent", "pending", "running", "lock"];
    let is_over = ["reuse", "re used", "first used", "already used", "been used", "already exists", "completed", "replay"];
    has(&other_request) || has(&is_over) && !has(&in_progress)
}

/// A text as a structured string: in quotes, with a backslash before quotes and backslashes (RFC 9651 §4.1.6).
///
/// Only printable ASCII can be written so. What is beyond is percent-encoded, each byte of its UTF-8 as `%` and two digits, so
/// that any key makes a header, and the same key always the same one.
pub fn structured_string(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut string = String::with_capacity(text.len() + 2);
    string.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                string.push('\\');
                string.push(char::from(byte));
            }
            0x20..=0x7e => string.push(char::from(byte)),
            _ => {
                string.push('%');
                let digits = [byte >> 4, byte & 0xf].map(|digit| DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0'));
                string.extend(digits.map(char::from));
            }
        }
    }
    string.push('"');
    string
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::parse::{Extensions, ResponseParts, parse};
    use crate::time::WallTime;
    use proptest::prelude::*;
    use sfv::visitor::{ItemVisitor, ParameterVisitor};
    use sfv::{BareItemFromInput, KeyRef};
    use std::convert::Infallible;

    /// Reads a string, as whoever receives the header does.
    struct Text;

    impl<'de> ItemVisitor<'de> for Text {
        type Out = Option<String>;
        type Error = Infallible;

        fn bare_item(self, item: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = Self::Out>, Infallible> {
            Ok(TextRead(item.as_string().map(|text| text.as_str().to_string())))
        }
    }

    struct TextRead(Option<String>);

    impl<'de> ParameterVisitor<'de> for TextRead {
        type Out = Option<String>;
        type Error = Infallible;

        fn parameter(&mut self, _: &'de KeyRef, _: BareItemFromInput<'de>) -> Result<(), Infallible> {
            Ok(())
        }

        fn finish(self) -> Result<Self::Out, Infallible> {
            Ok(self.0)
        }
    }

    const PROBLEM: (&str, &str) = ("Content-Type", "application/problem+json");

    fn judged(status: u16, headers: &[(&str, &str)], body: &str, key_was_sent: bool) -> (ApiError, Option<KeyVerdict>) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
        let parts = ResponseParts {
            status,
            headers: headers.clone(),
            body: body.into(),
            truncated: false,
            received_at: WallTime(1_780_315_200_000),
        };
        let mut error = parse(&parts, &Extensions::default());
        let verdict = judge(&mut error, &headers, key_was_sent);
        (error, verdict)
    }

    #[test]
    fn a_key_whose_first_request_is_still_being_worked_on_is_worth_another_try() {
        for (headers, body) in [
            (
                &[PROBLEM][..],
                r#"{"type":"https://developer.example.com/idempotency","title":"A request is outstanding for this Idempotency-Key","detail":"A request with the same Idempotency-Key for the same operation is being processed or is outstanding."}"#,
            ),
            (&[PROBLEM], r#"{"type":"about:blank","title":"Idempotency-Key in use","detail":"Try again later."}"#),
            (
                &[],
                r#"{"error":{"code":"idempotency_key_in_use","type":"idempotency_error","message":"There is currently another in-progress request using this key."}}"#,
            ),
            (
                &[],
                r#"{"error":{"code":"ORDER_LOCKED","message":"An idempotent request with this Idempotency-Key has already been used and is pending"}}"#,
            ),
            (&[], r#"{"code":"IdempotencyConcurrency","message":"wait"}"#),
            (&[("Link", "<https://developer.example.com/idempotency>; rel=\"describedby\"; type=\"text/html\"")], ""),
        ] {
            let (error, verdict) = judged(409, headers, body, true);
            assert_eq!(verdict, Some(KeyVerdict::InUse), "{body}");
            assert!(error.retryable, "{body}");
            assert_eq!((error.retry_reason, error.user_action), (RetryReason::Idempotency, UserAction::Retry), "{body}");
            assert_eq!(error.category, Category::Timeout);
            assert!(error.code.is_some_and(|code| !code.contains('/')), "{body}");
        }
    }

    #[test]
    fn a_conflict_about_something_else_stays_what_it_is() {
        for body in [
            r#"{"error":{"code":"VERSION_CONFLICT","message":"The document has changed"}}"#,
            r#"{"message":"PUT is an idempotent method; the version does not match"}"#,
            r#"{"message":"A request is in progress"}"#,
            "",
        ] {
            let (error, verdict) = judged(409, &[], body, true);
            assert_eq!(verdict, None, "{body}");
            assert!(!error.retryable && error.retry_reason == RetryReason::Status, "{body}");
        }
    }

    #[test]
    fn a_key_that_was_used_for_another_request_never_succeeds() {
        let problem = r#"{"type":"https://developer.example.com/idempotency","title":"Idempotency-Key is already used","detail":"This operation is idempotent and it requires correct usage of Idempotency Key. Idempotency Key MUST not be reused across different payloads of this operation."}"#;
        for (status, headers, body) in [
            (422, &[PROBLEM][..], problem),
            (
                400,
                &[],
                r#"{"error":{"type":"idempotency_error","message":"Keys for idempotent requests can only be used with the same parameters they were first used with."}}"#,
            ),
            (
                409,
                &[],
                r#"{"error":{"code":"idempotency_conflict","message":"Idempotency-Key was previously used with a different request body"}}"#,
            ),
            (409, &[], r#"{"error":{"code":"idempotency.key_reuse_mismatch","message":"no"}}"#),
            (
                409,
                &[],
                r#"{"message":"A transaction with the supplied idempotency-key already exists with a conflicting payload"}"#,
            ),
            (409, &[], r#"{"code":"idempotency_replay_unavailable","message":"The first response was not kept"}"#),
            (422, &[("Link", "<https://developer.example.com/idempotency>;\trel=\"describedby\"")], ""),
        ] {
            let (error, verdict) = judged(status, headers, body, true);
            assert_eq!(verdict, Some(KeyVerdict::Reused), "{body}");
            assert!(!error.retryable, "{body}");
            assert_eq!((error.retry_reason, error.category), (RetryReason::Idempotency, Category::Client), "{body}");
            assert!(error.code.is_some(), "{body}");
        }
        for (headers, body) in [(&[("Link", "</idempotency>; rel=describedby")], ""), (&[PROBLEM], problem)] {
            let (error, _) = judged(422, headers, body, true);
            assert_eq!(error.code.as_deref(), Some(KEY_REUSED));
            assert_eq!(Some(error.severity), known_code(KEY_REUSED).map(|known| known.severity));
        }
        let (error, _) = judged(409, &[], r#"{"code":"idempotency_conflict","message":"no"}"#, true);
        assert_eq!(error.code.as_deref(), Some("idempotency_conflict"), "the server's own code stays");
    }

    #[test]
    fn a_key_that_the_server_does_not_take_is_no_reused_one() {
        for (headers, body, code) in [
            (
                &[PROBLEM][..],
                r#"{"type":"https://developer.example.com/idempotency","title":"Idempotency-Key is missing","detail":"This operation requires one."}"#,
                Some("https://developer.example.com/idempotency"),
            ),
            (&[], r#"{"message":"Invalid request","errors":[{"field":"Idempotency-Key","message":"must be a UUID"}]}"#, None),
            (&[("Link", "<https://developer.example.com/idempotency>; rel=\"describedby\"")], "", None),
        ] {
            let (error, verdict) = judged(400, headers, body, true);
            assert_eq!((verdict, error.code.as_deref()), (Some(KeyVerdict::Unusable), code), "{body}");
            assert_eq!((error.retryable, error.category), (false, Category::Client), "{body}");
        }
    }

    #[test]
    fn the_codes_are_known() {
        for (code, category, retryable) in [(KEY_REUSED, Category::Client, false), (KEY_IN_USE, Category::Timeout, true)] {
            let known = known_code(code).unwrap();
            assert_eq!((known.category, known.retryable), (category, Some(retryable)));
        }
    }

    #[test]
    fn a_request_without_a_key_is_not_judged_by_one() {
        let body = r#"{"code":"idempotency_key_required","message":"Idempotency-Key is missing"}"#;
        let (error, verdict) = judged(400, &[], body, false);
        assert_eq!((verdict, error.category), (None, Category::Validation));
        assert_eq!(judged(500, &[("Idempotent-Replayed", "true")], "", false).1, None);
    }

    #[test]
    fn a_failure_that_was_kept_is_not_asked_for_again() {
        for name in ["Idempotent-Replayed", "idempotency-replayed", "X-Idempotent-Replayed"] {
            let (error, verdict) = judged(500, &[(name, "true")], r#"{"error":{"code":"BOOM","retryable":true}}"#, true);
            assert_eq!(verdict, Some(KeyVerdict::Replayed), "{name}");
            assert!(!error.retryable);
            assert_eq!((error.code.as_deref(), error.retry_reason), (Some("BOOM"), RetryReason::Idempotency));
            assert_eq!(error.user_action, UserAction::ContactSupport);
        }
        for value in ["false", "", "?0"] {
            let (error, verdict) = judged(500, &[("Idempotent-Replayed", value)], "", true);
            assert!(verdict.is_none() && error.retryable, "{value}");
        }
    }

    #[test]
    fn a_server_that_says_itself_whether_to_try_again_is_believed_about_a_key_in_use() {
        let body = r#"{"success":false,"error":{"code":"IDEMPOTENCY_KEY_IN_USE","message":"in progress","retryable":false,"correlationId":"c","timestamp":"t"}}"#;
        let (error, verdict) = judged(409, &[], body, true);
        assert_eq!((verdict, error.retryable, error.retry_reason), (Some(KeyVerdict::InUse), false, RetryReason::Body));
    }

    #[test]
    fn a_moment_to_come_back_at_is_kept() {
        let (error, _) = judged(409, &[("Retry-After", "2")], r#"{"code":"idempotency_key_in_use"}"#, true);
        assert_eq!(error.retry_hint.map(|hint| hint.after_ms), Some(2000));
        assert_eq!((error.retryable, error.user_action), (true, UserAction::Wait));
    }

    #[test]
    fn a_key_is_written_as_a_structured_string() {
        for (key, written) in [
            ("8e03978e-40d5-43e8-bc93-6894a57f9324", r#""8e03978e-40d5-43e8-bc93-6894a57f9324""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r"back\slash", r#""back\\slash""#),
            ("", r#""""#),
            ("größe", r#""gr%C3%B6%C3%9Fe""#),
            ("a\r\nb\u{7f}", r#""a%0D%0Ab%7F""#),
        ] {
            assert_eq!(structured_string(key), written);
        }
    }

    proptest! {
        #[test]
        fn any_printable_key_is_read_back_as_it_was(key in "[ -~]{0,64}") {
            let written = structured_string(&key);
            let read = sfv::Parser::new(&written).parse_item_with_visitor(Text).unwrap();
            prop_assert_eq!(read, Some(key));
        }

        #[test]
        fn any_key_makes_a_header(key in any::<String>()) {
            let written = structured_string(&key);
            let read = sfv::Parser::new(&written).parse_item_with_visitor(Text).unwrap();
            prop_assert!(read.is_some());
        }

        #[test]
        fn no_error_is_judged_without_a_word_about_a_key(status in 400_u16..600, body in "[a-hj-z {}\":,]{0,80}") {
            prop_assert_eq!(judged(status, &[], &body, true).1, None);
        }
    }
}
