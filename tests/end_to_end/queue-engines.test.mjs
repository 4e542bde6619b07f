// The queue in Firefox and WebKit: killed in the middle of a drain where something outlives that, and without IndexedDB.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Backend } from "./backend.mjs";
import { all, assertDelivered, buildSite, keysOf, until } from "./queue.mjs";
import { DrivenBrowser, engines } from "./webdriver.mjs";

const KEYS = keysOf("draft", 4);

/** A backend and a browser, both running, both gone after the test. @param {import("node:test").TestContext} test @param {keyof typeof engines} engine @param {Record<string, unknown>} [preferences] */
async function setUp(test, engine, preferences) {
  const { site, remove } = await buildSite();
  const backend = new Backend({ site });
  const browser = new DrivenBrowser(engine, preferences);
  test.after(async () => {
    await browser[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    remove();
  });
  await Promise.all([backend.start(), browser.start()]);
  return { backend, browser };
}

/** @param {DrivenBrowser} browser @param {Backend} backend @param {{ faults?: string, maxActions?: number }} [how] */
async function load(browser, backend, { faults = "", maxActions = 100 } = {}) {
  await browser.goto(`${backend.origin}/?${faults}`);
  await browser.work("open", "ada", { sync: { maxActions } });
}

/** Waits until nothing waits, and checks the books. @param {DrivenBrowser} browser @param {Backend} backend @param {{ id: string }[]} receipts @param {number} number */
async function delivered(browser, backend, receipts, number) {
  await until("nothing waits", async () => (await browser.work("pending")) === 0, { seen: () => browser.work("events") });
  const received = receipts.map(({ id }) => id);
  assertDelivered(await backend.appliedActions("ada"), { received, begun: all(KEYS, number) });
  assert.equal((await backend.appliedActions("ada")).length, KEYS.length * number);
}

/** @param {{ durability: string }[]} receipts */
const places = (receipts) => new Set(receipts.map(({ durability }) => durability));

const firefox = engines.firefox("") ? {} : { skip: "no Firefox with geckodriver" };
test("Firefox that is killed in the middle of a drain loses and repeats nothing", firefox, async (test) => {
  const { backend, browser } = await setUp(test, "firefox");
  await backend.setFault({ kind: "latency", latencyMs: 50 });
  await load(browser, backend, { maxActions: 5 });
  await browser.work("enqueue", { keys: KEYS, from: 1, to: 25 });
  const receipts = await browser.work("receipts");
  assert.equal(receipts.length, 100);
  assert.deepEqual(places(receipts), new Set(["indexedDb"]));
  await until("it is in the middle of it", async () => (await backend.appliedActions("ada")).length >= 10);
  await browser.kill();
  assert.ok((await backend.appliedActions("ada")).length < 100, "it was killed too late");
  await backend.setFault(null);
  await browser.start();
  await load(browser, backend);
  await delivered(browser, backend, receipts, 25);
});

for (const engine of /** @type {(keyof typeof engines)[]} */ (["firefox", "webkit"])) {
  const isHere = engines[engine]("") ? {} : { skip: `no ${engine} with its driver` };
  for (const fault of ["missing", "silent"]) {
    test(
      `${engine} with an IndexedDB that is ${fault} keeps the queue below over a reload, and brings it up later`,
      isHere,
      async (test) => {
        const { backend, browser } = await setUp(test, engine);
        await backend.setFault({ kind: "drop" });
        const receipts = [];
        await load(browser, backend, { faults: `indexedDB=${fault}` });
        await browser.work("enqueue", { keys: KEYS, from: 1, to: 3 });
        receipts.push(...(await browser.work("receipts")));
        await load(browser, backend, { faults: `indexedDB=${fault}` });
        await browser.work("enqueue", { keys: KEYS, from: 4, to: 6 });
        receipts.push(...(await browser.work("receipts")));
        assert.deepEqual(places(receipts), new Set(["localStorage"]));
        await load(browser, backend);
        await browser.work("enqueue", { keys: KEYS, from: 7, to: 8 });
        const last = await browser.work("receipts");
        assert.deepEqual(places(last), new Set(["indexedDb"]));
        await backend.setFault(null);
        await delivered(browser, backend, [...receipts, ...last], 8);
      },
    );
  }
}

/**
 * What little room each has, and where the queue goes to. Firefox is told how many kilobytes all pages may store, `localStorage`
 * included; WebKit cannot be told, and refuses by its own means only what goes into `localStorage`.
 * @typedef {{ preferences?: Record<string, unknown>, faults?: string, below: string[] }} Scarcity
 * @type {Record<keyof typeof engines, Scarcity>}
 */
const SCARCE = {
  firefox: {
    preferences: { "dom.quotaManager.temporaryStorage.fixedLimit": 2048 },
    below: ["memory"],
  },
  webkit: { faults: "room=2000000", below: ["localStorage", "memory"] },
};

for (const [engine, { preferences, faults, below }] of /** @type {[keyof typeof engines, Scarcity][]} */ (
  Object.entries(SCARCE)
)) {
  const isHere = engines[engine]("") ? {} : { skip: `no ${engine} with its driver` };
  test(`${engine} that has no room left keeps the queue below, in order, and drains it all`, isHere, async (test) => {
    const { backend, browser } = await setUp(test, engine, preferences);
    await backend.setFault({ kind: "drop" });
    await load(browser, backend, { ...(faults && { faults }) });
    await browser.work("enqueue", { keys: KEYS, from: 1, to: 3 });
    assert.deepEqual(places(await browser.work("receipts")), new Set(["indexedDb"]));
    let number = 3;
    for (const place of below) {
      await until(`it goes to ${place}`, async () => {
        await browser.work("enqueue", { keys: KEYS, from: number + 1, to: number + 4, size: 90_000 });
        number += 4;
        assert.ok(number < 100, "there is room without end");
        return places(await browser.work("receipts")).has(place);
      });
    }
    // None was refused, and what did not fit is nowhere in part.
    assert.deepEqual(await browser.work("failures"), []);
    const receipts = await browser.work("receipts");
    assert.equal(receipts.length, KEYS.length * number);
    await browser.work("makeRoom");
    await backend.setFault(null);
    await delivered(browser, backend, receipts, number);
    // With the room that there is now, all is as it was.
    await until("it is kept in IndexedDB again", async () => {
      const changes = await browser.work("eventsOf", "placeChanged");
      return changes.at(-1)?.to === "indexedDb";
    });
    await browser.work("enqueue", { keys: KEYS, from: number + 1, to: number + 2 });
    const all = await browser.work("receipts");
    assert.deepEqual(places(all.slice(receipts.length)), new Set(["indexedDb"]));
    await delivered(browser, backend, all, number + 2);
  });

  test(
    `${engine} that has no room left brings what has found room home, after a reload too, and then has room`,
    isHere,
    async (test) => {
      const { backend, browser } = await setUp(test, engine, preferences);
      await backend.setFault({ kind: "drop" });
      await load(browser, backend, { ...(faults && { faults }) });
      await browser.work("enqueue", { keys: KEYS, from: 1, to: 3 });
      let number = 3;
      await until("it has no room", async () => {
        await browser.work("enqueue", { keys: KEYS, from: number + 1, to: number + 4, size: 90_000 });
        number += 4;
        assert.ok(number < 100, "there is room without end");
        return places(await browser.work("receipts")).size > 1;
      });
      assert.deepEqual(await browser.work("failures"), []);
      // Those in memory end with the page, as their receipts say.
      const receipts = (await browser.work("receipts")).filter((/** @type {any} */ { durability }) => durability !== "memory");
      await backend.setFault(null);
      await load(browser, backend);
      await until("nothing waits", async () => (await browser.work("pending")) === 0, { seen: () => browser.work("events") });
      const received = receipts.map((/** @type {any} */ { id }) => id);
      assertDelivered(await backend.appliedActions("ada"), { received, begun: all(KEYS, number) });
      await browser.work("enqueue", { keys: KEYS, from: number + 1, to: number + 2 });
      assert.deepEqual(places(await browser.work("receipts")), new Set(["indexedDb"]));
      await until("nothing waits", async () => (await browser.work("pending")) === 0, { seen: () => browser.work("events") });
      const later = await browser.work("receipts");
      const everything = [...received, ...later.map((/** @type {any} */ { id }) => id)];
      assertDelivered(await backend.appliedActions("ada"), { received: everything, begun: all(KEYS, number + 2) });
    },
  );

  test(`${engine} refuses what the queue may not hold, wholly, and takes it when there is room`, isHere, async (test) => {
    const { backend, browser } = await setUp(test, engine);
    await backend.setFault({ kind: "drop" });
    await browser.goto(`${backend.origin}/`);
    await browser.work("open", "ada", { queue: { maxBytes: 200_000 } });
    await browser.work("enqueue", { keys: KEYS, from: 1, to: 2 });
    await browser.work("enqueue", { keys: ["large"], from: 1, to: 3, size: 90_000 });
    const [failure, ...others] = await browser.work("failures");
    assert.match(failure, /^large:3: StoreError quotaExceeded/);
    assert.deepEqual(others, []);
    const refused = await browser.work("refusedTogether", { keys: ["group"], from: 1, to: 5, size: 30_000 });
    assert.match(refused, /^StoreError quotaExceeded/);
    assert.equal(await browser.work("pending"), 10);
    await backend.setFault(null);
    await until("nothing waits", async () => (await browser.work("pending")) === 0, { seen: () => browser.work("events") });
    const ids = (await backend.appliedActions("ada")).map(({ id }) => id);
    assert.deepEqual([ids.length, ids.filter((id) => id.startsWith("group")).length], [10, 0]);
    await browser.work("enqueue", { keys: ["large"], from: 3, to: 3, size: 90_000 });
    await until("it is applied", async () => (await backend.appliedActions("ada")).some(({ id }) => id === "large:3"));
  });
}
