//! The store in texts: what it is that a page leaves when it dies, when there is no room, and when a text is damaged.

use crate::fake_texts::FakeTexts;
use crate::promises::{Place, for_each_promise};
use crate::run;
use steadfast::platform::tables::{Durability, Kind, Lane, Row, Store, Transaction};
use steadfast::platform::{Access, StoreErrorKind};
use steadfast::store::{CAPACITY, Journalled, TextStore};
use steadfast::time::WallTime;

struct Here(FakeTexts);

impl Place for Here {
    type Store = TextStore<FakeTexts>;

    fn fresh() -> Self {
        Self(FakeTexts::default())
    }

    fn open(&self) -> TextStore<FakeTexts> {
        open(&self.0)
    }
}

for_each_promise!(test, Here);

fn open(texts: &FakeTexts) -> TextStore<FakeTexts> {
    TextStore::new(Journalled::new(texts.clone(), "tab"))
}

fn row(lane: Lane, seq: u64, id: &str) -> Row {
    Row {
        lane,
        seq,
        id: id.into(),
        key: Some("key".into()),
        due: Some(WallTime(1)),
        after: None,
        text: "{\"a\":1}".into(),
        weight: None,
    }
}

async fn begin(store: &TextStore<FakeTexts>) -> <TextStore<FakeTexts> as Store>::Transaction {
    store.transaction(Access::Write).await.unwrap()
}

/// Two actions and what is known of the queue.
fn with_two_rows() -> FakeTexts {
    let texts = FakeTexts::default();
    run(async {
        let transaction = begin(&open(&texts)).await;
        transaction.write("ada", &row(Lane::Normal, 1, "a")).unwrap();
        transaction.write("ada", &row(Lane::Waiting, 2, "b")).unwrap();
        transaction.write_document("ada", Kind::Queue, "", Some("{\"n\":3}")).unwrap();
        transaction.commit().await.unwrap();
    });
    texts
}

/// One of them is deleted, one moved, one is new, and what is known of the queue is another thing.
async fn change(store: &TextStore<FakeTexts>) -> Result<(), StoreErrorKind> {
    let transaction = store.transaction(Access::Write).await.map_err(|failed| failed.kind)?;
    transaction.delete("ada", Lane::Normal, 1, 1).unwrap();
    transaction.delete("ada", Lane::Waiting, 2, 2).unwrap();
    transaction.write("ada", &row(Lane::Normal, 2, "b")).unwrap();
    transaction
        .write("ada", &Row { text: "a longer text than all that were there before".into(), ..row(Lane::Low, 3, "c") })
        .unwrap();
    transaction.write_document("ada", Kind::Queue, "", Some("{\"n\":4444}")).unwrap();
    transaction.write_document("ada", Kind::History, "key", Some("{}")).unwrap();
    transaction.commit().await.map_err(|failed| failed.kind)
}

/// What there is: `false` before the change, `true` after it. Anything else is no transaction.
fn is_changed(texts: &FakeTexts) -> bool {
    let mut is_changed = false;
    run(async {
        let store = open(texts);
        store.transaction(Access::Read).await.unwrap().commit().await.unwrap();
        let table = store.committed();
        let places: Vec<(Lane, u64, String)> = table.all_rows("ada").into_iter().map(|row| (row.lane, row.seq, row.id)).collect();
        let queue = table.document("ada", Kind::Queue, "").unwrap().to_string();
        let is_known = table.document("ada", Kind::History, "key").is_some();
        let of = |lane, seq, id: &str| (lane, seq, id.to_string());
        if is_known {
            assert_eq!(places, [of(Lane::Normal, 2, "b"), of(Lane::Low, 3, "c")]);
            assert_eq!(queue, "{\"n\":4444}");
        } else {
            assert_eq!(places, [of(Lane::Normal, 1, "a"), of(Lane::Waiting, 2, "b")]);
            assert_eq!(queue, "{\"n\":3}");
        }
        is_changed = is_known;
    });
    assert!(!texts.texts.borrow().contains_key("journal"));
    is_changed
}

#[test]
fn a_page_that_dies_after_any_write_leaves_all_of_a_transaction_or_nothing() {
    let mut outcomes = Vec::new();
    for changes in 0.. {
        let texts = with_two_rows();
        texts.changes_until_death.set(Some(changes));
        let mut outcome = Ok(());
        run(async { outcome = change(&open(&texts)).await });
        let is_dead = texts.changes_until_death.get() == Some(0);
        texts.changes_until_death.set(None);
        let is_changed = is_changed(&texts);
        assert!(is_changed || outcome.is_err(), "what was reported as done after {changes} writes is not there");
        outcomes.push(is_changed);
        if !is_dead {
            break;
        }
    }
    // Nothing before the journal is there, and all from then on.
    assert!(!outcomes[0] && outcomes[1..].iter().all(|is_changed| *is_changed) && outcomes.len() > 8, "{outcomes:?}");
}

#[test]
fn a_page_that_dies_while_it_finishes_what_another_left_leaves_it_to_the_next() {
    for changes in 1..10 {
        for more in 0..10 {
            let texts = with_two_rows();
            texts.changes_until_death.set(Some(changes));
            run(async {
                let _: Result<(), StoreErrorKind> = change(&open(&texts)).await;
            });
            texts.changes_until_death.set(Some(more));
            run(async { drop(open(&texts).transaction(Access::Read).await) });
            texts.changes_until_death.set(None);
            assert!(is_changed(&texts), "{changes} writes, then {more}");
        }
    }
}

#[test]
fn with_too_little_room_all_of_a_transaction_is_there_or_nothing() {
    let without_reserve = || {
        let texts = with_two_rows();
        texts.texts.borrow_mut().remove("reserve");
        texts
    };
    let least = without_reserve().units();
    let (mut refused, mut done) = (0, 0);
    for room in least..least + 2000 {
        let texts = without_reserve();
        texts.room.set(Some(room));
        let store = open(&texts);
        let mut outcome = Ok(());
        run(async { outcome = change(&store).await });
        assert_eq!(is_changed(&texts), outcome.is_ok(), "room for {room}");
        match outcome {
            Ok(()) => done += 1,
            Err(kind) => {
                assert_eq!(kind, StoreErrorKind::QuotaExceeded);
                refused += 1;
                texts.room.set(None);
                run(async { outcome = change(&store).await });
                assert!(outcome.is_ok() && is_changed(&texts), "the same store goes on when there is room");
            }
        }
    }
    assert!(refused > 100 && done > 100, "{refused} refused, {done} done");
}

#[test]
fn where_there_is_no_room_at_all_what_takes_in_nothing_new_is_committed_all_the_same() {
    run(async {
        let texts = with_two_rows();
        texts.room.set(Some(texts.units()));
        let store = open(&texts);
        let append = async || {
            let transaction = begin(&store).await;
            transaction.write("ada", &row(Lane::Low, 7, &"c".repeat(9))).unwrap();
            transaction.commit().await.map_err(|failed| failed.kind)
        };
        assert_eq!(append().await, Err(StoreErrorKind::QuotaExceeded), "what is held for others is not given to it");
        let transaction = begin(&store).await;
        transaction.delete("ada", Lane::Normal, 1, 1).unwrap();
        transaction.write_document("ada", Kind::History, "1", Some("[]")).unwrap();
        transaction.commit().await.unwrap();
        assert!(texts.units() <= texts.room.get().unwrap());
        assert!(!texts.texts.borrow().contains_key("journal"));
        // There is room again, and some of it is held again.
        texts.room.set(None);
        append().await.unwrap();
        assert!(texts.texts.borrow().contains_key("reserve"));
        let transaction = begin(&open(&texts)).await;
        for lane in [Lane::Waiting, Lane::Low] {
            transaction.delete("ada", lane, 0, 9).unwrap();
        }
        for (kind, name) in [(Kind::Queue, ""), (Kind::History, "1")] {
            transaction.write_document("ada", kind, name, None).unwrap();
        }
        transaction.commit().await.unwrap();
        assert_eq!(texts.texts.borrow().keys().collect::<Vec<_>>(), ["version"], "nothing is held for nothing");
    });
}

#[test]
fn what_is_read_is_told_from_what_was_there_before_all_was_deleted() {
    run(async {
        let texts = FakeTexts::default();
        let (here, there) = (open(&texts), TextStore::new(Journalled::new(texts.clone(), "another")));
        for id in ["before", "after"] {
            texts.texts.borrow_mut().clear();
            let transaction = begin(&here).await;
            transaction.write("ada", &row(Lane::Normal, 0, id)).unwrap();
            transaction.commit().await.unwrap();
            let found = there.transaction(Access::Read).await.unwrap().rows("ada", Lane::Normal, 0, 9, 9).await.unwrap();
            assert_eq!(found.into_iter().map(|row| row.id).collect::<Vec<_>>(), [id]);
        }
    });
}

#[test]
fn there_is_never_more_than_its_share() {
    let texts = FakeTexts::default();
    run(async {
        let store = open(&texts);
        let append = async |seq: u64| {
            let transaction = begin(&store).await;
            transaction.write("ada", &Row { text: "🚀".repeat(60_000), ..row(Lane::Normal, seq, &seq.to_string()) }).unwrap();
            transaction.commit().await
        };
        let mut count = 0;
        let failed = loop {
            match append(count).await {
                Ok(()) => count += 1,
                Err(failed) => break failed,
            }
        };
        assert_eq!((failed.kind, count), (StoreErrorKind::QuotaExceeded, 16));
        assert!(texts.units() <= CAPACITY && texts.units() > CAPACITY - 121_000, "{}", texts.units());
        let transaction = begin(&store).await;
        transaction.delete("ada", Lane::Normal, 3, 3).unwrap();
        transaction.commit().await.unwrap();
        append(count).await.unwrap();
        // It counts the same when it is opened anew.
        let again = open(&texts);
        let transaction = begin(&again).await;
        transaction.write("ada", &Row { text: "x".repeat(120_000), ..row(Lane::Normal, 99, "x") }).unwrap();
        assert_eq!(transaction.commit().await.unwrap_err().kind, StoreErrorKind::QuotaExceeded);
        // What is there is sent, for which more may have to be written down.
        let small = async |seq: u64| {
            let transaction = begin(&again).await;
            transaction.write("ada", &Row { text: "x".repeat(500), ..row(Lane::Normal, seq, &seq.to_string()) }).unwrap();
            transaction.commit().await
        };
        let mut seq = 100;
        while small(seq).await.is_ok() {
            seq += 1;
        }
        let transaction = begin(&again).await;
        transaction.write_document("ada", Kind::Queue, "", Some(&"r".repeat(5_000))).unwrap();
        transaction.commit().await.unwrap();
    });
}

#[test]
fn a_damaged_row_is_kept_as_it_is_and_the_others_are_read() {
    for damage in [
        |text: &str| text[..text.len() - 3].to_string(),
        |text: &str| text.replace("\"a\":1", "\"a\":2"),
        |_: &str| String::new(),
    ] {
        let texts = with_two_rows();
        let key = "row:1:3:adaa";
        let damaged = damage(&texts.texts.borrow()[key]);
        texts.texts.borrow_mut().insert(key.into(), damaged.clone());
        run(async {
            let store = open(&texts);
            let transaction = begin(&store).await;
            let found = transaction.find("ada", "a").await.unwrap().unwrap();
            assert_eq!((found.lane, found.seq, found.text.as_str()), (Lane::Unreadable, 1, damaged.as_str()));
            assert_eq!(transaction.rows("ada", Lane::Unreadable, 0, 10, 10).await.unwrap(), [found]);
            assert_eq!(transaction.find("ada", "b").await.unwrap(), Some(row(Lane::Waiting, 2, "b")));
            // Its place is not lost to another.
            transaction.write("ada", &row(Lane::Normal, 1, "c")).unwrap();
            transaction.write("ada", &row(Lane::Normal, 7, "d")).unwrap();
            transaction.commit().await.unwrap();
        });
        assert_eq!(texts.texts.borrow()[key], damaged, "it is never rewritten");
        run(async {
            let transaction = begin(&open(&texts)).await;
            assert_eq!(transaction.count("ada", Lane::Normal).await.unwrap(), 2);
            transaction.delete("ada", Lane::Unreadable, 1, 1).unwrap();
            transaction.commit().await.unwrap();
        });
        assert!(!texts.texts.borrow().contains_key(key), "it is discarded when somebody says so");
    }
}

#[test]
fn a_damaged_document_is_read_as_no_json_and_can_be_replaced() {
    let texts = with_two_rows();
    let key = "document:0:3:ada";
    let damaged = texts.texts.borrow()[key].replace('3', "4");
    texts.texts.borrow_mut().insert(key.into(), damaged.clone());
    run(async {
        let store = open(&texts);
        let transaction = begin(&store).await;
        let read = transaction.document("ada", Kind::Queue, "").await.unwrap().unwrap();
        assert_eq!(read, damaged);
        assert!(serde_json::from_str::<serde_json::Value>(&read).is_err());
        transaction.write_document("ada", Kind::Queue, "", Some("{}")).unwrap();
        transaction.commit().await.unwrap();
        let reading = open(&texts).transaction(Access::Read).await.unwrap();
        assert_eq!(reading.document("ada", Kind::Queue, "").await.unwrap().as_deref(), Some("{}"));
    });
}

#[test]
fn a_damaged_journal_is_laid_aside() {
    let texts = with_two_rows();
    texts.texts.borrow_mut().insert("journal".into(), "00000000half of".into());
    assert!(!is_changed(&texts));
    assert_eq!(texts.texts.borrow()["damaged journal"], "00000000half of");
}

#[test]
fn whoever_was_overtaken_by_another_process_changes_nothing_and_may_try_again() {
    let texts = with_two_rows();
    run(async {
        let (here, there) = (open(&texts), TextStore::new(Journalled::new(texts.clone(), "another")));
        let late = begin(&here).await;
        late.write("ada", &row(Lane::Normal, 3, "late")).unwrap();
        let early = begin(&there).await;
        early.write("ada", &row(Lane::Normal, 3, "early")).unwrap();
        early.commit().await.unwrap();
        assert_eq!(late.commit().await.unwrap_err().kind, StoreErrorKind::Overtaken);
        let again = begin(&here).await;
        assert_eq!(again.find("ada", "late").await.unwrap(), None);
        let seq = again.rows("ada", Lane::Normal, 0, 100, 100).await.unwrap().last().unwrap().seq + 1;
        again.write("ada", &row(Lane::Normal, seq, "late")).unwrap();
        again.commit().await.unwrap();
        assert_eq!(begin(&there).await.count("ada", Lane::Normal).await.unwrap(), 3);
    });
}

#[test]
fn of_two_rows_that_were_given_one_place_in_the_same_moment_neither_is_lost() {
    let texts = with_two_rows();
    // What another process wrote before this one could see it.
    let elsewhere = with_two_rows();
    for (texts, id) in [(&texts, "here"), (&elsewhere, "there")] {
        run(async {
            let transaction = begin(&open(texts)).await;
            transaction.write("ada", &row(Lane::Normal, 3, id)).unwrap();
            transaction.commit().await.unwrap();
        });
    }
    texts.texts.borrow_mut().extend(elsewhere.texts.take());
    run(async {
        let store = open(&texts);
        let transaction = begin(&store).await;
        assert!(transaction.find("ada", "here").await.unwrap().is_some());
        transaction.delete("ada", Lane::Normal, 3, 3).unwrap();
        transaction.commit().await.unwrap();
        let transaction = begin(&store).await;
        assert!(transaction.find("ada", "here").await.unwrap().is_none());
        assert!(transaction.find("ada", "there").await.unwrap().is_some());
    });
}

#[test]
fn where_texts_are_denied_there_is_no_store() {
    let texts = with_two_rows();
    let store = open(&texts);
    assert_eq!(store.durability(), Durability::LocalStorage);
    texts.is_denied.set(true);
    run(async { assert_eq!(store.transaction(Access::Read).await.unwrap_err().kind, StoreErrorKind::Unavailable) });
    texts.is_denied.set(false);
    assert!(!is_changed(&texts));
}
