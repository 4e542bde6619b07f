//! The circuit breaker: the vectors, natively, and random traces against a slow and obvious model.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "vectors/breaker.rs"]
mod vectors;

#[test]
fn every_breaker_does_what_it_should() {
    vectors::every_breaker_does_what_it_should();
}
