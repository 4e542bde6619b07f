//! The store that encrypts: what lies below it says nothing, and whatever happens to it or to the keys, nothing is lost that could
//! be read.

use crate::fake_keys::FakeKeys;
use crate::faulty::Faulty;
use crate::run;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use steadfast::platform::tables::{Durability, Kind, Lane, Row, Store, Transaction};
use steadfast::platform::{Access, Encryption, StoreError, StoreErrorKind};
use steadfast::queue::action::{Action, ActionState};
use steadfast::store::{Memory, Opener, Sealed, Table};
use steadfast::time::WallTime;

/// The promises of all stores, with all that is in them sealed.
mod promises_of_memory {
    use crate::fake_keys::FakeKeys;
    use crate::promises::{Place, for_each_promise};
    use steadfast::platform::Encryption;
    use steadfast::store::{Memory, Sealed};

    struct Here(Memory, FakeKeys);

    impl Place for Here {
        type Store = Sealed<Memory, FakeKeys>;

        fn fresh() -> Self {
            Self(Memory::default(), FakeKeys::default())
        }

        fn open(&self) -> Self::Store {
            Sealed::new(self.0.clone(), self.1.clone(), Encryption::Required, Some("ada".into()))
        }
    }

    for_each_promise!(test, Here);
}

mod promises_of_texts {
    use crate::fake_keys::FakeKeys;
    use crate::fake_texts::FakeTexts;
    use crate::promises::{Place, for_each_promise};
    use steadfast::platform::Encryption;
    use steadfast::store::{Journalled, Sealed, TextStore};

    struct Here(FakeTexts, FakeKeys);

    impl Place for Here {
        type Store = Sealed<TextStore<FakeTexts>, FakeKeys>;

        fn fresh() -> Self {
            Self(FakeTexts::default(), FakeKeys::default())
        }

        fn open(&self) -> Self::Store {
            let texts = TextStore::new(Journalled::new(self.0.clone(), "tab"));
            Sealed::new(texts, self.1.clone(), Encryption::Required, Some("ada".into()))
        }
    }

    for_each_promise!(test, Here);
}

mod promises_without_encryption {
    use crate::fake_keys::FakeKeys;
    use crate::promises::{Place, for_each_promise};
    use steadfast::platform::Encryption;
    use steadfast::store::{Memory, Sealed};

    struct Here(Memory);

    impl Place for Here {
        type Store = Sealed<Memory, FakeKeys>;

        fn fresh() -> Self {
            Self(Memory::default())
        }

        fn open(&self) -> Self::Store {
            Sealed::new(self.0.clone(), FakeKeys::default(), Encryption::Off, Some("ada".into()))
        }
    }

    for_each_promise!(test, Here);
}

type Tab = Sealed<Memory, FakeKeys>;

/// A disk and the keys beside it, which all tabs share.
#[derive(Default)]
struct World {
    disk: Memory,
    keys: FakeKeys,
}

impl World {
    fn tab(&self, encryption: Encryption) -> Tab {
        Sealed::new(self.disk.clone(), self.keys.clone(), encryption, Some("ada".into()))
    }

    fn sealing(&self) -> Tab {
        self.tab(Encryption::Required)
    }

    /// What is on the disk, as it lies there.
    fn raw(&self) -> Table {
        self.disk.committed()
    }

    fn raw_rows(&self) -> Vec<Row> {
        self.raw().all_rows("ada")
    }

    fn tamper(&self, row: &Row) {
        self.disk.tamper(|table| assert!(table.write("ada", row)));
    }
}

const MARKER: &str = "top secret";

fn row(seq: u64, key: Option<&str>) -> Row {
    let text = format!(r#"{{"type":"save","data":"{MARKER} {seq}"}}"#);
    Row { lane: Lane::Normal, seq, id: format!("id-{seq}"), key: key.map(Into::into), due: None, after: None, text, weight: None }
}

/// As the queue writes: rows, and the record that tells of them.
async fn put(tab: &Tab, rows: &[Row]) -> Result<(), StoreError> {
    let transaction = tab.transaction(Access::Write).await?;
    let record = transaction.document("ada", Kind::Queue, "").await?;
    let count: usize = record.map_or(0, |text| text.trim_start_matches("{\"n\":").trim_end_matches('}').parse().unwrap());
    for row in rows {
        transaction.write("ada", row)?;
    }
    let record = format!("{{\"n\":{}}}", count + rows.len());
    transaction.write_document("ada", Kind::Queue, "", Some(&record))?;
    transaction.commit().await
}

async fn rows(tab: &Tab) -> Vec<Row> {
    let transaction = tab.transaction(Access::Read).await.unwrap();
    transaction.rows("ada", Lane::Normal, 0, 100, 100).await.unwrap()
}

async fn of_key(tab: &Tab, key: &str) -> Vec<u64> {
    let transaction = tab.transaction(Access::Read).await.unwrap();
    let rows = transaction.of_key("ada", key, 0, 100).await.unwrap();
    let last = transaction.last_of_key("ada", key).await.unwrap();
    assert_eq!(last.as_ref(), rows.last());
    rows.into_iter().map(|row| row.seq).collect()
}

async fn record(tab: &Tab) -> Option<String> {
    tab.transaction(Access::Read).await.unwrap().document("ada", Kind::Queue, "").await.unwrap()
}

#[test]
fn nothing_that_was_written_lies_in_the_clear() {
    run(async {
        let world = World::default();
        let tab = world.sealing();
        put(&tab, &[row(1, Some("top secret key")), row(2, None)]).await.unwrap();
        let transaction = tab.transaction(Access::Write).await.unwrap();
        transaction.write_document("ada", Kind::History, "1", Some("[\"top secret\"]")).unwrap();
        transaction.commit().await.unwrap();
        let lies = format!("{:?}", world.raw());
        assert!(!lies.contains("secret") && !lies.contains("save") && !lies.contains("{\\\""), "{lies}");
        assert!(lies.contains("id-1"));
    });
}

#[test]
fn a_row_is_sealed_anew_each_time_and_never_with_the_same_nonce() {
    run(async {
        let world = World::default();
        let tab = world.sealing();
        let mut nonces = BTreeSet::new();
        for _ in 0..50 {
            put(&tab, &[row(1, None), row(2, None)]).await.unwrap();
            let record = world.raw().document("ada", Kind::Queue, "").unwrap().to_string();
            for text in world.raw_rows().into_iter().map(|row| row.text).chain([record]) {
                // Behind the version and the numbers.
                assert!(nonces.insert(text[19..35].to_string()));
            }
        }
    });
}

#[test]
fn a_row_with_any_character_changed_is_kept_as_it_is_and_found_by_its_key() {
    run(async {
        let world = World::default();
        put(&world.sealing(), &[row(1, Some("draft")), row(2, Some("draft"))]).await.unwrap();
        let whole = world.raw_rows().remove(0);
        for place in 3..whole.text.len() {
            let mut text = whole.text.clone().into_bytes();
            text[place] = if text[place] == b'A' { b'B' } else { b'A' };
            let damaged = Row { text: String::from_utf8(text).unwrap(), ..whole.clone() };
            world.tamper(&damaged);
            let tab = world.sealing();
            assert_eq!(rows(&tab).await[0].text, damaged.text, "{place}");
            assert_eq!(rows(&tab).await[1], row(2, Some("draft")));
            assert_eq!(of_key(&tab, "draft").await, [1, 2]);
        }
    });
}

#[test]
fn what_cannot_be_opened_is_put_elsewhere_as_it_is_and_stays_among_those_of_its_key() {
    run(async {
        let world = World::default();
        put(&world.sealing(), &[row(1, Some("draft")), row(2, Some("draft"))]).await.unwrap();
        let whole = world.raw_rows().remove(0);
        let damaged = Row { text: [&whole.text, "AAAA"].concat(), ..whole.clone() };
        world.tamper(&damaged);
        let tab = world.sealing();
        let transaction = tab.transaction(Access::Write).await.unwrap();
        for found in [
            transaction.find("ada", "id-1").await.unwrap().unwrap(),
            transaction.of_key("ada", "draft", 0, 1).await.unwrap().remove(0),
        ] {
            transaction.delete("ada", found.lane, 1, 1).unwrap();
            let aside = Row { lane: Lane::Unreadable, ..found };
            transaction.write("ada", &aside).unwrap();
            // By its key, and by what stands for the key where that is not known.
            for key in ["draft", aside.key.as_deref().unwrap()] {
                let found = transaction.of_key("ada", key, 0, 100).await.unwrap();
                assert_eq!(
                    found.iter().map(|row| (row.lane, row.seq)).collect::<Vec<_>>(),
                    [(Lane::Unreadable, 1), (Lane::Normal, 2)]
                );
            }
        }
        transaction.commit().await.unwrap();
        let aside = world.raw_rows().pop().unwrap();
        assert_eq!((aside.lane, aside.text, aside.key), (Lane::Unreadable, damaged.text, damaged.key));
        // It is put right.
        world.tamper(&Row { lane: Lane::Unreadable, ..whole });
        let transaction = tab.transaction(Access::Read).await.unwrap();
        let found = transaction.find("ada", "id-1").await.unwrap().unwrap();
        assert_eq!((found.key.as_deref(), found.text), (Some("draft"), row(1, None).text));
    });
}

#[test]
fn texts_that_were_swapped_are_not_opened() {
    run(async {
        let world = World::default();
        put(&world.sealing(), &[row(1, None), row(2, None)]).await.unwrap();
        let [one, other] = <[Row; 2]>::try_from(world.raw_rows()).unwrap();
        world.tamper(&Row { text: other.text.clone(), ..one.clone() });
        world.tamper(&Row { text: one.text.clone(), ..other.clone() });
        let read = rows(&world.sealing()).await;
        assert_eq!([&read[0].text, &read[1].text], [&other.text, &one.text]);
        // Nor is a row as a document, or another user's.
        world.disk.tamper(|table| table.write_document("ada", Kind::History, "id-1", Some(&one.text)));
        world.disk.tamper(|table| assert!(table.write("bob", &one)));
        let (number, key) = (world.keys.kept.borrow()[0].1.number, world.keys.kept.borrow()[0].1.clone());
        assert_eq!(number, 1);
        world.keys.kept.borrow_mut().push(("bob".into(), key));
        let opened = Opener::new(&world.keys.kept.borrow()).open_table(&world.raw()).unwrap();
        assert_eq!(opened.document("ada", Kind::History, "id-1"), Some(&*one.text));
        assert_eq!(opened.all_rows("bob")[0].text, one.text);
    });
}

#[test]
fn what_was_there_in_plain_text_is_read_in_its_order_and_sealed_when_it_is_written_or_asked_for() {
    run(async {
        let world = World::default();
        put(&world.tab(Encryption::Off), &[row(1, Some("draft")), row(3, Some("draft")), row(4, None)]).await.unwrap();
        assert_eq!(world.keys.asked.get(), 0, "nobody asks for keys that nobody needs");
        let tab = world.sealing();
        put(&tab, &[row(2, Some("draft")), row(5, Some("draft"))]).await.unwrap();
        assert_eq!(of_key(&tab, "draft").await, [1, 2, 3, 5]);
        let transaction = tab.transaction(Access::Read).await.unwrap();
        assert_eq!(transaction.of_key("ada", "draft", 2, 2).await.unwrap().iter().map(|row| row.seq).collect::<Vec<_>>(), [2, 3]);
        drop(transaction);
        assert_eq!(world.raw_rows().iter().filter(|row| row.text.contains(MARKER)).count(), 3);
        put(&tab, &[row(1, Some("draft"))]).await.unwrap();
        assert_eq!(world.raw_rows().iter().filter(|row| row.text.contains(MARKER)).count(), 2);
        let before = rows(&tab).await;
        tab.seal_the_rest("ada").await.unwrap();
        assert_eq!(rows(&tab).await, before);
        assert_eq!(of_key(&tab, "draft").await, [1, 2, 3, 5]);
        assert!(world.raw_rows().iter().all(|row| !row.text.contains(MARKER) && row.key.as_deref() != Some("draft")));
    });
}

#[test]
fn what_was_sealed_is_read_after_encryption_was_turned_off() {
    run(async {
        let world = World::default();
        put(&world.sealing(), &[row(1, Some("draft")), row(2, None)]).await.unwrap();
        let plain = world.tab(Encryption::Off);
        put(&plain, &[row(3, Some("draft"))]).await.unwrap();
        assert_eq!(record(&plain).await.as_deref(), Some("{\"n\":3}"));
        assert!(world.raw_rows()[2].text.contains(MARKER));
        // By another page, which finds no sealed row at first.
        assert_eq!(of_key(&world.tab(Encryption::Off), "draft").await, [1, 3]);
        assert_eq!(rows(&world.tab(Encryption::Off)).await, [row(1, Some("draft")), row(2, None), row(3, Some("draft"))]);
        // And one that was open before.
        let open = world.tab(Encryption::Off);
        assert_eq!(rows(&open).await.len(), 3);
        put(&world.sealing(), &[row(4, None)]).await.unwrap();
        assert_eq!(rows(&open).await[3], row(4, None));
    });
}

#[test]
fn a_tab_that_wrote_in_the_clear_notices_that_another_one_has_begun_to_encrypt() {
    run(async {
        let world = World::default();
        let old = world.tab(Encryption::Off);
        put(&old, &[row(1, Some("draft"))]).await.unwrap();
        put(&world.sealing(), &[row(2, Some("draft"))]).await.unwrap();
        assert_eq!(of_key(&old, "draft").await, [1, 2]);
        put(&old, &[row(3, Some("draft"))]).await.unwrap();
        assert_eq!(of_key(&world.sealing(), "draft").await, [1, 2, 3]);
        assert_eq!(record(&world.sealing()).await.as_deref(), Some("{\"n\":3}"));
    });
}

#[test]
fn where_there_is_no_key_what_requires_one_is_refused_and_what_prefers_one_is_said() {
    run(async {
        let world = World::default();
        world.keys.failure.set(Some(StoreErrorKind::Unavailable));
        let required = world.sealing();
        let refused = put(&required, &[row(1, None)]).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::KeyUnavailable);
        assert!(!required.step_down(refused));
        assert_eq!(required.take_key_failure().unwrap().kind, StoreErrorKind::Unavailable);
        assert_eq!(rows(&required).await, []);
        assert_eq!(world.raw_rows(), []);

        let preferred = world.tab(Encryption::Preferred);
        put(&preferred, &[row(1, Some("draft"))]).await.unwrap();
        put(&preferred, &[row(2, None)]).await.unwrap();
        assert!(world.raw_rows()[0].text.contains(MARKER));
        assert!(preferred.take_key_failure().is_some());
        assert!(preferred.take_key_failure().is_none(), "once is enough");

        // Later there is one.
        world.keys.failure.set(None);
        put(&preferred, &[row(3, Some("draft"))]).await.unwrap();
        assert!(!world.raw_rows()[2].text.contains(MARKER));
        assert_eq!(of_key(&required, "draft").await, [1, 3]);
    });
}

#[test]
fn while_the_key_cannot_be_had_nothing_that_is_sealed_is_taken_for_damaged() {
    run(async {
        let world = World::default();
        put(&world.sealing(), &[row(1, None)]).await.unwrap();
        world.keys.failure.set(Some(StoreErrorKind::TimedOut));
        for encryption in [Encryption::Off, Encryption::Preferred, Encryption::Required] {
            let tab = world.tab(encryption);
            for access in [Access::Read, Access::Write] {
                let failed = match tab.transaction(access).await {
                    Ok(transaction) => transaction.document("ada", Kind::Queue, "").await.unwrap_err(),
                    Err(failed) => failed,
                };
                assert_eq!(failed.kind, StoreErrorKind::KeyUnavailable);
            }
            world.keys.failure.set(None);
            assert_eq!(rows(&tab).await, [row(1, None)]);
            world.keys.failure.set(Some(StoreErrorKind::TimedOut));
        }
    });
}

#[test]
fn what_only_a_lost_key_opens_is_kept_and_the_queue_goes_on() {
    run(async {
        let world = World::default();
        put(&world.sealing(), &[row(1, Some("draft"))]).await.unwrap();
        let before = world.raw_rows();
        world.keys.kept.borrow_mut().clear();
        for encryption in [Encryption::Off, Encryption::Required] {
            let tab = world.tab(encryption);
            // What it says cannot be read: the queue counts anew.
            assert!(record(&tab).await.unwrap().starts_with("s1."));
            assert_eq!(rows(&tab).await[0].text, before[0].text);
        }
        let tab = world.sealing();
        let transaction = tab.transaction(Access::Write).await.unwrap();
        transaction.write_document("ada", Kind::Queue, "", Some("{\"n\":1}")).unwrap();
        transaction.write("ada", &row(2, Some("draft"))).unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(world.raw_rows()[0], before[0]);
        assert_eq!(rows(&world.sealing()).await[1], row(2, Some("draft")));
    });
}

#[test]
fn what_was_sealed_in_a_queue_that_is_in_plain_text_since_is_read_when_its_keys_have_been_asked_for() {
    run(async {
        for is_lost in [true, false] {
            let world = World::default();
            put(&world.sealing(), &[row(1, Some("draft"))]).await.unwrap();
            let keys = world.keys.kept.take();
            // Its record cannot be read, and is written anew; nobody seals.
            let off = world.tab(Encryption::Off);
            let transaction = off.transaction(Access::Write).await.unwrap();
            transaction.write_document("ada", Kind::Queue, "", Some("{\"n\":1}")).unwrap();
            transaction.commit().await.unwrap();
            let before = world.raw_rows();
            if !is_lost {
                world.keys.kept.replace(keys);
            }
            // A page that is opened later has no reason to ask for keys, before it finds that.
            let later = world.tab(Encryption::Off);
            assert_eq!(record(&later).await.as_deref(), Some("{\"n\":1}"));
            let transaction = later.transaction(Access::Read).await.unwrap();
            assert_eq!(transaction.find("ada", "id-1").await.unwrap_err().kind, StoreErrorKind::Overtaken);
            drop(transaction);
            let found = rows(&later).await;
            if is_lost {
                assert_eq!(found[0].text, before[0].text);
            } else {
                assert_eq!(found, [row(1, Some("draft"))]);
            }
        }
    });
}

#[test]
fn a_tab_that_asked_for_a_key_while_it_was_deleted_finds_it_when_another_tab_has_put_it_back() {
    run(async {
        let world = World::default();
        let (one, other) = (world.sealing(), world.tab(Encryption::Off));
        put(&one, &[row(1, Some("draft"))]).await.unwrap();
        let kept = world.keys.kept.take();
        assert_ne!(rows(&other).await[0], row(1, Some("draft")));
        world.keys.kept.replace(kept);
        put(&one, &[row(2, Some("draft"))]).await.unwrap();
        assert_eq!(rows(&other).await, [row(1, Some("draft")), row(2, Some("draft"))]);
        assert_eq!(record(&other).await.as_deref(), Some("{\"n\":2}"));
    });
}

#[test]
fn what_cannot_be_opened_weighs_as_much_as_for_those_who_can_open_it() {
    run(async {
        let world = World::default();
        put(&world.sealing(), &[row(1, Some("draft"))]).await.unwrap();
        let weight = Action::read(&row(1, Some("draft")), "ada").bytes();
        world.keys.kept.take();
        let tab = world.tab(Encryption::Off);
        let transaction = tab.transaction(Access::Read).await.unwrap();
        for shut in [
            transaction.find("ada", "id-1").await.unwrap().unwrap(),
            transaction.rows("ada", Lane::Normal, 0, 100, 100).await.unwrap().remove(0),
        ] {
            let action = Action::read(&shut, "ada");
            assert_eq!((action.state, action.bytes()), (ActionState::Unreadable, weight));
        }
    });
}

#[test]
fn a_key_that_was_renewed_is_forgotten_and_other_tabs_take_the_new_one() {
    run(async {
        let world = World::default();
        let (one, other) = (world.sealing(), world.sealing());
        put(&one, &[row(1, Some("draft"))]).await.unwrap();
        put(&other, &[row(2, Some("draft"))]).await.unwrap();
        let stolen = world.raw_rows();

        one.renew_key("ada").await.unwrap();
        // Between the two, both keys open.
        put(&other, &[row(3, Some("draft"))]).await.unwrap();
        assert_eq!(of_key(&one, "draft").await, [1, 2, 3]);
        let transaction = one.transaction(Access::Write).await.unwrap();
        transaction.delete("ada", Lane::Normal, 0, 100).unwrap();
        transaction.commit().await.unwrap();
        one.forget_old_keys("ada").await.unwrap();
        assert_eq!(world.keys.kept.borrow().len(), 1);

        put(&other, &[row(4, Some("draft"))]).await.unwrap();
        assert_eq!(rows(&world.sealing()).await, [row(4, Some("draft"))]);
        assert_eq!(of_key(&one, "draft").await, [4]);
        assert_eq!(record(&one).await.as_deref(), Some("{\"n\":4}"));

        // What was copied before cannot be read by anyone.
        world.tamper(&stolen[0]);
        assert_eq!(rows(&world.sealing()).await[0].text, stolen[0].text);
    });
}

#[test]
fn a_key_is_not_forgotten_before_the_record_says_that_there_is_a_newer_one() {
    run(async {
        let world = World::default();
        let (one, other) = (world.sealing(), world.sealing());
        put(&one, &[row(1, None)]).await.unwrap();
        assert_eq!(rows(&other).await.len(), 1);
        one.renew_key("ada").await.unwrap();
        one.forget_old_keys("ada").await.unwrap();
        assert_eq!(world.keys.kept.borrow().len(), 2);
        put(&other, &[row(2, None)]).await.unwrap();
        assert_eq!(rows(&world.sealing()).await, [row(1, None), row(2, None)]);
    });
}

#[test]
fn where_everything_was_deleted_what_an_open_tab_writes_can_be_read_later() {
    run(async {
        let world = World::default();
        let tab = world.sealing();
        put(&tab, &[row(1, None)]).await.unwrap();
        world.disk.clear();
        world.keys.kept.borrow_mut().clear();
        put(&tab, &[row(2, None)]).await.unwrap();
        assert_eq!(rows(&world.sealing()).await, [row(2, None)]);

        // As long as that is not certain, it is not said to be stored.
        world.disk.clear();
        world.keys.kept.borrow_mut().clear();
        world.keys.failure.set(Some(StoreErrorKind::TimedOut));
        assert_eq!(put(&tab, &[row(3, None)]).await.unwrap_err().kind, StoreErrorKind::KeyUnavailable);
        assert_eq!(put(&tab, &[row(4, None)]).await.unwrap_err().kind, StoreErrorKind::KeyUnavailable);
        world.keys.failure.set(None);
        // Nor is anything of it there that nobody could open.
        assert_eq!(world.raw_rows(), []);
        put(&tab, &[row(5, None)]).await.unwrap();
        assert_eq!(rows(&world.sealing()).await, [row(5, None)]);
    });
}

#[test]
fn where_everything_was_deleted_a_commit_of_which_the_key_is_not_certain_is_none_until_it_is() {
    run(async {
        let world = World::default();
        let tab = world.sealing();
        put(&tab, &[row(1, None)]).await.unwrap();
        world.disk.clear();
        world.keys.kept.borrow_mut().clear();
        // The key is put there before the transaction begins, and deleted once more while it is under way.
        let transaction = tab.transaction(Access::Write).await.unwrap();
        transaction.write("ada", &row(2, None)).unwrap();
        transaction.write_document("ada", Kind::Queue, "", Some("{\"n\":1}")).unwrap();
        world.keys.kept.borrow_mut().clear();
        world.keys.failure.set(Some(StoreErrorKind::TimedOut));
        assert_eq!(transaction.commit().await.unwrap_err().kind, StoreErrorKind::KeyUnavailable);
        // Whether it was written or not, whoever writes next puts the key there again.
        assert_eq!(put(&tab, &[row(3, None)]).await.unwrap_err().kind, StoreErrorKind::KeyUnavailable);
        world.keys.failure.set(None);
        put(&tab, &[row(4, None)]).await.unwrap();
        assert_eq!(rows(&world.sealing()).await, [row(2, None), row(4, None)]);
    });
}

#[test]
fn a_transaction_that_seals_lets_the_page_go_on_as_the_one_below_it_does() {
    run(async {
        let below = Faulty::new(Durability::IndexedDb);
        let heard = Rc::new(Cell::new(0));
        let tab = Sealed::new(below.clone(), FakeKeys::default(), Encryption::Required, Some("ada".into()));
        let transaction = tab.transaction(Access::Write).await.unwrap();
        transaction.pace().await.unwrap();
        transaction.pace().await.unwrap();
        assert_eq!(below.faults.paced.get(), 2);
        let hearing = heard.clone();
        tab.on_loss(Box::new(move || hearing.set(hearing.get() + 1)));
        (below.faults.on_loss.borrow().as_ref().unwrap().0)();
        assert_eq!(heard.get(), 1);
    });
}

#[test]
fn what_a_row_is_found_by_beside_its_key_is_as_it_was() {
    run(async {
        let world = World::default();
        let full = Row { due: Some(WallTime(7)), after: Some("parent".into()), ..row(1, Some("draft")) };
        put(&world.sealing(), std::slice::from_ref(&full)).await.unwrap();
        let raw = world.raw_rows().remove(0);
        assert_eq!((raw.lane, raw.seq, raw.id, raw.due, raw.after), (full.lane, full.seq, full.id, full.due, full.after));
    });
}
