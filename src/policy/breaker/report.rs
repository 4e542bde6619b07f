//! What a breaker says of itself: its state, how it changed, why it refuses.

use serde::Serialize;
use std::time::Duration;

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BreakerState {
    /// It admits them.
    Closed,
    /// It refuses them, for a time.
    Open,
    /// It admits a few, to see whether they succeed.
    HalfOpen,
    /// It refuses them until it is closed by hand.
    ForcedOpen,
}

/// A breaker's state has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// What it was.
    pub from: BreakerState,
    /// What it is.
    pub to: BreakerState,
    /// Why it changed.
    pub because: TransitionReason,
    /// Whether the server's own responses alone are reason enough, so that others may be told. What only was seen from here (no
    /// response, a response that took long), what was done by hand and what was told by others is not.
    pub shareable: bool,
    /// How long it will be open, if it is now.
    pub open_for: Option<Duration>,
    /// How many times it has opened in a row, this one included.
    pub opens: u32,
}

/// Why a breaker's state has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TransitionReason {
    /// Too many calls in a row have failed.
    ConsecutiveFailures,
    /// Too large a share of the calls in the window has failed.
    FailureRatio,
    /// Too large a share of the calls in the window was slow.
    SlowCalls,
    /// A probe has failed.
    ProbeFailed,
    /// A probe was slow, and slow calls count.
    ProbeSlow,
    /// As many probes as must have succeeded.
    ProbesSucceeded,
    /// It has been open for as long as it was to be.
    OpenTimeOver,
    /// By hand.
    ByHand,
    /// Another tab, or the server's health report, has said so.
    Told,
}

/// A call that was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// After how long a call may be admitted: when an open breaker becomes half-open, or when the place of a probe is free at the
    /// latest. `None` if the breaker is held open by hand.
    pub retry_after: Option<Duration>,
    /// Open, half-open or held open by hand.
    pub state: BreakerState,
}

/// A breaker at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakerSnapshot {
    /// What it does with calls.
    pub state: BreakerState,
    /// How many calls have failed in a row. Probes are not counted, here and below.
    pub failures_in_a_row: u32,
    /// How many calls have ended in the window.
    pub calls: u32,
    /// How many of them have failed.
    pub failures: u32,
    /// How many of them were slow or degraded.
    pub slow: u32,
    /// How many times it has opened in a row, the current one included.
    pub opens: u32,
    /// How many milliseconds it will still be open. `None` if it is not open, or for no time in particular.
    pub open_remaining_ms: Option<u64>,
    /// How many probes are out.
    pub probes: u32,
}
