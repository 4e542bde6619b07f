//! `crypto.getRandomValues`, which unlike `crypto.randomUUID` also works without HTTPS.

use crate::platform::Random;
use std::cell::RefCell;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    // It throws in a scope without WebCrypto.
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(buffer: &mut [u8]) -> Result<JsValue, JsValue>;
}

/// The browser's randomness.
#[derive(Debug, Clone, Copy)]
pub struct BrowserRandom;

/// What has been drawn and not yet used, from the end of it: a draw costs the same for a byte and for all of these.
struct Reserve {
    bytes: [u8; 256],
    left: usize,
}

thread_local! {
    static RESERVE: RefCell<Reserve> = const { RefCell::new(Reserve { bytes: [0; 256], left: 0 }) };
}

impl Random for BrowserRandom {
    fn fill(&self, buffer: &mut [u8]) {
        RESERVE.with_borrow_mut(|reserve| {
            if buffer.len() > reserve.bytes.len() {
                return draw(buffer);
            }
            if buffer.len() > reserve.left {
                draw(&mut reserve.bytes);
                reserve.left = reserve.bytes.len();
            }
            let rest = reserve.left - buffer.len();
            if let Some(drawn) = reserve.bytes.get(rest..reserve.left) {
                buffer.copy_from_slice(drawn);
            }
            reserve.left = rest;
        });
    }
}

fn draw(buffer: &mut [u8]) {
    if get_random_values(buffer).is_err() {
        // Such a scope still needs ids that differ; none of them guards a secret.
        for byte in buffer {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 256")]
            let random = (js_sys::Math::random() * 256.0) as u8;
            *byte = random;
        }
    }
}
