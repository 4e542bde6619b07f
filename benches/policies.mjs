// A function with a policy around it, by each of those who offer one: what it costs when all goes well. Each is set up once and
// called as its documentation says; none of them is asked for more than the others.
import { ConsecutiveBreaker, TimeoutStrategy, circuitBreaker, handleAll, retry, timeout, wrap } from "cockatiel";
// @ts-expect-error It has no types.
import CircuitBreaker from "opossum/dist/opossum.js";
import pRetry from "p-retry";
import * as steadfast from "steadfast";

/** @typedef {() => Promise<unknown>} Task */

const LIMIT_MS = 30_000;

/** What `createPolicy` will be, in a package that has none yet. @type {((options: object) => { execute: (task: Task) => Promise<unknown> }) | undefined} */
const createPolicy = /** @type {any} */ ({ ...steadfast }).createPolicy;

// Its breakers differ in what they count; this is the cheapest.
const breaker = () => circuitBreaker(handleAll, { halfOpenAfter: LIMIT_MS, breaker: new ConsecutiveBreaker(5) });
const retrying = () => retry(handleAll, { maxAttempts: 3 });

/** By name, how each wraps a task. @type {Record<string, (task: Task) => Task>} */
export const policies = {
  "the function alone": (task) => task,
  "by hand, a timeout": (task) => () =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("too late")), LIMIT_MS);
      task()
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    }),
  "p-retry": (task) => () => pRetry(task, { retries: 3 }),
  "cockatiel, retry and breaker": (task) => {
    const policy = wrap(retrying(), breaker());
    return () => policy.execute(task);
  },
  "cockatiel, retry, breaker and timeout": (task) => {
    const policy = wrap(retrying(), breaker(), timeout(LIMIT_MS, TimeoutStrategy.Aggressive));
    return () => policy.execute(task);
  },
  "opossum, breaker": (task) => {
    const policy = new CircuitBreaker(task, { timeout: false });
    return () => policy.fire();
  },
  "opossum, breaker and timeout": (task) => {
    const policy = new CircuitBreaker(task, { timeout: LIMIT_MS });
    return () => policy.fire();
  },
  ...(createPolicy && {
    "steadfast, retry and breaker": (task) => {
      const policy = createPolicy({ retry: {}, breaker: {} });
      return () => policy.execute(task);
    },
    "steadfast, retry, breaker and timeout": (task) => {
      const policy = createPolicy({ retry: {}, breaker: {}, timeoutMs: LIMIT_MS });
      return () => policy.execute(task);
    },
  }),
};
