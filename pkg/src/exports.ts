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
export type { EventOf, SteadfastEvent, Trigger } from "./events.js";
export {
  explain,
  type Disclosure,
  type ExplainedField,
  type ExplainOptions,
  type Explanation,
  type Technical,
} from "./explain.js";
export { applyFieldErrors, type AppliedFieldErrors, type FieldErrorOptions, type FormControl } from "./field-errors.js";
export type {
  Action,
  Conflict,
  Counts,
  Outcome,
  Priority,
  Queue,
  QueuedAction,
  Receipt,
  Settled,
  Snapshot,
  SyncReport,
  WaitingFor,
} from "./queue.js";
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
export type { CallOptions, Degraded, JsonAnswer, RetryOptions, SteadfastOptions, SyncOptions } from "./steadfast.js";
export type { Message, Messages, WordsOptions } from "./vocabulary.js";
export { loadWords, type Words } from "./words.js";
