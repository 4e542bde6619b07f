// Calls on the performance timeline: what is shown there, and that it costs nobody anything.
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";

const source = join(resolve(import.meta.dirname, ".."), "src/timeline.ts");
const { outputFiles } = await build({ entryPoints: [source], format: "esm", write: false });
const [output] = outputFiles;
/** @type {typeof import("../src/timeline.js")} */
const { parseServerTiming, Timeline } = await import(`data:text/javascript,${encodeURIComponent(output?.text ?? "")}`);

/** A timeline of its own, on a clock that stands still. @param {number} [most] */
function stage(most) {
  /** @type {{ kind: string, name: string, start: number, end: number, detail: any }[]} */
  const entries = [];
  const clock = { now: 100 };
  const performance = {
    now: () => clock.now,
    measure(/** @type {string} */ name, /** @type {any} */ { start, end, detail }) {
      entries.push({ kind: "measure", name, start, end, detail: structuredClone(detail) });
    },
    mark(/** @type {string} */ name, /** @type {any} */ { detail }) {
      entries.push({ kind: "mark", name, start: clock.now, end: clock.now, detail: structuredClone(detail) });
    },
    clearMeasures: (/** @type {string} */ name) => clear("measure", name),
    clearMarks: (/** @type {string} */ name) => clear("mark", name),
  };
  const clear = (/** @type {string} */ kind, /** @type {string} */ name) => {
    assert.ok(name, "all entries of the page would be cleared");
    for (let at = entries.length - 1; at >= 0; at -= 1) {
      if (entries[at]?.kind === kind && entries[at]?.name === name) entries.splice(at, 1);
    }
  };
  const timeline = Timeline.open(true, /** @type {any} */ (performance), most);
  assert.ok(timeline);
  return { timeline, entries, clock };
}

test("a Server-Timing header is read as its specification says", () => {
  for (const [value, ...expected] of /** @type {[string | null, ...[string, number, string][]][]} */ ([
    [null],
    [""],
    ["  ,, ;dur=1"],
    ["db", ["db", 0, ""]],
    ["db;dur=53.2", ["db", 53.2, ""]],
    ["db; DUR = 53 ; Desc = lookup", ["db", 53, "lookup"]],
    ['db;desc="Load \\"bal\\\\ancer\\"";dur="4"', ["db", 4, 'Load "bal\\ancer"']],
    ['a;desc="x;y,z=1";dur=2,b;dur=3', ["a", 2, "x;y,z=1"], ["b", 3, ""]],
    ["db;dur=1;dur=2;desc=first;desc=second", ["db", 1, "first"]],
    ["db;dur=;dur=2", ["db", 0, ""]],
    ["db;dur=soon;desc", ["db", 0, ""]],
    ["db;dur=-1", ["db", -1, ""]],
    ["db;dur=Infinity", ["db", 0, ""]],
    ["db;dur=1e3", ["db", 1000, ""]],
    ["db;=;;unknown=7;dur=1", ["db", 1, ""]],
    ["aB3!#$%&'*+-.^_`|~;dur=1", ["aB3!#$%&'*+-.^_`|~", 1, ""]],
    ["a b;dur=1,c", ["c", 0, ""]],
    ['db;desc="never ends, c;dur=1', ["db", 0, "never ends, c;dur=1"]],
    ['db;desc="ends" late;dur=1', ["db", 1, "ends"]],
    ["db;desc=one two", ["db", 0, "one"]],
    ['db;desc=""', ["db", 0, ""]],
    ['db;desc="\\', ["db", 0, ""]],
    ["miss, db;dur=1\t,\tapp;dur=2", ["miss", 0, ""], ["db", 1, ""], ["app", 2, ""]],
  ])) {
    const read = parseServerTiming(value).map(({ name, duration, description }) => [name, duration, description]);
    assert.deepEqual(read, expected, String(value));
  }
  assert.equal(parseServerTiming(Array.from({ length: 5000 }, (_, at) => `m${at}`).join()).length, 100);
});

test("no text in a Server-Timing header breaks anything", () => {
  const characters = ['"', "\\", ",", ";", "=", " ", "a", "1", "dur", "desc", "é", "\u{1f600}"];
  let seed = 7;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647);
  for (let round = 0; round < 5000; round += 1) {
    const text = Array.from({ length: random() % 12 }, () => characters[random() % characters.length]).join("");
    for (const { name, duration, description } of parseServerTiming(text)) {
      assert.ok(name && Number.isFinite(duration) && typeof description === "string", text);
    }
  }
});

test("a call is measured from its beginning to its end, with what is known of it", () => {
  const { timeline, entries } = stage();
  const headers = new Headers({ "server-timing": 'db;dur=5;desc="Look up", cache', "x-correlation-id": "req_1" });
  timeline.call(10, 35, {
    method: "GET",
    url: "https://u:p@api.example/api/x?token=secret#f",
    status: 200,
    headers,
    attempts: 2,
  });
  const [entry] = entries;
  assert.deepEqual([entry?.name, entry?.start, entry?.end], ["steadfast: GET /api/x", 10, 35]);
  const { devtools, ...detail } = entry?.detail ?? {};
  assert.deepEqual(detail, {
    method: "GET",
    attempts: 2,
    correlationId: "req_1",
    status: 200,
    url: "https://api.example/api/x",
    serverTiming: [
      { name: "db", duration: 5, description: "Look up" },
      { name: "cache", duration: 0, description: "" },
    ],
  });
  assert.deepEqual(
    [devtools.dataType, devtools.track, devtools.trackGroup, devtools.color],
    ["track-entry", "Calls", "Steadfast", "primary"],
  );
  assert.deepEqual(devtools.properties.slice(-2), [
    ["server: db", "Look up, 5 ms"],
    ["server: cache", ""],
  ]);
  assert.ok(!JSON.stringify(entry).includes("secret"));
});

test("a call that failed shows its code, and no more than is known", () => {
  const { timeline, entries } = stage();
  timeline.call(10, 5, { method: "POST", url: "/relative?x=1", code: "NETWORK_OFFLINE", status: null });
  assert.deepEqual([entries[0]?.name, entries[0]?.end], ["steadfast: POST /relative", 10], "no entry ends before it begins");
  const { devtools, ...detail } = entries[0]?.detail ?? {};
  assert.deepEqual(detail, { method: "POST", code: "NETWORK_OFFLINE", url: "/relative" });
  assert.equal(devtools.color, "error");
});

test("waits, syncs and turning points have entries of their own", () => {
  const { timeline, entries, clock } = stage();
  const happens = (/** @type {any} */ event) => timeline.event(event);
  const error = { code: "BUSY", status: 503, request: { method: "GET", url: "https://api.example/api/x?y", attempts: 1 } };
  happens({ type: "retryScheduled", correlationId: "req_1", attempt: 1, afterMs: 40, because: "serverHint", error });
  happens({ type: "syncStarted", trigger: "timer", counts: {} });
  clock.now = 130;
  happens({ type: "syncFinished", counts: {}, nextAttemptAt: null });
  happens({ type: "circuitChanged", service: "search", from: "closed", to: "open", because: "failures", openForMs: 7 });
  happens({ type: "circuitChanged", service: "search", from: "halfOpen", to: "closed", because: "probes", openForMs: null });
  happens({ type: "servicePaused", service: "search", forMs: 2 ** 63 });
  happens({ type: "callWaits", service: "search", because: "sendRate", waitMs: 20 });
  happens({ type: "batchFailed", correlationId: "req_2", error, nextAttemptAt: 9, waitingFor: "network" });
  happens({ type: "enqueued", ids: ["a"], counts: {} });
  assert.deepEqual(
    entries.map(({ kind, name, start, end }) => [kind, name, start, end]),
    [
      ["measure", "steadfast: wait, GET /api/x", 100, 140],
      ["measure", "steadfast: sync", 100, 130],
      ["mark", "steadfast: circuit open, search", 130, 130],
      ["mark", "steadfast: circuit closed, search", 130, 130],
      ["measure", "steadfast: paused, search", 130, 3_600_130],
      ["measure", "steadfast: turn, search", 130, 150],
      ["mark", "steadfast: batchFailed", 130, 130],
    ],
  );
  const colors = entries.map(({ detail }) => detail.devtools.color);
  assert.deepEqual(colors, ["warning", "secondary", "error", "secondary", "warning", "warning", "error"]);
  const [wait, , circuit, , , , batch] = entries.map(({ detail: { devtools, ...detail } }) => detail);
  assert.deepEqual(wait, { correlationId: "req_1", attempt: 1, because: "serverHint", code: "BUSY", status: 503 });
  assert.deepEqual(circuit, { service: "search", from: "closed", to: "open", because: "failures", openForMs: 7 });
  assert.deepEqual(batch, { correlationId: "req_2", nextAttemptAt: 9, waitingFor: "network", code: "BUSY" });
});

test("the page's buffer never holds more than the last entries, and only ours are cleared", () => {
  const { timeline, entries } = stage(3);
  entries.push({ kind: "measure", name: "the page's own", start: 0, end: 1, detail: null });
  for (let at = 0; at < 50; at += 1) {
    timeline.call(0, 1, { method: "GET", url: `https://api.example/${at % 7}` });
    assert.ok(entries.length <= 4, `${entries.length} after ${at}`);
  }
  assert.equal(entries.at(-1)?.name, "steadfast: GET /0", "the last one is there");
  timeline.close();
  assert.deepEqual(
    entries.map(({ name }) => name),
    ["the page's own"],
  );
});

test("there is no timeline where nobody asked for one, or where there is none", () => {
  assert.equal(Timeline.open(false), null);
  assert.equal(Timeline.open(true, {}), null);
  assert.equal(Timeline.open(true, { now: () => 0, mark: performance.mark }), null);
});

test("a timeline that takes nothing lets no call fail", () => {
  const refuses = () => {
    throw new TypeError("no");
  };
  const broken = { now: () => 0, mark: refuses, measure: refuses, clearMarks: refuses, clearMeasures: refuses };
  const timeline = Timeline.open(true, broken);
  timeline?.call(0, 1, { method: "GET", url: "https://api.example/" });
  timeline?.event(/** @type {any} */ ({ type: "connectivityChanged", online: false }));
  timeline?.close();
});

test("a real timeline takes the entries, and observers hear of them", async () => {
  const timeline = Timeline.open(true);
  /** @type {Promise<PerformanceEntry>} */
  const heard = new Promise((resolve) => {
    new PerformanceObserver((list, observer) => {
      const [entry] = list.getEntries();
      observer.disconnect();
      if (entry) resolve(entry);
    }).observe({ entryTypes: ["measure"] });
  });
  const start = timeline?.now() ?? 0;
  timeline?.call(start, start + 5, { method: "GET", url: "https://api.example/real", status: 200 });
  const entry = await heard;
  assert.equal(entry.name, "steadfast: GET /real");
  assert.equal(/** @type {any} */ (entry).detail.status, 200);
  timeline?.close();
  assert.equal(performance.getEntriesByName("steadfast: GET /real").length, 0);
});
