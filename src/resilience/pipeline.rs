//! A function, and all policies around it: see [the order](super).

use super::hedge::{HedgePolicy, hedged};
use super::services::{Finding, Patience, Refusal, RefusalReason, Services};
use crate::error::ApiError;
use crate::event::Event;
use crate::platform::{Clock, Platform, Random};
use crate::policy::budget::{RetryCost, Urgency};
use crate::policy::retry::{Decision, FailedAttempt, RetryPolicy, StopBecause, decide};
use crate::time::{MonotonicTime, milliseconds};
use std::time::Duration;

/// What holds for one execution.
pub struct Plan<'a> {
    /// By what it is known in events.
    pub id: &'a str,
    /// The services that it goes through, from the most general to the most particular.
    pub services: &'a [String],
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
    fn refused(refusal: &Refusal, now: crate::time::WallTime) -> Self;
    /// It makes no sense to try again before this has passed, though nobody has said so.
    fn postpone(&mut self, retry_after: Duration, now: crate::time::WallTime);
    /// So many attempts were made.
    fn after(&mut self, attempts: u32);
    /// As events tell it.
    fn to_error(&self) -> Box<ApiError>;
}

/// Does what has to be done until it succeeds, or until doing it again would be wrong or in vain. `is_degraded` says whether a
/// success gave less than was asked for.
pub async fn execute<P: Platform, T, F: Failure>(
    services: &Services<P>,
    plan: &Plan<'_>,
    is_degraded: impl Fn(&T) -> bool,
    attempt: impl AsyncFn(Attempt) -> Result<T, F>,
) -> Result<T, F> {
    let platform = services.platform();
    let (clock, random) = (platform.clock(), platform.random());
    let began = clock.monotonic();
    let deadline = plan.retry.total_timeout.map(|total| began.after(total));
    let patience = Patience { max_wait: plan.retry.max_wait, deadline, urgency: plan.urgency };
    let budget = plan.services.first().map(String::as_str);
    let (mut delays, mut paid) = (plan.retry.backoff.delays(), None);
    let mut earlier: Option<F> = None;
    let mut number = 0;
    let fail = |failure: F, because: StopBecause| {
        platform.emit(&Event::CallFailed { correlation_id: plan.id.into(), because, error: failure.to_error() });
        Err(failure)
    };
    loop {
        let admission = match services.admit(plan.services, patience).await {
            Ok(admission) => admission,
            Err(refusal) => {
                let (now, because) = (clock.wall(), refusal.reason.into());
                // What went wrong tells more than that the door has closed since.
                let failure = match earlier {
                    Some(mut failure) => {
                        if let Some(retry_after) = refusal.retry_after {
                            failure.postpone(retry_after, now);
                        }
                        failure
                    }
                    None => F::refused(&refusal, now),
                };
                return fail(failure, because);
            }
        };
        number += 1;
        let limit =
            left(deadline, clock.monotonic()).map_or(plan.retry.attempt_timeout, |left| left.min(plan.retry.attempt_timeout));
        let may_hedge = |hedge| {
            let is_paid = budget.is_none_or(|key| services.withdraw(key, RetryCost::Transient, plan.urgency).is_ok());
            if is_paid {
                platform.emit(&Event::HedgeSent { correlation_id: plan.id.into(), attempt: number, hedge });
            }
            is_paid
        };
        let result = hedged(platform, plan.hedge, may_hedge, async |hedge| attempt(Attempt { number, hedge, limit }).await).await;
        let mut failure = match result {
            Ok(value) => {
                admission.conclude(Finding::Works { degraded: is_degraded(&value) }, None, false);
                if let Some(key) = budget {
                    services.deposit(key, paid);
                }
                return Ok(value);
            }
            Err(failure) => failure,
        };
        failure.after(number);
        let facts = failure.facts();
        // At once, so that nobody slips in between.
        let paused = match (facts.hint, facts.service.or(plan.services.last().map(String::as_str))) {
            (Some(hint), Some(key)) if facts.pauses => services.pause(key, hint),
            _ => Duration::ZERO,
        };
        let cost = facts.cost;
        admission.conclude(facts.finding, facts.service, cost == RetryCost::Throttling);
        let failed = FailedAttempt {
            attempt: number,
            retryable: facts.retryable,
            repeatable: plan.repeatable,
            hint: facts.hint,
            left: left(deadline, clock.monotonic()),
        };
        let (wait, because) = match decide(plan.retry, &mut delays, failed, random.unit()) {
            Decision::Retry { .. } if number >= (plan.bound)(plan.retry.max_attempts) => {
                return fail(failure, StopBecause::AutoRetryOff);
            }
            Decision::Retry { .. } if failed.left.is_some_and(|left| paused >= left) => {
                return fail(failure, StopBecause::DeadlineTooClose);
            }
            // The client as a whole may come back later than this call was asked to.
            Decision::Retry { after, because } => (after.max(paused), because),
            Decision::Stop(because) => return fail(failure, because),
        };
        if let Some(open) = services.refuse(plan.services).filter(|open| open.is_left_after(wait)) {
            if let Some(open_for) = open.left {
                failure.postpone(open_for, clock.wall());
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

fn left(deadline: Option<MonotonicTime>, now: MonotonicTime) -> Option<Duration> {
    deadline.map(|deadline| deadline.since(now))
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
