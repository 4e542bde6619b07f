//! The vectors that also run natively.

#[path = "../vectors/hints.rs"]
mod vectors;

use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn every_retry_after_is_read_as_it_is_natively() {
    vectors::every_retry_after_is_read_as_it_should_be();
}

#[wasm_bindgen_test]
fn every_response_is_resolved_as_it_is_natively() {
    vectors::every_response_is_resolved_as_it_should_be();
}

#[wasm_bindgen_test]
fn every_timestamp_is_read_as_it_is_natively() {
    vectors::every_timestamp_is_read_as_it_should_be();
}
