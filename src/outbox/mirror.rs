//! What a tab has put into the queue and has not seen settled, in memory: enough to put it there again when the storage is cleared
//! under the page. Pure bookkeeping.

use super::history::Applied;
use crate::flat_map::FlatMap;
use crate::platform::tables::Durability;
use crate::queue::action::Action;
use crate::queue::dependency;
use crate::queue::record::UserRecord;
use crate::time::WallTime;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// So many actions are kept at most. What comes when there are as many is on disk alone.
const MOST: usize = 1_000;
/// So many bytes of data and names are kept at most.
const MOST_BYTES: u64 = 4 << 20;

/// The actions of a tab that are not settled as far as it has heard, by id. The oldest stay when there are too many.
#[derive(Debug, Default)]
pub struct Mirror {
    kept: FlatMap<String, Kept>,
    /// The queues in which they lie. One in which none of them lies any longer may be among them.
    queues: Vec<Origin>,
    bytes: u64,
    /// How many of them depend on another one.
    dependents: usize,
    /// The number of the next one.
    next: u64,
    /// See [`Mirror::purged`].
    purged: FlatMap<String, ()>,
}

#[derive(Debug)]
struct Kept {
    /// In the order in which they came: places change when what lies in one store is brought to another.
    number: u64,
    origin: Origin,
    action: Box<Action>,
}

/// A queue: where it is, since when, and the last place in it that is known to have been given away.
#[derive(Debug, Clone, Copy)]
struct Origin {
    place: Durability,
    created_at: WallTime,
    seq: u64,
}

impl Origin {
    /// Whether that record is of another queue, which has come in the place of this one.
    fn is_gone(self, record: &UserRecord) -> bool {
        self.place == record.place && (self.created_at != record.created_at || self.seq >= record.next_seq)
    }

    fn is_same(self, other: Self) -> bool {
        self.place == other.place && self.created_at == other.created_at
    }
}

/// A queue out of which all was taken: what has lain in it until then, and in those that were in its place before.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Purged {
    place: Durability,
    created_at: WallTime,
    next_seq: u64,
}

impl Purged {
    /// The queue that had this record then.
    pub fn of(record: &UserRecord) -> Self {
        Self { place: record.place, created_at: record.created_at, next_seq: record.next_seq }
    }

    /// Whether it is one that no other tab has to do with.
    pub fn is_in_memory(&self) -> bool {
        self.place == Durability::Memory
    }

    fn was_of(self, origin: Origin) -> bool {
        let is_older = origin.created_at < self.created_at;
        self.place == origin.place && (is_older || origin.created_at == self.created_at && origin.seq < self.next_seq)
    }
}

impl Mirror {
    /// Keeps an action that is on disk, in the queue of that record.
    pub fn keep(&mut self, action: Action, seq: u64, record: &UserRecord) {
        let bytes = action.bytes_of_row();
        if self.kept.len() >= MOST || self.bytes.saturating_add(bytes) > MOST_BYTES {
            return;
        }
        let origin = Origin { place: record.place, created_at: record.created_at, seq };
        self.forget(&action.id);
        self.purged.remove(&action.id);
        self.bytes = self.bytes.saturating_add(bytes);
        self.dependents += usize::from(action.depends_on.is_some());
        let number = self.next;
        self.next = number.saturating_add(1);
        self.kept.insert(action.id.clone(), Kept { number, origin, action: Box::new(action) });
        self.note(origin);
    }

    fn note(&mut self, origin: Origin) {
        match self.queues.iter_mut().find(|known| known.is_same(origin)) {
            Some(known) => known.seq = known.seq.max(origin.seq),
            None => self.queues.push(origin),
        }
    }

    /// Whether that action is kept.
    pub fn has(&self, id: &str) -> bool {
        self.kept.contains_key(id)
    }

    /// Whether that action is kept, and that it is not in the queue of that record says nothing: it lies in another one.
    pub fn is_elsewhere(&self, id: &str, record: &UserRecord) -> bool {
        self.kept.get(id).is_some_and(|kept| kept.origin.place != record.place || kept.origin.is_gone(record))
    }

    /// Whether the queue of that record may lack some of what is kept.
    pub fn lacks(&self, record: &UserRecord) -> bool {
        self.queues.iter().any(|queue| queue.is_gone(record))
    }

    /// What the queue of that record may lack, in order.
    pub fn missing(&self, record: &UserRecord) -> Vec<Action> {
        if !self.lacks(record) {
            return Vec::new();
        }
        let gone = self.kept.values().filter(|kept| kept.origin.is_gone(record));
        let mut missing: Vec<(u64, Action)> = gone.map(|kept| (kept.number, Action::clone(&kept.action))).collect();
        missing.sort_unstable_by_key(|(number, _)| *number);
        missing.into_iter().map(|(_, action)| action).collect()
    }

    /// They were missing, and have these places in the queue of that record now; those without one were settled.
    pub fn found(&mut self, those: Vec<(String, Option<u64>)>, record: &UserRecord) {
        let UserRecord { place, created_at, .. } = *record;
        for (id, seq) in those {
            match (seq, self.kept.get_mut(&id)) {
                (Some(seq), Some(kept)) => kept.origin = Origin { place, created_at, seq },
                (Some(_), None) => {}
                (None, _) => self.forget(&id),
            }
        }
        self.recount_queues();
    }

    fn recount_queues(&mut self) {
        self.queues.clear();
        let origins: Vec<Origin> = self.kept.values().map(|kept| kept.origin).collect();
        for origin in origins {
            self.note(origin);
        }
    }

    /// What lay in one place, in the queue that was created there then, has been brought to another one, into the queue of that record.
    pub fn moved(&mut self, from: (Durability, WallTime), to: &UserRecord) {
        let UserRecord { place, created_at, .. } = *to;
        let is_moved = |origin: Origin| (origin.place, origin.created_at) == from;
        for (_, kept) in self.kept.iter_mut().filter(|(_, kept)| is_moved(kept.origin)) {
            // Which places they have got there is not known. A place that was not given away yet is looked for, and found, once.
            kept.origin = Origin { place, created_at, ..kept.origin };
        }
        self.recount_queues();
    }

    /// Another tab has brought what lay in a place, in the queue that was created there then, to the best one, where this tab looks for
    /// it when it can.
    pub fn moved_elsewhere(&mut self, place: Durability, created_at: WallTime) {
        self.moved((place, created_at), &UserRecord { place: Durability::IndexedDb, ..UserRecord::default() });
    }

    /// Nothing lies in a lesser place than that one any longer: what is thought to is looked for there.
    pub fn nothing_is_below(&mut self, place: Durability) {
        if !self.queues.iter().any(|queue| queue.place < place) {
            return;
        }
        for (_, kept) in self.kept.iter_mut().filter(|(_, kept)| kept.origin.place < place) {
            kept.origin = Origin { place, created_at: WallTime::default(), seq: u64::MAX };
        }
        self.recount_queues();
    }

    /// What became of an action, here or in another tab: the JSON of an [`Outcome`](crate::queue::outcome::Outcome).
    pub fn settle(&mut self, id: &str, outcome: &RawValue) {
        self.forget(id);
        if self.dependents == 0 {
            return;
        }
        let Some(applied) = Applied::read(outcome) else { return };
        let mut put_in = 0;
        for (_, kept) in self.kept.iter_mut().filter(|(_, kept)| kept.action.depends_on.as_deref() == Some(id)) {
            let before = kept.action.bytes_of_row();
            let action = &mut kept.action;
            // Where the result is not what the action names, it is a dead letter, or becomes one when it is put into a queue again.
            if dependency::complete(&mut action.data, &mut action.request, id, applied.result.as_ref()).is_err() {
                continue;
            }
            action.depends_on = None;
            self.bytes = self.bytes.saturating_sub(before).saturating_add(action.bytes_of_row());
            put_in += 1;
        }
        self.dependents = self.dependents.saturating_sub(put_in);
    }

    /// An action has other data now.
    pub fn edit(&mut self, id: &str, data: Box<RawValue>) {
        if let Some(kept) = self.kept.get_mut(id) {
            let before = kept.action.bytes_of_row();
            // What holds files is written down elsewhere.
            drop(kept.action.give(data));
            self.bytes = self.bytes.saturating_sub(before).saturating_add(kept.action.bytes_of_row());
        }
    }

    /// An action is settled, or nothing is known of it any longer.
    pub fn forget(&mut self, id: &str) {
        if let Some(kept) = self.kept.remove(id) {
            self.bytes = self.bytes.saturating_sub(kept.action.bytes_of_row());
            self.dependents = self.dependents.saturating_sub(usize::from(kept.action.depends_on.is_some()));
        }
        if self.kept.is_empty() {
            self.queues.clear();
        }
    }

    /// Nothing is left in the queue of that record: what has lain in it is settled, though nobody may have told this tab.
    pub fn all_is_settled(&mut self, record: &UserRecord) {
        let has_lain_there = |origin: Origin| {
            origin.place == record.place && origin.created_at == record.created_at && origin.seq < record.next_seq
        };
        let settled: Vec<String> =
            self.kept.iter().filter(|(_, kept)| has_lain_there(kept.origin)).map(|(id, _)| id.clone()).collect();
        for id in settled {
            self.forget(&id);
        }
    }

    /// All was taken out of these queues, and this tab has not heard of each.
    pub fn purge(&mut self, queues: &[Purged]) {
        let is_purged = |kept: &Kept| queues.iter().any(|queue| queue.was_of(kept.origin));
        let purged: Vec<String> = self.kept.iter().filter(|(_, kept)| is_purged(kept)).map(|(id, _)| id.clone()).collect();
        for id in purged {
            self.forget(&id);
            if self.purged.len() < MOST {
                self.purged.insert(id, ());
            }
        }
    }

    /// Those that were taken out with all others, lay there no longer perhaps, and are to be looked up.
    pub fn purged(&self) -> Vec<String> {
        self.purged.keys().cloned().collect()
    }

    /// Whether that action is one of them. It no longer is.
    pub fn was_purged(&mut self, id: &str) -> bool {
        self.purged.remove(id).is_some()
    }

    /// Keeps nothing any longer.
    pub fn clear(&mut self) {
        *self = Self { next: self.next, ..Self::default() };
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::queue::plan::tests::action;
    use crate::queue::request::tests::request;

    const BORN: WallTime = WallTime(1000);
    const PLACE: Durability = Durability::IndexedDb;

    fn record(created_at: WallTime, next_seq: u64) -> UserRecord {
        UserRecord { place: PLACE, created_at, next_seq, ..UserRecord::default() }
    }

    fn ids(missing: &[Action]) -> Vec<&str> {
        missing.iter().map(|action| action.id.as_str()).collect()
    }

    fn filled(seqs: std::ops::Range<u64>) -> Mirror {
        let mut mirror = Mirror::default();
        for seq in seqs {
            mirror.keep(action(seq, None), seq, &record(BORN, 0));
        }
        mirror
    }

    #[test]
    fn nothing_is_missing_from_the_queue_that_it_was_put_into() {
        let mirror = filled(0..3);
        assert!(!mirror.lacks(&record(BORN, 3)));
        assert!(
            !mirror.lacks(&UserRecord { place: Durability::LocalStorage, ..record(WallTime(7), 0) }),
            "another place says nothing of this one"
        );
    }

    #[test]
    fn all_is_missing_from_a_queue_that_was_created_since_or_is_not_there() {
        let mirror = filled(0..3);
        for other in [record(WallTime(2000), 9), record(WallTime::default(), 0), record(BORN, 2)] {
            assert!(mirror.lacks(&other));
        }
        assert_eq!(ids(&mirror.missing(&record(WallTime::default(), 0))), ["action-0", "action-1", "action-2"]);
    }

    #[test]
    fn what_was_found_is_missing_no_longer_and_what_was_settled_is_forgotten() {
        let mut mirror = filled(0..3);
        let places = [("action-0", Some(8)), ("action-1", None), ("action-2", Some(9))];
        mirror.found(places.map(|(id, seq)| (id.to_string(), seq)).to_vec(), &record(WallTime(2000), 0));
        assert!(!mirror.lacks(&record(WallTime(2000), 10)) && !mirror.has("action-1"));
        assert_eq!(ids(&mirror.missing(&record(WallTime(3000), 0))), ["action-0", "action-2"]);
    }

    #[test]
    fn the_order_is_that_in_which_they_came_wherever_they_lie() {
        let mut mirror = filled(50..52);
        let below = UserRecord { place: Durability::LocalStorage, ..record(BORN, 4) };
        mirror.keep(action(3, None), 3, &below);
        mirror.moved((below.place, BORN), &record(BORN, 4));
        assert_eq!(ids(&mirror.missing(&record(WallTime::default(), 0))), ["action-50", "action-51", "action-3"]);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let mut mirror = filled(0..1_500);
        assert_eq!(mirror.missing(&record(WallTime::default(), 0)).len(), MOST);
        mirror.forget("action-0");
        let data = RawValue::from_string(format!("\"{}\"", "x".repeat(4 << 20))).unwrap();
        mirror.keep(Action { data, ..action(2_000, None) }, 2_000, &record(BORN, 0));
        assert!(!mirror.has("action-2000"));
        mirror.keep(action(2_001, None), 2_001, &record(BORN, 0));
        assert!(mirror.has("action-2001"));
    }

    #[test]
    fn a_result_is_put_into_all_that_names_it_and_what_is_kept_weighs_what_it_weighs_then() {
        let mut mirror = Mirror::default();
        let data = RawValue::from_string(r#"{"of":{"$result":"post","at":"/id"}}"#.into()).unwrap();
        let request = request("POST", "https://api.example/posts/$result(post,%2Fid)/photos");
        let dependent = Action { data, depends_on: Some("post".into()), request: Some(request.into()), ..action(1, None) };
        mirror.keep(dependent, 1, &record(BORN, 0));
        let outcome = RawValue::from_string(r#"{"status":"applied","result":{"id":7}}"#.into()).unwrap();
        mirror.settle("post", &outcome);
        let [kept] = mirror.missing(&record(WallTime::default(), 0)).try_into().unwrap();
        assert_eq!((kept.data.get(), kept.depends_on.as_deref()), (r#"{"of":7}"#, None));
        assert_eq!(kept.request.as_ref().unwrap().url, "https://api.example/posts/7/photos");
        assert_eq!(mirror.bytes, kept.bytes_of_row());
    }

    #[test]
    fn what_names_more_than_the_result_has_still_depends_on_it() {
        let mut mirror = Mirror::default();
        let data = RawValue::from_string(r#"{"of":{"$result":"post","at":"/id"}}"#.into()).unwrap();
        mirror.keep(Action { data, depends_on: Some("post".into()), ..action(1, None) }, 1, &record(BORN, 0));
        mirror.settle("post", &RawValue::from_string(r#"{"status":"applied","result":{"status":"accepted"}}"#.into()).unwrap());
        let [kept] = mirror.missing(&record(WallTime::default(), 0)).try_into().unwrap();
        assert_eq!(kept.depends_on.as_deref(), Some("post"));
    }

    #[test]
    fn what_was_deleted_before_the_rest_was_brought_to_a_better_place_is_missing_there() {
        let mut mirror = Mirror::default();
        let below = UserRecord { place: Durability::LocalStorage, ..record(BORN, 4) };
        mirror.keep(action(3, None), 3, &below);
        mirror.moved((below.place, WallTime(5000)), &record(BORN, 9));
        mirror.nothing_is_below(PLACE);
        assert_eq!(ids(&mirror.missing(&record(BORN, 9))), ["action-3"]);
    }

    #[test]
    fn a_place_in_which_nothing_is_left_does_not_have_what_was_put_there() {
        let mut mirror = Mirror::default();
        let below = UserRecord { place: Durability::LocalStorage, ..record(BORN, 4) };
        mirror.keep(action(3, None), 3, &below);
        assert!(!mirror.lacks(&record(BORN, 4)) && mirror.is_elsewhere("action-3", &record(BORN, 4)));
        mirror.nothing_is_below(PLACE);
        assert_eq!(ids(&mirror.missing(&record(BORN, 4))), ["action-3"]);
        assert!(!mirror.lacks(&below));
    }

    #[test]
    fn a_queue_that_is_empty_has_settled_what_lay_in_it() {
        let mut mirror = filled(0..3);
        mirror.all_is_settled(&record(BORN, 2));
        assert_eq!(ids(&mirror.missing(&record(WallTime::default(), 0))), ["action-2"], "it came after that was looked at");
        mirror.all_is_settled(&record(BORN, 3));
        assert!(!mirror.lacks(&record(WallTime::default(), 0)));
    }
}
