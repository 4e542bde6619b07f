//! A service that fails is left alone, and probed by a few.

use super::{ORIGIN, PATIENT, SECOND, URL, asked, code, count, events, fails, get, hint_source, request, script, start};
use std::time::Duration;
use steadfast::policy::breaker::BreakerState;
use steadfast::resilience::services::ByHand;
use steadfast::sim::{Faults, Reply, Tab, World};

const ONCE: &str = r#"{"maxAttempts":1}"#;
const EFFECTS: &str = "https://api.example/api/effects/1";

/// An error for which the backend holds one of its services responsible.
pub(super) fn names_service(status: u16) -> Reply {
    names_service_with(status, "")
}

pub(super) fn names_service_with(status: u16, members: &str) -> Reply {
    Reply::new(
        status,
        &format!(
            r#"{{"success":false,"error":{{"code":"AI_PROCESSING_TIMEOUT","message":"m","correlationId":"c","timestamp":"2026-06-01T12:00:00Z","userMessage":"u","retryable":true,"severity":"low"{members}}},"context":{{"endpoint":"/a","method":"GET","statusCode":{status},"requestId":"r","service":"runninghub_api"}}}}"#
        ),
    )
}

fn state(tab: &Tab, service: &str) -> BreakerState {
    tab.client.services().snapshot_of(service).breaker.unwrap().state
}

fn probes_out(tabs: &[&Tab]) -> u32 {
    tabs.iter().map(|tab| tab.client.services().snapshot_of(ORIGIN).breaker.unwrap().probes).sum()
}

fn fail(world: &World, tab: &Tab, times: usize) {
    script(world, fails(500, times));
    for _ in 0..times {
        get(world, tab, ONCE).unwrap_err();
    }
}

/// Lets the time pass for which it is open the first time, at most.
fn wait(world: &World) {
    world.advance(34 * SECOND);
}

#[test]
fn five_failures_in_a_row_open_it_and_then_nothing_is_sent() {
    let world = World::new(1);
    let tab = Tab::open(&world, "ada", PATIENT);
    fail(&world, &tab, 4);
    assert_eq!(get(&world, &tab, ONCE).unwrap(), 200);
    fail(&world, &tab, 5);
    assert_eq!((state(&tab, ORIGIN), count(&world)), (BreakerState::Open, 10));
    let before = world.now();
    let refused = get(&world, &tab, "{}");
    assert_eq!((code(&refused), hint_source(&refused)), (Some("CIRCUIT_OPEN"), "circuitBreaker"));
    let after = refused.unwrap_err().retry_hint.unwrap().after_ms;
    assert!((29_000..=33_000).contains(&after), "{after}");
    assert_eq!((world.now(), count(&world)), (before, 10));
    assert_eq!(start(&tab, request("GET", "https://other.example/"), ONCE).ended(&world).unwrap(), 200);
}

#[test]
fn what_was_refused_for_a_reason_of_its_own_opens_nothing() {
    let world = World::new(2);
    let tab = Tab::open(&world, "ada", PATIENT);
    for status in [400, 401, 403, 404, 409, 422, 501] {
        script(&world, fails(status, 3));
        (0..3).for_each(|_| drop(get(&world, &tab, ONCE).unwrap_err()));
    }
    assert_eq!(state(&tab, ORIGIN), BreakerState::Closed);
}

#[test]
fn calls_that_were_under_way_when_it_opened_change_nothing_when_they_come_back() {
    for late in [200, 500] {
        let world = World::new(3);
        let tab = Tab::open(&world, "ada", PATIENT);
        script(&world, (0..10).map(|_| Reply::new(late, "").after(40 * SECOND)));
        let under_way: Vec<_> =
            (0..10).map(|_| start(&tab, request("GET", URL), r#"{"maxAttempts":1,"attemptTimeoutMs":60000}"#)).collect();
        world.advance(SECOND);
        fail(&world, &tab, 5);
        for call in &under_way {
            drop(call.ended(&world));
        }
        assert_eq!(state(&tab, ORIGIN), BreakerState::HalfOpen, "{late}: the answers are of the time before");
        assert_eq!(tab.client.services().snapshot_of(ORIGIN).breaker.unwrap().opens, 1);
    }
}

#[test]
fn as_many_probes_as_must_succeed_close_it_and_one_that_fails_opens_it_for_longer() {
    let world = World::new(4);
    let tab = Tab::open(&world, "ada", PATIENT);
    fail(&world, &tab, 5);
    wait(&world);
    fail(&world, &tab, 1);
    let left = tab.client.services().snapshot_of(ORIGIN).breaker.unwrap().open_remaining_ms.unwrap();
    assert!((60_000..=66_000).contains(&left), "{left}");
    world.advance(66 * SECOND);
    for left in [BreakerState::HalfOpen, BreakerState::HalfOpen, BreakerState::Closed] {
        assert_eq!(get(&world, &tab, ONCE).unwrap(), 200);
        assert_eq!(state(&tab, ORIGIN), left);
    }
}

#[test]
fn no_more_than_three_probes_are_out_in_all_tabs_together() {
    for seed in 0..20 {
        let world = World::new(seed);
        let tabs: Vec<Tab> = (0..4).map(|_| Tab::open(&world, "ada", PATIENT)).collect();
        fail(&world, &tabs[0], 5);
        wait(&world);
        world.server(|server| {
            server.most_on_their_way = 0;
            server.answers = Some(|_| Some(Reply::new(200, "").after(5 * SECOND)));
        });
        let calls: Vec<_> = (0..40)
            .map(|index| start(&tabs[index % 4], request("GET", URL), r#"{"maxAttempts":1,"hedge":{"afterMs":100}}"#))
            .collect();
        world.advance(SECOND);
        assert!(probes_out(&tabs.iter().collect::<Vec<_>>()) <= 3);
        assert_eq!(world.server(|server| server.most_on_their_way), 3, "seed {seed}: company for a probe is a probe as well");
        let passed = calls.iter().filter(|call| call.ended(&world).is_ok()).count();
        assert_eq!(passed, 3);
        world.advance(SECOND);
        for tab in &tabs {
            assert_eq!(state(tab, ORIGIN), BreakerState::Closed, "seed {seed}: all hear of it");
        }
    }
}

#[test]
fn a_probe_that_hangs_does_not_keep_others_from_probing_for_ever() {
    let world = World::new(5);
    let (tab, other) = (Tab::open(&world, "ada", PATIENT), Tab::open(&world, "ada", ""));
    fail(&world, &tab, 5);
    wait(&world);
    world.set_faults(Faults { stalls: 1000, ..Faults::default() });
    let hung: Vec<_> =
        (0..3).map(|_| start(&tab, request("GET", URL), r#"{"maxAttempts":1,"attemptTimeoutMs":3600000}"#)).collect();
    world.advance(SECOND);
    world.set_faults(Faults::default());
    assert_eq!(code(&get(&world, &tab, ONCE)), Some("CIRCUIT_OPEN"), "all places are taken");
    assert_eq!(code(&get(&world, &other, ONCE)), Some("CIRCUIT_OPEN"), "in other tabs, too");
    world.advance(60 * SECOND);
    assert!(hung.iter().all(super::Pending::has_ended));
    (0..3).for_each(|_| assert_eq!(get(&world, &other, ONCE).unwrap(), 200));
    world.advance(SECOND);
    assert_eq!((state(&tab, ORIGIN), state(&other, ORIGIN)), (BreakerState::Closed, BreakerState::Closed));
}

#[test]
fn the_places_of_probes_in_a_frozen_tab_are_not_kept_longer_than_they_are_leased() {
    let world = World::new(6);
    let (tab, other) = (Tab::open(&world, "ada", PATIENT), Tab::open(&world, "ada", ""));
    fail(&world, &tab, 5);
    wait(&world);
    start(&tab, request("GET", URL), ONCE);
    world.settle();
    assert_eq!(probes_out(&[&tab]), 1);
    tab.freeze();
    let recovers = world.now();
    while get(&world, &other, ONCE).is_err() {
        assert!(world.now() - recovers < 70_000, "a frozen tab keeps all others from finding out that the service is back");
        world.advance(SECOND);
    }
    (0..2).for_each(|_| assert_eq!(get(&world, &other, ONCE).unwrap(), 200));
    assert_eq!(state(&other, ORIGIN), BreakerState::Closed);
    tab.thaw();
    assert_eq!(get(&world, &tab, ONCE).unwrap(), 200);
}

#[test]
fn a_probe_that_is_given_up_or_whose_tab_crashes_frees_its_place_at_once() {
    let world = World::new(7);
    let (tab, other) = (Tab::open(&world, "ada", PATIENT), Tab::open(&world, "ada", ""));
    fail(&world, &tab, 5);
    wait(&world);
    (0..3).for_each(|_| drop(start(&tab, request("GET", URL), ONCE)));
    world.settle();
    assert_eq!((code(&get(&world, &other, ONCE)), probes_out(&[&tab, &other])), (Some("CIRCUIT_OPEN"), 3));
    let now = world.now();
    tab.crash();
    let probes: Vec<_> = (0..4).map(|_| start(&other, request("GET", URL), ONCE)).collect();
    world.settle();
    assert_eq!((probes_out(&[&other]), world.now()), (3, now));
    assert_eq!(code(&probes[3].ended(&world)), Some("CIRCUIT_OPEN"));
    (0..3).for_each(|index: usize| assert_eq!(probes[index].ended(&world).unwrap(), 200));
    assert_eq!(state(&other, ORIGIN), BreakerState::Closed);
}

#[test]
fn a_call_that_is_aborted_gives_its_place_back() {
    let world = World::new(8);
    let tab = Tab::open(&world, "ada", PATIENT);
    fail(&world, &tab, 5);
    wait(&world);
    let client = tab.client.clone();
    world.server(|server| server.answers = Some(|_| Some(Reply::new(200, "").after(20 * SECOND))));
    let (call, abort) = futures_util::future::abortable(async move {
        let request = request("GET", URL);
        let calls = (0..3).map(|_| client.call(&request, ONCE));
        futures_util::future::join_all(calls).await;
    });
    tab.spawn(async move {
        let _: Result<(), futures_util::future::Aborted> = call.await;
    });
    world.advance(SECOND);
    assert_eq!(probes_out(&[&tab]), 3);
    abort.abort();
    world.settle();
    assert_eq!((probes_out(&[&tab]), state(&tab, ORIGIN)), (0, BreakerState::HalfOpen));
}

#[test]
fn what_the_server_has_said_opens_and_closes_it_in_other_tabs_and_after_a_reload() {
    let world = World::new(9);
    let (tab, other) = (Tab::open(&world, "ada", PATIENT), Tab::open(&world, "ada", ""));
    fail(&world, &tab, 5);
    world.settle();
    assert_eq!(code(&get(&world, &other, ONCE)), Some("CIRCUIT_OPEN"));
    tab.crash();
    let reloaded = Tab::open(&world, "ada", PATIENT);
    assert_eq!(code(&get(&world, &reloaded, ONCE)), Some("CIRCUIT_OPEN"));
    wait(&world);
    (0..3).for_each(|_| assert_eq!(get(&world, &reloaded, ONCE).unwrap(), 200));
    world.advance(SECOND);
    assert_eq!((state(&reloaded, ORIGIN), state(&other, ORIGIN)), (BreakerState::Closed, BreakerState::Closed));
}

#[test]
fn what_may_be_the_network_of_this_device_reaches_no_other_tab() {
    for faults in [Faults::OUTAGE, Faults { stalls: 1000, ..Faults::default() }, Faults { portals: 1000, ..Faults::default() }] {
        let world = World::new(10);
        let (tab, other) = (Tab::open(&world, "ada", PATIENT), Tab::open(&world, "ada", ""));
        world.set_faults(faults);
        (0..5).for_each(|_| drop(get(&world, &tab, r#"{"maxAttempts":1,"attemptTimeoutMs":1000}"#)));
        world.set_faults(Faults::default());
        assert_eq!(get(&world, &other, ONCE).unwrap(), 200);
        tab.crash();
        let reloaded = Tab::open(&world, "ada", PATIENT);
        assert_eq!(get(&world, &reloaded, ONCE).unwrap(), 200);
    }
}

#[test]
fn a_device_that_is_offline_opens_nothing_at_all() {
    let world = World::new(11);
    let tab = Tab::open(&world, "ada", PATIENT);
    world.set_online(false);
    world.set_faults(Faults::OUTAGE);
    (0..20).for_each(|_| assert_eq!(code(&get(&world, &tab, ONCE)), Some("NETWORK_OFFLINE")));
    world.set_faults(Faults::default());
    world.set_online(true);
    assert_eq!(get(&world, &tab, ONCE).unwrap(), 200, "at once");
}

#[test]
fn news_of_another_service_do_not_close_what_has_opened_since() {
    let world = World::new(12);
    let (tab, other) = (Tab::open(&world, "ada", PATIENT), Tab::open(&world, "ada", ""));
    fail(&world, &tab, 5);
    wait(&world);
    (0..3).for_each(|_| assert_eq!(get(&world, &tab, ONCE).unwrap(), 200));
    world.advance(60 * SECOND);
    world.set_faults(Faults::OUTAGE);
    (0..5).for_each(|_| drop(get(&world, &other, ONCE)));
    world.set_faults(Faults::default());
    assert_eq!(state(&other, ORIGIN), BreakerState::Open);
    script(&world, [Reply::new(429, "").header("Retry-After", "5")]);
    start(&tab, request("GET", "https://elsewhere.example/"), ONCE).ended(&world).unwrap_err();
    assert_eq!(code(&get(&world, &other, ONCE)), Some("CIRCUIT_OPEN"), "that the server was back a minute ago is old news");
}

#[test]
fn a_service_that_an_error_names_is_held_responsible_alone() {
    let world = World::new(13);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, (0..5).map(|_| names_service(504)));
    (0..5).for_each(|_| drop(start(&tab, request("GET", EFFECTS), ONCE).ended(&world).unwrap_err()));
    assert_eq!((state(&tab, "runninghub_api"), state(&tab, ORIGIN)), (BreakerState::Open, BreakerState::Closed));
    let sent = count(&world);
    let again = start(&tab, request("GET", "https://api.example/api/effects/77?x=1"), ONCE).ended(&world);
    assert_eq!((code(&again), count(&world)), (Some("CIRCUIT_OPEN"), sent), "the route is known to need it");
    assert_eq!(get(&world, &tab, ONCE).unwrap(), 200);
}

#[test]
fn it_is_opened_closed_and_reset_by_hand_one_and_all() {
    let world = World::new(14);
    let tab = Tab::open(&world, "ada", PATIENT);
    let services = tab.client.services().clone();
    services.set_by_hand(Some(ORIGIN), ByHand::Open);
    let refused = get(&world, &tab, ONCE);
    assert_eq!(code(&refused), Some("CIRCUIT_OPEN"));
    assert!(refused.unwrap_err().retry_hint.is_none(), "nobody knows when");
    world.advance(Duration::from_secs(86_400));
    assert_eq!(code(&get(&world, &tab, ONCE)), Some("CIRCUIT_OPEN"));
    services.set_by_hand(Some(ORIGIN), ByHand::Close);
    assert_eq!(get(&world, &tab, ONCE).unwrap(), 200);
    fail(&world, &tab, 5);
    services.set_by_hand(None, ByHand::Reset);
    assert_eq!(get(&world, &tab, ONCE).unwrap(), 200);
    assert_eq!(tab.client.services().snapshot_of(ORIGIN).breaker.unwrap().opens, 0);
    start(&tab, request("GET", "https://other.example/"), ONCE).ended(&world).unwrap();
    services.set_by_hand(None, ByHand::Open);
    assert_eq!(code(&get(&world, &tab, ONCE)), Some("CIRCUIT_OPEN"));
    assert_eq!(code(&start(&tab, request("GET", "https://other.example/"), ONCE).ended(&world)), Some("CIRCUIT_OPEN"));
}

#[test]
fn one_closed_by_hand_stays_closed_whatever_is_said_of_its_opening_before() {
    let world = World::new(15);
    let (tab, other) = (Tab::open(&world, "ada", PATIENT), Tab::open(&world, "ada", ""));
    fail(&world, &tab, 5);
    world.advance(SECOND);
    tab.client.services().set_by_hand(Some(ORIGIN), ByHand::Close);
    script(&world, [Reply::new(429, "").header("Retry-After", "2")]);
    start(&other, request("GET", "https://elsewhere.example/"), ONCE).ended(&world).unwrap_err();
    assert_eq!(get(&world, &tab, ONCE).unwrap(), 200);
}

#[test]
fn one_failure_after_twenty_idle_minutes_does_not_open_it() {
    let world = World::new(16);
    let tab = Tab::open(&world, "ada", PATIENT);
    fail(&world, &tab, 4);
    world.advance(Duration::from_secs(1200));
    fail(&world, &tab, 1);
    assert_eq!((state(&tab, ORIGIN), get(&world, &tab, ONCE).unwrap()), (BreakerState::Closed, 200));
}

#[test]
fn one_that_opens_while_a_call_waits_to_be_sent_again_ends_the_call_with_what_went_wrong() {
    let world = World::new(17);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, fails(500, 3));
    (0..3).for_each(|_| drop(get(&world, &tab, ONCE)));
    script(&world, [Reply::new(500, r#"{"error":"The first"}"#), Reply::new(500, r#"{"error":"The second"}"#)]);
    let began = world.now();
    let ended = get(&world, &tab, r#"{"maxAttempts":9}"#);
    assert_eq!(ended.as_ref().unwrap_err().message.as_deref(), Some("The second"));
    assert_eq!((hint_source(&ended), count(&world)), ("circuitBreaker", 5));
    assert!(world.now() - began < 3000);
    assert!(events(&tab.events(), "callFailed").last().unwrap().contains(r#""because":"circuitOpen""#));
}

#[test]
fn the_hint_is_that_of_the_circuit_where_that_is_open_for_longer_than_the_server_asked_for() {
    let world = World::new(18);
    let tab = Tab::open(&world, "ada", PATIENT);
    fail(&world, &tab, 4);
    script(&world, [Reply::new(503, "").header("Retry-After", "1")]);
    let ended = get(&world, &tab, "{}");
    let hint = ended.unwrap_err().retry_hint.unwrap();
    assert!(hint.after_ms > 29_000, "it would be refused after {} ms", hint.after_ms);
}

#[test]
fn it_says_what_it_does() {
    let world = World::new(19);
    let tab = Tab::open(&world, "ada", PATIENT);
    fail(&world, &tab, 5);
    wait(&world);
    (0..3).for_each(|_| assert_eq!(get(&world, &tab, ONCE).unwrap(), 200));
    let all = tab.events();
    let changes = events(&all, "circuitChanged");
    for (index, part) in
        [r#""to":"open","because":"consecutiveFailures""#, r#""to":"halfOpen""#, r#""to":"closed","because":"probesSucceeded""#]
            .into_iter()
            .enumerate()
    {
        assert!(changes[index].contains(part), "{}", changes[index]);
    }
    assert_eq!(changes.len(), 3);
    assert_eq!(asked(&world).len(), 8);
}

#[test]
fn strangers_have_no_say_in_the_backends_services() {
    let world = World::new(20);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, [names_service_with(504, r#","retryAfter":600"#)]);
    start(&tab, request("GET", "https://another.example/a"), ONCE).ended(&world).unwrap_err();
    script(&world, (0..5).map(|_| names_service(504)));
    (0..5).for_each(|_| drop(start(&tab, request("GET", "https://stranger.example/a"), ONCE).ended(&world)));
    let services = tab.client.services();
    assert!(services.snapshot().iter().all(|service| service.service != "runninghub_api"));
    assert_eq!(state(&tab, "https://stranger.example"), BreakerState::Open, "it is its own service");
}

#[test]
fn a_call_that_has_to_wait_again_does_not_keep_the_place_of_a_probe() {
    let world = World::new(21);
    let tab = Tab::open(&world, "ada", r#","retry":{"maxPauseMs":30000},"bulkhead":{"maxConcurrent":1}"#);
    fail(&world, &tab, 5);
    wait(&world);
    script(&world, [Reply::new(429, "").header("Retry-After", "10")]);
    let first = start(&tab, request("GET", URL), ONCE);
    let second = start(&tab, request("GET", URL), ONCE);
    assert_eq!(first.ended(&world).unwrap_err().status, Some(429));
    world.settle();
    assert_eq!((second.has_ended(), probes_out(&[&tab])), (false, 0));
    assert_eq!(second.ended(&world).unwrap(), 200);
}

/// A tab whose server falls silent, so that its circuit opens.
fn silenced(world: &World) -> Tab {
    let tab = Tab::open(world, "ada", "");
    tab.client.watch_connectivity();
    assert_eq!(get(world, &tab, ONCE).unwrap(), 200);
    world.server(|server| server.silent.insert(ORIGIN.into()));
    (0..5).for_each(|_| drop(get(world, &tab, r#"{"maxAttempts":1,"attemptTimeoutMs":1000}"#).unwrap_err()));
    tab
}

#[test]
fn a_circuit_that_silence_has_opened_is_probed_as_soon_as_the_backend_answers_again() {
    let world = World::new(61);
    let tab = silenced(&world);
    assert_eq!(state(&tab, ORIGIN), BreakerState::Open);
    let opened = world.now();
    assert!(world.run_until(10 * SECOND, || !tab.client.connectivity().online));
    world.server(|server| server.silent.clear());
    assert!(world.run_until(25 * SECOND, || tab.client.connectivity().online));
    assert_eq!(state(&tab, ORIGIN), BreakerState::HalfOpen);
    assert!(world.now() - opened < 27_000, "that is before its time");
    (0..3).for_each(|_| assert_eq!(get(&world, &tab, ONCE).unwrap(), 200));
    assert_eq!(state(&tab, ORIGIN), BreakerState::Closed);
}

#[test]
fn a_circuit_that_the_server_has_opened_stands_though_the_network_comes_and_goes() {
    let world = World::new(62);
    let tab = Tab::open(&world, "ada", "");
    tab.client.watch_connectivity();
    fail(&world, &tab, 5);
    world.set_online(false);
    world.advance(SECOND);
    world.set_online(true);
    assert!(world.run_until(10 * SECOND, || tab.client.connectivity().online));
    assert_eq!(state(&tab, ORIGIN), BreakerState::Open);
}
