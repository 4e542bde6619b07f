//! The browser's randomness.

use js_sys::Function;
use std::collections::BTreeSet;
use steadfast::browser::BrowserRandom;
use steadfast::platform::Random;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

/// Whether so many bytes, drawn in pieces of all sizes, are all different in runs of eight.
fn is_drawn_once_only() -> bool {
    let mut runs = BTreeSet::new();
    let mut expected = 0;
    for length in (0..600).chain((0..2000).map(|_| 9)) {
        let mut bytes = vec![0; length];
        BrowserRandom.fill(&mut bytes);
        expected += length / 8;
        runs.extend(bytes.chunks_exact(8).map(<[u8]>::to_vec));
    }
    runs.len() == expected
}

#[wasm_bindgen_test]
fn no_byte_is_handed_out_twice() {
    assert!(is_drawn_once_only());
}

#[wasm_bindgen_test]
fn a_scope_without_web_crypto_has_ids_that_differ_all_the_same() {
    let replace = "const original = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
        Object.defineProperty(globalThis, 'crypto', { configurable: true, value: undefined });
        return () => Object.defineProperty(globalThis, 'crypto', original)";
    let restore: Function = Function::new_no_args(replace).call0(&JsValue::NULL).unwrap().unchecked_into();
    let differ = is_drawn_once_only();
    restore.call0(&JsValue::NULL).unwrap();
    assert!(differ);
}

#[wasm_bindgen_test]
fn numbers_are_spread_over_the_whole_of_the_unit_interval() {
    let mut tenths = [0; 10];
    for _ in 0..10_000 {
        let number = BrowserRandom.unit();
        assert!((0.0..1.0).contains(&number));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 10")]
        let tenth = (number * 10.0) as usize;
        tenths[tenth] += 1;
    }
    // Ten standard deviations: it never happens by chance.
    assert!(tenths.iter().all(|count| (700..1300).contains(count)), "{tenths:?}");
}
