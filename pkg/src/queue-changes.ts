import type { Snapshot } from "./queue.js";
import type { SteadfastEvent } from "./events.js";

/** What says that a snapshot may be another one. */
const STIRRING: ReadonlySet<string> = new Set<SteadfastEvent["type"]>([
  "enqueued",
  "syncStarted",
  "batchSent",
  "batchFailed",
  "batchSplit",
  "settled",
  "syncFinished",
  "queueChanged",
  "placeChanged",
  "actionsRestored",
  "connectivityChanged",
]);

/** @internal Says when a queue may have changed, to those who then look for themselves. */
export class QueueChanges {
  readonly #read: () => Promise<string>;
  readonly #followers = new Set<Follower>();
  #version = 0;
  #latest: { readonly version: number; readonly text: Promise<string> } | undefined;
  #isClosed = false;

  /** `read` gives the JSON of a snapshot. */
  constructor(read: () => Promise<string>) {
    this.#read = read;
  }

  /** Something has happened. Costs next to nothing, however often it does. */
  hear(type: string): void {
    if (!STIRRING.has(type)) return;
    this.#version += 1;
    for (const follower of this.#followers) follower.wake();
  }

  /** How often something has happened. */
  get version(): number {
    return this.#version;
  }

  /** The JSON of a snapshot that is no older than the last change. All who ask after the same change get the same. */
  latest(): Promise<string> {
    if (this.#latest?.version !== this.#version) this.#latest = { version: this.#version, text: this.#read() };
    const latest = this.#latest;
    latest.text.catch(() => {
      if (this.#latest === latest) this.#latest = undefined;
    });
    return latest.text;
  }

  follow(parse: (text: string) => Snapshot, signal?: AbortSignal): AsyncIterableIterator<Snapshot> {
    const end = () => follower.end();
    const follower = new Follower(this, parse, () => {
      this.#followers.delete(follower);
      signal?.removeEventListener("abort", end);
    });
    this.#followers.add(follower);
    signal?.addEventListener("abort", end);
    if (this.#isClosed || signal?.aborted) follower.end();
    return follower;
  }

  close(): void {
    this.#isClosed = true;
    for (const follower of [...this.#followers]) follower.end();
  }
}

/** Looks when it is asked to, and not more often than there is something new to see. */
class Follower implements AsyncIterableIterator<Snapshot> {
  readonly #changes: QueueChanges;
  readonly #parse: (text: string) => Snapshot;
  readonly #onEnd: () => void;
  #seen: number | undefined;
  #given: string | undefined;
  #before: Promise<unknown> = Promise.resolve();
  #woken = () => {};
  #isOver = false;

  constructor(changes: QueueChanges, parse: (text: string) => Snapshot, onEnd: () => void) {
    this.#changes = changes;
    this.#parse = parse;
    this.#onEnd = onEnd;
  }

  wake(): void {
    this.#woken();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnd();
    this.wake();
  }

  next(): Promise<IteratorResult<Snapshot, undefined>> {
    const next = this.#before.then(() => this.#next());
    this.#before = next.catch(() => {});
    return next;
  }

  async #next(): Promise<IteratorResult<Snapshot, undefined>> {
    while (!this.#isOver) {
      const { version } = this.#changes;
      if (version === this.#seen) {
        await new Promise<void>((resolve) => (this.#woken = resolve));
        continue;
      }
      let text: string;
      try {
        text = await this.#changes.latest();
      } catch (error) {
        if (this.#isOver) break;
        this.end();
        throw error;
      }
      this.#seen = version;
      // Much of what happens leaves it as it was.
      if (this.#isOver || text === this.#given) continue;
      this.#given = text;
      return { value: this.#parse(text), done: false };
    }
    return { value: undefined, done: true };
  }

  return(): Promise<IteratorResult<Snapshot, undefined>> {
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
