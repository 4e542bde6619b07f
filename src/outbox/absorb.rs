//! How what lay in a lesser store comes into a better one.

use super::dependents;
use super::history;
use super::ledger::Ledger;
use super::restore::{self, Restored};
use crate::flat_map::FlatMap;
use crate::platform::tables::{Kind, Lane, Lot, Row, Transaction};
use crate::platform::{Access, StoreError};
use crate::queue::action::{Action, ActionState};
use crate::queue::outcome::Outcome;
use crate::queue::record::UserRecord;
use crate::time::WallTime;

/// What has come of taking in what lay elsewhere.
#[derive(Debug)]
pub struct Absorbed {
    /// What the queue lacked, and was put into it before; and what was settled by that, or as it came here.
    pub restored: Restored,
    /// When the queue was created that lay there.
    pub created_at: WallTime,
    /// The record of the queue here.
    pub record: UserRecord,
}

/// Takes in all that lay elsewhere of a user, in its order, behind what is here, and hands the transaction back. What the server has
/// asked for there holds here, and what may have been sent there may have been sent here.
///
/// Before it comes what the queue here lacks: `missing` says by its record which actions that may be.
pub async fn absorb<T: Transaction>(
    transaction: T,
    lot: Lot,
    now: WallTime,
    missing: &dyn Fn(&UserRecord) -> Vec<Action>,
) -> Result<(T, Absorbed), StoreError> {
    let user_id = lot.user_id.clone();
    let mut ledger = Ledger::within(transaction, &user_id, Access::Write).await?;
    let of_kind = |wanted: Kind| lot.documents.iter().filter(move |(kind, ..)| *kind == wanted).map(|(_, _, text)| text);
    let record: UserRecord = of_kind(Kind::Queue).find_map(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let missing = missing(&ledger.record);
    let mut restored = restore::put_back(&mut ledger, missing, now).await?;
    ledger.begin_life(now);
    // Whoever brought it may have died before it was gone below: it has been sent from here since, and left.
    let ids: Vec<String> = lot.rows.iter().map(|row| row.id.clone()).collect();
    let known = if ids.is_empty() { vec![] } else { history::find(&ledger.transaction, &user_id, &ids).await? };
    let mut has_left: FlatMap<String, bool> = FlatMap::default();
    has_left.extend(known.into_iter().map(|(id, outcome)| (id, history::is_final(&outcome))));
    ledger.record.gate.take_over(record.gate, now);
    ledger.record.last_sync = ledger.record.last_sync.max(record.last_sync);
    ledger.record.delayed_at = ledger.record.delayed_at.max(record.delayed_at);
    ledger.record.meet_server_clock(Some(record.server_ahead).filter(|ahead| *ahead != 0));
    history::take_over(&mut ledger, of_kind(Kind::History)).await?;
    let is_here = |row: &&Row| {
        let is_put_back = restored.places.iter().any(|(id, seq)| *id == row.id && seq.is_some());
        is_put_back || has_left.get(row.id.as_str()) == Some(&true)
    };
    // What was brought and has left so long ago that nothing is known of it may have been sent from here.
    let may_be_forgotten = lot.may_have_been_brought && history::forgets(&ledger.record);
    let mut settled = Vec::new();
    for row in lot.rows.iter().filter(|row| !is_here(row)) {
        settled.extend(take_in(&mut ledger, row, may_be_forgotten || record.is_in_flight(row.seq)).await?);
    }
    restored.settled.append(&mut settled);
    history::write(&mut ledger, &restored.settled)?;
    let created_at = record.created_at;
    let (transaction, record) = ledger.hand_back()?;
    Ok((transaction, Absorbed { restored, created_at, record }))
}

async fn take_in<T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    row: &Row,
    may_have_been_sent: bool,
) -> Result<Option<(String, Outcome)>, StoreError> {
    let seq = ledger.record.next_place();
    let mut action = Action::read(row, ledger.user_id);
    let last = match &action.key {
        Some(key) => ledger.transaction.last_of_key(ledger.user_id, key).await?.map(|row| Action::read(&row, ledger.user_id)),
        None => None,
    };
    if action.state == ActionState::Unreadable {
        ledger.record.count(Lane::Unreadable, action.bytes());
        let aside = Row { lane: Lane::Unreadable, seq, key: action.key, due: None, after: None, ..row.clone() };
        ledger.write_row(&aside)?;
        return Ok(None);
    }
    action.seq = seq;
    action.sent |= may_have_been_sent;
    // What waits for something waits for it here, unless that was sent from here since; everything else has a new place behind the
    // others of its key.
    if action.lane.is_ready() || action.lane == Lane::Waiting {
        ledger.place(&mut action, last.as_ref()).await?;
    }
    ledger.append(&action)?;
    dependents::catch_up(ledger, action).await
}
