//! Storage that is cleared under open tabs: what they had put into the queue, and not seen settled, is put there again.

use crate::draft;
use std::time::Duration;
use steadfast::sim::{Faults, Tab, World};

const MINUTE: Duration = Duration::from_secs(60);

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}{index}")).collect()
}

fn enqueue(world: &World, tab: &Tab, ids: &[String], key: Option<&'static str>) {
    let (client, drafts) = (tab.client.clone(), ids.iter().map(|id| draft(id, key)).collect());
    world.block_on(async move { client.enqueue(drafts).await }).unwrap();
}

fn applied(world: &World) -> Vec<String> {
    world.server(|server| server.applied.iter().map(|action| action.id.clone()).collect())
}

/// What the server was sent of an action last.
fn sent(world: &World, id: &str) -> String {
    let bodies = world.server(|server| server.requests.iter().map(|(_, request)| request.body.clone()).collect::<Vec<_>>());
    let of_action = |body: &String| {
        let request: steadfast::wire::QueueActionsRequest = serde_json::from_str(body).ok()?;
        Some(request.actions.iter().rev().find(|action| action.id == id)?.data.get().to_string())
    };
    bodies.iter().rev().find_map(of_action).unwrap()
}

fn restored(tab: &Tab) -> Vec<String> {
    tab.events().into_iter().filter(|event| event.contains("actionsRestored")).collect()
}

/// A world without a network.
fn offline(seed: u64) -> World {
    let world = World::new(seed);
    world.set_faults(Faults::OUTAGE);
    world
}

fn goes_online_and_drains(world: &World) {
    world.set_faults(Faults::default());
    world.set_online(false);
    world.set_online(true);
    assert!(world.run_until(60 * MINUTE, || world.stored("ada").is_empty()));
}

#[test]
fn what_waited_is_there_again_before_what_is_enqueued_next() {
    let world = offline(1);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids("a", 150), Some("draft"));
    world.clear_disk();
    enqueue(&world, &tab, &ids("b", 3), Some("draft"));
    assert_eq!(world.stored("ada"), [ids("a", 150), ids("b", 3)].concat());
    assert_eq!(restored(&tab), [r#"{"type":"actionsRestored","count":150}"#]);
    goes_online_and_drains(&world);
    assert_eq!(applied(&world), [ids("a", 150), ids("b", 3)].concat());
}

#[test]
fn a_tab_that_is_told_does_not_wait_for_anything_else_to_happen() {
    let world = offline(2);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids("a", 5), None);
    world.advance(MINUTE);
    world.clear_disk();
    tab.tell_of_loss(Duration::ZERO);
    world.advance(Duration::from_millis(100));
    assert_eq!(world.stored("ada"), ids("a", 5));
}

#[test]
fn each_tab_puts_its_own_there_once() {
    let world = offline(3);
    let (one, other) = (Tab::open(&world, "ada", ""), Tab::open(&world, "ada", ""));
    enqueue(&world, &one, &ids("a", 5), Some("one"));
    enqueue(&world, &other, &ids("b", 5), Some("other"));
    world.clear_disk();
    for tab in [&one, &other, &one] {
        tab.tell_of_loss(Duration::ZERO);
    }
    world.advance(MINUTE);
    let mut stored = world.stored("ada");
    stored.sort();
    assert_eq!(stored, [ids("a", 5), ids("b", 5)].concat());
    for tab in [&one, &other] {
        assert_eq!(restored(tab), [r#"{"type":"actionsRestored","count":5}"#]);
    }
    goes_online_and_drains(&world);
    assert_eq!(applied(&world).len(), 10);
}

#[test]
fn what_another_tab_has_settled_is_not_put_there_again() {
    let world = offline(4);
    let (one, other) = (Tab::open(&world, "ada", ""), Tab::open(&world, "ada", ""));
    enqueue(&world, &one, &ids("a", 5), None);
    let client = other.client.clone();
    assert!(world.block_on(async move { client.discard("a3").await }).unwrap());
    let client = other.client.clone();
    let data = steadfast::queue::draft::Draft::read_data(r#"{"n":"edited"}"#).unwrap();
    world.block_on(async move { client.queue().unwrap().clone().edit("a4", data).await }).unwrap();
    world.advance(Duration::from_millis(100));
    world.clear_disk();
    one.tell_of_loss(Duration::ZERO);
    world.advance(MINUTE);
    assert_eq!(world.stored("ada"), ["a0", "a1", "a2", "a4"]);
    goes_online_and_drains(&world);
    assert_eq!(sent(&world, "a4"), r#"{"n":"edited"}"#);
}

#[test]
fn what_was_purged_stays_away_from_all_tabs() {
    let world = offline(5);
    let (one, other) = (Tab::open(&world, "ada", ""), Tab::open(&world, "ada", ""));
    enqueue(&world, &one, &ids("a", 5), None);
    let outcome = one.client.settled("a0").unwrap();
    // It has looked once.
    world.advance(MINUTE);
    world.clear_disk();
    let client = other.client.clone();
    world.block_on(async move { client.queue().unwrap().clone().purge().await }).unwrap();
    assert_eq!(world.block_on(outcome).unwrap().get(), r#"{"status":"discarded"}"#);
    let is_told = |event: &&String| event.contains(r#""settled""#) && event.contains(r#""discarded""#);
    assert_eq!(one.events().iter().filter(is_told).count(), 5, "{:?}", one.events());
    one.tell_of_loss(Duration::ZERO);
    world.advance(MINUTE);
    assert_eq!(world.stored("ada"), [""; 0]);
    // What comes afterwards is no part of that.
    enqueue(&world, &one, &ids("b", 2), None);
    world.clear_disk();
    one.tell_of_loss(Duration::ZERO);
    world.advance(MINUTE);
    assert_eq!(world.stored("ada"), ["b0", "b1"]);
}

#[test]
fn a_decision_about_what_was_cleared_is_carried_out() {
    let world = offline(6);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids("a", 3), None);
    world.clear_disk();
    let client = tab.client.clone();
    assert!(world.block_on(async move { client.discard("a1").await }).unwrap());
    assert_eq!(world.stored("ada"), ["a0", "a2"]);
}

#[test]
fn whoever_waits_for_what_was_cleared_hears_what_becomes_of_it() {
    let world = offline(7);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids("a", 3), None);
    world.clear_disk();
    let outcome = tab.client.settled("a2").unwrap();
    world.advance(MINUTE);
    goes_online_and_drains(&world);
    assert!(world.block_on(outcome).unwrap().get().contains(r#""status":"applied""#));
}

#[test]
fn the_snapshot_after_a_clearing_says_what_waits() {
    let world = offline(8);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids("a", 7), None);
    world.clear_disk();
    let client = tab.client.clone();
    assert_eq!(world.block_on(async move { client.snapshot().await }).unwrap().counts.pending, 7);
}

#[test]
fn the_oldest_thousand_are_kept_and_no_more() {
    let world = offline(9);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids("a", 1_100), None);
    world.clear_disk();
    enqueue(&world, &tab, &ids("b", 1), None);
    assert_eq!(world.stored("ada"), [ids("a", 1_000), ids("b", 1)].concat());
}

#[test]
fn what_was_merged_is_put_there_as_it_was_merged() {
    use steadfast::queue::draft::Draft;
    let world = offline(10);
    let tab = Tab::open(&world, "ada", "");
    for number in 1..=3 {
        let fields = format!(r#"{{"id":"a{number}","type":"add_points","key":"score"}}"#);
        let mut draft = Draft::read(&fields, &number.to_string()).unwrap();
        let sum = |older: &str, newer: &str| Ok((older.parse::<u32>().unwrap() + newer.parse::<u32>().unwrap()).to_string());
        draft.merge_by(std::rc::Rc::new(sum)).unwrap();
        let client = tab.client.clone();
        world.block_on(async move { client.enqueue(vec![draft]).await }).unwrap();
    }
    world.clear_disk();
    tab.tell_of_loss(Duration::ZERO);
    world.advance(MINUTE);
    goes_online_and_drains(&world);
    assert_eq!(sent(&world, "a3"), "6");
}

#[test]
fn a_result_that_was_heard_of_before_the_clearing_is_put_in() {
    use steadfast::queue::draft::Draft;
    let world = World::new(11);
    let tab = Tab::open(&world, "ada", "");
    assert!(world.server(|server| server.conflicting.insert("blocks".into())));
    enqueue(&world, &tab, &["blocks".to_string()], Some("k"));
    assert!(world.run_until(MINUTE, || tab.events().iter().any(|event| event.contains(r#""conflict""#))));
    enqueue(&world, &tab, &["first".to_string()], None);
    let data = r#"{"n":2,"after":{"$result":"first","at":"/n"}}"#.to_string();
    let fields = r#"{"id":"second","type":"add_photo","key":"k","dependsOn":"first"}"#;
    let draft = Draft::read(fields, &data).unwrap();
    let client = tab.client.clone();
    world.block_on(async move { client.enqueue(vec![draft]).await }).unwrap();
    assert!(world.run_until(MINUTE, || applied(&world).contains(&"first".into())));
    world.advance(MINUTE);
    world.server(|server| server.conflicting.clear());
    world.clear_disk();
    tab.tell_of_loss(Duration::ZERO);
    assert!(world.run_until(MINUTE, || applied(&world).contains(&"second".into())));
    assert_eq!(sent(&world, "second"), r#"{"n":2,"after":1}"#);
}

const SEALED: &str = r#","queue":{"encryption":"required"}"#;

/// All of it has been sent, each action once, though every tab but a new one has crashed.
fn a_new_tab_sends_all(world: &World, tabs: Vec<Tab>, expected: &[String]) {
    for tab in tabs {
        tab.crash();
    }
    let tab = Tab::open(world, "ada", SEALED);
    let mut stored = world.stored("ada");
    stored.sort();
    assert_eq!(stored, expected);
    goes_online_and_drains(world);
    let mut applied = applied(world);
    applied.sort();
    assert_eq!(applied, expected, "{:?}", tab.events());
}

#[test]
fn a_tab_that_holds_the_key_of_storage_that_was_cleared_puts_it_there_again_before_it_writes() {
    let world = offline(20);
    let tab = Tab::open(&world, "ada", SEALED);
    enqueue(&world, &tab, &ids("a", 2), Some("draft"));
    world.clear_disk();
    enqueue(&world, &tab, &ids("b", 2), Some("draft"));
    a_new_tab_sends_all(&world, vec![tab], &[ids("a", 2), ids("b", 2)].concat());
}

#[test]
fn a_tab_that_holds_the_key_of_storage_that_was_cleared_writes_beside_one_that_has_made_another_key() {
    for old_first in [false, true] {
        let world = offline(21);
        let old = Tab::open(&world, "ada", SEALED);
        enqueue(&world, &old, &ids("a", 2), Some("draft"));
        world.clear_disk();
        let new = Tab::open(&world, "ada", SEALED);
        let (one, other) = if old_first { (&old, &new) } else { (&new, &old) };
        enqueue(&world, one, &ids("b", 2), Some("draft"));
        enqueue(&world, other, &ids("c", 2), Some("draft"));
        enqueue(&world, one, &ids("d", 2), Some("draft"));
        let expected = [ids("a", 2), ids("b", 2), ids("c", 2), ids("d", 2)].concat();
        a_new_tab_sends_all(&world, vec![old, new], &expected);
    }
}

/// Whatever the moment: before the transaction has begun, while it waits, and while it is committed.
#[test]
fn storage_that_is_cleared_while_a_tab_writes_with_its_key_never_leaves_what_nobody_can_open() {
    for seed in 0..200 {
        let world = offline(seed);
        let (tab, other) = (Tab::open(&world, "ada", SEALED), Tab::open(&world, "ada", SEALED));
        enqueue(&world, &tab, &ids("a", 1), None);
        let (client, drafts) = (tab.client.clone(), ids("b", 1).iter().map(|id| draft(id, None)).collect());
        tab.spawn(async move { drop(client.enqueue(drafts).await) });
        world.advance(Duration::from_micros(seed * 100));
        world.clear_disk();
        enqueue(&world, &other, &ids("c", 1), None);
        enqueue(&world, &tab, &ids("d", 1), None);
        a_new_tab_sends_all(&world, vec![tab, other], &["a0", "b0", "c0", "d0"].map(String::from));
    }
}
