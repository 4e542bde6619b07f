//! Time, chance, and the tasks of all tabs.

use super::disk::Disk;
use super::locks::Lock;
use super::network::Faults;
use super::server::ModelServer;
use super::texts::{QueueTexts, Versions};
use super::witness::{Sight, Witness};
use crate::platform::ConnectivityChange;
use crate::store::Memory;
use crate::time::WallTime;
use fastrand::Rng;
use futures_channel::oneshot;
use futures_executor::{LocalPool, LocalSpawner};
use futures_util::task::LocalSpawnExt as _;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Mon, 01 Jun 2026 12:00:00 GMT.
pub(super) const BEGINNING: i64 = 1_780_315_200_000;

pub(super) type Listener<T> = Rc<dyn Fn(T)>;
pub(super) type Ear = Rc<dyn Fn(&str)>;

/// One world. Cheap to clone; all clones are the same world.
#[derive(Clone)]
pub struct World {
    pub(super) inner: Rc<Inner>,
    pool: Rc<RefCell<LocalPool>>,
}

/// By moment and number.
type Timers = BTreeMap<(u64, u64), oneshot::Sender<()>>;

pub(super) struct Inner {
    now: Rc<Cell<u64>>,
    wall_offset: Cell<i64>,
    rng: Rc<RefCell<Rng>>,
    timers: Rc<RefCell<Timers>>,
    next_timer: Rc<Cell<u64>>,
    pub(super) spawner: LocalSpawner,
    pub(super) disk: Rc<Disk>,
    /// What is kept of queues beside it.
    pub(super) queue_texts: QueueTexts,
    /// What each page has of queues in memory, by its number.
    pub(super) memories: RefCell<BTreeMap<u64, Memory>>,
    /// What the tabs share in small texts; `None` where they may not.
    pub(super) texts: RefCell<Option<Versions>>,
    /// How long it takes until a tab sees what another has written there, in milliseconds.
    pub(super) text_lag: Cell<u64>,
    pub(super) locks: RefCell<BTreeMap<String, Lock>>,
    /// By subscription: the tab, the channel's own number, and who listens.
    pub(super) ears: RefCell<BTreeMap<u64, (u64, u64, Ear)>>,
    pub(super) connectivity: RefCell<BTreeMap<u64, (u64, Listener<ConnectivityChange>)>>,
    pub(super) online: Cell<bool>,
    pub(super) visible: Cell<bool>,
    /// Whether a lock keeps others out, as it does not where there are no Web Locks.
    pub(super) locks_exclude: Cell<bool>,
    /// Whether the application can refresh credentials.
    pub(super) refreshes_credentials: Cell<bool>,
    pub(super) next_subscription: Rc<Cell<u64>>,
    /// Whether the tabs remember their events.
    pub(super) remembers_events: Cell<bool>,
    /// The tabs in which nothing runs at the moment.
    pub(super) frozen: RefCell<BTreeSet<u64>>,
    /// How often each has been frozen.
    pub(super) freezes: RefCell<BTreeMap<u64, u32>>,
    /// How many messages between tabs are on their way.
    pub(super) undelivered: Cell<u32>,
    /// Who goes on when one of them thaws.
    pub(super) until_thaw: RefCell<Vec<Waker>>,
    /// The server of this world.
    pub(super) server: Rc<RefCell<ModelServer>>,
    /// What the network does to requests.
    pub(super) faults: Rc<Cell<Faults>>,
    /// Who looks on.
    pub(super) witness: RefCell<Option<Rc<dyn Witness>>>,
}

impl World {
    /// The world of that seed.
    pub fn new(seed: u64) -> Self {
        let pool = LocalPool::new();
        let inner = Inner { rng: Rc::new(RefCell::new(Rng::with_seed(seed))), ..Inner::of_device(pool.spawner()) };
        Self { inner: Rc::new(inner), pool: Rc::new(RefCell::new(pool)) }
    }

    /// Another device in the same world, as it is delivered: time, chance, the network and the server are the same, and all that a
    /// device has of its own (the disk, small texts, locks, the channel, the wall clock, what its browser says) is another's.
    #[must_use]
    pub fn another_device(&self) -> Self {
        let world = &self.inner;
        let inner = Inner {
            now: world.now.clone(),
            rng: world.rng.clone(),
            timers: world.timers.clone(),
            next_timer: world.next_timer.clone(),
            next_subscription: world.next_subscription.clone(),
            server: world.server.clone(),
            faults: world.faults.clone(),
            ..Inner::of_device(world.spawner.clone())
        };
        Self { inner: Rc::new(inner), pool: self.pool.clone() }
    }

    /// Runs until nothing can happen at this moment.
    pub fn settle(&self) {
        self.pool.borrow_mut().run_until_stalled();
    }

    /// Runs for so long.
    pub fn advance(&self, duration: Duration) {
        let end = self.inner.now.get() + u64::try_from(duration.as_millis()).unwrap();
        self.settle();
        while self.step_to_next_timer(end) {
            self.settle();
        }
        self.inner.now.set(end);
    }

    /// Runs until the condition holds, at most for so long. Says whether it holds.
    pub fn run_until(&self, limit: Duration, condition: impl Fn() -> bool) -> bool {
        let end = self.inner.now.get() + u64::try_from(limit.as_millis()).unwrap();
        loop {
            self.settle();
            if condition() {
                return true;
            }
            if !self.step_to_next_timer(end) {
                return false;
            }
        }
    }

    /// Runs a future to its end, and all else beside it.
    pub fn block_on<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        let result = Rc::new(RefCell::new(None));
        let slot = result.clone();
        self.inner.spawner.spawn_local(async move { *slot.borrow_mut() = Some(future.await) }).unwrap();
        let done = self.run_until(Duration::from_secs(365 * 86_400), || result.borrow().is_some());
        assert!(done, "it did not end within a year");
        result.take().unwrap()
    }

    fn step_to_next_timer(&self, end: u64) -> bool {
        let next = self.inner.timers.borrow().keys().next().copied();
        let Some(key) = next.filter(|(moment, _)| *moment <= end) else { return false };
        let timer = self.inner.timers.borrow_mut().remove(&key).unwrap();
        self.inner.now.set(key.0.max(self.inner.now.get()));
        // One that is no longer awaited was dropped with its future.
        let _: Result<(), ()> = timer.send(());
        true
    }

    /// Now, by the monotonic clock, in milliseconds.
    pub fn now(&self) -> u64 {
        self.inner.now.get()
    }

    /// How many messages between tabs are on their way.
    pub fn undelivered(&self) -> u32 {
        self.inner.undelivered.get()
    }

    /// Moves the wall clock, and no other.
    pub fn jump_wall_clock(&self, milliseconds: i64) {
        self.inner.wall_offset.set(self.inner.wall_offset.get() + milliseconds);
    }

    /// From now on every tab gets every lock at once, as where there are no Web Locks.
    pub fn without_locks(&self) {
        self.inner.locks_exclude.set(false);
    }

    /// From now on no tab shares small texts with another, nor with itself after a reload, as where `localStorage` is forbidden.
    pub fn without_key_value(&self) {
        self.inner.texts.replace(None);
    }

    /// From now on a tab sees what another has written into small texts only after so many milliseconds, as between the processes
    /// of a browser.
    pub fn delay_key_value(&self, milliseconds: u64) {
        self.inner.text_lag.set(milliseconds);
    }

    /// From now on the tabs of this device forget their events, which would fill the memory of a long run.
    pub fn without_events(&self) {
        self.inner.remembers_events.set(false);
    }

    /// From now on the application can refresh credentials.
    pub fn refresh_credentials(&self) {
        self.inner.refreshes_credentials.set(true);
    }

    /// What the network does from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.inner.faults.set(faults);
    }

    /// What the browser says of the network from now on; whether requests get through is up to the faults.
    pub fn set_online(&self, online: bool) {
        self.inner.online.set(online);
        self.tell(if online { ConnectivityChange::Online } else { ConnectivityChange::Offline });
    }

    /// The user looks at the pages again.
    pub fn show(&self) {
        self.inner.visible.set(true);
        self.tell(ConnectivityChange::Visible);
    }

    /// The user looks elsewhere.
    pub fn hide(&self) {
        self.inner.visible.set(false);
        self.tell(ConnectivityChange::Hidden);
    }

    /// The pages go on after they were frozen.
    pub fn resume(&self) {
        self.tell(ConnectivityChange::Resumed);
    }

    fn tell(&self, change: ConnectivityChange) {
        let listeners: Vec<_> = self.inner.connectivity.borrow().values().cloned().collect();
        for (_, listener) in listeners {
            listener(change);
        }
    }

    /// Looks at the server, or changes it.
    pub fn server<T>(&self, visit: impl FnOnce(&mut ModelServer) -> T) -> T {
        visit(&mut self.inner.server.borrow_mut())
    }

    /// A random number below `limit`.
    pub fn below(&self, limit: u64) -> u64 {
        self.inner.below(limit)
    }
}

impl Inner {
    /// What a device has when it is delivered, in a world of its own.
    fn of_device(spawner: LocalSpawner) -> Self {
        Self {
            now: Rc::default(),
            wall_offset: Cell::new(BEGINNING),
            rng: Rc::new(RefCell::new(Rng::with_seed(0))),
            timers: Rc::default(),
            next_timer: Rc::default(),
            spawner,
            disk: Rc::default(),
            queue_texts: QueueTexts::default(),
            memories: RefCell::default(),
            texts: RefCell::new(Some(Versions::new())),
            text_lag: Cell::new(0),
            locks: RefCell::default(),
            ears: RefCell::default(),
            connectivity: RefCell::default(),
            online: Cell::new(true),
            visible: Cell::new(true),
            locks_exclude: Cell::new(true),
            refreshes_credentials: Cell::new(false),
            next_subscription: Rc::default(),
            remembers_events: Cell::new(true),
            frozen: RefCell::default(),
            freezes: RefCell::default(),
            undelivered: Cell::new(0),
            until_thaw: RefCell::default(),
            server: Rc::default(),
            faults: Rc::default(),
            witness: RefCell::default(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    pub(super) fn wall(&self) -> WallTime {
        WallTime(self.wall_offset.get() + i64::try_from(self.now.get()).unwrap())
    }

    pub(super) fn below(&self, limit: u64) -> u64 {
        self.rng.borrow_mut().u64(..limit)
    }

    pub(super) fn one_of<'a, T>(&self, from: &'a [T]) -> &'a T {
        from.get(usize::try_from(self.below(from.len() as u64)).unwrap()).unwrap()
    }

    pub(super) fn fill(&self, buffer: &mut [u8]) {
        self.rng.borrow_mut().fill(buffer);
    }

    /// Shows something to whoever looks on.
    pub(super) fn show(&self, sight: Sight<'_>) {
        if let Some(witness) = self.witness.borrow().as_ref() {
            witness.sees(self.now.get(), sight);
        }
    }

    pub(super) fn happens(&self, per_mille: u16) -> bool {
        per_mille > 0 && self.below(1000) < u64::from(per_mille)
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        let (sender, receiver) = oneshot::channel();
        let id = self.next_timer.replace(self.next_timer.get() + 1);
        let moment = self.now.get().saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        self.timers.borrow_mut().insert((moment, id), sender);
        // It ends only by the timer, or with the world.
        let _: Result<(), oneshot::Canceled> = receiver.await;
    }

    /// Ready while that tab is not frozen; else whoever asks is woken when it thaws.
    pub(super) fn poll_thawed(&self, tab: u64, context: &Context<'_>) -> Poll<()> {
        if self.frozen.borrow().contains(&tab) {
            self.until_thaw.borrow_mut().push(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// How often that tab has been frozen.
    pub(super) fn freezes(&self, tab: u64) -> u32 {
        self.freezes.borrow().get(&tab).copied().unwrap_or(0)
    }

    /// Waits until that tab is not frozen.
    pub(super) async fn thawed(&self, tab: u64) {
        poll_fn(|context| self.poll_thawed(tab, context)).await;
    }

    /// A short wait, so that others may come in between.
    pub(super) async fn yield_for_a_while(&self) {
        self.sleep(Duration::from_millis(self.below(3))).await;
    }

    pub(super) fn subscription_id(&self) -> u64 {
        self.next_subscription.replace(self.next_subscription.get() + 1)
    }
}
