//! What a queue must survive, one thing at a time: the 26 scenarios that other queues have been seen to fail in, by their numbers.
//!
//! Not here, because only a browser, or a store, can show it:
//!
//! | scenario | where |
//! |---|---|
//! | 5, no WebAssembly yet, or none at all | here what a page enqueues that does not send; without WebAssembly nothing can be promised, and `open` says so: `pkg/test/node.test.mjs` |
//! | 8, an upgrade that is blocked | `browser/database.rs`: `a_tab_that_does_not_let_go_of_the_older_version_is_not_waited_for_for_ever`; `conformance/ladder.rs`: `what_an_earlier_page_has_left_below_is_moved_up_and_what_is_above_already_is_not_written_again` |
//! | 9, a database that is deleted | `browser/database.rs`: `a_database_that_was_deleted_is_created_anew` |
//! | 10, an open that hangs | `browser/database.rs`: `an_opening_without_an_answer_is_given_up_and_closed_when_it_comes_late` |
//! | 11, a connection that is lost | `browser/database.rs`: `a_connection_that_is_dead_when_a_transaction_begins_is_opened_again` |
//! | 12, nothing is left to be written when the page goes | here that a page which is about to be frozen begins nothing; `browser/database.rs`: `a_transaction_is_strictly_durable_and_committed_at_once` |
//! | 25, damaged rows, and no place to keep them | `browser/outbox.rs`: `a_damaged_row_is_put_aside_and_can_be_discarded_and_the_others_are_sent`; `conformance/key_value.rs`: `a_page_that_dies_after_any_write_leaves_all_of_a_transaction_or_nothing` |
//! | 26, the end of an outage for ten thousand clients | `herd.rs`: `queues_do_not_drain_at_once_after_a_short_hint` and those beside it |

use crate::draft;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use steadfast::client::QueueError;
use steadfast::platform::{Durability, StoreErrorKind};
use steadfast::queue::draft::Draft;
use steadfast::sim::{Faults, Reply, Tab, World};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn enqueue(world: &World, tab: &Tab, ids: &[&str], key: Option<&'static str>) {
    let (client, drafts) = (tab.client.clone(), ids.iter().map(|id| draft(id, key)).collect());
    world.block_on(async move { client.enqueue(drafts).await }).unwrap();
}

fn applied(world: &World) -> Vec<String> {
    world.server(|server| server.applied.iter().map(|action| action.id.clone()).collect())
}

fn is_drained_within(world: &World, limit: Duration) -> bool {
    world.run_until(limit, || world.stored("ada").is_empty())
}

fn requests(world: &World) -> usize {
    world.server(|server| server.requests.len())
}

fn bodies_and_keys(world: &World) -> Vec<(String, String)> {
    world.server(|server| {
        let seen = server.requests.iter();
        seen.map(|(_, request)| (request.body.clone(), request.header("Idempotency-Key").unwrap().to_string())).collect()
    })
}

#[test]
fn s01_a_tab_killed_between_any_two_moments_of_a_drain_leaves_what_the_next_one_sends_under_the_same_ids() {
    for steps in 0..60 {
        let world = World::new(1);
        let tab = Tab::open(&world, "ada", r#","sync":{"maxActions":2}"#);
        enqueue(&world, &tab, &["a", "b", "c"], Some("draft"));
        tab.crash_after(steps);
        world.advance(MINUTE);
        let _again = Tab::open(&world, "ada", "");
        assert!(is_drained_within(&world, HOUR), "killed after {steps} steps");
        assert_eq!(applied(&world), ["a", "b", "c"], "killed after {steps} steps");
        tab.crash();
    }
}

#[test]
fn s02_an_answer_lost_after_the_commit_is_asked_for_again_with_the_same_ids_and_has_one_effect() {
    let world = World::new(2);
    world.set_faults(Faults { lost_responses: 1000, ..Faults::default() });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a", "b"], None);
    assert!(world.run_until(HOUR, || requests(&world) == 3));
    world.set_faults(Faults::default());
    assert!(is_drained_within(&world, HOUR));
    assert_eq!(applied(&world), ["a", "b"]);
    let sent = bodies_and_keys(&world);
    assert!(sent.iter().all(|request| *request == sent[0]));
}

#[test]
fn s03_of_two_pages_and_a_service_worker_one_sends_at_a_time() {
    for seed in 0..50 {
        let world = World::new(seed);
        let pages = [Tab::open(&world, "ada", r#","sync":{"maxActions":1}"#), Tab::open(&world, "ada", "")];
        enqueue(&world, &pages[0], &["a", "b", "c"], None);
        enqueue(&world, &pages[1], &["d", "e"], None);
        let worker = Tab::open_worker(&world, "ada", "");
        let client = worker.client.clone();
        worker.spawn(async move { drop(client.sync().await) });
        assert!(is_drained_within(&world, HOUR), "seed {seed}");
        assert_eq!(applied(&world).len(), 5, "seed {seed}");
        assert_eq!(world.server(|server| server.most_on_their_way), 1, "seed {seed}");
        worker.crash();
    }
}

#[test]
fn s04_what_a_page_hears_late_after_it_stood_still_still_counts() {
    let world = World::new(4);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a"], None);
    assert!(world.run_until(HOUR, || world.server(|server| server.on_their_way) == 1));
    tab.freeze();
    world.advance(HOUR);
    assert_eq!((applied(&world).len(), world.stored("ada").len()), (1, 1));
    tab.thaw();
    assert!(is_drained_within(&world, MINUTE));
    assert_eq!(applied(&world), ["a"]);
}

#[test]
fn s04_a_page_that_stands_still_for_ever_loses_its_lock_to_another() {
    for is_told in [false, true] {
        let world = World::new(4);
        let (frozen, _other) = (Tab::open(&world, "ada", ""), Tab::open(&world, "ada", ""));
        enqueue(&world, &frozen, &["a", "b"], Some("draft"));
        assert!(world.run_until(HOUR, || world.server(|server| server.on_their_way) == 1));
        if is_told {
            frozen.warn_of_freeze();
        }
        frozen.freeze();
        assert!(is_drained_within(&world, 2 * MINUTE), "told: {is_told}");
        assert_eq!(applied(&world), ["a", "b"], "told: {is_told}");
    }
}

#[test]
fn s04_of_many_pages_that_take_the_lock_from_one_that_stands_still_one_has_it_afterwards() {
    let world = World::new(4);
    let options = r#","sync":{"maxActions":1}"#;
    let ids: Vec<String> = (0..8).map(|number| format!("a{number}")).collect();
    // The server takes its time, so that whoever sends holds the lock for long.
    world.server(|server| {
        let answer = |id: &String| format!(r#"{{"success":true,"results":[{{"id":"{id}","status":"applied"}}]}}"#);
        server.scripted.extend(ids.iter().map(|id| Reply::new(200, &answer(id)).after(Duration::from_secs(20))));
    });
    let sender = Tab::open(&world, "ada", options);
    enqueue(&world, &sender, &ids.iter().map(String::as_str).collect::<Vec<_>>(), Some("draft"));
    let mut others = Vec::new();
    // Whenever the second one looks, another one is just asking whether the sender is there.
    for (moment, next) in [(500, 1_000), (1_000, 15_000), (15_000, 30_500), (30_500, 45_000)] {
        others.push(Tab::open(&world, "ada", options));
        world.advance(Duration::from_millis(next - moment));
    }
    sender.freeze();
    world.advance(Duration::from_secs(5));
    let before = requests(&world);
    world.advance(Duration::from_secs(15));
    assert_eq!(requests(&world) - before, 1, "one of them sends, and waits for its answer");
}

#[test]
fn s04_a_page_that_stood_still_between_claiming_a_batch_and_sending_it_does_not_ask_a_server_that_has_told_another_to_wait() {
    let options = r#","sync":{"maxActions":1}"#;
    for seed in 0..400 {
        let world = World::new(seed);
        // Nothing but the queue itself tells of it.
        world.without_key_value();
        let sender = Tab::open(&world, "ada", options);
        enqueue(&world, &sender, &["a", "b", "c"], Some("draft"));
        world.advance(Duration::from_millis(seed % 80));
        if sender.is_in_transaction() || world.stored("ada").is_empty() {
            continue;
        }
        sender.freeze();
        world.set_faults(Faults { rate_limited: 1000, ..Faults::default() });
        let other = Tab::open(&world, "ada", options);
        let is_told = || other.events().iter().any(|event| event.contains("batchFailed"));
        assert!(world.run_until(MINUTE, is_told), "seed {seed}");
        world.set_faults(Faults::default());
        sender.thaw();
        world.advance(Duration::from_millis(100));
        assert_eq!(world.server(|server| server.asked_too_early), 0, "seed {seed}");
        assert!(is_drained_within(&world, HOUR), "seed {seed}");
        assert_eq!(applied(&world), ["a", "b", "c"], "seed {seed}");
    }
}

#[test]
fn s04_nor_does_one_that_stood_still_while_the_application_was_asked_for_its_headers() {
    for seed in 0..40 {
        let world = World::new(seed);
        world.without_key_value();
        world.set_faults(Faults { slow_headers: 1000, ..Faults::default() });
        let sender = Tab::open(&world, "ada", "");
        enqueue(&world, &sender, &["a", "b", "c"], Some("draft"));
        world.advance(Duration::from_millis(200));
        if sender.events().iter().any(|event| event.contains("batchSent")) {
            continue;
        }
        sender.freeze();
        world.set_faults(Faults { rate_limited: 1000, ..Faults::default() });
        let other = Tab::open(&world, "ada", "");
        let is_told = || other.events().iter().any(|event| event.contains("batchFailed"));
        assert!(world.run_until(MINUTE, is_told), "seed {seed}");
        world.set_faults(Faults::default());
        sender.thaw();
        world.advance(Duration::from_secs(1));
        assert_eq!(world.server(|server| server.asked_too_early), 0, "seed {seed}");
        assert!(is_drained_within(&world, HOUR), "seed {seed}");
        assert_eq!(applied(&world), ["a", "b", "c"], "seed {seed}");
    }
}

#[test]
fn s05_what_a_page_enqueues_that_is_not_the_one_to_send_is_kept_at_once_and_sent_though_that_page_ends() {
    for is_frozen in [false, true] {
        let world = World::new(5);
        world.set_faults(Faults { stalls: 1000, ..Faults::default() });
        let sender = Tab::open(&world, "ada", "");
        enqueue(&world, &sender, &["a"], Some("draft"));
        let sends = || sender.events().iter().any(|event| event.contains("batchSent"));
        assert!(world.run_until(MINUTE, sends));
        if is_frozen {
            sender.freeze();
        }
        let follower = Tab::open(&world, "ada", "");
        let began = world.now();
        enqueue(&world, &follower, &["b"], Some("draft"));
        assert!(world.now() - began < 100, "it waited for the page that sends");
        assert_eq!((world.stored("ada"), applied(&world).len()), (vec!["a".to_string(), "b".into()], 0), "frozen: {is_frozen}");
        follower.crash();
        world.set_faults(Faults::default());
        // The page that sends, or one that comes later.
        let _later = is_frozen.then(|| Tab::open(&world, "ada", ""));
        assert!(is_drained_within(&world, HOUR), "frozen: {is_frozen}");
        assert_eq!(applied(&world), ["a", "b"], "frozen: {is_frozen}");
    }
}

#[test]
fn s06_what_may_be_given_up_makes_room_for_what_is_more_urgent_and_that_is_said() {
    let world = World::new(6);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", r#","queue":{"maxActions":2,"evicts":["low"]}"#);
    let of = |id: &str, priority: &str| {
        Draft::read(&format!(r#"{{"id":"{id}","type":"save_draft","priority":"{priority}"}}"#), "1").unwrap()
    };
    let enqueue = |draft: Draft| {
        let client = tab.client.clone();
        world.block_on(async move { client.enqueue(vec![draft]).await })
    };
    // What has been sent, and what is being sent, stays.
    enqueue(of("sent", "low")).unwrap();
    world.advance(MINUTE);
    enqueue(of("waits", "low")).unwrap();
    enqueue(of("urgent", "high")).unwrap();
    assert_eq!(world.stored("ada"), ["sent", "urgent"]);
    assert!(tab.events().iter().any(|event| event.contains("waits") && event.contains("evicted")));
    let refused = enqueue(of("too much", "high"));
    assert!(matches!(&refused, Err(QueueError::Store(error)) if error.kind == StoreErrorKind::QuotaExceeded), "{refused:?}");
    assert_eq!(world.stored("ada"), ["sent", "urgent"]);
}

#[test]
fn s12_a_page_that_is_about_to_be_frozen_lets_go_of_everything_and_begins_nothing() {
    for moment in 0..60 {
        let world = World::new(12);
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, &["a"], None);
        world.advance(Duration::from_millis(moment));
        tab.warn_of_freeze();
        assert!(!tab.is_in_transaction(), "after {moment} ms");
        tab.freeze();
        world.advance(MINUTE);
        tab.thaw();
        assert!(is_drained_within(&world, MINUTE), "after {moment} ms");
        assert_eq!(applied(&world), ["a"], "after {moment} ms");
    }
}

#[test]
fn s12_what_a_page_was_writing_when_it_is_frozen_holds_up_nobody_and_is_written_once_when_it_goes_on() {
    for (moment, own_id) in (0..30).flat_map(|moment| [(moment, false), (moment, true)]) {
        let world = World::new(12);
        let tab = Tab::open(&world, "ada", "");
        world.advance(MINUTE);
        let client = tab.client.clone();
        let fields = if own_id { r#"{"type":"save_draft","id":"mine"}"# } else { r#"{"type":"save_draft"}"# };
        let drafts = vec![Draft::read(fields, "1").unwrap()];
        tab.spawn(async move { drop(client.enqueue(drafts).await) });
        world.advance(Duration::from_millis(moment));
        tab.warn_of_freeze();
        assert!(!tab.is_in_transaction(), "after {moment} ms");
        tab.freeze();
        let other = Tab::open(&world, "ada", "");
        enqueue(&world, &other, &["b"], None);
        assert!(world.run_until(MINUTE, || applied(&world).iter().any(|id| id == "b")), "after {moment} ms");
        tab.thaw();
        assert!(world.run_until(MINUTE, || applied(&world).len() == 2 && world.stored("ada").is_empty()), "after {moment} ms");
        world.advance(MINUTE);
        assert_eq!(applied(&world).len(), 2, "after {moment} ms");
    }
}

#[test]
fn s12_whoever_waits_in_a_page_that_is_frozen_is_told_when_the_client_is_closed() {
    for moment in 0..30 {
        let world = World::new(12);
        let tab = Tab::open(&world, "ada", "");
        world.advance(MINUTE);
        let (outcome, is_told) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(false)));
        let (client, sink) = (tab.client.clone(), outcome.clone());
        tab.spawn(async move { *sink.borrow_mut() = Some(client.enqueue(vec![draft("a", None)]).await) });
        world.advance(Duration::from_millis(moment));
        tab.warn_of_freeze();
        let (client, tell) = (tab.client.clone(), is_told.clone());
        tab.spawn(async move {
            drop(client.enqueue(vec![draft("b", None)]).await);
            tell.set(true);
        });
        tab.client.close();
        assert!(world.run_until(MINUTE, || outcome.borrow().is_some() && is_told.get()), "after {moment} ms");
        let is_stored = world.stored("ada") == ["a"] || applied(&world) == ["a"];
        assert!(is_stored || outcome.take().unwrap().is_err(), "after {moment} ms: it was promised, and is not there");
    }
}

#[test]
fn s24_what_a_newer_version_has_written_waits_with_its_key_for_a_version_that_can_read_it() {
    let world = World::new(24);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["first"], Some("draft"));
    world.advance(MINUTE);
    enqueue(&world, &tab, &["newer", "behind"], Some("draft"));
    enqueue(&world, &tab, &["free"], None);
    let (current, newer) = (r#""schemaVersion":2,"id":"newer""#, r#""schemaVersion":99,"id":"newer""#);
    world.rewrite_rows("ada", current, newer);
    world.set_faults(Faults::default());
    world.advance(HOUR);
    assert_eq!(
        (applied(&world), world.stored("ada")),
        (vec!["first".into(), "free".into()], vec!["newer".into(), "behind".into()])
    );
    world.rewrite_rows("ada", newer, current);
    let _again = Tab::open(&world, "ada", "");
    assert!(is_drained_within(&world, MINUTE));
    assert_eq!(applied(&world), ["first", "free", "newer", "behind"]);
}

#[test]
fn s06_a_full_disk_is_said_and_keeps_what_is_there() {
    let world = World::new(6);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a"], None);
    world.advance(MINUTE);
    world.fail_a_commit_after(0);
    let client = tab.client.clone();
    // The drain may meet the full disk first.
    let refused = world.block_on(async move { client.enqueue(vec![draft("b", None)]).await });
    let expected: &[&str] = if refused.is_ok() { &["a", "b"] } else { &["a"] };
    assert_eq!(world.stored("ada"), expected);
}

#[test]
fn s07_what_the_disk_takes_back_after_it_seemed_to_succeed_was_never_promised() {
    let world = World::new(7);
    let tab = Tab::open(&world, "ada", "");
    world.settle();
    world.fail_a_commit_after(0);
    let client = tab.client.clone();
    // They are promised where they are.
    let stored = world.block_on(async move { client.enqueue(vec![draft("a", None), draft("b", None)]).await }).unwrap();
    assert!(stored.iter().all(|receipt| receipt.durability == Durability::LocalStorage), "{stored:?}");
    assert_eq!(world.places().disk().all_rows("ada"), []);
    world.advance(HOUR);
    assert_eq!(applied(&world), ["a", "b"]);
    // Where no other place may be used, nothing is promised.
    let tab = Tab::open(&world, "bob", r#","queue":{"encryption":"required"}"#);
    world.settle();
    world.miss_disk(true);
    let client = tab.client.clone();
    let refused = world.block_on(async move { client.enqueue(vec![draft("c", None)]).await });
    assert!(matches!(refused, Err(QueueError::Store(_))), "{refused:?}");
    world.miss_disk(false);
    world.advance(HOUR);
    assert!(world.stored("bob").is_empty() && applied(&world).len() == 2);
}

#[test]
fn s13_order_is_that_of_the_queue_however_the_clock_jumps_by_a_year() {
    for days in [-365, 365] {
        let world = World::new(13);
        world.set_faults(Faults::OUTAGE);
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, &["a", "b"], Some("draft"));
        world.jump_wall_clock(days * 86_400_000);
        enqueue(&world, &tab, &["c", "d"], Some("draft"));
        world.set_faults(Faults::default());
        assert!(is_drained_within(&world, 5 * MINUTE), "{days} days");
        assert_eq!(applied(&world), ["a", "b", "c", "d"], "{days} days");
    }
}

#[test]
fn s14_a_date_to_come_back_at_is_read_by_the_clock_of_the_server() {
    for ahead in [-3_600_000, 0, 3_600_000] {
        let world = World::new(14);
        world.server(|server| server.tells_date = Some(ahead));
        world.set_faults(Faults { rate_limited: 1000, ..Faults::default() });
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, &["a"], None);
        world.advance(Duration::from_secs(1));
        world.set_faults(Faults::default());
        tab.crash();
        let _again = Tab::open(&world, "ada", "");
        assert!(is_drained_within(&world, 5 * MINUTE), "{ahead} ms ahead");
        assert_eq!(world.server(|server| server.asked_too_early), 0, "{ahead} ms ahead");
    }
}

#[test]
fn s15_what_is_too_large_is_halved_and_alone_it_is_a_dead_letter() {
    let world = World::new(15);
    world.server(|server| {
        server.answer_to_poison = Some(Reply::new(413, ""));
        server.poison.insert("b".into());
    });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a", "b", "c", "d"], None);
    assert!(world.run_until(HOUR, || applied(&world).len() == 3));
    world.advance(MINUTE);
    assert_eq!(world.stored("ada"), ["b"]);
    let client = tab.client.clone();
    assert_eq!(world.block_on(async move { client.snapshot().await }).unwrap().counts.dead, 1);
}

#[test]
fn s16_expired_credentials_are_refreshed_once_and_cost_no_attempt() {
    let world = World::new(16);
    world.refresh_credentials();
    world.server(|server| server.oldest_valid_token = 1);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a", "b"], None);
    assert!(is_drained_within(&world, Duration::from_secs(2)));
    assert_eq!(world.server(|server| (server.statuses.clone(), server.refreshes)), (vec![401, 200], 1));
}

#[test]
fn s17_only_what_the_answer_lists_is_settled_and_strangers_are_nobody() {
    let world = World::new(17);
    let answer = r#"{"success":true,"results":[{"id":"b","status":"applied"},{"id":"later","status":"applied"}]}"#;
    world.server(|server| server.scripted.push_back(Reply::new(200, answer)));
    let tab = Tab::open(&world, "ada", r#","sync":{"maxActions":2}"#);
    enqueue(&world, &tab, &["a", "b", "later"], None);
    assert!(world.run_until(HOUR, || world.stored("ada").len() < 3));
    assert_eq!((world.stored("ada"), requests(&world)), (vec!["a".to_string(), "later".to_string()], 1));
    assert!(is_drained_within(&world, HOUR));
    assert_eq!(applied(&world).iter().filter(|id| **id == "a" || **id == "later").count(), 2);
}

#[test]
fn s18_a_portal_a_body_that_breaks_off_and_one_that_says_nothing_are_no_success() {
    for faults in [
        Faults { portals: 1000, ..Faults::default() },
        Faults { cut_responses: 1000, ..Faults::default() },
        Faults { hollow: 1000, ..Faults::default() },
    ] {
        for seed in 0..20 {
            let world = World::new(seed);
            world.set_faults(faults);
            let tab = Tab::open(&world, "ada", "");
            enqueue(&world, &tab, &["a", "b"], None);
            world.advance(5 * MINUTE);
            assert_eq!(world.stored("ada"), ["a", "b"], "seed {seed} {faults:?}");
            world.set_faults(Faults::default());
            assert!(is_drained_within(&world, HOUR), "seed {seed} {faults:?}");
            assert_eq!(applied(&world), ["a", "b"], "seed {seed} {faults:?}");
        }
    }
}

#[test]
fn s19_a_conflict_parks_its_key_and_no_other() {
    let world = World::new(19);
    world.server(|server| server.conflicting.insert("a".into()));
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a", "b"], Some("parked"));
    enqueue(&world, &tab, &["c", "d"], Some("free"));
    world.advance(HOUR);
    assert_eq!(applied(&world), ["c", "d"]);
    world.server(|server| server.conflicting.clear());
    let client = tab.client.clone();
    assert!(world.block_on(async move { client.requeue("a").await }).unwrap());
    assert!(is_drained_within(&world, MINUTE));
    assert_eq!(applied(&world), ["c", "d", "a", "b"]);
}

#[test]
fn s20_something_poisonous_is_found_and_put_aside_and_the_rest_goes_on() {
    for status in [400, 422, 500] {
        let world = World::new(20);
        let body = r#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"One of them is wrong"}}"#;
        world.server(|server| {
            server.answer_to_poison = Some(Reply::new(status, body));
            server.poison.insert("c".into());
        });
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, &["a", "b", "c", "d", "e"], None);
        assert!(world.run_until(HOUR, || applied(&world).len() == 4), "{status}");
        world.advance(Duration::from_secs(1));
        assert_eq!(world.stored("ada"), ["c"], "{status}: it is kept");
    }
}

#[test]
fn s21_what_the_browser_says_of_the_network_is_a_hint() {
    let world = World::new(21);
    world.set_online(false);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a"], None);
    assert!(is_drained_within(&world, MINUTE), "it says that there is none, and there is");
    world.set_online(true);
    world.set_faults(Faults::OUTAGE);
    enqueue(&world, &tab, &["b"], None);
    world.advance(5 * MINUTE);
    assert_eq!(world.stored("ada"), ["b"], "it says that there is one, and there is none");
    world.set_faults(Faults::default());
    assert!(is_drained_within(&world, 5 * MINUTE), "and nobody tells");
}

#[test]
fn s22_a_request_that_is_never_answered_is_given_up_and_sent_again_as_it_was() {
    let world = World::new(22);
    world.set_faults(Faults { stalls: 1000, outlives: 1000, ..Faults::default() });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["a", "b"], None);
    world.advance(Duration::from_secs(20));
    world.set_faults(Faults::default());
    assert!(is_drained_within(&world, 2 * MINUTE));
    // The one that was given up arrives after all.
    world.advance(5 * MINUTE);
    assert_eq!(applied(&world), ["a", "b"]);
    let sent = bodies_and_keys(&world);
    assert_eq!((sent.len(), &sent[0]), (2, &sent[1]));
}

#[test]
fn s23_after_a_switch_of_users_at_any_moment_nothing_goes_under_the_credentials_of_another() {
    for moment in 0..120 {
        let world = World::new(moment);
        let mut tab = Tab::open(&world, "ada", r#","sync":{"maxActions":1}"#);
        enqueue(&world, &tab, &["a", "b", "c"], None);
        world.advance(Duration::from_millis(moment));
        tab.switch_user("bob", "");
        enqueue(&world, &tab, &["z"], None);
        world.advance(HOUR);
        assert_eq!(world.server(|server| server.confused_users), 0, "switched after {moment} ms");
        assert!(world.stored("bob").is_empty());
        tab.switch_user("ada", "");
        assert!(is_drained_within(&world, HOUR), "switched after {moment} ms");
        let mut effects = applied(&world);
        effects.sort_unstable();
        assert_eq!(effects, ["a", "b", "c", "z"], "switched after {moment} ms");
    }
}
