//! The wire contract: what travels between the SDK and a backend, as plain data.
//!
//! The request shapes and the error envelope are Cosnap's (`POST /api/sync/queue-actions`, `StandardErrorResponse`, …).
//! The answer to a batch is not specified there; [`QueueActionsResponse`] is Steadfast's, and the reference backend's.
//! A Rust backend can use these types as they are.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

/// The path that takes a batch of queued actions.
pub const QUEUE_ACTIONS_PATH: &str = "/api/sync/queue-actions";

/// The longest id, type and key of an action, in characters.
pub const LONGEST_NAME: usize = 256;
/// The largest data of an action, in bytes of JSON text.
pub const LARGEST_DATA: usize = 1 << 20;
/// The most actions that a client may be told to put into a batch.
pub const MOST_ACTIONS: u32 = 500;
/// The largest body that a backend must be ready to take, in bytes: the largest action, alone, with all that goes around it.
pub const LARGEST_BATCH: usize = 2 << 20;

/// The body of `POST /api/sync/queue-actions`: actions in the order in which they are to be applied.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueActionsRequest {
    /// Whose actions these are. The server refuses the batch if the credentials are another user's.
    pub user_id: String,
    /// In sequence order; the server applies them in array order, never by `timestamp`.
    pub actions: Vec<WireAction>,
}

/// One queued action, as sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireAction {
    /// Stable across attempts, reloads and tabs. The server applies each `(userId, id)` once.
    pub id: String,
    /// What kind of action this is, in the application's words: `save_draft`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Actions with the same key are applied in order: when one is answered `conflict` or `retry`, the server
    /// answers the later ones of that key in the batch with `retry` and does not apply them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// When the user acted, by the client's wall clock, RFC 3339. For people; never for ordering.
    pub timestamp: String,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// The application's own data, the JSON text exactly as it was enqueued.
    pub data: Box<RawValue>,
}

/// How urgent an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// When nothing else waits.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before the normal ones.
    High,
    /// Before all others.
    Critical,
}

impl Priority {
    /// All of them, most urgent first, by their wire names.
    pub const NAMES: [&'static str; 4] = ["critical", "high", "normal", "low"];

    /// The wire name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// The priority of that wire name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Critical, Self::High, Self::Normal, Self::Low].into_iter().find(|priority| priority.name() == name)
    }
}

/// The answer to a batch: one result per action.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueueActionsResponse {
    /// Whether the batch was understood. A batch with rejected actions in it is still a success.
    pub success: bool,
    /// One entry per action that was looked at. An id that is not listed stays pending on the client.
    pub results: Vec<ActionResult>,
}

/// What became of one action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionResult {
    /// The action's id.
    pub id: String,
    /// What became of it.
    pub status: ActionStatus,
    /// Why it was rejected, or is to be retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StandardError>,
    /// What stands against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Conflict>,
}

/// What a server did with an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionStatus {
    /// The effect is there. The client deletes the action.
    Applied,
    /// The effect was there already. The client deletes the action.
    Duplicate,
    /// It can never be applied as it is. The client keeps it as a dead letter.
    Rejected,
    /// Something newer stands against it. The client parks its key until the application decides.
    Conflict,
    /// Not now. The client sends it again later.
    Retry,
}

impl ActionStatus {
    /// The status of that wire name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "applied" => Self::Applied,
            "duplicate" => Self::Duplicate,
            "rejected" => Self::Rejected,
            "conflict" => Self::Conflict,
            "retry" => Self::Retry,
            _ => return None,
        })
    }
}

/// What stands against an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// `version_mismatch`, or a word of the backend's own.
    pub conflict_type: String,
    /// `manual_required`, or a word of the backend's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// The server's copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Value>,
}

/// The answer of `GET /api/sync/status/:userId`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// `idle`, `in_progress`, or a word of the backend's own.
    pub sync_status: String,
    /// When a batch was last taken, RFC 3339.
    #[serde(default)]
    pub last_sync_time: Option<String>,
    /// How many actions the server has taken but not yet applied.
    pub pending_actions: u64,
    /// How many it has applied.
    pub processed_actions: u64,
    /// How many it has rejected.
    pub failed_actions: u64,
    /// When it expects to be done, RFC 3339.
    #[serde(default)]
    pub estimated_completion: Option<String>,
    /// The conflicts that wait for a decision.
    #[serde(default)]
    pub conflicts: Vec<StatusConflict>,
}

/// One conflict in a [`SyncStatus`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusConflict {
    /// The action's id.
    pub action_id: String,
    /// As in [`Conflict::conflict_type`].
    pub conflict_type: String,
    /// As in [`Conflict::resolution`].
    pub resolution: String,
}

/// Cosnap's error envelope.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StandardErrorResponse {
    /// Always `false`.
    pub success: bool,
    /// What went wrong.
    pub error: StandardError,
    /// Which call it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<StandardErrorContext>,
    /// What it means for the business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_context: Option<Value>,
}

/// The `error` member of Cosnap's envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StandardError {
    /// Machine-readable code.
    pub code: String,
    /// For developers.
    pub message: String,
    /// Specific to the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// The request's correlation id.
    pub correlation_id: String,
    /// RFC 3339.
    pub timestamp: String,
    /// For users.
    pub user_message: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Documentation of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help_link: Option<String>,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
}

/// The `context` member of Cosnap's envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StandardErrorContext {
    /// The path that was called.
    pub endpoint: String,
    /// The HTTP method.
    pub method: String,
    /// The HTTP status.
    pub status_code: u16,
    /// The server's id of the request.
    pub request_id: String,
    /// Which of the backend's services failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// The answer of `GET /api/config/error-handling`. Members the client does not know are ignored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ErrorHandlingConfiguration {
    /// How calls are retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_defaults: Option<RetryDefaults>,
    /// How the circuit breaker behaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<Value>,
    /// What of an error is shown to whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_disclosure: Option<Value>,
    /// The business's own thresholds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_rules: Option<Value>,
}

/// How calls are retried, as a server configures it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryDefaults {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// Milliseconds before the first retry.
    pub base_delay: u64,
    /// Each further delay is the previous one times this.
    pub backoff_multiplier: f64,
}

/// The answer of `GET /api/health`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Health {
    /// `healthy`, `degraded` or `unhealthy`.
    pub status: String,
    /// RFC 3339.
    pub timestamp: String,
    /// The server's version.
    pub version: String,
    /// Seconds since it started.
    pub uptime: u64,
    /// Its services, by name.
    #[serde(default)]
    pub services: Value,
    /// Its figures.
    #[serde(default)]
    pub metrics: Value,
}
