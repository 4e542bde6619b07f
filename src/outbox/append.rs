//! How actions come into the queue.

use super::history;
use super::ledger::{LAST, Ledger, PAGE};
use crate::broken::{self, Variant};
use crate::flat_map::FlatMap;
use crate::input::{InvalidInput, Subject};
use crate::platform::tables::{Lane, Store, Transaction};
use crate::platform::{Access, StoreError, StoreErrorKind};
use crate::queue::action::Action;
use crate::queue::coalescing::Coalescing;
use crate::queue::dependency;
use crate::queue::limits::QueueLimits;
use crate::queue::outcome::Outcome;
use crate::queue::record::UserRecord;
use crate::queue::request::WholeRequest;
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
    /// What it does to the last one of its key.
    pub coalescing: Coalescing,
}

/// What has been taken in.
#[derive(Debug)]
pub struct Appended {
    /// For each group, the ids and places of its actions, in order, or why it was not taken in.
    pub groups: Vec<Result<Vec<(String, u64)>, AppendError>>,
    /// What became of others: superseded, or evicted.
    pub settled: Vec<(String, Outcome)>,
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
    let ledger = Ledger::open(store, user_id, Access::Write).await?;
    let mut intake = Intake::prepare(ledger, groups, limits).await?;
    if intake.ledger.record.created_at == WallTime::default() {
        intake.ledger.record.created_at = now;
        // Whoever drained a queue that was here before and was deleted knows none of its epochs.
        intake.ledger.record.epoch = intake.ledger.record.epoch.max(u64::try_from(now.0).unwrap_or(0) & LAST);
    }
    let mut results = Vec::with_capacity(groups.len());
    for group in groups.iter_mut() {
        results.push(match intake.check(group).await? {
            Ok(data) => Ok(intake.take_in(group, data).await?),
            Err(refused) => Err(refused),
        });
    }
    history::write(&mut intake.ledger, &intake.settled)?;
    let record = intake.ledger.record.clone();
    let committed = intake.ledger.commit().await;
    if !broken::is(Variant::ResolveBeforeCommit) {
        committed?;
    }
    Ok(Appended { groups: results, settled: intake.settled, record })
}

/// What an action will say when it is sent.
type Content = (Box<RawValue>, Option<Box<WholeRequest>>);

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
    settled: Vec<(String, Outcome)>,
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
        let (gone, settled) = (gone.into_iter().collect(), Vec::new());
        let mut intake = Self { ledger, limits, present, gone, lasts, needed, settled };
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

    /// Whether a group can be taken in, and with which data. Changes nothing, but for making room.
    async fn check(&mut self, group: &[Newcomer]) -> Result<Result<Vec<Content>, AppendError>, StoreError> {
        let mut data = Vec::with_capacity(group.len());
        let mut ids: FlatMap<&str, ()> = FlatMap::default();
        // What the group itself would leave behind.
        let mut lasts: FlatMap<&str, Action> = FlatMap::default();
        let invalid = |member: &str, received: &str, allowed: &str| {
            Ok(Err(AppendError::Invalid(InvalidInput::new(Subject::Action, member, received, allowed))))
        };
        for Newcomer { action, has_own_id, coalescing, .. } in group {
            if *has_own_id && (self.present.contains_key(&action.id) || ids.contains_key(action.id.as_str())) {
                let allowed = "an id that is not in the queue already; an action keeps its id until it is settled";
                return invalid("id", &action.id, allowed);
            }
            ids.insert(&action.id, ());
            let (mut sent, mut request) = (action.data.clone(), action.request.clone());
            if let Some(other) = &action.depends_on
                && !self.present.contains_key(other)
                && !ids.contains_key(other.as_str())
            {
                let Some(applied) = self.gone.get(other).and_then(|outcome| history::Applied::read(outcome)) else {
                    let allowed = "the id of an action that is in the queue, or was applied a short while ago";
                    return invalid("dependsOn", other, allowed);
                };
                if let Err(missing) = dependency::complete(&mut sent, &mut request, other, applied.result.as_ref()) {
                    return invalid("data", &missing.to_string(), "what the result of the other action has");
                }
            }
            if let Some(key) = &action.key {
                let older = lasts.get(key.as_str()).or_else(|| self.lasts.get(key));
                if let Some(older) = older.filter(|older| self.applies(coalescing, older, action)) {
                    sent = match coalescing.data(older, action) {
                        Ok(data) => data,
                        Err(error) => return invalid("coalesce", &error, "a function that makes one action's data of two"),
                    };
                }
                let last = Action { data: sent.clone(), lane: Lane::Normal, ..action.clone() };
                lasts.insert(key, last);
            }
            data.push((sent, request));
        }
        if let Err(full) = self.make_room(group).await? {
            return Ok(Err(AppendError::Store(full)));
        }
        Ok(Ok(data))
    }

    fn applies(&self, coalescing: &Coalescing, older: &Action, newer: &Action) -> bool {
        !self.needed.contains_key(&older.id) && coalescing.applies(older, newer, self.ledger.record.is_in_flight(older.seq))
    }

    /// Gives up, where that was declared, as much as is too much with the group.
    async fn make_room(&mut self, group: &[Newcomer]) -> Result<Result<(), StoreError>, StoreError> {
        let mut with_group = self.ledger.record.clone();
        for newcomer in group {
            with_group.count(Lane::Normal, newcomer.action.bytes());
        }
        if self.limits.excess(&with_group).is_none() {
            return Ok(Ok(()));
        }
        let priority = group.iter().map(|newcomer| newcomer.action.priority).min().unwrap_or(Priority::Low);
        let mut given_up = Vec::new();
        'room: for lane in self.limits.gives_up_for(priority) {
            let mut from = 0;
            loop {
                let rows = self.ledger.transaction.rows(self.ledger.user_id, lane, from, LAST, PAGE).await?;
                let Some(last) = rows.last() else { break };
                from = last.seq.saturating_add(1);
                for row in
                    rows.into_iter().filter(|row| !self.ledger.record.is_in_flight(row.seq) || broken::is(Variant::EvictsSent))
                {
                    let action = Action::read(&row, self.ledger.user_id);
                    // Its effect may be there; or it cannot be read, and is not ours to give up.
                    if action.may_have_been_applied() && !broken::is(Variant::EvictsSent) || self.needed.contains_key(&action.id)
                    {
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
    async fn take_in(&mut self, group: &mut [Newcomer], contents: Vec<Content>) -> Result<Vec<(String, u64)>, StoreError> {
        let mut places = Vec::with_capacity(group.len());
        for (newcomer, (data, request)) in group.iter_mut().zip(contents) {
            let mut action = Action { data, request, ..newcomer.action.clone() };
            let coalescing = newcomer.coalescing.clone();
            if action.depends_on.as_ref().is_some_and(|other| !self.present.contains_key(other)) {
                // It was applied already, and its result is in the data.
                action.depends_on = None;
            }
            let last = action.key.as_ref().and_then(|key| self.lasts.remove(key));
            let mut name = |action: &mut Action| {
                if !newcomer.is_named {
                    action.id = id_at(&action.id, action.seq);
                    newcomer.action.id.clone_from(&action.id);
                    newcomer.is_named = true;
                }
            };
            match last {
                Some(older) if self.applies(&coalescing, &older, &action) => {
                    self.ledger.remove(&older)?;
                    if coalescing.keeps_place() {
                        (action.seq, action.lane, action.window) = (older.seq, older.lane, older.window);
                    } else {
                        action.seq = self.ledger.record.next_place();
                        (action.lane, action.window) = (older.lane, older.window);
                    }
                    name(&mut action);
                    let by = action.id.clone();
                    self.leaves(older.id, Outcome::Superseded { by }).await?;
                }
                last => {
                    action.seq = self.ledger.record.next_place();
                    name(&mut action);
                    self.ledger.place(&mut action, last.as_ref()).await?;
                }
            }
            self.ledger.insert(&action)?;
            self.present.insert(action.id.clone(), ());
            places.push((action.id.clone(), action.seq));
            if let Some(key) = action.key.clone() {
                self.lasts.insert(key, action);
            }
        }
        Ok(places)
    }
}

/// What [`append`] would have said of these groups, if it has been carried out though it seemed to fail; `None` if it has not.
pub async fn appended<S: Store>(store: &S, user_id: &str, groups: &[Vec<Newcomer>]) -> Result<Option<Appended>, StoreError> {
    let ledger = Ledger::open(store, user_id, Access::Read).await?;
    let mut places = Vec::with_capacity(groups.len());
    for group in groups {
        let rows = try_join_all(group.iter().map(|newcomer| ledger.transaction.find(user_id, &newcomer.action.id))).await?;
        // An id of the caller's may be another action's.
        let is_the_same = |row: &Row, newcomer: &Newcomer| {
            newcomer.is_named && (!newcomer.has_own_id || Action::read(row, user_id).timestamp == newcomer.action.timestamp)
        };
        let found = rows.into_iter().zip(group).map(|(row, newcomer)| row.filter(|row| is_the_same(row, newcomer)));
        places.push(found.map(|row| row.map(|row| (row.id, row.seq))).collect::<Option<Vec<_>>>());
    }
    let any = places.iter().flatten().any(|group| !group.is_empty());
    let record = ledger.commit().await?;
    let refused = || StoreError::new(StoreErrorKind::Failed, "taking in actions", "the disk failed while they were taken in");
    let groups = places.into_iter().map(|places| places.ok_or_else(|| refused().into())).collect();
    Ok(any.then_some(Appended { groups, settled: Vec::new(), record }))
}
