//! Runs the vectors of this directory that tell what a circuit breaker does, natively and in browsers alike.
//!
//! A case is a policy (in milliseconds; what is absent is the default) and steps. A step happens `at` a reading of the clock, or at
//! that of the step before, and `times` times. What it does:
//!
//! - `admit`: a call is admitted, `as` a name; `refuse`: one is not, and is told to come back after `retryAfterMs`
//! - `succeed` (`tookMs`, `degraded`), `fail` (`noResponse`), `release`: the call of this name ends; without `call`, one is admitted
//!   and ends at once
//! - `openByHand`, `close`, `reset`, `openUntil` (`moment`, `opens`), `halfOpen`, `recovered`, `setPolicy` (`policy`), `look`
//!
//! and what is expected: the `transitions` (none if absent), the `state` afterwards, members of the `snapshot`.

use serde_json::{Value, to_value};
use std::collections::BTreeMap;
use std::time::Duration;
use steadfast::policy::breaker::{Breaker, BreakerPolicy, Outcome, Permit, RatioThreshold, SlowCalls, Transition};
use steadfast::time::{MonotonicTime, milliseconds};

pub(crate) fn every_breaker_does_what_it_should() {
    let vectors: Value = serde_json::from_str(include_str!("breaker.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() > 80, "the vectors were not found");
    for case in cases {
        run(case);
    }
}

fn run(case: &Value) {
    known(case, &["name", "source", "policy", "steps"]);
    let mut breaker = Breaker::new(policy(&case["policy"]));
    let mut permits = BTreeMap::new();
    let mut now = MonotonicTime(0);
    for step in case["steps"].as_array().unwrap() {
        let context = format!("{}: {}: {step}", case["source"], case["name"]);
        now = step["at"].as_u64().map_or(now, MonotonicTime);
        let mut transitions = vec![];
        for _ in 0..step["times"].as_u64().unwrap_or(1) {
            take(&mut breaker, &mut permits, step, now, &mut transitions, &context);
        }
        let none = vec![];
        let expected = step["transitions"].as_array().unwrap_or(&none);
        assert_eq!(transitions.len(), expected.len(), "{context}: {transitions:?}");
        for (transition, expected) in transitions.iter().zip(expected) {
            includes(&told(transition), expected, &context);
        }
        if !step["state"].is_null() {
            assert_eq!(to_value(breaker.state(now)).unwrap(), step["state"], "{context}");
        }
        if !step["snapshot"].is_null() {
            includes(&to_value(breaker.snapshot(now)).unwrap(), &step["snapshot"], &context);
        }
    }
}

fn take(
    breaker: &mut Breaker,
    permits: &mut BTreeMap<String, Permit>,
    step: &Value,
    now: MonotonicTime,
    transitions: &mut Vec<Transition>,
    context: &str,
) {
    let expected = ["transitions", "state", "snapshot", "at", "times", "do"];
    let action = step["do"].as_str().unwrap();
    known(step, &[members_of(action), &expected].concat());
    let unit = step["unit"].as_f64().unwrap_or(0.0);
    match action {
        "admit" => {
            transitions.extend(breaker.advance(now));
            let permit = breaker.admit(now).unwrap_or_else(|refused| panic!("{context}: {refused:?}"));
            assert!(step["probe"].as_bool().is_none_or(|probe| probe == permit.is_probe()), "{context}");
            permits.insert(step["as"].as_str().unwrap_or_default().to_string(), permit);
        }
        "refuse" => {
            transitions.extend(breaker.advance(now));
            let Err(refused) = breaker.admit(now) else { panic!("{context}: admitted") };
            assert_eq!(refused.retry_after.map(milliseconds), step["retryAfterMs"].as_u64(), "{context}");
            assert_eq!(refused.state, breaker.state(now), "{context}");
        }
        "succeed" | "fail" | "timeOut" | "release" => {
            let permit = if let Some(call) = step["call"].as_str() {
                *permits.get(call).unwrap_or_else(|| panic!("{context}: no such call"))
            } else {
                transitions.extend(breaker.advance(now));
                breaker.admit(now).unwrap_or_else(|refused| panic!("{context}: {refused:?}"))
            };
            let outcome = match action {
                "succeed" => Outcome::Success {
                    took: Duration::from_millis(step["tookMs"].as_u64().unwrap_or(1)),
                    degraded: step["degraded"] == true,
                },
                "fail" => Outcome::Failure { by_server: step["noResponse"] != true },
                "timeOut" => Outcome::Timeout,
                _ => return breaker.release(permit, now),
            };
            transitions.extend(breaker.record(permit, outcome, now, unit));
        }
        "openByHand" => transitions.extend(breaker.open_by_hand(now)),
        "close" => transitions.extend(breaker.close(now)),
        "reset" => transitions.extend(breaker.reset(now)),
        "openUntil" => {
            let moment = MonotonicTime(step["moment"].as_u64().unwrap());
            transitions.extend(breaker.open_until(moment, u32::try_from(step["opens"].as_u64().unwrap_or(1)).unwrap(), now));
        }
        "halfOpen" => transitions.extend(breaker.half_open(now)),
        "recovered" => transitions.extend(breaker.recovered(now)),
        "setPolicy" => breaker.set_policy(policy(&step["policy"])),
        "look" => transitions.extend(breaker.advance(now)),
        _ => panic!("{context}: no such step"),
    }
}

fn members_of(action: &str) -> &'static [&'static str] {
    match action {
        "admit" => &["as", "probe"],
        "refuse" => &["retryAfterMs"],
        "succeed" => &["call", "tookMs", "degraded", "unit"],
        "fail" => &["call", "noResponse", "unit"],
        "timeOut" => &["call", "unit"],
        "release" => &["call"],
        "openUntil" => &["moment", "opens"],
        "setPolicy" => &["policy"],
        _ => &[],
    }
}

/// A member that is misspelt would expect nothing.
fn known(value: &Value, members: &[&str]) {
    for name in value.as_object().unwrap().keys() {
        assert!(members.contains(&name.as_str()), "no member is called {name}: {value}");
    }
}

fn includes(actual: &Value, expected: &Value, context: &str) {
    for (name, expected) in expected.as_object().unwrap() {
        assert_eq!(actual.get(name), Some(expected), "{context}: {name}");
    }
}

fn told(transition: &Transition) -> Value {
    serde_json::json!({
        "from": transition.from,
        "to": transition.to,
        "because": transition.because,
        "shareable": transition.shareable,
        "openForMs": transition.open_for.map(milliseconds),
        "opens": transition.opens,
    })
}

fn policy(members: &Value) -> BreakerPolicy {
    known(
        members,
        &[
            "consecutiveFailures",
            "ratio",
            "slowCalls",
            "openForMs",
            "openMultiplier",
            "openCapMs",
            "halfOpenCalls",
            "probeLeaseMs",
        ],
    );
    let default = BreakerPolicy::default();
    let given = |name: &str| members.get(name);
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let duration = |name: &str, default| given(name).map_or(default, |value| Duration::from_millis(value.as_u64().unwrap()));
    let optional = |value: &Value| (!value.is_null()).then(|| value.clone());
    BreakerPolicy {
        consecutive_failures: given("consecutiveFailures")
            .map_or(default.consecutive_failures, |value| optional(value).map(|value| number(&value))),
        ratio: given("ratio").map_or(default.ratio, |value| {
            optional(value).map(|ratio| {
                known(&ratio, &["failures", "minimumCalls", "windowMs"]);
                RatioThreshold {
                    failures: ratio["failures"].as_f64().unwrap(),
                    minimum_calls: number(&ratio["minimumCalls"]),
                    window: Duration::from_millis(ratio["windowMs"].as_u64().unwrap()),
                }
            })
        }),
        slow_calls: given("slowCalls").map(|slow| {
            known(slow, &["longerThanMs", "ratio"]);
            SlowCalls {
                longer_than: Duration::from_millis(slow["longerThanMs"].as_u64().unwrap()),
                ratio: slow["ratio"].as_f64().unwrap(),
            }
        }),
        open_for: duration("openForMs", default.open_for),
        open_multiplier: given("openMultiplier").map_or(default.open_multiplier, |value| value.as_f64().unwrap()),
        open_cap: duration("openCapMs", default.open_cap),
        half_open_calls: given("halfOpenCalls").map_or(default.half_open_calls, number),
        probe_lease: duration("probeLeaseMs", default.probe_lease),
    }
}
