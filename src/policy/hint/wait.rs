//! A waiting time as it was read, and how sure that reading is.

use super::Confidence;
use std::time::Duration;

/// How long a header asks to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// From the arrival of the response.
    pub after: Duration,
    /// How sure the reading is.
    pub confidence: Confidence,
}

/// The longest of several waits: a server is never asked earlier than any of them says.
pub(super) fn longest(waits: impl Iterator<Item = Wait>) -> Option<Wait> {
    waits.max_by_key(|wait| (wait.after, wait.confidence))
}

/// Reads a value that several headers of one name may have been joined into, with commas (RFC 9110 §5.3). It is read as a whole
/// first, because dates have commas of their own; then the longest of the members that can be read counts.
pub(super) fn read_joined(value: &str, read: impl Fn(&str) -> Option<Wait>) -> Option<Wait> {
    let value = value.trim_ascii();
    read(value).or_else(|| {
        if !value.contains(',') {
            return None;
        }
        let members = longest(value.split(',').filter_map(|member| read(member.trim_ascii())))?;
        Some(Wait { confidence: members.confidence.min(Confidence::Likely), ..members })
    })
}
