// What is measured of the queues, in the page. A sample is prepared and measured in a page of its own, on an origin of its own.
import { init } from "steadfast/slim";
import { actionOf, coldStarts, fill, subjects } from "./subjects.mjs";

/** What it takes from the platform, by name. @type {Record<string, number>} */
const asked = {};

/** The memory of the WebAssembly. @type {WebAssembly.Memory | undefined} */
let memory;
for (const name of /** @type {const} */ (["instantiate", "instantiateStreaming"])) {
  const instantiate = /** @type {any} */ (WebAssembly[name]).bind(WebAssembly);
  Object.assign(WebAssembly, {
    [name]: async (/** @type {unknown[]} */ ...parameters) => {
      const instantiated = await instantiate(...parameters);
      memory = (instantiated.instance ?? instantiated).exports.memory;
      return instantiated;
    },
  });
}
const wasmBytes = () => memory?.buffer.byteLength ?? 0;

/** @param {() => Promise<unknown>} work */
async function time(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** How many at a time, and how. @type {Record<string, { count: number, how: "each" | "atOnce" | "bulk" }>} */
const loads = {
  "1,000 one by one": { count: 1000, how: "each" },
  "1,000 at once": { count: 1000, how: "atOnce" },
  "10,000 at once": { count: 10_000, how: "atOnce" },
  "bulk call, 1,000": { count: 1000, how: "bulk" },
};

/** @param {import("./subjects.mjs").Subject} subject @param {import("./subjects.mjs").Action[]} actions @param {string} how */
async function take(subject, actions, how) {
  if (how === "bulk") return subject.enqueueAll?.(actions);
  if (how === "atOnce") return (subject.enqueueAtOnce ?? ((all) => Promise.all(all.map(subject.enqueue))))(actions);
  for (const action of actions) await subject.enqueue(action);
}

const actionsOf = (/** @type {number} */ length) => Array.from({ length }, (_, index) => actionOf(index));

/** @param {string} name */
function opened(name) {
  const open = subjects[name];
  if (!open) throw new Error(`there is no ${name}`);
  return open;
}

/** What is prepared and not yet measured. @type {(() => Promise<unknown>) | undefined} */
let prepared;

/** Milliseconds to take a load durably; none if it has no way to. @param {string} name @param {string} load */
async function enqueue(name, load) {
  const { count, how } = loads[load] ?? { count: 0, how: "each" };
  const warm = await opened(name)("warm");
  if (how === "bulk" && !warm.enqueueAll) return false;
  await take(warm, actionsOf(30), how);
  await take(warm, actionsOf(30), "each");
  warm.close();
  const subject = await opened(name)("queue");
  await subject.count();
  const actions = actionsOf(count);
  prepared = async () => {
    const elapsed = await time(() => take(subject, actions, how));
    const held = await subject.count();
    if (held !== count) throw new Error(`${name}: ${held} of ${count} are in the queue`);
    return elapsed;
  };
  return true;
}

/** Milliseconds to drain a queue, or none if the ceiling was reached. @param {string} name @param {number} count @param {number} ceilingMs */
async function drain(name, count, ceilingMs) {
  const warm = await opened(name)("warm");
  await fill(warm, 100);
  await warm.drain?.();
  warm.close();
  const subject = await opened(name)("queue");
  const late = new Promise((resolve) => setTimeout(resolve, 2 * ceilingMs, "late"));
  if ((await Promise.race([fill(subject, count), late])) === "late") return false;
  prepared = async () => {
    const ceiling = new Promise((resolve) => setTimeout(resolve, ceilingMs, "late"));
    const start = performance.now();
    const outcome = await Promise.race([subject.drain?.(), ceiling]);
    const elapsed = performance.now() - start;
    if (outcome === "late") return null;
    const held = await subject.count();
    if (held !== 0) throw new Error(`${name}: ${held} are left`);
    return elapsed;
  };
  return true;
}

/** How long the main thread was held, while a queue is drained or filled. @param {string} name @param {string} work @param {number} count */
async function mainThread(name, work, count) {
  const subject = await opened(name)("queue");
  if (work === "drain") await fill(subject, count);
  const actions = work === "drain" ? [] : actionsOf(count);
  prepared = async () => {
    const before = wasmBytes();
    let [longestTask, longTasks, longestGap, ticks, ended] = [0, 0, 0, 0, false];
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) [longestTask, longTasks] = [Math.max(longestTask, duration), longTasks + 1];
    });
    observer.observe({ entryTypes: ["longtask"] });
    const { port1, port2 } = new MessageChannel();
    let last = performance.now();
    port1.onmessage = () => {
      const now = performance.now();
      longestGap = Math.max(longestGap, now - last);
      last = now;
      ticks++;
      if (!ended) port2.postMessage(null);
    };
    port2.postMessage(null);
    // From a task of the page's own: one of the debugger's is never a long one.
    await new Promise((resolve) => setTimeout(resolve));
    const elapsed = await time(async () => (work === "drain" ? subject.drain?.() : take(subject, actions, work)));
    // The observer hears of a task after its end.
    await new Promise((resolve) => setTimeout(resolve, 100));
    ended = true;
    observer.disconnect();
    return { elapsed, longestTask, longTasks, longestGap, ticks, wasmBefore: before, wasmAfter: wasmBytes() };
  };
  return true;
}

/** @param {string} name @param {number} count */
async function fillCold(name, count) {
  await coldStarts[name]?.fill("queue", count);
  return true;
}

/** Milliseconds until a queue is open and has taken an action. @param {string} name */
async function coldStart(name) {
  // Nothing is warm but the WebAssembly, which would hide what the queue's length costs.
  const action = actionOf(0);
  prepared = () => time(async () => coldStarts[name]?.start("queue", action));
  return true;
}

/** Counts what is asked of IndexedDB and of the page from here on. */
function count() {
  const counted = (/** @type {any} */ subject, /** @type {string} */ prefix, /** @type {string[]} */ names) => {
    for (const name of names) {
      const original = subject[name];
      subject[name] = function (/** @type {unknown[]} */ ...parameters) {
        const mode = name === "transaction" ? ` ${parameters[1] ?? "readonly"}` : "";
        const title = `${prefix}.${name}${mode}`;
        asked[title] = (asked[title] ?? 0) + 1;
        return original.apply(this, parameters);
      };
    }
  };
  counted(IDBDatabase.prototype, "database", ["transaction"]);
  counted(IDBObjectStore.prototype, "store", [
    "get",
    "getAll",
    "getKey",
    "getAllKeys",
    "put",
    "add",
    "delete",
    "count",
    "openCursor",
  ]);
  counted(IDBIndex.prototype, "index", ["get", "getAll", "getKey", "getAllKeys", "count", "openCursor"]);
  counted(IDBCursor.prototype, "cursor", ["continue"]);
  counted(LockManager.prototype, "locks", ["request"]);
  counted(BroadcastChannel.prototype, "channel", ["postMessage"]);
  counted(globalThis, "globalThis", ["setTimeout", "queueMicrotask", "fetch"]);
  counted(MessagePort.prototype, "port", ["postMessage"]);
}

await init(new URL("/steadfast.wasm", location.href));
Object.assign(globalThis, {
  benchmarks: {
    loads: Object.keys(loads),
    coldStarts: Object.keys(coldStarts),
    ...{ enqueue, drain, mainThread, fillCold, coldStart, count, asked, wasmBytes },
    measure: () => prepared?.(),
  },
});
