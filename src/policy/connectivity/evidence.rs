//! What there is to go by, and what it may come to.

use crate::time::MonotonicTime;
use serde::Serialize;

/// Whether the backend can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Nothing is known yet, and nothing speaks against it.
    Unknown,
    /// The backend answers.
    Online,
    /// It answers badly, or answers only in part, or others answer and it does not.
    Degraded,
    /// Nothing answers, or the browser says that there is no network and nothing contradicts it.
    Offline,
    /// Something answers that is not the backend: the login page of a network.
    CaptivePortal,
}

impl State {
    /// Whether a request has a chance. Before anything is known it has.
    pub fn is_online(self) -> bool {
        !matches!(self, Self::Offline | Self::CaptivePortal)
    }
}

/// What a state was concluded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Because {
    /// There is no evidence yet.
    NothingKnown,
    /// The backend answers.
    Answered,
    /// The browser says that there is no network, and nothing has answered since.
    BrowserOffline,
    /// A request failed because there is no network.
    NoNetwork,
    /// The backend does not answer, and nobody else has lately.
    NoAnswer,
    /// Others answer, and the backend does not.
    BackendSilent,
    /// The backend answers, and other trusted origins do not.
    SiblingsSilent,
    /// The backend's own health says so.
    Health,
    /// The backend answers with server errors, one after the other.
    ServerErrors,
    /// A circuit breaker is open.
    CircuitOpen,
    /// Something answers where the backend is, and the page may not read it, or not understand it.
    Unreadable,
    /// There is a page where this backend has answered otherwise before.
    PageInstead,
    /// The network wants a login (511, RFC 6585 §6).
    NetworkAuthentication,
}

/// Who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The backend.
    Backend,
    /// Another server. Its answers prove that there is a network.
    Sibling,
}

/// Why there was no response, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// There is no network: the browser or the error says so.
    NoNetwork,
    /// The server did not answer, as far as can be told.
    Unanswered,
    /// It may have been the request itself, or something in the browser: a blocker, a missing CORS header, a wrong URL.
    Inconclusive,
}

/// What a backend says of its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Health {
    /// All is well.
    Healthy,
    /// Something does not work as it should.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// What a probe came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The backend said how it is.
    Health(Health),
    /// It answered with that status and nothing that is known to be about its health. A 404 is an answer.
    Answered(u16),
    /// A web page arrived as a success, or a redirect led to another origin.
    Page,
    /// Something is there, and the page may not read what it answers.
    Unreadable,
    /// Nothing answered.
    Silence,
    /// The browser or the application did not let it out.
    Inconclusive,
}

/// A piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// What `navigator.onLine` says. The same again says nothing new.
    BrowserSays(bool),
    /// A request got an answer.
    Answered {
        /// Who answered.
        by: Origin,
        /// The HTTP status; 0 if it is hidden.
        status: u16,
    },
    /// A request got none.
    NoResponse {
        /// Who was asked.
        from: Origin,
        /// Why.
        silence: Silence,
        /// When it was sent. What has answered since weighs more.
        sent: MonotonicTime,
    },
    /// A request for JSON got a web page with a status of success.
    Unreadable {
        /// Who was asked.
        from: Origin,
    },
    /// A probe has ended.
    Probed {
        /// What it came to.
        outcome: ProbeOutcome,
        /// When it was sent.
        sent: MonotonicTime,
    },
    /// A circuit breaker is open, or none is any longer.
    BreakerOpen(bool),
    /// The page is hidden: there are no probes until it is seen again.
    Hidden,
    /// The page is seen again.
    Visible,
    /// The page goes on after it was frozen or the device slept, or the network is another one. What was known is old.
    Resumed,
    /// The application wants to know.
    Asked,
}

/// What has changed by a piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Consequence {
    /// Whether it is another state now.
    pub changed: bool,
    /// Whether [`probe_after`](super::Connectivity::probe_after) may say something else than before.
    pub replan: bool,
}
