//! The state of each service that calls go to, and what lets a call through to it.

use super::bulkhead::{Bulkhead, BulkheadPolicy, BulkheadSnapshot, Full, Seat};
use super::routes::Routes;
use super::shared::{self, SharedService};
use crate::event::{Event, WaitReason};
use crate::platform::{Clock, Locks, Platform, Random};
use crate::policy::breaker::{Breaker, BreakerPolicy, BreakerSnapshot, BreakerState, Outcome, Permit, Transition};
use crate::policy::budget::{BudgetPolicy, BudgetSnapshot, RetryBudget, RetryCost, Urgency, Withdrawal};
use crate::policy::pause::Pause;
use crate::policy::send_rate::{SendRate, SendRateSnapshot};
use crate::time::{MonotonicTime, WallTime, milliseconds};
use futures_util::lock::Mutex;
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// The most services whose state is kept. The one that was not called for the longest time is forgotten first.
const MOST_SERVICES: usize = 64;
/// A call that comes while a service wants to be left alone waits for at most so long. A longer wait is nothing to be silent about:
/// the call fails, and says when it makes sense to make it again.
pub const LONGEST_WAIT_FOR_PAUSE: Duration = Duration::from_secs(2);
/// Such a call goes up to so much later than those that were answered with the wish.
const LONGEST_STEP_BACK: Duration = Duration::from_secs(1);
/// Another tab is probing: what it finds is known soon.
const ANOTHER_TAB_PROBES: Duration = Duration::from_secs(1);

/// What protects a service.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ServicePolicy {
    /// Its circuit breaker; `None` for none.
    pub breaker: Option<BreakerPolicy>,
    /// Its budget for retries; `None` for none.
    pub budget: Option<BudgetPolicy>,
    /// How many may use it at once; `None` for any number.
    pub bulkhead: Option<BulkheadPolicy>,
    /// Whether the rate at which it is asked adapts to what it takes.
    pub adaptive_rate: bool,
}

/// The state of one service.
struct Service {
    breaker: Breaker,
    pause: Pause,
    budget: RetryBudget,
    send_rate: SendRate,
    bulkhead: Bulkhead,
    policy: ServicePolicy,
    /// Until when others are to leave it alone too, and how often in a row that has been so: openings that the server's own
    /// responses were reason enough for.
    opening: Option<(MonotonicTime, u32)>,
    /// The number of its last visit, to tell who was called last.
    visited: u64,
}

/// What is known of a service, for a user interface.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSnapshot {
    /// Its key.
    pub service: String,
    /// Its circuit breaker, if it has one.
    pub breaker: Option<BreakerSnapshot>,
    /// How long it still wants to be left alone, in milliseconds.
    pub paused_for_ms: Option<u64>,
    /// What is left of its budget for retries, if it has one.
    pub budget: Option<BudgetSnapshot>,
    /// How fast it is asked, once that adapts.
    pub send_rate: Option<SendRateSnapshot>,
    /// How many use it and wait for it, if that is limited.
    pub bulkhead: Option<BulkheadSnapshot>,
}

/// Why a call was not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// The service has said when it wants to be asked again, and that is later than the call is ready to wait.
    Paused,
    /// Its circuit breaker is open, or half-open with all probes out.
    CircuitOpen,
    /// All seats are taken, and the line before them is full.
    BulkheadFull,
    /// The wait for its turn would outlast the deadline.
    DeadlineTooClose,
}

/// A call that was not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which service.
    pub service: String,
    /// Why.
    pub reason: RefusalReason,
    /// When it makes sense to try again, if that is known.
    pub retry_after: Option<Duration>,
}

/// A circuit that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// For how long still; `None` if it is held open by hand.
    pub left: Option<Duration>,
}

impl Open {
    /// Whether it still is after so long.
    pub fn is_left_after(self, wait: Duration) -> bool {
        self.left.is_none_or(|left| left > wait)
    }
}

/// The budget for retries is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetExhausted;

/// What an attempt has shown of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It works, even if it refused what was asked.
    Works {
        /// Whether it gave less than was asked for: a fallback, or a part.
        degraded: bool,
    },
    /// It failed.
    Fails {
        /// Whether it said so itself. If not, it may as well be the network of this device.
        by_server: bool,
    },
    /// It gave no answer in time.
    TimesOut,
    /// Nothing: it was aborted, or never sent.
    Nothing,
}

/// How a call waits for its turn.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The longest that it waits for a service that is paused.
    pub max_wait: Duration,
    /// When the call has to be over.
    pub deadline: Option<MonotonicTime>,
    /// Whether someone is waiting for it.
    pub urgency: Urgency,
}

/// How the state of services is shared between tabs.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// What the tabs that share it know it by.
    pub scope: String,
    /// Whether news are also posted, for those who cannot read what is written down. Opens the channel between the tabs.
    pub posts: bool,
}

/// The services of a client.
pub struct Services<P: Platform> {
    platform: Rc<P>,
    by_key: RefCell<BTreeMap<String, Service>>,
    policy: Cell<ServicePolicy>,
    overrides: RefCell<BTreeMap<String, ServicePolicy>>,
    visits: Cell<u64>,
    /// `None` where nothing is shared.
    sharing: Option<Sharing>,
    /// What was written down last, as far as this tab has read it.
    seen: RefCell<Option<String>>,
    /// Held while this tab probes: the probes of a service that are out share one lock between tabs.
    probes: Mutex<BTreeMap<String, Weak<Probe<P>>>>,
    /// Which route needs which service.
    pub routes: Routes,
}

type Probe<P> = Option<<<P as Platform>::Locks as Locks>::Guard>;

/// A call that was let through, until it is concluded or dropped.
pub struct Admission<'a, P: Platform> {
    services: &'a Services<P>,
    passes: Vec<Pass<'a, P>>,
    began: MonotonicTime,
}

/// What lets a call through to one service.
struct Pass<'a, P: Platform> {
    key: &'a str,
    permit: Option<Permit>,
    /// Held until the call is over.
    #[expect(dead_code, reason = "it is given back when it is dropped")]
    seat: Option<Seat>,
    /// Held as long as the probe is out.
    probe: Option<Rc<Probe<P>>>,
}

impl<P: Platform> Services<P> {
    /// Services under one policy but for those of `overrides`.
    pub fn new(
        platform: Rc<P>,
        policy: ServicePolicy,
        overrides: BTreeMap<String, ServicePolicy>,
        sharing: Option<Sharing>,
    ) -> Self {
        Self {
            platform,
            by_key: RefCell::default(),
            policy: Cell::new(policy),
            overrides: RefCell::new(overrides),
            visits: Cell::new(0),
            sharing,
            seen: RefCell::default(),
            probes: Mutex::default(),
            routes: Routes::default(),
        }
    }

    /// The world that the calls go out to.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// Whether a circuit breaker of these refuses everything now.
    pub fn refuse(&self, keys: &[String]) -> Option<Open> {
        let now = self.now();
        keys.iter().find_map(|key| self.visit(key, |service| service.refuses(now)))
    }

    /// Changes the policy, and that of the services that have one of their own; what is known of them stays.
    pub fn set_policies(&self, policy: ServicePolicy, overrides: BTreeMap<String, ServicePolicy>) {
        self.policy.set(policy);
        self.overrides.borrow_mut().extend(overrides);
        let now = self.now();
        for (key, service) in self.by_key.borrow_mut().iter_mut() {
            service.set_policy(self.policy_of(key), now);
        }
    }

    /// Changes the policy of one service.
    pub fn define(&self, key: &str, policy: ServicePolicy) {
        self.overrides.borrow_mut().insert(key.into(), policy);
        let now = self.now();
        self.visit(key, |service| service.set_policy(policy, now));
    }

    /// What protects a service.
    pub fn policy_of(&self, key: &str) -> ServicePolicy {
        self.overrides.borrow().get(key).copied().unwrap_or(self.policy.get())
    }

    /// Waits for the turn of a call that goes through these services, from the most general to the most particular.
    pub async fn admit<'a>(&'a self, keys: &'a [String], patience: Patience) -> Result<Admission<'a, P>, Refusal> {
        self.catch_up();
        let mut admission = Admission { services: self, passes: Vec::with_capacity(keys.len()), began: self.now() };
        for key in keys {
            // Who would be refused anyway does not wait before.
            if let Some(Open { left }) = self.visit(key, |service| service.refuses(admission.began)) {
                return Err(open(key, left));
            }
            self.wait_for_pause(key, patience).await?;
            self.wait_for_rate(key, patience).await?;
            let seat = self.wait_for_seat(key, patience.urgency).await?;
            admission.passes.push(Pass { key, permit: None, seat, probe: None });
        }
        admission.began = self.now();
        for pass in &mut admission.passes {
            // What was said while it waited counts.
            let left = self.visit(pass.key, |service| service.pause.left(admission.began));
            if !left.is_zero() {
                return Err(Refusal { service: pass.key.into(), reason: RefusalReason::Paused, retry_after: Some(left) });
            }
            let (half_open, admitted) = self.visit(pass.key, |service| service.admit(admission.began));
            self.changed(pass.key, half_open);
            pass.permit = admitted.map_err(|retry_after| open(pass.key, retry_after))?;
            if pass.permit.is_some_and(Permit::is_probe) {
                pass.probe = Some(self.probe(pass.key).await?);
            }
        }
        Ok(admission)
    }

    /// The share of this tab in probing a service: one tab probes at a time, and the others learn from it.
    async fn probe(&self, key: &str) -> Result<Rc<Probe<P>>, Refusal> {
        let mut probes = self.probes.lock().await;
        if let Some(probe) = probes.get(key).and_then(Weak::upgrade) {
            return Ok(probe);
        }
        let guard = match &self.sharing {
            Some(Sharing { scope, .. }) => match self.platform.locks().try_acquire(&[scope, ":probe:", key].concat()).await {
                Some(guard) => Some(guard),
                None => return Err(open(key, Some(ANOTHER_TAB_PROBES))),
            },
            None => None,
        };
        let probe = Rc::new(guard);
        probes.retain(|_, probe| probe.strong_count() > 0);
        probes.insert(key.into(), Rc::downgrade(&probe));
        Ok(probe)
    }

    /// What came while a service was paused comes to it on top of what others send when the pause is over: the longer the wait
    /// may be, the larger the crowd.
    async fn wait_for_pause(&self, key: &str, patience: Patience) -> Result<(), Refusal> {
        let mut most = patience.max_wait.min(LONGEST_WAIT_FOR_PAUSE);
        loop {
            let left = self.paused_for(key);
            if left.is_zero() {
                return Ok(());
            }
            if left > most {
                return Err(Refusal { service: key.into(), reason: RefusalReason::Paused, retry_after: Some(left) });
            }
            // It may have been prolonged when it is over.
            most = most.saturating_sub(left);
            // Those who were sent away come first: their answer tells whether it makes sense to follow.
            let wait = left.saturating_add(LONGEST_STEP_BACK.mul_f64(self.platform.random().unit()));
            self.wait(key, WaitReason::Paused, wait, left, patience).await?;
        }
    }

    async fn wait_for_rate(&self, key: &str, patience: Patience) -> Result<(), Refusal> {
        let now = self.now();
        let acquire = |service: &mut Service| service.policy.adaptive_rate.then(|| service.send_rate.acquire(now));
        let wait = self.visit(key, acquire).unwrap_or_default();
        if wait.is_zero() {
            return Ok(());
        }
        let waited = self.wait(key, WaitReason::SendRate, wait, wait, patience).await;
        if waited.is_err() {
            let now = self.now();
            self.visit(key, |service| service.send_rate.release(now));
        }
        waited
    }

    async fn wait(
        &self,
        key: &str,
        because: WaitReason,
        wait: Duration,
        retry_after: Duration,
        patience: Patience,
    ) -> Result<(), Refusal> {
        if patience.deadline.is_some_and(|deadline| wait > deadline.since(self.now())) {
            let reason = RefusalReason::DeadlineTooClose;
            return Err(Refusal { service: key.into(), reason, retry_after: Some(retry_after) });
        }
        self.platform.emit(&Event::CallWaits { service: key.into(), because, wait_ms: milliseconds(wait) });
        self.platform.clock().sleep(wait).await;
        Ok(())
    }

    async fn wait_for_seat(&self, key: &str, urgency: Urgency) -> Result<Option<Seat>, Refusal> {
        let bulkhead = self.visit(key, |service| service.policy.bulkhead.map(|policy| (service.bulkhead.clone(), policy)));
        let Some((bulkhead, policy)) = bulkhead else { return Ok(None) };
        let full = |Full| Refusal { service: key.into(), reason: RefusalReason::BulkheadFull, retry_after: None };
        bulkhead.enter(policy, urgency).await.map(Some).map_err(full)
    }

    /// Pays for a retry; without a budget it costs nothing.
    pub fn withdraw(&self, key: &str, cost: RetryCost, urgency: Urgency) -> Result<Option<Withdrawal>, BudgetExhausted> {
        let now = self.now();
        self.visit(key, |service| match service.policy.budget {
            Some(_) => service.budget.withdraw(cost, urgency, now).map(Some).ok_or(BudgetExhausted),
            None => Ok(None),
        })
    }

    /// A call succeeded; what its last retry cost comes back.
    pub fn deposit(&self, key: &str, withdrawal: Option<Withdrawal>) {
        let now = self.now();
        self.visit(key, |service| {
            if service.policy.budget.is_some() {
                service.budget.deposit(withdrawal, now);
            }
        });
    }

    /// A service wants to be asked again after this long. Says how long it is left alone.
    pub fn pause(&self, key: &str, hint: Duration) -> Duration {
        let (now, unit) = (self.now(), self.platform.random().unit());
        let is_later = self.visit(key, |service| service.pause.ask(hint, now, unit));
        let left = self.paused_for(key);
        if is_later {
            self.platform.emit(&Event::ServicePaused { service: key.into(), for_ms: milliseconds(left) });
            self.share(key, false);
        }
        left
    }

    /// How long a service still wants to be left alone.
    pub fn paused_for(&self, key: &str) -> Duration {
        let now = self.now();
        self.by_key.borrow().get(key).map_or(Duration::ZERO, |service| service.pause.left(now))
    }

    /// What the backend says of the circuit of one of its services, ahead of any failure here.
    pub fn told(&self, key: &str, circuit: ToldCircuit) {
        let now = self.now();
        let transition = self.visit(key, |service| match circuit {
            ToldCircuit::Closed => service.breaker.recovered(now),
            ToldCircuit::HalfOpen => service.breaker.half_open(now),
            ToldCircuit::Open { for_so_long } => service.breaker.open_until(now.after(for_so_long), 1, now),
        });
        self.changed(key, transition);
    }

    /// Opens, closes or resets the circuit of a service by hand; of all that are known, without a key.
    pub fn set_by_hand(&self, key: Option<&str>, change: ByHand) {
        let keys = match key {
            Some(key) => vec![key.to_string()],
            None => self.by_key.borrow().keys().cloned().collect(),
        };
        let now = self.now();
        for key in keys {
            let transition = self.visit(&key, |service| match change {
                ByHand::Open => service.breaker.open_by_hand(now),
                ByHand::Close => service.breaker.close(now),
                ByHand::Reset => service.breaker.reset(now),
            });
            self.changed(&key, transition);
        }
    }

    /// All that is known, by key.
    pub fn snapshot(&self) -> Vec<ServiceSnapshot> {
        let now = self.now();
        self.by_key.borrow().iter().map(|(key, service)| service.snapshot(key, now)).collect()
    }

    /// What is known of one of them.
    pub fn snapshot_of(&self, key: &str) -> ServiceSnapshot {
        let now = self.now();
        self.visit(key, |service| service.snapshot(key, now))
    }

    fn now(&self) -> MonotonicTime {
        self.platform.clock().monotonic()
    }

    fn visit<T>(&self, key: &str, look: impl FnOnce(&mut Service) -> T) -> T {
        let visit = self.visits.get().wrapping_add(1);
        self.visits.set(visit);
        let mut services = self.by_key.borrow_mut();
        if let Some(service) = services.get_mut(key) {
            service.visited = visit;
            return look(service);
        }
        if services.len() >= MOST_SERVICES {
            // One that is in use has just been visited.
            let oldest = services.iter().min_by_key(|(_, service)| service.visited).map(|(key, _)| key.clone());
            oldest.and_then(|key| services.remove(&key));
        }
        let policy = self.policy_of(key);
        let now = self.platform.clock().monotonic();
        look(services.entry(key.into()).or_insert_with(|| Service::new(policy, visit, now)))
    }

    fn changed(&self, key: &str, transition: Option<Transition>) {
        let Some(transition) = transition else { return };
        self.platform.emit(&Event::CircuitChanged {
            service: key.into(),
            from: transition.from,
            to: transition.to,
            because: transition.because,
            open_for_ms: transition.open_for.map(milliseconds),
        });
        if transition.shareable {
            let opening = transition.open_for.map(|open_for| (self.now().after(open_for), transition.opens));
            self.visit(key, |service| service.opening = opening);
            self.share(key, transition.to == BreakerState::Closed);
        }
    }

    /// Writes down for the other tabs, and for this one after a reload, what a service wants and how it does.
    fn share(&self, key: &str, has_recovered: bool) {
        let Some(sharing) = &self.sharing else { return };
        self.catch_up();
        let (now, wall) = (self.now(), self.platform.clock().wall());
        let mut state = self.visit(key, |service| service.shared(now, wall));
        state.has_recovered = has_recovered;
        *self.seen.borrow_mut() = shared::write(self.platform.as_ref(), key, state);
        if sharing.posts {
            shared::post(self.platform.as_ref(), &sharing.scope, key, state);
        }
    }

    /// Reads what other tabs have written down since this one looked last.
    fn catch_up(&self) {
        if self.sharing.is_none() {
            return;
        }
        let written = shared::read(self.platform.as_ref());
        if *self.seen.borrow() == written {
            return;
        }
        let states = written.as_deref().map(shared::parse).unwrap_or_default();
        *self.seen.borrow_mut() = written;
        for (key, state) in states {
            self.accept(&key, state);
        }
    }

    /// Hears what another tab has learnt.
    pub fn hear(&self, message: &str) {
        if let Some((key, state)) = self.sharing.as_ref().and_then(|sharing| shared::heard(&sharing.scope, message)) {
            self.accept(&key, state);
        }
    }

    fn accept(&self, key: &str, state: SharedService) {
        let (now, wall) = (self.now(), self.platform.clock().wall());
        let transition = self.visit(key, |service| {
            service.pause.prolong(state.pause_left(wall), now);
            service.policy.breaker?;
            let left = state.open_left(wall);
            if left.is_zero() {
                service.opening = None;
                return state.has_recovered.then(|| service.breaker.recovered(now)).flatten();
            }
            service.opening = Some((now.after(left), state.opens));
            service.breaker.open_until(now.after(left), state.opens, now)
        });
        self.changed(key, transition);
    }
}

/// How the backend says that a circuit of its own is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToldCircuit {
    /// All is well.
    Closed,
    /// It is being probed.
    HalfOpen,
    /// It is left alone.
    Open {
        /// For so long.
        for_so_long: Duration,
    },
}

/// What can be done to a circuit breaker by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByHand {
    /// Nothing passes until it is closed or reset.
    Open,
    /// Everything passes, until it fails.
    Close,
    /// As if nothing had ever happened.
    Reset,
}

fn open(key: &str, retry_after: Option<Duration>) -> Refusal {
    Refusal { service: key.into(), reason: RefusalReason::CircuitOpen, retry_after }
}

impl<P: Platform> Admission<'_, P> {
    /// What the attempt has shown. `service` is the part of the backend that the error named, if it did: then that part is held
    /// responsible, and not the whole.
    pub fn conclude(mut self, finding: Finding, service: Option<&str>, throttled: bool) {
        let (now, unit) = (self.services.now(), self.services.platform.random().unit());
        let took = now.since(self.began);
        let passes = std::mem::take(&mut self.passes);
        let last = passes.len().saturating_sub(1);
        let named = service.filter(|service| !passes.iter().any(|pass| pass.key == *service));
        for (index, pass) in passes.into_iter().enumerate() {
            let is_responsible = match service {
                Some(service) if named.is_none() => pass.key == service,
                Some(_) => false,
                None => index == last,
            };
            let outcome = match finding {
                Finding::Works { degraded } => Some(Outcome::Success { took, degraded }),
                // It has passed on what was asked, which is all that can be said of it.
                _ if !is_responsible => None,
                Finding::Fails { by_server } => Some(Outcome::Failure { by_server }),
                Finding::TimesOut => Some(Outcome::Timeout),
                Finding::Nothing => None,
            };
            let transition = self.services.visit(pass.key, |service| {
                if service.policy.adaptive_rate && finding != Finding::Nothing {
                    service.send_rate.record(throttled, now);
                }
                let permit = pass.permit?;
                let Some(outcome) = outcome else {
                    service.breaker.release(permit, now);
                    return None;
                };
                service.breaker.record(permit, outcome, now, unit)
            });
            self.services.changed(pass.key, transition);
        }
        if let (Some(key), Finding::Fails { by_server }) = (named, finding) {
            let transition = self.services.visit(key, |service| {
                service.policy.breaker?;
                let permit = service.breaker.admit(now).ok()?;
                service.breaker.record(permit, Outcome::Failure { by_server }, now, unit)
            });
            self.services.changed(key, transition);
        }
    }
}

impl<P: Platform> Drop for Admission<'_, P> {
    fn drop(&mut self) {
        // Aborted: that says nothing of anyone.
        let now = self.services.now();
        for pass in self.passes.drain(..) {
            if let Some(permit) = pass.permit {
                self.services.visit(pass.key, |service| service.breaker.release(permit, now));
            }
        }
    }
}

impl Service {
    fn new(policy: ServicePolicy, visited: u64, now: MonotonicTime) -> Self {
        Self {
            breaker: Breaker::new(policy.breaker.unwrap_or_default()),
            pause: Pause::default(),
            budget: RetryBudget::new(policy.budget.unwrap_or_default(), now),
            send_rate: SendRate::new(now),
            bulkhead: Bulkhead::default(),
            policy,
            opening: None,
            visited,
        }
    }

    fn set_policy(&mut self, policy: ServicePolicy, now: MonotonicTime) {
        self.breaker.set_policy(policy.breaker.unwrap_or_default());
        if policy.budget != self.policy.budget {
            self.budget = RetryBudget::new(policy.budget.unwrap_or_default(), now);
        }
        self.policy = policy;
    }

    /// Whether nothing passes now.
    fn refuses(&self, now: MonotonicTime) -> Option<Open> {
        self.policy.breaker?;
        match self.breaker.state(now) {
            BreakerState::Open => Some(Open { left: self.breaker.snapshot(now).open_remaining_ms.map(Duration::from_millis) }),
            BreakerState::ForcedOpen => Some(Open { left: None }),
            BreakerState::Closed | BreakerState::HalfOpen => None,
        }
    }

    /// Lets a call through to it; its circuit may become half-open with that.
    fn admit(&mut self, now: MonotonicTime) -> (Option<Transition>, Result<Option<Permit>, Option<Duration>>) {
        if self.policy.breaker.is_none() {
            return (None, Ok(None));
        }
        let half_open = self.breaker.advance(now);
        (half_open, self.breaker.admit(now).map(Some).map_err(|rejection| rejection.retry_after))
    }

    fn shared(&self, now: MonotonicTime, wall: WallTime) -> SharedService {
        let (open_for, opens) = self.opening.map_or((Duration::ZERO, 0), |(until, opens)| (until.since(now), opens));
        SharedService::new(wall, open_for, opens, self.pause.left(now))
    }

    fn snapshot(&self, key: &str, now: MonotonicTime) -> ServiceSnapshot {
        let left = self.pause.left(now);
        ServiceSnapshot {
            service: key.into(),
            breaker: self.policy.breaker.map(|_| self.breaker.snapshot(now)),
            paused_for_ms: (!left.is_zero()).then(|| milliseconds(left)),
            budget: self.policy.budget.map(|_| self.budget.snapshot(now)),
            send_rate: self.policy.adaptive_rate.then(|| self.send_rate.snapshot(now)),
            bulkhead: self.policy.bulkhead.map(|_| self.bulkhead.snapshot()),
        }
    }
}
