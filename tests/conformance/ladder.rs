//! The ladder: whatever fails, nothing is lost on the way, and nothing overtakes.

use crate::faulty::Faulty;
use crate::promises::{Place, for_each_promise};
use crate::run;
use futures_util::FutureExt as _;
use futures_util::future::join;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use steadfast::platform::tables::{Durability, Kind, Lane, Lot, PlaceChange, Row, Store, Transaction};
use steadfast::platform::{Access, KeyValue, StoreError, StoreErrorKind};
use steadfast::store::{Ladder, LadderTransaction, Memory, Promotion, Rung};

/// The small texts of all tabs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints(Rc<RefCell<BTreeMap<String, String>>>);

impl KeyValue for Hints {
    fn read(&self, key: &str) -> Option<String> {
        self.0.borrow().get(key).cloned()
    }
    fn write(&self, key: &str, value: &str) {
        self.0.borrow_mut().insert(key.into(), value.into());
    }
    fn remove(&self, key: &str) {
        self.0.borrow_mut().remove(key);
    }
}

pub(crate) type Tab = Ladder<Faulty, Faulty, Memory, Hints>;
type OnTab = LadderTransaction<Faulty, Faulty, Memory, Hints>;

/// What all tabs share.
pub(crate) struct World {
    pub(crate) upper: Faulty,
    pub(crate) middle: Faulty,
    hints: Hints,
}

impl World {
    pub(crate) fn tab(&self) -> Tab {
        self.tab_with(&Memory::default())
    }

    /// One more on a page with that memory.
    fn tab_with(&self, memory: &Memory) -> Tab {
        Ladder::new(self.upper.clone(), self.middle.clone(), memory.clone(), self.hints.clone())
    }

    /// A page, with a tab for each of its users.
    fn page(&self) -> [Tab; 2] {
        let memory = Memory::default();
        USERS.map(|_| self.tab_with(&memory))
    }
}

impl Default for World {
    fn default() -> Self {
        Self { upper: Faulty::new(Durability::IndexedDb), middle: Faulty::new(Durability::LocalStorage), hints: Hints::default() }
    }
}

/// All of it goes to the rung that fails nowhere.
struct Lowest(Tab);

impl Place for Lowest {
    type Store = Tab;

    fn fresh() -> Self {
        let world = World::default();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        world.middle.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        Self(world.tab())
    }

    fn open(&self) -> Tab {
        self.0.clone()
    }
}

for_each_promise!(test, Lowest);

/// Puts rows at the end of a user's queue.
async fn put<T: Transaction>(transaction: &T, user_id: &str, rows: Vec<Row>) -> Result<(), StoreError> {
    let next = transaction.document(user_id, Kind::Queue, "").await?;
    let mut next: u64 = next.map_or(0, |text| text.parse().unwrap());
    for row in rows {
        transaction.write(user_id, &Row { seq: next, ..row })?;
        next += 1;
    }
    transaction.write_document(user_id, Kind::Queue, "", Some(&next.to_string()))
}

async fn absorb(transaction: OnTab, lot: Lot) -> Result<OnTab, StoreError> {
    put(&transaction, &lot.user_id, lot.rows).await?;
    Ok(transaction)
}

fn row(id: &str) -> Row {
    Row { lane: Lane::Normal, seq: 0, id: id.into(), key: None, due: None, after: None, text: id.into(), weight: None }
}

async fn append(tab: &Tab, user_id: &str, id: &str) -> Result<Durability, StoreError> {
    let transaction = tab.transaction(Access::Write).await?;
    let durability = transaction.durability();
    if transaction.find(user_id, id).await?.is_none() {
        put(&transaction, user_id, vec![row(id)]).await?;
    }
    transaction.commit().await?;
    Ok(durability)
}

fn ids(store: &Memory, user_id: &str) -> Vec<String> {
    store.committed().all_rows(user_id).into_iter().map(|row| row.id).collect()
}

/// All whose queues may be moved.
fn others() -> [String; 2] {
    ["ada", "bob"].map(String::from)
}

#[test]
fn a_tab_goes_one_rung_down_for_each_that_cannot_be_used_and_says_so() {
    use StoreErrorKind::{Blocked, Closed, TimedOut, Unavailable};
    for kind in [Unavailable, Blocked, TimedOut, Closed] {
        run(async {
            let world = World::default();
            let tab = world.tab();
            assert_eq!(append(&tab, "ada", "a").await.unwrap(), Durability::IndexedDb);
            world.upper.faults.beginning.set(Some(kind));
            assert_eq!(append(&tab, "ada", "b").await.unwrap(), Durability::LocalStorage);
            world.middle.faults.beginning.set(Some(kind));
            assert_eq!(append(&tab, "ada", "c").await.unwrap(), Durability::Memory);
            assert_eq!((tab.rung(), tab.durability()), (Rung::Lowest, Durability::Memory));
            let changes: Vec<_> =
                tab.take_changes().into_iter().map(|change| (change.from, change.to, change.error.unwrap().kind)).collect();
            assert_eq!(
                changes,
                [(Durability::IndexedDb, Durability::LocalStorage, kind), (Durability::LocalStorage, Durability::Memory, kind)]
            );
            assert_eq!(tab.take_changes(), []);
        });
    }
}

#[test]
fn a_failure_that_says_nothing_about_the_rung_is_the_callers() {
    for kind in [StoreErrorKind::QuotaExceeded, StoreErrorKind::Unreadable, StoreErrorKind::Failed] {
        run(async {
            let world = World::default();
            let tab = world.tab();
            world.upper.faults.beginning.set(Some(kind));
            let failed = append(&tab, "ada", "a").await.unwrap_err();
            assert_eq!((failed.kind, tab.rung()), (kind, Rung::Upper));
            assert!(tab.step_down_from(Rung::Upper, failed.clone()));
            assert!(tab.step_down_from(Rung::Upper, failed.clone()), "another who failed there finds the tab below already");
            assert_eq!((tab.rung(), tab.take_changes().len()), (Rung::Middle, 1));
            assert_eq!(append(&tab, "ada", "a").await.unwrap(), Durability::LocalStorage);
            assert!(tab.step_down_from(Rung::Middle, failed.clone()));
            assert!(!tab.step_down_from(Rung::Lowest, failed), "there is nothing below");
        });
    }
}

#[test]
fn what_came_later_stays_below_until_what_is_below_has_been_moved_up_in_order() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        append(&tab, "ada", "a").await.unwrap();
        world.upper.faults.beginning.set(Some(StoreErrorKind::TimedOut));
        append(&tab, "ada", "b").await.unwrap();
        world.middle.faults.beginning.set(Some(StoreErrorKind::Closed));
        append(&tab, "ada", "c").await.unwrap();
        append(&tab, "bob", "c").await.unwrap();
        world.upper.faults.beginning.set(None);
        world.middle.faults.beginning.set(None);
        assert_eq!(append(&tab, "ada", "d").await.unwrap(), Durability::Memory);
        tab.take_changes();
        let promotion = tab.climb("ada", &others(), absorb).await.unwrap();
        assert_eq!(promotion, Promotion { rung: Rung::Upper, moved: 4, skipped: 0 });
        assert_eq!(append(&tab, "ada", "e").await.unwrap(), Durability::IndexedDb);
        assert_eq!(ids(&world.upper.store, "ada"), ["a", "b", "c", "d", "e"]);
        assert_eq!(ids(&world.upper.store, "bob"), ["c"]);
        assert!(world.middle.store.committed().users().is_empty());
        let change = PlaceChange { from: Durability::Memory, to: Durability::IndexedDb, error: None };
        assert_eq!(tab.take_changes(), [change]);
        assert_eq!(world.hints.0.borrow().get("holds:ada").map(String::as_str), Some("u"));
    });
}

#[test]
fn a_lot_has_the_rows_of_all_lanes_in_the_order_of_their_sequence_numbers_and_the_documents() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        let transaction = tab.transaction(Access::Write).await.unwrap();
        for (seq, lane) in [(4, Lane::Critical), (1, Lane::Waiting), (3, Lane::Dead), (2, Lane::Normal), (0, Lane::Low)] {
            transaction.write("ada", &Row { lane, seq, ..row(&seq.to_string()) }).unwrap();
        }
        transaction.write_document("ada", Kind::Queue, "", Some("5")).unwrap();
        transaction.write_document("ada", Kind::History, "key", Some("{}")).unwrap();
        transaction.commit().await.unwrap();
        world.upper.faults.beginning.set(None);
        let lots = RefCell::new(Vec::new());
        let keep = async |transaction: OnTab, lot: Lot| {
            lots.borrow_mut().push(lot.clone());
            absorb(transaction, lot).await
        };
        tab.climb("ada", &others(), keep).await.unwrap();
        let lots = lots.into_inner();
        assert_eq!((lots.len(), lots[0].user_id.as_str(), lots[0].from), (1, "ada", Durability::LocalStorage));
        assert_eq!(lots[0].rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(
            lots[0].documents,
            [(Kind::Queue, String::new(), "5".to_string()), (Kind::History, "key".to_string(), "{}".to_string())]
        );
    });
}

#[test]
fn what_an_earlier_page_has_left_below_is_moved_up_and_what_is_above_already_is_not_written_again() {
    run(async {
        let world = World::default();
        let earlier = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Blocked));
        for id in ["a", "b", "c"] {
            append(&earlier, "ada", id).await.unwrap();
        }
        world.upper.faults.beginning.set(None);
        // It is written above, and the page dies before it is deleted below.
        world.middle.faults.commit.set(Some(StoreErrorKind::Closed));
        assert!(earlier.climb("ada", &others(), absorb).await.is_err());
        assert_eq!((ids(&world.upper.store, "ada").len(), ids(&world.middle.store, "ada").len()), (3, 3));
        drop(earlier);
        let tab = world.tab();
        let promotion = tab.climb("ada", &others(), absorb).await.unwrap();
        assert_eq!(promotion, Promotion { rung: Rung::Upper, moved: 0, skipped: 3 });
        assert_eq!(ids(&world.upper.store, "ada"), ["a", "b", "c"]);
        assert!(world.middle.store.committed().users().is_empty());
    });
}

#[test]
fn below_nothing_is_sent_while_something_may_lie_above() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        append(&tab, "ada", "a").await.unwrap();
        assert!(tab.may_send("ada"));
        world.upper.faults.beginning.set(Some(StoreErrorKind::TimedOut));
        append(&tab, "ada", "b").await.unwrap();
        assert!(!tab.may_send("ada"));
        assert!(tab.may_send("bob"));
        // Another tab sees that all above has been sent.
        world.upper.faults.beginning.set(None);
        let other = world.tab();
        other.nothing_is_left("ada", Durability::IndexedDb);
        assert!(tab.may_send("ada"));
        world.middle.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        append(&tab, "ada", "c").await.unwrap();
        assert!(!tab.may_send("ada"), "there is one in between");
        tab.nothing_is_left("ada", Durability::Memory);
        assert!(!tab.may_send("ada"), "what is left here says nothing of what is above");
    });
}

#[test]
fn a_commit_that_failed_leaves_no_hint_of_what_is_not_there() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.commit.set(Some(StoreErrorKind::QuotaExceeded));
        let failed = append(&tab, "ada", "a").await.unwrap_err();
        tab.step_down_from(Rung::Upper, failed);
        append(&tab, "ada", "a").await.unwrap();
        // What it cannot know it looks for, where it can.
        assert_eq!(tab.sends_from("ada"), Some(Durability::IndexedDb));
        tab.nothing_is_left("ada", Durability::IndexedDb);
        assert!(tab.may_send("ada"));
        assert_eq!(world.hints.read("holds:ada").as_deref(), Some("m"));
    });
}

#[test]
fn a_commit_that_may_have_happened_leaves_its_hint() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.commit.set(Some(StoreErrorKind::Failed));
        world.upper.faults.is_unreported.set(true);
        let failed = append(&tab, "ada", "a").await.unwrap_err();
        assert!(tab.step_down(failed));
        assert_eq!(world.hints.read("holds:ada").as_deref(), Some("u"));
        assert!(!tab.may_send("ada"));
    });
}

#[test]
fn what_may_lie_above_as_well_is_not_sent_from_below_before_it_is_promoted() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        append(&tab, "ada", "a").await.unwrap();
        assert_eq!(tab.sends_from("ada"), Some(Durability::LocalStorage));
        world.upper.faults.beginning.set(None);
        world.upper.faults.commit.set(Some(StoreErrorKind::Failed));
        world.upper.faults.is_unreported.set(true);
        assert!(tab.climb("ada", &others(), absorb).await.is_err());
        let both = (ids(&world.upper.store, "ada"), ids(&world.middle.store, "ada"));
        assert_eq!(both, (vec!["a".to_string()], vec!["a".to_string()]));
        // Another one has sent it from above.
        tab.nothing_is_left("ada", Durability::IndexedDb);
        assert_eq!(tab.sends_from("ada"), None);
        assert_eq!(world.tab().places("ada"), [Durability::IndexedDb, Durability::LocalStorage]);
        assert!(tab.transaction(Access::Read).await.unwrap().may_lie_above("ada"));
        let promotion = tab.climb("ada", &others(), absorb).await.unwrap();
        assert_eq!((promotion.moved, promotion.skipped), (0, 1));
        assert_eq!(tab.sends_from("ada"), Some(Durability::IndexedDb));
        assert!(!tab.transaction(Access::Read).await.unwrap().may_lie_above("ada"));
    });
}

#[test]
fn a_promotion_for_which_there_is_no_room_leaves_what_lies_below_to_be_sent() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        append(&tab, "ada", "a").await.unwrap();
        world.upper.faults.beginning.set(None);
        world.upper.faults.is_full.set(true);
        let full = tab.climb("ada", &others(), absorb).await.unwrap_err();
        assert_eq!(full.kind, StoreErrorKind::QuotaExceeded);
        tab.nothing_is_left("ada", Durability::IndexedDb);
        assert_eq!(tab.sends_from("ada"), Some(Durability::LocalStorage));
    });
}

#[test]
fn what_nobody_could_tell_of_is_in_doubt_below() {
    run(async {
        let tab = World::default().tab();
        assert!(tab.step_down(StoreError::new(StoreErrorKind::TimedOut, "testing", "it took too long")));
        tab.is_in_doubt("ada");
        assert_eq!((tab.sends_from("ada"), tab.sends_from("bob")), (None, Some(Durability::LocalStorage)));
    });
}

#[test]
fn what_is_in_doubt_still_is_when_it_was_brought_to_a_place_that_is_not_the_best() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        world.middle.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        append(&tab, "ada", "a").await.unwrap();
        append(&tab, "bob", "b").await.unwrap();
        tab.is_in_doubt("ada");
        world.middle.faults.beginning.set(None);
        assert_eq!(tab.climb("ada", &others(), absorb).await.unwrap().rung, Rung::Middle);
        assert_eq!((tab.sends_from("ada"), tab.sends_from("bob")), (None, Some(Durability::LocalStorage)));
        world.upper.faults.beginning.set(None);
        tab.climb("ada", &others(), absorb).await.unwrap();
        assert_eq!(tab.sends_from("ada"), Some(Durability::IndexedDb));
    });
}

#[test]
fn what_belongs_to_users_who_may_be_sending_stays_where_it_is() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        append(&tab, "ada", "a").await.unwrap();
        append(&tab, "bob", "b").await.unwrap();
        world.upper.faults.beginning.set(None);
        assert_eq!(tab.users_below().await, ["ada", "bob"]);
        assert_eq!(tab.climb("ada", &[], absorb).await.unwrap().rung, Rung::Upper);
        assert_eq!(ids(&world.upper.store, "ada"), ["a"]);
        assert_eq!((tab.users_below().await, ids(&world.middle.store, "bob")), (vec!["bob".to_string()], vec!["b".to_string()]));
        tab.climb("ada", &others(), absorb).await.unwrap();
        assert_eq!(ids(&world.upper.store, "bob"), ["b"]);
    });
}

#[test]
fn of_another_user_nothing_is_promoted_past_what_cannot_be_reached() {
    run(async {
        let (world, memory) = (World::default(), Memory::default());
        let tab = world.tab_with(&memory);
        world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        append(&tab, "ada", "a").await.unwrap();
        world.middle.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        append(&tab, "ada", "b").await.unwrap();
        append(&tab, "cyd", "c").await.unwrap();
        world.upper.faults.beginning.set(None);
        let everyone = ["ada", "bob", "cyd"].map(String::from);
        // Somebody else has signed in on the same page, and has nothing anywhere.
        let next = world.tab_with(&memory);
        next.climb("bob", &everyone, absorb).await.unwrap();
        assert_eq!((ids(&world.upper.store, "ada"), ids(&world.upper.store, "cyd")), (vec![], vec!["c".to_string()]));
        world.middle.faults.beginning.set(None);
        next.climb("bob", &everyone, absorb).await.unwrap();
        assert_eq!(ids(&world.upper.store, "ada"), ["a", "b"]);
    });
}

#[test]
fn a_change_that_a_promotion_has_not_read_is_overtaken_by_it() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        append(&tab, "ada", "a").await.unwrap();
        let begin = async || {
            let change = tab.transaction(Access::Write).await.unwrap();
            change.document("ada", Kind::Queue, "").await.unwrap();
            change.write("ada", &Row { text: "changed".into(), ..row("a") }).unwrap();
            change
        };
        let change = begin().await;
        // Another process begins to promote it.
        world.hints.write("holds:ada", "m+");
        assert_eq!(change.commit().await.unwrap_err().kind, StoreErrorKind::Overtaken);
        assert_eq!(world.middle.store.committed().find("ada", "a").unwrap().text, "a");
        let change = begin().await;
        assert!(change.may_lie_above("ada"), "whoever begins now is told, and decides what to do");
        change.commit().await.unwrap();
    });
}

#[test]
fn a_promotion_of_which_no_place_can_be_looked_at_has_failed() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Failed));
        assert_eq!(tab.climb("ada", &others(), absorb).await.unwrap_err().kind, StoreErrorKind::Failed);
    });
}

#[test]
fn nothing_new_goes_to_the_memory_of_the_page_once_the_client_is_closed() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        tab.close();
        assert_eq!(append(&tab, "ada", "a").await.unwrap(), Durability::LocalStorage);
        world.middle.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        assert_eq!(append(&tab, "ada", "b").await.unwrap_err().kind, StoreErrorKind::Unavailable);
    });
}

#[test]
fn a_rung_in_between_that_is_of_no_use_says_nothing_of_the_one_above() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        append(&tab, "ada", "a").await.unwrap();
        world.upper.faults.is_full.set(true);
        world.middle.faults.beginning.set(Some(StoreErrorKind::Unavailable));
        while let Err(failed) = append(&tab, "ada", "b").await {
            assert!(tab.step_down(failed));
        }
        assert_eq!((tab.rung(), tab.sends_from("ada")), (Rung::Lowest, Some(Durability::IndexedDb)));
    });
}

#[test]
fn what_is_appended_during_a_promotion_ends_above_behind_what_was_there() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::TimedOut));
        append(&tab, "ada", "a").await.unwrap();
        world.upper.faults.beginning.set(None);
        let slow = async |transaction: OnTab, lot: Lot| {
            let mut polls = 0;
            std::future::poll_fn(|context| {
                polls += 1;
                context.waker().wake_by_ref();
                if polls < 5 { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
            })
            .await;
            absorb(transaction, lot).await
        };
        let (promoted, appended) = join(tab.climb("ada", &others(), slow), append(&tab, "ada", "b")).await;
        assert_eq!((promoted.unwrap().rung, appended.is_ok()), (Rung::Upper, true));
        assert_eq!(append(&tab, "ada", "c").await.unwrap(), Durability::IndexedDb);
        assert_eq!(ids(&world.upper.store, "ada"), ["a", "b", "c"]);
    });
}

#[test]
fn whoever_waited_for_a_rung_that_the_tab_has_left_goes_on_where_it_is_now() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::TimedOut));
        tab.transaction(Access::Read).await.unwrap().commit().await.unwrap();
        world.upper.faults.beginning.set(None);
        let held = world.middle.store.transaction(Access::Write).await.unwrap();
        let others = others();
        let mut promoted = Box::pin(tab.climb("ada", &others, absorb));
        assert!(promoted.as_mut().now_or_never().is_none());
        let mut appended = Box::pin(append(&tab, "ada", "a"));
        assert!(appended.as_mut().now_or_never().is_none());
        drop(held);
        assert_eq!(promoted.await.unwrap().rung, Rung::Upper);
        assert_eq!(appended.await.unwrap(), Durability::IndexedDb);
        assert!(world.middle.store.committed().users().is_empty());
    });
}

#[test]
fn that_something_lies_above_is_noticed_when_it_is_found_there() {
    run(async {
        let world = World::default();
        append(&world.tab(), "ada", "a").await.unwrap();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::TimedOut));
        append(&tab, "ada", "a").await.unwrap();
        // The texts have been lost, or could not be shared.
        world.hints.0.borrow_mut().clear();
        world.upper.faults.beginning.set(None);
        world.middle.faults.commit.set(Some(StoreErrorKind::Failed));
        assert!(tab.climb("ada", &others(), absorb).await.is_err());
        assert!(!tab.may_send("ada"));
    });
}

#[test]
fn what_cannot_be_absorbed_stays_below_and_so_does_the_tab() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        world.upper.faults.beginning.set(Some(StoreErrorKind::TimedOut));
        append(&tab, "ada", "a").await.unwrap();
        world.upper.faults.beginning.set(None);
        let full = async |_: OnTab, _: Lot| Err(StoreError::new(StoreErrorKind::QuotaExceeded, "testing", "full"));
        assert_eq!(tab.climb("ada", &others(), full).await.unwrap_err().kind, StoreErrorKind::QuotaExceeded);
        assert_eq!((tab.rung(), ids(&world.middle.store, "ada")), (Rung::Middle, vec!["a".to_string()]));
        assert!(world.upper.store.committed().users().is_empty());
        assert!(tab.climb("ada", &others(), absorb).now_or_never().unwrap().is_ok(), "it can be tried again");
    });
}

/// A tab whose upper rung became full when something lay there.
async fn below_a_full_rung(world: &World) -> Tab {
    let tab = world.tab();
    append(&tab, "ada", "a").await.unwrap();
    world.upper.faults.is_full.set(true);
    for id in ["b", "c"] {
        while let Err(failed) = append(&tab, "ada", id).await {
            assert!(tab.step_down(failed));
        }
    }
    tab
}

#[test]
fn a_rung_that_is_full_is_sent_from_and_then_takes_what_came_later_in_order() {
    run(async {
        let world = World::default();
        let tab = below_a_full_rung(&world).await;
        assert_eq!(tab.durability(), Durability::LocalStorage);
        assert!(!tab.may_send("ada"));
        // What waits below does not fit in above.
        let full = tab.climb("ada", &others(), absorb).await.unwrap_err();
        assert_eq!((full.kind, tab.rung()), (StoreErrorKind::QuotaExceeded, Rung::Middle));
        let place = tab.sends_from("ada").unwrap();
        assert_eq!(place, Durability::IndexedDb);
        let above = tab.transaction_at(place, Access::Write).await.unwrap();
        assert_eq!(above.rows("ada", Lane::Normal, 0, 9, 9).await.unwrap().len(), 1);
        above.delete("ada", Lane::Normal, 0, 9).unwrap();
        above.commit().await.unwrap();
        tab.nothing_is_left("ada", place);
        assert_eq!(tab.sends_from("ada"), Some(Durability::LocalStorage), "if there is no room even now");
        world.upper.faults.is_full.set(false);
        tab.climb("ada", &others(), absorb).await.unwrap();
        assert_eq!((tab.rung(), ids(&world.upper.store, "ada")), (Rung::Upper, vec!["b".to_string(), "c".to_string()]));
    });
}

#[test]
fn what_lies_above_is_not_sent_from_below_where_it_cannot_be_read() {
    run(async {
        let world = World::default();
        let tab = below_a_full_rung(&world).await;
        let place = tab.sends_from("ada").unwrap();
        world.upper.faults.beginning.set(Some(StoreErrorKind::TimedOut));
        // Nothing is done elsewhere instead.
        assert_eq!(
            tab.transaction_at(place, Access::Write).await.err().map(|failed| failed.kind),
            Some(StoreErrorKind::TimedOut)
        );
        assert_eq!(tab.sends_from("ada"), None);
        // It is found out again when it is tried whether there is room.
        world.upper.faults.beginning.set(None);
        assert_eq!(tab.sends_from("ada"), None);
        assert!(tab.climb("ada", &others(), absorb).await.is_err());
        assert_eq!(tab.sends_from("ada"), Some(Durability::IndexedDb));
    });
}

#[test]
fn a_tab_that_stepped_down_because_a_rung_is_of_no_use_sends_nothing_from_there() {
    run(async {
        let world = World::default();
        let tab = world.tab();
        append(&tab, "ada", "a").await.unwrap();
        world.upper.faults.beginning.set(Some(StoreErrorKind::Closed));
        append(&tab, "ada", "b").await.unwrap();
        world.upper.faults.beginning.set(None);
        assert_eq!((tab.sends_from("ada"), tab.sends_from("bob")), (None, Some(Durability::LocalStorage)));
    });
}

/// What happens to the tabs of a world.
#[derive(Debug, Clone)]
enum Step {
    Append { tab: usize, user: usize },
    Promote { tab: usize, user: usize },
    Send { tab: usize },
    Reload { tab: usize },
    Break { rung: usize, kind: usize },
    Mend { rung: usize },
    FailCommit { rung: usize, is_unreported: bool },
    Fill { rung: usize, is_full: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..2_usize, 0..2_usize).prop_map(|(tab, user)| Step::Append { tab, user }),
        2 => (0..2_usize, 0..2_usize).prop_map(|(tab, user)| Step::Promote { tab, user }),
        2 => (0..2_usize).prop_map(|tab| Step::Send { tab }),
        1 => (0..2_usize).prop_map(|tab| Step::Reload { tab }),
        2 => (0..2_usize, 0..4_usize).prop_map(|(rung, kind)| Step::Break { rung, kind }),
        2 => (0..2_usize).prop_map(|rung| Step::Mend { rung }),
        1 => (0..2_usize, any::<bool>()).prop_map(|(rung, is_unreported)| Step::FailCommit { rung, is_unreported }),
        2 => (0..2_usize, any::<bool>()).prop_map(|(rung, is_full)| Step::Fill { rung, is_full }),
    ];
    prop::collection::vec(step, 1..60)
}

const USERS: [&str; 2] = ["ada", "bob"];

/// What was appended: number, user, page, and where it was when it was appended.
struct Appended {
    id: String,
    user: usize,
    page: usize,
    durability: Durability,
}

/// Sends all that may be sent.
async fn send(page: &[Tab; 2], sent: &RefCell<Vec<(usize, String)>>) -> Result<(), StoreError> {
    for ((user, user_id), tab) in USERS.into_iter().enumerate().zip(page) {
        // Who has not looked where the tab is does not know whether that can be used.
        tab.transaction(Access::Read).await?;
        let Some(place) = tab.sends_from(user_id) else { continue };
        let transaction = tab.transaction_at(place, Access::Write).await?;
        if transaction.durability() != place {
            continue;
        }
        let rows = transaction.rows(user_id, Lane::Normal, 0, u64::MAX >> 11, u32::MAX).await?;
        // Whether the answer can be written down or not, the server has it.
        sent.borrow_mut().extend(rows.iter().map(|row| (user, row.id.clone())));
        transaction.delete(user_id, Lane::Normal, 0, u64::MAX >> 11)?;
        transaction.commit().await?;
        tab.nothing_is_left(user_id, place);
    }
    Ok(())
}

async fn play(steps: &[Step]) -> Result<(), TestCaseError> {
    use StoreErrorKind::{Blocked, Closed, TimedOut, Unavailable};
    let world = World::default();
    let rungs = [&world.upper, &world.middle];
    let mut tabs = [world.page(), world.page()];
    let mut pages = [0, 1];
    let mut appended: Vec<Appended> = Vec::new();
    let sent = RefCell::new(Vec::new());
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Append { tab, user } => {
                let id = number.to_string();
                let durability = loop {
                    let tab = &tabs[tab][user];
                    let rung = tab.rung();
                    match append(tab, USERS[user], &id).await {
                        Ok(durability) => break durability,
                        Err(failed) => prop_assert!(tab.step_down_from(rung, failed)),
                    }
                };
                appended.push(Appended { id, user, page: pages[tab], durability });
            }
            Step::Promote { tab, user } => drop(tabs[tab][user].climb(USERS[user], &others(), absorb).await),
            Step::Send { tab } => drop(send(&tabs[tab], &sent).await),
            Step::Reload { tab } => {
                // With the page goes what it had in memory, and nothing else.
                let page = pages[tab];
                let reached = |each: &Appended| sent.borrow().iter().any(|(user, id)| (*user, id) == (each.user, &each.id));
                let is_stored = |each: &Appended| rungs.iter().any(|rung| ids(&rung.store, USERS[each.user]).contains(&each.id));
                appended.retain(|each| {
                    each.page != page || each.durability != Durability::Memory || is_stored(each) || reached(each)
                });
                tabs[tab] = world.page();
                pages[tab] = 2 + number;
            }
            Step::Break { rung, kind } => {
                rungs[rung].faults.beginning.set(Some([Unavailable, Blocked, TimedOut, Closed][kind]));
            }
            Step::Mend { rung } => rungs[rung].faults.beginning.set(None),
            Step::FailCommit { rung, is_unreported } => {
                // A store that says why has certainly not done it.
                let kind = if is_unreported { Closed } else { StoreErrorKind::QuotaExceeded };
                rungs[rung].faults.commit.set(Some(kind));
                rungs[rung].faults.is_unreported.set(is_unreported);
            }
            Step::Fill { rung, is_full } => rungs[rung].faults.is_full.set(is_full),
        }
    }
    for rung in rungs {
        rung.faults.beginning.set(None);
        rung.faults.commit.set(None);
        rung.faults.is_full.set(false);
    }
    for (tab, user_id) in tabs.iter().flat_map(|page| page.iter().zip(USERS)) {
        prop_assert_eq!(tab.climb(user_id, &others(), absorb).await.unwrap().rung, Rung::Upper);
    }
    prop_assert!(world.middle.store.committed().users().is_empty());
    let above: Vec<(usize, String)> = USERS
        .into_iter()
        .enumerate()
        .flat_map(|(user, user_id)| ids(&world.upper.store, user_id).into_iter().map(move |id| (user, id)))
        .collect();
    for tab in &tabs {
        send(tab, &sent).await.unwrap();
    }
    let sent = sent.into_inner();
    let count = |id: &String| above.iter().filter(|(_, other)| other == id).count();
    for each in &appended {
        prop_assert!(count(&each.id) <= 1, "{} is there twice", each.id);
        prop_assert!(sent.contains(&(each.user, each.id.clone())), "{} is lost", each.id);
    }
    // What a page has appended for one user is sent in that order, looking at what was new to the server.
    let first = |each: &Appended| sent.iter().position(|(user, id)| (*user, id) == (each.user, &each.id));
    for (at, one) in appended.iter().enumerate() {
        let later = appended[at + 1..].iter().find(|other| (other.user, other.page) == (one.user, one.page));
        if let Some(later) = later {
            prop_assert!(first(one) < first(later), "{} has overtaken {}", later.id, one.id);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn whatever_fails_nothing_is_lost_nothing_is_twice_and_nothing_overtakes(steps in steps()) {
        let mut outcome = Ok(());
        run(async { outcome = play(&steps).await });
        outcome?;
    }
}
