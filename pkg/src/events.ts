import type { ConnectivitySnapshot } from "./connectivity.js";
import { type ApiErrorData, completed, type StoreError } from "./errors.js";
import { completedOutcome, type Durability, type Outcome } from "./outcome.js";
import type { Counts, WaitingFor } from "./queue.js";
import type { Adjustment } from "./configuration.js";
import type { CircuitReason, CircuitState } from "./protection.js";
import type { Vocabulary } from "./vocabulary.js";

/** How the disk failed. */
export type StoreFailure = Pick<StoreError, "kind" | "operation" | "message">;

/** What asked for a sync. */
export type Trigger = "enqueued" | "timer" | "visible" | "online" | "opened" | "asked";

/** Everything that Steadfast tells, by its `type`. Times are milliseconds since the epoch. */
export type SteadfastEvent =
  /** A call's attempt failed, and it will be sent again. */
  | {
      readonly type: "retryScheduled";
      readonly correlationId: string;
      readonly attempt: number;
      readonly afterMs: number;
      readonly because: "serverHint" | "backoff";
      readonly error: ApiErrorData;
    }
  /** A call failed for good. */
  | {
      readonly type: "callFailed";
      readonly correlationId: string;
      /**
       * - `notRetryable`: it would fail again;
       * - `notRepeatable`: it may have had its effect, and has no idempotency key;
       * - `attemptsExhausted`, `deadlineExceeded`;
       * - `hintBeyondMaxWait`: the server wants to be asked later than the call is ready to wait;
       * - `deadlineTooClose`: the next wait would outlast the deadline;
       * - `budgetExhausted`: too many retries without success to this server;
       * - `circuitOpen`, `bulkheadFull`: see the options `breaker` and `bulkhead`;
       * - `autoRetryOff`: the user does not want calls to be sent again by themselves.
       */
      readonly because:
        | "notRetryable"
        | "notRepeatable"
        | "attemptsExhausted"
        | "hintBeyondMaxWait"
        | "deadlineTooClose"
        | "deadlineExceeded"
        | "budgetExhausted"
        | "circuitOpen"
        | "bulkheadFull"
        | "autoRetryOff";
      readonly error: ApiErrorData;
    }
  /** A slow attempt gets company: see the option `hedge`. */
  | { readonly type: "hedgeSent"; readonly correlationId: string; readonly attempt: number; readonly hedge: number }
  /** A call waits for its turn: for the moment that the service has named, or for the rate that it takes. */
  | {
      readonly type: "callWaits";
      readonly service: string;
      readonly because: "paused" | "sendRate";
      readonly waitMs: number;
    }
  /** A service has said when it wants to be asked again, in this tab or in another. */
  | { readonly type: "servicePaused"; readonly service: string; readonly forMs: number }
  /** The circuit breaker of a service changed; `openForMs` says for how long nothing passes, if that is known. */
  | {
      readonly type: "circuitChanged";
      readonly service: string;
      readonly from: CircuitState;
      readonly to: CircuitState;
      readonly because: CircuitReason;
      readonly openForMs: number | null;
    }
  /** Credentials had expired, and your `refreshCredentials` was called; `message` says what went wrong, if something did. */
  | { readonly type: "credentialsRefreshed"; readonly succeeded: boolean; readonly message: string | null }
  /** Something else stands in for what was asked for: see the option `fallback`. */
  | {
      readonly type: "fallbackUsed";
      readonly correlationId: string | null;
      readonly fallback: "lastGood" | "alternativeEndpoint" | "function";
      readonly error: ApiErrorData;
    }
  /** The server's configuration is another one, or was not taken as it came: `adjustments` says what, and what is used instead. */
  | { readonly type: "configurationChanged"; readonly adjustments: readonly Adjustment[] }
  /** The server has sent a configuration of which nothing can be used. The one before stays. */
  | { readonly type: "configurationIgnored"; readonly message: string }
  /** What the user prefers was said in another tab. */
  | { readonly type: "preferencesChanged" }
  /** What the user preferred could not be brought to the server at the time, and now it refuses it: it was taken back. */
  | { readonly type: "preferencesRefused"; readonly message: string }
  /** Actions are on disk. */
  | { readonly type: "enqueued"; readonly ids: readonly string[]; readonly counts: Counts }
  /** A drain begins. */
  | { readonly type: "syncStarted"; readonly trigger: Trigger; readonly counts: Counts }
  /** A batch was sent. */
  | { readonly type: "batchSent"; readonly correlationId: string; readonly ids: readonly string[] }
  /**
   * So much of an action with files was sent, by this tab: at most every 100 ms, and when all of it was. What is sent again after a
   * failure begins anew. In service workers, and where something stands in for `fetch`, only the end of it is told.
   */
  | { readonly type: "uploadProgress"; readonly id: string; readonly sentBytes: number; readonly totalBytes: number }
  /** An action is settled, in this tab or in another. */
  | { readonly type: "settled"; readonly id: string; readonly outcome: Outcome }
  /** A batch got no answer that settles it. Nothing of it is lost. */
  | {
      readonly type: "batchFailed";
      readonly correlationId: string;
      readonly error: ApiErrorData;
      readonly nextAttemptAt: number;
      readonly waitingFor: WaitingFor;
    }
  /** The server does not take a batch as a whole: it is halved, to find what it does not take. */
  | { readonly type: "batchSplit"; readonly correlationId: string; readonly error: ApiErrorData; readonly nextSize: number }
  /** The server has failed over an action that was sent by itself. It waits by itself, and holds nothing but its key. */
  | { readonly type: "actionStepsAside"; readonly id: string; readonly error: ApiErrorData }
  /** A drain ended. */
  | { readonly type: "syncFinished"; readonly counts: Counts; readonly nextAttemptAt: number | null }
  /** The queue changed: by the application's decision here, or in any way in another tab. */
  | { readonly type: "queueChanged"; readonly counts: Counts }
  /** The browser will wake the service worker with this tag, even if no page is open then: see the option `backgroundSync`. */
  | { readonly type: "backgroundSyncRegistered"; readonly tag: string }
  /** The browser has Background Sync, and would not do it: the user may have switched it off. Told once. */
  | { readonly type: "backgroundSyncRefused"; readonly message: string }
  /** Whether the backend can be reached changed. */
  | ({ readonly type: "connectivityChanged" } & ConnectivitySnapshot)
  /**
   * Something that only the developers of the application or of its backend can put right: told once for each `origin`, only in
   * development, and also written to the console. `retryAfterHidden`: a server asks for patience, and the page may not read for
   * how long.
   */
  | { readonly type: "warning"; readonly code: "retryAfterHidden"; readonly origin: string; readonly message: string }
  /**
   * The queue is kept elsewhere from now on: in a lesser place because the better one failed (`error`), or in a better one that works
   * again (`error` is `null`), where all that lay in the lesser one is now.
   */
  | { readonly type: "placeChanged"; readonly from: Durability; readonly to: Durability; readonly error: StoreFailure | null }
  /**
   * The storage was cleared under this page. What the page had put into the queue and not seen settled was in memory, and is on disk
   * again, under the same ids: so many actions.
   */
  | { readonly type: "actionsRestored"; readonly count: number }
  /** The queue ought to be encrypted (`queue.encryption`), and there is no key to do it with. Told once in a page. */
  | { readonly type: "encryptionUnavailable"; readonly error: StoreFailure }
  /** The browser was asked to keep the queue when it runs out of space, at the first action of priority `critical` in this page. */
  | { readonly type: "persistence"; readonly granted: boolean }
  /** The disk failed while Steadfast worked in the background. It is tried again. */
  | { readonly type: "storeFailed"; readonly error: StoreFailure }
  /** The words of a language could not be loaded. English stands in, and they are asked for again when next needed. */
  | { readonly type: "wordsFailed"; readonly language: string; readonly message: string };

/** The event of that type. */
export type EventOf<Type extends SteadfastEvent["type"]> = Extract<SteadfastEvent, { type: Type }>;

/** @internal The type of an event that is the core's JSON. The core writes it first, so that what nobody wants is not read. */
export function typeOf(text: string): SteadfastEvent["type"] {
  return text.slice('{"type":"'.length, text.indexOf('"', '{"type":"'.length)) as SteadfastEvent["type"];
}

/** @internal The core's JSON as an event, its error with Steadfast's words. */
export function readEvent(text: string, vocabulary: Vocabulary): SteadfastEvent {
  const event = JSON.parse(text) as SteadfastEvent;
  switch (event.type) {
    case "retryScheduled":
    case "callFailed":
    case "batchFailed":
    case "batchSplit":
    case "actionStepsAside":
      return { ...event, error: completed(event.error, vocabulary) };
    case "settled":
      return { ...event, outcome: completedOutcome(event.outcome, vocabulary) };
    default:
      return event;
  }
}

type Listener = (event: SteadfastEvent) => void;

/** The most events that wait for a `for await` that does not keep up. */
const MOST_WAITING = 1000;

/** @internal Carries events to listeners, each in a task of its own, so that none of them re-enters the core. */
export class Events {
  readonly #listeners = new Set<{ type: string | null; listener: Listener; remove: () => void }>();
  readonly #iterators = new Set<Iterator>();
  #isClosed = false;

  /** Whether anybody hears events of that type. */
  hasEars(type: SteadfastEvent["type"]): boolean {
    if (this.#iterators.size > 0) return true;
    for (const entry of this.#listeners) if (entry.type === null || entry.type === type) return true;
    return false;
  }

  publish(event: SteadfastEvent): void {
    for (const entry of [...this.#listeners]) {
      if (entry.type !== null && entry.type !== event.type) continue;
      queueMicrotask(() => {
        // It may have been removed since.
        if (this.#listeners.has(entry)) entry.listener(event);
      });
    }
    for (const iterator of this.#iterators) iterator.push(event);
  }

  on(type: string | null, listener: Listener, signal?: AbortSignal): () => void {
    if (this.#isClosed || signal?.aborted) return () => {};
    const remove = () => {
      this.#listeners.delete(entry);
      signal?.removeEventListener("abort", remove);
    };
    const entry = { type, listener, remove };
    this.#listeners.add(entry);
    signal?.addEventListener("abort", remove);
    return remove;
  }

  iterate(signal?: AbortSignal): AsyncIterableIterator<SteadfastEvent> {
    const end = () => iterator.end();
    const iterator = new Iterator(() => {
      this.#iterators.delete(iterator);
      signal?.removeEventListener("abort", end);
    });
    this.#iterators.add(iterator);
    signal?.addEventListener("abort", end);
    if (this.#isClosed || signal?.aborted) iterator.end();
    return iterator;
  }

  close(): void {
    this.#isClosed = true;
    // Each by itself: a signal of the application's may outlive this by far.
    for (const { remove } of [...this.#listeners]) remove();
    for (const iterator of [...this.#iterators]) iterator.end();
  }
}

/** Hears from the moment it is made. What is not fetched waits; the oldest goes when too many do. */
class Iterator implements AsyncIterableIterator<SteadfastEvent> {
  readonly #arrived: SteadfastEvent[] = [];
  readonly #waiting: ((result: IteratorResult<SteadfastEvent, undefined>) => void)[] = [];
  readonly #onEnd: () => void;
  #isOver = false;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  push(event: SteadfastEvent): void {
    const waiting = this.#waiting.shift();
    if (waiting) return waiting({ value: event, done: false });
    this.#arrived.push(event);
    if (this.#arrived.length > MOST_WAITING) this.#arrived.shift();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnd();
    for (const waiting of this.#waiting.splice(0)) waiting({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<SteadfastEvent, undefined>> {
    const value = this.#arrived.shift();
    if (value) return Promise.resolve({ value, done: false });
    if (this.#isOver) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<SteadfastEvent, undefined>> {
    this.#arrived.length = 0;
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
