//! The time that has passed, by a clock that may be set back.

use crate::time::MonotonicTime;

/// Milliseconds that have passed since the first reading. From a reading to an earlier one no time has passed, and it goes on from
/// there: a clock that is set back an hour does not stop it for an hour.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Elapsed {
    passed: u64,
    last: Option<MonotonicTime>,
}

impl Elapsed {
    /// The time passed at this reading, which is not taken note of.
    pub(super) fn at(self, now: MonotonicTime) -> u64 {
        let since = self.last.map_or(0, |last| now.0.saturating_sub(last.0));
        self.passed.saturating_add(since)
    }

    /// The time passed at the last reading.
    pub(super) fn passed(self) -> u64 {
        self.passed
    }

    /// The time passed at this reading.
    pub(super) fn note(&mut self, now: MonotonicTime) -> u64 {
        self.passed = self.at(now);
        self.last = Some(now);
        self.passed
    }
}
