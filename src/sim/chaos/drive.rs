//! What users, browsers, networks and disks do, step by step.

use super::super::network::{Faults, LONGEST_DELAY};
use super::super::server::ModelServer;
use super::super::tab::Tab;
use super::super::world::World;
use super::conditions::{Conditions, Step};
use super::promises::{Promises, USERS};
use super::{Report, finale};
use crate::queue::draft::Draft;
use crate::wire::Priority;
use std::rc::Rc;
use std::time::Duration;

/// One run.
pub(super) struct Run {
    pub(super) world: World,
    pub(super) conditions: Conditions,
    pub(super) promises: Rc<Promises>,
    pub(super) pages: Vec<Page>,
}

/// A page, or a service worker.
pub(super) struct Page {
    pub(super) tab: Tab,
    pub(super) user: usize,
    is_worker: bool,
    is_frozen: bool,
    /// When the browser ends it, if it is a service worker.
    ends_at: Option<u64>,
}

impl Run {
    pub(super) fn begin(world: World, conditions: Conditions, tells: bool) -> Self {
        let promises = Rc::new(Promises::new(conditions.locks, conditions.dedupes, tells));
        world.inner.witness.replace(Some(promises.clone()));
        world.without_events();
        promises.note(0, || format!("{conditions:?}"));
        if !conditions.locks {
            world.without_locks();
            promises.count("runs without locks");
        }
        if !conditions.key_value {
            world.without_key_value();
        }
        if conditions.refreshes {
            world.refresh_credentials();
        }
        world.server(|server| {
            server.forgets_requests = true;
            server.does_not_dedupe = !conditions.dedupes;
            server.tells_date = conditions.server_clock;
            server.answer_to_poison.clone_from(&conditions.answer_to_poison);
            server.moody = conditions.moody;
            // A drain that has begun may send once more, when no lock has kept it from beginning.
            server.grace = if conditions.locks { 0 } else { GRACE };
        });
        world.set_faults(conditions.weather(&world));
        let mut run = Self { world, conditions, promises, pages: Vec::new() };
        for number in 0..run.conditions.pages {
            run.open(number % run.conditions.users);
        }
        run
    }

    pub(super) fn play(mut self) -> Report {
        for _ in 0..self.conditions.length {
            let step = *self.world.inner.one_of(&self.conditions.steps);
            self.promises.note(self.world.now(), || format!("-- {step:?}"));
            self.take(step);
            self.pass(Duration::from_millis(self.world.below(200)));
            if self.promises.is_broken() {
                break;
            }
        }
        if !self.promises.is_broken() {
            finale::play(&mut self);
        }
        // What subscribes to the world is held by it, and would never be dropped.
        self.world.inner.witness.take();
        for page in self.pages.drain(..) {
            page.tab.crash();
        }
        let (tally, violation, trace) = self.promises.close();
        Report { tally, violation, trace }
    }

    /// Time passes, and what it does to pages is seen to.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.world.now() + u64::try_from(duration.as_millis()).unwrap();
        while let Some(ends_at) = self.pages.iter().filter_map(|page| page.ends_at).filter(|ends_at| *ends_at <= end).min() {
            self.world.advance(Duration::from_millis(ends_at.saturating_sub(self.world.now())));
            while let Some(place) = self.pages.iter().position(|page| page.ends_at.is_some_and(|moment| moment <= ends_at)) {
                self.pages.swap_remove(place).tab.crash();
            }
        }
        self.world.advance(Duration::from_millis(end - self.world.now()));
        self.bury();
        self.check();
    }

    pub(super) fn check(&self) {
        self.promises.check(&self.world, &self.stored());
    }

    /// What is stored, by user.
    pub(super) fn stored(&self) -> Vec<Vec<String>> {
        USERS.iter().take(self.conditions.users).map(|user| self.world.stored(user)).collect()
    }

    /// Removes the pages that have crashed. There is always one page left.
    pub(super) fn bury(&mut self) {
        while let Some(place) = self.pages.iter().position(|page| page.tab.is_dead()) {
            let page = self.pages.swap_remove(place);
            let user = page.user;
            page.tab.crash();
            if !page.is_worker {
                self.open(user);
            }
        }
        if !self.pages.iter().any(|page| !page.is_worker) {
            self.open(0);
        }
    }

    pub(super) fn open(&mut self, user: usize) {
        let tab = Tab::open(&self.world, USERS[user], &self.conditions.options);
        self.promises.note(self.world.now(), || format!("tab {} opens for {}", tab.number(), USERS[user]));
        self.pages.push(Page { tab, user, is_worker: false, is_frozen: false, ends_at: None });
    }

    pub(super) fn thaw(&mut self) {
        for page in self.pages.iter_mut().filter(|page| page.is_frozen) {
            self.promises.note(self.world.now(), || format!("tab {} thaws", page.tab.number()));
            self.promises.thaw(page.tab.number(), self.world.now());
            page.is_frozen = false;
            page.tab.thaw();
        }
    }

    /// One of the pages, not a service worker.
    fn any_page(&self) -> usize {
        let pages: Vec<usize> = (0..self.pages.len()).filter(|place| !self.pages[*place].is_worker).collect();
        *self.world.inner.one_of(&pages)
    }

    fn any_stored(&self, user: usize) -> Option<String> {
        let stored = self.world.stored(USERS[user]);
        (!stored.is_empty()).then(|| self.world.inner.one_of(&stored).clone())
    }

    fn below(&self, limit: u64) -> u64 {
        self.world.below(limit)
    }

    fn take(&mut self, step: Step) {
        let place = self.any_page();
        match step {
            Step::Enqueue => self.enqueue(place),
            Step::Nap => self.pass(Duration::from_millis(self.below(3_000))),
            Step::Sleep => self.pass(Duration::from_millis(self.below(120_000))),
            Step::Crash => {
                let page = self.pages.swap_remove(place);
                page.tab.crash();
                let user = if self.below(3) == 0 { self.other(page.user) } else { page.user };
                self.open(user);
            }
            Step::CrashSoon => self.pages[place].tab.crash_after(u32::try_from(self.below(60)).unwrap()),
            Step::Freeze => self.freeze_or_thaw(place),
            Step::Switch => self.switch(place),
            Step::WakeWorker => self.wake_worker(),
            Step::Weather => {
                let weather = self.conditions.weather(&self.world);
                self.promises.note(self.world.now(), || format!("{weather:?}"));
                self.world.set_faults(weather);
            }
            Step::Discard => self.discard(place),
            Step::Requeue => self.requeue(place),
            Step::Sync => {
                let client = self.pages[place].tab.client.clone();
                self.pages[place].tab.spawn(async move { drop(client.sync().await) });
            }
            Step::Online => self.world.set_online(self.below(2) == 0),
            Step::Visibility => match self.below(3) {
                0 => self.world.hide(),
                1 => self.world.show(),
                _ => self.world.resume(),
            },
            Step::Disk => self.world.fail_a_commit_after(u32::try_from(self.below(6)).unwrap()),
            Step::Jump => self.jump(),
            Step::Mood => self.change_mood(place),
            Step::Expire => {
                self.promises.count("credentials expired");
                self.world.server(|server| server.oldest_valid_token = server.newest_token + 1);
            }
        }
    }

    /// A page enqueues one to three actions, and may crash before it hears of it; some of them it then waits for.
    fn enqueue(&mut self, place: usize) {
        let page = &self.pages[place];
        let user = page.user;
        let actions: Vec<usize> = (0..=self.below(3))
            .map(|_| {
                let key = (self.below(10) >= self.conditions.keyless).then(|| self.below(self.conditions.keys));
                self.promises.plan(user, key.map(|key| key * 2 + user as u64))
            })
            .collect();
        let (named, waits) = (self.below(2) == 0, self.below(2) == 0);
        let drafts = actions.iter().map(|action| self.draft(*action, user, named)).collect();
        let (client, promises, world) = (page.tab.client.clone(), self.promises.clone(), Rc::downgrade(&self.world.inner));
        let (tab, behind) = (page.tab.number(), promises.highest(user));
        page.tab.spawn(async move {
            let enqueued = client.enqueue(drafts).await;
            let Some(now) = world.upgrade().map(|world| world.now()) else { return };
            let receipts = match enqueued {
                Ok(receipts) => receipts,
                Err(error) => {
                    promises.count("enqueues refused");
                    return promises.note(now, || format!("tab {tab} could not enqueue: {error}"));
                }
            };
            let receipts: Vec<_> =
                actions.into_iter().zip(receipts).map(|(action, receipt)| (action, receipt.id, receipt.seq)).collect();
            promises.note(now, || format!("tab {tab} is promised {receipts:?}"));
            promises.promise(now, behind, &receipts);
            if !waits {
                return;
            }
            let Some((action, id, _)) = receipts.into_iter().next() else { return };
            let Ok(outcome) = client.settled(&id) else { return };
            let wait = promises.wait(tab, action);
            drop(client);
            let outcome = outcome.await.ok();
            let Some(now) = world.upgrade().map(|world| world.now()) else { return };
            promises.end_wait(now, wait, outcome.as_ref().map(|outcome| outcome.get()));
        });
    }

    fn draft(&self, action: usize, user: usize, named: bool) -> Draft {
        let key = self.promises.key_of(action).map(|key| format!("key-{key}"));
        let id = named.then(|| format!("{}-{action}", USERS[user]));
        let member =
            |name: &str, value: Option<String>| value.map_or_else(String::new, |value| format!(r#","{name}":"{value}""#));
        let priority = *self.world.inner.one_of::<&str>(&Priority::NAMES);
        let (key, id) = (member("key", key), member("id", id));
        let fields = format!(r#"{{"type":"save_draft","priority":"{priority}"{key}{id}}}"#);
        Draft::read(&fields, format!(r#"{{"n":{action}}}"#)).unwrap()
    }

    fn other(&self, user: usize) -> usize {
        (user + 1) % self.conditions.users
    }

    fn freeze_or_thaw(&mut self, place: usize) {
        if self.below(3) == 0 {
            return self.thaw();
        }
        let page = &mut self.pages[place];
        self.promises.note(self.world.now(), || format!("tab {} freezes", page.tab.number()));
        self.promises.count("freezes");
        self.promises.freeze(page.tab.number());
        page.is_frozen = true;
        page.tab.freeze();
    }

    fn switch(&mut self, place: usize) {
        let user = self.other(self.pages[place].user);
        if user == self.pages[place].user {
            return;
        }
        let page = &mut self.pages[place];
        self.promises.count("users switched");
        self.promises.note(self.world.now(), || format!("tab {} is now {}'s", page.tab.number(), USERS[user]));
        self.promises.forget_waits(page.tab.number());
        page.user = user;
        page.tab.switch_user(USERS[user], &self.conditions.options);
    }

    fn wake_worker(&mut self) {
        if self.pages.iter().any(|page| page.is_worker) {
            return;
        }
        let user = usize::try_from(self.below(self.conditions.users as u64)).unwrap();
        let tab = Tab::open_worker(&self.world, USERS[user], &self.conditions.options);
        self.promises.count("service workers woken");
        self.promises.note(self.world.now(), || format!("tab {} is a service worker of {}", tab.number(), USERS[user]));
        let client = tab.client.clone();
        tab.spawn(async move { drop(client.sync().await) });
        if self.below(2) == 0 {
            tab.crash_after(u32::try_from(self.below(100)).unwrap());
        }
        let ends_at = Some(self.world.now() + self.below(30_000));
        self.pages.push(Page { tab, user, is_worker: true, is_frozen: false, ends_at });
    }

    /// The user takes something back: what was promised of it is void, whatever becomes of it.
    fn discard(&mut self, place: usize) {
        let page = &self.pages[place];
        let Some(id) = self.any_stored(page.user) else { return };
        self.promises.count("discards");
        self.promises.note(self.world.now(), || format!("the user of tab {} takes {id} back", page.tab.number()));
        self.promises.discard(&id);
        let client = page.tab.client.clone();
        page.tab.spawn(async move {
            // A disk that fails leaves it where it is.
            drop(client.discard(&id).await);
        });
    }

    fn requeue(&mut self, place: usize) {
        let page = &self.pages[place];
        let Some(id) = self.any_stored(page.user) else { return };
        self.promises.count("requeues");
        let client = page.tab.client.clone();
        page.tab.spawn(async move { drop(client.requeue(&id).await) });
    }

    fn jump(&mut self) {
        const LONGEST: [u64; 4] = [10_000, 3_600_000, 86_400_000, 365 * 86_400_000];
        let longest = *self.world.inner.one_of(&LONGEST);
        let by = i64::try_from(self.below(2 * longest)).unwrap() - i64::try_from(longest).unwrap();
        self.promises.count("jumps of the clock");
        self.promises.note(self.world.now(), || format!("the wall clock jumps by {by} ms"));
        self.world.jump_wall_clock(by);
        // Moments are kept by the wall clock: after it has jumped nobody knows when they are.
        self.world.server(ModelServer::forget_pauses);
    }

    /// The server changes its mind about what it will not take.
    fn change_mood(&mut self, place: usize) {
        let some = self.any_stored(self.pages[place].user);
        let kind = self.below(4);
        let stored: Vec<String> = self.stored().concat();
        let most = if self.conditions.breaks_silently() { MOST_THAT_BREAK } else { usize::MAX };
        self.world.server(|server| match (kind, some) {
            (0, Some(id)) if server.poison.len() < most => drop(server.poison.insert(id)),
            (1, Some(id)) => drop(server.conflicting.insert(id)),
            (2, _) => {
                server.poison.clear();
                server.conflicting.clear();
            }
            // Names that it may mention without having been asked.
            _ => server.strangers = stored,
        });
        self.promises.note(self.world.now(), || {
            self.world.server(|server| {
                let ModelServer { poison, conflicting, strangers, .. } = server;
                format!("the server does not like {poison:?}, has something against {conflicting:?}, and speaks of {strangers:?}")
            })
        });
    }

    /// What the faults have begun may take so long to end.
    pub(super) fn aftermath() -> Duration {
        Duration::from_millis(LONGEST_DELAY + 60_000)
    }

    pub(super) fn calm(&mut self) {
        self.world.set_faults(Faults::default());
        self.world.set_online(true);
    }
}

/// How long a drain that no lock has kept from beginning may take until it sends, in milliseconds.
const GRACE: u64 = 2_000;

impl Page {
    /// Whether it is a page, not a service worker.
    pub(super) fn is_page(&self) -> bool {
        !self.is_worker
    }
}

/// A server breaks on so many actions at a time, without a word as to which: with two of them, looking for one takes as long as
/// the other waits, and what is sent beside them may wait with them.
const MOST_THAT_BREAK: usize = 1;
