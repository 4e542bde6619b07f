//! What was seen while a batch was on its way: it is what goes next, unless anything has happened to it since.

use crate::rules::{NOW, Queue, json, moment, newcomer};
use futures_executor::block_on;
use steadfast::outbox::{self, Ahead, Batch, Claim, Claiming};
use steadfast::queue::answer::Verdict;
use steadfast::queue::plan::BatchLimits;

const LIMITS: BatchLimits = BatchLimits { actions: 2, bytes: 1 << 18 };

fn claiming(ahead: Option<Ahead>) -> Claiming<'static> {
    Claiming { limits: LIMITS, now: NOW, fresh_key: "key", ahead }
}

/// Five actions, of which the first two are on their way, and what comes after them was seen.
struct Drain {
    queue: Queue,
    epoch: u64,
    batch: Batch,
    ahead: Option<Ahead>,
}

impl Drain {
    fn new() -> Self {
        let queue = Queue::default();
        queue.append((1..=5).map(|number| newcomer(&format!("a{number}"), Some("draft"))).collect());
        let epoch = queue.begin(NOW);
        let step = block_on(outbox::claim(&queue.0, "ada", epoch, claiming(None))).unwrap();
        let Claim::Batch(batch) = step.claim else { panic!("there is something to send") };
        assert!(batch.is_foremost);
        let ahead = block_on(outbox::look_ahead(&queue.0, "ada", step.record, LIMITS)).unwrap();
        assert!(ahead.is_some());
        // Now nobody but who has to read again would see what they say.
        queue.0.tamper(|table| {
            for mut row in table.all_rows("ada") {
                row.text = row.text.replace(r#""type":"save""#, r#""type":"READ""#);
                assert!(table.write("ada", &row));
            }
        });
        Self { queue, epoch, batch, ahead }
    }

    /// Ids and types of what goes next.
    fn next(self, verdict: &Verdict) -> Vec<(String, String)> {
        let verdicts = vec![verdict.clone(); self.batch.actions.len()];
        let next = Some(claiming(self.ahead));
        let settled = outbox::settle(&self.queue.0, "ada", self.epoch, &self.batch, &verdicts, moment(NOW), next);
        match block_on(settled).unwrap().claim {
            Claim::Batch(batch) => batch.actions.into_iter().map(|action| (action.id, action.kind)).collect(),
            _ => Vec::new(),
        }
    }
}

fn sent(actions: [(&str, &str); 2]) -> Vec<(String, String)> {
    actions.map(|(id, kind)| (id.into(), kind.into())).into()
}

#[test]
fn what_was_seen_is_what_goes_next_and_is_not_read_again() {
    assert_eq!(Drain::new().next(&Verdict::Applied(None)), sent([("a3", "save"), ("a4", "save")]));
}

#[test]
fn what_was_seen_is_read_again_if_some_of_it_was_edited_or_discarded_or_more_was_put_there_since() {
    let drain = Drain::new();
    block_on(outbox::edit(&drain.queue.0, "ada", "a4", json("1"))).unwrap();
    assert_eq!(drain.next(&Verdict::Applied(None)), sent([("a3", "READ"), ("a4", "READ")]));
    let drain = Drain::new();
    block_on(outbox::discard(&drain.queue.0, "ada", "a3")).unwrap();
    assert_eq!(drain.next(&Verdict::Applied(None)), sent([("a4", "READ"), ("a5", "READ")]));
    let drain = Drain::new();
    drain.queue.append(vec![newcomer("a6", None)]);
    assert_eq!(drain.next(&Verdict::Applied(None)), sent([("a3", "READ"), ("a4", "READ")]));
}

#[test]
fn what_was_seen_waits_behind_one_of_its_key_that_stays() {
    assert_eq!(Drain::new().next(&Verdict::Postponed(std::time::Duration::from_secs(60))), []);
}

#[test]
fn nothing_is_looked_for_behind_the_last_batch_nor_in_a_queue_that_was_written_to_since_it_was_claimed() {
    let queue = Queue::default();
    queue.append(vec![newcomer("a1", None), newcomer("a2", None), newcomer("a3", None)]);
    let epoch = queue.begin(NOW);
    let step = block_on(outbox::claim(&queue.0, "ada", epoch, claiming(None))).unwrap();
    queue.append(vec![newcomer("a4", None)]);
    assert!(block_on(outbox::look_ahead(&queue.0, "ada", step.record, LIMITS)).unwrap().is_none());
    block_on(outbox::purge(&queue.0, "ada")).unwrap();
    queue.append(vec![newcomer("b1", None)]);
    let step = block_on(outbox::claim(&queue.0, "ada", epoch, claiming(None))).unwrap();
    assert!(block_on(outbox::look_ahead(&queue.0, "ada", step.record, LIMITS)).unwrap().is_none());
}
