// Policies around functions of one's own: each part alone, in company, and with what functions do to those who call them.
import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { after, before, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ApiError, createPolicy, init, InvalidInputError, Steadfast, wrap } from "steadfast";

/** @typedef {import("steadfast").PolicyContext} PolicyContext */
/** @typedef {import("steadfast").PolicyOptions} PolicyOptions */

const baseUrl = "https://api.example";
/** Retries that follow at once. */
const atOnce = { baseDelayMs: 0, maxDelayMs: 0 };

const answering = async () => Response.json({});

/** @type {unknown[]} */
const unhandled = [];
const note = (/** @type {unknown} */ reason) => unhandled.push(reason);

before(() => {
  process.on("unhandledRejection", note);
  return init();
});
after(async () => {
  await turn();
  process.off("unhandledRejection", note);
  assert.deepEqual(unhandled, [], "no rejection is left to itself");
});

/** @param {Promise<unknown>} promise @returns {Promise<any>} */
const failure = (promise) =>
  promise.then(
    (value) => assert.fail(`it should have failed, and gave ${String(value)}`),
    (error) => error,
  );

/** What is called back when its signal is aborted. @param {AbortSignal} signal */
const aborted = (signal) =>
  /** @type {Promise<never>} */ (
    new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason));
    })
  );

/** Fails so often with that, and then succeeds. @param {number} times @param {() => unknown} [thrown] */
function failing(times, thrown = () => new Error("not yet")) {
  /** @type {number[]} */
  const attempts = [];
  const run = async (/** @type {PolicyContext} */ { attempt }) => {
    attempts.push(attempt);
    if (attempts.length <= times) throw thrown();
    return "done";
  };
  return { attempts, run };
}

/** A promise, and what settles it. */
function gated() {
  /** @type {(value?: unknown) => void} */
  let resolve = () => {};
  /** @type {(reason: unknown) => void} */
  let reject = () => {};
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}

/** Errors as the SDK makes them. @param {number} status @param {object} [more] @param {HeadersInit} [headers] */
async function apiError(status, more = {}, headers = {}) {
  const error = { code: "SOMETHING", message: "m", severity: "low" };
  const fetch = async () => Response.json({ success: false, error, ...more }, { status, headers });
  const sdk = await Steadfast.open({ baseUrl, fetch });
  const made = await failure(sdk.fetch("/", {}, { maxAttempts: 1 }));
  sdk.close();
  assert.ok(made instanceof ApiError);
  return made;
}

// Alone.

test("without options a function runs once, and its outcome is that of the execution", async () => {
  const policy = createPolicy();
  const value = { any: "thing" };
  assert.equal(await policy.execute(() => value), value);
  assert.equal(await policy.execute(async () => undefined), undefined);
  const thrown = new Error("mine");
  const { attempts, run } = failing(1, () => thrown);
  assert.equal(await failure(policy.execute(run)), thrown);
  assert.deepEqual(attempts, [1]);
});

test("a policy made before the WebAssembly is loaded says what to wait for", async () => {
  const { execFileSync } = await import("node:child_process");
  const script = `
    import { createPolicy } from "steadfast";
    try { createPolicy({ retry: true }); } catch (error) { console.log(error.name + ": " + error.message); }
  `;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: import.meta.dirname,
    encoding: "utf8",
  });
  assert.match(output, /init/);
});

test("whatever is thrown comes out as it is", async () => {
  const policy = createPolicy({ retry: { maxAttempts: 2, ...atOnce } });
  const strange = Object.create(null);
  const unprintable = {
    toString() {
      throw new Error("no");
    },
  };
  const proxy = new Proxy(
    {},
    {
      get() {
        throw new Error("no");
      },
      getPrototypeOf() {
        throw new Error("no");
      },
    },
  );
  for (const thrown of [
    undefined,
    null,
    0,
    "",
    '{"kind":"closed","message":"not really"}',
    '["a","list"]',
    ["a", "list"],
    [],
    Symbol("s"),
    10n,
    strange,
    unprintable,
    proxy,
    () => {},
    "\ud800 half a character",
    Object.assign(new Error("odd"), { message: 42 }),
    Object.assign(new Error("odd"), { message: { toString: null } }),
    new Error("long ".repeat(100_000)),
  ]) {
    for (const run of [
      () => {
        throw thrown;
      },
      () => Promise.reject(thrown),
    ]) {
      let calls = 0;
      // In a list: a promise would look for a `then` in it.
      const [error] = await policy
        .execute(() => (calls++, run()))
        .then(
          () => assert.fail(),
          (error) => [error],
        );
      assert.ok(Object.is(error, thrown), "the very same");
      assert.equal(calls, 2, "and a failure like any other");
    }
  }
});

test("what a function gives is awaited, whatever promises it", async () => {
  const policy = createPolicy({ timeoutMs: 1000 });
  assert.equal(
    await policy.execute(() => /** @type {any} */ ({ then: (/** @type {Function} */ take) => take("taken") })),
    "taken",
  );
  const broken = Object.defineProperty({}, "then", {
    get() {
      throw "no promise";
    },
  });
  assert.equal(await failure(policy.execute(() => /** @type {any} */ (broken))), "no promise");
});

test("wrong options say what, where, and what is allowed", async () => {
  for (const [options, path] of /** @type {[any, string][]} */ ([
    [{ retry: { maxAttempts: 0 } }, "retry.maxAttempts"],
    [{ retry: { maxAttempts: "3" } }, "retry.maxAttempts"],
    [{ retry: { jitter: "some" } }, "retry.jitter"],
    [{ retry: { attempts: 3 } }, "retry.attempts"],
    [{ retry: 3 }, "retry"],
    [{ breaker: { openMs: -1 } }, "breaker.openMs"],
    [{ breaker: { failureRatio: Number.NaN } }, "breaker.failureRatio"],
    [{ bulkhead: { maxConcurrent: 0 } }, "bulkhead.maxConcurrent"],
    [{ budget: "large" }, "budget"],
    [{ hedge: { afterMs: 0 } }, "hedge.afterMs"],
    [{ hedge: { max: 2 } }, "hedge.afterMs"],
    [{ hedge: true }, "hedge"],
    [{ timeoutMs: 0 }, "timeoutMs"],
    [{ timeoutMs: Infinity }, "timeoutMs"],
    [{ totalTimeoutMs: "1s" }, "totalTimeoutMs"],
    [{ urgency: "low" }, "urgency"],
    [{ service: "" }, "service"],
    [{ handle: true }, "handle"],
    [{ fallback: "nothing" }, "fallback"],
    [{ retries: 3 }, "retries"],
  ])) {
    assert.throws(
      () => createPolicy(options),
      (error) => {
        assert.ok(error instanceof InvalidInputError, String(error));
        assert.equal(error.path, path);
        assert.ok(error.allowed.length > 0 && error.message.includes(error.received));
        return true;
      },
    );
  }
});

test("what is executed with the wrong arguments says so, and is not tried", async () => {
  const policy = createPolicy({ retry: { maxAttempts: 3, ...atOnce } });
  assert.ok((await failure(policy.execute(/** @type {any} */ ("run")))) instanceof TypeError);
  const error = await failure(
    policy.execute(() => assert.fail("called"), /** @type {any} */ ({ signal: new AbortController() })),
  );
  assert.ok(error instanceof InvalidInputError, String(error));
  assert.equal(error.path, "signal");
  assert.equal(await policy.execute(() => 1, /** @type {any} */ ({ signal: null })), 1);
});

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

/** @param {import("steadfast").Policy} policy @param {any} type */
function asTarget(policy, type) {
  const target = new EventTarget();
  policy.on(type, (event) => target.dispatchEvent(new CustomEvent(type, { detail: event })));
  return target;
}

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

// Circuit breaker.

test("a breaker opens, refuses, lets one through to see, and closes", async () => {
  const policy = createPolicy({ breaker: { consecutiveFailures: 2, openMs: 20, halfOpenCalls: 1 } });
  /** @type {unknown[]} */
  const told = [];
  policy.on("circuitChanged", ({ from, to, because }) => told.push([from, to, because]));
  assert.equal(policy.state.breaker?.state, "closed");
  await failure(policy.execute(failing(9).run));
  assert.equal(policy.state.breaker?.failuresInARow, 1);
  await failure(policy.execute(failing(9).run));
  const { breaker } = policy.state;
  assert.equal(breaker?.state, "open");
  assert.ok(Number(breaker?.openRemainingMs) > 0 && Number(breaker?.openRemainingMs) <= 23);
  const refused = await failure(policy.execute(() => assert.fail("called")));
  assert.ok(refused instanceof ApiError);
  assert.equal(refused.code, "CIRCUIT_OPEN");
  assert.equal(refused.retryable, true);
  assert.ok(Number(refused.retryHint?.afterMs) <= 23);
  assert.ok(refused.userMessage.length > 0);
  await isOver(policy);
  assert.equal(await policy.execute(() => "probe"), "probe");
  assert.equal(policy.state.breaker?.state, "closed");
  await turn();
  assert.deepEqual(told, [
    ["closed", "open", "consecutiveFailures"],
    ["open", "halfOpen", "openTimeOver"],
    ["halfOpen", "closed", "probesSucceeded"],
  ]);
});

/** Resolves when its circuit is no longer open. @param {import("steadfast").Policy} policy */
async function isOver(policy) {
  for (let left; (left = policy.state.breaker?.openRemainingMs) != null;) {
    await new Promise((resolve) => setTimeout(resolve, left));
  }
}

test("a probe that fails opens it again, for longer", async () => {
  const policy = createPolicy({ breaker: { consecutiveFailures: 1, openMs: 10, openMultiplier: 10 } });
  await failure(policy.execute(failing(9).run));
  await isOver(policy);
  await failure(policy.execute(failing(9).run));
  const { breaker } = policy.state;
  assert.equal(breaker?.state, "open");
  assert.equal(breaker?.opens, 2);
  assert.ok(Number(breaker?.openRemainingMs) > 50);
});

test("while all probes are out, everyone else is refused", async () => {
  const policy = createPolicy({ breaker: { consecutiveFailures: 1, openMs: 1, halfOpenCalls: 1 } });
  await failure(policy.execute(failing(9).run));
  await isOver(policy);
  const { promise, resolve } = gated();
  const probe = policy.execute(() => promise);
  await turn();
  assert.equal((await failure(policy.execute(() => "another"))).code, "CIRCUIT_OPEN");
  resolve("probe");
  assert.equal(await probe, "probe");
  assert.equal(await policy.execute(() => "another"), "another");
});

test("a probe whose caller gives up leaves its place to the next", async () => {
  const policy = createPolicy({ breaker: { consecutiveFailures: 1, openMs: 1, halfOpenCalls: 1 } });
  await failure(policy.execute(failing(9).run));
  await isOver(policy);
  const controller = new AbortController();
  const probe = failure(policy.execute(() => new Promise(() => {}), { signal: controller.signal }));
  await turn();
  controller.abort("enough");
  assert.equal(await probe, "enough");
  assert.equal(await policy.execute(() => "next"), "next");
});

test("what handle lets pass is no failure: it leaves a closed circuit closed, and closes a half-open one", async () => {
  const wrongInput = new Error("wrong input");
  const policy = createPolicy({
    breaker: { consecutiveFailures: 1, openMs: 1, halfOpenCalls: 1 },
    handle: (thrown) => thrown !== wrongInput,
  });
  assert.equal(await failure(policy.execute(() => Promise.reject(wrongInput))), wrongInput);
  assert.equal(policy.state.breaker?.state, "closed");
  await failure(policy.execute(failing(9).run));
  await isOver(policy);
  assert.equal(await failure(policy.execute(() => Promise.reject(wrongInput))), wrongInput);
  assert.equal(policy.state.breaker?.state, "closed");
});

test("what does not count says nothing of the service, and what counts does so without a retry, too", async () => {
  let facts = { retryable: true, counts: false };
  const policy = createPolicy({ breaker: { consecutiveFailures: 1 }, handle: () => facts });
  await failure(policy.execute(failing(9).run));
  assert.equal(policy.state.breaker?.state, "closed");
  facts = { retryable: false, counts: true };
  await failure(policy.execute(failing(9).run));
  assert.equal(policy.state.breaker?.state, "open");
});

test("an abort of the function's own says nothing of the service, and is not tried again", async () => {
  const policy = createPolicy({ retry: { maxAttempts: 3, ...atOnce }, breaker: { consecutiveFailures: 1 } });
  const { attempts, run } = failing(9, () => new DOMException("I stopped.", "AbortError"));
  assert.equal((await failure(policy.execute(run))).name, "AbortError");
  assert.deepEqual(attempts, [1]);
  assert.equal(policy.state.breaker?.state, "closed");
});

test("an ApiError counts as it does for calls: refusals and too many requests are no failures of the service", async () => {
  for (const [status, opens] of /** @type {const} */ ([
    [404, false],
    [429, false],
    [501, false],
    [500, true],
    [503, true],
  ])) {
    const error = await apiError(status);
    const policy = createPolicy({ breaker: { consecutiveFailures: 1 } });
    await failure(policy.execute(() => Promise.reject(error)));
    assert.equal(policy.state.breaker?.state, opens ? "open" : "closed", String(status));
  }
});

test("an ApiError that names a part of the backend counts for the policy around it", async () => {
  const error = await apiError(503, { context: { service: "runninghub_api" } });
  assert.equal(error.service, "runninghub_api");
  const policy = createPolicy({ breaker: { consecutiveFailures: 1 } });
  await failure(policy.execute(() => Promise.reject(error)));
  assert.equal(policy.state.breaker?.state, "open");
});

test("a circuit is opened, closed and reset by hand", async () => {
  const policy = createPolicy({ breaker: { consecutiveFailures: 2 } });
  /** @type {unknown[]} */
  const told = [];
  policy.on("circuitChanged", ({ to, because, openForMs }) => told.push([to, because, openForMs]));
  policy.open();
  assert.equal(policy.state.breaker?.state, "forcedOpen");
  assert.equal(policy.state.breaker?.openRemainingMs, null);
  const refused = await failure(policy.execute(() => assert.fail("called")));
  assert.deepEqual([refused.code, refused.retryHint], ["CIRCUIT_OPEN", null]);
  policy.close();
  assert.equal(await policy.execute(() => 1), 1);
  await failure(policy.execute(failing(9).run));
  policy.reset();
  assert.equal(policy.state.breaker?.failuresInARow, 0);
  assert.equal(policy.state.breaker?.calls, 0);
  await turn();
  assert.deepEqual(told, [
    ["forcedOpen", "byHand", null],
    ["closed", "byHand", null],
  ]);
  const without = createPolicy();
  without.open();
  assert.equal((await failure(without.execute(() => 1))).code, "CIRCUIT_OPEN", "what a hand opens needs no breaker");
  without.close();
  assert.equal(await without.execute(() => "it is closed"), "it is closed");
});

test("a retry does not wait for a circuit that will still be open", async () => {
  const policy = createPolicy({ retry: { maxAttempts: 5, ...atOnce }, breaker: { consecutiveFailures: 2, openMs: 60_000 } });
  const over = once(asTarget(policy, "callFailed"), "callFailed");
  const { attempts, run } = failing(9);
  assert.equal((await failure(policy.execute(run))).message, "not yet", "the error is the function's own");
  assert.deepEqual(attempts, [1, 2]);
  assert.equal((await over)[0].detail.because, "circuitOpen");
});

// Bulkhead.

test("so many run, so many wait, and the rest is refused", async () => {
  const policy = createPolicy({ bulkhead: { maxConcurrent: 2, maxQueued: 1 } });
  const gate = gated();
  let running = 0;
  let most = 0;
  const run = async () => {
    most = Math.max(most, ++running);
    await gate.promise;
    running--;
    return "done";
  };
  const through = [policy.execute(run), policy.execute(run), policy.execute(run)];
  await turn();
  assert.deepEqual(policy.state.bulkhead, { running: 2, queued: 1 });
  const refused = await failure(policy.execute(run));
  assert.deepEqual([refused.code, refused.retryable, refused.status], ["BULKHEAD_FULL", true, null]);
  gate.resolve();
  assert.deepEqual(await Promise.all(through), ["done", "done", "done"]);
  assert.equal(most, 2);
  assert.deepEqual(policy.state.bulkhead, { running: 0, queued: 0 });
});

test("who leaves the line makes room, and failures give their seats back", async () => {
  const policy = createPolicy({ bulkhead: { maxConcurrent: 1, maxQueued: 1 } });
  const gate = gated();
  const first = failure(policy.execute(() => gate.promise));
  const controller = new AbortController();
  const second = failure(policy.execute(() => assert.fail("called"), { signal: controller.signal }));
  await turn();
  controller.abort(new Error("tired of waiting"));
  assert.equal((await second).message, "tired of waiting");
  const third = policy.execute(() => "third");
  await turn();
  gate.reject(new Error("first"));
  assert.equal((await first).message, "first");
  assert.equal(await third, "third");
});

test("the total timeout holds in the line, too", async () => {
  const sdk = await Steadfast.open({ baseUrl, fetch: answering });
  const patient = sdk.policy({ service: "s", bulkhead: { maxConcurrent: 1 } });
  const gate = gated();
  const holder = patient.execute(() => gate.promise);
  await turn();
  const error = await failure(sdk.policy({ service: "s", totalTimeoutMs: 10 }).execute(() => assert.fail("called")));
  assert.equal(error.code, "DEADLINE_EXCEEDED");
  gate.resolve("done");
  assert.equal(await holder, "done");
  assert.equal(await patient.execute(() => "next"), "next");
  sdk.close();
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

// Giving up.

test("an abort before, while and between ends it with the signal's own reason", async () => {
  const reason = { my: "reason" };
  const policy = createPolicy({ retry: { maxAttempts: 3, baseDelayMs: 60_000, maxDelayMs: 60_000, jitter: "none" } });
  assert.equal(await failure(policy.execute(() => assert.fail("called"), { signal: AbortSignal.abort(reason) })), reason);

  const during = new AbortController();
  /** @type {AbortSignal | undefined} */
  let inner;
  const running = failure(policy.execute(({ signal }) => aborted((inner = signal)), { signal: during.signal }));
  await turn();
  during.abort(reason);
  assert.equal(await running, reason);
  assert.equal(inner?.aborted, true);
  assert.equal(inner?.reason, reason, "the function is told the same");

  const between = new AbortController();
  policy.on("retryScheduled", () => between.abort(reason));
  const { attempts, run } = failing(9);
  assert.equal(await failure(policy.execute(run, { signal: between.signal })), reason);
  assert.deepEqual(attempts, [1]);
});

test("a signal that is asked for only after the abort is aborted", async () => {
  const controller = new AbortController();
  /** @type {PolicyContext | undefined} */
  let kept;
  const pending = failure(
    createPolicy().execute(
      (context) => {
        kept = context;
        return new Promise(() => {});
      },
      { signal: controller.signal },
    ),
  );
  await turn();
  controller.abort("late");
  await pending;
  assert.equal(kept?.signal.reason, "late");
});

test("a signal that lives long does not collect what has listened to it", async () => {
  const { signal } = new AbortController();
  const policy = createPolicy({ retry: { maxAttempts: 2, ...atOnce }, timeoutMs: 1000, hedge: { afterMs: 500 } });
  const guarded = wrap(policy, createPolicy({ timeoutMs: 500 }));
  for (let index = 0; index < 200; index++) {
    await policy.execute(failing(index % 2).run, { signal });
    await guarded.execute(async ({ signal }) => signal.aborted, { signal });
  }
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

// In company.

test("a policy runs inside another, and inside itself", async () => {
  const policy = createPolicy({
    retry: { maxAttempts: 2, ...atOnce },
    breaker: true,
    bulkhead: { maxConcurrent: 3 },
    timeoutMs: 1000,
  });
  const inner = failing(1);
  const value = await policy.execute(() => policy.execute(() => createPolicy({ retry: { ...atOnce } }).execute(inner.run)));
  assert.equal(value, "done");
  assert.deepEqual(inner.attempts, [1, 2]);
  const opens = createPolicy({
    breaker: { consecutiveFailures: 1 },
    retry: { maxAttempts: 2, ...atOnce },
    handle: () => {
      opens.reset();
      return true;
    },
  });
  assert.equal(await opens.execute(failing(1).run), "done", "and may be changed by what it asks");
});

test("wrap runs the first policy outermost", async () => {
  /** @type {string[]} */
  const order = [];
  /** @param {string} name @returns {import("steadfast").Executor} */
  const named = (name) => ({
    async execute(run, options) {
      order.push(`${name} in`);
      const result = await run({ attempt: 1, hedge: 0, signal: options?.signal ?? new AbortController().signal });
      order.push(`${name} out`);
      return result;
    },
  });
  const all = wrap(named("a"), createPolicy(), named("b"), named("c"));
  assert.equal(await all.execute(() => (order.push("run"), 7)), 7);
  assert.deepEqual(order, ["a in", "b in", "c in", "run", "c out", "b out", "a out"]);
});

test("the order decides: a timeout around retries, and one within each", async () => {
  const retry = createPolicy({ retry: { maxAttempts: 3, ...atOnce } });
  const timeout = createPolicy({ timeoutMs: 10 });
  let calls = 0;
  const hang = (/** @type {PolicyContext} */ { signal }) => (calls++, aborted(signal));
  await failure(wrap(timeout, retry).execute(hang));
  assert.equal(calls, 1);
  calls = 0;
  await failure(wrap(retry, timeout).execute(hang));
  assert.equal(calls, 3);
});

test("a wrapped function knows its attempt, whichever policy tries again", async () => {
  const retry = createPolicy({ retry: { maxAttempts: 3, ...atOnce } });
  for (const guarded of [
    wrap(retry, createPolicy({ timeoutMs: 1000 })),
    wrap(createPolicy({ timeoutMs: 1000 }), retry),
    wrap(wrap(retry), createPolicy()),
  ]) {
    const { attempts, run } = failing(2);
    assert.equal(await guarded.execute(run), "done");
    assert.deepEqual(attempts, [1, 2, 3]);
  }
});

test("a wrap of nothing runs the function, and an abort passes through every layer", async () => {
  assert.equal(await wrap().execute(() => 1), 1);
  const thrown = new Error("at once");
  const pending = wrap().execute(() => {
    throw thrown;
  });
  assert.equal(await failure(pending), thrown);
  const controller = new AbortController();
  const guarded = wrap(createPolicy({ retry: true }), createPolicy({ timeoutMs: 1000 }), createPolicy({ breaker: true }));
  /** @type {AbortSignal | undefined} */
  let inner;
  const running = failure(guarded.execute(({ signal }) => aborted((inner = signal)), { signal: controller.signal }));
  await turn();
  controller.abort("enough");
  assert.equal(await running, "enough");
  await turn();
  assert.equal(inner?.reason, "enough");
});

test("thousands run at once, each for itself", async () => {
  const policy = createPolicy({
    retry: { maxAttempts: 3, ...atOnce },
    breaker: { consecutiveFailures: 1000, failureRatio: 1 },
    bulkhead: { maxConcurrent: 50, maxQueued: 5000 },
    timeoutMs: 60_000,
  });
  let running = 0;
  let most = 0;
  const results = await Promise.all(
    Array.from({ length: 5000 }, (_, index) =>
      policy.execute(async ({ attempt }) => {
        most = Math.max(most, ++running);
        await null;
        running--;
        if (attempt === 1 && index % 10 === 0) throw new Error("once");
        return index;
      }),
    ),
  );
  assert.deepEqual(
    results,
    results.map((_, index) => index),
  );
  assert.equal(most, 50);
  assert.deepEqual(policy.state.bulkhead, { running: 0, queued: 0 });
});

// Policies of an SDK.

test("policies of one service share their state, and calls do", async () => {
  const sdk = await Steadfast.open({ baseUrl, fetch: answering });
  const policy = sdk.policy({ service: "search", breaker: { consecutiveFailures: 2 } });
  const same = sdk.policy({ service: "search" });
  await failure(policy.execute(failing(9).run));
  await failure(same.execute(failing(9).run));
  assert.equal((await failure(policy.execute(() => 1))).code, "CIRCUIT_OPEN");
  assert.equal(sdk.services.get("search")?.breaker?.state, "open");
  const refused = await failure(sdk.fetch("/search", {}, { service: "search" }));
  assert.equal(refused.code, "CIRCUIT_OPEN");
  assert.equal((await sdk.fetch("/other")).status, 200, "the rest of the backend is not held responsible");
  sdk.services.reset("search");
  assert.equal(await policy.execute(() => 1), 1);
  sdk.close();
});

test("a policy without a service keeps to itself", async () => {
  const sdk = await Steadfast.open({ baseUrl, fetch: answering });
  await sdk.fetch("/");
  sdk.services.open(baseUrl);
  for (let index = 0; index < 200; index++) {
    await sdk.policy({ breaker: true, retry: true }).execute(() => index);
  }
  assert.deepEqual(
    sdk.services.list().map(({ service }) => service),
    [baseUrl],
    "and what is known of others is not forgotten for it",
  );
  const alone = sdk.policy({ breaker: true });
  sdk.services.openAll();
  assert.equal(await alone.execute(() => 1), 1);
  sdk.close();
});

test("the events of a policy are its own, and the SDK's as well", async () => {
  const sdk = await Steadfast.open({ baseUrl, fetch: async () => new Response("", { status: 500 }) });
  const one = sdk.policy({ retry: { maxAttempts: 3, ...atOnce }, breaker: { consecutiveFailures: 2 } });
  const other = sdk.policy({ breaker: { consecutiveFailures: 1 } });
  /** @type {string[]} */
  const heard = [];
  one.on("circuitChanged", ({ to }) => heard.push(`one: ${to}`));
  one.on("callFailed", ({ because }) => heard.push(`one: ${because}`));
  sdk.on("circuitChanged", ({ to }) => heard.push(`sdk: ${to}`));
  await failure(other.execute(failing(9).run));
  await failure(sdk.fetch("/", {}, { maxAttempts: 1 }));
  await turn();
  assert.deepEqual(heard.splice(0), ["sdk: open"]);
  await failure(one.execute(failing(9).run));
  await turn();
  assert.deepEqual(heard, ["one: open", "sdk: open", "one: circuitOpen"]);
  sdk.close();
});

test("when the SDK is closed, so are its policies", async () => {
  const sdk = await Steadfast.open({ baseUrl, fetch: answering });
  const policy = sdk.policy({ retry: true, service: "search" });
  /** @type {AbortSignal | undefined} */
  let inner;
  const running = failure(policy.execute(({ signal }) => aborted((inner = signal))));
  await turn();
  sdk.close();
  assert.equal((await running).name, "ClosedError");
  assert.equal(inner?.aborted, true);
  assert.equal((await failure(policy.execute(() => assert.fail("called")))).name, "ClosedError");
  assert.throws(() => sdk.policy(), { name: "ClosedError" });
  assert.equal(policy.state.service, "search", "what was known can still be looked at");
});
