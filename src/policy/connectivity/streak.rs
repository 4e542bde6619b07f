//! Failures in a row.

use super::is_within;
use crate::time::MonotonicTime;
use std::time::Duration;

/// So many in a row, each sent after the one before had failed, make a fact of a failure, without a probe.
const REPEATED: u8 = 3;
/// So long after the last one they count as a row.
pub(super) const RECENT: Duration = Duration::from_secs(60);

/// Failures in a row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Streak {
    length: u8,
    last: Option<MonotonicTime>,
}

impl Streak {
    /// Counts a failure, unless it was under way already when the last one was counted: what fails together is one failure.
    pub(super) fn add(&mut self, sent: MonotonicTime, now: MonotonicTime) {
        if self.last.is_none_or(|last| sent >= last) {
            let before = if is_within(self.last, RECENT, now) { self.length } else { 0 };
            self.length = before.saturating_add(1);
            self.last = Some(now);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn is_fact(&self) -> bool {
        self.length >= REPEATED
    }

    pub(super) fn is_recent_fact(&self, now: MonotonicTime) -> bool {
        self.is_fact() && is_within(self.last, RECENT, now)
    }
}
