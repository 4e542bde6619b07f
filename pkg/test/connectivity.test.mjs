// Whether the backend can be reached, as the application sees it.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";

const source = join(resolve(import.meta.dirname, ".."), "src/connectivity.ts");
const { outputFiles } = await build({ entryPoints: [source], format: "esm", write: false, target: "es2022" });
const [output] = outputFiles;
/** @type {typeof import("../src/connectivity.js")} */
const { Connectivity } = await import(`data:text/javascript,${encodeURIComponent(output?.text ?? "")}`);

/** @typedef {import("../src/connectivity.js").ConnectivitySnapshot} Snapshot */

/** @type {Snapshot} */
const UNKNOWN = { online: true, state: "unknown", because: "nothingKnown", since: 1000 };
/** @type {Snapshot} */
const ONLINE = { online: true, state: "online", because: "answered", since: 2000 };
/** @type {Snapshot} */
const OFFLINE = { online: false, state: "offline", because: "browserOffline", since: 3000 };

/** @param {() => Promise<unknown>} [probe] */
function opened(probe = async () => {}) {
  return new Connectivity(UNKNOWN, probe);
}

const settle = () => new Promise((resolve) => setTimeout(resolve));

test("it can be asked before anything is known, and says what has been received since", () => {
  const connectivity = opened();
  assert.deepEqual([connectivity.state, connectivity.online, connectivity.because], ["unknown", true, "nothingKnown"]);
  connectivity.receive(OFFLINE);
  assert.deepEqual([connectivity.state, connectivity.online, connectivity.since], ["offline", false, 3000]);
});

test("a subscriber is told at once, and then of each change in its order", async () => {
  const connectivity = opened();
  /** @type {string[]} */
  const told = [];
  const stop = connectivity.subscribe(({ state }) => told.push(state));
  assert.deepEqual(told, ["unknown"]);
  connectivity.receive(ONLINE);
  connectivity.receive(OFFLINE);
  assert.deepEqual(told, ["unknown"], "not from within the core");
  await settle();
  assert.deepEqual(told, ["unknown", "online", "offline"]);
  stop();
  stop();
  connectivity.receive(ONLINE);
  await settle();
  assert.equal(told.length, 3);
});

test("who unsubscribes while the news is on its way does not hear it", async () => {
  const connectivity = opened();
  let told = 0;
  const stop = connectivity.subscribe(() => (told += 1));
  connectivity.receive(ONLINE);
  stop();
  await settle();
  assert.equal(told, 1);
});

test("the same listener can subscribe twice, and each subscription ends by itself", async () => {
  const connectivity = opened();
  let told = 0;
  const listener = () => (told += 1);
  const stop = connectivity.subscribe(listener);
  connectivity.subscribe(listener);
  stop();
  connectivity.receive(ONLINE);
  await settle();
  assert.equal(told, 3);
});

test("a signal ends a subscription, and one that was aborted before begins none", async () => {
  const connectivity = opened();
  const controller = new AbortController();
  let told = 0;
  connectivity.subscribe(() => (told += 1), { signal: controller.signal });
  controller.abort();
  connectivity.receive(ONLINE);
  connectivity.subscribe(() => (told += 1), { signal: controller.signal });
  await settle();
  assert.equal(told, 1);
});

test("the snapshot is the same object until something changes, as useSyncExternalStore asks", () => {
  const { getSnapshot, receive } = bound(opened());
  const first = getSnapshot();
  assert.equal(getSnapshot(), first);
  receive({ ...UNKNOWN });
  assert.equal(getSnapshot(), first, "what is received again changes nothing");
  receive(ONLINE);
  assert.notEqual(getSnapshot(), first);
  assert.equal(getSnapshot(), getSnapshot());
  assert.throws(() => Object.assign(getSnapshot(), { state: "offline" }), TypeError);
  assert.deepEqual(Object.keys(getSnapshot()), ["online", "state", "because", "since"]);
});

/** @param {InstanceType<typeof Connectivity>} connectivity */
function bound(connectivity) {
  // Handed on without their object, as React does.
  const { getSnapshot, subscribe } = connectivity;
  const receive = (/** @type {Snapshot} */ found) => connectivity.receive(found);
  return { getSnapshot, subscribe, receive };
}

test("an event is as good as a snapshot, and its type is left out", () => {
  const connectivity = opened();
  connectivity.receive(/** @type {Snapshot} */ (/** @type {unknown} */ ({ type: "connectivityChanged", ...ONLINE })));
  assert.deepEqual(connectivity.getSnapshot(), ONLINE);
});

test("whoever checks gets what the look finds, and those who check together share it", async () => {
  let looks = 0;
  const connectivity = opened(async () => {
    looks += 1;
    await settle();
    connectivity.receive(looks === 1 ? OFFLINE : ONLINE);
  });
  assert.deepEqual(await Promise.all([connectivity.check(), connectivity.check()]), ["offline", "offline"]);
  assert.equal(looks, 1);
  assert.equal(await connectivity.check(), "online");
  assert.equal(looks, 2);
});

test("a look that fails is told to those who asked for it, and the next one is made all the same", async () => {
  let looks = 0;
  const connectivity = opened(async () => {
    looks += 1;
    if (looks === 1) throw new Error("closed");
  });
  await assert.rejects(connectivity.check(), /closed/);
  assert.equal(await connectivity.check(), "unknown");
});

test("a listener that throws keeps the news from nobody", (context) => {
  /** @type {(() => void)[]} */
  const tasks = [];
  context.mock.method(globalThis, "queueMicrotask", (/** @type {() => void} */ task) => tasks.push(task));
  const connectivity = opened();
  let told = 0;
  connectivity.subscribe(({ state }) => {
    if (state === "online") throw new Error("the application's mistake");
  });
  connectivity.subscribe(() => (told += 1));
  connectivity.receive(ONLINE);
  const [throwing, other] = tasks;
  assert.throws(() => throwing?.(), /mistake/, "it is an error of its own");
  other?.();
  assert.equal(told, 2);
});

test("a closed one tells nobody any longer, and keeps what it knows", async () => {
  const connectivity = opened();
  let told = 0;
  connectivity.subscribe(() => (told += 1));
  connectivity.close();
  connectivity.receive(ONLINE);
  await settle();
  assert.deepEqual([told, connectivity.state], [1, "online"]);
});

test("nothing hangs on the signals of subscribers after it was closed", async () => {
  const connectivity = opened();
  const { signal } = new AbortController();
  let told = 0;
  connectivity.subscribe(() => (told += 1), { signal });
  assert.equal(getEventListeners(signal, "abort").length, 1);
  connectivity.close();
  assert.equal(getEventListeners(signal, "abort").length, 0);
  connectivity.subscribe(() => (told += 1), { signal });
  assert.equal(getEventListeners(signal, "abort").length, 0);
  connectivity.receive(ONLINE);
  await settle();
  assert.equal(told, 2, "each at once, and of no change");
});
