//! The options of a policy that stands around a function of the application's own.

use super::call::read_hedge;
use super::members::{Members, Switch, named, read_json};
use super::protection::{LONGEST_CALL_WAIT, read_retry, read_service};
use crate::input::InvalidInput;
use crate::policy::budget::Urgency;
use crate::policy::retry::RetryPolicy;
use crate::resilience::hedge::HedgePolicy;
use crate::resilience::services::ServicePolicy;
use std::time::Duration;

/// What stands around a function. What is not named is not there.
#[derive(Debug, Clone)]
pub struct PolicyOptions {
    /// The service that it goes to; `None` for one of its own.
    pub service: Option<String>,
    /// What protects that.
    pub protection: ServicePolicy,
    /// How it is retried.
    pub retry: RetryPolicy,
    /// When an attempt gets company.
    pub hedge: Option<HedgePolicy>,
    /// Whether someone is waiting for it.
    pub urgency: Urgency,
}

impl PolicyOptions {
    /// Checks the options of a policy, given as JSON. `known` says what protects a service of that name already.
    pub fn read(text: &str, known: impl Fn(&str) -> ServicePolicy) -> Result<Self, InvalidInput> {
        let document = read_json(text)?;
        let mut members = Members::new("", Some(document.root()), "an object of options")?;
        let service = members.text("service")?;
        let protection = read_service(&mut members, service.as_deref().map(known).unwrap_or_default())?;
        let attempt_timeout = members.milliseconds("timeoutMs", 1, LONGEST_CALL_WAIT)?;
        let total_timeout = members.milliseconds("totalTimeoutMs", 1, LONGEST_CALL_WAIT)?;
        let once = RetryPolicy { max_attempts: 1, attempt_timeout: Duration::MAX, total_timeout, ..RetryPolicy::default() };
        let retry = match members.switch("retry", "{ maxAttempts: 3 }")? {
            Switch::Absent | Switch::Off => once,
            Switch::On(mut retry) => {
                let policy = read_retry(&mut retry, RetryPolicy { max_attempts: 3, ..once })?;
                retry.finish()?;
                policy
            }
        };
        let options = Self {
            service,
            protection,
            retry: RetryPolicy { attempt_timeout: attempt_timeout.unwrap_or(retry.attempt_timeout), ..retry },
            hedge: read_hedge(&mut members)?,
            urgency: named(&mut members, "urgency", &Urgency::NAMES, Urgency::from_name)?.unwrap_or_default(),
        };
        members.finish()?;
        Ok(options)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PolicyOptions, InvalidInput> {
        PolicyOptions::read(text, |_| ServicePolicy::default())
    }

    #[test]
    fn what_is_not_named_is_not_there() {
        let options = read("{}").unwrap();
        assert_eq!(options.protection, ServicePolicy::default());
        assert_eq!((options.retry.max_attempts, options.retry.attempt_timeout), (1, Duration::MAX));
        assert!(options.hedge.is_none() && options.service.is_none());
    }

    #[test]
    fn what_is_named_is_there_with_its_defaults_but_for_what_is_said() {
        let options = read(r#"{"retry":true,"breaker":{"openMs":9000},"timeoutMs":500,"bulkhead":true}"#).unwrap();
        assert_eq!((options.retry.max_attempts, options.retry.attempt_timeout), (3, Duration::from_millis(500)));
        let breaker = options.protection.breaker.unwrap();
        assert_eq!((breaker.open_for, breaker.consecutive_failures), (Duration::from_secs(9), Some(5)));
        assert!(options.protection.bulkhead.is_some() && options.protection.budget.is_none());
    }

    #[test]
    fn a_wrong_one_says_where_it_stands() {
        let error = |text| read(text).unwrap_err().to_string();
        assert!(error(r#"{"breaker":{"openMs":"soon"}}"#).starts_with("options.breaker.openMs is \"soon\""));
        assert!(error(r#"{"breaker":7}"#).starts_with("options.breaker is 7; allowed: true, false, or an object such as"));
        assert!(error(r#"{"retries":7}"#).contains("no such option"));
    }
}
