//! The options of the SDK and of a call, checked.

mod call;
mod members;
mod policy;
mod protection;

pub use policy::PolicyOptions;
pub use protection::{Protection, Resolved, ServerDefaults};

use crate::call::CallPolicy;
use crate::call::correlation::{CorrelationIds, CorrelationPolicy};
use crate::connectivity::HEALTH_PATH;
use crate::error::parse::{CustomCode, Extensions};
use crate::error::{Category, Severity};
use crate::input::{InvalidInput, Subject};
use crate::json::Value;
use crate::platform::Encryption;
use crate::policy::backoff::Backoff;
use crate::policy::configuration::CONFIGURATION_PATH;
use crate::queue::draft::{quoted, shown};
use crate::queue::limits::QueueLimits;
use crate::queue::plan::BatchLimits;
use crate::sync::SyncPolicy;
use crate::wire::{DETAILED_HEALTH_PATH, MOST_ACTIONS, Priority, QUEUE_ACTIONS_PATH, SYNC_STATUS_PATH};
use members::{Members, Switch, named, read_json};
use protection::LONGEST_CALL_WAIT;
use std::rc::Rc;
use std::time::Duration;

/// How often the configuration is asked for.
const CONFIGURATION_EVERY: Duration = Duration::from_secs(15 * 60);
/// How often the state of the backend's services is asked for.
const CIRCUITS_EVERY: Duration = Duration::from_secs(60);

/// What the backend is asked in the background, if the application wants it.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    /// How it wants to be treated.
    pub configuration: Option<Polled>,
    /// How the circuits towards its services are.
    pub circuits: Option<Polled>,
}

/// Something that is asked for again and again.
#[derive(Debug, Clone)]
pub struct Polled {
    /// Where.
    pub url: String,
    /// How often.
    pub every: Duration,
}

/// What a client is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose actions are queued; without it nothing can be.
    pub user_id: Option<String>,
    /// What holds for all calls.
    pub call: CallPolicy,
    /// What stands around calls, as the application has asked for it.
    pub protection: Protection,
    /// What that means over the defaults.
    pub resolved: Resolved,
    /// What the backend is asked in the background.
    pub configured: Configured,
    /// Where its health is looked at when it is in doubt whether it can be reached; `None` if it is not looked at.
    pub health_path: Option<String>,
    /// How the queue is brought to the server.
    pub sync: SyncPolicy,
    /// How much the queue may hold.
    pub queue: QueueLimits,
    /// Whether it is encrypted where it is kept.
    pub encryption: Encryption,
    /// Whether developers are looking; `None` leaves that to where the page is.
    pub development: Option<bool>,
    /// Whether a server whose request failed may be probed; `None` leaves that to `development`.
    pub probe: Option<bool>,
    /// The name of the database.
    pub database: String,
}

impl Options {
    /// Checks the options of the SDK, given as JSON. `base_origin` is the origin of `baseUrl`, as the browser understands it.
    /// `extensions` are the formats and codes that the application brings.
    pub fn read(text: &str, base_origin: &str, extensions: Rc<Extensions>) -> Result<Self, InvalidInput> {
        let document = read_json(text)?;
        let mut members = Members::new("", Some(document.root()), "an object of options")?;
        // The browser has already made an origin of it.
        let base = members.take("baseUrl");
        if base.and_then(Value::as_str).is_none_or(|url| url.is_empty()) {
            let received = base.map_or_else(|| "null".into(), shown);
            return Err(members.refuse("baseUrl", &received, "an absolute URL such as https://api.example.com"));
        }
        let user_id = members.text("userId")?;
        let source_service = members.text("sourceService")?.unwrap_or_else(|| "steadfast".into());
        let database = members.text("database")?.unwrap_or_else(|| "steadfast".into());
        let development = members.flag("development")?;
        let probe = members.flag("probe")?;
        let mut trusted_origins = vec![base_origin.to_string()];
        trusted_origins.extend(read_origins(&mut members, "trustedOrigins")?);
        let correlation = read_correlation(&mut members)?;
        let configured = Configured {
            configuration: read_polled(&mut members, "configuration", base_origin, CONFIGURATION_PATH, CONFIGURATION_EVERY)?,
            circuits: read_polled(&mut members, "circuits", base_origin, DETAILED_HEALTH_PATH, CIRCUITS_EVERY)?,
        };
        let health_path = match members.take("health").map(|value| (value, value.as_bool(), value.as_str())) {
            None | Some((_, Some(true), _)) => Some(HEALTH_PATH.to_string()),
            Some((_, Some(false), _)) => None,
            Some((_, _, Some(path))) if path.starts_with('/') => Some(path.into_owned()),
            Some((other, ..)) => return Err(members.invalid("health", other, "true, false, or a path that begins with /")),
        };
        let protection = Protection::read(text, &mut members);
        let resolved = protection.resolve(&ServerDefaults::default())?;
        let mut sync = members.within("sync", "an object such as { maxActions: 100 }")?;
        let path = sync.text("path")?.unwrap_or_else(|| QUEUE_ACTIONS_PATH.into());
        if !path.starts_with('/') {
            return Err(sync.refuse("path", &quoted(&path), "a path that begins with /"));
        }
        let limits = BatchLimits {
            actions: sync.whole("maxActions", 1, MOST_ACTIONS)?.unwrap_or(100) as usize,
            bytes: sync.whole("maxBytes", 1024, 1 << 20)?.unwrap_or(256 << 10).into(),
        };
        let status_path = match sync.take("statusPath").map(|value| (value, value.as_bool(), value.as_str())) {
            None => Some(SYNC_STATUS_PATH.to_string()),
            Some((_, Some(false), _)) => None,
            Some((_, _, Some(path))) if path.starts_with('/') && path.ends_with('/') => Some(path.into_owned()),
            Some((other, ..)) => return Err(sync.invalid("statusPath", other, "false, or a path that begins and ends with /")),
        };
        let acknowledges_whole = match sync.take("ackMode") {
            None => false,
            Some(mode) if mode.is("perAction") => false,
            Some(mode) if mode.is("whole") => true,
            Some(other) => return Err(sync.invalid("ackMode", other, r#""perAction" or "whole""#)),
        };
        let timeout = sync.milliseconds("timeoutMs", 1, LONGEST_CALL_WAIT)?.unwrap_or(Duration::from_secs(30));
        sync.finish()?;
        let mut queue = members.within("queue", "an object such as { maxActions: 10000, evicts: [\"low\"] }")?;
        let limits_of_queue = read_queue_limits(&mut queue)?;
        let encryption = named(&mut queue, "encryption", &Encryption::NAMES, Encryption::from_name)?.unwrap_or_default();
        let max_age = queue.milliseconds("maxAgeMs", 1, u32::MAX)?;
        queue.finish()?;
        members.finish()?;
        let correlation = CorrelationPolicy { source_service, ..correlation };
        Ok(Self {
            user_id,
            protection,
            resolved: resolved.clone(),
            configured,
            health_path,
            call: CallPolicy {
                retry: resolved.retry,
                trusted_origins: trusted_origins.clone(),
                correlation: correlation.clone(),
                extensions: extensions.clone(),
            },
            sync: SyncPolicy {
                url: format!("{base_origin}{path}"),
                status_url: status_path.map(|path| format!("{base_origin}{path}")),
                acknowledges_whole,
                service: base_origin.into(),
                limits,
                backoff: queue_backoff(resolved.retry.backoff),
                timeout,
                correlation,
                extensions,
                max_age,
                trusted_origins,
            },
            queue: limits_of_queue,
            encryption,
            development,
            probe,
            database,
        })
    }
}

/// Reads how much the queue may hold.
fn read_queue_limits(queue: &mut Members<'_>) -> Result<QueueLimits, InvalidInput> {
    let defaults = QueueLimits::default();
    let evicts = match queue.take("evicts") {
        None => Vec::new(),
        Some(value) => {
            let read = |value: Value<'_>| Priority::from_name(&value.as_str()?);
            let read = value.items().map(read).collect::<Option<Vec<_>>>().filter(|_| value.is_array());
            read.ok_or_else(|| queue.refuse("evicts", &shown(value), "a list of priorities such as [\"low\", \"normal\"]"))?
        }
    };
    Ok(QueueLimits {
        actions: queue.whole("maxActions", 1, 10_000_000)?.map_or(defaults.actions, u64::from),
        bytes: queue.whole("maxBytes", 1024, u32::MAX)?.map_or(defaults.bytes, u64::from),
        evicts,
    })
}

/// Reads what is asked again and again: `true` asks as usual, an object changes where and how often.
fn read_polled<'a>(
    members: &mut Members<'a>,
    name: &'a str,
    base_origin: &str,
    path: &str,
    every: Duration,
) -> Result<Option<Polled>, InvalidInput> {
    let Switch::On(mut inner) = members.switch(name, "{ refreshMs: 60000 }")? else { return Ok(None) };
    let path = match inner.text("path")? {
        Some(other) if !other.starts_with('/') => {
            return Err(inner.refuse("path", &quoted(&other), "a path that begins with /"));
        }
        given => given.unwrap_or_else(|| path.into()),
    };
    let every = inner.milliseconds("refreshMs", 1000, 24 * LONGEST_CALL_WAIT)?.unwrap_or(every);
    inner.finish()?;
    Ok(Some(Polled { url: [base_origin, &path].concat(), every }))
}

/// Reads `correlation`.
fn read_correlation(members: &mut Members<'_>) -> Result<CorrelationPolicy, InvalidInput> {
    let default = CorrelationPolicy::default();
    let mut inner = members.within("correlation", "an object such as { ids: \"uuid\" }")?;
    let ids = named(&mut inner, "ids", &CorrelationIds::NAMES, CorrelationIds::from_name)?.unwrap_or_default();
    let policy = CorrelationPolicy {
        ids,
        traces: inner.flag("traces")?.unwrap_or(default.traces),
        attempt_number: inner.flag("attemptNumber")?.unwrap_or(default.attempt_number),
        traced_origins: read_origins(&mut inner, "tracedOrigins")?,
        sample_ratio: inner.number("sampleRatio", 0.0, 1.0)?.unwrap_or(default.sample_ratio),
        ..default
    };
    inner.finish()?;
    Ok(policy)
}

/// Reads `codes`: what an application knows of its codes, by their names.
pub fn read_codes(text: &str) -> Result<Vec<CustomCode>, InvalidInput> {
    let document = read_json(text)?;
    let by_code = document.root();
    if !by_code.is_object() {
        let allowed = "an object such as { OUT_OF_STOCK: { category: \"business\" } }";
        return Err(InvalidInput::new(Subject::Options, "codes", &shown(by_code), allowed));
    }
    by_code.members().map(|(code, facts)| read_code(code.as_str().into_owned(), facts)).collect()
}

fn read_code(code: String, facts: Value<'_>) -> Result<CustomCode, InvalidInput> {
    let within = |error: InvalidInput| error.within(&code).within("codes");
    let mut members =
        Members::new("", Some(facts), "an object such as { category: \"business\", retryable: false }").map_err(within)?;
    let category = named(&mut members, "category", &Category::ALL.map(Category::name), Category::from_name).map_err(within)?;
    let severities = ["low", "medium", "high", "critical"];
    let severity = named(&mut members, "severity", &severities, Severity::from_name).map_err(within)?;
    let retryable = members.flag("retryable").map_err(within)?;
    members.finish().map_err(within)?;
    Ok(CustomCode { code, category, severity, retryable })
}

/// The queue never gives up, so it never goes without a pause either.
fn queue_backoff(backoff: Backoff) -> Backoff {
    const FLOOR: Duration = Duration::from_millis(250);
    Backoff { base: backoff.base.max(FLOOR), cap: backoff.cap.max(FLOOR), ..backoff }
}

/// Reads a list of origins.
fn read_origins<'a>(members: &mut Members<'a>, name: &'a str) -> Result<Vec<String>, InvalidInput> {
    let allowed = "a list of origins such as https://api.example.com, without a path";
    let Some(list) = members.take(name) else { return Ok(Vec::new()) };
    if !list.is_array() {
        return Err(members.invalid(name, list, allowed));
    }
    let is_origin = |text: &str| text.split_once("://").is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'));
    list.items()
        .map(|entry| match entry.as_str().filter(|text| is_origin(text)) {
            Some(origin) => Ok(origin.to_ascii_lowercase()),
            None => Err(members.invalid(name, entry, allowed)),
        })
        .collect()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::call::{CallOptions, IdempotencyKey};
    use crate::policy::retry::RetryPolicy;

    fn error(text: &str) -> String {
        Options::read(text, "https://a.example", Rc::default()).unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_option_says_what_where_and_what_is_allowed() {
        assert_eq!(
            error(r#"{"baseUrl":"https://a.example","retry":{"maxAttempts":0}}"#),
            "options.retry.maxAttempts is 0; allowed: a whole number from 1 to 20"
        );
        assert_eq!(
            error(r#"{"baseUrl":"https://a.example","retry":{"retries":5}}"#),
            "options.retry.retries is 5; allowed: no such option; there are maxAttempts, baseDelayMs, multiplier, maxDelayMs, jitter, attemptTimeoutMs, maxWaitMs, maxPauseMs, totalTimeoutMs"
        );
        assert_eq!(error("{}"), "options.baseUrl is null; allowed: an absolute URL such as https://api.example.com");
        assert!(
            error(r#"{"baseUrl":"https://a.example","trustedOrigins":["https://b.example/path"]}"#).contains("without a path")
        );
        assert!(error(r#"{"baseUrl":"https://a.example","userId":7}"#).starts_with("options.userId is 7"));
        assert_eq!(
            error(r#"{"baseUrl":"https://a.example","probe":"yes"}"#),
            r#"options.probe is "yes"; allowed: true or false"#
        );
        assert!(error("nonsense").starts_with("options is something else"));
    }

    #[test]
    fn the_defaults_are_cosnaps() {
        let options = Options::read(r#"{"baseUrl":"https://a.example/"}"#, "https://a.example", Rc::default()).unwrap();
        assert_eq!(options.call.retry, RetryPolicy::default());
        assert_eq!(options.sync.url, "https://a.example/api/sync/queue-actions");
        assert_eq!(options.call.trusted_origins, ["https://a.example"]);
    }

    #[test]
    fn a_call_takes_the_policy_and_changes_what_it_names() {
        let policy =
            Options::read(r#"{"baseUrl":"https://a.example","retry":{"maxAttempts":5}}"#, "https://a.example", Rc::default())
                .unwrap()
                .call;
        let options = CallOptions::read(r#"{"idempotencyKey":"order-7","attemptTimeoutMs":500}"#, &policy).unwrap();
        assert_eq!(options.retry.max_attempts, 5);
        assert_eq!(options.retry.attempt_timeout, Duration::from_millis(500));
        assert_eq!(options.idempotency_key, IdempotencyKey::Given("order-7".into()));
        assert!(CallOptions::read(r#"{"idempotencyKey":"a\"b"}"#, &policy).is_err());
    }

    #[test]
    fn what_is_known_of_a_code_is_checked() {
        let codes = read_codes(r#"{"OUT_OF_STOCK":{"category":"business","severity":"low","retryable":false},"HM":{}}"#).unwrap();
        assert_eq!((codes[0].code.as_str(), codes[0].category), ("OUT_OF_STOCK", Some(Category::Business)));
        assert_eq!(codes[1], CustomCode { code: "HM".into(), ..CustomCode::default() });
        let error = |text| read_codes(text).unwrap_err().to_string();
        assert!(error(r#"{"A":{"category":"odd"}}"#).starts_with("options.codes.A.category is \"odd\"; allowed: one of auth, "));
        assert_eq!(error(r#"{"A":{"retryable":1}}"#), "options.codes.A.retryable is 1; allowed: true or false");
        assert!(error(r#"{"A":{"status":1}}"#).contains("no such option"));
        assert!(error("[]").starts_with("options.codes is "));
    }
}
