//! Bytes as text: base64 with the alphabet for URLs and without padding (RFC 4648 §5).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The bytes of all parts, behind a beginning.
pub(super) fn encode(beginning: &str, parts: &[&[u8]]) -> String {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut text = String::with_capacity(beginning.len() + length.div_ceil(3) * 4);
    text.push_str(beginning);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in parts.iter().copied().flatten() {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 6 {
            held -= 6;
            text.push(digit(bits >> held));
        }
    }
    if held > 0 {
        text.push(digit(bits << (6 - held)));
    }
    text
}

fn digit(bits: u32) -> char {
    ALPHABET.get((bits & 63) as usize).map_or('A', |byte| char::from(*byte))
}

/// The bytes of a text; `None` unless it is just what [`encode`] makes of them.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            #[expect(clippy::cast_possible_truncation, reason = "the eight that are next")]
            bytes.push((bits >> held) as u8);
        }
    }
    // Two texts must not mean the same bytes, or one could be changed unnoticed.
    let rest = bits & ((1 << held) - 1);
    (held < 6 && rest == 0).then_some(bytes)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_standard_come_out() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(encode("", &[bytes.as_bytes()]), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encode("x", &[&[0xfb], &[0xff]]), "x-_8");
    }

    proptest! {
        #[test]
        fn one_text_stands_for_each_bytes(bytes in prop::collection::vec(any::<u8>(), 0..50), text in "[A-Za-z0-9_-]{0,9}|.*") {
            let encoded = encode("", &[&bytes]);
            prop_assert_eq!(decode(&encoded), Some(bytes));
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode("", &[&bytes]), text);
            }
        }
    }
}
