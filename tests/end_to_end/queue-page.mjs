// What runs in the page of the tests of the queue, in whatever browser. The query says what is wrong with that browser.
import { Steadfast } from "steadfast";

const faults = new URLSearchParams(location.search);

/** @param {object} owner @param {string} name @param {unknown} value */
function replace(owner, name, value) {
  Object.defineProperty(owner, name, { value, configurable: true, writable: true });
}

switch (faults.get("indexedDB")) {
  case "missing":
    replace(globalThis, "indexedDB", undefined);
    break;
  // As in Safari on a bad day.
  case "silent":
    replace(IDBFactory.prototype, "open", () => new EventTarget());
    break;
}
/** How many characters still go into IndexedDB. */
let room = Number(faults.get("room") ?? Infinity);
if (faults.has("room")) {
  const { put } = IDBObjectStore.prototype;
  replace(
    IDBObjectStore.prototype,
    "put",
    /** @this {IDBObjectStore} @param {unknown} value @param {IDBValidKey} [key] */ function (value, key) {
      room -= (typeof value === "string" ? value : JSON.stringify(value)).length;
      // As WebKit does: at once, and not when it is written.
      if (room < 0) throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
      return put.call(this, value, key);
    },
  );
}
if (faults.has("onLine")) {
  Object.defineProperty(Navigator.prototype, "onLine", { get: () => faults.get("onLine") === "true" });
}

/** @type {Steadfast | undefined} */
let sdk;
/** @type {any[]} */
const events = [];
/** @type {{ id: string, seq: number, durability: string }[]} */
const receipts = [];
/** @type {string[]} */
const failures = [];

function queue() {
  if (!sdk) throw new Error("it is not open");
  return sdk.queue;
}

/** An action whose id says where in its key it belongs. @param {string} key @param {number} number @param {number} size */
function action(key, number, size) {
  let content = `${number} `;
  // Nothing that could be stored as less.
  while (content.length < size) content += Math.random().toString(36).slice(2);
  const data = { draftId: key, content };
  return { id: `${key}:${number}`, type: "save_draft", key, data };
}

const work = {
  events,
  receipts,
  failures,
  faults,

  /** @param {string} userId @param {import("steadfast").SteadfastOptions} [options] */
  async open(userId, options) {
    sdk = await Steadfast.open({
      userId,
      headers: () => ({ authorization: `Bearer demo.${userId}` }),
      // Soon again, so that a test is soon over.
      retry: { baseDelayMs: 250, maxDelayMs: 1000 },
      database: userId,
      ...options,
    });
    Object.assign(globalThis, { sdk });
    const iterator = sdk.events();
    void (async () => {
      for await (const event of iterator) {
        // So many of these come that they would be all there is.
        if (event.type !== "settled" && event.type !== "batchSent" && event.type !== "enqueued") events.push(event);
      }
    })();
  },

  /**
   * Puts the actions from one number to another, both included, of each key into the queue: the keys at the same time, the numbers
   * one after the other. Each receipt is told at once where someone listens.
   * @param {{ keys: string[], from: number, to: number, size?: number }} what
   */
  async enqueue({ keys, from, to, size = 0 }) {
    const told = /** @type {{ tell?: (receipt: unknown) => void }} */ (globalThis).tell;
    const one = async (/** @type {string} */ key) => {
      for (let number = from; number <= to; number++) {
        try {
          const { id, seq, durability } = await queue().enqueue(action(key, number, size));
          receipts.push({ id, seq, durability });
          told?.({ id, durability });
        } catch (error) {
          const { name, kind, message } = /** @type {Error & { kind?: string }} */ (error);
          failures.push(`${key}:${number}: ${name} ${kind} ${message}`);
          // What comes after it in its key would not be in order.
          return;
        }
      }
    };
    await Promise.all(keys.map(one));
  },

  /** The same, all in a few transactions. @param {{ keys: string[], from: number, to: number }} what */
  async enqueueTogether({ keys, from, to }) {
    for (let first = from; first <= to; first += Math.ceil(2000 / keys.length)) {
      const last = Math.min(to, first + Math.ceil(2000 / keys.length) - 1);
      const actions = [];
      for (let number = first; number <= last; number++) for (const key of keys) actions.push(action(key, number, 0));
      for (const { id, seq, durability } of await queue().enqueueAll(actions)) receipts.push({ id, seq, durability });
    }
  },

  /**
   * Tries to enqueue them as one group; says why that was refused.
   * @param {{ keys: string[], from: number, to: number, size: number }} what
   */
  async refusedTogether({ keys, from, to, size }) {
    const actions = [];
    for (let number = from; number <= to; number++) for (const key of keys) actions.push(action(key, number, size));
    try {
      await queue().enqueueAll(actions);
      return "nothing was refused";
    } catch (error) {
      const { name, kind } = /** @type {Error & { kind?: string }} */ (error);
      return `${name} ${kind}`;
    }
  },

  /**
   * Whether the browser still has what an earlier page has put into a database that has nothing to do with Steadfast. Puts it there
   * if not.
   * @returns {Promise<boolean>}
   */
  witness() {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open("witness", 1);
      let isThere = true;
      opening.onupgradeneeded = () => (isThere = false);
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        opening.result.close();
        resolve(isThere);
      };
    });
  },

  /** There is room again, where there was little. */
  makeRoom() {
    room = Infinity;
  },

  /** How many wait, as far as that is known: more than nothing while a better place cannot be looked at. */
  async pending() {
    const { pending, isPartial } = await queue().snapshot();
    return isPartial ? Math.max(pending, 1) : pending;
  },

  /** @param {string} type */
  eventsOf(type) {
    return events.filter((event) => event.type === type);
  },
};

Object.assign(globalThis, { work });
