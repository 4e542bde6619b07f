//! The vectors that also run natively.

#[path = "../vectors/policies.rs"]
mod vectors;

use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn every_call_is_sent_again_as_it_should_be() {
    vectors::every_call_is_sent_again_as_it_should_be();
}

#[wasm_bindgen_test]
fn every_delay_is_as_long_as_it_should_be() {
    vectors::every_delay_is_as_long_as_it_should_be();
}

#[wasm_bindgen_test]
fn every_method_is_repeated_as_it_should_be() {
    vectors::every_method_is_repeated_as_it_should_be();
}

#[wasm_bindgen_test]
fn every_hint_is_spread_as_it_should_be() {
    vectors::every_hint_is_spread_as_it_should_be();
}

#[wasm_bindgen_test]
fn every_budget_is_spent_as_it_should_be() {
    vectors::every_budget_is_spent_as_it_should_be();
}

#[wasm_bindgen_test]
fn every_rate_follows_the_server_as_it_should() {
    vectors::every_rate_follows_the_server_as_it_should();
}

#[wasm_bindgen_test]
fn every_rate_is_on_the_curve() {
    vectors::every_rate_is_on_the_curve();
}
