//! What is sent again, how often, and under which key.

use super::{ORIGIN, URL, asked, code, count, events, get, request, script, start};
use std::time::Duration;
use steadfast::sim::{Faults, Reply, Tab, World};

const NO_BREAKER: &str = r#","breaker":false"#;

fn budget(tab: &Tab) -> u32 {
    tab.client.services().snapshot_of(ORIGIN).budget.unwrap().available
}

/// A call each second for so many minutes; gives how many were sent again in the last of them.
fn retries_in_the_last_minute(world: &World, tab: &Tab, minutes: u64, options: &str) -> usize {
    let mut last = 0;
    for _ in 0..minutes {
        let before = count(world);
        for _ in 0..60 {
            drop(start(tab, request("GET", URL), options));
            world.advance(Duration::from_secs(1));
        }
        last = (count(world) - before).saturating_sub(60);
    }
    last
}

#[test]
fn with_a_server_that_always_fails_only_what_time_refills_is_spent_on_it() {
    let world = World::new(1);
    let tab = Tab::open(&world, "ada", NO_BREAKER);
    world.server(|server| server.answers = Some(|_| Some(Reply::new(500, ""))));
    let eager = r#"{"maxAttempts":20,"baseDelayMs":10}"#;
    let retries = retries_in_the_last_minute(&world, &tab, 5, eager);
    // A token is refilled every 1.2 seconds, and a retry costs five.
    assert!((8..=12).contains(&retries), "{retries} retries in a minute");
    assert!(events(&tab.events(), "callFailed").last().unwrap().contains(r#""because":"budgetExhausted""#));
}

#[test]
fn a_server_that_recovers_fills_it_again() {
    let world = World::new(2);
    let tab = Tab::open(&world, "ada", r#","breaker":false,"budget":{"capacity":50,"refillMs":0}"#);
    world.server(|server| server.answers = Some(|_| Some(Reply::new(500, ""))));
    (0..20).for_each(|_| drop(get(&world, &tab, "{}")));
    assert!(budget(&tab) < 5);
    world.server(|server| server.answers = None);
    (0..60).for_each(|_| assert_eq!(get(&world, &tab, "{}").unwrap(), 200));
    assert_eq!(budget(&tab), 50);
}

#[test]
fn what_nobody_waits_for_stops_being_sent_again_first() {
    let world = World::new(3);
    let tab = Tab::open(&world, "ada", r#","breaker":false,"budget":{"capacity":100,"refillMs":0}"#);
    world.server(|server| server.answers = Some(|_| Some(Reply::new(500, ""))));
    let background = r#"{"maxAttempts":20,"baseDelayMs":1,"maxDelayMs":1,"urgency":"background"}"#;
    (0..3).for_each(|_| drop(get(&world, &tab, background)));
    assert_eq!((budget(&tab), count(&world)), (50, 13));
    get(&world, &tab, r#"{"maxAttempts":3,"baseDelayMs":1}"#).unwrap_err();
    assert_eq!((budget(&tab), count(&world)), (40, 16));
}

#[test]
fn a_retry_that_was_paid_for_and_not_sent_is_paid_back() {
    let world = World::new(4);
    let tab = Tab::open(&world, "ada", r#","budget":{"capacity":100,"refillMs":0,"reward":0}"#);
    script(&world, [Reply::new(500, ""), Reply::new(429, "").header("Retry-After", "50")]);
    let first = start(&tab, request("GET", URL), r#"{"baseDelayMs":5000,"jitter":"none"}"#);
    world.advance(Duration::from_secs(1));
    assert_eq!(budget(&tab), 95);
    start(&tab, request("GET", URL), r#"{"maxAttempts":1}"#).ended(&world).unwrap_err();
    assert_eq!(first.ended(&world).unwrap_err().status, Some(500));
    assert_eq!((budget(&tab), count(&world)), (100, 2));
}

#[test]
fn nothing_sends_a_post_without_a_key_twice() {
    let options = r#"{"maxAttempts":5,"baseDelayMs":1,"hedge":{"afterMs":1},"attemptTimeoutMs":5000}"#;
    for faults in [
        Faults { lost_responses: 1000, ..Faults::default() },
        Faults { stalls: 1000, ..Faults::default() },
        Faults { unavailable: 1000, ..Faults::default() },
        Faults { cut_responses: 1000, ..Faults::default() },
        Faults { unreadable: 1000, ..Faults::default() },
    ] {
        let world = World::new(5);
        world.refresh_credentials();
        let tab = Tab::open(&world, "ada", "");
        world.set_faults(faults);
        drop(start(&tab, request("POST", URL), options).ended(&world));
        world.advance(Duration::from_secs(600));
        assert!(count(&world) <= 1, "{faults:?}");
    }
    for status in [408, 409, 425, 429, 500, 502, 503, 504] {
        let world = World::new(6);
        let tab = Tab::open(&world, "ada", "");
        script(&world, [Reply::new(status, "").header("Retry-After", "1")]);
        drop(start(&tab, request("POST", URL), options).ended(&world));
        assert_eq!(count(&world), 1, "{status}");
    }
}

#[test]
fn one_key_goes_with_all_attempts_and_with_the_one_after_a_refresh() {
    let world = World::new(7);
    world.refresh_credentials();
    let tab = Tab::open(&world, "ada", "");
    world.server(|server| server.oldest_valid_token = 1);
    script(&world, [Reply::new(503, ""), Reply::new(503, "")]);
    start(&tab, request("POST", URL), r#"{"idempotencyKey":true}"#).ended(&world).unwrap();
    let sent = asked(&world);
    assert_eq!(world.server(|server| server.statuses.clone()), [401, 503, 503, 200]);
    let key = sent[0].1.header("Idempotency-Key").unwrap();
    assert!(sent.iter().all(|(_, request)| request.header("Idempotency-Key") == Some(key)));
}

#[test]
fn what_a_server_says_of_the_key_decides_whether_it_is_sent_again() {
    let in_progress = || {
        Reply::new(
            409,
            r#"{"type":"https://example.com/errors/idempotency-key-in-progress","title":"A request is outstanding for this Idempotency-Key"}"#,
        )
    };
    let reused = || Reply::new(422, r#"{"title":"Idempotency-Key is already used"}"#);
    for (reply, times) in [(in_progress as fn() -> Reply, 2), (reused, 1)] {
        let world = World::new(8);
        let tab = Tab::open(&world, "ada", "");
        script(&world, [reply()]);
        drop(start(&tab, request("POST", URL), r#"{"idempotencyKey":"order-7"}"#).ended(&world));
        assert_eq!(count(&world), times);
    }
    let world = World::new(9);
    let tab = Tab::open(&world, "ada", "");
    script(&world, [in_progress()]);
    let ended = start(&tab, request("POST", URL), "{}").ended(&world);
    assert_eq!((ended.is_err(), count(&world)), (true, 1), "without a key it is a conflict like any other");
    assert!(code(&ended).is_none_or(|code| !code.contains("IN_PROGRESS")) || count(&world) == 1);
}
