//! What must hold for the answer to a batch, and for rows that were read from the disk.

use super::error_response;
use super::exchange::NOW;
use futures_executor::block_on;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use steadfast::error::ApiError;
use steadfast::error::parse::{Extensions, ResponseParts};
use steadfast::outbox::{self, Claim, Claiming, Following};
use steadfast::platform::Access;
use steadfast::platform::tables::{Kind, Lane, Row, Store, Transaction};
use steadfast::policy::backoff::Backoff;
use steadfast::policy::gate::{GateReason, LONGEST_HONOURED_HINT, Trigger};
use steadfast::queue::action::{Action, ActionState};
use steadfast::queue::answer::{Verdict, read};
use steadfast::queue::plan::BatchLimits;
use steadfast::queue::record::UserRecord;
use steadfast::queue::settlement::Moment;
use steadfast::store::Memory;

/// What stands between the parts of an input.
const SEPARATOR: &str = "\n---\n";

/// The first actions of the queue are these, whatever else is on disk.
const GIVEN: u64 = 3;

const BACKOFF: Backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30));

/// Reads the bytes as the answer to a batch, what is known of the queue as a whole, and rows of it, each in its part: puts these on
/// a disk, has the queue send what it finds there, and carries the answer out.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (answer, stored) = text.split_once(SEPARATOR).unwrap_or((&text, ""));
    let mut stored = stored.split(SEPARATOR);
    let record = stored.next().unwrap_or_default();
    user_record(record);
    let given = (0..GIVEN).filter_map(|seq| pending(seq).to_row().ok());
    let damaged = stored.take(16).zip(GIVEN..).map(|(text, seq)| {
        let lane = Lane::ALL[usize::try_from(seq).unwrap_or_default() % Lane::ALL.len()];
        let row =
            Row { lane, seq, id: format!("damaged-{seq}"), key: None, due: None, after: None, text: text.into(), weight: None };
        row_holds(&row);
        row
    });
    block_on(queue_holds(answer, record, given.chain(damaged).collect()));
}

/// A queue drains whatever is on its disk, and loses nothing that the server has not taken.
async fn queue_holds(answer: &str, record: &str, rows: Vec<Row>) {
    let store = Memory::default();
    let transaction = store.transaction(Access::Write).await.expect("memory does not fail");
    for row in &rows {
        transaction.write("ada", row).expect("memory does not fail");
    }
    transaction.write_document("ada", Kind::Queue, "", Some(record)).expect("memory does not fail");
    transaction.commit().await.expect("memory does not fail");
    let epoch = outbox::record(&store, "ada").await.expect("it can be read").epoch;
    let limits = BatchLimits { actions: 100, bytes: 1 << 20 };
    let claiming = Claiming { limits, now: NOW, fresh_key: "fresh", next_key: "next" };
    let step = outbox::claim(&store, "ada", epoch, claiming, Following::Unknown).await.expect("it can be read");
    let mut left: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut gone = |settled: Vec<(String, steadfast::queue::outcome::Outcome)>| {
        for (id, outcome) in settled {
            let written = serde_json::to_string(&outcome).expect("an outcome can be written");
            serde_json::from_str::<IgnoredAny>(&written).expect("it is JSON");
            left.retain(|other| *other != id || matches!(written.split('"').nth(3), Some("rejected" | "conflict")));
        }
    };
    gone(step.settled);
    let next = step.record.next_batch;
    if let Claim::Batch(batch) = step.claim {
        assert!(batch.actions.iter().all(|action| action.state == ActionState::Pending), "what cannot be read is not sent");
        let verdicts = answer_holds(answer, &batch.actions);
        if let Some(verdicts) = verdicts {
            let moment = Moment { backoff: &BACKOFF, now: NOW, unit: 0.5, server_ahead: None };
            let step = outbox::settle(&store, "ada", epoch, &batch, &verdicts, moment, (None, Following::Unknown))
                .await
                .expect("it can be written");
            let is_the_next = step.record.batch.is_none() || step.record.batch == next;
            assert!(is_the_next && step.record.next_batch.is_none(), "nothing of it is in flight");
            for (action, verdict) in batch.actions.iter().zip(&verdicts) {
                let taken = matches!(verdict, Verdict::Applied(_) | Verdict::Duplicate(_));
                let told = step.settled.iter().any(|(id, _)| *id == action.id);
                assert!(told || !taken, "what the server has taken is told");
            }
            gone(step.settled);
        }
    }
    for id in left {
        let there = store.committed().find("ada", &id).is_some();
        assert!(there, "{id} is lost");
    }
}

fn answer_holds(answer: &str, batch: &[Action]) -> Option<Vec<Verdict>> {
    let extensions = Extensions::default();
    let verdicts = read(answer.as_bytes(), batch, NOW, &extensions);
    assert_eq!(verdicts, read(answer.as_bytes(), batch, NOW, &extensions), "read twice, an answer is the same");
    let verdicts = verdicts.ok()?;
    assert_eq!(verdicts.len(), batch.len(), "there is one verdict for each action");
    if let Ok(mut beside) = serde_json::from_str::<Value>(answer) {
        beside["results"]
            .as_array_mut()
            .into_iter()
            .for_each(|results| results.push(json!({ "id": "stranger", "status": "applied" })));
        let again = read(beside.to_string().as_bytes(), batch, NOW, &extensions);
        assert_eq!(again.as_ref(), Ok(&verdicts), "an entry for an action of someone else changes nothing");
    }
    verdicts.iter().for_each(verdict_holds);
    Some(verdicts)
}

fn pending(seq: u64) -> Action {
    Action {
        schema_version: 1,
        seq,
        key: Some(format!("key-{}", seq % 2)),
        ..Action::new(format!("action-{seq}"), "ada", "save_draft".into(), RawValue::NULL.to_owned(), NOW)
    }
}

/// What is known of a queue; what cannot be read is a new one's.
fn user_record(text: &str) {
    let Ok(record) = serde_json::from_str::<UserRecord>(text) else { return };
    let written = serde_json::to_string(&record).expect("a record can be written");
    assert_eq!(serde_json::from_str::<UserRecord>(&written).expect("what is written is read"), record);
    if let Some(batch) = &record.batch {
        assert!((1..=batch.size().max(1)).contains(&batch.next_size()), "a batch is halved, never to nothing");
    }
    let _ = record.counts().total();
    let mut gate = record.gate;
    gate.notice_clock_set_back(NOW);
    let remaining = gate.remaining(NOW);
    for trigger in [Trigger::Opened, Trigger::Enqueued, Trigger::Timer, Trigger::Online, Trigger::Visible, Trigger::Asked] {
        assert!(gate.wait(trigger, NOW) <= remaining);
    }
    let wait = gate.close(&BACKOFF, GateReason::ServerError, Some(Duration::MAX), NOW, 0.5);
    assert!(wait <= remaining.max(LONGEST_HONOURED_HINT * 2), "{wait:?}");
    gate.open(NOW);
}

/// A row is an action, or stands in for itself and keeps its key.
fn row_holds(row: &Row) {
    let action = Action::read(row, "ada");
    if action.state == ActionState::Unreadable {
        assert_eq!(action.seq, row.seq);
        if action.schema_version == 0
            && let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(&row.text)
        {
            let key = members.get("key").and_then(|key| serde_json::from_str::<String>(key.get()).ok());
            assert_eq!(action.key, key, "what cannot be read holds back its key");
        }
    } else {
        let written = action.to_row().expect("an action can be written");
        let again = Action::read(&written, "ada").to_row().expect("an action can be written");
        assert_eq!(again.text, written.text, "what is written is read back");
    }
    assert!(action.bytes() >= action.data.get().len() as u64);
    serde_json::from_str::<IgnoredAny>(&serde_json::to_string(&action.to_wire()).expect("it can be sent")).expect("it is JSON");
}

fn verdict_holds(verdict: &Verdict) {
    match verdict {
        Verdict::Rejected(error) | Verdict::Retry(Some(error)) | Verdict::StepsAside(error) => item_error_holds(error),
        Verdict::Conflict(conflict) => {
            let written = serde_json::to_string(conflict).expect("a conflict can be written");
            assert_eq!(serde_json::from_str(&written).ok().as_ref(), Some(conflict), "what is written is read back");
        }
        Verdict::Applied(_) | Verdict::Duplicate(_) | Verdict::Retry(None) | Verdict::Unlisted => {}
        Verdict::Postponed(_) => panic!("no answer postpones what was sent"),
    }
}

/// The error of one action holds as if its text had been a body.
fn item_error_holds(error: &ApiError) {
    let body = error.raw.text.clone().into_bytes();
    let response = ResponseParts { status: 422, headers: Vec::new(), body, truncated: false, received_at: NOW };
    error_response::holds_for(&response, error);
}
