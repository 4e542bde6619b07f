//! A thousand clients come back after an outage, and do not come at once: `examples/herd` in a few runs.
#![allow(dead_code, reason = "the example prints more than is asserted here")]

#[path = "../../examples/herd/clients.rs"]
mod clients;
#[path = "../../examples/herd/demand.rs"]
mod demand;
#[path = "../../examples/herd/run.rs"]
mod run;
#[path = "../../examples/herd/scenario.rs"]
mod scenario;

use clients::Kind;
use run::{Figures, Load, run};
use scenario::{Outage, Scenario};

/// At most so many times the mean of the steady state, in any one second after the recovery.
const BAR: f64 = 1.5;
const CLIENTS: u32 = 1000;

fn assert_no_herd(scenario: &Scenario) -> Load {
    let load = run(scenario, Kind::Steadfast);
    let figures = Figures::of(&load);
    assert!(figures.steady > 90.0, "there is something to compare with: {figures:?}");
    assert!(figures.ratio() <= BAR, "{:.2} times the steady rate: {scenario:?} {figures:?}", figures.ratio());
    // It does come back: whoever never asks again is no herd either.
    assert!(figures.settled_after <= 90, "{scenario:?} {figures:?}");
    load
}

#[test]
fn no_herd_comes_back_to_a_server_that_refused_connections() {
    assert_no_herd(&Scenario::calls(11, CLIENTS, Outage::Refused));
}

#[test]
fn no_herd_comes_back_to_a_server_that_was_unavailable() {
    assert_no_herd(&Scenario::calls(13, CLIENTS, Outage::Unavailable));
}

#[test]
fn no_herd_comes_back_after_a_short_hint() {
    assert_no_herd(&Scenario::calls(14, CLIENTS, Outage::ShortHint));
}

#[test]
fn no_herd_comes_back_after_a_long_hint() {
    assert_no_herd(&Scenario::calls(15, CLIENTS, Outage::LongHint));
}

#[test]
fn no_herd_comes_back_at_the_moment_that_the_server_has_named() {
    assert_no_herd(&Scenario::calls(17, CLIENTS, Outage::Moment));
}

#[test]
fn no_herd_comes_back_to_a_server_that_did_not_answer() {
    assert_no_herd(&Scenario::calls(18, CLIENTS, Outage::Silent));
}

#[test]
fn queues_do_not_drain_at_once_after_a_short_hint() {
    assert_no_herd(&Scenario::calls_and_actions(19, CLIENTS, Outage::ShortHint));
}

#[test]
fn queues_do_not_drain_at_once_at_the_moment_that_the_server_has_named() {
    assert_no_herd(&Scenario::calls_and_actions(20, CLIENTS, Outage::Moment));
}

#[test]
fn a_plain_retry_loop_does_bring_a_herd() {
    // Fewer of them do: what is measured is not chance.
    let figures = Figures::of(&run(&Scenario::calls(21, 200, Outage::Unavailable), Kind::STUBBORN));
    assert!(figures.ratio() > 20.0, "{figures:?}");
    let figures = Figures::of(&run(&Scenario::calls(21, 200, Outage::Unavailable), Kind::THREE_TIMES));
    assert!(figures.ratio() > 2.0, "{figures:?}");
}

#[test]
fn the_same_seed_gives_the_same_load() {
    let scenario = Scenario::calls(22, 50, Outage::LongHint);
    let (one, other) = (run(&scenario, Kind::Steadfast), run(&scenario, Kind::Steadfast));
    assert_eq!(one.per_second, other.per_second);
    assert_ne!(one.per_second, run(&Scenario { seed: 23, ..scenario }, Kind::Steadfast).per_second);
}
