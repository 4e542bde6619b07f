//! Reading what a backend says of its health: Cosnap's answers, and those of the usual frameworks.

use crate::json::{Document, Value};
use crate::policy::connectivity::Health;
use crate::policy::hint::timestamp;
use crate::time::WallTime;
use serde::Serialize;
use std::borrow::Cow;

/// The most that is read of a health's answer.
pub const LARGEST_HEALTH: usize = 64 << 10;
/// The most services that are read.
pub const MOST_SERVICES: usize = 64;
/// The longest name of one, in bytes.
const LONGEST_NAME: usize = 256;

/// What a backend says of the circuit breaker in front of one of its services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Circuit {
    /// The service is used.
    Closed,
    /// It is tried.
    HalfOpen,
    /// It is left alone.
    Open,
}

/// What a backend says of one of its services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceHealth {
    /// Its name, as errors have it in `service`.
    pub name: String,
    /// How it is, if that was said in a word that is known.
    pub status: Option<Health>,
    /// Its circuit breaker, if there is one.
    pub circuit: Option<Circuit>,
    /// When it may be well again, by the server's clock.
    pub recovery_at: Option<WallTime>,
}

/// The words for each health, in lower case and without separators: Cosnap's and ASP.NET's, those of `application/health+json`
/// (draft-inadarei-api-health-check), of Spring's actuator, and of Elasticsearch.
const WORDS: [(Health, &[&str]); 3] = [
    (Health::Healthy, &["healthy", "ok", "up", "pass", "green", "operational", "available"]),
    (Health::Degraded, &["degraded", "warn", "warning", "yellow", "partial"]),
    (Health::Unhealthy, &["unhealthy", "down", "fail", "error", "red", "critical", "outofservice", "unavailable"]),
];

/// How a backend is, from the answer of its health; `None` if it does not say so. One that only tells of its services is
/// degraded if one of them is not healthy.
///
/// ```
/// use steadfast::{connectivity::health::read_health, policy::connectivity::Health};
///
/// assert_eq!(read_health(br#"{"status":"degraded","services":{}}"#), Some(Health::Degraded));
/// assert_eq!(read_health(b"Healthy"), Some(Health::Healthy));
/// assert_eq!(read_health(b"<!doctype html>"), None);
/// ```
pub fn read_health(body: &[u8]) -> Option<Health> {
    let text = text(body);
    let Some(document) = Document::read_beginning(&text) else { return in_a_word(&text) };
    let root = document.root();
    let said = [Some(root), root.get("overall"), root.get("data")].into_iter().flatten().find_map(status);
    said.or_else(|| worst_of(&read_services(root)))
}

/// How each service of a backend is, from the answer of its detailed health: at most [`MOST_SERVICES`], in their order, each
/// once. Whatever is not understood is left out.
///
/// ```
/// use steadfast::connectivity::health::{Circuit, read_detailed};
///
/// let body = br#"{"services":{"runninghub_api":{"circuitBreakerState":"half-open","recoveryTime":"2025-08-21T10:35:30Z"}}}"#;
/// let services = read_detailed(body);
/// assert_eq!((services[0].name.as_str(), services[0].circuit), ("runninghub_api", Some(Circuit::HalfOpen)));
/// assert_eq!(services[0].recovery_at.unwrap().to_rfc3339(), "2025-08-21T10:35:30.000Z");
/// ```
pub fn read_detailed(body: &[u8]) -> Vec<ServiceHealth> {
    let text = text(body);
    Document::read_beginning(&text).map_or_else(Vec::new, |document| read_services(document.root()))
}

fn text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    String::from_utf8_lossy(body.get(..LARGEST_HEALTH).unwrap_or(body))
}

fn read_services(root: Value<'_>) -> Vec<ServiceHealth> {
    const NAMES: [&str; 4] = ["services", "components", "checks", "dependencies"];
    let within = root.first(&NAMES).or_else(|| root.get("data")?.first(&NAMES));
    let mut read: Vec<ServiceHealth> = Vec::new();
    let Some(services) = within else { return read };
    let named = services.members().map(|(name, service)| (Some(name.as_str().into_owned()), service));
    let listed = services.items().map(|service| (["name", "service", "id"].iter().find_map(|name| service.text(name)), service));
    for (name, service) in named.chain(listed) {
        let Some(name) = name.filter(|name| !name.trim().is_empty() && name.len() <= LONGEST_NAME) else { continue };
        if read.iter().any(|known| known.name == name) {
            continue;
        }
        let recovery_at = service.first(&["recoveryTime", "recovery_time", "recoveryAt", "nextAttempt", "nextRetryAt"]);
        let (status, circuit) = (status(service), circuit(service));
        read.push(ServiceHealth { name, status, circuit, recovery_at: recovery_at.and_then(moment) });
        if read.len() == MOST_SERVICES {
            break;
        }
    }
    read
}

/// What a value says of a health: the word that it is, or that is its `status`.
fn status(value: Value<'_>) -> Option<Health> {
    let word = if value.is_string() { value } else { value.get("status")? };
    in_a_word(&word.as_str()?)
}

fn in_a_word(word: &str) -> Option<Health> {
    let word = plain(word)?;
    WORDS.iter().find(|(_, words)| words.contains(&word.as_str())).map(|(health, _)| *health)
}

fn circuit(service: Value<'_>) -> Option<Circuit> {
    let said = service.first(&["circuitBreakerState", "circuit_breaker_state", "circuitState", "circuitBreaker", "circuit"])?;
    let word = if said.is_object() { said.get("state")? } else { said };
    match plain(&word.as_str()?)?.as_str() {
        "closed" => Some(Circuit::Closed),
        "halfopen" => Some(Circuit::HalfOpen),
        "open" | "forcedopen" => Some(Circuit::Open),
        _ => None,
    }
}

/// A short word in lower case, without what separates its parts.
fn plain(word: &str) -> Option<String> {
    let letters = || word.trim().chars().filter(|character| !matches!(character, '-' | '_' | ' '));
    (word.len() <= 32).then(|| letters().map(|letter| letter.to_ascii_lowercase()).collect())
}

/// A date, or seconds or milliseconds since the epoch, of which the larger are the latter: they are only alike before 1971 and
/// after 5138. A smaller number is no moment.
fn moment(value: Value<'_>) -> Option<WallTime> {
    if value.is_string() {
        return timestamp(&value.as_str()?);
    }
    match value.as_u64()? {
        seconds @ 1_000_000_000..100_000_000_000 => i64::try_from(seconds).ok().map(|seconds| WallTime(seconds * 1000)),
        millis @ 1_000_000_000_000..=8_640_000_000_000_000 => i64::try_from(millis).ok().map(WallTime),
        _ => None,
    }
}

fn worst_of(services: &[ServiceHealth]) -> Option<Health> {
    let known = || services.iter().filter_map(|service| service.status);
    if known().any(|health| health != Health::Healthy) {
        return Some(Health::Degraded);
    }
    known().next()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_health_of_each_framework_is_understood() {
        for (body, expected) in [
            (r#"{"status":"healthy","services":{"redis":{"status":"unhealthy"}}}"#, Some(Health::Healthy)),
            (r#"{"status":"unhealthy"}"#, Some(Health::Unhealthy)),
            (r#"{"status":"OUT_OF_SERVICE"}"#, Some(Health::Unhealthy)),
            (r#"{"status":"pass","checks":{}}"#, Some(Health::Healthy)),
            (r#"{"overall":{"status":"degraded","score":85}}"#, Some(Health::Degraded)),
            (r#"{"success":true,"data":{"status":"ok"}}"#, Some(Health::Healthy)),
            (r#"{"services":{"redis":{"status":"healthy"},"mail":{"status":"down"}}}"#, Some(Health::Degraded)),
            (r#"{"services":{"redis":"up"}}"#, Some(Health::Healthy)),
            (r#"{"status":"degraded","services":{"data"#, Some(Health::Degraded)),
            ("\"Degraded\"", Some(Health::Degraded)),
            (" Healthy\n", Some(Health::Healthy)),
            (r#"{"status":200}"#, None),
            (r#"{"status":"perhaps"}"#, None),
            ("{}", None),
            ("", None),
            ("OK, says somebody else at a much greater length than a health does", None),
        ] {
            assert_eq!(read_health(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn services_are_read_from_objects_and_lists_and_never_twice() {
        let body = br#"{"services":[
            {"name":"mail","circuit":{"state":"OPEN"},"recoveryTime":1755772530},
            {"service":"mail","circuitState":"closed"},
            {"id":"images","circuit_breaker_state":"HALF_OPEN","nextAttempt":"tomorrow"},
            {"circuitState":"open"}, "nonsense", 7
        ]}"#;
        let read = read_detailed(body);
        let seen: Vec<_> = read.iter().map(|service| (service.name.as_str(), service.circuit, service.recovery_at)).collect();
        assert_eq!(
            seen,
            [("mail", Some(Circuit::Open), Some(WallTime(1_755_772_530_000))), ("images", Some(Circuit::HalfOpen), None)]
        );
    }

    #[test]
    fn a_moment_is_a_date_or_a_time_since_the_epoch_and_no_number_of_seconds_to_wait() {
        for (given, expected) in [
            ("1755772530", Some(1_755_772_530_000)),
            ("1755772530000", Some(1_755_772_530_000)),
            ("30", None),
            ("-5", None),
            ("18446744073709551615", None),
            (r#""2025-08-21T10:35:30""#, None),
            ("null", None),
        ] {
            let body = format!(r#"{{"services":{{"a":{{"recoveryTime":{given}}}}}}}"#);
            assert_eq!(read_detailed(body.as_bytes())[0].recovery_at, expected.map(WallTime), "{given}");
        }
    }

    #[test]
    fn no_answer_makes_more_than_64_services() {
        let services: Vec<String> = (0..1000).map(|index| format!(r#""s{index}":{{"status":"ok"}}"#)).collect();
        let read = read_detailed(format!(r#"{{"services":{{{}}}}}"#, services.join(",")).as_bytes());
        assert_eq!((read.len(), read[63].name.as_str()), (MOST_SERVICES, "s63"));
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_does_harm(body in proptest::collection::vec(any::<u8>(), 0..200), text in r#"[\[\]{}":,a-z0-9 ]{0,80}"#) {
            for body in [body, format!(r#"{{"status":"ok","services":{text}"#).into_bytes()] {
                let _ = read_health(&body);
                prop_assert!(read_detailed(&body).len() <= MOST_SERVICES);
            }
        }
    }
}
