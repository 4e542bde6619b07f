//! What a server says of the circuit breakers towards its own services: `GET /api/health/detailed`. Whoever knows that a service
//! is out need not find out by failing.
//!
//! Only what is said of a circuit counts. That a service is `degraded` or `unhealthy` does not say that calls to it are in vain.

use super::document::{find, text_of};
use super::hint::timestamp;
use crate::json::{Document, Value};
use crate::time::WallTime;
use crate::wire::LONGEST_NAME;
use std::time::Duration;

/// A circuit is not taken for open for longer than this without asking again: a report may be wrong.
pub const LONGEST_REPORTED_OUTAGE: Duration = Duration::from_secs(10 * 60);

/// The most services of which a report is read.
const MOST_SERVICES: usize = 64;

/// What a server says of the circuit towards one of its services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitReport {
    /// The service, by the name that errors have in `context.service`.
    pub service: String,
    /// How the circuit stands.
    pub state: ReportedState,
}

/// How a circuit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedState {
    /// Calls go through.
    Closed,
    /// A few calls go through, to see whether they succeed: so it was said, or the recovery time of an open one has come.
    HalfOpen,
    /// No call goes through.
    Open {
        /// For how long yet, from the arrival of the report; more than zero, at most [`LONGEST_REPORTED_OUTAGE`]. `None` if the
        /// server did not say.
        remaining: Option<Duration>,
    },
}

/// Reads a report: one entry per service whose circuit it tells of, in its order, at most 64. `None` if it is none.
///
/// `recoveryTime` is a moment of the server's clock. What that showed when the report was sent is taken from `timestamp` in the
/// report, else from `server_date`, which is the response's `Date` header if it can be read, else the client's clock stands in.
///
/// ```
/// use std::time::Duration;
/// use steadfast::policy::health::{ReportedState, read};
/// use steadfast::time::WallTime;
///
/// let body = br#"{"services":{"mail":{"circuitBreakerState":"open","recoveryTime":"2026-06-01T12:00:30Z"}}}"#;
/// let noon = WallTime(1_780_315_200_000);
/// let reports = read(body, None, noon).unwrap();
/// assert_eq!(reports[0].service, "mail");
/// assert_eq!(reports[0].state, ReportedState::Open { remaining: Some(Duration::from_secs(30)) });
/// ```
pub fn read(body: &[u8], server_date: Option<WallTime>, received_at: WallTime) -> Option<Vec<CircuitReport>> {
    let text = text_of(body)?;
    let document = Document::read(&text)?;
    let root = find(&document, &["services"])?;
    let services = root.get("services")?;
    let now = moment(root, "timestamp").or(server_date).unwrap_or(received_at);
    let mut reports: Vec<CircuitReport> = Vec::new();
    let mut add = |service: String, value: Value<'_>| {
        let state = state_of(value, now).filter(|_| (1..=LONGEST_NAME).contains(&service.chars().count()));
        let Some(state) = state else { return };
        // Of two reports on one service the last counts, as of two members of one name.
        reports.retain(|report| report.service != service);
        if reports.len() < MOST_SERVICES {
            reports.push(CircuitReport { service, state });
        }
    };
    if services.is_array() {
        for service in services.items() {
            if let Some(name) = service.text("name").or_else(|| service.text("service")) {
                add(name, service);
            }
        }
    } else if services.is_object() {
        for (name, service) in services.members() {
            add(name.as_str().into_owned(), service);
        }
    } else {
        return None;
    }
    Some(reports)
}

fn state_of(service: Value<'_>, now: WallTime) -> Option<ReportedState> {
    let said = service.text("circuitBreakerState")?;
    let letters = said.bytes().filter(u8::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase());
    let is = |name: &str| letters.clone().eq(name.bytes());
    if is("closed") {
        return Some(ReportedState::Closed);
    }
    if is("halfopen") {
        return Some(ReportedState::HalfOpen);
    }
    if !is("open") {
        return None;
    }
    Some(match moment(service, "recoveryTime").map(|recovery| recovery.since(now)) {
        None => ReportedState::Open { remaining: None },
        Some(Duration::ZERO) => ReportedState::HalfOpen,
        Some(remaining) => ReportedState::Open { remaining: Some(remaining.min(LONGEST_REPORTED_OUTAGE)) },
    })
}

fn moment(value: Value<'_>, name: &str) -> Option<WallTime> {
    timestamp(&value.text(name)?)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2025-08-21T10:30:00Z.
    const NOW: WallTime = WallTime(1_755_772_200_000);

    fn states(text: &str) -> Vec<(String, ReportedState)> {
        let reports = read(text.as_bytes(), None, NOW).unwrap();
        reports.into_iter().map(|report| (report.service, report.state)).collect()
    }

    fn open(seconds: u64) -> ReportedState {
        ReportedState::Open { remaining: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn the_document_of_the_specification_is_read() {
        let text = r#"{
            "overall": { "status": "degraded", "score": 85 },
            "services": {
                "runninghub_api": {
                    "status": "degraded", "circuitBreakerState": "half-open", "lastFailure": "2025-08-21T10:25:30Z",
                    "failureCount": 3, "recoveryTime": "2025-08-21T10:35:30Z"
                }
            },
            "recommendations": ["Monitor RunningHub API for recovery"]
        }"#;
        assert_eq!(states(text), [("runninghub_api".into(), ReportedState::HalfOpen)]);
    }

    #[test]
    fn the_states_are_read_however_they_are_spelt() {
        for (said, state) in [
            ("closed", Some(ReportedState::Closed)),
            ("CLOSED", Some(ReportedState::Closed)),
            ("halfOpen", Some(ReportedState::HalfOpen)),
            ("HALF_OPEN", Some(ReportedState::HalfOpen)),
            ("Open", Some(ReportedState::Open { remaining: None })),
            ("", None),
            ("reopen", None),
            ("ajar", None),
        ] {
            let read = states(&format!(r#"{{"services":{{"s":{{"circuitBreakerState":"{said}"}}}}}}"#));
            assert_eq!(read.first().map(|(_, state)| *state), state, "{said}");
        }
    }

    #[test]
    fn an_open_circuit_is_open_until_its_recovery_time_by_the_clock_of_the_server() {
        let body = r#"{"services":{"s":{"circuitBreakerState":"open","recoveryTime":"2025-08-21T10:31:00Z"}}}"#;
        assert_eq!(states(body), [("s".into(), open(60))]);
        let ahead = WallTime(NOW.0 + 45_000);
        assert_eq!(read(body.as_bytes(), Some(ahead), NOW).unwrap()[0].state, open(15));
        let stamped = body.replacen('{', r#"{"timestamp":"2025-08-21T10:30:50Z","#, 1);
        assert_eq!(read(stamped.as_bytes(), Some(ahead), NOW).unwrap()[0].state, open(10));
    }

    #[test]
    fn a_recovery_time_that_has_come_lets_a_few_calls_through_and_one_that_is_far_away_is_asked_about_again() {
        for (recovery, state) in [
            ("2025-08-21T10:30:00Z", ReportedState::HalfOpen),
            ("2024-08-21T10:30:00Z", ReportedState::HalfOpen),
            ("2035-08-21T10:30:00Z", open(600)),
            ("soon", ReportedState::Open { remaining: None }),
        ] {
            let body = format!(r#"{{"services":{{"s":{{"circuitBreakerState":"open","recoveryTime":"{recovery}"}}}}}}"#);
            assert_eq!(states(&body), [("s".into(), state)], "{recovery}");
        }
    }

    #[test]
    fn only_what_is_said_of_a_circuit_counts() {
        let text = r#"{"services":{"a":{"status":"unhealthy"},"b":7,"c":null,"":{"circuitBreakerState":"open"}}}"#;
        assert_eq!(states(text), []);
    }

    #[test]
    fn a_list_and_an_envelope_do_as_well_and_the_last_of_two_counts() {
        let text = r#"{"success":true,"data":{"services":[
            {"name":"a","circuitBreakerState":"open"}, {"service":"b","circuitBreakerState":"closed"},
            {"name":"a","circuitBreakerState":"closed"}, {"circuitBreakerState":"open"}
        ]}}"#;
        assert_eq!(states(text), [("b".into(), ReportedState::Closed), ("a".into(), ReportedState::Closed)]);
    }

    #[test]
    fn what_is_no_report_is_none() {
        for text in ["", "<html>", "[]", "{}", r#"{"status":"healthy"}"#, r#"{"services":7}"#, r#"{"services":{"a":"#] {
            assert_eq!(read(text.as_bytes(), None, NOW), None, "{text}");
        }
    }

    #[test]
    fn a_report_of_too_many_services_is_cut_off() {
        let services: Vec<String> = (0..200).map(|index| format!(r#""s{index}":{{"circuitBreakerState":"open"}}"#)).collect();
        assert_eq!(states(&format!(r#"{{"services":{{{}}}}}"#, services.join(","))).len(), 64);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300), now in any::<i64>()) {
            read(&body, None, WallTime(now));
        }

        #[test]
        fn no_report_keeps_calls_back_for_longer_than_it_may(recovery in any::<i64>(), date in any::<Option<i64>>(), now in any::<i64>()) {
            let recovery = WallTime(recovery).to_rfc3339();
            let body = format!(r#"{{"services":{{"s":{{"circuitBreakerState":"open","recoveryTime":"{recovery}"}}}}}}"#);
            let reports = read(body.as_bytes(), date.map(WallTime), WallTime(now)).unwrap();
            match reports[0].state {
                ReportedState::Open { remaining: Some(remaining) } => {
                    prop_assert!(remaining > Duration::ZERO && remaining <= LONGEST_REPORTED_OUTAGE);
                }
                ReportedState::HalfOpen => {}
                other => prop_assert!(other == ReportedState::Open { remaining: None }, "{:?}", other),
            }
        }
    }
}
