//! The gate in front of the sync endpoint: every attempt to sync, whatever asked for it, goes through it.

use super::{backoff::Backoff, retry::later};
use crate::broken::{self, Variant};
use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A server that asks to be left alone for longer than this is taken for misconfigured, and asked again after this long.
pub const LONGEST_HONOURED_HINT: Duration = Duration::from_secs(24 * 60 * 60);

/// Queues that were told to wait for the same time come back within as long again after it, and within this: nobody waits for
/// them, so that they can be spread more widely than calls.
pub const LONGEST_SPREAD: Duration = Duration::from_secs(60);

/// Whether the sync endpoint may be asked now. Stored with the queue, so that it holds for every tab and across reloads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    failures: u32,
    closed: Option<Closed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Closed {
    since: WallTime,
    until: WallTime,
    because: GateReason,
}

/// Why the gate is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GateReason {
    /// The server said when to come back.
    ServerHint,
    /// The server failed, or its answer could not be understood.
    ServerError,
    /// No answer arrived.
    Network,
    /// The server does not accept the credentials.
    Authentication,
}

/// What asks for a sync, the one that opens the most gates last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Trigger {
    /// An action was enqueued, or put back.
    Enqueued,
    /// The time that an earlier attempt named has come.
    Timer,
    /// The page became visible, or came back from the back/forward cache.
    Visible,
    /// The browser says that the network is back.
    Online,
    /// The SDK was opened.
    Opened,
    /// The application asked.
    Asked,
}

impl Gate {
    /// How long `trigger` still has to wait; zero if it may pass.
    ///
    /// News about the local network opens a gate that the local network had closed. The application's own wish opens every
    /// gate but the one that the server closed by naming a moment: that one nothing opens earlier.
    pub fn wait(&self, trigger: Trigger, now: WallTime) -> Duration {
        let Some(closed) = self.closed else { return Duration::ZERO };
        let passes = match closed.because {
            GateReason::ServerHint => false,
            GateReason::Network => matches!(trigger, Trigger::Online | Trigger::Visible | Trigger::Opened | Trigger::Asked),
            GateReason::Authentication => matches!(trigger, Trigger::Opened | Trigger::Asked),
            GateReason::ServerError => trigger == Trigger::Asked,
        };
        let passes = passes || trigger == Trigger::Online && broken::is(Variant::OnlineOpensGate);
        if passes { Duration::ZERO } else { self.remaining(now) }
    }

    /// How long the gate stays closed. A wall clock that was set back does not prolong it beyond the wait first named.
    pub fn remaining(&self, now: WallTime) -> Duration {
        self.closed.map_or(Duration::ZERO, |closed| closed.until.since(now).min(closed.until.since(closed.since)))
    }

    /// Whether it was closed at a moment that, by this clock, has not come yet: the wall clock has been set back since.
    pub fn was_closed_after(&self, now: WallTime) -> bool {
        self.closed.is_some_and(|closed| now < closed.since)
    }

    /// Starts the wait anew if the wall clock has been set back behind its beginning: what is left of it cannot be known, and
    /// by that clock it would not end. Says whether anything changed.
    pub fn notice_clock_set_back(&mut self, now: WallTime) -> bool {
        let Some(closed) = self.closed.as_mut().filter(|closed| now < closed.since) else { return false };
        closed.until = now.after(closed.until.since(closed.since));
        closed.since = now;
        true
    }

    /// Why it is closed, if it is.
    pub fn reason(&self, now: WallTime) -> Option<GateReason> {
        self.closed.filter(|_| !self.remaining(now).is_zero()).map(|closed| closed.because)
    }

    /// Stays closed as long as another one of the same server would have.
    pub fn take_over(&mut self, other: Self, now: WallTime) {
        if other.remaining(now) > self.remaining(now) {
            *self = other;
        }
    }

    /// Closes after a failure and says for how long. `unit` is uniformly random in `[0, 1)`.
    pub fn close(
        &mut self,
        backoff: &Backoff,
        because: GateReason,
        hint: Option<Duration>,
        now: WallTime,
        unit: f64,
    ) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let hint =
            hint.filter(|hint| !hint.is_zero() && !broken::is(Variant::HintIgnored)).map(|hint| hint.min(LONGEST_HONOURED_HINT));
        let (wait, because) = match hint {
            // A server that is down and says "in a second" is asked less and less often all the same.
            Some(hint) => {
                let spread = later(hint, hint, LONGEST_SPREAD, unit);
                (spread.max(backoff.delay(self.failures, unit)), GateReason::ServerHint)
            }
            None => (backoff.delay(self.failures, unit), because),
        };
        // A moment that the server has named stands, whatever happens before it: two drains may overlap where there are no locks.
        if self.reason(now) == Some(GateReason::ServerHint) && self.remaining(now) >= wait {
            return self.remaining(now);
        }
        self.closed = Some(Closed { since: now, until: now.after(wait), because });
        wait
    }

    /// Opens after a success; not before a moment that the server has named.
    pub fn open(&mut self, now: WallTime) {
        self.failures = 0;
        if self.reason(now) != Some(GateReason::ServerHint) {
            self.closed = None;
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30));
    const NOW: WallTime = WallTime(1_780_315_200_000);
    const TRIGGERS: [Trigger; 6] =
        [Trigger::Opened, Trigger::Enqueued, Trigger::Timer, Trigger::Online, Trigger::Visible, Trigger::Asked];

    #[test]
    fn nothing_passes_a_gate_that_the_server_closed() {
        let mut gate = Gate::default();
        gate.close(&BACKOFF, GateReason::ServerError, Some(Duration::from_secs(60)), NOW, 0.0);
        for trigger in TRIGGERS {
            assert_eq!(gate.wait(trigger, NOW), Duration::from_secs(60), "{trigger:?}");
            assert_eq!(gate.wait(trigger, NOW.after(Duration::from_secs(60))), Duration::ZERO, "{trigger:?}");
        }
    }

    #[test]
    fn a_hint_is_a_floor_and_so_is_backoff() {
        let mut gate = Gate::default();
        let mut close =
            |seconds, unit| gate.close(&BACKOFF, GateReason::ServerError, Some(Duration::from_secs(seconds)), NOW, unit);
        assert_eq!(close(1, 0.0), Duration::from_secs(1));
        // A second, and anything up to another; or half of the two seconds that backoff has come to.
        assert_eq!(close(1, 0.5), Duration::from_millis(1500));
        let mut gate = Gate { failures: 6, closed: None };
        let mut close =
            |seconds, unit| gate.close(&BACKOFF, GateReason::ServerError, Some(Duration::from_secs(seconds)), NOW, unit);
        assert_eq!(close(1, 0.5), Duration::from_secs(15));
        assert_eq!(close(40, 0.5), Duration::from_secs(60));
        assert_eq!(close(600, 1.0), Duration::from_secs(660));
    }

    #[test]
    fn the_network_coming_back_opens_only_what_the_network_closed() {
        for (because, opens) in
            [(GateReason::Network, true), (GateReason::ServerError, false), (GateReason::Authentication, false)]
        {
            let mut gate = Gate::default();
            gate.close(&BACKOFF, because, None, NOW, 0.9);
            assert_eq!(gate.wait(Trigger::Online, NOW).is_zero(), opens, "{because:?}");
            assert!(!gate.wait(Trigger::Enqueued, NOW).is_zero(), "{because:?}");
        }
    }

    #[test]
    fn a_moment_that_the_server_has_named_outlives_other_failures_and_successes() {
        let mut gate = Gate::default();
        gate.close(&BACKOFF, GateReason::ServerError, Some(Duration::from_secs(600)), NOW, 0.0);
        let later = NOW.after(Duration::from_secs(1));
        assert_eq!(gate.close(&BACKOFF, GateReason::Network, None, later, 0.9), Duration::from_secs(599));
        gate.open(later);
        assert_eq!(gate.wait(Trigger::Asked, later), Duration::from_secs(599));
        gate.open(NOW.after(Duration::from_secs(600)));
        assert_eq!(gate, Gate::default());
    }

    #[test]
    fn a_hint_of_two_billion_seconds_closes_for_a_day() {
        let mut gate = Gate::default();
        gate.close(&BACKOFF, GateReason::ServerError, Some(Duration::from_secs(2_000_000_000)), NOW, 0.0);
        assert_eq!(gate.remaining(NOW), LONGEST_HONOURED_HINT);
    }

    #[test]
    fn a_wait_ends_although_the_clock_was_set_back_a_year() {
        let mut gate = Gate::default();
        let wait = gate.close(&BACKOFF, GateReason::ServerError, Some(Duration::from_secs(60)), NOW, 0.0);
        let set_back = WallTime(NOW.0 - 365 * 86_400_000);
        assert!(gate.notice_clock_set_back(set_back));
        assert_eq!(gate.remaining(set_back), wait);
        assert_eq!(gate.remaining(set_back.after(wait)), Duration::ZERO);
        assert!(!gate.notice_clock_set_back(set_back.after(wait)));
    }

    proptest! {
        #[test]
        fn a_clock_that_jumps_never_prolongs_a_wait(hint in 1_u64..100_000, jump in any::<i32>()) {
            let mut gate = Gate::default();
            let wait = gate.close(&BACKOFF, GateReason::ServerError, Some(Duration::from_secs(hint)), NOW, 0.5);
            prop_assert!(gate.remaining(WallTime(NOW.0 + i64::from(jump) * 1000)) <= wait);
        }
    }
}
