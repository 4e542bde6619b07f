import type { Core, CoreHandle } from "./core.js";
import { type ApiErrorData, completed, InvalidInputError, toError } from "./errors.js";
import { refuseForeign, serialize } from "./serialize.js";
import type { Vocabulary } from "./vocabulary.js";

/** How urgent an action is. `normal` is the default. */
export type Priority = "critical" | "high" | "normal" | "low";

/** Something the user did, to be brought to the server whenever it can be reached. */
export interface Action {
  /** What kind of action it is, in your words: `save_draft`. 1 to 256 characters. */
  readonly type: string;
  /** What the server needs to carry it out: anything JSON can hold, at most 1 MiB of it. */
  readonly data: unknown;
  /**
   * What it is about: `draft_456`. Actions with the same key are applied in the order in which they were enqueued; different
   * keys never wait for each other. Without one, an action waits for no other.
   */
  readonly key?: string | undefined;
  /** How urgent it is. */
  readonly priority?: Priority | undefined;
  /** Your own id for it, unique per user. Without one, Steadfast makes a UUIDv7. */
  readonly id?: string | undefined;
}

/** What became of an action. */
export type Outcome =
  /** The server has applied it. It is gone from the disk. */
  | { readonly status: "applied" }
  /** The server had applied it before. It is gone from the disk. */
  | { readonly status: "duplicate" }
  /** The server will never take it as it is. It is kept as a dead letter: `requeue` or `discard` it. */
  | { readonly status: "rejected"; readonly error: ApiErrorData }
  /** Something newer stands against it. It is kept, and its key parked: `requeue` or `discard` it. */
  | { readonly status: "conflict"; readonly conflict: Conflict }
  /** The application took it back. */
  | { readonly status: "discarded" };

/** What `settled` resolves to. */
export type Settled =
  | Outcome
  /** The SDK was closed first: the action is still on disk and goes on from there. */
  | { readonly status: "detached" }
  /** It is no longer in the queue, and this tab did not hear what became of it: another one settled it while this one slept. */
  | { readonly status: "gone" };

/** @internal An outcome of the core's, its error with Steadfast's words. */
export function completedOutcome<T extends Settled>(outcome: T, vocabulary: Vocabulary): T {
  if (outcome.status !== "rejected") return outcome;
  return { ...outcome, error: completed(outcome.error, vocabulary) };
}

/** What stands against an action. */
export interface Conflict {
  /** `version_mismatch`, or a word of the backend's own. */
  readonly conflictType: string;
  /** `manual_required`, or a word of the backend's own. */
  readonly resolution?: string;
  /** The server's copy. */
  readonly server?: unknown;
}

/** What `enqueue` answers once the action is on disk. */
export interface Receipt {
  /** The action's id. */
  readonly id: string;
  /** Its place in the user's queue. */
  readonly seq: number;
  /** Where it is stored. */
  readonly durability: "indexedDb";
  /**
   * Resolves when the action is settled, by this tab or another.
   */
  readonly settled: Promise<Settled>;
}

/** What is in a queue. */
export interface Counts {
  /** Actions that wait to be sent or for their answer. */
  readonly pending: number;
  /** Actions that wait for a decision about a conflict. */
  readonly conflicts: number;
  /** Dead letters. */
  readonly dead: number;
  /** Bytes of all of these. */
  readonly bytes: number;
}

/** Why the server is left alone for now. */
export type WaitingFor = "serverHint" | "serverError" | "network" | "authentication";

/** What is in the queue, and what it waits for. Costs the same however long the queue is. */
export interface Snapshot extends Counts {
  /** How many of the pending are being sent, or were, without an answer. */
  readonly inFlight: number;
  /** Until when the server is left alone: milliseconds since the epoch. `null` if it is not. */
  readonly nextAttemptAt: number | null;
  /** Why. */
  readonly waitingFor: WaitingFor | null;
  /** Where the queue is stored. */
  readonly durability: "indexedDb";
  /** Whether the browser believes that there is a network. */
  readonly online: boolean;
}

/** An action in the queue. */
export interface QueuedAction {
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  readonly key: string | null;
  readonly priority: Priority;
  /** When the user acted: milliseconds since the epoch. */
  readonly timestamp: number;
  readonly data: unknown;
  /**
   * `unreadable`: a newer version of Steadfast has written it, or it is damaged. It is kept as it is and not sent, and its key
   * waits; `discard` deletes it.
   */
  readonly state: "pending" | "conflict" | "dead" | "unreadable";
  /** Whether it is being sent, or was, without an answer. */
  readonly inFlight: boolean;
  /** How often the server has looked at it and not applied it. */
  readonly attempts: number;
  /** Not sent before: milliseconds since the epoch. */
  readonly notBefore: number | null;
  /** Why it was not applied the last time. */
  readonly lastError: ApiErrorData | null;
  readonly conflict: Conflict | null;
}

/** What a sync came to. */
export interface SyncReport extends Counts {
  /** How long until the next one starts by itself; `null` if nothing waits. */
  readonly nextAttemptInMs: number | null;
}

/**
 * What the user did and the server has not taken yet. An action for which `enqueue` resolved is on disk, and leaves it only
 * when the server says that it has it, or when you `discard` it.
 */
export class Queue {
  readonly #core: CoreHandle;
  readonly #vocabulary: Vocabulary;

  /** @internal */
  constructor(core: CoreHandle, vocabulary: Vocabulary) {
    this.#core = core;
    this.#vocabulary = vocabulary;
  }

  /**
   * Puts an action into the queue. Resolves when it is on disk.
   *
   * ```ts
   * const receipt = await sdk.queue.enqueue({ type: "save_draft", key: "draft_456", data: { draftId: "draft_456", content } });
   * receipt.settled.then((outcome) => badge(outcome.status));
   * ```
   *
   * @throws {@link InvalidInputError} if the action cannot be taken, {@link StoreError} if the disk failed. Nothing is stored then.
   */
  async enqueue(action: Action): Promise<Receipt> {
    const [receipt] = await this.enqueueAll([action]);
    return receipt as Receipt;
  }

  /** Puts actions into the queue, in order, all or none. Resolves when they are on disk. */
  async enqueueAll(actions: readonly Action[]): Promise<Receipt[]> {
    const fields: string[] = [];
    const data: string[] = [];
    for (const action of actions) {
      const text = written(action);
      fields.push(text.fields);
      data.push(text.data);
    }
    const receipts = await this.#ask<Omit<Receipt, "settled">[]>((core) => core.enqueue(fields, data, []));
    return receipts.map((receipt) => ({ ...receipt, settled: this.settled(receipt.id) }));
  }

  /**
   * @internal Checks an action that may be put into the queue later.
   *
   * @throws {@link InvalidInputError} as {@link enqueue}.
   */
  check(action: Action): void {
    const { fields, data } = written(action);
    try {
      this.#core.get().checkAction(fields, data);
    } catch (thrown) {
      throw toError(thrown, this.#vocabulary);
    }
  }

  /** Resolves when the action of that id, which is in the queue, is settled: see {@link Receipt.settled}. */
  async settled(id: string): Promise<Settled> {
    try {
      return completedOutcome(await this.#ask<Settled>((core) => core.settled(id)), this.#vocabulary);
    } catch (error) {
      if ((error as Error).name === "ClosedError") return { status: "detached" };
      throw error;
    }
  }

  /**
   * Syncs now, if the server lets us, and resolves to what it came to. While the server has named a moment, nothing is sent
   * before it.
   *
   * @throws {@link StoreError} if the disk failed, {@link ClosedError} if the SDK was closed meanwhile.
   */
  async sync(): Promise<SyncReport> {
    const { counts, ...rest } = await this.#ask<{ counts: Counts } & Omit<SyncReport, keyof Counts>>((core) => core.sync());
    return { ...counts, ...rest };
  }

  /** What is in the queue, and what it waits for. */
  async snapshot(): Promise<Snapshot> {
    const { counts, ...rest } = await this.#ask<{ counts: Counts } & Omit<Snapshot, keyof Counts>>((core) => core.snapshot());
    return { ...counts, ...rest };
  }

  /** The actions in the queue, in order: the first `limit` of them (100) from the sequence number `from` (0) on. */
  async list({ from = 0, limit = 100 }: { from?: number; limit?: number } = {}): Promise<QueuedAction[]> {
    for (const [name, value] of Object.entries({ from, limit })) {
      if (Number.isSafeInteger(value) && value >= 0 && value < 2 ** 32) continue;
      const [received, allowed] = [String(value), "a whole number, not negative"];
      throw new InvalidInputError(`options.${name} is ${received}; allowed: ${allowed}`, "options", name, received, allowed);
    }
    const listed = await this.#ask<{ action: Omit<QueuedAction, "inFlight">; inFlight: boolean }[]>((core) =>
      core.list(new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), from, limit),
    );
    return listed.map(({ action, inFlight }) => {
      const lastError = action.lastError && completed(action.lastError, this.#vocabulary);
      return { ...action, lastError, inFlight };
    });
  }

  /**
   * Takes an action out of the queue, whatever its state. If it is being sent just now, the server may still apply it.
   * Resolves to whether there was one of that id.
   */
  discard(id: string): Promise<boolean> {
    return this.#ask((core) => core.discard(id));
  }

  /** Puts a dead letter or a conflict back among the pending, in its old place. Resolves to whether there was one of that id. */
  requeue(id: string): Promise<boolean> {
    return this.#ask((core) => core.requeue(id, undefined));
  }

  async #ask<T>(call: (core: Core) => Promise<string>): Promise<T> {
    try {
      return JSON.parse(await call(this.#core.get())) as T;
    } catch (thrown) {
      throw toError(thrown, this.#vocabulary);
    }
  }
}

/** An action as the core takes it. */
function written(action: Action): { readonly fields: string; readonly data: string } {
  const { data: value, ...rest } = Object(action) as Action;
  const data = serialize(value);
  refuseForeign("action", rest);
  return { fields: JSON.stringify(rest), data };
}
