//! Credentials that have expired are refreshed once, whoever needs them.

use super::{Pending, SECOND, URL, asked, code, count, events, get, request, start};
use std::time::Duration;
use steadfast::sim::{Reply, Tab, World};

const TRACED: &str = r#","correlation":{"tracedOrigins":["https://api.example"]}"#;

fn expired(seed: u64) -> World {
    let world = World::new(seed);
    world.refresh_credentials();
    world.server(|server| server.oldest_valid_token = 1);
    world
}

fn refreshes(world: &World) -> u32 {
    world.server(|server| server.refreshes)
}

fn status(pending: &Pending, world: &World) -> Option<u16> {
    match pending.ended(world) {
        Ok(status) => Some(status),
        Err(error) => error.status,
    }
}

#[test]
fn they_are_refreshed_once_for_all_calls_in_all_tabs_and_each_call_is_sent_once_more() {
    for seed in 0..30 {
        let world = expired(seed);
        let tabs: Vec<Tab> = (0..3).map(|_| Tab::open(&world, "ada", TRACED)).collect();
        let keyed = r#"{"maxAttempts":1,"idempotencyKey":true}"#;
        let calls: Vec<_> = (0..15).map(|index| start(&tabs[index % 3], request("POST", URL), keyed)).collect();
        for call in &calls {
            assert_eq!(call.ended(&world).unwrap(), 200, "seed {seed}");
        }
        assert_eq!((refreshes(&world), count(&world)), (1, 30), "seed {seed}");
        let mut by_call = std::collections::BTreeMap::<String, Vec<_>>::new();
        for (_, sent) in asked(&world) {
            by_call.entry(sent.header("x-correlation-id").unwrap().into()).or_default().push(sent);
        }
        assert_eq!(by_call.len(), 15);
        for sent in by_call.values() {
            let [first, second] = sent.as_slice() else { panic!("seed {seed}: {} requests", sent.len()) };
            assert_eq!(first.header("Idempotency-Key"), second.header("Idempotency-Key"));
            assert_eq!(first.header("x-attempt"), second.header("x-attempt"), "it is no retry");
            assert_ne!(first.header("traceparent"), second.header("traceparent"), "but a request of its own");
        }
        assert!(tabs.iter().all(|tab| events(&tab.events(), "retryScheduled").is_empty()));
    }
}

#[test]
fn they_are_refreshed_once_though_a_tab_sees_late_what_another_has_written() {
    for seed in 0..30 {
        let world = expired(seed);
        world.delay_key_value(60);
        let tabs: Vec<Tab> = (0..3).map(|_| Tab::open(&world, "ada", "")).collect();
        let calls: Vec<_> = (0..6).map(|index| start(&tabs[index % 3], request("GET", URL), "{}")).collect();
        for call in &calls {
            assert_eq!(call.ended(&world).unwrap(), 200, "seed {seed}");
        }
        assert_eq!(refreshes(&world), 1, "seed {seed}");
    }
}

#[test]
fn a_post_without_a_key_is_sent_again_as_well_for_the_server_has_refused_to_carry_it_out() {
    let world = expired(1);
    let tab = Tab::open(&world, "ada", "");
    assert_eq!(start(&tab, request("POST", URL), "{}").ended(&world).unwrap(), 200);
    assert_eq!(world.server(|server| server.statuses.clone()), [401, 200]);
}

#[test]
fn where_they_are_not_refreshed_all_fail_with_what_the_server_said_and_nobody_storms() {
    for seed in 0..20 {
        let world = expired(seed);
        world.server(|server| server.refuses_refresh = true);
        let tabs: Vec<Tab> = (0..3).map(|_| Tab::open(&world, "ada", "")).collect();
        let calls: Vec<_> = (0..15).map(|index| start(&tabs[index % 3], request("GET", URL), "{}")).collect();
        for call in &calls {
            assert_eq!(code(&call.ended(&world)), Some("AUTH_TOKEN_EXPIRED"));
        }
        assert_eq!((refreshes(&world), count(&world)), (1, 15), "seed {seed}");
        world.advance(11 * SECOND);
        world.server(|server| server.refuses_refresh = false);
        assert_eq!(get(&world, &tabs[1], "{}").unwrap(), 200, "after a while it is tried again");
    }
}

#[test]
fn new_ones_that_are_refused_as_well_end_the_call() {
    let world = expired(2);
    world.server(|server| server.oldest_valid_token = 99);
    let tab = Tab::open(&world, "ada", "");
    assert_eq!(code(&get(&world, &tab, "{}")), Some("AUTH_TOKEN_EXPIRED"));
    assert_eq!((refreshes(&world), count(&world)), (1, 2));
}

#[test]
fn nobody_refreshes_them_for_strangers_or_against_the_callers_will_or_for_want_of_permission() {
    let world = expired(3);
    let tab = Tab::open(&world, "ada", "");
    start(&tab, request("GET", "https://stranger.example/"), "{}").ended(&world).unwrap_err();
    get(&world, &tab, r#"{"refreshCredentials":false}"#).unwrap_err();
    world.server(|server| {
        server.oldest_valid_token = 0;
        server.scripted.push_back(Reply::new(403, ""));
    });
    get(&world, &tab, "{}").unwrap_err();
    assert_eq!((refreshes(&world), count(&world)), (0, 3));
}

#[test]
fn a_tab_that_crashes_while_it_refreshes_releases_the_others() {
    let world = expired(4);
    world.server(|server| server.refresh_takes = 5 * SECOND);
    let (tab, other) = (Tab::open(&world, "ada", ""), Tab::open(&world, "ada", ""));
    start(&tab, request("GET", URL), "{}");
    world.advance(SECOND);
    let call = start(&other, request("GET", URL), "{}");
    world.advance(SECOND);
    tab.crash();
    assert_eq!(call.ended(&world).unwrap(), 200);
    assert_eq!(refreshes(&world), 2);
}

#[test]
fn one_that_hangs_is_given_up_and_holds_nobody_for_long() {
    let world = expired(5);
    world.server(|server| server.refresh_takes = Duration::from_secs(1_000_000));
    let tabs: Vec<Tab> = (0..3).map(|_| Tab::open(&world, "ada", "")).collect();
    let calls: Vec<_> = (0..9).map(|index| start(&tabs[index % 3], request("GET", URL), "{}")).collect();
    for call in &calls {
        assert_eq!(status(call, &world), Some(401));
    }
    assert!(world.now() < 45_000, "{}", world.now());
    assert_eq!(refreshes(&world), 1);
}

#[test]
fn a_frozen_tab_that_refreshes_does_not_hold_the_others_for_ever() {
    let world = expired(6);
    world.server(|server| server.refresh_takes = 5 * SECOND);
    let (tab, other) = (Tab::open(&world, "ada", ""), Tab::open(&world, "ada", ""));
    start(&tab, request("GET", URL), "{}");
    world.advance(SECOND);
    tab.freeze();
    let call = start(&other, request("GET", URL), "{}");
    assert!(world.run_until(Duration::from_secs(120), || call.has_ended()), "it waits for a tab that stands still");
    assert_eq!(call.result().unwrap(), 200);
}

#[test]
fn a_call_that_is_given_up_does_not_take_the_refresh_with_it() {
    let world = expired(7);
    world.server(|server| server.refresh_takes = 5 * SECOND);
    let tab = Tab::open(&world, "ada", "");
    let client = tab.client.clone();
    let (first, abort) = futures_util::future::abortable(async move { drop(client.call(&request("GET", URL), "{}").await) });
    tab.spawn(async move {
        let _: Result<(), futures_util::future::Aborted> = first.await;
    });
    world.advance(SECOND);
    let second = start(&tab, request("GET", URL), "{}");
    world.advance(SECOND);
    abort.abort();
    assert_eq!(second.ended(&world).unwrap(), 200);
    assert_eq!(refreshes(&world), 1, "a refresh token may be good for once only");
}

#[test]
fn without_shared_texts_each_tab_refreshes_for_itself() {
    let world = expired(8);
    world.without_key_value();
    let tabs: Vec<Tab> = (0..2).map(|_| Tab::open(&world, "ada", "")).collect();
    let calls: Vec<_> = (0..6).map(|index| start(&tabs[index % 2], request("GET", URL), "{}")).collect();
    for call in &calls {
        assert_eq!(call.ended(&world).unwrap(), 200);
    }
    assert_eq!(refreshes(&world), 2);
}

#[test]
fn a_refresh_that_failed_for_one_user_says_nothing_of_another() {
    for next in ["bob", ""] {
        let world = expired(9);
        world.server(|server| server.refuses_refresh = true);
        let ada = Tab::open(&world, "ada", "");
        get(&world, &ada, "{}").unwrap_err();
        ada.crash();
        world.server(|server| server.refuses_refresh = false);
        let other = Tab::open(&world, next, "");
        assert_eq!(get(&world, &other, "{}").unwrap(), 200, "{next}");
        assert_eq!(refreshes(&world), 2);
    }
}

#[test]
fn users_count_their_credentials_apart() {
    let world = expired(10);
    world.server(|server| server.refresh_takes = 5 * SECOND);
    let (ada, bob) = (Tab::open(&world, "ada", ""), Tab::open(&world, "bob", ""));
    let calls = [start(&ada, request("GET", URL), "{}"), start(&bob, request("GET", URL), "{}")];
    for call in &calls {
        assert_eq!(call.ended(&world).unwrap(), 200);
    }
    assert_eq!(refreshes(&world), 2, "what is new for one is not for the other");
    assert!(world.now() < 9_000, "nor does one wait for the other: {}", world.now());
}
