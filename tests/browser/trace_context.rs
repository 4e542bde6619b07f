//! The vectors about traces, which also run natively.

#[path = "../vectors/trace_context.rs"]
mod vectors;

use steadfast::browser::BrowserRandom;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn every_trace_is_continued_or_started_anew_as_it_is_natively() {
    vectors::every_trace_is_continued_or_started_anew_as_it_should_be(&BrowserRandom);
}

#[wasm_bindgen_test]
fn every_request_of_a_call_is_a_span_of_its_own_in_one_trace_as_it_is_natively() {
    vectors::every_request_of_a_call_is_a_span_of_its_own_in_one_trace(&BrowserRandom);
}

#[wasm_bindgen_test]
fn what_is_sent_on_is_read_as_it_is_natively() {
    vectors::what_is_sent_on_is_read_as_it_was_sent(&BrowserRandom);
}
