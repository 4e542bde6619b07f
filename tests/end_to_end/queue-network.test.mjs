// A network that goes away in the middle of a drain, and a browser that is wrong about it.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { all, assertDelivered, keysOf, newTab, surroundings, until } from "./queue.mjs";

/** @typedef {import("./queue.mjs").Tab} Tab */

const KEYS = keysOf("draft", 10);
const { backend, browser } = await surroundings();

afterEach(() => backend.setFault(null));

/** @param {Tab} tab @param {number} number the last of each key */
async function delivered(tab, number) {
  await tab.drained();
  const received = (await tab.collected("receipts")).map(({ id }) => id);
  assert.equal(received.length, KEYS.length * number);
  assertDelivered(await backend.appliedActions(tab.user), { received, begun: all(KEYS, number) });
}

test("a network that goes away in the middle of a drain, three times, neither loses nor repeats anything", async () => {
  const tab = await (await newTab(browser, backend.origin, "offline")).load({ options: { sync: { maxActions: 20 } } });
  const protocol = await browser.protocol(tab.page);
  await protocol.send("Network.enable");
  const network = (/** @type {boolean} */ offline) =>
    protocol.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await backend.setFault({ kind: "latency", latencyMs: 40 });
  // The page waits for none of it.
  const enqueued = tab.work("enqueueTogether", { keys: KEYS, from: 1, to: 60 });
  for (const share of [100, 250, 400]) {
    await until(`${share} are applied`, async () => (await backend.appliedActions("offline")).length >= share);
    await network(true);
    await until("it knows", async () => !(await tab.state()).snapshot.online, { seen: () => tab.state() });
    // What is done meanwhile is taken in all the same.
    const { pending } = (await tab.state()).snapshot;
    assert.ok(pending > 0, "it was cut off in the middle");
    await network(false);
  }
  await enqueued;
  await delivered(tab, 60);
});

test("a browser that says it is offline, and is not, does not keep the queue from the server", async () => {
  const tab = await (await newTab(browser, backend.origin, "pessimist")).load({ faults: "onLine=false" });
  await tab.work("enqueue", { keys: KEYS, from: 1, to: 5 });
  await delivered(tab, 5);
});

test("a browser that says it is online, and has no server, brings everything home when there is one", async () => {
  const tab = await (await newTab(browser, backend.origin, "optimist")).load({ faults: "onLine=true" });
  await backend.kill();
  await tab.work("enqueue", { keys: KEYS, from: 1, to: 5 });
  await until("it has tried", async () => (await tab.work("eventsOf", "batchFailed")).length >= 2, { seen: () => tab.state() });
  assert.equal(await tab.work("pending"), 50);
  await backend.start();
  await delivered(tab, 5);
});
