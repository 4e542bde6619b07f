//! Network failures, told apart where that is asked for, and what they never change.

use crate::draft;
use std::time::Duration;
use steadfast::client::CallError;
use steadfast::error::{ApiError, Confidence};
use steadfast::sim::{Faults, Reply, SimRequest, Tab, World};

const URL: &str = "https://api.example/api/drafts";
const PROBES: &str = r#","probe":true"#;
const DEVELOPMENT: &str = r#","development":true"#;

const UNREADABLE: Faults = Faults { lost_requests: 0, unreadable: 1000, ..Faults::OUTAGE };
const BLOCKED: Faults = Faults { lost_requests: 0, blocked: 1000, ..Faults::OUTAGE };

fn call(world: &World, tab: &Tab, method: &str, url: &str) -> Result<u16, Box<ApiError>> {
    let (client, request) = (tab.client.clone(), SimRequest { method: method.into(), url: url.into(), ..SimRequest::default() });
    match world.block_on(async move { client.call(&request, r#"{"baseDelayMs":0}"#).await }) {
        Ok(response) => Ok(response.reply().status),
        Err(CallError::Api(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn failure(faults: Faults, options: &str, method: &str) -> (Box<ApiError>, Vec<String>) {
    let world = World::new(1);
    // Whether the backend can be reached at all is looked into by others.
    let tab = Tab::open(&world, "ada", &format!(r#"{options},"health":false"#));
    world.set_faults(faults);
    let error = call(&world, &tab, method, URL).unwrap_err();
    (error, world.server(|server| server.probes.clone()))
}

fn warnings(tab: &Tab) -> Vec<String> {
    tab.events().into_iter().filter(|event| event.contains(r#""type":"warning""#)).collect()
}

#[test]
fn probes_tell_apart_what_a_browser_does_not() {
    for (faults, code, confidence, probed) in [
        (Faults::OUTAGE, "NETWORK_UNREACHABLE", Confidence::Guess, vec!["https://api.example/"]),
        (UNREADABLE, "NETWORK_CORS", Confidence::Likely, vec!["https://api.example/", URL]),
        (BLOCKED, "NETWORK_BLOCKED", Confidence::Likely, vec!["https://api.example/", URL]),
    ] {
        let (error, probes) = failure(faults, PROBES, "GET");
        assert_eq!((error.code.as_deref(), error.format.confidence), (Some(code), confidence));
        assert_eq!(probes, probed, "once for all three attempts");
        let request = error.request.unwrap();
        assert_eq!(request.attempts, 3, "a guess is as retryable as anything");
        assert!(error.message.unwrap().starts_with("TypeError: Failed to fetch ("), "the reason stands behind it");
    }
}

#[test]
fn a_request_that_may_have_changed_something_is_not_repeated_by_a_probe() {
    let (error, probes) = failure(UNREADABLE, PROBES, "PUT");
    assert_eq!(error.code.as_deref(), Some("NETWORK_CORS"));
    assert_eq!(probes, ["https://api.example/"]);
}

#[test]
fn nothing_is_probed_in_production() {
    for (faults, options) in
        [(UNREADABLE, ""), (BLOCKED, ""), (Faults::OUTAGE, ""), (UNREADABLE, r#","development":true,"probe":false"#)]
    {
        let (error, probes) = failure(faults, options, "GET");
        assert_eq!(error.code.as_deref(), Some("NETWORK_ERROR"));
        assert_eq!(error.format.confidence, Confidence::Guess);
        assert!(probes.is_empty());
    }
}

#[test]
fn offline_is_said_without_a_probe() {
    let world = World::new(2);
    let tab = Tab::open(&world, "ada", PROBES);
    world.set_faults(Faults::OUTAGE);
    world.set_online(false);
    let error = call(&world, &tab, "GET", URL).unwrap_err();
    assert_eq!((error.code.as_deref(), error.format.confidence), (Some("NETWORK_OFFLINE"), Confidence::Certain));
    assert!(world.server(|server| server.probes.is_empty()));
}

#[test]
fn a_server_that_is_silent_while_others_answer_is_unreachable() {
    let world = World::new(3);
    let tab = Tab::open(&world, "ada", PROBES);
    assert_eq!(call(&world, &tab, "GET", "https://other.example/a").unwrap(), 200);
    world.set_faults(Faults::OUTAGE);
    let error = call(&world, &tab, "GET", URL).unwrap_err();
    assert_eq!((error.code.as_deref(), error.format.confidence), (Some("NETWORK_UNREACHABLE"), Confidence::Likely));
}

#[test]
fn requests_that_fail_together_share_a_probe() {
    let world = World::new(4);
    let tab = Tab::open(&world, "ada", PROBES);
    world.set_faults(UNREADABLE);
    let client = tab.client.clone();
    let codes = world.block_on(async move {
        let request = SimRequest { method: "GET".into(), url: URL.into(), ..SimRequest::default() };
        let calls = (0..5).map(|_| client.call(&request, r#"{"maxAttempts":1}"#));
        let ended = futures_util::future::join_all(calls).await;
        ended.into_iter().map(|call| call.unwrap_err().to_string()).collect::<Vec<_>>()
    });
    assert!(codes.iter().all(|message| message.contains("Access-Control-Allow-Origin")), "{codes:?}");
    assert_eq!(world.server(|server| server.probes.len()), 2);
}

#[test]
fn whatever_a_failure_looks_like_the_queue_keeps_everything_and_sends_it_later() {
    for faults in [UNREADABLE, BLOCKED, Faults::OUTAGE] {
        for options in [DEVELOPMENT, ""] {
            let world = World::new(5);
            world.set_faults(faults);
            let tab = Tab::open(&world, "ada", options);
            let ids: Vec<String> = (0..30).map(|index| format!("a{index}")).collect();
            let (client, drafts) = (tab.client.clone(), ids.iter().map(|id| draft(id, Some("draft"))).collect());
            world.block_on(async move { client.enqueue(drafts).await }).unwrap();
            world.advance(Duration::from_secs(3600));
            assert_eq!(world.stored("ada"), ids);
            world.set_faults(Faults::default());
            assert!(world.run_until(Duration::from_secs(3600), || world.stored("ada").is_empty()));
            let applied: Vec<String> = world.server(|server| server.applied.iter().map(|action| action.id.clone()).collect());
            assert_eq!(applied, ids, "once and in order, although the server had taken them unheard");
            assert!(!tab.events().iter().any(|event| event.contains("rejected")));
        }
    }
}

#[test]
fn developers_are_told_once_of_a_hint_that_may_be_hidden() {
    let world = World::new(6);
    let tab = Tab::open(&world, "ada", DEVELOPMENT);
    world.server(|server| server.scripted.extend((0..6).map(|_| Reply::new(429, ""))));
    for _ in 0..2 {
        assert_eq!(call(&world, &tab, "GET", URL).unwrap_err().status, Some(429));
    }
    let warnings = warnings(&tab);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for said in ["retryAfterHidden", "https://api.example", "Access-Control-Expose-Headers: Retry-After", "If the server sends"] {
        assert!(warnings[0].contains(said), "{said} is missing in {}", warnings[0]);
    }
}

#[test]
fn the_queue_warns_too_and_production_never_does() {
    for (options, count) in [(DEVELOPMENT, 1), ("", 0)] {
        let world = World::new(7);
        let tab = Tab::open(&world, "ada", options);
        world.server(|server| server.scripted.extend((0..3).map(|_| Reply::new(503, ""))));
        let client = tab.client.clone();
        world.block_on(async move { client.enqueue(vec![draft("a", None)]).await }).unwrap();
        assert!(world.run_until(Duration::from_secs(3600), || world.stored("ada").is_empty()));
        assert_eq!(warnings(&tab).len(), count);
    }
}

#[test]
fn a_hint_that_can_be_read_and_one_of_the_same_origin_need_no_warning() {
    for (url, reply) in [
        (URL, Reply::new(429, "").header("Retry-After", "0")),
        (URL, Reply::new(429, "").header("RateLimit-Remaining", "0")),
        ("https://app.example/api", Reply::new(429, "")),
    ] {
        let world = World::new(8);
        let tab = Tab::open(&world, "ada", DEVELOPMENT);
        world.server(|server| server.scripted.extend((0..3).map(|_| reply.clone())));
        assert!(call(&world, &tab, "GET", url).is_err());
        assert!(warnings(&tab).is_empty());
    }
}
