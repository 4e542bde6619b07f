//! A function, and all policies around it: see [the order](super).

use super::hedge::{HedgePolicy, hedged};
use super::services::{Blame, Finding, Patience, Refusal, RefusalReason, Services};
use crate::error::ApiError;
use crate::event::Event;
use crate::platform::{Clock, Platform, Random};
use crate::policy::backoff::Delays;
use crate::policy::budget::{RetryCost, Urgency, Withdrawal};
use crate::policy::pause::LONGEST_SPREAD;
use crate::policy::retry::{Decision, FailedAttempt, RetryPolicy, StopBecause, decide};
use crate::time::{MonotonicTime, WallTime, milliseconds};
use std::cell::RefCell;
use std::time::Duration;

/// What holds for one execution.
pub struct Plan<'a> {
    /// By what it is known in events.
    pub id: &'a str,
    /// The services that it goes through, from the most general to the most particular.
    pub services: &'a [String],
    /// Whether the last of them is the caller's word. If not, an earlier error has named it: what an error says without naming one
    /// is then said for the most general, and the next error may name another.
    pub is_named_by_caller: bool,
    /// Whether failures may say which part of the backend is responsible. What strangers say of it is not believed.
    pub may_name_services: bool,
    /// How it is retried.
    pub retry: &'a RetryPolicy,
    /// Whether it may be done twice.
    pub repeatable: bool,
    /// When an attempt gets company.
    pub hedge: Option<HedgePolicy>,
    /// Whether someone is waiting for it.
    pub urgency: Urgency,
    /// How many attempts of so many the user leaves it: asked after each, for users change their minds.
    pub bound: &'a dyn Fn(u32) -> u32,
}

/// One attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Which it is; the first is 1.
    pub number: u32,
    /// Which of those that were sent for it, the first being 0.
    pub hedge: u32,
    /// How long it may take.
    pub limit: Duration,
    /// How it waits for its turn, should it have to do so once more.
    pub patience: Patience,
}

impl Attempt {
    /// How long what is done for it from now on may take.
    pub fn limit_from(&self, clock: &impl Clock) -> Duration {
        left(self.patience.deadline, clock).map_or(self.limit, |left| left.min(self.limit))
    }
}

/// Why a function failed, as far as the policies need to know.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Whether the same may succeed later.
    pub retryable: bool,
    /// When it is to be tried again.
    pub hint: Option<Duration>,
    /// Whether the hint holds for all who use the service.
    pub pauses: bool,
    /// What it shows of the service.
    pub finding: Finding,
    /// What a retry costs.
    pub cost: RetryCost,
    /// Which part of the backend is responsible, if the failure says so.
    pub service: Option<&'a str>,
}

/// What a function fails with.
pub trait Failure: Sized {
    /// As far as the policies need to know.
    fn facts(&self) -> Facts<'_>;
    /// The failure of a call that was not let through.
    fn refused(refusal: &Refusal, now: WallTime) -> Self;
    /// It makes no sense to try again before this has passed, for that reason.
    fn postpone(&mut self, reason: RefusalReason, retry_after: Duration, now: WallTime);
    /// So many attempts were made.
    fn after(&mut self, attempts: u32);
    /// As events tell it.
    fn to_error(&self) -> Box<ApiError>;
}

/// Does what has to be done until it succeeds, or until doing it again would be wrong or in vain. `is_degraded` says whether a
/// success gave less than was asked for.
#[expect(clippy::too_many_lines, reason = "one attempt after another, read from top to bottom")]
pub async fn execute<P: Platform, T, F: Failure>(
    services: &Services<P>,
    plan: &Plan<'_>,
    is_degraded: impl Fn(&T) -> bool,
    attempt: impl AsyncFn(Attempt) -> Result<T, F>,
) -> Result<T, F> {
    let platform = services.platform();
    let (clock, random) = (platform.clock(), platform.random());
    let deadline = plan.retry.total_timeout.map(|total| clock.monotonic().after(total));
    let patience = Patience { max_wait: plan.retry.max_wait.min(plan.retry.max_pause), deadline, urgency: plan.urgency };
    let budget = plan.services.first().map(String::as_str);
    let (mut delays, mut paid) = (plan.retry.backoff.delays(), None::<Withdrawal>);
    let mut earlier: Option<F> = None;
    let mut learnt: Option<Vec<String>> = None;
    let mut number = 0;
    let fail = |failure: F, because: StopBecause| {
        platform.emit(&Event::CallFailed { correlation_id: plan.id.into(), because, error: failure.to_error() });
        Err(failure)
    };
    loop {
        let keys = learnt.as_deref().unwrap_or(plan.services);
        let admission = match services.admit(keys, patience).await {
            Ok(admission) => admission,
            Err(refusal) => {
                if let (Some(key), Some(withdrawal)) = (budget, paid) {
                    services.deposit(key, Some(withdrawal));
                }
                return fail(refused(earlier, &refusal, clock.wall()), refusal.reason.into());
            }
        };
        number += 1;
        let company = RefCell::new(Vec::new());
        let may_hedge = |hedge| {
            let Some(seats) = services.accompany(&admission, plan.urgency) else { return false };
            company.borrow_mut().extend(seats);
            platform.emit(&Event::HedgeSent { correlation_id: plan.id.into(), attempt: number, hedge });
            true
        };
        let attempted = async |hedge| {
            let whole = Attempt { number, hedge, limit: plan.retry.attempt_timeout, patience };
            let result = attempt(Attempt { limit: whole.limit_from(clock), ..whole }).await;
            // At once, so that nobody slips in between, and whichever answer counts in the end.
            if let Err(failure) = &result {
                take_pause(services, plan, keys, failure.facts());
            }
            result
        };
        let result = hedged(platform, plan.hedge, may_hedge, attempted).await;
        drop(company);
        let mut failure = match result {
            Ok(value) => {
                admission.conclude(Finding::Works { degraded: is_degraded(&value) }, None, Blame::General, false);
                if let Some(key) = budget {
                    services.deposit(key, paid);
                }
                return Ok(value);
            }
            Err(failure) => failure,
        };
        failure.after(number);
        let facts = failure.facts();
        let (cost, service) = (facts.cost, facts.service.filter(|_| plan.may_name_services));
        let blame = if plan.is_named_by_caller { Blame::Particular } else { Blame::General };
        admission.conclude(facts.finding, service, blame, cost == RetryCost::Throttling);
        if let (Some(service), false) = (service, plan.is_named_by_caller) {
            // From now on this call, too, goes through it.
            let origin = plan.services.iter().take(1).filter(|origin| *origin != service);
            learnt = Some(origin.cloned().chain([service.to_string()]).collect());
        }
        let failed = FailedAttempt {
            attempt: number,
            retryable: facts.retryable,
            repeatable: plan.repeatable,
            hint: facts.hint,
            left: left(deadline, clock),
        };
        let keys = learnt.as_deref().unwrap_or(plan.services);
        let paused = keys.iter().map(|key| services.paused_for(key)).max().unwrap_or_default();
        let (wait, because) = match decide_beside(plan, &mut delays, failed, paused, random.unit()) {
            Decision::Retry { after, because } => (after, because),
            Decision::Stop(because) => {
                if because == StopBecause::HintBeyondMaxWait {
                    failure.postpone(RefusalReason::Paused, paused, clock.wall());
                }
                return fail(failure, because);
            }
        };
        if let Some(open) = services.refuse(keys).filter(|open| open.is_left_after(wait)) {
            if let Some(open_for) = open.left {
                failure.postpone(RefusalReason::CircuitOpen, open_for, clock.wall());
            }
            return fail(failure, StopBecause::CircuitOpen);
        }
        if let Some(key) = budget {
            let Ok(withdrawal) = services.withdraw(key, cost, plan.urgency) else {
                return fail(failure, StopBecause::BudgetExhausted);
            };
            paid = withdrawal;
        }
        platform.emit(&Event::RetryScheduled {
            correlation_id: plan.id.into(),
            attempt: number,
            after_ms: milliseconds(wait),
            because,
            error: failure.to_error(),
        });
        earlier = Some(failure);
        clock.sleep(wait).await;
    }
}

/// The failure of a call that was not let through. What went wrong before tells more than that the door has closed since.
fn refused<F: Failure>(earlier: Option<F>, refusal: &Refusal, now: WallTime) -> F {
    let Some(mut failure) = earlier else { return F::refused(refusal, now) };
    if let Some(retry_after) = refusal.retry_after {
        failure.postpone(refusal.reason, retry_after, now);
    }
    failure
}

/// Leaves the service alone that is meant, if the failure says that one wants to be.
fn take_pause<P: Platform>(services: &Services<P>, plan: &Plan<'_>, keys: &[String], facts: Facts<'_>) {
    let meant = if plan.is_named_by_caller { keys.last() } else { keys.first() };
    if let (Some(hint), true) = (facts.hint, facts.pauses)
        && let Some(key) = facts.service.filter(|_| plan.may_name_services).or(meant.map(String::as_str))
    {
        services.pause(key, hint);
    }
}

/// Decides after a failed attempt, within what the user leaves it, and beside what the service has asked of the client as a whole:
/// that may be later than this call was asked to come.
fn decide_beside(plan: &Plan<'_>, delays: &mut Delays, failed: FailedAttempt, paused: Duration, unit: f64) -> Decision {
    let (after, because) = match decide(plan.retry, delays, failed, unit) {
        Decision::Retry { after, because } => (after, because),
        stop @ Decision::Stop(_) => return stop,
    };
    // The jitter that stands on what it was asked for itself does not count.
    let longest = plan.retry.max_wait.saturating_add((plan.retry.max_wait / 4).min(LONGEST_SPREAD));
    if failed.attempt >= (plan.bound)(plan.retry.max_attempts) {
        Decision::Stop(StopBecause::AutoRetryOff)
    } else if paused > longest {
        Decision::Stop(StopBecause::HintBeyondMaxWait)
    } else if failed.left.is_some_and(|left| paused >= left) {
        Decision::Stop(StopBecause::DeadlineTooClose)
    } else {
        Decision::Retry { after: after.max(paused), because }
    }
}

fn left(deadline: Option<MonotonicTime>, clock: &impl Clock) -> Option<Duration> {
    deadline.map(|deadline| deadline.since(clock.monotonic()))
}

impl From<RefusalReason> for StopBecause {
    fn from(reason: RefusalReason) -> Self {
        match reason {
            RefusalReason::Paused => Self::HintBeyondMaxWait,
            RefusalReason::CircuitOpen => Self::CircuitOpen,
            RefusalReason::BulkheadFull => Self::BulkheadFull,
            RefusalReason::DeadlineTooClose => Self::DeadlineTooClose,
        }
    }
}
