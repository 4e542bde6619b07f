//! The state of each service that calls go to, and what lets a call through to it.

mod admission;
mod service;
mod sharing;

pub use admission::{Admission, Blame, Finding, Patience, Refusal, RefusalReason};
pub use service::{Open, ServicePolicy, ServiceSnapshot};
pub use sharing::Sharing;

use super::routes::Routes;
use crate::event::Event;
use crate::flat_map::FlatMap;
use crate::platform::{Clock, Platform, Random};
use crate::policy::breaker::{BreakerState, Transition};
use crate::policy::budget::{RetryCost, Urgency, Withdrawal};
use crate::time::{MonotonicTime, milliseconds};
use admission::Probe;
use futures_util::lock::Mutex;
use service::Service;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

/// The most services whose state is kept. The one that was not called for the longest time is forgotten first, of those that all
/// is well with if there are any.
const MOST_SERVICES: usize = 64;

/// The budget for retries is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetExhausted;

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
