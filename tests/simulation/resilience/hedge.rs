//! Company for slow calls.

use super::{ORIGIN, SECOND, URL, asked, count, events, get, request, script, start};
use std::time::Duration;
use steadfast::sim::{Faults, Reply, Tab, World};

const HEDGED: &str = r#"{"hedge":{"afterMs":500,"max":2}}"#;

fn budget(tab: &Tab) -> u32 {
    tab.client.services().snapshot_of(ORIGIN).budget.unwrap().available
}

#[test]
fn the_first_answer_counts_and_the_others_are_given_up() {
    let world = World::new(1);
    let tab = Tab::open(&world, "ada", "");
    script(&world, [Reply::new(200, "").after(10 * SECOND), Reply::new(204, "")]);
    assert_eq!(get(&world, &tab, HEDGED).unwrap(), 204);
    assert!(world.now() < 700);
    world.settle();
    assert_eq!(world.server(|server| server.on_their_way), 0, "nothing goes on that nobody waits for");
    assert_eq!(events(&tab.events(), "hedgeSent").len(), 1);
}

#[test]
fn an_answer_in_time_gets_no_company() {
    let world = World::new(2);
    let tab = Tab::open(&world, "ada", "");
    assert_eq!(get(&world, &tab, HEDGED).unwrap(), 200);
    world.advance(10 * SECOND);
    assert_eq!(count(&world), 1);
}

#[test]
fn a_failure_counts_only_when_all_have_failed() {
    let world = World::new(3);
    let tab = Tab::open(&world, "ada", "");
    script(&world, [Reply::new(200, "").after(3 * SECOND), Reply::new(500, ""), Reply::new(500, "")]);
    assert_eq!(get(&world, &tab, HEDGED).unwrap(), 200);
    assert_eq!(count(&world), 3);
}

#[test]
fn company_costs_what_a_retry_costs_and_an_empty_budget_has_none() {
    let world = World::new(4);
    let tab = Tab::open(&world, "ada", r#","budget":{"capacity":12,"refillMs":0,"reward":0}"#);
    world.set_faults(Faults { stalls: 1000, ..Faults::default() });
    let options = r#"{"maxAttempts":1,"attemptTimeoutMs":5000,"hedge":{"afterMs":500,"max":5}}"#;
    get(&world, &tab, options).unwrap_err();
    assert_eq!((budget(&tab), events(&tab.events(), "hedgeSent").len()), (2, 2));
}

#[test]
fn what_may_change_something_never_gets_company() {
    let world = World::new(5);
    let tab = Tab::open(&world, "ada", "");
    world.server(|server| server.answers = Some(|_| Some(Reply::new(200, "").after(5 * SECOND))));
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let keyed = r#"{"idempotencyKey":true,"hedge":{"afterMs":500}}"#;
        start(&tab, request(method, URL), keyed).ended(&world).unwrap();
    }
    assert_eq!(count(&world), 4);
}

#[test]
fn one_key_and_one_id_go_with_all_of_them() {
    let world = World::new(6);
    let tab = Tab::open(&world, "ada", "");
    script(&world, [Reply::new(500, "").after(SECOND), Reply::new(500, "").after(SECOND)]);
    get(&world, &tab, r#"{"idempotencyKey":true,"hedge":{"afterMs":500}}"#).unwrap();
    let sent = asked(&world);
    assert!(sent.len() >= 3);
    for (_, request) in &sent {
        assert_eq!(request.header("Idempotency-Key"), sent[0].1.header("Idempotency-Key"));
        assert_eq!(request.header("x-correlation-id"), sent[0].1.header("x-correlation-id"));
    }
    world.advance(Duration::from_secs(60));
    assert_eq!(world.server(|server| server.on_their_way), 0);
}
