import type { WrittenAction } from "./action.js";
import type { CoreHandle } from "./core.js";
import { type Failure, errorOf, StoreError, toError } from "./errors.js";
import { checkReadable, fieldsToCheck, fieldsWithFiles } from "./files.js";
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

/** A group that has not crossed yet because of files, its own or those of one before it. */
interface Held {
  /** What later ones wait for it by: the keys and the ids of its actions. */
  readonly names: ReadonlySet<string>;
  /** When it has its place in the queue, or has failed. */
  readonly placed: Promise<void>;
}

/** @internal Hands actions to the core: all that come in one task together, because it is the crossing that costs. */
export class Intake {
  readonly #core: CoreHandle;
  readonly #vocabulary: Vocabulary;
  readonly #wait: (id: string) => Promise<Settled>;
  readonly #held = new Set<Held>();
  #waiting: Group[] = [];

  constructor(core: CoreHandle, vocabulary: Vocabulary, wait: (id: string) => Promise<Settled>) {
    this.#core = core;
    this.#vocabulary = vocabulary;
    this.#wait = wait;
  }

  /** Takes in actions, all or none. Resolves when they are stored. */
  take(actions: readonly WrittenAction[]): Promise<Receipt[]> {
    return new Promise((resolve, reject) => {
      const group = { actions, resolve, reject };
      // Most have no files, and follow none that have.
      const hasFiles = actions.some(({ files }) => files);
      if (hasFiles || this.#held.size > 0) this.#place(group, hasFiles);
      else this.#push(group);
    });
  }

  #push(group: Group): void {
    if (this.#waiting.length === 0) queueMicrotask(() => this.#handOver());
    this.#waiting.push(group);
  }

  /** Has a group take its place once its files are stored, behind those before it that it must not overtake, and no others. */
  #place(group: Group, hasFiles: boolean, isSecond = false): void {
    const { names, follows } = namesOf(group.actions);
    const before = [...this.#held].filter((held) => follows.some((name) => held.names.has(name)));
    if (!hasFiles && before.length === 0) return this.#push(group);
    const wait = Promise.all(before.map(({ placed }) => placed));
    const held: Held = {
      names,
      placed: (hasFiles ? this.#withFiles(group, isSecond) : Promise.resolve(group)).then(
        async (group) => {
          await wait;
          this.#held.delete(held);
          this.#push(group);
        },
        (thrown: unknown) => {
          this.#held.delete(held);
          group.reject(toError(thrown, this.#vocabulary));
        },
      ),
    };
    this.#held.add(held);
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

  /**
   * The group with its files stored and named. If it is not taken in then, they are let go; if that fails as well, or the page ends
   * before, the core finds them later: nothing names them. If they are gone by then, which they are after an hour, or when the queue
   * was emptied meanwhile, they are stored once more.
   */
  async #withFiles(group: Group, isSecond: boolean): Promise<Group> {
    const { actions, resolve, reject } = group;
    // What is wrong with it is told before anything of it is stored.
    for (const { fields, data, files } of actions) this.#core.get().checkAction(fieldsToCheck(fields, files), data);
    const files = actions.flatMap(({ files = [] }) => files);
    await checkReadable(files);
    const ids = JSON.parse(await this.#core.get().storeFiles(files.map(({ blob }) => blob))) as string[];
    let next = 0;
    const named = actions.map((action): WrittenAction => {
      const { fields, data, merge, files } = action;
      if (!files) return action;
      const own = ids.slice(next, (next += files.length));
      return {
        fields: fieldsWithFiles(fields, files, own),
        data,
        ...(merge && { merge }),
        get failure() {
          return action.failure;
        },
      };
    });
    const refused = (error: unknown) => {
      void this.#drop(ids);
      if (error instanceof StoreError && error.kind === "filesGone" && !isSecond) this.#place(group, true, true);
      else reject(error);
    };
    return { actions: named, resolve, reject: refused };
  }

  async #drop(ids: readonly string[]): Promise<void> {
    try {
      await this.#core.get().dropFiles(JSON.stringify(ids));
    } catch {
      // The SDK is closed, or the disk has failed: then they are found later.
    }
  }
}

/** By what others wait for these actions, and by what these wait for others. */
function namesOf(actions: readonly WrittenAction[]): {
  readonly names: ReadonlySet<string>;
  readonly follows: readonly string[];
} {
  const names = new Set<string>();
  const follows = new Set<string>();
  for (const { fields } of actions) {
    const { key, id, dependsOn } = JSON.parse(fields) as {
      readonly key?: unknown;
      readonly id?: unknown;
      readonly dependsOn?: unknown;
    };
    for (const [prefix, name] of [
      ["key ", key],
      ["id ", id],
    ] as const) {
      if (typeof name !== "string") continue;
      names.add(prefix + name);
      follows.add(prefix + name);
    }
    if (typeof dependsOn === "string") follows.add(`id ${dependsOn}`);
  }
  return { names, follows: [...follows] };
}
