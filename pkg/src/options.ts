import type { Action, Priority } from "./action.js";
import type { BackgroundSyncOptions } from "./background-sync.js";
import type { ConflictHandler } from "./conflicts.js";
import type { ApiError } from "./errors.js";
import type { Fallback } from "./fallback.js";
import type { HedgeOptions, ProtectionOptions, Urgency } from "./protection.js";
import type { ReadingOptions } from "./reading.js";
import type { QueueIfOffline } from "./request.js";
import { refuseForeign } from "./serialize.js";
import type { WordsOptions } from "./vocabulary.js";

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
  /**
   * How long one attempt may take: until the response's headers arrive; for `json`, until the whole answer is there. Default 30 000.
   */
  readonly attemptTimeoutMs?: number;
  /**
   * The longest that a call waits before it is sent again, if it was itself answered with the wish to be asked later. If the server
   * wants more, the call fails and says when. For calls that come meanwhile, see `maxPauseMs`. Default 30 000.
   */
  readonly maxWaitMs?: number;
  /**
   * How long a call that comes while the service is paused waits: what comes meanwhile comes on top of what others send when the
   * pause is over. Default 2000.
   */
  readonly maxPauseMs?: number;
  /** How long the call may take in all, its waits included. It fails as soon as a wait would outlast that. Default: any time. */
  readonly totalTimeoutMs?: number;
  /**
   * What share of a delay is waited: `full` a random one, `equal` at least half, `none` all of it; `decorrelated` smooths the steps
   * (Polly's), and always doubles. Default `full`.
   */
  readonly jitter?: "full" | "equal" | "decorrelated" | "none";
}

/** What is asked for again and again. */
export interface PollOptions {
  /** The path on the origin of `baseUrl`. */
  readonly path?: string;
  /** How often. */
  readonly refreshMs?: number;
}

/** What ties calls to what they cause. All of it goes to trusted origins only. */
export interface CorrelationOptions {
  /** What correlation ids look like: `req_1780315200000_k3j9x0a1b`, or a UUID. Default `cosnap`. */
  readonly ids?: "cosnap" | "uuid";
  /**
   * Whether calls carry `traceparent` and `tracestate` (W3C Trace Context): they continue the trace of the request, or that of the
   * page's `<meta name="traceparent">`, or begin one. Default true.
   */
  readonly traces?: boolean;
  /** Whether calls carry `x-attempt`, the number of the attempt. Default true. */
  readonly attemptNumber?: boolean;
  /**
   * Trusted origins other than the page's own that get `traceparent`, `tracestate` and `x-attempt`, too. They must allow these
   * headers (`Access-Control-Allow-Headers`), or the browser refuses the call. Default: none.
   */
  readonly tracedOrigins?: readonly string[];
  /** Which share of the traces that begin here may be recorded, 0 to 1. Default 1. */
  readonly sampleRatio?: number;
}

/** How the queue is brought to the server. */
export interface SyncOptions {
  /** The path of the sync endpoint on the origin of `baseUrl`. Default `/api/sync/queue-actions`. */
  readonly path?: string;
  /** The most actions in one batch: 1 to 500. Default 100. */
  readonly maxActions?: number;
  /** The most bytes in one batch. A larger action goes alone. Default 262 144. */
  readonly maxBytes?: number;
  /** How long the server may take for a batch, and `headers` before it is sent. Default 30 000. */
  readonly timeoutMs?: number;
  /**
   * Where to ask what became of a batch whose answer names no actions: the user's id follows. Begins and ends with `/`; `false` if
   * nowhere. Default `/api/sync/status/`.
   */
  readonly statusPath?: string | false;
  /**
   * What settles actions: `perAction`, an answer that names them; `whole`, any success in JSON or without a body, for backends that
   * say no more. Default `perAction`.
   */
  readonly ackMode?: "perAction" | "whole";
}

/** How much the queue may hold, and for how long. Each user has a queue, and each queue these limits. */
export interface QueueOptions {
  /**
   * The most actions, dead letters and conflicts included: 1 to 10 000 000. A full queue refuses further ones with a
   * {@link StoreError} of kind `quotaExceeded`. Default 1 000 000.
   */
  readonly maxActions?: number;
  /** The most bytes of their data: 1024 to 4 294 967 295. Default 268 435 456 (256 MiB). */
  readonly maxBytes?: number;
  /**
   * The priorities whose actions may be given up to make room for others that are more urgent, when the queue is full: the least
   * urgent first, of these the oldest. Their outcome is `evicted`. What is being sent, or waits behind others or for a decision, is
   * never given up. Default: none.
   */
  readonly evicts?: readonly Priority[];
  /**
   * Whether what is queued is encrypted where it is kept (AES-256-GCM, with a key that is itself kept encrypted). `preferred`: wherever there
   * can be a key; where there is none, as without HTTPS or IndexedDB, it is kept in plain text, and the event
   * `encryptionUnavailable` says so. `required`: without a key nothing is written, `enqueue` rejects with a {@link StoreError} of kind
   * `keyUnavailable`, and nothing is sent. Whatever it is, what was encrypted before is read, and what was not as well. Not
   * encrypted are the ids of users and actions, how many there are, and when they are due. Default `off`.
   */
  readonly encryption?: "off" | "preferred" | "required";
  /** After how many milliseconds actions cease to be worth sending that have no `ttlMs` of their own: 1 to 4 294 967 295. Default: never. */
  readonly maxAgeMs?: number;
}

/** What Steadfast is opened with. */
export interface SteadfastOptions extends WordsOptions, ReadingOptions, ProtectionOptions {
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
  /**
   * What protects single services instead of `breaker`, `budget`, `bulkhead` and `adaptiveRate`, by their keys: an origin, the name
   * that the backend gives one of its parts, or what `service` says in the options of calls.
   */
  readonly services?: Record<string, ProtectionOptions>;
  /**
   * Whether the backend is asked how it wants to be treated: `GET /api/config/error-handling`, when Steadfast is opened and every
   * quarter of an hour. What it says stands in for the defaults, within what is allowed, is kept across reloads, and yields to the
   * options given here. Default false.
   */
  readonly configuration?: boolean | PollOptions;
  /**
   * Whether the backend is asked how the circuits towards its own services are: `GET /api/health/detailed`, when Steadfast is opened
   * and every minute. A service that is out there is left alone here, without failing first. Default false.
   */
  readonly circuits?: boolean | PollOptions;
  /**
   * Whether the backend's health is looked at when it is in doubt whether it can be reached, and where: a `GET` of a path on the
   * origin of `baseUrl`, past all caches and without your `headers`, after a second at first and seldom later. Default: `/api/health`,
   * unless `fetch` is given.
   */
  readonly health?: boolean | string;
  /** What ties calls to what they cause. */
  readonly correlation?: CorrelationOptions;
  /**
   * Gets new credentials when a response says that the old ones have expired: once for all calls and all tabs, which are then sent
   * again with what `headers` gives. Rejects if there are none to be had. `fetch` is that of Steadfast, and does not come back here.
   */
  readonly refreshCredentials?: (context: { readonly error: ApiError; readonly fetch: typeof globalThis.fetch }) => unknown;
  /** Whether calls, their waits and turning points are put on the performance timeline, where DevTools shows them. Default false. */
  readonly timeline?: boolean;
  /** How the queue is brought to the server. */
  readonly sync?: SyncOptions;
  /** How much the queue may hold, and for how long. */
  readonly queue?: QueueOptions;
  /**
   * Decides conflicts: is called once for each, in the tab that hears of it first, and after a reload for those that are still there.
   * What it gives, or promises, is carried out; `"later"` leaves the conflict to `queue.resolve`. If it throws, that is reported
   * (`reportError`), and the conflict stays. An action that comes back in conflict after it was sent again five times is left to
   * `queue.resolve` as well.
   */
  readonly onConflict?: ConflictHandler;
  /**
   * Whether the browser is asked to wake the service worker when the network is there and something waits, so that the queue drains
   * with no page open; the worker calls `drainInBackground` of `steadfast/service-worker`. Only Chromium can (Background Sync);
   * elsewhere nothing happens, and the queue drains when a page is opened. Default false.
   */
  readonly backgroundSync?: boolean | BackgroundSyncOptions;
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

/** What holds for one call: the retry policy, what it is known by, and what happens if it fails. */
export interface CallOptions<T = unknown> extends RetryOptions {
  /**
   * The service that it goes to, beside its origin, in a word of yours: it gets a circuit and limits of its own. A limit that an
   * error of such a call names (429 or 503 with a moment to ask again) holds for this service and not for the whole origin: that is
   * what it is for.
   */
  readonly service?: string;
  /** Whether someone waits for it. Default `interactive`. */
  readonly urgency?: Urgency;
  /** When a slow attempt gets company. For `GET`, `HEAD` and `OPTIONS` only. */
  readonly hedge?: HedgeOptions;
  /** Whether credentials that have expired are refreshed. Default true. */
  readonly refreshCredentials?: boolean;
  /** What stands in when it has failed for good and the failure may pass. */
  readonly fallback?: Fallback<T> | readonly Fallback<T>[];
  /**
   * The action that does the same later: put into the queue when the call has failed for good and the failure may pass. The call
   * still rejects, and the error's `queued` is the receipt; if the disk failed as well, that is `null`, and the error's `cause` says
   * why. Its id is the call's idempotency key, so that the server can tell that both are the same: the action's own `id`,
   * else `idempotencyKey`, else the request's own `Idempotency-Key`, else one that is made. Nothing is queued if a fallback
   * stands in, or if the call is aborted. If a fallback throws, the action is queued, and the call rejects with what was thrown: the
   * receipt is then in the error that the fallback was given.
   */
  readonly queueAs?: Action;
  /**
   * As `queueAs`, but the request itself is put into the queue, whole: `true`, or what the action is to say beside it. For backends
   * that take no batches. See {@link Queue.enqueueRequest}, and `replay` if the server does not honour `Idempotency-Key`: with
   * `onlyIfUnsent` nothing is queued that the server may have carried out.
   */
  readonly queueIfOffline?: boolean | QueueIfOffline;
  /**
   * Lets a POST or a PATCH be sent again: the server knows by this key that it is the same request. `true` makes one for this
   * call, unless the request has an `Idempotency-Key` of its own; give your own to keep it across reloads.
   */
  readonly idempotencyKey?: string | boolean;
}

/** @internal Options as the core takes them. */
export function optionsText(options: object): string {
  refuseForeign("options", options);
  return JSON.stringify(options);
}
