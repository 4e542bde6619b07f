//! How many calls may be sent again: a budget per server, so that retries do not multiply the load of a server that fails.
//!
//! The token bucket of the AWS SDKs' standard retry mode: every retry costs, every success gives a little back. While most calls
//! succeed nobody notices it; when most fail it is empty after a hundred retries, and calls fail at once with what went wrong.
//! Theirs stays empty until calls succeed, which users have asked to have changed (aws-sdk-js-v3#4754, aws-sdk-go-v2#3550); this
//! one is filled by time as well, slowly.

use crate::time::{MonotonicTime, milliseconds};
use serde::Serialize;
use std::time::Duration;

/// How a budget is spent and filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetPolicy {
    /// The tokens of a full budget. With none, nothing that costs is sent again.
    pub capacity: u32,
    /// The tokens that a retry costs.
    pub cost: u32,
    /// The tokens that a retry costs after no answer came in time: whoever is that slow is the nearest to falling over.
    pub timeout_cost: u32,
    /// The tokens that a retry costs after the server said that there are too many requests.
    pub throttling_cost: u32,
    /// The tokens that a call which succeeded at once gives.
    pub reward: u32,
    /// How long time alone takes to fill an empty budget; `None` or zero if it does not.
    ///
    /// It must be slow, because what it fills is spent on a server that fails. By default a page can send one call again every
    /// six seconds: less than a page that polls sends anyway, and enough that a page which sends little has a retry to spend
    /// when the server is back.
    pub refill: Option<Duration>,
}

impl Default for BudgetPolicy {
    /// The AWS SDKs' standard mode: 500 tokens, 5 for a retry, 10 for one after a timeout, 1 back for a success. By time, a full
    /// budget in 10 minutes.
    fn default() -> Self {
        Self { capacity: 500, cost: 5, timeout_cost: 10, throttling_cost: 5, reward: 1, refill: Some(Duration::from_secs(600)) }
    }
}

/// What a call failed with, as far as the price of sending it again depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCost {
    /// Anything that may pass.
    Transient,
    /// No answer in time.
    Timeout,
    /// Too many requests.
    Throttling,
}

/// Who waits for a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Urgency {
    /// A person does.
    #[default]
    Interactive,
    /// Nobody does. Leaves half of a budget to those for whom somebody does.
    Background,
}

impl Urgency {
    /// All of them, by what configuration calls them.
    pub const NAMES: [&str; 2] = ["interactive", "background"];

    /// The one that configuration calls so.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "interactive" => Some(Self::Interactive),
            "background" => Some(Self::Background),
            _ => None,
        }
    }
}

/// What a retry has cost. [`RetryBudget::deposit`] gives it back, once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that succeeds, or is not sent after all, gives it back"]
pub struct Withdrawal {
    tokens: u32,
}

/// The budget for retries to one server, of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryBudget {
    policy: BudgetPolicy,
    /// How many parts a token has: as many as milliseconds fill the budget, so that each of them fills a whole number.
    parts: u64,
    /// The parts that are there.
    level: u64,
    filled_at: MonotonicTime,
    refused: u64,
}

/// What is in a budget, for a user interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetSnapshot {
    /// The tokens that it can hold.
    pub capacity: u32,
    /// The whole tokens that are there.
    pub available: u32,
    /// How many calls it has kept from being sent again.
    pub refused: u64,
    /// Milliseconds until time alone has filled it so far that an interactive call can be sent again after a failure that may
    /// pass; `None` if time alone never will.
    pub affordable_in_ms: Option<u64>,
}

impl RetryBudget {
    /// A full one.
    pub fn new(policy: BudgetPolicy, now: MonotonicTime) -> Self {
        let refill = policy.refill.map_or(0, milliseconds);
        let parts = refill.clamp(1, u64::from(u32::MAX));
        Self { policy, parts, level: u64::from(policy.capacity) * parts, filled_at: now, refused: 0 }
    }

    /// Takes what sending a call again costs. `None` if the budget does not have it: the call is not to be sent again.
    ///
    /// Background work leaves half of the budget to interactive calls. What costs nothing is always granted.
    pub fn withdraw(&mut self, cost: RetryCost, urgency: Urgency, now: MonotonicTime) -> Option<Withdrawal> {
        self.fill(now);
        let tokens = self.cost(cost);
        let kept = match urgency {
            Urgency::Interactive => 0,
            Urgency::Background => u64::from(self.policy.capacity) * self.parts / 2,
        };
        let price = u64::from(tokens) * self.parts;
        match self.level.checked_sub(price) {
            Some(rest) if rest >= kept || tokens == 0 => {
                self.level = rest;
                Some(Withdrawal { tokens })
            }
            _ => {
                self.refused = self.refused.saturating_add(1);
                None
            }
        }
    }

    /// Puts in what a success gives: what its last retry has cost, and a little if it needed none. What has been withdrawn for a
    /// retry that was not sent after all is given back in the same way.
    pub fn deposit(&mut self, withdrawal: Option<Withdrawal>, now: MonotonicTime) {
        self.fill(now);
        let tokens = withdrawal.map_or(self.policy.reward, |withdrawal| withdrawal.tokens);
        self.add(u64::from(tokens) * self.parts);
    }

    /// What is in it.
    pub fn snapshot(&self, now: MonotonicTime) -> BudgetSnapshot {
        let mut filled = self.clone();
        filled.fill(now);
        let missing = (u64::from(self.policy.cost) * self.parts).saturating_sub(filled.level);
        let affordable_in_ms = match filled.per_millisecond() {
            _ if missing == 0 => Some(0),
            0 => None,
            _ if self.policy.cost > self.policy.capacity => None,
            rate => Some(missing.div_ceil(rate)),
        };
        let available = u32::try_from(filled.level / self.parts).unwrap_or(u32::MAX);
        BudgetSnapshot { capacity: self.policy.capacity, available, refused: self.refused, affordable_in_ms }
    }

    fn cost(&self, cost: RetryCost) -> u32 {
        match cost {
            RetryCost::Transient => self.policy.cost,
            RetryCost::Timeout => self.policy.timeout_cost,
            RetryCost::Throttling => self.policy.throttling_cost,
        }
    }

    /// The parts that a millisecond fills.
    fn per_millisecond(&self) -> u64 {
        match self.policy.refill {
            Some(refill) if !refill.is_zero() => u64::from(self.policy.capacity),
            _ => 0,
        }
    }

    /// Fills in what time has given. From a clock that was set back, time counts anew.
    fn fill(&mut self, now: MonotonicTime) {
        let passed = milliseconds(now.since(self.filled_at));
        self.filled_at = now;
        self.add(self.per_millisecond().saturating_mul(passed));
    }

    fn add(&mut self, parts: u64) {
        self.level = self.level.saturating_add(parts).min(u64::from(self.policy.capacity) * self.parts);
    }
}
