//! Exponential backoff with full jitter.

use std::time::Duration;

/// How long to wait before the next attempt: a random share of an exponentially growing delay.
///
/// Full jitter ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015) spreads a crowd of clients over the whole
/// delay, where a fixed delay would bring all of them back at the same moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The most that the first delay can be.
    pub base: Duration,
    /// Each further one can be this many times longer. At least 1.
    pub multiplier: f64,
    /// No delay is longer than this.
    pub cap: Duration,
}

impl Backoff {
    /// The delay after the `failures`-th failure in a row (the first is 1). `unit` is uniformly random in `[0, 1)`.
    pub fn delay(&self, failures: u32, unit: f64) -> Duration {
        self.ceiling(failures).mul_f64(unit.clamp(0.0, 1.0))
    }

    /// The most that the delay after the `failures`-th failure can be.
    pub fn ceiling(&self, failures: u32) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        // Saturates: the power may be infinite, and the cap then stands.
        let seconds = self.base.as_secs_f64() * self.multiplier.max(1.0).powi(exponent);
        Duration::try_from_secs_f64(seconds).map_or(self.cap, |delay| delay.min(self.cap))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), multiplier: 2.0, cap: Duration::from_secs(30) };

    #[test]
    fn the_ceiling_doubles_until_the_cap() {
        let ceilings: Vec<u64> = (1..=7).map(|failures| BACKOFF.ceiling(failures).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 30, 30]);
    }

    proptest! {
        #[test]
        fn no_delay_is_over_its_ceiling_and_no_ceiling_over_the_cap(failures in any::<u32>(), unit in 0.0..1.0_f64, multiplier in 0.0..1e9_f64) {
            let backoff = Backoff { multiplier, ..BACKOFF };
            prop_assert!(backoff.delay(failures, unit) <= backoff.ceiling(failures));
            prop_assert!(backoff.ceiling(failures) <= backoff.cap);
        }
    }
}
