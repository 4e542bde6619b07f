import { invalidOption } from "./errors.js";
import { refuseForeign } from "./serialize.js";

/** @internal What sends a request and reads its answer: `sdk.json`. */
export interface Requests {
  json<T>(path: string, init: RequestInit, options: { readonly idempotencyKey?: string }): Promise<{ readonly data: T }>;
}

/** What is known of an operation that failed: an {@link ApiError}, or the id of its request. */
export interface FailedOperation {
  /** The server's id of the request. */
  readonly requestId?: string | null | undefined;
  /** The id that follows the call through all services. It stands in for `requestId`. */
  readonly correlationId?: string | null | undefined;
  /** Why it failed. */
  readonly code?: string | null | undefined;
  /** The HTTP status; it stands in for `code`. */
  readonly status?: number | null | undefined;
}

/** How an operation is to be retried. */
export interface OperationRetryOptions {
  /** What is to be different this time: less, mostly. A plain object of what JSON can hold. */
  readonly modifiedParams?: Readonly<Record<string, unknown>> | undefined;
  /** Why: 1 to 64 characters of `a` to `z`, `0` to `9` and `_`. Default: the error's code so written, `network_timeout`. */
  readonly reason?: string | undefined;
  /** Which retry of this operation it is: 1 or more. Default: counted, also when the operation fails again under its new id. */
  readonly retryCount?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An operation that the server has queued once more. */
export interface RetriedOperation {
  /** The id under which it runs now; `null` if the server did not say. */
  readonly newRequestId: string | null;
  /** When the server expects it to be done; `null` if it did not say. */
  readonly estimatedCompletion: Date | null;
  /** What the server says of it, for developers. */
  readonly message: string | null;
  /** Which retry of the operation it is. */
  readonly retryCount: number;
}

/** How operations are to be recovered. */
export interface RecoverOptions {
  /** `auto_retry`, the default, or a word of your backend's own: 1 to 64 characters. */
  readonly strategy?: string | undefined;
  /** Whose operations they are. Default: the user of the SDK. */
  readonly userId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What became of an operation that was to be recovered. */
export interface RecoveredOperation {
  /** The id of the request that had failed. */
  readonly requestId: string;
  /** `unknown`: the server did not say. */
  readonly status: "queued" | "refused" | "unknown";
  /** The id under which it runs now. */
  readonly newRequestId: string | null;
  /** Why it was refused. */
  readonly error: RecoveryRefusal | null;
}

/** Why an operation is not recovered, as the server gave it. */
export interface RecoveryRefusal {
  readonly code: string | null;
  /** For developers. */
  readonly message: string | null;
  /** For users. */
  readonly userMessage: string | null;
  /** Whether it may be recovered later. */
  readonly retryable: boolean;
}

/** The retries of one operation, under whatever ids. */
interface Chain {
  /** How many were queued. */
  count: number;
  /** The one whose answer is not known yet. */
  open: { readonly number: number; readonly request: string; readonly key: string } | null;
}

const LONGEST_ID = 256;
const MOST_OPERATIONS = 100;
/** How many operations are remembered, and how many batches without an answer. */
const MOST_REMEMBERED = 500;
const WORD = /^[a-z0-9_]{1,64}$/;

/**
 * Operations of the server's that failed, and are to run once more: with an id that an error gave, not by sending their request
 * again.
 *
 * ```ts
 * try {
 *   await sdk.json("/api/effects", { method: "POST", body });
 * } catch (error) {
 *   if (!(error instanceof ApiError) || error.code !== "AI_PROCESSING_TIMEOUT") throw error;
 *   const { newRequestId, estimatedCompletion } = await sdk.operations.retry(error, { modifiedParams: { quality: "medium" } });
 *   progress(newRequestId, estimatedCompletion);
 * }
 * ```
 */
export class Operations {
  readonly #requests: Requests;
  readonly #userId: string | undefined;
  readonly #chains = new Map<string, Chain>();
  readonly #batches = new Map<string, string>();

  /** @internal */
  constructor(requests: Requests, userId?: string) {
    this.#requests = requests;
    this.#userId = userId;
  }

  /**
   * Has an operation queued once more. If the answer is lost, call it again, with the same options: the server knows by the
   * `Idempotency-Key` that it is the same request, and queues nothing twice.
   *
   * Retries are counted by operation, as long as the page is open: what `newRequestId` names goes on counting where its
   * predecessor was.
   *
   * @throws {@link InvalidInputError} if the error has no id or an option is wrong, {@link ApiError} if the server refuses, or
   * cannot be asked, and the signal's `reason` if it is aborted.
   */
  async retry(error: FailedOperation, options: OperationRetryOptions = {}): Promise<RetriedOperation> {
    const { modifiedParams, retryCount, signal } = Object(options) as OperationRetryOptions;
    const originalRequestId = idOf(error, "error");
    const retryReason = options.reason ?? reasonOf(error);
    if (typeof retryReason !== "string" || !WORD.test(retryReason)) {
      throw invalidOption("reason", retryReason, "1 to 64 characters of a to z, 0 to 9 and _, such as network_timeout");
    }
    if (retryCount !== undefined && !(Number.isSafeInteger(retryCount) && retryCount >= 1)) {
      throw invalidOption("retryCount", retryCount, "a whole number, 1 or more");
    }
    if (modifiedParams !== undefined) {
      if (!isPlain(modifiedParams)) throw invalidOption("modifiedParams", modifiedParams, "a plain object");
      refuseForeign("options", modifiedParams, "modifiedParams");
    }
    const chain = this.#chain(originalRequestId);
    // As long as the answer to a request is not known, the same request is not a further one.
    const request = JSON.stringify([originalRequestId, retryReason, retryCount, modifiedParams]);
    if (chain.open?.request !== request) {
      const number = retryCount ?? Math.max(chain.count, chain.open?.number ?? 0) + 1;
      chain.open = { number, request, key: randomKey() };
    }
    const attempt = chain.open;
    const body = { originalRequestId, retryReason, retryCount: attempt.number, modifiedParams };
    const data = await this.#post<Partial<Record<string, unknown>> | null>(
      "/api/operations/retry",
      body,
      attempt.key,
      signal,
      () => {
        if (chain.open === attempt) chain.open = null;
      },
    );
    chain.count = Math.max(chain.count, attempt.number);
    const newRequestId = text(data?.["newRequestId"]);
    if (newRequestId !== null) this.#remember(newRequestId, chain);
    return {
      newRequestId,
      estimatedCompletion: date(data?.["estimatedCompletion"]),
      message: text(data?.["message"]),
      retryCount: attempt.number,
    };
  }

  /**
   * Has several operations queued once more, at most 100. Each is queued or refused for itself; resolves to what became of them,
   * in their order. An operation that is there twice is queued once.
   *
   * ```ts
   * const recovered = await sdk.operations.recover(errors);
   * const lost = recovered.filter(({ status }) => status === "refused");
   * ```
   *
   * @throws {@link InvalidInputError} if an error has no id, an option is wrong, or there is no user, {@link ApiError} if the
   * server refuses all of it, or cannot be asked, and the signal's `reason` if it is aborted.
   */
  async recover(errors: readonly FailedOperation[], options: RecoverOptions = {}): Promise<RecoveredOperation[]> {
    const { strategy = "auto_retry", userId = this.#userId, signal } = Object(options) as RecoverOptions;
    if (!Array.isArray(errors) || errors.length > MOST_OPERATIONS) {
      const received = Array.isArray(errors) ? `${errors.length} errors` : errors;
      throw invalidOption("errors", received, `a list of at most ${MOST_OPERATIONS} errors`);
    }
    if (typeof strategy !== "string" || strategy.length < 1 || strategy.length > 64) {
      throw invalidOption("strategy", strategy, "1 to 64 characters, such as auto_retry");
    }
    if (typeof userId !== "string" || userId.length < 1 || userId.length > LONGEST_ID) {
      throw invalidOption("userId", userId, "a string of 1 to 256 characters; or open the SDK with one");
    }
    const ids = (errors as readonly FailedOperation[]).map((error, index) => idOf(error, `errors[${index}]`));
    if (ids.length === 0) return [];
    const failedOperations = new Map(ids.map((requestId, index) => [requestId, entry(requestId, errors[index], userId)]));
    const body = { failedOperations: [...failedOperations.values()], recoveryStrategy: strategy };
    const request = JSON.stringify(body);
    const key = this.#batches.get(request) ?? randomKey();
    this.#batches.set(request, key);
    forgetOldest(this.#batches);
    const data = await this.#post<{ readonly recovered?: unknown } | null>(
      "/api/operations/recover-batch",
      body,
      key,
      signal,
      () => {
        if (this.#batches.get(request) === key) this.#batches.delete(request);
      },
    );
    const answered = new Map<string, RecoveredOperation>();
    for (const result of Array.isArray(data?.recovered) ? (data.recovered as unknown[]) : []) {
      const read = readRecovered(result);
      if (read) answered.set(read.requestId, read);
    }
    for (const { requestId, newRequestId, status } of answered.values()) {
      if (status !== "queued" || !failedOperations.has(requestId)) continue;
      const chain = this.#chain(requestId);
      chain.count += 1;
      if (newRequestId !== null) this.#remember(newRequestId, chain);
    }
    return ids.map((requestId) => answered.get(requestId) ?? { requestId, status: "unknown", newRequestId: null, error: null });
  }

  /** `settled` is called once the server has decided, either way. */
  async #post<T>(
    path: string,
    body: object,
    idempotencyKey: string,
    signal: AbortSignal | undefined,
    settled: () => void,
  ): Promise<T> {
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify(body), ...(signal && { signal }) };
    try {
      const { data } = await this.#requests.json<T>(path, init, { idempotencyKey });
      settled();
      return data;
    } catch (error) {
      if (isRefusal(error)) settled();
      throw error;
    }
  }

  #chain(id: string): Chain {
    const chain = this.#chains.get(id) ?? { count: 0, open: null };
    this.#remember(id, chain);
    return chain;
  }

  #remember(id: string, chain: Chain): void {
    // At its end: the first is then the one that was asked for longest ago.
    this.#chains.delete(id);
    this.#chains.set(id, chain);
    forgetOldest(this.#chains);
  }
}

/**
 * @internal Whether the server has looked at a request and will not have it: an answer below 500 after which the same request is
 * not worth another attempt. Credentials that do not hold any more say nothing of the request.
 */
export function isRefusal(error: unknown): boolean {
  const { status, retryable } = Object(error) as { status?: unknown; retryable?: unknown };
  return typeof status === "number" && status < 500 && status !== 401 && retryable === false;
}

/** @internal Whether something is an object as JSON has them. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // That of another frame is one that has none itself.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function idOf(error: FailedOperation, path: string): string {
  const { requestId, correlationId } = Object(error) as FailedOperation;
  const id = requestId ?? correlationId;
  if (typeof id === "string" && id.length >= 1 && id.length <= LONGEST_ID) return id;
  throw invalidOption(path, id, "an error with a requestId or a correlationId of 1 to 256 characters");
}

function reasonOf({ code, status }: FailedOperation): string {
  const words = (code ?? "").replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
  const reason = words
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+/, "")
    .slice(0, 64)
    .replace(/_+$/, "");
  return reason || (typeof status === "number" ? `http_${status}` : "unknown");
}

function entry(requestId: string, error: FailedOperation | undefined, userId: string) {
  return { requestId, ...(error?.code != null && { errorCode: error.code }), userId };
}

function readRecovered(result: unknown): RecoveredOperation | null {
  const { requestId, status, newRequestId, error } = Object(result) as Record<string, unknown>;
  if (typeof requestId !== "string") return null;
  const known = status === "queued" || status === "refused" ? status : "unknown";
  return { requestId, status: known, newRequestId: text(newRequestId), error: known === "queued" ? null : readRefusal(error) };
}

function readRefusal(error: unknown): RecoveryRefusal | null {
  if (typeof error !== "object" || error === null) return null;
  const { code, message, userMessage, retryable } = error as Record<string, unknown>;
  return { code: text(code), message: text(message), userMessage: text(userMessage), retryable: retryable === true };
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function date(value: unknown): Date | null {
  const read = new Date(typeof value === "string" || typeof value === "number" ? value : Number.NaN);
  return Number.isNaN(read.getTime()) ? null : read;
}

function forgetOldest(map: Map<string, unknown>): void {
  for (const oldest of map.keys()) {
    if (map.size <= MOST_REMEMBERED) return;
    map.delete(oldest);
  }
}

/** @internal `crypto.randomUUID` is only there where the page came over a safe connection. */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
