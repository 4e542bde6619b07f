/** How a circuit breaker behaves. It opens by whichever of its conditions holds first. */
export interface BreakerOptions {
  /** So many failures in a row open it; a timeout counts for two. Default 5. */
  readonly consecutiveFailures?: number;
  /** So large a share of failures among the calls of the last `windowMs` opens it. Default 0.5. */
  readonly failureRatio?: number;
  /** Fewer calls than that in the window say nothing of a share. Default 10. */
  readonly minimumCalls?: number;
  /** How far the window looks back. Default 30 000. */
  readonly windowMs?: number;
  /** A success that took longer is slow, as is one that was degraded. Default: none is slow. */
  readonly slowCallMs?: number;
  /** So large a share of slow calls opens it. Default 0.5, once `slowCallMs` is given. */
  readonly slowCallRatio?: number;
  /** How long it stays open at first. Default 30 000. */
  readonly openMs?: number;
  /** How many times longer it stays open each time that it opens again without having recovered. Default 2. */
  readonly openMultiplier?: number;
  /** It never stays open for longer than this and a tenth of it. Default 300 000. */
  readonly maxOpenMs?: number;
  /** How many probes may be out at once when it is half-open, and how many must succeed to close it. Default 3. */
  readonly halfOpenCalls?: number;
  /** A probe that has not come back by then has lost its place. Default 60 000. */
  readonly probeLeaseMs?: number;
}

/** How retries are paid for: the token bucket of the AWS SDKs, which time fills slowly as well. */
export interface BudgetOptions {
  /** The tokens of a full budget. Default 500. */
  readonly capacity?: number;
  /** What a retry costs. Default 5. */
  readonly cost?: number;
  /** What one costs after no answer came in time. Default 10. */
  readonly timeoutCost?: number;
  /** What one costs after the server had too many requests. Default 5. */
  readonly throttlingCost?: number;
  /** What a call gives that succeeds at once; one that needed a retry gives back what that had cost. Default 1. */
  readonly reward?: number;
  /** In how long time alone fills an empty budget; 0 for never. Default 600 000. */
  readonly refillMs?: number;
}

/** How many calls may use a service at once. */
export interface BulkheadOptions {
  /** The most that run at once. Default 10. */
  readonly maxConcurrent?: number;
  /** The most that wait in line, interactive ones before background ones; more fail with `BULKHEAD_FULL`. Default 100. */
  readonly maxQueued?: number;
}

/** What protects a service. `false` switches a part off, `true` switches it on with its defaults. */
export interface ProtectionOptions {
  /** Its circuit breaker. */
  readonly breaker?: BreakerOptions | boolean;
  /** Its budget for retries. */
  readonly budget?: BudgetOptions | boolean;
  /** How many may use it at once. */
  readonly bulkhead?: BulkheadOptions | boolean;
  /**
   * Whether the rate at which it is called follows what it takes, once it has answered that there are too many requests: the
   * adaptive mode of the AWS SDKs. Default false.
   */
  readonly adaptiveRate?: boolean;
}

/** When a slow attempt gets company: another one is sent beside it, and the first answer counts. */
export interface HedgeOptions {
  /** After so long without an answer. Best a little above the usual 95th percentile. */
  readonly afterMs: number;
  /** The most that are sent beside the first. Default 1. */
  readonly max?: number;
}

/** Whether someone waits for the outcome. Background work yields: in budgets, and in the line before a bulkhead. */
export type Urgency = "interactive" | "background";

/** What a circuit breaker does with calls: let them through, refuse them, let a few through to see, refuse them by hand. */
export type CircuitState = "closed" | "open" | "halfOpen" | "forcedOpen";

/** Why a circuit breaker changed. */
export type CircuitReason =
  | "consecutiveFailures"
  | "failureRatio"
  | "slowCalls"
  | "probeFailed"
  | "probeSlow"
  | "probesSucceeded"
  | "openTimeOver"
  | "byHand"
  | "told";

/** What is known of a service. Parts that are switched off are `null`. */
export interface ServiceSnapshot {
  /** Its key: an origin, the name that the backend gives one of its parts, or a word of yours. */
  readonly service: string;
  readonly breaker: {
    readonly state: CircuitState;
    /** How many calls have failed in a row. */
    readonly failuresInARow: number;
    /** How many calls have ended in the window. */
    readonly calls: number;
    /** How many of them have failed. */
    readonly failures: number;
    /** How many of them were slow or degraded. */
    readonly slow: number;
    /** How many times it has opened in a row. */
    readonly opens: number;
    /** How many milliseconds it will still be open; `null` if it is not, or held open by hand. */
    readonly openRemainingMs: number | null;
    /** How many probes are out. */
    readonly probes: number;
  } | null;
  /** How many milliseconds the service still wants to be left alone; `null` if it does not. */
  readonly pausedForMs: number | null;
  readonly budget: {
    readonly capacity: number;
    readonly available: number;
    /** How many calls it has kept from being sent again. */
    readonly refused: number;
    /** Milliseconds until time alone has filled it for one more retry; `null` if it never will. */
    readonly affordableInMs: number | null;
  } | null;
  readonly sendRate: {
    /** Whether anything is held back. */
    readonly active: boolean;
    /** The calls per second that may be sent, if it is. */
    readonly allowedPerSecond: number;
    /** The calls per second that were answered of late. */
    readonly measuredPerSecond: number;
    /** Milliseconds that the next call would wait. */
    readonly waitMs: number;
  } | null;
  readonly bulkhead: { readonly running: number; readonly queued: number } | null;
}

/** @internal */
export interface ServicesCore {
  services(): unknown;
  setCircuit(service: string | undefined, change: string): void;
}

/**
 * The services that calls go to, each with its circuit breaker, its budget and its limits: the origins, the parts that a backend
 * names in its errors, and those that the option `service` names.
 *
 * ```ts
 * for (const { service, breaker } of sdk.services.list()) {
 *   if (breaker?.state === "open") show(`${service} is back in about ${breaker.openRemainingMs} ms`);
 * }
 * ```
 */
export class Services {
  readonly #core: () => ServicesCore;

  /** @internal */
  constructor(core: () => ServicesCore) {
    this.#core = core;
  }

  /** All that have been called or told of (see the option `circuits`), by their keys. */
  list(): ServiceSnapshot[] {
    return JSON.parse(this.#core().services() as string) as ServiceSnapshot[];
  }

  /** One of them; `undefined` if it is not known. */
  get(service: string): ServiceSnapshot | undefined {
    return this.list().find((snapshot) => snapshot.service === service);
  }

  /** Opens its circuit until it is closed or reset by hand. */
  open(service: string): void {
    this.#core().setCircuit(service, "open");
  }

  /** Closes its circuit, with clean counts. */
  close(service: string): void {
    this.#core().setCircuit(service, "close");
  }

  /** Forgets all that has happened to it. What it has asked for itself, to be left alone for a while, stands. */
  reset(service: string): void {
    this.#core().setCircuit(service, "reset");
  }

  /** The same for all that are known. */
  openAll(): void {
    this.#core().setCircuit(undefined, "open");
  }

  /** The same for all that are known. */
  closeAll(): void {
    this.#core().setCircuit(undefined, "close");
  }

  /** The same for all that are known. */
  resetAll(): void {
    this.#core().setCircuit(undefined, "reset");
  }
}
