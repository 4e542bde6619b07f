import { invalidOption } from "./errors.js";
import { isPlain, isRefusal, type Requests } from "./operations.js";

/** What a user prefers of error handling. What is not there is not preferred either way. */
export interface ErrorPreferences {
  /** Whether and how the user is told of errors. */
  readonly notifications?: {
    /** Whether at all. */
    readonly enabled?: boolean;
    /** Through what: `in_app`, `email`, or words of your backend's own. At most 16. */
    readonly channels?: readonly string[];
    /** How often: `immediate`, or a word of your backend's own. */
    readonly frequency?: string;
  };
  /** What of an error the user sees. */
  readonly disclosure?: {
    /** How much: `standard`, or a word of your backend's own. */
    readonly level?: string;
    /** Whether codes and ids are shown. */
    readonly showTechnicalDetails?: boolean;
    /** Whether calls are sent again by themselves. So says `recovery.autoRetryEnabled`; if either is `false`, they are not. */
    readonly autoRetry?: boolean;
  };
  /** What is done about errors without asking the user. */
  readonly recovery?: {
    /** Whether calls are sent again by themselves. */
    readonly autoRetryEnabled?: boolean;
    /** How often at most: 0 to 20. Never more often than the SDK's own options say. */
    readonly maxAutoRetries?: number;
    /** Whether something else may stand in for what cannot be had. */
    readonly fallbackModeEnabled?: boolean;
  };
}

/** What is to change of {@link ErrorPreferences}. `null` takes a preference back; what is not there stays. */
export type ErrorPreferencesChanges = {
  readonly [Section in keyof ErrorPreferences]?:
    | {
        readonly [Member in keyof NonNullable<ErrorPreferences[Section]>]?:
          NonNullable<ErrorPreferences[Section]>[Member] | null | undefined;
      }
    | null
    | undefined;
};

/** What an update came to. */
export interface PreferencesUpdate {
  /** What the user prefers now. */
  readonly preferences: ErrorPreferences;
  /** Whether the server has it. */
  readonly synced: boolean;
  /** Why it does not: what the attempt to send it failed with. */
  readonly error: unknown;
}

/** @internal What the preferences are given to, and what they tell. */
export interface PreferencesHost {
  /**
   * What the user prefers has changed: it holds from now on, and is to be kept across reloads. The core reads it, and
   * {@link Preferences} takes it back, as `kept` and in `adopt`.
   */
  apply(kept: string): void;
  /** The server refuses what an earlier `update` could not bring to it at the time: it was taken back. */
  refused?(error: unknown): void;
}

/** What is kept: what is preferred and, if the server does not have all of it, what it does have. */
interface Kept {
  readonly preferences: ErrorPreferences;
  readonly confirmed?: ErrorPreferences;
}

type Document = Record<string, Record<string, unknown>>;
type Check = readonly [allowed: string, check: (value: unknown) => boolean];

const PATH = "/api/user/error-preferences";
const FLAG: Check = ["true or false", (value) => typeof value === "boolean"];
const WORD: Check = ["a string of 1 to 64 characters", isWord];
const WORDS: Check = [
  "a list of at most 16 strings of 1 to 64 characters",
  (value) => Array.isArray(value) && value.length <= 16 && value.every(isWord),
];
const RETRIES: Check = [
  "a whole number from 0 to 20",
  (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 20,
];

const MEMBERS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  notifications: { enabled: FLAG, channels: WORDS, frequency: WORD },
  disclosure: { level: WORD, showTechnicalDetails: FLAG, autoRetry: FLAG },
  recovery: { autoRetryEnabled: FLAG, maxAutoRetries: RETRIES, fallbackModeEnabled: FLAG },
};

/**
 * What the user prefers of error handling. It holds as soon as it is said, for the next decision of a call that is already
 * under way too, whether the server can be reached or not.
 *
 * ```ts
 * sdk.preferences.current.recovery?.maxAutoRetries;
 * const { synced } = await sdk.preferences.update({ recovery: { autoRetryEnabled: false } });
 * if (!synced) hint("Saved on this device, and everywhere else when you are back online.");
 * ```
 */
export class Preferences {
  readonly #requests: Requests;
  readonly #host: PreferencesHost;
  /** What the server has, as far as is known. */
  #confirmed: Document = {};
  /** What the user prefers, but for the updates that wait for their turn. */
  #local: Document = {};
  /** Whether that is more than what the server has. */
  #unsent = false;
  /** The updates whose turn has not come, or not ended. */
  #waiting: ErrorPreferencesChanges[] = [];
  #current: ErrorPreferences = Object.freeze({});
  #turn: Promise<unknown> = Promise.resolve();

  /** @internal `kept` is what `apply` was last given, in an earlier life of the page. */
  constructor(requests: Requests, host: PreferencesHost, kept?: string | null) {
    this.#requests = requests;
    this.#host = host;
    this.#take(kept);
  }

  /** What the user prefers, as far as it is known. */
  get current(): ErrorPreferences {
    return this.#current;
  }

  /** Whether the server has all of it. */
  get synced(): boolean {
    return !this.#unsent && this.#waiting.length === 0;
  }

  /**
   * Asks the server what the user prefers, for another device may have changed it. What the server has not heard of yet is sent
   * to it instead, and wins.
   *
   * @throws {@link ApiError} if the server cannot be asked. Everything stays as it was then.
   */
  load(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<ErrorPreferences> {
    return this.#inTurn(async () => {
      if (this.#unsent) {
        const error = await this.#send(options.signal);
        if (error !== null) throw error;
        return this.#current;
      }
      const { data } = await this.#requests.json<unknown>(PATH, { method: "GET", ...signalOf(options) }, {});
      const document = readDocument(data);
      if (document) this.#confirm(document);
      return this.#current;
    });
  }

  /**
   * Changes what the user prefers. The change holds at once and stays, unless the server refuses it (an answer below 500 that is
   * not worth a retry): then it is taken back, and the promise rejects. If the server cannot be reached, or fails, the promise
   * resolves with `synced: false`, and why in `error`; the change holds here, and is sent when the network is back.
   *
   * Updates go to the server one after the other, in their order, each as all of the preferences: the last one wins.
   *
   * @throws {@link InvalidInputError} for what cannot be preferred; nothing has changed then. {@link ApiError} if the server
   * refuses.
   */
  async update(changes: ErrorPreferencesChanges): Promise<PreferencesUpdate> {
    check(changes);
    const own = structuredClone(changes);
    this.#waiting.push(own);
    try {
      this.#publish();
    } catch (error) {
      this.#waiting.pop();
      this.#refresh();
      throw error;
    }
    return this.#inTurn(async () => {
      // What could not be sent before goes first, and alone: whether the server refuses that or this must not be mixed up.
      let error: unknown = null;
      try {
        if (this.#unsent) error = await this.#send();
      } catch (refusal) {
        this.#host.refused?.(refusal);
      }
      this.#waiting.shift();
      this.#local = merge(this.#local, own);
      this.#unsent = true;
      if (error === null) error = await this.#send();
      else this.#publish();
      return { preferences: this.#current, synced: error === null, error };
    });
  }

  /**
   * Sends what the server has not heard of yet. Resolves to whether it has everything now. The SDK does this by itself when it is
   * opened and when the network comes back.
   *
   * @throws {@link ApiError} if the server refuses it; it is taken back then.
   */
  flush(): Promise<boolean> {
    return this.#inTurn(async () => !this.#unsent || (await this.#send()) === null);
  }

  /** @internal Takes over what another tab has given to `apply`. What is on its way to the server from here is newer, and wins. */
  adopt(kept: string): void {
    if (this.synced) this.#take(kept);
  }

  /**
   * Brings what is preferred to the server. Resolves to why it could not be brought; it holds all the same, and is unsent.
   *
   * @throws what the server refuses it with. What the server has holds again then.
   */
  async #send(signal?: AbortSignal): Promise<unknown> {
    const document = this.#local;
    const init = {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(document),
      ...signalOf({ signal }),
    };
    let answer: Document | null;
    try {
      answer = readDocument((await this.#requests.json<unknown>(PATH, init, {})).data);
    } catch (error) {
      if (isRefusal(error)) {
        this.#confirm(this.#confirmed);
        throw error;
      }
      this.#publish();
      return error ?? new Error("The request failed without saying why.");
    }
    // An empty answer only says that it has arrived.
    this.#confirm(answer && Object.keys(answer).length > 0 ? answer : document);
    return null;
  }

  /** That is what the server has, and nothing is unsent. */
  #confirm(document: Document): void {
    this.#confirmed = document;
    this.#local = document;
    this.#unsent = false;
    this.#publish();
  }

  /** Once those before it have had their turn, whatever became of them. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(task);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #take(kept: string | null | undefined): void {
    let read: Kept | null = null;
    try {
      read = kept ? (JSON.parse(kept) as Kept | null) : null;
    } catch {
      // Damaged: as if nothing had been kept.
    }
    this.#local = readDocument(read?.preferences) ?? {};
    const confirmed = readDocument(read?.confirmed);
    this.#unsent = confirmed !== null;
    this.#confirmed = confirmed ?? this.#local;
    this.#refresh();
  }

  #refresh(): void {
    this.#current = deepFreeze(this.#waiting.reduce(merge, this.#local)) as ErrorPreferences;
  }

  #publish(): void {
    this.#refresh();
    const kept: Kept = { preferences: this.#current, ...(!this.synced && { confirmed: this.#confirmed as ErrorPreferences }) };
    this.#host.apply(JSON.stringify(kept));
  }
}

function isWord(value: unknown): boolean {
  return typeof value === "string" && value.length >= 1 && value.length <= 64;
}

function signalOf({ signal }: { readonly signal?: AbortSignal | undefined }): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

function check(changes: unknown): void {
  const refuse = (path: string, received: unknown, allowed: string): never => {
    throw invalidOption(`preferences${path}`, received, allowed);
  };
  if (!isPlain(changes)) return refuse("", changes, "an object such as { recovery: { autoRetryEnabled: false } }");
  for (const [section, members] of Object.entries(changes)) {
    const known = Object.hasOwn(MEMBERS, section) ? MEMBERS[section] : undefined;
    if (!known) return refuse(`.${section}`, members, `no such preference; there are ${Object.keys(MEMBERS).join(", ")}`);
    if (members === null || members === undefined) continue;
    if (!isPlain(members)) return refuse(`.${section}`, members, `an object of ${Object.keys(known).join(", ")}`);
    for (const [name, value] of Object.entries(members)) {
      const rule = Object.hasOwn(known, name) ? known[name] : undefined;
      const path = `.${section}.${name}`;
      if (!rule) return refuse(path, value, `no such preference; there are ${Object.keys(known).join(", ")}`);
      if (value === null || value === undefined) continue;
      const [allowed, isAllowed] = rule;
      if (!isAllowed(value)) return refuse(path, value, allowed);
    }
  }
}

/** The document with its changes. What a change takes back is gone, and so is a section that is left empty by that. */
function merge(document: Document, changes: ErrorPreferencesChanges): Document {
  const sections = new Map(Object.entries(document));
  for (const [section, members] of Object.entries(changes) as [string, Record<string, unknown> | null | undefined][]) {
    if (members === undefined) continue;
    const all = new Map(members === null ? [] : Object.entries(sections.get(section) ?? {}));
    for (const [name, value] of Object.entries(members ?? {})) {
      if (value === null) all.delete(name);
      else if (value !== undefined) all.set(name, value);
    }
    if (all.size > 0) sections.set(section, Object.fromEntries(all));
    else sections.delete(section);
  }
  return Object.fromEntries(sections);
}

/**
 * The preferences in an answer, bare or inside `data` or `preferences`; `null` if there are none. What is known and of the wrong
 * type is left out; what is not known is the backend's own, and kept.
 */
function readDocument(value: unknown): Document | null {
  for (let left = 3, inner = value; left > 0 && isPlain(inner); left--) {
    const sections = Object.keys(inner);
    if (sections.length === 0 || sections.some((name) => Object.hasOwn(MEMBERS, name))) return cleaned(inner);
    inner = inner["data"] ?? inner["preferences"];
  }
  return null;
}

function cleaned(document: Record<string, unknown>): Document {
  const sections = Object.entries(document).flatMap(([section, members]) => {
    const known = Object.hasOwn(MEMBERS, section) ? MEMBERS[section] : undefined;
    if (!known) return [[section, members]];
    if (!isPlain(members)) return [];
    const kept = Object.entries(members).filter(([name, value]) => {
      const rule = Object.hasOwn(known, name) ? known[name] : undefined;
      return !rule || rule[1](value);
    });
    return [[section, Object.fromEntries(kept)]];
  });
  return structuredClone(Object.fromEntries(sections)) as Document;
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
