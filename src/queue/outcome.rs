//! What became of an action.

use crate::error::ApiError;
use crate::json::Json;
use crate::wire::Conflict;
use serde::Serialize;

/// What became of an action: an event, and what `settled` resolves to. It crosses to other tabs, and to JavaScript, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase")]
pub enum Outcome {
    /// The server has applied it. It is gone from the disk.
    Applied {
        /// What the server made of it, such as the id it has given.
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Json>,
    },
    /// The server had applied it before. It is gone from the disk.
    Duplicate {
        /// What the server made of it then.
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Json>,
    },
    /// The server will never take it as it is. It is kept as a dead letter.
    Rejected {
        /// Why.
        error: Box<ApiError>,
    },
    /// Something newer stands against it. It is kept, and its key parked.
    Conflict {
        /// What.
        conflict: Conflict,
    },
    /// The application took it back. It is gone from the disk.
    Discarded,
    /// A later action took its place before it was sent. It is gone from the disk.
    Superseded {
        /// The id of that action.
        by: String,
    },
    /// It was not sent before it ceased to be worth sending. It is gone from the disk.
    Expired,
    /// It had to make room for others, as the application has declared. It is gone from the disk.
    Evicted,
    /// It is no longer in the queue, and it is not known any longer what became of it.
    Gone,
}

impl Outcome {
    /// What the server made of it.
    pub fn result(&self) -> Option<&Json> {
        match self {
            Self::Applied { result } | Self::Duplicate { result } => result.as_ref(),
            _ => None,
        }
    }
}
