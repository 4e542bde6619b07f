//! Whether the backend can be reached, concluded from evidence.
//!
//! `navigator.onLine` is a hint: its "no" is taken until something answers, its "yes" proves nothing (HTML Standard, "Navigator
//! online": "is inherently unreliable"). What decides is who answers: the application's own requests, those to other origins,
//! and, where these leave a doubt, a probe of the backend's health. A silence is believed when a probe confirms it or when it
//! repeats itself; an answer is believed at once.

use super::backoff::Backoff;
use crate::time::MonotonicTime;
use serde::Serialize;
use std::time::Duration;

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
    /// Whether [`Connectivity::probe_after`] may say something else than before.
    pub replan: bool,
}

/// When the backend is probed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbePolicy {
    /// Whether it is at all.
    pub enabled: bool,
    /// How far apart probes are that find that nothing is better. Each wait is at least half of what the backoff allows.
    pub backoff: Backoff,
    /// No two probes begin closer to each other, whatever happens.
    pub gap: Duration,
    /// After a beginning of which nothing is heard, the first probe comes at most so late.
    pub first: Duration,
}

impl Default for ProbePolicy {
    fn default() -> Self {
        let backoff = Backoff { base: Duration::from_secs(1), multiplier: 2.0, cap: Duration::from_secs(60) };
        Self { enabled: true, backoff, gap: Duration::from_secs(1), first: Duration::from_secs(4) }
    }
}

/// So long an answer vouches for the backend: a page that is seen again does not ask, and one failure is no reason to.
const FRESH: Duration = Duration::from_secs(10);
/// So long other origins' answers and silences, and server errors, say something about now.
const RECENT: Duration = Duration::from_secs(60);
/// So many times in a row, each sent after the one before had failed, make a fact of a failure, without a probe.
const REPEATED: u8 = 3;

/// What the backend was last found to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Unknown,
    Answering,
    /// Something is there that cannot be read.
    Hidden,
    Silent(Because),
    Foreign(Because),
}

/// Failures in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Streak {
    length: u8,
    last: Option<MonotonicTime>,
}

impl Streak {
    /// Counts a failure, unless it was under way already when the last one was counted: what fails together is one failure.
    fn add(&mut self, sent: MonotonicTime, now: MonotonicTime) {
        if self.last.is_none_or(|last| sent >= last) {
            let before = if is_within(self.last, RECENT, now) { self.length } else { 0 };
            self.length = before.saturating_add(1);
            self.last = Some(now);
        }
    }

    fn is_fact(&self) -> bool {
        self.length >= REPEATED
    }

    fn is_recent_fact(&self, now: MonotonicTime) -> bool {
        self.is_fact() && is_within(self.last, RECENT, now)
    }
}

fn is_within(moment: Option<MonotonicTime>, span: Duration, now: MonotonicTime) -> bool {
    moment.is_some_and(|moment| now.since(moment) <= span)
}

/// When a probe is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    None,
    /// When the backoff allows it.
    Timed,
    /// Soon, because of a failure: at once, unless there has been one a moment ago.
    Doubt,
    /// At once, because something outside has changed.
    Now,
    /// At once, although the page is hidden.
    Asked,
}

/// Whether the backend can be reached, and when to look.
#[derive(Debug, Clone)]
pub struct Connectivity {
    policy: ProbePolicy,
    state: State,
    because: Because,
    reach: Reach,
    browser_says: bool,
    is_hidden: bool,
    breaker_open: bool,
    health: Option<Health>,
    /// Whether the backend has ever answered as a backend does.
    has_answered: bool,
    /// Whether its health has: if not, a page there may be what this server gives for any unknown path.
    health_is_readable: bool,
    last_answer: Option<MonotonicTime>,
    sibling_answer: Option<MonotonicTime>,
    failures: Streak,
    sibling_failures: Streak,
    server_errors: Streak,
    pages: Streak,
    wish: Wish,
    /// When the timed probe is, once that was decided.
    due: Option<MonotonicTime>,
    begun: MonotonicTime,
    last_probe: Option<MonotonicTime>,
    is_probing: bool,
    /// Whether the probe on its way was sent into another network than there is now.
    probe_is_outdated: bool,
    /// How many probes in a row found nothing better.
    probes_in_vain: u32,
    /// The latest moment that was handed in.
    latest: MonotonicTime,
}

impl Connectivity {
    /// Before any evidence, but for what the browser says.
    pub fn new(policy: ProbePolicy, browser_says: bool, now: MonotonicTime) -> Self {
        let mut new = Self {
            policy,
            state: State::Unknown,
            because: Because::NothingKnown,
            reach: if browser_says { Reach::Unknown } else { Reach::Silent(Because::BrowserOffline) },
            browser_says,
            is_hidden: false,
            breaker_open: false,
            health: None,
            has_answered: false,
            health_is_readable: false,
            last_answer: None,
            sibling_answer: None,
            failures: Streak::default(),
            sibling_failures: Streak::default(),
            server_errors: Streak::default(),
            pages: Streak::default(),
            wish: Wish::Timed,
            due: None,
            begun: now,
            last_probe: None,
            is_probing: false,
            probe_is_outdated: false,
            probes_in_vain: 0,
            latest: now,
        };
        (new.state, new.because) = new.judge(now);
        new
    }

    /// Whether the backend can be reached.
    pub fn state(&self) -> State {
        self.state
    }

    /// What that was concluded from, at the moment when it became so.
    pub fn because(&self) -> Because {
        self.because
    }

    /// Whether a probe is on its way.
    pub fn is_probing(&self) -> bool {
        self.is_probing
    }

    /// Weighs a piece of evidence.
    pub fn observe(&mut self, evidence: Evidence, now: MonotonicTime) -> Consequence {
        self.notice_clock(now);
        // What nearly every call comes to: nothing is in doubt, and nothing changes.
        if let Evidence::Answered { by: Origin::Backend, status: 0..500 } = evidence
            && self.is_well()
        {
            self.last_answer = Some(now);
            return Consequence::default();
        }
        let wish = self.wish;
        match evidence {
            Evidence::BrowserSays(online) => self.browser_says(online),
            Evidence::Answered { status: 511, .. } => self.reach = Reach::Foreign(Because::NetworkAuthentication),
            Evidence::Answered { by: Origin::Backend, status } => {
                self.answered(now);
                if is_server_error(status) {
                    self.server_errors.add(now, now);
                } else {
                    self.server_errors = Streak::default();
                }
            }
            Evidence::Answered { by: Origin::Sibling, .. } => self.sibling_answered(now),
            Evidence::NoResponse { from, silence, sent } => self.not_answered(from, silence, sent, now),
            Evidence::Unreadable { from: Origin::Backend } => self.page_arrived(now),
            Evidence::Unreadable { from: Origin::Sibling } => {}
            Evidence::Probed { outcome, sent } => self.probed(outcome, sent, now),
            Evidence::BreakerOpen(open) => self.breaker_open = open,
            Evidence::Hidden => self.is_hidden = true,
            Evidence::Visible => {
                self.is_hidden = false;
                if !self.is_well() || !is_within(self.last_answer, FRESH, now) {
                    self.want(Wish::Now);
                }
            }
            Evidence::Resumed => {
                self.forget_answers();
                self.probe_is_outdated = self.is_probing;
                self.want(Wish::Now);
            }
            Evidence::Asked => self.want(Wish::Asked),
        }
        let (state, because) = self.judge(now);
        let changed = state != self.state;
        if changed {
            (self.state, self.because) = (state, because);
        }
        self.settle_wish();
        let is_about_the_page = matches!(evidence, Evidence::Hidden | Evidence::Visible | Evidence::Probed { .. });
        Consequence { changed, replan: changed || self.wish != wish || is_about_the_page }
    }

    /// Whether the backend answers, and nothing is in doubt.
    fn is_well(&self) -> bool {
        let streaks = self.failures.length | self.server_errors.length | self.pages.length;
        self.state == State::Online && self.wish == Wish::None && streaks == 0
    }

    /// What is known of moments that this clock has not reached is void: it has been set back.
    fn notice_clock(&mut self, now: MonotonicTime) {
        if now < self.latest {
            self.forget_answers();
            self.begun = self.begun.min(now);
            self.last_probe = self.last_probe.map(|last| last.min(now));
            self.due = None;
        }
        self.latest = now;
    }

    /// Who has answered, or has not, says nothing about now any longer.
    fn forget_answers(&mut self) {
        (self.last_answer, self.sibling_answer) = (None, None);
        self.failures = Streak::default();
        self.sibling_failures = Streak::default();
        self.server_errors = Streak::default();
        self.pages = Streak::default();
    }

    fn browser_says(&mut self, online: bool) {
        if self.browser_says == online {
            return;
        }
        self.browser_says = online;
        if !online {
            self.reach = Reach::Silent(Because::BrowserOffline);
            self.sibling_answer = None;
        }
        self.probe_is_outdated = self.is_probing;
        self.want(Wish::Now);
    }

    /// The backend has answered as a backend does.
    fn answered(&mut self, now: MonotonicTime) {
        if self.reach == Reach::Foreign(Because::PageInstead) {
            // The page at the health's path was this server's own.
            self.health_is_readable = false;
        }
        self.reach = Reach::Answering;
        self.has_answered = true;
        self.last_answer = Some(now);
        self.failures = Streak::default();
        self.pages = Streak::default();
        if self.wish < Wish::Asked {
            self.wish = Wish::None;
        }
    }

    fn sibling_answered(&mut self, now: MonotonicTime) {
        self.sibling_answer = Some(now);
        self.sibling_failures = Streak::default();
        if matches!(self.reach, Reach::Silent(Because::BrowserOffline | Because::NoNetwork)) {
            // There is a network. Of the backend itself nothing was known.
            self.reach = if self.has_answered { Reach::Silent(Because::NoAnswer) } else { Reach::Unknown };
            self.want(Wish::Doubt);
        }
    }

    fn not_answered(&mut self, from: Origin, silence: Silence, sent: MonotonicTime, now: MonotonicTime) {
        let is_overtaken = |answer: Option<MonotonicTime>| answer.is_some_and(|answer| answer > sent);
        if is_overtaken(self.last_answer) || (from == Origin::Sibling && is_overtaken(self.sibling_answer)) {
            return;
        }
        // A browser that says that there is no network while somebody answers has been found to lie.
        let browser_lies = !self.browser_says && (self.reach == Reach::Answering || is_within(self.sibling_answer, RECENT, now));
        match (silence, from) {
            (Silence::NoNetwork, _) if !browser_lies => {
                if !is_overtaken(self.sibling_answer) {
                    self.sibling_answer = None;
                    if !matches!(self.reach, Reach::Silent(_)) {
                        self.reach = Reach::Silent(Because::NoNetwork);
                    }
                }
            }
            (Silence::Inconclusive, _) => {}
            (_, Origin::Backend) => {
                self.failures.add(sent, now);
                if self.failures.is_fact() && matches!(self.reach, Reach::Answering | Reach::Unknown) {
                    self.reach = Reach::Silent(Because::NoAnswer);
                }
            }
            (_, Origin::Sibling) => self.sibling_failures.add(sent, now),
        }
        if matches!(self.reach, Reach::Answering | Reach::Unknown) {
            self.want(Wish::Doubt);
        }
    }

    /// There was a page where JSON should have been. One is a mistake of the application's, perhaps; the probe knows more.
    fn page_arrived(&mut self, now: MonotonicTime) {
        self.pages.add(now, now);
        if self.pages.is_fact() && !self.health_is_readable {
            self.reach = if self.has_answered { Reach::Foreign(Because::PageInstead) } else { Reach::Hidden };
        } else if self.reach != Reach::Foreign(Because::PageInstead) {
            self.want(Wish::Doubt);
        }
    }

    fn probed(&mut self, outcome: ProbeOutcome, sent: MonotonicTime, now: MonotonicTime) {
        self.is_probing = false;
        self.due = None;
        let is_overtaken = self.probe_is_outdated || self.last_answer.is_some_and(|answer| answer > sent);
        match outcome {
            ProbeOutcome::Health(health) => {
                self.answered(now);
                self.health_is_readable = true;
                self.health = Some(health);
            }
            ProbeOutcome::Answered(511) => self.reach = Reach::Foreign(Because::NetworkAuthentication),
            ProbeOutcome::Answered(status) => {
                self.answered(now);
                self.health_is_readable = true;
                self.health = is_server_error(status).then_some(Health::Unhealthy);
            }
            // Where the health's path has never been readable, it is no wonder that it is not now: at least something is there.
            ProbeOutcome::Page | ProbeOutcome::Unreadable if !self.health_is_readable => {
                match self.reach {
                    Reach::Foreign(_) | Reach::Hidden => {}
                    // Requests fail all the same: something in front of the backend, perhaps, that knows of no CORS.
                    _ if self.failures.is_fact() => self.reach = Reach::Hidden,
                    _ => self.reach = Reach::Answering,
                }
            }
            ProbeOutcome::Page if !is_overtaken => self.reach = Reach::Foreign(Because::PageInstead),
            ProbeOutcome::Unreadable if !is_overtaken => self.reach = Reach::Hidden,
            ProbeOutcome::Silence if !is_overtaken => {
                if !matches!(self.reach, Reach::Silent(_)) {
                    self.reach = Reach::Silent(Because::NoAnswer);
                }
            }
            _ => {}
        }
        let is_answered = matches!(outcome, ProbeOutcome::Health(_) | ProbeOutcome::Answered(_));
        self.wish = if self.probe_is_outdated && !is_answered { Wish::Now } else { Wish::None };
        self.probe_is_outdated = false;
        self.probes_in_vain = self.probes_in_vain.saturating_add(1);
    }

    /// What all of it comes to.
    fn judge(&self, now: MonotonicTime) -> (State, Because) {
        match self.reach {
            Reach::Unknown => (State::Unknown, Because::NothingKnown),
            Reach::Foreign(because) => (State::CaptivePortal, because),
            Reach::Hidden => (State::Degraded, Because::Unreadable),
            Reach::Silent(_) if is_within(self.sibling_answer, RECENT, now) => (State::Degraded, Because::BackendSilent),
            Reach::Silent(because) => (State::Offline, because),
            Reach::Answering => match self.health {
                Some(Health::Degraded | Health::Unhealthy) => (State::Degraded, Because::Health),
                _ if self.server_errors.is_recent_fact(now) => (State::Degraded, Because::ServerErrors),
                _ if self.breaker_open => (State::Degraded, Because::CircuitOpen),
                _ if self.sibling_failures.is_recent_fact(now) => (State::Degraded, Because::SiblingsSilent),
                _ => (State::Online, Because::Answered),
            },
        }
    }

    fn want(&mut self, wish: Wish) {
        self.wish = self.wish.max(wish);
    }

    /// Whether this state is looked at again from time to time.
    fn is_watched(&self) -> bool {
        match self.state {
            State::Online => false,
            // The breaker finds out by itself, and no health would close it here.
            State::Degraded => self.because != Because::CircuitOpen,
            _ => true,
        }
    }

    /// Whatever is not well is looked at again, and what is well is not.
    fn settle_wish(&mut self) {
        if self.is_watched() {
            self.want(Wish::Timed);
            return;
        }
        self.probes_in_vain = 0;
        self.due = None;
        if self.wish == Wish::Timed {
            self.wish = Wish::None;
        }
    }

    /// How long it is until the backend is to be probed; `None` if it is not to be, as long as there is no news. `unit` is
    /// uniformly random in `[0, 1)`; it counts once for each timed probe, however often this is asked.
    pub fn probe_after(&mut self, now: MonotonicTime, unit: f64) -> Option<Duration> {
        self.notice_clock(now);
        if !self.policy.enabled || self.is_probing || self.wish == Wish::None || (self.is_hidden && self.wish != Wish::Asked) {
            return None;
        }
        let pause = |length: Duration| self.last_probe.map_or(Duration::ZERO, |last| remaining(last, length, now));
        let (gap, doubt) = (pause(self.policy.gap), pause(FRESH));
        let wait = match self.wish {
            Wish::Now | Wish::Asked => gap,
            Wish::Doubt if !self.is_watched() => doubt,
            Wish::Doubt => doubt.min(self.until_due(now, unit)),
            Wish::Timed | Wish::None => self.until_due(now, unit),
        };
        Some(wait.max(gap))
    }

    fn until_due(&mut self, now: MonotonicTime, unit: f64) -> Duration {
        let due = match self.due {
            Some(due) => due,
            None => later(now, self.timed_wait(now, unit)),
        };
        self.due = Some(due);
        due.since(now)
    }

    /// How long until the timed probe, as seen from now.
    fn timed_wait(&self, now: MonotonicTime, unit: f64) -> Duration {
        let share = 0.5 + unit.clamp(0.0, 1.0) / 2.0;
        let share = if share.is_nan() { 1.0 } else { share };
        match self.last_probe {
            // An outage that has just begun is looked at soon.
            None if self.state == State::Unknown => remaining(self.begun, self.policy.first.mul_f64(share), now),
            None => Duration::ZERO,
            Some(last) => remaining(last, self.policy.backoff.ceiling(self.probes_in_vain.max(1)).mul_f64(share), now),
        }
    }

    /// A probe begins. It ends with [`Evidence::Probed`].
    pub fn probe_begins(&mut self, now: MonotonicTime) {
        self.is_probing = true;
        self.last_probe = Some(now);
        self.due = None;
        self.wish = Wish::None;
    }

    /// Whether the probe that is on its way was sent into another network than there is now, and better be given up: see
    /// [`probe_given_up`](Self::probe_given_up).
    pub fn probe_is_outdated(&self) -> bool {
        self.is_probing && self.probe_is_outdated
    }

    /// The probe on its way was given up; another one is wanted.
    pub fn probe_given_up(&mut self) {
        self.is_probing = false;
        self.probe_is_outdated = false;
    }
}

fn is_server_error(status: u16) -> bool {
    // 501 and 505 are about the request.
    matches!(status, 500 | 502..=504 | 506..=510 | 512..=599)
}

fn later(now: MonotonicTime, wait: Duration) -> MonotonicTime {
    MonotonicTime(now.0.saturating_add(crate::time::milliseconds(wait)))
}

/// What is left of a pause that began then; at most all of it.
fn remaining(since: MonotonicTime, pause: Duration, now: MonotonicTime) -> Duration {
    pause.saturating_sub(now.since(since))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
