//! What the backend and the user have to say about how calls are made.

use std::time::Duration;
use steadfast::client::CallError;
use steadfast::error::ApiError;
use steadfast::policy::breaker::BreakerState;
use steadfast::sim::{Faults, Reply, SimRequest, Tab, World};

const URL: &str = "https://api.example/api/drafts";
const ORIGIN: &str = "https://api.example";

fn call(world: &World, tab: &Tab, options: &'static str) -> Result<u16, Box<ApiError>> {
    let client = tab.client.clone();
    let request = SimRequest { method: "GET".into(), url: URL.into(), ..SimRequest::default() };
    match world.block_on(async move { client.call(&request, options).await }) {
        Ok(response) => Ok(response.reply().status),
        Err(CallError::Api(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn attempts(world: &World, tab: &Tab, options: &'static str) -> u32 {
    world.server(|server| server.scripted.extend((0..20).map(|_| Reply::new(500, r#"{"error":"broken","retryable":true}"#))));
    let error = call(world, tab, options).unwrap_err();
    world.server(|server| server.scripted.clear());
    tab.client.services().set_by_hand(None, steadfast::resilience::services::ByHand::Reset);
    error.request.unwrap().attempts
}

fn configured(world: &World, document: &str, options: &str) -> Tab {
    world.server(|server| server.scripted.push_back(Reply::new(200, document)));
    let tab = Tab::open(world, "ada", options);
    world.advance(Duration::from_secs(5));
    tab
}

fn told(tab: &Tab, kind: &str) -> Vec<String> {
    tab.events().into_iter().filter(|event| event.contains(&format!(r#""type":"{kind}""#))).collect()
}

#[test]
fn what_the_server_configures_holds_until_the_application_says_otherwise() {
    let world = World::new(1);
    let document =
        r#"{"retryDefaults":{"maxAttempts":5,"baseDelay":100,"backoffMultiplier":1},"circuitBreaker":{"failureThreshold":9}}"#;
    let tab = configured(&world, document, r#","configuration":true"#);
    assert_eq!(told(&tab, "configurationChanged").len(), 1);
    assert_eq!(attempts(&world, &tab, "{}"), 5);
    assert_eq!(attempts(&world, &tab, r#"{"maxAttempts":2}"#), 2, "what a call says wins");
    let breaker = tab.client.services().policy_of(ORIGIN).breaker.unwrap();
    assert_eq!(breaker.consecutive_failures, Some(9));
    drop(tab);
    let stubborn = configured(&world, document, r#","configuration":true,"retry":{"maxAttempts":4}"#);
    assert_eq!(attempts(&world, &stubborn, "{}"), 4, "and what the application says, too");
}

#[test]
fn a_configuration_is_kept_across_reloads_and_a_broken_one_changes_nothing_and_says_so() {
    let world = World::new(2);
    let tab = configured(&world, r#"{"retryDefaults":{"maxAttempts":2}}"#, r#","configuration":true"#);
    tab.crash();
    world.server(|server| server.scripted.push_back(Reply::new(200, r#"{"retryDefaults":"soon"}"#)));
    let again = Tab::open(&world, "ada", r#","configuration":true"#);
    assert_eq!(again.client.settings().policy().retry.max_attempts, 2, "before anything was asked");
    world.advance(Duration::from_secs(5));
    assert_eq!(again.client.settings().policy().retry.max_attempts, 2);
    let said = [told(&again, "configurationIgnored"), told(&again, "configurationChanged")].concat();
    assert!(said.iter().any(|event| event.contains("retryDefaults") || event.contains("soon")), "{said:?}");
}

#[test]
fn what_the_server_configures_for_one_user_is_not_kept_for_another() {
    let world = World::new(9);
    let tab = configured(&world, r#"{"retryDefaults":{"maxAttempts":7}}"#, r#","configuration":true"#);
    tab.crash();
    for user in ["bob", ""] {
        let other = Tab::open(&world, user, r#","configuration":true"#);
        assert_eq!(other.client.settings().policy().retry.max_attempts, 3, "{user}");
        other.crash();
    }
    let again = Tab::open(&world, "ada", r#","configuration":true"#);
    assert_eq!(again.client.settings().policy().retry.max_attempts, 7);
}

#[test]
fn what_is_out_of_bounds_is_brought_inside_and_that_is_said() {
    let world = World::new(3);
    let tab = configured(&world, r#"{"retryDefaults":{"maxAttempts":1000000,"baseDelay":0}}"#, r#","configuration":true"#);
    let retry = tab.client.settings().policy().retry;
    assert_eq!((retry.max_attempts, retry.backoff.base), (10, Duration::from_millis(100)));
    let changed = told(&tab, "configurationChanged");
    assert!(changed[0].contains("retryDefaults.maxAttempts") && changed[0].contains("1000000"), "{changed:?}");
}

#[test]
fn it_is_asked_for_again_and_again_and_never_without_the_option() {
    let world = World::new(4);
    let asked = || world.server(|server| server.requests.len());
    let tab = Tab::open(&world, "ada", "");
    world.advance(Duration::from_secs(3600));
    assert_eq!(asked(), 0);
    tab.crash();
    let tab = Tab::open(&world, "ada", r#","configuration":{"refreshMs":60000}"#);
    world.advance(Duration::from_secs(3600));
    assert!((50..=61).contains(&asked()), "{}", asked());
    tab.client.close();
    let before = asked();
    world.advance(Duration::from_secs(3600));
    assert_eq!(asked(), before, "a client that is closed asks for nothing");
}

#[test]
fn a_user_who_wants_no_retries_gets_none_at_once_and_in_every_tab() {
    let world = World::new(5);
    let (one, other) = (Tab::open(&world, "ada", ""), Tab::open(&world, "ada", ""));
    assert_eq!(attempts(&world, &one, "{}"), 3);
    one.client.settings().prefer(r#"{"preferences":{"recovery":{"maxAutoRetries":1}}}"#);
    assert_eq!((attempts(&world, &one, "{}"), attempts(&world, &other, "{}")), (2, 2));
    one.client.settings().prefer(r#"{"preferences":{"recovery":{"autoRetryEnabled":false}}}"#);
    assert_eq!(attempts(&world, &one, r#"{"maxAttempts":9}"#), 1, "whatever the application says");
    assert!(told(&one, "callFailed").last().unwrap().contains(r#""because":"autoRetryOff""#));
    assert_eq!(told(&other, "preferencesChanged").len(), 1);
    one.crash();
    let again = Tab::open(&world, "ada", "");
    assert_eq!(attempts(&world, &again, "{}"), 1);
    let bob = Tab::open(&world, "bob", "");
    assert_eq!(attempts(&world, &bob, "{}"), 3, "another user's wishes are others");
}

#[test]
fn a_call_under_way_heeds_what_the_user_says_meanwhile() {
    let world = World::new(6);
    world.server(|server| server.scripted.extend((0..9).map(|_| Reply::new(503, "").header("Retry-After", "5"))));
    let tab = Tab::open(&world, "ada", "");
    let client = tab.client.clone();
    let request = SimRequest { method: "GET".into(), url: URL.into(), ..SimRequest::default() };
    tab.spawn(async move { drop(client.call(&request, r#"{"maxAttempts":9}"#).await) });
    assert!(world.run_until(Duration::from_secs(9), || world.server(|server| server.requests.len()) == 2));
    tab.client.settings().prefer(r#"{"recovery":{"autoRetryEnabled":false}}"#);
    world.advance(Duration::from_secs(60));
    assert_eq!(world.server(|server| server.requests.len()), 2);
}

#[test]
fn a_service_that_the_backend_calls_out_is_left_alone_before_it_fails_here() {
    let world = World::new(7);
    let open = r#"{"services":{"images":{"circuitBreakerState":"open","recoveryTime":"2026-06-01T12:01:00Z"}}}"#;
    world.server(|server| server.health = Some(Reply::new(200, open)));
    let tab = Tab::open(&world, "ada", r#","circuits":{"refreshMs":10000}"#);
    world.advance(Duration::from_secs(1));
    let error = call(&world, &tab, r#"{"service":"images"}"#).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("CIRCUIT_OPEN"));
    assert!(error.retry_hint.unwrap().after_ms > 50_000);
    assert_eq!(call(&world, &tab, "{}").unwrap(), 200, "the rest of the backend is not held responsible");
    let closed = r#"{"services":{"images":{"circuitBreakerState":"closed"}}}"#;
    world.server(|server| server.health = Some(Reply::new(200, closed)));
    world.advance(Duration::from_secs(12));
    assert_eq!(call(&world, &tab, r#"{"service":"images"}"#).unwrap(), 200);
    let images = tab.client.services().snapshot_of("images");
    assert_eq!(images.breaker.unwrap().state, BreakerState::Closed);
}

#[test]
fn a_circuit_that_opened_because_calls_failed_waits_for_its_probes_whatever_the_backend_says() {
    let world = World::new(8);
    let closed = r#"{"services":{"images":{"circuitBreakerState":"closed"}}}"#;
    world.server(|server| server.health = Some(Reply::new(200, closed)));
    let tab = Tab::open(&world, "ada", r#","circuits":{"refreshMs":1000}"#);
    world.server(|server| server.scripted.extend((0..5).map(|_| Reply::new(500, r#"{"error":"broken","retryable":true}"#))));
    for _ in 0..5 {
        call(&world, &tab, r#"{"service":"images","maxAttempts":1}"#).unwrap_err();
    }
    world.advance(Duration::from_secs(10));
    assert_eq!(call(&world, &tab, r#"{"service":"images"}"#).unwrap_err().code.as_deref(), Some("CIRCUIT_OPEN"));
}

#[test]
fn a_key_that_the_request_brings_is_the_only_one_unless_the_call_names_another() {
    let world = World::new(10);
    let tab = Tab::open(&world, "ada", "");
    for (options, expected) in [
        (r#"{"idempotencyKey":true}"#, &["\"mine\""] as &[&str]),
        ("{}", &["\"mine\""]),
        (r#"{"idempotencyKey":"named"}"#, &["\"mine\"", "\"named\""]),
    ] {
        let headers = vec![("Idempotency-Key".to_string(), "\"mine\"".to_string())];
        let request = SimRequest { method: "POST".into(), url: URL.into(), headers, ..SimRequest::default() };
        let client = tab.client.clone();
        world.block_on(async move { client.call(&request, options).await.map(drop) }).unwrap();
        let sent = world.server(|server| server.requests.last().unwrap().1.clone());
        let keys: Vec<_> =
            sent.headers.iter().filter(|(name, _)| name == "Idempotency-Key").map(|(_, key)| key.as_str()).collect();
        assert_eq!(keys, expected, "{options}: the last one replaces those before");
    }
}

#[test]
fn a_broken_configuration_is_asked_for_once_and_said_to_be_ignored() {
    let page = Reply::new(200, "<!doctype html><title>Welcome</title>").header("Content-Type", "text/html");
    for broken in [Reply::new(200, r#"{"retryDefaults":{"maxAttempts":5"#), Reply::new(200, "soon"), Reply::new(200, ""), page] {
        let world = World::new(11);
        world.server(|server| server.scripted.extend((0..9).map(|_| broken.clone())));
        let tab = Tab::open(&world, "ada", r#","configuration":true,"health":false"#);
        world.advance(Duration::from_secs(300));
        assert_eq!(told(&tab, "configurationIgnored").len(), 1, "{}: {:?}", broken.body, tab.events());
        assert_eq!(told(&tab, "callFailed"), [""; 0], "the call itself went well");
        assert_eq!(world.server(|server| server.requests.len()), 1, "{}", broken.body);
    }
}

#[test]
fn one_that_breaks_off_is_ignored_and_one_that_fails_for_now_is_asked_for_again() {
    let world = World::new(12);
    world.set_faults(Faults { cut_responses: 1000, ..Faults::default() });
    let tab = configured(&world, r#"{"retryDefaults":{"maxAttempts":5}}"#, r#","configuration":true"#);
    assert_eq!(told(&tab, "configurationIgnored").len(), 1);
    tab.crash();
    world.set_faults(Faults::default());
    world.server(|server| server.scripted.push_back(Reply::new(503, "")));
    let tab = configured(&world, r#"{"retryDefaults":{"maxAttempts":5}}"#, r#","configuration":true"#);
    assert_eq!(tab.client.settings().policy().retry.max_attempts, 5);
    assert_eq!(told(&tab, "configurationIgnored").len(), 0);
}

#[test]
fn of_all_tabs_one_asks_for_circuits_and_all_of_them_know() {
    // Without probes, which look at the same health.
    const OPTIONS: &str = r#","health":false,"circuits":{"refreshMs":60000}"#;
    let world = World::new(13);
    let open = r#"{"services":{"images":{"circuitBreakerState":"open","recoveryTime":"2026-06-01T12:08:00Z"}}}"#;
    world.server(|server| server.health = Some(Reply::new(200, open)));
    let tabs: Vec<Tab> = (0..4).map(|_| Tab::open(&world, "ada", OPTIONS)).collect();
    world.advance(Duration::from_secs(2));
    for tab in &tabs {
        assert_eq!(call(&world, tab, r#"{"service":"images"}"#).unwrap_err().code.as_deref(), Some("CIRCUIT_OPEN"));
    }
    assert_eq!(world.server(|server| server.health_checks.len()), 1);
    world.advance(Duration::from_secs(240));
    let checks = world.server(|server| server.health_checks.len());
    assert!((3..=6).contains(&checks), "{checks}");
    let late = Tab::open(&world, "ada", OPTIONS);
    world.advance(Duration::from_secs(1));
    let left = call(&world, &late, r#"{"service":"images"}"#).unwrap_err().retry_hint.unwrap().after_ms;
    assert!((232_000..244_000).contains(&left), "{left}");
}

#[test]
fn nobody_asks_for_circuits_in_pages_that_nobody_looks_at() {
    let world = World::new(14);
    world.hide();
    let tab = Tab::open(&world, "ada", r#","circuits":{"refreshMs":10000}"#);
    world.advance(Duration::from_secs(600));
    assert_eq!(world.server(|server| server.health_checks.len()), 0);
    world.show();
    world.advance(Duration::from_secs(15));
    assert!(world.server(|server| !server.health_checks.is_empty()));
    drop(tab);
}
