// Policies around functions of one's own: what every policy promises, its parts in company, and the policies of an SDK.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { createPolicy, InvalidInputError, Steadfast, wrap } from "steadfast";
import { aborted, answering, atOnce, baseUrl, begin, failing, failure } from "./policies.mjs";

/** @typedef {import("steadfast").PolicyContext} PolicyContext */

begin();

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
