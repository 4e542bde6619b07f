//! Instants of the two clocks that a browser has, as plain data.
//!
//! The monotonic one measures durations (deadlines, backoff); the wall one stamps and understands dates. Either can lie:
//! the monotonic one stops while a device sleeps, the wall one jumps. Nothing here reads a clock, see [`crate::platform::Clock`].

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Milliseconds since the Unix epoch, by the wall clock. Serialised as that number, as JavaScript's `Date` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(pub i64);

/// Milliseconds since some fixed moment, never decreasing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MonotonicTime(pub u64);

/// The last millisecond that JavaScript's `Date` can hold (ECMA-262 §21.4.1.1). Later moments are this one.
pub const LAST_DATE: WallTime = WallTime(8_640_000_000_000_000);

/// A duration in whole milliseconds, saturating.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl MonotonicTime {
    /// This moment and `duration` later, saturating.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(milliseconds(duration)))
    }

    /// How long it is from `earlier` to this moment; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl WallTime {
    /// This moment and `duration` later, at most [`LAST_DATE`].
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let later = i64::try_from(duration.as_millis()).ok().and_then(|added| self.0.checked_add(added));
        Self(later.unwrap_or(LAST_DATE.0).min(LAST_DATE.0))
    }

    /// How long it is from `earlier` to this moment; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As RFC 3339 in UTC with milliseconds, `2026-06-01T12:00:00.000Z`: what `Date.prototype.toISOString` gives.
    pub fn to_rfc3339(self) -> String {
        let clamped = self.0.clamp(-62_135_596_800_000, 253_402_300_799_999); // years 1 to 9999, all that RFC 3339 has
        let (days, millis) = (clamped.div_euclid(86_400_000), clamped.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        let mut text = String::with_capacity(24);
        // There is one for each action that is sent, and `format!` takes ten times as long.
        for (number, digits, after) in [
            (year, 4, '-'),
            (month, 2, '-'),
            (day, 2, 'T'),
            (hours, 2, ':'),
            (minutes, 2, ':'),
            (seconds, 2, '.'),
            (millis % 1000, 3, 'Z'),
        ] {
            let digit = |place| u8::try_from(number / 10_i64.pow(place) % 10).unwrap_or_default();
            text.extend((0..digits).rev().map(|place| char::from(b'0' + digit(place))));
            text.push(after);
        }
        text
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar. The year is counted from
/// March, so that the leap day is its last (H. Hinnant, "chrono-compatible low-level date algorithms").
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * month_from_march + 2) / 5 + 1)
}

/// The day, counted from 1970-01-01, of a year, month and day: the inverse of [`civil_from_days`], by the same algorithms. A day
/// that its month does not have becomes one of the next month.
pub(crate) fn days_from_civil((year, month, day): (i64, i64, i64)) -> i64 {
    let shifted_year = year - i64::from(month <= 2);
    let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_wall_time_prints_as_javascript_prints_it() {
        for (millis, printed) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_780_315_200_000, "2026-06-01T12:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(WallTime(millis).to_rfc3339(), printed);
        }
    }

    #[test]
    fn adding_an_endless_duration_stops_at_the_last_date() {
        assert_eq!(WallTime(5).after(Duration::MAX), LAST_DATE);
        assert_eq!(WallTime(0).since(WallTime(10)), Duration::ZERO);
    }
    #[test]
    fn every_day_of_four_centuries_is_counted_and_named_alike() {
        for days in -150_000..150_000 {
            assert_eq!(days_from_civil(civil_from_days(days)), days);
        }
        assert_eq!(civil_from_days(days_from_civil((2026, 2, 31))), (2026, 3, 3));
    }
}
