//! The batch that is made ready while one is on its way.

use crate::rules::{NOW, Queue, json, moment, newcomer};
use futures_executor::block_on;
use std::time::Duration;
use steadfast::outbox::{self, Batch, Claim, Claiming, Failure, Following, Newcomer, Step};
use steadfast::platform::tables::Lane;
use steadfast::policy::gate::{GateReason, Trigger};
use steadfast::queue::answer::Verdict;
use steadfast::queue::plan::BatchLimits;
use steadfast::wire::Priority;

const LIMITS: BatchLimits = BatchLimits { actions: 2, bytes: 1 << 18 };
const APPLIED: [Verdict; 2] = [Verdict::Applied(None), Verdict::Applied(None)];

fn claiming([fresh_key, next_key]: [&str; 2]) -> Claiming<'_> {
    Claiming { limits: LIMITS, now: NOW, fresh_key, next_key }
}

fn ids(batch: &Batch) -> Vec<&str> {
    batch.actions.iter().map(|action| action.id.as_str()).collect()
}

/// A queue of which `a1` and `a2` are on their way, and `a3` and `a4` are ready to follow.
struct Drain {
    queue: Queue,
    epoch: u64,
    batch: Batch,
    next: Batch,
}

impl Drain {
    fn of(newcomers: Vec<Newcomer>) -> Self {
        let queue = Queue::default();
        queue.append(newcomers);
        let epoch = queue.begin(NOW);
        let step = block_on(outbox::claim(&queue.0, "ada", epoch, claiming(["first", "second"]), Following::Unknown)).unwrap();
        let Step { claim: Claim::Batch(batch), next: Some(next), .. } = step else { panic!("{step:?}") };
        queue.check();
        Self { queue, epoch, batch, next }
    }

    fn new() -> Self {
        Self::of((1..=7).map(|number| newcomer(&format!("a{number}"), Some("draft"))).collect())
    }

    fn may_go(&self) -> bool {
        block_on(outbox::may_go(&self.queue.0, "ada", self.epoch, &self.next, NOW)).unwrap()
    }

    fn settle(&self, verdicts: &[Verdict], following: Following<'_>) -> Step {
        let next = Some(claiming(["third", "fourth"]));
        let step = outbox::settle(&self.queue.0, "ada", self.epoch, &self.batch, verdicts, moment(NOW), (next, following));
        let step = block_on(step).unwrap();
        self.queue.check();
        step
    }

    /// Another drain begins, which knows nothing of this one.
    fn begin_again(&self) -> (u64, Step) {
        let epoch = self.queue.begin(NOW);
        let step = outbox::claim(&self.queue.0, "ada", epoch, claiming(["fifth", "sixth"]), Following::Unknown);
        (epoch, block_on(step).unwrap())
    }
}

#[test]
fn what_follows_a_batch_is_chosen_when_that_is_claimed_and_goes_under_a_key_of_its_own() {
    let drain = Drain::new();
    assert_eq!((ids(&drain.batch), drain.batch.key.as_str()), (vec!["a1", "a2"], "first"));
    assert_eq!((ids(&drain.next), drain.next.key.as_str(), drain.next.is_again), (vec!["a3", "a4"], "second", false));
    assert!(drain.may_go());
}

#[test]
fn while_it_is_on_its_way_the_one_before_it_leaves_and_the_one_after_it_is_made_ready() {
    let drain = Drain::new();
    let step = drain.settle(&APPLIED, Following::OnItsWay);
    assert!(matches!(step.claim, Claim::Nothing { .. }), "{step:?}");
    assert_eq!(ids(&step.next.unwrap()), ["a5", "a6"]);
    let record = drain.queue.record();
    assert_eq!((record.batch.unwrap().key, record.next_batch.unwrap().key), ("second".into(), "fourth".into()));
    // The last one is not full, and what is enqueued meanwhile goes with it.
    let Drain { queue, epoch, next, .. } = drain;
    let settle = |batch: &Batch| {
        let next = Some(claiming(["x", "y"]));
        block_on(outbox::settle(&queue.0, "ada", epoch, batch, &APPLIED, moment(NOW), (next, Following::OnItsWay))).unwrap()
    };
    assert!(settle(&next).next.is_none());
}

#[test]
fn a_batch_that_is_settled_once_more_leaves_the_one_on_its_way_alone() {
    let drain = Drain::new();
    drain.settle(&APPLIED, Following::OnItsWay);
    let before = drain.queue.record();
    drain.settle(&APPLIED, Following::OnItsWay);
    let after = drain.queue.record();
    assert_eq!((after.batch, after.next_batch), (before.batch, before.next_batch));
}

#[test]
fn nothing_is_made_ready_that_would_not_be_full_or_goes_alone() {
    let queue = Queue::default();
    queue.append((1..=3).map(|number| newcomer(&format!("a{number}"), None)).collect());
    let epoch = queue.begin(NOW);
    let claim = |keys| block_on(outbox::claim(&queue.0, "ada", epoch, claiming(keys), Following::Unknown)).unwrap();
    assert!(claim(["first", "second"]).next.is_none());
    let mut alone = newcomer("b1", None);
    alone.action.alone = true;
    let newcomers = ["a1", "a2"].map(|id| newcomer(id, None)).into_iter().chain([alone, newcomer("b2", None)]);
    let queue = Queue::default();
    queue.append(newcomers.collect());
    let epoch = queue.begin(NOW);
    let step = block_on(outbox::claim(&queue.0, "ada", epoch, claiming(["first", "second"]), Following::Unknown)).unwrap();
    assert!(step.next.is_none(), "{step:?}");
}

#[test]
fn it_does_not_go_by_itself_once_some_of_it_was_discarded_or_has_expired_or_another_drain_has_begun() {
    let drain = Drain::new();
    block_on(outbox::discard(&drain.queue.0, "ada", "a4")).unwrap();
    assert!(!drain.may_go());
    assert_eq!(drain.settle(&APPLIED, Following::Unsent(&drain.next)).settled.len(), 2);
    let drain = Drain::new();
    drain.begin_again();
    assert!(!drain.may_go());
    let mut newcomers: Vec<Newcomer> = (1..=4).map(|number| newcomer(&format!("a{number}"), None)).collect();
    newcomers[3].action.expires_at = Some(NOW.after(Duration::from_secs(1)));
    let drain = Drain::of(newcomers);
    assert!(drain.may_go());
    let later = NOW.after(Duration::from_secs(2));
    assert!(!block_on(outbox::may_go(&drain.queue.0, "ada", drain.epoch, &drain.next, later)).unwrap());
}

#[test]
fn what_is_ready_is_taken_for_sent_by_everyone_else() {
    let drain = Drain::new();
    let change = block_on(outbox::edit(&drain.queue.0, "ada", "a3", json("2"))).unwrap();
    assert!(matches!(change, outbox::Change::MayHaveBeenSent));
    let (epoch, step) = drain.begin_again();
    let Step { claim: Claim::Batch(first), next: Some(next), .. } = step else { panic!("{step:?}") };
    let again = |batch: &Batch| (batch.key.clone(), batch.is_again);
    assert_eq!((again(&first), again(&next)), (("first".into(), true), ("second".into(), true)));
    // What stays of the first may hold back some of it, which the server may have seen.
    let verdicts = [Verdict::Applied(None), Verdict::Retry(None)];
    let claiming = Some(claiming(["x", "y"]));
    block_on(outbox::settle(&drain.queue.0, "ada", epoch, &first, &verdicts, moment(NOW), (claiming, Following::Unknown)))
        .unwrap();
    let table = drain.queue.0.committed();
    let row = |id: &str| steadfast::queue::action::Action::read(table.find("ada", id).unwrap(), "ada");
    assert_eq!((row("a2").lane, row("a3").lane, row("a3").sent, row("a5").sent), (Lane::Delayed, Lane::Waiting, true, false));
}

#[test]
fn what_was_ready_and_has_not_gone_is_free_again_when_the_one_before_it_fails_or_stays() {
    let drain = Drain::new();
    let failure = Failure { because: GateReason::Network, hint: None, counts_against_batch: false };
    let following = Following::Unsent(&drain.next);
    block_on(outbox::close_gate(&drain.queue.0, "ada", drain.epoch, failure, following, moment(NOW))).unwrap();
    drain.queue.check();
    let change = block_on(outbox::edit(&drain.queue.0, "ada", "a3", json("2"))).unwrap();
    assert!(matches!(change, outbox::Change::Done(_)));
    let drain = Drain::new();
    let step =
        drain.settle(&[Verdict::Applied(None), Verdict::Postponed(Duration::from_secs(60))], Following::Unsent(&drain.next));
    assert!(matches!(step.claim, Claim::Nothing { .. }), "all of it waits behind one of its key: {step:?}");
    let row = drain.queue.row("a3").unwrap();
    assert!(!steadfast::queue::action::Action::read(&row, "ada").sent);
}

#[test]
fn what_comes_back_to_its_old_place_meanwhile_goes_before_what_lies_behind_the_batch() {
    let queue = Queue::default();
    let mut newcomers: Vec<Newcomer> = (1..=8).map(|number| newcomer(&format!("a{number}"), None)).collect();
    newcomers[0].action.expires_at = None;
    queue.append(newcomers);
    // The first one is told to wait.
    let epoch = queue.begin(NOW);
    let step = block_on(outbox::claim(&queue.0, "ada", epoch, claiming(["first", "second"]), Following::Unknown)).unwrap();
    let (Claim::Batch(batch), Some(next)) = (step.claim, step.next) else { panic!("there is something to send") };
    let verdicts = [Verdict::Postponed(Duration::from_secs(1)), Verdict::Applied(None)];
    let following = Following::Unsent(&next);
    let settle = |batch: &Batch, verdicts: &[Verdict], now, following| {
        let next = Some(Claiming { now, ..claiming(["third", "fourth"]) });
        let step = block_on(outbox::settle(&queue.0, "ada", epoch, batch, verdicts, moment(now), (next, following))).unwrap();
        queue.check();
        step
    };
    let step = settle(&batch, &verdicts, NOW, following);
    let (Claim::Batch(batch), Some(next)) = (step.claim, step.next) else { panic!("there is more") };
    assert_eq!((ids(&batch), ids(&next)), (vec!["a3", "a4"], vec!["a5", "a6"]));
    let step = settle(&batch, &APPLIED, NOW.after(Duration::from_secs(2)), Following::OnItsWay);
    assert_eq!(ids(&step.next.unwrap()), ["a1", "a7"]);
}

#[test]
fn the_most_urgent_goes_first_though_it_was_enqueued_behind_a_batch_of_several_lanes() {
    let of = |id: &str, priority: Priority| {
        let mut newcomer = newcomer(id, None);
        (newcomer.action.priority, newcomer.action.lane) = (priority, Lane::of(priority));
        newcomer
    };
    let drain = Drain::of(vec![
        of("low", Priority::Low),
        of("urgent", Priority::Critical),
        of("normal", Priority::Normal),
        of("urgent too", Priority::Critical),
        of("high", Priority::High),
        of("last", Priority::Low),
    ]);
    assert_eq!((ids(&drain.batch), ids(&drain.next)), (vec!["urgent", "urgent too"], vec!["normal", "high"]));
    drain.queue.append(vec![of("more urgent", Priority::Critical)]);
    let step = drain.settle(&APPLIED, Following::OnItsWay);
    assert_eq!(
        ids(&step.next.unwrap()),
        ["low", "more urgent"],
        "the eighth place is the oldest's, and before that the most urgent's"
    );
}

#[test]
fn a_queue_is_idle_when_nothing_is_left_of_both() {
    let drain = Drain::of((1..=4).map(|number| newcomer(&format!("a{number}"), None)).collect());
    assert!(drain.settle(&APPLIED, Following::OnItsWay).next.is_none());
    let next = Some(claiming(["x", "y"]));
    let settled =
        outbox::settle(&drain.queue.0, "ada", drain.epoch, &drain.next, &APPLIED, moment(NOW), (next, Following::Unknown));
    assert_eq!(block_on(settled).unwrap().settled.len(), 2);
    let begin = block_on(outbox::begin(&drain.queue.0, "ada", Trigger::Asked, NOW, true)).unwrap();
    assert!(matches!(begin, outbox::Begin::Idle(_)));
}

#[test]
fn what_is_made_ready_has_as_many_of_the_urgent_as_there_are_whatever_the_batch_before_it_had() {
    const MANY: BatchLimits = BatchLimits { actions: 10, bytes: 1 << 18 };
    let of = |priority: Priority| {
        move |number: usize| {
            let mut newcomer = newcomer(&format!("{priority:?}-{number}"), None);
            (newcomer.action.priority, newcomer.action.lane) = (priority, Lane::of(priority));
            newcomer
        }
    };
    let queue = Queue::default();
    let high = (0..10).map(of(Priority::High));
    queue.append(high.chain((0..20).map(of(Priority::Normal))).chain((0..20).map(of(Priority::Low))).collect());
    let epoch = queue.begin(NOW);
    let claiming = Claiming { limits: MANY, ..claiming(["first", "second"]) };
    let next = block_on(outbox::claim(&queue.0, "ada", epoch, claiming, Following::Unknown)).unwrap().next.unwrap();
    assert_eq!(next.actions.len(), 10);
    assert!(next.actions.iter().all(|action| action.priority == Priority::Normal), "{:?}", ids(&next));
}

#[test]
fn the_places_of_a_batch_that_does_not_follow_are_given_back() {
    let drain = Drain::new();
    assert_eq!(drain.queue.record().places, 4);
    block_on(outbox::let_wait(&drain.queue.0, "ada", drain.epoch, Following::Unsent(&drain.next))).unwrap();
    drain.queue.check();
    let record = drain.queue.record();
    assert_eq!((record.places, record.next_batch), (2, None));
}

#[test]
fn it_does_not_follow_where_another_drain_was_told_to_leave_the_server_alone() {
    let drain = Drain::new();
    let told = Failure { because: GateReason::ServerHint, hint: Some(Duration::from_secs(60)), counts_against_batch: false };
    block_on(outbox::close_gate(&drain.queue.0, "ada", drain.epoch - 1, told, Following::Unknown, moment(NOW))).unwrap();
    assert!(!drain.may_go());
}
