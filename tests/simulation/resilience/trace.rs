//! By what a server can tell that requests belong together.

use super::{URL, asked, fails, request, script, start};
use std::collections::BTreeSet;
use steadfast::sim::{Reply, Tab, World};

#[test]
fn all_requests_of_a_call_have_one_id_and_one_trace_and_each_a_span_and_each_attempt_a_number() {
    let world = World::new(1);
    world.refresh_credentials();
    let tab = Tab::open(&world, "ada", r#","correlation":{"tracedOrigins":["https://api.example"]}"#);
    script(&world, [fails(500, 1), vec![Reply::new(401, "")], fails(500, 1)].concat());
    start(&tab, request("GET", URL), r#"{"maxAttempts":4}"#).ended(&world).unwrap();
    let sent = asked(&world);
    let values = |name: &str| sent.iter().map(|(_, sent)| sent.header(name).unwrap_or("none").to_string()).collect::<Vec<_>>();
    assert_eq!(values("x-attempt"), ["1", "2", "2", "3"], "what is sent again after a refresh is the same attempt");
    assert_eq!(values("x-correlation-id").into_iter().collect::<BTreeSet<_>>().len(), 1);
    let traces = values("traceparent");
    let part = |index: usize| traces.iter().map(|trace| trace.split('-').nth(index).unwrap()).collect::<BTreeSet<_>>();
    assert_eq!((part(1).len(), part(2).len()), (1, 4), "{traces:?}");
}

#[test]
fn strangers_are_told_nothing_of_it() {
    let world = World::new(2);
    let tab = Tab::open(&world, "ada", "");
    script(&world, fails(500, 2));
    start(&tab, request("GET", "https://stranger.example/a"), "{}").ended(&world).unwrap();
    for (_, sent) in asked(&world) {
        for name in ["x-attempt", "x-correlation-id", "traceparent", "tracestate", "x-source-service"] {
            assert_eq!(sent.header(name), None, "{name}");
        }
    }
}
