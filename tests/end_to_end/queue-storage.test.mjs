// Storage that is full, cleared, missing, silent or held by another tab: the queue goes on where it can, and comes back.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { all, assertDelivered, idsOf, keysOf, newTab, surroundings, until } from "./queue.mjs";

/** @typedef {import("./queue.mjs").Tab} Tab */

const KEYS = keysOf("draft", 3);
const { backend, browser } = await surroundings();
/** @type {Tab[]} */
const tabs = [];
let users = 0;

afterEach(async () => {
  await backend.setFault(null);
  await Promise.all(tabs.splice(0).map(({ page }) => page.close()));
});

/** A user of whom nobody knows anything yet. */
const fresh = () => `user-${++users}`;

/** A tab of that user. @param {string} user @param {string} [faults] */
async function open(user, faults) {
  const tab = await newTab(browser, backend.origin, user);
  tabs.push(tab);
  return tab.load({ ...(faults && { faults }) });
}

/** @param {Tab} tab @returns {Promise<string[]>} the ids that have receipts */
async function receiptsOf(tab) {
  return (await tab.collected("receipts")).map(({ id }) => id);
}

/** Where the receipts say that they are. @param {Tab} tab */
async function places(tab) {
  return new Set((await tab.collected("receipts")).map(({ durability }) => durability));
}

/** Waits until the tab says that all is kept there. @param {Tab} tab @param {string} to */
async function moved(tab, to) {
  await until(
    `it is kept in ${to}`,
    async () => (await tab.work("eventsOf", "placeChanged")).some((/** @type {{ to: string }} */ change) => change.to === to),
    {
      seen: () => tab.state(),
    },
  );
}

/** Waits until nothing waits, and checks the books. @param {Tab} tab @param {string[]} received @param {number} number the last of each key */
async function delivered(tab, received, number, keys = KEYS) {
  await tab.drained();
  assertDelivered(await backend.appliedActions(tab.user), { received, begun: all(keys, number) });
}

test("where the quota is used up, the queue goes on below, and comes back up when there is room again", async () => {
  const tab = await newTab(browser, backend.origin, fresh());
  tabs.push(tab);
  await tab.page.goto(`${backend.origin}/empty.html`);
  const protocol = await browser.protocol(tab.page);
  // Before there is a database: a browser asks for the quota only now and then.
  await protocol.send("Storage.overrideQuotaForOrigin", { origin: backend.origin, quotaSize: 2_000_000 });
  try {
    await tab.load();
    await backend.setFault({ kind: "drop" });
    await tab.work("enqueue", { keys: KEYS, from: 1, to: 5 });
    assert.deepEqual(await places(tab), new Set(["indexedDb"]));
    await tab.work("enqueue", { keys: KEYS, from: 6, to: 16, size: 90_000 });
    assert.deepEqual(await tab.collected("failures"), []);
    assert.ok((await places(tab)).has("localStorage"), JSON.stringify([...(await places(tab))]));
    await tab.work("enqueue", { keys: KEYS, from: 17, to: 30, size: 90_000 });
    assert.ok((await places(tab)).has("memory"), JSON.stringify([...(await places(tab))]));
    assert.deepEqual(await tab.collected("failures"), []);
  } finally {
    await protocol.send("Storage.overrideQuotaForOrigin", { origin: backend.origin });
  }
  await moved(tab, "indexedDb");
  await tab.work("enqueue", { keys: KEYS, from: 31, to: 32 });
  await backend.setFault(null);
  await delivered(tab, await receiptsOf(tab), 32);
});

test("what is larger than all that is left is refused visibly, and takes nothing with it", async () => {
  const tab = await open(fresh(), "indexedDB=missing");
  await backend.setFault({ kind: "drop" });
  await tab.work("enqueue", { keys: KEYS, from: 1, to: 2 });
  await tab.work("enqueue", { keys: ["large"], from: 1, to: 1, size: 2 << 20 });
  const [failure] = await tab.collected("failures");
  assert.match(failure, /^large:1: InvalidInputError/);
  await backend.setFault(null);
  const received = await receiptsOf(tab);
  assert.equal(received.length, 6);
  await delivered(tab, received, 2);
});

for (const storage of ["indexeddb", "indexeddb,local_storage"]) {
  test(`when ${storage} is cleared in mid-session, the tab works on`, async () => {
    const tab = await open(fresh());
    const protocol = await browser.protocol(tab.page);
    await tab.work("enqueue", { keys: KEYS, from: 1, to: 5 });
    await tab.drained();
    await protocol.send("Storage.clearDataForOrigin", { origin: backend.origin, storageTypes: storage });
    await tab.work("enqueue", { keys: KEYS, from: 6, to: 10 });
    assert.deepEqual(await tab.collected("failures"), []);
    const received = await receiptsOf(tab);
    assert.equal(received.length, 30);
    await delivered(tab, received, 10);
    // It is there for the next page, too.
    await backend.setFault({ kind: "drop" });
    await tab.work("enqueue", { keys: KEYS, from: 11, to: 12 });
    received.push(...(await receiptsOf(tab)).slice(30));
    await tab.load();
    await backend.setFault(null);
    await delivered(tab, received, 12);
  });
}

for (const storage of ["indexeddb", "indexeddb,local_storage"]) {
  test(`what waits when ${storage} is cleared in mid-session is written again by the tab that has put it there`, async () => {
    const tab = await open(fresh());
    const protocol = await browser.protocol(tab.page);
    await backend.setFault({ kind: "drop" });
    await tab.work("enqueue", { keys: KEYS, from: 1, to: 5 });
    await protocol.send("Storage.clearDataForOrigin", { origin: backend.origin, storageTypes: storage });
    await tab.work("enqueue", { keys: KEYS, from: 6, to: 10 });
    assert.deepEqual(
      (await tab.work("eventsOf", "actionsRestored")).map((/** @type {{ count: number }} */ { count }) => count),
      [15],
    );
    // The next page finds it on disk.
    await tab.load();
    assert.equal(await tab.work("pending"), 30);
    await backend.setFault(null);
    await delivered(tab, idsOf(KEYS, 1, 10), 10);
    assert.equal((await backend.appliedActions(tab.user)).length, 30);
  });
}

test("two tabs write again what each has put there when the database is deleted, though nothing else happens in them", async () => {
  const user = fresh();
  const [one, other] = [await open(user), await open(user)];
  const [ours, theirs] = [keysOf("one", 2), keysOf("other", 2)];
  await backend.setFault({ kind: "drop" });
  await one.work("enqueue", { keys: ours, from: 1, to: 5 });
  await other.work("enqueue", { keys: theirs, from: 1, to: 5 });
  // As by hand, in the tools for developers.
  await one.page.evaluate(
    (name) =>
      new Promise((resolve, reject) => {
        const deletion = indexedDB.deleteDatabase(name);
        deletion.onsuccess = resolve;
        deletion.onerror = () => reject(deletion.error);
      }),
    user,
  );
  for (const tab of [one, other]) {
    await until("it is written again", async () => (await tab.work("eventsOf", "actionsRestored")).length > 0, {
      seen: () => tab.state(),
    });
    const restored = await tab.work("eventsOf", "actionsRestored");
    assert.deepEqual(
      restored.map((/** @type {{ count: number }} */ { count }) => count),
      [10],
    );
  }
  assert.equal(await one.work("pending"), 20);
  await backend.setFault(null);
  await delivered(one, [...idsOf(ours, 1, 5), ...idsOf(theirs, 1, 5)], 5, [...ours, ...theirs]);
  assert.equal((await backend.appliedActions(user)).length, 20);
});

for (const fault of ["missing", "silent"]) {
  test(`with an IndexedDB that is ${fault}, the queue survives a reload below, and comes up when it is back`, async () => {
    const tab = await open(fresh(), `indexedDB=${fault}`);
    await backend.setFault({ kind: "drop" });
    await tab.work("enqueue", { keys: KEYS, from: 1, to: 4 });
    assert.deepEqual(await places(tab), new Set(["localStorage"]));
    const received = await receiptsOf(tab);
    await tab.load({ faults: `indexedDB=${fault}` });
    await tab.work("enqueue", { keys: KEYS, from: 5, to: 8 });
    received.push(...(await receiptsOf(tab)));
    await tab.load();
    // Not before what lies below has come up: these come after it.
    await tab.work("enqueue", { keys: KEYS, from: 9, to: 10 });
    assert.deepEqual(await places(tab), new Set(["indexedDb"]));
    received.push(...(await receiptsOf(tab)));
    assert.equal(received.length, 30);
    await backend.setFault(null);
    await delivered(tab, received, 10);
    assert.equal((await backend.appliedActions(tab.user)).length, 30);
  });

  test(`with an IndexedDB that is ${fault}, the queue is delivered from below`, async () => {
    const tab = await open(fresh(), `indexedDB=${fault}`);
    await tab.work("enqueue", { keys: KEYS, from: 1, to: 10 });
    const received = await receiptsOf(tab);
    assert.equal(received.length, 30);
    await delivered(tab, received, 10);
  });
}

test("while a tab holds the first version of the database, another works below, and what both have comes together in order", async () => {
  const user = fresh();
  const holder = await newTab(browser, backend.origin, user);
  tabs.push(holder);
  await holder.page.goto(`${backend.origin}/empty.html`);
  // As the first version has left it, and with a connection that does not let go.
  await holder.page.evaluate(
    async ({ user, keys }) => {
      /** @param {IDBRequest | IDBTransaction} what @returns {Promise<any>} */
      const done = (what) =>
        new Promise((resolve, reject) => {
          if (what instanceof IDBTransaction) what.oncomplete = () => resolve(undefined);
          else what.onsuccess = () => resolve(what.result);
          what.onerror = () => reject(what.error);
        });
      const opening = indexedDB.open(user, 1);
      opening.onupgradeneeded = () => {
        const actions = opening.result.createObjectStore("actions", { keyPath: ["userId", "seq"] });
        actions.createIndex("byId", ["userId", "id"], { unique: true });
        opening.result.createObjectStore("users");
      };
      const database = await done(opening);
      const write = database.transaction(["actions", "users"], "readwrite");
      let bytes = 0;
      for (const [seq, key] of keys.entries()) {
        const data = { draftId: key, content: "1" };
        const id = `${key}:1`;
        const times = { timestamp: Date.now(), notBefore: null, attempts: 0 };
        const text = { schemaVersion: 1, id, userId: user, seq, key, type: "save_draft", priority: "normal", data };
        const row = JSON.stringify({ ...text, ...times, state: "pending", lastError: null, conflict: null });
        write.objectStore("actions").put({ userId: user, seq, id, row });
        bytes += row.length;
      }
      const counts = { pending: keys.length, conflicts: 0, dead: 0, bytes };
      write.objectStore("users").put(JSON.stringify({ nextSeq: keys.length, epoch: 1, counts, batch: null }), user);
      await done(write);
    },
    { user, keys: KEYS },
  );
  const tab = await open(user);
  await backend.setFault({ kind: "drop" });
  await tab.work("enqueue", { keys: KEYS, from: 2, to: 6 });
  assert.deepEqual(await tab.collected("failures"), []);
  assert.deepEqual(await places(tab), new Set(["localStorage"]));
  await holder.page.close();
  await moved(tab, "indexedDb");
  await tab.work("enqueue", { keys: KEYS, from: 7, to: 8 });
  await backend.setFault(null);
  await delivered(tab, [...(await receiptsOf(tab)), ...KEYS.map((key) => `${key}:1`)], 8);
});

test("two tabs of a user, one of them without IndexedDB, deliver all of both, each in its order", async () => {
  const user = fresh();
  const [whole, broken] = [await open(user), await open(user, "indexedDB=missing")];
  const [above, below] = [keysOf("above", 3), keysOf("below", 3)];
  await backend.setFault({ kind: "latency", latencyMs: 20 });
  await Promise.all([
    whole.work("enqueue", { keys: above, from: 1, to: 15 }),
    broken.work("enqueue", { keys: below, from: 1, to: 15 }),
  ]);
  assert.deepEqual(await places(whole), new Set(["indexedDb"]));
  assert.deepEqual(await places(broken), new Set(["localStorage"]));
  const received = [...(await receiptsOf(whole)), ...(await receiptsOf(broken))];
  assert.equal(received.length, 90);
  // Whichever of them brings it there.
  await until("all is applied", async () => (await backend.appliedActions(user)).length >= 90, {
    seen: async () => [await whole.state(), await broken.state()],
  });
  await delivered(whole, received, 15, [...above, ...below]);
  await broken.drained();
  assert.equal((await backend.appliedActions(user)).length, 90);
});
