//! The client: one per user and page, over any platform.

mod background;
mod options;
mod settings;

pub use options::{Options, PolicyOptions, Protection, Resolved, ServerDefaults, read_codes};
pub use settings::Settings;

use crate::broken::{self, Variant};
use crate::call::credentials::Credentials;
use crate::call::{self, CallOptions, CallPolicy, Caller, JsonAnswer, correlation};
use crate::connectivity::{HEALTH_PATH, Report, Watch, WatchOptions};
use crate::error::ApiError;
use crate::event::Event;
use crate::input::{InvalidInput, Subject};
use crate::outbox::{self, AppendError};
use crate::platform::{Channel, Clock, Connectivity, ConnectivityChange, Http, Platform, Store, StoreError};
use crate::policy::connectivity::ProbePolicy;
use crate::policy::gate::{GateReason, Trigger};
use crate::policy::preferences::Preferences;
use crate::queue::action::{Action, SCHEMA_VERSION};
use crate::queue::draft::Draft;
use crate::queue::record::{Counts, Outcome};
use crate::resilience::services::{Services, Sharing};
use crate::sync::schedule::{self, Requests};
use crate::sync::{DrainReport, Drainer, Waiters};
use crate::time::WallTime;
use background::{Background, Tasks};
use futures_channel::{mpsc, oneshot};
use futures_util::future::{AbortHandle, Aborted, abortable};
use serde::Serialize;
use serde_json::value::RawValue;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

/// Between the application and its backend. Cheap to clone; all clones are the same client.
pub struct Client<P: Platform> {
    inner: Rc<Inner<P>>,
}

impl<P: Platform> Clone for Client<P> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

struct Inner<P: Platform> {
    platform: Rc<P>,
    settings: Rc<Settings<P>>,
    services: Rc<Services<P>>,
    credentials: Rc<Credentials<P>>,
    background: RefCell<Tasks>,
    queue: Option<Queue<P>>,
    watch: Rc<Watch<P>>,
    calls: Calls,
    closed: Cell<bool>,
}

/// The calls that are on their way.
#[derive(Default)]
struct Calls {
    handles: RefCell<Vec<(u64, AbortHandle)>>,
    next: Cell<u64>,
}

/// A call on its way, until it is dropped.
struct Registration<'a> {
    calls: &'a Calls,
    id: u64,
}

impl Calls {
    fn register(&self, abort: AbortHandle) -> Registration<'_> {
        let id = self.next.replace(self.next.get() + 1);
        self.handles.borrow_mut().push((id, abort));
        Registration { calls: self, id }
    }

    fn abort_all(&self) {
        for (_, abort) in self.handles.borrow().iter() {
            abort.abort();
        }
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.calls.handles.borrow_mut().retain(|(id, _)| *id != self.id);
    }
}

/// The parts of a client that has a user.
struct Queue<P: Platform> {
    drainer: Rc<Drainer<P>>,
    requests: Requests,
    schedule: AbortHandle,
    subscriptions: RefCell<Option<Subscriptions<P>>>,
}

/// What is known of the backend, and what it is asked with.
type Backend<P> = (Rc<Services<P>>, Rc<Watch<P>>, Rc<Credentials<P>>);

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
    pub durability: &'static str,
}

/// What is in the queue, and what it waits for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// What is in the queue.
    pub counts: Counts,
    /// How many of the pending are being sent, or were, without an answer.
    pub in_flight: usize,
    /// Until when the server is left alone, by the wall clock.
    pub next_attempt_at: Option<WallTime>,
    /// Why.
    pub waiting_for: Option<GateReason>,
    /// Where the queue is stored.
    pub durability: &'static str,
    /// Whether the browser believes that there is a network.
    pub online: bool,
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

impl<P: Platform> Client<P> {
    /// Opens a client. If it has a user, what is in that user's queue begins to drain.
    pub fn open(platform: P, options: Options) -> Self {
        let platform = Rc::new(platform);
        let (requests, inbox) = mpsc::unbounded();
        let services_later = Rc::new(OnceCell::<Weak<Services<P>>>::new());
        let watch = Rc::new(watch(&platform, &options, requests.clone(), services_later.clone()));
        let scope = ["steadfast:", &options.database].concat();
        let credentials = Rc::new(Credentials::new(platform.clone(), &scope, options.user_id.as_deref()));
        let circuits_lock = [&scope, ":circuits"].concat();
        let sharing = Sharing { scope, posts: options.user_id.is_some() };
        let Resolved { service, services, .. } = options.resolved.clone();
        let services = Rc::new(Services::new(platform.clone(), service, services, Some(sharing)));
        // It is empty until here, and nothing can have come back before.
        let _: Result<(), Weak<Services<P>>> = services_later.set(Rc::downgrade(&services));
        let (watcher, backend) = (watch.clone(), options.sync.service.clone());
        services.on_change(Rc::new(move |services| watcher.breaker_open(services.is_open(&backend))));
        let (known, backend) = (Rc::downgrade(&services), options.sync.service.clone());
        let left_alone = move || known.upgrade().map_or(Duration::ZERO, |services| services.paused_for(&backend));
        watch.leave_alone(Box::new(left_alone));
        watch.rest_until_wanted();
        let queue = options.user_id.clone().map(|user_id| {
            let backend = (services.clone(), watch.clone(), credentials.clone());
            Queue::open(&platform, user_id, &options, backend, (requests, inbox))
        });
        let (configured, origin) = (options.configured.clone(), options.sync.service.clone());
        let settings = Rc::new(Settings::new(platform.clone(), services.clone(), options));
        let background = Background {
            platform: platform.clone(),
            services: services.clone(),
            settings: settings.clone(),
            credentials: credentials.clone(),
            watch: watch.clone(),
            origin,
            circuits_lock,
        };
        let background = RefCell::new(background.start(configured));
        let (calls, closed) = (Calls::default(), Cell::new(false));
        Self { inner: Rc::new(Inner { platform, settings, services, credentials, background, queue, watch, calls, closed }) }
    }

    /// Sends a request through the call path: see [`call::call`]. `options` is JSON, see [`CallOptions::read`].
    pub async fn call(
        &self,
        request: &<P::Http as Http>::Request,
        options: &str,
    ) -> Result<<P::Http as Http>::Response, CallError> {
        let policy = self.inner.settings.policy();
        let (options, preferences) = (CallOptions::read(options, &policy)?, || self.inner.settings.preferences());
        Ok(self.until_closed(call::call(&self.caller(&policy, &preferences), &options, request)).await??)
    }

    /// Sends a request through the call path for an answer in JSON: see [`call::call_json`].
    pub async fn call_json(&self, request: &<P::Http as Http>::Request, options: &str) -> Result<JsonAnswer, CallError> {
        let policy = self.inner.settings.policy();
        let (options, preferences) = (CallOptions::read(options, &policy)?, || self.inner.settings.preferences());
        Ok(self.until_closed(call::call_json(&self.caller(&policy, &preferences), &options, request)).await??)
    }

    fn caller<'a>(&'a self, policy: &'a CallPolicy, preferences: &'a dyn Fn() -> Preferences) -> Caller<'a, P> {
        Caller {
            services: &self.inner.services,
            policy,
            credentials: &self.inner.credentials,
            preferences,
            watch: &self.inner.watch,
        }
    }

    /// What holds for calls: the server's configuration, and what the user prefers.
    pub fn settings(&self) -> &Settings<P> {
        &self.inner.settings
    }

    /// The services that are called: their circuit breakers, budgets and limits.
    pub fn services(&self) -> &Rc<Services<P>> {
        &self.inner.services
    }

    /// What the work gives, unless the client is closed before.
    pub async fn until_closed<T>(&self, work: impl Future<Output = T>) -> Result<T, CallError> {
        if self.inner.closed.get() {
            return Err(CallError::Closed);
        }
        let (work, abort) = abortable(work);
        let _registration = self.inner.calls.register(abort);
        work.await.map_err(|Aborted| CallError::Closed)
    }

    /// Whether there is a queue to put actions into.
    pub fn can_enqueue(&self) -> Result<(), QueueError> {
        self.queue().map(|_| ())
    }

    /// Puts actions into the queue, all or none. Resolves when they are on disk.
    pub async fn enqueue(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, QueueError> {
        let queue = self.queue()?;
        let now = self.inner.platform.clock().wall();
        let actions: Vec<Action> = drafts
            .into_iter()
            .map(|draft| Action {
                schema_version: SCHEMA_VERSION,
                id: draft.id.unwrap_or_else(|| correlation::unique_id(self.inner.platform.as_ref())),
                user_id: queue.drainer.user_id.clone(),
                seq: 0,
                key: draft.key,
                kind: draft.kind,
                priority: draft.priority,
                timestamp: now,
                data: draft.data,
                state: crate::queue::action::ActionState::Pending,
                attempts: 0,
                not_before: None,
                last_error: None,
                conflict: None,
            })
            .collect();
        let store = self.inner.platform.store();
        let (actions, counts) = outbox::append(store, &queue.drainer.user_id, actions).await?;
        let receipts: Vec<Receipt> = actions
            .into_iter()
            .map(|action| Receipt { id: action.id, seq: action.seq, durability: store.durability() })
            .collect();
        queue.drainer.announce(counts, vec![]);
        self.inner.platform.emit(&Event::Enqueued { ids: receipts.iter().map(|receipt| receipt.id.clone()).collect(), counts });
        schedule::request(&queue.requests, Trigger::Enqueued);
        Ok(receipts)
    }

    /// Waits for an action to be settled, by this tab or another; gives the JSON of its [`Outcome`]. Ends without an outcome when the client is closed.
    pub fn settled(&self, id: &str) -> Result<oneshot::Receiver<Box<RawValue>>, QueueError> {
        Ok(self.queue()?.drainer.waiters.wait(id))
    }

    /// Syncs now, if the server lets us, and says what it came to.
    pub async fn sync(&self) -> Result<DrainReport, QueueError> {
        let (reply, report) = oneshot::channel();
        let request = schedule::Request { trigger: Trigger::Asked, reply: Some(reply) };
        self.queue()?.requests.unbounded_send(request).map_err(|_| QueueError::Closed)?;
        Ok(report.await.map_err(|_| QueueError::Closed)??)
    }

    /// What is in the queue, and what it waits for.
    pub async fn snapshot(&self) -> Result<Snapshot, QueueError> {
        let platform = &self.inner.platform;
        let record = outbox::record(platform.store(), &self.queue()?.drainer.user_id).await?;
        let now = platform.clock().wall();
        let waiting_for = record.gate.reason(now);
        Ok(Snapshot {
            counts: record.counts,
            in_flight: record.batch.map_or(0, |batch| batch.seqs.len()),
            next_attempt_at: waiting_for.map(|_| now.after(record.gate.remaining(now))),
            waiting_for,
            durability: platform.store().durability(),
            online: platform.connectivity().online(),
        })
    }

    /// Up to `limit` of the actions in the queue from `seq` on, in order, each with whether it is in flight.
    pub async fn list(&self, seq: u64, limit: u32) -> Result<Vec<(Action, bool)>, QueueError> {
        let store = self.inner.platform.store();
        let (record, actions) = outbox::list(store, &self.queue()?.drainer.user_id, seq, limit).await?;
        Ok(actions
            .into_iter()
            .map(|action| {
                let in_flight = record.is_in_flight(action.seq);
                (action, in_flight)
            })
            .collect())
    }

    /// Takes an action out of the queue, whatever its state. If it is being sent just now, the server may still apply it.
    /// Says whether there was one of that id.
    pub async fn discard(&self, id: &str) -> Result<bool, QueueError> {
        let queue = self.queue()?;
        let counts = outbox::discard(self.inner.platform.store(), &queue.drainer.user_id, id).await?;
        if let Some(counts) = counts {
            queue.drainer.announce(counts, vec![(id.to_string(), Outcome::Discarded)]);
            self.inner.platform.emit(&Event::QueueChanged { counts });
            // What stood behind it may go now.
            schedule::request(&queue.requests, Trigger::Enqueued);
        }
        Ok(counts.is_some())
    }

    /// Puts a dead letter or a conflict back among the pending, in its old place. Says whether there was one of that id.
    pub async fn requeue(&self, id: &str) -> Result<bool, QueueError> {
        let queue = self.queue()?;
        let counts = outbox::requeue(self.inner.platform.store(), &queue.drainer.user_id, id).await?;
        if let Some(counts) = counts {
            queue.drainer.announce(counts, vec![]);
            self.inner.platform.emit(&Event::QueueChanged { counts });
            schedule::request(&queue.requests, Trigger::Enqueued);
        }
        Ok(counts.is_some())
    }

    /// Whether the backend can be reached.
    pub fn connectivity(&self) -> Report {
        self.inner.watch.report()
    }

    /// Somebody wants to know whether the backend can be reached: from now on it is looked at where that is in doubt.
    pub fn watch_connectivity(&self) {
        self.inner.watch.want();
    }

    /// Looks whether the backend can be reached, and says what is known then.
    pub async fn check_connectivity(&self) -> Report {
        self.inner.watch.check().await
    }

    /// Stops everything: what is being sent is aborted, what waits for outcomes ends without one. The queue stays on disk.
    pub fn close(&self) {
        self.inner.closed.set(true);
        self.inner.calls.abort_all();
        drop(self.inner.background.take());
        self.inner.watch.close();
        if let Some(queue) = &self.inner.queue {
            queue.close();
        }
    }

    fn queue(&self) -> Result<&Queue<P>, QueueError> {
        match &self.inner.queue {
            _ if self.inner.closed.get() => Err(QueueError::Closed),
            Some(queue) => Ok(queue),
            None => Err(QueueError::Invalid(InvalidInput::new(
                Subject::Options,
                "userId",
                "not set",
                "the id of the user whose actions are queued, given when the client is opened",
            ))),
        }
    }
}

/// Watches whether the backend can be reached; as soon as it can again, the queue drains, and a circuit that no answers had opened is
/// probed.
fn watch<P: Platform>(
    platform: &Rc<P>,
    options: &Options,
    requests: Requests,
    services: Rc<OnceCell<Weak<Services<P>>>>,
) -> Watch<P> {
    let trusted_origins = options.call.trusted_origins.clone();
    let backend = trusted_origins.first().cloned().unwrap_or_default();
    let key = backend.clone();
    let on_online = Box::new(move || {
        if let Some(services) = services.get().and_then(Weak::upgrade) {
            services.reached_again(&key);
        }
        schedule::request(&requests, Trigger::Online);
    });
    let health_path = options.health_path.clone().unwrap_or_else(|| HEALTH_PATH.into());
    let probes = ProbePolicy { enabled: options.health_path.is_some(), ..ProbePolicy::default() };
    Watch::open(platform, WatchOptions { backend, trusted_origins, health_path, probes }, on_online)
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Its options are wrong; nothing was sent.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// It got an error response, or none.
    #[error(transparent)]
    Api(#[from] Box<ApiError>),
    /// The client was closed.
    #[error("the client is closed; open another one")]
    Closed,
}

impl<P: Platform> Queue<P> {
    fn open(
        platform: &Rc<P>,
        user_id: String,
        options: &Options,
        (services, watch, credentials): Backend<P>,
        (requests, inbox): (Requests, mpsc::UnboundedReceiver<schedule::Request>),
    ) -> Self {
        let waiters = Rc::new(Waiters::default());
        let lock = format!("steadfast:{}:drain:{user_id}", options.database);
        let learner = services.clone();
        let drainer = Rc::new(Drainer {
            platform: platform.clone(),
            lock,
            user_id,
            policy: options.sync.clone(),
            waiters,
            services,
            watch,
            credentials,
        });
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
        let asks = requests.clone();
        let connectivity = platform.connectivity().subscribe(Box::new(move |change| match change {
            ConnectivityChange::Online => schedule::request(&asks, Trigger::Online),
            ConnectivityChange::Visible => schedule::request(&asks, Trigger::Visible),
            _ => {}
        }));
        schedule::request(&requests, Trigger::Opened);
        Self { drainer, requests, schedule, subscriptions: RefCell::new(Some((channel, connectivity))) }
    }

    fn close(&self) {
        if broken::is(Variant::DrainOutlivesClose) {
            return;
        }
        self.schedule.abort();
        self.requests.close_channel();
        self.subscriptions.borrow_mut().take();
        self.drainer.waiters.clear();
    }
}

impl<P: Platform> Drop for Queue<P> {
    fn drop(&mut self) {
        self.close();
    }
}
