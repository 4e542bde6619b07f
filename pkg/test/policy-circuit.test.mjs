// Policies around functions of one's own: what protects what they call.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ApiError, createPolicy, Steadfast } from "steadfast";
import { answering, apiError, asTarget, atOnce, baseUrl, begin, failing, failure, gated } from "./policies.mjs";

begin();

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
