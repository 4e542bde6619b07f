// The queues that are compared, each driven as its documentation says. The rows by hand are the limit: what the platform can do.
import { createCollection } from "@tanstack/db";
import { IndexedDBAdapter, startOfflineExecutor } from "@tanstack/offline-transactions";
import * as keyval from "idb-keyval";
import localforage from "localforage";
import { Steadfast } from "steadfast/slim";
import { Queue } from "workbox-background-sync";

/** @typedef {{ id: string, type: string, key?: string, data: { draftId: string } & Record<string, unknown> }} Action */

/**
 * @typedef {object} Subject A queue that is open, offline.
 * @property {(action: Action) => Promise<unknown>} enqueue Resolves when the action is on disk.
 * @property {(actions: Action[]) => Promise<unknown>} [enqueueAll] Its own way to take many at once.
 * @property {(actions: Action[]) => Promise<unknown>} [enqueueAtOnce] How it takes many that come one by one at the same time, if
 * not by `enqueue`.
 * @property {() => Promise<number>} count How many it holds.
 * @property {() => Promise<unknown>} [drain] Goes online; resolves when the server has taken all and nothing is left on disk.
 * @property {() => void} close
 */

const PATH = "/api/sync/queue-actions";
const BATCH = 100;

/** An action of some 300 bytes of JSON. @param {number} index @returns {Action} */
export function actionOf(index) {
  const draftId = `draft_${index}`;
  const content = `${index} `.padEnd(200, "The quick brown fox jumps over the lazy dog. ");
  return {
    id: crypto.randomUUID(),
    type: "save_draft",
    data: { draftId, content, metadata: { tags: ["a", "b"], pinned: false } },
  };
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const result = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @param {IDBTransaction} transaction */
const completed = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
    transaction.commit();
  });

/** Sends a batch, and makes sure that the server has taken it. @param {string} body @param {number} count */
async function post(body, count) {
  const response = await fetch(PATH, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { results } = JSON.parse(await response.text());
  if (!response.ok || results.length !== count) throw new Error(`${response.status}: ${results.length} of ${count}`);
}

/** @param {string} name @param {"strict" | "relaxed"} durability @returns {Promise<Subject & { first: () => Promise<unknown> }>} */
async function byHand(name, durability) {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("actions", { keyPath: "seq" });
    opening.result.createObjectStore("books");
  };
  const database = await result(opening);
  let next = 0;
  const put = (/** @type {Action[]} */ actions) => {
    const transaction = database.transaction(["actions", "books"], "readwrite", { durability });
    const store = transaction.objectStore("actions");
    for (const action of actions) store.put({ seq: next++, id: action.id, row: JSON.stringify(action) });
    transaction.objectStore("books").put(next, "next");
    return completed(transaction);
  };
  return {
    enqueue: (action) => put([action]),
    enqueueAll: put,
    enqueueAtOnce: put,
    count: () => result(database.transaction("actions").objectStore("actions").count()),
    async first() {
      next = (await result(database.transaction("books").objectStore("books").get("next"))) ?? 0;
    },
    async drain() {
      for (;;) {
        const reading = database.transaction("actions").objectStore("actions").getAll(null, BATCH);
        /** @type {{ seq: number, row: string }[]} */
        const rows = await result(reading);
        const [first, last] = [rows[0], rows.at(-1)];
        if (!first || !last) return;
        await post(`{"userId":"ada","actions":[${rows.map(({ row }) => row).join()}]}`, rows.length);
        const transaction = database.transaction("actions", "readwrite", { durability });
        transaction.objectStore("actions").delete(IDBKeyRange.bound(first.seq, last.seq));
        await completed(transaction);
      }
    },
    close: () => database.close(),
  };
}

/** @param {string} database @param {number} keys How many keys the actions are spread over; none if 0. @returns {Promise<Subject>} */
async function steadfast(database, keys) {
  let offline = true;
  const sdk = await Steadfast.open({
    userId: "ada",
    database,
    development: false,
    fetch: (request) => (offline ? Promise.reject(new TypeError("offline")) : fetch(request)),
    retry: { baseDelayMs: 3_600_000, maxDelayMs: 3_600_000, jitter: "none" },
  });
  let next = 0;
  // Ids are its own to make, as they are for the others.
  const keyed = (/** @type {Action} */ { type, data }) =>
    keys === 0 ? { type, data } : { type, key: `draft_${next++ % keys}`, data };
  return {
    enqueue: (action) => sdk.queue.enqueue(keyed(action)),
    enqueueAll: (actions) => sdk.queue.enqueueAll(actions.map(keyed)),
    count: async () => (await sdk.queue.snapshot()).pending,
    async drain() {
      offline = false;
      while ((await sdk.queue.sync()).pending > 0);
    },
    close: () => sdk.close(),
  };
}

// It was made for service workers. A page has no registration, and without one for Background Sync nothing is registered.
if (!("registration" in globalThis)) Object.assign(globalThis, { registration: {} });

/** @param {string} name @param {boolean} batching @returns {Promise<Subject & { copy: (count: number) => Promise<void> }>} */
async function workbox(name, batching) {
  const queue = new Queue(name, { onSync: () => {}, forceSyncFallback: true });
  const replayInBatches = async () => {
    for (;;) {
      const entries = [];
      while (entries.length < BATCH) {
        const entry = await queue.shiftRequest();
        if (!entry) break;
        entries.push(entry);
      }
      if (entries.length === 0) return;
      const actions = [];
      for (const { request } of entries) actions.push(...(await request.json()).actions);
      await post(JSON.stringify({ userId: "ada", actions }), actions.length);
    }
  };
  return {
    enqueue: (action) => {
      const body = JSON.stringify({ userId: "ada", actions: [action] });
      const request = new Request(PATH, { method: "POST", headers: { "content-type": "application/json" }, body });
      return queue.pushRequest({ request });
    },
    count: () => queue.size(),
    drain: () => (batching ? replayInBatches() : queue.replayRequests()),
    close() {},
    /** Makes many of the one that is there, past its interface: it would take minutes. */
    async copy(count) {
      const database = await result(indexedDB.open("workbox-background-sync"));
      const entries = await result(database.transaction("requests").objectStore("requests").getAll(null, 1));
      const [{ id, ...entry }] = /** @type {any[]} */ (entries);
      const transaction = database.transaction("requests", "readwrite");
      for (let index = 1; index < count; index++) transaction.objectStore("requests").add(entry);
      await completed(transaction);
      database.close();
    },
  };
}

/** @param {string} name @param {number} size How many inserts make a transaction. @returns {Promise<Subject>} */
async function tanstack(name, size) {
  const collection = createCollection({
    id: name,
    startSync: true,
    getKey: (/** @type {Action} */ { id }) => id,
    sync: { sync: ({ markReady }) => markReady() },
  });
  const disk = new IndexedDBAdapter(name);
  /** Those who wait until a transaction is on disk, by its key there. @type {Map<string, (value?: unknown) => void>} */
  const written = new Map();
  let left = 0;
  let emptied = () => {};
  let online = false;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  const executor = startOfflineExecutor({
    collections: { [name]: collection },
    mutationFns: {
      send: ({ transaction }) => {
        const actions = transaction.mutations.map(({ modified }) => modified);
        return post(JSON.stringify({ userId: "ada", actions }), actions.length);
      },
    },
    storage: {
      get: (key) => disk.get(key),
      keys: () => disk.keys(),
      clear: () => disk.clear(),
      async set(key, value) {
        await disk.set(key, value);
        left++;
        const id = key.replace("tx:", "");
        written.get(id)?.();
        written.delete(id);
      },
      async delete(key) {
        await disk.delete(key);
        if (--left === 0) emptied();
      },
    },
    // There is one tab, and the queue that was warmed up with has let go of the lock only by and by.
    leaderElection: {
      requestLeadership: async () => true,
      releaseLeadership() {},
      isLeader: () => true,
      onLeadershipChange: () => () => {},
    },
    onlineDetector: {
      isOnline: () => online,
      notifyOnline: () => listeners.forEach((listener) => listener()),
      subscribe: (listener) => (listeners.add(listener), () => listeners.delete(listener)),
      dispose: () => listeners.clear(),
    },
  });
  await executor.waitForInit();
  const insert = (/** @type {Action[]} */ actions) => {
    const transaction = executor.createOfflineTransaction({ mutationFnName: "send", autoCommit: true });
    return new Promise((resolve) => {
      written.set(transaction.id, resolve);
      transaction.mutate(() => collection.insert(actions));
    });
  };
  return {
    enqueue: (action) => insert([action]),
    async enqueueAll(actions) {
      for (let from = 0; from < actions.length; from += size) await insert(actions.slice(from, from + size));
    },
    count: async () => (await disk.keys()).length * size,
    drain: () =>
      new Promise((resolve) => {
        emptied = () => resolve(undefined);
        online = true;
        listeners.forEach((listener) => listener());
      }),
    close: () => executor.dispose(),
  };
}

/** @param {string} name @returns {Promise<Subject>} */
async function localForage(name) {
  const store = localforage.createInstance({ name, driver: localforage.INDEXEDDB });
  await store.ready();
  return { enqueue: (action) => store.setItem(action.id, action), count: () => store.length(), close() {} };
}

/** @param {string} name @returns {Promise<Subject>} */
async function idbKeyval(name) {
  const store = keyval.createStore(name, "actions");
  return {
    enqueue: (action) => keyval.set(action.id, action, store),
    enqueueAll: (actions) =>
      keyval.setMany(
        actions.map((action) => [action.id, action]),
        store,
      ),
    count: async () => (await keyval.keys(store)).length,
    close() {},
  };
}

/** By name, how each is opened with a database of that name. @type {Record<string, (database: string) => Promise<Subject>>} */
export const subjects = {
  "by hand, one transaction for all, strict": (database) => byHand(database, "strict"),
  "by hand, one transaction for all, relaxed": (database) => byHand(database, "relaxed"),
  "by hand, a transaction each, strict": async (database) => {
    const { enqueueAll, enqueueAtOnce, ...subject } = await byHand(database, "strict");
    return subject;
  },
  "by hand: getAll(100), POST, range delete, strict": (database) => byHand(database, "strict"),
  "by hand: getAll(100), POST, range delete, relaxed": (database) => byHand(database, "relaxed"),
  steadfast: (database) => steadfast(database, 0),
  "steadfast, 100 keys": (database) => steadfast(database, 100),
  "workbox-background-sync": (database) => workbox(database, false),
  "workbox-background-sync, batching onSync": (database) => workbox(database, true),
  "@tanstack/offline-transactions": async (database) => {
    const { enqueueAll, ...subject } = await tanstack(database, 1);
    return subject;
  },
  "@tanstack/offline-transactions, 100 a transaction": (database) => tanstack(database, BATCH),
  localforage: localForage,
  "idb-keyval": idbKeyval,
};

/**
 * By name, from nothing to the first action on disk, with what is in the queue known; and how many are put there.
 *
 * @type {Record<string, { start: (database: string, action: Action) => Promise<unknown>, fill: (database: string, count: number) => Promise<unknown> }>}
 */
export const coldStarts = {
  "by hand, a kept counter, strict": {
    start: async (database, action) => {
      const subject = await byHand(database, "strict");
      await subject.first();
      await subject.enqueue(action);
    },
    fill: async (database, count) => fill(await byHand(database, "strict"), count),
  },
  steadfast: {
    start: async (database, action) => (await steadfast(database, 0)).enqueue(action),
    fill: async (database, count) => fill(await steadfast(database, 0), count),
  },
  "workbox-background-sync, with size()": {
    start: async (database, action) => {
      const subject = await workbox(database, false);
      await subject.count();
      await subject.enqueue(action);
    },
    fill: async (database, count) => {
      const subject = await workbox(database, false);
      if (count === 0) return;
      await subject.enqueue(actionOf(0));
      await subject.copy(count);
    },
  },
};

/** Puts actions into a queue in the fastest way it has, and lets them go. @param {Subject} subject @param {number} count */
export async function fill(subject, count) {
  const take = subject.enqueueAll ?? ((actions) => Promise.all(actions.map(subject.enqueue)));
  for (let from = 0; from < count; from += 1000) {
    await take(Array.from({ length: Math.min(1000, count - from) }, (_, index) => actionOf(from + index)));
  }
  const held = await subject.count();
  if (held !== count) throw new Error(`${held} of ${count} are in the queue`);
}
