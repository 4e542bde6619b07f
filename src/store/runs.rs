//! Rows that come together lie together: how rows are kept in records where each record costs, as in IndexedDB.
//!
//! Rows that are found by nothing but their places, and whose places follow one another, make a *run*: one record, by the last of its
//! places. So the first record at a place or behind it is the one that has the row of that place, if any has; and since the rows of a run
//! leave no place out, no other record lies among them.

use crate::platform::tables::{Lane, Row};
use crate::queue::row::place_named_by;
use crate::time::WallTime;
use std::ops::Range;

/// The most rows of a run: as many as a batch has, so that most runs leave as they came.
pub const MOST_ROWS: u64 = 100;
/// The most bytes of a run. A row that is longer is a record of its own.
pub const MOST_BYTES: usize = 64 << 10;

/// The last place there can be: a double is exact up to here.
const LAST: u64 = (1 << 53) - 1;

/// Where a record lies, and which places are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordKey {
    /// The lane.
    pub lane: Lane,
    /// The last of its places.
    pub last: u64,
    /// How many there are.
    pub count: u64,
}

impl RecordKey {
    /// The first of its places.
    pub fn first(&self) -> u64 {
        self.last.saturating_sub(self.count.saturating_sub(1))
    }

    fn is_within(&self, span: &Span) -> bool {
        self.lane == span.lane && span.first <= self.first() && self.last <= span.last
    }

    fn meets(&self, span: &Span) -> bool {
        self.lane == span.lane && self.first() <= span.last && span.first <= self.last
    }
}

/// Places of a lane, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The lane.
    pub lane: Lane,
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
}

impl Span {
    fn has(&self, lane: Lane, seq: u64) -> bool {
        self.lane == lane && (self.first..=self.last).contains(&seq)
    }
}

/// What a row is found by, beside its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Its id, if that does not name its place.
    pub id: Option<String>,
    /// Its key.
    pub key: Option<String>,
    /// When its time comes.
    pub due: Option<WallTime>,
    /// The id of the action that it depends on.
    pub after: Option<String>,
}

impl Marks {
    /// `None` if it is found by its place alone.
    pub fn of(row: &Row) -> Option<Self> {
        let is_found_by_id = place_named_by(&row.id) != Some(row.seq);
        if !is_found_by_id && row.key.is_none() && row.due.is_none() && row.after.is_none() {
            return None;
        }
        let id = is_found_by_id.then(|| row.id.clone());
        Some(Self { id, key: row.key.clone(), due: row.due, after: row.after.clone() })
    }
}

/// Appends a row as a record has it: its place, how long its id and its text are, and both.
pub fn pack(row: &Row, packed: &mut String) {
    for part in
        [&*row.seq.to_string(), " ", &*row.id.len().to_string(), " ", &*row.text.len().to_string(), " ", &*row.id, &*row.text]
    {
        packed.push_str(part);
    }
}

/// A row as it was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed<'a> {
    /// Its place.
    pub seq: u64,
    /// Its id.
    pub id: &'a str,
    /// Its own text.
    pub text: &'a str,
    /// Where it is in the text of the record.
    range: Range<usize>,
}

impl Packed<'_> {
    /// The row.
    pub fn row(&self, lane: Lane) -> Row {
        let (id, text) = (self.id.into(), self.text.into());
        Row { lane, seq: self.seq, id, key: None, due: None, after: None, text, weight: None }
    }
}

/// What the text of a run begins with, before how many rows it has: nothing that a row begins with.
const RUN: char = '#';

/// How many rows the text of a record is to have, and where they begin.
fn count_in(record: &str) -> Option<(usize, usize)> {
    let Some(rest) = record.strip_prefix(RUN) else { return Some((1, 0)) };
    let (count, rows) = rest.split_once(' ')?;
    Some((count.parse().ok()?, record.len().saturating_sub(rows.len())))
}

/// The rows that are packed one behind the other from there on, as far as they can be read.
fn rows_from(record: &str, start: usize) -> impl Iterator<Item = Packed<'_>> {
    let mut start = start;
    std::iter::from_fn(move || {
        let rest = record.get(start..).filter(|rest| !rest.is_empty())?;
        let (seq, rest) = rest.split_once(' ')?;
        let (id, rest) = rest.split_once(' ')?;
        let (text, rest) = rest.split_once(' ')?;
        let (id, rest) = rest.split_at_checked(id.parse().ok()?)?;
        let (text, rest) = rest.split_at_checked(text.parse().ok()?)?;
        let range = start..record.len().saturating_sub(rest.len());
        start = range.end;
        Some(Packed { seq: seq.parse().ok()?, id, text, range })
    })
}

/// The rows of a record, of which nothing but its text is known. `None` if they are not all there and one behind the other.
pub fn unpack(record: &str) -> Option<Vec<Packed<'_>>> {
    let (count, start) = count_in(record)?;
    let rows: Vec<Packed<'_>> = rows_from(record, start).collect();
    let are_whole = rows.len() == count && rows.last()?.range.end == record.len();
    let follow = rows.iter().zip(rows.iter().skip(1)).all(|(one, other)| one.seq.checked_add(1) == Some(other.seq));
    (are_whole && follow).then_some(rows)
}

/// What a record has at each of its places, whatever else is wrong with it; nothing where that cannot be read.
pub fn unpack_record(key: RecordKey, record: &str) -> impl Iterator<Item = (u64, Option<Packed<'_>>)> {
    let mut rows = rows_from(record, count_in(record).map_or(0, |(_, start)| start));
    // What is not where it ought to be is not that.
    (key.first()..=key.last).map(move |seq| (seq, rows.next().filter(|row| row.seq == seq)))
}

/// A record that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put<'a> {
    /// Where.
    pub key: RecordKey,
    /// What its row is found by. A run has none.
    pub marks: Option<&'a Marks>,
    /// Its rows as they are packed.
    pub packed: &'a str,
}

impl Put<'_> {
    /// Appends the text of the record.
    pub fn write(&self, record: &mut String) {
        if self.key.count > 1 {
            record.push(RUN);
            record.push_str(&self.key.count.to_string());
            record.push(' ');
        }
        record.push_str(self.packed);
    }

    /// Whether the row of the next place may lie in the same record.
    fn may_go_on(&self, lane: Lane, seq: u64, bytes: usize) -> bool {
        let is_next = self.key.lane == lane && self.key.last.checked_add(1) == Some(seq);
        let has_room = self.key.count < MOST_ROWS && self.packed.len().saturating_add(bytes) <= MOST_BYTES;
        // Of what cannot be read, no more is known than where it lies.
        is_next && has_room && self.marks.is_none() && !self.packed.is_empty() && bytes > 0
    }
}

/// Puts rows together that may lie in one record: lane, place, marks, and where in the texts they are packed.
fn records<'a>(texts: &'a str, rows: impl Iterator<Item = (Lane, u64, Option<&'a Marks>, Range<usize>)>) -> Vec<Put<'a>> {
    let mut records: Vec<Put<'a>> = Vec::new();
    let mut end = 0;
    for (lane, seq, marks, range) in rows {
        let follows = end == range.start && marks.is_none();
        if let Some(record) = records.last_mut().filter(|record| follows && record.may_go_on(lane, seq, range.len())) {
            record.key = RecordKey { lane, last: seq, count: record.key.count.saturating_add(1) };
            let start = range.end.saturating_sub(record.packed.len().saturating_add(range.len()));
            record.packed = texts.get(start..range.end).unwrap_or_default();
        } else {
            let packed = texts.get(range.clone()).unwrap_or_default();
            records.push(Put { key: RecordKey { lane, last: seq, count: 1 }, marks, packed });
        }
        end = range.end;
    }
    records
}

/// What is to be asked of the disk, in this order.
#[derive(Debug)]
pub struct Requests<'a> {
    /// All records in these places go.
    pub gone: Vec<Span>,
    /// And these. Some of their rows come again in others.
    pub cut: Vec<RecordKey>,
    /// These are written.
    pub put: Vec<Put<'a>>,
}

/// What is to be written of a queue: rows go, and then others come.
#[derive(Debug, Default)]
pub struct Changes {
    gone: Vec<Span>,
    coming: Vec<Coming>,
    /// The rows that come, as they are packed.
    texts: String,
    /// No row comes to a place behind this one.
    highest: u64,
}

/// They are in the order of their lanes and places.
#[derive(Debug)]
struct Coming {
    lane: Lane,
    seq: u64,
    marks: Option<Marks>,
    packed: Range<usize>,
}

impl Changes {
    /// A row comes to a place, instead of the one that is there. A new one comes to a place where none has been.
    pub fn write(&mut self, row: &Row, is_new: bool) {
        let (lane, seq) = (row.lane, row.seq);
        if !is_new {
            self.delete(Span { lane, first: seq, last: seq });
        }
        self.highest = self.highest.max(seq);
        let start = self.texts.len();
        pack(row, &mut self.texts);
        let coming = Coming { lane, seq, marks: Marks::of(row), packed: start..self.texts.len() };
        // Most come in their order. The later one of two at a place is the one that stays.
        let at = self.coming.partition_point(|other| (other.lane, other.seq) <= (lane, seq));
        self.coming.insert(at, coming);
    }

    /// Rows go.
    pub fn delete(&mut self, span: Span) {
        if span.first <= self.highest {
            self.coming.retain(|row| !span.has(row.lane, row.seq));
        }
        match self.gone.last_mut() {
            Some(before) if before.lane == span.lane && before.last.checked_add(1) == Some(span.first) => before.last = span.last,
            _ => self.gone.push(span),
        }
    }

    /// How much there is to write: rows that come or go one by one, and bytes.
    pub fn size(&self) -> (usize, usize) {
        (self.coming.len().max(self.gone.len()), self.texts.len())
    }

    /// The ends of what goes. Of the first record at each of them or behind it has to be known where it lies: it may lie across.
    pub fn ends(&self) -> Vec<(Lane, u64)> {
        let mut ends = Vec::with_capacity(self.gone.len());
        for span in &self.gone {
            // Nothing lies across the ends of all there is.
            ends.extend((span.first > 0 || span.last == 0).then_some((span.lane, span.first)));
            ends.extend((span.last > span.first && span.last < LAST).then_some((span.lane, span.last)));
        }
        ends
    }

    /// Those of the records at the [ends](Changes::ends) of which some rows go and others may stay. What is in them has to be known.
    pub fn cut(&self, at_ends: &[RecordKey]) -> Vec<RecordKey> {
        let mut cut: Vec<RecordKey> = Vec::new();
        for key in at_ends {
            let is_cut = self.gone.iter().any(|span| key.meets(span) && !key.is_within(span));
            if is_cut && !cut.contains(key) {
                cut.push(*key);
            }
        }
        cut
    }

    /// What is to be asked of the disk. `at_ends` are the records at the [ends](Changes::ends), and `cut` those that are
    /// [cut](Changes::cut), with what is in them.
    pub fn requests<'a>(&'a self, at_ends: &[RecordKey], cut: &'a [(RecordKey, String)]) -> Requests<'a> {
        let gone = &self.gone;
        // Those that come may have the ids of those that go: these go first, though others come to their places.
        let is_there = |span: &Span| at_ends.iter().any(|key| key.is_within(span));
        let gone_whole = gone.iter().filter(|span| span.first < span.last || is_there(span)).copied().collect();
        let coming = self.coming.iter().map(|row| (row.lane, row.seq, row.marks.as_ref(), row.packed.clone()));
        let mut put = records(&self.texts, coming);
        for (key, record) in cut {
            let rows = unpack_record(*key, record).map(|(seq, row)| (key.lane, seq, None, row.map_or(0..0, |row| row.range)));
            let stays = |seq: u64| !gone.iter().any(|span| span.has(key.lane, seq));
            put.extend(records(record, rows.filter(|(_, seq, ..)| stays(*seq))));
        }
        Requests { gone: gone_whole, cut: cut.iter().map(|(key, _)| *key).collect(), put }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::queue::row::id_at;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const UNIQUE: &str = "019e830e-1b8a-7410-83eb-7fe86e17dcfd";

    fn row(lane: Lane, seq: u64, text: &str) -> Row {
        Row { lane, seq, id: id_at(UNIQUE, seq), key: None, due: None, after: None, text: text.into(), weight: None }
    }

    /// Records as a disk keeps them, by lane, last place and how many there are.
    #[derive(Default)]
    struct Disk(BTreeMap<(Lane, u64, u64), (Option<Marks>, String)>);

    impl Disk {
        /// The first record at a place or behind it, as far behind it as one may be that has the place.
        fn record_at(&self, lane: Lane, seq: u64) -> Option<RecordKey> {
            let end = seq.saturating_add(MOST_ROWS - 1);
            let (&(lane, last, count), _) = self.0.range((lane, seq, 0)..=(lane, end, u64::MAX)).next()?;
            Some(RecordKey { lane, last, count })
        }

        fn carry_out(&mut self, changes: &Changes) {
            let at_ends: Vec<_> = changes.ends().into_iter().filter_map(|(lane, seq)| self.record_at(lane, seq)).collect();
            let text = |key: RecordKey| (key, self.0[&(key.lane, key.last, key.count)].1.clone());
            let cut: Vec<_> = changes.cut(&at_ends).into_iter().map(text).collect();
            let requests = changes.requests(&at_ends, &cut);
            for span in requests.gone {
                self.0.retain(|&(lane, last, _), _| !span.has(lane, last));
            }
            for key in requests.cut {
                self.0.remove(&(key.lane, key.last, key.count));
            }
            for put in requests.put {
                let Put { key, marks, packed } = put;
                assert!(key.count == 1 || marks.is_none() && key.count <= MOST_ROWS && packed.len() <= MOST_BYTES);
                let id = marks.and_then(|marks| marks.id.as_ref());
                let is_taken = |marks: &Marks| id.is_some() && marks.id.as_ref() == id;
                assert!(!self.0.values().any(|(marks, _)| marks.as_ref().is_some_and(is_taken)), "the index of ids is unique");
                let mut text = String::new();
                put.write(&mut text);
                let before = self.0.insert((key.lane, key.last, key.count), (marks.cloned(), text));
                assert!(before.is_none(), "what was there has gone before");
            }
        }

        /// All rows, found as they are when they are looked up by place; and that no record lies among another's rows.
        fn rows(&self) -> BTreeMap<(Lane, u64), (Option<Marks>, Row)> {
            let mut rows = BTreeMap::new();
            for (&(lane, last, count), (marks, packed)) in &self.0 {
                let key = RecordKey { lane, last, count };
                assert_eq!(unpack(packed).map(|rows| rows.len() as u64), Some(count));
                for (seq, packed) in unpack_record(key, packed) {
                    assert_eq!(self.record_at(lane, seq), Some(key), "{lane:?} {seq}");
                    let found = rows.insert((lane, seq), (marks.clone(), packed.unwrap().row(lane)));
                    assert!(found.is_none(), "{lane:?} {seq} is there twice");
                }
            }
            rows
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// So many new rows, of which every so manyth has a key; the first may have an id of the caller's, if that is free.
        Come {
            lane: Lane,
            count: u64,
            keyed: u64,
            bytes: usize,
            id: Option<u8>,
        },
        /// So many rows are written anew where they are, or where others have been.
        Again {
            lane: Lane,
            first: u64,
            count: u64,
            has_key: bool,
            id: Option<u8>,
        },
        Go {
            lane: Lane,
            first: u64,
            count: u64,
        },
        /// What was changed until then is written in one go.
        Flush,
    }

    fn step() -> impl Strategy<Value = Step> {
        let lane = || prop_oneof![9 => Just(Lane::Normal), 1 => Just(Lane::High)];
        let count = || prop_oneof![3 => 1_u64..4, 2 => 1_u64..300];
        let id = || prop_oneof![2 => Just(None), 1 => (0_u8..2).prop_map(Some)];
        let bytes = prop_oneof![9 => 0_usize..300, 1 => Just(70_000)];
        let come = (lane(), count(), prop_oneof![4 => Just(u64::MAX), 1 => 1_u64..20], bytes, id())
            .prop_map(|(lane, count, keyed, bytes, id)| Step::Come { lane, count, keyed, bytes, id });
        let again = (lane(), prop_oneof![0_u64..8, 0_u64..600], count(), any::<bool>(), id())
            .prop_map(|(lane, first, count, has_key, id)| Step::Again { lane, first, count, has_key, id });
        let go = (lane(), 0_u64..600, prop_oneof![9 => count(), 1 => Just(u64::MAX)]).prop_map(|(lane, first, count)| Step::Go {
            lane,
            first,
            count,
        });
        prop_oneof![3 => come, 2 => again, 3 => go, 3 => Just(Step::Flush)]
    }

    /// An id of the caller's, unless a row has it.
    fn free(id: Option<u8>, rows: &BTreeMap<(Lane, u64), (Option<Marks>, Row)>) -> Option<String> {
        id.map(|id| format!("own {id}")).filter(|id| rows.values().all(|(_, row)| row.id != *id))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn whatever_comes_and_goes_each_row_is_there_once_and_found_by_its_place(steps in proptest::collection::vec(step(), 1..30)) {
            let (mut disk, mut changes) = (Disk::default(), Changes::default());
            let (mut expected, mut next) = (BTreeMap::new(), 0);
            for (at, step) in steps.into_iter().chain([Step::Flush]).enumerate() {
                match step {
                    Step::Come { lane, count, keyed, bytes, id } => {
                        let mut id = free(id, &expected);
                        for seq in next..next + count {
                            let key = (seq % keyed == keyed - 1).then(|| "k".to_string());
                            // A line break tells that nothing hangs on there being none.
                            let row = row(lane, seq, &format!("{at} {seq}\n{}", "x".repeat(bytes)));
                            let row = Row { key, id: id.take().unwrap_or(row.id), ..row };
                            changes.write(&row, true);
                            expected.insert((lane, seq), (Marks::of(&row), Row { key: None, ..row }));
                        }
                        next += count;
                    }
                    Step::Again { lane, first, count, has_key, id } => {
                        let mut id = Some(id);
                        for seq in first..(first + count).min(next) {
                            // A place is one row's, whatever its lane.
                            let other = if lane == Lane::Normal { Lane::High } else { Lane::Normal };
                            if expected.remove(&(other, seq)).is_some() {
                                changes.delete(Span { lane: other, first: seq, last: seq });
                            }
                            expected.remove(&(lane, seq));
                            let id = id.take().and_then(|id| free(id, &expected));
                            let row = row(lane, seq, &format!("again {at} {seq}"));
                            let row = Row { key: has_key.then(|| "k".to_string()), id: id.unwrap_or(row.id), ..row };
                            changes.write(&row, false);
                            expected.insert((lane, seq), (Marks::of(&row), Row { key: None, ..row }));
                        }
                    }
                    Step::Go { lane, first, count } => {
                        let span = Span { lane, first, last: first.saturating_add(count - 1) };
                        changes.delete(span);
                        expected.retain(|&(lane, seq), _| !span.has(lane, seq));
                    }
                    Step::Flush => {
                        disk.carry_out(&std::mem::take(&mut changes));
                        prop_assert_eq!(disk.rows(), expected.clone());
                    }
                }
            }
        }

        #[test]
        fn no_text_is_too_strange_to_be_unpacked(packed in "(\\PC|[0-9 ]){0,40}", last in 0_u64..10, count in 1_u64..10) {
            let key = RecordKey { lane: Lane::Normal, last, count };
            let seqs: Vec<u64> = unpack_record(key, &packed).map(|(seq, _)| seq).collect();
            prop_assert_eq!(seqs, (key.first()..=last).collect::<Vec<_>>());
            prop_assert!(unpack(&packed).is_none_or(|rows| !rows.is_empty()));
        }
    }

    fn run_of(seqs: std::ops::RangeInclusive<u64>) -> Disk {
        let (mut disk, mut changes) = (Disk::default(), Changes::default());
        seqs.for_each(|seq| changes.write(&row(Lane::Normal, seq, "{}"), true));
        disk.carry_out(&changes);
        disk
    }

    #[test]
    fn rows_that_come_together_are_one_record_and_leave_as_one() {
        let mut disk = run_of(1..=250);
        assert_eq!(disk.0.keys().map(|&(_, last, count)| (last, count)).collect::<Vec<_>>(), [(100, 100), (200, 100), (250, 50)]);
        let mut changes = Changes::default();
        changes.delete(Span { lane: Lane::Normal, first: 1, last: 60 });
        changes.delete(Span { lane: Lane::Normal, first: 61, last: 100 });
        assert_eq!(changes.ends(), [(Lane::Normal, 1), (Lane::Normal, 100)], "what goes one behind the other goes together");
        assert_eq!(changes.cut(&[RecordKey { lane: Lane::Normal, last: 100, count: 100 }]), [], "nothing of it has to be read");
        disk.carry_out(&changes);
        assert_eq!(disk.0.len(), 2);
    }

    #[test]
    fn a_row_that_is_alone_goes_without_being_read() {
        let mut changes = Changes::default();
        changes.write(&row(Lane::Normal, 7, "again"), false);
        assert_eq!(changes.ends(), [(Lane::Normal, 7)]);
        let at_ends = [RecordKey { lane: Lane::Normal, last: 7, count: 1 }];
        assert_eq!(changes.cut(&at_ends), []);
        let requests = changes.requests(&at_ends, &[]);
        assert_eq!((requests.gone.len(), requests.cut.len(), requests.put.len()), (1, 0, 1));
        assert_eq!(changes.requests(&[], &[]).gone, [], "where nothing is, nothing goes");
    }

    #[test]
    fn the_text_of_a_run_says_whether_it_is_whole() {
        let disk = run_of(1..=3);
        let (_, text) = disk.0.values().next().unwrap();
        assert_eq!(unpack(text).unwrap().iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2, 3]);
        let third = text.find("3 36 2 ").unwrap();
        let (shorter, swapped) = (&text[..third], text.replace("3 36 2 ", "2 36 2 "));
        for damaged in [shorter, &text[..text.len() - 1], &[text, "4"].concat(), &swapped, &text[3..], "#2 ", "#", ""] {
            assert_eq!(unpack(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn what_cannot_be_read_of_a_run_keeps_its_places_until_it_goes() {
        // A length that says nothing ends it; a place that is another's is only that.
        for (to, left) in [
            ("5 3x 2 ", vec![(1, 1, false), (4, 2, false), (5, 1, true), (8, 1, true), (9, 1, true), (10, 1, true)]),
            ("6 36 2 ", vec![(1, 1, false), (4, 2, false), (5, 1, true), (10, 3, false)]),
        ] {
            let mut disk = run_of(1..=10);
            let (_, text) = disk.0.values_mut().next().unwrap();
            *text = text.replace("5 36 2 ", to);
            let mut changes = Changes::default();
            changes.delete(Span { lane: Lane::Normal, first: 2, last: 2 });
            changes.delete(Span { lane: Lane::Normal, first: 6, last: 7 });
            disk.carry_out(&changes);
            let records: Vec<_> = disk.0.iter().map(|(&(_, last, count), (_, text))| (last, count, text.is_empty())).collect();
            assert_eq!(records, left, "{to}");
        }
    }
}
