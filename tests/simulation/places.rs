//! The places in which a queue is kept: the disk, below that small texts, below that the memory of the page.

use crate::draft;
use std::time::Duration;
use steadfast::client::Edited;
use steadfast::platform::Durability;
use steadfast::queue::draft::Draft;
use steadfast::sim::{Faults, Tab, World};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn enqueue(world: &World, tab: &Tab, ids: &[&str]) -> Durability {
    let (client, drafts) = (tab.client.clone(), ids.iter().map(|id| draft(id, Some("draft"))).collect());
    world.block_on(async move { client.enqueue(drafts).await }).unwrap()[0].durability
}

fn applied(world: &World) -> Vec<String> {
    world.server(|server| server.applied.iter().map(|action| action.id.clone()).collect())
}

/// What lies in each place of a user's, by id.
fn kept(world: &World, user_id: &str) -> Vec<(Durability, String)> {
    let places = world.places();
    let of = |(place, table): (Durability, &steadfast::store::Table)| {
        let rows = table.all_rows(user_id).into_iter();
        rows.map(|row| (place, row.id)).collect::<Vec<_>>()
    };
    places.all().flat_map(of).collect()
}

/// Nothing arrives; some of it is on disk, and some below.
fn in_two_places(world: &World) -> Tab {
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(world, "ada", "");
    assert_eq!(enqueue(world, &tab, &["above", "above too"]), Durability::IndexedDb);
    world.settle();
    world.fail_a_commit_after(0);
    // A drain may meet the failure first.
    let mut place = Durability::IndexedDb;
    for id in ["below", "below too", "below as well"] {
        if place == Durability::IndexedDb {
            world.fail_a_commit_after(0);
            place = enqueue(world, &tab, &[id]);
        }
    }
    assert_eq!(place, Durability::LocalStorage);
    tab
}

#[test]
fn what_cannot_be_kept_on_disk_is_sent_from_below_and_the_disk_is_used_again_when_it_can_be() {
    let world = World::new(1);
    world.miss_disk(true);
    let tab = Tab::open(&world, "ada", "");
    assert_eq!(enqueue(&world, &tab, &["a"]), Durability::LocalStorage);
    assert!(world.run_until(HOUR, || applied(&world) == ["a"]));
    world.miss_disk(false);
    world.advance(MINUTE);
    assert_eq!(enqueue(&world, &tab, &["b"]), Durability::IndexedDb);
    assert!(world.run_until(HOUR, || applied(&world) == ["a", "b"] && kept(&world, "ada").is_empty()));
}

#[test]
fn a_tab_below_waits_between_its_tries_while_another_one_sends() {
    let world = World::new(2);
    let (sender, below) = (Tab::open(&world, "ada", ""), Tab::open(&world, "ada", ""));
    world.set_faults(Faults { stalls: 1000, ..Faults::default() });
    enqueue(&world, &sender, &["a"]);
    world.advance(Duration::from_secs(1));
    world.miss_disk_in(&below);
    assert_eq!(enqueue(&world, &below, &["b"]), Durability::LocalStorage);
    // It would never get through this minute.
    world.advance(MINUTE);
    world.miss_disk(false);
    world.set_faults(Faults::default());
    assert!(world.run_until(HOUR, || applied(&world) == ["a", "b"]));
}

#[test]
fn nothing_is_sent_from_below_while_something_lies_above_that_cannot_be_reached() {
    let world = World::new(3);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a"]);
    world.miss_disk(true);
    assert_eq!(enqueue(&world, &tab, &["b"]), Durability::LocalStorage);
    world.set_faults(Faults::default());
    world.advance(HOUR);
    assert!(applied(&world).is_empty());
    world.miss_disk(false);
    assert!(world.run_until(HOUR, || applied(&world) == ["a", "b"]));
}

#[test]
fn a_drain_from_below_does_not_overtake_what_another_tab_has_put_on_disk_meanwhile() {
    for seed in 0..20 {
        let world = World::new(seed);
        world.miss_disk(true);
        world.set_faults(Faults { slow_headers: 1000, ..Faults::default() });
        let below = Tab::open(&world, "ada", "");
        assert_eq!(enqueue(&world, &below, &["first"]), Durability::LocalStorage);
        let says = |kind: &str| below.events().iter().any(|event| event.contains(kind));
        assert!(world.run_until(MINUTE, || says("syncStarted")), "seed {seed}");
        world.miss_disk(false);
        let other = Tab::open(&world, "ada", "");
        let above = enqueue(&world, &other, &["second"]);
        world.miss_disk(true);
        let again_below = enqueue(&world, &other, &["third"]);
        assert_eq!((above, again_below), (Durability::IndexedDb, Durability::LocalStorage), "seed {seed}");
        world.set_faults(Faults::default());
        world.advance(HOUR);
        assert!(!applied(&world).contains(&"third".into()), "seed {seed}: what lies on disk cannot be reached");
        world.miss_disk(false);
        assert!(world.run_until(HOUR, || kept(&world, "ada").is_empty()), "seed {seed}");
        let mut others = applied(&world);
        others.retain(|id| id != "first");
        assert_eq!((others, applied(&world).len()), (vec!["second".to_string(), "third".into()], 3), "seed {seed}");
    }
}

#[test]
fn what_the_application_decides_is_done_wherever_the_action_lies() {
    let world = World::new(4);
    let tab = in_two_places(&world);
    let queue = tab.client.queue().unwrap().clone();
    let edited = world.block_on(async move {
        let data = Draft::read_data(r#"{"n":2}"#).unwrap();
        assert!(queue.discard("above").await.unwrap());
        assert!(!queue.discard("above").await.unwrap());
        queue.edit("above too", data).await.unwrap()
    });
    // The first may have been sent with it.
    assert!(matches!(edited, Edited::Done | Edited::MayHaveBeenSent), "{edited:?}");
    assert!(!world.stored("ada").contains(&"above".to_string()));
}

#[test]
fn a_user_who_signs_out_for_good_leaves_nothing_in_any_place() {
    let world = World::new(5);
    let tab = in_two_places(&world);
    assert!(kept(&world, "ada").len() >= 3);
    let queue = tab.client.queue().unwrap().clone();
    world.block_on(async move { queue.purge().await }).unwrap();
    assert_eq!(kept(&world, "ada"), []);
    world.set_faults(Faults::default());
    world.advance(HOUR);
    assert!(applied(&world).is_empty());
}

#[test]
fn signing_out_for_good_fails_while_a_place_cannot_be_reached_in_which_something_lies() {
    let world = World::new(6);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a"]);
    world.miss_disk(true);
    assert_eq!(enqueue(&world, &tab, &["b"]), Durability::LocalStorage);
    let queue = tab.client.queue().unwrap().clone();
    let purged = world.block_on(async move { queue.purge().await });
    assert!(purged.is_err());
    assert_eq!(kept(&world, "ada"), [(Durability::IndexedDb, "a".to_string())]);
    world.miss_disk(false);
    let queue = tab.client.queue().unwrap().clone();
    world.block_on(async move { queue.purge().await }).unwrap();
    assert_eq!(kept(&world, "ada"), []);
}

#[test]
fn what_another_user_had_to_leave_below_is_brought_to_the_disk() {
    let world = World::new(7);
    world.set_faults(Faults::OUTAGE);
    let ada = Tab::open(&world, "ada", "");
    world.miss_disk(true);
    assert_eq!(enqueue(&world, &ada, &["a"]), Durability::LocalStorage);
    ada.crash();
    world.miss_disk(false);
    let bob = Tab::open(&world, "bob", "");
    world.advance(MINUTE);
    assert_eq!(kept(&world, "ada"), [(Durability::IndexedDb, "a".to_string())]);
    world.set_faults(Faults::default());
    world.advance(HOUR);
    assert!(applied(&world).is_empty(), "it is not sent under another user's credentials");
    drop(bob);
    let _ada = Tab::open(&world, "ada", "");
    assert!(world.run_until(HOUR, || applied(&world) == ["a"]));
}

#[test]
fn what_only_memory_could_keep_is_there_for_the_next_client_on_the_page() {
    let world = World::new(8);
    world.set_faults(Faults::OUTAGE);
    world.miss_disk(true);
    world.deny_texts(true);
    let mut tab = Tab::open(&world, "ada", "");
    assert_eq!(enqueue(&world, &tab, &["a"]), Durability::Memory);
    tab.switch_user("bob", "");
    world.advance(MINUTE);
    world.miss_disk(false);
    world.deny_texts(false);
    tab.switch_user("ada", "");
    world.set_faults(Faults::default());
    assert!(world.run_until(HOUR, || applied(&world) == ["a"]));
}

#[test]
fn what_became_of_an_action_on_disk_is_known_to_a_tab_below() {
    let world = World::new(9);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a"]);
    assert!(world.run_until(HOUR, || applied(&world) == ["a"] && world.stored("ada").is_empty()));
    world.fill_disk(true);
    assert_eq!(enqueue(&world, &tab, &["b"]), Durability::LocalStorage);
    let outcome = tab.client.settled("a").unwrap();
    assert!(world.block_on(outcome).unwrap().get().contains(r#""status":"applied""#));
}

#[test]
fn what_another_tab_has_on_disk_outlives_it_also_after_a_purge_that_could_not_reach_it() {
    let world = World::new(10);
    world.set_faults(Faults::OUTAGE);
    let (tab, other) = (Tab::open(&world, "ada", ""), Tab::open(&world, "ada", ""));
    enqueue(&world, &tab, &["a"]);
    world.miss_disk_in(&other);
    enqueue(&world, &other, &["b"]);
    let queue = other.client.queue().unwrap().clone();
    assert!(world.block_on(async move { queue.purge().await }).is_err());
    world.settle();
    world.clear_disk();
    world.set_faults(Faults::default());
    world.advance(MINUTE);
    assert!(world.run_until(HOUR, || applied(&world) == ["a"]));
}

#[test]
fn what_is_listed_and_counted_is_what_lies_in_all_places() {
    let world = World::new(12);
    let tab = in_two_places(&world);
    world.fill_disk(true);
    let all = kept(&world, "ada");
    assert!([Durability::IndexedDb, Durability::LocalStorage].iter().all(|place| all.iter().any(|(other, _)| other == place)));
    let list = |from: Option<(Durability, u64)>, limit: u32| {
        let client = tab.client.clone();
        let listed = world.block_on(async move { client.list(from, limit).await }).unwrap();
        listed.into_iter().map(|listed| (listed.place, listed.action.seq, listed.action.id)).collect::<Vec<_>>()
    };
    let whole = list(None, 10);
    assert_eq!(whole.iter().map(|(place, _, id)| (*place, id.clone())).collect::<Vec<_>>(), all);
    // Page by page, each from behind the last one.
    let (mut pages, mut from) = (Vec::new(), None);
    while let [one] = list(from, 1).as_slice() {
        pages.push(one.clone());
        from = Some((one.0, one.1 + 1));
    }
    assert_eq!(pages, whole);
    let snapshot = || {
        let client = tab.client.clone();
        world.block_on(async move { client.snapshot().await }).unwrap()
    };
    let counted = snapshot();
    assert_eq!((counted.counts.pending, counted.is_partial), (u64::try_from(all.len()).unwrap(), false));
    world.miss_disk(true);
    let below = all.iter().filter(|(place, _)| *place == Durability::LocalStorage).count();
    let counted = snapshot();
    assert_eq!((counted.counts.pending, counted.is_partial), (u64::try_from(below).unwrap(), true));
    assert_eq!(list(None, 10).len(), below);
}
