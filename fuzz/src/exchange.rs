//! A response as a text file, so that a seed can be read, a reproducer edited, and a dictionary's words find their place:
//!
//! ```text
//! 503 cut
//! Content-Type: application/json
//!
//! {"error":"…
//! ```
//!
//! The first line is the status, `cut` if the body went on. What does not begin so is a body and nothing else.

use steadfast::error::parse::ResponseParts;
use steadfast::time::WallTime;

/// When all responses arrive: 2026-06-01T12:00:00Z.
pub const NOW: WallTime = WallTime(1_780_315_200_000);

/// Reads any bytes as a response.
pub fn read(bytes: &[u8]) -> ResponseParts {
    let bare = ResponseParts { status: 500, headers: Vec::new(), body: bytes.to_vec(), truncated: false, received_at: NOW };
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") else { return bare };
    let (head, body) = bytes.split_at(end);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default();
    let Some(status) = first.split(' ').next().and_then(|status| status.parse().ok()) else { return bare };
    let headers = lines.filter_map(|line| line.split_once(':'));
    ResponseParts {
        status,
        headers: headers.map(|(name, value)| (name.to_string(), value.trim_start().to_string())).collect(),
        body: body.get(2..).unwrap_or_default().to_vec(),
        truncated: first.ends_with(" cut"),
        received_at: NOW,
    }
}

/// The opposite of [`read`].
pub fn write(response: &ResponseParts) -> Vec<u8> {
    let mut written = format!("{}{}\n", response.status, if response.truncated { " cut" } else { "" });
    for (name, value) in &response.headers {
        written.push_str(&format!("{name}: {value}\n"));
    }
    written.push('\n');
    let mut written = written.into_bytes();
    written.extend_from_slice(&response.body);
    written
}
