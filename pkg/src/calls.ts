import type { CoreHandle } from "./core.js";
import { ApiError, completed, InvalidInputError, invalidOption, toError } from "./errors.js";
import type { SteadfastEvent } from "./events.js";
import { alternativeTo, type Fallback, fallbacksOf, type GoodAnswer, GoodAnswers, LARGEST_KEPT } from "./fallback.js";
import { randomKey } from "./operations.js";
import { type CallOptions, optionsText } from "./options.js";
import type { Receipt } from "./outcome.js";
import type { Queue } from "./queue.js";
import { keyOf, type QueueIfOffline, writtenCall } from "./request.js";
import type { Timeline } from "./timeline.js";
import type { Vocabulary } from "./vocabulary.js";

/** What is wrong with an answer that is a success all the same. */
export interface Degraded {
  /** What did not go as it should have: `warnings`, and GraphQL's errors beside data. */
  readonly warnings: readonly { readonly code: string | null; readonly message: string | null }[];
  /** Whether something else stands in for what was asked for. */
  readonly fallbackUsed: boolean;
  /** Why it does. */
  readonly fallbackReason: string | null;
  /** How old the answer is that stands in, in milliseconds: of `lastGood` alone. */
  readonly ageMs?: number;
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

const degradations = new WeakMap<Response, Degraded>();

/** What is wrong with a `Response` that `sdk.fetch` has given: `null`, unless another answer stands in for the one asked for. */
export function degradation(response: Response): Degraded | null {
  return degradations.get(response) ?? null;
}

interface World {
  readonly core: CoreHandle;
  readonly baseUrl: string;
  readonly vocabulary: Vocabulary;
  readonly queue: Queue;
  readonly publish: (event: SteadfastEvent) => void;
  readonly timeline: Timeline | null;
  readonly trusted: ReadonlySet<string>;
  /** How long calls may take in all that do not say so themselves. */
  readonly totalTimeoutMs: number | undefined;
}

/** An answer, whatever the caller asked it to be. */
interface Kind<T> {
  /** By what those of its kind are kept. */
  readonly name: "response" | "json";
  /** Has the core send the request. */
  send(request: Request, options: string): Promise<T>;
  /** The answer as it is kept; `undefined` if it is too large. */
  keep(answer: T): Promise<GoodAnswer | undefined> | GoodAnswer | undefined;
  /** What was kept, as an answer. */
  restore(kept: GoodAnswer, degraded: Degraded): T;
  /** The answer, which stands in for another one. */
  degrade(answer: T, degraded: Degraded): T;
  /** Status and headers, for the timeline. */
  head(answer: T): { readonly status: number; readonly headers: Headers };
}

/** @internal Calls, and what happens when they have failed for good. */
export class Calls {
  readonly #world: World;
  #good = new GoodAnswers();
  /** Whether fallbacks are used at all: the user may not want them. */
  usesFallbacks = true;

  constructor(world: World) {
    this.#world = world;
  }

  /** `apart` is by what the call stands apart from others to its origin. */
  async fetch(
    input: Request | string | URL,
    init?: RequestInit,
    options: CallOptions<Response> = {},
    apart?: "credentials",
  ): Promise<Response> {
    const [request, signal] = [this.#request(input, init), signalOf(input, init)];
    const kind: Kind<Response> = {
      name: "response",
      send: async (request, text) => (await this.#world.core.get().fetch(request, signal, text)) as Response,
      keep: async (response) => {
        const { status, headers } = response;
        const body = await smallBody(response);
        return body && { status, headers: [...headers], body };
      },
      restore: ({ status, headers, body }, degraded) => {
        const hasBody = status !== 204 && status !== 205 && status !== 304;
        return kind.degrade(new Response(hasBody ? body : null, { status, headers: headers.map(([...pair]) => pair) }), degraded);
      },
      degrade: (response, degraded) => {
        if (typeof response?.clone !== "function") throw new TypeError("The fallback of a fetch must give a Response.");
        degradations.set(response, degraded);
        return response;
      },
      head: (response) => response,
    };
    return this.#call(kind, request, init?.body, options, (answer) => answer, apart);
  }

  async json<T>(input: Request | string | URL, init?: RequestInit, options: CallOptions<T> = {}): Promise<JsonAnswer<T>> {
    const [request, signal] = [this.#request(input, init), signalOf(input, init)];
    if (request.headers.get("accept") === "*/*" || !request.headers.has("accept")) {
      request.headers.set("accept", "application/json, application/problem+json;q=0.9, */*;q=0.1");
    }
    const parse = (text: string) => (text ? JSON.parse(text) : null) as T;
    const texts = new WeakMap<JsonAnswer<T>, string>();
    const kind: Kind<JsonAnswer<T>> = {
      name: "json",
      send: async (request, options) => {
        const [head, text] = (await this.#world.core.get().json(request, signal, options)) as [string, string];
        const { status, headers, degraded } = JSON.parse(head) as {
          status: number;
          headers: [string, string][];
          degraded: Degraded;
        };
        const answer = { data: parse(text), degraded, status, headers: new Headers(headers) };
        texts.set(answer, text);
        return answer;
      },
      keep: (answer) => {
        // A fallback of the server's own is no good answer.
        if (answer.degraded?.fallbackUsed) return undefined;
        return { status: answer.status, headers: [...answer.headers], body: texts.get(answer) ?? "" };
      },
      restore: ({ status, headers, body }, degraded) => {
        return { data: parse(String(body)), degraded, status, headers: new Headers(headers.map(([...pair]) => pair)) };
      },
      degrade: (answer, degraded) => {
        const warnings = [...degraded.warnings, ...(answer.degraded?.warnings ?? [])];
        return { ...answer, degraded: { ...degraded, warnings } };
      },
      head: (answer) => answer,
    };
    return this.#call(kind, request, init?.body, options, (data) => ({
      data,
      degraded: null,
      status: 200,
      headers: new Headers(),
    }));
  }

  #request(input: Request | string | URL, init?: RequestInit): Request {
    return new Request(input instanceof Request ? input : new URL(String(input), this.#world.baseUrl).href, init);
  }

  /** `body` is what the caller has given as that of the request. */
  async #call<T, V>(
    kind: Kind<T>,
    request: Request,
    body: unknown,
    options: CallOptions<V>,
    wrap: (value: V) => T,
    apart?: "credentials",
  ): Promise<T> {
    const { fallback, queueAs, queueIfOffline, ...plain } = options;
    const fallbacks = fallbacksOf(fallback);
    const key = fallbacks.includes("lastGood") ? GoodAnswers.key(kind.name, request) : undefined;
    // Of now: when all is forgotten meanwhile, this call still belongs to the user of before.
    const good = this.#good;
    const deadline = performance.now() + (plain.totalTimeoutMs ?? this.#world.totalTimeoutMs ?? Infinity);
    const own = keyOf(request.headers.get("idempotency-key"));
    const given = typeof plain.idempotencyKey === "string" ? plain.idempotencyKey : undefined;
    // One id for the call and for the action that does the same later.
    const whole = wholeOf(queueIfOffline);
    if (queueAs && whole) throw invalidOption("queueIfOffline", queueIfOffline, "one of queueAs and queueIfOffline");
    const later = queueAs ?? whole;
    const id = later && (later.id ?? given ?? own ?? randomKey());
    // Now, and not when it is needed: what went wrong then would be hidden by it, and the body of the request is gone.
    const { queue } = this.#world;
    const queued = whole && id !== undefined ? await writtenCall(request, whole, id, body) : undefined;
    if (queued) queue.checkWritten(queued);
    if (queueAs) queue.check({ ...queueAs, id });
    const idempotencyKey = id ?? plain.idempotencyKey;
    // The header that is there already is left as it is.
    const isThere = own !== undefined && (idempotencyKey === own || idempotencyKey === true);
    const text = optionsText({
      ...plain,
      ...(idempotencyKey !== undefined && { idempotencyKey: isThere ? false : idempotencyKey }),
      ...(apart && { apart }),
    });
    const wasOnline = globalThis.navigator?.onLine !== false;
    try {
      const answer = await this.#timed(kind, request, text);
      if (key) void this.#keep(kind, good, key, answer);
      return answer;
    } catch (error) {
      if (!(error instanceof ApiError) || !error.retryable) throw error;
      let thrown: unknown = error;
      try {
        for (const next of this.usesFallbacks ? fallbacks : []) {
          const answer = await this.#fallBack(kind, next, request, good, key, error, plain, deadline, wrap);
          if (answer !== undefined) return answer;
        }
      } catch (cause) {
        // The caller has taken it back.
        if (request.signal.aborted) throw cause;
        thrown = cause;
      }
      const isTooLate = whole?.replay === "onlyIfUnsent" && !isUnsent(error, wasOnline);
      if (queued && !isTooLate) await this.#enqueue(() => queue.enqueueWritten(queued, whole?.priority), error);
      if (queueAs) await this.#enqueue(() => queue.enqueue({ ...queueAs, id }), error);
      throw thrown;
    }
  }

  async #enqueue(enqueue: () => Promise<Receipt>, error: ApiError): Promise<void> {
    try {
      error.queued = await enqueue();
    } catch (cause) {
      // That the call failed stays what the caller is told.
      if (cause instanceof InvalidInputError) throw cause;
      error.cause = cause;
    }
  }

  async #timed<T>(kind: Kind<T>, request: Request, text: string): Promise<T> {
    const { timeline, vocabulary } = this.#world;
    const start = timeline?.now() ?? 0;
    const { method, url } = request;
    try {
      const answer = await kind.send(request, text);
      // Not spread: what a `Response` tells are no members of its own.
      const { status, headers } = kind.head(answer);
      timeline?.call(start, timeline.now(), { method, url, status, headers });
      return answer;
    } catch (thrown) {
      const error = toError(thrown, vocabulary, request.signal);
      if (error instanceof ApiError) {
        const { code, status, correlationId, request: facts } = error;
        timeline?.call(start, timeline.now(), { method, url, code, status, correlationId, attempts: facts?.attempts });
      }
      throw error;
    }
  }

  async #keep<T>(kind: Kind<T>, good: GoodAnswers, key: string, answer: T): Promise<void> {
    try {
      const kept = await kind.keep(answer);
      if (kept) good.set(key, kept);
    } catch {
      // A body that breaks off is the caller's to find out; it is no good answer.
    }
  }

  /** What that fallback gives; `undefined` if it has nothing. */
  async #fallBack<T, V>(
    kind: Kind<T>,
    fallback: Fallback<V>,
    request: Request,
    good: GoodAnswers,
    key: string | undefined,
    error: ApiError,
    options: CallOptions<V>,
    deadline: number,
    wrap: (value: V) => T,
  ): Promise<T | undefined> {
    const { publish, trusted, vocabulary } = this.#world;
    const name = typeof fallback === "function" ? "function" : fallback;
    const degraded: Degraded = {
      warnings: [{ code: error.code, message: error.message }],
      fallbackUsed: true,
      fallbackReason: error.message,
    };
    const tell = (answer: T) => {
      const data = completed(error.toJSON(), vocabulary);
      publish({ type: "fallbackUsed", correlationId: error.correlationId, fallback: name, error: data });
      return answer;
    };
    if (typeof fallback === "function") return tell(kind.degrade(wrap(await fallback(error)), degraded));
    if (fallback === "lastGood") {
      const kept = key === undefined ? undefined : good.get(key);
      return kept && tell(kind.restore(kept.answer, { ...degraded, ageMs: kept.ageMs }));
    }
    const url = alternativeTo(request, error, (origin) => trusted.has(origin));
    const left = Math.floor(deadline - performance.now());
    if (url === undefined || left < 1) return undefined;
    try {
      // Asked once, and whatever the service has asked for: it has sent us there itself.
      const text = optionsText({
        ...options,
        maxAttempts: 1,
        ...(Number.isFinite(left) && { totalTimeoutMs: left }),
        apart: "alternative",
      });
      const answer = await this.#timed(kind, new Request(url, request), text);
      return tell(kind.degrade(answer, degraded));
    } catch (thrown) {
      if (thrown instanceof ApiError) return undefined;
      throw thrown;
    }
  }

  forget(): void {
    this.#good.clear();
    this.#good = new GoodAnswers();
  }

  close(): void {
    this.forget();
  }
}

/** What the caller can abort a request by; of a `Request`, that is its own signal. */
function signalOf(input: Request | string | URL, init?: RequestInit): AbortSignal | undefined {
  const given = init?.signal;
  if (given !== undefined) return given ?? undefined;
  return input instanceof Request ? input.signal : undefined;
}

/** What a call is queued as, if it is to be. */
function wholeOf(given: boolean | QueueIfOffline | undefined): QueueIfOffline | undefined {
  if (given === undefined || given === false) return undefined;
  if (given === true) return {};
  if (typeof given !== "object" || given === null)
    throw invalidOption("queueIfOffline", given, "true, or an object { key, priority, … }");
  return given;
}

/** Whether the server has certainly not carried out a call that began while there was a network, or none. */
function isUnsent({ code, status, request }: ApiError, wasOnline: boolean): boolean {
  const attempts = request?.attempts ?? 0;
  return attempts === 0 || (attempts === 1 && ((code === "NETWORK_OFFLINE" && !wasOnline) || status === 425 || status === 429));
}

/** The body of a response, if it is one that ends soon. The caller gets the response as if nobody had looked. */
async function smallBody(response: Response): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { status, headers } = response;
  const isStream = headers.get("content-type")?.startsWith("text/event-stream");
  // One that the page must not look into has no status.
  if (status < 200 || isStream || Number(headers.get("content-length")) > LARGEST_KEPT) return undefined;
  const reader = response.clone().body?.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let read; reader && !(read = await reader.read()).done;) {
    chunks.push(read.value);
    length += read.value.length;
    if (length <= LARGEST_KEPT) continue;
    await reader.cancel();
    return undefined;
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}
