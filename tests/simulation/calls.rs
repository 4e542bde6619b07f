//! The call path.

use steadfast::call::JsonAnswer;
use steadfast::client::CallError;
use steadfast::error::{ApiError, Category, Confidence};
use steadfast::sim::{Faults, Reply, SimRequest, Tab, World};

const URL: &str = "https://api.example/api/drafts";

fn request(method: &str, url: &str) -> SimRequest {
    SimRequest { method: method.into(), url: url.into(), ..SimRequest::default() }
}

fn call(world: &World, tab: &Tab, request: SimRequest, options: &'static str) -> Result<u16, Box<ApiError>> {
    let client = tab.client.clone();
    let sent = world.block_on(async move { client.call(&request, options).await });
    match sent {
        Ok(response) => Ok(response.reply().status),
        Err(CallError::Api(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn asked(world: &World) -> Vec<(u64, SimRequest)> {
    world.server(|server| server.requests.clone())
}

#[test]
fn a_get_is_tried_three_times_and_then_fails_with_what_the_server_said() {
    let world = World::new(1);
    world.server(|server| server.scripted.extend((0..5).map(|_| Reply::new(503, r#"{"error":"We are down"}"#))));
    let tab = Tab::open(&world, "ada", "");
    let error = call(&world, &tab, request("GET", URL), "{}").unwrap_err();
    assert_eq!((error.status, error.message.as_deref(), error.category), (Some(503), Some("We are down"), Category::Unavailable));
    assert_eq!(error.request.unwrap().attempts, 3);
    assert_eq!(asked(&world).len(), 3);
}

#[test]
fn a_post_without_a_key_is_never_sent_twice_and_with_one_it_is() {
    for (options, attempts) in [("{}", 1), (r#"{"idempotencyKey":true}"#, 3), (r#"{"idempotencyKey":"order-7"}"#, 3)] {
        let world = World::new(2);
        world.set_faults(Faults { lost_responses: 1000, ..Faults::default() });
        let tab = Tab::open(&world, "ada", "");
        let error = call(&world, &tab, request("POST", URL), options).unwrap_err();
        assert_eq!(error.code.as_deref(), Some("NETWORK_ERROR"));
        let keys: Vec<_> = asked(&world).iter().map(|(_, sent)| sent.header("Idempotency-Key").map(str::to_string)).collect();
        assert_eq!(keys.len(), attempts, "{options}");
        assert!(keys.iter().all(|key| *key == keys[0]), "one key for all attempts: {keys:?}");
    }
}

#[test]
fn a_retry_after_is_waited_for_and_never_cut_short() {
    let world = World::new(3);
    world.server(|server| server.scripted.push_back(Reply::new(429, "").header("Retry-After", "7")));
    let tab = Tab::open(&world, "ada", "");
    assert_eq!(call(&world, &tab, request("GET", URL), "{}").unwrap(), 200);
    let times: Vec<u64> = asked(&world).iter().map(|(at, _)| *at).collect();
    assert!(times[1] - times[0] >= 7000, "{times:?}");
}

#[test]
fn a_retry_after_of_two_billion_seconds_ends_the_call_at_once() {
    let world = World::new(4);
    world.server(|server| server.scripted.push_back(Reply::new(503, "").header("Retry-After", "2000000000")));
    let tab = Tab::open(&world, "ada", "");
    let before = world.now();
    let error = call(&world, &tab, request("GET", URL), "{}").unwrap_err();
    assert!(world.now() - before < 1000);
    assert_eq!(error.retry_hint.unwrap().confidence, Confidence::Likely, "it can only be a moment of the epoch");
    assert_eq!(error.retry_hint.unwrap().at.0, 2_000_000_000_000);
    assert!(tab.events().iter().any(|event| event.contains("hintBeyondMaxWait")));
}

#[test]
fn a_server_that_never_answers_is_given_up_on_at_the_deadline() {
    let world = World::new(5);
    world.set_faults(Faults { stalls: 1000, ..Faults::default() });
    let tab = Tab::open(&world, "ada", "");
    let before = world.now();
    let error = call(&world, &tab, request("GET", URL), r#"{"maxAttempts":1,"attemptTimeoutMs":2000}"#).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("NETWORK_TIMEOUT"));
    assert_eq!(error.category, Category::Timeout);
    assert_eq!(world.now() - before, 2000);
}

#[test]
fn correlation_ids_go_to_trusted_origins_and_to_no_other() {
    let world = World::new(6);
    let tab = Tab::open(&world, "ada", r#","trustedOrigins":["https://files.example"]"#);
    for url in [URL, "https://files.example/a", "https://stranger.example/a", "https://api.example.evil.example/a"] {
        call(&world, &tab, request("GET", url), "{}").unwrap();
    }
    let carried: Vec<bool> = asked(&world).iter().map(|(_, sent)| sent.header("x-correlation-id").is_some()).collect();
    assert_eq!(carried, [true, true, false, false]);
}

#[test]
fn one_correlation_id_ties_the_attempts_of_a_call_to_its_error() {
    let world = World::new(7);
    world.server(|server| server.scripted.extend((0..3).map(|_| Reply::new(500, ""))));
    let tab = Tab::open(&world, "ada", "");
    let error = call(&world, &tab, request("GET", URL), "{}").unwrap_err();
    let id = error.correlation_id.clone().unwrap();
    assert!(id.starts_with("req_1780315200") && id.len() == "req_1780315200000_123456789".len(), "{id}");
    assert!(asked(&world).iter().all(|(_, sent)| sent.header("x-correlation-id") == Some(id.as_str())));
}

#[test]
fn an_error_that_will_not_go_away_is_not_tried_again() {
    let world = World::new(8);
    world.server(|server| server.scripted.push_back(Reply::new(404, "")));
    let tab = Tab::open(&world, "ada", "");
    assert!(call(&world, &tab, request("GET", URL), "{}").is_err());
    assert_eq!(asked(&world).len(), 1);
}

fn call_json(world: &World, tab: &Tab, request: SimRequest) -> Result<JsonAnswer, Box<ApiError>> {
    let client = tab.client.clone();
    match world.block_on(async move { client.call_json(&request, "{}").await }) {
        Ok(answer) => Ok(answer),
        Err(CallError::Api(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_error_that_was_called_a_success_is_one_and_is_tried_again_if_it_may_pass() {
    let world = World::new(1);
    world.server(|server| {
        server.scripted.extend([
            Reply::new(200, r#"{"success":false,"error":{"code":"AI_SERVICE_UNAVAILABLE","message":"Busy"}}"#),
            Reply::new(200, r#"{"success":true,"data":{"title":"x"}}"#),
        ]);
    });
    let tab = Tab::open(&world, "ada", "");
    let answer = call_json(&world, &tab, request("GET", URL)).unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"success":true,"data":{"title":"x"}}"#));
    assert_eq!((answer.degraded, asked(&world).len()), (None, 2));
}

#[test]
fn a_final_error_that_was_called_a_success_is_not_tried_again() {
    let world = World::new(1);
    world.server(|server| server.scripted.extend([Reply::new(200, r#"{"ok":false,"error":"invalid_auth"}"#)]));
    let tab = Tab::open(&world, "ada", "");
    let error = call_json(&world, &tab, request("GET", URL)).unwrap_err();
    assert_eq!((error.code.as_deref(), error.category, error.status), (Some("invalid_auth"), Category::Auth, Some(200)));
    assert_eq!((error.request.unwrap().attempts, asked(&world).len()), (1, 1));
}

#[test]
fn a_page_where_json_was_asked_for_is_not_the_backends_answer() {
    let world = World::new(1);
    let portal = || Reply::new(200, "<!doctype html><title>Welcome to the airport</title>");
    world.server(|server| server.scripted.extend([portal(), portal(), portal()]));
    let tab = Tab::open(&world, "ada", "");
    let error = call_json(&world, &tab, request("GET", URL)).unwrap_err();
    assert_eq!((error.code.as_deref(), error.category), (Some("RESPONSE_UNREADABLE"), Category::Network));
    assert_eq!((error.format.name.as_ref(), asked(&world).len()), ("html", 3), "the portal may be gone at the next attempt");
}

#[test]
fn a_success_with_warnings_or_without_a_body_is_a_success() {
    let world = World::new(1);
    world.server(|server| {
        server.scripted.extend([
            Reply::new(200, r#"{"success":true,"data":[],"warnings":[{"code":"PARTIAL_DATA","message":"Some is missing"}]}"#),
            Reply::new(204, ""),
        ]);
    });
    let tab = Tab::open(&world, "ada", "");
    let degraded = call_json(&world, &tab, request("GET", URL)).unwrap().degraded.unwrap();
    assert_eq!(degraded.warnings[0].code.as_deref(), Some("PARTIAL_DATA"));
    assert_eq!(call_json(&world, &tab, request("GET", URL)).unwrap().text, "");
}
