//! Hedging: when an attempt is slow, a second one like it is sent, and the first answer counts ("The Tail at Scale", J. Dean and
//! L. A. Barroso, CACM 2013). Only for what may be sent twice without a second effect.

use crate::platform::{Clock, Platform};
use futures_util::future::{Either, select, select_all};
use std::pin::pin;
use std::time::Duration;

/// When an attempt gets company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgePolicy {
    /// After so long without an answer, another one is sent. Best a little above the usual 95th percentile.
    pub after: Duration,
    /// The most that are sent beside the first one.
    pub most: u32,
}

/// Makes an attempt, and others beside it as long as none has answered and `may_go_on` agrees. The first success counts, and the
/// others are dropped; a failure counts only when all that were sent have failed.
pub async fn hedged<P: Platform, T, F>(
    platform: &P,
    policy: Option<HedgePolicy>,
    may_go_on: impl Fn(u32) -> bool,
    attempt: impl AsyncFn(u32) -> Result<T, F>,
) -> Result<T, F> {
    let Some(policy) = policy.filter(|policy| policy.most > 0) else { return attempt(0).await };
    let mut sent = 0;
    let mut running = vec![Box::pin(attempt(sent))];
    loop {
        let answered = select_all(running);
        let (result, others) = if sent < policy.most {
            match select(answered, pin!(platform.clock().sleep(policy.after))).await {
                Either::Left(((result, _, others), _)) => (result, others),
                Either::Right(((), answered)) => {
                    running = answered.into_inner();
                    if may_go_on(sent + 1) {
                        sent += 1;
                        running.push(Box::pin(attempt(sent)));
                    } else {
                        // Not now, and so not at all: this attempt runs alone.
                        sent = policy.most;
                    }
                    continue;
                }
            }
        } else {
            let (result, _, others) = answered.await;
            (result, others)
        };
        if result.is_ok() || others.is_empty() {
            return result;
        }
        running = others;
    }
}
