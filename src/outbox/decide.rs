//! What the application decides about an action.

use super::dependents;
use super::history;
use super::ledger::Ledger;
use crate::broken::{self, Variant};
use crate::platform::tables::{Lane, Store, Transaction};
use crate::platform::{Access, StoreError};
use crate::queue::action::ActionState;
use crate::queue::outcome::Outcome;
use crate::queue::record::{Run, UserRecord};
use crate::time::WallTime;
use serde_json::value::RawValue;

/// What a decision has led to.
#[derive(Debug)]
pub struct Decided {
    /// What became of actions, by id.
    pub settled: Vec<(String, Outcome)>,
    /// The record of the queue.
    pub record: UserRecord,
}

/// What came of the wish to change an action.
#[derive(Debug)]
pub enum Change {
    /// It is done.
    Done(Box<Decided>),
    /// There is no action of that id.
    NoSuchAction,
    /// The server may have seen it as it is, or may be seeing it right now: only what it says can change it.
    MayHaveBeenSent,
}

async fn finish<T: Transaction>(mut ledger: Ledger<'_, T>, settled: Vec<(String, Outcome)>) -> Result<Decided, StoreError> {
    history::write(&mut ledger, &settled)?;
    Ok(Decided { settled, record: ledger.commit().await? })
}

/// How a conflict is decided.
#[derive(Debug, Clone)]
pub enum Resolution {
    /// The action is sent again, in its place, with other data if there is any.
    Again(Option<Box<RawValue>>),
    /// It leaves the queue.
    Out,
}

/// Takes an action out of the queue because the application says so. `None` if there is none of that id.
pub async fn discard<S: Store>(store: &S, user_id: &str, id: &str) -> Result<Option<Decided>, StoreError> {
    decide(store, user_id, id, |_| true, Resolution::Out).await
}

/// Puts a dead letter or a conflict back among the pending, in its old place, with other data if there is any. One that still lacks what
/// it depends on is a dead letter again at once. `None` if there is no such action of that id, and then nothing is changed.
pub async fn requeue<S: Store>(
    store: &S,
    user_id: &str,
    id: &str,
    data: Option<Box<RawValue>>,
) -> Result<Option<Decided>, StoreError> {
    decide(store, user_id, id, |state| matches!(state, ActionState::Dead | ActionState::Conflict), Resolution::Again(data)).await
}

/// Decides a conflict. `None` if there is none of that id, and then nothing is changed.
pub async fn resolve<S: Store>(
    store: &S,
    user_id: &str,
    id: &str,
    resolution: Resolution,
) -> Result<Option<Decided>, StoreError> {
    decide(store, user_id, id, |state| state == ActionState::Conflict, resolution).await
}

/// Does it to the action of that id, if it stands where it may be done.
async fn decide<S: Store>(
    store: &S,
    user_id: &str,
    id: &str,
    applies: fn(ActionState) -> bool,
    resolution: Resolution,
) -> Result<Option<Decided>, StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let Some(mut action) = ledger.find(id).await?.filter(|action| applies(action.state)) else {
        ledger.commit().await?;
        return Ok(None);
    };
    let mut settled = vec![];
    match resolution {
        Resolution::Again(data) => {
            let (lane, bytes) = (action.lane, action.bytes());
            action.reset();
            if let Some(data) = data {
                let files = action.give(data);
                ledger.let_go(&files)?;
            }
            settled.extend(dependents::put_back(&mut ledger, lane, bytes, action).await?);
        }
        Resolution::Out => {
            ledger.remove(&action)?;
            ledger.record.break_batch_of(action.seq);
            settled.push((action.id, Outcome::Discarded));
            settled.extend(ledger.tell_dependents(id, &Outcome::Discarded).await?);
            ledger.release_all(action.key.into_iter().collect()).await?;
        }
    }
    Ok(Some(finish(ledger, settled).await?))
}

/// Gives an action that is still to be sent other data, in its place and under its id.
pub async fn edit<S: Store>(store: &S, user_id: &str, id: &str, data: Box<RawValue>) -> Result<Change, StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let action = match ledger.find(id).await? {
        None => {
            ledger.commit().await?;
            return Ok(Change::NoSuchAction);
        }
        Some(action)
            if action.lane == Lane::Unreadable
                || ledger.transaction.may_lie_above(user_id)
                || (action.sent || ledger.record.is_in_flight(action.seq)) && !broken::is(Variant::EditsSent) =>
        {
            ledger.commit().await?;
            return Ok(Change::MayHaveBeenSent);
        }
        Some(action) => action,
    };
    let mut edited = action.clone();
    let files = edited.give(data);
    ledger.let_go(&files)?;
    ledger.rewrite(action.lane, action.bytes(), &edited)?;
    Ok(Change::Done(Box::new(finish(ledger, vec![]).await?)))
}

/// Takes all of a user's actions out of the queue. Who finds an empty one afterwards can tell that it was purged, and is not new.
pub async fn purge<S: Store>(store: &S, user_id: &str, now: WallTime) -> Result<Decided, StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    ledger.begin_life(now);
    let mut settled = Vec::new();
    for lane in Lane::ALL {
        let mut from = 0;
        loop {
            let rows = ledger.transaction.rows(user_id, lane, from, super::ledger::LAST, super::ledger::PAGE).await?;
            let Some(last) = rows.last() else { break };
            from = last.seq.saturating_add(1);
            settled.extend(rows.iter().map(|row| (row.id.clone(), Outcome::Discarded)));
        }
        ledger.delete_rows([Run { lane, first: 0, last: super::ledger::LAST }])?;
    }
    ledger.let_go_of_all().await?;
    ledger.record.lanes = [0; 10];
    ledger.record.bytes = 0;
    (ledger.record.batch, ledger.record.next_batch) = (None, None);
    finish(ledger, settled).await
}
