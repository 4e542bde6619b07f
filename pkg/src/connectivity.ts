/**
 * Whether the backend can be reached.
 *
 * - `unknown`: nothing has been heard yet, and nothing speaks against it
 * - `online`: it answers
 * - `degraded`: it answers badly or only in part, or others answer and it does not
 * - `offline`: nothing answers, or the browser says that there is no network and nothing contradicts it
 * - `captivePortal`: something answers that is not the backend: the login page of a network
 */
export type ConnectivityState = "unknown" | "online" | "degraded" | "offline" | "captivePortal";

/**
 * What a state was concluded from.
 *
 * - `nothingKnown`: there is no evidence yet
 * - `answered`: the backend answers
 * - `browserOffline`: the browser says that there is no network, and nothing has answered since
 * - `noNetwork`: a request failed because there is no network
 * - `noAnswer`: the backend does not answer, and nobody else has lately
 * - `backendSilent`: others answer, and the backend does not
 * - `siblingsSilent`: the backend answers, and other trusted origins do not
 * - `health`: its own health says so
 * - `serverErrors`: it answers with server errors, one after the other
 * - `circuitOpen`: a circuit breaker is open
 * - `unreadable`: something answers where the backend is, and the page may not read it, or not understand it
 * - `pageInstead`: there is a page where this backend has answered otherwise before
 * - `networkAuthentication`: the network wants a login (status 511)
 */
export type ConnectivityReason =
  | "nothingKnown"
  | "answered"
  | "browserOffline"
  | "noNetwork"
  | "noAnswer"
  | "backendSilent"
  | "siblingsSilent"
  | "health"
  | "serverErrors"
  | "circuitOpen"
  | "unreadable"
  | "pageInstead"
  | "networkAuthentication";

/** Whether the backend can be reached, at one moment. Never changes; another one takes its place. */
export interface ConnectivitySnapshot {
  /** Whether a request has a chance: not if `state` is `offline` or `captivePortal`. */
  readonly online: boolean;
  readonly state: ConnectivityState;
  /** What that was concluded from when it became so. */
  readonly because: ConnectivityReason;
  /** Since when it is so, in milliseconds since the epoch. */
  readonly since: number;
}

type Listener = (snapshot: ConnectivitySnapshot) => void;

/**
 * Whether the backend can be reached: one answer, drawn from what requests come to, from the browser, and from the backend's
 * health, which is asked only where there is a doubt, and only once somebody has wanted to know: read or subscribed to it.
 *
 * It is what stores of frameworks are made of as it is: `useSyncExternalStore(connectivity.subscribe, connectivity.getSnapshot)`
 * in React, `$connectivity` in Svelte.
 */
export class Connectivity {
  readonly #listeners = new Set<{ readonly listener: Listener; readonly remove: () => void }>();
  readonly #probe: () => Promise<unknown>;
  #want: (() => void) | undefined;
  #snapshot: ConnectivitySnapshot;
  #checking: Promise<unknown> | undefined;
  #isClosed = false;

  /**
   * @internal `probe` looks at the backend, and resolves when what it finds has been received. `want` is called once, when somebody
   * wants to know: nobody looks before.
   */
  constructor(initial: ConnectivitySnapshot, probe: () => Promise<unknown>, want?: () => void) {
    this.#snapshot = snapshotOf(initial);
    this.#probe = probe;
    this.#want = want;
  }

  #known(): ConnectivitySnapshot {
    const want = this.#want;
    this.#want = undefined;
    want?.();
    return this.#snapshot;
  }

  /** Whether the backend can be reached. */
  get state(): ConnectivityState {
    return this.#known().state;
  }

  /** Whether a request has a chance. True until something speaks against it. */
  get online(): boolean {
    return this.#known().online;
  }

  /** What the state was concluded from. */
  get because(): ConnectivityReason {
    return this.#known().because;
  }

  /** Since when it is so, in milliseconds since the epoch. */
  get since(): number {
    return this.#known().since;
  }

  /** All of it. The same object until something changes. */
  readonly getSnapshot = (): ConnectivitySnapshot => this.#known();

  /**
   * Calls `listener` at once, and then with each change, until the function it returns is called or `signal` is aborted.
   *
   * ```ts
   * sdk.connectivity.subscribe(({ state }) => (banner.hidden = state === "online" || state === "unknown"));
   * ```
   */
  readonly subscribe = (listener: Listener, options?: { readonly signal?: AbortSignal }): (() => void) => {
    const signal = options?.signal;
    if (signal?.aborted) return () => {};
    const remove = () => {
      this.#listeners.delete(entry);
      signal?.removeEventListener("abort", remove);
    };
    const entry = { listener, remove };
    if (!this.#isClosed) {
      this.#listeners.add(entry);
      signal?.addEventListener("abort", remove);
    }
    listener(this.#known());
    return remove;
  };

  /**
   * Looks now, instead of when the next look is due, and resolves to what is known then. At most one look is made a second,
   * however often this is called.
   */
  async check(): Promise<ConnectivityState> {
    // One look answers all who ask while it lasts.
    this.#checking ??= this.#probe().finally(() => (this.#checking = undefined));
    await this.#checking;
    return this.state;
  }

  /** @internal What the core has found out. */
  receive(found: ConnectivitySnapshot): void {
    const snapshot = snapshotOf(found);
    const { state, because, since } = this.#snapshot;
    if (snapshot.state === state && snapshot.because === because && snapshot.since === since) return;
    this.#snapshot = snapshot;
    for (const entry of [...this.#listeners]) {
      // In a task of its own, so that none of them re-enters the core, or keeps the news from the others by throwing.
      queueMicrotask(() => {
        // It may have been removed since.
        if (this.#listeners.has(entry)) entry.listener(snapshot);
      });
    }
  }

  /** @internal */
  close(): void {
    this.#isClosed = true;
    // Each by itself: a signal of the application's may outlive this by far.
    for (const { remove } of [...this.#listeners]) remove();
  }
}

function snapshotOf({ online, state, because, since }: ConnectivitySnapshot): ConnectivitySnapshot {
  return Object.freeze({ online, state, because, since });
}
