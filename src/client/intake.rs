//! How actions get to disk together: those that come while a transaction is being written share the next one.

use super::queue::QueueError;
use crate::outbox::{self, AppendError, Appended, Newcomer};
use crate::platform::tables::Durability;
use crate::platform::{Clock, Platform, Store, StoreError, StoreErrorKind};
use crate::queue::limits::QueueLimits;
use crate::queue::record::UserRecord;
use crate::store::At;
use crate::sync::Drainer;
use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// What one transaction takes at most, if it is not handed over at once: a long one holds up the drain, and every other tab.
const MOST_TOGETHER: usize = 5_000;
/// How often writing is tried.
const TRIES: u32 = 3;
/// How often more it is looked whether what seemed to fail has happened.
const LOOKS: u32 = 2;
/// How long to wait before trying again, at first.
const PAUSE: Duration = Duration::from_millis(50);

/// Ids and places.
pub(super) type Places = Vec<(String, u64)>;

/// What came of groups of actions, each of which is taken in whole or not at all.
pub(super) type Taken = Vec<Result<Places, AppendError>>;

/// The same, and where they are.
type Kept = (Durability, Taken);

struct Waiting {
    groups: Vec<Vec<Newcomer>>,
    reply: oneshot::Sender<Result<Kept, StoreError>>,
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

    /// Takes in groups of actions, each of them all or none. Resolves when they are on disk.
    pub(super) async fn take(self: &Rc<Self>, groups: Vec<Vec<Newcomer>>) -> Result<Kept, QueueError> {
        let (reply, written) = oneshot::channel();
        self.waiting.borrow_mut().push(Waiting { groups, reply });
        if !self.is_writing.replace(true) {
            let this = self.clone();
            // It ends when nothing waits any longer; with the page, at the latest.
            self.platform.spawn(async move { this.write().await });
        }
        Ok(written.await.map_err(|_| QueueError::Closed)??)
    }

    async fn write(&self) {
        loop {
            let (mut groups, mut replies) = (Vec::new(), Vec::new());
            for waiting in self.next() {
                replies.push((waiting.groups.len(), waiting.reply));
                groups.extend(waiting.groups);
            }
            if replies.is_empty() {
                self.is_writing.set(false);
                return;
            }
            match self.append(groups).await {
                Ok(appended) => {
                    (self.written)(&appended);
                    let (place, mut taken) = (appended.record.place, appended.groups.into_iter());
                    for (size, reply) in replies {
                        // One that no longer listens has its actions on disk all the same.
                        drop(reply.send(Ok((place, taken.by_ref().take(size).collect()))));
                    }
                }
                Err(error) => {
                    for (_, reply) in replies {
                        drop(reply.send(Err(error.clone())));
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
            actions += one.groups.iter().map(Vec::len).sum::<usize>();
            is_first || actions <= MOST_TOGETHER
        };
        let count = waiting.iter().map(fits).take_while(|fits| *fits).count();
        waiting.drain(..count).collect()
    }

    async fn append(&self, mut groups: Vec<Vec<Newcomer>>) -> Result<Appended, StoreError> {
        // What an earlier page had to leave in a lesser place comes first.
        self.drainer.awake().await;
        self.drainer.promote(false).await;
        let (store, clock) = (self.platform.store(), self.platform.clock());
        let mut failures = 0;
        loop {
            let missing = |record: &UserRecord| self.drainer.missing(record);
            let now = || clock.wall();
            let append = outbox::append_behind(store, &self.user_id, &mut groups, &self.limits, &now, &missing);
            let error = match self.drainer.unless_frozen(append).await {
                Some(Ok(appended)) => {
                    self.drainer.keep(groups, &appended);
                    return Ok(appended);
                }
                Some(Err(error)) => error,
                // As if it had never begun, unless it was about to end.
                None => {
                    self.drainer.awake().await;
                    match outbox::appended(store, &self.user_id, &groups).await {
                        Ok(Some(appended)) => {
                            self.drainer.keep(groups, &appended);
                            return Ok(appended);
                        }
                        Ok(None) => continue,
                        Err(error) => error,
                    }
                }
            };
            failures += 1;
            let is_full = error.kind == StoreErrorKind::QuotaExceeded;
            let (place, mut is_in_doubt) = (store.durability(), !is_full && error.kind != StoreErrorKind::Unavailable);
            is_in_doubt &= error.kind != StoreErrorKind::Overtaken;
            while is_in_doubt && failures < TRIES + LOOKS {
                clock.sleep(PAUSE * failures).await;
                // It may be there though nobody said so. To be asked there, and nowhere else.
                match outbox::appended(&At { store, place }, &self.user_id, &groups).await {
                    Ok(Some(appended)) => {
                        self.drainer.keep(groups, &appended);
                        return Ok(appended);
                    }
                    Ok(None) => is_in_doubt = false,
                    Err(_) => failures += 1,
                }
            }
            let is_final =
                failures >= TRIES || matches!(error.kind, StoreErrorKind::Unavailable | StoreErrorKind::KeyUnavailable);
            if is_full || is_final {
                // Whoever looked for it there may have found that the place is of no use, and left it.
                if store.durability() == place && !store.step_down(error.clone()) {
                    return Err(error);
                }
                if is_in_doubt {
                    store.is_in_doubt(&self.user_id);
                }
                failures = 0;
            }
        }
    }
}
