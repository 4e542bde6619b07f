/**
 * Drains a user's queue in a service worker, also after the last page was closed.
 *
 * ```ts
 * import { drainInBackground } from "steadfast/service-worker";
 *
 * drainInBackground({
 *   baseUrl: "https://api.example.com",
 *   userId: async () => (await signedIn())?.id ?? null,
 *   headers: async ({ userId }) => ({ authorization: `Bearer ${await tokenOf(userId)}` }),
 * });
 * ```
 *
 * @module
 */
import { syncTag } from "./background-sync.js";
import {
  InvalidInputError,
  Steadfast,
  SteadfastError,
  type SteadfastEvent,
  type SteadfastOptions,
  type SyncReport,
} from "./index.js";

/** What {@link drainInBackground} is given: how the pages open Steadfast, so far as it matters where nobody looks. */
export interface BackgroundDrainOptions extends Omit<
  SteadfastOptions,
  | "backgroundSync"
  | "circuits"
  | "configuration"
  | "headers"
  | "health"
  | "language"
  | "messages"
  | "probe"
  | "timeline"
  | "userId"
  | "words"
> {
  /**
   * Whose queue is drained: the user who is signed in at that moment, `null` if nobody is. Asked before each drain and around each
   * sending: when another user is named, what was being drained is left as it is.
   */
  readonly userId: () => string | null | undefined | Promise<string | null | undefined>;
  /**
   * Headers for requests to trusted origins, asked for at the moment of each sending: where credentials belong. They must be those
   * of `userId`, and no one else's.
   */
  readonly headers?: (request: {
    readonly url: string;
    readonly method: string;
    readonly userId: string;
  }) => Record<string, string> | Promise<Record<string, string>>;
  /** Hears all events of the drains, as a page hears them from its own. */
  readonly onEvent?: (event: SteadfastEvent) => void;
}

/** What {@link drainInBackground} has set up. */
export interface BackgroundDrain {
  /** The tag of its `sync` events. A `periodicsync` that is registered with it drains as well. */
  readonly tag: string;
  /**
   * Drains now, after those that are under way: `event.waitUntil(background.drain())` for events of your own. Resolves to what is
   * left, which waits for a person, if anything is; to `null` if nobody is signed in.
   *
   * @throws {@link SteadfastError} if something is left that is worth another try.
   */
  drain(): Promise<SyncReport | null>;
}

/** Chromium ends a sync event after three minutes; what is under way then would be given up in the middle. */
const LONGEST_DRAIN_MS = 150_000;
/** What waits for longer is the browser's to wake for: a worker that only waits is one that costs. */
const LONGEST_WAIT_MS = 30_000;
/** How often one event asks the server. A network or a server that fails so often in a row is left to the browser's next try. */
const MOST_ROUNDS = 5;
/** How long a page has, whose requests have woken the worker, to start without company. */
const WAKE_DELAY_MS = 1000;
/** A worker that wakes for something else looks no more often than this. */
const WAKE_PAUSE_MS = 60_000;

// The part of a service worker's world that is used here; TypeScript's library for it cannot be mixed with that of pages.
interface LastingEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface SyncEvent extends LastingEvent {
  readonly tag: string;
}
interface ServiceWorkerScope {
  readonly registration: { readonly active: object | null; readonly sync?: object };
  readonly clients: { matchAll(options: { type: "window"; includeUncontrolled: true }): Promise<readonly unknown[]> };
  addEventListener(type: "sync" | "periodicsync", listener: (event: SyncEvent) => void): void;
  addEventListener(type: "activate" | "message", listener: (event: LastingEvent) => void): void;
}

/**
 * Drains the queue of whoever is signed in whenever the browser fires `sync` for it, which it does without any page as well. To be
 * called while the service worker's script runs, not later: browsers take no listeners then.
 *
 * Where there is no Background Sync (Firefox, Safari), it drains when the worker wakes for something else, at most once a minute.
 *
 * @throws {@link InvalidInputError} for a wrong option, {@link SteadfastError} outside of a service worker.
 */
export function drainInBackground(options: BackgroundDrainOptions): BackgroundDrain {
  const scope = globalThis as unknown as ServiceWorkerScope;
  if (typeof scope.registration !== "object" || typeof scope.clients !== "object")
    throw new SteadfastError("drainInBackground is for service workers; a page drains by itself.");
  for (const name of ["userId", "headers", "onEvent"] as const) {
    const given: unknown = Object(options)[name];
    if (typeof given !== "function" && (name === "userId" || given !== undefined)) throw wrong(name, given, "a function");
  }
  const tag = syncTag(options.database);
  let last: Promise<unknown> = Promise.resolve();
  let underway = 0;
  let lastEndedAt = -Infinity;
  const drain = () => {
    underway++;
    // Each looks for itself: the one before may have looked before something came.
    const drained = last.then(() => drainOnce(options));
    last = drained
      .catch(() => {})
      .finally(() => {
        underway--;
        lastEndedAt = performance.now();
      });
    return drained;
  };
  const wake = async () => {
    if (underway > 0 || performance.now() - lastEndedAt < WAKE_PAUSE_MS || !scope.registration.active) return;
    // Where pages can ask to be looked after, one that is open looks after itself.
    if (scope.registration.sync && (await scope.clients.matchAll({ type: "window", includeUncontrolled: true })).length > 0)
      return;
    // Nobody has asked for it: what is left waits for the next occasion.
    await drain().catch(() => {});
  };
  const onSync = (event: SyncEvent) => {
    if (event.tag === tag) event.waitUntil(drain());
  };
  scope.addEventListener("sync", onSync);
  scope.addEventListener("periodicsync", onSync);
  scope.addEventListener("message", (event) => event.waitUntil(wake()));
  // Not awaited: a worker answers no requests of its pages before it is active.
  scope.addEventListener("activate", () => void wake());
  // For whatever it was started. There is no listener for `fetch`: it would put the worker between the pages and the network.
  setTimeout(() => void wake(), WAKE_DELAY_MS);
  return { tag, drain };
}

/** Drains for whoever is signed in; again if that changes meanwhile. */
async function drainOnce(options: BackgroundDrainOptions): Promise<SyncReport | null> {
  const deadline = performance.now() + LONGEST_DRAIN_MS;
  for (;;) {
    const userId = await userOf(options);
    if (userId === null) return null;
    const report = await drainFor(userId, options, deadline);
    if (report) return report;
  }
}

async function userOf({ userId }: BackgroundDrainOptions): Promise<string | null> {
  const named: unknown = (await userId()) ?? null;
  if (named === null || typeof named === "string") return named;
  throw wrong("userId", named, "a function that gives the id of the user who is signed in, or null");
}

function wrong(name: string, given: unknown, allowed: string): InvalidInputError {
  return new InvalidInputError(
    `options.${name} is ${String(given)}; allowed: ${allowed}`,
    "options",
    name,
    String(given),
    allowed,
  );
}

/** What is left when it has drained; `undefined` if it is no longer this user's turn. */
async function drainFor(userId: string, options: BackgroundDrainOptions, deadline: number): Promise<SyncReport | undefined> {
  const { userId: _, headers, fetch: send, onEvent, ...rest } = options;
  let leave = (_gone: undefined) => {};
  const left = new Promise<undefined>((resolve) => (leave = resolve));
  const never = new Promise<never>(() => {});
  const stays = async () => {
    if ((await userOf(options)) === userId) return;
    leave(undefined);
    // What would be sent now would carry the credentials of someone else.
    await never;
  };
  const sdk = await Steadfast.open({
    ...rest,
    userId,
    health: false,
    probe: false,
    // Also of what goes to origins that get no headers: the browser sends its cookies there.
    fetch: async (request) => {
      await stays();
      return (send ?? globalThis.fetch)(request);
    },
    headers: async (request) => {
      await stays();
      const given = (await headers?.({ ...request, userId })) ?? {};
      await stays();
      return given;
    },
  });
  if (onEvent) void tell(sdk, onEvent);
  let limit: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new SteadfastError("The queue has not been drained in the time that there is.");
    limit = setTimeout(() => reject(error), deadline - performance.now());
  });
  try {
    return await Promise.race([drainQueue(sdk, deadline), left, late]);
  } finally {
    clearTimeout(limit);
    sdk.close();
  }
}

async function tell(sdk: Steadfast, onEvent: (event: SteadfastEvent) => void): Promise<void> {
  for await (const event of sdk.events()) {
    try {
      onEvent(event);
    } catch (thrown) {
      // It is told of the drain, and is not to stop it.
      reportError(thrown);
    }
  }
}

/**
 * Until nothing is left but what waits for a person.
 *
 * It also rejects when the server has named a moment that is too far away to be waited for here: the browser may come too early
 * then, which asks the server for nothing, since the moment is on the disk. Resolving would end the registration, and only a page
 * could make another.
 */
async function drainQueue(sdk: Steadfast, deadline: number): Promise<SyncReport> {
  const { nextAttemptAt, waitingFor, durability } = await sdk.queue.snapshot();
  // News of the network says nothing of a server that has failed: it is not asked earlier than by a page.
  if (nextAttemptAt !== null && (waitingFor === "serverHint" || waitingFor === "serverError"))
    await wait(nextAttemptAt - Date.now(), deadline, "the server is left alone until then");
  for (let round = 1; ; round++) {
    const report = await sdk.queue.sync();
    if (durability !== "indexedDb") throw new SteadfastError("The queue cannot be seen: the service worker has no IndexedDB.");
    if (report.pending === 0 || report.nextAttemptInMs === null) return report;
    const what = `${report.pending} actions are left`;
    if (round === MOST_ROUNDS || globalThis.navigator?.onLine === false) throw new SteadfastError(`${what}.`);
    await wait(report.nextAttemptInMs, deadline, what);
  }
}

async function wait(milliseconds: number, deadline: number, why: string): Promise<void> {
  if (milliseconds > LONGEST_WAIT_MS || performance.now() + milliseconds > deadline)
    throw new SteadfastError(`${why}: the next attempt is in ${Math.ceil(milliseconds / 1000)} seconds.`);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)));
}
