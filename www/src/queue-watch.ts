import type { EventOf, QueuedAction, Snapshot, Steadfast } from "steadfast";
import { oneAtATime } from "./one-at-a-time.js";

const PAGE = 500;
/** What was just put in is sent at once: for so long, that nothing is being sent is no news. */
const GRACE_MS = 1000;
/** How long a saved action stays in view, and how far apart those of one batch leave. */
const LINGER_MS = 1400;
const STAGGER_MS = 110;
const LONGEST_STAGGER_MS = 1300;

/** An action that the server has taken, on its way out of the list. */
export interface Leaving {
  readonly action: QueuedAction;
  /** The server had it already, from an attempt whose answer was lost. */
  readonly wasThere: boolean;
  /** How much later than the first of its batch it leaves, in milliseconds. */
  readonly delay: number;
}

export interface QueueWatchListener {
  /** What is watched has changed. */
  changed(): void;
  /** The server has applied this action. */
  applied(action: QueuedAction): void;
  /** A drain has ended. */
  drained(): void;
  /** The queue could not be read. */
  failed(error: unknown): void;
  /** The disk failed in the background. */
  storeFailed(kind: string, message: string): void;
  /** The queue was read. */
  read(): void;
}

/** Follows the queue: what is in it, what is being sent, what has just left. */
export class QueueWatch {
  actions: readonly QueuedAction[] = [];
  readonly leaving = new Map<string, Leaving>();
  /** `null` until the queue was read for the first time. */
  snapshot: Snapshot | null = null;
  isSyncing = false;
  /** Whether the last attempt got no answer. Stays until there is news, so that the state does not flicker with each attempt. */
  isUnreachable = false;
  lastFailure: EventOf<"batchFailed"> | null = null;
  savedAt: number | null = null;
  savedCount = 0;
  /** Reads the queue. Rejects if the disk fails. */
  readonly refresh: () => Promise<void>;
  readonly #sdk: Steadfast;
  readonly #listener: QueueWatchListener;
  #stirredAt = 0;
  #inARow = 0;
  #lastLeft = 0;

  constructor(sdk: Steadfast, listener: QueueWatchListener) {
    this.#sdk = sdk;
    this.#listener = listener;
    this.refresh = oneAtATime(() => this.#read());
    sdk.on("enqueued", () => this.#stir());
    sdk.on("queueChanged", () => this.#stir());
    sdk.on("syncStarted", () => {
      this.isSyncing = true;
      this.#look();
    });
    sdk.on("batchSent", () => this.#look());
    sdk.on("settled", (event) => this.#settled(event));
    sdk.on("batchFailed", (event) => {
      this.lastFailure = event;
      this.isUnreachable = event.waitingFor === "network";
      this.#look();
    });
    sdk.on("syncFinished", () => {
      this.isSyncing = false;
      this.#stir();
      listener.drained();
    });
    sdk.on("storeFailed", ({ error }) => {
      this.isSyncing = false;
      listener.storeFailed(error.kind, error.message);
    });
    sdk.on("connectivityChanged", ({ online }) => {
      if (online) this.isUnreachable = false;
      this.#look();
    });
  }

  /**
   * Whether the action is on its way to the server at this moment. That it was once sent is not enough: the tab that sent it
   * may be gone.
   */
  isSending(action: QueuedAction): boolean {
    return action.inFlight && this.isSyncing;
  }

  /** Whether this tab is sending, or about to. */
  get isBusy(): boolean {
    return this.isSyncing || Date.now() - this.#stirredAt < GRACE_MS;
  }

  /** The network may be another one now. */
  forgetFailures(): void {
    this.isUnreachable = false;
    this.lastFailure = null;
  }

  /** Another tab may have sent a batch, or learned that the server wants to wait, of which no event tells this one. */
  async glance(): Promise<void> {
    const before = this.snapshot;
    const now = await this.#sdk.queue.snapshot();
    const members = ["pending", "conflicts", "dead", "bytes", "inFlight", "waitingFor", "online"] as const;
    if (members.some((member) => before?.[member] !== now[member])) await this.refresh();
  }

  #stir(): void {
    this.#stirredAt = Date.now();
    this.#look();
  }

  #look(): void {
    this.#listener.changed();
    this.refresh().catch((error: unknown) => this.#listener.failed(error));
  }

  async #read(): Promise<void> {
    const { queue } = this.#sdk;
    const actions: QueuedAction[] = [];
    let last: QueuedAction | undefined;
    do {
      const page: QueuedAction[] = await queue.list({ from: last && { ...last, seq: last.seq + 1 }, limit: PAGE });
      actions.push(...page);
      last = page.length === PAGE ? page.at(-1) : undefined;
    } while (last);
    this.snapshot = await queue.snapshot();
    this.actions = actions;
    this.#listener.read();
    this.#listener.changed();
  }

  #settled({ id, outcome }: EventOf<"settled">): void {
    const action = this.actions.find((listed) => listed.id === id);
    if (outcome.status === "applied" || outcome.status === "duplicate") {
      this.isUnreachable = false;
      this.lastFailure = null;
      this.savedAt = Date.now();
      this.savedCount += 1;
      if (action) {
        this.#listener.applied(action);
        this.#see(action, outcome.status === "duplicate");
      }
    }
    this.#look();
  }

  #see(action: QueuedAction, wasThere: boolean): void {
    const now = Date.now();
    this.#inARow = now - this.#lastLeft < 100 ? this.#inARow + 1 : 0;
    this.#lastLeft = now;
    const delay = Math.min(this.#inARow * STAGGER_MS, LONGEST_STAGGER_MS);
    this.leaving.set(action.id, { action, wasThere, delay });
    setTimeout(() => {
      this.leaving.delete(action.id);
      this.#listener.changed();
    }, LINGER_MS + delay);
  }
}
