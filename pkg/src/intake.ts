import type { WrittenAction } from "./action.js";
import type { CoreHandle } from "./core.js";
import { type Failure, errorOf, toError } from "./errors.js";
import { type Durability, LazyReceipt, type Receipt, type Settled } from "./outcome.js";
import type { Vocabulary } from "./vocabulary.js";

/** What the core says of groups of actions: ids and places, or what went wrong. */
interface Enqueued {
  readonly durability: Durability;
  readonly groups: readonly ((readonly [id: string, seq: number])[] | Failure)[];
}

/** How many actions cross at once: what is more comes in another transaction. */
const MOST_TOGETHER = 5000;

interface Group {
  readonly actions: readonly WrittenAction[];
  resolve(receipts: Receipt[]): void;
  reject(error: unknown): void;
}

/** @internal Hands actions to the core: all that come in one task together, because it is the crossing that costs. */
export class Intake {
  readonly #core: CoreHandle;
  readonly #vocabulary: Vocabulary;
  readonly #wait: (id: string) => Promise<Settled>;
  #waiting: Group[] = [];

  constructor(core: CoreHandle, vocabulary: Vocabulary, wait: (id: string) => Promise<Settled>) {
    this.#core = core;
    this.#vocabulary = vocabulary;
    this.#wait = wait;
  }

  /** Takes in actions, all or none. Resolves when they are stored. */
  take(actions: readonly WrittenAction[]): Promise<Receipt[]> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) queueMicrotask(() => this.#handOver());
      this.#waiting.push({ actions, resolve, reject });
    });
  }

  #handOver(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let first = 0; first < waiting.length;) {
      let last = first;
      for (let actions = 0; last < waiting.length; last++) {
        actions += (waiting[last] as Group).actions.length;
        if (actions > MOST_TOGETHER && last > first) break;
      }
      void this.#enqueue(first === 0 && last === waiting.length ? waiting : waiting.slice(first, last));
      first = last;
    }
  }

  async #enqueue(groups: readonly Group[]): Promise<void> {
    let enqueued: Enqueued;
    try {
      enqueued = JSON.parse(await this.#cross(groups)) as Enqueued;
    } catch (thrown) {
      const error = toError(thrown, this.#vocabulary);
      for (const { reject } of groups) reject(error);
      return;
    }
    const { durability } = enqueued;
    for (const [index, { actions, resolve, reject }] of groups.entries()) {
      const stored = enqueued.groups[index] ?? [];
      if (Array.isArray(stored)) resolve(stored.map(([id, seq]) => new LazyReceipt({ id, seq, durability }, this.#wait)));
      // What a function of the application's has thrown says more than the core can.
      else reject(actions.find(({ failure }) => failure)?.failure ?? errorOf(stored as Failure, this.#vocabulary));
    }
  }

  #cross(groups: readonly Group[]): Promise<string> {
    const sizes = new Uint32Array(groups.length);
    const [lines, merges]: [string[], unknown[]] = [[], []];
    let [index, before] = [0, ""];
    for (const { actions } of groups) {
      sizes[index++] = actions.length;
      for (const { fields, data, merge } of actions) {
        // Most have none.
        if (merge) merges[lines.length / 2] = merge;
        // JSON on one line: a text holds its line breaks escaped.
        lines.push(fields === before ? "" : fields, data);
        before = fields;
      }
    }
    return this.#core.get().enqueue(sizes, lines.join("\n"), merges);
  }
}
