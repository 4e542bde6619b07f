use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The wall clock as the wire has it: RFC 3339 in UTC, to the millisecond.
pub(crate) fn now() -> String {
    written(Timestamp::now())
}

/// So much later than now.
pub(crate) fn in_a(duration: Duration) -> String {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    written(Timestamp::now().checked_add(duration).unwrap_or(Timestamp::MAX))
}

/// A moment as the wire has it.
pub(crate) fn written(moment: Timestamp) -> String {
    format!("{moment:.3}")
}
