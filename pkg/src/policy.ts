import { Policy as CorePolicy, type PolicyInstance } from "./core.js";
import { ApiError, toError } from "./errors.js";
import { type EventOf, Events, readEvent, type SteadfastEvent } from "./events.js";
import type { HedgeOptions, ProtectionOptions, ServiceSnapshot, Urgency } from "./protection.js";
import { optionsText, type RetryOptions } from "./options.js";
import { standardVocabulary, type Vocabulary } from "./vocabulary.js";

/**
 * What stands around a function. What is not named is not there; `true` takes a part with its defaults. From the outside in:
 * fallback, total timeout, retry with its budget, adaptive rate, bulkhead, breaker, hedge, timeout. Use {@link wrap} for any other
 * order.
 */
export interface PolicyOptions extends ProtectionOptions {
  /** How often and when it is tried again. */
  readonly retry?: RetryOptions | boolean;
  /** How long one attempt may take. The function is told by its `signal`. */
  readonly timeoutMs?: number;
  /** How long it may take in all, waits included. */
  readonly totalTimeoutMs?: number;
  /** When a slow attempt gets company. Only for functions that may run twice. */
  readonly hedge?: HedgeOptions;
  /** Whether someone waits for the outcome. Default `interactive`. */
  readonly urgency?: Urgency;
  /** The service that it goes to: policies of one name share its state. Default: one of its own. */
  readonly service?: string;
  /**
   * Whether what was thrown is a failure that counts and may be tried again; `false` lets it pass, and the breaker takes it for a
   * working service. An object says more. Default: an `ApiError` says so itself, an abort does not count, all else does.
   */
  readonly handle?: (thrown: unknown) => boolean | FailureFacts;
  /** What is given when all else has failed, or thrown. */
  readonly fallback?: (thrown: unknown) => unknown;
}

/** What a failure means. */
export interface FailureFacts {
  /** Whether the same may succeed later. */
  readonly retryable: boolean;
  /** When it is to be tried again; nobody tries earlier. */
  readonly afterMs?: number | undefined;
  /** Whether it counts against the service. Default: as `retryable`. */
  readonly counts?: boolean | undefined;
}

/** What the function is told. */
export interface PolicyContext {
  /** Which attempt this is; the first is 1. */
  readonly attempt: number;
  /** Which of those that run beside each other; the first is 0. */
  readonly hedge: number;
  /** Aborted when nobody waits for this attempt any longer: it took too long, another one was faster, the caller gave up. */
  readonly signal: AbortSignal;
}

/** Anything that runs a function. */
export interface Executor {
  execute<T>(run: (context: PolicyContext) => T | Promise<T>, options?: { readonly signal?: AbortSignal }): Promise<T>;
}

/** An attempt that runs. Its controller is made when it is asked for: most functions do not. */
class Running implements PolicyContext {
  readonly attempt: number;
  readonly hedge: number;
  readonly #outer: AbortSignal | undefined;
  #controller: AbortController | undefined;
  #isAborted = false;
  /** What the function has returned. */
  result: unknown;

  constructor(attempt: number, hedge: number, outer: AbortSignal | undefined) {
    this.attempt = attempt;
    this.hedge = hedge;
    this.#outer = outer;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(this.#reason());
    }
    return this.#controller.signal;
  }

  /** Nobody waits for it any longer. */
  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort(this.#reason());
  }

  #reason(): unknown {
    return this.#outer?.aborted ? this.#outer.reason : undefined;
  }
}

/**
 * Retry, circuit breaker, timeout and the rest around any async function: the very pipeline that `sdk.fetch` goes through.
 *
 * ```ts
 * const payments = createPolicy({ retry: { maxAttempts: 4 }, breaker: true, timeoutMs: 2000 });
 * const receipt = await payments.execute(({ signal }) => pay(order, { signal }));
 * ```
 */
export class Policy implements Executor {
  readonly #core: PolicyInstance;
  readonly #events: Events;
  readonly #vocabulary: Vocabulary;
  readonly #options: PolicyOptions;
  readonly #describe: (thrown: unknown) => string;

  /** @internal */
  constructor(core: PolicyInstance, events: Events, vocabulary: Vocabulary, options: PolicyOptions) {
    this.#core = core;
    this.#events = events;
    this.#vocabulary = vocabulary;
    this.#options = options;
    this.#describe = (thrown) => JSON.stringify(describe(thrown, options.handle));
  }

  /**
   * Runs a function under the policy.
   *
   * @throws what the function has thrown last, an {@link ApiError} if the policy did not let it run or ended it (`CIRCUIT_OPEN`,
   * `BULKHEAD_FULL`, `SERVICE_PAUSED`, `DEADLINE_EXCEEDED`), and the signal's `reason` if it is aborted.
   */
  async execute<T>(run: (context: PolicyContext) => T | Promise<T>, options?: { readonly signal?: AbortSignal }): Promise<T> {
    const signal = options?.signal;
    try {
      return (await this.#core.execute(
        (attempt: number, hedge: number) => {
          const running = new Running(attempt, hedge, signal);
          running.result = run(running);
          return running;
        },
        this.#describe,
        signal,
      )) as T;
    } catch (rejection) {
      const thrown = Array.isArray(rejection) ? (rejection[0] as unknown) : toError(rejection, this.#vocabulary, signal);
      if (!this.#options.fallback || signal?.aborted) throw thrown;
      return (await this.#options.fallback(thrown)) as T;
    }
  }

  /** What is known of the service behind it. */
  get state(): ServiceSnapshot {
    return JSON.parse(this.#core.snapshot() as string) as ServiceSnapshot;
  }

  /** Opens its circuit until it is closed or reset by hand. */
  open(): void {
    this.#core.setCircuit("open");
  }

  /** Closes its circuit, with clean counts. */
  close(): void {
    this.#core.setCircuit("close");
  }

  /** Forgets all that has happened. */
  reset(): void {
    this.#core.setCircuit("reset");
  }

  /** Calls `listener` with each event of that type. Those of a policy made by `sdk.policy` are told by `sdk.on`, too. */
  on<Type extends SteadfastEvent["type"]>(
    type: Type,
    listener: (event: EventOf<Type>) => void,
    options: { readonly signal?: AbortSignal } = {},
  ): () => void {
    return this.#events.on(type, listener as (event: SteadfastEvent) => void, options.signal);
  }
}

/**
 * A policy that stands alone. Steadfast must have been opened, or `init` awaited, before.
 *
 * @throws {@link InvalidInputError} for wrong options.
 */
export function createPolicy(options: PolicyOptions = {}): Policy {
  const events = new Events();
  const vocabulary = standardVocabulary();
  return policyOf(options, events, vocabulary, (text) => {
    return new CorePolicy(text, (event: string) => events.publish(readEvent(event, vocabulary)));
  });
}

/** @internal */
export function policyOf(
  options: PolicyOptions,
  events: Events,
  vocabulary: Vocabulary,
  make: (text: string) => PolicyInstance,
): Policy {
  const { handle, fallback, ...plain } = Object(options) as PolicyOptions;
  const more = { ...(handle && { handle }), ...(fallback && { fallback }) };
  try {
    return new Policy(make(optionsText(plain)), events, vocabulary, more);
  } catch (thrown) {
    throw toError(thrown, vocabulary);
  }
}

/**
 * Runs functions under several policies, the first outermost.
 *
 * ```ts
 * const guarded = wrap(createPolicy({ timeoutMs: 10_000 }), createPolicy({ retry: true }), createPolicy({ breaker: true }));
 * ```
 */
export function wrap(...policies: readonly Executor[]): Executor {
  return {
    execute(run, options = {}) {
      type Step = (context: PolicyContext) => ReturnType<typeof run>;
      const steps = policies.reduceRight<Step>(
        (inner, policy) => (context) => policy.execute(inner, { signal: context.signal }) as ReturnType<typeof run>,
        run,
      );
      const signal = options.signal ?? new AbortController().signal;
      return Promise.resolve(steps({ attempt: 1, hedge: 0, signal })) as never;
    },
  };
}

function describe(thrown: unknown, handle: PolicyOptions["handle"]): object {
  const said = handle ? handle(thrown) : undefined;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (typeof said === "object" && said !== null) {
    const { retryable, afterMs, counts = retryable } = said;
    return { retryable, afterMs: afterMs === undefined ? undefined : Math.max(0, Math.ceil(afterMs)), neutral: !counts, message };
  }
  if (thrown instanceof ApiError) {
    const { code, status, service, retryHint } = thrown;
    const retryable = said ?? thrown.retryable;
    const byServer = status !== null && status >= 500;
    return { retryable, afterMs: retryHint?.afterMs, neutral: !retryable && !byServer, byServer, service, code, status, message };
  }
  const isAbort = thrown instanceof DOMException && thrown.name === "AbortError";
  const counts = said ?? !isAbort;
  return { retryable: counts, neutral: !counts, message };
}
