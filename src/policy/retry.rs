//! Whether a call that failed is sent again, and when.

use super::backoff::Backoff;
use serde::Serialize;
use std::time::Duration;

/// How a call is retried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included. At least 1.
    pub max_attempts: u32,
    /// The delays between them.
    pub backoff: Backoff,
    /// How long one attempt may take until its response's headers arrive.
    pub attempt_timeout: Duration,
    /// A server that wants to be asked later than this is not waited for: the call ends and says when.
    pub max_wait: Duration,
}

impl Default for RetryPolicy {
    /// Cosnap's defaults: 3 attempts, from 1 s, doubling; capped at 30 s.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff { base: Duration::from_secs(1), multiplier: 2.0, cap: Duration::from_secs(30) },
            attempt_timeout: Duration::from_secs(30),
            max_wait: Duration::from_secs(30),
        }
    }
}

/// A failed attempt, as far as the decision needs it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FailedAttempt {
    /// Which attempt it was; the first is 1.
    pub attempt: u32,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Whether the same request may be sent twice: its method is idempotent, or it carries an idempotency key.
    pub repeatable: bool,
    /// When the server wants to be asked again.
    pub hint: Option<Duration>,
}

/// What happens after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// It is sent again after this long.
    Retry {
        /// The wait.
        after: Duration,
        /// What the wait was taken from.
        because: RetryBecause,
    },
    /// The call fails.
    Stop(StopBecause),
}

/// What a wait was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryBecause {
    /// The server named the moment.
    ServerHint,
    /// Backoff with full jitter.
    Backoff,
}

/// Why a call is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StopBecause {
    /// The same request would fail again.
    NotRetryable,
    /// It may already have had its effect, and nothing tells the server that it is the same one.
    NotRepeatable,
    /// All attempts are used up.
    AttemptsExhausted,
    /// The server wants to be asked later than the call is ready to wait.
    HintBeyondMaxWait,
}

/// Decides after a failed attempt. `unit` is uniformly random in `[0, 1)`.
///
/// A server's hint is a floor: jitter is only added to it (up to a tenth of it, at most 5 s), and a hint beyond
/// [`RetryPolicy::max_wait`] is not shortened to it, but ends the call.
pub fn decide(policy: &RetryPolicy, failed: FailedAttempt, unit: f64) -> Decision {
    if !failed.retryable {
        return Decision::Stop(StopBecause::NotRetryable);
    }
    if !failed.repeatable {
        return Decision::Stop(StopBecause::NotRepeatable);
    }
    if failed.attempt >= policy.max_attempts {
        return Decision::Stop(StopBecause::AttemptsExhausted);
    }
    match failed.hint {
        Some(hint) if hint > policy.max_wait => Decision::Stop(StopBecause::HintBeyondMaxWait),
        // A hint of zero, or one that has passed, does not say "hammer me": backoff is the floor.
        Some(hint) if !hint.is_zero() => Decision::Retry { after: spread(hint, unit), because: RetryBecause::ServerHint },
        _ => Decision::Retry { after: policy.backoff.delay(failed.attempt, unit), because: RetryBecause::Backoff },
    }
}

/// A server's hint with jitter on top, so that those who got the same hint do not all come back at once.
pub fn spread(hint: Duration, unit: f64) -> Duration {
    hint.saturating_add((hint / 10).min(Duration::from_secs(5)).mul_f64(unit.clamp(0.0, 1.0)))
}

/// Whether a method is idempotent (RFC 9110 §9.2.2): sending it twice means the same as sending it once.
pub fn method_is_idempotent(method: &str) -> bool {
    ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].iter().any(|known| known.eq_ignore_ascii_case(method))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FAILED: FailedAttempt = FailedAttempt { attempt: 1, retryable: true, repeatable: true, hint: None };

    #[test]
    fn a_request_that_may_have_had_its_effect_is_not_sent_again() {
        let post = FailedAttempt { repeatable: false, ..FAILED };
        assert_eq!(decide(&RetryPolicy::default(), post, 0.5), Decision::Stop(StopBecause::NotRepeatable));
    }

    #[test]
    fn a_hint_of_two_billion_seconds_ends_the_call_instead_of_being_shortened() {
        let hinted = FailedAttempt { hint: Some(Duration::from_secs(2_000_000_000)), ..FAILED };
        assert_eq!(decide(&RetryPolicy::default(), hinted, 0.5), Decision::Stop(StopBecause::HintBeyondMaxWait));
    }

    #[test]
    fn the_last_attempt_is_the_last() {
        let third = FailedAttempt { attempt: 3, ..FAILED };
        assert_eq!(decide(&RetryPolicy::default(), third, 0.5), Decision::Stop(StopBecause::AttemptsExhausted));
    }

    proptest! {
        #[test]
        fn no_call_comes_back_before_the_server_said(seconds in 1_u64..=30, attempt in 1_u32..3, unit in 0.0..1.0_f64) {
            let hint = Duration::from_secs(seconds);
            let decision = decide(&RetryPolicy::default(), FailedAttempt { attempt, hint: Some(hint), ..FAILED }, unit);
            let Decision::Retry { after, because } = decision else { panic!("{decision:?}") };
            prop_assert_eq!(because, RetryBecause::ServerHint);
            prop_assert!(after >= hint && after <= hint + Duration::from_secs(5));
        }
    }
}
