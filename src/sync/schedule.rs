//! When to drain: on a trigger, or when the time that the last drain named has come. One task per client does it all.

use super::drain::{DrainReport, Drainer};
use crate::broken::{self, Variant};
use crate::event::Event;
use crate::platform::{Clock, Platform, Random, StoreError};
use crate::policy::gate::Trigger;
use futures_channel::{mpsc, oneshot};
use futures_util::future::{Either, select};
use futures_util::{FutureExt as _, StreamExt as _};
use std::rc::Rc;
use std::time::Duration;

/// Asks for a drain.
#[derive(Debug)]
pub struct Request {
    /// What asks.
    pub trigger: Trigger,
    /// Who wants to know how it went.
    pub reply: Option<oneshot::Sender<Result<DrainReport, StoreError>>>,
}

/// Where requests are put in.
pub type Requests = mpsc::UnboundedSender<Request>;

/// Puts in a request that nobody waits for.
pub fn request(requests: &Requests, trigger: Trigger) {
    // It fails only when the schedule has ended, and then there is nothing to ask for.
    drop(requests.unbounded_send(Request { trigger, reply: None }));
}

/// Runs until it is dropped. Requests that arrive during a drain are answered together by the next one.
pub async fn run<P: Platform>(drainer: Rc<Drainer<P>>, mut requests: mpsc::UnboundedReceiver<Request>) {
    let platform = drainer.platform.clone();
    let mut next: Option<Duration> = None;
    let mut store_failures = 0;
    loop {
        let Some(first) = wait(platform.as_ref(), &mut requests, next).await else { return };
        let mut batch = vec![first];
        while let Some(Some(more)) = requests.next().now_or_never() {
            batch.push(more);
        }
        drainer.awake().await;
        let trigger = batch.iter().map(|request| request.trigger).max().unwrap_or(Trigger::Timer);
        // A tab that slept, or that was told nothing, finds out for itself.
        let looked_up = drainer.look_up(trigger >= Trigger::Visible).await;
        let drained = match looked_up {
            Ok(()) => drainer.drain(trigger).await,
            Err(error) => Err(error),
        };
        match &drained {
            Ok(report) => {
                store_failures = 0;
                next = report.wakes.filter(|_| !broken::is(Variant::NoTimer));
            }
            Err(error) => {
                store_failures += 1;
                next = Some(drainer.policy.backoff.delay(store_failures, platform.random().unit()));
                platform.emit(&Event::StoreFailed { error: error.clone() });
            }
        }
        for reply in batch.into_iter().filter_map(|request| request.reply) {
            // One that no longer listens is no loss.
            drop(reply.send(drained.clone()));
        }
    }
}

/// The next request, or a timer's when `next` has passed. `None` when nobody can ask any longer.
async fn wait<P: Platform>(
    platform: &P,
    requests: &mut mpsc::UnboundedReceiver<Request>,
    next: Option<Duration>,
) -> Option<Request> {
    let Some(next) = next else { return requests.next().await };
    let timer = std::pin::pin!(platform.clock().sleep(next));
    match select(requests.next(), timer).await {
        Either::Left((request, _)) => request,
        Either::Right(((), _)) => Some(Request { trigger: Trigger::Timer, reply: None }),
    }
}
