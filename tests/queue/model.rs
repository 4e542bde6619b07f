//! Random operations, and what has to hold after each.

use fastrand::Rng;
use futures_executor::block_on;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use steadfast::json::Json;
use steadfast::outbox::{self, Batch, Begin, Claim, Claiming, Failure, Following, Newcomer, Step};
use steadfast::platform::tables::Lane;
use steadfast::policy::backoff::Backoff;
use steadfast::policy::gate::{GateReason, Trigger};
use steadfast::queue::action::Action;
use steadfast::queue::answer::Verdict;
use steadfast::queue::coalescing::Coalescing;
use steadfast::queue::limits::QueueLimits;
use steadfast::queue::outcome::Outcome;
use steadfast::queue::plan::BatchLimits;
use steadfast::queue::settlement::Moment;
use steadfast::sim::check_books;
use steadfast::store::Memory;
use steadfast::time::WallTime;
use steadfast::wire::{Conflict, Priority};

const BACKOFF: Backoff = Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(30));

struct World {
    rng: Rng,
    store: Memory,
    now: WallTime,
    next: u32,
    /// What was taken in, and has not left.
    open: BTreeSet<String>,
    /// What the server has applied, in its order.
    applied: Vec<String>,
    /// Keys and places.
    places: BTreeMap<String, (Option<String>, u64)>,
    /// What has been put back after the server had spoken of it, or was taken out: its order is free.
    free: BTreeSet<String>,
    epoch: u64,
    claimed: Option<Batch>,
    /// The batch that may follow it.
    ready: Option<Batch>,
    /// The one before it, which is not in the books, and what the server has said of it.
    answered: Option<(Batch, Vec<Verdict>)>,
    limits: QueueLimits,
}

fn rejection() -> Verdict {
    use steadfast::error::ApiError;
    Verdict::Rejected(Box::new(ApiError::without_response("VALIDATION_ERROR", "no".into(), false)))
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let limits = if rng.u8(..4) == 0 {
            QueueLimits { actions: rng.u64(3..20), evicts: vec![Priority::Low, Priority::Normal], ..QueueLimits::default() }
        } else {
            QueueLimits::default()
        };
        Self {
            rng,
            store: Memory::default(),
            now: WallTime(1_780_315_200_000),
            next: 0,
            open: BTreeSet::new(),
            applied: Vec::new(),
            places: BTreeMap::new(),
            free: BTreeSet::new(),
            epoch: 0,
            claimed: None,
            ready: None,
            answered: None,
            limits,
        }
    }

    fn pick(&mut self) -> Option<String> {
        let ids: Vec<String> = self.open.iter().cloned().collect();
        self.rng.choice(ids)
    }

    fn newcomer(&mut self) -> Newcomer {
        self.next += 1;
        let key = (self.rng.u8(..4) > 0).then(|| format!("key-{}", self.rng.u8(..3)));
        let depends_on = match self.rng.u8(..10) {
            0 => self.pick(),
            1 => self.applied.last().cloned(),
            _ => None,
        };
        let coalescing = match self.rng.u8(..8) {
            0 if key.is_some() => Coalescing::Replace,
            1 if key.is_some() => Coalescing::DropOlder,
            2 if key.is_some() => Coalescing::Merge(Rc::new(|older, newer| Ok(format!("[{older},{newer}]")))),
            _ => Coalescing::Never,
        };
        let priority = self.rng.choice([Priority::Low, Priority::Normal, Priority::High, Priority::Critical]).unwrap();
        let named = depends_on.as_ref().map_or("null".into(), |id| format!(r#"{{"$result":"{id}"}}"#));
        let data = RawValue::from_string(format!(r#"{{"n":{},"after":{named}}}"#, self.next)).unwrap();
        let action = Action {
            key,
            priority,
            alone: self.rng.u8(..6) == 0,
            expires_at: (self.rng.u8(..12) == 0).then(|| self.now.after(Duration::from_secs(20))),
            depends_on,
            ..Action::new(format!("a{}", self.next), "ada", "save".into(), data, self.now)
        };
        Newcomer { action, has_own_id: true, is_named: true, tried: None, coalescing }
    }

    fn heard(&mut self, settled: Vec<(String, Outcome)>) {
        for (id, outcome) in settled {
            if let Outcome::Superseded { by } = &outcome
                && self.free.contains(&id)
            {
                self.free.insert(by.clone());
            }
            match outcome {
                Outcome::Rejected { .. } | Outcome::Conflict { .. } => {
                    assert!(self.open.contains(&id), "{id} was settled and is gone");
                }
                _ => assert!(self.open.remove(&id), "{id} left twice: {outcome:?}"),
            }
        }
    }

    fn append(&mut self) {
        let mut groups: Vec<Vec<Newcomer>> =
            (0..self.rng.usize(1..4)).map(|_| (0..self.rng.usize(1..4)).map(|_| self.newcomer()).collect()).collect();
        let keys: BTreeMap<String, Option<String>> =
            groups.iter().flatten().map(|newcomer| (newcomer.action.id.clone(), newcomer.action.key.clone())).collect();
        let merging = |newcomer: &&Newcomer| matches!(newcomer.coalescing, Coalescing::Merge(_));
        let merging: BTreeSet<String> =
            groups.iter().flatten().filter(merging).map(|newcomer| newcomer.action.id.clone()).collect();
        let before = self.store.committed();
        let mut texts: BTreeMap<String, String> =
            before.all_rows("ada").iter().map(|row| (row.id.clone(), Action::read(row, "ada").data.get().into())).collect();
        texts.extend(groups.iter().flatten().map(|newcomer| (newcomer.action.id.clone(), newcomer.action.data.get().into())));
        let appended = block_on(outbox::append(&self.store, "ada", &mut groups, &self.limits, self.now)).unwrap();
        texts.extend(appended.changed.iter().map(|action| (action.id.clone(), action.data.get().into())));
        for (id, outcome) in &appended.settled {
            if let Outcome::Superseded { by } = outcome
                && merging.contains(by)
            {
                assert!(texts[by].contains(&texts[id]), "{by} is made of {id} as well: {texts:?}");
            }
        }
        for (id, seq) in appended.groups.into_iter().flatten().flatten() {
            self.open.insert(id.clone());
            self.places.insert(id.clone(), (keys[&id].clone(), seq));
        }
        self.heard(appended.settled);
    }

    fn limits(&mut self) -> BatchLimits {
        BatchLimits { actions: self.rng.usize(1..8), bytes: self.rng.choice([1 << 18, 200]).unwrap() }
    }

    fn claiming(&mut self) -> Claiming<'static> {
        let limits = self.limits();
        let [fresh_key, next_key] =
            [(); 2].map(|()| -> &'static str { Box::leak(format!("batch-{}", self.rng.u64(..)).into_boxed_str()) });
        Claiming { limits, now: self.now, fresh_key, next_key }
    }

    fn take(&mut self, step: Step) {
        self.claimed = match step.claim {
            Claim::Batch(batch) => Some(batch),
            _ => None,
        };
        self.ready = step.next;
        for batch in self.claimed.iter().chain(&self.ready) {
            assert!(!batch.actions.is_empty());
            assert!(batch.actions.windows(2).all(|two| two[0].seq < two[1].seq));
            assert!(batch.actions.iter().all(|action| !action.data.get().contains("$result")), "{batch:?}");
        }
    }

    fn moment(&mut self) -> Moment<'static> {
        Moment { backoff: &BACKOFF, now: self.now, unit: self.rng.f64(), server_ahead: None }
    }

    /// The books are brought up to date while the next batch is on its way.
    fn catch_up(&mut self) {
        let Some((batch, verdicts)) = self.answered.take() else { return };
        let (claiming, moment) = (self.claiming(), self.moment());
        let settled =
            outbox::settle(&self.store, "ada", self.epoch, &batch, &verdicts, moment, (Some(claiming), Following::OnItsWay));
        let step = block_on(settled).unwrap();
        self.heard(step.settled);
        self.ready = step.next;
    }

    fn see_to_due(&mut self) {
        let arrived = block_on(outbox::bring_due(&self.store, "ada", self.now)).unwrap();
        self.heard(arrived.settled);
        assert!(!arrived.record.is_due(self.now), "nothing is looked for twice");
    }

    fn claim(&mut self) {
        if let Begin::Open(record) = block_on(outbox::begin(&self.store, "ada", Trigger::Asked, self.now, true)).unwrap() {
            self.epoch = record.epoch;
            // Whoever drained before is gone, with all that it knew.
            (self.ready, self.answered) = (None, None);
            let claiming = self.claiming();
            let step = block_on(outbox::claim(&self.store, "ada", self.epoch, claiming, Following::Unknown)).unwrap();
            self.heard(step.settled.clone());
            self.take(step);
        }
    }

    /// The server looks at the batch, in order, and holds back what comes after what it does not apply, as it has to.
    fn answer(&mut self, is_kind: bool) {
        self.catch_up();
        let Some(batch) = self.claimed.take() else { return };
        let mut held: BTreeSet<String> = BTreeSet::new();
        let mut verdicts = Vec::new();
        for action in &batch.actions {
            let was_applied = self.applied.contains(&action.id);
            let is_held = action.key.as_ref().is_some_and(|key| held.contains(key));
            let verdict = match self.rng.u8(..8) {
                _ if was_applied => Verdict::Duplicate(Json::new("1".into())),
                _ if is_held => Verdict::Retry(None),
                0 if !is_kind => rejection(),
                1 if !is_kind => {
                    Verdict::Conflict(Conflict { conflict_type: "version_mismatch".into(), resolution: None, server: None })
                }
                2 if !is_kind => Verdict::Retry(None),
                3 if !is_kind => Verdict::Unlisted,
                _ => Verdict::Applied(Json::new("1".into())),
            };
            match &verdict {
                Verdict::Applied(_) => self.applied.push(action.id.clone()),
                Verdict::Conflict(_) | Verdict::Retry(_) | Verdict::Unlisted => held.extend(action.key.clone()),
                // It lets go those behind it, whether we hear of it or not.
                _ => drop(self.free.insert(action.id.clone())),
            }
            verdicts.push(verdict);
        }
        let next = self.ready.take();
        let is_unsent = |next: &&Batch| !next.is_again;
        let following = next.as_ref().filter(is_unsent).map_or(Following::Unknown, Following::Unsent);
        let moment = self.moment();
        // Now and then the answer is lost, or there is none, or another drain has begun meanwhile.
        match self.rng.u8(..10) {
            0 => return,
            1 => drop(block_on(outbox::begin(&self.store, "ada", Trigger::Asked, self.now, true)).unwrap()),
            2 => {
                let failure = Failure { because: GateReason::Network, hint: None, counts_against_batch: self.rng.bool() };
                block_on(outbox::close_gate(&self.store, "ada", self.epoch, failure, following, moment)).unwrap();
                return;
            }
            _ => {}
        }
        let goes = next.as_ref().is_some_and(|next| {
            verdicts.iter().all(Verdict::is_taken)
                && self.rng.u8(..4) > 0
                && block_on(outbox::may_go(&self.store, "ada", self.epoch, next, self.now)).unwrap()
        });
        if goes {
            self.answered = Some((batch, verdicts));
            self.claimed = next;
            return;
        }
        let claiming = self.claiming();
        let claims = (self.rng.u8(..3) > 0).then_some(claiming);
        let step =
            block_on(outbox::settle(&self.store, "ada", self.epoch, &batch, &verdicts, moment, (claims, following))).unwrap();
        self.heard(step.settled.clone());
        self.take(step);
    }

    fn step(&mut self) {
        match self.rng.u8(..18) {
            17 => self.catch_up(),
            16 => self.see_to_due(),
            0..=4 => self.append(),
            5..=6 => self.claim(),
            7..=10 => self.answer(false),
            11 => self.now = self.now.after(Duration::from_secs(self.rng.u64(..40))),
            12 => {
                if let Some(id) = self.pick() {
                    // Its request may be on its way, and then it overtakes nobody.
                    self.free.insert(id.clone());
                    if let Some(decided) = block_on(outbox::discard(&self.store, "ada", &id)).unwrap() {
                        self.heard(decided.settled);
                    }
                }
            }
            13 | 14 => {
                if let Some(id) = self.pick() {
                    let data = (self.rng.bool()).then(|| RawValue::from_string("[1,2,3]".into()).unwrap());
                    // Those behind it have been let go, and what takes its place comes after them as well.
                    if self.dead().contains(&id) {
                        self.free.insert(id.clone());
                    }
                    if let Some(decided) = block_on(outbox::requeue(&self.store, "ada", &id, data)).unwrap() {
                        self.heard(decided.settled);
                    }
                }
            }
            _ => {
                if let Some(id) = self.pick() {
                    block_on(outbox::edit(&self.store, "ada", &id, RawValue::from_string(r#""edited""#.into()).unwrap()))
                        .unwrap();
                }
            }
        }
    }

    fn check(&self) {
        let table = self.store.committed();
        check_books(&table, "ada").unwrap();
        let stored: BTreeSet<String> = table.all_rows("ada").into_iter().map(|row| row.id).collect();
        assert_eq!(stored, self.open, "what is on disk is what has not left");
    }

    fn dead(&self) -> Vec<String> {
        let rows = self.store.committed().all_rows("ada");
        rows.into_iter().filter(|row| row.lane == Lane::Dead).map(|row| row.id).collect()
    }

    /// What the server has applied of a key is in the order of enqueueing, but for what was a dead letter in between.
    fn check_order(&self, rejected: &BTreeSet<String>) {
        let mut last: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
        for id in self.applied.iter().filter(|id| !rejected.contains(*id) && !self.free.contains(*id)) {
            let (Some(key), seq) = &self.places[id] else { continue };
            let before = last.entry(key).or_insert((*seq, id));
            assert!(before.0 <= *seq, "{id} of {key} was applied after {}", before.1);
            *before = (*seq, id);
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    let mut rejected = BTreeSet::new();
    for _ in 0..60 {
        world.step();
        world.check();
        rejected.extend(world.dead());
        world.check_order(&rejected);
    }
    // Everything is decided, and the server takes all.
    for _ in 0..400 {
        rejected.extend(world.dead());
        for id in world.open.clone() {
            // What depends on something that never came has to say something else.
            let data = RawValue::from_string("[]".into()).unwrap();
            let is_orphan = Action::read(world.store.committed().find("ada", &id).unwrap(), "ada").depends_on.is_some();
            block_on(outbox::requeue(&world.store, "ada", &id, Some(data).filter(|_| is_orphan))).unwrap();
        }
        world.now = world.now.after(Duration::from_secs(40));
        world.see_to_due();
        world.claim();
        while world.claimed.is_some() {
            world.answer(true);
            world.check();
            rejected.extend(world.dead());
        }
        if world.open.is_empty() {
            break;
        }
    }
    assert!(world.open.is_empty(), "still there: {:?}", world.store.committed().all_rows("ada"));
    world.check_order(&rejected);
}

#[test]
fn whatever_is_done_in_whatever_order_the_books_are_right_and_nothing_is_lost_or_stuck() {
    let seeds = std::env::var("STEADFAST_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    let start = std::env::var("STEADFAST_FIRST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    for seed in start..start + seeds {
        let ran = std::panic::catch_unwind(|| run(seed));
        assert!(ran.is_ok(), "seed {seed}");
    }
}
