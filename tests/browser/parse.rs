//! The parser's vectors, which also run natively, in the browser.

#[path = "../../examples/parse_corpus/record.rs"]
mod record;

use record::{FIELDS, Record, Verdict};
use wasm_bindgen_test::wasm_bindgen_test;

const VECTORS: [&str; 6] = [
    include_str!("../vectors/specs/cosnap.jsonl"),
    include_str!("../vectors/specs/stellarflow.jsonl"),
    include_str!("../vectors/specs/oriel.jsonl"),
    include_str!("../vectors/specs/qwen_proxy.jsonl"),
    include_str!("../vectors/specs/news_filter.jsonl"),
    include_str!("../vectors/families.jsonl"),
];

#[wasm_bindgen_test]
fn every_error_is_read_as_it_is_natively() {
    let mut records = 0;
    for line in VECTORS.into_iter().flat_map(str::lines).filter(|line| !line.trim().is_empty()) {
        let record = Record::read(line).unwrap();
        let error = record.parse();
        for (field, verdict) in FIELDS.iter().zip(record.compare(&error)) {
            if let Verdict::Wrong { expected, found } = verdict {
                panic!("{} {field}: expected {expected}, found {found}", record.id);
            }
        }
        records += 1;
    }
    assert!(records > 600, "{records}");
}
