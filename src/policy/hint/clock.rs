//! The server's clock, as far as a response tells it.

use super::date;
use super::duration::milliseconds_rounded_up;
use super::fields::Fields;
use crate::time::WallTime;
use std::time::Duration;

/// A moment that had passed by more than this when the response arrived is of no use: it is left over, or not what it is taken
/// for. Clocks that are kept right, and stamps of whole seconds, differ by less.
const STALE: Duration = Duration::from_secs(5);

/// What both clocks showed when the response arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// The client's clock.
    pub received_at: WallTime,
    /// The server's: what it stamped the response with, so at most a little early, and no wait that is counted from it ends
    /// before the moment that the server means.
    pub server_now: WallTime,
    /// By how much the server's clock is ahead, if the response has a stamp.
    pub skew_ms: Option<i64>,
}

impl Clock {
    /// Reads the server's clock from the `Date` of the response, the time that it was kept by caches added, or else from the
    /// stamp in the body. Without either the server's clock is taken to show what the client's does.
    pub(super) fn read(fields: &Fields<'_>, received_at: WallTime, timestamp: Option<WallTime>) -> Self {
        let date = fields.get("date").and_then(|date| date::sure(date.trim_ascii(), received_at));
        let stamp = date.map(|date| date.after(Duration::from_secs(fields.age()))).or(timestamp);
        Self { received_at, server_now: stamp.unwrap_or(received_at), skew_ms: stamp.map(|stamp| skew(stamp, received_at)) }
    }

    /// How long it is until a moment of the server's clock; zero if it has passed.
    pub(super) fn until(&self, moment: WallTime) -> Duration {
        moment.since(self.server_now)
    }

    /// The same; `None` if the moment had passed so long ago that it is stale.
    pub(super) fn until_unless_stale(&self, moment: WallTime) -> Option<Duration> {
        (self.server_now.since(moment) <= STALE).then(|| self.until(moment))
    }

    /// What the client's clock will show after a wait.
    pub(super) fn after(&self, wait: Duration) -> WallTime {
        self.received_at.after(Duration::from_millis(milliseconds_rounded_up(wait)))
    }
}

/// By how much a stamp is ahead. One of whole seconds (`Date` always is) stands for all of its second: if the client's clock
/// showed that second there is no skew to be seen, else the middle of the second is the best guess.
fn skew(stamp: WallTime, received_at: WallTime) -> i64 {
    let ahead = stamp.0.saturating_sub(received_at.0);
    if stamp.0 % 1000 != 0 {
        return ahead;
    }
    if (-999..=0).contains(&ahead) { 0 } else { ahead.saturating_add(500) }
}
