//! So many at once, and as fast as the server takes them.

use super::{SECOND, URL, asked, code, count, get, request, script, start};
use std::time::Duration;
use steadfast::sim::{Reply, Tab, World};

const FOUR: &str = r#","bulkhead":{"maxConcurrent":4,"maxQueued":6}"#;

#[test]
fn no_more_than_so_many_are_under_way_and_no_more_than_so_many_wait() {
    let world = World::new(1);
    let tab = Tab::open(&world, "ada", FOUR);
    world.server(|server| server.answers = Some(|_| Some(Reply::new(200, "").after(SECOND))));
    let hedged = r#"{"hedge":{"afterMs":100}}"#;
    let calls: Vec<_> = (0..15).map(|_| start(&tab, request("GET", URL), hedged)).collect();
    let ended: Vec<_> = calls.iter().map(|call| call.ended(&world)).collect();
    let refused: Vec<_> = ended.iter().filter(|ended| ended.is_err()).collect();
    assert_eq!(refused.len(), 5);
    assert!(refused.iter().all(|ended| code(ended) == Some("BULKHEAD_FULL")));
    assert_eq!(world.server(|server| server.most_on_their_way), 4, "company for a slow call takes a seat as well");
}

#[test]
fn who_waits_for_an_answer_goes_before_what_nobody_waits_for() {
    let world = World::new(2);
    let tab = Tab::open(&world, "ada", r#","bulkhead":{"maxConcurrent":1}"#);
    let send = |path: &str, options| start(&tab, request("GET", &format!("https://api.example/{path}")), options);
    let calls = [send("first", "{}"), send("background", r#"{"urgency":"background"}"#), send("interactive", "{}")];
    for call in &calls {
        assert_eq!(call.ended(&world).unwrap(), 200);
    }
    let order: Vec<String> = asked(&world).iter().map(|(_, sent)| sent.url.rsplit('/').next().unwrap().into()).collect();
    assert_eq!(order, ["first", "interactive", "background"]);
}

#[test]
fn calls_that_wait_for_one_service_hold_no_seats_of_another() {
    let world = World::new(3);
    let tab = Tab::open(
        &world,
        "ada",
        r#","retry":{"maxPauseMs":30000},"services":{"https://api.example":{"bulkhead":{"maxConcurrent":2}}}"#,
    );
    let slow = r#"{"maxAttempts":1,"service":"search"}"#;
    script(&world, [Reply::new(429, "").header("Retry-After", "20")]);
    start(&tab, request("GET", URL), slow).ended(&world).unwrap_err();
    let waiting: Vec<_> = (0..5).map(|_| start(&tab, request("GET", URL), slow)).collect();
    world.settle();
    let before = world.now();
    assert_eq!(get(&world, &tab, r#"{"maxAttempts":1}"#).unwrap(), 200);
    assert!(world.now() - before < 1000, "it waited for {} ms", world.now() - before);
    for call in &waiting {
        assert_eq!(call.ended(&world).unwrap(), 200);
    }
}

#[test]
fn calls_that_are_given_up_leave_the_line_and_their_seats() {
    let world = World::new(4);
    let tab = Tab::open(&world, "ada", r#","bulkhead":{"maxConcurrent":1,"maxQueued":1}"#);
    world.server(|server| server.answers = Some(|_| Some(Reply::new(200, "").after(SECOND))));
    let client = tab.client.clone();
    let (calls, abort) = futures_util::future::abortable(async move {
        let request = request("GET", URL);
        futures_util::future::join_all((0..2).map(|_| client.call(&request, "{}"))).await;
    });
    tab.spawn(async move {
        let _: Result<(), futures_util::future::Aborted> = calls.await;
    });
    world.advance(Duration::from_millis(300));
    assert_eq!(code(&get(&world, &tab, "{}")), Some("BULKHEAD_FULL"));
    abort.abort();
    world.settle();
    let calls = [start(&tab, request("GET", URL), "{}"), start(&tab, request("GET", URL), "{}")];
    for call in &calls {
        assert_eq!(call.ended(&world).unwrap(), 200);
    }
}

#[test]
fn a_server_that_says_too_many_is_asked_more_slowly_until_it_no_longer_does() {
    let world = World::new(5);
    let tab = Tab::open(&world, "ada", r#","adaptiveRate":true"#);
    let once = r#"{"maxAttempts":1}"#;
    let in_ten_seconds = |world: &World| {
        let (before, end) = (count(world), world.now() + 10_000);
        let mut calls = Vec::new();
        while world.now() < end {
            calls.push(start(&tab, request("GET", URL), once));
            world.advance(Duration::from_millis(100));
        }
        count(world) - before
    };
    let free = in_ten_seconds(&world);
    assert!(free > 90, "{free}");
    world.server(|server| server.answers = Some(|_| Some(Reply::new(429, ""))));
    let throttled = in_ten_seconds(&world);
    assert!(throttled * 3 < free, "{throttled} of {free}");
    world.server(|server| server.answers = None);
    world.advance(Duration::from_secs(600));
    let recovered = in_ten_seconds(&world);
    assert!(recovered > 90, "{recovered}");
}

#[test]
fn a_call_that_names_its_origin_as_its_service_takes_one_seat_and_not_two() {
    let world = World::new(6);
    let tab = Tab::open(&world, "ada", r#","bulkhead":{"maxConcurrent":1}"#);
    let call = start(&tab, request("GET", URL), r#"{"service":"https://api.example"}"#);
    assert!(world.run_until(SECOND, || call.has_ended()), "it waits for itself");
}

#[test]
fn calls_in_the_line_of_one_service_hold_no_seats_of_another() {
    let world = World::new(7);
    let seats =
        r#","services":{"https://api.example":{"bulkhead":{"maxConcurrent":2}},"search":{"bulkhead":{"maxConcurrent":1}}}"#;
    let tab = Tab::open(&world, "ada", seats);
    world.server(|server| {
        server.answers = Some(|request| request.url.ends_with("slow").then(|| Reply::new(200, "").after(10 * SECOND)));
    });
    let slow = || start(&tab, request("GET", "https://api.example/slow"), r#"{"service":"search"}"#);
    let in_line = [slow(), slow(), slow()];
    world.settle();
    let before = world.now();
    assert_eq!(get(&world, &tab, "{}").unwrap(), 200);
    assert!(world.now() - before < 1000, "it waited for {} ms", world.now() - before);
    for call in &in_line {
        assert_eq!(call.ended(&world).unwrap(), 200);
    }
}

#[test]
fn calls_that_are_given_up_before_they_were_sent_slow_nobody_down() {
    let world = World::new(8);
    let tab = Tab::open(&world, "ada", r#","adaptiveRate":true"#);
    script(&world, [Reply::new(429, "")]);
    get(&world, &tab, r#"{"maxAttempts":1}"#).unwrap_err();
    let wait = || tab.client.services().snapshot_of(super::ORIGIN).send_rate.unwrap().wait_ms;
    let before = wait();
    assert!(before > 0);
    let client = tab.client.clone();
    let (calls, abort) = futures_util::future::abortable(async move {
        let request = request("GET", URL);
        futures_util::future::join_all((0..5).map(|_| client.call(&request, "{}"))).await;
    });
    tab.spawn(async move {
        let _: Result<(), futures_util::future::Aborted> = calls.await;
    });
    world.settle();
    assert!(wait() > 2 * before);
    abort.abort();
    world.settle();
    assert_eq!(wait(), before);
}
