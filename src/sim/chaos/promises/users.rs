//! What users and pages do, and what they were promised.

use super::super::super::SimFile;
use super::super::super::server::{DATA, THINGS};
use super::super::super::world::World;
use super::{Edit, Known, Particulars, Promises, USERS, Wait};
use crate::client::Receipt;
use crate::platform::tables::Durability;
use std::collections::BTreeSet;

impl Promises {
    /// A user is about to enqueue an action of that key. Gives its number.
    pub(in crate::sim::chaos) fn plan(&self, user: usize, key: Option<u64>, particulars: Particulars) -> usize {
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
    pub(in crate::sim::chaos) fn to_enqueue(&self, action: usize) -> (String, String) {
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
            let body = match particulars.files {
                0 => r#""data""#.to_string(),
                1 => r#""file""#.into(),
                files => {
                    let text = data[0].replace('"', r#"\""#);
                    let files = (0..files).map(|file| format!(r#",{{"name":"field-{file}","file":{file}}}"#));
                    format!(r#"{{"form":[{{"name":"{DATA}","text":"{text}"}}{}]}}"#, files.collect::<String>())
                }
            };
            format!(
                r#","request":{{"method":"POST","url":"https://api.example{THINGS}{user}","headers":{headers},"body":{body}{replay}}}"#
            )
        });
        ([coalesce, time_to_live, depends_on, request].into_iter().flatten().collect(), data[0].clone())
    }

    /// The files that an action is to have: what is said of each, and what is in it.
    pub(in crate::sim::chaos) fn files_of(&self, action: usize) -> Vec<(String, SimFile)> {
        let books = self.books.borrow();
        let known = &books.actions[action];
        let is_body = known.is_body();
        let file = |index: usize| {
            let content = known.content(action, index);
            let named = if is_body { String::new() } else { format!(r#""field":"field-{index}","name":"{index}.txt","#) };
            (format!(r#"{named}"type":"text/plain","bytes":{}"#, content.len()), SimFile::from(content))
        };
        (0..known.particulars.files).map(file).collect()
    }

    /// The last actions that a user was promised, by number.
    pub(in crate::sim::chaos) fn latest(&self, user: usize) -> Vec<usize> {
        let books = self.books.borrow();
        let promised = books.actions.iter().enumerate().rev().filter(|(_, known)| known.user == user && known.is_promised);
        promised.map(|(number, _)| number).take(6).collect()
    }

    /// A user is about to change the data of an action; one change at a time.
    pub(in crate::sim::chaos) fn begin_edit(&self, id: &str) -> Option<Edit> {
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
        Some(Edit { action, life: books.life, data })
    }

    /// It is changed for certain, for all requests after this one; or it may be.
    pub(in crate::sim::chaos) fn end_edit(&self, edit: &Edit, since: Option<u64>) {
        let mut books = self.books.borrow_mut();
        let life = books.life;
        let known = &mut books.actions[edit.action];
        known.is_being_edited = false;
        if let Some(since) = since.filter(|_| edit.life == life) {
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
    pub(in crate::sim::chaos) fn purge(&self, user: usize) {
        let mut books = self.books.borrow_mut();
        books.has_purged[user] = true;
        for known in books.actions.iter_mut().filter(|known| known.user == user) {
            known.is_discarded = true;
        }
    }

    /// All is gone, except for what these tabs have in memory for these users: what they have put there, and of which nothing has been
    /// said.
    pub(in crate::sim::chaos) fn clear(&self, awake: &[(u64, usize)]) {
        let mut books = self.books.borrow_mut();
        books.life += 1;
        books.highest = [None; 2];
        books.put_back.clear();
        for known in &mut books.actions {
            let is_kept = known.kept_by.is_some_and(|tab| awake.contains(&(tab, known.user)));
            known.outdated = None;
            known.may_lack_files = known.particulars.files > 0;
            if is_kept && known.is_promised && !known.is_out_of_turn() && !known.is_conflicting {
                known.is_adrift = true;
                known.has_survived = true;
            } else {
                known.is_discarded = true;
            }
        }
    }

    /// How often all has been deleted.
    pub(in crate::sim::chaos) fn life(&self) -> u64 {
        self.books.borrow().life
    }

    /// Whether the files of the action of that id may have been deleted, as all was.
    pub(in crate::sim::chaos) fn may_lack_files(&self, id: &str) -> bool {
        let books = self.books.borrow();
        books.by_id.get(id).map_or(books.life > 0, |action| books.actions[*action].may_lack_files)
    }

    /// The key of an action.
    pub(in crate::sim::chaos) fn key_of(&self, action: usize) -> Option<u64> {
        self.books.borrow().actions[action].key
    }

    /// The highest place that a user was promised so far: what is enqueued from now on stands behind it.
    pub(in crate::sim::chaos) fn highest(&self, user: usize) -> Option<u64> {
        self.books.borrow().highest[user]
    }

    /// A page was promised these actions, in this order, behind that place, when all had been deleted so often.
    pub(in crate::sim::chaos) fn promise(
        &self,
        now: u64,
        client: (u64, u64),
        (behind, life): (Option<u64>, u64),
        receipts: &[(usize, Receipt)],
    ) {
        // A queue that was deleted begins anew; what was promised before says nothing of its places.
        let is_of_this_life = self.life() == life;
        let mut last = behind.filter(|_| is_of_this_life);
        for (action, Receipt { id, seq, durability }) in receipts {
            let is_on_disk = *durability == Durability::IndexedDb;
            if !is_on_disk {
                self.count(if *durability == Durability::Memory { "promised in memory" } else { "promised in texts" });
            }
            let replaces = self.books.borrow().actions[*action].particulars.coalescing == Some("replace");
            if last.is_some_and(|last| *seq <= last) && !replaces && is_on_disk {
                self.break_promise(now, format!("{id} was enqueued behind the place {last:?} and got the place {seq}"));
            }
            last = last.max(Some(*seq));
            self.identify(now, *action, id);
            let mut books = self.books.borrow_mut();
            let books = &mut *books;
            books.tally.count("actions promised");
            let user = books.actions[*action].user;
            let key = books.actions[*action].key;
            // What has outlived its queue, or was brought up, has a place that nobody was told of.
            let is_place = |other: &Known| other.seq == Some(*seq) || other.has_survived || other.was_below;
            let is_older =
                |other: &Known| other.user == user && other.key == key && is_place(other) && (other.is_refused || other.is_late);
            let is_late = replaces && books.actions.iter().any(is_older);
            let known = &mut books.actions[*action];
            // One that is known by its caller's id alone may have been taken in, applied, and taken in again before that was heard of.
            known.is_late |= is_late || known.applied > 0;
            known.seq = Some(*seq);
            known.is_promised = true;
            books.promised += 1;
            known.order = books.promised;
            // A client that was closed meanwhile keeps nothing in memory.
            known.kept_by = Some(client.0).filter(|tab| books.hands.get(tab).copied().unwrap_or_default() == client.1);
            known.by = Some(client);
            known.was_below |= !is_on_disk;
            if is_of_this_life && is_on_disk {
                books.highest[known.user] = books.highest[known.user].max(Some(*seq));
            }
            if let Some(key) = known.key {
                books.keys.entry((known.user, key)).or_default().is_checked = false;
            }
            if !known.is_settled() {
                books.open.push(*action);
            }
        }
    }

    /// An action has that id, and no other.
    pub(super) fn identify(&self, now: u64, action: usize, id: &str) {
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
                let told = books.told_early.remove(id).unwrap_or_default();
                drop(books);
                if let Some(other) = other {
                    self.break_promise(now, format!("the actions {other} and {action} are both called {id}"));
                }
                for outcome in told {
                    self.check_outcome(now, action, &outcome);
                }
            }
        }
    }

    /// A user takes an action back.
    pub(in crate::sim::chaos) fn discard(&self, id: &str) {
        let mut books = self.books.borrow_mut();
        books.discarded.insert(id.into());
        if let Some(action) = books.by_id.get(id).copied() {
            books.actions[action].is_discarded = true;
        }
    }

    /// Whether a tab waits for the answer to a batch.
    pub(in crate::sim::chaos) fn sends(&self, tab: u64) -> bool {
        self.books.borrow().under_way.iter().any(|request| request.tab == tab)
    }

    /// A user is about to put back an action that was put aside.
    pub(in crate::sim::chaos) fn put_back(&self, world: &World, id: &str) {
        let mut books = self.books.borrow_mut();
        let action = books.by_id.get(id).copied();
        // What may have been sent, by a page that knows no more than that, is put aside again.
        if let Some(action) = action.filter(|action| !books.actions[*action].particulars.is_once) {
            books.put_back.insert(action, (world.server(|server| server.last_sent()), false));
        }
    }

    /// A user wants an action sent again, whatever has become of it.
    pub(in crate::sim::chaos) fn repeat(&self, id: &str) {
        let mut books = self.books.borrow_mut();
        if let Some(action) = books.by_id.get(id).copied() {
            books.actions[action].may_be_repeated = true;
        }
    }

    /// It is put back.
    pub(in crate::sim::chaos) fn is_put_back(&self, id: &str) {
        let mut books = self.books.borrow_mut();
        let books = &mut *books;
        if let Some((_, is_there)) = books.by_id.get(id).and_then(|action| books.put_back.get_mut(action)) {
            *is_there = true;
        }
    }

    /// It cannot be put back.
    pub(in crate::sim::chaos) fn is_not_put_back(&self, id: &str) {
        let mut books = self.books.borrow_mut();
        if let Some(action) = books.by_id.get(id).copied() {
            books.put_back.remove(&action);
        }
    }

    /// The server has said something of an action, in answer to that request.
    pub(super) fn is_spoken_of(&self, action: usize, request: u64) {
        let mut books = self.books.borrow_mut();
        if books.put_back.get(&action).is_some_and(|(since, _)| request > *since) {
            books.put_back.remove(&action);
        }
    }

    /// A page waits for an action to be settled. Gives the number of the wait.
    pub(in crate::sim::chaos) fn wait(&self, tab: u64, action: usize) -> usize {
        let mut books = self.books.borrow_mut();
        books.tally.count("waits for an outcome");
        books.waits.push(Wait { tab, action, is_over: false });
        books.waits.len() - 1
    }

    /// A wait ended, with an outcome as JSON, if the client was not closed.
    pub(in crate::sim::chaos) fn end_wait(&self, now: u64, wait: usize, outcome: Option<&str>) {
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

    /// A page is gone, or its user is: nobody there waits any longer, nor keeps anything in memory.
    pub(in crate::sim::chaos) fn forget_waits(&self, tab: u64) {
        let mut books = self.books.borrow_mut();
        for wait in books.waits.iter_mut().filter(|wait| wait.tab == tab) {
            wait.is_over = true;
        }
        for known in books.actions.iter_mut().filter(|known| known.kept_by == Some(tab)) {
            known.kept_by = None;
            known.is_discarded |= known.is_adrift;
        }
    }

    /// Somebody else signs in: what is put into a queue from here on, another client puts there.
    pub(in crate::sim::chaos) fn changes_hands(&self, tab: u64) {
        *self.books.borrow_mut().hands.entry(tab).or_default() += 1;
    }

    /// The client of a tab: the tab, and how often somebody else has signed in there.
    pub(in crate::sim::chaos) fn client_of(&self, tab: u64) -> (u64, u64) {
        (tab, self.books.borrow().hands.get(&tab).copied().unwrap_or_default())
    }

    /// The actions that living pages still wait for.
    pub(in crate::sim::chaos) fn waits(&self) -> Vec<String> {
        let books = self.books.borrow();
        let waiting = books.waits.iter().filter(|wait| !wait.is_over);
        waiting.map(|wait| format!("{} in tab {}", books.actions[wait.action].id.clone().unwrap_or_default(), wait.tab)).collect()
    }

    pub(in crate::sim::chaos) fn has_waits(&self) -> bool {
        self.books.borrow().waits.iter().any(|wait| !wait.is_over)
    }

    /// A page goes on after it stood still. For a while it may not have noticed that others have taken over.
    pub(in crate::sim::chaos) fn thaw(&self, tab: u64, now: u64) {
        self.books.borrow_mut().thawed.insert(tab, now);
    }

    /// A page stands still: others may take over what it was doing.
    pub(in crate::sim::chaos) fn freeze(&self, tab: u64) {
        self.books.borrow_mut().has_frozen = true;
        for request in self.books.borrow_mut().under_way.iter_mut().filter(|request| request.tab == tab) {
            request.was_frozen = true;
        }
    }

    /// The server breaks on these.
    pub(in crate::sim::chaos) fn break_on(&self, ids: &BTreeSet<String>) {
        self.books.borrow_mut().breaking.clone_from(ids);
    }
}
