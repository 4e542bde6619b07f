import { type ApiErrorData, completed } from "./errors.js";
import type { Vocabulary } from "./vocabulary.js";

/** What became of an action. */
export type Outcome =
  /** The server has applied it; `result` is what it made of it, if it says so: the id that it has given. It is gone from the disk. */
  | { readonly status: "applied"; readonly result?: unknown }
  /** The server had applied it before; `result` is what it had made of it. It is gone from the disk. */
  | { readonly status: "duplicate"; readonly result?: unknown }
  /** The server will never take it as it is. It is kept as a dead letter: `requeue` or `discard` it. */
  | { readonly status: "rejected"; readonly error: ApiErrorData }
  /** Something newer stands against it. It is kept, and its key parked: `resolve` it. */
  | { readonly status: "conflict"; readonly conflict: Conflict }
  /** The application took it back. It is gone from the disk. */
  | { readonly status: "discarded" }
  /** A later action, that of the id `by`, took its place before it was sent: see `coalesce`. It is gone from the disk. */
  | { readonly status: "superseded"; readonly by: string }
  /** It was not sent before it ceased to be worth it: see `ttlMs`. It is gone from the disk. */
  | { readonly status: "expired" }
  /** It had to make room for others: see the option `queue.evicts`. It is gone from the disk. */
  | { readonly status: "evicted" };

/** What `settled` resolves to. */
export type Settled =
  | Outcome
  /** The SDK was closed first: the action is still on disk and goes on from there. */
  | { readonly status: "detached" }
  /** It is not in the queue, and nothing is known of it any longer: what became of actions is remembered for a while only. */
  | { readonly status: "gone" };

/** What stands against an action. */
export interface Conflict {
  /** `version_mismatch`, or a word of the backend's own. */
  readonly conflictType: string;
  /** `manual_required`, or a word of the backend's own. */
  readonly resolution?: string;
  /** The server's copy. */
  readonly server?: unknown;
}

/**
 * Where the queue is kept: in IndexedDB, with strict durability; where that fails, in `localStorage`, which survives reloads and
 * crashes of the page; where that fails, too, in the memory of the page, which ends with it. When a better place works again, what
 * lies in a lesser one is brought there.
 */
export type Durability = "indexedDb" | "localStorage" | "memory";

/** What `enqueue` answers once the action is stored. */
export interface Receipt {
  /** The action's id. */
  readonly id: string;
  /** Its place in the user's queue. */
  readonly seq: number;
  /** Where it is stored. */
  readonly durability: Durability;
  /**
   * Resolves when the action is settled, by this tab or another. It costs nothing until it is asked for, and is not copied with the
   * receipt (`{ ...receipt }`). Asked for long after the action was settled, it may resolve to `gone`.
   */
  readonly settled: Promise<Settled>;
}

/** @internal An outcome of the core's, its error with Steadfast's words. */
export function completedOutcome<T extends Settled>(outcome: T, vocabulary: Vocabulary): T {
  if (outcome.status !== "rejected") return outcome;
  return { ...outcome, error: completed(outcome.error, vocabulary) };
}

/** @internal A receipt that begins to wait when somebody wants to know. */
export class LazyReceipt implements Receipt {
  readonly id: string;
  readonly seq: number;
  readonly durability: Durability;
  readonly #wait: (id: string) => Promise<Settled>;
  #settled: Promise<Settled> | undefined;

  constructor({ id, seq, durability }: Omit<Receipt, "settled">, wait: (id: string) => Promise<Settled>) {
    this.id = id;
    this.seq = seq;
    this.durability = durability;
    this.#wait = wait;
  }

  get settled(): Promise<Settled> {
    if (!this.#settled) {
      this.#settled = this.#wait(this.id);
      // Whoever looked and went away is not told of a failure that nobody else hears of either.
      this.#settled.catch(() => {});
    }
    return this.#settled;
  }
}
