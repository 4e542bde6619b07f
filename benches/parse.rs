//! How long it takes to read an error natively: beside reading its JSON alone, and beside a serde union of the five formats.
//!
//! ```console
//! cargo bench --bench parse
//! ```

use serde::Deserialize;
use std::hint::black_box;
use std::time::{Duration, Instant};
use steadfast::error::parse::{Extensions, ResponseParts, parse};
use steadfast::json::Document;
use steadfast::time::WallTime;

/// An error of each of the five documented systems.
const BODIES: [&str; 5] = [
    include_str!("bodies/cosnap.json"),
    include_str!("bodies/stellar_flow.json"),
    include_str!("bodies/oriel.json"),
    include_str!("bodies/qwen_proxy.json"),
    include_str!("bodies/news_filter.json"),
];

/// What an application would write by hand to tell the five apart.
#[derive(Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "what is measured is that it is read")]
enum Union {
    Cosnap { success: bool, error: Cosnap, context: Option<Context> },
    Oriel { error: Oriel },
    StellarFlow { success: bool, error: StellarFlow },
    NewsFilter { success: bool, error: NewsFilter },
    QwenProxy { error: QwenProxy },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "what is measured is that it is read")]
struct Cosnap {
    code: String,
    message: String,
    correlation_id: String,
    timestamp: String,
    user_message: String,
    retryable: bool,
    retry_after: Option<f64>,
    severity: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "what is measured is that it is read")]
struct Context {
    endpoint: String,
    method: String,
    status_code: u16,
    request_id: String,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "what is measured is that it is read")]
struct Oriel {
    code: String,
    message: String,
    details: Option<serde_json::Value>,
    timestamp: String,
    recoverable: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "what is measured is that it is read")]
struct StellarFlow {
    code: String,
    message: String,
    details: Option<serde_json::Value>,
    request_id: Option<String>,
    recovery: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "what is measured is that it is read")]
struct NewsFilter {
    code: u16,
    message: String,
    metadata: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "what is measured is that it is read")]
struct QwenProxy {
    #[serde(rename = "type")]
    kind: String,
    message: String,
    code: Option<String>,
    error_id: String,
}

/// What is measured: its name, how long it took, and what is done for the body of that number.
type Row<'a> = (&'static str, Vec<Duration>, Box<dyn Fn(u32) + 'a>);

const ROUNDS: usize = 15;
const READS: u32 = 20_000;

fn main() {
    let parts: Vec<ResponseParts> = BODIES
        .iter()
        .map(|body| ResponseParts {
            status: 500,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.as_bytes().to_vec(),
            truncated: false,
            received_at: WallTime(1_780_315_200_000),
        })
        .collect();
    for body in BODIES {
        assert!(serde_json::from_str::<Union>(body).is_ok(), "the union knows {body}");
    }
    let extensions = Extensions::default();
    let body = |index: u32| BODIES.get(index as usize % BODIES.len()).copied().unwrap_or_default();
    let mut rows: [Row<'_>; 4] = [
        (
            "serde_json, a Value",
            vec![],
            Box::new(|index| drop(black_box(serde_json::from_str::<serde_json::Value>(body(index))))),
        ),
        ("serde_json, union of the five", vec![], Box::new(|index| drop(black_box(serde_json::from_str::<Union>(body(index)))))),
        ("steadfast, the JSON alone", vec![], Box::new(|index| drop(black_box(Document::read(body(index)))))),
        (
            "steadfast, parse",
            vec![],
            Box::new(|index| drop(black_box(parts.get(index as usize % 5).map(|parts| parse(parts, &extensions))))),
        ),
    ];
    for _ in 0..ROUNDS {
        for (_, samples, read) in &mut rows {
            let start = Instant::now();
            (0..READS).for_each(&*read);
            samples.push(start.elapsed() / READS);
        }
    }
    println!("reading an error of one of five formats, from its text, natively, microseconds, medians of {ROUNDS} rounds");
    let mut limit = None;
    for (name, samples, _) in &mut rows {
        samples.sort();
        let median = samples.get(ROUNDS / 2).copied().unwrap_or_default();
        let ratio = median.as_secs_f64() / limit.get_or_insert(median).as_secs_f64();
        println!("  {name:<52}{:>12.2}{ratio:>9.2}×", median.as_secs_f64() * 1e6);
    }
}
