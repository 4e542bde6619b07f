//! What an application handed in and the SDK cannot take.

use serde::Serialize;

/// Something that an application handed in, and that the SDK cannot take: where it stands, what it is, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{subject}{}{path} is {received}; allowed: {allowed}", if path.is_empty() { "" } else { "." })]
#[serde(rename_all = "camelCase")]
pub struct InvalidInput {
    /// What it is part of.
    pub subject: Subject,
    /// Which member: `priority`, `retry.maxAttempts`; empty for the whole.
    pub path: String,
    /// What was there.
    pub received: String,
    /// What may be there.
    pub allowed: String,
}

/// What an invalid input is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// The options of the SDK or of a call.
    Options,
    /// An action for the queue.
    Action,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Options => "options",
            Self::Action => "action",
        })
    }
}

impl InvalidInput {
    /// What is wrong with what.
    pub fn new(subject: Subject, path: &str, received: &str, allowed: &str) -> Self {
        Self { subject, path: path.into(), received: received.into(), allowed: allowed.into() }
    }

    /// The same, inside of a larger structure.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.path = if self.path.is_empty() { outer.into() } else { format!("{outer}.{}", self.path) };
        self
    }
}
