import { type Action, type Priority, written, type WrittenAction, writtenData } from "./action.js";
import { type ConflictHandler, Conflicts, type Decision, decisionOf, type Resolution } from "./conflicts.js";
import type { Core, CoreHandle } from "./core.js";
import { type ApiErrorData, completed, invalidOption, toError } from "./errors.js";
import type { EventOf, SteadfastEvent } from "./events.js";
import { fieldsToCheck, type FileMetadata, metadataOf, type QueuedFile, type StoredFile } from "./files.js";
import { Intake } from "./intake.js";
import { completedOutcome, type Conflict, type Durability, type Receipt, type Settled } from "./outcome.js";
import { askForPersistence } from "./persistence.js";
import { QueueChanges } from "./queue-changes.js";
import { type QueuedRequest, queuedRequest, type QueuedRequestInit, type StoredRequest, writtenRequest } from "./request.js";
import type { Vocabulary } from "./vocabulary.js";

/** What is in a queue. */
export interface Counts {
  /** Actions that wait to be sent or for their answer. */
  readonly pending: number;
  /** Actions that wait for a decision about a conflict. */
  readonly conflicts: number;
  /** Dead letters. */
  readonly dead: number;
  /** Actions that this version of Steadfast cannot read, and keeps for one that can. */
  readonly unreadable: number;
  /** Bytes of all of these. */
  readonly bytes: number;
}

/** Why the server is left alone for now. */
export type WaitingFor = "serverHint" | "serverError" | "network" | "authentication";

/**
 * What is in the queue, and what it waits for. Costs the same however long the queue is, unless some of it is being brought from one place
 * to another.
 */
export interface Snapshot extends Counts {
  /** How many of the pending are being sent, or were, without an answer in the books. The batch that follows them is not among them. */
  readonly inFlight: number;
  /** How many of the pending may be sent; the others wait behind one of their key, for another action, or for a moment. */
  readonly ready: number;
  /** Until when the server is left alone: milliseconds since the epoch. `null` if it is not. */
  readonly nextAttemptAt: number | null;
  /** Why. */
  readonly waitingFor: WaitingFor | null;
  /** When the server answered a batch last: milliseconds since the epoch. `null` if it never has. */
  readonly lastSyncAt: number | null;
  /** How long it will take to send what is pending, at the pace of the last batches. `null` while this page has sent none. */
  readonly remainingMs: number | null;
  /** Where new actions are stored. */
  readonly durability: Durability;
  /** Whether more lies in a place that cannot be used just now, which is not counted. */
  readonly isPartial: boolean;
  /** Whether a request has a chance to reach the backend, as far as is known. */
  readonly online: boolean;
}

/**
 * Where an action in the queue stands.
 * - `pending`: it waits to be sent, or for its answer;
 * - `conflict`: something newer stands against it, and its key waits: `resolve` it;
 * - `dead`: a dead letter, which the server will never take as it is: `requeue` or `discard` it;
 * - `unreadable`: a newer version of Steadfast has written it, or it is damaged. It is kept as it is and not sent, and its key waits;
 *   `discard` deletes it.
 */
export type ActionState = "pending" | "conflict" | "dead" | "unreadable";

/** An action in the queue. */
export interface QueuedAction {
  readonly id: string;
  /** Where it lies. */
  readonly durability: Durability;
  /** Its place in the queue that lies there. */
  readonly seq: number;
  readonly type: string;
  readonly key: string | null;
  readonly priority: Priority;
  /** When the user acted: milliseconds since the epoch. */
  readonly timestamp: number;
  readonly data: unknown;
  /** What goes along with it: see {@link Queue.files}. */
  readonly files: readonly FileMetadata[];
  /** What it is sent as, if it was queued as a whole request. */
  readonly request: QueuedRequest | null;
  readonly state: ActionState;
  /** Whether it is being sent, or was, without an answer; or is in the batch that goes next. */
  readonly inFlight: boolean;
  /** What a pending one waits for: others of its key before it, its moment (`notBefore`), or the action that it depends on. */
  readonly heldBy: "key" | "time" | "action" | null;
  /** Whether `edit` may still change it: the server cannot have seen it as it is, or has said what it thinks of it. */
  readonly editable: boolean;
  /** How often the server has looked at it and not applied it. */
  readonly attempts: number;
  /** Not sent before: milliseconds since the epoch. */
  readonly notBefore: number | null;
  /** When it ceases to be worth sending: milliseconds since the epoch. */
  readonly expiresAt: number | null;
  /** The id of the action that must be applied before. */
  readonly dependsOn: string | null;
  /** Why it was not applied the last time. */
  readonly lastError: ApiErrorData | null;
  readonly conflict: Conflict | null;
  /** What is stored of an `unreadable` one, as it is, so that it can be rescued; else `null`. */
  readonly text: string | null;
}

/** Which actions are listed. */
export interface ListOptions {
  /** Those that stand there. Default: all. */
  readonly states?: readonly ActionState[];
  /** From there on: where an action lies, and its `seq`. Default: from the beginning. */
  readonly from?: Pick<QueuedAction, "durability" | "seq"> | undefined;
  /** So many at most. Default 100. */
  readonly limit?: number;
}

/**
 * What came of the wish to change an action.
 * - `done`: it will be sent as it is now;
 * - `noSuchAction`: there is none of that id in the queue;
 * - `mayHaveBeenSent`: the server may have seen it as it was, is seeing it right now, or will as soon as it has answered the batch
 *   before; nothing was changed. Enqueue another action with the same key, which comes after it.
 */
export type Edited = "done" | "noSuchAction" | "mayHaveBeenSent";

/** What a sync came to. */
export interface SyncReport extends Counts {
  /** How long until the next one starts by itself; `null` if nothing waits. */
  readonly nextAttemptInMs: number | null;
}

/** What a queue needs of the SDK. */
interface Surroundings {
  readonly publish: (event: SteadfastEvent) => void;
  readonly onConflict: ConflictHandler | undefined;
  /** What its locks begin with: of this database and this user. */
  readonly scope: string;
  /** What the URLs of requests are relative to. */
  readonly baseUrl: string;
}

/** The lanes of the core, by what the application calls them. */
const LANES: Readonly<Record<ActionState, readonly number[]>> = {
  pending: [0, 1, 2, 3, 4, 5, 6],
  conflict: [7],
  dead: [8],
  unreadable: [9],
};
const DURABILITIES: ReadonlySet<unknown> = new Set<Durability>(["indexedDb", "localStorage", "memory"]);
const HELD_BY: Readonly<Record<number, QueuedAction["heldBy"]>> = { 4: "key", 5: "time", 6: "action" };
/** How many are read at a time where there may be many. */
const PAGE = 200;

/** An action as the core lists it. */
interface Listed {
  readonly action: Omit<
    QueuedAction,
    "durability" | "inFlight" | "heldBy" | "editable" | "expiresAt" | "dependsOn" | "text" | "request" | "files"
  > &
    Partial<Pick<QueuedAction, "expiresAt" | "dependsOn" | "text">> & {
      readonly sent?: boolean;
      readonly request?: StoredRequest;
      readonly files?: readonly StoredFile[];
    };
  readonly lane: number;
  readonly durability: Durability;
  readonly inFlight: boolean;
}

/**
 * What the user did and the server has not taken yet. An action for which `enqueue` resolved is stored where its receipt says, and
 * leaves the queue only when the server says that it has it, when you discard it, or by what you have declared: `ttlMs`, `coalesce`,
 * `queue.evicts`. What becomes of it is told.
 */
export class Queue {
  readonly #core: CoreHandle;
  readonly #vocabulary: Vocabulary;
  readonly #surroundings: Surroundings;
  readonly #intake: Intake;
  readonly #changes: QueueChanges;
  readonly #conflicts: Conflicts | undefined;
  #current: Snapshot | null = null;

  /** @internal */
  constructor(core: CoreHandle, vocabulary: Vocabulary, surroundings: Surroundings) {
    this.#core = core;
    this.#vocabulary = vocabulary;
    this.#surroundings = surroundings;
    this.#intake = new Intake(core, vocabulary, (id) => this.settled(id));
    this.#changes = new QueueChanges(() => this.#text((core) => core.snapshot()));
    const { onConflict: handler, scope } = surroundings;
    this.#conflicts =
      handler &&
      new Conflicts({
        handler,
        scope: `${scope}:conflict`,
        list: (from, limit) => this.list({ states: ["conflict"], from, limit }),
        decide: (id, decision) => this.#decide(id, decision),
      });
  }

  /**
   * Puts an action into the queue. Resolves when it is stored: the receipt says where.
   *
   * ```ts
   * const receipt = await sdk.queue.enqueue({ type: "save_draft", key: "draft_456", data: { draftId: "draft_456", content } });
   * receipt.settled.then((outcome) => badge(outcome.status));
   * ```
   *
   * @throws {@link InvalidInputError} if the action cannot be taken, {@link StoreError} if the disk failed, or the queue is full
   * (`quotaExceeded`). Nothing is stored then.
   */
  async enqueue<Data>(action: Action<Data>): Promise<Receipt> {
    return this.enqueueWritten(written(action), action.priority);
  }

  /**
   * Puts a whole request into the queue, for a backend that takes no batches. All that holds for actions holds for it. It is sent by
   * itself, under an `Idempotency-Key` that is its id. Resolves when it is stored.
   *
   * ```ts
   * const receipt = await sdk.queue.enqueueRequest("/api/drafts/7", { method: "PUT", data: draft, key: "draft_7", coalesce: "replace" });
   * ```
   *
   * Any success settles it, and its answer, if that is JSON, is the `result`. 409 and 412 are conflicts, with the answer as
   * `conflict.server`; other statuses from 400 to 499 make a dead letter of it, except those that pass: 401, 403, 408, 425 and 429.
   *
   * @throws {@link InvalidInputError} and {@link StoreError} as {@link enqueue}.
   */
  async enqueueRequest<Data>(input: Request | string | URL, init?: QueuedRequestInit<Data>): Promise<Receipt> {
    const written = writtenRequest(input, init, this.#surroundings.baseUrl);
    return this.enqueueWritten("then" in written ? await written : written, init?.priority);
  }

  /** @internal */
  async enqueueWritten(action: WrittenAction, priority?: Priority): Promise<Receipt> {
    const [receipt] = await this.#intake.take([action]);
    if (priority === "critical") this.#askForPersistence();
    return receipt as Receipt;
  }

  /** Puts actions into the queue, in order, all or none. Resolves when they are stored. */
  async enqueueAll(actions: readonly Action[]): Promise<Receipt[]> {
    const receipts = await this.#intake.take(actions.map(written));
    if (actions.some(({ priority }) => priority === "critical")) this.#askForPersistence();
    return receipts;
  }

  #askForPersistence(): void {
    void askForPersistence((granted) => this.#surroundings.publish({ type: "persistence", granted }));
  }

  /**
   * @internal Checks an action that may be put into the queue later.
   *
   * @throws {@link InvalidInputError} as {@link enqueue}.
   */
  check(action: Action): void {
    this.checkWritten(written(action));
  }

  /** @internal The same. */
  checkWritten({ fields, data, files }: WrittenAction): void {
    try {
      this.#core.get().checkAction(fieldsToCheck(fields, files), data);
    } catch (thrown) {
      throw toError(thrown, this.#vocabulary);
    }
  }

  /**
   * Resolves when the action of that id is settled, by this tab or another; at once, if it has been: also after a reload, for as long
   * as it is remembered. See {@link Receipt.settled}.
   */
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
    return this.#readSnapshot(await this.#text((core) => core.snapshot()));
  }

  /** The last snapshot that {@link snapshot} or {@link changes} has given; `null` before the first. */
  get current(): Snapshot | null {
    return this.#current;
  }

  /**
   * What is in the queue, now and whenever it has changed, by whatever tab. Who is slow gets the newest and misses those between. Ends
   * when the SDK is closed or `signal` is aborted.
   *
   * ```ts
   * for await (const { pending, remainingMs } of sdk.queue.changes()) bar.update(pending, remainingMs);
   * ```
   *
   * @throws {@link StoreError} if the disk failed, {@link InvalidInputError} if there is no user.
   */
  changes(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<Snapshot> {
    return this.#changes.follow((text) => this.#readSnapshot(text), options.signal);
  }

  /**
   * The actions in the queue: those in IndexedDB first, then those in `localStorage`, then those in memory, and in each of these places in
   * order. What lies where it cannot be reached just now is not among them: see {@link Snapshot.isPartial}.
   *
   * ```ts
   * let last: QueuedAction | undefined;
   * do {
   *   const page: QueuedAction[] = await sdk.queue.list({ from: last && { ...last, seq: last.seq + 1 } });
   *   show(page);
   *   last = page.at(-1);
   * } while (last);
   * ```
   *
   * @throws {@link StoreError} if the disk failed.
   */
  async list({ states, from, limit = 100 }: ListOptions = {}): Promise<QueuedAction[]> {
    const { durability, seq } = from ?? { durability: undefined, seq: 0 };
    for (const [name, value, most] of [
      ["from.seq", seq, 2 ** 53],
      ["limit", limit, 2 ** 32],
    ] as const) {
      if (!(Number.isSafeInteger(value) && value >= 0 && value < most))
        throw invalidOption(name, value, "a whole number, not negative");
    }
    if (from && !DURABILITIES.has(durability)) {
      throw invalidOption("from.durability", durability, [...DURABILITIES].join(", "));
    }
    const lanes = lanesOf(states);
    const listed = await this.#ask<Listed[]>((core) => core.list(lanes, durability, seq, limit));
    return listed.map((action) => this.#read(action));
  }

  /**
   * The files of an action that is in the queue, such as a dead letter's; `null` if there is no action of that id. None of them is read
   * into memory before you read it, unless the queue is encrypted.
   *
   * ```ts
   * for (const { name, blob } of (await sdk.queue.files(id)) ?? []) if (blob) offer(name, URL.createObjectURL(blob));
   * ```
   *
   * @throws {@link StoreError} if the disk failed.
   */
  async files(id: string): Promise<readonly QueuedFile[] | null> {
    const stored = await this.#ask<readonly StoredFile[] | null>((core) => core.filesOf(id));
    if (!stored) return null;
    try {
      const core = this.#core.get();
      const blobs = (await Promise.all(stored.map((file) => core.readFile(file.id, file.type)))) as (Blob | undefined)[];
      return stored.map((file, index) => ({ ...metadataOf(file), blob: blobs[index] ?? null }));
    } catch (thrown) {
      throw toError(thrown, this.#vocabulary);
    }
  }

  /**
   * What is in the queue and will not be sent by itself, as JSON, for whoever is to find out why: a support request, a download. The
   * data of the actions is in it, and the text of those that cannot be read, unless `data` is `false`; so is what the server said of
   * them. Of their files it has names (with `data`), types and lengths.
   *
   * ```ts
   * const file = new Blob([await sdk.queue.export()], { type: "application/json" });
   * ```
   */
  async export({
    states = ["conflict", "dead", "unreadable"],
    data = true,
  }: { readonly states?: readonly ActionState[]; readonly data?: boolean } = {}): Promise<string> {
    const snapshot = await this.snapshot();
    const actions: object[] = [];
    for (let from: ListOptions["from"]; ;) {
      const page = await this.list({ states, from, limit: PAGE });
      for (const action of page) actions.push(data ? action : withoutData(action));
      const last = page.at(-1);
      if (!last || page.length < PAGE) break;
      from = { ...last, seq: last.seq + 1 };
    }
    return JSON.stringify({ exportedAt: new Date().toISOString(), snapshot, actions }, null, 2);
  }

  /**
   * Takes an action out of the queue, whatever its state. If it is being sent just now, the server may still apply it.
   * Resolves to whether there was one of that id.
   */
  discard(id: string): Promise<boolean> {
    return this.#ask((core) => core.discard(id));
  }

  /**
   * Gives an action that is still to be sent, a dead letter or a conflict other data, in its place and under its id. A dead letter or a
   * conflict stays one: `requeue` puts it back. Resolves to what came of it.
   *
   * ```ts
   * if ((await sdk.queue.edit(id, { title })) === "mayHaveBeenSent") await sdk.queue.enqueue({ type: "rename", key, data: { title } });
   * ```
   *
   * @throws {@link InvalidInputError} for data that JSON cannot hold, {@link StoreError} if the disk failed.
   */
  async edit(id: string, data: unknown): Promise<Edited> {
    const text = writtenData(data);
    return this.#ask((core) => core.edit(id, text));
  }

  /**
   * Puts a dead letter or a conflict back among the pending, in its old place, with other data if there is any. Resolves to whether
   * there was one of that id; if not, nothing is changed. For one that is still to be sent there is {@link edit}. One whose other
   * action (`dependsOn`) has left without being applied is a dead letter again at once, unless it is given other data.
   *
   * @throws {@link InvalidInputError} for data that JSON cannot hold, {@link StoreError} if the disk failed.
   */
  async requeue(id: string, { data }: { readonly data?: unknown } = {}): Promise<boolean> {
    const text = data === undefined ? undefined : writtenData(data);
    return this.#ask((core) => core.requeue(id, text));
  }

  /**
   * Decides a conflict. Resolves to whether there was one of that id; if not, as when another tab has decided it, nothing is changed.
   *
   * ```ts
   * await sdk.queue.resolve(id, { resolution: "keepLocal", data: { ...draft, baseVersion: theirs.version } });
   * ```
   *
   * @throws {@link InvalidInputError} for what is no resolution, {@link StoreError} if the disk failed.
   */
  async resolve(id: string, resolution: Resolution): Promise<boolean> {
    return this.#decide(id, decisionOf(resolution));
  }

  /**
   * Takes all of the user's actions out of the queue, sent or not, as on signing out for good. Each is `discarded`. What is being sent
   * just now, the server may still apply.
   *
   * @throws {@link StoreError} if a place cannot be reached in which something may lie. What can be reached is empty all the same.
   */
  async purge(): Promise<void> {
    await this.#ask((core) => core.purge());
  }

  /** @internal Something has happened. */
  hear(type: string): void {
    this.#changes.hear(type);
  }

  /** @internal Whether somebody here wants to know what became of actions. */
  get wantsSettled(): boolean {
    return this.#conflicts !== undefined;
  }

  /** @internal */
  hearSettled({ id, outcome }: EventOf<"settled">): void {
    this.#conflicts?.hear(id, outcome);
  }

  /** @internal */
  close(): void {
    this.#changes.close();
  }

  #decide(id: string, { goesBack, data }: Decision): Promise<boolean> {
    return this.#ask((core) => core.resolve(id, goesBack, data));
  }

  #read({ action, lane, durability, inFlight }: Listed): QueuedAction {
    const { id, seq, type, key, priority, timestamp, data, state, attempts, notBefore, conflict } = action;
    return {
      ...{ id, durability, seq, type, key, priority, timestamp, data, state, inFlight },
      heldBy: HELD_BY[lane] ?? null,
      editable: !action.sent && !inFlight && state !== "unreadable",
      ...{ attempts, notBefore, conflict },
      expiresAt: action.expiresAt ?? null,
      dependsOn: action.dependsOn ?? null,
      files: action.files?.map(metadataOf) ?? [],
      text: action.text ?? null,
      request: action.request ? queuedRequest(action.request) : null,
      lastError: action.lastError && completed(action.lastError, this.#vocabulary),
    };
  }

  #readSnapshot(text: string): Snapshot {
    const { counts, ...rest } = JSON.parse(text) as { counts: Counts } & Omit<Snapshot, keyof Counts>;
    return (this.#current = Object.freeze({ ...counts, ...rest }));
  }

  async #ask<T>(call: (core: Core) => Promise<string>): Promise<T> {
    return JSON.parse(await this.#text(call)) as T;
  }

  async #text(call: (core: Core) => Promise<string>): Promise<string> {
    try {
      return await call(this.#core.get());
    } catch (thrown) {
      throw toError(thrown, this.#vocabulary);
    }
  }
}

/** An action without what the user has said in it. */
function withoutData({ request, files, ...action }: QueuedAction): object {
  return {
    ...action,
    data: undefined,
    text: undefined,
    request: request && { ...request, text: null, form: null },
    files: files.map((file) => ({ ...file, name: null })),
  };
}

function lanesOf(states: readonly ActionState[] = Object.keys(LANES) as ActionState[]): Uint8Array {
  const lanes: number[] = [];
  for (const state of Array.isArray(states) ? states : [states]) {
    if (!Object.hasOwn(LANES, state as string))
      throw invalidOption("states", state, `a list of ${Object.keys(LANES).join(", ")}`);
    lanes.push(...LANES[state as ActionState]);
  }
  return Uint8Array.from(new Set(lanes));
}
