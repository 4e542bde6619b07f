//! Whether the backend can be reached, concluded from evidence.
//!
//! `navigator.onLine` is a hint: its "no" is taken until something answers, its "yes" proves nothing (HTML Standard, "Navigator
//! online": "is inherently unreliable"). What decides is who answers: the application's own requests, those to other origins,
//! and, where these leave a doubt, a probe of the backend's health. A silence is believed when a probe confirms it or when it
//! repeats itself; an answer is believed at once.

mod evidence;
mod schedule;
mod streak;

pub use evidence::{Because, Consequence, Evidence, Health, Origin, ProbeOutcome, Silence, State};
pub use schedule::ProbePolicy;

use crate::time::MonotonicTime;
use schedule::{Pace, Schedule, Wish};
use std::time::Duration;
use streak::{RECENT, Streak};

/// So long an answer vouches for the backend: a page that is seen again does not ask, and one failure is no reason to.
const FRESH: Duration = Duration::from_secs(10);

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

/// How well the backend is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    /// It has never answered.
    Not,
    /// It has answered as a backend does.
    Answers,
    /// Its health has, too: a page there now is not what this server gives for any unknown path.
    Health,
}

/// Whether the backend can be reached, and when to look.
#[derive(Debug, Clone)]
pub struct Connectivity {
    state: State,
    because: Because,
    reach: Reach,
    known: Known,
    browser_says: bool,
    breaker_open: bool,
    health: Option<Health>,
    last_answer: Option<MonotonicTime>,
    sibling_answer: Option<MonotonicTime>,
    failures: Streak,
    sibling_failures: Streak,
    server_errors: Streak,
    pages: Streak,
    schedule: Schedule,
    /// The latest moment that was handed in.
    latest: MonotonicTime,
}

impl Connectivity {
    /// Before any evidence, but for what the browser says.
    pub fn new(policy: ProbePolicy, browser_says: bool, now: MonotonicTime) -> Self {
        let mut new = Self {
            state: State::Unknown,
            because: Because::NothingKnown,
            reach: if browser_says { Reach::Unknown } else { Reach::Silent(Because::BrowserOffline) },
            known: Known::Not,
            browser_says,
            breaker_open: false,
            health: None,
            last_answer: None,
            sibling_answer: None,
            failures: Streak::default(),
            sibling_failures: Streak::default(),
            server_errors: Streak::default(),
            pages: Streak::default(),
            schedule: Schedule::new(policy, now),
            latest: now,
        };
        (new.state, new.because) = new.judge(now);
        new.schedule.settle(new.pace());
        new
    }

    /// Whether the backend can be reached.
    pub fn state(&self) -> State {
        self.state
    }

    /// What that is concluded from. It may be something else than when it became so.
    pub fn because(&self) -> Because {
        self.because
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
        let wish = self.schedule.wish();
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
            Evidence::Hidden => self.schedule.hide(true),
            Evidence::Visible => {
                self.schedule.hide(false);
                if !self.is_well() || !is_within(self.last_answer, FRESH, now) {
                    self.schedule.want(Wish::Now);
                }
            }
            Evidence::Resumed => {
                self.forget_answers();
                self.schedule.look_anew();
            }
            Evidence::Asked => self.schedule.want(Wish::Asked),
        }
        let (state, because) = self.judge(now);
        let changed = state != self.state;
        (self.state, self.because) = (state, because);
        self.schedule.settle(self.pace());
        let is_about_the_page = matches!(evidence, Evidence::Hidden | Evidence::Visible | Evidence::Probed { .. });
        Consequence { changed, replan: changed || self.schedule.wish() != wish || is_about_the_page }
    }

    /// Whether the backend answers, and nothing is in doubt.
    fn is_well(&self) -> bool {
        let fails = !(self.failures.is_empty() && self.server_errors.is_empty() && self.pages.is_empty());
        self.state == State::Online && self.schedule.wish() == Wish::None && !fails
    }

    /// What is known of moments that this clock has not reached is void: it has been set back.
    fn notice_clock(&mut self, now: MonotonicTime) {
        if now < self.latest {
            self.forget_answers();
            self.schedule.clock_was_set_back(now);
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
        self.schedule.look_anew();
    }

    /// The backend has answered as a backend does.
    fn answered(&mut self, now: MonotonicTime) {
        if self.reach == Reach::Foreign(Because::PageInstead) {
            // The page at the health's path was this server's own.
            self.known = Known::Answers;
        }
        self.reach = Reach::Answering;
        self.known = self.known.max(Known::Answers);
        self.last_answer = Some(now);
        self.failures = Streak::default();
        self.pages = Streak::default();
        self.schedule.dispel_doubt();
    }

    fn sibling_answered(&mut self, now: MonotonicTime) {
        self.sibling_answer = Some(now);
        self.sibling_failures = Streak::default();
        if matches!(self.reach, Reach::Silent(Because::BrowserOffline | Because::NoNetwork)) {
            // There is a network. Of the backend itself nothing was known.
            self.reach = if self.known == Known::Not { Reach::Unknown } else { Reach::Silent(Because::NoAnswer) };
            self.schedule.want(Wish::Doubt);
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
            self.schedule.want(Wish::Doubt);
        }
    }

    /// There was a page where JSON should have been. One is a mistake of the application's, perhaps; the probe knows more.
    fn page_arrived(&mut self, now: MonotonicTime) {
        self.pages.add(now, now);
        match self.reach {
            Reach::Foreign(_) => {}
            _ if self.known == Known::Health || !self.pages.is_fact() => self.schedule.want(Wish::Doubt),
            _ if self.known == Known::Not => self.reach = Reach::Hidden,
            _ => self.reach = Reach::Foreign(Because::PageInstead),
        }
    }

    fn probed(&mut self, outcome: ProbeOutcome, sent: MonotonicTime, now: MonotonicTime) {
        let is_overtaken = self.schedule.flight_is_outdated() || self.last_answer.is_some_and(|answer| answer > sent);
        match outcome {
            ProbeOutcome::Health(health) => {
                self.answered(now);
                self.known = Known::Health;
                self.health = Some(health);
            }
            ProbeOutcome::Answered(511) => self.reach = Reach::Foreign(Because::NetworkAuthentication),
            ProbeOutcome::Answered(status) => {
                self.answered(now);
                self.known = Known::Health;
                self.health = is_server_error(status).then_some(Health::Unhealthy);
            }
            // Where the health's path has never been readable, it is no wonder that it is not now: at least something is there.
            ProbeOutcome::Page | ProbeOutcome::Unreadable if self.known < Known::Health => {
                match self.reach {
                    Reach::Foreign(_) | Reach::Hidden => {}
                    // Requests fail all the same: something in front of the backend, perhaps, that knows of no CORS.
                    _ if self.failures.is_fact() => self.reach = Reach::Hidden,
                    _ => self.reach = Reach::Answering,
                }
            }
            ProbeOutcome::Page if !is_overtaken => self.reach = Reach::Foreign(Because::PageInstead),
            ProbeOutcome::Unreadable if !is_overtaken => self.reach = Reach::Hidden,
            ProbeOutcome::Silence if !is_overtaken && !matches!(self.reach, Reach::Silent(_)) => {
                self.reach = Reach::Silent(Because::NoAnswer);
            }
            _ => {}
        }
        self.schedule.ended(matches!(outcome, ProbeOutcome::Health(_) | ProbeOutcome::Answered(_)));
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

    /// How this state is looked after.
    fn pace(&self) -> Pace {
        match (self.state, self.because) {
            // The breaker finds out by itself, and no health would close it here.
            (State::Online, _) | (State::Degraded, Because::CircuitOpen) => Pace::Rest,
            (State::Unknown, _) => Pace::FirstLook,
            _ => Pace::Watch,
        }
    }

    /// How long it is until the backend is to be probed; `None` if it is not to be, as long as there is no news. `unit` is
    /// uniformly random in `[0, 1)`; it counts once for each timed probe, however often this is asked.
    pub fn probe_after(&mut self, now: MonotonicTime, unit: f64) -> Option<Duration> {
        self.notice_clock(now);
        self.schedule.after(now, unit)
    }

    /// A probe begins. It ends with [`Evidence::Probed`].
    pub fn probe_begins(&mut self, now: MonotonicTime) {
        self.schedule.begins(now);
    }

    /// Whether the probe that is on its way was sent into another network than there is now, and better be given up: see
    /// [`probe_given_up`](Self::probe_given_up).
    pub fn probe_is_outdated(&self) -> bool {
        self.schedule.flight_is_outdated()
    }

    /// The probe on its way was given up; another one is wanted.
    pub fn probe_given_up(&mut self) {
        self.schedule.given_up();
    }
}

fn is_server_error(status: u16) -> bool {
    // 501 and 505 are about the request.
    matches!(status, 500 | 502..=504 | 506..=510 | 512..=599)
}

fn is_within(moment: Option<MonotonicTime>, span: Duration, now: MonotonicTime) -> bool {
    moment.is_some_and(|moment| now.since(moment) <= span)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
