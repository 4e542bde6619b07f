use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::error::RequestError;

const LONGEST_LATENCY: u64 = 600_000;
const LONGEST_SERVICE: usize = 64;

/// A way to misbehave, as set with `PUT /api/faults`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// How long the request waits before anything else happens. With any kind; `latency` needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_ms: Option<u64>,
    /// The status to answer with. `status` needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// For `status`: the `Retry-After` header, sent as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<String>,
    /// For `status`: which service the error says has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    /// How many requests it still applies to; without it, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    /// It applies to the paths that begin so.
    #[serde(default = "sync_paths")]
    pub(crate) path: String,
}

/// What a faulty server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Answers late.
    Latency,
    /// Answers with an error instead of handling the request.
    Status,
    /// Answers with the page of a captive portal instead of handling the request.
    Html,
    /// Handles the request and sends half of the answer.
    Truncated,
    /// Handles the request and closes the connection without an answer.
    CommitThenDrop,
    /// Closes the connection instead of handling the request.
    Drop,
    /// Rejects every second action of a batch.
    RejectHalf,
}

fn sync_paths() -> String {
    "/api/sync/".to_owned()
}

impl Fault {
    /// Refuses a fault that could not be carried out.
    pub(crate) fn check(&self) -> Result<(), RequestError> {
        let problem = match self {
            Self { kind: Kind::Latency, latency_ms: None, .. } => ("latencyMs", "is needed for latency"),
            Self { latency_ms: Some(latency), .. } if *latency > LONGEST_LATENCY => ("latencyMs", "must not exceed 600000"),
            Self { kind: Kind::Status, status: None, .. } => ("status", "is needed for status"),
            Self { status: Some(status), .. } if !(400..=599).contains(status) => ("status", "must be 400 to 599"),
            Self { retry_after: Some(value), .. } if HeaderValue::from_str(value).is_err() => {
                ("retryAfter", "cannot be sent in a header")
            }
            Self { service: Some(name), .. } if !(1..=LONGEST_SERVICE).contains(&name.chars().count()) => {
                ("service", "must have 1 to 64 characters")
            }
            Self { count: Some(0), .. } => ("count", "must be at least 1"),
            Self { path, .. } if !path.starts_with('/') => ("path", "must begin with a slash"),
            _ => return Ok(()),
        };
        Err(RequestError::Invalid { field: problem.0.to_owned(), message: problem.1.to_owned() })
    }

    /// The answer of [`Kind::Status`].
    pub(crate) fn answer(&self) -> RequestError {
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok());
        RequestError::Fault {
            status: status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            retry_after: self.retry_after.as_deref().and_then(|value| HeaderValue::from_str(value).ok()),
            service: self.service.clone(),
        }
    }
}

/// The fault that is set, if any.
#[derive(Debug, Default)]
pub(crate) struct FaultSwitch {
    fault: Mutex<Option<Fault>>,
}

impl FaultSwitch {
    pub(crate) fn set(&self, fault: Option<Fault>) {
        *self.lock() = fault;
    }

    pub(crate) fn get(&self) -> Option<Fault> {
        self.lock().clone()
    }

    /// The fault for a request to `path`. It counts; after the last one the switch is off.
    pub(crate) fn take(&self, path: &str) -> Option<Fault> {
        let mut slot = self.lock();
        let fault = slot.as_mut().filter(|fault| path.starts_with(&fault.path))?;
        let taken = fault.clone();
        if let Some(count) = &mut fault.count {
            *count -= 1;
            if *count == 0 {
                *slot = None;
            }
        }
        Some(taken)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Fault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
