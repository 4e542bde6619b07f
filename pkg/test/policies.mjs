// What the tests of policies are made with.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ApiError, init, Steadfast } from "steadfast";

/** @typedef {import("steadfast").PolicyContext} PolicyContext */

export const baseUrl = "https://api.example";
/** Retries that follow at once. */
export const atOnce = { baseDelayMs: 0, maxDelayMs: 0 };

export const answering = async () => Response.json({});

/** @param {Promise<unknown>} promise @returns {Promise<any>} */
export const failure = (promise) =>
  promise.then(
    (value) => assert.fail(`it should have failed, and gave ${String(value)}`),
    (error) => error,
  );

/** What is called back when its signal is aborted. @param {AbortSignal} signal */
export const aborted = (signal) =>
  /** @type {Promise<never>} */ (
    new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason));
    })
  );

/** Fails so often with that, and then succeeds. @param {number} times @param {() => unknown} [thrown] */
export function failing(times, thrown = () => new Error("not yet")) {
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
export function gated() {
  /** @type {(value?: unknown) => void} */
  let resolve = () => {};
  /** @type {(reason: unknown) => void} */
  let reject = () => {};
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}

/** Errors as the SDK makes them. @param {number} status @param {object} [more] @param {HeadersInit} [headers] */
export async function apiError(status, more = {}, headers = {}) {
  const error = { code: "SOMETHING", message: "m", severity: "low" };
  const fetch = async () => Response.json({ success: false, error, ...more }, { status, headers });
  const sdk = await Steadfast.open({ baseUrl, fetch });
  const made = await failure(sdk.fetch("/", {}, { maxAttempts: 1 }));
  sdk.close();
  assert.ok(made instanceof ApiError);
  return made;
}

/** @param {import("steadfast").Policy} policy @param {any} type */
export function asTarget(policy, type) {
  const target = new EventTarget();
  policy.on(type, (event) => target.dispatchEvent(new CustomEvent(type, { detail: event })));
  return target;
}

/** Starts Steadfast before the tests of a file, and has them fail if a rejection is left to itself. */
export function begin() {
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
}
