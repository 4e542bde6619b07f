//! The circuit breaker's vectors, which also run natively.

#[path = "../vectors/breaker.rs"]
mod vectors;

use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn every_breaker_does_what_it_does_natively() {
    vectors::every_breaker_does_what_it_should();
}
