//! What a response's headers say about rate limits.

mod families;
mod structured;

use super::clock::Clock;
use super::duration::milliseconds_rounded_up;
use super::fields::Fields;
use super::wait::{Wait, longest};
use super::{HintSource, RateLimit};
use families::Family;
use std::cmp::Reverse;
use std::time::Duration;
use structured::Policy;

/// A limit as headers tell it.
#[derive(Default)]
struct Limit {
    /// The policy's name, if it has one.
    policy: Option<String>,
    /// How many requests a window allows.
    quota: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Wait>,
}

impl Limit {
    fn is_exhausted(&self) -> bool {
        self.remaining == Some(0)
    }
}

/// What the headers say.
#[derive(Default)]
pub(super) struct RateLimits {
    /// How long to wait for limits that are exhausted.
    pub(super) wait: Option<(Wait, HintSource)>,
    /// The limit that is nearest to its end.
    pub(super) nearest: Option<RateLimit>,
}

/// Reads all rate-limit headers. A response that comes from a cache tells of limits as they were, and is ignored.
pub(super) fn from_headers(fields: &Fields<'_>, status: u16, clock: &Clock) -> RateLimits {
    if fields.age() > 0 {
        return RateLimits::default();
    }
    let (limits, policies, families) = (structured::limits(fields), structured::policies(fields), families::read(fields, clock));
    RateLimits { wait: wait(&limits, &families, status), nearest: nearest(&limits, &policies, &families, clock) }
}

/// When a limit that is exhausted is reset, in order of how well the header is specified; of several limits the last one counts.
/// A reset beside requests that are left is no reason to wait, unless the status says that there are too many.
fn wait(limits: &[Limit], families: &[Family<'_>], status: u16) -> Option<(Wait, HintSource)> {
    let is_refused = status == 429;
    let some_are_exhausted = families.iter().any(|family| family.limit.is_exhausted());
    let counts = |family: &Family<'_>| {
        family.limit.is_exhausted() || (is_refused && (family.limit.remaining.is_none() || !some_are_exhausted))
    };
    let resets = |of_draft: bool| {
        let chosen = families.iter().filter(|family| family.is_of_draft() == of_draft && counts(family));
        longest(chosen.filter_map(|family| family.limit.reset)).map(|wait| (wait, HintSource::RateLimitResetHeader))
    };
    let structured = longest(limits.iter().filter(|limit| limit.is_exhausted()).filter_map(|limit| limit.reset));
    // It asks to be waited for by its name already.
    let asks = families.iter().filter(|family| is_refused || family.limit.remaining.is_none_or(|remaining| remaining == 0));
    structured
        .map(|wait| (wait, HintSource::RateLimitHeader))
        .or_else(|| resets(true))
        .or_else(|| longest(asks.filter_map(|family| family.retry_after)).map(|wait| (wait, HintSource::RetryAfterHeader)))
        .or_else(|| resets(false))
}

/// The limit with the fewest requests left, of several such the one that is reset last, completed from its policy.
fn nearest(limits: &[Limit], policies: &[Policy], families: &[Family<'_>], clock: &Clock) -> Option<RateLimit> {
    let policy = |found: &dyn Fn(&Policy) -> bool| policies.iter().find(|policy| found(policy));
    let window = |policy: &Policy| policy.window.map(milliseconds_rounded_up);
    let told = limits.iter().chain(families.iter().map(|family| &family.limit));
    let said = told.filter(|limit| limit.quota.is_some() || limit.remaining.is_some() || limit.reset.is_some());
    let nearest = said.min_by_key(|limit| {
        let after = limit.reset.map_or(Duration::ZERO, |wait| wait.after);
        (limit.remaining.unwrap_or(u64::MAX), Reverse(after))
    });
    let Some(nearest) = nearest else {
        return policies.first().map(|policy| RateLimit {
            limit: Some(policy.quota),
            window_ms: window(policy),
            ..RateLimit::default()
        });
    };
    let policy = match (&nearest.policy, nearest.quota) {
        (Some(name), _) => policy(&|policy| policy.name.as_ref() == Some(name)),
        (None, Some(quota)) => policy(&|policy| policy.quota == quota),
        (None, None) => None,
    };
    let reset_at = nearest.reset.filter(|wait| wait.after > Duration::ZERO).map(|wait| clock.after(wait.after));
    Some(RateLimit {
        limit: nearest.quota.or(policy.map(|policy| policy.quota)),
        remaining: nearest.remaining,
        reset_at,
        window_ms: policy.and_then(window),
    })
}
