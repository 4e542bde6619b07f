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

/** What nobody else writes. It stands in each file of the tests, again and again. */
const MARKER = "a file of the tests of Steadfast ";

/** Bytes with the marker in them, and numbers, so that no part is like another. @param {number} size */
function content(size) {
  const bytes = new Uint8Array(size);
  const marker = new TextEncoder().encode(MARKER);
  const numbers = new DataView(bytes.buffer);
  for (let at = 0; at < size; at += 64) {
    bytes.set(marker.subarray(0, size - at), at);
    if (at + 64 <= size) numbers.setUint32(at + 60, Math.random() * 2 ** 32);
  }
  return bytes;
}

/** @param {BufferSource} bytes */
async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
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

  /**
   * Queues a file, in that way, and tells what the server has to have of it.
   * @param {{ as: "action" | "blob" | "buffer" | "form" | "call", id: string, size: number, key?: string }} what
   */
  async upload({ as, id, size, key }) {
    const bytes = content(size);
    const named = { id, ...(key !== undefined && { key }) };
    const enqueue = () => {
      if (as === "action") {
        const files = { photo: new File([bytes], "me.jpg", { type: "image/jpeg" }) };
        return queue().enqueue({ ...named, type: "add_photo", data: { caption: "Sea" }, files });
      }
      if (as === "form") {
        const body = new FormData();
        body.append("caption", "Été");
        body.append("photo", new Blob([bytes], { type: "image/png" }), "sea.png");
        return queue().enqueueRequest("/api/photos", { ...named, method: "POST", body });
      }
      if (as === "call") {
        const init = { method: "PUT", body: new Blob([bytes], { type: "image/png" }) };
        return sdk?.fetch(`/api/files/${id}`, init, { queueIfOffline: named, maxAttempts: 1 }).then(
          () => Promise.reject(new Error("it did not fail")),
          (error) => error.queued ?? Promise.reject(error),
        );
      }
      const body = as === "blob" ? new Blob([bytes], { type: "image/png" }) : bytes.buffer;
      /** @type {Record<string, string>} */
      const headers = as === "blob" ? {} : { "content-type": "application/octet-stream" };
      return queue().enqueueRequest(`/api/files/${id}`, { ...named, method: "PUT", body, headers });
    };
    const receipt = await enqueue();
    return { id: receipt.id, durability: receipt.durability, sha256: await sha256(bytes) };
  },

  /** The files of an action as they are kept. @param {string} id */
  async files(id) {
    const files = (await queue().files(id)) ?? [];
    return Promise.all(
      files.map(async ({ blob, ...rest }) => ({
        ...rest,
        sha256: blob && (await sha256(await blob.arrayBuffer())),
        blobType: blob?.type,
      })),
    );
  },

  /** How many files lie in the database of that user, and whether something of their content can be read there. @param {string} user */
  async storedFiles(user) {
    const database = await done(indexedDB.open(user));
    const values = await done(database.transaction("files").objectStore("files").getAll());
    database.close();
    const isReadable = async (/** @type {unknown} */ value) => {
      const blobs = value instanceof Blob ? [value] : Object.values(Object(value)).filter((member) => member instanceof Blob);
      const texts = await Promise.all(blobs.map((blob) => blob.text()));
      return texts.some((text) => text.includes(MARKER.trim()));
    };
    const readable = await Promise.all(values.map(isReadable));
    return { count: values.length, readable: readable.filter(Boolean).length };
  },

  /** Whether this browser keeps blobs in IndexedDB: WebKit does not in private windows, and says so late. @returns {Promise<boolean>} */
  keepsBlobs() {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open("blobs", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("blobs");
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const transaction = opening.result.transaction("blobs", "readwrite");
        transaction.objectStore("blobs").put(new Blob(["blob"]), 1);
        transaction.oncomplete = () => resolve(true);
        transaction.onabort = () => resolve(false);
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
