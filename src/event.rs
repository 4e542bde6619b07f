//! What the SDK tells the application while it works. Every decision is an event with its reason.

use crate::error::ApiError;
use crate::policy::breaker::{BreakerState, TransitionReason};
use crate::policy::configuration::Adjustment;
use crate::policy::connectivity::{Because, State};
use crate::policy::gate::{GateReason, Trigger};
use crate::policy::retry::{RetryBecause, StopBecause};
use crate::queue::record::Counts;
use crate::time::WallTime;
use serde::Serialize;
use serde_json::value::RawValue;

/// What developers are warned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Warning {
    /// A server asks for patience, and the page may not read for how long.
    RetryAfterHidden,
}

/// What a call waits for before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitReason {
    /// For the moment that the service has named.
    Paused,
    /// For the rate that the service has shown to take.
    SendRate,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// A call's attempt failed, and it will be sent again.
    RetryScheduled {
        /// The call's id.
        correlation_id: String,
        /// The attempt that failed; the first is 1.
        attempt: u32,
        /// Milliseconds until the next one.
        after_ms: u64,
        /// What the wait was taken from.
        because: RetryBecause,
        /// What went wrong.
        error: Box<ApiError>,
    },
    /// A call failed for good.
    CallFailed {
        /// The call's id.
        correlation_id: String,
        /// Why it is not sent again.
        because: StopBecause,
        /// What went wrong.
        error: Box<ApiError>,
    },
    /// A slow attempt gets company.
    HedgeSent {
        /// The call's id.
        correlation_id: String,
        /// Which attempt it is; the first is 1.
        attempt: u32,
        /// Which of those that are sent beside it; the first is 1.
        hedge: u32,
    },
    /// A call waits for its turn.
    CallWaits {
        /// For which service.
        service: String,
        /// Why.
        because: WaitReason,
        /// For so many milliseconds.
        wait_ms: u64,
    },
    /// A service has said when it wants to be asked again, in this tab or in another.
    ServicePaused {
        /// Which.
        service: String,
        /// In so many milliseconds.
        for_ms: u64,
    },
    /// The circuit breaker of a service opens, probes or closes.
    CircuitChanged {
        /// Which service's.
        service: String,
        /// What it was.
        from: BreakerState,
        /// What it is now.
        to: BreakerState,
        /// Why.
        because: TransitionReason,
        /// For how many milliseconds nothing passes, if that is known.
        open_for_ms: Option<u64>,
    },
    /// The credentials had expired.
    CredentialsRefreshed {
        /// Whether there are new ones.
        succeeded: bool,
        /// What went wrong, if something did.
        message: Option<String>,
    },
    /// The server's configuration is another one, or could not be taken as it came.
    ConfigurationChanged {
        /// What was not taken as it came.
        adjustments: Vec<Adjustment>,
    },
    /// The server has sent a configuration of which nothing can be used. The one before stays.
    ConfigurationIgnored {
        /// What is wrong with it.
        message: String,
    },
    /// The user has said in another tab what is preferred of error handling.
    PreferencesChanged {
        /// The text that is kept of it.
        kept: String,
    },
    /// Actions are on disk.
    Enqueued {
        /// Their ids.
        ids: Vec<String>,
        /// What is in the queue now.
        counts: Counts,
    },
    /// A drain begins.
    SyncStarted {
        /// What asked for it.
        trigger: Trigger,
        /// What is in the queue.
        counts: Counts,
    },
    /// A batch was sent.
    BatchSent {
        /// The batch's id on the wire.
        correlation_id: String,
        /// The ids of its actions, in order.
        ids: Vec<String>,
    },
    /// So much of an action's files has left, in this tab. Told while they leave, where that can be known.
    UploadProgress {
        /// The id of the action.
        id: String,
        /// Bytes that have left.
        sent_bytes: u64,
        /// Bytes that are to leave.
        total_bytes: u64,
    },
    /// An action is settled, in this tab or in another.
    Settled {
        /// Its id.
        id: String,
        /// What became of it: the JSON of an [`Outcome`](crate::queue::outcome::Outcome).
        outcome: Box<RawValue>,
    },
    /// A batch got no answer that settles it. Nothing of it is lost.
    BatchFailed {
        /// The batch's id on the wire.
        correlation_id: String,
        /// What went wrong.
        error: Box<ApiError>,
        /// When it is tried again, by the wall clock.
        next_attempt_at: WallTime,
        /// Why not earlier.
        waiting_for: GateReason,
    },
    /// The server does not take a batch as a whole: it is halved, to find what it does not take.
    BatchSplit {
        /// The batch's id on the wire.
        correlation_id: String,
        /// What the server said.
        error: Box<ApiError>,
        /// How many actions the next batch has at most.
        next_size: usize,
    },
    /// The server has failed over an action that was sent by itself. It waits by itself, and holds nothing but its key.
    ActionStepsAside {
        /// Its id.
        id: String,
        /// How.
        error: Box<ApiError>,
    },
    /// A drain ended.
    SyncFinished {
        /// What is in the queue now.
        counts: Counts,
        /// When the next one starts by itself, by the wall clock.
        next_attempt_at: Option<WallTime>,
    },
    /// The queue changed: by the application's decision here, or in any way in another tab.
    QueueChanged {
        /// What is in the queue now.
        counts: Counts,
    },
    /// Whether the backend can be reached changed.
    ConnectivityChanged {
        /// Whether a request has a chance.
        online: bool,
        /// Whether the backend can be reached.
        state: State,
        /// What that was concluded from.
        because: Because,
        /// Since when it is so, by the wall clock.
        since: WallTime,
    },
    /// Something that only the developers of the application or of its backend can put right. Told once, in development.
    Warning {
        /// What it is.
        code: Warning,
        /// Whom it is about.
        origin: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The storage was cleared under this page, and what this page had put into the queue and not seen settled is in it again.
    ActionsRestored {
        /// How many actions.
        count: u64,
    },
    /// The queue is kept elsewhere from now on: in a lesser place because the better one failed, or in a better one that works again.
    PlaceChanged {
        /// From where to where, and why.
        #[serde(flatten)]
        change: crate::platform::tables::PlaceChange,
    },
    /// The queue ought to be encrypted, and there is no key to do it with. Told once, until there has been one.
    EncryptionUnavailable {
        /// Why.
        error: crate::platform::StoreError,
    },
    /// The disk failed while the SDK worked in the background. It is tried again.
    StoreFailed {
        /// What happened.
        error: crate::platform::StoreError,
    },
}
