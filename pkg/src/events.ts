import type { ApiErrorData, StoreError } from "./errors.js";
import type { Counts, Outcome, WaitingFor } from "./queue.js";

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
      readonly because: "notRetryable" | "notRepeatable" | "attemptsExhausted" | "hintBeyondMaxWait";
      readonly error: ApiErrorData;
    }
  /** Actions are on disk. */
  | { readonly type: "enqueued"; readonly ids: readonly string[]; readonly counts: Counts }
  /** A drain begins. */
  | { readonly type: "syncStarted"; readonly trigger: Trigger; readonly counts: Counts }
  /** A batch was sent. */
  | { readonly type: "batchSent"; readonly correlationId: string; readonly ids: readonly string[] }
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
  /** A drain ended. */
  | { readonly type: "syncFinished"; readonly counts: Counts; readonly nextAttemptAt: number | null }
  /** The queue changed: by the application's decision here, or in any way in another tab. */
  | { readonly type: "queueChanged"; readonly counts: Counts }
  /** What the browser believes of the network changed. */
  | { readonly type: "connectivityChanged"; readonly online: boolean }
  /** The disk failed while Steadfast worked in the background. It is tried again. */
  | {
      readonly type: "storeFailed";
      readonly error: { readonly kind: StoreError["kind"]; readonly operation: string; readonly message: string };
    };

/** The event of that type. */
export type EventOf<Type extends SteadfastEvent["type"]> = Extract<SteadfastEvent, { type: Type }>;

type Listener = (event: SteadfastEvent) => void;

/** @internal Carries events to listeners, each in a task of its own, so that none of them re-enters the core. */
export class Events {
  readonly #listeners = new Set<{ type: string | null; listener: Listener }>();
  readonly #endings = new Set<() => void>();

  publish(event: SteadfastEvent): void {
    for (const { type, listener } of [...this.#listeners]) {
      if (type === null || type === event.type) {
        queueMicrotask(() => {
          listener(event);
        });
      }
    }
  }

  on(type: string | null, listener: Listener, signal?: AbortSignal): () => void {
    if (signal?.aborted) return () => {};
    const entry = { type, listener };
    const remove = () => {
      this.#listeners.delete(entry);
      signal?.removeEventListener("abort", remove);
    };
    this.#listeners.add(entry);
    signal?.addEventListener("abort", remove);
    return remove;
  }

  async *iterate(signal?: AbortSignal): AsyncGenerator<SteadfastEvent, void, undefined> {
    const arrived: SteadfastEvent[] = [];
    let ended = signal?.aborted ?? false;
    let wake = () => {};
    const end = () => {
      ended = true;
      wake();
    };
    const remove = this.on(null, (event) => {
      arrived.push(event);
      wake();
    });
    this.#endings.add(end);
    signal?.addEventListener("abort", end);
    try {
      for (;;) {
        for (let next = arrived.shift(); next; next = arrived.shift()) yield next;
        if (ended) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      remove();
      this.#endings.delete(end);
      signal?.removeEventListener("abort", end);
    }
  }

  close(): void {
    this.#listeners.clear();
    for (const end of [...this.#endings]) end();
  }
}
