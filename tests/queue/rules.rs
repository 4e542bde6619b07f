//! One rule after another.

use futures_executor::block_on;
use futures_util::FutureExt as _;
use serde_json::value::RawValue;
use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;
use steadfast::error::ApiError;
use steadfast::outbox::{self, Appended, Batch, Begin, Change, Claim, Claiming, Failure, Following, Newcomer, Resolution, Step};
use steadfast::platform::tables::{Durability, Kind, Lane, Lot, Row, Store as _, Transaction as _};
use steadfast::platform::{Access, StoreError};
use steadfast::policy::backoff::Backoff;
use steadfast::policy::gate::{GateReason, Trigger};
use steadfast::queue::action::Action;
use steadfast::queue::answer::Verdict;
use steadfast::queue::coalescing::Coalescing;
use steadfast::queue::limits::QueueLimits;
use steadfast::queue::outcome::Outcome;
use steadfast::queue::plan::BatchLimits;
use steadfast::queue::record::UserRecord;
use steadfast::queue::settlement::Moment;
use steadfast::sim::check_books;
use steadfast::store::{Backing, Memory, Table, TableStore};
use steadfast::time::WallTime;
use steadfast::wire::{Conflict, Priority};

const BACKOFF: Backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30));
pub(super) const NOW: WallTime = WallTime(1_780_315_200_000);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const NO_ANSWER: Failure = Failure { because: GateReason::Network, hint: None, counts_against_batch: true };

pub(super) fn moment(now: WallTime) -> Moment<'static> {
    Moment { backoff: &BACKOFF, now, unit: 0.5, server_ahead: None }
}

fn claiming(now: WallTime, key: &str) -> Claiming<'_> {
    Claiming { limits: BatchLimits { actions: 100, bytes: 1 << 18 }, now, fresh_key: key, next_key: "next" }
}

pub(super) fn newcomer(id: &str, key: Option<&str>) -> Newcomer {
    let data = json("1");
    let action = Action { key: key.map(Into::into), ..Action::new(id.into(), "ada", "save".into(), data, NOW) };
    Newcomer { action, has_own_id: true, is_named: true, tried: None, coalescing: Coalescing::Never }
}

fn expiring(id: &str, key: Option<&str>, after: Duration) -> Newcomer {
    let mut newcomer = newcomer(id, key);
    newcomer.action.expires_at = Some(NOW.after(after));
    newcomer
}

/// A queue in memory.
#[derive(Default)]
pub(super) struct Queue(pub(super) Memory);

impl Queue {
    pub(super) fn append(&self, newcomers: Vec<Newcomer>) {
        let appended = self.append_within(&QueueLimits::default(), newcomers);
        assert!(appended.groups.iter().all(Result::is_ok));
    }

    pub(super) fn append_within(&self, limits: &QueueLimits, newcomers: Vec<Newcomer>) -> Appended {
        let appended = block_on(outbox::append(&self.0, "ada", &mut [newcomers], limits, NOW)).unwrap();
        self.check();
        appended
    }

    pub(super) fn begin(&self, now: WallTime) -> u64 {
        match block_on(outbox::begin(&self.0, "ada", Trigger::Asked, now, true)).unwrap() {
            Begin::Open(record) => record.epoch,
            other => panic!("{other:?}"),
        }
    }

    fn claim(&self, epoch: u64, now: WallTime) -> Step {
        let step = block_on(outbox::claim(&self.0, "ada", epoch, claiming(now, "key"), Following::Unknown)).unwrap();
        self.check();
        step
    }

    pub(super) fn batch(&self, epoch: u64, now: WallTime) -> Batch {
        match self.claim(epoch, now).claim {
            Claim::Batch(batch) => batch,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn settle(&self, epoch: u64, batch: &Batch, verdicts: &[Verdict], moment: Moment<'_>) -> Step {
        let step = block_on(outbox::settle(&self.0, "ada", epoch, batch, verdicts, moment, (None, Following::Unknown))).unwrap();
        self.check();
        step
    }

    /// All that may be sent is sent, and answered so.
    pub(super) fn answer(&self, now: WallTime, verdict: &Verdict) {
        let epoch = self.begin(now);
        let batch = self.batch(epoch, now);
        let verdicts = vec![verdict.clone(); batch.actions.len()];
        self.settle(epoch, &batch, &verdicts, moment(now));
    }

    fn bring_due(&self, now: WallTime) -> Vec<(String, Outcome)> {
        let arrived = block_on(outbox::bring_due(&self.0, "ada", now)).unwrap();
        self.check();
        arrived.settled
    }

    pub(super) fn record(&self) -> UserRecord {
        block_on(outbox::record(&self.0, "ada")).unwrap()
    }

    pub(super) fn row(&self, id: &str) -> Option<Row> {
        self.0.committed().find("ada", id).cloned()
    }

    pub(super) fn lane(&self, id: &str) -> Lane {
        self.row(id).unwrap().lane
    }

    pub(super) fn check(&self) {
        check_books(&self.0.committed(), "ada").unwrap();
    }
}

fn conflict() -> Verdict {
    Verdict::Conflict(Conflict { conflict_type: "version_mismatch".into(), resolution: None, server: None })
}

fn rejection() -> Verdict {
    Verdict::Rejected(Box::new(ApiError::without_response("VALIDATION_ERROR", "no".into(), false)))
}

pub(super) fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.into()).unwrap()
}

fn gone(id: &str) -> (String, Outcome) {
    (id.into(), Outcome::Expired)
}

#[test]
fn a_drain_that_was_overtaken_closes_no_gate_and_counts_no_failure() {
    let queue = Queue::default();
    queue.append(vec![newcomer("a", None)]);
    let overtaken = queue.begin(NOW);
    queue.batch(overtaken, NOW);
    let current = queue.begin(NOW);
    queue.batch(current, NOW);
    let before = queue.record();
    block_on(outbox::close_gate(&queue.0, "ada", overtaken, NO_ANSWER, Following::Unknown, moment(NOW))).unwrap();
    assert_eq!(queue.record(), before);
    let (wait, record) =
        block_on(outbox::close_gate(&queue.0, "ada", current, NO_ANSWER, Following::Unknown, moment(NOW))).unwrap();
    assert_eq!((wait, record.gate.remaining(NOW)), (wait.max(SECOND / 2), wait));
    assert_eq!(record.batch.unwrap().failures, 1);
}

#[test]
fn a_moment_that_the_server_has_named_is_written_down_by_a_drain_that_was_overtaken() {
    let queue = Queue::default();
    queue.append(vec![newcomer("a", None)]);
    let overtaken = queue.begin(NOW);
    queue.batch(overtaken, NOW);
    queue.begin(NOW);
    let told = Failure { because: GateReason::ServerError, hint: Some(HOUR), counts_against_batch: true };
    block_on(outbox::close_gate(&queue.0, "ada", overtaken, told, Following::Unknown, moment(NOW))).unwrap();
    let record = queue.record();
    assert_eq!(record.gate.reason(NOW), Some(GateReason::ServerHint));
    assert!(record.gate.remaining(NOW) >= HOUR);
    assert_eq!(record.batch.unwrap().failures, 0);
}

#[test]
fn what_waits_to_be_sent_is_not_put_back_and_keeps_its_data() {
    let queue = Queue::default();
    queue.append(vec![newcomer("pending", None)]);
    let before = queue.row("pending");
    assert!(block_on(outbox::requeue(&queue.0, "ada", "pending", Some(json("2")))).unwrap().is_none());
    assert!(block_on(outbox::requeue(&queue.0, "ada", "stranger", None)).unwrap().is_none());
    assert_eq!(queue.row("pending"), before);
}

#[test]
fn only_a_conflict_is_resolved() {
    let queue = Queue::default();
    queue.append(vec![newcomer("dead", None)]);
    queue.answer(NOW, &rejection());
    queue.append(vec![newcomer("conflict", None), newcomer("other", None)]);
    queue.answer(NOW, &conflict());
    queue.append(vec![newcomer("pending", None)]);
    let resolve = |id, resolution| block_on(outbox::resolve(&queue.0, "ada", id, resolution)).unwrap();
    for id in ["dead", "pending", "stranger"] {
        assert!(resolve(id, Resolution::Out).is_none(), "{id}");
        assert!(resolve(id, Resolution::Again(Some(json("2")))).is_none(), "{id}");
    }
    assert_eq!((queue.lane("dead"), queue.lane("pending")), (Lane::Dead, Lane::Normal));
    assert!(resolve("conflict", Resolution::Again(Some(json("2")))).is_some());
    assert!(queue.row("conflict").unwrap().text.contains(r#""data":2"#));
    assert_eq!(queue.lane("conflict"), Lane::Normal);
    assert_eq!(resolve("other", Resolution::Out).unwrap().settled, [("other".into(), Outcome::Discarded)]);
    queue.check();
}

#[test]
fn what_waits_expires_when_its_time_comes_wherever_it_waits() {
    let queue = Queue::default();
    queue.append(vec![newcomer("head", Some("k")), expiring("delayed", None, 2 * SECOND)]);
    let epoch = queue.begin(NOW);
    let batch = queue.batch(epoch, NOW);
    let told = ApiError::without_response("LATER", "later".into(), true);
    queue.settle(epoch, &batch, &[conflict(), Verdict::Retry(Some(Box::new(told)))], moment(NOW));
    let mut dependent = expiring("dependent", None, 2 * SECOND);
    dependent.action.depends_on = Some("head".into());
    queue.append(vec![expiring("waiting", Some("k"), SECOND), newcomer("behind", Some("k")), dependent]);
    let lanes = ["head", "delayed", "waiting", "behind", "dependent"].map(|id| queue.lane(id));
    assert_eq!(lanes, [Lane::Conflict, Lane::Delayed, Lane::Waiting, Lane::Waiting, Lane::Dependent]);
    let record = queue.record();
    assert_eq!(record.next_due, queue.row("delayed").unwrap().due.min(Some(NOW.after(SECOND))));
    assert!(!record.is_due(NOW));
    assert_eq!(queue.bring_due(NOW.after(SECOND)).iter().filter(|one| **one == gone("waiting")).count(), 1);
    assert_eq!(queue.bring_due(NOW.after(2 * SECOND)).len(), 2);
    for id in ["waiting", "delayed", "dependent"] {
        assert_eq!(queue.row(id), None, "{id}");
    }
    assert_eq!((queue.record().next_due, queue.lane("behind")), (None, Lane::Waiting));
}

#[test]
fn what_may_be_sent_expires_though_the_server_may_not_be_asked() {
    let queue = Queue::default();
    queue.append(vec![newcomer("a", None)]);
    let epoch = queue.begin(NOW);
    queue.batch(epoch, NOW);
    queue.append(vec![expiring("b", None, SECOND), newcomer("c", None)]);
    block_on(outbox::close_gate(&queue.0, "ada", epoch, NO_ANSWER, Following::Unknown, moment(NOW))).unwrap();
    assert_eq!(queue.bring_due(NOW), []);
    assert_eq!(queue.bring_due(NOW.after(SECOND)), [gone("b")]);
    assert_eq!((queue.record().next_due, queue.record().counts().pending), (None, 2));
}

#[test]
fn what_is_on_its_way_does_not_expire_and_nobody_looks_for_it_again_and_again() {
    let queue = Queue::default();
    queue.append(vec![expiring("a", None, SECOND)]);
    let epoch = queue.begin(NOW);
    let batch = queue.batch(epoch, NOW);
    let later = NOW.after(HOUR);
    assert_eq!(queue.bring_due(later), []);
    assert!(!queue.record().is_due(later));
    // The server has not applied it: now it may.
    queue.settle(epoch, &batch, &[Verdict::Retry(None)], moment(later));
    assert_eq!(queue.bring_due(later), [gone("a")]);
}

#[test]
fn what_was_on_its_way_and_is_then_put_off_without_being_sent_again_does_not_expire() {
    let queue = Queue::default();
    queue.append(vec![expiring("a", None, HOUR), expiring("b", None, HOUR)]);
    // The page is gone before there is an answer; the next one cannot read its file just now.
    queue.batch(queue.begin(NOW), NOW);
    let epoch = queue.begin(NOW);
    let batch = queue.batch(epoch, NOW);
    let put_off = Verdict::Postponed(Duration::from_secs(1));
    queue.settle(epoch, &batch, &[put_off.clone(), put_off], moment(NOW));
    assert_eq!(queue.bring_due(NOW.after(2 * HOUR)), []);
    assert_eq!(queue.lane("a"), Lane::Normal);
    let edited = block_on(outbox::edit(&queue.0, "ada", "a", json("2"))).unwrap();
    assert!(matches!(edited, Change::MayHaveBeenSent), "{edited:?}");
}

#[test]
fn what_is_put_off_before_it_was_ever_sent_expires_in_time() {
    let queue = Queue::default();
    queue.append(vec![expiring("a", None, HOUR)]);
    queue.answer(NOW, &Verdict::Postponed(Duration::from_secs(1)));
    assert_eq!(queue.bring_due(NOW.after(2 * HOUR)), [gone("a")]);
}

#[test]
fn an_expired_action_takes_with_it_what_depends_on_it_and_lets_go_what_stands_behind_it() {
    let queue = Queue::default();
    queue.append(vec![expiring("a", Some("k"), SECOND)]);
    let mut dependent = expiring("dependent", None, SECOND);
    dependent.action.depends_on = Some("a".into());
    queue.append(vec![newcomer("b", Some("k")), dependent]);
    let settled = queue.bring_due(NOW.after(SECOND));
    assert_eq!(settled.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "dependent"]);
    assert!(matches!(settled[1].1, Outcome::Rejected { .. }), "it is a dead letter, which does not expire");
    assert_eq!((queue.lane("b"), queue.lane("dependent")), (Lane::Normal, Lane::Dead));
}

#[test]
fn a_wall_clock_that_was_set_forward_expires_nothing_before_its_time() {
    let queue = Queue::default();
    queue.append(vec![newcomer("a", None), expiring("b", None, HOUR)]);
    let epoch = queue.begin(NOW);
    let batch = queue.batch(epoch, NOW);
    // Five hours ahead, as the next answer tells.
    let ahead = NOW.after(5 * HOUR);
    let told = Moment { server_ahead: Some(-5 * 3_600_000), ..moment(ahead) };
    queue.settle(epoch, &batch, &[Verdict::Applied(None), Verdict::Retry(None)], told);
    assert_eq!(queue.bring_due(ahead), []);
    assert!(queue.row("b").is_some());
    assert_eq!(queue.bring_due(ahead.after(HOUR.saturating_sub(SECOND))), []);
    assert_eq!(queue.bring_due(ahead.after(HOUR)), [gone("b")]);
}

#[test]
fn a_wall_clock_that_is_wrong_all_the_time_changes_nothing_about_how_long_an_action_lives() {
    let queue = Queue::default();
    queue.append(vec![newcomer("a", None)]);
    let epoch = queue.begin(NOW);
    let batch = queue.batch(epoch, NOW);
    let told = Moment { server_ahead: Some(-5 * 3_600_000), ..moment(NOW) };
    queue.settle(epoch, &batch, &[Verdict::Applied(None)], told);
    queue.append(vec![expiring("b", None, SECOND)]);
    assert_eq!(queue.bring_due(NOW.after(SECOND)), [gone("b")]);
}

#[test]
fn a_server_whose_clock_is_years_off_is_not_believed() {
    let mut record = UserRecord::default();
    for (told, known) in [(None, 0), (Some(-i64::MAX), 0), (Some(i64::MIN), 0), (Some(1500), 0), (Some(-60_000), -60_000)] {
        record.meet_server_clock(told);
        assert_eq!(record.server_ahead, known, "{told:?}");
    }
    record.meet_server_clock(Some(-61_500));
    assert_eq!(record.server_ahead, -60_000, "that may be the journey");
}

#[test]
fn what_was_told_to_wait_by_a_clock_that_has_been_set_back_a_year_is_called_back() {
    let queue = Queue::default();
    let year = 365 * 24 * HOUR;
    queue.append(vec![newcomer("a", None)]);
    queue.answer(NOW.after(year), &Verdict::Retry(None));
    assert_eq!(queue.lane("a"), Lane::Delayed);
    assert!(queue.record().is_due(NOW));
    queue.bring_due(NOW);
    assert_eq!(queue.lane("a"), Lane::Normal);
    assert!(!queue.record().is_due(NOW));
}

#[test]
fn what_is_settled_by_a_clock_that_has_been_set_back_does_not_hide_that_it_was() {
    let queue = Queue::default();
    queue.append(vec![newcomer("a", None)]);
    queue.answer(NOW.after(365 * 24 * HOUR), &Verdict::Retry(None));
    queue.append(vec![newcomer("b", None)]);
    let epoch = queue.begin(NOW);
    // Another one is on its way when the clock is set back.
    let batch =
        Batch { key: "key".into(), actions: vec![Action::read(&queue.row("b").unwrap(), "ada")], failures: 0, is_again: false };
    queue.settle(epoch, &batch, &[Verdict::Applied(None)], moment(NOW));
    assert!(queue.record().is_due(NOW));
    queue.bring_due(NOW);
    assert_eq!(queue.lane("a"), Lane::Normal);
}

#[test]
fn what_a_newer_version_was_told_to_wait_by_a_clock_that_has_been_set_back_is_put_aside_until_it_can_be_read() {
    let queue = Queue::default();
    let year = 365 * 24 * HOUR;
    queue.append(vec![newcomer("a", None)]);
    queue.answer(NOW.after(year), &Verdict::Retry(None));
    let rewrite = |old: &str, new: &str| {
        let mut row = queue.row("a").unwrap();
        row.text = row.text.replace(old, new);
        let transaction = block_on(queue.0.transaction(Access::Write)).unwrap();
        transaction.write("ada", &row).unwrap();
        block_on(transaction.commit()).unwrap();
    };
    rewrite(r#""schemaVersion":2"#, r#""schemaVersion":3"#);
    queue.bring_due(NOW);
    assert_eq!(queue.lane("a"), Lane::Unreadable);
    rewrite(r#""schemaVersion":3"#, r#""schemaVersion":2"#);
    block_on(outbox::read_again(&queue.0, "ada")).unwrap();
    assert_eq!(queue.lane("a"), Lane::Normal);
}

#[test]
fn an_action_that_left_before_its_append_was_heard_of_was_taken_in() {
    let queue = Queue::default();
    let mut own = newcomer("019e830e-1b8a-7410-83eb-7fe86e17dcfd", None);
    (own.has_own_id, own.is_named) = (false, false);
    let mut groups = [vec![own]];
    let appended = block_on(outbox::append(&queue.0, "ada", &mut groups, &QueueLimits::default(), NOW)).unwrap();
    let expected = appended.groups.into_iter().next().unwrap().unwrap();
    queue.answer(NOW, &Verdict::Applied(None));
    let found = block_on(outbox::appended(&queue.0, "ada", &groups)).unwrap().expect("it was there");
    assert_eq!(found.groups.into_iter().next().unwrap().unwrap(), expected);
}

/// A place below the queue's.
#[derive(Debug, Default)]
struct Below;

impl Backing for Below {
    const DURABILITY: Durability = Durability::LocalStorage;

    fn refresh(&self, _: &mut Table, _: Access) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep(&self, _: &Table) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Three actions that are tried below, where much has been written down before.
fn tried_below(own_ids: bool) -> (TableStore<Below>, [Vec<Newcomer>; 2]) {
    let below = TableStore::<Below>::default();
    let record = UserRecord { history: 40, ..UserRecord::default() };
    let transaction = block_on(below.transaction(Access::Write)).unwrap();
    transaction.write_document("ada", Kind::Queue, "", Some(&serde_json::to_string(&record).unwrap())).unwrap();
    block_on(transaction.commit()).unwrap();
    let one = |id: &str| {
        let mut newcomer = newcomer(id, None);
        (newcomer.has_own_id, newcomer.is_named) = (own_ids, own_ids);
        newcomer
    };
    let [a, b, c] =
        ["019e830e-1b8a-7410-83eb-7fe86e17dcfa", "019e830e-1b8a-7410-83eb-7fe86e17dcfb", "019e830e-1b8a-7410-83eb-7fe86e17dcfc"];
    let mut groups = [vec![one(a)], vec![one(b), one(c)]];
    block_on(outbox::append(&below, "ada", &mut groups, &QueueLimits::default(), NOW)).unwrap();
    (below, groups)
}

#[test]
fn what_was_tried_below_and_left_from_above_has_its_place_above() {
    let queue = Queue::default();
    queue.append(vec![newcomer("older", None), newcomer("old", None)]);
    let (below, groups) = tried_below(false);
    bring(&queue, lot_from(&below.committed(), false));
    let last = groups[1][1].action.id.clone();
    queue.answer(NOW, &Verdict::Applied(None));
    queue.append(vec![newcomer("behind", None)]);
    let found = block_on(outbox::appended(&queue.0, "ada", &groups)).unwrap().expect("it was there");
    let places: Vec<(String, u64)> = found.groups.into_iter().flat_map(Result::unwrap).collect();
    assert!(places.is_sorted_by(|one, other| one.1 < other.1), "{places:?}");
    assert!(places.iter().all(|(_, seq)| (2..6).contains(seq)), "{places:?}");
    assert_eq!(places[2].0, last);
}

#[test]
fn an_id_of_the_callers_that_was_tried_below_may_name_an_earlier_action_above() {
    let queue = Queue::default();
    let (_, groups) = tried_below(true);
    queue.append(groups.iter().flatten().map(|newcomer| self::newcomer(&newcomer.action.id, None)).collect());
    queue.answer(NOW, &Verdict::Applied(None));
    assert!(block_on(outbox::appended(&queue.0, "ada", &groups)).unwrap().is_none());
}

#[test]
fn what_cannot_be_read_is_listed_with_its_text() {
    let queue = Queue::default();
    queue.append(vec![newcomer("a", None)]);
    let row = queue.row("a").unwrap();
    let action = Action::read(&Row { text: "half a r".into(), ..row.clone() }, "ada");
    assert!(serde_json::to_string(&action).unwrap().contains(r#""text":"half a r""#));
    assert!(!serde_json::to_string(&Action::read(&row, "ada")).unwrap().contains("\"text\""));
}

#[test]
fn an_urgent_action_moves_none_of_its_key_if_one_of_them_cannot_be_read() {
    let queue = Queue::default();
    let urgent = |id: &str, priority: Priority| {
        let mut newcomer = newcomer(id, Some("k"));
        (newcomer.action.priority, newcomer.action.lane) = (priority, Lane::of(priority));
        newcomer
    };
    let make_unreadable = |id: &str| {
        let row = Row { text: r#"{"schemaVersion":99,"key":"k","type":"save","data":1}"#.into(), ..queue.row(id).unwrap() };
        queue.0.tamper(|table| assert!(table.write("ada", &row)));
    };
    queue.append(vec![newcomer("a", Some("k")), newcomer("b", Some("k")), newcomer("c", Some("k"))]);
    make_unreadable("c");
    queue.append(vec![urgent("d", Priority::Critical)]);
    assert_eq!(["a", "b", "c", "d"].map(|id| queue.lane(id)), [Lane::Normal; 4]);
    make_unreadable("b");
    queue.append(vec![urgent("e", Priority::High)]);
}

#[test]
fn a_queue_begins_with_its_first_transaction_and_not_when_that_was_first_waited_for() {
    let queue = Queue::default();
    let clock = Cell::new(NOW);
    let held = block_on(queue.0.transaction(Access::Write)).unwrap();
    let (limits, now, mut groups) = (QueueLimits::default(), || clock.get(), [vec![newcomer("a", None)]]);
    let mut appended = pin!(outbox::append_behind(&queue.0, "ada", &mut groups, &limits, &now, &|_| Vec::new()));
    assert!(appended.as_mut().now_or_never().is_none());
    let later = NOW.after(SECOND);
    clock.set(later);
    drop(held);
    block_on(appended).unwrap();
    assert_eq!(queue.record().created_at, later);
}

/// All that lies in a queue, as it is brought to another one.
fn lot_of(queue: &Queue, may_have_been_brought: bool) -> Lot {
    lot_from(&queue.0.committed(), may_have_been_brought)
}

fn lot_from(table: &Table, may_have_been_brought: bool) -> Lot {
    let of_kind = |kind| table.documents("ada", kind).into_iter().map(move |(name, text)| (kind, name, text));
    Lot {
        user_id: "ada".into(),
        from: Durability::LocalStorage,
        rows: table.all_rows("ada"),
        documents: [Kind::Queue, Kind::History].into_iter().flat_map(of_kind).collect(),
        may_have_been_brought,
    }
}

fn bring(queue: &Queue, lot: Lot) {
    block_on(async {
        let transaction = queue.0.transaction(Access::Write).await.unwrap();
        let (transaction, _) = outbox::absorb(transaction, lot, NOW, &|_| Vec::new()).await.unwrap();
        transaction.commit().await.unwrap();
    });
    queue.check();
}

#[test]
fn what_cannot_be_deleted_below_is_brought_once_however_often_that_is_tried() {
    let (above, below) = (Queue::default(), Queue::default());
    below.append(vec![newcomer("earlier", None)]);
    below.answer(NOW, &Verdict::Applied(None));
    below.append(vec![newcomer("a", None)]);
    bring(&above, lot_of(&below, false));
    above.answer(NOW, &Verdict::Applied(None));
    for _ in 0..100 {
        bring(&above, lot_of(&below, true));
        assert_eq!(above.row("a"), None);
    }
    let known = block_on(outbox::outcomes(&above.0, "ada", &["earlier".into(), "a".into()])).unwrap();
    assert_eq!((known.settled.len(), known.absent.len()), (2, 0));
}

#[test]
fn what_may_have_left_so_long_ago_that_nobody_remembers_may_have_been_sent() {
    for (may_have_been_brought, settled, is_sent) in [(true, 64, true), (false, 64, false), (true, 63, false)] {
        let (above, below) = (Queue::default(), Queue::default());
        for number in 0..settled {
            above.append(vec![newcomer(&number.to_string(), None)]);
            above.answer(NOW, &Verdict::Applied(None));
        }
        below.append(vec![newcomer("a", None)]);
        bring(&above, lot_of(&below, may_have_been_brought));
        assert_eq!(Action::read(&above.row("a").unwrap(), "ada").sent, is_sent, "{may_have_been_brought} {settled}");
    }
}
