//! The state of each service that calls go to, and what lets a call through to it.

use super::bulkhead::{Bulkhead, BulkheadPolicy, BulkheadSnapshot, Full, Seat};
use super::routes::Routes;
use super::shared::{self, SharedService};
use crate::event::{Event, WaitReason};
use crate::flat_map::FlatMap;
use crate::platform::{Clock, Locks, Platform, Random};
use crate::policy::breaker::{Breaker, BreakerPolicy, BreakerSnapshot, BreakerState, Outcome, Permit, Transition};
use crate::policy::budget::{BudgetPolicy, BudgetSnapshot, RetryBudget, RetryCost, Urgency, Withdrawal};
use crate::policy::pause::Pause;
use crate::policy::send_rate::{SendRate, SendRateSnapshot};
use crate::time::{MonotonicTime, WallTime, milliseconds};
use futures_util::future::{Either, select};
use futures_util::lock::Mutex;
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// The most services whose state is kept. The one that was not called for the longest time is forgotten first, of those that all
/// is well with if there are any.
const MOST_SERVICES: usize = 64;
/// A call that came while a service wanted to be left alone goes up to so much later than those that were answered with the wish.
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
    /// What was last heard of it from other tabs, or told to them.
    heard: Option<SharedService>,
    /// Since when other tabs have been found to probe it.
    probed_elsewhere: Option<MonotonicTime>,
    /// Whether the backend itself has said last that it is out.
    is_out_as_told: bool,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The longest that it waits for services that are paused, in all.
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
    by_key: RefCell<FlatMap<String, Service>>,
    policy: Cell<ServicePolicy>,
    overrides: RefCell<FlatMap<String, ServicePolicy>>,
    visits: Cell<u64>,
    /// `None` where nothing is shared.
    sharing: Option<Sharing>,
    /// What was written down last, as far as this tab has read it.
    seen: RefCell<Option<String>>,
    /// Held while this tab probes: the probes of a service that are out share one lock between tabs.
    probes: Mutex<FlatMap<String, Weak<Probe<P>>>>,
    /// Hears of changes.
    listener: RefCell<Option<Listener<P>>>,
    /// Which route needs which service.
    pub routes: Routes,
}

type Listener<P> = Rc<dyn Fn(&Services<P>)>;
type Probe<P> = Option<<<P as Platform>::Locks as Locks>::Guard>;

/// Which of the services of a call a failure counts against that names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The most general: what the more particular one was named for was another failure.
    General,
    /// The most particular: the caller has named it.
    Particular,
}

/// A call that was let through, until it is concluded or dropped.
pub struct Admission<'a, P: Platform> {
    services: &'a Services<P>,
    passes: Vec<Pass<'a, P>>,
    began: MonotonicTime,
}

/// The tokens of a call that waits to be sent. If it never is, they are given back.
struct Tokens<'a, P: Platform> {
    services: &'a Services<P>,
    keys: Vec<&'a str>,
}

impl<P: Platform> Drop for Tokens<'_, P> {
    fn drop(&mut self) {
        let now = self.services.now();
        for key in self.keys.drain(..) {
            self.services.visit(key, |service| service.send_rate.release(now));
        }
    }
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
        overrides: FlatMap<String, ServicePolicy>,
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
            listener: RefCell::default(),
            routes: Routes::default(),
        }
    }

    /// Services in the same world that have nothing to do with these.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self::new(self.platform.clone(), ServicePolicy::default(), FlatMap::default(), None)
    }

    /// Has `listener` called whenever a circuit changes.
    pub fn on_change(&self, listener: Listener<P>) {
        *self.listener.borrow_mut() = Some(listener);
    }

    /// The world that the calls go out to.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// Whether the circuit of that service is open.
    pub fn is_open(&self, key: &str) -> bool {
        let now = self.now();
        self.by_key.borrow().get(key).is_some_and(|service| service.refuses(now).is_some())
    }

    /// Whether a circuit breaker of these refuses everything now.
    pub fn refuse(&self, keys: &[String]) -> Option<Open> {
        let now = self.now();
        keys.iter().find_map(|key| self.visit(key, |service| service.refuses(now)))
    }

    /// Changes the policy, and that of the services that have one of their own; what is known of them stays.
    pub fn set_policies(&self, policy: ServicePolicy, overrides: FlatMap<String, ServicePolicy>) {
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
    pub async fn admit<'a>(&'a self, keys: &'a [String], mut patience: Patience) -> Result<Admission<'a, P>, Refusal> {
        self.catch_up();
        // Who passes without waiting passes in one moment: the clock is looked at once.
        let mut now = self.now();
        let mut admission = Admission { services: self, passes: Vec::with_capacity(keys.len()), began: now };
        let mut tokens = None;
        loop {
            // Who would be refused anyway does not wait before.
            self.check_circuits(keys, now)?;
            let mut has_waited = self.wait_for_pauses(keys, &mut patience, now).await?;
            if tokens.is_none() {
                let (taken, waited) = self.wait_for_rates(keys, patience).await?;
                tokens = Some(taken);
                has_waited |= waited;
            }
            // The most particular one first: who stands in its line keeps nobody from the others.
            for key in keys.iter().rev() {
                let (seat, waited) = self.wait_for_seat(key, patience).await?;
                admission.passes.push(Pass { key, permit: None, seat, probe: None });
                has_waited |= waited;
            }
            admission.passes.reverse();
            admission.began = if has_waited { self.now() } else { now };
            has_waited |= admission.pass_circuits().await?;
            if has_waited {
                // What was said in the meantime counts.
                self.catch_up();
                now = self.now();
                self.check_circuits(keys, now)?;
            }
            if patience.deadline.is_some_and(|deadline| deadline <= now)
                && let Some(key) = keys.first()
            {
                return Err(Refusal { service: key.clone(), reason: RefusalReason::DeadlineTooClose, retry_after: None });
            }
            if self.longest_pause(keys, now).is_none() {
                if let Some(tokens) = &mut tokens {
                    tokens.keys.clear();
                }
                admission.began = now;
                return Ok(admission);
            }
            // Others may go to what is not paused.
            admission.give_back();
            now = self.now();
        }
    }

    /// Whether a call that has been admitted, and has done something else since, may be sent now: waits for what has been said in
    /// the meantime.
    pub async fn wait_again(&self, keys: &[String], mut patience: Patience) -> Result<(), Refusal> {
        self.catch_up();
        self.wait_for_pauses(keys, &mut patience, self.now()).await?;
        self.check_circuits(keys, self.now())
    }

    /// Lets one more request go beside one that was admitted, if that holds up nobody and burdens nobody who is in trouble: not
    /// while a service is paused, slowed down or probed, or all its seats are taken. It is paid for like a retry.
    pub fn accompany(&self, admission: &Admission<'_, P>, urgency: Urgency) -> Option<Vec<Seat>> {
        self.catch_up();
        let now = self.now();
        let is_calm = |service: &mut Service| {
            let is_closed = service.policy.breaker.is_none() || service.breaker.state(now) == BreakerState::Closed;
            let is_free = !service.policy.adaptive_rate || service.send_rate.snapshot(now).wait_ms == 0;
            is_closed && is_free && service.pause.left(now).is_zero()
        };
        let mut seats = Vec::new();
        for pass in &admission.passes {
            if !self.visit(pass.key, is_calm) {
                return None;
            }
            if let Some((bulkhead, policy)) = self.bulkhead(pass.key) {
                seats.push(bulkhead.enter_at_once(policy)?);
            }
        }
        if let Some(pass) = admission.passes.first() {
            // What company costs does not come back.
            let _: Option<Withdrawal> = self.withdraw(pass.key, RetryCost::Transient, urgency).ok()?;
        }
        for pass in &admission.passes {
            self.visit(pass.key, |service| service.policy.adaptive_rate.then(|| service.send_rate.acquire(now)));
        }
        Some(seats)
    }

    fn check_circuits(&self, keys: &[String], now: MonotonicTime) -> Result<(), Refusal> {
        for key in keys {
            if let Some(Open { left }) = self.visit(key, |service| service.refuses(now)) {
                return Err(open(key, left));
            }
        }
        Ok(())
    }

    /// The share of this tab in probing a service: one tab probes at a time, and the others learn from it.
    async fn probe(&self, key: &str) -> Result<Rc<Probe<P>>, Refusal> {
        let mut probes = self.probes.lock().await;
        if let Some(probe) = probes.get(key).and_then(Weak::upgrade) {
            return Ok(probe);
        }
        let guard = match &self.sharing {
            Some(Sharing { scope, .. }) => self.platform.locks().try_acquire(&[scope, ":probe:", key].concat()).await,
            None => None,
        };
        let now = self.now();
        let is_elsewhere = self.sharing.is_some() && guard.is_none();
        if !self.visit(key, |service| service.may_probe(is_elsewhere, now)) {
            return Err(open(key, Some(ANOTHER_TAB_PROBES)));
        }
        let probe = Rc::new(guard);
        probes.retain(|_, probe| probe.strong_count() > 0);
        probes.insert(key.into(), Rc::downgrade(&probe));
        Ok(probe)
    }

    /// The service that is to be left alone for the longest, if one is.
    fn longest_pause<'a>(&self, keys: &'a [String], now: MonotonicTime) -> Option<(&'a String, Duration)> {
        let pauses = keys.iter().map(|key| (key, self.visit(key, |service| service.pause.left(now))));
        pauses.max_by_key(|(_, left)| *left).filter(|(_, left)| !left.is_zero())
    }

    /// Waits until none of them is paused, and says whether that took any time; takes what it has waited off the patience.
    async fn wait_for_pauses(&self, keys: &[String], patience: &mut Patience, mut now: MonotonicTime) -> Result<bool, Refusal> {
        let mut has_waited = false;
        while let Some((key, left)) = self.longest_pause(keys, now) {
            if left > patience.max_wait {
                return Err(Refusal { service: key.clone(), reason: RefusalReason::Paused, retry_after: Some(left) });
            }
            patience.max_wait -= left;
            // Those who were sent away come first: their answer tells whether it makes sense to follow.
            let wait = left.saturating_add(LONGEST_STEP_BACK.mul_f64(self.platform.random().unit()));
            self.wait(key, WaitReason::Paused, wait, left, *patience).await?;
            self.catch_up();
            now = self.now();
            has_waited = true;
        }
        Ok(has_waited)
    }

    async fn wait_for_rates<'a>(&'a self, keys: &'a [String], patience: Patience) -> Result<(Tokens<'a, P>, bool), Refusal> {
        let (mut tokens, mut has_waited) = (Tokens { services: self, keys: Vec::new() }, false);
        for key in keys {
            let acquire = |service: &mut Service| service.policy.adaptive_rate.then(|| service.send_rate.acquire(self.now()));
            let Some(wait) = self.visit(key, acquire) else { continue };
            tokens.keys.push(key);
            if !wait.is_zero() {
                self.wait(key, WaitReason::SendRate, wait, wait, patience).await?;
                has_waited = true;
            }
        }
        Ok((tokens, has_waited))
    }

    async fn wait(
        &self,
        key: &str,
        because: WaitReason,
        wait: Duration,
        retry_after: Duration,
        patience: Patience,
    ) -> Result<(), Refusal> {
        if patience.deadline.is_some_and(|deadline| wait >= deadline.since(self.now())) {
            let reason = RefusalReason::DeadlineTooClose;
            return Err(Refusal { service: key.into(), reason, retry_after: Some(retry_after) });
        }
        self.platform.emit(&Event::CallWaits { service: key.into(), because, wait_ms: milliseconds(wait) });
        self.platform.clock().sleep(wait).await;
        Ok(())
    }

    /// Waits for a seat, if there are seats, and says whether that took any time.
    async fn wait_for_seat(&self, key: &str, patience: Patience) -> Result<(Option<Seat>, bool), Refusal> {
        let Some((bulkhead, policy)) = self.bulkhead(key) else { return Ok((None, false)) };
        if let Some(seat) = bulkhead.enter_at_once(policy) {
            return Ok((Some(seat), false));
        }
        let refusal = |reason| Refusal { service: key.into(), reason, retry_after: None };
        let turn = bulkhead.enter(policy, patience.urgency);
        let seat = match patience.deadline {
            None => turn.await,
            Some(deadline) => {
                let too_late = self.platform.clock().sleep(deadline.since(self.now()));
                match select(pin!(turn), pin!(too_late)).await {
                    Either::Left((seat, _)) => seat,
                    Either::Right(_) => return Err(refusal(RefusalReason::DeadlineTooClose)),
                }
            }
        };
        seat.map(|seat| (Some(seat), true)).map_err(|Full| refusal(RefusalReason::BulkheadFull))
    }

    fn bulkhead(&self, key: &str) -> Option<(Bulkhead, BulkheadPolicy)> {
        self.visit(key, |service| service.policy.bulkhead.map(|policy| (service.bulkhead.clone(), policy)))
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
        self.catch_up();
        let now = self.now();
        self.by_key.borrow().get(key).map_or(Duration::ZERO, |service| service.pause.left(now))
    }

    /// What the backend says of the circuit of one of its services, ahead of any failure here.
    ///
    /// What it says is well again was out by its own word: a circuit that has opened because calls failed waits for its probes,
    /// whatever is said.
    pub fn told(&self, key: &str, circuit: ToldCircuit) {
        let is_known = self.by_key.borrow().contains_key(key);
        if !is_known && !matches!(circuit, ToldCircuit::Open { .. }) {
            return;
        }
        let now = self.now();
        let transition = self.visit(key, |service| {
            service.policy.breaker?;
            let was_told = std::mem::replace(&mut service.is_out_as_told, matches!(circuit, ToldCircuit::Open { .. }));
            match circuit {
                ToldCircuit::Open { for_so_long } => service.breaker.open_until(now.after(for_so_long), 1, now),
                ToldCircuit::Closed if was_told => service.breaker.recovered(now),
                ToldCircuit::HalfOpen if was_told => service.breaker.half_open(now),
                ToldCircuit::Closed | ToldCircuit::HalfOpen => None,
            }
        });
        self.changed(key, transition);
    }

    /// The backend answers again after nobody had. Its circuit is probed before its time, if it was the silence that has opened it;
    /// what the server's own responses or reports were reason enough for stands.
    pub fn reached_again(&self, key: &str) {
        if !self.by_key.borrow().contains_key(key) {
            return;
        }
        let now = self.now();
        let transition = self.visit(key, |service| {
            let is_by_server = service.opening.is_some() || service.is_out_as_told;
            if is_by_server { None } else { service.breaker.half_open(now) }
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
                ByHand::Close => {
                    service.opening = None;
                    service.breaker.close(now)
                }
                ByHand::Reset => {
                    service.opening = None;
                    service.breaker.reset(now)
                }
            });
            self.changed(&key, transition);
            if change != ByHand::Open {
                // What is written down would open it again after a reload.
                self.share(&key, false);
            }
        }
    }

    /// All that is known, by key.
    pub fn snapshot(&self) -> Vec<ServiceSnapshot> {
        self.catch_up();
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
            let now = self.now();
            let order = |service: &Service| (service.is_remembered_for_a_reason(now), service.visited);
            let oldest = services.iter().min_by_key(|(_, service)| order(service)).map(|(key, _)| key.clone());
            oldest.and_then(|key| services.remove(&key));
        }
        let policy = self.policy_of(key);
        let mut service = Service::new(policy, visit, self.now());
        let seen = look(&mut service);
        services.insert(key.into(), service);
        seen
    }

    fn changed(&self, key: &str, transition: Option<Transition>) {
        let Some(transition) = transition else { return };
        self.visit(key, |service| service.probed_elsewhere = None);
        self.platform.emit(&Event::CircuitChanged {
            service: key.into(),
            from: transition.from,
            to: transition.to,
            because: transition.because,
            open_for_ms: transition.open_for.map(milliseconds),
        });
        let listener = self.listener.borrow().clone();
        if let Some(listener) = listener {
            listener(self);
        }
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
        self.visit(key, |service| service.heard = Some(state));
        *self.seen.borrow_mut() = Some(shared::write(self.platform.as_ref(), key, state));
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
        let wall = self.platform.clock().wall();
        for (key, state) in states {
            if self.accept(&key, state) && state.is_ahead_of(wall) {
                // The clock was set back since. From here on it counts, or each reload would wait for the whole of it.
                self.share(&key, state.has_recovered);
            }
        }
    }

    /// Hears what another tab has learnt.
    pub fn hear(&self, message: &str) {
        if let Some((key, state)) = self.sharing.as_ref().and_then(|sharing| shared::heard(&sharing.scope, message)) {
            self.accept(&key, state);
        }
    }

    /// Takes over what another tab has learnt, unless this one knows it already: by another clock it might mean something else by
    /// now. Says whether it is news.
    fn accept(&self, key: &str, state: SharedService) -> bool {
        let (now, wall) = (self.now(), self.platform.clock().wall());
        match self.by_key.borrow().get(key) {
            Some(service) if service.heard == Some(state) => return false,
            None if state.pause_left(wall).is_zero() && state.open_left(wall).is_zero() => return false,
            _ => {}
        }
        let pause = state.pause_left(wall);
        if self.visit(key, |service| service.pause.prolong(pause, now)) {
            self.platform.emit(&Event::ServicePaused { service: key.into(), for_ms: milliseconds(pause) });
        }
        let transition = self.visit(key, |service| {
            service.heard = Some(state);
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
        true
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
    pub fn conclude(mut self, finding: Finding, service: Option<&str>, blame: Blame, throttled: bool) {
        let (now, unit) = (self.services.now(), self.services.platform.random().unit());
        let took = now.since(self.began);
        let passes = std::mem::take(&mut self.passes);
        let blamed = match blame {
            Blame::General => 0,
            Blame::Particular => passes.len().saturating_sub(1),
        };
        let named = service.filter(|service| !passes.iter().any(|pass| pass.key == *service));
        for (index, pass) in passes.into_iter().enumerate() {
            let is_responsible = match service {
                Some(service) if named.is_none() => pass.key == service,
                Some(_) => false,
                None => index == blamed,
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
                let transition = service.breaker.record(permit, outcome, now, unit);
                // From now on it is out by what has been seen here.
                service.is_out_as_told &= transition.is_none();
                transition
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
        self.give_back();
    }
}

impl<P: Platform> Admission<'_, P> {
    /// Gets it through the circuit breakers, and says whether that may have taken any time.
    async fn pass_circuits(&mut self) -> Result<bool, Refusal> {
        let (services, now, mut is_probe) = (self.services, self.began, false);
        for pass in &mut self.passes {
            let (half_open, admitted) = services.visit(pass.key, |service| service.admit(now));
            services.changed(pass.key, half_open);
            pass.permit = admitted.map_err(|retry_after| open(pass.key, retry_after))?;
            if pass.permit.is_some_and(Permit::is_probe) {
                is_probe = true;
                pass.probe = Some(services.probe(pass.key).await?);
            }
        }
        Ok(is_probe)
    }

    /// It is over, or begins anew: that says nothing of anyone.
    fn give_back(&mut self) {
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
            is_out_as_told: false,
            heard: None,
            probed_elsewhere: None,
            visited,
        }
    }

    /// Whether something would go wrong if all that is known of it were forgotten.
    fn is_remembered_for_a_reason(&self, now: MonotonicTime) -> bool {
        !self.pause.left(now).is_zero()
            || self.breaker.state(now) != BreakerState::Closed
            || self.bulkhead.snapshot() != BulkheadSnapshot::default()
    }

    /// Whether this tab may probe it now. Not while another one does: but of one that goes on doing so for longer than a probe
    /// is given, without anything coming of it, it must be thought that it stands still.
    fn may_probe(&mut self, is_elsewhere: bool, now: MonotonicTime) -> bool {
        if !is_elsewhere {
            self.probed_elsewhere = None;
            return true;
        }
        let since = *self.probed_elsewhere.get_or_insert(now);
        let lease = self.policy.breaker.unwrap_or_default().probe_lease;
        now.since(since) >= lease
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
        match self.breaker.state(now) {
            // Without a policy, only a hand opens it.
            BreakerState::Open if self.policy.breaker.is_none() => None,
            BreakerState::Open => Some(Open { left: self.breaker.snapshot(now).open_remaining_ms.map(Duration::from_millis) }),
            BreakerState::ForcedOpen => Some(Open { left: None }),
            BreakerState::Closed | BreakerState::HalfOpen => None,
        }
    }

    /// Lets a call through to it; its circuit may become half-open with that.
    fn admit(&mut self, now: MonotonicTime) -> (Option<Transition>, Result<Option<Permit>, Option<Duration>>) {
        if self.policy.breaker.is_none() {
            return (None, self.refuses(now).map_or(Ok(None), |open| Err(open.left)));
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
