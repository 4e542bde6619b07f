//! A circuit breaker: it stops calling a service that fails, and finds out with a few calls when it is back.
//!
//! ```text
//!               too many failures, or slow calls
//!    ┌────────┐ ───────────────────────────────▶ ┌──────┐   the time is over   ┌───────────┐
//!    │ closed │                                  │ open │ ───────────────────▶ │ half-open │
//!    └────────┘                                  └──────┘ ◀─────────────────── └───────────┘
//!         ▲                                           a probe failed: longer than before │
//!         └──────────────────────────────────────────────────────────────────────────────┘
//!                                    as many probes as must have succeeded
//! ```
//!
//! Every call asks [`Breaker::admit`] first, and brings its [`Permit`] back with [`Breaker::record`] or [`Breaker::release`],
//! exactly once. A permit that never comes back does no harm: a probe's place is leased. A permit knows in which generation it was
//! given, and every change of state begins another, so that a result that comes late says nothing about a state that it is not of.
//!
//! Growth: an opening in a row with earlier ones lasts longer. It is in a row if it follows a failed probe, or if the breaker had
//! been closed for less than one window, so that a service that comes back only for its probes is left alone longer and longer.
//!
//! Time is only ever compared with readings given before. A reading earlier than the last one is taken for a clock that was set
//! back: no time has passed, and it goes on from there.

mod elapsed;
mod policy;
mod probes;
mod report;
mod window;

pub use policy::{BreakerPolicy, RatioThreshold, SlowCalls};
pub use report::{BreakerSnapshot, BreakerState, Rejection, Transition, TransitionReason};

use super::gate::LONGEST_HONOURED_HINT;
use crate::time::{MonotonicTime, milliseconds};
use elapsed::Elapsed;
use policy::Limits;
use probes::Probes;
use std::time::Duration;
use window::{Counts, FailuresInRow, Window};

/// For how many failures in a row a timeout counts.
const TIMEOUT_WEIGHT: u32 = 2;

/// The circuit breaker of one service.
#[derive(Debug, Clone)]
pub struct Breaker {
    limits: Limits,
    elapsed: Elapsed,
    generation: u64,
    phase: Phase,
    window: Window,
    in_row: FailuresInRow,
    in_row_by_server: FailuresInRow,
    opens: u32,
    /// When it was last closed, for the growth.
    closed_at: u64,
}

#[derive(Debug, Clone)]
enum Phase {
    Closed,
    Open { until: u64 },
    HalfOpen(Probes),
    ForcedOpen,
}

/// That a call may be made. Comes back with its outcome, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    generation: u64,
    admitted_at: MonotonicTime,
    probe: Option<u32>,
}

impl Permit {
    /// When the call was admitted.
    pub fn admitted_at(self) -> MonotonicTime {
        self.admitted_at
    }

    /// Whether the call is a probe: its outcome alone can open or close the breaker.
    pub fn is_probe(self) -> bool {
        self.probe.is_some()
    }
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The service did what was asked of it.
    Success {
        /// How long it took.
        took: Duration,
        /// The server said that it did less than it should (warnings, a fallback). Counts as a slow call.
        degraded: bool,
    },
    /// It did not.
    Failure {
        /// Whether the server has said so. If not, no response has arrived, which may be the local network's fault.
        by_server: bool,
    },
    /// It gave no answer in time, which may be the local network's fault. Counts as two failures in a row: it has kept someone
    /// waiting for as long as they would, and those that were sent since are waiting still.
    Timeout,
}

impl Breaker {
    /// A closed breaker that has seen nothing.
    pub fn new(policy: BreakerPolicy) -> Self {
        let limits = Limits::of(&policy);
        Self {
            limits,
            elapsed: Elapsed::default(),
            generation: 0,
            phase: Phase::Closed,
            window: Window::new(limits.window),
            in_row: FailuresInRow::default(),
            in_row_by_server: FailuresInRow::default(),
            opens: 0,
            closed_at: 0,
        }
    }

    /// Has it decide by another policy from now on. State and counts stay, as does the time that an opening ends at, and nothing
    /// opens or closes before the next result.
    pub fn set_policy(&mut self, policy: BreakerPolicy) {
        // A row that the old window has let go must not come back with a longer one.
        let now = self.elapsed.passed();
        self.in_row.forget(now, self.limits.window);
        self.in_row_by_server.forget(now, self.limits.window);
        self.opens = self.opens_in_row(now);
        self.limits = Limits::of(&policy);
        self.window.resize(self.limits.window, now);
    }

    /// Takes note of the time: an open breaker whose time is over becomes half-open. [`Self::admit`] does so itself; this is for
    /// who wants to be told of it.
    pub fn advance(&mut self, now: MonotonicTime) -> Option<Transition> {
        let now = self.elapsed.note(now);
        match self.phase {
            Phase::Open { until } if until <= now => Some(self.change(
                Phase::HalfOpen(Probes::default()),
                BreakerState::Open,
                TransitionReason::OpenTimeOver,
                false,
                now,
            )),
            _ => None,
        }
    }

    /// Whether a call may be made now.
    pub fn admit(&mut self, now: MonotonicTime) -> Result<Permit, Rejection> {
        self.advance(now);
        let admitted_at = now;
        let now = self.elapsed.passed();
        let generation = self.generation;
        let refuse = |state, after| Err(Rejection { retry_after: Some(Duration::from_millis(after)), state });
        match &mut self.phase {
            Phase::Closed => Ok(Permit { generation, admitted_at, probe: None }),
            Phase::Open { until } => refuse(BreakerState::Open, until.saturating_sub(now)),
            Phase::HalfOpen(probes) => match probes.send(self.limits.half_open_calls, self.limits.probe_lease, now) {
                Some(probe) => Ok(Permit { generation, admitted_at, probe: Some(probe) }),
                None => refuse(BreakerState::HalfOpen, probes.free_after(self.limits.half_open_calls, now)),
            },
            Phase::ForcedOpen => Err(Rejection { retry_after: None, state: BreakerState::ForcedOpen }),
        }
    }

    /// Takes note of what became of a call, and says so if that has opened or closed the breaker. `unit` is uniformly random in
    /// `[0, 1)`; it spreads the ends of openings.
    ///
    /// A result from before the last change of state is ignored, as is that of a probe whose lease has ended. Only a failure opens
    /// a closed breaker for failures, and only a slow call for slowness: a good result never makes it worse.
    pub fn record(&mut self, permit: Permit, outcome: Outcome, now: MonotonicTime, unit: f64) -> Option<Transition> {
        let now = self.elapsed.note(now);
        if permit.generation != self.generation {
            return None;
        }
        match (&mut self.phase, permit.probe) {
            (Phase::HalfOpen(probes), Some(probe)) => {
                if !probes.back(probe, now) {
                    return None;
                }
                self.record_probe(outcome, now, unit)
            }
            (Phase::Closed, None) => self.record_call(outcome, now, unit),
            _ => None,
        }
    }

    /// Takes note that a call has ended in a way that says nothing of the service: it was aborted, or the caller's own mistake.
    /// Neutral; a probe's place is free at once.
    pub fn release(&mut self, permit: Permit, now: MonotonicTime) {
        let now = self.elapsed.note(now);
        if let (Phase::HalfOpen(probes), Some(probe), true) =
            (&mut self.phase, permit.probe, permit.generation == self.generation)
        {
            probes.back(probe, now);
        }
    }

    /// What it does with calls now. One whose open time is over is half-open, even if no call has asked yet.
    pub fn state(&self, now: MonotonicTime) -> BreakerState {
        self.state_at(self.elapsed.at(now))
    }

    /// Holds it open until [`Self::close`] or [`Self::reset`].
    pub fn open_by_hand(&mut self, now: MonotonicTime) -> Option<Transition> {
        let now = self.elapsed.note(now);
        let from = self.state_at(now);
        self.opens = self.opens_in_row(now);
        (from != BreakerState::ForcedOpen).then(|| self.change(Phase::ForcedOpen, from, TransitionReason::ByHand, false, now))
    }

    /// Closes it, whatever it was, and forgets the counts. Calls that are out count no more. The growth of the open time is
    /// forgotten as usual, when it has stayed closed for one window.
    pub fn close(&mut self, now: MonotonicTime) -> Option<Transition> {
        let now = self.elapsed.note(now);
        let from = self.state_at(now);
        self.opens = self.opens_in_row(now);
        let transition = self.change(Phase::Closed, from, TransitionReason::ByHand, false, now);
        (from != BreakerState::Closed).then_some(transition)
    }

    /// Makes it as good as new: like [`Self::close`], and the growth is forgotten, too.
    pub fn reset(&mut self, now: MonotonicTime) -> Option<Transition> {
        self.opens = 0;
        self.close(now)
    }

    /// Opens it until `moment`, because another tab or the server's health report says so. `opens` is how many times it has opened
    /// in a row there, this one included.
    ///
    /// Ignored if it is held open by hand or if the moment is over. An opening that lasts longer stays, a shorter one is prolonged
    /// (which is no transition). The moment is at most [`LONGEST_HONOURED_HINT`] away, and taken as it is: one that many clients
    /// are told must be spread before.
    pub fn open_until(&mut self, moment: MonotonicTime, opens: u32, now: MonotonicTime) -> Option<Transition> {
        let wait = milliseconds(moment.since(now).min(LONGEST_HONOURED_HINT));
        let now = self.elapsed.note(now);
        let from = self.state_at(now);
        if wait == 0 || from == BreakerState::ForcedOpen {
            return None;
        }
        let told = now.saturating_add(wait);
        let opens = self.opens_in_row(now).max(opens);
        self.opens = opens;
        match &mut self.phase {
            Phase::Open { until } if *until > now => {
                *until = told.max(*until);
                None
            }
            _ => Some(self.change(Phase::Open { until: told }, from, TransitionReason::Told, false, now)),
        }
    }

    /// Makes an open breaker half-open before its time, because something says that the service may be back.
    pub fn half_open(&mut self, now: MonotonicTime) -> Option<Transition> {
        if let Some(transition) = self.advance(now) {
            return Some(transition);
        }
        let now = self.elapsed.passed();
        matches!(self.phase, Phase::Open { .. })
            .then(|| self.change(Phase::HalfOpen(Probes::default()), BreakerState::Open, TransitionReason::Told, false, now))
    }

    /// Closes an open or half-open breaker, because another tab's probes have succeeded or the server's health report says so.
    /// One that is held open by hand stays so, and a closed one keeps its counts.
    pub fn recovered(&mut self, now: MonotonicTime) -> Option<Transition> {
        let now = self.elapsed.note(now);
        let from = self.state_at(now);
        matches!(from, BreakerState::Open | BreakerState::HalfOpen)
            .then(|| self.change(Phase::Closed, from, TransitionReason::Told, false, now))
    }

    /// All that there is to see of it.
    pub fn snapshot(&self, now: MonotonicTime) -> BreakerSnapshot {
        let now = self.elapsed.at(now);
        let mut window = self.window.clone();
        window.advance(now);
        let Counts { calls, failures, slow, .. } = window.total();
        BreakerSnapshot {
            state: self.state_at(now),
            failures_in_a_row: self.in_row.count(now, self.limits.window),
            calls,
            failures,
            slow,
            opens: self.opens_in_row(now),
            open_remaining_ms: match self.phase {
                Phase::Open { until } if until > now => Some(until.saturating_sub(now)),
                _ => None,
            },
            probes: match &self.phase {
                Phase::HalfOpen(probes) => probes.out(now),
                _ => 0,
            },
        }
    }

    fn state_at(&self, now: u64) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until } if until > now => BreakerState::Open,
            Phase::Open { .. } | Phase::HalfOpen(_) => BreakerState::HalfOpen,
            Phase::ForcedOpen => BreakerState::ForcedOpen,
        }
    }

    /// How many times it has opened in a row: none once it has stayed closed for one window.
    fn opens_in_row(&self, now: u64) -> u32 {
        let recovered = matches!(self.phase, Phase::Closed) && now.saturating_sub(self.closed_at) >= self.limits.window;
        if recovered { 0 } else { self.opens }
    }

    fn record_call(&mut self, outcome: Outcome, now: u64, unit: f64) -> Option<Transition> {
        let window = self.limits.window;
        match outcome {
            Outcome::Success { took, degraded } => {
                self.in_row = FailuresInRow::default();
                self.in_row_by_server = FailuresInRow::default();
                let slow = self.is_slow(took, degraded);
                let counts = Counts { calls: 1, slow: slow.into(), degraded: degraded.into(), ..Counts::default() };
                self.window.add(counts, now);
                if !slow {
                    return None;
                }
                let (total, ratio) = (self.window.total(), self.limits.slow_ratio?);
                if !self.is_reached(total.slow, total.calls, ratio) {
                    return None;
                }
                let shareable = self.is_reached(total.degraded, total.calls_with_response(), ratio);
                Some(self.open(TransitionReason::SlowCalls, shareable, now, unit))
            }
            Outcome::Failure { .. } | Outcome::Timeout => {
                let by_server = outcome == Outcome::Failure { by_server: true };
                self.in_row.add(if outcome == Outcome::Timeout { TIMEOUT_WEIGHT } else { 1 }, now, window);
                if by_server {
                    self.in_row_by_server.add(1, now, window);
                }
                let counts = Counts { calls: 1, failures: 1, failures_by_server: by_server.into(), ..Counts::default() };
                self.window.add(counts, now);
                let total = self.window.total();
                let ratio =
                    |failures, calls| self.limits.failure_ratio.is_some_and(|ratio| self.is_reached(failures, calls, ratio));
                let row = |row: FailuresInRow| {
                    self.limits.consecutive_failures.is_some_and(|threshold| row.count(now, window) >= threshold)
                };
                let because = if row(self.in_row) {
                    TransitionReason::ConsecutiveFailures
                } else if ratio(total.failures, total.calls) {
                    TransitionReason::FailureRatio
                } else {
                    return None;
                };
                let shareable = row(self.in_row_by_server) || ratio(total.failures_by_server, total.calls_with_response());
                Some(self.open(because, shareable, now, unit))
            }
        }
    }

    fn record_probe(&mut self, outcome: Outcome, now: u64, unit: f64) -> Option<Transition> {
        match outcome {
            Outcome::Failure { by_server } => Some(self.open(TransitionReason::ProbeFailed, by_server, now, unit)),
            Outcome::Timeout => Some(self.open(TransitionReason::ProbeFailed, false, now, unit)),
            Outcome::Success { took, degraded } if self.limits.slow_after.is_some() && self.is_slow(took, degraded) => {
                Some(self.open(TransitionReason::ProbeSlow, degraded, now, unit))
            }
            Outcome::Success { .. } => {
                let Phase::HalfOpen(probes) = &mut self.phase else { return None };
                probes.succeeded = probes.succeeded.saturating_add(1);
                (probes.succeeded >= self.limits.half_open_calls)
                    .then(|| self.change(Phase::Closed, BreakerState::HalfOpen, TransitionReason::ProbesSucceeded, true, now))
            }
        }
    }

    fn is_slow(&self, took: Duration, degraded: bool) -> bool {
        degraded || self.limits.slow_after.is_some_and(|longest| took > longest)
    }

    /// Whether so many of the calls are as large a share as `ratio`. A single call is no share.
    fn is_reached(&self, count: u32, calls: u32, ratio: f64) -> bool {
        count >= 2 && calls >= self.limits.minimum_calls && f64::from(count) / f64::from(calls) >= ratio
    }

    fn open(&mut self, because: TransitionReason, shareable: bool, now: u64, unit: f64) -> Transition {
        let from = self.state_at(now);
        self.opens = self.opens_in_row(now).saturating_add(1);
        let until = now.saturating_add(self.limits.open_time(self.opens, unit));
        self.change(Phase::Open { until }, from, because, shareable, now)
    }

    fn change(&mut self, phase: Phase, from: BreakerState, because: TransitionReason, shareable: bool, now: u64) -> Transition {
        self.generation = self.generation.wrapping_add(1);
        let open_for = match phase {
            Phase::Open { until } => Some(Duration::from_millis(until.saturating_sub(now))),
            _ => None,
        };
        if matches!(phase, Phase::Closed) {
            self.window.clear();
            self.in_row = FailuresInRow::default();
            self.in_row_by_server = FailuresInRow::default();
            self.closed_at = now;
        }
        self.phase = phase;
        Transition { from, to: self.state_at(now), because, shareable, open_for, opens: self.opens }
    }
}
