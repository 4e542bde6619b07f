//! How actions come into the queue.

use super::history;
use super::ledger::{LAST, Ledger, PAGE};
use super::restore::{self, Restored};
use crate::broken::{self, Variant};
use crate::flat_map::FlatMap;
use crate::input::{InvalidInput, Subject};
use crate::platform::tables::{Durability, Kind, Lane, Store, Transaction};
use crate::platform::{Access, StoreError, StoreErrorKind};
use crate::queue::action::Action;
use crate::queue::coalescing::Coalescing;
use crate::queue::dependency;
use crate::queue::file::{Holder, MOST_FILES, QueuedFile};
use crate::queue::limits::QueueLimits;
use crate::queue::outcome::Outcome;
use crate::queue::record::UserRecord;
use crate::queue::row::{Row, id_at};
use crate::time::WallTime;
use crate::wire::Priority;
use futures_util::future::try_join_all;
use serde_json::value::RawValue;

/// Why actions were not taken in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The disk failed, or is full. Nothing of what was handed in is stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An action cannot be taken. Nothing of what was handed in is stored.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
}

/// An action that is to be taken in.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// The action. Its place is not known yet.
    pub action: Action,
    /// Whether its id is the caller's, and may be in the queue already.
    pub has_own_id: bool,
    /// Whether its id is final: the caller's, or one that names the place which it was to get when it was tried to take it in. What seemed
    /// to fail may have happened, and the server would know two ids for two actions.
    pub is_named: bool,
    /// Where and when it was tried to take it in last, if it was.
    pub tried: Option<Tried>,
    /// What it does to the last one of its key.
    pub coalescing: Coalescing,
}

impl Newcomer {
    /// Whether it may be stored with other data than it comes with.
    fn may_change(&self) -> bool {
        self.action.depends_on.is_some() || !matches!(self.coalescing, Coalescing::Never)
    }
}

/// Where and when it was tried to take an action in.
#[derive(Debug, Clone, Copy)]
pub struct Tried {
    /// Where. Its sequence number is that of this place.
    place: Durability,
    /// How much was written down there of what became of actions. What has been written down since of its id is about it, and not about
    /// an earlier action of the same id of the caller's.
    history: u64,
}

/// What has been taken in.
#[derive(Debug)]
pub struct Appended {
    /// For each group, the ids and places of its actions, in order, or why it was not taken in.
    pub groups: Vec<Result<Vec<(String, u64)>, AppendError>>,
    /// What became of others: superseded, or evicted.
    pub settled: Vec<(String, Outcome)>,
    /// Those of the new actions that are there with other data than they were handed in with, as they are.
    pub changed: Vec<Action>,
    /// What the queue lacked, and was put into it before.
    pub restored: Restored,
    /// The record of the queue.
    pub record: UserRecord,
}

/// Takes in groups of actions, each of them all or not at all, in order and in one transaction. Resolves when they are on disk.
pub async fn append<S: Store>(
    store: &S,
    user_id: &str,
    groups: &mut [Vec<Newcomer>],
    limits: &QueueLimits,
    now: WallTime,
) -> Result<Appended, StoreError> {
    append_behind(store, user_id, groups, limits, &|| now, &|_| Vec::new()).await
}

/// The same, behind what the queue lacks: `missing` says by its record which actions that may be. `now` is read when the transaction
/// has begun, which may take a while.
pub async fn append_behind<S: Store>(
    store: &S,
    user_id: &str,
    groups: &mut [Vec<Newcomer>],
    limits: &QueueLimits,
    now: &dyn Fn() -> WallTime,
    missing: &dyn Fn(&UserRecord) -> Vec<Action>,
) -> Result<Appended, StoreError> {
    let mut attempt = Attempt::of(groups);
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let (missing, now) = (missing(&ledger.record), now());
    let mut restored = restore::put_back(&mut ledger, missing, now).await?;
    let mut intake = Intake::prepare(ledger, attempt.groups, limits).await?;
    intake.ledger.begin_life(now);
    intake.settled.append(&mut restored.settled);
    let mut results = Vec::with_capacity(attempt.groups.len());
    for group in attempt.groups.iter_mut() {
        // Where they lay when it was tried to take them in before says nothing.
        for newcomer in group.iter_mut() {
            newcomer.action.lane = Lane::of(newcomer.action.priority);
        }
        results.push(match intake.check(group).await? {
            Ok(decisions) => Ok(intake.take_in(group, decisions).await?),
            Err(refused) => Err(refused),
        });
    }
    history::write(&mut intake.ledger, &intake.settled)?;
    let record = intake.ledger.record.clone();
    attempt.may_count = true;
    let committed = intake.ledger.commit().await;
    if !broken::is(Variant::ResolveBeforeCommit) {
        committed?;
    }
    Ok(Appended { groups: results, settled: intake.settled, changed: intake.changed, restored, record })
}

/// An attempt to take in groups of actions. Unless it may have been carried out, an earlier one stays the last that counts: what is known
/// of it says whether that was carried out.
struct Attempt<'g> {
    groups: &'g mut [Vec<Newcomer>],
    /// The places and moments of the earlier one.
    before: Vec<(u64, Option<Tried>)>,
    may_count: bool,
}

impl<'g> Attempt<'g> {
    fn of(groups: &'g mut [Vec<Newcomer>]) -> Self {
        let before = groups.iter().flatten().map(|newcomer| (newcomer.action.seq, newcomer.tried)).collect();
        Self { groups, before, may_count: false }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.may_count {
            for (newcomer, (seq, tried)) in self.groups.iter_mut().flatten().zip(&self.before) {
                (newcomer.action.seq, newcomer.tried) = (*seq, *tried);
            }
        }
    }
}

/// What was decided about a newcomer. It is decided once: what is done afterwards must be what it was made for.
#[derive(Default)]
struct Decision {
    /// As it is to be stored, if that is not as it came.
    instead: Option<Action>,
    /// The one before it in its key, whose place it takes.
    older: Option<Older>,
}

impl Decision {
    /// The newcomer as it is to be stored.
    fn action<'a>(&'a self, newcomer: &'a Newcomer) -> &'a Action {
        self.instead.as_ref().unwrap_or(&newcomer.action)
    }
}

/// One whose place a newcomer takes.
enum Older {
    /// It is in the queue, under that id.
    Stored(String),
    /// It comes with the same group, and has so many before it there. What it will be called is not known yet.
    InGroup(usize),
}

/// What is known while actions are taken in.
struct Intake<'a, T> {
    ledger: Ledger<'a, T>,
    limits: &'a QueueLimits,
    /// The ids that are in the queue, as far as anyone asks: those of callers, and those that others depend on.
    present: FlatMap<String, ()>,
    /// What came of actions that have left, as far as others depend on them: the JSON of their outcomes.
    gone: FlatMap<String, Box<RawValue>>,
    /// The last actions of the keys.
    lasts: FlatMap<String, Action>,
    /// The ids of those that others depend on, and that have to stay until they are applied.
    needed: FlatMap<String, ()>,
    /// The ids of the files that lie there for the newcomers, and that none of them has taken yet.
    files: FlatMap<String, ()>,
    /// Whether any newcomer may take another one's place, and with that its data may count.
    coalesces: bool,
    /// Whether anyone asks which ids are there.
    asks_for_ids: bool,
    settled: Vec<(String, Outcome)>,
    changed: Vec<Action>,
}

impl<'a, T: Transaction> Intake<'a, T> {
    /// Looks up, at once, what has to be known of what is there.
    async fn prepare(ledger: Ledger<'a, T>, groups: &[Vec<Newcomer>], limits: &'a QueueLimits) -> Result<Self, StoreError> {
        let newcomers = || groups.iter().flatten();
        let (transaction, user_id) = (&ledger.transaction, ledger.user_id);
        let own_ids = newcomers().filter(|newcomer| newcomer.has_own_id).map(|newcomer| &newcomer.action.id);
        let ids: FlatMap<&String, ()> =
            own_ids.chain(newcomers().filter_map(|newcomer| newcomer.action.depends_on.as_ref())).map(|id| (id, ())).collect();
        let found = try_join_all(ids.keys().map(|id| transaction.find(user_id, id))).await?;
        let present: FlatMap<String, ()> = found.into_iter().flatten().map(|row| (row.id, ())).collect();
        let absent: Vec<String> = newcomers()
            .filter_map(|newcomer| newcomer.action.depends_on.clone())
            .filter(|id| !present.contains_key(id.as_str()))
            .collect();
        let gone = if absent.is_empty() { vec![] } else { history::find(transaction, user_id, &absent).await? };
        let keys: FlatMap<&String, ()> =
            newcomers().filter_map(|newcomer| newcomer.action.key.as_ref()).map(|key| (key, ())).collect();
        let lasts = try_join_all(keys.keys().map(|key| transaction.last_of_key(user_id, key))).await?;
        let lasts = lasts.into_iter().flatten().map(|row| Action::read(&row, user_id));
        let lasts = lasts.filter_map(|action| Some((action.key.clone()?, action))).collect();
        let needed = newcomers().filter_map(|newcomer| newcomer.action.depends_on.clone()).map(|id| (id, ())).collect();
        let mut files = FlatMap::default();
        for file in newcomers().flat_map(|newcomer| &newcomer.action.files) {
            let text = transaction.document(user_id, Kind::File, &file.id).await?;
            if text.as_deref().and_then(Holder::read).is_some_and(|holder| holder.is_to_come()) {
                files.insert(file.id.clone(), ());
            }
        }
        let (gone, settled, changed) = (gone.into_iter().collect(), Vec::new(), Vec::new());
        let coalesces = newcomers().any(|newcomer| !matches!(newcomer.coalescing, Coalescing::Never));
        let asks_for_ids = newcomers().any(|newcomer| newcomer.has_own_id || newcomer.action.depends_on.is_some());
        let mut intake = Self { ledger, limits, present, gone, lasts, needed, files, coalesces, asks_for_ids, settled, changed };
        intake.look_for_dependents().await?;
        Ok(intake)
    }

    /// Finds out which of the last actions of the keys others depend on.
    async fn look_for_dependents(&mut self) -> Result<(), StoreError> {
        if self.ledger.record.in_lane(Lane::Dependent) == 0 {
            return Ok(());
        }
        let (transaction, user_id) = (&self.ledger.transaction, self.ledger.user_id);
        let ids: Vec<String> = self.lasts.iter().map(|(_, action)| action.id.clone()).collect();
        let found = try_join_all(ids.iter().map(|id| transaction.after(user_id, id, 1))).await?;
        self.needed.extend(ids.into_iter().zip(found).filter(|(_, dependents)| !dependents.is_empty()).map(|(id, _)| (id, ())));
        Ok(())
    }

    /// Whether a group can be taken in, and how each of its actions is. Changes nothing, but for making room.
    async fn check(&mut self, group: &[Newcomer]) -> Result<Result<Vec<Decision>, AppendError>, StoreError> {
        let mut decisions: Vec<Decision> = Vec::with_capacity(group.len());
        let mut ids: FlatMap<&str, ()> = FlatMap::default();
        let mut files: FlatMap<&str, ()> = FlatMap::default();
        // By key: which of the group itself is the last one so far.
        let mut lasts: FlatMap<&str, usize> = FlatMap::default();
        let invalid = |member: &str, received: &str, allowed: &str| {
            Ok(Err(AppendError::Invalid(InvalidInput::new(Subject::Action, member, received, allowed))))
        };
        for newcomer in group {
            let Newcomer { action, has_own_id, coalescing, .. } = newcomer;
            if *has_own_id {
                if self.present.contains_key(&action.id) || ids.contains_key(action.id.as_str()) {
                    let allowed = "an id that is not in the queue already; an action keeps its id until it is settled";
                    return invalid("id", &action.id, allowed);
                }
                ids.insert(&action.id, ());
            }
            for file in &action.files {
                if !self.files.contains_key(&file.id) || files.contains_key(file.id.as_str()) {
                    let message = ["the file ", &file.id, " is not kept here: it has to be stored again, or once more"].concat();
                    let gone = StoreError::new(StoreErrorKind::FilesGone, "taking in actions", message);
                    return Ok(Err(AppendError::Store(gone)));
                }
                files.insert(&file.id, ());
            }
            let mut decision = Decision::default();
            if let Some(other) = &action.depends_on
                && !self.present.contains_key(other)
                && !ids.contains_key(other.as_str())
            {
                let Some(applied) = self.gone.get(other).and_then(|outcome| history::Applied::read(outcome)) else {
                    let allowed = "the id of an action that is in the queue, or was applied a short while ago";
                    return invalid("dependsOn", other, allowed);
                };
                let mut resolved = Action { depends_on: None, ..action.clone() };
                let (data, request) = (&mut resolved.data, &mut resolved.request);
                if let Err(missing) = dependency::complete(data, request, other, applied.result.as_ref()) {
                    return invalid("data", &missing.to_string(), "what the result of the other action has");
                }
                decision.instead = Some(resolved);
            }
            if let Some(key) = action.key.as_ref().filter(|_| self.coalesces) {
                let newer = decision.action(newcomer);
                if let Some((older, found)) = self.gives_way(coalescing, newer, lasts.get(key.as_str()), group, &decisions) {
                    let data = match coalescing.data(older, newer) {
                        Ok(data) => data,
                        Err(error) => return invalid("coalesce", &error, "a function that makes one action's data of two"),
                    };
                    let files = coalescing.files(older, newer);
                    if files.len() > MOST_FILES {
                        let allowed = ["so few files that both have at most ", &MOST_FILES.to_string()].concat();
                        return invalid("coalesce", &[&files.len().to_string(), " files"].concat(), &allowed);
                    }
                    decision = Decision { instead: Some(Action { data, files, ..newer.clone() }), older: Some(found) };
                }
                lasts.insert(key, decisions.len());
            }
            decisions.push(decision);
        }
        if let Err(full) = self.make_room(group, &decisions).await? {
            return Ok(Err(AppendError::Store(full)));
        }
        Ok(Ok(decisions))
    }

    /// Whether the server may be seeing that one just now.
    fn is_in_flight(&self, seq: u64) -> bool {
        self.ledger.record.is_in_flight(seq) || self.ledger.transaction.may_lie_above(self.ledger.user_id)
    }

    /// The last one of its key before a newcomer, if that takes its place: one of the group, of which that one is the last, or one of
    /// the queue.
    fn gives_way<'g>(
        &'g self,
        coalescing: &Coalescing,
        newer: &Action,
        last: Option<&usize>,
        group: &'g [Newcomer],
        decisions: &'g [Decision],
    ) -> Option<(&'g Action, Older)> {
        let (older, found, is_in_flight) = if let Some(&index) = last {
            (decisions.get(index)?.action(group.get(index)?), Older::InGroup(index), false)
        } else {
            let older = self.lasts.get(newer.key.as_ref()?)?;
            (older, Older::Stored(older.id.clone()), self.is_in_flight(older.seq))
        };
        let gives_way = !self.needed.contains_key(&older.id) && coalescing.applies(older, newer, is_in_flight);
        gives_way.then_some((older, found))
    }

    /// The record of the queue as it would be with a group, if nothing were given up.
    fn with(&self, group: &[Newcomer], decisions: &[Decision]) -> UserRecord {
        let mut record = self.ledger.record.clone();
        for (newcomer, decision) in group.iter().zip(decisions) {
            let action = decision.action(newcomer);
            record.count(action.lane, action.bytes());
            let older = decision.older.as_ref().and_then(|older| match older {
                Older::Stored(_) => self.lasts.get(action.key.as_ref()?),
                Older::InGroup(index) => Some(decisions.get(*index)?.action(group.get(*index)?)),
            });
            if let Some(older) = older {
                record.discount(older.lane, older.bytes());
            }
        }
        record
    }

    /// Gives up, where that was declared, as much as is too much with the group.
    async fn make_room(&mut self, group: &[Newcomer], decisions: &[Decision]) -> Result<Result<(), StoreError>, StoreError> {
        let mut with_group = self.with(group, decisions);
        if self.limits.allow(&self.ledger.record, &with_group) {
            return Ok(Ok(()));
        }
        let priority = group.iter().map(|newcomer| newcomer.action.priority).min().unwrap_or(Priority::Low);
        // They give way already, and what takes their places may be made of them.
        let mut coalesced: FlatMap<&str, ()> = FlatMap::default();
        for decision in decisions {
            if let Some(Older::Stored(id)) = &decision.older {
                coalesced.insert(id, ());
            }
        }
        let mut given_up = Vec::new();
        'room: for lane in self.limits.gives_up_for(priority) {
            let mut from = 0;
            loop {
                let rows = self.ledger.transaction.rows(self.ledger.user_id, lane, from, LAST, PAGE).await?;
                let Some(last) = rows.last() else { break };
                from = last.seq.saturating_add(1);
                for row in rows.into_iter().filter(|row| !self.is_in_flight(row.seq) || broken::is(Variant::EvictsSent)) {
                    let action = Action::read(&row, self.ledger.user_id);
                    // It may lie there with others of its key, and be more urgent than they are.
                    let stays = !self.limits.gives_up(action.priority, priority)
                        || self.needed.contains_key(&action.id)
                        || coalesced.contains_key(action.id.as_str());
                    // Its effect may be there; or it cannot be read, and is not ours to give up.
                    if stays || action.may_have_been_applied() && !broken::is(Variant::EvictsSent) {
                        continue;
                    }
                    with_group.discount(lane, action.bytes());
                    given_up.push(action);
                    if self.limits.excess(&with_group).is_none() {
                        break 'room;
                    }
                }
            }
        }
        if let Some(excess) = self.limits.excess(&with_group) {
            let message = format!(
                "the queue would hold {} actions and {} bytes more than it may (the option queue: maxActions, maxBytes)",
                excess.actions, excess.bytes
            );
            return Ok(Err(StoreError::new(StoreErrorKind::QuotaExceeded, "taking in actions", message)));
        }
        for action in given_up {
            self.ledger.remove(&action)?;
            self.leaves(action.id, Outcome::Evicted).await?;
            self.ledger.release_all(action.key.into_iter().collect()).await?;
        }
        // What was last may be gone, or elsewhere.
        for key in self.lasts.keys().cloned().collect::<Vec<_>>() {
            self.lasts.remove(&key);
            let last = self.ledger.transaction.last_of_key(self.ledger.user_id, &key).await?;
            self.lasts.extend(last.map(|row| (key, Action::read(&row, self.ledger.user_id))));
        }
        self.look_for_dependents().await?;
        Ok(Ok(()))
    }

    async fn leaves(&mut self, id: String, outcome: Outcome) -> Result<(), StoreError> {
        let others = self.ledger.tell_dependents(&id, &outcome).await?;
        self.present.remove(&id);
        self.settled.push((id, outcome));
        self.settled.extend(others);
        Ok(())
    }

    /// Takes in a group that was checked.
    async fn take_in(&mut self, group: &mut [Newcomer], decisions: Vec<Decision>) -> Result<Vec<(String, u64)>, StoreError> {
        let mut places: Vec<(String, u64)> = Vec::with_capacity(group.len());
        for (newcomer, Decision { mut instead, older }) in group.iter_mut().zip(decisions) {
            let (has_id, may_change) = (newcomer.is_named, newcomer.may_change());
            // What it came with stays with it: it may have to be taken in once more.
            let action = instead.as_mut().unwrap_or(&mut newcomer.action);
            if action.expires_at.is_some() {
                action.server_ahead = self.ledger.record.server_ahead;
            }
            let gives_way = older.and_then(|older| match older {
                Older::Stored(id) => Some(id),
                Older::InGroup(index) => places.get(index).map(|(id, _)| id.clone()),
            });
            let last = action.key.as_ref().and_then(|key| self.lasts.remove(key));
            let name = |action: &mut Action| {
                if !has_id {
                    action.id = id_at(&action.id, action.seq);
                }
            };
            match last {
                Some(older) if gives_way.as_ref() == Some(&older.id) => {
                    self.ledger.remove_row(&older)?;
                    let is_left = |file: &&QueuedFile| !action.files.iter().any(|own| own.id == file.id);
                    let left: Vec<QueuedFile> = older.files.iter().filter(is_left).cloned().collect();
                    self.ledger.let_go(&left)?;
                    action.seq = if newcomer.coalescing.keeps_place() { older.seq } else { self.ledger.record.next_place() };
                    action.window = older.window;
                    action.lane = self.ledger.shared_lane(action, older.lane).await?;
                    name(action);
                    let by = action.id.clone();
                    self.leaves(older.id, Outcome::Superseded { by }).await?;
                    self.ledger.insert(action)?;
                }
                last => {
                    action.seq = self.ledger.record.next_place();
                    name(action);
                    self.ledger.place(action, last.as_ref()).await?;
                    self.ledger.append(action)?;
                }
            }
            self.ledger.hold_files(action)?;
            for file in &action.files {
                self.files.remove(&file.id);
            }
            if self.asks_for_ids {
                self.present.insert(action.id.clone(), ());
            }
            if may_change {
                self.changed.push(action.clone());
            }
            places.push((action.id.clone(), action.seq));
            if let Some(key) = action.key.clone() {
                let last = if self.coalesces { action.clone() } else { without_data(action) };
                self.lasts.insert(key, last);
            }
            newcomer.is_named = true;
            newcomer.tried = Some(Tried { place: self.ledger.record.place, history: self.ledger.record.history });
            if let Some(instead) = instead {
                (newcomer.action.id, newcomer.action.seq) = (instead.id, instead.seq);
            }
            // Others may have to be drawn on, and the page has to go on.
            self.ledger.transaction.pace().await?;
        }
        Ok(places)
    }
}

/// A copy for those who do not ask for its data, which may be long.
fn without_data(action: &mut Action) -> Action {
    let data = std::mem::replace(&mut action.data, RawValue::NULL.to_owned());
    let copy = action.clone();
    action.data = data;
    copy
}

/// What [`append`] would have said of these groups, if it has been carried out though it seemed to fail; `None` if it has not. What has
/// left the queue again since was taken in as well.
pub async fn appended<S: Store>(store: &S, user_id: &str, groups: &[Vec<Newcomer>]) -> Result<Option<Appended>, StoreError> {
    let ledger = Ledger::open(store, user_id, Access::Read).await?;
    let newcomers = || groups.iter().flatten();
    let rows = try_join_all(newcomers().map(|newcomer| ledger.transaction.find(user_id, &newcomer.action.id))).await?;
    // An id of the caller's may be another action's.
    let is_the_same = |row: &Row, newcomer: &Newcomer| {
        newcomer.is_named && (!newcomer.has_own_id || Action::read(row, user_id).timestamp == newcomer.action.timestamp)
    };
    let found = rows.into_iter().zip(newcomers()).map(|(row, newcomer)| row.filter(|row| is_the_same(row, newcomer)));
    let found: Vec<Option<Row>> = found.collect();
    let those = newcomers().zip(&found).filter(|(newcomer, _)| newcomer.may_change());
    let changed = those.filter_map(|(_, row)| Some(Action::read(row.as_ref()?, user_id))).collect();
    let missing = newcomers().zip(&found).filter(|(_, row)| row.is_none());
    let place = ledger.record.place;
    // What was brought here since was written down here since, and by other numbers.
    let since = |newcomer: &Newcomer| match newcomer.tried? {
        tried if tried.place == place => Some(tried.history),
        _ => (!newcomer.has_own_id).then_some(0),
    };
    let tried = missing.filter_map(|(newcomer, _)| Some((newcomer.action.id.clone(), since(newcomer)?)));
    let gone = history::since(&ledger.transaction, user_id, &tried.collect()).await?;
    let mut found = found.into_iter().rev();
    // Of what was brought here and has left, it is known that it lay before what came with it and behind it.
    let mut bound = ledger.record.next_seq;
    let mut seq_of = |newcomer: &Newcomer| {
        let is_of_here = newcomer.tried.is_some_and(|tried| tried.place == place);
        let left_from = || if is_of_here { newcomer.action.seq } else { bound.saturating_sub(1) };
        // The place that it was given when that was tried last. Its id may name an earlier one.
        let seq = found.next().flatten().map(|row| row.seq).or_else(|| gone.contains_key(&newcomer.action.id).then(left_from))?;
        bound = seq;
        Some((newcomer.action.id.clone(), seq))
    };
    // All of them are asked for, found or not.
    let mut places: Vec<Option<Vec<(String, u64)>>> = Vec::with_capacity(groups.len());
    for group in groups.iter().rev() {
        let group: Vec<_> = group.iter().rev().map(&mut seq_of).collect();
        places.push(group.into_iter().rev().collect());
    }
    places.reverse();
    let any = places.iter().flatten().any(|group| !group.is_empty());
    let record = ledger.commit().await?;
    let refused = || StoreError::new(StoreErrorKind::Failed, "taking in actions", "the disk failed while they were taken in");
    let groups = places.into_iter().map(|places| places.ok_or_else(|| refused().into())).collect();
    Ok(any.then_some(Appended { groups, settled: Vec::new(), changed, restored: Restored::default(), record }))
}
