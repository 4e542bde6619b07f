/// <reference lib="esnext.disposable" preserve="true" />
import { BackgroundSync } from "./background-sync.js";
import { Calls, type JsonAnswer } from "./calls.js";
import type { Configuration } from "./configuration.js";
import { Connectivity, type ConnectivitySnapshot } from "./connectivity.js";
import { Core, CoreHandle, loadCore, Policy as CorePolicy } from "./core.js";
import { ApiError, invalidOption, toError, type WrittenError } from "./errors.js";
import { type EventOf, Events, readEvent, type SteadfastEvent, typeOf } from "./events.js";
import { type CallOptions, optionsText, type SteadfastOptions } from "./options.js";
import { Operations } from "./operations.js";
import { type Policy, policyOf, type PolicyOptions } from "./policy.js";
import { Preferences } from "./preferences.js";
import { Services } from "./protection.js";
import { Queue } from "./queue.js";
import { readerOf } from "./reading.js";
import { Timeline } from "./timeline.js";
import { Vocabulary } from "./vocabulary.js";
import type { WasmSource } from "./wasm-source.js";

/** Events that say what is in the queue, which the background sync wants to know whoever else listens. */
const COUNTING: ReadonlySet<SteadfastEvent["type"]> = new Set([
  "enqueued",
  "syncStarted",
  "syncFinished",
  "queueChanged",
] as const);

/** The events that are heeded here, whoever else hears them. */
/** What is told once, and as early as in the opening, when nobody can listen yet. */
const TOLD_ONCE: ReadonlySet<string> = new Set<SteadfastEvent["type"]>(["placeChanged", "encryptionUnavailable"]);
const HEEDED: ReadonlySet<string> = new Set<SteadfastEvent["type"]>(["preferencesChanged", "connectivityChanged", "warning"]);

/**
 * Steadfast, between your application and its backend.
 *
 * ```ts
 * const sdk = await Steadfast.open({ baseUrl: "https://api.example.com", userId: "ada" });
 * ```
 */
export class Steadfast {
  readonly #core: CoreHandle;
  readonly #events: Events;
  readonly #vocabulary: Vocabulary;
  readonly #calls: Calls;
  readonly #timeline: Timeline | null;
  readonly #backgroundSync: BackgroundSync | undefined;

  /** What the user did and the server has not taken yet. */
  readonly queue: Queue;
  /** The services that calls go to: their circuit breakers, budgets and limits. */
  readonly services: Services;
  /** Whether the backend can be reached. */
  readonly connectivity: Connectivity;
  /** Operations of the backend that have failed, to be done again. */
  readonly operations: Operations;
  /** What the user prefers of error handling. */
  readonly preferences: Preferences;

  /** @internal */
  protected constructor(
    core: CoreHandle,
    events: Events,
    vocabulary: Vocabulary,
    queue: Queue,
    calls: Calls,
    timeline: Timeline | null,
    preferences: Preferences,
    connectivity: Connectivity,
    userId: string | undefined,
    backgroundSync: BackgroundSync | undefined,
  ) {
    this.#core = core;
    this.#backgroundSync = backgroundSync;
    this.#events = events;
    this.#vocabulary = vocabulary;
    this.#calls = calls;
    this.#timeline = timeline;
    this.queue = queue;
    this.services = new Services(() => core.get());
    this.operations = new Operations(this, userId);
    this.preferences = preferences;
    this.connectivity = connectivity;
  }

  /** @internal */
  protected static async openFrom(source: () => WasmSource | Promise<WasmSource>, options: SteadfastOptions): Promise<Steadfast> {
    const {
      fetch: send,
      headers,
      refreshCredentials,
      onConflict,
      baseUrl = globalThis.location?.href,
      backgroundSync: inBackground = false,
      ...more
    } = Object(options) as SteadfastOptions;
    const { language, words, messages, formats, codes, timeline: isTimed, ...plain } = more;
    for (const [name, hook] of Object.entries({ fetch: send, headers, refreshCredentials, onConflict })) {
      if (hook !== undefined && typeof hook !== "function") throw invalidOption(name, hook, "a function");
    }
    if (isTimed !== undefined && typeof isTimed !== "boolean") throw invalidOption("timeline", isTimed, "true or false");
    if (typeof inBackground !== "boolean" && typeof inBackground !== "object")
      throw invalidOption("backgroundSync", inBackground, "true, false or an object with a registration");
    let base: URL;
    try {
      base = new URL(String(baseUrl));
    } catch {
      throw invalidOption("baseUrl", baseUrl, "an absolute URL such as https://api.example.com");
    }
    if (!/^https?:$/.test(base.protocol)) throw invalidOption("baseUrl", base.href, "a URL that begins with https:// or http://");
    checkOrigins("trustedOrigins", plain.trustedOrigins);
    checkOrigins("correlation.tracedOrigins", plain.correlation?.tracedOrigins);
    const events = new Events();
    let opened = () => {};
    const isOpen = new Promise<void>((resolve) => (opened = resolve));
    const vocabulary = new Vocabulary({ language, words, messages }, async (language, cause) => {
      await isOpen;
      // In a task of its own: whoever opens Steadfast listens by then.
      setTimeout(() => events.publish({ type: "wordsFailed", language, message: String(cause) }));
    });
    await Promise.all([loadCore(source), vocabulary.ready()]);
    const timeline = Timeline.open(isTimed === true);
    let backgroundSync: BackgroundSync | undefined;
    const publish = (event: SteadfastEvent) => {
      if (event.type === "warning") console.warn(`Steadfast: ${event.message}`);
      if ("counts" in event) backgroundSync?.learn(event.counts.pending);
      timeline?.event(event);
      events.publish(event);
    };
    const headersFor = (request: { readonly url: string; readonly method: string }) => {
      const language = vocabulary.acceptLanguage();
      // Nothing to wait for, if there is nothing to say.
      return language ? withLanguage(language, headers?.(request)) : headers?.(request);
    };
    const withLanguage = async (language: string, headers?: Record<string, string> | Promise<Record<string, string>>) => {
      const given = await headers;
      const all = new Headers(given);
      if (!all.has("accept-language")) all.set("accept-language", language);
      return all;
    };
    // A stand-in for `fetch` answers what it knows, and a test would see requests that nobody has made.
    const probe = plain.probe ?? (send ? false : undefined);
    let calls: Calls;
    let queue: Queue | undefined;
    let preferences: Preferences | undefined;
    let connectivity: Connectivity | undefined;
    const refused = (error: unknown) => publish({ type: "preferencesRefused", message: String(error) });
    const adopt = ({ kept }: PreferencesChanged) => {
      preferences?.adopt(kept);
      if (preferences) calls.usesFallbacks = preferences.current.recovery?.fallbackModeEnabled !== false;
    };
    const refresh =
      refreshCredentials &&
      (async (text: string) => {
        const error = new ApiError(JSON.parse(text) as WrittenError, vocabulary);
        // Or it would wait for itself, or for those who wait for it.
        const plainly: typeof globalThis.fetch = (input, init) => {
          return calls.fetch(input, init, { refreshCredentials: false }, "credentials");
        };
        await refreshCredentials({ error, fetch: plainly });
      });
    let isHeard = false;
    const untold: string[] = [];
    let tell: (text: string) => void;
    let core: Core;
    try {
      const text = optionsText({ ...plain, probe, health: plain.health ?? !send, baseUrl: base.href });
      const emit = (text: string) => {
        const type = typeOf(text);
        if (!isHeard && TOLD_ONCE.has(type)) {
          untold.push(text);
          return;
        }
        queue?.hear(type);
        const isCounted = backgroundSync !== undefined && COUNTING.has(type);
        const isWanted = timeline !== null || isCounted || HEEDED.has(type) || events.hasEars(type);
        if (!isWanted && !(type === "settled" && queue?.wantsSettled)) return;
        const event = readEvent(text, vocabulary);
        if (event.type === "settled") queue?.hearSettled(event);
        if (event.type === "preferencesChanged") adopt(event as PreferencesChanged);
        if (event.type === "connectivityChanged") {
          connectivity?.receive(event);
          // What the user has said meanwhile, the server has yet to hear.
          if (event.online && preferences?.synced === false) preferences.flush().catch(refused);
        }
        publish(event);
      };
      tell = emit;
      core = new Core(text, base.origin, readerOf({ formats, codes }), send, headersFor, refresh, emit);
    } catch (thrown) {
      throw toError(thrown, vocabulary);
    }
    const handle = new CoreHandle(core);
    const scope = `steadfast:${plain.database ?? "steadfast"}:${plain.userId ?? ""}`;
    const ownQueue = new Queue(handle, vocabulary, {
      publish,
      scope,
      baseUrl: base.href,
      onConflict: plain.userId === undefined ? undefined : onConflict,
    });
    queue = ownQueue;
    const trusted = new Set([base.origin, ...(plain.trustedOrigins ?? [])]);
    const totalTimeoutMs = plain.retry?.totalTimeoutMs;
    calls = new Calls({
      core: handle,
      baseUrl: base.href,
      vocabulary,
      queue: ownQueue,
      publish,
      timeline,
      trusted,
      totalTimeoutMs,
    });
    const host = {
      apply: (kept: string) => {
        handle.get().prefer(kept);
        calls.usesFallbacks = current().recovery?.fallbackModeEnabled !== false;
      },
      refused,
    };
    const snapshot = (text: unknown) => JSON.parse(text as string) as ConnectivitySnapshot;
    const look = async () => connectivity?.receive(snapshot(await handle.get().checkConnectivity()));
    const want = () => handle.get().watchConnectivity();
    const reachable = new Connectivity(snapshot(core.connectivity()), look, want);
    connectivity = reachable;
    const mine = (preferences = new Preferences(calls, host, core.keptPreferences()));
    const current = () => mine.current;
    calls.usesFallbacks = mine.current.recovery?.fallbackModeEnabled !== false;
    // What could not be brought to the server in an earlier life of the page. If it cannot be now, it is tried when online again.
    if (!mine.synced) mine.flush().catch(refused);
    if (inBackground && plain.userId !== undefined) {
      backgroundSync = BackgroundSync.open(inBackground === true ? {} : inBackground, plain.database, publish);
      // What an earlier page has left; while the gate is closed, no event tells of it. A disk that fails tells so itself.
      queue.snapshot().then(
        ({ pending }) => backgroundSync?.learn(pending),
        () => {},
      );
    }
    opened();
    // Whoever has opened it begins to listen now.
    setTimeout(() => {
      isHeard = true;
      for (const text of untold) tell(text);
    });
    return new this(handle, events, vocabulary, ownQueue, calls, timeline, mine, reachable, plain.userId, backgroundSync);
  }

  /**
   * `fetch`, with the same arguments and the same `Response`, and what you would have written around it: correlation ids,
   * deadlines, retries that wait as long as the server asks, a circuit breaker, fallbacks. A request is sent again only if that is
   * safe: its method is idempotent, or it has an idempotency key. A `Response` that it resolves to has a status below 400;
   * {@link degradation} tells whether it is one that stands in.
   *
   * @throws {@link ApiError} for an error response or none, {@link InvalidInputError} for wrong options, and the signal's
   * `reason` if it is aborted.
   */
  fetch(input: Request | string | URL, init?: RequestInit, options: CallOptions<Response> = {}): Promise<Response> {
    return this.#calls.fetch(input, init, options);
  }

  /**
   * As {@link fetch}, for an answer in JSON: resolves when it is there as a whole. What a backend calls a success and is none is an
   * error here, and sent again if that is safe and may help: `success: false`, `ok: false`, GraphQL's errors without data, a page
   * instead of JSON. What is one, with problems, says so in `degraded`.
   *
   * ```ts
   * const { data, degraded } = await sdk.json<Article[]>("/api/articles", {}, { fallback: "lastGood" });
   * if (degraded?.fallbackUsed) hint(`These may be older: ${degraded.fallbackReason}`);
   * ```
   *
   * @throws {@link ApiError}, {@link InvalidInputError} and the signal's `reason`, as {@link fetch}.
   */
  json<T = unknown>(input: Request | string | URL, init?: RequestInit, options: CallOptions<T> = {}): Promise<JsonAnswer<T>> {
    return this.#calls.json<T>(input, init, options);
  }

  /**
   * A policy around any async function of yours. With a `service`, it shares the circuit and the limits of calls to it.
   *
   * ```ts
   * const search = sdk.policy({ service: "search", retry: true, timeoutMs: 800 });
   * const hits = await search.execute(({ signal }) => index.query(text, { signal }));
   * ```
   *
   * @throws {@link InvalidInputError} for wrong options.
   */
  policy(options: PolicyOptions = {}): Policy {
    return policyOf(options, this.#events, this.#vocabulary, (text) => CorePolicy.of(text, this.#core.get()));
  }

  /**
   * Calls `listener` with each event of that type, until the function it returns is called or `signal` is aborted.
   *
   * ```ts
   * sdk.on("settled", ({ id, outcome }) => console.log(id, outcome.status));
   * ```
   */
  on<Type extends SteadfastEvent["type"]>(
    type: Type,
    listener: (event: EventOf<Type>) => void,
    options: { readonly signal?: AbortSignal } = {},
  ): () => void {
    return this.#events.on(type, listener as (event: SteadfastEvent) => void, options.signal);
  }

  /** All events, for `for await`. Ends when the SDK is closed or `signal` is aborted. */
  events(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<SteadfastEvent> {
    return this.#events.iterate(options.signal);
  }

  /** How the server wants to be treated, as far as it has said so: see the option `configuration`. */
  get configuration(): Configuration {
    return JSON.parse(this.#core.get().configuration()) as Configuration;
  }

  /** The language in which errors are told: that of the words in use, `en` until others are loaded. */
  get language(): string {
    return this.#vocabulary.words().language;
  }

  /**
   * Tells errors in another language from now on, those that are there already too; `undefined` for that of the page. Resolves
   * when the words are loaded, and also if that fails or takes longer than a second: English stands in then.
   *
   * @throws {@link InvalidInputError} for what is no language tag.
   */
  async setLanguage(language: string | readonly string[] | undefined): Promise<void> {
    this.#vocabulary.setLanguage(language);
    await this.#vocabulary.ready();
  }

  /**
   * Forgets the last good answers, which the fallback `lastGood` would give: call it when the user changes, as on signing out. What
   * calls that are under way are answered is not kept either.
   */
  forget(): void {
    this.#calls.forget();
  }

  /** Stops everything: what is being sent is aborted, calls reject with a {@link ClosedError}. The queue stays on disk. */
  close(): void {
    this.#backgroundSync?.close();
    this.#core.close();
    this.#calls.close();
    this.queue.close();
    this.connectivity.close();
    this.#timeline?.close();
    this.#events.close();
  }

  static {
    // Browsers without explicit resource management have no symbol for it.
    const dispose = (Symbol as { dispose?: symbol }).dispose;
    if (dispose) {
      Object.defineProperty(this.prototype, dispose, {
        value(this: Steadfast) {
          this.close();
        },
      });
    }
  }
}

/** `using sdk = await Steadfast.open(…)` closes it at the end of the block. */
export interface Steadfast extends Disposable {}

type PreferencesChanged = EventOf<"preferencesChanged"> & { readonly kept: string };

function checkOrigins(name: string, origins: unknown): void {
  for (const origin of Array.isArray(origins) ? (origins as unknown[]) : []) {
    // As the browser writes it, or it would never match.
    if (typeof origin !== "string" || !URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw invalidOption(name, origin, "an origin as location.origin has it: https://api.example.com");
    }
  }
}
