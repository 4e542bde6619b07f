//! What an [`ApiError`] means for the policies around a call.

use crate::error::{ApiError, Category, Confidence, HintSource, RetryHint};
use crate::policy::budget::RetryCost;
use crate::resilience::pipeline::{Facts, Failure};
use crate::resilience::services::{Finding, Refusal, RefusalReason};
use crate::time::{WallTime, milliseconds};
use std::time::Duration;

impl Failure for Box<ApiError> {
    fn facts(&self) -> Facts<'_> {
        let hint = self.retry_hint.map(|hint| Duration::from_millis(hint.after_ms));
        // Of one part of a backend, or of the whole of it where no part was named: 429 and 503 are about whoever asks next, too
        // (RFC 6585 §4, RFC 9110 §15.6.4), any other delay is about this request.
        let pauses = self.service.is_some() || matches!(self.status, Some(429 | 503));
        let finding = finding(self.status, self.code.as_deref(), self.category);
        Facts { retryable: self.retryable, hint, pauses, finding, cost: cost(self.category), service: self.service.as_deref() }
    }

    fn refused(refusal: &Refusal, now: WallTime) -> Self {
        let service = &refusal.service;
        let (code, what) = match refusal.reason {
            RefusalReason::Paused => ("SERVICE_PAUSED", "has asked in an earlier answer to be left alone; nothing was sent"),
            RefusalReason::CircuitOpen => {
                ("CIRCUIT_OPEN", "has failed too often and is left alone for a while; nothing was sent")
            }
            RefusalReason::BulkheadFull => {
                ("BULKHEAD_FULL", "is in use by as many calls as may be, and as many wait as may; nothing was sent")
            }
            RefusalReason::DeadlineTooClose => {
                ("DEADLINE_EXCEEDED", "cannot be asked before the deadline of this call; nothing was sent")
            }
        };
        let mut error = Box::new(ApiError::without_response(code, [service, " ", what, "."].concat(), true));
        error.retry_hint = refusal.retry_after.map(|retry_after| local_hint(refusal.reason, retry_after, now));
        error
    }

    fn postpone(&mut self, reason: RefusalReason, retry_after: Duration, now: WallTime) {
        let hint = local_hint(reason, retry_after, now);
        if self.retry_hint.is_none_or(|known| known.at < hint.at) {
            self.retry_hint = Some(hint);
        }
    }

    fn after(&mut self, attempts: u32) {
        if let Some(request) = &mut self.request {
            request.attempts = attempts;
        }
    }

    fn to_error(&self) -> Self {
        self.clone()
    }
}

/// A hint that no response has given: it follows from what is known of the service here.
fn local_hint(reason: RefusalReason, retry_after: Duration, now: WallTime) -> RetryHint {
    let source = match reason {
        RefusalReason::CircuitOpen => HintSource::CircuitBreaker,
        _ => HintSource::EarlierAnswer,
    };
    let confidence = Confidence::Certain;
    RetryHint { after_ms: milliseconds(retry_after), at: now.after(retry_after), source, confidence }
}

/// What a retry after such an error costs.
pub(crate) fn cost(category: Category) -> RetryCost {
    match category {
        Category::Timeout => RetryCost::Timeout,
        Category::RateLimit => RetryCost::Throttling,
        _ => RetryCost::Transient,
    }
}

/// What an error shows of the service that it came from.
pub(crate) fn finding(status: Option<u16>, code: Option<&str>, category: Category) -> Finding {
    match status {
        // What it cannot do at all (RFC 9110 §15.6.2, §15.6.6) it does not fail at.
        Some(501 | 505) => Finding::Works { degraded: false },
        Some(500..=599) => Finding::Fails { by_server: true },
        // An error under a success: its kind tells.
        Some(..400) if code == Some("RESPONSE_UNREADABLE") => Finding::Fails { by_server: false },
        Some(..400) => match category {
            Category::Server | Category::Unavailable | Category::Integration | Category::Timeout => {
                Finding::Fails { by_server: true }
            }
            _ => Finding::Works { degraded: false },
        },
        // A request that did not arrive in time says more of the way than of the server.
        Some(408) => Finding::Nothing,
        Some(_) => Finding::Works { degraded: false },
        None => match code {
            Some("NETWORK_TIMEOUT") => Finding::TimesOut,
            Some("NETWORK_UNREACHABLE" | "NETWORK_ERROR") => Finding::Fails { by_server: false },
            // This device's, this page's or the caller's own doing.
            _ => Finding::Nothing,
        },
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::parse::{Extensions, ResponseParts, parse};

    fn error(status: u16, body: &str) -> Box<ApiError> {
        let headers = vec![];
        let parts = ResponseParts { status, headers, body: body.into(), truncated: false, received_at: WallTime(0) };
        Box::new(parse(&parts, &Extensions::default()))
    }

    #[test]
    fn a_server_that_refuses_works_and_one_that_says_it_fails_does_not() {
        for (status, expected) in [
            (400, Finding::Works { degraded: false }),
            (404, Finding::Works { degraded: false }),
            (429, Finding::Works { degraded: false }),
            (408, Finding::Nothing),
            (500, Finding::Fails { by_server: true }),
            (501, Finding::Works { degraded: false }),
            (503, Finding::Fails { by_server: true }),
        ] {
            assert_eq!(error(status, "").facts().finding, expected, "{status}");
        }
        let failed = |code| ApiError::without_response(code, String::new(), true);
        assert_eq!(Box::new(failed("NETWORK_TIMEOUT")).facts().finding, Finding::TimesOut);
        assert_eq!(Box::new(failed("NETWORK_ERROR")).facts().finding, Finding::Fails { by_server: false });
        for code in ["NETWORK_OFFLINE", "NETWORK_CORS", "NETWORK_BLOCKED", "REQUEST_INVALID", "APPLICATION_HOOK_FAILED"] {
            assert_eq!(Box::new(failed(code)).facts().finding, Finding::Nothing, "{code}");
        }
    }

    #[test]
    fn a_delay_is_everyones_where_the_server_means_everyone() {
        let pauses = |status, body| error(status, body).facts().pauses;
        assert!(pauses(429, ""));
        assert!(pauses(503, ""));
        assert!(!pauses(500, r#"{"success":false,"error":{"code":"X","message":"m","retryAfter":7}}"#));
        let named = r#"{"success":false,"error":{"code":"AI_PROCESSING_TIMEOUT","message":"m","correlationId":"c","timestamp":"2026-06-01T12:00:00Z","userMessage":"u","retryable":true,"retryAfter":7,"severity":"low"},"context":{"endpoint":"/a","method":"GET","statusCode":504,"requestId":"r","service":"runninghub_api"}}"#;
        let error = error(504, named);
        assert_eq!((error.facts().pauses, error.facts().service), (true, Some("runninghub_api")));
    }
}
