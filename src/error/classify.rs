//! What kind of problem a response tells of, and whether another try may help: by its status, refined by a code that can
//! only mean one thing.

use super::{Category, RetryReason};

/// What is known of a response before it is classified.
pub(super) struct Symptoms<'a> {
    pub(super) status: u16,
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    /// Whether it says when to come back.
    pub(super) has_hint: bool,
    /// Whether it tells of a limit with nothing left.
    pub(super) limit_exhausted: bool,
}

/// The category of a response whose body names none.
pub(super) fn category(symptoms: &Symptoms<'_>) -> Category {
    let by_status = Category::of_status(symptoms.status);
    let by_code = || symptoms.code.and_then(of_code);
    match symptoms.status {
        // The statuses that say too little: everything the client did wrong, or an answer that was called a success.
        ..=399 | 400 | 422 => match by_code() {
            Some(category) => category,
            None if symptoms.status < 400 => Category::Unknown,
            None => by_status,
        },
        // GitHub and Google refuse what is too much with 403, too.
        403 => {
            let limited = symptoms.limit_exhausted || symptoms.has_hint && symptoms.message.is_some_and(tells_of_a_limit);
            match by_code() {
                _ if limited => Category::RateLimit,
                // AWS says so of credentials that have expired.
                Some(told @ (Category::RateLimit | Category::Auth)) => told,
                _ => by_status,
            }
        }
        _ => by_status,
    }
}

fn tells_of_a_limit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["limit", "abuse", "too many", "throttl", "quota", "slow down"].iter().any(|word| message.contains(word))
}

/// Whether the same request may succeed later, where neither the body nor the code's table says so.
pub(super) fn retryable(symptoms: &Symptoms<'_>, category: Category) -> (bool, RetryReason) {
    let code = symptoms.code.unwrap_or_default();
    if (symptoms.status < 400 || matches!(symptoms.status, 402 | 403 | 429)) && is_spent(code) {
        return (false, RetryReason::Code);
    }
    if status_is_retryable(symptoms.status) {
        return (true, RetryReason::Status);
    }
    let transient = matches!(category, Category::RateLimit | Category::Unavailable | Category::Timeout);
    if transient && (symptoms.status <= 403 || symptoms.status == 422) {
        return (true, RetryReason::Code);
    }
    // A refusal that says when to come back is no final one.
    if symptoms.has_hint && !matches!(symptoms.status, 401 | 404 | 410 | 422) {
        return (true, RetryReason::Hint);
    }
    (false, RetryReason::Status)
}

/// Statuses that are worth another try where nothing better is known.
fn status_is_retryable(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 520..=529)
}

/// Whether a code says that what was paid for is used up: waiting does not bring it back.
fn is_spent(code: &str) -> bool {
    let words = words_of(code);
    let has = |word: &str| words.split('_').any(|found| found == word);
    has("insufficient") && (has("quota") || has("funds") || has("credits") || has("balance"))
        || has("exhausted") && (has("credit") || has("credits") || has("balance"))
        || has("billing")
}

/// A code as lower-case words between underscores: `NoSuchKey`, `no-such-key` and `NO_SUCH_KEY` are `no_such_key`.
fn words_of(code: &str) -> String {
    let mut words = String::with_capacity(code.len() + 8);
    let mut before_was_lower = false;
    for character in code.chars() {
        if character.is_ascii_alphanumeric() {
            if character.is_ascii_uppercase() && before_was_lower {
                words.push('_');
            }
            words.push(character.to_ascii_lowercase());
            before_was_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        } else {
            if !words.ends_with('_') {
                words.push('_');
            }
            before_was_lower = false;
        }
    }
    words
}

/// The category that a code means, if it can mean only one.
fn of_code(code: &str) -> Option<Category> {
    // WeChat, Facebook and others number their codes: those mean nothing without their documentation.
    if code.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return None;
    }
    let words = words_of(code);
    // That nobody knows what went wrong is not that something is not known.
    if matches!(&*words, "unknown" | "unknown_error" | "unknown_exception" | "unknown_failure") {
        return None;
    }
    let padded = format!("_{words}_");
    let has = |part: &str| padded.contains(part);
    RULES.iter().find(|(_, parts)| parts.iter().any(|part| has(part))).map(|(category, _)| *category)
}

/// Parts of codes, the more telling first; an underscore is the boundary of a word.
const RULES: [(Category, &[&str]); 10] = {
    use Category::{Auth, Conflict, NotFound, Payment, Permission, RateLimit, Server, Timeout, Unavailable, Validation};
    [
        (
            RateLimit,
            &[
                "_throttl",
                "_rate_limit",
                "_ratelimit",
                "_too_many",
                "_slow_down_",
                "_slowdown_",
                "_throughput_exceeded_",
                "_limit_exceeded_",
                "_quota_exceeded_",
                "_resource_exhausted_",
                "_request_limit",
                "_requests_limit",
                "_overlimit_",
                "_over_query_limit_",
                "_over_quota_",
                "_quota_exhausted_",
                "_budget_exhausted_",
                "_limit_reached_",
            ],
        ),
        (
            Auth,
            &[
                "_unauthenticated_",
                "_unauthorized_",
                "_not_authed_",
                "_invalid_auth",
                "_auth_failed",
                "_authentication",
                "_invalid_token_",
                "_token_expired_",
                "_expired_token_",
                "_token_invalid_",
                "_token_revoked_",
                "_invalid_grant_",
                "_invalid_client_",
                "_invalid_client_id_",
                "_invalid_credentials_",
                "_bad_credentials_",
                "_invalid_api_key_",
                "_api_key_invalid_",
                "_invalid_session",
                "_session_expired",
                "_login_required_",
                "_interaction_required_",
                "_consent_required_",
                "_authorization_pending_",
                "_authorization_required_",
                "_not_logged_in_",
                "_access_token_invalid_",
                "_invalid_access_token_",
                "_unrecognized_client",
                "_invalid_signature_",
                "_signature_does_not_match_",
                "_missing_authentication",
                "_invalid_jwt_",
                "_jwt_expired_",
                "_jwt_",
                "_o_auth_exception_",
                "_expired_session_",
                "_invalid_login",
                "_login_failed",
            ],
        ),
        (
            Permission,
            &[
                "_forbidden_",
                "_access_denied",
                "_request_denied_",
                "_permission",
                "_not_allowed_",
                "_insufficient_scope",
                "_insufficient_privilege",
                "_not_authorized_",
                "_insufficient_access",
                "_missing_scope_",
            ],
        ),
        (
            NotFound,
            &[
                "_not_found_",
                "_notfound_",
                "_no_such_",
                "_not_exist",
                "_does_not_exist",
                "_nonexistent",
                "_non_existent",
                "_resource_missing_",
                "_entity_not_exist",
                "_unknown_",
            ],
        ),
        (
            Conflict,
            &["_conflict", "_already_exist", "_duplicate", "_already_in_use_", "_version_mismatch_", "_not_unique_", "_aborted_"],
        ),
        (
            Payment,
            &[
                "_payment_",
                "_card_declined_",
                "_card_error_",
                "_insufficient_funds_",
                "_insufficient_quota_",
                "_billing",
                "_credit_balance",
                "_instrument_declined_",
            ],
        ),
        (Timeout, &["_timeout_", "_timed_out_", "_time_out_", "_deadline_exceeded_"]),
        (Unavailable, &["_unavailable", "_overloaded", "_maintenance_", "_temporarily_", "_busy_"]),
        (Server, &["_internal_error_", "_internal_server_error_", "_server_error_", "_internal_failure_", "_internal_"]),
        (
            Validation,
            &[
                "_validation",
                "_invalid",
                "_malformed",
                "_bad_request_",
                "_bad_user_input_",
                "_missing_required",
                "_missing_param",
                "_parse_error_",
                "_parse_failed_",
                "_required_",
                "_out_of_range_",
                "_unprocessable",
                "_bad_input",
            ],
        ),
    ]
};

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_code_means_the_same_however_it_is_written() {
        for code in ["NoSuchKey", "no_such_key", "NO-SUCH-KEY", "no.such.key"] {
            assert_eq!(of_code(code), Some(Category::NotFound), "{code}");
        }
        for (code, category) in [
            ("ThrottlingException", Some(Category::RateLimit)),
            ("AccessDeniedException", Some(Category::Permission)),
            ("UNAUTHENTICATED", Some(Category::Auth)),
            ("invalid_grant", Some(Category::Auth)),
            ("invalid_request", Some(Category::Validation)),
            ("overloaded_error", Some(Category::Unavailable)),
            ("ProvisionedThroughputExceededException", Some(Category::RateLimit)),
            ("UNKNOWN", None),
            ("unknown_error", None),
            ("UnknownError", None),
            ("unknown_field", Some(Category::NotFound)),
            ("authorization_pending", Some(Category::Auth)),
            ("40001", None),
            ("P2002", None),
            ("WHATEVER", None),
        ] {
            assert_eq!(of_code(code), category, "{code}");
        }
    }
}
