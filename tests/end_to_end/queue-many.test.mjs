// A queue of 100 000: what it costs to open, to add to, to look at and to drain. Reports figures; what they may be, benches say.
import assert from "node:assert/strict";
import { test } from "node:test";
import { all, assertDelivered, keysOf, newTab, surroundings } from "./queue.mjs";

/** @typedef {import("./queue.mjs").Tab} Tab */

/** How many wait. */
const many = Number(process.env["STEADFAST_PENDING"] ?? 10_000);
/** How many are drained. */
const drained = Number(process.env["STEADFAST_ACTIONS"] ?? 2000);
const KEYS = keysOf("draft", 20);
const { backend, browser } = await surroundings();

/** What it costs from the beginning until the first receipt, in milliseconds: the least of several pages. @param {Tab} tab */
async function opening(tab, tries = 5) {
  let [least, open] = [Infinity, Infinity];
  for (let index = 0; index < tries; index++) {
    await tab.page.goto(`${tab.origin}/`);
    const times = await tab.page.evaluate(
      async ({ user, id }) => {
        const { work } = /** @type {any} */ (globalThis);
        const began = performance.now();
        await work.open(user);
        const opened = performance.now();
        const { sdk } = /** @type {any} */ (globalThis);
        await sdk.queue.enqueue({ id, type: "save_draft", key: "probe", data: { draftId: "probe", content: "" } });
        return { open: opened - began, both: performance.now() - began };
      },
      { user: tab.user, id: `probe:${index + 1}` },
    );
    [least, open] = [Math.min(least, times.both), Math.min(open, times.open)];
  }
  return { open, both: least };
}

test(`a queue in which ${many} wait opens, takes in and is looked at like an empty one`, async (test) => {
  await backend.setFault({ kind: "drop" });
  const empty = await newTab(browser, backend.origin, "empty");
  const few = await opening(empty);
  await empty.page.close();
  const tab = await (await newTab(browser, backend.origin, "full")).load();
  const began = Date.now();
  await tab.work("enqueueTogether", { keys: KEYS, from: 1, to: many / KEYS.length });
  test.diagnostic(`${many} enqueued in ${Date.now() - began} ms`);
  const full = await opening(tab);
  const numbers = [few.open, few.both, full.open, full.both].map((time) => time.toFixed(1));
  test.diagnostic(
    `opened, and first receipt, in ms: empty ${numbers[0]}, ${numbers[1]}; with ${many} ${numbers[2]}, ${numbers[3]}`,
  );

  const looked = await tab.page.evaluate(async (many) => {
    const { queue } = /** @type {any} */ (globalThis).sdk;
    const timed = async (/** @type {() => Promise<any>} */ look) => {
      const began = performance.now();
      return { value: await look(), ms: performance.now() - began };
    };
    const first = await timed(() => queue.list());
    const last = await timed(() => queue.list({ from: { durability: "indexedDb", seq: many - 50 } }));
    return { snapshot: await timed(() => queue.snapshot()), first, last };
  }, many);
  const { snapshot, first, last } = looked;
  assert.equal(snapshot.value.pending, many + 5);
  assert.deepEqual([first.value.length, first.value[0].id, first.value[99].id], [100, "draft1:1", `draft20:5`]);
  assert.equal(last.value.at(-1).id, "probe:5");
  test.diagnostic(`snapshot ${snapshot.ms.toFixed(1)} ms, list ${first.ms.toFixed(1)} ms, its end ${last.ms.toFixed(1)} ms`);
  await tab.page.close();
  await backend.setFault(null);
});

test(`while ${drained} are drained, the page stays responsive`, async (test) => {
  const tab = await (await newTab(browser, backend.origin, "busy")).load();
  await backend.setFault({ kind: "drop" });
  await tab.work("enqueueTogether", { keys: KEYS, from: 1, to: drained / KEYS.length });
  const received = (await tab.collected("receipts")).map(({ id }) => id);
  await tab.page.evaluate(() => {
    /** @type {number[]} */
    const tasks = [];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
      type: "longtask",
    });
    Object.assign(globalThis, { tasks });
  });
  await backend.setFault(null);
  const began = Date.now();
  tab.sync().catch(() => {});
  await tab.drained(120_000);
  const took = Date.now() - began;
  /** @type {number[]} */
  const tasks = await tab.page.evaluate(() => /** @type {any} */ (globalThis).tasks);
  test.diagnostic(`${drained} drained in ${took} ms; ${tasks.length} tasks of 50 ms or more: ${tasks.join(", ")}`);
  assertDelivered(await backend.appliedActions("busy"), { received, begun: all(KEYS, drained / KEYS.length) });
  // On a machine that does much else a short one looks long.
  assert.ok(Math.max(0, ...tasks) < 1000, `a task took ${Math.max(...tasks)} ms`);
});
