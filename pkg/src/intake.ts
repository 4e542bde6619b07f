import type { WrittenAction } from "./action.js";
import type { CoreHandle } from "./core.js";
import { type Failure, errorOf, toError } from "./errors.js";
import type { Receipt } from "./outcome.js";
import type { Vocabulary } from "./vocabulary.js";

/** What the core says of stored actions. */
type Stored = Omit<Receipt, "settled">;
type Enqueued = { readonly receipts: Stored[] } | { readonly failure: Failure };

interface Group {
  readonly actions: readonly WrittenAction[];
  resolve(receipts: Stored[]): void;
  reject(error: unknown): void;
}

/** @internal Hands actions to the core: all that come in one task together, because it is the crossing that costs. */
export class Intake {
  readonly #core: CoreHandle;
  readonly #vocabulary: Vocabulary;
  #waiting: Group[] = [];

  constructor(core: CoreHandle, vocabulary: Vocabulary) {
    this.#core = core;
    this.#vocabulary = vocabulary;
  }

  /** Takes in actions, all or none. Resolves when they are stored. */
  take(actions: readonly WrittenAction[]): Promise<Stored[]> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) queueMicrotask(() => void this.#handOver());
      this.#waiting.push({ actions, resolve, reject });
    });
  }

  async #handOver(): Promise<void> {
    const groups = this.#waiting;
    this.#waiting = [];
    let enqueued: readonly Enqueued[];
    try {
      enqueued = await this.#enqueue(groups);
    } catch (thrown) {
      const error = toError(thrown, this.#vocabulary);
      for (const { reject } of groups) reject(error);
      return;
    }
    for (const [index, { resolve, reject }] of groups.entries()) {
      const result = enqueued[index] as Enqueued;
      if ("receipts" in result) resolve(result.receipts);
      else reject(errorOf(result.failure, this.#vocabulary));
    }
  }

  async #enqueue(groups: readonly Group[]): Promise<readonly Enqueued[]> {
    const sizes = new Uint32Array(groups.length);
    const [fields, data, merges]: [string[], string[], unknown[]] = [[], [], []];
    for (const [index, { actions }] of groups.entries()) {
      sizes[index] = actions.length;
      for (const action of actions) {
        // Most have none.
        if (action.merge) merges[fields.length] = action.merge;
        fields.push(action.fields);
        data.push(action.data);
      }
    }
    return JSON.parse(await this.#core.get().enqueue(sizes, fields, data, merges)) as Enqueued[];
  }
}
