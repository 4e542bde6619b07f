//! The client: one per user and page, over any platform.

mod background;
mod decisions;
mod intake;
mod look;
mod options;
mod places;
mod queue;
mod settings;

pub use decisions::Edited;
pub use look::{Listed, Snapshot};
pub use options::{Options, PolicyOptions, Protection, Resolved, ServerDefaults, read_codes};
pub use queue::{Queue, QueueError, Receipt};
pub use settings::Settings;

use crate::call::credentials::Credentials;
use crate::call::{self, CallOptions, CallPolicy, Caller, JsonAnswer};
use crate::connectivity::{HEALTH_PATH, Report, Watch, WatchOptions};
use crate::error::ApiError;
use crate::input::{InvalidInput, Subject};
use crate::platform::{Http, Platform};
use crate::policy::connectivity::ProbePolicy;
use crate::policy::gate::Trigger;
use crate::policy::preferences::Preferences;
use crate::resilience::services::{Services, Sharing};
use crate::sync::schedule::{self, Requests};
use background::{Background, Tasks};
use futures_channel::mpsc;
use futures_util::future::{AbortHandle, Aborted, abortable};
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
    settings: Rc<Settings<P>>,
    services: Rc<Services<P>>,
    credentials: Rc<Credentials<P>>,
    background: RefCell<Tasks>,
    queue: Option<Rc<Queue<P>>>,
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

/// What is known of the backend, and what it is asked with.
type Backend<P> = (Rc<Services<P>>, Rc<Watch<P>>, Rc<Credentials<P>>);

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
        Self { inner: Rc::new(Inner { settings, services, credentials, background, queue, watch, calls, closed }) }
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

    /// The queue of the client's user.
    pub fn queue(&self) -> Result<&Rc<Queue<P>>, QueueError> {
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
