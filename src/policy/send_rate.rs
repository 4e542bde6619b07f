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
    filled_at: MonotonicTime,
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
            filled_at: now,
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
        self.tokens = self.tokens.min(self.capacity);
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
        self.filled_at = self.filled_at.min(now);
        self.throttled_at = self.throttled_at.min(now);
        self.measured_until = self.measured_until.min(now.0 / MEASURED_OVER);
        if now.since(self.throttled_at) >= FORGOTTEN_AFTER {
            self.active = false;
        }
    }

    fn fill(&mut self, now: MonotonicTime) {
        let filled = now.since(self.filled_at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + filled).min(self.capacity);
        self.filled_at = now;
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
