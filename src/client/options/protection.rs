//! The options of what stands around calls: retry, circuit breaker, budget, bulkhead.

use super::members::{Members, Switch, named, read_json};
use crate::flat_map::FlatMap;
use crate::input::InvalidInput;
use crate::json::Value;
use crate::policy::backoff::{Backoff, Jitter};
use crate::policy::breaker::{BreakerPolicy, RatioThreshold, SlowCalls};
use crate::policy::budget::BudgetPolicy;
use crate::policy::configuration::Configuration;
use crate::policy::retry::RetryPolicy;
use crate::resilience::bulkhead::BulkheadPolicy;
use crate::resilience::services::ServicePolicy;
use std::time::Duration;

/// An hour: longer waits are the queue's business, not a call's.
pub(super) const LONGEST_CALL_WAIT: u32 = 60 * 60 * 1000;

/// What stands around calls, as the application has asked for it; what it has not named is left to the server, and to the
/// defaults.
#[derive(Debug, Clone)]
pub struct Protection {
    /// All options of the SDK, as JSON.
    options: String,
}

/// What a server's configuration puts in the place of the defaults.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ServerDefaults {
    /// How calls are retried.
    pub retry: RetryPolicy,
    /// How its circuit breakers behave.
    pub breaker: BreakerPolicy,
}

impl From<&Configuration> for ServerDefaults {
    fn from(configuration: &Configuration) -> Self {
        let (mut retry, mut breaker) = (RetryPolicy::default(), BreakerPolicy::default());
        retry.max_attempts = configuration.max_attempts.unwrap_or(retry.max_attempts);
        retry.backoff.base = configuration.base_delay.unwrap_or(retry.backoff.base);
        retry.backoff.multiplier = configuration.multiplier.unwrap_or(retry.backoff.multiplier);
        retry.backoff.cap = retry.backoff.cap.max(retry.backoff.base);
        breaker.consecutive_failures = configuration.failure_threshold.or(breaker.consecutive_failures);
        breaker.open_for = configuration.recovery_timeout.unwrap_or(breaker.open_for);
        breaker.open_cap = breaker.open_cap.max(breaker.open_for);
        breaker.half_open_calls = configuration.half_open_calls.unwrap_or(breaker.half_open_calls);
        Self { retry, breaker }
    }
}

/// What follows from the options of an application and the configuration of a server.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// How calls are retried.
    pub retry: RetryPolicy,
    /// What protects services.
    pub service: ServicePolicy,
    /// What protects those that are named.
    pub services: FlatMap<String, ServicePolicy>,
}

const MEMBERS: [&str; 6] = ["retry", "breaker", "budget", "bulkhead", "adaptiveRate", "services"];

impl Protection {
    /// Those in the options of the SDK, of which `members` are the ones that have not been read yet.
    pub(super) fn read(options: &str, members: &mut Members<'_>) -> Self {
        for name in MEMBERS {
            members.take(name);
        }
        Self { options: options.into() }
    }

    /// What holds over these defaults.
    pub fn resolve(&self, defaults: &ServerDefaults) -> Result<Resolved, InvalidInput> {
        let document = read_json(&self.options)?;
        let mut members = Members::new("", Some(document.root()), "an object of options")?;
        let mut retry = members.within("retry", "an object such as { maxAttempts: 3 }")?;
        let retry_policy = read_retry(&mut retry, defaults.retry)?;
        retry.finish()?;
        let common = ServicePolicy {
            breaker: Some(defaults.breaker),
            budget: Some(BudgetPolicy::default()),
            bulkhead: None,
            adaptive_rate: false,
        };
        let service = read_service(&mut members, common)?;
        let mut services = FlatMap::default();
        let named = members.take("services");
        if let Some(other) = named.filter(|value| !value.is_object()) {
            return Err(members.invalid("services", other, "an object such as { search: { bulkhead: { maxConcurrent: 4 } } }"));
        }
        for (key, options) in named.into_iter().flat_map(Value::members) {
            let key = key.as_str();
            let path = ["services.", &key].concat();
            let mut members = Members::new(&path, Some(options), "an object such as { breaker: { openMs: 10000 } }")?;
            services.insert(key.into_owned(), read_service(&mut members, service)?);
            members.finish()?;
        }
        Ok(Resolved { retry: retry_policy, service, services })
    }
}

/// Reads the members of `retry`, or what stands at the top of a call's options.
pub(super) fn read_retry(members: &mut Members<'_>, defaults: RetryPolicy) -> Result<RetryPolicy, InvalidInput> {
    Ok(RetryPolicy {
        max_attempts: members.whole("maxAttempts", 1, 20)?.unwrap_or(defaults.max_attempts),
        backoff: Backoff {
            base: members.milliseconds("baseDelayMs", 0, LONGEST_CALL_WAIT)?.unwrap_or(defaults.backoff.base),
            multiplier: members.number("multiplier", 1.0, 10.0)?.unwrap_or(defaults.backoff.multiplier),
            cap: members.milliseconds("maxDelayMs", 0, LONGEST_CALL_WAIT)?.unwrap_or(defaults.backoff.cap),
            jitter: named(members, "jitter", &Jitter::NAMES, Jitter::from_name)?.unwrap_or(defaults.backoff.jitter),
        },
        attempt_timeout: members.milliseconds("attemptTimeoutMs", 1, LONGEST_CALL_WAIT)?.unwrap_or(defaults.attempt_timeout),
        max_wait: members.milliseconds("maxWaitMs", 0, LONGEST_CALL_WAIT)?.unwrap_or(defaults.max_wait),
        max_pause: members.milliseconds("maxPauseMs", 0, LONGEST_CALL_WAIT)?.unwrap_or(defaults.max_pause),
        total_timeout: members.milliseconds("totalTimeoutMs", 1, LONGEST_CALL_WAIT)?.or(defaults.total_timeout),
    })
}

/// Reads the members that protect one service, or all.
pub(super) fn read_service(members: &mut Members<'_>, defaults: ServicePolicy) -> Result<ServicePolicy, InvalidInput> {
    Ok(ServicePolicy {
        breaker: unless_off(members, "breaker", "{ openMs: 10000 }", defaults.breaker, read_breaker)?,
        budget: unless_off(members, "budget", "{ capacity: 100 }", defaults.budget, read_budget)?,
        bulkhead: unless_off(members, "bulkhead", "{ maxConcurrent: 4 }", defaults.bulkhead, read_bulkhead)?,
        adaptive_rate: members.flag("adaptiveRate")?.unwrap_or(defaults.adaptive_rate),
    })
}

/// What `false` switches off, `true` leaves at its defaults, and an object changes.
fn unless_off<'a, T: Copy>(
    members: &mut Members<'a>,
    name: &'a str,
    example: &str,
    default: Option<T>,
    read: fn(&mut Members<'a>, Option<T>) -> Result<T, InvalidInput>,
) -> Result<Option<T>, InvalidInput> {
    match members.switch(name, example)? {
        Switch::Absent => Ok(default),
        Switch::Off => Ok(None),
        Switch::On(mut inner) => {
            let read = read(&mut inner, default)?;
            inner.finish()?;
            Ok(Some(read))
        }
    }
}

fn read_breaker(members: &mut Members<'_>, default: Option<BreakerPolicy>) -> Result<BreakerPolicy, InvalidInput> {
    let default = default.unwrap_or_default();
    let ratio = default.ratio.unwrap_or_default();
    let open_for = members.milliseconds("openMs", 1, LONGEST_CALL_WAIT)?.unwrap_or(default.open_for);
    let slow = members.milliseconds("slowCallMs", 1, LONGEST_CALL_WAIT)?;
    let slow_ratio = members.number("slowCallRatio", 0.01, 1.0)?.unwrap_or(0.5);
    Ok(BreakerPolicy {
        consecutive_failures: members.whole("consecutiveFailures", 1, 1000)?.or(default.consecutive_failures),
        ratio: Some(RatioThreshold {
            failures: members.number("failureRatio", 0.01, 1.0)?.unwrap_or(ratio.failures),
            minimum_calls: members.whole("minimumCalls", 1, 10_000)?.unwrap_or(ratio.minimum_calls),
            window: members.milliseconds("windowMs", 1000, LONGEST_CALL_WAIT)?.unwrap_or(ratio.window),
        }),
        slow_calls: slow.map(|longer_than| SlowCalls { longer_than, ratio: slow_ratio }).or(default.slow_calls),
        open_for,
        open_multiplier: members.number("openMultiplier", 1.0, 10.0)?.unwrap_or(default.open_multiplier),
        open_cap: members.milliseconds("maxOpenMs", 1, LONGEST_CALL_WAIT)?.unwrap_or(default.open_cap).max(open_for),
        half_open_calls: members.whole("halfOpenCalls", 1, 100)?.unwrap_or(default.half_open_calls),
        probe_lease: members.milliseconds("probeLeaseMs", 1, LONGEST_CALL_WAIT)?.unwrap_or(default.probe_lease),
    })
}

fn read_budget(members: &mut Members<'_>, default: Option<BudgetPolicy>) -> Result<BudgetPolicy, InvalidInput> {
    let default = default.unwrap_or_default();
    Ok(BudgetPolicy {
        capacity: members.whole("capacity", 0, 100_000)?.unwrap_or(default.capacity),
        cost: members.whole("cost", 0, 100_000)?.unwrap_or(default.cost),
        timeout_cost: members.whole("timeoutCost", 0, 100_000)?.unwrap_or(default.timeout_cost),
        throttling_cost: members.whole("throttlingCost", 0, 100_000)?.unwrap_or(default.throttling_cost),
        reward: members.whole("reward", 0, 100_000)?.unwrap_or(default.reward),
        refill: match members.whole("refillMs", 0, 24 * LONGEST_CALL_WAIT)? {
            None => default.refill,
            Some(0) => None,
            Some(millis) => Some(Duration::from_millis(millis.into())),
        },
    })
}

fn read_bulkhead(members: &mut Members<'_>, default: Option<BulkheadPolicy>) -> Result<BulkheadPolicy, InvalidInput> {
    let default = default.unwrap_or(BulkheadPolicy { max_concurrent: 10, max_queued: 100 });
    Ok(BulkheadPolicy {
        max_concurrent: members.whole("maxConcurrent", 1, 10_000)?.unwrap_or(default.max_concurrent),
        max_queued: members.whole("maxQueued", 0, 100_000)?.unwrap_or(default.max_queued),
    })
}
