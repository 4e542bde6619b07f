//! `performance.now`, `Date.now` and `setTimeout`.

use super::global;
use crate::platform::Clock;
use crate::time::{MonotonicTime, WallTime, milliseconds};
use std::time::Duration;

/// The longest that `setTimeout` can wait: beyond 2^31 − 1 ms it fires at once.
const LONGEST_TIMEOUT: u64 = i32::MAX as u64;

/// The browser's clocks.
#[derive(Debug, Clone, Copy)]
pub struct BrowserClock;

impl Clock for BrowserClock {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole milliseconds since the page began")]
    fn monotonic(&self) -> MonotonicTime {
        let performance = global::member::<web_sys::Performance>("performance");
        MonotonicTime(performance.map_or_else(js_sys::Date::now, |performance| performance.now()) as u64)
    }

    #[expect(clippy::cast_possible_truncation, reason = "a Date is within 2^53")]
    fn wall(&self) -> WallTime {
        WallTime(js_sys::Date::now() as i64)
    }

    async fn sleep(&self, duration: Duration) {
        let mut left = milliseconds(duration);
        loop {
            let chunk = left.min(LONGEST_TIMEOUT);
            gloo_timers::future::TimeoutFuture::new(u32::try_from(chunk).unwrap_or(u32::MAX)).await;
            left -= chunk;
            if left == 0 {
                return;
            }
        }
    }
}
