//! When a breaker opens, for how long, and how it closes again.

use crate::policy::backoff::Backoff;
use crate::time::milliseconds;
use std::time::Duration;

/// When a breaker opens, for how long, and how it closes again. Whatever the values are, nothing breaks: those out of range are
/// taken as the nearest that is in range, and a ratio that is no number as the default.
///
/// With `consecutive_failures`, `ratio` and `slow_calls` all `None` the breaker counts and never opens by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerPolicy {
    /// It opens after so many failures in a row, at least 1; a timeout counts for two. They are forgotten when nothing has failed for longer than the window.
    pub consecutive_failures: Option<u32>,
    /// It opens when so large a share of the calls in the window has failed.
    pub ratio: Option<RatioThreshold>,
    /// It opens when so large a share of the calls in the window was slow. The window and the minimum are those of `ratio`, or
    /// the default ones if there is none.
    pub slow_calls: Option<SlowCalls>,
    /// How long it is open the first time, at least 1 ms.
    pub open_for: Duration,
    /// Each opening in a row is so many times longer than the one before, at least 1.
    pub open_multiplier: f64,
    /// No opening is longer, but for the jitter of up to a tenth that is added to it. One below `open_for` is taken as `open_for`.
    pub open_cap: Duration,
    /// How many probes may be out at once when it is half-open, and how many must succeed to close it: 1 to 100.
    pub half_open_calls: u32,
    /// A probe that has not come back after this long has lost its place, and its result no longer counts. At least 1 ms; it
    /// should be longer than a call may take.
    pub probe_lease: Duration,
}

/// The share of failures at which a breaker opens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioThreshold {
    /// Failures per call, 0 to 1. At least two calls must have failed, however small it is.
    pub failures: f64,
    /// With fewer calls than this in the window, the share says nothing.
    pub minimum_calls: u32,
    /// The time that is looked back, in ten steps: a call is forgotten when nine to ten tenths of it have passed. At least 10 ms.
    pub window: Duration,
}

/// The share of slow calls at which a breaker opens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlowCalls {
    /// A success that took longer than this is slow, as is one that the server called degraded.
    pub longer_than: Duration,
    /// Slow calls per call, 0 to 1. At least two calls must have been slow, however small it is.
    pub ratio: f64,
}

impl Default for BreakerPolicy {
    /// Five failures in a row, or half of at least ten calls in 30 s; open for 30 s, doubling up to 300 s; three probes (Cosnap's
    /// `circuitBreaker`, completed).
    fn default() -> Self {
        Self {
            consecutive_failures: Some(5),
            ratio: Some(RatioThreshold::default()),
            slow_calls: None,
            open_for: Duration::from_secs(30),
            open_multiplier: 2.0,
            open_cap: Duration::from_secs(300),
            half_open_calls: 3,
            probe_lease: Duration::from_secs(60),
        }
    }
}

impl Default for RatioThreshold {
    /// Half of at least ten calls in 30 s.
    fn default() -> Self {
        Self { failures: 0.5, minimum_calls: 10, window: Duration::from_secs(30) }
    }
}

/// A policy whose values are all in range; times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) consecutive_failures: Option<u32>,
    pub(super) failure_ratio: Option<f64>,
    pub(super) slow_ratio: Option<f64>,
    pub(super) slow_after: Option<Duration>,
    pub(super) minimum_calls: u32,
    pub(super) window: u64,
    pub(super) half_open_calls: u32,
    pub(super) probe_lease: u64,
    open: Backoff,
}

/// More probes than this at once are no probes.
const MOST_HALF_OPEN_CALLS: u32 = 100;

/// The shortest window, a millisecond for each of its steps.
const SHORTEST_WINDOW: u64 = 10;

/// What is added to an open time at most, as a share of it, so that a crowd of clients does not come back at the same moment.
const OPEN_JITTER: f64 = 0.1;

/// Of an opening that is longer, the jitter is that of this one: a day.
const LONGEST_JITTERED: Duration = Duration::from_secs(24 * 60 * 60);

impl Limits {
    pub(super) fn of(policy: &BreakerPolicy) -> Self {
        let threshold = policy.ratio.unwrap_or_default();
        let open_for = policy.open_for.max(Duration::from_millis(1));
        Self {
            consecutive_failures: policy.consecutive_failures.map(|failures| failures.max(1)),
            failure_ratio: policy.ratio.map(|threshold| share(threshold.failures)),
            slow_ratio: policy.slow_calls.map(|slow| share(slow.ratio)),
            slow_after: policy.slow_calls.map(|slow| slow.longer_than),
            minimum_calls: threshold.minimum_calls,
            window: milliseconds(threshold.window).max(SHORTEST_WINDOW),
            half_open_calls: policy.half_open_calls.clamp(1, MOST_HALF_OPEN_CALLS),
            probe_lease: milliseconds(policy.probe_lease).max(1),
            open: Backoff::exponential(open_for, policy.open_multiplier, policy.open_cap.max(open_for)),
        }
    }

    /// How long the `opens`-th opening in a row lasts.
    pub(super) fn open_time(&self, opens: u32, unit: f64) -> u64 {
        let time = self.open.ceiling(opens);
        // No number is no jitter.
        let unit = if unit > 0.0 { unit.min(1.0) } else { 0.0 };
        let jitter = time.min(LONGEST_JITTERED).mul_f64(OPEN_JITTER * unit);
        milliseconds(time.saturating_add(jitter)).max(1)
    }
}

fn share(ratio: f64) -> f64 {
    if ratio.is_nan() { RatioThreshold::default().failures } else { ratio.clamp(0.0, 1.0) }
}
