import { Policy as CorePolicy, type PolicyInstance, requireCore } from "./core.js";
import { ApiError, invalidOption, toError } from "./errors.js";
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
  /**
   * The service that it goes to: all policies and calls of one SDK that name it share its state. What is not named is as it is for
   * that service then. Default: one of its own.
   */
  readonly service?: string;
  /**
   * Whether what was thrown is a failure that counts and may be tried again; `false` lets it pass, and the breaker takes it for a
   * working service. An object says more. Default: an `ApiError` is judged as that of a call, an abort says nothing of the service
   * and is not tried again, all else is a failure. One that throws is reported (`reportError`), and the default holds.
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
  /** Whether it counts against the service; `false`: it says nothing of it. Default: if it is not `retryable`, the service works. */
  readonly counts?: boolean | undefined;
}

/** What the function is told. */
export interface PolicyContext {
  /** Which attempt this is; the first is 1. Under {@link wrap}, the attempts of all policies count together. */
  readonly attempt: number;
  /** Which of those that run beside each other; the first is 0. */
  readonly hedge: number;
  /** Aborted when nobody waits for this attempt any longer: it took too long, another one was faster, the caller gave up. */
  readonly signal: AbortSignal;
}

/** Of what was thrown, no more than this is told in events. */
const LONGEST_MESSAGE = 1000;

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
  /** What the function has returned, as long as someone waits for it. */
  result: unknown;
  #letGo: (() => void) | undefined;

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

  /** The core waits for `result`. A promise that is never settled would never be let go of. */
  hold(result: unknown): void {
    if ((typeof result !== "object" || result === null) && typeof result !== "function") {
      this.result = result;
      return;
    }
    this.result = new Promise((resolve, reject) => {
      this.#letGo = () => resolve(undefined);
      Promise.resolve(result).then(resolve, reject);
    });
  }

  /** Nobody waits for it any longer. */
  abort(): void {
    this.#isAborted = true;
    this.#letGo?.();
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
    if (typeof run !== "function") throw new TypeError(`execute takes a function, and got ${show(run)}`);
    const signal = options?.signal ?? undefined;
    if (signal !== undefined && typeof signal.addEventListener !== "function") {
      throw invalidOption("signal", show(signal), "an AbortSignal");
    }
    try {
      return (await this.#core.execute(
        (attempt: number, hedge: number) => {
          const running = new Running(attempt, hedge, signal);
          running.hold(run(running));
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

  /** Forgets how calls have gone, and closes its circuit. What the service has asked for, and the budget, stay. */
  reset(): void {
    this.#core.setCircuit("reset");
  }

  /**
   * Calls `listener` with each event of that type that is about this policy, or about its service. Those of a policy made by
   * `sdk.policy` are told by `sdk.on`, too.
   */
  on<Type extends SteadfastEvent["type"]>(
    type: Type,
    listener: (event: EventOf<Type>) => void,
    options: { readonly signal?: AbortSignal } = {},
  ): () => void {
    const { service } = this.state;
    const own = (event: SteadfastEvent) => {
      const about = event as { readonly service?: string; readonly correlationId?: string | null };
      if ((about.service ?? about.correlationId) === service) listener(event as EventOf<Type>);
    };
    return this.#events.on(type, own, options.signal);
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
  requireCore();
  const { handle, fallback, ...plain } = Object(options) as PolicyOptions;
  for (const [name, hook] of Object.entries({ handle, fallback })) {
    if (hook !== undefined && typeof hook !== "function") throw invalidOption(name, hook, "a function");
  }
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
    async execute(run, options) {
      type Step = (context: PolicyContext) => ReturnType<typeof run>;
      let attempts = 0;
      const counted: Step = (context) => {
        // One that runs beside another is the same attempt.
        if (context.hedge === 0) attempts += 1;
        return run({
          attempt: Math.max(attempts, 1),
          hedge: context.hedge,
          get signal() {
            return context.signal;
          },
        });
      };
      const steps = policies.reduceRight<Step>((inner, policy) => {
        return (outer) => {
          const step: Step = (context) => {
            return inner({
              attempt: context.attempt,
              hedge: Math.max(outer.hedge, context.hedge),
              get signal() {
                return context.signal;
              },
            });
          };
          return policy.execute(step, { signal: outer.signal }) as ReturnType<typeof run>;
        };
      }, counted);
      const signal = options?.signal ?? new AbortController().signal;
      return (await steps({ attempt: 1, hedge: 0, signal })) as never;
    },
  };
}

/** What is known of something that was thrown, for the core. Whatever it is: this cannot fail. */
function describe(thrown: unknown, handle: PolicyOptions["handle"]): object {
  const message = show(thrown);
  const said = handle && ask(handle, thrown);
  if (typeof said === "object") {
    const { afterMs, counts } = said;
    const retryable = Boolean(said.retryable);
    const shows = counts === undefined ? (retryable ? "failure" : "success") : counts ? "failure" : "nothing";
    return { retryable, afterMs: milliseconds(afterMs), shows, message };
  }
  const error = asApiError(thrown);
  if (error) {
    const { code, status, category, service, retryHint } = error;
    const shows = said === undefined ? undefined : said ? "failure" : "success";
    const api = { code, status, category, service };
    return { retryable: said ?? error.retryable, afterMs: milliseconds(retryHint?.afterMs), shows, api, message };
  }
  if (said === undefined && isAbort(thrown)) return { retryable: false, shows: "nothing", message };
  const isFailure = said ?? true;
  return { retryable: isFailure, shows: isFailure ? "failure" : "success", message };
}

/** What `handle` says; `undefined` if it says nothing that can be understood. */
function ask(handle: NonNullable<PolicyOptions["handle"]>, thrown: unknown): boolean | FailureFacts | undefined {
  try {
    const said: unknown = handle(thrown);
    if (said instanceof Promise) {
      said.catch(() => {});
      throw new TypeError("handle must answer at once, and not promise to");
    }
    if (said === undefined || said === null) return undefined;
    return typeof said === "object" ? (said as FailureFacts) : Boolean(said);
  } catch (error) {
    const failure = new Error("Steadfast: the option handle of a policy failed", { cause: error });
    if (typeof reportError === "function") reportError(failure);
    else console.error(failure);
    return undefined;
  }
}

function asApiError(thrown: unknown): ApiError | undefined {
  try {
    return ApiError.isApiError(thrown) ? thrown : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the function was told to stop. Node's own errors of that name are no `DOMException`s. */
function isAbort(thrown: unknown): boolean {
  try {
    return typeof thrown === "object" && (thrown as Error | null)?.name === "AbortError";
  } catch {
    return false;
  }
}

/** As a text that the core can read, of a length that a message has. */
function show(value: unknown): string {
  try {
    const text = value instanceof Error ? String(value.message) : String(value);
    return text.slice(0, LONGEST_MESSAGE).replace(/\p{Surrogate}/gu, "\ufffd");
  } catch {
    return "something that cannot be shown";
  }
}

function milliseconds(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const number = Math.ceil(Number(value));
  return Number.isNaN(number) ? undefined : Math.min(Math.max(0, number), Number.MAX_SAFE_INTEGER);
}
