//! The codes that Cosnap and StellarFlow document, and the SDK's own: what each means, in one table.

use super::{Category, Severity};

/// What is known of a code before any response is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownCode {
    /// The code.
    pub code: &'static str,
    /// What kind of problem it is.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// Whether the same request may succeed later; `None` where only the response can say.
    pub retryable: Option<bool>,
    /// Words for the user.
    pub user_message: &'static str,
}

const fn known(
    code: &'static str,
    category: Category,
    severity: Severity,
    retryable: Option<bool>,
    user_message: &'static str,
) -> KnownCode {
    KnownCode { code, category, severity, retryable, user_message }
}

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

/// All known codes, sorted.
pub const CODES: &[KnownCode] = {
    use Category::{
        Auth, Business, Client, Conflict, Integration, Network, NotFound, Payment, Permission, RateLimit, Server, Timeout,
        Unavailable, Validation,
    };
    use Severity::{Critical, High, Low, Medium};
    &[
        known("AI_PROCESSING_TIMEOUT", Timeout, Medium, YES, "The AI is taking longer than usual. Please try again."),
        known("AI_QUOTA_EXCEEDED", RateLimit, Medium, NO, "You have used up your AI allowance."),
        known("AI_SERVICE_UNAVAILABLE", Unavailable, High, YES, "The AI service is unavailable. Please try again later."),
        known("APPLICATION_HOOK_FAILED", Client, Medium, NO, "That didn't work. If it happens again, please contact support."),
        known("AUTH_INSUFFICIENT_PERMISSIONS", Permission, Medium, NO, "You don't have permission to do this."),
        known("AUTH_INVALID_CREDENTIALS", Auth, Medium, NO, "The user name or password isn't right."),
        known("AUTH_TOKEN_EXPIRED", Auth, Low, NO, "Your session has expired. Please sign in again."),
        known("AUTH_TOKEN_INVALID", Auth, Medium, NO, "Please sign in again."),
        known("AUTH_TOKEN_MISSING", Auth, Medium, NO, "Please sign in."),
        known("BUSINESS_INVALID_STATE_TRANSITION", Business, Low, NO, "This can't be done in its current state."),
        known("BUSINESS_SWARM_CAPACITY_EXCEEDED", Business, Low, NO, "This is full. Make room, or start a new one."),
        known("FILE_INVALID_TYPE", Validation, Low, NO, "This type of file isn't supported."),
        known("FILE_PROCESSING_FAILED", Server, Medium, None, "The file couldn't be processed. Please try again."),
        known("FILE_TOO_LARGE", Validation, Low, NO, "This file is too large."),
        known("INTEGRATION_SERVICE_ERROR", Integration, Medium, YES, "A service we depend on failed. Please try again later."),
        known("INTEGRATION_TIMEOUT", Timeout, Medium, YES, "A service we depend on isn't answering. Please try again later."),
        known(
            "NETWORK_BLOCKED",
            Network,
            Medium,
            None,
            "Something in your browser is blocking this. Please check your ad blocker.",
        ),
        known("NETWORK_CORS", Network, High, YES, "That didn't work. If it happens again, please contact support."),
        known("NETWORK_ERROR", Network, Medium, YES, "We can't reach the server. Please check your connection."),
        known("NETWORK_MIXED_CONTENT", Network, High, NO, "That didn't work. If it happens again, please contact support."),
        known("NETWORK_OFFLINE", Network, Low, YES, "You are offline. Please check your connection."),
        known("NETWORK_TIMEOUT", Timeout, Medium, YES, "The server didn't answer in time. Please try again."),
        known("NETWORK_UNREACHABLE", Network, High, YES, "We can't reach the server. Please try again later."),
        known("PAYMENT_FAILED", Payment, High, NO, "The payment didn't go through. Please check your payment details."),
        known("PAYMENT_GATEWAY_ERROR", Payment, Critical, YES, "The payment service isn't answering. Please try again later."),
        known("PAYMENT_INSUFFICIENT_FUNDS", Payment, Medium, NO, "The payment was declined. Please use another way to pay."),
        known("RATE_LIMIT_EXCEEDED", RateLimit, Low, YES, "That was a little too fast. Please wait a moment and try again."),
        known("REQUEST_INVALID", Client, Medium, NO, "That didn't work. If it happens again, please contact support."),
        known("RESOURCE_ALREADY_EXISTS", Conflict, Low, NO, "This already exists. Please use another name."),
        known("RESOURCE_GONE", NotFound, Low, NO, "This has been deleted."),
        known("RESOURCE_NOT_FOUND", NotFound, Low, NO, "We couldn't find what you were looking for."),
        known("SERVICE_UNAVAILABLE", Unavailable, High, YES, "The service is unavailable at the moment. Please try again later."),
        known(
            "SYNC_ANSWER_UNREADABLE",
            Network,
            Medium,
            YES,
            "Something between here and the server is in the way. We'll keep trying.",
        ),
        known("SYSTEM_INTERNAL_ERROR", Server, High, None, "Something went wrong on our side. Please try again later."),
        known("SYSTEM_MAINTENANCE", Unavailable, Medium, YES, "We are doing maintenance. Please come back later."),
        known("VALIDATION_ERROR", Validation, Low, NO, "Something in your input isn't right. Please check it and try again."),
        known(
            "VALIDATION_INVALID_FORMAT",
            Validation,
            Low,
            NO,
            "Something in your input isn't right. Please check it and try again.",
        ),
    ]
};

/// What is known of that code.
pub fn known_code(code: &str) -> Option<&'static KnownCode> {
    CODES.binary_search_by(|known| known.code.cmp(code)).ok().and_then(|index| CODES.get(index))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_every_code_is_found() {
        for known in CODES {
            assert_eq!(known_code(known.code), Some(known));
        }
        assert!(CODES.is_sorted_by_key(|known| known.code));
        assert_eq!(known_code("NO_SUCH_CODE"), None);
    }
}
