import { type ApiError, invalidOption } from "./errors.js";

/**
 * What stands in when a call has failed for good and the failure may pass:
 *
 * - `lastGood`: the last answer to the same `GET`, with the same headers of its own, that a call of this page with `lastGood` among
 *   its fallbacks has had, for an hour at most. What the option `headers` adds is not looked at: call `sdk.forget()` when the user
 *   changes;
 * - `alternativeEndpoint`: what the error names as another place to ask (StellarFlow's `recovery.alternativeEndpoint`), for `GET`
 *   and `HEAD` and from one trusted origin to another or the same only, asked once, in what is left of `totalTimeoutMs`;
 * - a function of yours. What it throws the call rejects with.
 *
 * Of several, the first that has something counts.
 */
export type Fallback<T> = "lastGood" | "alternativeEndpoint" | ((error: ApiError) => T | Promise<T>);

/** The most answers that are kept. */
const MOST_KEPT = 100;
/** The most bytes that are kept of them together, and of one. */
const MOST_BYTES = 4 << 20;
/** @internal */
export const LARGEST_KEPT = 1 << 20;

/** The longest that one is kept: what is older misleads more than it helps. */
const LONGEST_KEPT_MS = 3_600_000;
/** Headers that are another with each call, and ask for nothing else. */
const CORRELATION = new Set(["x-correlation-id", "traceparent", "tracestate"]);

/** @internal An answer that was good. */
export interface GoodAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array<ArrayBuffer> | string;
}

/** When an answer was kept. The clock of the wall can be turned, and the other one may stand still while the device sleeps. */
interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

/** @internal The last good answers of a page, in memory alone: what a backend has answered one user rests on no disk. */
export class GoodAnswers {
  readonly #byRequest = new Map<string, { readonly answer: GoodAnswer; readonly keptAt: Moment }>();
  #bytes = 0;

  /**
   * Whether the answer to that request can be kept, and which it is. All headers that the caller has set belong to it: another
   * `Authorization` may be another user.
   */
  static key(kind: "response" | "json", request: Request): string | undefined {
    if (request.method !== "GET") return undefined;
    // Sorted by their names, as `Headers` has them.
    const headers = [...request.headers].filter(([name]) => !CORRELATION.has(name));
    return JSON.stringify([kind, request.url, request.credentials, headers]);
  }

  /** The answer, and how old it is. */
  get(key: string): { readonly answer: GoodAnswer; readonly ageMs: number } | undefined {
    const kept = this.#byRequest.get(key);
    if (!kept) return undefined;
    const { wall, monotonic } = kept.keptAt;
    // As old as either says.
    const ageMs = Math.round(Math.max(Date.now() - wall, performance.now() - monotonic));
    if (ageMs <= LONGEST_KEPT_MS) return { answer: kept.answer, ageMs };
    this.#drop(key);
    return undefined;
  }

  set(key: string, answer: GoodAnswer): void {
    this.#drop(key);
    if (answer.body.length > LARGEST_KEPT) return;
    this.#byRequest.set(key, { answer, keptAt: { wall: Date.now(), monotonic: performance.now() } });
    this.#bytes += answer.body.length;
    for (const oldest of this.#byRequest.keys()) {
      if (this.#byRequest.size <= MOST_KEPT && this.#bytes <= MOST_BYTES) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#byRequest.get(key)?.answer.body.length ?? 0;
    this.#byRequest.delete(key);
  }

  clear(): void {
    this.#byRequest.clear();
    this.#bytes = 0;
  }
}

/** @internal The fallbacks of a call, in their order. */
export function fallbacksOf<T>(fallback: Fallback<T> | readonly Fallback<T>[] | undefined): readonly Fallback<T>[] {
  const isList = Array.isArray(fallback);
  const all = (isList ? fallback : fallback === undefined ? [] : [fallback]) as readonly Fallback<T>[];
  for (const [index, one] of all.entries()) {
    if (typeof one === "function" || one === "lastGood" || one === "alternativeEndpoint") continue;
    throw invalidOption(isList ? `fallback[${index}]` : "fallback", one, '"lastGood", "alternativeEndpoint" or a function');
  }
  return all;
}

/**
 * @internal Where the error says to ask instead, if that is a place that may be asked, and the one that says so may send us there.
 */
export function alternativeTo(request: Request, error: ApiError, isTrusted: (origin: string) => boolean): string | undefined {
  if (request.method !== "GET" && request.method !== "HEAD") return undefined;
  if (!isTrusted(new URL(request.url).origin)) return undefined;
  const link = error.recovery?.links.find(({ rel }) => rel === "alternativeEndpoint");
  if (!link || !URL.canParse(link.href, request.url)) return undefined;
  const url = new URL(link.href, request.url);
  // With these, there can be no request.
  if (url.username || url.password) return undefined;
  return isTrusted(url.origin) && url.href !== request.url ? url.href : undefined;
}
