//! Runs the vectors of this directory about traces, natively and in browsers alike.

use serde_json::Value;
use steadfast::call::trace_context::{TraceContext, TraceParent, TraceState};
use steadfast::platform::{Headers, Random};

fn cases() -> Vec<Value> {
    let mut vectors: Value = serde_json::from_str(include_str!("trace_context.json")).unwrap();
    let Value::Array(cases) = vectors["cases"].take() else { panic!("no list of cases") };
    assert!(cases.len() > 150, "the vectors were not found");
    cases
}

fn headers(case: &Value) -> Headers {
    let text = |value: &Value| value.as_str().unwrap().to_string();
    case["headers"].as_array().unwrap().iter().map(|header| (text(&header[0]), text(&header[1]))).collect()
}

fn sent<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let mut values = headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let first = values.next();
    assert!(values.next().is_none(), "{name} is sent twice");
    first
}

/// What is sent on where those headers have arrived.
fn passed_on(received: &Headers, random: &impl Random) -> Headers {
    let context = TraceContext::of_headers(received).unwrap_or_else(|| {
        let (mut trace_id, mut parent_id) = ([0; 16], [0; 8]);
        random.fill(&mut trace_id);
        random.fill(&mut parent_id);
        TraceContext { parent: TraceParent::start(trace_id, parent_id, 1.0), state: TraceState::default() }
    });
    context.next_span(random).headers()
}

pub(crate) fn every_trace_is_continued_or_started_anew_as_it_should_be(random: &impl Random) {
    for case in cases() {
        let received = headers(&case);
        let is_continued = match case["trace"].as_str() {
            Some("continued") => true,
            Some("restarted") => false,
            other => panic!("{case}: {other:?}"),
        };
        assert_eq!(TraceContext::of_headers(&received).is_some(), is_continued, "{case}");
        let headers = passed_on(&received, random);
        let parent = sent(&headers, "traceparent").unwrap();
        let fields: Vec<&str> = parent.split('-').collect();
        let [version, trace_id, parent_id, flags] = fields[..] else { panic!("{case}: {parent}") };
        assert_eq!((version, trace_id.len(), parent_id.len(), flags.len()), ("00", 32, 16, 2), "{case}: {parent}");
        assert!(fields.concat().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{case}: {parent}");
        assert_ne!((trace_id, parent_id), ("00000000000000000000000000000000", "0000000000000000"), "{case}");
        for (name, value) in &received {
            if name.eq_ignore_ascii_case("traceparent") {
                assert!(!value.contains(parent_id), "{case}: the span is not the one that was received");
                assert_eq!(value.contains(trace_id), is_continued, "{case}");
            }
        }
        if is_continued {
            assert_eq!((Some(trace_id), Some(flags)), (case["traceId"].as_str(), case["flags"].as_str()), "{case}");
        } else {
            assert_eq!(flags, "03", "{case}: a trace of our own is sampled, and its id is random");
        }
        assert_eq!(sent(&headers, "tracestate"), case["tracestate"].as_str(), "{case}");
    }
}

pub(crate) fn every_request_of_a_call_is_a_span_of_its_own_in_one_trace(random: &impl Random) {
    for case in cases().iter().filter(|case| case["trace"] == "continued") {
        let context = TraceContext::of_headers(&headers(case)).unwrap();
        let spans: Vec<TraceParent> = (0..3).map(|_| context.next_span(random).parent).collect();
        assert!(spans.iter().all(|span| span.trace_id() == case["traceId"].as_str().unwrap()), "{case}");
        let mut ids: Vec<String> = spans.iter().map(TraceParent::parent_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 3, "{case}");
    }
}

pub(crate) fn what_is_sent_on_is_read_as_it_was_sent(random: &impl Random) {
    for case in cases() {
        let headers = passed_on(&headers(&case), random);
        let context = TraceContext::of_headers(&headers).unwrap();
        assert_eq!(context.headers(), headers, "{case}");
    }
}
