//! `performance.now`, `Date.now` and `setTimeout`.

use super::timer::{Timer, microseconds};
use crate::platform::Clock;
use crate::time::{MonotonicTime, WallTime, milliseconds};
use std::rc::Rc;
use std::time::Duration;

/// The browser's clocks. Its clones share the timer that all their waits go by.
#[derive(Debug, Clone)]
pub struct BrowserClock {
    timer: Rc<Timer>,
}

impl BrowserClock {
    /// A clock with a timer of its own.
    pub fn new() -> Self {
        Self { timer: Timer::new() }
    }
}

impl Default for BrowserClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for BrowserClock {
    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime(microseconds() / 1000)
    }

    #[expect(clippy::cast_possible_truncation, reason = "a Date is within 2^53")]
    fn wall(&self) -> WallTime {
        WallTime(js_sys::Date::now() as i64)
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        self.timer.wait(milliseconds(duration))
    }
}
