//! W3C Trace Context: the vectors, natively, and what holds of any text.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "vectors/trace_context.rs"]
mod vectors;

use proptest::prelude::*;
use std::cell::Cell;
use steadfast::call::trace_context::{LONGEST_STATE, MOST_MEMBERS, TraceContext, TraceParent, TraceState};
use steadfast::platform::Random;

/// Numbers that look random, the same in each run (xorshift64).
struct Sequence(Cell<u64>);

impl Random for Sequence {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let mut state = self.0.get();
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            self.0.set(state);
            *byte = state.to_be_bytes()[0];
        }
    }
}

/// What there is where chance has failed.
struct Zeros;

impl Random for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

fn sequence() -> Sequence {
    Sequence(Cell::new(0x5eed))
}

#[test]
fn every_trace_is_continued_or_started_anew_as_it_should_be() {
    vectors::every_trace_is_continued_or_started_anew_as_it_should_be(&sequence());
}

#[test]
fn every_request_of_a_call_is_a_span_of_its_own_in_one_trace() {
    vectors::every_request_of_a_call_is_a_span_of_its_own_in_one_trace(&sequence());
}

#[test]
fn what_is_sent_on_is_read_as_it_was_sent() {
    vectors::what_is_sent_on_is_read_as_it_was_sent(&sequence());
}

#[test]
fn without_any_randomness_the_ids_are_still_valid() {
    let started = TraceParent::start([0; 16], [0; 8], 1.0);
    assert_eq!(TraceParent::parse(&started.to_header()), Some(started));
    let context = TraceContext { parent: started, state: TraceState::default() };
    assert!(TraceContext::of_headers(&context.next_span(&Zeros).headers()).is_some());
}

#[test]
fn an_id_with_zeros_in_it_stays_as_it_is() {
    let mut trace_id = [0; 16];
    trace_id[0] = 0xab;
    let started = TraceParent::start(trace_id, [7, 0, 0, 0, 0, 0, 0, 0], 0.0);
    assert_eq!(started.to_header(), "00-ab000000000000000000000000000000-0700000000000000-02");
}

#[test]
fn the_share_that_was_asked_for_is_sampled_by_the_trace_id_alone() {
    let random = sequence();
    for (ratio, least, most) in [
        (0.0, 0, 0),
        (0.25, 2_300, 2_700),
        (0.5, 4_800, 5_200),
        (1.0, 10_000, 10_000),
        (-1.0, 0, 0),
        (f64::NEG_INFINITY, 0, 0),
        (f64::INFINITY, 10_000, 10_000),
        (f64::NAN, 10_000, 10_000),
    ] {
        let mut sampled = 0;
        for _ in 0..10_000 {
            let mut trace_id = [0; 16];
            random.fill(&mut trace_id);
            let started = TraceParent::start(trace_id, [1; 8], ratio);
            assert_eq!(started, TraceParent::start(trace_id, [1; 8], ratio));
            sampled += u32::from(started.is_sampled());
        }
        assert!((least..=most).contains(&sampled), "{sampled} of 10 000 at {ratio}");
    }
    // The threshold of OpenTelemetry's consistent sampling: the last 7 bytes, from the middle of their range on.
    let with_tail = |tail: u8| {
        let mut trace_id = [0xff; 16];
        trace_id[9..].fill(0);
        trace_id[9] = tail;
        TraceParent::start(trace_id, [1; 8], 0.5).is_sampled()
    };
    assert_eq!([0x00, 0x7f, 0x80, 0xff].map(with_tail), [false, false, true, true]);
}

#[test]
fn a_state_tells_what_is_kept_under_a_key() {
    let state = TraceState::parse(["red=1,blue= 2", "green=3"]).unwrap();
    assert_eq!(
        [state.get("red"), state.get("blue"), state.get("green"), state.get("re")],
        [Some("1"), Some(" 2"), Some("3"), None]
    );
    assert!(TraceState::parse([]).unwrap().is_empty());
}

/// Text like that of the headers, whole or broken.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9a-fA-F]{2}-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}(-[ -~]{0,5})?",
        "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
        "([a-zA-Z0-9_*/@-]{1,5}=[ -~]{0,8}[,\t ]{0,3}){0,40}",
        "([a-z0-9][a-z0-9@]{0,140}=[a-z]{1,150},){0,8}",
    ]
}

proptest! {
    #[test]
    fn no_text_breaks_the_reading_and_what_was_read_is_stable(text in text()) {
        if let Some(parent) = TraceParent::parse(&text) {
            let written = parent.to_header();
            prop_assert_eq!(TraceParent::parse(&written), Some(parent));
            prop_assert_eq!(written.len(), 55);
            prop_assert!(text.contains(&parent.trace_id()) && text.contains(&parent.parent_id()));
        }
        if let Some(state) = TraceState::parse([text.as_str()]) {
            prop_assert!(state.as_str().len() <= LONGEST_STATE);
            prop_assert!(state.is_empty() || state.as_str().split(',').count() <= MOST_MEMBERS);
            prop_assert_eq!(TraceState::parse([state.as_str()]), Some(state.clone()));
            for member in state.as_str().split(',').filter(|member| !member.is_empty()) {
                prop_assert!(text.contains(member), "made up: {}", member);
            }
        }
    }

    #[test]
    fn what_is_sent_can_be_read(
        trace_id in any::<[u8; 16]>(),
        parent_id in any::<[u8; 8]>(),
        ratio in proptest::num::f64::ANY,
        state in text(),
        seed in 1_u64..,
    ) {
        let parent = TraceParent::start(trace_id, parent_id, ratio);
        let context = TraceContext { parent, state: TraceState::parse([state.as_str()]).unwrap_or_default() };
        let next = context.next_span(&Sequence(Cell::new(seed)));
        prop_assert_eq!(TraceContext::of_headers(&next.headers()), Some(next.clone()));
        prop_assert_eq!(next.parent.trace_id(), parent.trace_id());
        prop_assert_eq!((next.parent.is_sampled(), next.parent.is_random()), (parent.is_sampled(), true));
        prop_assert_eq!(next.state, context.state);
    }

    #[test]
    fn several_headers_are_one_with_commas(parts in proptest::collection::vec(text(), 0..5)) {
        let apart = TraceState::parse(parts.iter().map(String::as_str));
        prop_assert_eq!(apart, TraceState::parse([parts.join(",").as_str()]));
    }

    #[test]
    fn a_state_that_is_too_long_keeps_as_much_as_fits_in_its_order(lengths in proptest::collection::vec(1_usize..200, 1..32)) {
        let members: Vec<String> = lengths.iter().enumerate().map(|(at, length)| format!("k{at}={}", "v".repeat(*length))).collect();
        let state = TraceState::parse([members.join(",").as_str()]).unwrap();
        let kept: Vec<&str> = state.as_str().split(',').filter(|member| !member.is_empty()).collect();
        let mut all = members.iter().map(String::as_str);
        prop_assert!(kept.iter().all(|member| all.any(|known| known == *member)), "in their order");
        let gone = members.iter().filter(|member| !kept.contains(&member.as_str()));
        let dropped: Vec<&String> = gone.collect();
        if !dropped.is_empty() {
            let shortest = dropped.iter().map(|member| member.len()).min().unwrap();
            prop_assert!(state.as_str().len() + 1 + dropped.iter().map(|member| member.len()).max().unwrap() > LONGEST_STATE);
            prop_assert!(shortest > 128 || kept.iter().all(|member| member.len() <= 128), "long ones go first");
        }
    }
}
