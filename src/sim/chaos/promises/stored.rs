//! Nothing is lost, nothing is overtaken, and nothing waits for ever: what is stored, against what was promised.

use super::super::super::Places;
use super::super::super::world::World;
use super::super::drive::is_put_aside;
use super::{DEPENDENCY_FAILED, FILE_MISSING, Known, OUTCOME_UNKNOWN, Promises, USERS};
use crate::platform::tables::{Kind, Lane, Row};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};

/// Whether a row is that of an action that cannot be sent, since a file of it is gone.
pub(in crate::sim::chaos) fn is_without_file(row: &Row) -> bool {
    row.lane == Lane::Dead && row.text.contains(FILE_MISSING)
}

/// Whether a row is that of an action that cannot be sent as it is, since what it depends on never came.
pub(in crate::sim::chaos) fn is_orphan(row: &Row) -> bool {
    row.lane == Lane::Dead && row.text.contains(DEPENDENCY_FAILED)
}

impl Promises {
    /// The promised actions that nothing stands against and that are not settled.
    pub(in crate::sim::chaos) fn unsettled(&self, places: &Places) -> Vec<String> {
        // What was applied without the page knowing may be a dead letter, if the server was asked again and has changed its mind.
        let found = |known: &Known| known.id.as_deref().and_then(|id| places.find(USERS[known.user], id));
        let rests = |known: &Known| found(known).as_ref().is_some_and(is_put_aside);
        let is_there = |known: &Known| found(known).is_some();
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
                    // What was applied without the client knowing may wait there behind something else.
                    rests(other)
                        || (other.applied == 0 || is_there(other) || stands(other) || is_in_doubt)
                            && (waiting.contains(&number) || is_parked(other, &waiting))
                })
            });
            let found: Vec<usize> = found.map(|(number, _)| number).collect();
            if found.is_empty() {
                break;
            }
            waiting.extend(found);
        }
        let open = books.open.iter().filter(|action| !waiting.contains(action)).map(|action| &actions[*action]);
        open.filter(|known| !is_parked(known, &waiting)).map(|known| known.id.clone().unwrap_or_default()).collect()
    }

    /// Compares the promises with what is stored, and with what the server has done.
    pub(in crate::sim::chaos) fn check(&self, world: &World, places: &Places) {
        let now = world.now();
        let stored = USERS.map(|user| places.rows(user));
        for row in stored.iter().flatten().filter(|row| is_orphan(row)) {
            self.lose_dependency(&row.id);
        }
        for row in stored.iter().flatten().filter(|row| row.lane == Lane::Dead && row.text.contains(OUTCOME_UNKNOWN)) {
            let mut books = self.books.borrow_mut();
            if let Some(action) = books.by_id.get(&row.id).copied() {
                books.actions[action].is_refused |= books.actions[action].particulars.is_once;
            }
        }
        for row in stored.iter().flatten().filter(|row| is_without_file(row)) {
            let mut books = self.books.borrow_mut();
            if let Some(known) = books.by_id.get(&row.id).copied().map(|action| &mut books.actions[action]) {
                known.is_refused |= known.may_lack_files;
                let is_so = known.is_refused || known.is_discarded;
                drop(books);
                self.count("files missing");
                if !is_so {
                    self.break_promise(now, format!("{} has lost a file, though nothing was deleted", row.id));
                }
            }
        }
        self.read_history(now, places);
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
            let actions = &mut books.actions;
            books.open.retain(|action| !actions[*action].is_settled());
            if !books.open.is_empty() {
                let stored: Vec<HashSet<&str>> =
                    stored.iter().map(|rows| rows.iter().map(|row| row.id.as_str()).collect()).collect();
                for action in &books.open {
                    let known = &mut actions[*action];
                    let id = known.id.as_deref().unwrap_or_default();
                    // What is there and cannot be opened is as good as gone, until its tab puts it there again.
                    known.is_adrift &= !stored[known.user].contains(id) || places.shut().contains(id);
                }
                let is_stored =
                    |known: &Known| known.is_adrift || stored[known.user].contains(known.id.as_deref().unwrap_or_default());
                lost = books.open.iter().map(|action| &actions[*action]).find(|known| !is_stored(known)).map(|known| {
                    format!("{} was promised, is not stored, and nothing has settled it", known.id.clone().unwrap_or_default())
                });
            }
            // What is wrong with those is known without the server.
            let is_known = |row: &&Row| is_without_file(row) || is_orphan(row);
            let aside = stored.iter().flatten().filter(|row| is_put_aside(row) && !is_known(row));
            for row in aside.filter(|_| !books.put_back.is_empty()) {
                if books.by_id.get(&row.id).and_then(|action| books.put_back.get(action)).is_some_and(|(_, is_there)| *is_there) {
                    forgotten = Some(format!("{} was put back, and is put aside again though the server was not asked", row.id));
                }
            }
            for key in books.keys.values_mut().filter(|key| !key.is_checked) {
                key.is_checked = true;
                let mut last: Option<(u64, &Known)> = None;
                // What outlives its queue has another place afterwards, behind what other tabs have put there meanwhile. What a tab has
                // put there itself stays in its order.
                let mut latest: HashMap<(u64, u64), usize> = HashMap::new();
                let is_kept_in_order = |one: &Known, other: &Known| {
                    let is_kept = |known: &Known| known.kept_by == known.by.map(|(tab, _)| tab);
                    let (has_survived, was_below) = (one.has_survived || other.has_survived, one.was_below || other.was_below);
                    // What was deleted where it cannot be put again just now does not keep other places waiting.
                    has_survived && !was_below && is_kept(one) && is_kept(other) || was_below && !has_survived
                };
                for number in &key.applied {
                    let known = &actions[*number];
                    let Some(client) = known.by.filter(|_| !known.is_out_of_turn()) else { continue };
                    let before = latest.insert(client, *number).filter(|before| actions[*before].order > known.order);
                    if let Some(other) = before.map(|before| &actions[before]).filter(|other| is_kept_in_order(other, known)) {
                        let (id, other) = (known.id.clone().unwrap_or_default(), other.id.clone().unwrap_or_default());
                        overtaken = Some(format!("{id} was applied after {other}, which its tab has put behind it in its key"));
                    }
                }
                let in_place = |known: &&Known| !known.is_out_of_turn() && !known.has_survived && !known.was_below;
                for known in key.applied.iter().map(|action| &actions[*action]).filter(in_place) {
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
    fn read_history(&self, now: u64, places: &Places) {
        let missing: Vec<(usize, usize, String)> = {
            let books = self.books.borrow();
            let open =
                books.open.iter().map(|number| (*number, &books.actions[*number])).filter(|(_, known)| !known.is_settled());
            let named = open.filter_map(|(number, known)| Some((number, known.user, known.id.clone()?)));
            named.filter(|(_, user, id)| places.find(USERS[*user], id).is_none()).collect()
        };
        for (number, user, id) in missing {
            let entries = places.documents(USERS[user], Kind::History);
            let entries = entries.iter().filter_map(|(_, text)| serde_json::from_str::<Vec<(String, Box<RawValue>)>>(text).ok());
            if let Some((_, outcome)) = entries.flatten().rfind(|(known, _)| *known == id) {
                self.check_outcome(now, number, outcome.get());
            }
        }
    }
}
