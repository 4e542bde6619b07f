//! Exponential backoff with jitter.

use serde::Serialize;
use std::time::Duration;

/// How long to wait before the next attempt: an exponentially growing delay, of which jitter takes a random share.
///
/// Jitter ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015) spreads a crowd of clients over the whole delay, where
/// a fixed delay would bring all of them back at the same moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The most that the first delay can be; with [`Jitter::Decorrelated`], about what it is in the middle.
    pub base: Duration,
    /// Each further one can be this many times longer. At least 1. [`Jitter::Decorrelated`] grows by 2, whatever stands here.
    pub multiplier: f64,
    /// No delay is longer than this, jitter included.
    pub cap: Duration,
    /// How much of the delay chance decides.
    pub jitter: Jitter,
}

/// How chance spreads the clients that failed at the same moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Jitter {
    /// Anything from nothing to the whole delay: what spreads best, and costs a server least.
    #[default]
    Full,
    /// Half of the delay, and anything up to the other half: never right away.
    Equal,
    /// A smooth distribution around an exponential curve, without the steps that the others have where one delay's range ends:
    /// the second version of "decorrelated jitter", as Polly (`DecorrelatedJitterBackoffV2`) and cockatiel have it.
    ///
    /// With `t = i + U` for the delay `i` (from 0) and `n(t) = 2^t · tanh(√(4t))`, a delay is the step that `n` has made since
    /// the delay before, over 1.4, times the base. The constants fit each other: the growth is 2, not [`Backoff::multiplier`].
    Decorrelated,
    /// None: the delay itself. For tests, and for those who have only one client.
    None,
}

impl Jitter {
    /// All of them, by what configuration calls them.
    pub const NAMES: [&str; 4] = ["full", "equal", "decorrelated", "none"];

    /// The one that configuration calls so.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "full" => Some(Self::Full),
            "equal" => Some(Self::Equal),
            "decorrelated" => Some(Self::Decorrelated),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// Scales the steps of the decorrelated curve so that the first is about the base.
const DECORRELATED_SCALE: f64 = 1.4;

impl Backoff {
    /// Exponential backoff with full jitter.
    pub const fn exponential(base: Duration, multiplier: f64, cap: Duration) -> Self {
        Self { base, multiplier, cap, jitter: Jitter::Full }
    }

    /// The delay after the `failures`-th failure in a row (the first is 1), for whoever does not keep [`Delays`]. `unit` is
    /// uniformly random in `[0, 1)`. Decorrelated jitter takes the delay before for one of the same luck: on average that is as
    /// long as from [`Delays`].
    pub fn delay(&self, failures: u32, unit: f64) -> Duration {
        let unit = clamped(unit);
        match self.jitter {
            Jitter::Full => scaled(self.ceiling(failures), unit),
            Jitter::Equal => scaled(self.ceiling(failures), 0.5 + unit / 2.0),
            Jitter::None => self.ceiling(failures),
            Jitter::Decorrelated => {
                let reached = position(failures) + unit;
                self.step(curve(reached - 1.0), curve(reached))
            }
        }
    }

    /// The most that the delay after the `failures`-th failure can be.
    pub fn ceiling(&self, failures: u32) -> Duration {
        if self.jitter == Jitter::Decorrelated {
            let position = position(failures);
            return self.step(curve(position - 1.0), curve(position + 1.0));
        }
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        self.times(self.multiplier.max(1.0).powi(exponent))
    }

    /// The delays of one call.
    pub fn delays(&self) -> Delays {
        Delays { backoff: *self, failures: 0, reached: 0.0 }
    }

    /// A delay of the decorrelated curve.
    fn step(&self, from: f64, to: f64) -> Duration {
        // Beyond 2^1023 there are no numbers, and no difference of any.
        if to.is_finite() { self.times(((to - from) / DECORRELATED_SCALE).max(0.0)) } else { self.times(f64::INFINITY) }
    }

    /// The base this many times, at most the cap. Saturates: the factor may be infinite.
    fn times(&self, factor: f64) -> Duration {
        if self.base.is_zero() {
            return Duration::ZERO;
        }
        clamped_duration(self.base.as_secs_f64() * factor).min(self.cap)
    }
}

/// The delays of one call, one after another. Decorrelated jitter needs to know the one before; the others only count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delays {
    backoff: Backoff,
    failures: u32,
    /// Where on the decorrelated curve the last delay ended.
    reached: f64,
}

impl Delays {
    /// The delay after one more failure. `unit` is uniformly random in `[0, 1)`.
    pub fn next(&mut self, unit: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        if self.backoff.jitter != Jitter::Decorrelated {
            return self.backoff.delay(self.failures, unit);
        }
        let reached = curve(position(self.failures) + clamped(unit));
        let delay = self.backoff.step(self.reached, reached);
        self.reached = reached;
        delay
    }
}

/// Where the delay after the `failures`-th failure begins on the decorrelated curve.
fn position(failures: u32) -> f64 {
    f64::from(failures.saturating_sub(1))
}

/// `2^t · tanh(√(4t))`, infinite where that is too large to be a number, and 0 before the beginning. Both factors are made of
/// `exp`, so that the WebAssembly carries one such function and not three.
fn curve(t: f64) -> f64 {
    if t <= 0.0 {
        return 0.0;
    }
    let power = (t * std::f64::consts::LN_2).exp();
    let tangent = 1.0 - 2.0 / ((4.0 * t.sqrt()).exp() + 1.0);
    power * tangent
}

/// What a source of randomness said, as a number from 0 to 1. One that is broken waits the longest.
pub(super) fn clamped(unit: f64) -> f64 {
    if unit.is_nan() { 1.0 } else { unit.clamp(0.0, 1.0) }
}

/// A duration of so many seconds, which are not less than none; the longest that there is if they are more than that.
pub(super) fn clamped_duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// A share of a duration; `share` is from 0 to 1.
pub(super) fn scaled(duration: Duration, share: f64) -> Duration {
    // The largest durations are rounded up to more than a duration can hold.
    clamped_duration(duration.as_secs_f64() * share).min(duration)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30));
    const JITTERS: [Jitter; 4] = [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None];

    #[test]
    fn the_ceiling_doubles_until_the_cap() {
        let ceilings: Vec<u64> = (1..=7).map(|failures| BACKOFF.ceiling(failures).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn every_jitter_is_known_by_the_name_it_is_written_with() {
        assert_eq!(
            Jitter::NAMES.map(Jitter::from_name),
            [Some(Jitter::Full), Some(Jitter::Equal), Some(Jitter::Decorrelated), Some(Jitter::None)]
        );
        for (jitter, name) in Jitter::NAMES.map(|name| (Jitter::from_name(name), name)) {
            assert_eq!(serde_json::to_value(jitter).unwrap(), name);
        }
        assert_eq!(Jitter::from_name("Full"), None);
    }

    #[test]
    fn the_smooth_curve_is_the_published_one() {
        for t in [0.01, 0.25, 0.5, 1.0, 1.5, 3.0, 10.0, 100.0, 1000.0, 1023.5_f64] {
            let published = t.exp2() * (4.0 * t).sqrt().tanh();
            assert!((curve(t) / published - 1.0).abs() < 1e-12, "{t}: {} instead of {published}", curve(t));
        }
        assert_eq!((curve(0.0), curve(-1.0), curve(1025.0)), (0.0, 0.0, f64::INFINITY));
    }

    #[test]
    fn half_of_an_equal_jitter_is_certain() {
        let backoff = Backoff { jitter: Jitter::Equal, ..BACKOFF };
        assert_eq!(backoff.delay(3, 0.0), Duration::from_secs(2));
        assert_eq!(backoff.delay(3, 0.5), Duration::from_secs(3));
    }

    #[test]
    fn the_decorrelated_delays_average_to_the_step_of_the_curve() {
        let backoff = Backoff { jitter: Jitter::Decorrelated, ..BACKOFF };
        let units = (0..1000).map(|step| (f64::from(step) + 0.5) / 1000.0);
        let mean: f64 = units.map(|unit| backoff.delay(1, unit).as_secs_f64()).sum::<f64>() / 1000.0;
        assert!((0.7..1.1).contains(&mean), "the first delay is about the base: {mean}");
    }

    fn any_duration() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::ZERO),
            Just(Duration::MAX),
            (0..u64::MAX).prop_map(Duration::from_millis),
            (0..100_000_u64).prop_map(Duration::from_millis)
        ]
    }

    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![0.0..1.0_f64, any::<f64>(), Just(f64::NAN), Just(f64::INFINITY)]
    }

    proptest! {
        #[test]
        fn no_delay_is_over_its_ceiling_and_no_ceiling_over_the_cap(
            base in any_duration(), cap in any_duration(), multiplier in any_number(), unit in any_number(),
            failures in prop_oneof![0..1100_u32, any::<u32>()], jitter in 0..4_usize,
        ) {
            let backoff = Backoff { base, multiplier, cap, jitter: JITTERS[jitter] };
            prop_assert!(backoff.delay(failures, unit) <= backoff.ceiling(failures).saturating_add(Duration::from_nanos(1)));
            prop_assert!(backoff.ceiling(failures) <= backoff.cap);
        }

        #[test]
        fn no_call_waits_for_longer_than_the_ceiling_of_its_failure(units in prop::collection::vec(any_number(), 1..1100), jitter in 0..4_usize) {
            let backoff = Backoff { jitter: JITTERS[jitter], ..BACKOFF };
            let mut delays = backoff.delays();
            for (failures, unit) in (1..).zip(units) {
                let delay = delays.next(unit);
                prop_assert!(delay <= backoff.ceiling(failures).saturating_add(Duration::from_nanos(1)), "{delay:?} after {failures}");
                prop_assert!(failures == 1 || jitter != 3 || delay >= backoff.ceiling(failures - 1), "without jitter it grows");
            }
        }
    }
}
