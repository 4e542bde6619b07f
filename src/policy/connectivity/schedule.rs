//! When the backend is probed.

use super::FRESH;
use crate::policy::backoff::Backoff;
use crate::time::{MonotonicTime, milliseconds};
use std::time::Duration;

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
        let backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(60));
        Self { enabled: true, backoff, gap: Duration::from_secs(1), first: Duration::from_secs(4) }
    }
}

/// When a probe is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
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

/// How the state that there is now is looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Not at all.
    Rest,
    /// Nothing is known: a first look, unless something is heard before.
    FirstLook,
    /// Again and again.
    Watch,
}

/// A probe on its way.
#[derive(Debug, Clone, Copy)]
struct Flight {
    /// Whether it was sent into another network than there is now.
    is_outdated: bool,
}

/// When the backend is probed next.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    policy: ProbePolicy,
    pace: Pace,
    wish: Wish,
    is_hidden: bool,
    /// When the timed probe is, once that was decided.
    due: Option<MonotonicTime>,
    begun: MonotonicTime,
    last_probe: Option<MonotonicTime>,
    flight: Option<Flight>,
    /// How many probes in a row found nothing better.
    probes_in_vain: u32,
}

impl Schedule {
    pub(super) fn new(policy: ProbePolicy, now: MonotonicTime) -> Self {
        Self {
            policy,
            pace: Pace::Rest,
            wish: Wish::None,
            is_hidden: false,
            due: None,
            begun: now,
            last_probe: None,
            flight: None,
            probes_in_vain: 0,
        }
    }

    pub(super) fn wish(&self) -> Wish {
        self.wish
    }

    pub(super) fn want(&mut self, wish: Wish) {
        self.wish = self.wish.max(wish);
    }

    /// There is no doubt any longer. Who has asked for a probe still gets it.
    pub(super) fn dispel_doubt(&mut self) {
        if self.wish < Wish::Asked {
            self.wish = Wish::None;
        }
    }

    pub(super) fn hide(&mut self, is_hidden: bool) {
        self.is_hidden = is_hidden;
    }

    /// The network may be another one: what is on its way to the old one says nothing.
    pub(super) fn look_anew(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.is_outdated = true;
        }
        self.want(Wish::Now);
    }

    /// The clock shows an earlier time than before: no moment lies ahead of it.
    pub(super) fn clock_was_set_back(&mut self, now: MonotonicTime) {
        self.last_probe = self.last_probe.map(|last| last.min(now));
        self.due = None;
    }

    /// Whatever is not well is looked at again, and what is well is not.
    pub(super) fn settle(&mut self, pace: Pace) {
        self.pace = pace;
        if pace != Pace::Rest {
            self.want(Wish::Timed);
            return;
        }
        self.probes_in_vain = 0;
        self.due = None;
        if self.wish == Wish::Timed {
            self.wish = Wish::None;
        }
    }

    /// How long until the next probe; `None` for none as things are.
    pub(super) fn after(&mut self, now: MonotonicTime, unit: f64) -> Option<Duration> {
        let rests = self.wish == Wish::None || (self.is_hidden && self.wish != Wish::Asked);
        if !self.policy.enabled || self.flight.is_some() || rests {
            return None;
        }
        let pause = |length: Duration| self.last_probe.map_or(Duration::ZERO, |last| remaining(last, length, now));
        let (gap, doubt) = (pause(self.policy.gap), pause(FRESH));
        let wait = match self.wish {
            Wish::Now | Wish::Asked => gap,
            Wish::Doubt if self.pace == Pace::Rest => doubt,
            Wish::Doubt => doubt.min(self.until_due(now, unit)),
            Wish::Timed | Wish::None => self.until_due(now, unit),
        };
        Some(wait.max(gap))
    }

    fn until_due(&mut self, now: MonotonicTime, unit: f64) -> Duration {
        let due = match self.due {
            Some(due) => due,
            None => MonotonicTime(now.0.saturating_add(milliseconds(self.timed_wait(now, unit)))),
        };
        self.due = Some(due);
        due.since(now)
    }

    /// How long until the timed probe, as seen from now.
    fn timed_wait(&self, now: MonotonicTime, unit: f64) -> Duration {
        let share = 0.5 + unit.clamp(0.0, 1.0) / 2.0;
        let share = if share.is_nan() { 1.0 } else { share };
        match self.last_probe {
            None if self.pace == Pace::FirstLook => remaining(self.begun, self.policy.first.mul_f64(share), now),
            // An outage that has just begun is looked at soon.
            None => Duration::ZERO,
            Some(last) => remaining(last, self.policy.backoff.ceiling(self.probes_in_vain.max(1)).mul_f64(share), now),
        }
    }

    pub(super) fn begins(&mut self, now: MonotonicTime) {
        self.flight = Some(Flight { is_outdated: false });
        self.last_probe = Some(now);
        self.due = None;
        self.wish = Wish::None;
    }

    /// A probe has ended, with an answer of the backend or without one.
    pub(super) fn ended(&mut self, is_answered: bool) {
        self.wish = if self.flight_is_outdated() && !is_answered { Wish::Now } else { Wish::None };
        self.flight = None;
        self.probes_in_vain = self.probes_in_vain.saturating_add(1);
    }

    pub(super) fn flight_is_outdated(&self) -> bool {
        self.flight.is_some_and(|flight| flight.is_outdated)
    }

    pub(super) fn given_up(&mut self) {
        self.flight = None;
    }
}

/// What is left of a pause that began then; at most all of it.
fn remaining(since: MonotonicTime, pause: Duration, now: MonotonicTime) -> Duration {
    pause.saturating_sub(now.since(since))
}
