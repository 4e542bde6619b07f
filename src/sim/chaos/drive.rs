//! What users, browsers, networks and disks do, step by step.

use super::super::SimFile;
use super::super::books::{check_books_without, check_files};
use super::super::disk::DiskFaults;
use super::super::network::{Faults, LONGEST_DELAY};
use super::super::server::ModelServer;
use super::super::tab::{Tab, TabPlatform};
use super::super::world::{Inner, World};
use super::conditions::{Conditions, Step};
use super::promises::{Particulars, Promises, USERS};
use super::{Report, finale};
use crate::client::{Client, Edited, QueueError, Receipt};
use crate::platform::StoreErrorKind;
use crate::platform::tables::{Lane, Row};
use crate::queue::draft::Draft;
use crate::wire::Priority;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// One run.
pub(super) struct Run {
    pub(super) world: World,
    pub(super) conditions: Conditions,
    pub(super) promises: Rc<Promises>,
    pub(super) pages: Vec<Page>,
    /// Whether the disk may fail.
    is_disk_troubled: bool,
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
        let promises = Rc::new(Promises::new(&conditions, tells));
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
        let mut run = Self { world, conditions, promises, pages: Vec::new(), is_disk_troubled: false };
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
        if !self.conditions.locks && self.is_disk_troubled {
            // Who hears of a moment cannot write it down, and nothing keeps others from asking.
            self.world.server(ModelServer::forget_pauses);
        }
        let places = self.world.places();
        for user in USERS.iter().take(self.conditions.users) {
            for (place, table) in places.all() {
                if let Err(what) = check_books_without(places.shut(), table, user) {
                    self.promises.break_promise(self.world.now(), format!("the books of {user} in {place:?} are wrong: {what}"));
                }
            }
            let kept = self.world.kept_files(user);
            // What was deleted with all else is gone, and its action may be there again.
            let is_there = |action: &str, file: &String| kept.contains(file) || self.promises.may_lack_files(action);
            if let Err(what) = check_files(places.disk(), user, &is_there) {
                self.promises.break_promise(self.world.now(), format!("the files of {user} are not in order: {what}"));
            }
        }
        self.promises.check(&self.world, &places);
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
        let tab = Tab::open(&self.world, USERS[user], &self.conditions.options(&self.world));
        self.promises.note(self.world.now(), || format!("tab {} opens for {}", tab.number(), USERS[user]));
        self.pages.push(Page { tab, user, is_worker: false, is_frozen: false, ends_at: None });
        self.excuse_newcomers();
    }

    /// What the client of another page, or of another user, was told of the server as a whole, nothing tells a new one.
    fn excuse_newcomers(&self) {
        if !self.conditions.key_value {
            self.world.server(ModelServer::forget_pauses_of_all);
        }
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
            Step::Overtake => self.overtake(place),
            Step::Switch => self.switch(place),
            Step::WakeWorker => self.wake_worker(),
            Step::Weather => {
                let weather = self.conditions.weather(&self.world);
                self.promises.note(self.world.now(), || format!("{weather:?}"));
                self.world.set_faults(weather);
            }
            Step::Discard => self.discard(place),
            Step::Requeue => self.requeue(place),
            Step::Edit => self.edit(place),
            Step::Purge => self.purge(place),
            Step::Clear => self.clear(),
            Step::Newer => self.write_newer(self.pages[place].user),
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
            Step::Disk => self.trouble_disk(),
            Step::Lose => self.lose_a_place(place),
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
                self.promises.plan(user, key.map(|key| key * 2 + user as u64), self.particulars(user, key.is_some()))
            })
            .collect();
        let (named, waits) = (self.below(2) == 0, self.below(2) == 0);
        let drafts: Vec<Intended> = actions.iter().map(|action| self.draft(*action, user, named)).collect();
        let dawdles = (drafts.iter().any(|draft| !draft.files.is_empty()) && self.below(6) == 0).then(|| self.below(100_000));
        let (client, promises, world) = (page.tab.client.clone(), self.promises.clone(), Rc::downgrade(&self.world.inner));
        let (tab, behind, life) = (page.tab.number(), promises.highest(user), promises.life());
        let of_client = promises.client_of(tab);
        page.tab.spawn(async move {
            let enqueued = enqueue_with_files(&client, &promises, &world, drafts, dawdles).await;
            let Some(now) = world.upgrade().map(|world| world.now()) else { return };
            let receipts = match enqueued {
                Ok(receipts) => receipts,
                Err(error) => {
                    promises.count("enqueues refused");
                    return promises.note(now, || format!("tab {tab} could not enqueue: {error}"));
                }
            };
            let receipts: Vec<_> = actions.into_iter().zip(receipts).collect();
            promises.note(now, || format!("tab {tab} is promised {receipts:?}"));
            promises.promise(now, of_client, (behind, life), &receipts);
            if !waits {
                return;
            }
            let Some((action, Receipt { id, .. })) = receipts.into_iter().next() else { return };
            let Ok(outcome) = client.settled(&id) else { return };
            let wait = promises.wait(tab, action);
            drop(client);
            let outcome = outcome.await.ok();
            let Some(now) = world.upgrade().map(|world| world.now()) else { return };
            promises.end_wait(now, wait, outcome.as_ref().map(|outcome| outcome.get()));
        });
    }

    fn draft(&self, action: usize, user: usize, named: bool) -> Intended {
        let key = self.promises.key_of(action).map(|key| format!("key-{key}"));
        let id = named.then(|| format!("{}-{action}", USERS[user]));
        let member =
            |name: &str, value: Option<String>| value.map_or_else(String::new, |value| format!(r#","{name}":"{value}""#));
        let priority = *self.world.inner.one_of::<&str>(&Priority::NAMES);
        let (key, id) = (member("key", key), member("id", id));
        let (particulars, data) = self.promises.to_enqueue(action);
        let fields = format!(r#""type":"save_draft","priority":"{priority}"{key}{id}{particulars}"#);
        Intended { fields, data, files: self.promises.files_of(action) }
    }

    /// What is special about an action.
    fn particulars(&self, user: usize, has_key: bool) -> Particulars {
        let one_in = |odds: u64| self.below(odds) == 0;
        let Conditions { coalesces, expires, depends, whole, files, .. } = self.conditions;
        let is_whole = whole && one_in(3);
        let files = if files && one_in(4) { 1 + usize::try_from(self.below(2)).unwrap() } else { 0 };
        // What a file says is not put together with what another action has come to.
        let depends = depends && !(is_whole && files > 0);
        Particulars {
            is_whole,
            files,
            is_once: is_whole && one_in(3),
            coalescing: (coalesces && has_key && one_in(3)).then(|| *self.world.inner.one_of(&["replace", "dropOlder"])),
            time_to_live: (expires && one_in(4)).then(|| 1 + self.below(120_000)),
            depends_on: if depends && one_in(4) {
                let others = self.promises.latest(user);
                (!others.is_empty()).then(|| *self.world.inner.one_of(&others))
            } else {
                None
            },
        }
    }

    /// A user changes what is to be sent.
    fn edit(&mut self, place: usize) {
        let page = &self.pages[place];
        let Some(id) = self.any_stored(page.user) else { return };
        let Some(edit) = self.promises.begin_edit(&id) else { return };
        self.promises.note(self.world.now(), || format!("the user of tab {} makes {} of {id}", page.tab.number(), edit.data));
        let (client, promises, world) = (page.tab.client.clone(), self.promises.clone(), Rc::downgrade(&self.world.inner));
        let data = Draft::read_data(&edit.data).unwrap();
        let requeues = self.below(3) == 0;
        let is_put_aside = self.world.places().find(USERS[page.user], &id).as_ref().is_some_and(is_put_aside);
        if requeues {
            self.promises.repeat(&id);
        }
        if requeues && is_put_aside {
            self.promises.put_back(&self.world, &id);
        }
        page.tab.spawn(async move {
            let Ok(queue) = client.queue().cloned() else { return };
            drop(client);
            let is_certain = if requeues {
                if queue.requeue(&id, Some(data)).await.is_ok_and(|is_there| is_there) {
                    promises.is_put_back(&id);
                }
                false
            } else {
                matches!(queue.edit(&id, data).await, Ok(Edited::Done))
            };
            drop(queue);
            if let Some(world) = world.upgrade() {
                let sent = world.server.borrow().last_sent();
                promises.end_edit(&edit, is_certain.then_some(sent));
            }
        });
    }

    /// A user signs out for good, and leaves nothing behind.
    fn purge(&mut self, place: usize) {
        let page = &self.pages[place];
        self.promises.note(self.world.now(), || format!("the user of tab {} leaves nothing behind", page.tab.number()));
        self.promises.count("purges");
        self.promises.purge(page.user);
        let client = page.tab.client.clone();
        page.tab.spawn(async move {
            let Ok(queue) = client.queue().cloned() else { return };
            drop(client);
            drop(queue.purge().await);
        });
    }

    /// The browser's data is deleted, and the queues with it.
    fn clear(&self) {
        self.promises.note(self.world.now(), || "all that is on disk is gone".into());
        self.promises.count("disks cleared");
        let awake = self.pages.iter().filter(|page| page.is_awake() && !page.tab.is_dead());
        self.promises.clear(&awake.map(|page| (page.tab.number(), page.user)).collect::<Vec<_>>());
        self.world.clear_disk();
        if self.below(2) == 0 {
            self.world.clear_texts();
        }
        for page in self.pages.iter().filter(|page| !page.is_frozen) {
            page.tab.tell_of_loss(Duration::from_millis(self.below(5_000)));
        }
        self.world.server(ModelServer::forget_pauses);
    }

    /// A newer version has been here, and has written one of the rows.
    fn write_newer(&self, user: usize) {
        if self.pages.iter().any(|page| page.tab.is_in_transaction()) {
            return;
        }
        let (disk, user) = (&self.world.inner.disk, USERS[user]);
        let record = disk.record(user);
        let rows: Vec<Row> = disk.rows(user).into_iter().filter(|row| !record.is_in_flight(row.seq)).collect();
        if rows.is_empty() {
            return;
        }
        let row = self.world.inner.one_of(&rows);
        self.promises.count("rows of a newer version");
        // Nobody can put it back.
        self.promises.is_not_put_back(&row.id);
        self.promises.note(self.world.now(), || format!("a newer version has written {}", row.id));
        self.world.rewrite_rows(user, &format!(r#"{CURRENT}"id":"{}""#, row.id), &format!(r#"{NEWER}"id":"{}""#, row.id));
    }

    /// What a newer version has written can be read by this one after all.
    pub(super) fn understand_all(&mut self) {
        for _ in 0..LONGEST_BUSTLE {
            if !self.pages.iter().any(|page| page.tab.is_in_transaction()) {
                break;
            }
            self.world.advance(Duration::from_millis(1));
        }
        for (user, name) in USERS.iter().enumerate().take(self.conditions.users) {
            self.world.rewrite_rows(name, NEWER, CURRENT);
            self.open(user);
        }
    }

    fn other(&self, user: usize) -> usize {
        (user + 1) % self.conditions.users
    }

    fn freeze_or_thaw(&mut self, place: usize) {
        if self.below(3) == 0 {
            return self.thaw();
        }
        let politely = self.below(2) == 0;
        self.freeze(place, politely);
    }

    /// Freezes a page as soon as it has no transaction under way.
    fn freeze(&mut self, place: usize, politely: bool) {
        let page = &mut self.pages[place];
        if page.is_frozen || page.tab.is_dead() {
            return;
        }
        if politely {
            page.tab.warn_of_freeze();
        }
        for _ in 0..LONGEST_TRANSACTION {
            if !page.tab.is_in_transaction() {
                break;
            }
            self.world.advance(Duration::from_millis(1));
        }
        if page.tab.is_in_transaction() || page.tab.is_dead() {
            return;
        }
        self.promises.note(self.world.now(), || format!("tab {} freezes, and is told: {politely}", page.tab.number()));
        self.promises.count("freezes");
        self.promises.freeze(page.tab.number());
        page.is_frozen = true;
        page.tab.freeze();
    }

    /// A page stands still while it waits for an answer. Another one takes over, users put back what that one has put aside, and then
    /// the first one goes on.
    fn overtake(&mut self, place: usize) {
        if self.pages[place].is_frozen {
            return;
        }
        let (user, tab) = (self.pages[place].user, self.pages[place].tab.number());
        self.enqueue(place);
        self.pass(Duration::from_millis(self.below(10)));
        self.change_mood_to(self.below(2), user);
        let promises = self.promises.clone();
        let sends = self.world.run_until(Duration::from_secs(1), || promises.sends(tab));
        let Some(place) = self.pages.iter().position(|page| page.tab.number() == tab).filter(|_| sends) else { return };
        self.freeze(place, false);
        self.open(user);
        let other = self.pages.len() - 1;
        for _ in 0..2 {
            let client = self.pages[other].tab.client.clone();
            self.pages[other].tab.spawn(async move { drop(client.sync().await) });
            self.world.advance(Duration::from_millis(20_000 + self.below(20_000)));
        }
        self.promises.count("pages overtaken");
        if self.below(2) == 0 {
            self.world.server(|server| {
                server.poison.clear();
                server.conflicting.clear();
            });
        }
        // What lies there as a dead letter may soon be gone from there.
        self.check();
        for id in self.world.stored(USERS[user]) {
            self.put_back(other, id);
        }
        self.world.advance(Duration::from_millis(self.below(60)));
        self.thaw();
        self.pass(Duration::from_millis(100));
    }

    fn trouble_disk(&mut self) {
        if self.below(2) == 0 {
            return self.world.fail_a_commit_after(u32::try_from(self.below(6)).unwrap());
        }
        let (faults, is_full) = if self.below(3) == 0 { Default::default() } else { self.conditions.disk(&self.world) };
        self.promises.note(self.world.now(), || format!("{faults:?}, full: {is_full}"));
        self.world.set_disk_faults(faults);
        self.world.fill_disk(is_full);
        self.is_disk_troubled = true;
        if is_full {
            self.promises.count("disks full");
        }
    }

    /// A place in which the queue is kept cannot be used for a while.
    fn lose_a_place(&mut self, place: usize) {
        let kind = self.below(8);
        self.promises.note(self.world.now(), || {
            let what = ["", "", "the disk is lost", "nobody has the disk", "the texts are full", "the texts are lost"];
            let what = what.get(usize::try_from(kind).unwrap()).unwrap_or(&"all places are there again");
            format!("{what} in tab {}", self.pages[place].tab.number())
        });
        self.promises.count("places lost, or found");
        match kind {
            0..3 => self.world.miss_disk_in(&self.pages[place].tab),
            3 => self.world.miss_disk(true),
            4 => self.world.fill_texts(true),
            5 => self.world.deny_texts(true),
            _ => self.find_all_places(),
        }
        self.is_disk_troubled = true;
    }

    fn find_all_places(&self) {
        self.world.miss_disk(false);
        self.world.fill_texts(false);
        self.world.deny_texts(false);
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
        self.promises.changes_hands(page.tab.number());
        page.user = user;
        page.tab.switch_user(USERS[user], &self.conditions.options(&self.world));
        self.excuse_newcomers();
    }

    fn wake_worker(&mut self) {
        if self.pages.iter().any(|page| page.is_worker) {
            return;
        }
        let user = usize::try_from(self.below(self.conditions.users as u64)).unwrap();
        let tab = Tab::open_worker(&self.world, USERS[user], &self.conditions.options(&self.world));
        self.excuse_newcomers();
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
        self.put_back(place, id);
    }

    fn put_back(&self, place: usize, id: String) {
        let page = &self.pages[place];
        let is_put_aside = self.world.places().find(USERS[page.user], &id).as_ref().is_some_and(is_put_aside);
        self.promises.count("requeues");
        self.promises.repeat(&id);
        self.promises.note(self.world.now(), || format!("the user of tab {} puts {id} back", page.tab.number()));
        if is_put_aside {
            self.promises.put_back(&self.world, &id);
        }
        let (client, promises) = (page.tab.client.clone(), self.promises.clone());
        page.tab.spawn(async move {
            if client.requeue(&id).await.is_ok_and(|is_there| is_there) {
                promises.is_put_back(&id);
            }
        });
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
        self.change_mood_to(self.below(4), self.pages[place].user);
    }

    fn change_mood_to(&self, kind: u64, user: usize) {
        let some = self.any_stored(user);
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
        self.world.set_disk_faults(DiskFaults::default());
        self.world.fill_disk(false);
        self.find_all_places();
        self.is_disk_troubled = false;
        self.world.set_online(true);
    }

    /// Some of the pages that stand still go on; the others never will.
    pub(super) fn thaw_some(&mut self) {
        if self.below(3) > 0 {
            return self.thaw();
        }
        for page in self.pages.iter().filter(|page| page.is_frozen) {
            self.promises.note(self.world.now(), || format!("tab {} is frozen for ever", page.tab.number()));
            self.promises.count("pages frozen for ever");
            page.tab.is_frozen_for_ever();
            self.promises.forget_waits(page.tab.number());
        }
    }
}

/// What a user wants to put into the queue.
struct Intended {
    /// The members of the draft but for its files.
    fields: String,
    data: String,
    /// The members and the content of each file.
    files: Vec<(String, SimFile)>,
}

impl Intended {
    /// The draft, if its files were stored under these ids.
    fn draft(&self, ids: &mut impl Iterator<Item = String>) -> Draft {
        let files: Vec<String> =
            self.files.iter().zip(ids).map(|((fields, _), id)| format!(r#"{{"id":"{id}",{fields}}}"#)).collect();
        let files = if files.is_empty() { String::new() } else { format!(r#","files":[{}]"#, files.join(",")) };
        Draft::read(&format!("{{{}{files}}}", self.fields), &self.data).unwrap()
    }
}

/// Stores files and puts their actions into the queue, as the facade does: if the files are gone by then, once more.
async fn enqueue_with_files(
    client: &Client<TabPlatform>,
    promises: &Promises,
    world: &Weak<Inner>,
    drafts: Vec<Intended>,
    dawdles: Option<u64>,
) -> Result<Vec<Receipt>, QueueError> {
    let files: Vec<SimFile> = drafts.iter().flat_map(|draft| &draft.files).map(|(_, file)| file.clone()).collect();
    let mut may_try_again = !files.is_empty();
    loop {
        let mut ids = Vec::new();
        if !files.is_empty() {
            ids = client.queue()?.store_files(files.clone()).await?;
            promises.count("files stored");
            if let (Some(time), Some(world)) = (dawdles, world.upgrade()) {
                world.sleep(Duration::from_millis(time)).await;
            }
        }
        let mut named = ids.iter().cloned();
        let enqueued = client.enqueue(drafts.iter().map(|draft| draft.draft(&mut named)).collect()).await;
        match enqueued {
            Err(QueueError::Store(error)) if error.kind == StoreErrorKind::FilesGone && std::mem::take(&mut may_try_again) => {
                promises.count("files stored again");
            }
            Err(error) if !ids.is_empty() => {
                // What is left of them is swept up.
                if let Ok(queue) = client.queue().cloned() {
                    drop(queue.drop_files(&ids).await);
                }
                return Err(error);
            }
            enqueued => return enqueued,
        }
    }
}

/// How the text of a row begins, and how that of a newer version would.
const CURRENT: &str = r#""schemaVersion":2,"#;
const NEWER: &str = r#""schemaVersion":3,"#;

/// Whether a row waits for a decision.
pub(super) fn is_put_aside(row: &Row) -> bool {
    matches!(row.lane, Lane::Dead | Lane::Conflict) && !row.text.contains(NEWER)
}

/// How long a page may have a transaction under way when it is to be frozen, in milliseconds.
const LONGEST_TRANSACTION: u32 = 100;

/// How long one of several pages or another may have one, in milliseconds.
const LONGEST_BUSTLE: u32 = 10_000;

/// How long a drain that no lock has kept from beginning may take until it sends, in milliseconds.
const GRACE: u64 = 2_000;

impl Page {
    /// Whether it is a page, not a service worker, and something happens in it.
    pub(super) fn is_awake(&self) -> bool {
        !self.is_worker && !self.is_frozen
    }
}

/// A server breaks on so many actions at a time, without a word as to which: with two of them, looking for one takes as long as
/// the other waits, and what is sent beside them may wait with them.
const MOST_THAT_BREAK: usize = 1;
