//! What has to be true of a queue on disk whenever no transaction is under way.

use crate::platform::tables::{Kind, Lane};
use crate::queue::action::{Action, ActionState};
use crate::queue::file::Holder;
use crate::queue::record::UserRecord;
use crate::store::Table;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a user's queue: the record counts something else than what is there, something may be sent that must not be,
/// or nothing will ever let go what waits.
pub fn check_books(table: &Table, user_id: &str) -> Result<(), String> {
    check_books_without(&BTreeSet::new(), table, user_id)
}

/// The same, where nobody can open some of the rows any longer, nor see what their keys are.
pub fn check_books_without(shut: &BTreeSet<String>, table: &Table, user_id: &str) -> Result<(), String> {
    let record = match table.document(user_id, Kind::Queue, "") {
        Some(text) => serde_json::from_str::<UserRecord>(text).map_err(|error| error.to_string())?,
        None => UserRecord::default(),
    };
    let mut rows = table.all_rows(user_id);
    rows.sort_by_key(|row| row.seq);
    let (mut lanes, mut bytes, mut ids) = ([0_u64; 10], 0, BTreeSet::new());
    let mut by_key: BTreeMap<String, Vec<Action>> = BTreeMap::new();
    for row in &rows {
        let action = Action::read(row, user_id);
        if let Some(count) = lanes.get_mut(usize::from(u8::from(row.lane))) {
            *count += 1;
        }
        bytes += action.bytes();
        if !ids.insert(row.id.clone()) {
            return Err(format!("{} is there twice", row.id));
        }
        if row.seq >= record.next_seq {
            return Err(format!("{} has place {}, and the next one is {}", row.id, row.seq, record.next_seq));
        }
        if action.state == ActionState::Pending && row.due != action.due() || row.lane == Lane::Delayed && row.due.is_none() {
            return Err(format!("{} in {:?} is due {:?}, and found at {:?}", row.id, row.lane, action.due(), row.due));
        }
        if !record.is_in_flight(row.seq) && row.due.is_some_and(|due| record.next_due.is_none_or(|next| next > due)) {
            return Err(format!("{} is due {:?}, and nobody looks before {:?}", row.id, row.due, record.next_due));
        }
        if row.key.is_none() && row.lane == Lane::Waiting {
            return Err(format!("{} waits behind nothing", row.id));
        }
        if let Some(key) = row.key.clone().filter(|_| !shut.contains(&row.id)) {
            by_key.entry(key).or_default().push(action);
        }
    }
    if lanes != record.lanes || bytes != record.bytes {
        return Err(format!("{lanes:?} with {bytes} bytes are there; {:?} with {} are counted", record.lanes, record.bytes));
    }
    if record.next_batch.is_some() && record.batch.is_none() {
        return Err("a batch is ready to follow none".into());
    }
    for (key, actions) in by_key {
        check_key(&key, &actions, &record)?;
    }
    Ok(())
}

fn check_key(key: &str, actions: &[Action], record: &UserRecord) -> Result<(), String> {
    let mut held_by: Option<&Action> = None;
    let mut lane: Option<Lane> = None;
    for action in actions {
        if action.lane.is_ready() {
            if let Some(before) = held_by.filter(|_| !record.is_in_flight(action.seq)) {
                return Err(format!("{} of {key} may be sent before {} in {:?}", action.id, before.id, before.lane));
            }
            let other = lane.filter(|lane| *lane > action.lane && !record.is_in_flight(action.seq));
            if other.is_some() {
                return Err(format!("{} of {key} in {:?} overtakes one in {other:?}", action.id, action.lane));
            }
            lane = Some(action.lane);
        } else if action.lane == Lane::Waiting {
            if held_by.is_none() && lane.is_none() {
                return Err(format!("nothing will ever let {} of {key} go", action.id));
            }
            // What is let in behind others must not be overtaken.
            held_by = held_by.or(Some(action));
        } else {
            held_by = held_by.or(Some(action));
        }
    }
    Ok(())
}

/// What is wrong with the files of a user: an action names one that nobody knows to be held by it, or that is not there; or something is
/// held by an action that does not name it. `is_there` gets the ids of the action and of the file.
pub fn check_files(table: &Table, user_id: &str, is_there: &dyn Fn(&str, &String) -> bool) -> Result<(), String> {
    let mut named: BTreeMap<String, String> = BTreeMap::new();
    for row in table.all_rows(user_id) {
        for file in Action::read(&row, user_id).files {
            if !is_there(&row.id, &file.id) {
                return Err(format!("{} of {} is not there", file.id, row.id));
            }
            if let Some(other) = named.insert(file.id.clone(), row.id.clone()) {
                return Err(format!("{} is named by {other} and by {}", file.id, row.id));
            }
        }
    }
    let documents = table.documents(user_id, Kind::File);
    for (id, text) in &documents {
        let held_by = named.remove(id);
        match (Holder::read(text), held_by) {
            (Some(Holder::Action(holder)), Some(action)) if holder == action => {}
            (Some(Holder::Since(_) | Holder::Nothing), None) => {}
            (holder, action) => return Err(format!("{id} is held by {holder:?} and named by {action:?}")),
        }
    }
    match named.pop_first() {
        Some((id, action)) => Err(format!("{id} is named by {action}, and held by nothing")),
        None => Ok(()),
    }
}
