// What can be said of the service worker's part without one; the rest is in tests/end_to_end/service-worker.test.mjs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { createContext, runInContext, Script } from "node:vm";
import { InvalidInputError, Steadfast, SteadfastError } from "steadfast";
import { drainInBackground } from "steadfast/service-worker";

test("outside of a service worker, drainInBackground says where it belongs", () => {
  assert.throws(
    () => drainInBackground({ userId: () => "ada" }),
    (thrown) => thrown instanceof SteadfastError && /service workers/.test(thrown.message),
  );
});

test("a wrong option is refused at once", async (test) => {
  const scope = { registration: { active: null }, clients: { matchAll: async () => [] }, addEventListener: () => {} };
  Object.assign(globalThis, scope);
  test.after(() => {
    for (const name of Object.keys(scope)) Reflect.deleteProperty(globalThis, name);
  });
  for (const [name, options] of Object.entries({
    userId: {},
    headers: { userId: () => null, headers: {} },
    onEvent: { userId: () => null, onEvent: "log" },
  })) {
    assert.throws(
      () => drainInBackground(/** @type {any} */ (options)),
      (thrown) => thrown instanceof InvalidInputError && thrown.path === name,
    );
  }
  const { drain, tag } = drainInBackground({ database: "other", userId: () => /** @type {any} */ (7) });
  assert.equal(tag, "steadfast:other");
  await assert.rejects(drain(), InvalidInputError);
  await assert.rejects(Steadfast.open({ backgroundSync: /** @type {any} */ ("yes") }), InvalidInputError);
});

test("without a user nothing is drained", async (test) => {
  const scope = { registration: { active: null }, clients: { matchAll: async () => [] }, addEventListener: () => {} };
  Object.assign(globalThis, scope);
  test.after(() => {
    for (const name of Object.keys(scope)) Reflect.deleteProperty(globalThis, name);
  });
  for (const nobody of [null, undefined]) assert.equal(await drainInBackground({ userId: async () => nobody }).drain(), null);
});

test("the classic bundle is a script, not a module, and has all it needs within", () => {
  const file = createRequire(import.meta.url).resolve("steadfast/service-worker/classic");
  const context = createContext({ TextDecoder, TextEncoder });
  new Script(readFileSync(file, "utf8")).runInContext(context);
  assert.equal(runInContext("typeof steadfast.drainInBackground", context), "function");
});
