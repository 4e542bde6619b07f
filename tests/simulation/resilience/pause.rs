//! A service that has said when it wants to be asked again is not asked earlier.

use super::{ORIGIN, PATIENT, SECOND, URL, asked, code, count, events, fails, get, hint_source, request, script, start};
use std::time::Duration;
use steadfast::sim::{Reply, Tab, World};

const ONCE: &str = r#"{"maxAttempts":1}"#;
const IMPATIENT: &str = r#"{"maxAttempts":1,"maxWaitMs":1000}"#;

fn wants(status: u16, seconds: u64) -> Reply {
    Reply::new(status, "").header("Retry-After", &seconds.to_string())
}

/// A client may stay away for up to a quarter longer than it was asked to, so that not all come back at the same moment.
const LONGEST_MINUTE: Duration = Duration::from_secs(75);

fn too_early(world: &World) -> u32 {
    world.server(|server| server.asked_too_early)
}

/// A tab whose server has just asked to be left alone for that long.
fn paused(world: &World, seconds: u64) -> Tab {
    let tab = Tab::open(world, "ada", PATIENT);
    script(world, [wants(429, seconds)]);
    assert_eq!(get(world, &tab, ONCE).unwrap_err().status, Some(429));
    tab
}

#[test]
fn another_call_waits_as_long_as_it_is_ready_to_and_is_then_sent() {
    for status in [429, 503] {
        let world = World::new(1);
        let tab = Tab::open(&world, "ada", PATIENT);
        script(&world, [wants(status, 20)]);
        get(&world, &tab, ONCE).unwrap_err();
        let told = world.now();
        assert_eq!(get(&world, &tab, ONCE).unwrap(), 200);
        let sent = asked(&world)[1].0 - told;
        assert!((20_000..26_200).contains(&sent), "{sent}");
        assert_eq!(too_early(&world), 0);
    }
}

#[test]
fn one_that_is_not_ready_to_wait_so_long_fails_at_once_and_says_when() {
    let world = World::new(2);
    let tab = paused(&world, 60);
    let before = world.now();
    let refused = get(&world, &tab, IMPATIENT);
    assert_eq!((code(&refused), hint_source(&refused)), (Some("SERVICE_PAUSED"), "earlierAnswer"));
    let error = refused.unwrap_err();
    assert!((59_900..=75_000).contains(&error.retry_hint.unwrap().after_ms));
    assert_eq!((error.request.unwrap().attempts, error.retryable), (0, true));
    assert_eq!((world.now() - before, count(&world)), (0, 1));
}

#[test]
fn those_who_waited_do_not_all_come_back_at_once() {
    let world = World::new(3);
    let tab = paused(&world, 20);
    let calls: Vec<_> = (0..30).map(|_| start(&tab, request("GET", URL), ONCE)).collect();
    for call in &calls {
        assert_eq!(call.ended(&world).unwrap(), 200);
    }
    let mut seconds: Vec<u64> = asked(&world)[1..].iter().map(|(at, _)| at / 50).collect();
    seconds.dedup();
    assert!(seconds.len() > 10, "{seconds:?}");
    assert_eq!(too_early(&world), 0);
}

#[test]
fn another_tab_leaves_it_alone_too_and_so_does_one_that_is_opened_later() {
    let world = World::new(4);
    let other = Tab::open(&world, "ada", PATIENT);
    let stranger = Tab::open(&world, "bob", PATIENT);
    let tab = paused(&world, 60);
    let later = Tab::open(&world, "ada", PATIENT);
    for tab in [&other, &stranger, &later, &tab] {
        assert_eq!(code(&get(&world, tab, IMPATIENT)), Some("SERVICE_PAUSED"));
    }
    world.advance(LONGEST_MINUTE);
    for tab in [&other, &stranger, &later, &tab] {
        assert_eq!(get(&world, tab, IMPATIENT).unwrap(), 200);
    }
    assert_eq!(too_early(&world), 0);
}

#[test]
fn a_crash_forgets_nothing() {
    let world = World::new(5);
    let tab = paused(&world, 60);
    tab.crash();
    world.advance(20 * SECOND);
    let reloaded = Tab::open(&world, "ada", PATIENT);
    let refused = get(&world, &reloaded, IMPATIENT);
    assert_eq!(code(&refused), Some("SERVICE_PAUSED"));
    assert!(
        (39_900..=55_000).contains(&refused.unwrap_err().retry_hint.unwrap().after_ms),
        "what has passed is not waited for again"
    );
    world.advance(55 * SECOND);
    assert_eq!(get(&world, &reloaded, IMPATIENT).unwrap(), 200);
    assert_eq!(too_early(&world), 0);
}

#[test]
fn no_jump_of_the_wall_clock_ends_it_early_or_prolongs_it_in_a_tab_that_lives() {
    for jump in [-86_400_000, -30_000, 30_000, 86_400_000] {
        let world = World::new(6);
        let other = Tab::open(&world, "ada", PATIENT);
        let tab = paused(&world, 60);
        world.advance(30 * SECOND);
        world.jump_wall_clock(jump);
        for tab in [&tab, &other] {
            assert_eq!(code(&get(&world, tab, IMPATIENT)), Some("SERVICE_PAUSED"), "{jump}");
        }
        world.advance(45 * SECOND);
        for tab in [&tab, &other] {
            assert_eq!(get(&world, tab, IMPATIENT).unwrap(), 200, "{jump}");
        }
        assert_eq!(too_early(&world), 0);
    }
}

#[test]
fn news_of_another_service_do_not_begin_an_old_pause_anew_when_the_clock_was_set_back() {
    let world = World::new(7);
    let (tab, other) = (paused(&world, 60), Tab::open(&world, "ada", PATIENT));
    assert_eq!(code(&get(&world, &other, IMPATIENT)), Some("SERVICE_PAUSED"));
    world.advance(50 * SECOND);
    world.jump_wall_clock(-3_600_000);
    script(&world, [wants(429, 5)]);
    start(&tab, request("GET", "https://elsewhere.example/"), ONCE).ended(&world).unwrap_err();
    world.advance(26 * SECOND);
    assert_eq!(get(&world, &other, IMPATIENT).unwrap(), 200, "the minute was over");
}

#[test]
fn another_tab_tells_of_it_and_shows_it_before_it_asks_for_anything() {
    let world = World::new(17);
    let other = Tab::open(&world, "ada", PATIENT);
    let tab = paused(&world, 60);
    world.advance(SECOND);
    let told = other.events();
    let told = events(&told, "servicePaused");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(ORIGIN), "{}", told[0]);
    let shown = |tab: &Tab| tab.client.services().snapshot().iter().find_map(|service| service.paused_for_ms);
    for tab in [&tab, &other] {
        assert!(shown(tab).is_some_and(|left| (58_000..=74_000).contains(&left)), "{:?}", shown(tab));
    }
}

#[test]
fn a_reloaded_tab_waits_no_longer_than_the_whole_once_more_though_the_clock_was_set_back() {
    let world = World::new(8);
    paused(&world, 60).crash();
    world.jump_wall_clock(-365 * 86_400_000);
    let second = Tab::open(&world, "ada", PATIENT);
    assert_eq!(code(&get(&world, &second, IMPATIENT)), Some("SERVICE_PAUSED"));
    second.crash();
    world.advance(LONGEST_MINUTE);
    let third = Tab::open(&world, "ada", PATIENT);
    assert_eq!(get(&world, &third, IMPATIENT).unwrap(), 200, "and that holds from reload to reload");
}

#[test]
fn a_longer_hint_prolongs_it_and_a_shorter_one_does_not_shorten_it() {
    for (first, second, longest) in [(20, 50, 50), (50, 20, 50)] {
        let world = World::new(9);
        let tab = Tab::open(&world, "ada", PATIENT);
        script(&world, [wants(429, first), wants(503, second)]);
        let calls = [start(&tab, request("GET", URL), ONCE), start(&tab, request("GET", URL), ONCE)];
        for call in &calls {
            drop(call.ended(&world).unwrap_err());
        }
        let left = get(&world, &tab, IMPATIENT).unwrap_err().retry_hint.unwrap().after_ms;
        assert!((longest * 1000 - 100..=longest * 1250).contains(&left), "{left}");
    }
}

#[test]
fn a_hint_that_comes_while_a_call_waits_is_waited_for_as_well() {
    let world = World::new(10);
    let tab = Tab::open(&world, "ada", PATIENT);
    // The first two are under way when the first answer arrives; the third waits behind that, when the second arrives.
    script(&world, [wants(429, 5), wants(429, 12).after(2 * SECOND)]);
    let calls = [start(&tab, request("GET", URL), ONCE), start(&tab, request("GET", URL), ONCE)];
    assert!(world.run_until(SECOND, || calls[0].has_ended()));
    let waiting = start(&tab, request("GET", URL), ONCE);
    assert_eq!(waiting.ended(&world).unwrap(), 200);
    assert!(asked(&world)[2].0 >= 14_000);
    assert_eq!(too_early(&world), 0);
}

#[test]
fn a_call_that_waits_in_line_waits_for_a_pause_that_is_announced_meanwhile() {
    let world = World::new(11);
    let tab = Tab::open(&world, "ada", r#","retry":{"maxPauseMs":30000},"bulkhead":{"maxConcurrent":1}"#);
    script(&world, [wants(429, 5)]);
    let first = start(&tab, request("GET", URL), ONCE);
    let second = start(&tab, request("GET", URL), ONCE);
    assert_eq!(first.ended(&world).unwrap_err().status, Some(429));
    assert_eq!(second.ended(&world).unwrap(), 200, "it is ready to wait for 30 s");
    assert_eq!(too_early(&world), 0);
}

#[test]
fn a_call_does_not_wait_longer_in_all_than_it_is_ready_to() {
    let world = World::new(12);
    let tab = Tab::open(&world, "ada", PATIENT);
    let other = Tab::open(&world, "ada", PATIENT);
    let waiting = Rc::new(RefCell::new(None));
    // Whoever asks is asked for patience again, just when the last one is over.
    script(&world, (0..100).map(|_| wants(429, 10)));
    get(&world, &other, ONCE).unwrap_err();
    *waiting.borrow_mut() = Some(start(&tab, request("GET", URL), r#"{"maxAttempts":1,"maxWaitMs":25000}"#));
    let began = world.now();
    let ended = || waiting.borrow().as_ref().is_some_and(super::Pending::has_ended);
    while !ended() && world.now() - began < 300_000 {
        let left = other.client.services().paused_for(ORIGIN);
        world.advance(left);
        let again = start(&other, request("GET", URL), ONCE);
        world.run_until(60 * SECOND, || again.has_ended());
    }
    assert!(world.now() - began < 60_000, "it waited for {} ms", world.now() - began);
    assert_eq!(too_early(&world), 0);
}

use std::cell::RefCell;
use std::rc::Rc;

/// Tries again after five seconds, not earlier.
const LATER: &str = r#"{"baseDelayMs":5000,"jitter":"none"}"#;

#[test]
fn a_retry_does_not_come_before_a_pause_that_another_call_was_told_of() {
    let world = World::new(13);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, [Reply::new(500, ""), wants(429, 15)]);
    let first = start(&tab, request("GET", URL), LATER);
    world.advance(Duration::from_secs(1));
    let second = start(&tab, request("GET", URL), ONCE);
    second.ended(&world).unwrap_err();
    assert_eq!(first.ended(&world).unwrap(), 200);
    assert_eq!(too_early(&world), 0);
}

#[test]
fn what_keeps_a_retry_waiting_too_long_is_said_by_its_name() {
    let world = World::new(14);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, [Reply::new(500, r#"{"error":"It is broken"}"#), wants(429, 50)]);
    let first = start(&tab, request("GET", URL), LATER);
    world.advance(Duration::from_secs(1));
    start(&tab, request("GET", URL), ONCE).ended(&world).unwrap_err();
    let ended = first.ended(&world);
    assert_eq!(ended.as_ref().unwrap_err().message.as_deref(), Some("It is broken"), "what went wrong tells more");
    assert_eq!(hint_source(&ended), "earlierAnswer");
}

#[test]
fn a_slow_attempt_gets_no_company_while_the_service_wants_to_be_left_alone() {
    let world = World::new(15);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, [Reply::new(200, "").after(3 * SECOND), wants(429, 10)]);
    let slow = start(&tab, request("GET", URL), r#"{"hedge":{"afterMs":500}}"#);
    world.advance(Duration::from_millis(100));
    start(&tab, request("GET", URL), ONCE).ended(&world).unwrap_err();
    assert_eq!(slow.ended(&world).unwrap(), 200);
    assert_eq!((count(&world), too_early(&world)), (2, 0));
    assert!(events(&tab.events(), "hedgeSent").is_empty());
}

#[test]
fn what_a_hedge_was_told_holds_though_the_other_answer_counts() {
    let world = World::new(16);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, [Reply::new(200, "").after(3 * SECOND), wants(429, 10)]);
    assert_eq!(get(&world, &tab, r#"{"hedge":{"afterMs":500}}"#).unwrap(), 200);
    assert_eq!(get(&world, &tab, ONCE).unwrap(), 200);
    assert_eq!(too_early(&world), 0);
}

#[test]
fn a_call_whose_credentials_were_refreshed_is_not_sent_again_into_a_pause() {
    let world = World::new(17);
    world.refresh_credentials();
    let tab = Tab::open(&world, "ada", PATIENT);
    let slow = start(&tab, request("GET", "https://api.example/slow"), ONCE);
    world.server(|server| {
        server.refresh_takes = 2 * SECOND;
        server.answers = Some(|request| request.url.ends_with("/slow").then(|| wants(429, 10).after(SECOND)));
    });
    world.advance(Duration::from_millis(60));
    world.server(|server| server.oldest_valid_token = 1);
    let refreshed = start(&tab, request("GET", URL), ONCE);
    slow.ended(&world).unwrap_err();
    assert_eq!(refreshed.ended(&world).unwrap(), 200);
    assert_eq!(too_early(&world), 0);
}

#[test]
fn an_alternative_that_the_server_has_named_is_asked_though_the_rest_is_paused() {
    let world = World::new(18);
    let tab = paused(&world, 60);
    assert_eq!(get(&world, &tab, r#"{"maxAttempts":1,"maxWaitMs":0,"apart":"alternative"}"#).unwrap(), 200);
}

#[test]
fn a_limit_of_the_whole_holds_for_the_whole_though_the_route_has_a_service_of_its_own() {
    let world = World::new(19);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, [super::circuit::names_service(504)]);
    let effects = || request("GET", "https://api.example/api/effects/1");
    start(&tab, effects(), ONCE).ended(&world).unwrap_err();
    script(&world, [wants(429, 20)]);
    start(&tab, effects(), ONCE).ended(&world).unwrap_err();
    assert_eq!(code(&get(&world, &tab, IMPATIENT)), Some("SERVICE_PAUSED"), "nobody has said that only the service is meant");
    assert_eq!(too_early(&world), 0);
}

#[test]
fn a_call_that_learns_of_a_service_waits_for_it_from_then_on() {
    let world = World::new(20);
    let tab = Tab::open(&world, "ada", PATIENT);
    let busy = |seconds: u64| super::circuit::names_service_with(504, &format!(r#","retryAfter":{seconds}"#));
    script(&world, [busy(2), busy(12)]);
    let effects = || request("GET", "https://api.example/api/effects/1");
    let first = start(&tab, effects(), "{}");
    start(&tab, effects(), ONCE).ended(&world).unwrap_err();
    assert_eq!(first.ended(&world).unwrap(), 200);
    assert!(asked(&world)[2].0 >= 12_000, "{}", asked(&world)[2].0);
}

#[test]
fn many_services_do_not_push_out_one_that_wants_to_be_left_alone() {
    let world = World::new(21);
    let tab = paused(&world, 3000);
    for index in 0..100 {
        let url = format!("https://host{index}.example/");
        start(&tab, request("GET", &url), ONCE).ended(&world).unwrap();
    }
    assert_eq!(code(&get(&world, &tab, IMPATIENT)), Some("SERVICE_PAUSED"));
}

#[test]
fn a_post_that_was_refused_for_now_waits_like_any_other_call() {
    let world = World::new(22);
    let tab = paused(&world, 10);
    assert_eq!(start(&tab, request("POST", URL), "{}").ended(&world).unwrap(), 200);
    assert_eq!((count(&world), too_early(&world)), (2, 0));
    script(&world, fails(500, 1));
    start(&tab, request("POST", URL), "{}").ended(&world).unwrap_err();
    assert_eq!(count(&world), 3);
}

#[test]
fn tabs_of_nobody_in_particular_hear_of_it_by_what_is_written_down() {
    let world = World::new(23);
    let (tab, other) =
        (Tab::open(&world, "", ""), Tab::open(&world, "", r#","retry":{"maxPauseMs":30000},"bulkhead":{"maxConcurrent":1}"#));
    world.server(|server| {
        server.answers = Some(|request| request.url.ends_with("slow").then(|| Reply::new(200, "").after(2 * SECOND)));
    });
    let slow = start(&other, request("GET", "https://api.example/slow"), ONCE);
    let in_line = start(&other, request("GET", URL), ONCE);
    world.advance(SECOND);
    script(&world, [wants(429, 10)]);
    get(&world, &tab, ONCE).unwrap_err();
    assert_eq!((slow.ended(&world).unwrap(), in_line.ended(&world).unwrap()), (200, 200));
    assert_eq!(too_early(&world), 0);
}

#[test]
fn a_retry_does_not_sleep_into_a_pause_that_is_longer_than_the_call_is_ready_to_wait() {
    let world = World::new(24);
    let tab = Tab::open(&world, "ada", PATIENT);
    script(&world, [Reply::new(500, r#"{"error":"broken","retryable":true}"#).after(SECOND), wants(429, 3600)]);
    let first = start(&tab, request("GET", URL), "{}");
    start(&tab, request("GET", URL), ONCE).ended(&world).unwrap_err();
    let before = world.now();
    let ended = first.ended(&world);
    assert_eq!(ended.as_ref().unwrap_err().status, Some(500));
    assert_eq!(hint_source(&ended), "earlierAnswer");
    assert!(world.now() - before < 5000, "it slept for {} ms", world.now() - before);
}
