//! The charsets that the parser leaves to the browser, which has them all (WHATWG Encoding).

use crate::error::parse::{charset, reads_charset};
use web_sys::TextDecoder;

/// The body in UTF-8, if its `Content-Type` names a charset that the parser does not read itself; else as it is. Of a charset
/// that the browser does not know either, what is ASCII can still be read.
pub(crate) fn in_utf8(bytes: Vec<u8>, content_type: &str) -> Vec<u8> {
    let Some(label) = charset(content_type).filter(|label| !reads_charset(label)) else { return bytes };
    let decoded = TextDecoder::new_with_label(&label).and_then(|decoder| decoder.decode_with_u8_array(&bytes));
    decoded.map_or(bytes, String::into_bytes)
}
