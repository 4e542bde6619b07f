//! No call takes longer than it may.

use super::{PATIENT, SECOND, URL, code, count, events, fails, get, request, script, start};
use std::time::Duration;
use steadfast::sim::{Faults, Reply, Tab, World};

#[test]
fn an_attempt_ends_at_its_limit_and_a_call_at_its_deadline() {
    let world = World::new(1);
    let tab = Tab::open(&world, "ada", PATIENT);
    world.set_faults(Faults { stalls: 1000, ..Faults::default() });
    let ended = get(&world, &tab, r#"{"maxAttempts":5,"baseDelayMs":100,"attemptTimeoutMs":2000,"totalTimeoutMs":7000}"#);
    assert_eq!(code(&ended), Some("NETWORK_TIMEOUT"));
    assert!((6000..=7000).contains(&world.now()), "{}", world.now());
}

#[test]
fn a_wait_that_would_outlast_the_deadline_is_not_waited_for() {
    for (reply, options) in [
        (Reply::new(503, r#"{"error":"We are down"}"#).header("Retry-After", "20"), r#"{"totalTimeoutMs":10000}"#),
        (Reply::new(503, r#"{"error":"We are down"}"#), r#"{"totalTimeoutMs":10000,"baseDelayMs":30000,"jitter":"none"}"#),
    ] {
        let world = World::new(2);
        let tab = Tab::open(&world, "ada", PATIENT);
        script(&world, [reply]);
        let ended = get(&world, &tab, options);
        assert_eq!(ended.unwrap_err().message.as_deref(), Some("We are down"));
        assert!(world.now() < 200);
        assert!(events(&tab.events(), "callFailed")[0].contains(r#""because":"deadlineTooClose""#));
    }
}

#[test]
fn a_pause_that_would_outlast_the_deadline_is_not_waited_for() {
    let world = World::new(3);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, [Reply::new(429, "").header("Retry-After", "20")]);
    get(&world, &tab, r#"{"maxAttempts":1}"#).unwrap_err();
    let before = world.now();
    let ended = get(&world, &tab, r#"{"totalTimeoutMs":5000}"#);
    assert_eq!((code(&ended), world.now() - before, count(&world)), (Some("DEADLINE_EXCEEDED"), 0, 1));
    assert!(ended.unwrap_err().retry_hint.unwrap().after_ms > 19_000);
}

#[test]
fn nobody_stands_in_line_beyond_the_deadline() {
    let world = World::new(4);
    let tab = Tab::open(&world, "ada", r#","bulkhead":{"maxConcurrent":1}"#);
    script(&world, [Reply::new(200, "").after(20 * SECOND)]);
    let first = start(&tab, request("GET", URL), "{}");
    world.settle();
    let before = world.now();
    let second = get(&world, &tab, r#"{"totalTimeoutMs":3000}"#);
    assert_eq!((code(&second), world.now() - before), (Some("DEADLINE_EXCEEDED"), 3000));
    assert_eq!(first.ended(&world).unwrap(), 200);
    assert_eq!((get(&world, &tab, "{}").unwrap(), count(&world)), (200, 2), "its place in the line is free");
}

#[test]
fn a_hedge_has_no_more_time_than_the_call_it_is_sent_for() {
    let world = World::new(5);
    let tab = Tab::open(&world, "ada", PATIENT);
    world.set_faults(Faults { stalls: 1000, ..Faults::default() });
    get(&world, &tab, r#"{"totalTimeoutMs":5000,"hedge":{"afterMs":3000,"max":5}}"#).unwrap_err();
    assert!(world.now() <= 5000, "{}", world.now());
}

#[test]
fn refreshing_credentials_takes_no_more_time_than_the_call_has() {
    for (refresh_takes, stalls) in [(20, 0), (1, 1000)] {
        let world = World::new(6);
        world.refresh_credentials();
        world.server(|server| {
            server.oldest_valid_token = 1;
            server.refresh_takes = refresh_takes * SECOND;
        });
        let tab = Tab::open(&world, "ada", PATIENT);
        let call = start(&tab, request("GET", URL), r#"{"totalTimeoutMs":5000}"#);
        world.advance(Duration::from_millis(500));
        world.set_faults(Faults { stalls, ..Faults::default() });
        call.ended(&world).unwrap_err();
        assert!(world.now() <= 5000, "{}", world.now());
    }
}

#[test]
fn nothing_is_sent_that_could_not_be_answered_before_the_deadline() {
    let world = World::new(7);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, fails(503, 1));
    tab.spawn({
        let client = tab.client.clone();
        async move { drop(client.call(&request("GET", URL), r#"{"baseDelayMs":1000,"jitter":"none","totalTimeoutMs":3000}"#).await) }
    });
    world.advance(Duration::from_millis(500));
    assert_eq!(count(&world), 1);
    tab.freeze();
    world.advance(20 * SECOND);
    tab.thaw();
    world.advance(20 * SECOND);
    assert_eq!(count(&world), 1, "its time was over when it woke up");
}

#[test]
fn an_answer_that_arrived_while_the_page_was_frozen_counts_though_its_deadline_has_passed() {
    for seed in 0..20 {
        let world = World::new(seed);
        let tab = Tab::open(&world, "ada", PATIENT);
        script(&world, [Reply::new(200, "").after(2 * SECOND)]);
        let call = start(&tab, request("POST", URL), r#"{"attemptTimeoutMs":10000}"#);
        world.advance(SECOND);
        tab.freeze();
        world.advance(Duration::from_secs(600));
        assert!(!call.has_ended());
        tab.thaw();
        assert_eq!(call.ended(&world).unwrap(), 200, "seed {seed}");
        assert!(world.now() < 602_000);
    }
}

#[test]
fn what_never_answered_a_frozen_page_has_timed_out_soon_after_it_is_back() {
    let world = World::new(8);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, [Reply::new(200, "").after(3600 * SECOND)]);
    let call = start(&tab, request("POST", URL), r#"{"attemptTimeoutMs":10000}"#);
    world.advance(SECOND);
    tab.freeze();
    world.advance(Duration::from_secs(600));
    tab.thaw();
    assert_eq!(code(&call.ended(&world)), Some("NETWORK_TIMEOUT"));
    assert!(world.now() < 606_000, "{}", world.now());
}

#[test]
fn a_frozen_page_honours_a_pause_that_others_were_told_of_meanwhile() {
    let world = World::new(9);
    let (tab, other) = (Tab::open(&world, "ada", PATIENT), Tab::open(&world, "ada", ""));
    script(&world, fails(500, 1));
    let call = start(&tab, request("GET", URL), "{}");
    world.advance(Duration::from_millis(300));
    tab.freeze();
    world.advance(30 * SECOND);
    script(&world, [Reply::new(429, "").header("Retry-After", "20")]);
    get(&world, &other, r#"{"maxAttempts":1}"#).unwrap_err();
    tab.thaw();
    assert_eq!(call.ended(&world).unwrap(), 200);
    assert_eq!(world.server(|server| server.asked_too_early), 0);
    assert!(world.now() > 50_000);
}

#[test]
fn the_words_of_an_error_are_not_waited_for_beyond_the_limit_and_the_error_is_one_without_them() {
    let world = World::new(10);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, [Reply::new(503, "").after(4 * SECOND)]);
    world.server(|server| server.leaves_bodies_open = true);
    let ended = get(&world, &tab, r#"{"maxAttempts":1,"totalTimeoutMs":5000}"#);
    assert_eq!(ended.unwrap_err().status, Some(503));
    assert!(world.now() <= 5100, "{}", world.now());
}
