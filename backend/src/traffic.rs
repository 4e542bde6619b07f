use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use serde::Serialize;

const WINDOW: u64 = 60;

/// Counts the requests of the last minute, by second.
#[derive(Debug)]
pub(crate) struct Traffic {
    start: Instant,
    seconds: Mutex<VecDeque<Second>>,
}

#[derive(Debug, Default)]
struct Second {
    at: u64,
    requests: u32,
    failures: u32,
    time: Duration,
}

/// The figures of the last minute.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metrics {
    requests_per_minute: u32,
    /// The share of the requests that were answered with a status of 500 or above.
    error_rate: f64,
    /// In milliseconds.
    average_response_time: f64,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), seconds: Mutex::default() }
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn record(&self, status: StatusCode, time: Duration) {
        let now = self.uptime().as_secs();
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut seconds, now);
        if seconds.back().is_none_or(|second| second.at != now) {
            seconds.push_back(Second { at: now, ..Second::default() });
        }
        if let Some(second) = seconds.back_mut() {
            second.requests += 1;
            second.failures += u32::from(status.is_server_error());
            second.time += time;
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut seconds, self.uptime().as_secs());
        let requests: u32 = seconds.iter().map(|second| second.requests).sum();
        let failures: u32 = seconds.iter().map(|second| second.failures).sum();
        let time: Duration = seconds.iter().map(|second| second.time).sum();
        let divisor = f64::from(requests.max(1));
        Metrics {
            requests_per_minute: requests,
            error_rate: f64::from(failures) / divisor,
            average_response_time: time.as_secs_f64() * 1000.0 / divisor,
        }
    }
}

fn forget_old(seconds: &mut VecDeque<Second>, now: u64) {
    while seconds.front().is_some_and(|second| second.at + WINDOW <= now) {
        seconds.pop_front();
    }
}
