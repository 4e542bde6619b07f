//! Looks at a queue, which change nothing.

use super::history;
use super::ledger::{LAST, Ledger};
use crate::flat_map::FlatMap;
use crate::platform::tables::{Lane, Store, Transaction};
use crate::platform::{Access, StoreError};
use crate::queue::action::{Action, ActionState};
use crate::queue::record::UserRecord;
use futures_util::future::try_join_all;
use serde_json::value::RawValue;

/// The record of a user's queue.
pub async fn record<S: Store>(store: &S, user_id: &str) -> Result<UserRecord, StoreError> {
    Ledger::open(store, user_id, Access::Read).await?.commit().await
}

/// Does something if that is so of the record of a user's queue, while nobody can change it. It waits for nothing. Says whether it did.
pub async fn while_it_is<S: Store>(
    store: &S,
    user_id: &str,
    is_so: impl Fn(&UserRecord) -> bool,
    work: impl FnOnce(),
) -> Result<bool, StoreError> {
    let ledger = Ledger::open(store, user_id, Access::Write).await?;
    let is_so = is_so(&ledger.record);
    if is_so {
        work();
    }
    ledger.commit().await?;
    Ok(is_so)
}

/// Up to `limit` of a user's actions in those lanes from `seq` on, in order, and the record they belong to.
pub async fn list<S: Store>(
    store: &S,
    user_id: &str,
    lanes: &[Lane],
    seq: u64,
    limit: u32,
) -> Result<(UserRecord, Vec<Action>), StoreError> {
    let ledger = Ledger::open(store, user_id, Access::Read).await?;
    let there = lanes.iter().filter(|lane| ledger.record.in_lane(**lane) > 0);
    let rows = try_join_all(there.map(|lane| ledger.transaction.rows(user_id, *lane, seq, LAST, limit))).await?;
    let mut rows: Vec<_> = rows.into_iter().flatten().collect();
    rows.sort_unstable_by_key(|row| row.seq);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let actions = rows.iter().map(|row| Action::read(row, user_id)).collect();
    Ok((ledger.commit().await?, actions))
}

/// The action of that id, whatever its state.
pub async fn find<S: Store>(store: &S, user_id: &str, id: &str) -> Result<Option<Action>, StoreError> {
    let ledger = Ledger::open(store, user_id, Access::Read).await?;
    let found = ledger.find(id).await?;
    ledger.commit().await?;
    Ok(found)
}

/// What is known of actions that someone waits for.
#[derive(Debug, Default)]
pub struct Known {
    /// Those that are still to be settled.
    pub open: Vec<String>,
    /// Those that were settled a short while ago: the JSON of an [`Outcome`](crate::queue::outcome::Outcome) each.
    pub settled: Vec<(String, Box<RawValue>)>,
    /// The others: nothing is known of them, or nothing any longer.
    pub absent: Vec<String>,
    /// The record of the queue.
    pub record: UserRecord,
}

impl Known {
    /// Adds what is known elsewhere of those of which nothing is known here.
    pub fn take_over(&mut self, elsewhere: Self) {
        self.absent = elsewhere.absent;
        self.open.extend(elsewhere.open);
        self.settled.extend(elsewhere.settled);
    }
}

/// What became of these actions. Of those that are neither open nor settled nothing is known any longer.
pub async fn outcomes<S: Store>(store: &S, user_id: &str, ids: &[String]) -> Result<Known, StoreError> {
    let ledger = Ledger::open(store, user_id, Access::Read).await?;
    let rows = ledger.transaction.find_all(user_id, ids).await?;
    let mut known = Known::default();
    for (id, row) in ids.iter().zip(rows) {
        match row.map(|row| Action::read(&row, user_id)) {
            None => known.absent.push(id.clone()),
            // They are settled, until they are put back.
            Some(action) => match resting(&action) {
                Some(outcome) => known.settled.push((id.clone(), outcome)),
                None => known.open.push(id.clone()),
            },
        }
    }
    if !known.absent.is_empty() {
        let settled = history::find(&ledger.transaction, user_id, &known.absent).await?;
        let has_left: FlatMap<&str, ()> = settled.iter().map(|(id, _)| (id.as_str(), ())).collect();
        known.absent.retain(|id| !has_left.contains_key(id.as_str()));
        known.settled.extend(settled);
    }
    known.record = ledger.commit().await?;
    Ok(known)
}

/// The JSON of the outcome of a dead letter or a conflict.
fn resting(action: &Action) -> Option<Box<RawValue>> {
    let text = match action.state {
        ActionState::Dead => {
            let error = action.last_error.as_ref().map_or("null", |error| error.get());
            [r#"{"status":"rejected","error":"#, error, "}"].concat()
        }
        ActionState::Conflict => {
            let conflict = serde_json::to_string(action.conflict.as_ref()?).ok()?;
            [r#"{"status":"conflict","conflict":"#, &conflict, "}"].concat()
        }
        ActionState::Pending | ActionState::Unreadable => return None,
    };
    RawValue::from_string(text).ok()
}
