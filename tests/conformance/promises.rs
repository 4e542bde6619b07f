//! What every store promises: each sentence of the contract in `steadfast::platform::tables`, for any store.

use futures_util::FutureExt as _;
use futures_util::future::{join, join_all};
use std::collections::BTreeMap;
use steadfast::platform::Access;
use steadfast::platform::tables::{Kind, Lane, Row, Store, Transaction};
use steadfast::time::{LAST_DATE, WallTime};

/// Where stores are tested.
pub(crate) trait Place {
    type Store: Store;
    /// An empty one that no other test knows of.
    fn fresh() -> Self;
    /// The store there, as if it were opened anew.
    fn open(&self) -> Self::Store;
}

/// Names all promises to a macro, which makes a test of each.
macro_rules! for_each_promise {
    ($test:ident, $place:ty) => {
        $test!($place: a_fresh_store_is_empty);
        $test!($place: a_row_is_read_to_the_letter_by_whatever_it_is_found_by);
        $test!($place: what_was_committed_is_there_when_the_store_is_opened_anew);
        $test!($place: rows_come_in_the_order_of_their_sequence_numbers);
        $test!($place: a_range_includes_its_ends_and_nothing_else);
        $test!($place: no_more_rows_come_than_the_limit);
        $test!($place: lanes_are_apart);
        $test!($place: users_are_apart);
        $test!($place: rows_that_wait_behind_a_key_come_in_order_and_the_last_of_them_is_known);
        $test!($place: rows_come_when_they_are_due_the_earliest_first);
        $test!($place: rows_come_by_what_they_depend_on);
        $test!($place: an_empty_key_is_a_key);
        $test!($place: what_a_row_is_no_longer_found_by_does_not_find_it);
        $test!($place: a_row_that_is_written_at_a_place_replaces_the_one_there);
        $test!($place: a_row_moves_to_another_lane);
        $test!($place: a_row_moves_to_another_place_of_its_lane);
        $test!($place: a_range_of_a_lane_is_deleted_and_nothing_else);
        $test!($place: an_id_that_is_elsewhere_is_refused_with_the_whole_transaction);
        $test!($place: sequence_numbers_reach_to_two_to_the_53rd);
        $test!($place: documents_are_found_by_kind_and_name);
        $test!($place: documents_come_in_the_order_of_their_names);
        $test!($place: a_document_that_was_deleted_is_gone);
        $test!($place: users_are_those_who_have_rows_or_documents);
        $test!($place: rows_are_counted);
        $test!($place: a_transaction_reads_what_it_has_written);
        $test!($place: several_reads_may_be_under_way);
        $test!($place: a_transaction_that_is_dropped_leaves_all_as_it_was);
        $test!($place: a_transaction_that_reads_changes_nothing);
        $test!($place: those_who_write_come_one_after_another);
        $test!($place: those_who_write_come_in_the_order_in_which_they_began);
        $test!($place: nobody_sees_half_of_a_transaction);
        $test!($place: whoever_waits_sees_nothing_of_what_was_dropped);
        $test!($place: a_long_text_is_kept);
        $test!($place: rows_of_all_kinds_are_written_in_turns_and_none_is_mistaken_for_another);
        $test!($place: rows_that_came_together_change_and_go_each_for_itself);
        $test!($place: a_read_that_is_given_up_takes_nothing_with_it);
        $test!($place: an_id_that_was_given_up_may_be_taken_by_another_before_its_place_is);
        $test!($place: ten_thousand_rows_are_kept_in_order);
    };
}
pub(crate) use for_each_promise;

const ALL: u64 = (1 << 53) - 1;
const TEXT: &str = "{\"text\":\"Grüße 🚀 \u{0} \u{2028} \u{feff} \\u0000 \\ \u{ffff}\"}\n\r";
const KEY: &str = "key/7 🚀\u{0}:\"";

fn row(lane: Lane, seq: u64, id: &str) -> Row {
    Row { lane, seq, id: id.into(), key: None, due: None, after: None, text: ["text of ", id].concat(), weight: None }
}

/// One that is found by everything.
fn full(lane: Lane, seq: u64, id: &str) -> Row {
    Row { key: Some(KEY.into()), due: Some(WallTime(100)), after: Some("parent".into()), text: TEXT.into(), ..row(lane, seq, id) }
}

async fn begin<S: Store>(store: &S) -> S::Transaction {
    store.transaction(Access::Write).await.unwrap()
}

async fn read<S: Store>(store: &S) -> S::Transaction {
    store.transaction(Access::Read).await.unwrap()
}

/// Writes rows in a transaction of their own.
async fn write<S: Store>(store: &S, user_id: &str, rows: &[Row]) {
    let transaction = begin(store).await;
    for row in rows {
        transaction.write(user_id, row).unwrap();
    }
    transaction.commit().await.unwrap();
}

async fn lane<T: Transaction>(transaction: &T, user_id: &str, lane: Lane) -> Vec<Row> {
    transaction.rows(user_id, lane, 0, ALL, u32::MAX).await.unwrap()
}

fn seqs(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.seq).collect()
}

fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

pub(crate) async fn a_fresh_store_is_empty<P: Place>() {
    let store = P::fresh().open();
    let reading = read(&store).await;
    assert_eq!(reading.document("ada", Kind::Queue, "").await.unwrap(), None);
    assert_eq!(reading.documents("ada", Kind::Queue).await.unwrap(), []);
    for each in Lane::ALL {
        assert_eq!(lane(&reading, "ada", each).await, []);
        assert_eq!(reading.count("ada", each).await.unwrap(), 0);
    }
    assert_eq!(reading.find("ada", "a").await.unwrap(), None);
    assert_eq!(reading.of_key("ada", "key", 0, 10).await.unwrap(), []);
    assert_eq!(reading.last_of_key("ada", "key").await.unwrap(), None);
    assert_eq!(reading.due("ada", LAST_DATE, 10).await.unwrap(), []);
    assert_eq!(reading.after("ada", "a", 10).await.unwrap(), []);
    assert!(reading.users().await.unwrap().is_empty());
    reading.commit().await.unwrap();
}

pub(crate) async fn a_row_is_read_to_the_letter_by_whatever_it_is_found_by<P: Place>() {
    let store = P::fresh().open();
    let user_id = "ädä 🚀\u{0}:/";
    for (seq, each) in (5..).zip(Lane::ALL) {
        let written = full(each, seq, &format!("id {seq} \u{0}🚀\u{ffff}"));
        write(&store, user_id, std::slice::from_ref(&written)).await;
        let reading = read(&store).await;
        assert_eq!(lane(&reading, user_id, each).await, std::slice::from_ref(&written));
        assert_eq!(reading.find(user_id, &written.id).await.unwrap().as_ref(), Some(&written));
        assert_eq!(reading.last_of_key(user_id, KEY).await.unwrap().as_ref(), Some(&written));
        for found in [
            reading.of_key(user_id, KEY, 0, 100).await.unwrap(),
            reading.due(user_id, WallTime(100), 100).await.unwrap(),
            reading.after(user_id, "parent", 100).await.unwrap(),
        ] {
            assert!(found.contains(&written), "{found:?}");
        }
    }
    let bare = Row { text: String::new(), ..row(Lane::Dead, 100, "bare") };
    write(&store, user_id, std::slice::from_ref(&bare)).await;
    assert_eq!(read(&store).await.find(user_id, "bare").await.unwrap(), Some(bare));
}

pub(crate) async fn what_was_committed_is_there_when_the_store_is_opened_anew<P: Place>() {
    let place = P::fresh();
    let rows = [full(Lane::High, 1, "a"), full(Lane::High, 2, "b"), full(Lane::Dead, 3, "c")];
    {
        let store = place.open();
        write(&store, "ada", &rows).await;
        let transaction = begin(&store).await;
        transaction.write_document("ada", Kind::Queue, "", Some(TEXT)).unwrap();
        transaction.delete("ada", Lane::High, 1, 1).unwrap();
        transaction.commit().await.unwrap();
    }
    let store = place.open();
    let reading = read(&store).await;
    assert_eq!(lane(&reading, "ada", Lane::High).await, [rows[1].clone()]);
    assert_eq!(lane(&reading, "ada", Lane::Dead).await, [rows[2].clone()]);
    assert_eq!(reading.find("ada", "a").await.unwrap(), None);
    assert_eq!(reading.document("ada", Kind::Queue, "").await.unwrap().as_deref(), Some(TEXT));
}

pub(crate) async fn rows_come_in_the_order_of_their_sequence_numbers<P: Place>() {
    let store = P::fresh().open();
    // Not the order of their digits, nor that in which they are written, nor that of their ids.
    let numbers = [10, 9, 100, 2, 1_000_000, 0, 99, 4_294_967_296, 255, 256];
    let rows: Vec<Row> = numbers.iter().enumerate().map(|(at, &seq)| row(Lane::Low, seq, &at.to_string())).collect();
    write(&store, "ada", &rows).await;
    let found = lane(&read(&store).await, "ada", Lane::Low).await;
    assert_eq!(seqs(&found), [0, 2, 9, 10, 99, 100, 255, 256, 1_000_000, 4_294_967_296]);
}

pub(crate) async fn a_range_includes_its_ends_and_nothing_else<P: Place>() {
    let store = P::fresh().open();
    let rows: Vec<Row> = (0..20).map(|seq| row(Lane::Normal, 10 * seq, &seq.to_string())).collect();
    write(&store, "ada", &rows).await;
    let reading = read(&store).await;
    for (first, last, expected) in [
        (20, 40, vec![20, 30, 40]),
        (21, 39, vec![30]),
        (31, 39, vec![]),
        (190, ALL, vec![190]),
        (191, ALL, vec![]),
        (0, 0, vec![0]),
        (40, 20, vec![]),
    ] {
        let found = reading.rows("ada", Lane::Normal, first, last, u32::MAX).await.unwrap();
        assert_eq!(seqs(&found), expected, "from {first} to {last}");
    }
}

pub(crate) async fn no_more_rows_come_than_the_limit<P: Place>() {
    let store = P::fresh().open();
    let rows: Vec<Row> = (0..5).map(|seq| full(Lane::Normal, seq, &seq.to_string())).collect();
    write(&store, "ada", &rows).await;
    let reading = read(&store).await;
    for limit in [0, 1, 3, 5, 6, u32::MAX] {
        let expected: Vec<u64> = (0..5).take(limit as usize).collect();
        assert_eq!(seqs(&reading.rows("ada", Lane::Normal, 0, ALL, limit).await.unwrap()), expected);
        assert_eq!(seqs(&reading.of_key("ada", KEY, 0, limit).await.unwrap()), expected);
        assert_eq!(reading.due("ada", WallTime(100), limit).await.unwrap().len(), expected.len());
        assert_eq!(reading.after("ada", "parent", limit).await.unwrap().len(), expected.len());
    }
    assert_eq!(seqs(&reading.rows("ada", Lane::Normal, 2, ALL, 2).await.unwrap()), [2, 3]);
}

pub(crate) async fn lanes_are_apart<P: Place>() {
    let store = P::fresh().open();
    let rows: Vec<Row> = Lane::ALL.into_iter().zip(7..).map(|(lane, seq)| row(lane, seq, &seq.to_string())).collect();
    write(&store, "ada", &rows).await;
    let reading = read(&store).await;
    for written in rows {
        assert_eq!(lane(&reading, "ada", written.lane).await, [written]);
    }
}

pub(crate) async fn users_are_apart<P: Place>() {
    let store = P::fresh().open();
    let users = ["ada", "ada\0", "Ada", "ad", "ada:1", "1:ada", "", "🚀"];
    for (at, user_id) in users.into_iter().enumerate() {
        let transaction = begin(&store).await;
        // The same ids, places and names for all.
        let written = Row { text: format!("row {at}"), ..full(Lane::Normal, 1, "a") };
        transaction.write(user_id, &written).unwrap();
        transaction.write_document(user_id, Kind::Queue, "name", Some(&format!("document {at}"))).unwrap();
        transaction.commit().await.unwrap();
    }
    let transaction = begin(&store).await;
    transaction.delete("ada", Lane::Normal, 0, ALL).unwrap();
    transaction.write_document("ada", Kind::Queue, "name", None).unwrap();
    transaction.commit().await.unwrap();
    let reading = read(&store).await;
    for (at, user_id) in users.into_iter().enumerate() {
        let expected = if at == 0 { vec![] } else { vec![format!("row {at}")] };
        let found = [
            lane(&reading, user_id, Lane::Normal).await,
            reading.find(user_id, "a").await.unwrap().into_iter().collect(),
            reading.of_key(user_id, KEY, 0, 10).await.unwrap(),
            reading.last_of_key(user_id, KEY).await.unwrap().into_iter().collect(),
            reading.due(user_id, LAST_DATE, 10).await.unwrap(),
            reading.after(user_id, "parent", 10).await.unwrap(),
        ];
        for rows in found {
            assert_eq!(rows.into_iter().map(|row| row.text).collect::<Vec<_>>(), expected, "{user_id:?}");
        }
        let document = (at > 0).then(|| format!("document {at}"));
        assert_eq!(reading.document(user_id, Kind::Queue, "name").await.unwrap(), document, "{user_id:?}");
        assert_eq!(reading.documents(user_id, Kind::Queue).await.unwrap().len(), usize::from(at > 0), "{user_id:?}");
        assert_eq!(reading.count(user_id, Lane::Normal).await.unwrap(), u64::from(at > 0), "{user_id:?}");
    }
}

pub(crate) async fn rows_that_wait_behind_a_key_come_in_order_and_the_last_of_them_is_known<P: Place>() {
    let store = P::fresh().open();
    let keys = ["a", "a\0", "ab", "A", "aa"];
    let mut rows = Vec::new();
    for (at, key) in (0..).zip(keys) {
        for (nth, lane) in (0..).zip([Lane::Waiting, Lane::Delayed, Lane::Dependent, Lane::Waiting, Lane::Conflict]) {
            let seq = 100 - 10 * nth + at;
            rows.push(Row { key: Some(key.into()), ..row(lane, seq, &seq.to_string()) });
        }
    }
    rows.push(row(Lane::Waiting, 500, "without a key"));
    write(&store, "ada", &rows).await;
    let reading = read(&store).await;
    for (at, key) in (0..).zip(keys) {
        let found = reading.of_key("ada", key, 0, 100).await.unwrap();
        assert_eq!(seqs(&found), [60 + at, 70 + at, 80 + at, 90 + at, 100 + at], "{key:?}: in order, whatever their lanes");
        assert_eq!(seqs(&reading.of_key("ada", key, 0, 2).await.unwrap()), [60 + at, 70 + at]);
        assert_eq!(reading.last_of_key("ada", key).await.unwrap().unwrap().seq, 100 + at);
    }
    for key in ["", "b", "a\0\0", "5"] {
        assert_eq!(reading.of_key("ada", key, 0, 100).await.unwrap(), []);
        assert_eq!(reading.last_of_key("ada", key).await.unwrap(), None, "{key:?}");
    }
}

pub(crate) async fn rows_come_when_they_are_due_the_earliest_first<P: Place>() {
    let store = P::fresh().open();
    let times = [1_780_315_200_000, 5, -3, LAST_DATE.0, 0, 100, 99];
    let mut rows: Vec<Row> = (0..)
        .zip(times)
        .map(|(seq, due)| Row { due: Some(WallTime(due)), ..row(Lane::Delayed, seq, &due.to_string()) })
        .collect();
    rows.push(row(Lane::Delayed, 100, "without a time"));
    write(&store, "ada", &rows).await;
    let reading = read(&store).await;
    let due = async |until| -> Vec<i64> {
        reading.due("ada", WallTime(until), 100).await.unwrap().iter().map(|row| row.due.unwrap().0).collect()
    };
    assert_eq!(due(99).await, [-3, 0, 5, 99]);
    assert_eq!(due(98).await, [-3, 0, 5]);
    assert!(due(-4).await.is_empty());
    assert_eq!(due(LAST_DATE.0).await, [-3, 0, 5, 99, 100, 1_780_315_200_000, LAST_DATE.0]);
    assert_eq!(ids(&reading.due("ada", LAST_DATE, 2).await.unwrap()), ["-3", "0"]);
}

pub(crate) async fn rows_come_by_what_they_depend_on<P: Place>() {
    let store = P::fresh().open();
    let depends = |seq: u64, on: &str| Row { after: Some(on.into()), ..row(Lane::Dependent, seq, &seq.to_string()) };
    write(&store, "ada", &[depends(1, "a"), depends(2, "b"), depends(3, "a"), depends(4, "a\0"), row(Lane::Normal, 5, "a")])
        .await;
    let reading = read(&store).await;
    let found = |rows: Vec<Row>| {
        let mut seqs = seqs(&rows);
        seqs.sort_unstable();
        seqs
    };
    assert_eq!(found(reading.after("ada", "a", 10).await.unwrap()), [1, 3]);
    assert_eq!(found(reading.after("ada", "b", 10).await.unwrap()), [2]);
    assert_eq!(found(reading.after("ada", "", 10).await.unwrap()), [] as [u64; 0]);
}

pub(crate) async fn an_empty_key_is_a_key<P: Place>() {
    let store = P::fresh().open();
    let empty = || Some(String::new());
    let rows = [Row { key: empty(), after: empty(), ..row(Lane::Waiting, 0, "") }, row(Lane::Waiting, 1, "b")];
    write(&store, "ada", &rows).await;
    let reading = read(&store).await;
    assert_eq!(reading.of_key("ada", "", 0, 10).await.unwrap(), [rows[0].clone()]);
    assert_eq!(reading.after("ada", "", 10).await.unwrap(), [rows[0].clone()]);
    assert_eq!(reading.last_of_key("ada", "").await.unwrap(), Some(rows[0].clone()));
    assert_eq!(reading.find("ada", "").await.unwrap(), Some(rows[0].clone()));
}

pub(crate) async fn what_a_row_is_no_longer_found_by_does_not_find_it<P: Place>() {
    let store = P::fresh().open();
    write(&store, "ada", &[full(Lane::Waiting, 1, "a")]).await;
    let moved =
        Row { key: Some("other".into()), due: Some(WallTime(200)), after: Some("b".into()), ..row(Lane::Waiting, 1, "a") };
    write(&store, "ada", std::slice::from_ref(&moved)).await;
    let reading = read(&store).await;
    assert_eq!(reading.of_key("ada", KEY, 0, 10).await.unwrap(), []);
    assert_eq!(reading.last_of_key("ada", KEY).await.unwrap(), None);
    assert_eq!(reading.due("ada", WallTime(199), 10).await.unwrap(), []);
    assert_eq!(reading.after("ada", "parent", 10).await.unwrap(), []);
    assert_eq!(reading.of_key("ada", "other", 0, 10).await.unwrap(), std::slice::from_ref(&moved));
    drop(reading);
    write(&store, "ada", &[row(Lane::Waiting, 1, "a")]).await;
    let reading = read(&store).await;
    assert_eq!(reading.of_key("ada", "other", 0, 10).await.unwrap(), []);
    assert_eq!(reading.last_of_key("ada", "other").await.unwrap(), None);
    assert_eq!(reading.due("ada", LAST_DATE, 10).await.unwrap(), []);
    assert_eq!(reading.after("ada", "b", 10).await.unwrap(), []);
    assert_eq!(lane(&reading, "ada", Lane::Waiting).await, [row(Lane::Waiting, 1, "a")]);
}

pub(crate) async fn a_row_that_is_written_at_a_place_replaces_the_one_there<P: Place>() {
    let store = P::fresh().open();
    write(&store, "ada", &[full(Lane::Normal, 1, "a")]).await;
    write(&store, "ada", &[row(Lane::Normal, 1, "b")]).await;
    let reading = read(&store).await;
    assert_eq!(lane(&reading, "ada", Lane::Normal).await, [row(Lane::Normal, 1, "b")]);
    assert_eq!(reading.find("ada", "a").await.unwrap(), None);
    assert_eq!(reading.of_key("ada", KEY, 0, 10).await.unwrap(), []);
}

pub(crate) async fn a_row_moves_to_another_lane<P: Place>() {
    let place = P::fresh();
    let store = place.open();
    write(&store, "ada", &[full(Lane::Waiting, 7, "a"), row(Lane::Normal, 8, "b")]).await;
    let transaction = begin(&store).await;
    transaction.delete("ada", Lane::Waiting, 7, 7).unwrap();
    transaction.write("ada", &row(Lane::Normal, 7, "a")).unwrap();
    transaction.commit().await.unwrap();
    drop(store);
    let store = place.open();
    let reading = read(&store).await;
    assert_eq!(lane(&reading, "ada", Lane::Waiting).await, []);
    assert_eq!(lane(&reading, "ada", Lane::Normal).await, [row(Lane::Normal, 7, "a"), row(Lane::Normal, 8, "b")]);
    assert_eq!(reading.find("ada", "a").await.unwrap(), Some(row(Lane::Normal, 7, "a")));
    assert_eq!(reading.of_key("ada", KEY, 0, 10).await.unwrap(), []);
}

pub(crate) async fn a_row_moves_to_another_place_of_its_lane<P: Place>() {
    let place = P::fresh();
    let store = place.open();
    write(&store, "ada", &[full(Lane::Dead, 7, "a"), row(Lane::Dead, 8, "b")]).await;
    let transaction = begin(&store).await;
    transaction.delete("ada", Lane::Dead, 7, 7).unwrap();
    transaction.write("ada", &full(Lane::Dead, 9, "a")).unwrap();
    transaction.commit().await.unwrap();
    drop(store);
    let store = place.open();
    let reading = read(&store).await;
    assert_eq!(lane(&reading, "ada", Lane::Dead).await, [row(Lane::Dead, 8, "b"), full(Lane::Dead, 9, "a")]);
    assert_eq!(seqs(&reading.of_key("ada", KEY, 0, 10).await.unwrap()), [9]);
}

pub(crate) async fn a_range_of_a_lane_is_deleted_and_nothing_else<P: Place>() {
    let store = P::fresh().open();
    let mut rows: Vec<Row> = (0..10).map(|seq| full(Lane::Normal, seq, &seq.to_string())).collect();
    rows.extend((10..20).map(|seq| full(Lane::Low, seq, &seq.to_string())));
    write(&store, "ada", &rows).await;
    write(&store, "bob", &rows).await;
    let transaction = begin(&store).await;
    transaction.delete("ada", Lane::Normal, 3, 5).unwrap();
    transaction.delete("ada", Lane::Normal, 5, 4).unwrap();
    transaction.delete("ada", Lane::High, 0, ALL).unwrap();
    transaction.delete("ada", Lane::Low, 0, 10).unwrap();
    transaction.delete("ada", Lane::Normal, 100, ALL).unwrap();
    transaction.delete("nobody", Lane::Normal, 0, ALL).unwrap();
    transaction.commit().await.unwrap();
    let reading = read(&store).await;
    assert_eq!(seqs(&lane(&reading, "ada", Lane::Normal).await), [0, 1, 2, 6, 7, 8, 9]);
    assert_eq!(seqs(&lane(&reading, "ada", Lane::Low).await), (11..20).collect::<Vec<_>>());
    assert_eq!(reading.find("ada", "4").await.unwrap(), None);
    assert_eq!(reading.of_key("ada", KEY, 0, 100).await.unwrap().len(), 16);
    assert_eq!(reading.due("ada", LAST_DATE, 100).await.unwrap().len(), 16);
    assert_eq!(reading.after("ada", "parent", 100).await.unwrap().len(), 16);
    assert_eq!(reading.of_key("bob", KEY, 0, 100).await.unwrap().len(), 20);
}

pub(crate) async fn an_id_that_is_elsewhere_is_refused_with_the_whole_transaction<P: Place>() {
    let store = P::fresh().open();
    write(&store, "ada", &[row(Lane::Normal, 1, "a")]).await;
    for again in [row(Lane::Normal, 2, "a"), row(Lane::Dead, 1, "a")] {
        let transaction = begin(&store).await;
        transaction.write("ada", &row(Lane::Normal, 5, "b")).unwrap();
        // It is refused at once or in the end.
        let written = transaction.write("ada", &again);
        let outcome = match written {
            Ok(()) => transaction.commit().await,
            Err(refused) => Err(refused),
        };
        assert!(outcome.is_err());
    }
    let reading = read(&store).await;
    assert_eq!(lane(&reading, "ada", Lane::Normal).await, [row(Lane::Normal, 1, "a")]);
    assert_eq!(lane(&reading, "ada", Lane::Dead).await, []);
}

pub(crate) async fn sequence_numbers_reach_to_two_to_the_53rd<P: Place>() {
    let place = P::fresh();
    let numbers = [0, 1, (1 << 32) - 1, 1 << 32, ALL - 1, ALL];
    let rows: Vec<Row> = numbers.into_iter().map(|seq| full(Lane::Normal, seq, &seq.to_string())).collect();
    write(&place.open(), "ada", &rows).await;
    let store = place.open();
    let reading = read(&store).await;
    assert_eq!(lane(&reading, "ada", Lane::Normal).await, rows);
    assert_eq!(reading.of_key("ada", KEY, 0, 10).await.unwrap(), rows);
    assert_eq!(reading.last_of_key("ada", KEY).await.unwrap().unwrap().seq, ALL);
    assert_eq!(seqs(&reading.rows("ada", Lane::Normal, ALL, ALL, 10).await.unwrap()), [ALL]);
    assert_eq!(seqs(&reading.rows("ada", Lane::Normal, ALL - 1, ALL - 1, 10).await.unwrap()), [ALL - 1]);
    drop(reading);
    let transaction = begin(&store).await;
    transaction.delete("ada", Lane::Normal, ALL, ALL).unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(seqs(&lane(&read(&store).await, "ada", Lane::Normal).await), numbers[..5]);
}

pub(crate) async fn documents_are_found_by_kind_and_name<P: Place>() {
    let place = P::fresh();
    let store = place.open();
    let names = ["", "name", "name\0", "Grüße 🚀/:", "1:name"];
    let kinds = [Kind::Queue, Kind::Queue, Kind::History];
    let transaction = begin(&store).await;
    for kind in kinds {
        for name in names {
            transaction.write_document("ada", kind, name, Some("old")).unwrap();
            transaction.write_document("ada", kind, name, Some(&format!("{kind:?} {name} {TEXT}"))).unwrap();
        }
    }
    transaction.write_document("ada", Kind::Queue, "empty", Some("")).unwrap();
    transaction.commit().await.unwrap();
    drop(store);
    let store = place.open();
    let reading = read(&store).await;
    for kind in kinds {
        for name in names {
            let found = reading.document("ada", kind, name).await.unwrap();
            assert_eq!(found.unwrap(), format!("{kind:?} {name} {TEXT}"));
        }
        assert_eq!(reading.document("ada", kind, "other").await.unwrap(), None);
    }
    assert_eq!(reading.document("ada", Kind::Queue, "empty").await.unwrap().as_deref(), Some(""));
    assert_eq!(reading.document("ada", Kind::History, "empty").await.unwrap(), None);
}

pub(crate) async fn documents_come_in_the_order_of_their_names<P: Place>() {
    let store = P::fresh().open();
    let transaction = begin(&store).await;
    for name in ["b", "a", "", "aa", "10", "9", "ä"] {
        transaction.write_document("ada", Kind::History, name, Some(&["text of ", name].concat())).unwrap();
    }
    transaction.write_document("ada", Kind::Queue, "a", Some("another kind")).unwrap();
    transaction.commit().await.unwrap();
    let found = read(&store).await.documents("ada", Kind::History).await.unwrap();
    let expected = ["", "10", "9", "a", "aa", "b", "ä"].map(|name| (name.to_string(), format!("text of {name}")));
    assert_eq!(found, expected);
}

pub(crate) async fn a_document_that_was_deleted_is_gone<P: Place>() {
    let store = P::fresh().open();
    let transaction = begin(&store).await;
    for name in ["a", "b"] {
        transaction.write_document("ada", Kind::Queue, name, Some("text")).unwrap();
    }
    transaction.write_document("ada", Kind::History, "a", Some("text")).unwrap();
    transaction.commit().await.unwrap();
    let transaction = begin(&store).await;
    transaction.write_document("ada", Kind::Queue, "a", None).unwrap();
    transaction.write_document("ada", Kind::Queue, "never there", None).unwrap();
    transaction.commit().await.unwrap();
    let reading = read(&store).await;
    assert_eq!(reading.document("ada", Kind::Queue, "a").await.unwrap(), None);
    assert_eq!(reading.documents("ada", Kind::Queue).await.unwrap(), [("b".to_string(), "text".to_string())]);
    assert_eq!(reading.document("ada", Kind::History, "a").await.unwrap().as_deref(), Some("text"));
}

pub(crate) async fn users_are_those_who_have_rows_or_documents<P: Place>() {
    let store = P::fresh().open();
    let transaction = begin(&store).await;
    transaction.write("with rows", &row(Lane::Dead, 1, "a")).unwrap();
    transaction.write("with rows", &row(Lane::Normal, 2, "b")).unwrap();
    transaction.write_document("with a document", Kind::Queue, "name", Some("text")).unwrap();
    transaction.write("with both \0🚀", &row(Lane::Low, 1, "a")).unwrap();
    transaction.write_document("with both \0🚀", Kind::Queue, "", Some("text")).unwrap();
    transaction.commit().await.unwrap();
    let mut users = read(&store).await.users().await.unwrap();
    users.sort_unstable();
    assert_eq!(users, ["with a document", "with both \0🚀", "with rows"]);
    let transaction = begin(&store).await;
    transaction.delete("with rows", Lane::Dead, 1, 1).unwrap();
    transaction.delete("with rows", Lane::Normal, 2, 2).unwrap();
    transaction.write_document("with a document", Kind::Queue, "name", None).unwrap();
    transaction.delete("with both \0🚀", Lane::Low, 1, 1).unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(read(&store).await.users().await.unwrap(), ["with both \0🚀"]);
}

pub(crate) async fn rows_are_counted<P: Place>() {
    let store = P::fresh().open();
    let rows: Vec<Row> =
        (0..700).map(|seq| row(if seq % 7 == 0 { Lane::High } else { Lane::Low }, seq, &seq.to_string())).collect();
    write(&store, "ada", &rows).await;
    let reading = read(&store).await;
    let count = async |user_id, lane| reading.count(user_id, lane).await.unwrap();
    assert_eq!((count("ada", Lane::High).await, count("ada", Lane::Low).await), (100, 600));
    assert_eq!((count("ada", Lane::Normal).await, count("bob", Lane::Low).await), (0, 0));
}

pub(crate) async fn a_transaction_reads_what_it_has_written<P: Place>() {
    let store = P::fresh().open();
    write(&store, "ada", &[row(Lane::Normal, 1, "a"), full(Lane::Waiting, 2, "b")]).await;
    let transaction = begin(&store).await;
    transaction.write("ada", &full(Lane::Normal, 3, "c")).unwrap();
    transaction.delete("ada", Lane::Waiting, 0, ALL).unwrap();
    transaction.write_document("ada", Kind::Queue, "", Some("text")).unwrap();
    assert_eq!(seqs(&lane(&transaction, "ada", Lane::Normal).await), [1, 3]);
    assert_eq!(transaction.find("ada", "b").await.unwrap(), None);
    assert_eq!(seqs(&transaction.of_key("ada", KEY, 0, 10).await.unwrap()), [3]);
    assert_eq!(seqs(&transaction.due("ada", LAST_DATE, 10).await.unwrap()), [3]);
    assert_eq!(seqs(&transaction.after("ada", "parent", 10).await.unwrap()), [3]);
    assert_eq!(transaction.count("ada", Lane::Normal).await.unwrap(), 2);
    assert_eq!(transaction.document("ada", Kind::Queue, "").await.unwrap().as_deref(), Some("text"));
    transaction.write("ada", &row(Lane::Normal, 3, "c")).unwrap();
    transaction.write_document("ada", Kind::Queue, "", None).unwrap();
    assert_eq!(transaction.last_of_key("ada", KEY).await.unwrap(), None);
    assert_eq!(transaction.document("ada", Kind::Queue, "").await.unwrap(), None);
    transaction.commit().await.unwrap();
    assert_eq!(seqs(&lane(&read(&store).await, "ada", Lane::Normal).await), [1, 3]);
}

pub(crate) async fn several_reads_may_be_under_way<P: Place>() {
    let store = P::fresh().open();
    let rows: Vec<Row> = (0..50).map(|seq| row(Lane::Normal, seq, &seq.to_string())).collect();
    write(&store, "ada", &rows).await;
    let transaction = begin(&store).await;
    let names: Vec<String> = (0..60).map(|number: u64| number.to_string()).collect();
    let found = join_all(names.iter().map(|id| transaction.find("ada", id)));
    let (found, all) = join(found, lane(&transaction, "ada", Lane::Normal)).await;
    assert_eq!(all, rows);
    let found: Vec<Option<Row>> = found.into_iter().map(Result::unwrap).collect();
    assert!(found.iter().take(50).eq(rows.iter().cloned().map(Some).collect::<Vec<_>>().iter()));
    assert!(found.iter().skip(50).all(Option::is_none));
    transaction.commit().await.unwrap();
}

pub(crate) async fn a_transaction_that_is_dropped_leaves_all_as_it_was<P: Place>() {
    let place = P::fresh();
    let store = place.open();
    let rows: Vec<Row> = (0..20).map(|seq| full(Lane::Normal, seq, &seq.to_string())).collect();
    write(&store, "ada", &rows).await;
    let transaction = begin(&store).await;
    transaction.write_document("ada", Kind::Queue, "", Some("text")).unwrap();
    transaction.commit().await.unwrap();
    let transaction = begin(&store).await;
    transaction.write("ada", &row(Lane::Normal, 5, "5")).unwrap();
    transaction.delete("ada", Lane::Normal, 10, 14).unwrap();
    transaction.write("ada", &full(Lane::Dead, 10, "10")).unwrap();
    transaction.write("ada", &full(Lane::Normal, 30, "new")).unwrap();
    transaction.write("bob", &full(Lane::Normal, 1, "1")).unwrap();
    transaction.write_document("ada", Kind::Queue, "", Some("another")).unwrap();
    transaction.write_document("ada", Kind::Queue, "", None).unwrap();
    transaction.write_document("ada", Kind::Queue, "key", Some("text")).unwrap();
    assert_eq!(transaction.count("ada", Lane::Normal).await.unwrap(), 16);
    drop(transaction);
    for store in [store, place.open()] {
        let reading = read(&store).await;
        assert_eq!(lane(&reading, "ada", Lane::Normal).await, rows);
        assert_eq!(lane(&reading, "ada", Lane::Dead).await, []);
        assert_eq!(reading.of_key("ada", KEY, 0, 100).await.unwrap(), rows);
        assert_eq!(reading.due("ada", LAST_DATE, 100).await.unwrap().len(), 20);
        assert_eq!(reading.document("ada", Kind::Queue, "").await.unwrap().as_deref(), Some("text"));
        assert_eq!(reading.document("ada", Kind::Queue, "key").await.unwrap(), None);
        assert_eq!(reading.users().await.unwrap(), ["ada"]);
    }
}

pub(crate) async fn a_transaction_that_reads_changes_nothing<P: Place>() {
    let store = P::fresh().open();
    let reading = read(&store).await;
    let written = reading.write("ada", &row(Lane::Normal, 1, "a"));
    let committed = reading.commit().await;
    assert!(written.is_err() || committed.is_err());
    assert!(read(&store).await.users().await.unwrap().is_empty());
}

pub(crate) async fn those_who_write_come_one_after_another<P: Place>() {
    let place = P::fresh();
    let tabs = [place.open(), place.open()];
    let add = async |tab: usize| {
        let transaction = begin(&tabs[tab]).await;
        let before = transaction.document("ada", Kind::Queue, "").await.unwrap();
        let number: u64 = before.map_or(0, |text| text.parse().unwrap());
        // There is no other one of that number, or the next line would put it in another's place.
        transaction.write("ada", &row(Lane::Normal, number, &format!("{tab} {number}"))).unwrap();
        transaction.write_document("ada", Kind::Queue, "", Some(&(number + 1).to_string())).unwrap();
        transaction.commit().await.unwrap();
    };
    join_all((0..20).map(|number| add(number % 2))).await;
    let reading = read(&tabs[0]).await;
    assert_eq!(reading.document("ada", Kind::Queue, "").await.unwrap().as_deref(), Some("20"));
    assert_eq!(seqs(&lane(&reading, "ada", Lane::Normal).await), (0..20).collect::<Vec<_>>());
}

pub(crate) async fn those_who_write_come_in_the_order_in_which_they_began<P: Place>() {
    let store = P::fresh().open();
    let append = async |id: u64| {
        let transaction = begin(&store).await;
        let seq = transaction.count("ada", Lane::Normal).await.unwrap();
        transaction.write("ada", &row(Lane::Normal, seq, &id.to_string())).unwrap();
        transaction.commit().await.unwrap();
    };
    join_all((0..20).map(append)).await;
    let found = lane(&read(&store).await, "ada", Lane::Normal).await;
    assert!(found.iter().all(|row| row.id == row.seq.to_string()), "{:?}", ids(&found));
}

pub(crate) async fn nobody_sees_half_of_a_transaction<P: Place>() {
    let place = P::fresh();
    let tabs = [place.open(), place.open()];
    let writing = async |number: u64| {
        let transaction = begin(&tabs[0]).await;
        transaction.write("ada", &row(Lane::Normal, 2 * number, &format!("{number} first"))).unwrap();
        transaction.find("ada", "whatever").await.unwrap();
        transaction.write("ada", &row(Lane::Low, 2 * number + 1, &format!("{number} second"))).unwrap();
        transaction.commit().await.unwrap();
    };
    let reading = async |tab: usize| {
        let reading = read(&tabs[tab]).await;
        let first = reading.count("ada", Lane::Normal).await.unwrap();
        assert_eq!(reading.count("ada", Lane::Low).await.unwrap(), first);
    };
    for number in 0..10 {
        join(join(reading(1), writing(number)), join(reading(0), reading(1))).await;
    }
    assert_eq!(read(&tabs[1]).await.count("ada", Lane::Normal).await.unwrap(), 10);
}

pub(crate) async fn whoever_waits_sees_nothing_of_what_was_dropped<P: Place>() {
    let place = P::fresh();
    let tabs = [place.open(), place.open()];
    let given_up = async |number: u64| {
        let transaction = begin(&tabs[0]).await;
        transaction.write("ada", &row(Lane::Normal, 100 + number, &format!("given up {number}"))).unwrap();
        transaction.find("ada", "whatever").await.unwrap();
    };
    let kept = async |number: u64| {
        let transaction = begin(&tabs[1]).await;
        assert_eq!(transaction.count("ada", Lane::Normal).await.unwrap(), number);
        transaction.write("ada", &row(Lane::Normal, number, &number.to_string())).unwrap();
        transaction.commit().await.unwrap();
    };
    for number in 0..5 {
        join(given_up(number), kept(number)).await;
    }
    assert_eq!(seqs(&lane(&read(&tabs[0]).await, "ada", Lane::Normal).await), [0, 1, 2, 3, 4]);
}

pub(crate) async fn a_long_text_is_kept<P: Place>() {
    let place = P::fresh();
    let long = Row { text: "ä🚀\"\0\n".repeat(50_000), ..row(Lane::Normal, 1, "a") };
    write(&place.open(), "ada", std::slice::from_ref(&long)).await;
    let found = read(&place.open()).await.find("ada", "a").await.unwrap();
    assert!(found == Some(long), "it is another text");
}

pub(crate) async fn rows_of_all_kinds_are_written_in_turns_and_none_is_mistaken_for_another<P: Place>() {
    let place = P::fresh();
    let of = |user: &str, seq: u64| {
        let id = match seq % 4 {
            // One that names its place, and is not looked up by anything else.
            0 => format!("019e830e-1b8a-7410-83eb-{seq:012x}"),
            1 => format!("{user}'s\n{seq}"),
            _ => format!("{user} {seq}"),
        };
        let text =
            if seq.is_multiple_of(3) { format!("{{\n \"of\": \"{user}\"\r\n}}") } else { format!("{{\"of\":\"{user} {seq}\"}}") };
        Row { key: seq.is_multiple_of(5).then(|| (seq % 7).to_string()), text, ..row(Lane::Normal, seq, &id) }
    };
    let transaction = begin(&place.open()).await;
    for seq in 0..1000 {
        for user in ["ada", "ben"] {
            transaction.write(user, &of(user, seq)).unwrap();
        }
        transaction.pace().await.unwrap();
        if seq % 50 == 49 {
            transaction.delete("ada", Lane::Normal, seq, seq).unwrap();
        }
    }
    assert_eq!(transaction.find("ben", "ben 998").await.unwrap(), Some(of("ben", 998)));
    transaction.commit().await.unwrap();
    let reading = read(&place.open()).await;
    let expected: Vec<Row> = (0..1000).filter(|seq| seq % 50 != 49).map(|seq| of("ada", seq)).collect();
    assert!(lane(&reading, "ada", Lane::Normal).await == expected);
    assert!(lane(&reading, "ben", Lane::Normal).await == (0..1000).map(|seq| of("ben", seq)).collect::<Vec<Row>>());
}

/// Numbers by chance, the same ones each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }
}

/// An id that names a place.
fn id_naming(seq: u64) -> String {
    format!("019e830e-1b8a-7410-83eb-{seq:012x}")
}

/// What a lane is to have of a range.
fn expected_of(rows: &BTreeMap<u64, Row>, lane: Lane, first: u64, last: u64, limit: u32) -> Vec<Row> {
    rows.range(first..)
        .take_while(|(seq, _)| **seq <= last)
        .map(|(_, row)| row)
        .filter(|row| row.lane == lane)
        .take(limit.try_into().unwrap())
        .cloned()
        .collect()
}

/// Does something by chance to some rows, in a transaction and in what it is to come to.
async fn change<T: Transaction>(transaction: &T, rows: &mut BTreeMap<u64, Row>, next: &mut u64, chance: &mut Chance) {
    let each = if chance.one_in(4) { Lane::Low } else { Lane::Normal };
    match chance.below(9) {
        0 => {
            // To a place behind all others, as when it is brought from another store.
            let from = chance.below(*next + 1);
            let Some(old) = rows.range(from..).next().map(|(_, row)| row.clone()) else { return };
            transaction.delete("ada", old.lane, old.seq, old.seq).unwrap();
            rows.remove(&old.seq);
            let row = Row { seq: *next, ..old };
            transaction.write_new("ada", &row).unwrap();
            rows.insert(*next, row);
            *next += 1;
        }
        1..4 => {
            for _ in 0..if chance.one_in(3) { chance.below(330) } else { chance.below(4) } {
                let key = (chance.one_in(40)).then(|| "k".to_string());
                let text = match chance.below(60) {
                    0 => "{\n\"of\": \"Grüße 🚀\"}".into(),
                    1 => "x".repeat(3_000),
                    _ => format!("{{\"of\":{next}}}"),
                };
                let row = Row { key, text, ..row(each, *next, &id_naming(*next)) };
                transaction.write_new("ada", &row).unwrap();
                transaction.pace().await.unwrap();
                rows.insert(*next, row);
                *next += 1;
            }
        }
        4..6 => {
            // Where it lies, in another lane, or found by more or less than before.
            let from = chance.below(*next + 1);
            let again: Vec<Row> =
                rows.range(from..).take(chance.below(5).try_into().unwrap()).map(|(_, row)| row.clone()).collect();
            for old in again {
                let lane = if chance.one_in(3) { each } else { old.lane };
                if lane != old.lane {
                    transaction.delete("ada", old.lane, old.seq, old.seq).unwrap();
                }
                let key = (chance.one_in(3)).then(|| "k".to_string());
                let row = Row { lane, key, text: format!("again {}", chance.below(1000)), ..old };
                transaction.write("ada", &row).unwrap();
                rows.insert(row.seq, row);
            }
        }
        _ => {
            let first = chance.below(*next + 1);
            let last = first + if chance.one_in(3) { chance.below(250) } else { chance.below(3) };
            transaction.delete("ada", each, first, last).unwrap();
            rows.retain(|seq, row| row.lane != each || !(first..=last).contains(seq));
        }
    }
}

/// Looks by chance at some rows.
async fn compare<T: Transaction>(transaction: &T, rows: &BTreeMap<u64, Row>, next: u64, chance: &mut Chance) {
    let (first, limit) = (chance.below(next + 1), if chance.one_in(2) { 100 } else { chance.below(8).try_into().unwrap() });
    let last = if chance.one_in(2) { ALL } else { first + chance.below(120) };
    let sought = chance.below(next + 1);
    let id = id_naming(sought);
    let both = join(
        transaction.rows("ada", Lane::Normal, first, last, limit),
        join(transaction.find("ada", &id), transaction.rows("ada", Lane::Low, 0, ALL, u32::MAX)),
    );
    let (found, (one, low)) = both.await;
    assert!(found.unwrap() == expected_of(rows, Lane::Normal, first, last, limit), "{first} {last} {limit}");
    let expected = |id: &String| rows.values().find(|row| row.id == *id).cloned();
    assert!(one.unwrap() == expected(&id), "{sought}");
    let sought: Vec<String> =
        (sought..sought + 20).chain([sought, chance.below(next + 1)]).map(id_naming).chain(["nobody".into()]).collect();
    let found = transaction.find_all("ada", &sought).await.unwrap();
    assert!(found == sought.iter().map(expected).collect::<Vec<_>>(), "{sought:?}");
    assert!(low.unwrap() == expected_of(rows, Lane::Low, 0, ALL, u32::MAX));
    let keyed: Vec<u64> = rows.values().filter(|row| row.key.is_some()).map(|row| row.seq).collect();
    assert_eq!(seqs(&transaction.of_key("ada", "k", 0, u32::MAX).await.unwrap()), keyed);
}

pub(crate) async fn rows_that_came_together_change_and_go_each_for_itself<P: Place>() {
    for seed in 0..6 {
        let place = P::fresh();
        let (mut chance, mut rows, mut next) = (Chance(seed), BTreeMap::new(), 0);
        for _ in 0..25 {
            let transaction = begin(&place.open()).await;
            let (mut changed, mut behind) = (rows.clone(), next);
            for _ in 0..=chance.below(5) {
                change(&transaction, &mut changed, &mut behind, &mut chance).await;
                if chance.one_in(3) {
                    compare(&transaction, &changed, behind, &mut chance).await;
                }
            }
            if chance.one_in(5) {
                drop(transaction);
            } else {
                transaction.commit().await.unwrap();
                (rows, next) = (changed, behind);
            }
            let reading = read(&place.open()).await;
            for _ in 0..3 {
                compare(&reading, &rows, next, &mut chance).await;
            }
            assert!(
                lane(&reading, "ada", Lane::Normal).await == expected_of(&rows, Lane::Normal, 0, ALL, u32::MAX),
                "seed {seed}"
            );
            let of_lane = rows.values().filter(|row| row.lane == Lane::Normal).count() as u64;
            assert_eq!(reading.count("ada", Lane::Normal).await.unwrap(), of_lane);
        }
    }
}

pub(crate) async fn a_read_that_is_given_up_takes_nothing_with_it<P: Place>() {
    let store = P::fresh().open();
    let transaction = begin(&store).await;
    for seq in 0..150 {
        transaction.write_new("ada", &row(Lane::Normal, seq, &id_naming(seq))).unwrap();
    }
    transaction.commit().await.unwrap();
    let transaction = begin(&store).await;
    transaction.write("ada", &Row { text: "again".into(), ..row(Lane::Normal, 5, &id_naming(5)) }).unwrap();
    transaction.delete("ada", Lane::Normal, 10, 119).unwrap();
    // Whatever these were about to do first, others do it.
    let _ = transaction.rows("ada", Lane::Normal, 0, ALL, 100).now_or_never();
    let late = lane(&transaction, "ada", Lane::Normal);
    let (given_up, late) = join(async { transaction.find("ada", "nobody").now_or_never() }, late).await;
    drop(given_up);
    transaction.write("ada", &row(Lane::Normal, 200, &id_naming(200))).unwrap();
    let _ = transaction.find("ada", "nobody").now_or_never();
    transaction.commit().await.unwrap();
    let expected: Vec<u64> = (0..10).chain(120..150).collect();
    assert_eq!(seqs(&late), expected);
    let reading = read(&store).await;
    assert_eq!(seqs(&lane(&reading, "ada", Lane::Normal).await), [&*expected, &[200]].concat());
    assert_eq!(reading.find("ada", &id_naming(5)).await.unwrap().unwrap().text, "again");
}

pub(crate) async fn an_id_that_was_given_up_may_be_taken_by_another_before_its_place_is<P: Place>() {
    let store = P::fresh().open();
    let keyed = |lane, seq, id: &str| Row { key: Some("k".into()), ..row(lane, seq, id) };
    write(&store, "ada", &[keyed(Lane::Normal, 9, "x")]).await;
    let transaction = begin(&store).await;
    transaction.delete("ada", Lane::Normal, 9, 9).unwrap();
    transaction.write_new("ada", &row(Lane::High, 10, "x")).unwrap();
    transaction.write("ada", &keyed(Lane::Normal, 9, "y")).unwrap();
    transaction.commit().await.unwrap();
    let reading = read(&store).await;
    assert_eq!(reading.find("ada", "x").await.unwrap(), Some(row(Lane::High, 10, "x")));
    assert_eq!(reading.find("ada", "y").await.unwrap(), Some(keyed(Lane::Normal, 9, "y")));
    assert_eq!(ids(&reading.of_key("ada", "k", 0, 10).await.unwrap()), ["y"]);
}

pub(crate) async fn ten_thousand_rows_are_kept_in_order<P: Place>() {
    let place = P::fresh();
    let store = place.open();
    for chunk in 0..10_u64 {
        let of_chunk = |seq: u64| {
            let key = Some((seq % 100).to_string());
            Row { key, text: "{}".into(), ..row(Lane::Normal, seq, &format!("id {}", (seq * 7919) % 10_000)) }
        };
        let rows: Vec<Row> = (chunk * 1000..(chunk + 1) * 1000).map(of_chunk).collect();
        write(&store, "ada", &rows).await;
    }
    drop(store);
    let store = place.open();
    let reading = read(&store).await;
    assert_eq!(seqs(&lane(&reading, "ada", Lane::Normal).await), (0..10_000).collect::<Vec<_>>());
    assert_eq!(seqs(&reading.rows("ada", Lane::Normal, 5000, ALL, 3).await.unwrap()), [5000, 5001, 5002]);
    assert_eq!(reading.of_key("ada", "42", 0, 1000).await.unwrap().len(), 100);
    assert_eq!(reading.last_of_key("ada", "42").await.unwrap().unwrap().seq, 9942);
    assert_eq!(reading.find("ada", "id 7919").await.unwrap().unwrap().seq, 1);
    drop(reading);
    let transaction = begin(&store).await;
    transaction.delete("ada", Lane::Normal, 0, 8999).unwrap();
    transaction.commit().await.unwrap();
    let reading = read(&store).await;
    assert_eq!(reading.count("ada", Lane::Normal).await.unwrap(), 1000);
    assert_eq!(seqs(&reading.rows("ada", Lane::Normal, 0, ALL, 1).await.unwrap()), [9000]);
}
