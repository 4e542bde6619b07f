//! When and how often something is sent again, and how fast: the vectors, natively.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "vectors/policies.rs"]
mod vectors;

#[test]
fn every_call_is_sent_again_as_it_should_be() {
    vectors::every_call_is_sent_again_as_it_should_be();
}

#[test]
fn every_delay_is_as_long_as_it_should_be() {
    vectors::every_delay_is_as_long_as_it_should_be();
}

#[test]
fn every_method_is_repeated_as_it_should_be() {
    vectors::every_method_is_repeated_as_it_should_be();
}

#[test]
fn every_hint_is_spread_as_it_should_be() {
    vectors::every_hint_is_spread_as_it_should_be();
}

#[test]
fn every_budget_is_spent_as_it_should_be() {
    vectors::every_budget_is_spent_as_it_should_be();
}

#[test]
fn every_rate_follows_the_server_as_it_should() {
    vectors::every_rate_follows_the_server_as_it_should();
}

#[test]
fn every_rate_is_on_the_curve() {
    vectors::every_rate_is_on_the_curve();
}
