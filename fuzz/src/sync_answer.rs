//! What must hold for the answer to a batch, and for rows that were read from the disk.

use super::error_response;
use super::exchange::NOW;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use steadfast::error::ApiError;
use steadfast::error::parse::{Extensions, ResponseParts};
use steadfast::flat_map::FlatMap;
use steadfast::policy::backoff::Backoff;
use steadfast::policy::gate::{GateReason, LONGEST_HONOURED_HINT, Trigger};
use steadfast::queue::action::{Action, ActionState};
use steadfast::queue::answer::{Verdict, read};
use steadfast::queue::plan::{BatchLimits, Planner};
use steadfast::queue::record::{RowChange, UserRecord};
use steadfast::wire::Priority;

/// What stands between the parts of an input.
const SEPARATOR: &str = "\n---\n";

/// The first actions of the queue are these, whatever else is on disk.
const GIVEN: u64 = 3;

const BACKOFF: Backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30));

/// Reads the bytes as the answer to a batch, what is known of the queue as a whole, and rows of it, each in its part, and
/// carries the answer out.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (answer, stored) = text.split_once(SEPARATOR).unwrap_or((&text, ""));
    let mut stored = stored.split(SEPARATOR);
    let record = user_record(stored.next().unwrap_or_default());
    let rows = stored.take(16).zip(GIVEN..).map(|(row, seq)| row_holds(row, seq));
    let actions: Vec<Action> = (0..GIVEN).map(pending).chain(rows).collect();
    let batch = batch_holds(&actions);
    let extensions = Extensions::default();
    let verdicts = read(answer.as_bytes(), &batch, NOW, &extensions);
    assert_eq!(verdicts, read(answer.as_bytes(), &batch, NOW, &extensions), "read twice, an answer is the same");
    let Ok(verdicts) = verdicts else { return };
    assert_eq!(verdicts.len(), batch.len(), "there is one verdict for each action");
    if let Ok(mut beside) = serde_json::from_str::<Value>(answer) {
        beside["results"]
            .as_array_mut()
            .into_iter()
            .for_each(|results| results.push(json!({ "id": "stranger", "status": "applied" })));
        let again = read(beside.to_string().as_bytes(), &batch, NOW, &extensions);
        assert_eq!(again.as_ref(), Ok(&verdicts), "an entry for an action of someone else changes nothing");
    }
    verdicts.iter().for_each(verdict_holds);
    settlement_holds(record, &batch, &verdicts);
}

fn pending(seq: u64) -> Action {
    Action {
        schema_version: 1,
        id: format!("action-{seq}"),
        user_id: "ada".into(),
        seq,
        key: Some(format!("key-{}", seq % 2)),
        kind: "save_draft".into(),
        priority: Priority::Normal,
        timestamp: NOW,
        data: RawValue::NULL.to_owned(),
        state: ActionState::Pending,
        attempts: 0,
        not_before: None,
        last_error: None,
        conflict: None,
    }
}

/// What is known of a queue; what cannot be read is a new one's.
fn user_record(text: &str) -> UserRecord {
    let Ok(record) = serde_json::from_str::<UserRecord>(text) else { return UserRecord::default() };
    let written = serde_json::to_string(&record).expect("a record can be written");
    assert_eq!(serde_json::from_str::<UserRecord>(&written).expect("what is written is read"), record);
    if let Some(batch) = &record.batch {
        assert!((1..=batch.seqs.len().max(1)).contains(&batch.size()), "a batch is halved, never to nothing");
    }
    let _ = record.counts.total();
    let mut gate = record.gate;
    gate.notice_clock_set_back(NOW);
    let remaining = gate.remaining(NOW);
    for trigger in [Trigger::Opened, Trigger::Enqueued, Trigger::Timer, Trigger::Online, Trigger::Visible, Trigger::Asked] {
        assert!(gate.wait(trigger, NOW) <= remaining);
    }
    let wait = gate.close(&BACKOFF, GateReason::ServerError, Some(Duration::MAX), NOW, 0.5);
    assert!(wait <= remaining.max(LONGEST_HONOURED_HINT * 2), "{wait:?}");
    gate.open(NOW);
    record
}

/// A row is an action, or stands in for itself and keeps its key.
fn row_holds(row: &str, seq: u64) -> Action {
    let action = Action::read(row, "ada", seq, "damaged");
    let written = serde_json::to_string(&action).expect("an action can be written");
    if action.state == ActionState::Unreadable {
        assert_eq!((action.seq, action.schema_version), (seq, 0));
        if let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(row) {
            let key = members.get("key").and_then(|key| serde_json::from_str::<String>(key.get()).ok());
            assert_eq!(action.key, key, "what cannot be read holds back its key");
        }
    } else {
        let again = Action::read(&written, "ada", seq, "damaged");
        assert_eq!(serde_json::to_string(&again).expect("an action can be written"), written, "what is written is read back");
    }
    assert!(action.bytes() >= action.data.get().len() as u64);
    serde_json::from_str::<IgnoredAny>(&serde_json::to_string(&action.to_wire()).expect("it can be sent")).expect("it is JSON");
    action
}

/// The batch that is gathered of these: none that cannot be read, and of each key the first.
fn batch_holds(actions: &[Action]) -> Vec<Action> {
    let mut planner = Planner::new(BatchLimits { actions: 100, bytes: 1 << 20 }, NOW);
    actions.iter().cloned().for_each(|action| planner.offer(action));
    let plan = planner.finish();
    assert!(plan.batch.iter().all(|action| action.state == ActionState::Pending));
    assert!(plan.next_due.is_none_or(|due| due > NOW));
    plan.batch
}

fn verdict_holds(verdict: &Verdict) {
    match verdict {
        Verdict::Rejected(error) | Verdict::Retry(Some(error)) => item_error_holds(error),
        Verdict::Conflict(conflict) => {
            let written = serde_json::to_string(conflict).expect("a conflict can be written");
            assert_eq!(serde_json::from_str(&written).ok().as_ref(), Some(conflict), "what is written is read back");
        }
        Verdict::Applied | Verdict::Duplicate | Verdict::Retry(None) | Verdict::Unlisted => {}
    }
}

/// The error of one action holds as if its text had been a body.
fn item_error_holds(error: &ApiError) {
    let body = error.raw.text.clone().into_bytes();
    let response = ResponseParts { status: 422, headers: Vec::new(), body, truncated: false, received_at: NOW };
    error_response::holds_for(&response, error);
}

/// What the server has taken goes, all else stays, and everything is told once.
fn settlement_holds(mut record: UserRecord, batch: &[Action], verdicts: &[Verdict]) {
    let by_seq: FlatMap<u64, Verdict> =
        batch.iter().zip(verdicts).map(|(action, verdict)| (action.seq, verdict.clone())).collect();
    let settlement = record.settle(batch.to_vec(), &by_seq, true, &BACKOFF, NOW, 0.5);
    assert_eq!(settlement.changes.len(), batch.len(), "each row is written or deleted");
    assert_eq!(record.batch, None);
    for change in settlement.changes {
        let seq = match &change {
            RowChange::Write(action) => action.seq,
            RowChange::Delete { seq } => *seq,
        };
        let taken = matches!(by_seq.get(&seq), Some(Verdict::Applied | Verdict::Duplicate));
        assert_eq!(taken, matches!(change, RowChange::Delete { .. }), "what is deleted is what the server has");
        if let RowChange::Write(action) = change {
            let row = serde_json::to_string(&action).expect("an action can be written");
            let again = Action::read(&row, "ada", seq, "damaged");
            assert_ne!(again.state, ActionState::Unreadable, "what is written can be read");
            assert!(again.not_before.is_none_or(|moment| moment.since(NOW) <= LONGEST_HONOURED_HINT * 2));
        }
    }
    for (_, outcome) in settlement.settled {
        let written = serde_json::to_string(&outcome).expect("an outcome can be written");
        serde_json::from_str::<IgnoredAny>(&written).expect("it is JSON");
    }
}
