//! Actions whose time has come: they are sent again, or are no longer worth sending.
//!
//! What waits for a moment is found by the index of moments, whatever else it waits for, and the record says when to look: neither
//! what is there already nor what waits for nothing costs anything.

use super::history;
use super::ledger::{LAST, Ledger, PAGE};
use crate::platform::tables::{Lane, Row, Store, Transaction};
use crate::platform::{Access, StoreError};
use crate::queue::action::{Action, ActionState};
use crate::queue::outcome::Outcome;
use crate::queue::record::{LONGEST_DELAY, UserRecord};
use crate::time::WallTime;

/// What became of actions whose time has come.
#[derive(Debug)]
pub struct Arrived {
    /// What became of those that have left, by id.
    pub settled: Vec<(String, Outcome)>,
    /// The record of the queue.
    pub record: UserRecord,
}

/// Sees to the actions whose time has come, whether or not the server may be asked.
pub async fn bring_due<S: Store>(store: &S, user_id: &str, now: WallTime) -> Result<Arrived, StoreError> {
    let mut ledger = Ledger::open(store, user_id, Access::Write).await?;
    let mut settled = Vec::new();
    see_to_due(&mut ledger, now, &mut settled).await?;
    history::write(&mut ledger, &settled)?;
    Ok(Arrived { settled, record: ledger.commit().await? })
}

/// The same, within a transaction.
pub(super) async fn see_to_due<T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    now: WallTime,
    settled: &mut Vec<(String, Outcome)>,
) -> Result<(), StoreError> {
    if !ledger.record.is_due(now) {
        return Ok(());
    }
    if ledger.record.was_set_back(now) {
        call_back(ledger, now).await?;
        ledger.record.delayed_at = Some(now);
    }
    // What is on its way stays, and is found again each time.
    let page = PAGE.saturating_add(u32::try_from(ledger.record.in_flight()).unwrap_or(PAGE));
    loop {
        let mut rows = ledger.transaction.due(ledger.user_id, now, page).await?;
        rows.retain(|row| !ledger.record.is_in_flight(row.seq));
        if rows.is_empty() {
            break;
        }
        for row in rows {
            see_to(ledger, row, now, settled).await?;
        }
    }
    let rows = ledger.transaction.due(ledger.user_id, WallTime(i64::MAX), page).await?;
    ledger.record.next_due = rows.into_iter().find(|row| !ledger.record.is_in_flight(row.seq)).and_then(|row| row.due);
    Ok(())
}

/// Puts back what was told to wait by a clock that has been set back since, and would wait for longer than anything may.
async fn call_back<T: Transaction>(ledger: &mut Ledger<'_, T>, now: WallTime) -> Result<(), StoreError> {
    let latest = now.after(LONGEST_DELAY);
    let mut from = 0;
    while ledger.record.in_lane(Lane::Delayed) > 0 {
        let rows = ledger.transaction.rows(ledger.user_id, Lane::Delayed, from, LAST, PAGE).await?;
        let Some(last) = rows.last() else { break };
        from = last.seq.saturating_add(1);
        for row in rows {
            let action = Action::read(&row, ledger.user_id);
            if action.state == ActionState::Unreadable {
                // A version that can read it will not know that it waits for nothing.
                ledger.quarantine(row).await?;
            } else if action.not_before.is_some_and(|moment| moment > latest) {
                ledger.put_back(Lane::Delayed, action.bytes(), action).await?;
            }
        }
    }
    Ok(())
}

async fn see_to<T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    row: Row,
    now: WallTime,
    settled: &mut Vec<(String, Outcome)>,
) -> Result<(), StoreError> {
    // What became of one before it may have changed it.
    let Some(row) = ledger.transaction.find(ledger.user_id, &row.id).await? else { return Ok(()) };
    if row.due.is_none_or(|due| due > now) {
        return Ok(());
    }
    let mut action = Action::read(&row, ledger.user_id);
    if action.state == ActionState::Unreadable {
        return ledger.quarantine(row).await;
    }
    let (lane, bytes) = (action.lane, action.bytes());
    match action.expiry(ledger.record.server_ahead) {
        Some(moment) if moment <= now => {
            ledger.remove(&action)?;
            let others = ledger.tell_dependents(&action.id, &Outcome::Expired).await?;
            settled.push((action.id, Outcome::Expired));
            settled.extend(others);
            return ledger.release_all(action.key.into_iter().collect()).await;
        }
        // The wall clock has been set forward since: from now on the moment is named by it as it is.
        Some(moment) if action.expires_at.is_some_and(|named| named <= now) => {
            (action.expires_at, action.server_ahead) = (Some(moment), ledger.record.server_ahead);
        }
        _ => {}
    }
    if lane == Lane::Delayed && action.not_before.is_some_and(|moment| moment <= now) {
        return ledger.put_back(Lane::Delayed, bytes, action).await;
    }
    ledger.rewrite(lane, bytes, &action)
}
