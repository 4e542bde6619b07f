//! Looks at a queue, which change nothing.

use super::history;
use super::ledger::{LAST, Ledger};
use crate::platform::tables::{Lane, Store, Transaction};
use crate::platform::{Access, StoreError};
use crate::queue::action::Action;
use crate::queue::record::UserRecord;
use futures_util::future::try_join_all;
use serde_json::value::RawValue;

/// The record of a user's queue.
pub async fn record<S: Store>(store: &S, user_id: &str) -> Result<UserRecord, StoreError> {
    Ledger::open(store, user_id, Access::Read).await?.commit().await
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

/// What is known of actions that someone waits for.
#[derive(Debug, Default)]
pub struct Known {
    /// Those that are still to be settled.
    pub open: Vec<String>,
    /// Those that were settled a short while ago: the JSON of an [`Outcome`](crate::queue::outcome::Outcome) each.
    pub settled: Vec<(String, Box<RawValue>)>,
}

/// What became of these actions. Of those that are neither open nor settled nothing is known any longer.
pub async fn outcomes<S: Store>(store: &S, user_id: &str, ids: &[String]) -> Result<Known, StoreError> {
    let ledger = Ledger::open(store, user_id, Access::Read).await?;
    let rows = try_join_all(ids.iter().map(|id| ledger.transaction.find(user_id, id))).await?;
    // A dead letter or a conflict is settled, until it is put back.
    let is_open = |lane: Lane| lane <= Lane::Dependent || lane == Lane::Unreadable;
    let open: Vec<String> = rows.into_iter().flatten().filter(|row| is_open(row.lane)).map(|row| row.id).collect();
    let rest: Vec<String> = ids.iter().filter(|id| !open.contains(id)).cloned().collect();
    let settled = if rest.is_empty() { vec![] } else { history::find(&ledger.transaction, user_id, &rest).await? };
    ledger.commit().await?;
    Ok(Known { open, settled })
}
