//! One thing at a time.

use crate::draft;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use steadfast::client::QueueError;
use steadfast::platform::Durability;
use steadfast::queue::draft::Draft;
use steadfast::sim::{DiskFaults, Faults, Reply, SimRequest, Tab, World};

const HOUR: Duration = Duration::from_secs(3600);

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("a{index}")).collect()
}

/// Enqueues actions of one key and waits until they are on disk.
fn enqueue(world: &World, tab: &Tab, ids: &[String], key: Option<&'static str>) {
    let (client, drafts) = (tab.client.clone(), ids.iter().map(|id| draft(id, key)).collect());
    world.block_on(async move { client.enqueue(drafts).await }).unwrap();
}

fn applied(world: &World) -> Vec<String> {
    world.server(|server| server.applied.iter().map(|action| action.id.clone()).collect())
}

fn drained(world: &World) -> bool {
    world.run_until(HOUR, || world.stored("ada").is_empty())
}

#[test]
fn what_was_enqueued_during_an_outage_arrives_once_and_in_order() {
    let world = World::new(1);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(250), Some("draft"));
    world.advance(Duration::from_secs(600));
    assert_eq!(world.stored("ada").len(), 250);
    world.set_faults(Faults::default());
    assert!(drained(&world));
    assert_eq!(applied(&world), ids(250));
    let batches = world.server(|server| server.requests.len());
    assert_eq!(batches, 3, "250 actions in batches of 100");
}

#[test]
fn a_tab_killed_at_any_moment_loses_nothing_and_repeats_nothing() {
    for moment in 0..400 {
        let world = World::new(moment);
        let tab = Tab::open(&world, "ada", r#","sync":{"maxActions":3}"#);
        enqueue(&world, &tab, &ids(10), Some("draft"));
        world.advance(Duration::from_millis(moment));
        tab.crash();
        let _again = Tab::open(&world, "ada", r#","sync":{"maxActions":3}"#);
        assert!(drained(&world), "killed after {moment} ms");
        assert_eq!(applied(&world), ids(10), "killed after {moment} ms");
    }
}

#[test]
fn a_lost_answer_is_asked_for_again_under_the_same_key_with_the_same_actions() {
    let world = World::new(3);
    world.set_faults(Faults { lost_responses: 1000, ..Faults::default() });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(3), None);
    assert!(world.run_until(HOUR, || world.server(|server| server.requests.len()) == 1));
    enqueue(&world, &tab, &["late".to_string()], None);
    assert!(world.run_until(HOUR, || world.server(|server| server.requests.len()) == 2));
    let (keys, bodies): (Vec<_>, Vec<_>) = world.server(|server| {
        let seen = server.requests.iter();
        seen.map(|(_, request)| (request.header("Idempotency-Key").unwrap().to_string(), request.body.clone())).unzip()
    });
    assert_eq!(keys[0], keys[1]);
    assert_eq!(bodies[0], bodies[1]);
    world.set_faults(Faults::default());
    assert!(drained(&world));
    assert_eq!(applied(&world), ["a0", "a1", "a2", "late"]);
}

#[test]
fn enqueue_says_that_the_disk_is_full_and_where_it_has_stored_instead() {
    let world = World::new(4);
    let tab = Tab::open(&world, "ada", "");
    world.settle();
    world.fill_disk(true);
    for (denied, durability) in [(false, Durability::LocalStorage), (true, Durability::Memory)] {
        world.deny_texts(denied);
        let client = tab.client.clone();
        let stored = world.block_on(async move { client.enqueue(vec![draft("a", None)]).await }).unwrap();
        assert_eq!(stored[0].durability, durability);
        assert!(drained(&world));
    }
    assert!(tab.events().iter().any(|event| event.contains("placeChanged") && event.contains("quotaExceeded")));
}

#[test]
fn enqueue_says_that_the_key_cannot_be_had_that_is_required_and_stores_nothing() {
    let world = World::new(4);
    let tab = Tab::open(&world, "ada", r#","queue":{"encryption":"required"}"#);
    world.settle();
    world.miss_disk(true);
    let client = tab.client.clone();
    let failed = world.block_on(async move { client.enqueue(vec![draft("a", None)]).await });
    assert!(matches!(failed, Err(QueueError::Store(_))), "{failed:?}");
    assert!(world.stored("ada").is_empty());
    world.miss_disk(false);
    enqueue(&world, &tab, &ids(1), None);
    assert!(drained(&world));
}

#[test]
fn a_disk_that_fails_in_the_middle_of_a_drain_costs_time_and_nothing_else() {
    for commits in 0..8 {
        let world = World::new(u64::from(commits));
        let tab = Tab::open(&world, "ada", r#","sync":{"maxActions":2}"#);
        enqueue(&world, &tab, &ids(6), Some("draft"));
        world.fail_a_commit_after(commits);
        assert!(drained(&world), "the commit after {commits} failed");
        assert_eq!(applied(&world), ids(6));
    }
}

#[test]
fn an_id_that_is_in_the_queue_is_not_taken_twice() {
    let world = World::new(5);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(1), None);
    let client = tab.client.clone();
    let again = world.block_on(async move { client.enqueue(vec![draft("b", None), draft("a0", None)]).await });
    assert!(matches!(again, Err(QueueError::Invalid(_))), "{again:?}");
    assert_eq!(world.stored("ada"), ["a0"], "all or none");
}

#[test]
fn one_poisonous_action_is_found_by_halving_and_kept_as_a_dead_letter() {
    let world = World::new(6);
    world.server(|server| {
        let body = r#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"One of them is wrong"}}"#;
        server.answer_to_poison = Some(Reply::new(400, body));
        server.poison.insert("a7".into());
    });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(20), Some("draft"));
    assert!(world.run_until(HOUR, || applied(&world).len() == 19));
    world.advance(Duration::from_secs(1));
    assert_eq!(world.stored("ada"), ["a7"]);
    let client = tab.client.clone();
    let listed = world.block_on(async move { client.list(None, 10).await }).unwrap();
    assert!(listed[0].action.last_error.as_ref().unwrap().get().contains("VALIDATION_ERROR"));
    world.server(|server| server.poison.clear());
    let client = tab.client.clone();
    assert!(world.block_on(async move { client.requeue("a7").await }).unwrap());
    assert!(drained(&world));
}

#[test]
fn an_action_that_breaks_the_server_is_found_and_steps_aside() {
    let world = World::new(16);
    world.server(|server| {
        server.answer_to_poison = Some(Reply::new(500, ""));
        server.poison.insert("a2".into());
    });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(10), None);
    assert!(world.run_until(HOUR, || applied(&world).len() == 9), "{:?}", applied(&world));
    world.advance(Duration::from_secs(1));
    assert_eq!(world.stored("ada"), ["a2"], "and it is kept");
    world.server(|server| server.poison.clear());
    assert!(drained(&world));
}

#[test]
fn a_batch_that_is_too_large_for_now_is_not_a_dead_letter() {
    for (status, body) in [(413, ""), (400, "<html><title>400 Request Header Too Large</title></html>"), (422, "")] {
        let world = World::new(17);
        let reply = Reply::new(status, body);
        let reply = if status == 413 { reply.header("Retry-After", "30") } else { reply };
        world.server(|server| server.scripted.extend([reply.clone(), reply]));
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, &ids(1), None);
        assert!(drained(&world), "{status}");
        assert_eq!(applied(&world), ["a0"]);
    }
}

#[test]
fn what_is_left_of_a_batch_after_a_discard_goes_under_another_key() {
    let world = World::new(18);
    world.set_faults(Faults { lost_responses: 1000, ..Faults::default() });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(2), None);
    assert!(world.run_until(HOUR, || world.server(|server| server.requests.len()) == 1));
    let client = tab.client.clone();
    assert!(world.block_on(async move { client.discard("a1").await }).unwrap());
    assert!(world.run_until(HOUR, || world.server(|server| server.requests.len()) >= 2));
    let keys: Vec<_> = world.server(|server| {
        server.requests.iter().map(|(_, request)| request.header("Idempotency-Key").unwrap().to_string()).collect()
    });
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn to_put_back_what_is_pending_does_not_shorten_its_wait() {
    let world = World::new(19);
    let answer = r#"{"success":true,"results":[{"id":"a0","status":"retry","error":{"code":"BUSY","message":"busy","retryable":true,"retryAfter":600}}]}"#;
    world.server(|server| server.scripted.push_back(Reply::new(200, answer)));
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(1), None);
    world.advance(Duration::from_secs(5));
    let client = tab.client.clone();
    assert!(!world.block_on(async move { client.requeue("a0").await }).unwrap());
    world.advance(Duration::from_secs(500));
    assert_eq!(world.server(|server| server.requests.len()), 1);
    assert!(drained(&world));
}

#[test]
fn nothing_is_sent_twice_where_no_answer_is_lost_even_to_a_server_that_does_not_dedupe() {
    for seed in 0..200 {
        let world = World::new(seed);
        world.server(|server| server.does_not_dedupe = true);
        world.set_faults(Faults { lost_requests: 300, portals: 100, unavailable: 300, rate_limited: 100, ..Faults::default() });
        let tabs = [Tab::open(&world, "ada", ""), Tab::open(&world, "ada", "")];
        for (tab, name) in tabs.iter().zip(["a", "b"]) {
            let some: Vec<String> = (0..5).map(|index| format!("{name}{index}")).collect();
            enqueue(&world, tab, &some, Some("draft"));
        }
        world.advance(Duration::from_secs(60));
        world.set_faults(Faults::default());
        assert!(drained(&world), "seed {seed}");
        assert_eq!(applied(&world).len(), 10, "seed {seed}");
    }
}

#[test]
fn a_conflict_parks_its_key_and_no_other_until_the_application_decides() {
    let world = World::new(7);
    world.server(|server| server.conflicting.insert("a0".into()));
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(3), Some("draft"));
    enqueue(&world, &tab, &["other".to_string()], Some("elsewhere"));
    world.advance(HOUR);
    assert_eq!(applied(&world), ["other"]);
    assert_eq!(world.stored("ada"), ids(3));
    let client = tab.client.clone();
    assert!(world.block_on(async move { client.discard("a0").await }).unwrap());
    assert!(drained(&world));
    assert_eq!(applied(&world), ["other", "a1", "a2"]);
}

#[test]
fn a_captive_portal_settles_nothing() {
    let world = World::new(8);
    world.set_faults(Faults { portals: 1000, ..Faults::default() });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(3), None);
    world.advance(Duration::from_secs(300));
    assert_eq!(world.stored("ada").len(), 3);
    assert!(tab.events().iter().any(|event| event.contains("SYNC_ANSWER_UNREADABLE")));
    world.set_faults(Faults::default());
    assert!(drained(&world));
}

#[test]
fn a_server_that_names_a_moment_is_not_asked_earlier_by_anything() {
    let world = World::new(9);
    world.server(|server| server.scripted.push_back(Reply::new(503, "").header("Retry-After", "600")));
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(1), None);
    assert!(world.run_until(HOUR, || world.server(|server| server.requests.len()) == 1));
    let asked = world.now();
    world.advance(Duration::from_secs(10));
    enqueue(&world, &tab, &["b".to_string()], None);
    world.set_online(false);
    world.set_online(true);
    let client = tab.client.clone();
    world.block_on(async move { client.sync().await }).unwrap();
    tab.crash();
    let _again = Tab::open(&world, "ada", "");
    world.advance(Duration::from_secs(500));
    assert_eq!(world.server(|server| server.requests.len()), 1);
    assert!(drained(&world));
    let second = world.server(|server| server.requests[1].0);
    assert!(second >= asked + 600_000, "asked again after {} ms", second - asked);
}

#[test]
fn credentials_that_are_refused_cost_no_attempt_and_the_wait_ends_when_asked() {
    let world = World::new(10);
    world.server(|server| {
        server
            .scripted
            .push_back(Reply::new(401, r#"{"success":false,"error":{"code":"AUTH_TOKEN_EXPIRED","message":"expired"}}"#));
    });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(1), None);
    assert!(world.run_until(HOUR, || tab.events().iter().any(|event| event.contains(r#""waitingFor":"authentication""#))));
    let client = tab.client.clone();
    let listed = world.block_on(async move { client.list(None, 10).await }).unwrap();
    assert_eq!(listed[0].action.attempts, 0);
    let client = tab.client.clone();
    world.block_on(async move { client.sync().await }).unwrap();
    assert!(world.stored("ada").is_empty());
}

#[test]
fn the_tab_that_asked_hears_what_another_has_settled() {
    let world = World::new(11);
    world.set_faults(Faults::OUTAGE);
    let asking = Tab::open(&world, "ada", r#","retry":{"baseDelayMs":3600000,"maxDelayMs":3600000}"#);
    enqueue(&world, &asking, &ids(1), None);
    let outcome = asking.client.settled("a0").unwrap();
    world.advance(Duration::from_secs(1));
    world.set_faults(Faults::default());
    // The one that asked waits for its backoff, up to an hour; the other drains at once, for it has just opened.
    let draining = Tab::open(&world, "ada", "");
    let heard = world.block_on(outcome).unwrap();
    assert_eq!(heard.get(), r#"{"status":"applied","result":{"n":1}}"#);
    assert!(draining.events().iter().any(|event| event.contains("settled")));
}

#[test]
fn a_row_of_a_newer_version_is_kept_as_it_is_and_holds_nothing_but_its_key() {
    let world = World::new(21);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(3), Some("draft"));
    enqueue(&world, &tab, &["other".to_string()], Some("elsewhere"));
    tab.crash();
    let (old, new) = (r#""schemaVersion":2,"id":"a1""#, r#""schemaVersion":3,"shape":{"new":true},"id":"a1""#);
    world.rewrite_rows("ada", old, new);
    world.set_faults(Faults::default());
    let tab = Tab::open(&world, "ada", "");
    assert!(world.run_until(HOUR, || world.stored("ada") == ["a1", "a2"]), "{:?}", world.stored("ada"));
    assert_eq!(applied(&world), ["a0", "other"]);
    let client = tab.client.clone();
    world.block_on(async move { client.requeue("a1").await }).unwrap();
    // The newer version is back, and finds it as it was.
    tab.crash();
    world.rewrite_rows("ada", new, old);
    let tab = Tab::open(&world, "ada", "");
    assert!(drained(&world), "{:?}", tab.events());
    assert_eq!(applied(&world), ["a0", "other", "a1", "a2"]);
}

#[test]
fn rows_of_one_key_that_only_a_newer_version_can_read_do_not_stop_the_others() {
    let world = World::new(22);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(3), Some("draft"));
    tab.crash();
    let (old, new) = (r#""schemaVersion":2"#, r#""schemaVersion":3,"shape":{"new":true}"#);
    world.rewrite_rows("ada", old, new);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &["other".to_string()], Some("elsewhere"));
    world.set_faults(Faults::default());
    assert!(world.run_until(HOUR, || world.stored("ada") == ids(3)), "{:?}", tab.events());
    assert_eq!(applied(&world), ["other"]);
    tab.crash();
    world.rewrite_rows("ada", new, old);
    let tab = Tab::open(&world, "ada", "");
    assert!(drained(&world), "{:?}", tab.events());
    assert_eq!(applied(&world), ["other", "a0", "a1", "a2"]);
}

#[test]
fn who_waits_for_what_is_no_longer_there_is_told_so_when_the_page_is_looked_at_again() {
    let world = World::new(20);
    let tab = Tab::open(&world, "ada", "");
    let outcome = tab.client.settled("settled-while-this-tab-slept").unwrap();
    world.show();
    assert_eq!(world.block_on(outcome).unwrap().get(), r#"{"status":"gone"}"#);
}

#[test]
fn who_asks_while_the_disk_fails_is_told_when_it_works_again() {
    let world = World::new(21);
    let tab = Tab::open(&world, "ada", "");
    world.settle();
    world.set_disk_faults(DiskFaults { unreadable: 1000, ..DiskFaults::default() });
    let outcome = tab.client.settled("settled-while-the-disk-failed").unwrap();
    world.advance(Duration::from_secs(2));
    world.set_disk_faults(DiskFaults::default());
    let told = Rc::new(RefCell::new(None));
    let hears = told.clone();
    tab.spawn(async move { *hears.borrow_mut() = outcome.await.ok() });
    assert!(world.run_until(Duration::from_secs(60), || told.borrow().is_some()), "{:?}", tab.events());
    assert_eq!(told.borrow().as_ref().unwrap().get(), r#"{"status":"gone"}"#);
}

#[test]
fn what_a_tab_leaves_behind_is_sent_by_one_that_is_still_open() {
    let world = World::new(15);
    let staying = Tab::open(&world, "ada", "");
    world.settle();
    world.set_faults(Faults::OUTAGE);
    let leaving = Tab::open(&world, "ada", "");
    enqueue(&world, &leaving, &ids(3), None);
    world.advance(Duration::from_secs(1));
    leaving.crash();
    world.set_faults(Faults::default());
    assert!(world.run_until(Duration::from_secs(120), || world.stored("ada").is_empty()));
    assert!(staying.events().iter().any(|event| event.contains("queueChanged")), "it is told of what others do");
}

#[test]
fn a_wall_clock_that_jumps_a_year_holds_nothing_back() {
    for jump in [-365, 365] {
        let world = World::new(12);
        world.server(|server| server.scripted.push_back(Reply::new(503, "").header("Retry-After", "60")));
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, &ids(3), Some("draft"));
        world.advance(Duration::from_secs(5));
        world.jump_wall_clock(jump * 86_400_000);
        tab.crash();
        let _again = Tab::open(&world, "ada", "");
        assert!(world.run_until(Duration::from_secs(120), || world.stored("ada").is_empty()), "jumped {jump} days");
        assert_eq!(applied(&world), ids(3));
    }
}

#[test]
fn two_users_never_send_for_one_another() {
    let world = World::new(13);
    world.set_faults(Faults::OUTAGE);
    let ada = Tab::open(&world, "ada", "");
    enqueue(&world, &ada, &ids(2), None);
    ada.crash();
    world.set_faults(Faults::default());
    let bob = Tab::open(&world, "bob", "");
    let client = bob.client.clone();
    world.block_on(async move { client.enqueue(vec![draft("b0", None)]).await }).unwrap();
    world.advance(HOUR);
    assert_eq!(applied(&world), ["b0"]);
    assert_eq!(world.stored("ada").len(), 2);
}

#[test]
fn a_closed_client_stops_and_keeps_the_queue() {
    let world = World::new(14);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(2), None);
    let outcome = tab.client.settled("a0").unwrap();
    let (client, request) = (tab.client.clone(), steadfast::sim::SimRequest { method: "GET".into(), ..Default::default() });
    let call = std::rc::Rc::new(std::cell::RefCell::new(None));
    let result = call.clone();
    tab.spawn(async move { *result.borrow_mut() = Some(client.call(&request, "{}").await.is_err()) });
    world.settle();
    tab.client.close();
    world.settle();
    assert_eq!(*call.borrow(), Some(true), "a call on its way ends at once");
    assert!(world.block_on(outcome).is_err(), "it ends without an outcome");
    let client = tab.client.clone();
    let late = world.block_on(async move { client.enqueue(vec![draft("late", None)]).await });
    assert!(matches!(late, Err(QueueError::Closed)), "{late:?}");
    world.set_faults(Faults::default());
    world.advance(HOUR);
    assert_eq!(world.stored("ada").len(), 2);
}

#[test]
fn a_batch_says_what_it_belongs_to_as_a_call_does() {
    let sent = |options: &'static str| {
        let world = World::new(22);
        let tab = Tab::open(&world, "ada", options);
        enqueue(&world, &tab, &ids(1), None);
        assert!(drained(&world));
        let sent = world.server(|server| server.requests[0].1.clone());
        let told = tab.events().into_iter().find(|event| event.contains("batchSent")).unwrap();
        assert!(told.contains(sent.header("x-correlation-id").unwrap()), "{told}");
        sent
    };
    let usual = sent("");
    assert!(usual.header("x-correlation-id").unwrap().starts_with("req_"));
    assert_eq!(usual.header("x-source-service"), Some("steadfast"));
    assert_eq!((usual.header("traceparent"), usual.header("x-attempt")), (None, None), "across origins nobody has asked for it");
    let traced = r#","sourceService":"shop","correlation":{"ids":"uuid","tracedOrigins":["https://api.example"]}"#;
    let traced = sent(traced);
    assert_eq!(traced.header("x-correlation-id").unwrap().len(), 36);
    assert_eq!(traced.header("x-source-service"), Some("shop"));
    assert_eq!(traced.header("x-attempt"), Some("1"));
    assert!(traced.header("traceparent").unwrap().starts_with("00-"));
    let untraced = sent(r#","correlation":{"traces":false,"attemptNumber":false,"tracedOrigins":["https://api.example"]}"#);
    assert_eq!((untraced.header("traceparent"), untraced.header("x-attempt")), (None, None));
}

/// A world in which the credentials have expired, and can be refreshed.
fn expired(seed: u64) -> World {
    let world = World::new(seed);
    world.refresh_credentials();
    world.server(|server| server.oldest_valid_token = 1);
    world
}

#[test]
fn a_batch_that_meets_expired_credentials_goes_again_with_new_ones_at_once_under_the_same_key() {
    for seed in 0..20 {
        let world = expired(seed);
        let tab = Tab::open(&world, "ada", r#","correlation":{"tracedOrigins":["https://api.example"]}"#);
        enqueue(&world, &tab, &ids(3), Some("draft"));
        assert!(world.run_until(Duration::from_secs(2), || world.stored("ada").is_empty()), "seed {seed}");
        assert_eq!(applied(&world), ids(3));
        let (statuses, requests) = world.server(|server| (server.statuses.clone(), server.requests.clone()));
        assert_eq!((statuses, world.server(|server| server.refreshes)), (vec![401, 200], 1), "seed {seed}");
        let (first, second) = (&requests[0].1, &requests[1].1);
        for same in ["Idempotency-Key", "x-correlation-id", "x-attempt"] {
            assert!(first.header(same).is_some() && first.header(same) == second.header(same), "{same}");
        }
        assert_eq!(first.body, second.body);
        assert_ne!(first.header("traceparent"), second.header("traceparent"), "a request of its own");
        assert!(!tab.events().iter().any(|event| event.contains("batchFailed")), "nothing has failed");
    }
}

#[test]
fn calls_and_the_queue_refresh_credentials_together() {
    for seed in 0..20 {
        let world = expired(seed);
        let tabs = [Tab::open(&world, "ada", ""), Tab::open(&world, "ada", "")];
        for tab in &tabs {
            let request =
                SimRequest { method: "GET".into(), url: "https://api.example/api/drafts".into(), ..SimRequest::default() };
            let client = tab.client.clone();
            tab.spawn(async move { drop(client.call(&request, "{}").await) });
        }
        enqueue(&world, &tabs[0], &ids(3), None);
        assert!(world.run_until(Duration::from_secs(10), || world.stored("ada").is_empty()), "seed {seed}");
        world.advance(Duration::from_secs(10));
        assert_eq!(world.server(|server| server.refreshes), 1, "seed {seed}");
    }
}

#[test]
fn new_credentials_that_are_refused_as_well_and_a_refresh_that_fails_close_the_gate() {
    for refuses in [false, true] {
        let world = expired(23);
        world.server(|server| (server.oldest_valid_token, server.refuses_refresh) = (99, refuses));
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, &ids(1), None);
        assert!(world.run_until(HOUR, || tab.events().iter().any(|event| event.contains(r#""waitingFor":"authentication""#))));
        let (sent, refreshes) = world.server(|server| (server.requests.len(), server.refreshes));
        assert_eq!((sent, refreshes), (if refuses { 1 } else { 2 }, 1));
        let client = tab.client.clone();
        assert_eq!(world.block_on(async move { client.list(None, 10).await }).unwrap()[0].action.attempts, 0);
    }
}

#[test]
fn a_pause_that_began_during_the_refresh_holds_for_the_batch_too() {
    let world = expired(24);
    world.server(|server| server.refresh_takes = Duration::from_secs(5));
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, &ids(1), None);
    world.advance(Duration::from_secs(2));
    tab.client.services().pause("https://api.example", Duration::from_secs(60));
    world.advance(Duration::from_secs(40));
    assert_eq!(world.server(|server| server.statuses.clone()), [401]);
    // A pause is up to a quarter longer for the client, and up to 60 s longer for queues: both are drawn.
    let longest = Duration::from_secs(2 + 60 + 15 + 60 - 42);
    assert!(world.run_until(longest, || world.stored("ada").is_empty()));
    assert_eq!(world.server(|server| server.statuses.clone()), [401, 200]);
}

fn syncs(tab: &Tab) -> usize {
    tab.events().iter().filter(|event| event.contains("syncStarted")).count()
}

#[test]
fn nothing_begins_where_all_that_is_there_waits() {
    let world = World::new(40);
    let tab = Tab::open(&world, "ada", "");
    world.server(|server| server.conflicting.extend(["head".to_string()]));
    let draft = |fields: &str| Draft::read(fields, "1").unwrap();
    let drafts = vec![
        draft(r#"{"id":"head","type":"t","key":"k"}"#),
        draft(r#"{"id":"waiting","type":"t","key":"k"}"#),
        draft(r#"{"id":"dependent","type":"t","dependsOn":"head"}"#),
    ];
    let client = tab.client.clone();
    world.block_on(async move { client.enqueue(drafts).await }).unwrap();
    world.advance(Duration::from_secs(600));
    assert_eq!(world.stored("ada").len(), 3);
    let before = syncs(&tab);
    for _ in 0..5 {
        let client = tab.client.clone();
        let report = world.block_on(async move { client.sync().await }).unwrap();
        assert_eq!((report.counts.pending, report.next), (2, None));
        world.show();
        world.advance(Duration::from_secs(600));
    }
    assert_eq!(syncs(&tab), before);
    // It is found when it is let go.
    world.server(|server| server.conflicting.clear());
    let client = tab.client.clone();
    assert!(world.block_on(async move { client.requeue("head").await }).unwrap());
    assert!(world.run_until(Duration::from_secs(60), || drained(&world)));
}

#[test]
fn nothing_begins_before_the_time_of_what_is_delayed_has_come_and_then_it_does() {
    let world = World::new(41);
    let tab = Tab::open(&world, "ada", "");
    world.server(|server| server.moody = 1000);
    let client = tab.client.clone();
    world.block_on(async move { client.enqueue(vec![draft("a", None)]).await }).unwrap();
    assert!(world.run_until(Duration::from_secs(60), || syncs(&tab) == 1));
    world.advance(Duration::from_millis(500));
    let before = syncs(&tab);
    let client = tab.client.clone();
    let report = world.block_on(async move { client.sync().await }).unwrap();
    assert_eq!((syncs(&tab), report.next.is_some()), (before, true));
    world.server(|server| server.moody = 0);
    assert!(world.run_until(Duration::from_secs(600), || drained(&world)));
}

#[test]
fn what_expires_behind_a_conflict_leaves_in_time_and_that_is_told() {
    let world = World::new(42);
    let tab = Tab::open(&world, "ada", "");
    world.server(|server| server.conflicting.extend(["head".to_string()]));
    let draft = |fields: &str| Draft::read(fields, "1").unwrap();
    let drafts =
        vec![draft(r#"{"id":"head","type":"t","key":"k"}"#), draft(r#"{"id":"typing","type":"t","key":"k","ttlMs":60000}"#)];
    let client = tab.client.clone();
    world.block_on(async move { client.enqueue(drafts).await }).unwrap();
    world.advance(Duration::from_secs(55));
    assert_eq!(world.stored("ada"), ["head", "typing"]);
    let client = tab.client.clone();
    let report = world.block_on(async move { client.sync().await }).unwrap();
    assert_eq!((report.counts.pending, report.next), (1, None), "nothing will be sent by itself");
    assert!(world.run_until(Duration::from_secs(10), || world.stored("ada") == ["head"]));
    let told = || tab.events().iter().any(|event| event.contains(r#""typing""#) && event.contains("expired"));
    assert!(world.run_until(Duration::from_secs(1), told));
}

#[test]
fn what_expires_while_the_server_is_away_leaves_in_time() {
    let world = World::new(43);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    let client = tab.client.clone();
    world.block_on(async move { client.enqueue(vec![draft("sent", None)]).await }).unwrap();
    world.advance(Duration::from_secs(600));
    let typing = Draft::read(r#"{"id":"typing","type":"t","ttlMs":2000}"#, "1").unwrap();
    let client = tab.client.clone();
    world.block_on(async move { client.enqueue(vec![typing]).await }).unwrap();
    assert!(world.run_until(Duration::from_secs(3), || world.stored("ada") == ["sent"]));
}

#[test]
fn a_clock_that_is_set_forward_expires_nothing_once_the_server_has_said_what_time_it_is() {
    let world = World::new(44);
    let tab = Tab::open(&world, "ada", "");
    world.server(|server| {
        server.tells_date = Some(0);
        server.conflicting.insert("head".into());
    });
    let draft = |fields: &str| Draft::read(fields, "1").unwrap();
    let drafts =
        vec![draft(r#"{"id":"head","type":"t","key":"k"}"#), draft(r#"{"id":"kept","type":"t","key":"k","ttlMs":3600000}"#)];
    let client = tab.client.clone();
    world.block_on(async move { client.enqueue(drafts).await }).unwrap();
    world.advance(Duration::from_secs(60));
    // Five hours ahead of the server, of which the next answer tells before anybody looks.
    world.server(|server| server.tells_date = Some(-5 * 3_600_000));
    let other = Draft::read(r#"{"id":"other","type":"t"}"#, "1").unwrap();
    let client = tab.client.clone();
    world.block_on(async move { client.enqueue(vec![other]).await }).unwrap();
    assert!(world.run_until(Duration::from_secs(60), || world.stored("ada") == ["head", "kept"]));
    world.jump_wall_clock(5 * 3_600_000);
    world.show();
    world.advance(Duration::from_secs(50 * 60));
    assert_eq!(world.stored("ada"), ["head", "kept"]);
    assert!(world.run_until(Duration::from_secs(15 * 60), || world.stored("ada") == ["head"]));
}

#[test]
fn a_page_that_thaws_does_not_ask_a_server_that_wants_to_be_left_alone_what_became_of_its_batch() {
    for (seed, waits_for_headers) in (0..10).flat_map(|seed| [(seed, false), (seed, true)]) {
        let world = World::new(seed);
        world.set_faults(Faults { hollow: 1000, ..Faults::default() });
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, &["a".to_string()], None);
        assert!(world.run_until(HOUR, || world.server(|server| !server.requests.is_empty())));
        if waits_for_headers {
            world.set_faults(Faults { hollow: 1000, slow_headers: 1000, ..Faults::default() });
            world.advance(Duration::from_millis(200));
        }
        tab.freeze();
        world.advance(Duration::from_secs(1));
        world.set_faults(Faults { rate_limited: 1000, ..Faults::default() });
        let other = Tab::open(&world, "ada", "");
        let is_paused = || other.events().iter().any(|event| event.contains("servicePaused"));
        assert!(world.run_until(HOUR, is_paused));
        world.set_faults(Faults::default());
        let requests = || world.server(|server| server.requests.len());
        let before = requests();
        tab.thaw();
        world.advance(Duration::from_secs(2));
        assert_eq!(requests(), before, "seed {seed}, waits for headers: {waits_for_headers}");
    }
}
