//! A service that has said when it wants to be asked again: until then nobody asks it.

use super::gate::LONGEST_HONOURED_HINT;
use super::retry::later;
use crate::time::MonotonicTime;
use std::time::Duration;

/// Clients that were told to wait for the same time come back within this.
pub const LONGEST_SPREAD: Duration = Duration::from_secs(15);

/// Until when a service is left alone, by the monotonic clock: no jump of the wall clock ends it early.
///
/// It is only ever prolonged. An answer to a request that was sent before does not end it, and neither does anyone's wish.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pause {
    until: Option<MonotonicTime>,
    /// Which share of the jitter this client has drawn for as long as it is paused.
    unit: f64,
}

impl Pause {
    /// The service has said that it wants to be asked again after `hint`. It will have said so to others, who would all come back
    /// at the same moment, each with all that has gathered meanwhile: the pause is up to a quarter of the hint longer, at most 15 s.
    /// `unit` is uniformly random in `[0, 1)`; the first one counts as long as the pause goes on, or whoever is told more often
    /// would come later.
    pub fn ask(&mut self, hint: Duration, now: MonotonicTime, unit: f64) -> bool {
        if self.left(now).is_zero() {
            self.unit = unit;
        }
        self.prolong(later(hint, hint / 4, LONGEST_SPREAD, self.unit), now)
    }

    /// The service is left alone for `hint`, at most [`LONGEST_HONOURED_HINT`]. Says whether that is later than what
    /// it had said before.
    pub fn prolong(&mut self, hint: Duration, now: MonotonicTime) -> bool {
        let until = now.after(hint.min(LONGEST_HONOURED_HINT));
        let is_later = !hint.is_zero() && self.until.is_none_or(|known| until > known);
        if is_later {
            self.until = Some(until);
        }
        is_later
    }

    /// How long it still has to be left alone; zero if it may be asked.
    pub fn left(&self, now: MonotonicTime) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.since(now))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_luck_of_a_client_lasts_as_long_as_its_pause() {
        let (mut pause, now) = (Pause::default(), MonotonicTime(0));
        assert!(pause.ask(Duration::from_secs(20), now, 0.5));
        assert_eq!(pause.left(now), Duration::from_millis(22_500));
        // Whoever is told the same by many answers does not come later than those who were told once.
        assert!(!pause.ask(Duration::from_secs(20), now, 1.0));
        assert_eq!(pause.left(now), Duration::from_millis(22_500));
        let over = now.after(Duration::from_millis(22_500));
        assert!(pause.ask(Duration::from_secs(200), over, 1.0));
        assert_eq!(pause.left(over), Duration::from_secs(215));
    }

    proptest! {
        #[test]
        fn nobody_comes_before_the_service_wants_to_be_asked(hint in 1_u64..200_000_000, unit in prop_oneof![0.0..1.0_f64, any::<f64>()]) {
            let (mut pause, now) = (Pause::default(), MonotonicTime(0));
            pause.ask(Duration::from_millis(hint), now, unit);
            let asked = Duration::from_millis(hint).min(LONGEST_HONOURED_HINT);
            prop_assert!(pause.left(now) >= asked && pause.left(now) <= asked + LONGEST_SPREAD);
        }

        #[test]
        fn it_lasts_as_long_as_the_longest_that_was_asked_for_and_no_longer_than_a_day(
            hints in proptest::collection::vec((0_u64..200_000_000, 0_u64..100_000), 1..20),
        ) {
            let (mut pause, mut now, mut longest) = (Pause::default(), MonotonicTime(0), 0);
            for (hint, passed) in hints {
                now = now.after(Duration::from_millis(passed));
                pause.prolong(Duration::from_millis(hint), now);
                longest = longest.max(if hint == 0 { 0 } else { now.0 + hint.min(86_400_000) });
                prop_assert_eq!(pause.left(now), Duration::from_millis(longest.saturating_sub(now.0)));
                prop_assert!(pause.left(MonotonicTime(longest)).is_zero());
            }
        }
    }
}
