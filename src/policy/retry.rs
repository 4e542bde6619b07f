//! Whether a call that failed is sent again, and when.

use super::backoff::{Backoff, Delays, clamped, scaled};
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
    /// A service that wants to be left alone for longer than this when the call comes is not waited for either: it fails at once,
    /// unsent, and says when. What comes while a service is paused comes to it on top of what others send when the pause is over:
    /// the longer such a wait may be, the larger the crowd.
    pub max_pause: Duration,
    /// How long the call may take in all, its attempts and the waits between them. `None` is for as long as it takes.
    pub total_timeout: Option<Duration>,
}

impl Default for RetryPolicy {
    /// Cosnap's defaults: 3 attempts, from 1 s, doubling; capped at 30 s.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30)),
            attempt_timeout: Duration::from_secs(30),
            max_wait: Duration::from_secs(30),
            max_pause: Duration::from_secs(2),
            total_timeout: None,
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
    /// How long it is until the deadline of the call; zero once it has passed, `None` if there is none.
    pub left: Option<Duration>,
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
    /// Backoff, with the jitter of the policy.
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
    /// The wait would last until the call's deadline, or beyond it: the call fails now, with what went wrong, and not then,
    /// with nothing but the time that has passed.
    DeadlineTooClose,
    /// The call's deadline has passed.
    DeadlineExceeded,
    /// Too many calls to this server have been sent again without success: more would only burden it.
    BudgetExhausted,
    /// The service fails so often that it is left alone for a while.
    CircuitOpen,
    /// The service is used by as many calls as it may be, and as many wait as may.
    BulkheadFull,
    /// The user or the application does not want calls to be sent again by themselves.
    AutoRetryOff,
}

/// Decides after a failed attempt. `delays` are those of the call, and move on with every failure that could be followed by
/// another attempt. `unit` is uniformly random in `[0, 1)`.
///
/// A server's hint is a floor: jitter is only added to it (up to a tenth of it, at most 5 s), and so is backoff one: a server that
/// is down and says "in a second" is asked less and less often all the same. A hint beyond [`RetryPolicy::max_wait`] is not
/// shortened to it, but ends the call. So does a wait that leaves no time before the deadline.
pub fn decide(policy: &RetryPolicy, delays: &mut Delays, failed: FailedAttempt, unit: f64) -> Decision {
    if !failed.retryable {
        return Decision::Stop(StopBecause::NotRetryable);
    }
    if !failed.repeatable {
        return Decision::Stop(StopBecause::NotRepeatable);
    }
    if failed.left.is_some_and(|left| left.is_zero()) {
        return Decision::Stop(StopBecause::DeadlineExceeded);
    }
    if failed.attempt >= policy.max_attempts {
        return Decision::Stop(StopBecause::AttemptsExhausted);
    }
    let delay = delays.next(unit);
    let (after, because) = match failed.hint {
        Some(hint) if hint > policy.max_wait => return Decision::Stop(StopBecause::HintBeyondMaxWait),
        // A hint of zero, or one that has passed, does not say "hammer me", and neither does a short one: backoff is the floor.
        Some(hint) if !hint.is_zero() && spread(hint, unit) >= delay => (spread(hint, unit), RetryBecause::ServerHint),
        _ => (delay, RetryBecause::Backoff),
    };
    if failed.left.is_some_and(|left| after >= left) {
        return Decision::Stop(StopBecause::DeadlineTooClose);
    }
    Decision::Retry { after, because }
}

/// A server's hint with jitter on top, so that the calls that got the same hint do not all come back at once.
pub fn spread(hint: Duration, unit: f64) -> Duration {
    later(hint, hint / 10, Duration::from_secs(5), unit)
}

/// Anything from the hint to so much later, at most `most`.
pub fn later(hint: Duration, by: Duration, most: Duration, unit: f64) -> Duration {
    hint.saturating_add(scaled(by.min(most), clamped(unit)))
}

/// Whether a method is idempotent (RFC 9110 §9.2.2): sending it twice means the same as sending it once.
pub fn method_is_idempotent(method: &str) -> bool {
    ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].iter().any(|known| known.eq_ignore_ascii_case(method))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FAILED: FailedAttempt = FailedAttempt { attempt: 1, retryable: true, repeatable: true, hint: None, left: None };

    fn decided(failed: FailedAttempt) -> Decision {
        let policy = RetryPolicy::default();
        decide(&policy, &mut policy.backoff.delays(), failed, 0.5)
    }

    #[test]
    fn a_request_that_may_have_had_its_effect_is_not_sent_again() {
        let post = FailedAttempt { repeatable: false, ..FAILED };
        assert_eq!(decided(post), Decision::Stop(StopBecause::NotRepeatable));
    }

    #[test]
    fn a_hint_of_two_billion_seconds_ends_the_call_instead_of_being_shortened() {
        let hinted = FailedAttempt { hint: Some(Duration::from_secs(2_000_000_000)), ..FAILED };
        assert_eq!(decided(hinted), Decision::Stop(StopBecause::HintBeyondMaxWait));
    }

    #[test]
    fn the_last_attempt_is_the_last() {
        let third = FailedAttempt { attempt: 3, ..FAILED };
        assert_eq!(decided(third), Decision::Stop(StopBecause::AttemptsExhausted));
    }

    #[test]
    fn a_call_does_not_sleep_into_its_deadline() {
        let late = FailedAttempt { left: Some(Duration::from_millis(500)), ..FAILED };
        assert_eq!(decided(late), Decision::Stop(StopBecause::DeadlineTooClose));
        let in_time = FailedAttempt { left: Some(Duration::from_millis(501)), ..FAILED };
        let after = Duration::from_millis(500);
        assert_eq!(decided(in_time), Decision::Retry { after, because: RetryBecause::Backoff });
        let over = FailedAttempt { left: Some(Duration::ZERO), ..FAILED };
        assert_eq!(decided(over), Decision::Stop(StopBecause::DeadlineExceeded));
    }

    #[test]
    fn a_hint_does_not_hold_up_the_growth_of_the_delays() {
        let policy = RetryPolicy::default();
        let mut delays = policy.backoff.delays();
        decide(&policy, &mut delays, FailedAttempt { hint: Some(Duration::from_secs(1)), ..FAILED }, 1.0);
        let second = decide(&policy, &mut delays, FailedAttempt { attempt: 2, ..FAILED }, 1.0);
        assert_eq!(second, Decision::Retry { after: Duration::from_secs(2), because: RetryBecause::Backoff });
    }

    fn any_wait() -> impl Strategy<Value = Option<Duration>> {
        prop_oneof![
            Just(None),
            (0..120_000_u64).prop_map(|millis| Some(Duration::from_millis(millis))),
            any::<u64>().prop_map(|millis| Some(Duration::from_millis(millis))),
            Just(Some(Duration::MAX))
        ]
    }

    proptest! {
        #[test]
        fn no_call_comes_back_before_the_server_said(seconds in 1_u64..=30, attempt in 1_u32..3, unit in 0.0..1.0_f64) {
            let hint = Duration::from_secs(seconds);
            let policy = RetryPolicy::default();
            let failed = FailedAttempt { attempt, hint: Some(hint), ..FAILED };
            let decision = decide(&policy, &mut policy.backoff.delays(), failed, unit);
            let Decision::Retry { after, because } = decision else { panic!("{decision:?}") };
            prop_assert_eq!(because, RetryBecause::ServerHint);
            prop_assert!(after >= hint && after <= hint + Duration::from_secs(5));
        }

        #[test]
        fn every_call_ends_within_its_attempts_and_its_deadline(
            max_attempts in 0..20_u32, max_wait in any_wait(), total_timeout in any_wait(), jitter in 0..4_usize,
            failures in prop::collection::vec((any_wait(), prop_oneof![0.0..1.0_f64, Just(f64::NAN), any::<f64>()], 0..60_000_u64), 25),
        ) {
            let jitter = crate::policy::backoff::Jitter::from_name(crate::policy::backoff::Jitter::NAMES[jitter]).unwrap();
            let default = RetryPolicy::default();
            let max_wait = max_wait.unwrap_or(default.max_wait);
            let policy = RetryPolicy { max_attempts, backoff: Backoff { jitter, ..default.backoff }, max_wait, total_timeout, ..default };
            let mut delays = policy.backoff.delays();
            let mut elapsed = Duration::ZERO;
            let mut ended = false;
            for (attempt, (hint, unit, took)) in (1..).zip(failures) {
                elapsed = elapsed.saturating_add(Duration::from_millis(took));
                let left = total_timeout.map(|total| total.saturating_sub(elapsed));
                let Decision::Retry { after, .. } = decide(&policy, &mut delays, FailedAttempt { attempt, hint, left, ..FAILED }, unit) else {
                    ended = true;
                    break;
                };
                prop_assert!(attempt < max_attempts);
                prop_assert!(hint.is_none_or(|hint| after >= hint && hint <= max_wait));
                prop_assert!(left.is_none_or(|left| after < left));
                elapsed = elapsed.saturating_add(after);
            }
            prop_assert!(ended, "20 attempts are the most");
        }
    }
}
