//! What was promised, what came of it, and whether the two agree. Nothing here knows how the queue works: only what pages were
//! told, what was sent, what the server did, and what is stored.

use super::super::network::SimRequest;
use super::super::server::{THINGS, batch_of};
use super::super::witness::{Sight, Witness};
use super::super::world::World;
use super::conditions::Conditions;
use super::drive::is_put_aside;
use super::tally::Tally;
use crate::event::Event;
use crate::platform::tables::{Kind, Lane};
use crate::store::Table;
use crate::wire::{ActionResult, ActionStatus, QUEUE_ACTIONS_PATH, QueueActionsRequest, WireAction};
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// All users there may be.
pub(super) const USERS: [&str; 2] = ["ada", "bob"];
/// The statuses with which a server says of a lone action that it will never take it as it is.
const FINAL: [u16; 6] = [400, 404, 409, 410, 413, 422];
/// The code of an action whose dependency was not applied.
const DEPENDENCY_FAILED: &str = "ACTION_DEPENDENCY_FAILED";
/// The code of a request that may have been carried out, and must not be sent again.
const OUTCOME_UNKNOWN: &str = "REQUEST_OUTCOME_UNKNOWN";
/// As much as is told of an event.
const LONGEST_LINE: usize = 400;

/// Keeps the books.
#[derive(Debug)]
pub(super) struct Promises {
    books: RefCell<Books>,
    tells: bool,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "conditions of a run, each by itself")]
struct Books {
    locks: bool,
    dedupes: bool,
    /// By number.
    actions: Vec<Known>,
    by_id: HashMap<String, usize>,
    /// Those that were promised and are not settled.
    open: Vec<usize>,
    keys: HashMap<(usize, u64), Key>,
    /// When the pages that stood still last went on.
    thawed: HashMap<u64, u64>,
    /// What was sent under each idempotency key.
    bodies: HashMap<String, u64>,
    /// The highest place that was promised, by user.
    highest: [Option<u64>; 2],
    under_way: Vec<UnderWay>,
    waits: Vec<Wait>,
    /// What users have put back of what the server did not take, by number: since which request, and whether it is on disk. The server
    /// has said nothing of it since.
    put_back: HashMap<usize, (u64, bool)>,
    /// What users have taken back, which the books may not know by number yet.
    discarded: HashSet<String>,
    /// What depends on something that will never be applied, which the books may not know by number yet.
    without_dependency: HashSet<String>,
    /// What the server breaks on, without a word as to whether it will ever take it.
    breaking: BTreeSet<String>,
    /// Whether what has been sent arrives, if at all, while its page waits for it; whether some are given up for others.
    has_echoes: bool,
    evicts: bool,
    has_frozen: bool,
    has_edits: bool,
    /// By user.
    has_purged: [bool; 2],
    /// How often all has been deleted.
    life: u64,
    violation: Option<String>,
    tally: Tally,
    lines: Vec<String>,
}

/// An action.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that may have happened to it")]
struct Known {
    user: usize,
    key: Option<u64>,
    id: Option<String>,
    seq: Option<u64>,
    is_promised: bool,
    /// How often the server has applied it.
    applied: u32,
    /// The server has said, or meant to say, that it will never take it.
    is_refused: bool,
    /// The server has said, or meant to say, that something stands against it.
    is_conflicting: bool,
    is_discarded: bool,
    /// A policy has given it up, and said so.
    is_given_up: bool,
    /// What it depends on will never be applied.
    has_lost_its_dependency: bool,
    particulars: Particulars,
    /// What it may arrive with.
    data: Vec<String>,
    /// What it was before it was edited, and the last request that may have been sent with that.
    outdated: Option<(Vec<String>, u64)>,
    is_being_edited: bool,
    /// A user has wanted it sent again.
    may_be_repeated: bool,
}

/// What is special about an action.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Particulars {
    pub(super) coalescing: Option<&'static str>,
    /// In milliseconds.
    pub(super) time_to_live: Option<u64>,
    /// The number of another one.
    pub(super) depends_on: Option<usize>,
    /// Whether it is sent by itself, to an endpoint of its own; and if so, whether it must not be sent twice.
    pub(super) is_whole: bool,
    pub(super) is_once: bool,
}

/// A change of an action's data.
#[derive(Debug)]
pub(super) struct Edit {
    action: usize,
    pub(super) data: String,
}

impl Books {
    /// Whether what the server has not applied by the time of its answer it never will, unless it is asked again.
    fn is_certain(&self) -> bool {
        self.dedupes && !self.has_echoes && !self.has_frozen
    }
}

impl Known {
    /// Whether it may arrive with that.
    fn may_be(&self, data: &str, number: usize) -> bool {
        if let (Some(other), false) = (self.particulars.depends_on, self.has_lost_its_dependency) {
            return data == format!(r#"{{"n":{number},"after":{other}}}"#) || self.data.iter().skip(1).any(|known| known == data);
        }
        self.data.iter().any(|known| known == data)
    }

    fn is_settled(&self) -> bool {
        self.applied > 0 || self.is_discarded || self.is_given_up
    }

    /// Whether it may be applied out of its turn: a dead letter does not hold its key, so that what is put back later comes
    /// later; neither does what was discarded, whose request may still be on its way.
    fn is_out_of_turn(&self) -> bool {
        self.is_refused || self.is_discarded || self.is_given_up
    }
}

/// What the server has applied of a key.
#[derive(Debug, Default)]
struct Key {
    /// In the order of their first application.
    applied: Vec<usize>,
    is_checked: bool,
}

/// A page that stood still may not have noticed for so long, in milliseconds, that another has taken over: until its next transaction.
const OVERTAKEN_UNAWARE: u64 = 60_000;

/// A request that its page waits for.
#[derive(Debug)]
struct UnderWay {
    number: u64,
    tab: u64,
    user: usize,
    /// Whether its page stood still meanwhile, so that others may have taken over.
    was_frozen: bool,
}

/// A page that waits for an action to be settled.
#[derive(Debug)]
struct Wait {
    tab: u64,
    action: usize,
    is_over: bool,
}

impl Promises {
    pub(super) fn new(conditions: &Conditions, tells: bool) -> Self {
        let Conditions { locks, dedupes, evicts, .. } = *conditions;
        let has_echoes = conditions.has_echoes();
        Self { books: RefCell::new(Books { locks, dedupes, has_echoes, evicts, ..Books::default() }), tells }
    }

    /// Tells what happens, if it is to be told.
    pub(super) fn note(&self, now: u64, line: impl FnOnce() -> String) {
        if self.tells {
            let mut line = line();
            if let Some((end, _)) = line.char_indices().nth(LONGEST_LINE) {
                line.truncate(end);
                line.push('…');
            }
            let (minutes, seconds, millis) = (now / 60_000, now / 1000 % 60, now % 1000);
            self.books.borrow_mut().lines.push(format!("{minutes:>5}:{seconds:02}.{millis:03}  {line}"));
        }
    }

    pub(super) fn count(&self, name: &'static str) {
        self.books.borrow_mut().tally.count(name);
    }

    /// A promise is broken. Only the first is kept.
    pub(super) fn break_promise(&self, now: u64, what: String) {
        self.note(now, || format!("BROKEN: {what}"));
        self.books.borrow_mut().violation.get_or_insert(what);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.books.borrow().violation.is_some()
    }

    /// The end: what happened, what was broken, and the trace.
    pub(super) fn close(&self) -> (Tally, Option<String>, Vec<String>) {
        let mut books = self.books.borrow_mut();
        (std::mem::take(&mut books.tally), books.violation.take(), std::mem::take(&mut books.lines))
    }

    /// A user is about to enqueue an action of that key. Gives its number.
    pub(super) fn plan(&self, user: usize, key: Option<u64>, particulars: Particulars) -> usize {
        let mut books = self.books.borrow_mut();
        books.tally.count("actions enqueued");
        let number = books.actions.len();
        let data = match particulars.depends_on.and_then(|other| books.actions[other].id.clone()) {
            Some(id) => format!(r#"{{"n":{number},"after":{{"$result":"{id}","at":"/n"}}}}"#),
            None => format!(r#"{{"n":{number}}}"#),
        };
        books.actions.push(Known { user, key, particulars, data: vec![data], ..Known::default() });
        number
    }

    /// The further members of an action that is to be enqueued, and its data.
    pub(super) fn to_enqueue(&self, action: usize) -> (String, String) {
        let books = self.books.borrow();
        let Known { particulars, data, .. } = &books.actions[action];
        let coalesce = particulars.coalescing.map(|how| format!(r#","coalesce":"{how}""#));
        let time_to_live = particulars.time_to_live.map(|age| format!(r#","ttlMs":{age}"#));
        let other = particulars.depends_on.and_then(|other| books.actions[other].id.clone());
        let depends_on = other.map(|id| format!(r#","dependsOn":"{id}""#));
        let request = particulars.is_whole.then(|| {
            let header = books.actions[action].key.map_or_else(String::new, |key| format!(r#",["x-key","key-{key}"]"#));
            let user = USERS[books.actions[action].user];
            let replay = if particulars.is_once { r#","replay":"onlyIfUnsent""# } else { "" };
            let headers = format!(r#"[["Content-Type","application/json"],["Authorization","stale"]{header}]"#);
            format!(
                r#","request":{{"method":"POST","url":"https://api.example{THINGS}{user}","headers":{headers},"body":"data"{replay}}}"#
            )
        });
        ([coalesce, time_to_live, depends_on, request].into_iter().flatten().collect(), data[0].clone())
    }

    /// The last actions that a user was promised, by number.
    pub(super) fn latest(&self, user: usize) -> Vec<usize> {
        let books = self.books.borrow();
        let promised = books.actions.iter().enumerate().rev().filter(|(_, known)| known.user == user && known.is_promised);
        promised.map(|(number, _)| number).take(6).collect()
    }

    /// A user is about to change the data of an action; one change at a time.
    pub(super) fn begin_edit(&self, id: &str) -> Option<Edit> {
        let mut books = self.books.borrow_mut();
        let action = books.by_id.get(id).copied()?;
        books.has_edits = true;
        books.tally.count("edits");
        let known = &mut books.actions[action];
        if std::mem::replace(&mut known.is_being_edited, true) {
            return None;
        }
        let data = format!(r#"{{"n":{action},"v":{}}}"#, known.data.len());
        known.data.push(data.clone());
        Some(Edit { action, data })
    }

    /// It is changed for certain, for all requests after this one; or it may be.
    pub(super) fn end_edit(&self, edit: &Edit, since: Option<u64>) {
        let mut books = self.books.borrow_mut();
        let known = &mut books.actions[edit.action];
        known.is_being_edited = false;
        if let Some(since) = since {
            let others = known.data.iter().filter(|data| **data != edit.data).cloned().collect();
            known.outdated = Some((others, since));
            if known.particulars.depends_on.is_some() {
                // What is put in looks different from what names it.
                known.outdated = None;
            }
            books.tally.count("edits done");
        }
    }

    /// A user takes all back.
    pub(super) fn purge(&self, user: usize) {
        let mut books = self.books.borrow_mut();
        books.has_purged[user] = true;
        for known in books.actions.iter_mut().filter(|known| known.user == user) {
            known.is_discarded = true;
        }
    }

    /// All is gone.
    pub(super) fn clear(&self) {
        let mut books = self.books.borrow_mut();
        books.life += 1;
        books.highest = [None; 2];
        books.put_back.clear();
        for known in &mut books.actions {
            known.is_discarded = true;
        }
    }

    /// How often all has been deleted.
    pub(super) fn life(&self) -> u64 {
        self.books.borrow().life
    }

    /// The key of an action.
    pub(super) fn key_of(&self, action: usize) -> Option<u64> {
        self.books.borrow().actions[action].key
    }

    /// The highest place that a user was promised so far: what is enqueued from now on stands behind it.
    pub(super) fn highest(&self, user: usize) -> Option<u64> {
        self.books.borrow().highest[user]
    }

    /// A page was promised these actions, in this order, behind that place.
    pub(super) fn promise(&self, now: u64, behind: Option<u64>, receipts: &[(usize, String, u64)]) {
        let mut last = behind;
        for (action, id, seq) in receipts {
            let replaces = self.books.borrow().actions[*action].particulars.coalescing == Some("replace");
            if last.is_some_and(|last| *seq <= last) && !replaces {
                self.break_promise(now, format!("{id} was enqueued behind the place {last:?} and got the place {seq}"));
            }
            last = last.max(Some(*seq));
            self.identify(now, *action, id);
            let mut books = self.books.borrow_mut();
            let books = &mut *books;
            books.tally.count("actions promised");
            let known = &mut books.actions[*action];
            known.seq = Some(*seq);
            known.is_promised = true;
            books.highest[known.user] = books.highest[known.user].max(Some(*seq));
            if let Some(key) = known.key {
                books.keys.entry((known.user, key)).or_default().is_checked = false;
            }
            if !known.is_settled() {
                books.open.push(*action);
            }
        }
    }

    /// An action has that id, and no other.
    fn identify(&self, now: u64, action: usize, id: &str) {
        let mut books = self.books.borrow_mut();
        let is_discarded = books.discarded.contains(id);
        let is_without_dependency = books.without_dependency.contains(id);
        let Some(known) = books.actions.get_mut(action) else {
            drop(books);
            return self.break_promise(now, format!("nobody has enqueued what {id} does"));
        };
        known.is_discarded |= is_discarded;
        known.has_lost_its_dependency |= is_without_dependency;
        known.is_refused |= is_without_dependency;
        match &known.id {
            Some(other) if other != id => {
                let other = other.clone();
                drop(books);
                self.break_promise(now, format!("{other} has become {id}: an id is stable across attempts"));
            }
            Some(_) => {}
            None => {
                known.id = Some(id.into());
                let other = books.by_id.insert(id.into(), action);
                drop(books);
                if let Some(other) = other {
                    self.break_promise(now, format!("the actions {other} and {action} are both called {id}"));
                }
            }
        }
    }

    /// A user takes an action back.
    pub(super) fn discard(&self, id: &str) {
        let mut books = self.books.borrow_mut();
        books.discarded.insert(id.into());
        if let Some(action) = books.by_id.get(id).copied() {
            books.actions[action].is_discarded = true;
        }
    }

    /// Whether a tab waits for the answer to a batch.
    pub(super) fn sends(&self, tab: u64) -> bool {
        self.books.borrow().under_way.iter().any(|request| request.tab == tab)
    }

    /// A user is about to put back an action that was put aside.
    pub(super) fn put_back(&self, world: &World, id: &str) {
        let mut books = self.books.borrow_mut();
        let action = books.by_id.get(id).copied();
        // What may have been sent, by a page that knows no more than that, is put aside again.
        if let Some(action) = action.filter(|action| !books.actions[*action].particulars.is_once) {
            books.put_back.insert(action, (world.server(|server| server.last_sent()), false));
        }
    }

    /// It is put back.
    pub(super) fn is_put_back(&self, id: &str) {
        let mut books = self.books.borrow_mut();
        let books = &mut *books;
        if let Some((_, is_there)) = books.by_id.get(id).and_then(|action| books.put_back.get_mut(action)) {
            *is_there = true;
        }
    }

    /// It cannot be put back.
    pub(super) fn is_not_put_back(&self, id: &str) {
        let mut books = self.books.borrow_mut();
        if let Some(action) = books.by_id.get(id).copied() {
            books.put_back.remove(&action);
        }
    }

    /// The server has said something of an action, in answer to that request.
    fn is_spoken_of(&self, action: usize, request: u64) {
        let mut books = self.books.borrow_mut();
        if books.put_back.get(&action).is_some_and(|(since, _)| request > *since) {
            books.put_back.remove(&action);
        }
    }

    /// A page waits for an action to be settled. Gives the number of the wait.
    pub(super) fn wait(&self, tab: u64, action: usize) -> usize {
        let mut books = self.books.borrow_mut();
        books.tally.count("waits for an outcome");
        books.waits.push(Wait { tab, action, is_over: false });
        books.waits.len() - 1
    }

    /// A wait ended, with an outcome as JSON, if the client was not closed.
    pub(super) fn end_wait(&self, now: u64, wait: usize, outcome: Option<&str>) {
        let (action, id) = {
            let mut books = self.books.borrow_mut();
            let wait = &mut books.waits[wait];
            wait.is_over = true;
            let action = wait.action;
            if outcome.is_some() {
                books.tally.count("outcomes heard");
            }
            (action, books.actions[action].id.clone().unwrap_or_default())
        };
        if let Some(outcome) = outcome {
            self.note(now, || format!("a page hears that {id} is {outcome}"));
            self.check_outcome(now, action, outcome);
        }
    }

    /// A page is gone, or its user is: nobody there waits any longer.
    pub(super) fn forget_waits(&self, tab: u64) {
        for wait in self.books.borrow_mut().waits.iter_mut().filter(|wait| wait.tab == tab) {
            wait.is_over = true;
        }
    }

    /// The actions that living pages still wait for.
    pub(super) fn waits(&self) -> Vec<String> {
        let books = self.books.borrow();
        let waiting = books.waits.iter().filter(|wait| !wait.is_over);
        waiting.map(|wait| format!("{} in tab {}", books.actions[wait.action].id.clone().unwrap_or_default(), wait.tab)).collect()
    }

    pub(super) fn has_waits(&self) -> bool {
        self.books.borrow().waits.iter().any(|wait| !wait.is_over)
    }

    /// A page goes on after it stood still. For a while it may not have noticed that others have taken over.
    pub(super) fn thaw(&self, tab: u64, now: u64) {
        self.books.borrow_mut().thawed.insert(tab, now);
    }

    /// A page stands still: others may take over what it was doing.
    pub(super) fn freeze(&self, tab: u64) {
        self.books.borrow_mut().has_frozen = true;
        for request in self.books.borrow_mut().under_way.iter_mut().filter(|request| request.tab == tab) {
            request.was_frozen = true;
        }
    }

    /// The server breaks on these.
    pub(super) fn break_on(&self, ids: &BTreeSet<String>) {
        self.books.borrow_mut().breaking.clone_from(ids);
    }

    /// Whether all that nothing stands against is settled.
    pub(super) fn all_free_are_settled(&self) -> bool {
        self.unsettled(true).is_empty()
    }

    /// The promised actions that are not settled; those only that nothing stands against, if so asked.
    pub(super) fn unsettled(&self, free_only: bool) -> Vec<String> {
        let mut books = self.books.borrow_mut();
        let books = &mut *books;
        let actions = &books.actions;
        books.open.retain(|action| !actions[*action].is_settled());
        let breaks = |known: &Known| known.id.as_ref().is_some_and(|id| books.breaking.contains(id));
        // Whatever else has happened to it: what was taken back by a page that then crashed may still be there, and a conflict may
        // have been told of what another delivery has applied.
        let stands = |known: &Known| known.is_conflicting || breaks(known);
        // What waits for another one holds its key as well.
        let mut waiting: HashSet<usize> = HashSet::new();
        let is_parked = |known: &Known, waiting: &HashSet<usize>| {
            let same_key = |other: &Known| other.user == known.user && other.key == known.key;
            let mut others = actions.iter().enumerate();
            known.is_refused
                || stands(known)
                || known.key.is_some()
                    && others.any(|(number, other)| same_key(other) && (stands(other) || waiting.contains(&number)))
        };
        // One step at a time, until nothing more waits for what waits.
        loop {
            let unsettled = actions.iter().enumerate().filter(|(number, known)| known.applied == 0 && !waiting.contains(number));
            let waits_for = |known: &Known| known.particulars.depends_on.map(|other| (other, &actions[other]));
            let found = unsettled.filter(|(_, known)| {
                waits_for(known).is_some_and(|(number, other)| {
                    // A dead letter of which nobody can say whether it was applied holds them, too.
                    let is_in_doubt = other.particulars.is_once && other.is_refused;
                    (other.applied == 0 || stands(other) || is_in_doubt)
                        && (waiting.contains(&number) || is_parked(other, &waiting))
                })
            });
            let found: Vec<usize> = found.map(|(number, _)| number).collect();
            if found.is_empty() || !free_only {
                break;
            }
            waiting.extend(found);
        }
        let open = books.open.iter().filter(|action| !free_only || !waiting.contains(action)).map(|action| &actions[*action]);
        open.filter(|known| !free_only || !is_parked(known, &waiting)).map(|known| known.id.clone().unwrap_or_default()).collect()
    }

    /// Compares the promises with what is stored, and with what the server has done.
    pub(super) fn check(&self, world: &World, table: &Table) {
        let now = world.now();
        let stored = USERS.map(|user| table.all_rows(user));
        for row in stored.iter().flatten().filter(|row| row.lane == Lane::Dead && row.text.contains(DEPENDENCY_FAILED)) {
            self.lose_dependency(&row.id);
        }
        for row in stored.iter().flatten().filter(|row| row.lane == Lane::Dead && row.text.contains(OUTCOME_UNKNOWN)) {
            let mut books = self.books.borrow_mut();
            if let Some(action) = books.by_id.get(&row.id).copied() {
                books.actions[action].is_refused |= books.actions[action].particulars.is_once;
            }
        }
        self.read_history(now, table);
        if world.server(|server| server.asked_too_early > 0) && !self.is_broken() {
            self.break_promise(now, "the server was asked before the moment that it had named".into());
        }
        if world.server(|server| server.confused_users > 0) {
            self.break_promise(now, "what one user had queued came under another's credentials".into());
        }
        let (mut lost, mut overtaken, mut forgotten) = (None, None, None);
        {
            let mut books = self.books.borrow_mut();
            let books = &mut *books;
            let actions = &books.actions;
            books.open.retain(|action| !actions[*action].is_settled());
            if !books.open.is_empty() {
                let stored: Vec<HashSet<&str>> =
                    stored.iter().map(|rows| rows.iter().map(|row| row.id.as_str()).collect()).collect();
                let is_stored = |known: &Known| stored[known.user].contains(known.id.as_deref().unwrap_or_default());
                lost = books.open.iter().map(|action| &actions[*action]).find(|known| !is_stored(known)).map(|known| {
                    format!("{} was promised, is not stored, and nothing has settled it", known.id.clone().unwrap_or_default())
                });
            }
            for row in stored.iter().flatten().filter(|row| is_put_aside(row) && !books.put_back.is_empty()) {
                if books.by_id.get(&row.id).and_then(|action| books.put_back.get(action)).is_some_and(|(_, is_there)| *is_there) {
                    forgotten = Some(format!("{} was put back, and is put aside again though the server was not asked", row.id));
                }
            }
            for key in books.keys.values_mut().filter(|key| !key.is_checked) {
                key.is_checked = true;
                let mut last: Option<(u64, &Known)> = None;
                for known in key.applied.iter().map(|action| &actions[*action]).filter(|known| !known.is_out_of_turn()) {
                    let Some(seq) = known.seq else { continue };
                    if let Some((_, last)) = last.filter(|(last, _)| *last > seq) {
                        let (id, last) = (known.id.clone().unwrap_or_default(), last.id.clone().unwrap_or_default());
                        overtaken = Some(format!("{id} was applied after {last}, which stands behind it in its key"));
                    }
                    last = Some((seq, known));
                }
            }
        }
        for what in [lost, overtaken, forgotten].into_iter().flatten() {
            self.break_promise(now, what);
        }
    }

    fn lose_dependency(&self, id: &str) {
        let mut books = self.books.borrow_mut();
        books.without_dependency.insert(id.into());
        if let Some(action) = books.by_id.get(id).copied() {
            let known = &mut books.actions[action];
            if known.particulars.depends_on.is_some() {
                known.has_lost_its_dependency = true;
                known.is_refused = true;
            }
        }
    }

    /// Believes what is written down of actions that are neither stored nor settled: whoever was to tell may have crashed.
    fn read_history(&self, now: u64, table: &Table) {
        let missing: Vec<(usize, usize, String)> = {
            let books = self.books.borrow();
            let open =
                books.open.iter().map(|number| (*number, &books.actions[*number])).filter(|(_, known)| !known.is_settled());
            let named = open.filter_map(|(number, known)| Some((number, known.user, known.id.clone()?)));
            named.filter(|(_, user, id)| table.find(USERS[*user], id).is_none()).collect()
        };
        for (number, user, id) in missing {
            let entries = table.documents(USERS[user], Kind::History);
            let entries = entries.iter().filter_map(|(_, text)| serde_json::from_str::<Vec<(String, Box<RawValue>)>>(text).ok());
            if let Some((_, outcome)) = entries.flatten().rfind(|(known, _)| *known == id) {
                self.check_outcome(now, number, outcome.get());
            }
        }
    }

    /// What a page is told of an action's fate is so.
    fn check_outcome(&self, now: u64, action: usize, outcome: &str) {
        let status = outcome.split(r#""status":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let is_so = {
            let mut books = self.books.borrow_mut();
            let books = &mut *books;
            let is_certain = books.is_certain();
            let (evicts, has_purged) = (books.evicts, books.has_purged[books.actions[action].user]);
            let same_key = |other: &Known, known: &Known| other.user == known.user && other.key == known.key;
            let coalesces = |known: &Known| {
                let mut others = books.actions.iter();
                known.key.is_some() && others.any(|other| same_key(other, known) && other.particulars.coalescing.is_some())
            };
            let may_be_superseded = coalesces(&books.actions[action]);
            let known = &mut books.actions[action];
            let given_up = |known: &mut Known, may_be: bool| {
                known.is_given_up = true;
                may_be && (!is_certain || known.applied == 0)
            };
            match status {
                "applied" | "duplicate" => known.applied > 0,
                "rejected" if known.particulars.depends_on.is_some() && outcome.contains(DEPENDENCY_FAILED) => {
                    known.has_lost_its_dependency = true;
                    known.is_refused = true;
                    true
                }
                // What nobody can say of it, nobody has said.
                "rejected" if known.particulars.is_once && outcome.contains(OUTCOME_UNKNOWN) => {
                    known.is_refused = true;
                    true
                }
                "rejected" => known.is_refused,
                "conflict" => known.is_conflicting,
                "discarded" => {
                    known.is_discarded |= has_purged;
                    known.is_discarded
                }
                "gone" => known.is_settled(),
                "superseded" => given_up(known, may_be_superseded),
                "expired" => {
                    let may_expire = known.particulars.time_to_live.is_some();
                    given_up(known, may_expire)
                }
                "evicted" => given_up(known, evicts),
                _ => false,
            }
        };
        if !is_so {
            let id = self.books.borrow().actions[action].id.clone().unwrap_or_default();
            self.break_promise(now, format!("a page was told that {id} is {status}, which it is not"));
        }
    }

    fn sees_sent(&self, now: u64, tab: u64, number: u64, credentials_of: &str, request: &SimRequest) {
        let is_whole = request.url.contains(THINGS);
        let is_batch = is_whole || request.url.ends_with(QUEUE_ACTIONS_PATH);
        self.note(now, || {
            let ids: Vec<&str> = request.body.split(r#""id":""#).skip(1).filter_map(|rest| rest.split('"').next()).collect();
            let key = request.header("Idempotency-Key").unwrap_or("no key");
            format!(
                "tab {tab} sends #{number} {} {} as {credentials_of} under {key}: {}",
                request.method,
                request.url,
                ids.join(" ")
            )
        });
        if !is_batch {
            if let Some((_, user)) = request.url.split_once("/api/sync/status/")
                && user != credentials_of
            {
                self.break_promise(now, format!("the status of {user}'s queue was asked for as {credentials_of}"));
            }
            return;
        }
        let of_thing = request.url.split_once(THINGS).map(|(_, user)| user);
        let of_batch = || request.body.split(r#""userId":""#).nth(1).and_then(|rest| rest.split('"').next());
        let owner = of_thing.or_else(of_batch).unwrap_or_default();
        if owner != credentials_of {
            self.break_promise(now, format!("what {owner} had queued was sent under the credentials of {credentials_of}"));
        }
        if request.header("authorization") == Some("stale") {
            self.break_promise(now, "a credential was stored with a request".into());
        }
        self.check_edits(now, tab, number, request);
        self.check_repetition(now, request);
        let Some(key) = request.header("Idempotency-Key") else {
            return self.break_promise(now, "a batch was sent without an idempotency key".into());
        };
        let mut hasher = DefaultHasher::new();
        request.body.hash(&mut hasher);
        let user = USERS.iter().position(|user| *user == owner).unwrap_or_default();
        let (is_same, is_alone) = {
            let mut books = self.books.borrow_mut();
            books.tally.count(if is_whole { "whole requests sent" } else { "batches sent" });
            let hash = hasher.finish();
            // The key of a whole request is its id, and stays when its data is changed.
            let is_same = is_whole || books.bodies.get(key).is_none_or(|first| *first == hash);
            books.bodies.entry(key.into()).or_insert(hash);
            let has_slept = books.thawed.get(&tab).is_some_and(|thawed| now < thawed + OVERTAKEN_UNAWARE);
            let is_alone = has_slept || !books.under_way.iter().any(|other| other.user == user && !other.was_frozen);
            books.under_way.push(UnderWay { number, tab, user, was_frozen: has_slept });
            (is_same, is_alone || !books.locks)
        };
        if !is_same {
            self.break_promise(now, format!("two different batches were sent under the idempotency key {key}"));
        }
        if !is_alone {
            self.break_promise(now, format!("two drains of {owner}'s queue send at the same time, in spite of their lock"));
        }
    }

    /// What must not be sent twice is not, once the server has carried it out.
    fn check_repetition(&self, now: u64, request: &SimRequest) {
        let Some(batch) = batch_of(request) else { return };
        for action in &batch.actions {
            let books = self.books.borrow();
            let known = number_of(action).and_then(|number| books.actions.get(number));
            // What the network delivers twice is not the SDK's doing, and may be carried out after an answer that said otherwise.
            let is_repeated =
                |known: &Known| known.particulars.is_once && known.applied > 0 && !known.may_be_repeated && !books.has_echoes;
            let is_repeated = known.is_some_and(is_repeated);
            drop(books);
            if is_repeated {
                self.break_promise(now, format!("{} must not be sent twice, and is", action.id));
            }
        }
    }

    /// A user wants an action sent again, whatever has become of it.
    pub(super) fn repeat(&self, id: &str) {
        let mut books = self.books.borrow_mut();
        if let Some(action) = books.by_id.get(id).copied() {
            books.actions[action].may_be_repeated = true;
        }
    }

    /// What has been changed is sent as it is now.
    fn check_edits(&self, now: u64, tab: u64, number: u64, request: &SimRequest) {
        let mut books = self.books.borrow_mut();
        let has_slept = books.thawed.get(&tab).is_some_and(|thawed| now < thawed + OVERTAKEN_UNAWARE);
        if !books.has_edits || has_slept {
            return;
        }
        let Some(batch) = batch_of(request) else { return };
        for action in &batch.actions {
            let known = number_of(action).and_then(|number| books.actions.get(number));
            let Some((others, since)) = known.and_then(|known| known.outdated.as_ref()) else { continue };
            if number > *since && others.iter().any(|data| data == action.data.get()) {
                let what = format!("{} was changed, and is sent as it was: {}", action.id, action.data.get());
                books.violation.get_or_insert(what);
            }
        }
    }

    fn sees_carried_out(&self, now: u64, number: u64, batch: &QueueActionsRequest, results: &[ActionResult]) {
        self.note(now, || {
            let said: Vec<String> = results.iter().map(|result| format!("{} {:?}", result.id, result.status)).collect();
            format!("the server carries out #{number}: {}", said.join(", "))
        });
        for (action, result) in batch.actions.iter().zip(results) {
            let request = number;
            let Some(number) = number_of(action) else {
                let (id, data) = (&action.id, action.data.get());
                return self.break_promise(now, format!("{id} arrived with the data {data}, which nobody has enqueued"));
            };
            self.is_spoken_of(number, request);
            self.identify(now, number, &action.id);
            let mut books = self.books.borrow_mut();
            let books = &mut *books;
            let is_certain = books.is_certain();
            let Some(known) = books.actions.get_mut(number) else { return };
            if USERS[known.user] != batch.user_id {
                books.violation.get_or_insert(format!("{} is not {}'s", action.id, batch.user_id));
            }
            let depended_on = known.particulars.depends_on.filter(|_| !known.has_lost_its_dependency);
            if !known.may_be(action.data.get(), number) {
                let (id, data) = (&action.id, action.data.get());
                books.violation.get_or_insert(format!("{id} arrived with the data {data}, which it never had"));
            }
            match result.status {
                ActionStatus::Applied => {
                    books.tally.count("actions applied");
                    if known.is_given_up && !known.is_discarded && is_certain {
                        books.violation.get_or_insert(format!("{} was given up, and applied after that", action.id));
                    }
                    known.applied += 1;
                    if known.applied > 1 && books.dedupes {
                        books.violation.get_or_insert(format!("{} has had its effect twice", action.id));
                    }
                    if let Some(key) = known.key.filter(|_| known.applied == 1) {
                        let key = books.keys.entry((known.user, key)).or_default();
                        key.applied.push(number);
                        key.is_checked = false;
                    }
                }
                ActionStatus::Duplicate => books.tally.count("duplicates recognised"),
                ActionStatus::Rejected => {
                    books.tally.count("actions rejected");
                    known.is_refused = true;
                }
                ActionStatus::Conflict => {
                    books.tally.count("conflicts");
                    known.is_conflicting = true;
                }
                ActionStatus::Retry => books.tally.count("actions to be retried"),
            }
            if let Some(other) = depended_on {
                books.tally.count("dependents arrived");
                if books.actions[other].applied == 0 && !books.actions[other].is_discarded {
                    books.violation.get_or_insert(format!("{} arrived before what it depends on was applied", action.id));
                }
            }
        }
    }

    /// What the server says to a batch as a whole it may mean of a lone action.
    fn sees_refused(&self, now: u64, number: u64, status: u16, request: &SimRequest) {
        self.note(now, || format!("#{number} is answered {status}"));
        let Some(batch) = batch_of(request) else { return };
        let request = number;
        for action in &batch.actions {
            if let Some(number) = number_of(action) {
                self.is_spoken_of(number, request);
                self.identify(now, number, &action.id);
            }
        }
        if let ([action], true) = (batch.actions.as_slice(), FINAL.contains(&status)) {
            let mut books = self.books.borrow_mut();
            if let Some(known) = number_of(action).and_then(|action| books.actions.get_mut(action)) {
                known.is_refused = true;
                known.is_conflicting |= status == 409;
            }
        }
    }

    fn sees_told(&self, now: u64, tab: u64, event: &Event) {
        self.note(now, || format!("tab {tab} is told {}", serde_json::to_string(event).unwrap()));
        match event {
            Event::Settled { id, outcome } => {
                if outcome.get().contains(r#""status":"superseded""#) {
                    self.count("superseded told");
                } else if outcome.get().contains(r#""status":"evicted""#) {
                    self.count("evicted told");
                } else if outcome.get().contains(r#""status":"expired""#) {
                    self.count("expired told");
                }
                let action = self.books.borrow().by_id.get(id).copied();
                if let Some(action) = action {
                    self.check_outcome(now, action, outcome.get());
                }
            }
            Event::StoreFailed { .. } => self.count("disk failures told"),
            Event::BatchSplit { .. } => self.count("batches halved"),
            Event::BatchFailed { .. } => self.count("batches failed"),
            _ => {}
        }
    }
}

/// The number of an action is its data.
fn number_of(action: &WireAction) -> Option<usize> {
    let digits = action.data.get().strip_prefix(r#"{"n":"#)?;
    digits.get(..digits.find(|digit: char| !digit.is_ascii_digit())?)?.parse().ok()
}

impl Witness for Promises {
    fn sees(&self, now: u64, sight: Sight<'_>) {
        match sight {
            Sight::Sent { tab, number, credentials_of, request } => self.sees_sent(now, tab, number, credentials_of, request),
            Sight::Over { number } => self.books.borrow_mut().under_way.retain(|request| request.number != number),
            Sight::Fate { number, fate } => {
                self.count(fate);
                self.note(now, || format!("#{number}: {fate}"));
            }
            Sight::CarriedOut { number, batch, results } => self.sees_carried_out(now, number, batch, results),
            Sight::Refused { number, status, request } => self.sees_refused(now, number, status, request),
            Sight::Told { tab, event } => self.sees_told(now, tab, event),
            Sight::Died { tab } => {
                self.count("crashes");
                self.note(now, || format!("tab {tab} crashes"));
                self.forget_waits(tab);
            }
        }
    }
}
