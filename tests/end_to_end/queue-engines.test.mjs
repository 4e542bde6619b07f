// The queue in Firefox and WebKit: killed in the middle of a drain where something outlives that, and without IndexedDB.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Backend } from "./backend.mjs";
import { all, assertDelivered, buildSite, keysOf, until } from "./queue.mjs";
import { DrivenBrowser, engines } from "./webdriver.mjs";

const KEYS = keysOf("draft", 4);

/** A backend and a browser, both running, both gone after the test. @param {import("node:test").TestContext} test @param {keyof typeof engines} engine */
async function setUp(test, engine) {
  const { site, remove } = await buildSite();
  const backend = new Backend({ site });
  const browser = new DrivenBrowser(engine);
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
