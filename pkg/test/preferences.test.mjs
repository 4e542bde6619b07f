// What a user prefers: it holds at once, and reaches the server in the end. The server is the test's.
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";

const source = join(resolve(import.meta.dirname, ".."), "src/preferences.ts");
const { outputFiles } = await build({ entryPoints: [source], format: "esm", bundle: true, write: false });
/** @type {typeof import("../src/preferences.js")} */
const { Preferences } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? "")}`);

const refusal = Object.assign(new Error("no"), { status: 400, retryable: false });
const outage = Object.assign(new Error("down"), { status: 503, retryable: true });
const lost = Object.assign(new Error("no answer"), { status: null, retryable: true });

const off = { recovery: { autoRetryEnabled: false } };
const twice = { recovery: { maxAutoRetries: 2 } };
const both = { recovery: { autoRetryEnabled: false, maxAutoRetries: 2 } };

/**
 * Preferences with a server that stores what it is sent, unless `answers` has something else for the next request: an error to
 * fail with, or a function that makes the answer.
 *
 * @param {{ kept?: string | null, answers?: unknown[], stored?: unknown }} [options]
 */
function setUp({ kept = null, answers = [], stored = {} } = {}) {
  /** @type {{ method: string | undefined, body: any }[]} */
  const sent = [];
  /** @type {any[]} */
  const applied = [];
  /** @type {unknown[]} */
  const refused = [];
  const server = {
    stored,
    /** @type {import("../src/operations.js").Requests["json"]} */
    async json(path, init) {
      assert.equal(path, "/api/user/error-preferences");
      const body = init.body === undefined ? undefined : JSON.parse(String(init.body));
      sent.push({ method: init.method, body });
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      if (typeof answer === "function") return { data: await answer(body) };
      if (init.method === "PUT") server.stored = body;
      return { data: /** @type {any} */ (server.stored) };
    },
  };
  const host = {
    apply: (/** @type {string} */ text) => applied.push(JSON.parse(text)),
    refused: (/** @type {unknown} */ error) => refused.push(error),
  };
  return { preferences: new Preferences(server, host, kept), server, sent, applied, refused };
}

/** A promise and what settles it. */
function deferred() {
  /** @type {(value?: unknown) => void} */
  let resolve = () => {};
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}

test("an update holds at once, before the server has heard of it", async () => {
  const { promise, resolve } = deferred();
  const { preferences, applied, sent } = setUp({ answers: [() => promise] });
  const update = preferences.update(off);
  assert.deepEqual(preferences.current, off);
  assert.deepEqual(applied, [{ preferences: off, confirmed: {} }]);
  assert.equal(preferences.synced, false);
  resolve(off);
  assert.deepEqual(await update, { preferences: off, synced: true, error: null });
  assert.deepEqual(sent, [{ method: "PUT", body: off }]);
  assert.deepEqual(applied.at(-1), { preferences: off });
  assert.equal(preferences.synced, true);
});

test("an update changes what it names, sends the whole, and null takes back", async () => {
  const { preferences, server } = setUp();
  await preferences.update({ recovery: { autoRetryEnabled: true, maxAutoRetries: 2 }, disclosure: { level: "standard" } });
  await preferences.update({
    recovery: { maxAutoRetries: null, fallbackModeEnabled: true },
    notifications: { enabled: undefined },
  });
  const recovery = { autoRetryEnabled: true, fallbackModeEnabled: true };
  assert.deepEqual(preferences.current, { recovery, disclosure: { level: "standard" } });
  assert.deepEqual(server.stored, preferences.current);
  await preferences.update({ disclosure: { level: null }, recovery: null });
  assert.deepEqual(preferences.current, {});
});

test("what the server makes of it is what holds", async () => {
  const { preferences } = setUp({ answers: [() => ({ success: true, data: { preferences: twice } })] });
  const update = await preferences.update({ recovery: { maxAutoRetries: 9 } });
  assert.deepEqual([update.preferences, preferences.current], [twice, twice]);
  for (const answer of [null, "ok", { message: "saved" }]) {
    const other = setUp({ answers: [() => answer] });
    assert.deepEqual((await other.preferences.update(off)).preferences, off, "an answer without preferences changes nothing");
  }
});

test("what the server refuses is taken back, and the update rejects", async () => {
  const { preferences, applied } = setUp();
  await preferences.update(twice);
  const again = setUp({ kept: JSON.stringify(applied.at(-1)), answers: [refusal] });
  await assert.rejects(again.preferences.update(off), refusal);
  assert.deepEqual(again.preferences.current, twice);
  assert.deepEqual(again.applied, [{ preferences: both, confirmed: twice }, { preferences: twice }]);
  assert.equal(again.preferences.synced, true);
});

test("what cannot be brought to the server holds, and is sent when asked", async () => {
  for (const failure of [outage, lost, Object.assign(new Error("expired"), { status: 401, retryable: false })]) {
    const { preferences, sent, applied, server } = setUp({ answers: [failure, lost] });
    assert.deepEqual(await preferences.update(off), { preferences: off, synced: false, error: failure });
    assert.deepEqual([preferences.current, preferences.synced], [off, false]);
    assert.equal(await preferences.flush(), false);
    assert.equal(await preferences.flush(), true);
    assert.deepEqual([server.stored, preferences.synced, sent.length], [off, true, 3]);
    assert.deepEqual(applied.at(-1), { preferences: off });
    assert.equal(await preferences.flush(), true);
    assert.equal(sent.length, 3, "there is nothing left to send");
  }
});

test("what could not be sent survives a reload, and is sent then", async () => {
  const before = setUp({ answers: [lost] });
  await before.preferences.update(off);
  const after = setUp({ kept: JSON.stringify(before.applied.at(-1)) });
  assert.deepEqual([after.preferences.current, after.preferences.synced], [off, false]);
  assert.equal(await after.preferences.flush(), true);
  assert.deepEqual(after.server.stored, off);
});

test("a reload while an update is on its way sends it again", async () => {
  const before = setUp({ answers: [() => new Promise(() => {})] });
  void before.preferences.update(off);
  await new Promise((resolve) => setImmediate(resolve));
  const after = setUp({ kept: JSON.stringify(before.applied.at(-1)) });
  assert.equal(await after.preferences.flush(), true);
  assert.deepEqual(after.server.stored, off);
});

test("what is refused when it is sent late is taken back to what the server has", async () => {
  const { preferences } = setUp({ kept: JSON.stringify({ preferences: both, confirmed: twice }), answers: [refusal] });
  await assert.rejects(preferences.flush(), refusal);
  assert.deepEqual([preferences.current, preferences.synced], [twice, true]);
});

test("two updates at once do not overtake each other, and both hold", async () => {
  const first = deferred();
  const { preferences, sent, server } = setUp({ answers: [() => first.promise] });
  const updates = [preferences.update(off), preferences.update(twice)];
  assert.deepEqual(preferences.current, both);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(sent.length, 1, "the second waits for the first");
  assert.deepEqual(preferences.current, both);
  first.resolve(off);
  assert.deepEqual(await Promise.all(updates.map(async (update) => (await update).synced)), [true, true]);
  assert.deepEqual(
    sent.map(({ body }) => body),
    [off, both],
  );
  assert.deepEqual(server.stored, both);
});

test("of two updates at once the one that is refused is taken back, and the other holds", async () => {
  for (const [answers, left] of /** @type {[unknown[], object][]} */ ([
    [[refusal], twice],
    [[undefined, refusal], off],
  ])) {
    const { preferences, server } = setUp({ answers });
    const outcomes = await Promise.allSettled([preferences.update(off), preferences.update(twice)]);
    assert.equal(outcomes.filter(({ status }) => status === "rejected").length, 1);
    assert.deepEqual([preferences.current, server.stored, preferences.synced], [left, left, true]);
  }
});

test("an earlier update that could not be sent goes before a later one, and is not mixed up with it", async () => {
  const { preferences, sent, refused, server } = setUp({ answers: [lost, refusal] });
  assert.equal((await preferences.update(off)).synced, false);
  assert.deepEqual(await preferences.update(twice), { preferences: twice, synced: true, error: null });
  assert.deepEqual(refused, [refusal]);
  assert.deepEqual(
    sent.map(({ body }) => body),
    [off, off, twice],
  );
  assert.deepEqual(server.stored, twice);
});

test("while the server cannot be reached an update costs one request, and none is lost", async () => {
  const { preferences, sent, server } = setUp({ answers: [lost, lost] });
  await preferences.update(off);
  assert.deepEqual(await preferences.update(twice), { preferences: both, synced: false, error: lost });
  assert.equal(sent.length, 2);
  assert.equal(await preferences.flush(), true);
  assert.deepEqual(server.stored, both);
});

test("loading takes over what another device has changed, but for what is not sent yet", async () => {
  const { preferences, applied, server } = setUp({ stored: twice });
  assert.deepEqual(await preferences.load(), twice);
  assert.deepEqual(applied, [{ preferences: twice }]);
  server.stored = both;
  assert.deepEqual(await preferences.load(), both);

  const unsent = setUp({ kept: JSON.stringify({ preferences: off, confirmed: {} }), stored: twice });
  assert.deepEqual(await unsent.preferences.load(), off);
  assert.deepEqual(unsent.server.stored, off);

  const failing = setUp({ kept: JSON.stringify({ preferences: off }), answers: [outage] });
  await assert.rejects(failing.preferences.load(), outage);
  assert.deepEqual(failing.preferences.current, off);
});

test("what a server or a disk has that is wrong is left out, and what is its own is kept", async () => {
  const stored = {
    recovery: { maxAutoRetries: "2", autoRetryEnabled: false, theme: "dark" },
    disclosure: [],
    beta: { on: true },
  };
  const { preferences, server } = setUp({ stored });
  const read = { recovery: { autoRetryEnabled: false, theme: "dark" }, beta: { on: true } };
  assert.deepEqual(await preferences.load(), read);
  await preferences.update({ disclosure: { autoRetry: true } });
  assert.deepEqual(server.stored, { ...read, disclosure: { autoRetry: true } });
  for (const kept of ["", "{", "null", "7", "[]", '{"preferences":7}', '{"preferences":{"recovery":{"maxAutoRetries":-1}}}']) {
    const damaged = setUp({ kept });
    assert.deepEqual(Object.values(damaged.preferences.current).flatMap(Object.values), [], kept);
    assert.equal(damaged.preferences.synced, true);
  }
});

test("another tab's preferences are taken over, unless there is something newer here", async () => {
  const { preferences, applied } = setUp({ answers: [lost] });
  preferences.adopt(JSON.stringify({ preferences: twice }));
  assert.deepEqual([preferences.current, applied], [twice, []]);
  await preferences.update(off);
  preferences.adopt(JSON.stringify({ preferences: {} }));
  assert.deepEqual(preferences.current, both);
});

test("what cannot be preferred is refused with where it stands and what is allowed, and nothing changes", async () => {
  const { preferences, sent, applied } = setUp();
  for (const [changes, path, allowed] of /** @type {[any, string, RegExp][]} */ ([
    [null, "preferences", /an object such as/],
    [[], "preferences", /an object such as/],
    [{ retries: {} }, "preferences.retries", /there are notifications, disclosure, recovery/],
    [{ toString: {} }, "preferences.toString", /no such preference/],
    [{ recovery: true }, "preferences.recovery", /an object of autoRetryEnabled, /],
    [{ recovery: { autoretry: true } }, "preferences.recovery.autoretry", /there are autoRetryEnabled, maxAutoRetries, /],
    [{ recovery: { constructor: 1 } }, "preferences.recovery.constructor", /no such preference/],
    [{ recovery: { autoRetryEnabled: "no" } }, "preferences.recovery.autoRetryEnabled", /true or false/],
    [{ recovery: { maxAutoRetries: 21 } }, "preferences.recovery.maxAutoRetries", /from 0 to 20/],
    [{ recovery: { maxAutoRetries: -1 } }, "preferences.recovery.maxAutoRetries", /from 0 to 20/],
    [{ recovery: { maxAutoRetries: Number.NaN } }, "preferences.recovery.maxAutoRetries", /from 0 to 20/],
    [{ disclosure: { level: "" } }, "preferences.disclosure.level", /1 to 64 characters/],
    [{ notifications: { channels: "email" } }, "preferences.notifications.channels", /a list/],
    [{ notifications: { channels: [1] } }, "preferences.notifications.channels", /a list/],
  ])) {
    await assert.rejects(preferences.update(changes), { name: "InvalidInputError", subject: "options", path, allowed });
  }
  assert.deepEqual([preferences.current, sent, applied], [{}, [], []]);
});

test("what is handed out cannot be changed, and what is handed in may be", async () => {
  const { preferences } = setUp();
  const changes = { notifications: { channels: ["email"] } };
  const update = preferences.update(changes);
  changes.notifications.channels.push("sms");
  await update;
  assert.deepEqual(preferences.current, { notifications: { channels: ["email"] } });
  assert.throws(() => /** @type {any} */ (preferences.current).notifications.channels.push("sms"), TypeError);
});

test("an update that cannot be applied here is none", async () => {
  const { server, sent } = setUp();
  const closed = new Error("closed");
  const preferences = new Preferences(server, {
    apply() {
      throw closed;
    },
  });
  await assert.rejects(preferences.update(off), closed);
  assert.deepEqual([preferences.current, preferences.synced, sent], [{}, true, []]);
});
