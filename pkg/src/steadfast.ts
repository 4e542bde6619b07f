/// <reference lib="esnext.disposable" preserve="true" />
import { Core, CoreHandle, loadCore } from "./core.js";
import { invalidOption, toError } from "./errors.js";
import { type EventOf, Events, readEvent, type SteadfastEvent } from "./events.js";
import { Queue } from "./queue.js";
import { readerOf, type ReadingOptions } from "./reading.js";
import { refuseForeign } from "./serialize.js";
import { Vocabulary, type WordsOptions } from "./vocabulary.js";
import type { WasmSource } from "./wasm-source.js";

/**
 * How calls are retried. The defaults are those of Cosnap's configuration: 3 attempts, from 1 s, doubling. The delays, of at
 * least 250 ms, also hold for the queue, which never stops trying.
 */
export interface RetryOptions {
  /** Attempts in all, the first included: 1 to 20. Default 3. */
  readonly maxAttempts?: number;
  /** The most that the first delay can be, in milliseconds. Each is a random share of it (full jitter). Default 1000. */
  readonly baseDelayMs?: number;
  /** How many times longer each further delay can be: 1 to 10. Default 2. */
  readonly multiplier?: number;
  /** No delay is longer than this. Default 30 000. */
  readonly maxDelayMs?: number;
  /** How long one attempt may take until the response's headers arrive. Default 30 000. */
  readonly attemptTimeoutMs?: number;
  /** A server that wants to be asked later than this is not waited for: the call fails and says when. Default 30 000. */
  readonly maxWaitMs?: number;
}

/** How the queue is brought to the server. */
export interface SyncOptions {
  /** The path of the sync endpoint on the origin of `baseUrl`. Default `/api/sync/queue-actions`. */
  readonly path?: string;
  /** The most actions in one batch: 1 to 500. Default 100. */
  readonly maxActions?: number;
  /** The most bytes in one batch. A larger action goes alone. Default 262 144. */
  readonly maxBytes?: number;
  /** How long the server may take for a batch. Default 30 000. */
  readonly timeoutMs?: number;
}

/** What Steadfast is opened with. */
export interface SteadfastOptions extends WordsOptions, ReadingOptions {
  /** Where the backend is. What `fetch` is given is resolved against it. Default: the page. */
  readonly baseUrl?: string | URL;
  /** Whose actions are queued. They are sent for no other user. Without it, nothing can be queued. */
  readonly userId?: string;
  /**
   * Headers for requests to trusted origins, asked for at the moment of each sending: where credentials belong. Queued actions
   * keep none. A header that the caller of `fetch` sets wins.
   */
  readonly headers?: (request: {
    readonly url: string;
    readonly method: string;
  }) => Record<string, string> | Promise<Record<string, string>>;
  /** Origins, beside that of `baseUrl`, that get correlation ids and your `headers`. */
  readonly trustedOrigins?: readonly string[];
  /** What the header `x-source-service` says. Default `steadfast`. */
  readonly sourceService?: string;
  /** How calls are retried. */
  readonly retry?: RetryOptions;
  /** How the queue is brought to the server. */
  readonly sync?: SyncOptions;
  /**
   * Whether developers are looking. They are warned, in the console and by `warning` events, of what only they can put right.
   * Default: whether the page comes from this device (`localhost`, `127.0.0.1`, `[::1]`) through a port of its own, as from a
   * development server, or from a `.local` or `.test` name.
   */
  readonly development?: boolean;
  /**
   * Whether a server whose request got no response may be asked, at most once in ten seconds, whether it is there at all: `HEAD`
   * on its root and, if the request was a `GET` or `HEAD`, on the same URL; without credentials and without reading the answer.
   * That tells `NETWORK_CORS`, `NETWORK_BLOCKED` and `NETWORK_UNREACHABLE` apart, of which a browser says nothing. Default: in
   * development, unless `fetch` is given.
   */
  readonly probe?: boolean;
  /** The name of the IndexedDB database. Default `steadfast`. */
  readonly database?: string;
  /** What sends requests instead of the browser's `fetch`. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

/** What holds for one call: the retry policy, and what it is known by. */
export interface CallOptions extends RetryOptions {
  /**
   * Lets a POST or a PATCH be sent again: the server knows by this key that it is the same request. `true` makes one for this
   * call; give your own to keep it across reloads.
   */
  readonly idempotencyKey?: string | boolean;
}

/** What is wrong with an answer that is a success all the same. */
export interface Degraded {
  /** What did not go as it should have: `warnings`, and GraphQL's errors beside data. */
  readonly warnings: readonly { readonly code: string | null; readonly message: string | null }[];
  /** Whether something else stands in for what was asked for. */
  readonly fallbackUsed: boolean;
  /** Why it does. */
  readonly fallbackReason: string | null;
}

/** A whole answer in JSON. */
export interface JsonAnswer<T> {
  /** The answer; `null` if there was none, as with 204. */
  readonly data: T;
  /** What is wrong with it; `null` if nothing is. */
  readonly degraded: Degraded | null;
  readonly status: number;
  /** The headers that the page may read. */
  readonly headers: Headers;
}

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
  readonly #baseUrl: string;
  readonly #vocabulary: Vocabulary;

  /** What the user did and the server has not taken yet. */
  readonly queue: Queue;

  /** @internal */
  protected constructor(core: CoreHandle, events: Events, baseUrl: string, vocabulary: Vocabulary) {
    this.#core = core;
    this.#events = events;
    this.#baseUrl = baseUrl;
    this.#vocabulary = vocabulary;
    this.queue = new Queue(core, vocabulary);
  }

  /** @internal */
  protected static async openFrom(source: () => WasmSource | Promise<WasmSource>, options: SteadfastOptions): Promise<Steadfast> {
    const { fetch: send, headers, baseUrl = globalThis.location?.href, ...more } = Object(options) as SteadfastOptions;
    const { language, words, messages, formats, codes, ...plain } = more;
    for (const [name, hook] of Object.entries({ fetch: send, headers })) {
      if (hook !== undefined && typeof hook !== "function") throw invalidOption(name, hook, "a function");
    }
    let base: URL;
    try {
      base = new URL(String(baseUrl));
    } catch {
      throw invalidOption("baseUrl", baseUrl, "an absolute URL such as https://api.example.com");
    }
    if (!/^https?:$/.test(base.protocol)) throw invalidOption("baseUrl", base.href, "a URL that begins with https:// or http://");
    for (const origin of Array.isArray(plain.trustedOrigins) ? plain.trustedOrigins : []) {
      // As the browser writes it, or it would never match.
      if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
        throw invalidOption("trustedOrigins", origin, "an origin as location.origin has it: https://api.example.com");
      }
    }
    const events = new Events();
    let opened = () => {};
    const isOpen = new Promise<void>((resolve) => (opened = resolve));
    const vocabulary = new Vocabulary({ language, words, messages }, async (language, cause) => {
      await isOpen;
      // In a task of its own: whoever opens Steadfast listens by then.
      setTimeout(() => events.publish({ type: "wordsFailed", language, message: String(cause) }));
    });
    await Promise.all([loadCore(source), vocabulary.ready()]);
    const publish = (text: string) => {
      const event = readEvent(text, vocabulary);
      if (event.type === "warning") console.warn(`Steadfast: ${event.message}`);
      events.publish(event);
    };
    // Looked up at each call: a test or another library may replace it.
    const network = (request: Request) => (send ? send(request) : globalThis.fetch(request));
    const headersFor = async (request: { readonly url: string; readonly method: string }) => {
      const given = await headers?.(request);
      const language = vocabulary.acceptLanguage();
      if (!language) return given;
      const all = new Headers(given);
      if (!all.has("accept-language")) all.set("accept-language", language);
      return all;
    };
    // A stand-in for `fetch` answers what it knows, and a test would see requests that nobody has made.
    const probe = plain.probe ?? (send ? false : undefined);
    let core: Core;
    try {
      const text = optionsText({ ...plain, probe, baseUrl: base.href });
      core = new Core(text, base.origin, readerOf({ formats, codes }), network, headersFor, publish);
    } catch (thrown) {
      throw toError(thrown, vocabulary);
    }
    opened();
    return new this(new CoreHandle(core), events, base.href, vocabulary);
  }

  /**
   * `fetch`, with the same arguments and the same `Response`, and what you would have written around it: correlation ids,
   * deadlines, retries that wait as long as the server asks. A request is sent again only if that is safe: its method is
   * idempotent, or it has an idempotency key. A `Response` that it resolves to has a status below 400.
   *
   * @throws {@link ApiError} for an error response or none, {@link InvalidInputError} for wrong options, and the signal's
   * `reason` if it is aborted.
   */
  async fetch(input: Request | string | URL, init?: RequestInit, options: CallOptions = {}): Promise<Response> {
    const request = this.#request(input, init);
    try {
      return (await this.#core.get().fetch(request, optionsText(options))) as Response;
    } catch (thrown) {
      throw toError(thrown, this.#vocabulary, request.signal);
    }
  }

  /**
   * As {@link fetch}, for an answer in JSON: resolves when it is there as a whole. What a backend calls a success and is none is an
   * error here, and sent again if that is safe and may help: `success: false`, `ok: false`, GraphQL's errors without data, a page
   * instead of JSON. What is one, with problems, says so in `degraded`.
   *
   * ```ts
   * const { data, degraded } = await sdk.json<Article[]>("/api/articles");
   * if (degraded?.fallbackUsed) hint(`These may be older: ${degraded.fallbackReason}`);
   * ```
   *
   * @throws {@link ApiError}, {@link InvalidInputError} and the signal's `reason`, as {@link fetch}.
   */
  async json<T = unknown>(input: Request | string | URL, init?: RequestInit, options: CallOptions = {}): Promise<JsonAnswer<T>> {
    const request = this.#request(input, init);
    if (request.headers.get("accept") === "*/*" || !request.headers.has("accept")) {
      request.headers.set("accept", "application/json, application/problem+json;q=0.9, */*;q=0.1");
    }
    try {
      const [head, text] = (await this.#core.get().json(request, optionsText(options))) as [string, string];
      const { status, headers, degraded } = JSON.parse(head) as {
        status: number;
        headers: [string, string][];
        degraded: Degraded;
      };
      return { data: (text ? JSON.parse(text) : null) as T, degraded, status, headers: new Headers(headers) };
    } catch (thrown) {
      throw toError(thrown, this.#vocabulary, request.signal);
    }
  }

  #request(input: Request | string | URL, init?: RequestInit): Request {
    return new Request(input instanceof Request ? input : new URL(String(input), this.#baseUrl), init);
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

  /** Stops everything: what is being sent is aborted, calls reject with a {@link ClosedError}. The queue stays on disk. */
  close(): void {
    this.#core.close();
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

function optionsText(options: object): string {
  refuseForeign("options", options);
  return JSON.stringify(options);
}
