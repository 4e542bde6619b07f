// An encrypted queue in a real browser: nothing of it lies in the clear, and the server gets it all the same.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";
import { all, assertDelivered, buildSite, keysOf, newTab } from "./queue.mjs";

const KEYS = keysOf("draft", 2);
const { site, remove } = await buildSite();
const backend = new Backend({ site });
const browser = new Browser();
/** @type {import("./queue.mjs").Tab[]} */
const tabs = [];
let users = 0;

before(async () => {
  await Promise.all([backend.start(), browser.start()]);
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  remove();
});
afterEach(async () => {
  await backend.setFault(null);
  await Promise.all(tabs.splice(0).map(({ page }) => page.close()));
});

/** A tab of that user, in which the queue is encrypted. @param {string} user @param {"off" | "required"} encryption */
async function open(user, encryption) {
  const tab = await newTab(browser, backend.origin, user);
  tabs.push(tab);
  return tab.load({ options: { queue: { encryption } } });
}

/** All that the page has in IndexedDB and in localStorage, as text. @param {import("./queue.mjs").Tab} tab @returns {Promise<string>} */
function stored(tab) {
  return tab.page.evaluate(async () => {
    /** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
    const done = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const all = [JSON.stringify({ ...localStorage })];
    for (const { name } of await indexedDB.databases()) {
      const database = await done(indexedDB.open(String(name)));
      for (const store of database.objectStoreNames) {
        const records = database.transaction(store).objectStore(store);
        all.push(JSON.stringify(await Promise.all([done(records.getAllKeys()), done(records.getAll())])));
      }
      database.close();
    }
    return all.join("\n");
  });
}

test("what is queued is found nowhere in the browser, survives a reload, and reaches the server", async () => {
  const user = `sealed-${++users}`;
  const tab = await open(user, "required");
  await backend.setFault({ kind: "drop" });
  await tab.work("enqueue", { keys: KEYS, from: 1, to: 3 });
  assert.deepEqual(await tab.collected("failures"), []);
  const text = await stored(tab);
  // The ids are there, and say what the keys are in this test: they are not encrypted.
  assert.match(text, /"s1\.|s1\./);
  assert.match(text, /draft1:1/);
  for (const marker of ["save_draft", "draftId", "content", "nextSeq"])
    assert.ok(!text.includes(marker), `${marker} is in ${text}`);

  const received = (await tab.collected("receipts")).map(({ id }) => id);
  await tab.load({ options: { queue: { encryption: "required" } } });
  assert.equal(await tab.work("pending"), 6);
  await backend.setFault(null);
  await tab.drained();
  assertDelivered(await backend.appliedActions(user), { received, begun: all(KEYS, 3) });
});

test("what was queued before encryption is turned on or off is read and sent in its order", async () => {
  const user = `sealed-${++users}`;
  const tab = await open(user, "off");
  await backend.setFault({ kind: "drop" });
  const received = [];
  for (const [index, encryption] of /** @type {const} */ (["off", "required", "off"]).entries()) {
    await tab.load({ options: { queue: { encryption } } });
    await tab.work("enqueue", { keys: KEYS, from: index + 1, to: index + 1 });
    assert.deepEqual(await tab.collected("failures"), []);
    received.push(...(await tab.collected("receipts")).map(({ id }) => id));
  }
  assert.equal(await tab.work("pending"), 6);
  await backend.setFault(null);
  await tab.drained();
  assertDelivered(await backend.appliedActions(user), { received, begun: all(KEYS, 3) });
});
