//! One service: what protects it, and how it does.

use super::super::bulkhead::{Bulkhead, BulkheadPolicy, BulkheadSnapshot};
use super::super::shared::SharedService;
use crate::policy::breaker::{Breaker, BreakerPolicy, BreakerSnapshot, BreakerState, Permit, Transition};
use crate::policy::budget::{BudgetPolicy, BudgetSnapshot, RetryBudget};
use crate::policy::pause::Pause;
use crate::policy::send_rate::{SendRate, SendRateSnapshot};
use crate::time::{MonotonicTime, WallTime, milliseconds};
use serde::Serialize;
use std::time::Duration;

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
pub(super) struct Service {
    pub(super) breaker: Breaker,
    pub(super) pause: Pause,
    pub(super) budget: RetryBudget,
    pub(super) send_rate: SendRate,
    pub(super) bulkhead: Bulkhead,
    pub(super) policy: ServicePolicy,
    /// Until when others are to leave it alone too, and how often in a row that has been so: openings that the server's own
    /// responses were reason enough for.
    pub(super) opening: Option<(MonotonicTime, u32)>,
    /// What was last heard of it from other tabs, or told to them.
    pub(super) heard: Option<SharedService>,
    /// Since when other tabs have been found to probe it.
    pub(super) probed_elsewhere: Option<MonotonicTime>,
    /// Whether the backend itself has said last that it is out.
    pub(super) is_out_as_told: bool,
    /// The number of its last visit, to tell who was called last.
    pub(super) visited: u64,
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

impl Service {
    pub(super) fn new(policy: ServicePolicy, visited: u64, now: MonotonicTime) -> Self {
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
    pub(super) fn is_remembered_for_a_reason(&self, now: MonotonicTime) -> bool {
        !self.pause.left(now).is_zero()
            || self.breaker.state(now) != BreakerState::Closed
            || self.bulkhead.snapshot() != BulkheadSnapshot::default()
    }

    /// Whether this tab may probe it now. Not while another one does: but of one that goes on doing so for longer than a probe
    /// is given, without anything coming of it, it must be thought that it stands still.
    pub(super) fn may_probe(&mut self, is_elsewhere: bool, now: MonotonicTime) -> bool {
        if !is_elsewhere {
            self.probed_elsewhere = None;
            return true;
        }
        let since = *self.probed_elsewhere.get_or_insert(now);
        let lease = self.policy.breaker.unwrap_or_default().probe_lease;
        now.since(since) >= lease
    }

    pub(super) fn set_policy(&mut self, policy: ServicePolicy, now: MonotonicTime) {
        self.breaker.set_policy(policy.breaker.unwrap_or_default());
        if policy.budget != self.policy.budget {
            self.budget = RetryBudget::new(policy.budget.unwrap_or_default(), now);
        }
        self.policy = policy;
    }

    /// Whether nothing passes now.
    pub(super) fn refuses(&self, now: MonotonicTime) -> Option<Open> {
        match self.breaker.state(now) {
            // Without a policy, only a hand opens it.
            BreakerState::Open if self.policy.breaker.is_none() => None,
            BreakerState::Open => Some(Open { left: self.breaker.snapshot(now).open_remaining_ms.map(Duration::from_millis) }),
            BreakerState::ForcedOpen => Some(Open { left: None }),
            BreakerState::Closed | BreakerState::HalfOpen => None,
        }
    }

    /// Lets a call through to it; its circuit may become half-open with that.
    pub(super) fn admit(&mut self, now: MonotonicTime) -> (Option<Transition>, Result<Option<Permit>, Option<Duration>>) {
        if self.policy.breaker.is_none() {
            return (None, self.refuses(now).map_or(Ok(None), |open| Err(open.left)));
        }
        let half_open = self.breaker.advance(now);
        (half_open, self.breaker.admit(now).map(Some).map_err(|rejection| rejection.retry_after))
    }

    pub(super) fn shared(&self, now: MonotonicTime, wall: WallTime) -> SharedService {
        let (open_for, opens) = self.opening.map_or((Duration::ZERO, 0), |(until, opens)| (until.since(now), opens));
        SharedService::new(wall, open_for, opens, self.pause.left(now))
    }

    pub(super) fn snapshot(&self, key: &str, now: MonotonicTime) -> ServiceSnapshot {
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
