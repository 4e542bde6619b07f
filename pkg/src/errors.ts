/**
 * The errors that Steadfast throws. All extend {@link SteadfastError}, which extends `Error`.
 */

import type { Receipt } from "./outcome.js";
import { standardVocabulary, type Vocabulary } from "./vocabulary.js";

/** What kind of problem an error is, and so what the user can do about it. */
export type Category =
  | "auth"
  | "permission"
  | "validation"
  | "not_found"
  | "conflict"
  | "rate_limit"
  | "payment"
  | "business"
  | "client"
  | "server"
  | "unavailable"
  | "integration"
  | "timeout"
  | "network"
  | "unknown";

/**
 * What the user can do about an error: try again, try again when the moment of the retry hint has come, sign in, correct what was
 * entered, ask for help, or nothing.
 */
export type UserAction = "retry" | "wait" | "signIn" | "fixFields" | "contactSupport" | "nothing";

/** How bad an error is. */
export type Severity = "low" | "medium" | "high" | "critical";

/**
 * What a verdict on retrying was concluded from: the body says so, a header (`x-should-retry`), the code, that the server says when
 * to come back, the HTTP status, that no response came, or what the server says of the request's idempotency key: that its first
 * request is still being worked on, that it was used for another request, or that this is the answer kept under it.
 */
export type RetryReason = "body" | "header" | "code" | "hint" | "status" | "network" | "idempotency";

/** When a server wants to be asked again. */
export interface RetryHint {
  /** Milliseconds from the arrival of the response, rounded up. */
  readonly afterMs: number;
  /** The same as a moment of this device's clock: milliseconds since the epoch, as `Date` takes it. */
  readonly at: number;
  /**
   * Where the hint stood:
   *
   * - `retryAfterHeader`: `Retry-After` (RFC 9110 §10.2.3), or a header that means the same;
   * - `retryAfterMsHeader`: `retry-after-ms` or `x-ms-retry-after-ms`;
   * - `rateLimitHeader`: an exhausted policy in `RateLimit` (draft-ietf-httpapi-ratelimit-headers);
   * - `rateLimitResetHeader`: the reset of an exhausted limit in a header, `X-RateLimit-Reset` and what resembles it;
   * - `body`: a delay in the body;
   * - `bodyReset`: a moment in the body, until which the service is away or the limit exhausted;
   * - `earlierAnswer`: nothing was sent, because an answer to an earlier call had asked for patience;
   * - `circuitBreaker`: until then the circuit breaker of the service is open.
   */
  readonly source:
    | "retryAfterHeader"
    | "retryAfterMsHeader"
    | "rateLimitHeader"
    | "rateLimitResetHeader"
    | "body"
    | "bodyReset"
    | "earlierAnswer"
    | "circuitBreaker";
  /** How sure its reading is: the documented form, another that can only be meant one way, or a conclusion, as of a unit. */
  readonly confidence: "certain" | "likely" | "guess";
}

/** What is wrong with one field of the request. */
export interface FieldError {
  /** Which field, as the server writes it. */
  readonly path: string;
  /** What is wrong with it. */
  readonly message: string | null;
  /** The rule it broke: `required`, `max`, `enum`. */
  readonly constraint: string | null;
  /** The rejected value. */
  readonly value: unknown;
  /** The values that would do. */
  readonly allowed: unknown;
}

/** What a server suggests to do. */
export interface Recovery {
  /** In words. */
  readonly suggestedAction: string | null;
  /** Places to go, by the server's own names: `alternativeEndpoint`, `statusPage`, `upgradeUrl`. */
  readonly links: readonly { readonly rel: string; readonly href: string; readonly method: string | null }[];
}

/** A limit that was hit, or of several the one that is nearest to it. */
export interface RateLimit {
  /** How many requests a window allows. */
  readonly limit: number | null;
  /** How many are left. */
  readonly remaining: number | null;
  /** When the window ends, by this device's clock: milliseconds since the epoch. Never a moment that had passed. */
  readonly resetAt: number | null;
  /** How long a window is, in milliseconds. */
  readonly windowMs: number | null;
}

/** A provider's own error inside an error. */
export interface Upstream {
  readonly provider: string | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly status: number | null;
  readonly raw: unknown;
}

/** A body as received. */
export interface RawBody {
  /** Its text. Bytes that are no UTF-8 are replaced by U+FFFD. */
  readonly text: string;
  /** Whether the text ends before the body did. */
  readonly truncated: boolean;
  /** The `Content-Type` header. */
  readonly contentType: string | null;
}

/**
 * The formats that Steadfast knows, each named after the one that it is best known from: `stripe` is what OpenAI and Anthropic send,
 * too, `statusCode` is that of NestJS, Fastify and hapi. `none` is that of an error without a response, `unknownJson` what was read
 * by the usual names.
 */
export type FormatName =
  | "aspnet"
  | "aws"
  | "cosnap"
  | "djangoRest"
  | "elasticsearch"
  | "empty"
  | "fastapi"
  | "googleRpc"
  | "graphql"
  | "grpcWeb"
  | "html"
  | "jsonApi"
  | "kubernetes"
  | "laravel"
  | "legacy"
  | "malformedJson"
  | "newsFilter"
  | "none"
  | "oauth"
  | "odata"
  | "oriel"
  | "postgrest"
  | "problemDetails"
  | "qwenProxy"
  | "rails"
  | "salesforce"
  | "slack"
  | "spring"
  | "statusCode"
  | "stellarFlow"
  | "stripe"
  | "text"
  | "trpc"
  | "unknownJson"
  | "xml";

/** Which wire format an error was read as. */
export interface Format {
  /** One of Steadfast's, or the name of one of your own. */
  readonly name: FormatName | (string & {});
  /** The mark it was recognised by; when no response arrived, what the code was concluded from. */
  readonly mark: string;
  /** How sure the reading, or the conclusion, is. */
  readonly confidence: "certain" | "likely" | "guess";
}

/** The members of an {@link ApiError}: plain data, as `toJSON` gives it. */
export interface ApiErrorData {
  /**
   * The machine-readable code that the server gave, or one of Steadfast's own for failures that never reached a server:
   * `NETWORK_OFFLINE`, `NETWORK_UNREACHABLE`, `NETWORK_CORS`, `NETWORK_BLOCKED`, `NETWORK_MIXED_CONTENT`, `NETWORK_TIMEOUT`,
   * `NETWORK_ERROR` (no response, and no saying why), `REQUEST_INVALID`, `APPLICATION_HOOK_FAILED`, `SYNC_ANSWER_UNREADABLE`;
   * `CIRCUIT_OPEN`, `SERVICE_PAUSED`, `BULKHEAD_FULL`, `DEADLINE_EXCEEDED` for what was not sent at all.
   * `null` if the server gave none. Of those for networks, `format.confidence` says how sure they are, and `format.mark` why.
   */
  readonly code: string | null;
  /** For developers: the server's words, a description of what happened, or the status: `HTTP 503`. */
  readonly message: string;
  /**
   * For users: what the server says to them, else what the application says of the code or the category, else Steadfast's words
   * for these, in the language of the moment at which this is read.
   */
  readonly userMessage: string;
  /** What kind of problem this is. */
  readonly category: Category;
  /** How bad it is. */
  readonly severity: Severity;
  /** The HTTP status; `null` when no response arrived. */
  readonly status: number | null;
  /** Whether the same request may succeed later. Says nothing about whether it may safely be sent twice. */
  readonly retryable: boolean;
  /** What `retryable` was concluded from. */
  readonly retryReason: RetryReason;
  /** What the user can do now. */
  readonly userAction: UserAction;
  /** When the server wants to be asked again. */
  readonly retryHint: RetryHint | null;
  /** The id that follows the call through all services. */
  readonly correlationId: string | null;
  /** The server's id of the request. */
  readonly requestId: string | null;
  /** The server's id of this error, to quote to support. */
  readonly errorId: string | null;
  /** When it happened, as the server wrote it. */
  readonly timestamp: string | null;
  /** What is wrong with which field of the request. */
  readonly fieldErrors: readonly FieldError[];
  /** What the server suggests to do. */
  readonly recovery: Recovery | null;
  /** The limit that was hit. */
  readonly rateLimit: RateLimit | null;
  /** Documentation of this error. */
  readonly helpLink: string | null;
  /** Which of the backend's services failed. */
  readonly service: string | null;
  /** Cosnap's `businessContext`, as sent. */
  readonly businessContext: unknown;
  /** A provider's own error inside this one. */
  readonly upstream: Upstream | null;
  /** What the format calls details, as sent. */
  readonly details: unknown;
  /** The body as received. */
  readonly raw: RawBody;
  /** Which wire format this was read as, and why. */
  readonly format: Format;
  /** The call that failed, once it went through `sdk.fetch`. */
  readonly request: { readonly method: string; readonly url: string; readonly attempts: number } | null;
}

/** An error before Steadfast adds its words: where the server said nothing is `null`. */
export type ReceivedError = Omit<ApiErrorData, "message" | "userMessage"> & {
  /** For developers: the server's words, or a description of what happened. */
  readonly message: string | null;
  /** For users: the server's words. */
  readonly userMessage: string | null;
};

/** @internal An error as the core writes it: without what is `null` or empty. */
export type WrittenError = Partial<ReceivedError> &
  Pick<ReceivedError, "category" | "severity" | "retryable" | "retryReason" | "userAction" | "raw" | "format">;

/** @internal Everything that may be left out. */
export function received(written: WrittenError): ReceivedError {
  // One by one: faster than to spread one object over another.
  return {
    code: written.code ?? null,
    message: written.message ?? null,
    userMessage: written.userMessage ?? null,
    category: written.category,
    severity: written.severity,
    status: written.status ?? null,
    retryable: written.retryable,
    retryReason: written.retryReason,
    userAction: written.userAction,
    retryHint: written.retryHint ?? null,
    correlationId: written.correlationId ?? null,
    requestId: written.requestId ?? null,
    errorId: written.errorId ?? null,
    timestamp: written.timestamp ?? null,
    fieldErrors: written.fieldErrors ?? [],
    recovery: written.recovery ?? null,
    rateLimit: written.rateLimit ?? null,
    helpLink: written.helpLink ?? null,
    service: written.service ?? null,
    businessContext: written.businessContext ?? null,
    upstream: written.upstream ?? null,
    details: written.details ?? null,
    raw: written.raw,
    format: written.format,
    request: written.request ?? null,
  };
}

/** @internal What an error was made of. */
export interface Origin {
  readonly received: ReceivedError;
  readonly vocabulary: Vocabulary;
  /** When the server wants to be asked again, on the clock of `performance.now()`. */
  readonly deadline: number | null;
}

const origins = new WeakMap<ApiErrorData, Origin>();

/** @internal The error of an event or of a queued action, with Steadfast's words. */
export function completed(written: WrittenError, vocabulary: Vocabulary): ApiErrorData {
  const known = received(written);
  const data = {
    ...known,
    message: messageOf(known),
    get userMessage() {
      return vocabulary.messageOf(known);
    },
  };
  origins.set(data, { received: known, vocabulary, deadline: deadlineOf(known) });
  return data;
}

/** @internal What an error was made of; one that was plain data in between has the words it had then. */
export function originOf(error: ApiErrorData): Origin {
  return (
    ApiError.originOf(error) ??
    origins.get(error) ?? { received: error, vocabulary: standardVocabulary(), deadline: deadlineOf(error) }
  );
}

function deadlineOf({ retryHint }: ReceivedError): number | null {
  return retryHint && performance.now() + (retryHint.at - Date.now());
}

function messageOf({ message, status }: ReceivedError): string {
  return message ?? (status === null ? "no response" : `HTTP ${status}`);
}

const brand = Symbol.for("steadfast.error");

/** What all errors of Steadfast have in common. */
export class SteadfastError extends Error {
  // Getters: what all errors of a class have costs each of them nothing, and is there when their stack is written.
  override get name(): string {
    return "SteadfastError";
  }

  get [brand](): true {
    return true;
  }

  /** Whether something is an error of Steadfast, also one of another copy of the package or of another frame. */
  static isSteadfastError(value: unknown): value is SteadfastError {
    return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[brand] === true;
  }
}

/**
 * A call failed: the server answered with an error, in whatever wire format, or no answer came.
 *
 * ```ts
 * try {
 *   await sdk.fetch("/api/drafts");
 * } catch (error) {
 *   if (!(error instanceof ApiError)) throw error;
 *   show(error.userMessage);
 *   for (const { path, message } of error.fieldErrors) mark(path, message);
 * }
 * ```
 */
export class ApiError extends SteadfastError implements ApiErrorData {
  override get name(): string {
    return "ApiError";
  }

  declare readonly code: string | null;
  declare readonly category: Category;
  declare readonly severity: Severity;
  declare readonly status: number | null;
  declare readonly retryable: boolean;
  declare readonly retryReason: RetryReason;
  declare readonly userAction: UserAction;
  declare readonly retryHint: RetryHint | null;
  declare readonly correlationId: string | null;
  declare readonly requestId: string | null;
  declare readonly errorId: string | null;
  declare readonly timestamp: string | null;
  declare readonly fieldErrors: readonly FieldError[];
  declare readonly recovery: Recovery | null;
  declare readonly rateLimit: RateLimit | null;
  declare readonly helpLink: string | null;
  declare readonly service: string | null;
  declare readonly businessContext: unknown;
  declare readonly upstream: Upstream | null;
  declare readonly details: unknown;
  declare readonly raw: RawBody;
  declare readonly format: Format;
  declare readonly request: { readonly method: string; readonly url: string; readonly attempts: number } | null;
  /** The receipt of the action that stands in the queue in its place: see the option `queueAs` of calls. */
  queued: Receipt | null = null;
  readonly #origin: Origin;

  /** @internal */
  constructor(written: WrittenError, vocabulary: Vocabulary) {
    const known = received(written);
    super(messageOf(known));
    // One by one: a third faster than Object.assign.
    this.code = known.code;
    this.category = known.category;
    this.severity = known.severity;
    this.status = known.status;
    this.retryable = known.retryable;
    this.retryReason = known.retryReason;
    this.userAction = known.userAction;
    this.retryHint = known.retryHint;
    this.correlationId = known.correlationId;
    this.requestId = known.requestId;
    this.errorId = known.errorId;
    this.timestamp = known.timestamp;
    this.fieldErrors = known.fieldErrors;
    this.recovery = known.recovery;
    this.rateLimit = known.rateLimit;
    this.helpLink = known.helpLink;
    this.service = known.service;
    this.businessContext = known.businessContext;
    this.upstream = known.upstream;
    this.details = known.details;
    this.raw = known.raw;
    this.format = known.format;
    this.request = known.request;
    this.#origin = { received: known, vocabulary, deadline: deadlineOf(known) };
  }

  /** @internal */
  static originOf(error: object): Origin | undefined {
    return #origin in error ? error.#origin : undefined;
  }

  /**
   * For users: what the server says to them, else what the application says of the code or the category, else Steadfast's words
   * for these, in the language of the moment at which this is read.
   */
  get userMessage(): string {
    const { received, vocabulary } = this.#origin;
    return vocabulary.messageOf(received);
  }

  /** When the server wants to be asked again; `null` if it did not say. */
  get retryAt(): Date | null {
    return this.retryHint && new Date(this.retryHint.at);
  }

  /** Whether something is an `ApiError`, also one of another copy of the package or of another frame. */
  static isApiError(value: unknown): value is ApiError {
    return SteadfastError.isSteadfastError(value) && value.name === "ApiError";
  }

  /** The error as plain data. */
  toJSON(): ApiErrorData {
    return { ...this.#origin.received, message: this.message, userMessage: this.userMessage };
  }
}

/** Something that was handed in cannot be taken. Nothing was sent and nothing stored. */
export class InvalidInputError extends SteadfastError {
  override get name(): string {
    return "InvalidInputError";
  }

  constructor(
    message: string,
    /** What it is part of. */
    readonly subject: "options" | "action",
    /** Where it stands: `retry.maxAttempts`, `data.items[3]`. */
    readonly path: string,
    /** What was there. */
    readonly received: string,
    /** What may be there. */
    readonly allowed: string,
  ) {
    super(message);
  }
}

/** @internal */
export function invalidOption(path: string, received: unknown, allowed: string): InvalidInputError {
  const shown = typeof received === "string" ? JSON.stringify(received) : String(received);
  return new InvalidInputError(`options.${path} is ${shown}; allowed: ${allowed}`, "options", path, shown, allowed);
}

/** @internal */
export function invalidAction(path: string, received: unknown, allowed: string): InvalidInputError {
  const shown = String(received);
  return new InvalidInputError(`action.${path} is ${shown}; allowed: ${allowed}`, "action", path, shown, allowed);
}

/** The disk failed. What was handed in is not stored. */
export class StoreError extends SteadfastError {
  override get name(): string {
    return "StoreError";
  }

  constructor(
    message: string,
    /** What kind of failure it is. */
    readonly kind:
      | "unavailable"
      | "quotaExceeded"
      | "blocked"
      | "timedOut"
      | "closed"
      | "unreadable"
      | "keyUnavailable"
      | "filesGone"
      | "overtaken"
      | "failed",
    /** What was being done. */
    readonly operation: string,
  ) {
    super(message);
  }
}

/** The SDK is closed; open another one. */
export class ClosedError extends SteadfastError {
  override get name(): string {
    return "ClosedError";
  }
}

/** WebAssembly cannot run here: the content security policy lacks `'wasm-unsafe-eval'`, or the browser has it switched off. */
export class WasmUnavailableError extends SteadfastError {
  override get name(): string {
    return "WasmUnavailableError";
  }
}

/** Steadfast itself broke. What is queued is on disk: reload the page, and it goes on from there. */
export class InternalError extends SteadfastError {
  override get name(): string {
    return "InternalError";
  }
}

/** @internal Why the core did not do what it was asked to. */
export type Failure =
  | { kind: "api"; error: WrittenError }
  | { kind: "invalidInput"; message: string; error: Pick<InvalidInputError, "subject" | "path" | "received" | "allowed"> }
  | { kind: "store"; message: string; error: { kind: StoreError["kind"]; operation: string } }
  | { kind: "closed"; message: string }
  | { kind: "aborted" };

/** @internal What the core threw, as what the application gets. */
export function toError(thrown: unknown, vocabulary: Vocabulary, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  if (thrown instanceof WebAssembly.RuntimeError) {
    return new InternalError(`Steadfast broke: ${thrown.message}`, { cause: thrown });
  }
  if (typeof thrown !== "string") return thrown;
  return errorOf(JSON.parse(thrown) as Failure, vocabulary);
}

/** @internal */
export function errorOf(failure: Failure, vocabulary: Vocabulary): Error {
  switch (failure.kind) {
    case "api":
      return new ApiError(failure.error, vocabulary);
    case "invalidInput": {
      const { subject, path, received, allowed } = failure.error;
      return new InvalidInputError(failure.message, subject, path, received, allowed);
    }
    case "store":
      return new StoreError(failure.message, failure.error.kind, failure.error.operation);
    case "closed":
      return new ClosedError(failure.message);
    case "aborted":
      return new DOMException("The operation was aborted.", "AbortError");
  }
}
