//! The circuit breaker: the vectors, natively, and random traces against a slow and obvious model.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "breaker/model.rs"]
mod model;
#[path = "vectors/breaker.rs"]
mod vectors;

use model::{Change, Model, Step, outcome, policy, steps};
use proptest::prelude::*;
use std::time::Duration;
use steadfast::policy::breaker::{Breaker, BreakerPolicy, BreakerState, Outcome, Permit, RatioThreshold, SlowCalls, Transition};
use steadfast::time::{MonotonicTime, milliseconds};

#[test]
fn every_breaker_does_what_it_should() {
    vectors::every_breaker_does_what_it_should();
}

const QUICK: Outcome = Outcome::Success { took: Duration::ZERO, degraded: false };
const FAILED: Outcome = Outcome::Failure { by_server: true };

/// A breaker, its clock, and the calls that it has admitted.
#[derive(Clone)]
struct Trace {
    breaker: Breaker,
    clock: u64,
    permits: Vec<Permit>,
}

impl Trace {
    fn new(policy: BreakerPolicy) -> Self {
        // Far enough from zero for a clock that is set back.
        Self { breaker: Breaker::new(policy), clock: 100_000_000_000, permits: vec![] }
    }

    fn now(&self) -> MonotonicTime {
        MonotonicTime(self.clock)
    }

    /// Which call a step means, if there is one.
    fn call(&self, from_last: usize) -> Option<usize> {
        self.permits.len().checked_sub(1 + from_last)
    }

    fn take(&mut self, step: Step) -> Option<Transition> {
        let now = self.now();
        match step {
            Step::Pass(time) => {
                self.clock += time;
                None
            }
            Step::SetBack(time) => {
                self.clock -= time;
                None
            }
            Step::Admit => {
                self.permits.extend(self.breaker.admit(now));
                None
            }
            Step::Record(call, outcome, unit) => {
                let permit = self.permits[self.call(call)?];
                self.breaker.record(permit, outcome, now, unit)
            }
            Step::Release(call) => {
                let permit = self.permits[self.call(call)?];
                self.breaker.release(permit, now);
                None
            }
            Step::OpenByHand => self.breaker.open_by_hand(now),
            Step::Close => self.breaker.close(now),
            Step::Reset => self.breaker.reset(now),
            Step::OpenUntil(wait, opens) => self.breaker.open_until(MonotonicTime(self.clock + wait), opens, now),
            Step::HalfOpen => self.breaker.half_open(now),
            Step::Recovered => self.breaker.recovered(now),
            Step::SetPolicy(policy) => {
                self.breaker.set_policy(policy);
                None
            }
            Step::Advance => self.breaker.advance(now),
        }
    }
}

fn agree(transition: Option<Transition>, expected: Option<Change>, model: &mut Model) {
    let Some(expected) = expected else { return assert_eq!(transition, None) };
    let transition = transition.unwrap_or_else(|| panic!("no transition, but {expected:?}"));
    let open_for = transition.open_for.map(milliseconds);
    match (open_for, expected.open_for) {
        (Some(actual), Some((least, most))) => {
            assert!((least..=most).contains(&actual), "open for {actual} and not {least} to {most}");
            model.opened(actual);
        }
        (None, None) => {}
        _ => panic!("{transition:?} but {expected:?}"),
    }
    let actual = Change {
        from: transition.from,
        to: transition.to,
        because: transition.because,
        shareable: transition.shareable,
        opens: transition.opens,
        open_for: expected.open_for,
    };
    assert_eq!(actual, expected);
}

proptest! {
    #[test]
    fn it_does_what_a_slow_and_obvious_model_does(policy in policy(), steps in steps()) {
        let mut trace = Trace::new(policy);
        let mut model = Model::new(policy);
        trace.breaker.advance(trace.now());
        model.advance(trace.clock);
        for step in steps {
            let clock = trace.clock;
            let expected = match step {
                Step::Pass(_) | Step::SetBack(_) => None,
                Step::Admit => {
                    let expected = model.admit(clock);
                    let actual = trace.breaker.admit(trace.now());
                    prop_assert_eq!(
                        actual.map(Permit::is_probe).map_err(|refused| (refused.retry_after.map(milliseconds), refused.state)),
                        expected
                    );
                    trace.permits.extend(actual);
                    prop_assert_eq!(trace.breaker.snapshot(trace.now()), model.snapshot());
                    continue;
                }
                Step::Record(call, outcome, unit) => trace.call(call).and_then(|call| model.record(call, outcome, clock, unit)),
                Step::Release(call) => {
                    if let Some(call) = trace.call(call) {
                        model.release(call, clock);
                    }
                    None
                }
                Step::OpenByHand => model.open_by_hand(clock),
                Step::Close => model.close(clock),
                Step::Reset => model.reset(clock),
                Step::OpenUntil(wait, opens) => model.open_until(clock + wait, opens, clock),
                Step::HalfOpen => model.half_open(clock),
                Step::Recovered => model.recovered(clock),
                Step::SetPolicy(policy) => {
                    model.set_policy(policy);
                    None
                }
                Step::Advance => model.advance(clock),
            };
            let transition = trace.take(step);
            agree(transition, expected, &mut model);
            if matches!(step, Step::Pass(_) | Step::SetBack(_)) {
                // The model has no eyes between readings, so the breaker is given one, too.
                agree(trace.breaker.advance(trace.now()), model.advance(trace.clock), &mut model);
            }
            prop_assert_eq!(trace.breaker.snapshot(trace.now()), model.snapshot());
        }
    }

    #[test]
    fn a_refused_call_is_told_the_first_moment_at_which_it_would_be_admitted(policy in policy(), steps in steps()) {
        let mut trace = Trace::new(policy);
        for step in steps {
            trace.take(step);
            let now = trace.now();
            let state = trace.breaker.state(now);
            let mut breaker = trace.breaker.clone();
            let Err(refused) = breaker.admit(now) else {
                prop_assert!(matches!(state, BreakerState::Closed | BreakerState::HalfOpen));
                continue;
            };
            prop_assert_eq!(refused.state, state);
            let Some(wait) = refused.retry_after.map(milliseconds) else {
                prop_assert_eq!(state, BreakerState::ForcedOpen);
                prop_assert!(breaker.clone().admit(MonotonicTime(u64::MAX)).is_err());
                continue;
            };
            prop_assert!(wait > 0);
            prop_assert!(breaker.clone().admit(MonotonicTime(now.0 + wait - 1)).is_err());
            prop_assert!(breaker.clone().admit(MonotonicTime(now.0 + wait)).is_ok());
        }
    }

    #[test]
    fn nothing_is_admitted_while_it_is_open(policy in policy(), steps in steps()) {
        let mut trace = Trace::new(policy);
        for step in steps {
            let opened = trace.take(step).filter(|transition| transition.to == BreakerState::Open);
            if let Some(open_for) = opened.and_then(|transition| transition.open_for).map(milliseconds) {
                for passed in [0, 1, open_for / 2, open_for - 1] {
                    let mut breaker = trace.breaker.clone();
                    prop_assert_eq!(breaker.admit(MonotonicTime(trace.clock + passed)).is_err(), passed < open_for);
                }
            }
        }
    }

    #[test]
    fn there_are_never_more_probes_out_than_may_be(
        policy in policy(),
        steps in prop::collection::vec((0..80_u64, 0..4_usize, any::<bool>()), 1..120),
    ) {
        let mut breaker = Breaker::new(policy);
        breaker.open_until(MonotonicTime(1), 1, MonotonicTime(0));
        let most = policy.half_open_calls.max(1) as usize;
        let lease = milliseconds(policy.probe_lease).max(1);
        let mut out: Vec<(u64, Permit)> = vec![];
        let mut clock = 1;
        for (passed, which, comes_back) in steps {
            clock += passed;
            out.retain(|(until, _)| *until > clock);
            if comes_back && which < out.len() {
                breaker.release(out.remove(which).1, MonotonicTime(clock));
            }
            let admitted = breaker.admit(MonotonicTime(clock));
            prop_assert_eq!(admitted.is_ok(), out.len() < most);
            out.extend(admitted.map(|permit| (clock + lease, permit)));
            prop_assert_eq!(breaker.snapshot(MonotonicTime(clock)).probes as usize, out.len());
        }
    }

    #[test]
    fn results_from_before_a_change_change_nothing(policy in policy(), steps in steps(), late in outcome(), unit in 0.0..1.0_f64) {
        let mut trace = Trace::new(policy);
        for step in steps {
            let admitted = trace.permits.len();
            let changed = trace.take(step);
            if changed.is_none() {
                continue;
            }
            let now = trace.now();
            let before = trace.breaker.snapshot(now);
            for permit in trace.permits[..admitted].iter().rev().take(10) {
                prop_assert_eq!(trace.breaker.record(*permit, late, now, unit), None);
                trace.breaker.release(*permit, now);
            }
            prop_assert_eq!(trace.breaker.snapshot(now), before);
        }
    }

    #[test]
    fn whatever_has_happened_it_closes_when_calls_succeed(policy in policy(), steps in steps()) {
        let mut trace = Trace::new(policy);
        for step in steps {
            trace.take(step);
        }
        if trace.breaker.state(trace.now()) == BreakerState::ForcedOpen {
            trace.breaker.close(trace.now());
        }
        // Whether it waits for an opening, for probes that hang or for both: a handful of calls is enough.
        for _ in 0..10 {
            match trace.breaker.admit(trace.now()) {
                Ok(permit) => _ = trace.breaker.record(permit, QUICK, trace.now(), 0.5),
                Err(refused) => trace.clock += milliseconds(refused.retry_after.unwrap()),
            }
        }
        prop_assert_eq!(trace.breaker.state(trace.now()), BreakerState::Closed);
    }

    #[test]
    fn an_opening_is_told_to_others_only_if_the_server_alone_has_caused_it(
        consecutive in prop::option::of(1..5_u32),
        ratio in prop::option::of((0.2..1.0_f64, 0..8_u32)),
        calls in prop::collection::vec((0..80_u64, 0..3_u8), 1..60),
    ) {
        let threshold = ratio.map(|(failures, minimum_calls)| RatioThreshold { failures, minimum_calls, window: Duration::from_secs(1) });
        let policy = BreakerPolicy { consecutive_failures: consecutive, ratio: threshold, ..BreakerPolicy::default() };
        let (mut all, mut server_only) = (Breaker::new(policy), Breaker::new(policy));
        let mut clock = 0;
        for breaker in [&mut all, &mut server_only] {
            breaker.advance(MonotonicTime(0));
        }
        for (passed, kind) in calls {
            clock += passed;
            let now = MonotonicTime(clock);
            let outcome = [QUICK, FAILED, Outcome::Failure { by_server: false }][usize::from(kind)];
            let alone = if kind == 2 {
                None
            } else {
                let permit = server_only.admit(now).unwrap();
                server_only.record(permit, outcome, now, 0.0)
            };
            let permit = all.admit(now).unwrap();
            let Some(opened) = all.record(permit, outcome, now, 0.0) else {
                prop_assert_eq!(alone, None);
                continue;
            };
            let seen = server_only.snapshot(now);
            let row = consecutive.is_some_and(|limit| seen.failures_in_a_row >= limit);
            let share = ratio.is_some_and(|(share, minimum)| {
                seen.failures > 1 && seen.calls >= minimum && f64::from(seen.failures) / f64::from(seen.calls) >= share
            });
            prop_assert_eq!(opened.shareable, alone.is_some() || row || share);
            break;
        }
    }

    #[test]
    fn one_failure_after_an_idle_time_opens_only_what_one_failure_opens(
        policy in policy(),
        outcomes in prop::collection::vec(outcome(), 0..30),
        idle in 0..100_000_u64,
    ) {
        let policy = BreakerPolicy { consecutive_failures: policy.consecutive_failures.map(|limit| limit.max(2)), ..policy };
        let mut trace = Trace::new(policy);
        for outcome in outcomes {
            let now = trace.now();
            if let Ok(permit) = trace.breaker.admit(now) {
                trace.breaker.record(permit, outcome, now, 0.0);
            }
        }
        let window = milliseconds(policy.ratio.unwrap_or_default().window).max(10);
        trace.clock += window + 1 + idle;
        let now = trace.now();
        if trace.breaker.state(now) == BreakerState::Closed {
            let permit = trace.breaker.admit(now).unwrap();
            prop_assert_eq!(trace.breaker.record(permit, FAILED, now, 0.0), None);
        }
    }

    #[test]
    fn nothing_that_it_is_given_makes_it_panic(
        policies in prop::collection::vec(any_policy(), 1..4),
        steps in prop::collection::vec((0..14_u8, any::<u64>(), any::<f64>(), any::<u32>(), outcome()), 1..60),
    ) {
        let mut breaker = Breaker::new(policies[0]);
        let mut permits = vec![];
        for (action, moment, unit, number, outcome) in steps {
            let now = MonotonicTime(moment);
            let permit = permits.get(number as usize % permits.len().max(1)).copied();
            match (action, permit) {
                (0, _) => _ = breaker.open_by_hand(now),
                (1, _) => _ = breaker.close(now),
                (2, _) => _ = breaker.open_until(MonotonicTime(u64::MAX - moment / 2), number, now),
                (3, _) => _ = breaker.half_open(now),
                (4, _) => _ = breaker.recovered(now),
                (5, _) => breaker.set_policy(policies[number as usize % policies.len()]),
                (6, Some(permit)) => breaker.release(permit, now),
                (7..=9, Some(permit)) => _ = breaker.record(permit, outcome, now, unit),
                _ => permits.extend(breaker.admit(now)),
            }
            breaker.snapshot(MonotonicTime(u64::MAX));
        }
    }
}

fn any_policy() -> impl Strategy<Value = BreakerPolicy> {
    let duration = || prop_oneof![Just(Duration::MAX), any::<u64>().prop_map(Duration::from_millis), Just(Duration::ZERO)];
    let ratio = (any::<f64>(), any::<u32>(), duration());
    let slow = (duration(), any::<f64>());
    let times = (duration(), any::<f64>(), duration(), duration());
    (prop::option::of(any::<u32>()), prop::option::of(ratio), prop::option::of(slow), times, any::<u32>()).prop_map(
        |(consecutive_failures, ratio, slow, (open_for, open_multiplier, open_cap, probe_lease), half_open_calls)| {
            BreakerPolicy {
                consecutive_failures,
                ratio: ratio.map(|(failures, minimum_calls, window)| RatioThreshold { failures, minimum_calls, window }),
                slow_calls: slow.map(|(longer_than, ratio)| SlowCalls { longer_than, ratio }),
                open_for,
                open_multiplier,
                open_cap,
                half_open_calls,
                probe_lease,
            }
        },
    )
}
