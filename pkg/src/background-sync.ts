import type { SteadfastEvent } from "./events.js";

/** How the queue is drained when no page is open: see the option `backgroundSync`. */
export interface BackgroundSyncOptions {
  /**
   * The registration of the service worker that calls `drainInBackground`: what `navigator.serviceWorker.register` resolves to, or
   * its promise. Default: that of the page, `navigator.serviceWorker.ready`.
   */
  readonly registration?: WorkerRegistration | PromiseLike<WorkerRegistration>;
}

/** A `ServiceWorkerRegistration`; its `sync` is looked for, and where there is none, nothing is registered. */
export interface WorkerRegistration {
  readonly scope: string;
}

/** What Background Sync adds to a registration, in the browsers that have it. */
interface SyncRegistration extends WorkerRegistration {
  readonly sync?: { register(tag: string): Promise<unknown> };
}

/**
 * How long the page has to bring home what was enqueued before the browser is asked to see to it, too. It fires at once while it is
 * online: without this, each action would start a service worker that finds nothing to do.
 */
const GRACE_MS = 1000;

/** @internal The tag of the syncs of a database: the page registers it, the service worker is woken with it. */
export function syncTag(database = "steadfast"): string {
  return `steadfast:${database}`;
}

/** @internal Asks the browser for a sync as long as something waits that this page may not live to send. */
export class BackgroundSync {
  readonly #tag: string;
  readonly #registration: PromiseLike<SyncRegistration>;
  readonly #publish: (event: SteadfastEvent) => void;
  readonly #whenLeft = () => {
    // Whether or not there is one: it may have been used up, and one more of the same is none.
    if (this.#pending > 0) void this.#register();
  };
  readonly #whenHidden = () => {
    if (isHidden()) this.#whenLeft();
  };
  #pending = 0;
  #isAsked = false;
  #isRefused = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** None where there can be none: outside of pages, and in a frame that may have no service worker. */
  static open(
    { registration = ownRegistration() }: BackgroundSyncOptions,
    database: string | undefined,
    publish: (event: SteadfastEvent) => void,
  ): BackgroundSync | undefined {
    return registration && new BackgroundSync(Promise.resolve(registration), syncTag(database), publish);
  }

  private constructor(registration: PromiseLike<SyncRegistration>, tag: string, publish: (event: SteadfastEvent) => void) {
    this.#registration = registration;
    this.#tag = tag;
    this.#publish = publish;
    globalThis.document?.addEventListener("visibilitychange", this.#whenHidden);
    globalThis.addEventListener?.("pagehide", this.#whenLeft);
  }

  /** So many actions wait to be sent. */
  learn(pending: number): void {
    this.#pending = pending;
    if (pending === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#isAsked = false;
      return;
    }
    if (this.#isAsked) return;
    if (isHidden() || globalThis.navigator?.onLine === false) void this.#register();
    else this.#timer ??= setTimeout(() => this.#register(), GRACE_MS);
  }

  /** Nobody in this page sees to the queue any longer. */
  close(): void {
    globalThis.document?.removeEventListener("visibilitychange", this.#whenHidden);
    globalThis.removeEventListener?.("pagehide", this.#whenLeft);
    if (this.#pending > 0 && !this.#isAsked) void this.#register();
    clearTimeout(this.#timer);
  }

  async #register(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isAsked = true;
    try {
      const { sync } = await this.#registration;
      if (!sync) return;
      await sync.register(this.#tag);
      this.#publish({ type: "backgroundSyncRegistered", tag: this.#tag });
    } catch (refused) {
      // The user may have switched it off. It is asked for again with the next need, and told once.
      if (!this.#isRefused) this.#publish({ type: "backgroundSyncRefused", message: String(refused) });
      this.#isRefused = true;
    }
  }
}

function isHidden(): boolean {
  return globalThis.document?.visibilityState === "hidden";
}

/** That of the page. It never comes if the page registers none, and then nothing is asked of it. */
function ownRegistration(): PromiseLike<SyncRegistration> | undefined {
  try {
    return globalThis.navigator?.serviceWorker?.ready;
  } catch {
    // In a sandboxed frame it throws to whoever looks at it.
    return undefined;
  }
}
