//! Runs the vectors of this directory about sending again: when and how often, from which budget, and how fast; natively and in
//! browsers alike. A case that other projects decide differently says so in `differs`.

use serde_json::Value;
use std::time::Duration;
use steadfast::call::attempt::AttemptError;
use steadfast::error::network::{NetworkFailureKind, Rejection};
use steadfast::error::parse::{Extensions, ResponseParts, parse};
use steadfast::platform::NetworkFailure;
use steadfast::policy::backoff::{Backoff, Jitter};
use steadfast::policy::budget::{BudgetPolicy, RetryBudget, RetryCost, Urgency, Withdrawal};
use steadfast::policy::retry::{Decision, FailedAttempt, RetryPolicy, StopBecause, decide, method_is_idempotent, spread};
use steadfast::policy::send_rate::{SendRate, recovered_rate, reduced_rate};
use steadfast::time::{MonotonicTime, WallTime};

/// When all responses were received: 2026-06-01T12:00:00Z.
const NOW: WallTime = WallTime(1_780_315_200_000);

/// What chance may say. Whatever a case expects holds for all of these.
const UNITS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 0.999_999];

fn cases(vectors: &str, name: &str, least: usize) -> Vec<Value> {
    let mut vectors: Value = serde_json::from_str(vectors).unwrap();
    let Value::Array(cases) = vectors[name].take() else { panic!("no list of {name}") };
    assert!(cases.len() >= least, "there are {} {name}", cases.len());
    cases
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn milliseconds(value: &Value) -> Option<Duration> {
    match value {
        Value::String(text) if text == "longest" => Some(Duration::MAX),
        number => number.as_u64().map(Duration::from_millis),
    }
}

fn whole(value: &Value) -> Option<u32> {
    value.as_u64().map(|number| u32::try_from(number).unwrap())
}

fn backoff(members: &Value) -> Backoff {
    let defaults = RetryPolicy::default().backoff;
    Backoff {
        base: milliseconds(&members["baseMs"]).unwrap_or(defaults.base),
        multiplier: members["multiplier"].as_f64().unwrap_or(defaults.multiplier),
        cap: milliseconds(&members["capMs"]).unwrap_or(defaults.cap),
        jitter: members["jitter"].as_str().map_or(defaults.jitter, |name| Jitter::from_name(name).unwrap()),
    }
}

fn retry_policy(members: &Value) -> RetryPolicy {
    let defaults = RetryPolicy::default();
    RetryPolicy {
        max_attempts: whole(&members["maxAttempts"]).unwrap_or(defaults.max_attempts),
        backoff: backoff(members),
        max_wait: milliseconds(&members["maxWaitMs"]).unwrap_or(defaults.max_wait),
        total_timeout: milliseconds(&members["totalTimeoutMs"]),
        ..defaults
    }
}

fn budget_policy(members: &Value) -> BudgetPolicy {
    let defaults = BudgetPolicy::default();
    BudgetPolicy {
        capacity: whole(&members["capacity"]).unwrap_or(defaults.capacity),
        cost: whole(&members["cost"]).unwrap_or(defaults.cost),
        timeout_cost: whole(&members["timeoutCost"]).unwrap_or(defaults.timeout_cost),
        throttling_cost: whole(&members["throttlingCost"]).unwrap_or(defaults.throttling_cost),
        reward: whole(&members["reward"]).unwrap_or(defaults.reward),
        refill: milliseconds(&members["refillMs"]),
    }
}

fn cost(name: &str) -> RetryCost {
    match name {
        "transient" => RetryCost::Transient,
        "timeout" => RetryCost::Timeout,
        "throttling" => RetryCost::Throttling,
        other => panic!("{other} is no cost"),
    }
}

/// Whether a wait is the milliseconds that are expected, or between the two that are.
fn is_as_long_as(wait: Duration, expected: &Value) -> bool {
    let waited = wait.as_secs_f64() * 1000.0;
    let bounds = list(expected);
    match (expected.as_f64(), bounds) {
        (Some(exact), _) => (waited - exact).abs() <= (exact * 1e-9).max(1e-5),
        (None, [least, most]) => (least.as_f64().unwrap()..=most.as_f64().unwrap()).contains(&waited),
        _ => Some(wait) == milliseconds(expected),
    }
}

/// What an attempt came to, as far as it decides about another.
struct Attempt {
    succeeded: bool,
    retryable: bool,
    hint: Option<Duration>,
}

fn attempt(step: &Value) -> Attempt {
    let error = match (step["status"].as_u64(), step["failure"].as_str()) {
        (Some(status), None) if status < 400 => return Attempt { succeeded: true, retryable: false, hint: None },
        (Some(status), None) => {
            let members = step["headers"].as_object().into_iter().flatten();
            let headers = members.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_string())).collect();
            let body = step["body"].as_object().map(|_| step["body"].to_string().into_bytes()).unwrap_or_default();
            let status = u16::try_from(status).unwrap();
            let parts = ResponseParts { status, headers, body, truncated: false, received_at: NOW };
            parse(&parts, &Extensions::default())
        }
        (None, Some("timedOut")) => AttemptError::TimedOut(Duration::from_secs(1)).into_api_error(),
        (None, Some(name)) => {
            let kind = match name {
                "unknown" => NetworkFailureKind::Unknown,
                "offline" => NetworkFailureKind::Offline,
                "unreachable" => NetworkFailureKind::Unreachable,
                "cors" => NetworkFailureKind::Cors,
                "invalid" => NetworkFailureKind::Invalid,
                "application" => NetworkFailureKind::Application,
                "mixedContent" => NetworkFailureKind::MixedContent,
                other => panic!("{other} is no failure"),
            };
            AttemptError::Failed(NetworkFailure::certain(kind, "", Rejection::default())).into_api_error()
        }
        _ => panic!("neither a status nor a failure: {step}"),
    };
    let hint = error.retry_hint.map(|hint| Duration::from_millis(hint.after_ms));
    Attempt { succeeded: false, retryable: error.retryable, hint }
}

/// What a call asks for after each attempt, as the call path does: first the decision, then the budget.
fn run(case: &Value, unit: f64) {
    let policy = retry_policy(&case["policy"]);
    let method = case["method"].as_str().unwrap_or("GET");
    let repeatable = method_is_idempotent(method) || case["idempotencyKey"] == true;
    let mut now = MonotonicTime(1_000_000);
    let mut budget = RetryBudget::new(budget_policy(&case["budget"]), now);
    let mut delays = policy.backoff.delays();
    let mut attempts = 0;
    let mut began = now;
    let mut withdrawal: Option<Withdrawal> = None;
    for (index, step) in list(&case["steps"]).iter().enumerate() {
        let place = format!("step {} of {case} at {unit}", index + 1);
        let expected = &step["expect"];
        attempts += 1;
        now = MonotonicTime(now.0 + step["tookMs"].as_u64().unwrap_or(0));
        let came_to = attempt(step);
        let mut over = true;
        if came_to.succeeded {
            assert!(expected["stop"].is_null() && expected["retryAfterMs"].is_null(), "{place}: it succeeded");
            budget.deposit(withdrawal.take(), now);
        } else {
            let left = policy.total_timeout.map(|total| total.saturating_sub(now.since(began)));
            let failed = FailedAttempt { attempt: attempts, retryable: came_to.retryable, repeatable, hint: came_to.hint, left };
            let mut decision = decide(&policy, &mut delays, failed, unit);
            if let Decision::Retry { .. } = decision {
                let cost = cost(step["cost"].as_str().unwrap_or("transient"));
                match budget.withdraw(cost, Urgency::Interactive, now) {
                    Some(taken) => withdrawal = Some(taken),
                    None => decision = Decision::Stop(StopBecause::BudgetExhausted),
                }
            }
            match decision {
                Decision::Stop(because) => {
                    assert_eq!(serde_json::to_value(because).unwrap(), expected["stop"], "{place}: {decision:?}");
                }
                Decision::Retry { after, because } => {
                    assert!(expected["stop"].is_null(), "{place}: {decision:?}");
                    assert!(is_as_long_as(after, &expected["retryAfterMs"]), "{place}: {decision:?}");
                    if let Some(source) = expected["because"].as_str() {
                        assert_eq!(serde_json::to_value(because).unwrap(), source, "{place}");
                    }
                    now = MonotonicTime(now.0 + u64::try_from(after.as_millis()).unwrap());
                    over = false;
                }
            }
        }
        if let Some(quota) = whole(&expected["quota"]) {
            assert_eq!(budget.snapshot(now).available, quota, "{place}");
        }
        // What follows an attempt that ended the call belongs to the next.
        if over {
            (attempts, delays, began, withdrawal) = (0, policy.backoff.delays(), now, None);
        }
    }
}

pub(crate) fn every_call_is_sent_again_as_it_should_be() {
    for case in cases(include_str!("retry.json"), "calls", 60) {
        for unit in UNITS {
            run(&case, unit);
        }
    }
}

pub(crate) fn every_delay_is_as_long_as_it_should_be() {
    for case in cases(include_str!("retry.json"), "delays", 25) {
        let backoff = backoff(&case["backoff"]);
        let units: Vec<f64> = match case["unit"].as_f64() {
            Some(unit) => vec![unit],
            None => UNITS.to_vec(),
        };
        for unit in units {
            let mut delays = backoff.delays();
            let mut failures = 0;
            for expected in list(&case["expect"]) {
                let wanted = whole(&expected["failures"]).unwrap();
                let mut delay = Duration::ZERO;
                while failures < wanted {
                    delay = delays.next(unit);
                    failures += 1;
                }
                let place = format!("{delay:?} after {failures} at {unit} in {case}");
                assert!(is_as_long_as(delay, &expected["ms"]), "{place}");
                assert!(delay <= backoff.ceiling(failures), "{place}");
                if backoff.jitter != Jitter::Decorrelated {
                    assert_eq!(backoff.delay(failures, unit), delay, "{place}");
                }
            }
        }
    }
}

pub(crate) fn every_method_is_repeated_as_it_should_be() {
    for case in cases(include_str!("retry.json"), "methods", 10) {
        assert_eq!(method_is_idempotent(case["method"].as_str().unwrap()), case["idempotent"], "{case}");
    }
}

pub(crate) fn every_hint_is_spread_as_it_should_be() {
    for case in cases(include_str!("retry.json"), "hints", 8) {
        let hint = milliseconds(&case["hintMs"]).unwrap();
        let wait = spread(hint, case["unit"].as_f64().unwrap());
        assert!(is_as_long_as(wait, &case["ms"]), "{wait:?} in {case}");
    }
}

pub(crate) fn every_budget_is_spent_as_it_should_be() {
    for case in cases(include_str!("budget.json"), "cases", 20) {
        let mut budget = RetryBudget::new(budget_policy(&case["policy"]), MonotonicTime(0));
        let mut taken: Vec<Withdrawal> = Vec::new();
        let mut now = MonotonicTime(0);
        for (index, step) in list(&case["steps"]).iter().enumerate() {
            now = MonotonicTime(step["at"].as_u64().unwrap_or(now.0));
            for _ in 0..step["times"].as_u64().unwrap_or(1) {
                let place = format!("step {} of {case}", index + 1);
                if let Some(price) = step["withdraw"].as_str() {
                    let urgency = Urgency::from_name(step["urgency"].as_str().unwrap_or("interactive")).unwrap();
                    let withdrawal = budget.withdraw(cost(price), urgency, now);
                    assert_eq!(withdrawal.is_some(), step["granted"] != false, "{place}");
                    taken.extend(withdrawal);
                }
                match step["deposit"].as_str() {
                    None => {}
                    Some("last") => budget.deposit(Some(taken.pop().expect("something was taken")), now),
                    Some("nothingTaken") => budget.deposit(None, now),
                    Some(other) => panic!("{other} is no deposit"),
                }
            }
            let place = format!("step {} of {case}", index + 1);
            let snapshot = budget.snapshot(now);
            assert_eq!(Some(snapshot.available), whole(&step["available"]), "{place}");
            if let Some(refused) = step["refused"].as_u64() {
                assert_eq!(snapshot.refused, refused, "{place}");
            }
            match &step["affordableInMs"] {
                Value::Null => {}
                Value::String(_) => assert_eq!(snapshot.affordable_in_ms, None, "{place}"),
                milliseconds => assert_eq!(snapshot.affordable_in_ms, milliseconds.as_u64(), "{place}"),
            }
        }
    }
}

fn about(value: f64, expected: &Value) -> bool {
    // The sources round to six digits.
    expected.as_f64().is_some_and(|expected| (value - expected).abs() <= 6e-7)
}

pub(crate) fn every_rate_follows_the_server_as_it_should() {
    for case in cases(include_str!("send_rate.json"), "traces", 8) {
        let mut rate = SendRate::new(MonotonicTime(case["from"].as_u64().unwrap_or(0)));
        for (index, step) in list(&case["steps"]).iter().enumerate() {
            let place = format!("step {} of {case}: {rate:?}", index + 1);
            let now = MonotonicTime(step["at"].as_u64().unwrap());
            if let Some(answer) = step["answer"].as_str() {
                (0..step["times"].as_u64().unwrap_or(1)).for_each(|_| rate.record(answer == "throttled", now));
            }
            if step["released"] == true {
                rate.release(now);
            }
            if let Some(expected) = step["waitMs"].as_f64() {
                let wait = rate.acquire(now).as_secs_f64() * 1000.0;
                assert!((wait - expected).abs() < 1e-5, "{wait} ms in {place}");
            }
            let snapshot = rate.snapshot(now);
            if !step["measured"].is_null() {
                assert!(about(snapshot.measured_per_second, &step["measured"]), "{snapshot:?} in {place}");
            }
            if !step["allowed"].is_null() {
                assert!(about(snapshot.allowed_per_second, &step["allowed"]), "{snapshot:?} in {place}");
            }
            if let Some(active) = step["active"].as_bool() {
                assert_eq!(snapshot.active, active, "{place}");
            }
        }
    }
}

pub(crate) fn every_rate_is_on_the_curve() {
    for case in cases(include_str!("send_rate.json"), "curves", 4) {
        let mut highest = case["highest"].as_f64().unwrap();
        let mut throttled_at = case["throttledAtMs"].as_u64().unwrap();
        let mut rate = highest;
        for (index, step) in list(&case["steps"]).iter().enumerate() {
            let at = step["at"].as_u64().unwrap();
            if step["answer"] == "throttled" {
                (highest, throttled_at, rate) = (rate, at, reduced_rate(rate));
            } else {
                rate = recovered_rate(highest, Duration::from_millis(at - throttled_at));
            }
            assert!(about(rate, &step["rate"]), "step {} of {case}: {rate}", index + 1);
        }
    }
}
