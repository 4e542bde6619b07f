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
}

const fn known(code: &'static str, category: Category, severity: Severity, retryable: Option<bool>) -> KnownCode {
    KnownCode { code, category, severity, retryable }
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
        known("ACTION_DEPENDENCY_FAILED", Client, Medium, NO),
        known("AI_PROCESSING_TIMEOUT", Timeout, Medium, YES),
        known("AI_QUOTA_EXCEEDED", RateLimit, Medium, NO),
        known("AI_SERVICE_UNAVAILABLE", Unavailable, High, YES),
        known("APPLICATION_HOOK_FAILED", Client, Medium, NO),
        known("AUTH_INSUFFICIENT_PERMISSIONS", Permission, Medium, NO),
        known("AUTH_INVALID_CREDENTIALS", Auth, Medium, NO),
        known("AUTH_TOKEN_EXPIRED", Auth, Low, NO),
        known("AUTH_TOKEN_INVALID", Auth, Medium, NO),
        known("AUTH_TOKEN_MISSING", Auth, Medium, NO),
        known("BULKHEAD_FULL", Unavailable, Medium, YES),
        known("BUSINESS_INVALID_STATE_TRANSITION", Business, Low, NO),
        known("BUSINESS_SWARM_CAPACITY_EXCEEDED", Business, Low, NO),
        known("CIRCUIT_OPEN", Unavailable, Medium, YES),
        known("DEADLINE_EXCEEDED", Timeout, Medium, YES),
        known("FILE_INVALID_TYPE", Validation, Low, NO),
        known("FILE_MISSING", Client, Medium, NO),
        known("FILE_PROCESSING_FAILED", Server, Medium, None),
        known("FILE_TOO_LARGE", Validation, Low, NO),
        known("IDEMPOTENCY_KEY_IN_USE", Timeout, Medium, YES),
        known("IDEMPOTENCY_KEY_REUSED", Client, Medium, NO),
        known("INTEGRATION_SERVICE_ERROR", Integration, Medium, YES),
        known("INTEGRATION_TIMEOUT", Timeout, Medium, YES),
        known("NETWORK_BLOCKED", Network, Medium, None),
        known("NETWORK_CORS", Network, High, YES),
        known("NETWORK_ERROR", Network, Medium, YES),
        known("NETWORK_MIXED_CONTENT", Network, High, NO),
        known("NETWORK_OFFLINE", Network, Low, YES),
        known("NETWORK_TIMEOUT", Timeout, Medium, YES),
        known("NETWORK_UNREACHABLE", Network, High, YES),
        known("PAYMENT_FAILED", Payment, High, NO),
        known("PAYMENT_GATEWAY_ERROR", Payment, Critical, YES),
        known("PAYMENT_INSUFFICIENT_FUNDS", Payment, Medium, NO),
        known("RATE_LIMIT_EXCEEDED", RateLimit, Low, YES),
        known("REQUEST_INVALID", Client, Medium, NO),
        known("REQUEST_OUTCOME_UNKNOWN", Client, Medium, NO),
        known("RESOURCE_ALREADY_EXISTS", Conflict, Low, NO),
        known("RESOURCE_GONE", NotFound, Low, NO),
        known("RESOURCE_NOT_FOUND", NotFound, Low, NO),
        known("RESPONSE_UNREADABLE", Network, Medium, YES),
        known("SERVICE_PAUSED", Unavailable, Low, YES),
        known("SERVICE_UNAVAILABLE", Unavailable, High, YES),
        known("SYNC_ANSWER_UNREADABLE", Network, Medium, YES),
        known("SYSTEM_INTERNAL_ERROR", Server, High, None),
        known("SYSTEM_MAINTENANCE", Unavailable, Medium, YES),
        known("VALIDATION_ERROR", Validation, Low, NO),
        known("VALIDATION_INVALID_FORMAT", Validation, Low, NO),
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
