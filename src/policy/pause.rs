//! A service that has said when it wants to be asked again: until then nobody asks it.

use super::gate::LONGEST_HONOURED_HINT;
use crate::time::MonotonicTime;
use std::time::Duration;

/// Until when a service is left alone, by the monotonic clock: no jump of the wall clock ends it early.
///
/// It is only ever prolonged. An answer to a request that was sent before does not end it, and neither does anyone's wish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pause {
    until: Option<MonotonicTime>,
}

impl Pause {
    /// The service wants to be asked again after `hint`, at most [`LONGEST_HONOURED_HINT`]. Says whether that is later than what
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

    proptest! {
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
