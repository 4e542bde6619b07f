export type { BackgroundSyncOptions, WorkerRegistration } from "./background-sync.js";
export type { Connectivity, ConnectivityReason, ConnectivitySnapshot, ConnectivityState } from "./connectivity.js";
export { countdown, type CountdownOptions } from "./countdown.js";
export {
  ApiError,
  type ApiErrorData,
  type Category,
  ClosedError,
  type FieldError,
  type Format,
  type FormatName,
  InternalError,
  InvalidInputError,
  type RateLimit,
  type RawBody,
  type ReceivedError,
  type Recovery,
  type RetryHint,
  type RetryReason,
  type Severity,
  SteadfastError,
  StoreError,
  type Upstream,
  type UserAction,
  WasmUnavailableError,
} from "./errors.js";
export type { EventOf, SteadfastEvent, StoreFailure, Trigger } from "./events.js";
export {
  explain,
  type Disclosure,
  type ExplainedField,
  type ExplainOptions,
  type Explanation,
  type Technical,
} from "./explain.js";
export { applyFieldErrors, type AppliedFieldErrors, type FieldErrorOptions, type FormControl } from "./field-errors.js";
export { type Action, type Priority, type ResultReference, resultOf } from "./action.js";
export type { FileContent, FileMetadata, QueuedFile } from "./files.js";
export type { QueuedFormField, QueuedRequest, QueuedRequestInit, QueueIfOffline } from "./request.js";
export type { ConflictHandler, Resolution } from "./conflicts.js";
export type { Conflict, Durability, Outcome, Receipt, Settled } from "./outcome.js";
export type { ActionState, Counts, Edited, ListOptions, Queue, QueuedAction, Snapshot, SyncReport, WaitingFor } from "./queue.js";
export {
  type CodeFacts,
  type ErrorFormat,
  type ErrorReading,
  parseError,
  readError,
  type ReadingOptions,
  type ReceivedResponse,
  type ResponseLike,
} from "./reading.js";
export { type Degraded, degradation, type JsonAnswer } from "./calls.js";
export type { Adjustment, Configuration } from "./configuration.js";
export type {
  FailedOperation,
  OperationRetryOptions,
  Operations,
  RecoverOptions,
  RecoveredOperation,
  RecoveryRefusal,
  RetriedOperation,
} from "./operations.js";
export type { ErrorPreferences, ErrorPreferencesChanges, Preferences, PreferencesUpdate } from "./preferences.js";
export type { Fallback } from "./fallback.js";
export type {
  CallOptions,
  CorrelationOptions,
  PollOptions,
  QueueOptions,
  RetryOptions,
  SteadfastOptions,
  SyncOptions,
} from "./options.js";
export {
  createPolicy,
  type Executor,
  type FailureFacts,
  type Policy,
  type PolicyContext,
  type PolicyOptions,
  wrap,
} from "./policy.js";
export type {
  BreakerOptions,
  BudgetOptions,
  BulkheadOptions,
  CircuitReason,
  CircuitState,
  HedgeOptions,
  ProtectionOptions,
  Services,
  ServiceSnapshot,
  Urgency,
} from "./protection.js";
export type { Message, Messages, WordsOptions } from "./vocabulary.js";
export { loadWords, type Words } from "./words.js";
