// Policies around functions of one's own: trying again, trying twice, for how long, and what else there is.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ApiError, createPolicy } from "steadfast";
import { aborted, apiError, asTarget, atOnce, begin, failing, failure, gated } from "./policies.mjs";

begin();

// Retry.

test("a failure is tried again, and each attempt knows its number", async () => {
  const policy = createPolicy({ retry: { maxAttempts: 3, ...atOnce } });
  const { attempts, run } = failing(2);
  assert.equal(await policy.execute(run), "done");
  assert.deepEqual(attempts, [1, 2, 3]);
  const hopeless = failing(9);
  assert.equal((await failure(policy.execute(hopeless.run))).message, "not yet");
  assert.deepEqual(hopeless.attempts, [1, 2, 3]);
});

test("a function that throws at once is tried again as well", async () => {
  let calls = 0;
  const value = await createPolicy({ retry: { maxAttempts: 2, ...atOnce } }).execute(() => {
    if (calls++ === 0) throw new Error("at once");
    return calls;
  });
  assert.equal(value, 2);
});

test("retries tell of themselves, and of their end", async () => {
  const policy = createPolicy({ retry: { maxAttempts: 2, ...atOnce } });
  /** @type {unknown[]} */
  const told = [];
  policy.on("retryScheduled", ({ attempt, because, error }) => told.push([attempt, because, error.message]));
  policy.on("callFailed", ({ because, error }) => told.push([because, error.code]));
  await failure(policy.execute(failing(9).run));
  await turn();
  assert.deepEqual(told, [
    [1, "backoff", "not yet"],
    ["attemptsExhausted", "FUNCTION_FAILED"],
  ]);
});

test("handle decides what is tried again", async () => {
  class NotFound extends Error {}
  const policy = createPolicy({
    retry: { maxAttempts: 3, ...atOnce },
    handle: (thrown) => !(thrown instanceof NotFound),
  });
  const missing = failing(9, () => new NotFound());
  assert.ok((await failure(policy.execute(missing.run))) instanceof NotFound);
  assert.deepEqual(missing.attempts, [1]);
  assert.equal(await policy.execute(failing(2).run), "done");
});

test("handle may name the moment, before which nothing is tried", async () => {
  const policy = createPolicy({ retry: { maxAttempts: 2, ...atOnce }, handle: () => ({ retryable: true, afterMs: 30 }) });
  /** @type {unknown[]} */
  const told = [];
  policy.on("retryScheduled", ({ because, afterMs }) => told.push(because, afterMs >= 30));
  const start = performance.now();
  assert.equal(await policy.execute(failing(1).run), "done");
  assert.ok(performance.now() - start >= 29);
  await turn();
  assert.deepEqual(told, ["serverHint", true]);
});

test("a moment that is further than the policy waits ends the execution, however far it is", async () => {
  for (const afterMs of [60_000, Number.MAX_VALUE, Infinity]) {
    const policy = createPolicy({ retry: { maxAttempts: 3, maxWaitMs: 1000 }, handle: () => ({ retryable: true, afterMs }) });
    const { attempts, run } = failing(9);
    const over = once(asTarget(policy, "callFailed"), "callFailed");
    assert.equal((await failure(policy.execute(run))).message, "not yet");
    assert.deepEqual(attempts, [1]);
    assert.equal((await over)[0].detail.because, "hintBeyondMaxWait");
  }
  for (const afterMs of [-1, Number.NaN, 0.2]) {
    const policy = createPolicy({ retry: { maxAttempts: 2, ...atOnce }, handle: () => ({ retryable: true, afterMs }) });
    assert.equal(await policy.execute(failing(1).run), "done");
  }
});

test("an ApiError says itself whether the same may succeed later", async () => {
  const policy = createPolicy({ retry: { maxAttempts: 2, ...atOnce } });
  const fatal = await apiError(404);
  const missing = failing(9, () => fatal);
  assert.equal(await failure(policy.execute(missing.run)), fatal);
  assert.deepEqual(missing.attempts, [1]);
  const passing = await apiError(503);
  const away = failing(9, () => passing);
  assert.equal(await failure(policy.execute(away.run)), passing);
  assert.deepEqual(away.attempts, [1, 2]);
});

test("an ApiError's moment is waited for, and handle may think otherwise of it", async () => {
  const busy = await apiError(503, {}, { "retry-after": "3600" });
  const waits = createPolicy({ retry: { maxAttempts: 2, ...atOnce } });
  const { attempts, run } = failing(9, () => busy);
  assert.equal(await failure(waits.execute(run)), busy);
  assert.deepEqual(attempts, [1]);
  const hurries = createPolicy({ retry: { maxAttempts: 2, ...atOnce }, handle: () => ({ retryable: true }) });
  assert.equal(await hurries.execute(failing(1, () => busy).run), "done");
});

test("a handle that throws, or promises, is reported and leaves the decision to the default", async () => {
  /** @type {unknown[]} */
  const reported = [];
  const log = console.error;
  console.error = (/** @type {unknown} */ error) => reported.push(error);
  try {
    const broken = new Error("broken handle");
    for (const handle of /** @type {any[]} */ ([
      () => {
        throw broken;
      },
      async () => false,
      async () => {
        throw broken;
      },
    ])) {
      const policy = createPolicy({ retry: { maxAttempts: 2, ...atOnce }, handle });
      assert.equal(await policy.execute(failing(1).run), "done");
    }
  } finally {
    console.error = log;
  }
  assert.equal(reported.length, 3);
});

test("facts of the wrong type are taken for what they mean", async () => {
  const handle = /** @type {any} */ (() => ({ retryable: 1, afterMs: "5", counts: "no" }));
  assert.equal(await createPolicy({ retry: { maxAttempts: 2, ...atOnce }, handle }).execute(failing(1).run), "done");
  const nothing = failing(9);
  await failure(
    createPolicy({ retry: { maxAttempts: 2, ...atOnce }, handle: /** @type {any} */ (() => ({})) }).execute(nothing.run),
  );
  assert.deepEqual(nothing.attempts, [1]);
});

test("a budget that is used up ends the retries, and not the function", async () => {
  const policy = createPolicy({
    retry: { maxAttempts: 20, ...atOnce },
    budget: { capacity: 10, cost: 5, reward: 0, refillMs: 0 },
  });
  const over = once(asTarget(policy, "callFailed"), "callFailed");
  const { attempts, run } = failing(99);
  assert.equal((await failure(policy.execute(run))).message, "not yet");
  assert.deepEqual(attempts, [1, 2, 3]);
  assert.equal((await over)[0].detail.because, "budgetExhausted");
  assert.equal(policy.state.budget?.refused, 1);
  const once_ = failing(1);
  await failure(policy.execute(once_.run));
  assert.deepEqual(once_.attempts, [1], "what is tried the first time costs nothing");
});

// Hedge.

test("a slow attempt gets company, the first answer wins, and the loser is told", async () => {
  const policy = createPolicy({ hedge: { afterMs: 5 } });
  /** @type {number[]} */
  const sent = [];
  policy.on("hedgeSent", ({ attempt, hedge }) => sent.push(attempt, hedge));
  /** @type {AbortSignal | undefined} */
  let loser;
  /** @type {AbortSignal | undefined} */
  let winner;
  const value = await policy.execute(({ attempt, hedge, signal }) => {
    assert.equal(attempt, 1);
    if (hedge === 0) return aborted((loser = signal));
    winner = signal;
    return Promise.resolve("fast");
  });
  assert.equal(value, "fast");
  assert.equal(loser?.aborted, true);
  assert.equal(loser?.reason.name, "AbortError");
  assert.equal(winner?.aborted, false);
  await turn();
  assert.deepEqual(sent, [1, 1]);
});

test("a failure counts only when all that were sent have failed", async () => {
  const policy = createPolicy({ hedge: { afterMs: 2 } });
  const second = gated();
  const value = policy.execute(({ hedge }) => {
    if (hedge === 1) {
      second.resolve();
      return new Promise((resolve) => setTimeout(resolve, 5, "second"));
    }
    return second.promise.then(() => Promise.reject(new Error("first")));
  });
  assert.equal(await value, "second");
  const fast = createPolicy({ hedge: { afterMs: 1000 } });
  let calls = 0;
  await failure(fast.execute(() => (calls++, Promise.reject(new Error("at once")))));
  assert.equal(calls, 1, "what has failed is not slow");
});

// Timeouts.

test("an attempt that takes too long is told so, and may be tried again", async () => {
  const policy = createPolicy({ timeoutMs: 10, retry: { maxAttempts: 2, ...atOnce } });
  /** @type {AbortSignal[]} */
  const signals = [];
  const error = await failure(
    policy.execute(({ signal }) => {
      signals.push(signal);
      return aborted(signal);
    }),
  );
  assert.ok(error instanceof ApiError);
  assert.equal(error.code, "DEADLINE_EXCEEDED");
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, true],
  );
  assert.equal(await policy.execute(async () => "fast"), "fast");
});

test("a timeout counts against the service", async () => {
  const policy = createPolicy({ timeoutMs: 5, breaker: { consecutiveFailures: 1 } });
  await failure(policy.execute(() => new Promise(() => {})));
  assert.equal(policy.state.breaker?.state, "open");
});

test("the total timeout ends attempts, and the waits between them before they begin", async () => {
  const policy = createPolicy({ totalTimeoutMs: 15, retry: { maxAttempts: 20, ...atOnce } });
  const start = performance.now();
  const error = await failure(policy.execute(({ signal }) => aborted(signal)));
  assert.equal(error.code, "DEADLINE_EXCEEDED");
  assert.ok(performance.now() - start < 1000);
  const patient = createPolicy({ totalTimeoutMs: 50, retry: { baseDelayMs: 60_000, maxDelayMs: 60_000, jitter: "none" } });
  const { attempts, run } = failing(9);
  assert.equal((await failure(patient.execute(run))).message, "not yet", "what went wrong, and not that time has passed");
  assert.deepEqual(attempts, [1]);
});

// Fallback.

test("a fallback is given what all else has failed with", async () => {
  const policy = createPolicy({
    retry: { maxAttempts: 2, ...atOnce },
    fallback: (thrown) => `instead of: ${/** @type {Error} */ (thrown).message}`,
  });
  const { attempts, run } = failing(9);
  assert.equal(await policy.execute(run), "instead of: not yet");
  assert.deepEqual(attempts, [1, 2]);
  policy.open();
  const throws = createPolicy({ breaker: true, fallback: (thrown) => Promise.reject(thrown) });
  throws.open();
  assert.equal((await failure(throws.execute(() => 1))).code, "CIRCUIT_OPEN");
});

test("who gives up gets no fallback", async () => {
  const policy = createPolicy({ fallback: () => assert.fail("called") });
  const controller = new AbortController();
  const pending = failure(policy.execute(() => new Promise(() => {}), { signal: controller.signal }));
  await turn();
  controller.abort("enough");
  assert.equal(await pending, "enough");
});
