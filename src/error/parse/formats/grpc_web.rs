//! gRPC-Web: `grpc-status` and `grpc-message`, in the headers of an answer without a body, or in the trailers that its last
//! frame is (gRPC-Web protocol, "Protocol differences").

use super::{Confidence, Evidence, FormatDefinition, GRPC_CODES, Mark, Reading, ResponseParts, percent_decoded};

pub(super) const FORMAT: FormatDefinition = FormatDefinition { name: "grpcWeb", recognise, read };

fn trailer(response: &ResponseParts, media_type: &str, text: &str, name: &str) -> Option<String> {
    if let Some(value) = response.header(name) {
        return Some(value.into());
    }
    if media_type.starts_with("application/grpc-web-text") {
        in_lines(&from_base64(text), name)
    } else if media_type.starts_with("application/grpc-web") {
        in_lines(text, name)
    } else {
        None
    }
}

fn in_lines(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        // A frame's five bytes may stand before the first trailer.
        let at = line.to_ascii_lowercase().find(name)?;
        line.get(at + name.len()..)?.strip_prefix(':').map(|value| value.trim().into())
    })
}

/// The text in Base64 that may have been padded in between: each frame is written by itself.
fn from_base64(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.trim().as_bytes().chunks(4) {
        let mut bits = 0_u32;
        let mut count = 0_usize;
        for byte in group {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => break,
            };
            bits |= u32::from(six) << (18 - 6 * count);
            count += 1;
        }
        let [_, first, second, third] = bits.to_be_bytes();
        bytes.extend([first, second, third].into_iter().take(count.saturating_sub(1)));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a response says by its headers or trailers that the call failed.
pub(in crate::error::parse) fn failed(response: &ResponseParts, media_type: &str, text: &str) -> bool {
    trailer(response, media_type, text, "grpc-status").is_some_and(|status| !matches!(status.as_str(), "" | "0"))
}

fn recognise(evidence: &Evidence<'_>) -> Mark {
    failed(evidence.response, &evidence.media_type, evidence.text).then_some(("grpc-status", Confidence::Certain))
}

fn read(evidence: &Evidence<'_>) -> Reading {
    let of = |name| trailer(evidence.response, &evidence.media_type, evidence.text, name);
    let status = of("grpc-status").unwrap_or_default();
    let name = status.parse::<usize>().ok().and_then(|number| GRPC_CODES.get(number)).map(|name| (*name).to_string());
    Reading {
        code: Some(name.unwrap_or(status)),
        message: of("grpc-message").map(|message| percent_decoded(&message)).filter(|message| !message.is_empty()),
        ..Reading::default()
    }
}
