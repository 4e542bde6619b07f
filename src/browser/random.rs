//! `crypto.getRandomValues`, which unlike `crypto.randomUUID` also works without HTTPS.

use super::global;
use crate::platform::Random;

/// The browser's randomness.
#[derive(Debug, Clone, Copy)]
pub struct BrowserRandom;

impl Random for BrowserRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let crypto = global::member::<web_sys::Crypto>("crypto");
        let filled = crypto.is_some_and(|crypto| crypto.get_random_values_with_u8_array(buffer).is_ok());
        if !filled {
            // A scope without WebCrypto still needs ids that differ; none of them guards a secret.
            for byte in buffer {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 256")]
                let random = (js_sys::Math::random() * 256.0) as u8;
                *byte = random;
            }
        }
    }
}
