//! How a call gets through to the services that it goes to, and what becomes of it is learnt from.

use super::super::bulkhead::{Bulkhead, BulkheadPolicy, Full, Seat};
use super::Services;
use super::service::{Open, Service};
use super::sharing::Sharing;
use crate::event::{Event, WaitReason};
use crate::platform::{Clock, Locks, Platform, Random};
use crate::policy::breaker::{BreakerState, Outcome, Permit};
use crate::policy::budget::{RetryCost, Urgency, Withdrawal};
use crate::time::{MonotonicTime, milliseconds};
use futures_util::future::{Either, select};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// A call that came while a service wanted to be left alone goes up to so much later than those that were answered with the wish.
const LONGEST_STEP_BACK: Duration = Duration::from_secs(1);
/// Another tab is probing: what it finds is known soon.
const ANOTHER_TAB_PROBES: Duration = Duration::from_secs(1);

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

/// Which of the services of a call a failure counts against that names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The most general: what the more particular one was named for was another failure.
    General,
    /// The most particular: the caller has named it.
    Particular,
}

pub(super) type Probe<P> = Option<<<P as Platform>::Locks as Locks>::Guard>;

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
}

fn open(key: &str, retry_after: Option<Duration>) -> Refusal {
    Refusal { service: key.into(), reason: RefusalReason::CircuitOpen, retry_after }
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
