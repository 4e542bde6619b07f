//! What a server configures of error handling: `GET /api/config/error-handling`, read within guardrails.
//!
//! The document comes over the network and changes how all clients behave, so that a slip in it would be an outage: it is data
//! to be checked, like any other. Whatever is outside of what is allowed is brought inside, whatever cannot be understood changes
//! nothing, and both are said ([`Adjustment`]).

use super::document::{find, last_member, shown, text_of};
use crate::json::{Document, Value};
use crate::time::milliseconds;
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// The path of the configuration.
pub const CONFIGURATION_PATH: &str = "/api/config/error-handling";

/// The most levels of disclosure that are kept.
const MOST_LEVELS: usize = 16;
/// The longest name of one, in bytes.
const LONGEST_LEVEL: usize = 64;

/// What a server has configured, within the guardrails. `None`: it says nothing of that, or nothing that can be understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// `retryDefaults.maxAttempts`: attempts in all, the first included, 1 to 10.
    pub max_attempts: Option<u32>,
    /// `retryDefaults.baseDelay`: the most that the first delay can be, 100 ms to 60 s.
    pub base_delay: Option<Duration>,
    /// `retryDefaults.backoffMultiplier`: how many times longer each further delay can be, 1 to 5.
    pub multiplier: Option<f64>,
    /// `circuitBreaker.failureThreshold`: the failures in a row that open a breaker, 1 to 100.
    pub failure_threshold: Option<u32>,
    /// `circuitBreaker.recoveryTimeout`: how long it stays open at first, 1 s to 10 minutes.
    pub recovery_timeout: Option<Duration>,
    /// `circuitBreaker.halfOpenMaxCalls`: how many calls may try whether the service has recovered, 1 to 20.
    pub half_open_calls: Option<u32>,
    /// `errorDisclosure.levelThresholds`, 0 to 1000 by the names of the levels: at most 16, in the order of the document. What
    /// they mean is not documented; they are the application's.
    pub disclosure_levels: Vec<(String, f64)>,
    /// `businessRules.highValueCustomerThreshold`, 0 to 10¹².
    pub high_value_customer_threshold: Option<f64>,
    /// `businessRules.priorityEscalationEnabled`.
    pub priority_escalation: Option<bool>,
    /// What was not taken as it came.
    pub adjustments: Vec<Adjustment>,
}

/// A member of a configuration that was not taken as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adjustment {
    /// Which: `retryDefaults.maxAttempts`.
    pub member: String,
    /// What was there, as JSON, shortened.
    pub received: String,
    /// What may be there.
    pub allowed: &'static str,
    /// What is used instead; `None` if it was ignored, and changes nothing.
    pub used: Option<String>,
}

/// A configuration of which nothing can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("configuration{}{member} is {received}; allowed: {allowed}", if member.is_empty() { "" } else { "." })]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationError {
    /// Where it is wrong; empty for the whole.
    pub member: String,
    /// What was there.
    pub received: String,
    /// What may be there.
    pub allowed: &'static str,
}

impl ConfigurationError {
    fn of_whole(received: &str) -> Self {
        let allowed = "a JSON object with retryDefaults, circuitBreaker, errorDisclosure or businessRules";
        Self { member: String::new(), received: received.into(), allowed }
    }
}

const RETRY: &str = "retryDefaults";
const BREAKER: &str = "circuitBreaker";
const DISCLOSURE: &str = "errorDisclosure";
const RULES: &str = "businessRules";

/// A number that may stand in a configuration.
struct Guardrail {
    section: &'static str,
    name: &'static str,
    least: f64,
    most: f64,
    whole: bool,
    allowed: &'static str,
}

const MAX_ATTEMPTS: Guardrail = whole(RETRY, "maxAttempts", 1.0, 10.0, "a whole number from 1 to 10");
const BASE_DELAY: Guardrail = whole(RETRY, "baseDelay", 100.0, 60_000.0, "milliseconds from 100 to 60000");
const MULTIPLIER: Guardrail = number(RETRY, "backoffMultiplier", 1.0, 5.0, "a number from 1 to 5");
const FAILURE_THRESHOLD: Guardrail = whole(BREAKER, "failureThreshold", 1.0, 100.0, "a whole number from 1 to 100");
const RECOVERY_TIMEOUT: Guardrail = whole(BREAKER, "recoveryTimeout", 1000.0, 600_000.0, "milliseconds from 1000 to 600000");
const HALF_OPEN_CALLS: Guardrail = whole(BREAKER, "halfOpenMaxCalls", 1.0, 20.0, "a whole number from 1 to 20");
const HIGH_VALUE: Guardrail = number(RULES, "highValueCustomerThreshold", 0.0, 1e12, "a number from 0 to 1000000000000");
const LEVEL: Guardrail = number(DISCLOSURE, "levelThresholds", 0.0, 1000.0, "a number from 0 to 1000");
const ESCALATION: &str = "priorityEscalationEnabled";

const fn whole(section: &'static str, name: &'static str, least: f64, most: f64, allowed: &'static str) -> Guardrail {
    Guardrail { section, name, least, most, whole: true, allowed }
}

const fn number(section: &'static str, name: &'static str, least: f64, most: f64, allowed: &'static str) -> Guardrail {
    Guardrail { section, name, least, most, whole: false, allowed }
}

/// Reads the body of an answer: the document itself, or one inside `data`. `null` is as good as absent, and a number may be
/// written as a string. A negative number is no number here, rather than the least one.
///
/// ```
/// use steadfast::policy::configuration::read;
///
/// let configuration = read(br#"{"retryDefaults":{"maxAttempts":50,"baseDelay":"soon"}}"#).unwrap();
/// assert_eq!(configuration.max_attempts, Some(10));
/// assert_eq!(configuration.base_delay, None);
/// assert_eq!(configuration.adjustments.len(), 2);
/// ```
///
/// # Errors
///
/// If nothing of it can be used. An object with nothing in it is a configuration that leaves everything to the client.
pub fn read(body: &[u8]) -> Result<Configuration, ConfigurationError> {
    let text = text_of(body).ok_or_else(|| ConfigurationError::of_whole("longer than 65536 bytes"))?;
    let document = Document::read(&text).ok_or_else(|| ConfigurationError::of_whole(&beginning(&text)))?;
    let Some(root) = find(&document, &[RETRY, BREAKER, DISCLOSURE, RULES]) else {
        return Err(ConfigurationError::of_whole(&beginning(&text)));
    };
    let mut reader = Reader { adjustments: Vec::new() };
    let retry = reader.section(root, RETRY);
    let breaker = reader.section(root, BREAKER);
    let disclosure = reader.section(root, DISCLOSURE);
    let rules = reader.section(root, RULES);
    let configuration = Configuration {
        max_attempts: reader.count(retry, &MAX_ATTEMPTS),
        base_delay: reader.duration(retry, &BASE_DELAY),
        multiplier: reader.number(retry, &MULTIPLIER),
        failure_threshold: reader.count(breaker, &FAILURE_THRESHOLD),
        recovery_timeout: reader.duration(breaker, &RECOVERY_TIMEOUT),
        half_open_calls: reader.count(breaker, &HALF_OPEN_CALLS),
        disclosure_levels: reader.levels(disclosure),
        high_value_customer_threshold: reader.number(rules, &HIGH_VALUE),
        priority_escalation: reader.flag(rules, RULES, ESCALATION),
        adjustments: reader.adjustments,
    };
    match configuration.adjustments.first() {
        Some(Adjustment { member, received, allowed, used: None }) if configuration.says_nothing() => {
            Err(ConfigurationError { member: member.clone(), received: received.clone(), allowed })
        }
        _ => Ok(configuration),
    }
}

fn beginning(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { "empty".into() } else { shown(text) }
}

struct Reader {
    adjustments: Vec<Adjustment>,
}

impl Reader {
    fn adjust(&mut self, member: String, received: Value<'_>, allowed: &'static str, used: Option<f64>) {
        let received = if received.is_no_number() { "NaN or infinite".into() } else { shown(received.to_json().text()) };
        self.adjustments.push(Adjustment { member, received, allowed, used: used.map(|used| used.to_string()) });
    }

    fn section<'d>(&mut self, root: Value<'d>, name: &'static str) -> Option<Value<'d>> {
        let section = root.get(name)?;
        if section.is_object() {
            return Some(section);
        }
        self.adjust(name.into(), section, "an object", None);
        None
    }

    fn number(&mut self, section: Option<Value<'_>>, guardrail: &Guardrail) -> Option<f64> {
        let value = last_member(section?, guardrail.name)?;
        self.guarded(value, guardrail, || member(guardrail.section, guardrail.name))
    }

    fn guarded(&mut self, value: Value<'_>, guardrail: &Guardrail, member: impl FnOnce() -> String) -> Option<f64> {
        if value.is_null() && !value.is_no_number() {
            return None;
        }
        // What overflows is larger than all that is allowed, and nothing else.
        let Some(number) = value.as_f64().filter(|number| *number >= 0.0) else {
            self.adjust(member(), value, guardrail.allowed, None);
            return None;
        };
        let floored = if guardrail.whole { number.floor() } else { number };
        let used = floored.clamp(guardrail.least, guardrail.most);
        let allowed = (guardrail.least..=guardrail.most).contains(&number) && (!guardrail.whole || number.fract() == 0.0);
        if !allowed {
            self.adjust(member(), value, guardrail.allowed, Some(used));
        }
        Some(used)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "guardrails of whole numbers are small")]
    fn count(&mut self, section: Option<Value<'_>>, guardrail: &Guardrail) -> Option<u32> {
        self.number(section, guardrail).map(|number| number as u32)
    }

    fn duration(&mut self, section: Option<Value<'_>>, guardrail: &Guardrail) -> Option<Duration> {
        self.count(section, guardrail).map(|milliseconds| Duration::from_millis(milliseconds.into()))
    }

    fn flag(&mut self, section: Option<Value<'_>>, section_name: &str, name: &str) -> Option<bool> {
        let value = last_member(section?, name)?;
        let flag = value.as_bool();
        if flag.is_none() && (!value.is_null() || value.is_no_number()) {
            self.adjust(member(section_name, name), value, "true or false", None);
        }
        flag
    }

    fn levels(&mut self, disclosure: Option<Value<'_>>) -> Vec<(String, f64)> {
        let mut levels: Vec<(String, f64)> = Vec::new();
        let Some(thresholds) = disclosure.and_then(|disclosure| disclosure.get(LEVEL.name)) else { return levels };
        let all = member(LEVEL.section, LEVEL.name);
        if !thresholds.is_object() {
            self.adjust(all, thresholds, "an object of numbers by the names of levels", None);
            return levels;
        }
        for (name, value) in thresholds.members() {
            let name = name.as_str();
            if name.len() > LONGEST_LEVEL || levels.len() >= MOST_LEVELS || self.adjustments.len() >= 2 * MOST_LEVELS {
                self.adjust(all, thresholds, "at most 16 levels, with names of at most 64 bytes", None);
                return levels;
            }
            let threshold = self.guarded(value, &LEVEL, || member(&all, &name));
            levels.retain(|(earlier, _)| *earlier != name);
            levels.extend(threshold.map(|threshold| (name.into_owned(), threshold)));
        }
        levels
    }
}

fn member(section: &str, name: &str) -> String {
    let mut member = String::with_capacity(section.len() + name.len() + 1);
    member.push_str(section);
    member.push('.');
    member.push_str(name);
    member
}

impl Configuration {
    fn says_nothing(&self) -> bool {
        *self == Self { adjustments: self.adjustments.clone(), ..Self::default() }
    }

    /// Whether the document had that member, and it was ignored, or what it is in.
    fn ignored(&self, section: &str, name: &str) -> bool {
        self.adjustments.iter().any(|adjustment| {
            let inside = adjustment.member.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
            adjustment.used.is_none() && (adjustment.member == section || inside == Some(name))
        })
    }

    /// What holds once this configuration has replaced `earlier`: what could not be understood stays as it was, and what is not
    /// there any more is the client's again.
    #[must_use]
    pub fn replacing(mut self, earlier: &Self) -> Self {
        let ignored = |guardrail: &Guardrail| self.ignored(guardrail.section, guardrail.name);
        let max_attempts = earlier.max_attempts.filter(|_| ignored(&MAX_ATTEMPTS));
        let base_delay = earlier.base_delay.filter(|_| ignored(&BASE_DELAY));
        let multiplier = earlier.multiplier.filter(|_| ignored(&MULTIPLIER));
        let failure_threshold = earlier.failure_threshold.filter(|_| ignored(&FAILURE_THRESHOLD));
        let recovery_timeout = earlier.recovery_timeout.filter(|_| ignored(&RECOVERY_TIMEOUT));
        let half_open_calls = earlier.half_open_calls.filter(|_| ignored(&HALF_OPEN_CALLS));
        let high_value = earlier.high_value_customer_threshold.filter(|_| ignored(&HIGH_VALUE));
        let escalation = earlier.priority_escalation.filter(|_| self.ignored(RULES, ESCALATION));
        let all_levels = self.ignored(LEVEL.section, LEVEL.name);
        let kept = earlier.disclosure_levels.iter().filter(|(name, _)| {
            let lost = all_levels || self.ignored(&member(LEVEL.section, LEVEL.name), name);
            lost && !self.disclosure_levels.iter().any(|(known, _)| known == name)
        });
        let room = MOST_LEVELS.saturating_sub(self.disclosure_levels.len());
        let levels: Vec<(String, f64)> = kept.take(room).cloned().collect();
        self.max_attempts = self.max_attempts.or(max_attempts);
        self.base_delay = self.base_delay.or(base_delay);
        self.multiplier = self.multiplier.or(multiplier);
        self.failure_threshold = self.failure_threshold.or(failure_threshold);
        self.recovery_timeout = self.recovery_timeout.or(recovery_timeout);
        self.half_open_calls = self.half_open_calls.or(half_open_calls);
        self.high_value_customer_threshold = self.high_value_customer_threshold.or(high_value);
        self.priority_escalation = self.priority_escalation.or(escalation);
        self.disclosure_levels.extend(levels);
        self
    }

    /// It as JSON, in the words of the document: what is kept across reloads and read again by [`read`], and what the application
    /// sees. Only what is known is in it.
    pub fn to_text(&self) -> String {
        let mut out = String::from("{");
        let duration = |duration: Duration| milliseconds(duration).to_string();
        let retry = [
            (MAX_ATTEMPTS.name, self.max_attempts.map(|count| count.to_string())),
            (BASE_DELAY.name, self.base_delay.map(duration)),
            (MULTIPLIER.name, self.multiplier.map(|multiplier| multiplier.to_string())),
        ];
        write_section(&mut out, RETRY, retry);
        let breaker = [
            (FAILURE_THRESHOLD.name, self.failure_threshold.map(|count| count.to_string())),
            (RECOVERY_TIMEOUT.name, self.recovery_timeout.map(duration)),
            (HALF_OPEN_CALLS.name, self.half_open_calls.map(|count| count.to_string())),
        ];
        write_section(&mut out, BREAKER, breaker);
        if !self.disclosure_levels.is_empty() {
            let mut levels = String::from("{");
            for (name, threshold) in &self.disclosure_levels {
                separate(&mut levels);
                // Serialising a string cannot fail.
                levels.push_str(&serde_json::to_string(name).unwrap_or_else(|_| "\"\"".into()));
                write!(levels, ":{threshold}").ok();
            }
            levels.push('}');
            write_section(&mut out, DISCLOSURE, [(LEVEL.name, Some(levels))]);
        }
        let rules = [
            (HIGH_VALUE.name, self.high_value_customer_threshold.map(|threshold| threshold.to_string())),
            (ESCALATION, self.priority_escalation.map(|enabled| enabled.to_string())),
        ];
        write_section(&mut out, RULES, rules);
        out.push('}');
        out
    }
}

/// Appends an object of what is there; nothing, if nothing is.
fn write_section<const MEMBERS: usize>(out: &mut String, name: &str, members: [(&str, Option<String>); MEMBERS]) {
    if members.iter().all(|(_, json)| json.is_none()) {
        return;
    }
    separate(out);
    out.push('"');
    out.push_str(name);
    out.push_str("\":{");
    for (name, json) in members {
        let Some(json) = json else { continue };
        separate(out);
        out.push('"');
        out.push_str(name);
        out.push_str("\":");
        out.push_str(&json);
    }
    out.push('}');
}

fn separate(out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COSNAP: &str = r#"{
        "retryDefaults": { "maxAttempts": 3, "baseDelay": 1000, "backoffMultiplier": 2 },
        "circuitBreaker": { "failureThreshold": 5, "recoveryTimeout": 30000, "halfOpenMaxCalls": 3 },
        "errorDisclosure": { "levelThresholds": { "critical": 1, "high": 2, "medium": 3 } },
        "businessRules": { "highValueCustomerThreshold": 1000, "priorityEscalationEnabled": true }
    }"#;

    fn cosnap() -> Configuration {
        Configuration {
            max_attempts: Some(3),
            base_delay: Some(Duration::from_secs(1)),
            multiplier: Some(2.0),
            failure_threshold: Some(5),
            recovery_timeout: Some(Duration::from_secs(30)),
            half_open_calls: Some(3),
            disclosure_levels: vec![("critical".into(), 1.0), ("high".into(), 2.0), ("medium".into(), 3.0)],
            high_value_customer_threshold: Some(1000.0),
            priority_escalation: Some(true),
            adjustments: Vec::new(),
        }
    }

    fn read_text(text: &str) -> Result<Configuration, ConfigurationError> {
        read(text.as_bytes())
    }

    /// What became of members, as text.
    fn adjustments(text: &str) -> Vec<(String, String, Option<String>)> {
        let adjustments = read_text(text).unwrap().adjustments;
        adjustments.into_iter().map(|adjustment| (adjustment.member, adjustment.received, adjustment.used)).collect()
    }

    #[test]
    fn the_document_of_the_specification_is_read_as_it_is() {
        assert_eq!(read_text(COSNAP).unwrap(), cosnap());
    }

    #[test]
    fn an_envelope_and_a_byte_order_mark_around_it_do_not_matter() {
        for around in [r#"{"success":true,"data":@}"#, r#"{"data":{"config":@}}"#, "\u{feff} @\n", r#"{"configuration":@}"#] {
            assert_eq!(read_text(&around.replace('@', COSNAP)).unwrap(), cosnap(), "{around}");
        }
    }

    #[test]
    fn what_is_outside_of_the_guardrails_is_brought_inside_and_said() {
        let text = r#"{
            "retryDefaults": { "maxAttempts": 1000000, "baseDelay": 0, "backoffMultiplier": 0.5 },
            "circuitBreaker": { "failureThreshold": 0, "recoveryTimeout": 30, "halfOpenMaxCalls": 1e999 }
        }"#;
        let read = read_text(text).unwrap();
        assert_eq!(
            (read.max_attempts, read.base_delay, read.multiplier),
            (Some(10), Some(Duration::from_millis(100)), Some(1.0))
        );
        assert_eq!((read.failure_threshold, read.half_open_calls), (Some(1), Some(20)));
        assert_eq!(read.recovery_timeout, Some(Duration::from_secs(1)));
        let used: Vec<_> = adjustments(text).into_iter().map(|(member, _, used)| (member, used.unwrap())).collect();
        let expected = [
            ("retryDefaults.maxAttempts", "10"),
            ("retryDefaults.baseDelay", "100"),
            ("retryDefaults.backoffMultiplier", "1"),
            ("circuitBreaker.failureThreshold", "1"),
            ("circuitBreaker.recoveryTimeout", "1000"),
            ("circuitBreaker.halfOpenMaxCalls", "20"),
        ];
        assert_eq!(used, expected.map(|(member, used)| (member.to_string(), used.to_string())));
    }

    #[test]
    fn half_an_attempt_is_none() {
        let text = r#"{"retryDefaults":{"maxAttempts":2.9,"backoffMultiplier":1.5}}"#;
        assert_eq!(read_text(text).unwrap().max_attempts, Some(2));
        assert_eq!(adjustments(text), [("retryDefaults.maxAttempts".into(), "2.9".into(), Some("2".into()))]);
    }

    #[test]
    fn a_number_that_is_written_as_a_string_is_one() {
        let read = read_text(r#"{"retryDefaults":{"maxAttempts":"4"},"circuitBreaker":{"recoveryTimeout":" 5000 "}}"#).unwrap();
        assert_eq!((read.max_attempts, read.recovery_timeout), (Some(4), Some(Duration::from_secs(5))));
        assert_eq!(read.adjustments, []);
    }

    #[test]
    fn what_is_no_number_changes_nothing_for_its_member_alone() {
        for wrong in [r#""many""#, "-1", "NaN", "-Infinity", "[3]", "{}", "true", r#""NaN""#, r#""""#] {
            let text = format!(r#"{{"retryDefaults":{{"maxAttempts":{wrong},"baseDelay":2000}}}}"#);
            let read = read_text(&text).unwrap();
            assert_eq!((read.max_attempts, read.base_delay), (None, Some(Duration::from_secs(2))), "{wrong}");
            let [adjustment] = &read.adjustments[..] else { panic!("{wrong}: {:?}", read.adjustments) };
            assert_eq!((adjustment.member.as_str(), &adjustment.used), ("retryDefaults.maxAttempts", &None), "{wrong}");
        }
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let read = read_text(r#"{"retryDefaults":{"maxAttempts":null},"circuitBreaker":null,"businessRules":{"x":1}}"#).unwrap();
        assert_eq!(read, Configuration::default());
    }

    #[test]
    fn of_two_members_of_one_name_the_last_counts() {
        assert_eq!(read_text(r#"{"retryDefaults":{"maxAttempts":2,"maxAttempts":4}}"#).unwrap().max_attempts, Some(4));
    }

    #[test]
    fn an_object_with_nothing_in_it_leaves_everything_to_the_client() {
        for text in ["{}", r#"{"success":true,"data":{}}"#, r#"{"retryDefaults":{}}"#] {
            assert_eq!(read_text(text), Ok(Configuration::default()), "{text}");
        }
    }

    #[test]
    fn what_is_no_configuration_is_refused_with_what_was_there() {
        for (text, received) in [
            ("", "empty"),
            ("<!doctype html><title>Sign in</title>", "<!doctype html><title>Sign in</title>"),
            ("[1,2]", "[1,2]"),
            ("null", "null"),
            (r#""retryDefaults""#, r#""retryDefaults""#),
            (r#"{"retryDefaults":{"maxAttem"#, r#"{"retryDefaults":{"maxAttem"#),
            (r#"{"message":"It works!"}"#, r#"{"message":"It works!"}"#),
            (r#"{"data":[{"retryDefaults":{}}]}"#, r#"{"data":[{"retryDefaults":{}}]}"#),
        ] {
            let error = read_text(text).unwrap_err();
            assert_eq!((error.member.as_str(), error.received.as_str()), ("", received));
        }
        let error = read_text("[]").unwrap_err().to_string();
        assert!(error.starts_with("configuration is []; allowed: a JSON object with retryDefaults, "), "{error}");
        assert!(read(&vec![b' '; 65 << 10]).unwrap_err().to_string().contains("longer than 65536 bytes"));
    }

    #[test]
    fn a_configuration_of_which_all_is_wrong_says_what_is_wrong_first() {
        let error = read_text(r#"{"retryDefaults":{"baseDelay":"1s"},"circuitBreaker":[]}"#).unwrap_err();
        assert_eq!(error.to_string(), "configuration.circuitBreaker is []; allowed: an object");
        let error = read_text(r#"{"retryDefaults":{"baseDelay":"1s"}}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"configuration.retryDefaults.baseDelay is "1s"; allowed: milliseconds from 100 to 60000"#
        );
    }

    #[test]
    fn levels_are_few_and_the_rest_is_said() {
        let levels: Vec<String> = (0..40).map(|level| format!(r#""level {level}":{level}"#)).collect();
        let text = format!(r#"{{"errorDisclosure":{{"levelThresholds":{{{}}}}}}}"#, levels.join(","));
        let read = read_text(&text).unwrap();
        assert_eq!((read.disclosure_levels.len(), read.adjustments.len()), (16, 1));
        assert!(read.adjustments[0].received.ends_with('…'));
    }

    #[test]
    fn what_cannot_be_understood_stays_as_it_was_and_what_is_gone_is_the_clients_again() {
        let text = r#"{"retryDefaults":{"maxAttempts":"many","baseDelay":500},"circuitBreaker":7,
            "errorDisclosure":{"levelThresholds":{"critical":"no","low":9}},"businessRules":{"priorityEscalationEnabled":"on"}}"#;
        let next = read_text(text).unwrap().replacing(&cosnap());
        let expected = Configuration {
            base_delay: Some(Duration::from_millis(500)),
            multiplier: None,
            disclosure_levels: vec![("low".into(), 9.0), ("critical".into(), 1.0)],
            high_value_customer_threshold: None,
            adjustments: next.adjustments.clone(),
            ..cosnap()
        };
        assert_eq!(next, expected);
    }

    fn within_the_guardrails(read: &Configuration) -> bool {
        let duration = |duration: Option<Duration>, least, most| {
            duration.is_none_or(|duration| (Duration::from_millis(least)..=Duration::from_millis(most)).contains(&duration))
        };
        read.max_attempts.is_none_or(|count| (1..=10).contains(&count))
            && duration(read.base_delay, 100, 60_000)
            && read.multiplier.is_none_or(|multiplier| (1.0..=5.0).contains(&multiplier))
            && read.failure_threshold.is_none_or(|count| (1..=100).contains(&count))
            && duration(read.recovery_timeout, 1000, 600_000)
            && read.half_open_calls.is_none_or(|count| (1..=20).contains(&count))
            && read.disclosure_levels.len() <= 16
            && read.disclosure_levels.iter().all(|(name, level)| name.len() <= 64 && (0.0..=1000.0).contains(level))
            && read.high_value_customer_threshold.is_none_or(|threshold| (0.0..=1e12).contains(&threshold))
            && read.adjustments.len() <= 64
    }

    /// A JSON value that may stand where a number or a flag should.
    fn any_value() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            (0_u32..200_000).prop_map(|number| number.to_string()),
            (-10.0..10.0_f64).prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| format!("\"{number}\"")),
            "[0-9]{1,400}|-?[0-9]{1,9}e[0-9]{1,4}",
            "true|false|null|NaN|-?Infinity|\\[\\]|\\{\\}|\"[a-z0-9 ]{0,9}\"",
        ]
    }

    fn any_document() -> impl Strategy<Value = String> {
        let sections = [
            (RETRY, &["maxAttempts", "baseDelay", "backoffMultiplier", "unknown"][..]),
            (BREAKER, &["failureThreshold", "recoveryTimeout", "halfOpenMaxCalls", "unknown"]),
            (RULES, &["highValueCustomerThreshold", "priorityEscalationEnabled"]),
        ];
        let sections = sections.map(|(section, names)| {
            let members = prop::collection::vec((prop::sample::select(names), any_value()), 0..5);
            members.prop_map(move |members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("\"{section}\":{{{}}}", members.join(","))
            })
        });
        let levels = prop::collection::vec(("[\\w ]{0,70}", any_value()), 0..30).prop_map(|levels| {
            let levels: Vec<_> = levels.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("\"errorDisclosure\":{{\"levelThresholds\":{{{}}}}}", levels.join(","))
        });
        (sections, levels).prop_map(|(sections, levels)| format!("{{{},{levels}}}", sections.join(",")))
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(read) = read(&body) {
                prop_assert!(within_the_guardrails(&read));
            }
        }

        #[test]
        fn any_document_is_read_within_the_guardrails_and_is_the_same_after_a_reload(
            text in any_document(), earlier in any_document(),
        ) {
            let Ok(next) = read(text.as_bytes()) else { return Ok(()) };
            prop_assert!(within_the_guardrails(&next));
            let next = match read(earlier.as_bytes()) {
                Ok(earlier) => next.replacing(&earlier),
                Err(_) => next,
            };
            prop_assert!(within_the_guardrails(&next));
            let stored = read(next.to_text().as_bytes());
            prop_assert_eq!(stored, Ok(Configuration { adjustments: Vec::new(), ..next }));
        }

        #[test]
        fn what_is_allowed_is_taken_as_it_came(attempts in 1_u32..=10, delay in 100_u64..=60_000, multiplier in 1.0..=5.0_f64) {
            let text = format!(
                r#"{{"retryDefaults":{{"maxAttempts":{attempts},"baseDelay":{delay},"backoffMultiplier":{multiplier}}}}}"#
            );
            let read = read(text.as_bytes()).unwrap();
            prop_assert_eq!(&read.adjustments, &[]);
            prop_assert_eq!((read.max_attempts, read.base_delay), (Some(attempts), Some(Duration::from_millis(delay))));
            prop_assert_eq!(read.multiplier, Some(multiplier));
        }
    }
}
