//! What a breaker should do, slowly and obviously: a list of all that has happened, from which everything is worked out anew
//! whenever something is asked.

use proptest::prelude::*;
use std::time::Duration;
use steadfast::policy::breaker::{
    BreakerPolicy, BreakerSnapshot, BreakerState, Outcome, RatioThreshold, SlowCalls, TransitionReason,
};
use steadfast::time::milliseconds;

/// What happens to a breaker in a test.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Time passes.
    Pass(u64),
    /// The clock is set back.
    SetBack(u64),
    Admit,
    /// One of the calls admitted so far ends, or ends again: the so-manieth from the last.
    Record(usize, Outcome, f64),
    Release(usize),
    OpenByHand,
    Close,
    Reset,
    /// Told to be open until so long from now.
    OpenUntil(u64, u32),
    HalfOpen,
    Recovered,
    SetPolicy(BreakerPolicy),
    Advance,
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => (0..60_u64).prop_map(Step::Pass),
        2 => (0..3000_u64).prop_map(Step::Pass),
        1 => prop_oneof![1..5000_u64, Just(3_600_000)].prop_map(Step::SetBack),
        14 => Just(Step::Admit),
        14 => ended().prop_map(|(outcome, unit)| Step::Record(0, outcome, unit)),
        8 => (0..6_usize, ended()).prop_map(|(call, (outcome, unit))| Step::Record(call, outcome, unit)),
        1 => (0..500_usize, ended()).prop_map(|(call, (outcome, unit))| Step::Record(call, outcome, unit)),
        3 => (0..5_usize).prop_map(Step::Release),
        1 => prop_oneof![Just(Step::OpenByHand), Just(Step::Close), Just(Step::Close), Just(Step::Reset)],
        1 => (0..1500_u64, 0..4_u32).prop_map(|(wait, opens)| Step::OpenUntil(wait, opens)),
        1 => prop_oneof![Just(Step::HalfOpen), Just(Step::Recovered)],
        1 => policy().prop_map(Step::SetPolicy),
        1 => Just(Step::Advance),
    ];
    prop::collection::vec(step, 1..250)
}

fn ended() -> impl Strategy<Value = (Outcome, f64)> {
    (outcome(), 0.0..1.0)
}

pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => (0..200_u64, prop::bool::weighted(0.1))
            .prop_map(|(took, degraded)| Outcome::Success { took: Duration::from_millis(took), degraded }),
        3 => prop::bool::weighted(0.7).prop_map(|by_server| Outcome::Failure { by_server }),
        1 => Just(Outcome::Timeout),
    ]
}

pub(crate) fn policy() -> impl Strategy<Value = BreakerPolicy> {
    let ratio = (0.0..1.2_f64, 0..6_u32, 5..1500_u64).prop_map(|(failures, minimum_calls, window)| RatioThreshold {
        failures,
        minimum_calls,
        window: Duration::from_millis(window),
    });
    let slow = (0..200_u64, 0.0..1.0_f64)
        .prop_map(|(longer_than, ratio)| SlowCalls { longer_than: Duration::from_millis(longer_than), ratio });
    let times = (0..400_u64, prop::sample::select(vec![0.5, 1.0, 1.5, 2.0, f64::NAN, f64::INFINITY]), 0..2000_u64);
    (prop::option::of(0..5_u32), prop::option::of(ratio), prop::option::of(slow), times, 0..4_u32, 0..300_u64).prop_map(
        |(consecutive_failures, ratio, slow_calls, (open_for, open_multiplier, open_cap), half_open_calls, probe_lease)| {
            BreakerPolicy {
                consecutive_failures,
                ratio,
                slow_calls,
                open_for: Duration::from_millis(open_for),
                open_multiplier,
                open_cap: Duration::from_millis(open_cap),
                half_open_calls,
                probe_lease: Duration::from_millis(probe_lease),
            }
        },
    )
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Clock(u64),
    Policy(BreakerPolicy),
    Admitted,
    Ended(usize, Option<Outcome>),
    Changed(Phase),
    Prolonged(u64),
    /// So many openings in a row are known of from elsewhere.
    OpensKnown(u32),
    GrowthForgotten,
    CountsForgotten,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Closed,
    Open { until: u64, own: bool },
    HalfOpen,
    Forced,
}

/// All that has happened.
#[derive(Debug)]
pub(crate) struct Model {
    events: Vec<Event>,
}

/// What follows from all that has happened.
#[derive(Debug)]
struct World {
    now: u64,
    clock: Option<u64>,
    policy: BreakerPolicy,
    phase: Phase,
    since: u64,
    /// By call: in which epoch it was admitted, whether as a probe, until when its place is its own, whether it has given it back.
    calls: Vec<Call>,
    epoch: usize,
    probes_succeeded: u32,
    /// The results that the window has seen: when, as far as it knows, and what.
    results: Vec<(u64, Outcome, bool)>,
    row: Row,
    row_by_server: Row,
    opens: u32,
}

#[derive(Debug)]
struct Call {
    epoch: usize,
    probe: bool,
    lease_ends: u64,
    back: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    failures: u32,
    last: u64,
}

impl Row {
    fn counted(self, now: u64, window: u64) -> u32 {
        if now - self.last > window { 0 } else { self.failures }
    }
}

/// What the model expects of a change; how long it is open is at least and at most.
#[derive(Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) from: BreakerState,
    pub(crate) to: BreakerState,
    pub(crate) because: TransitionReason,
    pub(crate) shareable: bool,
    pub(crate) opens: u32,
    pub(crate) open_for: Option<(u64, u64)>,
}

fn window(policy: &BreakerPolicy) -> u64 {
    milliseconds(policy.ratio.unwrap_or_default().window).max(10)
}

fn step(policy: &BreakerPolicy) -> u64 {
    window(policy) / 10
}

fn probes(policy: &BreakerPolicy) -> usize {
    policy.half_open_calls.max(1) as usize
}

impl World {
    fn window(&self) -> u64 {
        window(&self.policy)
    }

    fn current(&self, moment: u64) -> bool {
        let step = step(&self.policy);
        moment / step + 10 > self.now / step
    }

    fn opens(&self) -> u32 {
        if self.phase == Phase::Closed && self.now - self.since >= self.window() { 0 } else { self.opens }
    }

    fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until, .. } if self.now < until => BreakerState::Open,
            Phase::Open { .. } | Phase::HalfOpen => BreakerState::HalfOpen,
            Phase::Forced => BreakerState::ForcedOpen,
        }
    }

    fn probes_out(&self) -> Vec<u64> {
        let out = self.calls.iter().filter(|call| call.epoch == self.epoch && call.probe && !call.back);
        let mut ends: Vec<u64> = out.map(|call| call.lease_ends).filter(|end| *end > self.now).collect();
        ends.sort_unstable();
        ends
    }

    fn is_slow(&self, outcome: Outcome) -> bool {
        let Outcome::Success { took, degraded } = outcome else { return false };
        degraded || self.policy.slow_calls.is_some_and(|slow| took > slow.longer_than)
    }

    fn results(&self) -> impl Iterator<Item = (Outcome, bool)> {
        self.results.iter().filter(|(moment, ..)| self.current(*moment)).map(|(_, outcome, slow)| (*outcome, *slow))
    }

    fn count(&self, counted: impl Fn(Outcome, bool) -> bool) -> u32 {
        u32::try_from(self.results().filter(|(outcome, slow)| counted(*outcome, *slow)).count()).unwrap()
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Clock(reading) => {
                self.now += self.clock.map_or(0, |last| reading.saturating_sub(last));
                self.clock = Some(reading);
            }
            Event::Policy(policy) => {
                let (old, new) = (step(&self.policy), step(&policy));
                let kept: Vec<_> = self.results.iter().filter(|(moment, ..)| self.current(*moment)).copied().collect();
                self.results = kept;
                if old != new {
                    self.results.iter_mut().for_each(|(moment, ..)| *moment = *moment / old * old);
                }
                for row in [&mut self.row, &mut self.row_by_server] {
                    row.failures = row.counted(self.now, window(&self.policy));
                }
                self.opens = self.opens();
                self.policy = policy;
            }
            Event::Admitted => self.calls.push(Call {
                epoch: self.epoch,
                probe: self.phase == Phase::HalfOpen,
                lease_ends: self.now + milliseconds(self.policy.probe_lease).max(1),
                back: false,
            }),
            Event::Ended(call, outcome) => {
                if self.calls[call].epoch != self.epoch {
                    return;
                }
                if self.calls[call].probe {
                    let had_place = !self.calls[call].back && self.calls[call].lease_ends > self.now;
                    self.calls[call].back = true;
                    if had_place && outcome.is_some() {
                        self.probes_succeeded += 1;
                    }
                } else if let Some(outcome) = outcome {
                    self.results.push((self.now, outcome, self.is_slow(outcome)));
                    let counted = self.row.counted(self.now, self.window());
                    let by_server = self.row_by_server.counted(self.now, self.window());
                    match outcome {
                        Outcome::Success { .. } => (self.row, self.row_by_server) = (Row::default(), Row::default()),
                        Outcome::Failure { by_server: said } => {
                            self.row = Row { failures: counted + 1, last: self.now };
                            if said {
                                self.row_by_server = Row { failures: by_server + 1, last: self.now };
                            }
                        }
                        Outcome::Timeout => self.row = Row { failures: counted + 2, last: self.now },
                    }
                }
            }
            Event::Changed(phase) => {
                self.opens = match phase {
                    Phase::Open { own: true, .. } => self.opens() + 1,
                    _ => self.opens(),
                };
                self.phase = phase;
                self.since = self.now;
                self.epoch += 1;
                self.probes_succeeded = 0;
                if phase == Phase::Closed {
                    self.forget();
                }
            }
            Event::Prolonged(until) => self.phase = Phase::Open { until, own: false },
            Event::OpensKnown(opens) => self.opens = self.opens().max(opens),
            Event::GrowthForgotten => self.opens = 0,
            Event::CountsForgotten => {
                self.opens = self.opens();
                self.since = self.now;
                self.epoch += 1;
                self.forget();
            }
        }
    }

    fn forget(&mut self) {
        self.results.clear();
        (self.row, self.row_by_server) = (Row::default(), Row::default());
    }
}

impl Model {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        Self { events: vec![Event::Policy(policy)] }
    }

    fn world(&self) -> World {
        let Event::Policy(policy) = self.events[0] else { panic!("the first event is the policy") };
        let mut world = World {
            now: 0,
            clock: None,
            policy,
            phase: Phase::Closed,
            since: 0,
            calls: vec![],
            epoch: 0,
            probes_succeeded: 0,
            results: vec![],
            row: Row::default(),
            row_by_server: Row::default(),
            opens: 0,
        };
        for event in &self.events[1..] {
            world.apply(*event);
        }
        world
    }

    fn change(&mut self, phase: Phase, because: TransitionReason, shareable: bool, open_for: Option<(u64, u64)>) -> Change {
        let from = match because {
            // It was half-open already, but nobody had noticed.
            TransitionReason::OpenTimeOver => BreakerState::Open,
            _ => self.world().state(),
        };
        self.events.push(Event::Changed(phase));
        let world = self.world();
        let to = if matches!(phase, Phase::Open { .. }) { BreakerState::Open } else { world.state() };
        Change { from, to, because, shareable, opens: world.opens(), open_for }
    }

    pub(crate) fn set_policy(&mut self, policy: BreakerPolicy) {
        self.events.push(Event::Policy(policy));
    }

    pub(crate) fn advance(&mut self, reading: u64) -> Option<Change> {
        self.events.push(Event::Clock(reading));
        let world = self.world();
        let over = matches!(world.phase, Phase::Open { until, .. } if until <= world.now);
        over.then(|| self.change(Phase::HalfOpen, TransitionReason::OpenTimeOver, false, None))
    }

    /// Whether a call is admitted, as a probe or not; if not, after how long it may come back, and the state.
    pub(crate) fn admit(&mut self, reading: u64) -> Result<bool, (Option<u64>, BreakerState)> {
        self.advance(reading);
        let world = self.world();
        match world.phase {
            Phase::Closed => {}
            Phase::Open { until, .. } => return Err((Some(until - world.now), BreakerState::Open)),
            Phase::HalfOpen => {
                let out = world.probes_out();
                if out.len() >= probes(&world.policy) {
                    let free = out[out.len() - probes(&world.policy)];
                    return Err((Some(free - world.now), BreakerState::HalfOpen));
                }
            }
            Phase::Forced => return Err((None, BreakerState::ForcedOpen)),
        }
        self.events.push(Event::Admitted);
        Ok(world.phase == Phase::HalfOpen)
    }

    pub(crate) fn release(&mut self, call: usize, reading: u64) {
        self.events.push(Event::Clock(reading));
        self.events.push(Event::Ended(call, None));
    }

    /// What a result changes. If it opens, [`Self::opened`] must be told for how long it does.
    pub(crate) fn record(&mut self, call: usize, outcome: Outcome, reading: u64, unit: f64) -> Option<Change> {
        self.events.push(Event::Clock(reading));
        let before = self.world();
        let of = &before.calls[call];
        if of.epoch != before.epoch || (of.probe && (of.back || of.lease_ends <= before.now)) {
            self.events.push(Event::Ended(call, None));
            return None;
        }
        let probe = of.probe;
        self.events.push(Event::Ended(call, Some(outcome)));
        let world = self.world();
        let (because, shareable) = match outcome {
            Outcome::Failure { by_server } if probe => (TransitionReason::ProbeFailed, by_server),
            Outcome::Timeout if probe => (TransitionReason::ProbeFailed, false),
            Outcome::Success { degraded, .. } if probe && world.policy.slow_calls.is_some() && world.is_slow(outcome) => {
                (TransitionReason::ProbeSlow, degraded)
            }
            Outcome::Success { .. } if probe => {
                let enough = world.probes_succeeded as usize >= probes(&world.policy);
                return enough.then(|| self.change(Phase::Closed, TransitionReason::ProbesSucceeded, true, None));
            }
            _ => world.threshold_reached(outcome)?,
        };
        let time = world.open_time(unit);
        let until = world.now + time;
        let around = (time.saturating_sub(2).max(1), time + 2);
        Some(self.change(Phase::Open { until, own: true }, because, shareable, Some(around)))
    }

    /// It is open for so long now: what the model has expected but for the rounding.
    pub(crate) fn opened(&mut self, open_for: u64) {
        let until = self.world().now + open_for;
        self.events.push(Event::Prolonged(until));
    }

    pub(crate) fn open_by_hand(&mut self, reading: u64) -> Option<Change> {
        self.events.push(Event::Clock(reading));
        let is_news = self.world().phase != Phase::Forced;
        is_news.then(|| self.change(Phase::Forced, TransitionReason::ByHand, false, None))
    }

    pub(crate) fn close(&mut self, reading: u64) -> Option<Change> {
        self.events.push(Event::Clock(reading));
        if self.world().phase == Phase::Closed {
            self.events.push(Event::CountsForgotten);
            return None;
        }
        Some(self.change(Phase::Closed, TransitionReason::ByHand, false, None))
    }

    pub(crate) fn reset(&mut self, reading: u64) -> Option<Change> {
        self.events.push(Event::Clock(reading));
        self.events.push(Event::GrowthForgotten);
        self.close(reading)
    }

    pub(crate) fn open_until(&mut self, moment: u64, opens: u32, reading: u64) -> Option<Change> {
        self.events.push(Event::Clock(reading));
        let world = self.world();
        let wait = moment.saturating_sub(reading);
        if wait == 0 || world.phase == Phase::Forced {
            return None;
        }
        self.events.push(Event::OpensKnown(opens));
        let told = world.now + wait;
        match world.phase {
            Phase::Open { until, .. } if until > world.now => {
                self.events.push(Event::Prolonged(until.max(told)));
                None
            }
            _ => {
                // Known of when it opens, not when it has been closed for long.
                let change =
                    self.change(Phase::Open { until: told, own: false }, TransitionReason::Told, false, Some((wait, wait)));
                self.events.push(Event::OpensKnown(opens));
                Some(Change { opens: self.world().opens(), ..change })
            }
        }
    }

    pub(crate) fn half_open(&mut self, reading: u64) -> Option<Change> {
        let over = self.advance(reading);
        if over.is_some() {
            return over;
        }
        let open = matches!(self.world().phase, Phase::Open { .. });
        open.then(|| self.change(Phase::HalfOpen, TransitionReason::Told, false, None))
    }

    pub(crate) fn recovered(&mut self, reading: u64) -> Option<Change> {
        self.events.push(Event::Clock(reading));
        let back = matches!(self.world().phase, Phase::Open { .. } | Phase::HalfOpen);
        back.then(|| self.change(Phase::Closed, TransitionReason::Told, false, None))
    }

    /// What there is to see of it, at the last reading.
    pub(crate) fn snapshot(&self) -> BreakerSnapshot {
        let world = self.world();
        BreakerSnapshot {
            state: world.state(),
            failures_in_a_row: world.row.counted(world.now, world.window()),
            calls: world.count(|_, _| true),
            failures: world.count(|outcome, _| !matches!(outcome, Outcome::Success { .. })),
            slow: world.count(|_, slow| slow),
            opens: world.opens(),
            open_remaining_ms: match world.phase {
                Phase::Open { until, .. } if until > world.now => Some(until - world.now),
                _ => None,
            },
            probes: if world.phase == Phase::HalfOpen { u32::try_from(world.probes_out().len()).unwrap() } else { 0 },
        }
    }
}

impl World {
    /// Why a result that was just counted opens, and whether the server's part of it is reason enough.
    fn threshold_reached(&self, last: Outcome) -> Option<(TransitionReason, bool)> {
        let minimum = self.policy.ratio.unwrap_or_default().minimum_calls;
        let reached = |count: u32, calls: u32, ratio: f64| {
            count > 1 && calls >= minimum && f64::from(count) / f64::from(calls) >= ratio.min(1.0)
        };
        let calls = self.count(|_, _| true);
        let with_response = self.count(|outcome, _| !matches!(outcome, Outcome::Failure { by_server: false } | Outcome::Timeout));
        match last {
            Outcome::Success { .. } => {
                let ratio = self.policy.slow_calls.filter(|_| self.is_slow(last))?.ratio;
                let degraded = self.count(|outcome, _| matches!(outcome, Outcome::Success { degraded: true, .. }));
                let slow = self.count(|_, slow| slow);
                reached(slow, calls, ratio).then(|| (TransitionReason::SlowCalls, reached(degraded, with_response, ratio)))
            }
            Outcome::Failure { .. } | Outcome::Timeout => {
                let row = |row: Row| {
                    self.policy.consecutive_failures.is_some_and(|limit| row.counted(self.now, self.window()) >= limit.max(1))
                };
                let ratio = |count: u32, calls: u32| self.policy.ratio.is_some_and(|ratio| reached(count, calls, ratio.failures));
                let by_server = self.count(|outcome, _| outcome == Outcome::Failure { by_server: true });
                let failures = self.count(|outcome, _| !matches!(outcome, Outcome::Success { .. }));
                let shareable = row(self.row_by_server) || ratio(by_server, with_response);
                if row(self.row) {
                    Some((TransitionReason::ConsecutiveFailures, shareable))
                } else {
                    ratio(failures, calls).then_some((TransitionReason::FailureRatio, shareable))
                }
            }
        }
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]
    fn open_time(&self, unit: f64) -> u64 {
        let first = milliseconds(self.policy.open_for).max(1) as f64;
        let longest = (milliseconds(self.policy.open_cap) as f64).max(first);
        let mut time = first;
        for _ in 0..self.opens() {
            time = (time * self.policy.open_multiplier.max(1.0)).min(longest);
        }
        (time * (1.0 + 0.1 * unit)) as u64
    }
}
