//! How actions get to disk together: those that come while a transaction is being written share the next one.

use super::queue::QueueError;
use crate::outbox::{self, AppendError, Appended, Newcomer};
use crate::platform::{Clock, Platform, Store, StoreError, StoreErrorKind};
use crate::queue::limits::QueueLimits;
use crate::sync::Drainer;
use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// What one transaction takes at most: a long one holds up the drain, and every other tab.
const MOST_TOGETHER: usize = 2_000;
/// How often writing is tried.
const TRIES: u32 = 3;
/// How long to wait before trying again, at first.
const PAUSE: Duration = Duration::from_millis(50);

/// Ids and places.
pub(super) type Places = Vec<(String, u64)>;

struct Waiting {
    group: Vec<Newcomer>,
    reply: oneshot::Sender<Result<Places, AppendError>>,
}

/// The actions of a tab that are on their way to disk.
pub(super) struct Intake<P: Platform> {
    platform: Rc<P>,
    user_id: String,
    limits: QueueLimits,
    waiting: RefCell<Vec<Waiting>>,
    is_writing: Cell<bool>,
    drainer: Rc<Drainer<P>>,
    /// Told what was written.
    written: Box<dyn Fn(&Appended)>,
}

impl<P: Platform> Intake<P> {
    pub(super) fn new(drainer: Rc<Drainer<P>>, limits: QueueLimits, written: Box<dyn Fn(&Appended)>) -> Rc<Self> {
        let (platform, user_id) = (drainer.platform.clone(), drainer.user_id.clone());
        let (waiting, is_writing) = (RefCell::default(), Cell::new(false));
        Rc::new(Self { platform, user_id, limits, waiting, is_writing, drainer, written })
    }

    /// Takes in a group of actions, all or none. Resolves when they are on disk.
    pub(super) async fn take(self: &Rc<Self>, group: Vec<Newcomer>) -> Result<Places, QueueError> {
        let (reply, written) = oneshot::channel();
        self.waiting.borrow_mut().push(Waiting { group, reply });
        if !self.is_writing.replace(true) {
            let this = self.clone();
            // It ends when nothing waits any longer; with the page, at the latest.
            self.platform.spawn(async move { this.write().await });
        }
        Ok(written.await.map_err(|_| QueueError::Closed)??)
    }

    async fn write(&self) {
        loop {
            let together = self.next();
            if together.is_empty() {
                self.is_writing.set(false);
                return;
            }
            let (groups, replies): (Vec<_>, Vec<_>) = together.into_iter().map(|waiting| (waiting.group, waiting.reply)).unzip();
            match self.append(groups).await {
                Ok(appended) => {
                    (self.written)(&appended);
                    for (reply, result) in replies.into_iter().zip(appended.groups) {
                        // One that no longer listens has its actions on disk all the same.
                        drop(reply.send(result));
                    }
                }
                Err(error) => {
                    for reply in replies {
                        drop(reply.send(Err(error.clone().into())));
                    }
                }
            }
        }
    }

    /// Those that are written together, in the order in which they came.
    fn next(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.borrow_mut();
        let mut actions = 0;
        let fits = |one: &Waiting| {
            let is_first = actions == 0;
            actions += one.group.len();
            is_first || actions <= MOST_TOGETHER
        };
        let count = waiting.iter().map(fits).take_while(|fits| *fits).count();
        waiting.drain(..count).collect()
    }

    async fn append(&self, mut groups: Vec<Vec<Newcomer>>) -> Result<Appended, StoreError> {
        // What an earlier page had to leave in a lesser place comes first.
        self.drainer.promote().await;
        let (store, clock) = (self.platform.store(), self.platform.clock());
        let mut failures = 0;
        loop {
            let error = match outbox::append(store, &self.user_id, &mut groups, &self.limits, clock.wall()).await {
                Ok(appended) => return Ok(appended),
                Err(error) => error,
            };
            failures += 1;
            let is_final = failures >= TRIES
                || matches!(
                    error.kind,
                    StoreErrorKind::QuotaExceeded | StoreErrorKind::Unavailable | StoreErrorKind::KeyUnavailable
                );
            if is_final {
                if store.step_down(error.clone()) {
                    failures = 0;
                    continue;
                }
                return Err(error);
            }
            clock.sleep(PAUSE * failures).await;
            // It may be there though nobody said so.
            if let Some(appended) = outbox::appended(store, &self.user_id, &groups).await? {
                return Ok(appended);
            }
        }
    }
}
