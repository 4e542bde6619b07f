//! Whole requests.

use serde_json::Value;
use std::time::Duration;
use steadfast::queue::draft::Draft;
use steadfast::sim::{Condition, DiskFaults, Faults, Reply, SimRequest, Tab, World};

const HOUR: Duration = Duration::from_secs(3600);
const THINGS: &str = "https://api.example/api/things/ada";
const ELSEWHERE: &str = "https://elsewhere.example/api/things/ada";

/// A request of that id to that URL, with further members of the action and of the request.
fn request(id: &str, url: &str, action: &str, request: &str) -> Draft {
    let fields = format!(
        r#"{{"id":"{id}"{action},"request":{{"method":"POST","url":"{url}","headers":[["content-type","application/json"]],"body":"data"{request}}}}}"#
    );
    Draft::read(&fields, r#"{"n":1}"#).unwrap()
}

fn plain(id: &str, key: Option<&str>) -> Draft {
    crate::draft(id, key)
}

fn enqueue(world: &World, tab: &Tab, drafts: Vec<Draft>) {
    let client = tab.client.clone();
    world.block_on(async move { client.enqueue(drafts).await }).unwrap();
}

fn applied(world: &World) -> Vec<String> {
    world.server(|server| server.applied.iter().map(|action| action.id.clone()).collect())
}

fn drained(world: &World) -> bool {
    world.run_until(HOUR, || world.stored("ada").is_empty())
}

fn requests(world: &World) -> Vec<SimRequest> {
    world.server(|server| server.requests.iter().map(|(_, request)| request.clone()).collect())
}

fn events(tab: &Tab, kind: &str) -> Vec<Value> {
    let events = tab.events().into_iter().map(|event| serde_json::from_str::<Value>(&event).unwrap());
    events.filter(|event| event["type"] == kind).collect()
}

fn listed(world: &World, tab: &Tab) -> Vec<Value> {
    let client = tab.client.clone();
    let listed = world.block_on(async move { client.list(None, 10).await }).unwrap();
    listed.into_iter().map(|listed| serde_json::to_value(listed.action).unwrap()).collect()
}

#[test]
fn requests_that_were_queued_during_an_outage_arrive_once_in_their_order_among_batches() {
    let world = World::new(1);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    let key = r#","key":"draft""#;
    let drafts =
        vec![plain("a", Some("draft")), request("b", THINGS, key, ""), plain("c", Some("draft")), request("d", THINGS, key, "")];
    enqueue(&world, &tab, drafts);
    world.advance(Duration::from_secs(600));
    world.set_faults(Faults { lost_responses: 300, ..Faults::default() });
    assert!(drained(&world));
    assert_eq!(applied(&world), ["a", "b", "c", "d"]);
    let whole = requests(&world).into_iter().find(|request| request.url == THINGS).unwrap();
    assert_eq!((whole.method.as_str(), whole.body.as_str()), ("POST", r#"{"n":1}"#));
    assert_eq!(whole.header("Idempotency-Key"), Some("\"b\""));
    assert!(whole.header("x-correlation-id").is_some_and(|id| id.starts_with("req_")));
    assert_eq!(whole.header("x-source-service"), Some("steadfast"));
}

#[test]
fn a_page_killed_at_any_moment_repeats_no_request() {
    for moment in 0..200 {
        let world = World::new(moment);
        let tab = Tab::open(&world, "ada", "");
        let drafts = (0..4).map(|number| request(&format!("a{number}"), THINGS, r#","key":"k""#, "")).collect();
        enqueue(&world, &tab, drafts);
        world.advance(Duration::from_millis(moment));
        tab.crash();
        let _again = Tab::open(&world, "ada", "");
        assert!(drained(&world), "killed after {moment} ms");
        assert_eq!(applied(&world), ["a0", "a1", "a2", "a3"], "killed after {moment} ms");
    }
}

#[test]
fn the_answer_is_the_result_and_those_who_depend_on_it_name_parts_of_it_in_data_and_url() {
    let world = World::new(2);
    let tab = Tab::open(&world, "ada", "");
    let url = "https://api.example/made/$result(first,%2Fn)/more";
    enqueue(&world, &tab, vec![request("first", THINGS, "", ""), request("second", url, r#","dependsOn":"first""#, "")]);
    assert!(drained(&world));
    assert_eq!(requests(&world)[1].url, "https://api.example/made/1/more");
}

#[test]
fn what_the_server_never_takes_is_a_dead_letter_with_its_error_and_holds_nothing() {
    let world = World::new(3);
    world.server(|server| server.poison.insert("b".into()));
    let tab = Tab::open(&world, "ada", "");
    let key = r#","key":"k""#;
    enqueue(&world, &tab, vec![request("b", THINGS, key, ""), request("c", THINGS, key, "")]);
    assert!(world.run_until(HOUR, || applied(&world) == ["c"]));
    world.advance(Duration::from_secs(60));
    let dead = &listed(&world, &tab)[0];
    assert_eq!((&dead["state"], &dead["lastError"]["code"]), (&"dead".into(), &"VALIDATION_ERROR".into()));
    world.server(|server| server.poison.clear());
    let client = tab.client.clone();
    assert!(world.block_on(async move { client.requeue("b").await }).unwrap());
    assert!(drained(&world));
}

#[test]
fn a_conflict_keeps_the_servers_copy_and_is_decided_with_other_data() {
    let world = World::new(4);
    world.server(|server| server.conflicting.insert("b".into()));
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, vec![request("b", THINGS, "", "")]);
    assert!(world.run_until(HOUR, || !events(&tab, "settled").is_empty()));
    assert_eq!(listed(&world, &tab)[0]["conflict"]["server"]["version"], 8);
    world.server(|server| server.conflicting.clear());
    let queue = tab.client.queue().unwrap().clone();
    let merged = Draft::read_data(r#"{"n":1,"v":2}"#).unwrap();
    assert!(world.block_on(async move { queue.requeue("b", Some(merged)).await }).unwrap());
    assert!(drained(&world));
    assert_eq!(requests(&world).last().unwrap().body, r#"{"n":1,"v":2}"#);
}

#[test]
fn a_page_instead_of_an_answer_settles_nothing() {
    let world = World::new(5);
    world.set_faults(Faults { portals: 1000, ..Faults::default() });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, vec![request("b", THINGS, "", "")]);
    world.advance(Duration::from_secs(600));
    assert_eq!(world.stored("ada"), ["b"]);
    assert!(events(&tab, "settled").is_empty());
    world.set_faults(Faults::default());
    assert!(drained(&world));
}

#[test]
fn credentials_that_have_expired_are_refreshed_once_and_the_request_goes_again_under_its_key() {
    let world = World::new(6);
    world.refresh_credentials();
    world.server(|server| server.oldest_valid_token = 1);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, vec![request("b", THINGS, "", "")]);
    assert!(world.run_until(Duration::from_secs(5), || world.stored("ada").is_empty()));
    assert_eq!(world.server(|server| server.refreshes), 1);
    let keys: Vec<_> = requests(&world).iter().map(|request| request.header("Idempotency-Key").unwrap().to_string()).collect();
    assert_eq!(keys, ["\"b\"", "\"b\""]);
}

#[test]
fn one_that_may_not_be_done_steps_aside_and_holds_up_nothing_else() {
    fn forbids(request: &SimRequest) -> Option<Reply> {
        request.url.ends_with("/forbidden").then(|| Reply::new(403, ""))
    }
    let world = World::new(7);
    world.server(|server| server.answers = Some(forbids));
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, vec![request("b", "https://api.example/forbidden", "", ""), plain("c", None)]);
    assert!(world.run_until(HOUR, || applied(&world) == ["c"]));
    world.advance(Duration::from_secs(1));
    assert_eq!(world.stored("ada"), ["b"]);
    assert!(!events(&tab, "actionStepsAside").is_empty());
}

#[test]
fn another_origin_that_fails_does_not_hold_up_the_backend() {
    let world = World::new(8);
    world.server(|server| server.silent.insert("https://elsewhere.example".into()));
    let tab = Tab::open(&world, "ada", "");
    let away = (0..20).map(|number| request(&format!("away{number}"), ELSEWHERE, r#","priority":"critical""#, ""));
    enqueue(&world, &tab, away.chain([plain("home", None)]).collect());
    assert!(world.run_until(Duration::from_secs(2), || applied(&world) == ["home"]), "the backend is well");
    assert!(events(&tab, "batchFailed").is_empty());
    world.advance(Duration::from_secs(20));
    let tried = events(&tab, "batchSent").len();
    assert!(tried < 16, "{tried} were sent, twenty of them to where nothing answers");
    world.server(|server| server.silent.clear());
    assert!(drained(&world));
    assert_eq!(applied(&world).len(), 21);
    let strangers = requests(&world).into_iter().filter(|request| request.url == ELSEWHERE);
    assert!(strangers.into_iter().all(|request| request.header("x-correlation-id").is_none()), "nobody trusts it");
}

#[test]
fn another_origin_that_names_a_moment_is_left_alone_until_then_and_the_backend_is_not() {
    fn busy(request: &SimRequest) -> Option<Reply> {
        request.url.starts_with(ELSEWHERE).then(|| Reply::new(429, "").header("Retry-After", "600"))
    }
    let world = World::new(9);
    world.server(|server| server.answers = Some(busy));
    let tab = Tab::open(&world, "ada", "");
    let away = (0..5).map(|number| request(&format!("away{number}"), ELSEWHERE, "", ""));
    enqueue(&world, &tab, away.chain([plain("home", None)]).collect());
    assert!(world.run_until(Duration::from_secs(5), || applied(&world) == ["home"]));
    world.advance(Duration::from_secs(595));
    let asked = requests(&world).iter().filter(|request| request.url == ELSEWHERE).count();
    assert_eq!(asked, 1, "the others were not sent");
    world.server(|server| server.answers = None);
    assert!(drained(&world));
    assert_eq!(world.server(|server| server.asked_too_early), 0);
}

#[test]
fn a_server_that_names_a_moment_to_a_request_is_left_alone_by_batches_too() {
    let world = World::new(10);
    world.server(|server| server.scripted.push_back(Reply::new(503, "").header("Retry-After", "120")));
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, vec![request("b", THINGS, "", ""), plain("c", None)]);
    world.advance(Duration::from_secs(119));
    assert_eq!(requests(&world).len(), 1);
    assert!(drained(&world));
    assert_eq!(world.server(|server| server.asked_too_early), 0);
}

const ONCE: &str = r#","replay":"onlyIfUnsent""#;

#[test]
fn what_must_not_be_sent_twice_becomes_a_dead_letter_when_its_answer_is_lost() {
    let world = World::new(11);
    world.set_faults(Faults { lost_responses: 1000, ..Faults::default() });
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, vec![request("b", THINGS, "", ONCE)]);
    assert!(world.run_until(HOUR, || !events(&tab, "settled").is_empty()));
    world.set_faults(Faults::default());
    world.advance(HOUR);
    assert_eq!(requests(&world).len(), 1);
    assert_eq!(listed(&world, &tab)[0]["lastError"]["code"], "REQUEST_OUTCOME_UNKNOWN");
    let client = tab.client.clone();
    assert!(world.block_on(async move { client.requeue("b").await }).unwrap(), "the user may say so");
    assert!(drained(&world));
    assert_eq!(requests(&world).len(), 2);
}

#[test]
fn what_must_not_be_sent_twice_is_not_by_a_page_that_stood_still_before_it_sent_it_while_the_user_has_put_it_back() {
    let mut put_back = 0;
    for seed in 0..400 {
        let world = World::new(seed);
        world.server(|server| server.does_not_dedupe = true);
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, vec![request("b", THINGS, "", ONCE)]);
        world.advance(Duration::from_millis(seed % 40));
        if tab.is_in_transaction() || !events(&tab, "batchSent").is_empty() {
            continue;
        }
        tab.freeze();
        let again = Tab::open(&world, "ada", "");
        world.advance(Duration::from_secs(60));
        let client = again.client.clone();
        put_back += usize::from(world.block_on(async move { client.requeue("b").await }).unwrap());
        tab.thaw();
        world.advance(Duration::from_secs(60));
        assert_eq!(applied(&world), ["b"], "seed {seed}");
    }
    assert!(put_back > 0, "no page stood still after it had written down that it was about to send it");
}

#[test]
fn what_must_not_be_sent_twice_is_not_by_a_page_that_stood_still_while_the_application_was_asked_for_its_headers() {
    for seed in 0..40 {
        let world = World::new(seed);
        world.server(|server| server.does_not_dedupe = true);
        world.set_faults(Faults { slow_headers: 1000, ..Faults::default() });
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, vec![request("b", THINGS, "", ONCE)]);
        world.advance(Duration::from_millis(200));
        if !events(&tab, "batchSent").is_empty() {
            continue;
        }
        tab.freeze();
        world.set_faults(Faults::default());
        let again = Tab::open(&world, "ada", "");
        world.advance(Duration::from_secs(60));
        let client = again.client.clone();
        // It was not sent, and so there is nothing for the user to decide.
        assert!(!world.block_on(async move { client.requeue("b").await }).unwrap(), "seed {seed}");
        tab.thaw();
        world.advance(Duration::from_secs(60));
        assert_eq!(applied(&world), ["b"], "seed {seed}");
    }
}

#[test]
fn headers_that_do_not_come_in_time_are_the_applications_failure_and_nothing_is_sent_without_them() {
    for drafts in [vec![plain("b", None)], vec![request("b", THINGS, "", "")], vec![request("b", THINGS, "", ONCE)]] {
        let world = World::new(14);
        world.set_faults(Faults { slow_headers: 1000, ..Faults::default() });
        // They take up to 20 seconds.
        let tab = Tab::open(&world, "ada", r#","sync":{"timeoutMs":100}"#);
        enqueue(&world, &tab, drafts);
        assert!(world.run_until(HOUR, || events(&tab, "batchFailed").len() == 2));
        for failed in events(&tab, "batchFailed") {
            assert_eq!(
                (&failed["error"]["code"], &failed["waitingFor"]),
                (&"APPLICATION_HOOK_FAILED".into(), &"serverError".into())
            );
        }
        assert_eq!((requests(&world).len(), events(&tab, "batchSent").len()), (0, 0));
        world.set_faults(Faults::default());
        assert!(drained(&world));
        assert_eq!((applied(&world), requests(&world).len()), (vec!["b".to_string()], 1));
    }
}

#[test]
fn what_must_not_be_sent_twice_is_sent_by_a_page_whose_application_takes_long_to_say_its_headers() {
    for seed in 0..40 {
        let world = World::new(seed);
        world.set_faults(Faults { slow_headers: 1000, ..Faults::default() });
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, vec![request("b", THINGS, "", ONCE), request("c", THINGS, "", "")]);
        assert!(drained(&world), "seed {seed}");
        assert_eq!((applied(&world), requests(&world).len()), (vec!["b".to_string(), "c".into()], 2), "seed {seed}");
    }
}

#[test]
fn what_must_not_be_sent_twice_is_not_by_a_page_killed_at_any_moment() {
    for moment in 0..150 {
        let world = World::new(moment);
        world.server(|server| server.does_not_dedupe = true);
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, vec![request("b", THINGS, "", ONCE), plain("c", None)]);
        world.advance(Duration::from_millis(moment));
        tab.crash();
        let again = Tab::open(&world, "ada", "");
        world.advance(Duration::from_secs(600));
        let times = applied(&world).iter().filter(|id| *id == "b").count();
        let is_dead = listed(&world, &again).iter().any(|action| action["id"] == "b" && action["state"] == "dead");
        assert!(times == 1 || times == 0 && is_dead, "killed after {moment} ms: applied {times} times");
        assert!(requests(&world).iter().filter(|request| request.url == THINGS).count() <= 1, "killed after {moment} ms");
    }
}

#[test]
fn what_must_not_be_sent_twice_is_not_given_up_when_the_disk_fails_at_any_moment_before_it_leaves_or_is_answered() {
    let mut kept_back = 0;
    for seed in 0..120 {
        let world = World::new(seed);
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, vec![request("b", THINGS, "", ONCE)]);
        world.advance(Duration::from_millis(seed % 40));
        if !events(&tab, "batchSent").is_empty() {
            continue;
        }
        world.set_disk_faults(DiskFaults { aborted: 1000, ..DiskFaults::default() });
        world.advance(Duration::from_secs(5));
        // A write that was under way may still have arrived, and the request left after it: what was answered is written down later.
        kept_back += usize::from(requests(&world).is_empty());
        world.set_disk_faults(DiskFaults::default());
        assert!(drained(&world), "seed {seed}: {:?}", listed(&world, &tab));
        assert_eq!((applied(&world), requests(&world).len()), (vec!["b".to_string()], 1), "seed {seed}");
    }
    assert!(kept_back > 0, "no disk failed before it was written down that the request is about to be sent");
}

#[test]
fn what_no_server_heard_is_neither_given_up_nor_sent_early_when_the_disk_fails_before_that_is_written_down() {
    for seed in 0..60 {
        let world = World::new(seed);
        world.server(|server| server.scripted.push_back(Reply::new(429, "").header("Retry-After", "120")));
        let tab = Tab::open(&world, "ada", "");
        enqueue(&world, &tab, vec![request("b", THINGS, "", ONCE)]);
        assert!(world.run_until(HOUR, || !events(&tab, "batchSent").is_empty()));
        world.set_disk_faults(DiskFaults { aborted: 1000, ..DiskFaults::default() });
        world.advance(Duration::from_secs(1 + seed));
        world.set_disk_faults(DiskFaults::default());
        assert!(drained(&world), "seed {seed}: {:?}", listed(&world, &tab));
        assert_eq!((applied(&world), requests(&world).len()), (vec!["b".to_string()], 2), "seed {seed}");
        assert_eq!(world.server(|server| server.asked_too_early), 0, "seed {seed}");
    }
}

#[test]
fn what_certainly_was_not_carried_out_is_sent_again_though_it_must_not_be_sent_twice() {
    let world = World::new(12);
    world.server(|server| {
        for status in [425, 429, 401] {
            server.scripted.push_back(Reply::new(status, ""));
        }
    });
    world.set_online(false);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, vec![request("b", THINGS, "", ONCE)]);
    world.advance(Duration::from_secs(60));
    world.set_faults(Faults::default());
    world.set_online(true);
    assert!(drained(&world));
    assert_eq!(applied(&world), ["b"]);
    assert_eq!(requests(&world).len(), 4);
}

#[test]
fn a_request_that_no_server_hears_waits_without_end() {
    let world = World::new(13);
    world.server(|server| server.condition = Condition::Refuses);
    let tab = Tab::open(&world, "ada", "");
    enqueue(&world, &tab, vec![request("b", THINGS, "", "")]);
    world.advance(HOUR * 48);
    assert_eq!(listed(&world, &tab)[0]["state"], "pending");
    world.server(|server| server.condition = Condition::Well);
    assert!(drained(&world));
}

#[test]
fn a_later_request_replaces_an_earlier_one_to_the_same_place_and_no_other() {
    let world = World::new(14);
    world.set_faults(Faults::OUTAGE);
    let tab = Tab::open(&world, "ada", "");
    let other = "https://api.example/other";
    let replaces = r#","key":"k","type":"save","coalesce":"replace""#;
    // In flight, so that nothing takes its place.
    enqueue(&world, &tab, vec![request("first", THINGS, r#","key":"k""#, "")]);
    world.advance(Duration::from_secs(1));
    let drafts = vec![request("a", THINGS, replaces, ""), request("b", THINGS, replaces, ""), request("c", other, replaces, "")];
    enqueue(&world, &tab, drafts);
    assert_eq!(world.stored("ada"), ["first", "b", "c"]);
}
