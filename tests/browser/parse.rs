//! The vectors that also run natively.

use serde_json::Value;
use steadfast::policy::hint::retry_after;
use steadfast::time::{WallTime, milliseconds};
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn every_retry_after_is_read_as_it_is_natively() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/retry_after.json")).unwrap();
    for case in vectors["cases"].as_array().unwrap() {
        let read = retry_after::read(case["value"].as_str().unwrap(), WallTime(1_780_315_200_000));
        let after = read.map(|read| milliseconds(read.after));
        match &case["afterMs"] {
            Value::String(_) => assert_eq!(after, Some(u64::MAX), "{case}"),
            expected => assert_eq!(after, expected.as_u64(), "{case}"),
        }
    }
}
