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
            Urgency::Background => (u64::from(self.policy.capacity) * self.parts).div_ceil(2),
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

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What happens to a budget.
    #[derive(Debug, Clone)]
    enum Happening {
        Passed(u64),
        SetBack(u64),
        Withdraw(RetryCost, Urgency),
        /// A call succeeds whose last retry was this one, counted from the last, of those that are under way.
        Succeeded(Option<usize>),
    }

    fn any_happening() -> impl Strategy<Value = Happening> {
        let cost = prop_oneof![Just(RetryCost::Transient), Just(RetryCost::Timeout), Just(RetryCost::Throttling)];
        let urgency = prop_oneof![Just(Urgency::Interactive), Just(Urgency::Background)];
        prop_oneof![
            2 => (0..3_000_u64).prop_map(Happening::Passed),
            1 => (0..5_000_u64).prop_map(Happening::SetBack),
            6 => (cost, urgency).prop_map(|(cost, urgency)| Happening::Withdraw(cost, urgency)),
            2 => prop::option::of(0..5_usize).prop_map(Happening::Succeeded),
        ]
    }

    /// A budget that counts in exact fractions of a token, and lives through every single millisecond.
    struct Model {
        policy: BudgetPolicy,
        refill: u128,
        /// In tokens, times `refill`.
        level: u128,
        taken: Vec<u32>,
        refused: u64,
    }

    impl Model {
        fn new(policy: BudgetPolicy) -> Self {
            let refill = policy.refill.map_or(1, |refill| refill.as_millis().max(1));
            Self { policy, refill, level: u128::from(policy.capacity) * refill, taken: Vec::new(), refused: 0 }
        }

        fn put(&mut self, amount: u128) {
            self.level = (self.level + amount).min(u128::from(self.policy.capacity) * self.refill);
        }

        fn a_millisecond_passes(&mut self) {
            if self.policy.refill.is_some_and(|refill| !refill.is_zero()) {
                self.put(u128::from(self.policy.capacity));
            }
        }

        fn withdraw(&mut self, cost: RetryCost, urgency: Urgency) -> bool {
            let tokens = match cost {
                RetryCost::Transient => self.policy.cost,
                RetryCost::Timeout => self.policy.timeout_cost,
                RetryCost::Throttling => self.policy.throttling_cost,
            };
            let price = u128::from(tokens) * self.refill;
            let half_stays = 2 * self.level >= 2 * price + u128::from(self.policy.capacity) * self.refill;
            let granted = tokens == 0 || self.level >= price && (urgency == Urgency::Interactive || half_stays);
            if granted {
                self.level -= price;
                self.taken.push(tokens);
            } else {
                self.refused += 1;
            }
            granted
        }
    }

    #[test]
    fn urgencies_are_known_by_the_names_they_are_written_with() {
        for name in Urgency::NAMES {
            assert_eq!(serde_json::to_value(Urgency::from_name(name).unwrap()).unwrap(), name);
        }
        assert_eq!(Urgency::from_name("Interactive"), None);
    }

    #[test]
    fn a_snapshot_is_written_for_javascript() {
        let snapshot = RetryBudget::new(BudgetPolicy::default(), MonotonicTime(0)).snapshot(MonotonicTime(0));
        let written = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(written, r#"{"capacity":500,"available":500,"refused":0,"affordableInMs":0}"#);
    }

    /// How many calls are sent again in an outage of so many minutes, if ten a second fail and each would like to be.
    fn retries_in_an_outage(policy: BudgetPolicy, minutes: u64) -> usize {
        let mut budget = RetryBudget::new(policy, MonotonicTime(0));
        let moments = (0..minutes * 600).map(|tenth| MonotonicTime(tenth * 100));
        moments.filter(|now| budget.withdraw(RetryCost::Transient, Urgency::Interactive, *now).is_some()).count()
    }

    #[test]
    fn the_refill_by_time_does_not_undo_the_protection() {
        let standard = BudgetPolicy { refill: None, ..BudgetPolicy::default() };
        assert_eq!(retries_in_an_outage(standard, 60), 100);
        // One every six seconds on top: against 36,000 calls that fail, less than two in a hundred.
        assert_eq!(retries_in_an_outage(BudgetPolicy::default(), 60), 100 + 599);
    }

    #[test]
    fn a_page_that_sends_little_can_send_it_again_after_an_outage_in_which_nothing_succeeded() {
        let mut budget = RetryBudget::new(BudgetPolicy::default(), MonotonicTime(0));
        while budget.withdraw(RetryCost::Timeout, Urgency::Interactive, MonotonicTime(0)).is_some() {}
        assert!(budget.withdraw(RetryCost::Transient, Urgency::Interactive, MonotonicTime(60_000)).is_some());
    }

    proptest! {
        #[test]
        fn a_budget_behaves_as_one_that_lives_through_every_millisecond(
            capacity in 0..60_u32, cost in 0..12_u32, timeout_cost in 0..12_u32, throttling_cost in 0..12_u32, reward in 0..4_u32,
            refill in prop::option::of(0..20_000_u64), began in 0..10_000_u64,
            happenings in prop::collection::vec(any_happening(), 0..80),
        ) {
            let policy = BudgetPolicy { capacity, cost, timeout_cost, throttling_cost, reward, refill: refill.map(Duration::from_millis) };
            let mut now = MonotonicTime(began);
            let mut budget = RetryBudget::new(policy, now);
            let mut model = Model::new(policy);
            let mut under_way: Vec<Withdrawal> = Vec::new();
            for happening in happenings {
                match happening {
                    Happening::Passed(millis) => {
                        now = MonotonicTime(now.0 + millis);
                        (0..millis).for_each(|_| model.a_millisecond_passes());
                    }
                    Happening::SetBack(millis) => {
                        // What has passed until then is in the books once something looks.
                        budget.fill(now);
                        now = MonotonicTime(now.0.saturating_sub(millis));
                        budget.fill(now);
                    }
                    Happening::Withdraw(cost, urgency) => {
                        let withdrawal = budget.withdraw(cost, urgency, now);
                        prop_assert_eq!(withdrawal.is_some(), model.withdraw(cost, urgency));
                        under_way.extend(withdrawal);
                    }
                    Happening::Succeeded(Some(last)) if last < under_way.len() => {
                        let place = under_way.len() - 1 - last;
                        budget.deposit(Some(under_way.remove(place)), now);
                        let tokens = model.taken.remove(place);
                        model.put(u128::from(tokens) * model.refill);
                    }
                    Happening::Succeeded(_) => {
                        budget.deposit(None, now);
                        model.put(u128::from(reward) * model.refill);
                    }
                }
                let snapshot = budget.snapshot(now);
                prop_assert_eq!(u128::from(snapshot.available), model.level / model.refill);
                prop_assert!(snapshot.available <= capacity);
                prop_assert_eq!(snapshot.refused, model.refused);
                if let Some(millis) = snapshot.affordable_in_ms {
                    let mut later = budget.clone();
                    prop_assert!(later.withdraw(RetryCost::Transient, Urgency::Interactive, MonotonicTime(now.0 + millis)).is_some());
                    if millis > 0 {
                        let mut earlier = budget.clone();
                        prop_assert!(earlier.withdraw(RetryCost::Transient, Urgency::Interactive, MonotonicTime(now.0 + millis - 1)).is_none());
                    }
                }
            }
        }

        #[test]
        fn no_budget_is_ever_below_nothing_or_above_its_capacity(
            policy in (any::<[u32; 5]>(), any::<Option<u64>>()), moments in prop::collection::vec((any::<u64>(), 0..3_usize), 0..60),
        ) {
            let ([capacity, cost, timeout_cost, throttling_cost, reward], refill) = policy;
            let refill = refill.map(Duration::from_millis);
            let policy = BudgetPolicy { capacity, cost, timeout_cost, throttling_cost, reward, refill };
            let mut budget = RetryBudget::new(policy, MonotonicTime(0));
            for (now, kind) in moments {
                let now = MonotonicTime(now);
                let before = budget.snapshot(now).available;
                let cost = [RetryCost::Transient, RetryCost::Timeout, RetryCost::Throttling][kind];
                if let Some(withdrawal) = budget.withdraw(cost, Urgency::Interactive, now) {
                    prop_assert_eq!(budget.snapshot(now).available, before - withdrawal.tokens);
                } else {
                    prop_assert_eq!(budget.snapshot(now).available, before);
                }
                budget.deposit(None, now);
                prop_assert!(budget.snapshot(now).available <= capacity);
            }
        }
    }
}
