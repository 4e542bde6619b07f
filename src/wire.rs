//! The wire contract: what travels between the SDK and a backend, as plain data.
//!
//! The request shapes and the error envelope are Cosnap's (`POST /api/sync/queue-actions`, `StandardErrorResponse`, …).
//! The answer to a batch is not specified there; [`QueueActionsResponse`] is Steadfast's, and the reference backend's.
//! A Rust backend can use these types as they are.

use crate::json::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use std::collections::BTreeMap;

/// The path that takes a batch of queued actions.
pub const QUEUE_ACTIONS_PATH: &str = "/api/sync/queue-actions";

/// The path that tells how the sync of a user stands; the user's id follows.
pub const SYNC_STATUS_PATH: &str = "/api/sync/status/";

/// The path that keeps a user's error preferences.
pub const ERROR_PREFERENCES_PATH: &str = "/api/user/error-preferences";
/// The path that queues an operation that failed once more.
pub const RETRY_OPERATION_PATH: &str = "/api/operations/retry";
/// The path that does so for several.
pub const RECOVER_BATCH_PATH: &str = "/api/operations/recover-batch";
/// The path that tells of the circuit breakers that a server has towards its own services.
pub const DETAILED_HEALTH_PATH: &str = "/api/health/detailed";

/// The longest id, type and key of an action, in characters.
pub const LONGEST_NAME: usize = 256;
/// The largest data of an action, in bytes of JSON text.
pub const LARGEST_DATA: usize = 1 << 20;
/// The most actions that a client may be told to put into a batch.
pub const MOST_ACTIONS: u32 = 500;
/// The largest body that a backend must be ready to take, in bytes: the largest action, alone, with all that goes around it.
pub const LARGEST_BATCH: usize = 2 << 20;
/// How often an operation may be queued again.
pub const MOST_OPERATION_RETRIES: u32 = 5;
/// The largest `modifiedParams` of an operation, in bytes of JSON text.
pub const LARGEST_PARAMS: usize = 64 << 10;
/// The most operations that may be recovered at once.
pub const MOST_OPERATIONS: usize = 100;
/// The most retries that a user can allow.
pub const MOST_AUTO_RETRIES: u32 = 20;

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
    /// Its files. Then the action is alone in its batch, and the batch is `multipart/form-data`: the part [`ACTIONS_PART`], which is
    /// the [`QueueActionsRequest`] as JSON, and behind it the parts that are named here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<WireFile>,
}

/// The part of a batch with files that has the actions.
pub const ACTIONS_PART: &str = "actions";

/// A file of an action, as sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireFile {
    /// What the application calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The part of the batch that has it: `file-0`, `file-1` and so on.
    pub part: String,
    /// The file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The content type; empty if it is not known.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// How large it is, in bytes.
    pub bytes: u64,
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
    /// What came of it, such as the id that the server has given. Actions that depend on this one may name parts of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
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
    pub server: Option<Json>,
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

/// The answer of `GET /api/health/detailed`: how a server's own services are, so that clients need not find out by failing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DetailedHealth {
    /// All of it together.
    pub overall: OverallHealth,
    /// Its services, by the names that errors have in `context.service`.
    pub services: BTreeMap<String, ServiceHealth>,
    /// What its operators should do.
    pub recommendations: Vec<String>,
}

/// How a server is as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OverallHealth {
    /// `healthy`, `degraded` or `unhealthy`.
    pub status: String,
    /// 0 to 100; 100 is best.
    pub score: u32,
}

/// How one of a server's services is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceHealth {
    /// `healthy`, `degraded` or `unhealthy`.
    pub status: String,
    /// `closed`, `open` or `half-open`.
    pub circuit_breaker_state: String,
    /// When it last failed, RFC 3339.
    pub last_failure: Option<String>,
    /// How often it has failed since it last did not.
    pub failure_count: u32,
    /// When it is tried again, RFC 3339.
    pub recovery_time: Option<String>,
}

/// The body of `PUT /api/user/error-preferences`, and its answer. What is not there is not preferred either way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorPreferences {
    /// Whether and how the user is told of errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notifications: Option<NotificationPreferences>,
    /// What of an error the user sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disclosure: Option<DisclosurePreferences>,
    /// What is done about errors without asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryPreferences>,
}

/// Whether and how a user is told of errors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NotificationPreferences {
    /// Whether at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Through what: `in_app`, `email`, or a word of the backend's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// How often: `immediate`, or a word of the backend's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<String>,
}

/// What of an error a user sees.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DisclosurePreferences {
    /// How much: `standard`, or a word of the backend's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Whether codes and ids are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_technical_details: Option<bool>,
    /// Whether calls are sent again by themselves. So says `autoRetryEnabled`; if either is off, it is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_retry: Option<bool>,
}

/// What is done about errors without asking the user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecoveryPreferences {
    /// Whether calls are sent again by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_retry_enabled: Option<bool>,
    /// How often at most, the first attempt not included; up to [`MOST_AUTO_RETRIES`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_auto_retries: Option<u32>,
    /// Whether something else may stand in for what cannot be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_mode_enabled: Option<bool>,
}

/// The body of `POST /api/operations/retry`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryOperationRequest {
    /// The id of the request that failed, as its error gave it. At most [`LONGEST_NAME`] characters.
    pub original_request_id: String,
    /// Why, in lower case: `network_timeout`.
    pub retry_reason: String,
    /// Which retry of the operation this is; the first is 1, the last [`MOST_OPERATION_RETRIES`].
    pub retry_count: u32,
    /// What is to be different this time, as an object: at most [`LARGEST_PARAMS`] bytes of JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_params: Option<Box<RawValue>>,
}

/// The answer of `POST /api/operations/retry`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryOperationResponse {
    /// Always `true`.
    pub success: bool,
    /// The id under which the operation runs now.
    pub new_request_id: String,
    /// When the server expects it to be done, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_completion: Option<String>,
    /// What happened, for developers.
    #[serde(default)]
    pub message: String,
}

/// The body of `POST /api/operations/recover-batch`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoverBatchRequest {
    /// What failed; at most [`MOST_OPERATIONS`].
    pub failed_operations: Vec<FailedOperation>,
    /// How it is to be recovered: `auto_retry`, or a word of the backend's own.
    pub recovery_strategy: String,
}

/// An operation that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedOperation {
    /// The id of the request that failed.
    pub request_id: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Whose operation it is.
    pub user_id: String,
}

/// The answer of `POST /api/operations/recover-batch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoverBatchResponse {
    /// Whether the batch was understood. A batch with refused operations in it is still a success.
    pub success: bool,
    /// One entry per operation, in the order in which they were sent.
    pub recovered: Vec<RecoveredOperation>,
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveredOperation {
    /// The id that was sent.
    pub request_id: String,
    /// What became of it.
    pub status: RecoveryStatus,
    /// The id under which the operation runs now, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_request_id: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StandardError>,
}

/// What a server did with an operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecoveryStatus {
    /// It is queued to run again.
    Queued,
    /// It does not run again.
    Refused,
}
