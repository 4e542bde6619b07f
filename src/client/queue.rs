//! A user's queue, in one tab.

use super::intake::{Intake, Taken};
use super::look::{Listed, Snapshot};
use super::{Backend, Client, Options};
use crate::broken::{self, Variant};
use crate::call::correlation;
use crate::connectivity::Watch;
use crate::event::Event;
use crate::input::InvalidInput;
use crate::outbox::{AppendError, Appended, Newcomer};
use crate::platform::tables::{Durability, Lane};
use crate::platform::{Channel, Clock, Connectivity, ConnectivityChange, Files, Platform, Random, Store, StoreError};
use crate::policy::gate::Trigger;
use crate::queue::action::Action;
use crate::queue::draft::Draft;
use crate::queue::limits::QueueLimits;
use crate::sync::schedule::{self, Requests};
use crate::sync::{DrainReport, Drainer, Waiters};
use crate::time::WallTime;
use futures_channel::{mpsc, oneshot};
use futures_util::future::{AbortHandle, Aborted, abortable};
use serde::Serialize;
use serde_json::value::RawValue;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A user's queue, in one tab.
pub struct Queue<P: Platform> {
    pub(super) platform: Rc<P>,
    pub(super) drainer: Rc<Drainer<P>>,
    pub(super) watch: Rc<Watch<P>>,
    intake: Rc<Intake<P>>,
    pub(super) requests: Requests,
    schedule: AbortHandle,
    subscriptions: RefCell<Option<Subscriptions<P>>>,
    limits: QueueLimits,
    is_looking_up: Rc<Cell<bool>>,
}

/// A file of an action.
type FileOf<P> = <<P as Platform>::Store as Files>::File;

type Subscriptions<P> =
    (<<P as Platform>::Channel as Channel>::Subscription, <<P as Platform>::Connectivity as Connectivity>::Subscription);

/// What `enqueue` answers: the action is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The action's id.
    pub id: String,
    /// Its place in the queue.
    pub seq: u64,
    /// Where it is stored.
    pub durability: Durability,
}

/// Why the queue could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// What was handed in cannot be taken.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client is closed.
    #[error("the client is closed; open another one")]
    Closed,
}

impl From<AppendError> for QueueError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Store(error) => Self::Store(error),
            AppendError::Invalid(error) => Self::Invalid(error),
        }
    }
}

impl<P: Platform> Queue<P> {
    pub(super) fn open(
        platform: &Rc<P>,
        user_id: String,
        options: &Options,
        (services, watch, credentials): Backend<P>,
        (requests, inbox): (Requests, mpsc::UnboundedReceiver<schedule::Request>),
    ) -> Rc<Self> {
        let waiters = Rc::new(Waiters::default());
        let lock = format!("steadfast:{}:drain:{user_id}", options.database);
        let learner = services.clone();
        let drainer = Rc::new(Drainer::new(
            platform.clone(),
            user_id,
            lock,
            options.sync.clone(),
            (waiters, services, watch.clone(), credentials),
        ));
        let (run, schedule) = abortable(schedule::run(drainer.clone(), inbox));
        platform.spawn(async move {
            // It ends when it is aborted, and then there is nothing left to say.
            let _: Result<(), Aborted> = run.await;
        });
        let (ears, asks) = (drainer.clone(), requests.clone());
        let channel = platform.channel().subscribe(Box::new(move |message| {
            learner.hear(message);
            if ears.hear(message) {
                schedule::request(&asks, Trigger::Enqueued);
            }
        }));
        let (asks, sleeper) = (requests.clone(), drainer.clone());
        let connectivity = platform.connectivity().subscribe(Box::new(move |change| match change {
            ConnectivityChange::Online => schedule::request(&asks, Trigger::Online),
            ConnectivityChange::Visible | ConnectivityChange::Resumed => {
                sleeper.wake();
                schedule::request(&asks, Trigger::Visible);
            }
            // The last moment at which something may still be sent.
            ConnectivityChange::Hidden => schedule::request(&asks, Trigger::Timer),
            ConnectivityChange::Frozen => sleeper.let_go(),
            _ => {}
        }));
        let (teller, asks) = (drainer.clone(), requests.clone());
        let written = Box::new(move |appended: &Appended| {
            let counts = appended.record.counts();
            teller.announce(counts, appended.settled.clone());
            let ids: Vec<String> = appended.groups.iter().flatten().flatten().map(|(id, _)| id.clone()).collect();
            if !ids.is_empty() {
                teller.platform.emit(&Event::Enqueued { ids, counts });
                schedule::request(&asks, Trigger::Enqueued);
            }
        });
        let asks = requests.clone();
        // What was deleted under the page is put there again.
        platform.store().on_loss(Box::new(move || schedule::request(&asks, Trigger::Timer)));
        let intake = Intake::new(drainer.clone(), options.queue.clone(), written);
        schedule::request(&requests, Trigger::Opened);
        let subscriptions = RefCell::new(Some((channel, connectivity)));
        Rc::new(Self {
            platform: platform.clone(),
            drainer,
            watch,
            intake,
            requests,
            schedule,
            subscriptions,
            limits: options.queue.clone(),
            is_looking_up: Rc::default(),
        })
    }

    pub(super) fn close(&self) {
        if broken::is(Variant::DrainOutlivesClose) {
            return;
        }
        self.schedule.abort();
        self.requests.close_channel();
        self.platform.store().close();
        self.subscriptions.borrow_mut().take();
        // Nobody else would ever tell those who wait for a page that is frozen.
        self.drainer.wake();
        self.drainer.waiters.clear();
        self.drainer.mirror.borrow_mut().clear();
    }

    pub(super) fn user_id(&self) -> &str {
        &self.drainer.user_id
    }

    fn newcomer(&self, draft: Draft, now: WallTime) -> Newcomer {
        let has_own_id = draft.id.is_some();
        let id = draft.id.unwrap_or_else(|| correlation::unique_id(self.platform.as_ref()));
        let action = Action {
            key: draft.key,
            priority: draft.priority,
            expires_at: draft.time_to_live.or(self.drainer.policy.max_age).map(|age| now.after(age)),
            depends_on: draft.depends_on,
            request: draft.request,
            files: draft.files,
            lane: Lane::of(draft.priority),
            ..Action::new(id, self.user_id(), draft.kind, draft.data, now)
        };
        Newcomer { action, has_own_id, is_named: has_own_id, tried: None, coalescing: draft.coalescing }
    }

    /// Puts actions into the queue, all or none. Resolves when they are on disk.
    pub async fn enqueue(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, QueueError> {
        let (durability, mut groups) = self.enqueue_groups(vec![drafts]).await?;
        let places = groups.pop().ok_or(QueueError::Closed)??;
        Ok(places.into_iter().map(|(id, seq)| Receipt { id, seq, durability }).collect())
    }

    /// Puts groups of actions into the queue, in one transaction, each of them all or none. Resolves when they are on disk: says
    /// where, and of each group the ids and places of its actions, or why it was not taken.
    pub async fn enqueue_groups(&self, groups: Vec<Vec<Draft>>) -> Result<(Durability, Taken), QueueError> {
        let now = self.platform.clock().wall();
        let newcomers = |group: Vec<Draft>| group.into_iter().map(|draft| self.newcomer(draft, now)).collect();
        self.intake.take(groups.into_iter().map(newcomers).collect()).await
    }

    /// Stores files for actions that are to come, and gives their ids, in order. An action takes a file by naming it in its draft, once
    /// and within an hour; after that it has to be stored again ([`StoreErrorKind::FilesGone`](crate::platform::StoreErrorKind)).
    ///
    /// # Errors
    /// They are too large, there is no room for them, or IndexedDB cannot be used: nothing of them is kept.
    pub async fn store_files(&self, files: Vec<FileOf<P>>) -> Result<Vec<String>, QueueError> {
        Ok(self.drainer.store_files(files, &self.limits).await?)
    }

    /// Deletes files that were stored and that no action has taken, nor will.
    pub async fn drop_files(&self, ids: &[String]) -> Result<(), QueueError> {
        Ok(self.drainer.drop_files(ids).await?)
    }

    /// The file of that id, as one of that content type. `None` if it is not there, or cannot be read any longer.
    pub async fn file(&self, id: &str, kind: &str) -> Result<Option<FileOf<P>>, QueueError> {
        Ok(self.drainer.file(id, kind).await?)
    }

    /// Waits for an action to be settled, by this tab or another, now or in an earlier life of the page; gives the JSON of its
    /// [`Outcome`](crate::queue::outcome::Outcome). Ends without an outcome when the client is closed.
    pub fn settled(self: &Rc<Self>, id: &str) -> oneshot::Receiver<Box<RawValue>> {
        let outcome = self.drainer.waiters.wait(id);
        // All that are asked for by now are looked up together, and whatever drain is under way is not waited for.
        if !self.is_looking_up.replace(true) {
            let (drainer, is_looking_up) = (self.drainer.clone(), self.is_looking_up.clone());
            self.platform.spawn(async move {
                is_looking_up.set(false);
                let mut failures = 0;
                while let Err(error) = drainer.look_up(false).await {
                    drainer.platform.emit(&Event::StoreFailed { error });
                    failures += 1;
                    let pause = drainer.policy.backoff.delay(failures, drainer.platform.random().unit());
                    drainer.platform.clock().sleep(pause).await;
                }
            });
        }
        outcome
    }

    /// Syncs now, if the server lets us, and says what it came to.
    pub async fn sync(&self) -> Result<DrainReport, QueueError> {
        let (reply, report) = oneshot::channel();
        let request = schedule::Request { trigger: Trigger::Asked, reply: Some(reply) };
        self.requests.unbounded_send(request).map_err(|_| QueueError::Closed)?;
        Ok(report.await.map_err(|_| QueueError::Closed)??)
    }
}

impl<P: Platform> Drop for Queue<P> {
    fn drop(&mut self) {
        self.close();
    }
}

/// The same, for those who have no queue at hand.
impl<P: Platform> Client<P> {
    /// Whether there is a queue to put actions into.
    pub fn can_enqueue(&self) -> Result<(), QueueError> {
        self.queue().map(|_| ())
    }

    /// See [`Queue::enqueue`].
    pub async fn enqueue(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, QueueError> {
        self.queue()?.enqueue(drafts).await
    }

    /// See [`Queue::enqueue_groups`].
    pub async fn enqueue_groups(&self, groups: Vec<Vec<Draft>>) -> Result<(Durability, Taken), QueueError> {
        self.queue()?.enqueue_groups(groups).await
    }

    /// See [`Queue::settled`].
    pub fn settled(&self, id: &str) -> Result<oneshot::Receiver<Box<RawValue>>, QueueError> {
        Ok(self.queue()?.settled(id))
    }

    /// See [`Queue::sync`].
    pub async fn sync(&self) -> Result<DrainReport, QueueError> {
        self.queue()?.sync().await
    }

    /// See [`Queue::snapshot`].
    pub async fn snapshot(&self) -> Result<Snapshot, QueueError> {
        self.queue()?.snapshot().await
    }

    /// See [`Queue::list`]; whatever lane they lie in.
    pub async fn list(&self, from: Option<(Durability, u64)>, limit: u32) -> Result<Vec<Listed>, QueueError> {
        self.queue()?.list(&Lane::ALL, from, limit).await
    }
}
