//! Reading what a backend says of its health: Cosnap's answers, and those of the usual frameworks.

use crate::json::{Document, Value};
use crate::policy::connectivity::Health;
use std::borrow::Cow;

/// The most that is read of a health's answer.
pub const LARGEST_HEALTH: usize = 64 << 10;
/// The most services that are looked at.
const MOST_SERVICES: usize = 64;

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
    said.or_else(|| worst_of(root))
}

fn text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    String::from_utf8_lossy(body.get(..LARGEST_HEALTH).unwrap_or(body))
}

/// How a backend is whose services are like that: not healthy if one of them is not.
fn worst_of(root: Value<'_>) -> Option<Health> {
    const NAMES: [&str; 4] = ["services", "components", "checks", "dependencies"];
    let services = root.first(&NAMES).or_else(|| root.get("data")?.first(&NAMES))?;
    let named = services.members().map(|(_, service)| service);
    let mut known = None;
    for health in named.chain(services.items()).take(MOST_SERVICES).filter_map(status) {
        if health != Health::Healthy {
            return Some(Health::Degraded);
        }
        known = Some(health);
    }
    known
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

/// A short word in lower case, without what separates its parts.
fn plain(word: &str) -> Option<String> {
    let letters = || word.trim().chars().filter(|character| !matches!(character, '-' | '_' | ' '));
    (word.len() <= 32).then(|| letters().map(|letter| letter.to_ascii_lowercase()).collect())
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

    proptest! {
        #[test]
        fn nothing_that_is_sent_does_harm(body in proptest::collection::vec(any::<u8>(), 0..200), text in r#"[\[\]{}":,a-z0-9 ]{0,80}"#) {
            for body in [body, format!(r#"{{"status":"ok","services":{text}"#).into_bytes()] {
                let _ = read_health(&body);
            }
        }
    }
}
