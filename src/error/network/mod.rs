//! Why a request got no response, told apart as far as a browser allows.
//!
//! A browser does not say: a page must not learn from `fetch` what it may not read (Fetch Standard §2.6, "network error"). What
//! is left is evidence: what the page knows of itself and of the request, who else has answered, how long it took, and whether
//! the same server answers a harmless question. A verdict says how sure it is and what it was drawn from. One that is a guess
//! never changes what happens: the request stays as retryable as any that failed for an unknown reason.

mod origin;
mod rejection;
mod surroundings;

pub use origin::is_development;
pub use rejection::{Rejection, Statement};
pub use surroundings::{Answers, Page, Surroundings};

use super::Confidence;
use std::time::Duration;

/// Why a request got no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFailureKind {
    /// The device has no network.
    Offline,
    /// The network works, and the server cannot be found or does not take connections. A browser does not tell which.
    Unreachable,
    /// The server answered, and the page may not read it: there is no `Access-Control-Allow-Origin` for it.
    Cors,
    /// Something in the browser did not let the request out: an extension, or the page's own content security policy.
    Blocked,
    /// A secure page asked for something over plain HTTP.
    MixedContent,
    /// Someone other than the caller ended it. A caller's own abort never becomes an error of the network.
    Aborted,
    /// It took too long.
    TimedOut,
    /// None of these can be said.
    Unknown,
    /// It cannot be sent at all: a broken URL, a forbidden method, a body that was used up.
    Invalid,
    /// The application's own `fetch` or `headers` option failed.
    Application,
}

/// A conclusion, how sure it is, and what it was drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Why the request got no response.
    pub kind: NetworkFailureKind,
    /// How sure that is.
    pub confidence: Confidence,
    /// What it was concluded from, in words for developers.
    pub reason: &'static str,
}

impl Verdict {
    /// Nothing has been looked into yet.
    pub const UNKNOWN: Self = guess(NetworkFailureKind::Unknown, "a browser does not say why there was no response");

    /// The code of the error that the application sees.
    pub fn code(&self) -> &'static str {
        match self.kind {
            NetworkFailureKind::Offline => "NETWORK_OFFLINE",
            NetworkFailureKind::Unreachable => "NETWORK_UNREACHABLE",
            NetworkFailureKind::Cors => "NETWORK_CORS",
            NetworkFailureKind::Blocked => "NETWORK_BLOCKED",
            NetworkFailureKind::MixedContent => "NETWORK_MIXED_CONTENT",
            NetworkFailureKind::TimedOut => "NETWORK_TIMEOUT",
            NetworkFailureKind::Aborted | NetworkFailureKind::Unknown => "NETWORK_ERROR",
            NetworkFailureKind::Invalid => "REQUEST_INVALID",
            NetworkFailureKind::Application => "APPLICATION_HOOK_FAILED",
        }
    }

    /// Whether the same request may succeed later. Only what is certain to fail again is not retryable: a gateway that is down
    /// for a moment answers without CORS headers, so what looks like CORS may well pass.
    pub fn retryable(&self) -> bool {
        match self.kind {
            NetworkFailureKind::Invalid | NetworkFailureKind::Application => false,
            NetworkFailureKind::MixedContent | NetworkFailureKind::Blocked => self.confidence < Confidence::Certain,
            _ => true,
        }
    }
}

const fn certain(kind: NetworkFailureKind, reason: &'static str) -> Verdict {
    Verdict { kind, confidence: Confidence::Certain, reason }
}

const fn likely(kind: NetworkFailureKind, reason: &'static str) -> Verdict {
    Verdict { kind, confidence: Confidence::Likely, reason }
}

const fn guess(kind: NetworkFailureKind, reason: &'static str) -> Verdict {
    Verdict { kind, confidence: Confidence::Guess, reason }
}

/// What there is to go by.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What was thrown.
    pub rejection: &'a Rejection,
    /// The origin of the page; `None` outside a browser, where there is neither CORS nor mixed content.
    pub page: Option<&'a str>,
    /// The origin that was asked.
    pub target: &'a str,
    /// Whether the request's mode is `no-cors`, which has nothing to read and so nothing to forbid.
    pub no_cors: bool,
    /// What the browser believes: its "no" is to be trusted, its "yes" is not.
    pub online: bool,
    /// Whether the page's content security policy reported this very URL.
    pub violates_policy: bool,
    /// How long it took to fail.
    pub elapsed: Duration,
    /// Who else has answered.
    pub answers: Answers,
    /// What a probe of the target came to; `None` if there was none.
    pub probe: Option<Probe>,
}

/// What became of harmless questions whose answers nobody looks at (`HEAD`, `no-cors`, without credentials).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// The root of the origin was not answered.
    Silence,
    /// The root was answered. The URL itself was not asked for: the request may have been meant to change something.
    RootAnswers,
    /// The root was answered, and the URL itself was not.
    OnlyRootAnswers,
    /// Both were answered.
    UrlAnswers,
}

/// How long a browser takes at most to see that a request would be mixed content; what took longer has been on the network,
/// as when `upgrade-insecure-requests` made it secure.
const REFUSED_AT_ONCE: Duration = Duration::from_millis(250);

/// Says why a request got no response, as far as that can be told.
///
/// ```
/// use std::time::Duration;
/// use steadfast::error::network::{Answers, Evidence, NetworkFailureKind, Probe, Rejection, classify};
/// let rejection = Rejection { name: "TypeError".into(), message: "Failed to fetch".into(), cause: None };
/// let evidence = Evidence {
///     rejection: &rejection,
///     page: Some("https://app.example"),
///     target: "https://api.example",
///     no_cors: false,
///     online: true,
///     violates_policy: false,
///     elapsed: Duration::from_millis(80),
///     answers: Answers::default(),
///     probe: Some(Probe::UrlAnswers),
/// };
/// assert_eq!(classify(&evidence).kind, NetworkFailureKind::Cors);
/// ```
pub fn classify(evidence: &Evidence<'_>) -> Verdict {
    let statement = evidence.rejection.statement();
    match statement {
        Statement::InvalidRequest => return certain(NetworkFailureKind::Invalid, "the request cannot be sent"),
        Statement::Mistake => {
            return certain(NetworkFailureKind::Application, "this error is made by code, and never by the network");
        }
        Statement::Aborted => return certain(NetworkFailureKind::Aborted, "something other than the caller aborted it"),
        Statement::TimedOut => return certain(NetworkFailureKind::TimedOut, "the error says so"),
        _ => {}
    }
    if evidence.violates_policy {
        let reason = "the page's Content-Security-Policy forbids it; add the origin to connect-src";
        return certain(NetworkFailureKind::Blocked, reason);
    }
    if !evidence.online {
        return certain(NetworkFailureKind::Offline, "the browser says that there is no network");
    }
    match statement {
        Statement::Offline => likely(NetworkFailureKind::Offline, "the error says so"),
        Statement::Cors => likely(NetworkFailureKind::Cors, "the error says so; see Access-Control-Allow-Origin"),
        Statement::MixedContent => certain(NetworkFailureKind::MixedContent, "the error says so"),
        _ if is_mixed_content(evidence) => {
            certain(NetworkFailureKind::MixedContent, "a page from https:// may not fetch from http://")
        }
        Statement::Blocked => likely(NetworkFailureKind::Blocked, "the error says so"),
        Statement::Unreachable => likely(NetworkFailureKind::Unreachable, "the error says so"),
        Statement::ConnectionLost => likely(NetworkFailureKind::Unknown, "the connection broke"),
        _ => by_who_answers(evidence),
    }
}

fn is_mixed_content(evidence: &Evidence<'_>) -> bool {
    let may_be = evidence.page.is_some_and(|page| origin::is_mixed_content(page, evidence.target));
    // What has answered before was let through: upgraded to https, or allowed by the user.
    may_be && !evidence.answers.ever && evidence.elapsed <= REFUSED_AT_ONCE
}

/// The words say nothing: what is left is who answers, and how fast.
fn by_who_answers(evidence: &Evidence<'_>) -> Verdict {
    let crosses_origins = evidence.page.is_some_and(|page| page != evidence.target);
    let reads = crosses_origins && !evidence.no_cors;
    match evidence.probe {
        Some(Probe::OnlyRootAnswers) => likely(
            NetworkFailureKind::Blocked,
            "the server answers at its root, and this URL fails even where there is nothing to read: an extension or a filter may \
             block it",
        ),
        Some(Probe::UrlAnswers | Probe::RootAnswers) if reads => likely(
            NetworkFailureKind::Cors,
            "the server answers, but this page may not read it: the answer, or that to its preflight, may lack \
             Access-Control-Allow-Origin, as the page of a gateway often does while the server behind it is down",
        ),
        Some(Probe::UrlAnswers | Probe::RootAnswers) => {
            guess(NetworkFailureKind::Unknown, "the server answers other requests; this one broke on its way")
        }
        Some(Probe::Silence) if evidence.answers.others => {
            likely(NetworkFailureKind::Unreachable, "others answer; this server does not, not even a probe of its root")
        }
        // The browser may be wrong about the network, and a server may refuse answers that are not read
        // (Cross-Origin-Resource-Policy).
        Some(Probe::Silence) => guess(
            NetworkFailureKind::Unreachable,
            "the browser says that there is a network, and the server does not answer, not even a probe of its root",
        ),
        None if evidence.answers.meanwhile => {
            guess(NetworkFailureKind::Unknown, "the server answers other requests; this one broke on its way, or lacks CORS")
        }
        None if evidence.answers.others && !crosses_origins => {
            likely(NetworkFailureKind::Unreachable, "others answer, and this server does not")
        }
        None => Verdict::UNKNOWN,
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::known_code;
    use proptest::prelude::*;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/network_failures.json")).unwrap()
    }

    /// A variant as the vectors write it: `NoResponse` is `noResponse`.
    fn written(variant: &impl std::fmt::Debug) -> String {
        let name = format!("{variant:?}");
        format!("{}{}", name[..1].to_ascii_lowercase(), &name[1..])
    }

    fn rejection(of: impl Fn(&str) -> Value) -> Rejection {
        let text = |name| of(name).as_str().map(ToString::to_string);
        Rejection {
            name: text("name").unwrap_or_else(|| "TypeError".into()),
            message: text("message").unwrap(),
            cause: text("cause"),
        }
    }

    #[test]
    fn what_each_engine_says_is_understood() {
        let vectors = vectors();
        let messages = vectors["messages"].as_array().unwrap();
        assert!(messages.len() > 60);
        for vector in messages {
            let rejection = rejection(|name| vector[name].clone());
            assert_eq!(written(&rejection.statement()), vector["says"].as_str().unwrap(), "{vector}");
        }
    }

    #[test]
    fn each_verdict_follows_from_its_evidence() {
        let vectors = vectors();
        for vector in vectors["cases"].as_array().unwrap() {
            let given = |name: &str| vector["evidence"].get(name).unwrap_or(&vectors["defaults"][name]).clone();
            let (rejection, page, target) = (rejection(given), given("page"), given("target"));
            let is = |name| given(name).as_bool().unwrap_or(false);
            let evidence = Evidence {
                rejection: &rejection,
                page: page.as_str(),
                target: target.as_str().unwrap(),
                no_cors: is("noCors"),
                online: is("online"),
                violates_policy: is("violatesPolicy"),
                elapsed: Duration::from_millis(given("elapsedMs").as_u64().unwrap()),
                answers: Answers { ever: is("hasAnswered"), meanwhile: is("answeredMeanwhile"), others: is("othersAnswer") },
                probe: given("probe").as_str().map(|name| {
                    let all = [Probe::Silence, Probe::RootAnswers, Probe::OnlyRootAnswers, Probe::UrlAnswers];
                    all.into_iter().find(|probe| written(probe) == name).unwrap()
                }),
            };
            let verdict = classify(&evidence);
            assert_eq!(written(&verdict.kind), vector["kind"].as_str().unwrap(), "{vector}");
            assert_eq!(written(&verdict.confidence), vector["confidence"].as_str().unwrap(), "{vector}");
            assert_eq!(verdict.code(), vector["code"].as_str().unwrap(), "{vector}");
            assert_eq!(verdict.retryable(), vector["retryable"].as_bool().unwrap(), "{vector}");
            assert!(!verdict.reason.is_empty());
            assert!(known_code(verdict.code()).is_some(), "{}", verdict.code());
        }
    }

    #[test]
    fn a_rejection_shows_all_it_has() {
        let node = Rejection { name: "TypeError".into(), message: "fetch failed".into(), cause: Some("ECONNREFUSED".into()) };
        assert_eq!(node.to_string(), "TypeError: fetch failed: ECONNREFUSED");
        assert_eq!(Rejection { message: "a string".into(), ..Rejection::default() }.to_string(), "a string");
        assert_eq!(Rejection::default().to_string(), "nothing was said");
    }

    fn probes() -> impl Strategy<Value = Option<Probe>> {
        proptest::option::of(proptest::sample::select(vec![
            Probe::Silence,
            Probe::RootAnswers,
            Probe::OnlyRootAnswers,
            Probe::UrlAnswers,
        ]))
    }

    proptest! {
        #[test]
        fn what_is_not_certain_is_retryable_and_cors_never_is_certain(
            message in proptest::sample::select(vec!["Failed to fetch", "Load failed", "Preflight response is not successful", "", "?"]),
            page in proptest::option::of(proptest::sample::select(vec!["https://a.example", "http://a.example", "null"])),
            target in proptest::sample::select(vec!["https://a.example", "http://a.example", "http://localhost:1", "null"]),
            flags in any::<[bool; 6]>(),
            elapsed in 0_u64..1000,
            probe in probes(),
        ) {
            let rejection = Rejection { name: "TypeError".into(), message: message.into(), cause: None };
            let [no_cors, online, violates_policy, ever, meanwhile, others] = flags;
            let answers = Answers { ever, meanwhile, others };
            let elapsed = Duration::from_millis(elapsed);
            let evidence = Evidence {
                rejection: &rejection, page, target, no_cors, online, violates_policy, elapsed, answers, probe,
            };
            let verdict = classify(&evidence);
            prop_assert!(verdict.retryable() || verdict.confidence == Confidence::Certain, "{verdict:?}");
            prop_assert!(verdict.kind != NetworkFailureKind::Cors || verdict.confidence == Confidence::Likely, "{verdict:?}");
        }
    }
}
