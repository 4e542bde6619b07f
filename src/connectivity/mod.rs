//! Watches whether the backend can be reached: gathers the evidence, probes where there is a doubt, and tells who wants to know.
//! What the evidence comes to is decided in [`policy::connectivity`](crate::policy::connectivity).

pub mod health;
mod probe;

pub use probe::{Answer, look};

use crate::event::Event;
use crate::platform::{Clock, Connectivity as _, ConnectivityChange, NetworkFailureKind, Platform, Random};
use crate::policy::connectivity::{Because, Connectivity, Evidence, Origin, ProbePolicy, Silence, State};
use crate::time::{MonotonicTime, WallTime};
use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, Aborted, Either, abortable, select};
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// Where the health of a backend is, on its origin (Cosnap).
pub const HEALTH_PATH: &str = "/api/health";

/// What is watched.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The backend's origin.
    pub backend: String,
    /// The origins whose silence matters too.
    pub trusted_origins: Vec<String>,
    /// Where the backend's health is, from the root of its origin.
    pub health_path: String,
    /// When it is asked.
    pub probes: ProbePolicy,
}

/// Whether the backend can be reached, as the application sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether a request has a chance: see [`State::is_online`].
    pub online: bool,
    /// Whether the backend can be reached.
    pub state: State,
    /// What that was concluded from when it became so.
    pub because: Because,
    /// Since when it is so, by the wall clock.
    pub since: WallTime,
}

/// Watches until it is closed or dropped.
pub struct Watch<P: Platform> {
    inner: Rc<Inner<P>>,
    task: AbortHandle,
    subscription: RefCell<Option<<P::Connectivity as crate::platform::Connectivity>::Subscription>>,
}

struct Inner<P: Platform> {
    platform: Rc<P>,
    options: WatchOptions,
    machine: RefCell<Connectivity>,
    since: Cell<WallTime>,
    /// Wakes the task; one message at a time is enough.
    news: mpsc::UnboundedSender<()>,
    is_news_waiting: Cell<bool>,
    /// Those who wait for the next probe to end.
    checks: RefCell<Vec<oneshot::Sender<()>>>,
    on_online: Box<dyn Fn()>,
    /// Whether someone wants to know.
    is_wanted: Cell<bool>,
    /// How long the backend wants to be left alone.
    pause: RefCell<Option<Box<dyn Fn() -> Duration>>>,
}

impl<P: Platform> Watch<P> {
    /// Begins to watch. `on_online` is called when the backend can be reached again after it could not.
    pub fn open(platform: &Rc<P>, options: WatchOptions, on_online: Box<dyn Fn()>) -> Self {
        let (clock, page) = (platform.clock(), platform.connectivity());
        let mut machine = Connectivity::new(options.probes, page.online(), clock.monotonic());
        if !page.visible() {
            machine.observe(Evidence::Hidden, clock.monotonic());
        }
        let (news, inbox) = mpsc::unbounded();
        let inner = Rc::new(Inner {
            platform: platform.clone(),
            options,
            machine: RefCell::new(machine),
            since: Cell::new(clock.wall()),
            news,
            is_news_waiting: Cell::new(false),
            checks: RefCell::default(),
            on_online,
            is_wanted: Cell::new(true),
            pause: RefCell::default(),
        });
        let ears = inner.clone();
        let subscription = page.subscribe(Box::new(move |change| ears.hear(change)));
        let (run, task) = abortable(run(inner.clone(), inbox));
        platform.spawn(async move {
            // It ends when it is aborted, and then there is nothing left to say.
            let _: Result<(), Aborted> = run.await;
        });
        Self { inner, task, subscription: RefCell::new(Some(subscription)) }
    }

    /// Does not look at the backend before somebody [wants](Self::want) to know: what is looked at by all that stand before a
    /// server in trouble is load, and nobody would see what it finds. What is heard anyway counts.
    pub fn rest_until_wanted(&self) {
        self.inner.is_wanted.set(false);
    }

    /// Somebody wants to know from now on.
    pub fn want(&self) {
        if !self.inner.is_wanted.replace(true) {
            self.inner.wake();
        }
    }

    /// Does not look for as long as `pause` says that the backend wants to be left alone.
    pub fn leave_alone(&self, pause: Box<dyn Fn() -> Duration>) {
        *self.inner.pause.borrow_mut() = Some(pause);
    }

    /// Whether the backend can be reached.
    pub fn report(&self) -> Report {
        self.inner.report()
    }

    /// That origin has answered with that status; 0 if it is hidden. After each attempt that got a response: costs a comparison
    /// of two strings while all is well.
    pub fn answered(&self, origin: &str, status: u16) {
        let by = if origin == self.inner.options.backend { Origin::Backend } else { Origin::Sibling };
        self.inner.observe(Evidence::Answered { by, status });
    }

    /// A request to that origin, sent at that moment, got no response. What its own mistake may be says nothing here, and neither
    /// does the silence of origins that nobody trusts: something blocks them, perhaps.
    pub fn not_answered(&self, origin: &str, kind: NetworkFailureKind, sent: MonotonicTime) {
        if let (Some(from), Some(silence)) = (self.trusted(origin), silence(kind)) {
            self.inner.observe(Evidence::NoResponse { from, silence, sent });
        }
    }

    /// Where that origin should have answered with JSON there was a web page as a success, or a redirect had led elsewhere.
    pub fn answered_with_page(&self, origin: &str) {
        if let Some(from) = self.trusted(origin) {
            self.inner.observe(Evidence::Unreadable { from });
        }
    }

    /// Whether a circuit breaker of the backend is open.
    pub fn breaker_open(&self, open: bool) {
        self.inner.observe(Evidence::BreakerOpen(open));
    }

    /// Probes now, unless that has just been done, and says what is known then.
    pub async fn check(&self) -> Report {
        let (sender, done) = oneshot::channel();
        let is_left_alone = !self.inner.left_alone_for().is_zero();
        if self.inner.options.probes.enabled && !self.task.is_aborted() && !is_left_alone {
            self.inner.checks.borrow_mut().push(sender);
            self.inner.observe(Evidence::Asked);
            // Where it is closed meanwhile, what was known last is all that there is.
            let _: Result<(), oneshot::Canceled> = done.await;
        }
        self.report()
    }

    /// Stops watching. What was known stays.
    pub fn close(&self) {
        self.task.abort();
        self.subscription.borrow_mut().take();
        self.inner.checks.borrow_mut().clear();
    }

    fn trusted(&self, origin: &str) -> Option<Origin> {
        let options = &self.inner.options;
        if origin == options.backend {
            return Some(Origin::Backend);
        }
        options.trusted_origins.iter().any(|trusted| trusted == origin).then_some(Origin::Sibling)
    }
}

impl<P: Platform> Drop for Watch<P> {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a failure says about the network; `None` if nothing.
fn silence(kind: NetworkFailureKind) -> Option<Silence> {
    match kind {
        NetworkFailureKind::Offline => Some(Silence::NoNetwork),
        NetworkFailureKind::Unreachable | NetworkFailureKind::TimedOut | NetworkFailureKind::Unknown => Some(Silence::Unanswered),
        // A gateway whose server is down answers like this.
        NetworkFailureKind::Cors => Some(Silence::Inconclusive),
        NetworkFailureKind::Blocked
        | NetworkFailureKind::MixedContent
        | NetworkFailureKind::Aborted
        | NetworkFailureKind::Invalid
        | NetworkFailureKind::Application => None,
    }
}

impl<P: Platform> Inner<P> {
    fn report(&self) -> Report {
        let machine = self.machine.borrow();
        let state = machine.state();
        Report { online: state.is_online(), state, because: machine.because(), since: self.since.get() }
    }

    fn hear(&self, change: ConnectivityChange) {
        let page = self.platform.connectivity();
        match change {
            ConnectivityChange::Online => self.observe(Evidence::BrowserSays(true)),
            ConnectivityChange::Offline => self.observe(Evidence::BrowserSays(false)),
            // A frozen page is hidden, too, and has been told so.
            ConnectivityChange::Frozen => {}
            ConnectivityChange::Hidden => self.observe(Evidence::Hidden),
            // What happened while the page slept was told to nobody.
            ConnectivityChange::Visible => {
                self.observe(Evidence::BrowserSays(page.online()));
                self.observe(Evidence::Visible);
            }
            ConnectivityChange::Resumed | ConnectivityChange::NetworkChanged => {
                self.observe(Evidence::BrowserSays(page.online()));
                self.observe(Evidence::Resumed);
            }
        }
    }

    fn left_alone_for(&self) -> Duration {
        self.pause.borrow().as_ref().map_or(Duration::ZERO, |pause| pause())
    }

    fn wake(&self) {
        if !self.is_news_waiting.replace(true) {
            // It fails only when the task has ended, and then there is nothing to wake.
            let _: Result<(), mpsc::TrySendError<()>> = self.news.unbounded_send(());
        }
    }

    fn observe(&self, evidence: Evidence) {
        let (before, consequence) = {
            let mut machine = self.machine.borrow_mut();
            (machine.state(), machine.observe(evidence, self.platform.clock().monotonic()))
        };
        if consequence.replan {
            self.wake();
        }
        if consequence.changed {
            self.since.set(self.platform.clock().wall());
            let Report { online, state, because, since } = self.report();
            self.platform.emit(&Event::ConnectivityChanged { online, state, because, since });
            if online && !before.is_online() {
                (self.on_online)();
            }
        }
    }
}

/// Probes whenever it is time, until it is dropped.
async fn run<P: Platform>(inner: Rc<Inner<P>>, mut inbox: mpsc::UnboundedReceiver<()>) {
    let platform = inner.platform.clone();
    loop {
        inner.is_news_waiting.set(false);
        let now = platform.clock().monotonic();
        let is_wanted = inner.is_wanted.get() || !inner.checks.borrow().is_empty();
        let wait = if is_wanted { inner.machine.borrow_mut().probe_after(now, platform.random().unit()) } else { None };
        match wait.map(|wait| wait.max(inner.left_alone_for())) {
            None => {
                if inbox.next().await.is_none() {
                    return;
                }
            }
            Some(wait) if wait.is_zero() => probe(&inner, &mut inbox).await,
            Some(wait) => {
                let timer = pin!(platform.clock().sleep(wait));
                // Whatever ends the wait, the machine is asked again.
                let _ = select(inbox.next(), timer).await;
            }
        }
    }
}

/// Probes once, and gives up if it is sent into a network that is there no longer.
async fn probe<P: Platform>(inner: &Inner<P>, inbox: &mut mpsc::UnboundedReceiver<()>) {
    let sent = inner.platform.clock().monotonic();
    inner.machine.borrow_mut().probe_begins(sent);
    let mut probing = pin!(probe::probe(inner.platform.as_ref(), &inner.options));
    let outcome = loop {
        match select(probing, inbox.next()).await {
            Either::Left((outcome, _)) => break outcome,
            Either::Right((_, still_probing)) => probing = still_probing,
        }
        inner.is_news_waiting.set(false);
        let mut machine = inner.machine.borrow_mut();
        if machine.probe_is_outdated() {
            machine.probe_given_up();
            return;
        }
    };
    inner.observe(Evidence::Probed { outcome, sent });
    for check in inner.checks.take() {
        // One that no longer waits is no loss.
        let _: Result<(), ()> = check.send(());
    }
}
