//! How fast calls are sent to a server that says there are too many: the client's rate limit of the AWS SDKs' adaptive mode.
//!
//! Nothing is limited until a server first complains. From then on a bucket of tokens, one per call, is filled at a rate that
//! follows the server: cut to 0.7 of what was sent when it complains, and raised while it does not, along the curve of the CUBIC
//! congestion control (RFC 9438): quickly back towards the rate at which it complained, carefully around that, then faster and
//! faster to find out what else it takes. It never allows more than twice of what is sent.

use super::backoff::clamped_duration;
use crate::time::{MonotonicTime, milliseconds};
use serde::Serialize;
use std::time::Duration;

/// What is left of the rate when the server complains (β).
const REDUCTION: f64 = 0.7;
/// How steep the curve is.
const SCALE: f64 = 0.4;
/// How much of a newly measured rate counts against what was measured before.
const SMOOTHING: f64 = 0.8;
/// Over how many milliseconds the rate of calls is measured.
const MEASURED_OVER: u64 = 500;
/// The least that the bucket is filled by, in tokens per second: whatever happens, a call gets through every two seconds.
const LEAST_RATE: f64 = 0.5;
/// The least that the bucket holds.
const LEAST_CAPACITY: f64 = 1.0;

/// After this long without a complaint nothing is limited any more. The curve has long been above whatever a page sends by then;
/// what would still hold is the limit of twice the rate of late, at which a page that was idle could not even open a view.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

/// The rate at which calls may be sent to one server, of one page.
#[derive(Debug, Clone, PartialEq)]
pub struct SendRate {
    active: bool,
    /// Tokens per second.
    rate: f64,
    capacity: f64,
    /// The tokens that are there. Less than none if calls already wait for those to come.
    tokens: f64,
    /// From when on it is filled: from the first answer.
    filled_at: Option<MonotonicTime>,
    /// Calls per second.
    measured: f64,
    /// The last half second, counted from the clock's beginning, up to which the rate is measured.
    measured_until: u64,
    /// The calls since then.
    calls: u64,
    /// The rate at which the server last complained.
    highest: f64,
    throttled_at: MonotonicTime,
}

/// What is known of a server's patience, for a user interface.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendRateSnapshot {
    /// Whether anything is limited.
    pub active: bool,
    /// The calls per second that may be sent, if it is.
    pub allowed_per_second: f64,
    /// The calls per second that were answered of late.
    pub measured_per_second: f64,
    /// Milliseconds that the next call would wait.
    pub wait_ms: u64,
}

impl SendRate {
    /// One that limits nothing yet.
    pub fn new(now: MonotonicTime) -> Self {
        Self {
            active: false,
            rate: LEAST_RATE,
            capacity: LEAST_CAPACITY,
            tokens: 0.0,
            filled_at: None,
            measured: 0.0,
            measured_until: now.0 / MEASURED_OVER,
            calls: 0,
            highest: 0.0,
            throttled_at: now,
        }
    }

    /// Takes the token of a call, and says how long that call is to wait before it is sent: zero while nothing is limited. Those
    /// who come while others wait wait behind them.
    pub fn acquire(&mut self, now: MonotonicTime) -> Duration {
        self.notice(now);
        if !self.active {
            return Duration::ZERO;
        }
        self.fill(now);
        let wait = self.wait();
        self.tokens -= 1.0;
        wait
    }

    /// Gives back the token of a call that is not sent after all.
    pub fn release(&mut self, now: MonotonicTime) {
        self.notice(now);
        if self.active {
            self.fill(now);
            self.tokens = (self.tokens + 1.0).min(self.capacity);
        }
    }

    /// Learns from an answer: whether the server said that there are too many requests.
    pub fn record(&mut self, throttled: bool, now: MonotonicTime) {
        self.notice(now);
        self.measure(now);
        let rate = if throttled {
            self.highest = if self.active { self.measured.min(self.rate) } else { self.measured };
            self.throttled_at = now;
            self.active = true;
            reduced_rate(self.highest)
        } else {
            recovered_rate(self.highest, now.since(self.throttled_at))
        };
        // What has passed was filled at the old rate.
        self.fill(now);
        let rate = rate.min(2.0 * self.measured);
        self.rate = rate.max(LEAST_RATE);
        self.capacity = rate.max(LEAST_CAPACITY);
    }

    /// What is known.
    pub fn snapshot(&self, now: MonotonicTime) -> SendRateSnapshot {
        let mut later = self.clone();
        let wait = later.acquire(now);
        SendRateSnapshot {
            active: later.active,
            allowed_per_second: self.rate,
            measured_per_second: self.measured,
            wait_ms: milliseconds(wait),
        }
    }

    /// Forgets an old limit, and starts anew from a clock that was set back: what lies in its future has not happened.
    fn notice(&mut self, now: MonotonicTime) {
        self.filled_at = self.filled_at.map(|filled_at| filled_at.min(now));
        self.throttled_at = self.throttled_at.min(now);
        self.measured_until = self.measured_until.min(now.0 / MEASURED_OVER);
        if now.since(self.throttled_at) >= FORGOTTEN_AFTER {
            self.active = false;
        }
    }

    fn fill(&mut self, now: MonotonicTime) {
        let passed = self.filled_at.map_or(Duration::ZERO, |filled_at| now.since(filled_at));
        self.tokens = (self.tokens + passed.as_secs_f64() * self.rate).min(self.capacity);
        self.filled_at = Some(now);
    }

    /// How long it is until there is a whole token.
    fn wait(&self) -> Duration {
        clamped_duration(((1.0 - self.tokens) / self.rate).max(0.0))
    }

    #[expect(clippy::cast_precision_loss, reason = "as exact as a rate needs to be")]
    fn measure(&mut self, now: MonotonicTime) {
        let half_second = now.0 / MEASURED_OVER;
        self.calls = self.calls.saturating_add(1);
        let passed = half_second.saturating_sub(self.measured_until);
        if passed > 0 {
            let rate = self.calls as f64 / (passed as f64 / 2.0);
            self.measured = rate * SMOOTHING + self.measured * (1.0 - SMOOTHING);
            self.calls = 0;
            self.measured_until = half_second;
        }
    }
}

/// The rate after the server has complained about this one.
pub fn reduced_rate(rate: f64) -> f64 {
    rate * REDUCTION
}

/// The rate so long after the server complained about `highest`, which it has not done since: on CUBIC's curve, which begins at
/// [`reduced_rate`] and is at `highest` after `∛(highest · 0.3 / 0.4)` seconds.
pub fn recovered_rate(highest: f64, since: Duration) -> f64 {
    let plateau = (highest * (1.0 - REDUCTION) / SCALE).cbrt();
    SCALE * (since.as_secs_f64() - plateau).powi(3) + highest
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The limit as the specification words it, in seconds, with everything that has happened at hand: a clock that only moves on.
    #[derive(Default)]
    struct Model {
        answers: Vec<(f64, bool)>,
        active: bool,
        rate: f64,
        tokens: f64,
        filled_at: Option<f64>,
    }

    impl Model {
        /// Calls per second, from all answers ever.
        fn measured(&self) -> f64 {
            let (mut measured, mut since, mut calls) = (0.0, 0.0, 0.0);
            for (at, _) in &self.answers {
                calls += 1.0;
                let half_second = (at * 2.0).floor() / 2.0;
                if half_second > since {
                    measured = calls / (half_second - since) * 0.8 + measured * 0.2;
                    (since, calls) = (half_second, 0.0);
                }
            }
            measured
        }

        fn capacity(&self) -> f64 {
            self.rate.max(1.0)
        }

        fn fill(&mut self, now: f64) {
            let passed = now - self.filled_at.unwrap_or(now);
            self.tokens = (self.tokens + passed * self.rate.max(0.5)).min(self.capacity());
            self.filled_at = Some(now);
        }

        fn answered(&mut self, throttled: bool, now: f64, complaint: &mut (f64, f64)) {
            self.answers.push((now, throttled));
            let measured = self.measured();
            let rate = if throttled {
                *complaint = (now, if self.active { measured.min(self.rate.max(0.5)) } else { measured });
                self.active = true;
                complaint.1 * 0.7
            } else {
                let window = (complaint.1 * 0.3 / 0.4).cbrt();
                0.4 * (now - complaint.0 - window).powi(3) + complaint.1
            };
            self.fill(now);
            self.rate = rate.min(2.0 * measured);
            self.tokens = self.tokens.min(self.capacity());
        }
    }

    fn any_step() -> impl Strategy<Value = (u64, bool, bool)> {
        (prop_oneof![3 => 0..700_u64, 1 => 0..20_000_u64], prop::bool::weighted(0.3), any::<bool>())
    }

    proptest! {
        #[test]
        fn the_rate_is_the_one_that_the_specification_words(steps in prop::collection::vec(any_step(), 1..60)) {
            let mut rate = SendRate::new(MonotonicTime(0));
            let mut model = Model { rate: 0.5, ..Model::default() };
            let mut complaint = (0.0, 0.0);
            let mut millis = 0;
            for (passed, throttled, sends) in steps {
                millis += passed;
                let (now, seconds) = (MonotonicTime(millis), Duration::from_millis(millis).as_secs_f64());
                if seconds - complaint.0 >= FORGOTTEN_AFTER.as_secs_f64() {
                    model.active = false;
                }
                if sends {
                    let wait = rate.acquire(now);
                    if model.active {
                        model.fill(seconds);
                        let expected = ((1.0 - model.tokens) / model.rate.max(0.5)).max(0.0);
                        prop_assert!((wait.as_secs_f64() - expected).abs() < 1e-6, "{wait:?} instead of {expected}");
                        model.tokens -= 1.0;
                    } else {
                        prop_assert_eq!(wait, Duration::ZERO);
                    }
                } else {
                    rate.record(throttled, now);
                    model.answered(throttled, seconds, &mut complaint);
                    let snapshot = rate.snapshot(now);
                    prop_assert_eq!(snapshot.active, model.active);
                    let expected = model.rate.max(0.5);
                    prop_assert!((snapshot.allowed_per_second / expected - 1.0).abs() < 1e-9, "{snapshot:?} instead of {expected}");
                }
            }
        }

        #[test]
        fn whoever_waits_as_told_never_sends_faster_than_allowed(calls in 2..40_u32, complains_at in 0..100_000_u64, apart in 0..3_000_u64) {
            let mut rate = SendRate::new(MonotonicTime(0));
            (0..20).for_each(|call| rate.record(false, MonotonicTime(complains_at + call * 50)));
            let mut now = complains_at + 1000;
            rate.record(true, MonotonicTime(now));
            let allowed = rate.snapshot(MonotonicTime(now)).allowed_per_second;
            let burst = allowed.max(LEAST_CAPACITY);
            let mut sent: Vec<f64> = Vec::new();
            for _ in 0..calls {
                let wait = rate.acquire(MonotonicTime(now));
                sent.push(Duration::from_millis(now).as_secs_f64() + wait.as_secs_f64());
                now += apart;
            }
            for (first, from) in sent.iter().enumerate() {
                for (last, until) in sent.iter().enumerate().skip(first) {
                    let within = f64::from(u32::try_from(last - first + 1).unwrap());
                    prop_assert!(within <= burst + (until - from) * allowed + 1e-6, "{within} calls from {from} to {until} at {allowed}/s");
                }
            }
        }

        #[test]
        fn no_clock_and_no_server_makes_it_stuck(
            began in any::<u64>(), steps in prop::collection::vec((any::<u64>(), 0..4_usize), 0..80), later in any::<u64>(),
        ) {
            let mut rate = SendRate::new(MonotonicTime(began));
            let mut waiting: u32 = 0;
            for (now, kind) in steps {
                let now = MonotonicTime(now);
                match kind {
                    0 => rate.record(true, now),
                    1 => rate.record(false, now),
                    2 => rate.release(now),
                    _ => {
                        rate.acquire(now);
                        waiting += 1;
                    }
                }
                let snapshot = rate.snapshot(now);
                prop_assert!(snapshot.allowed_per_second.is_finite() && snapshot.allowed_per_second >= LEAST_RATE);
                prop_assert!(snapshot.allowed_per_second <= (2.0 * snapshot.measured_per_second).max(LEAST_RATE));
            }
            // Whoever comes next waits no longer than those before it need at the lowest rate.
            let longest = Duration::from_secs(2) * (waiting + 1);
            prop_assert!(rate.acquire(MonotonicTime(later)) <= longest);
        }
    }
}
