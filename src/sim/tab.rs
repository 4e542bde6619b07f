//! A tab: a client over the world's disk and network, which can crash at any moment.

use super::disk::{DiskFaults, LossListener, SimFile, SimStore};
use super::keys::SimKeys;
use super::locks::{Acquisition, Held};
use super::network::SimHttp;
use super::texts::{SimTexts, SmallTexts, Versions};
use super::witness::Sight;
use super::world::{Inner, World};
use crate::client::{Client, Options};
use crate::error::network::{Page, Surroundings};
use crate::event::Event;
use crate::platform::tables::{Kind, Lane};
use crate::platform::{Channel, Clock, Connectivity, ConnectivityChange, Locks, Platform, Random};
use crate::policy::gate::GateReason;
use crate::store::{Journalled, Ladder, Memory, Opener, Sealed, TextStore};
use crate::time::{MonotonicTime, WallTime, milliseconds};
use futures_util::future::{AbortHandle, Abortable, Aborted};
use futures_util::task::LocalSpawnExt as _;
use serde::de::IgnoredAny;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// A tab that is open.
pub struct Tab {
    /// Its client.
    pub client: Client<TabPlatform>,
    world: World,
    process: Rc<Process>,
}

/// What a crash takes with it.
struct Process {
    tab: u64,
    /// A service worker has no page: it hears of no page's events.
    is_worker: bool,
    /// Who is signed in.
    user_id: Rc<RefCell<String>>,
    tasks: RefCell<Vec<AbortHandle>>,
    events: RefCell<Vec<String>>,
    is_dead: Cell<bool>,
    /// Whether it was told that it would be frozen, and will be told when it goes on.
    was_told: Cell<bool>,
    /// What it has of queues in memory, and nowhere else.
    memory: Memory,
    /// What is known of the places above its memory, where that cannot be shared.
    hints: Rc<RefCell<Versions>>,
    /// Who is told that the browser has deleted what lies on disk.
    on_loss: LossListener,
    /// How often something in it may still go on before it crashes; it does not without it.
    steps_until_crash: Cell<Option<u32>>,
}

impl Process {
    fn new(world: &Inner, user_id: &str, is_worker: bool) -> Rc<Self> {
        let (tab, memory) = (world.subscription_id(), Memory::default());
        world.memories.borrow_mut().insert(tab, memory.clone());
        Rc::new(Self {
            tab,
            memory,
            hints: Rc::default(),
            is_worker,
            user_id: Rc::new(RefCell::new(user_id.into())),
            tasks: RefCell::default(),
            events: RefCell::default(),
            is_dead: Cell::new(false),
            was_told: Cell::new(false),
            on_loss: Rc::default(),
            steps_until_crash: Cell::new(None),
        })
    }

    fn spawn(self: &Rc<Self>, world: &Rc<Inner>, task: impl Future<Output = ()> + 'static) {
        if self.is_dead.get() {
            return;
        }
        let (handle, registration) = AbortHandle::new_pair();
        self.tasks.borrow_mut().push(handle);
        let task = Abortable::new(task, registration);
        let (process, inner) = (self.clone(), world.clone());
        world
            .spawner
            .spawn_local(async move {
                let mut task = pin!(task);
                // Aborted by a crash, of which nobody is left to be told. In a frozen tab nothing moves, whatever happens.
                let _: Result<(), Aborted> = poll_fn(|context| {
                    if process.is_dead.get() {
                        return Poll::Ready(Err(Aborted));
                    }
                    if inner.poll_thawed(process.tab, context).is_pending() {
                        return Poll::Pending;
                    }
                    if process.crashes_now() {
                        process.die(&inner);
                        return Poll::Ready(Err(Aborted));
                    }
                    task.as_mut().poll(context)
                })
                .await;
            })
            .unwrap();
    }

    /// Whether this step is the one that it does not survive.
    fn crashes_now(&self) -> bool {
        let left = self.steps_until_crash.get();
        self.steps_until_crash.set(left.map(|left| left.saturating_sub(1)));
        left == Some(0)
    }

    /// Everything that runs in it ends where it stands.
    fn die(&self, world: &Inner) {
        if self.is_dead.replace(true) {
            return;
        }
        for task in self.tasks.take() {
            task.abort();
        }
        world.ears.borrow_mut().retain(|_, (tab, ..)| *tab != self.tab);
        world.connectivity.borrow_mut().retain(|_, (tab, _)| *tab != self.tab);
        world.forget_what_is_not_on_disk(&self.user_id.borrow());
        world.lose_memory(self.tab);
        world.show(Sight::Died { tab: self.tab });
    }
}

impl Inner {
    /// What a page has in memory, and nobody elsewhere, nobody has any longer.
    fn lose_memory(&self, tab: u64) {
        let Some(memory) = self.memories.borrow_mut().remove(&tab) else { return };
        let places = self.places();
        let memory = Opener::new(&self.disk.made.borrow()).open_table(&memory.committed()).unwrap();
        for user_id in memory.users() {
            // What became of some, nobody will ever read either.
            let entries = memory.documents(&user_id, Kind::History);
            let entries = entries.iter().filter_map(|(_, text)| serde_json::from_str::<Vec<(String, IgnoredAny)>>(text).ok());
            let settled = entries.flatten().map(|(id, _)| id);
            let lost = memory.all_rows(&user_id).into_iter().map(|row| row.id).chain(settled);
            let lost: Vec<String> = lost.filter(|id| places.find(&user_id, id).is_none()).collect();
            self.show(Sight::Lost { ids: &lost });
        }
    }

    /// A tab cannot use the disk, and keeps for itself what it is told, if there is nothing else.
    pub(super) fn may_be_split(&self) {
        self.server.borrow_mut().knows_tabs_apart |= self.texts.borrow().is_none();
    }

    /// What a tab sends out of its memory, it sends without knowing what it has read on a disk that it cannot use any longer.
    pub(super) fn may_send_from_memory(&self, tab: u64) {
        let table = self.memories.borrow().get(&tab).map(Memory::committed);
        if table.is_some_and(|table| table.users().iter().any(|user_id| !table.all_rows(user_id).is_empty())) {
            self.may_be_split();
        }
    }

    /// A moment that the server has named, and that did not get to the disk of who heard of it, is nobody's knowledge any longer.
    fn forget_what_is_not_on_disk(&self, user_id: &str) {
        let (gate, now) = (self.disk.record(user_id).gate, self.wall());
        let is_known = gate.reason(now) == Some(GateReason::ServerHint);
        // The one that is on disk may be an earlier one, which ends earlier.
        let until = if is_known { self.now().saturating_add(milliseconds(gate.remaining(now))) } else { 0 };
        self.server.borrow_mut().forget_the_pauses_of_queue(user_id, until);
    }
}

impl Tab {
    /// Opens a tab of `https://app.example` for a user, or for nobody if the id is empty. `options` are those of the SDK, as JSON members behind the base URL and the user.
    pub fn open(world: &World, user_id: &str, options: &str) -> Self {
        Self::start(world, Process::new(&world.inner, user_id, false), options)
    }

    /// Starts a service worker for a user: like a tab, except that it hears of nothing that happens to pages, nor of the network.
    pub fn open_worker(world: &World, user_id: &str, options: &str) -> Self {
        Self::start(world, Process::new(&world.inner, user_id, true), options)
    }

    fn start(world: &World, process: Rc<Process>, options: &str) -> Self {
        let user_id = process.user_id.borrow().clone();
        let user = if user_id.is_empty() { String::new() } else { format!(r#","userId":"{user_id}""#) };
        let text = format!(r#"{{"baseUrl":"https://api.example"{user}{options}}}"#);
        let options = Options::read(&text, "https://api.example", Rc::default()).unwrap();
        let page = Page { origin: Some("https://app.example".into()), is_isolated: false, traceparent: None };
        let surroundings = Surroundings::new(page, options.development, options.probe);
        let platform = TabPlatform::new(world.inner.clone(), process.clone(), surroundings, &options);
        Self { client: Client::open(platform, options), world: world.clone(), process }
    }

    /// Somebody else signs in: the application closes its client and opens one for the new user, in the same page.
    pub fn switch_user(&mut self, user_id: &str, options: &str) {
        self.client.close();
        // What the old one has heard and not written down, it never will.
        self.world.inner.forget_what_is_not_on_disk(&self.process.user_id.borrow());
        *self.process.user_id.borrow_mut() = user_id.into();
        self.client = Self::start(&self.world, self.process.clone(), options).client;
    }

    /// The events so far, as JSON.
    pub fn events(&self) -> Vec<String> {
        self.process.events.borrow().clone()
    }

    /// Starts something that the page does; it ends with the page.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.process.spawn(&self.world.inner, task);
    }

    /// From now on nothing runs in the tab, though time passes and answers arrive: as browsers do with pages that nobody looks at.
    pub fn freeze(&self) {
        let tab = self.process.tab;
        self.world.inner.frozen.borrow_mut().insert(tab);
        *self.world.inner.freezes.borrow_mut().entry(tab).or_default() += 1;
        self.world.inner.forget_what_is_not_on_disk(&self.process.user_id.borrow());
    }

    /// It is told that it is about to be frozen, and does what can be done without waiting. When it thaws it is told that, too.
    pub fn warn_of_freeze(&self) {
        self.hear(ConnectivityChange::Frozen);
        self.world.settle();
        self.process.was_told.set(true);
    }

    fn hear(&self, change: ConnectivityChange) {
        let listeners: Vec<_> = self.world.inner.connectivity.borrow().values().cloned().collect();
        for (_, listener) in listeners.into_iter().filter(|(tab, _)| *tab == self.process.tab) {
            listener(change);
        }
    }

    /// Whether it has a transaction under way: browsers do not freeze such a page.
    pub fn is_in_transaction(&self) -> bool {
        self.world.inner.disk.is_busy_for(self.process.tab)
    }

    /// It is told after a while that the browser has deleted what lies on disk.
    pub fn tell_of_loss(&self, after: Duration) {
        let (world, on_loss) = (self.world.inner.clone(), self.process.on_loss.clone());
        self.spawn(async move {
            world.sleep(after).await;
            if let Some(listener) = on_loss.borrow().clone() {
                listener();
            }
        });
    }

    /// It goes on where it stood. What should have happened in the meantime happens now, timers before anything from outside.
    pub fn thaw(&self) {
        self.world.inner.frozen.borrow_mut().remove(&self.process.tab);
        if self.process.was_told.replace(false) {
            self.hear(ConnectivityChange::Resumed);
        }
        for waiting in self.world.inner.until_thaw.take() {
            waiting.wake();
        }
    }

    /// It crashes when something in it has gone on so many more times: between any two moments at which it waits.
    pub fn crash_after(&self, steps: u32) {
        self.process.steps_until_crash.set(Some(steps));
    }

    /// It does not crash after all.
    pub fn survive(&self) {
        self.process.steps_until_crash.set(None);
    }

    /// Whether it has crashed.
    pub fn is_dead(&self) -> bool {
        self.process.is_dead.get()
    }

    /// It will never go on: what it has in memory, nobody will ever see.
    pub fn is_frozen_for_ever(&self) {
        self.world.inner.lose_memory(self.process.tab);
    }

    /// Forgets what it has in memory of others than who is signed in, which waits until they sign in again there. Gives the ids.
    pub fn forget_others(&self) -> Vec<String> {
        let (memory, user_id) = (self.process.memory.committed(), self.process.user_id.borrow().clone());
        let mut ids = Vec::new();
        for other in memory.users().into_iter().filter(|other| *other != user_id) {
            ids.extend(memory.all_rows(&other).into_iter().map(|row| row.id));
            self.process.memory.tamper(|table| {
                for lane in Lane::ALL {
                    table.delete(&other, lane, 0, u64::MAX);
                }
                table.write_document(&other, Kind::Queue, "", None);
            });
        }
        ids
    }

    /// By what the world tells tabs apart.
    pub fn number(&self) -> u64 {
        self.process.tab
    }

    /// Everything that runs in the tab ends where it stands. The disk keeps what was committed.
    pub fn crash(self) {
        self.process.die(&self.world.inner);
        self.client.close();
        self.thaw();
        self.world.settle();
    }
}

impl World {
    /// The ids of a user's actions, wherever they lie, in order.
    pub fn stored(&self, user_id: &str) -> Vec<String> {
        self.places().ids(user_id)
    }

    /// The ids of a user's files on disk, whatever holds them.
    pub fn kept_files(&self, user_id: &str) -> Vec<String> {
        let files = self.inner.disk.files.borrow();
        files.keys().filter(|(owner, _)| owner == user_id).map(|(_, id)| id.clone()).collect()
    }

    /// The ids of the files of a user of which it is known whether something holds them.
    pub fn held_files(&self, user_id: &str) -> Vec<String> {
        self.inner.disk.table().documents(user_id, Kind::File).into_iter().map(|(id, _)| id).collect()
    }

    /// A file of a user as it lies on disk.
    pub fn file_on_disk(&self, user_id: &str, id: &str) -> SimFile {
        self.inner.disk.files.borrow()[&(user_id.to_string(), id.to_string())].file.clone()
    }

    /// Makes each row of a user that has this text in it read that one instead.
    pub fn rewrite_rows(&self, user_id: &str, old: &str, new: &str) {
        self.inner.disk.rewrite(user_id, old, new);
    }

    /// What the disk does to transactions from now on.
    pub fn set_disk_faults(&self, faults: DiskFaults) {
        self.inner.disk.faults.set(faults);
    }

    /// From now on the disk is full, or it no longer is.
    pub fn fill_disk(&self, is_full: bool) {
        self.inner.disk.is_full.set(is_full);
    }

    /// All that is on disk is deleted.
    pub fn clear_disk(&self) {
        self.inner.disk.clear();
    }

    /// All that is in texts is deleted.
    pub fn clear_texts(&self) {
        self.inner.queue_texts.clear();
        if let Some(texts) = self.inner.texts.borrow_mut().as_mut() {
            texts.clear();
        }
    }

    /// From now on nobody can reach the disk, or everybody can.
    pub fn miss_disk(&self, is_missing: bool) {
        self.inner.disk.is_missing.set(is_missing);
        self.inner.disk.is_missing_for.borrow_mut().clear();
    }

    /// From now on that tab cannot reach the disk.
    pub fn miss_disk_in(&self, tab: &Tab) {
        self.inner.disk.is_missing_for.borrow_mut().insert(tab.number());
    }

    /// From now on nothing more goes into the texts in which queues are kept, or it does.
    pub fn fill_texts(&self, is_full: bool) {
        self.inner.queue_texts.fill(is_full);
    }

    /// From now on nobody can reach the texts in which queues are kept, or everybody can.
    pub fn deny_texts(&self, is_denied: bool) {
        self.inner.queue_texts.is_denied.set(is_denied);
    }

    /// After so many more commits, one fails.
    pub fn fail_a_commit_after(&self, commits: u32) {
        self.inner.disk.commits_until_failure.set(Some(commits));
    }
}

/// The platform of a tab.
pub struct TabPlatform {
    world: Rc<Inner>,
    process: Rc<Process>,
    http: SimHttp,
    store: TabStore,
    texts: SmallTexts,
    shared: Shared,
}

/// Where a tab keeps its queue: on the disk, below that in texts, below that in its memory; encrypted, if that is wanted.
pub type TabStore = Sealed<Ladder<SimStore, TextStore<SimTexts>, Memory, SmallTexts>, SimKeys>;

/// A tab's clock, randomness, locks, channel and connectivity: all of them are the world's.
pub struct Shared {
    world: Rc<Inner>,
    tab: u64,
    /// A channel hears all others of its name, those in the same page as well.
    channel: u64,
    is_worker: bool,
}

impl TabPlatform {
    /// The platform of a tab of `https://app.example` in which no client runs.
    pub fn bare(world: &World) -> Self {
        let page = Page { origin: Some("https://app.example".into()), is_isolated: false, traceparent: None };
        let options = Options::read(r#"{"baseUrl":"https://api.example"}"#, "https://api.example", Rc::default()).unwrap();
        Self::new(world.inner.clone(), Process::new(&world.inner, "", false), Surroundings::new(page, None, None), &options)
    }

    /// The events so far, as JSON.
    pub fn events(&self) -> Vec<String> {
        self.process.events.borrow().clone()
    }

    fn new(world: Rc<Inner>, process: Rc<Process>, surroundings: Surroundings, options: &Options) -> Self {
        let (tab, is_worker, credentials_of) = (process.tab, process.is_worker, process.user_id.clone());
        let channel = world.subscription_id();
        let disk = SimStore { world: world.clone(), tab, on_loss: process.on_loss.clone() };
        let queue_texts = TextStore::new(Journalled::new(SimTexts { world: world.clone() }, &channel.to_string()));
        let texts = SmallTexts { world: world.clone(), tab, own: Rc::default() };
        let hints = SmallTexts { own: process.hints.clone(), ..texts.clone() };
        let ladder = Ladder::new(disk, queue_texts, process.memory.clone(), hints);
        let keys = SimKeys { world: world.clone(), tab };
        Self {
            http: SimHttp { world: world.clone(), tab, surroundings, credentials_of },
            store: Sealed::new(ladder, keys, options.encryption, options.user_id.clone()),
            texts,
            shared: Shared { tab, channel, is_worker, world: world.clone() },
            world,
            process,
        }
    }
}

impl Platform for TabPlatform {
    type Clock = Shared;
    type Random = Shared;
    type Http = SimHttp;
    type Store = TabStore;
    type KeyValue = SmallTexts;
    type Locks = Shared;
    type Channel = Shared;
    type Connectivity = Shared;

    fn clock(&self) -> &Shared {
        &self.shared
    }
    fn random(&self) -> &Shared {
        &self.shared
    }
    fn http(&self) -> &SimHttp {
        &self.http
    }
    fn store(&self) -> &TabStore {
        &self.store
    }
    fn key_value(&self) -> &SmallTexts {
        &self.texts
    }
    fn locks(&self) -> &Shared {
        &self.shared
    }
    fn channel(&self) -> &Shared {
        &self.shared
    }
    fn connectivity(&self) -> &Shared {
        &self.shared
    }

    fn emit(&self, event: &Event) {
        if self.process.is_dead.get() {
            return;
        }
        self.world.show(Sight::Told { tab: self.process.tab, event });
        if self.world.remembers_events.get() {
            self.process.events.borrow_mut().push(serde_json::to_string(event).unwrap());
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.process.spawn(&self.world, task);
    }
}

impl Clock for Shared {
    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime(self.world.now())
    }

    fn wall(&self) -> WallTime {
        self.world.wall()
    }

    async fn sleep(&self, duration: Duration) {
        self.world.sleep(duration).await;
    }
}

impl Random for Shared {
    fn fill(&self, buffer: &mut [u8]) {
        self.world.fill(buffer);
    }
}

impl Locks for Shared {
    type Guard = Option<Held>;

    async fn acquire(&self, name: &str) -> Self::Guard {
        if !self.exclude() {
            return None;
        }
        Some(Acquisition::begin(&self.world, name).await)
    }

    async fn try_acquire(&self, name: &str) -> Option<Self::Guard> {
        if !self.exclude() {
            return Some(None);
        }
        Held::at_once(&self.world, name).map(Some)
    }

    fn exclude(&self) -> bool {
        self.world.locks_exclude.get()
    }

    async fn steal(&self, name: &str) -> Self::Guard {
        self.exclude().then(|| Held::stolen(&self.world, name))
    }
}

/// Ends when it is dropped.
pub struct Subscription {
    world: Rc<Inner>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.world.ears.borrow_mut().remove(&self.id);
        self.world.connectivity.borrow_mut().remove(&self.id);
    }
}

impl Channel for Shared {
    type Subscription = Subscription;

    fn post(&self, message: &str) {
        let listeners: Vec<u64> =
            self.world.ears.borrow().iter().filter(|(_, (_, channel, _))| *channel != self.channel).map(|(id, _)| *id).collect();
        for id in listeners {
            let (world, message) = (self.world.clone(), message.to_string());
            self.world.undelivered.set(self.world.undelivered.get() + 1);
            let delivery = async move {
                world.yield_for_a_while().await;
                let tab = world.ears.borrow().get(&id).map(|(tab, ..)| *tab);
                world.thawed(tab.unwrap_or_default()).await;
                let listener = world.ears.borrow().get(&id).cloned();
                if let Some((.., listener)) = listener {
                    listener(&message);
                }
                world.undelivered.set(world.undelivered.get() - 1);
            };
            self.world.spawner.spawn_local(delivery).unwrap();
        }
    }

    fn subscribe(&self, listener: Box<dyn Fn(&str)>) -> Subscription {
        let id = self.world.subscription_id();
        self.world.ears.borrow_mut().insert(id, (self.tab, self.channel, listener.into()));
        Subscription { world: self.world.clone(), id }
    }
}

impl Connectivity for Shared {
    type Subscription = Subscription;

    fn online(&self) -> bool {
        self.world.online.get()
    }

    fn visible(&self) -> bool {
        self.is_worker || self.world.visible.get()
    }

    fn subscribe(&self, listener: Box<dyn Fn(ConnectivityChange)>) -> Subscription {
        let id = self.world.subscription_id();
        if !self.is_worker {
            self.world.connectivity.borrow_mut().insert(id, (self.tab, listener.into()));
        }
        Subscription { world: self.world.clone(), id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::KeyValue as _;

    fn tab(world: &World) -> TabPlatform {
        TabPlatform::bare(world)
    }

    #[test]
    fn small_texts_are_shared_and_outlive_the_tab_that_wrote_them() {
        let world = World::new(0);
        let (writer, reader) = (tab(&world), tab(&world));
        assert_eq!(reader.key_value().read("breaker"), None);
        writer.key_value().write("breaker", "open");
        writer.key_value().write("other", "text");
        drop(writer);
        assert_eq!(reader.key_value().read("breaker").as_deref(), Some("open"));
        reader.key_value().remove("breaker");
        assert_eq!(tab(&world).key_value().read("breaker"), None);
        assert_eq!(tab(&world).key_value().read("other").as_deref(), Some("text"));
    }

    #[test]
    fn where_no_texts_are_shared_each_tab_remembers_for_itself() {
        let world = World::new(0);
        let (one, other) = (tab(&world), tab(&world));
        one.key_value().write("breaker", "closed");
        world.without_key_value();
        assert_eq!(one.key_value().read("breaker"), None);
        one.key_value().write("breaker", "open");
        assert_eq!(one.key_value().read("breaker").as_deref(), Some("open"));
        assert_eq!(other.key_value().read("breaker"), None);
    }

    #[test]
    fn a_lock_is_tried_without_waiting_for_its_holder() {
        let world = World::new(0);
        let (one, other) = (tab(&world), tab(&world));
        world.block_on(async move {
            let held = one.locks().acquire("probe").await;
            assert!(other.locks().try_acquire("probe").await.is_none());
            assert!(other.locks().try_acquire("another").await.is_some());
            drop(held);
            let held = other.locks().try_acquire("probe").await;
            assert!(held.is_some());
            assert!(one.locks().try_acquire("probe").await.is_none());
        });
    }

    #[test]
    fn where_locks_exclude_nobody_everybody_gets_one() {
        let world = World::new(0);
        world.without_locks();
        let (one, other) = (tab(&world), tab(&world));
        world.block_on(async move {
            let (held, tried) = (one.locks().acquire("probe").await, other.locks().try_acquire("probe").await);
            assert!(held.is_none());
            assert!(tried.is_some());
        });
    }
}
