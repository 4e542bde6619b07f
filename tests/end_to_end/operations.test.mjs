// Recovering operations and keeping preferences: `sdk.operations` and `sdk.preferences` against the real backend.
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { ApiError, Steadfast } from "steadfast";
import { Backend } from "./backend.mjs";

const root = resolve(import.meta.dirname, "../..");
/**
 * A backend, and an SDK for that user, both gone after the test.
 * @param {import("node:test").TestContext} context
 */
async function setUp(context, user = "ada") {
  const backend = new Backend({ site: join(root, "tests/end_to_end") });
  context.after(() => backend[Symbol.asyncDispose]());
  await backend.start();
  /** Another SDK of that user, on another device. */
  const open = async () => {
    const sdk = await Steadfast.open({
      baseUrl: backend.origin,
      userId: user,
      retry: { maxAttempts: 2, baseDelayMs: 0, maxDelayMs: 0 },
      headers: () => ({ authorization: `Bearer demo.${user}` }),
    });
    context.after(() => sdk.close());
    return sdk;
  };
  return { backend, open, sdk: await open() };
}

/** The error that a call to the failing service rejects with. @param {Backend} backend @param {Steadfast} sdk */
async function failure(backend, sdk) {
  await backend.setFault({ kind: "status", status: 504, service: "runninghub_api", path: "/api/documents" });
  const error = await sdk.json("/api/documents").catch((/** @type {unknown} */ error) => error);
  await backend.setFault(null);
  assert.ok(error instanceof ApiError);
  assert.equal(error.service, "runninghub_api");
  return error;
}

test("an operation is queued again from its error, until there were too many retries", async (context) => {
  const { backend, sdk } = await setUp(context);
  const { operations } = sdk;
  const error = await failure(backend, sdk);
  let { newRequestId, estimatedCompletion, retryCount } = await operations.retry(error, { modifiedParams: { quality: "low" } });
  assert.match(String(newRequestId), /^req_/);
  assert.ok(Number(estimatedCompletion) > Date.now());
  assert.equal(retryCount, 1);
  for (let count = 2; count <= 5; count++) {
    const next = await operations.retry({ requestId: newRequestId });
    assert.equal(next.retryCount, count);
    ({ newRequestId } = next);
  }
  const [refused] = await operations.recover([error]);
  assert.deepEqual([refused?.status, refused?.error?.code], ["refused", "OPERATION_RETRIES_EXHAUSTED"]);
  await assert.rejects(operations.retry(error), { name: "ApiError", code: "OPERATION_RETRIES_EXHAUSTED", retryable: false });
});

test("an operation whose answers are lost is queued once", async (context) => {
  const { backend, sdk } = await setUp(context);
  const { operations } = sdk;
  await backend.setFault({ kind: "commit_then_drop", path: "/api/operations/", count: 3 });
  await assert.rejects(operations.retry({ requestId: "req_1", code: "NETWORK_TIMEOUT" }), { name: "ApiError", status: null });
  const { retryCount } = await operations.retry({ requestId: "req_1", code: "NETWORK_TIMEOUT" });
  assert.equal(retryCount, 1);
  for (let count = 2; count <= 5; count++) await operations.retry({ requestId: "req_1" });
  await assert.rejects(operations.retry({ requestId: "req_1" }), { code: "OPERATION_RETRIES_EXHAUSTED" });
});

test("operations are recovered together, each for itself", async (context) => {
  const { backend, sdk } = await setUp(context);
  const { operations } = sdk;
  const errors = [await failure(backend, sdk), { requestId: "req_2", code: "FILE_TOO_LARGE" }];
  const recovered = await operations.recover(errors);
  assert.deepEqual(
    recovered.map(({ status }) => status),
    ["queued", "refused"],
  );
  const [stranger] = await operations.recover(errors, { userId: "bob" });
  assert.equal(stranger?.error?.code, "AUTH_INSUFFICIENT_PERMISSIONS");
  await assert.rejects(operations.recover(errors, { strategy: "prayer" }), { name: "ApiError", status: 400 });
});

test("preferences hold while the server is away, and reach it when it is back", async (context) => {
  const { backend, open, sdk } = await setUp(context);
  const { preferences } = sdk;
  assert.deepEqual(await preferences.load(), {});
  await backend.kill();
  const update = await preferences.update({ recovery: { maxAutoRetries: 1 } });
  assert.deepEqual([update.synced, preferences.synced], [false, false]);
  assert.ok(update.error instanceof ApiError);
  await backend.start();
  assert.equal(await preferences.flush(), true);
  assert.deepEqual(preferences.current, { recovery: { maxAutoRetries: 1 } });
  assert.deepEqual(await (await open()).preferences.load(), preferences.current);
});

test("preferences that the backend refuses are taken back", async (context) => {
  const { backend, open, sdk } = await setUp(context);
  const { preferences } = sdk;
  await preferences.update({ disclosure: { level: "standard" } });
  await backend.setFault({ kind: "status", status: 400, path: "/api/user/", count: 1 });
  await assert.rejects(preferences.update({ disclosure: { level: "none" } }), { name: "ApiError", status: 400 });
  assert.deepEqual(preferences.current, { disclosure: { level: "standard" } });
  await backend.setFault({ kind: "html", path: "/api/user/" });
  assert.equal((await preferences.update({ disclosure: { level: "all" } })).synced, false, "a captive portal refuses nothing");
  await backend.setFault(null);
  assert.equal(await preferences.flush(), true);
  assert.deepEqual(await (await open()).preferences.load(), { disclosure: { level: "all" } });
});
