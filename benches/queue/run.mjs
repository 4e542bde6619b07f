// Compares durable queues in Chromium, beside what the platform can do by hand. Each sample has a page, a process and a database
// of its own; rows are interleaved over several rounds, and the median is shown. Only the ratios mean anything, within one run.
//   node benches/queue/run.mjs [--quick] [--rounds=N] [--only=TEXT] [SECTION...]
//     SECTION     enqueue, drain, cold, main, profile: all but the last if none is named
//     --quick     one round, and no row that takes minutes
//     --only      the rows with TEXT in their name, and the limit
//     --verbose   a line for each sample, and how long it took in all
// What was measured is also written to target/bench/queue.json.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { Browser } from "../../tests/end_to_end/browser.mjs";
import { profile } from "./profile.mjs";
import { startServer } from "./server.mjs";

const root = resolve(import.meta.dirname, "../..");
const results = join(root, "target/bench");
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    only: { type: "string", default: "" },
    verbose: { type: "boolean", default: false },
  },
});
const SECTIONS = ["enqueue", "drain", "cold", "main", "profile"];
const unknown = positionals.find((section) => !SECTIONS.includes(section));
if (unknown !== undefined) throw new Error(`there is no section ${unknown}; there are ${SECTIONS.join(", ")}`);
const sections = positionals.length > 0 ? positionals : SECTIONS.slice(0, -1);
const rounds = Number(options.rounds ?? (options.quick ? 1 : 5));
const CEILING_MS = options.quick ? 10_000 : 30_000;
/** What takes so long is measured once. */
const LONG_MS = 10_000;

const LIMIT = {
  enqueue: "by hand, one transaction for all, strict",
  drain: "by hand: getAll(100), POST, range delete, strict",
  cold: "by hand, a kept counter, strict",
};
const ROWS = {
  enqueue: [
    LIMIT.enqueue,
    "by hand, one transaction for all, relaxed",
    "by hand, a transaction each, strict",
    "steadfast",
    "steadfast, 100 keys",
    "workbox-background-sync",
    "@tanstack/offline-transactions",
    "localforage",
    "idb-keyval",
  ],
  drain: [
    LIMIT.drain,
    "by hand: getAll(100), POST, range delete, relaxed",
    "steadfast",
    "steadfast, 100 keys",
    "@tanstack/offline-transactions, 100 a transaction",
    "@tanstack/offline-transactions",
    "workbox-background-sync, batching onSync",
    "workbox-background-sync",
  ],
  cold: [LIMIT.cold, "steadfast", "workbox-background-sync, with size()"],
  main: [LIMIT.drain, "steadfast", "steadfast, 100 keys"],
};
/** The rows that were asked for. @param {keyof typeof ROWS} section */
const rowsOf = (section) => ROWS[section].filter((row, index) => index === 0 || row.includes(options.only));
const LARGEST = options.quick ? 10_000 : 100_000;

/** @param {string} entry */
async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [join(root, entry)],
    bundle: true,
    format: "esm",
    write: false,
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return outputFiles[0]?.contents ?? "";
}

/** The WebAssembly as it ships, but with the names of its functions. */
function named() {
  mkdirSync(results, { recursive: true });
  const require = createRequire(import.meta.url);
  const wasmOpt = join(dirname(require.resolve("binaryen/package.json")), "bin", "wasm-opt");
  const output = join(results, "named.wasm");
  const features = ["bulk-memory", "nontrapping-float-to-int", "sign-ext", "mutable-globals", "reference-types", "multivalue"];
  execFileSync(process.execPath, [
    wasmOpt,
    ...features.map((feature) => `--enable-${feature}`),
    ...["-Oz", "-g", "--one-caller-inline-max-function-size=20", join(root, "pkg/wasm/steadfast_bg.wasm"), "-o", output],
  ]);
  return readFileSync(output);
}

const profiles = sections.includes("profile");
const server = await startServer({
  "/": { type: "text/html", content: '<!doctype html><title>queues</title><script type="module" src="page.js"></script>' },
  "/page.js": { type: "text/javascript", content: await bundle("benches/queue/page.mjs") },
  "/steadfast.wasm": {
    type: "application/wasm",
    content: profiles ? named() : readFileSync(join(root, "pkg/dist/steadfast.wasm")),
  },
  "/favicon.ico": { type: "image/svg+xml", content: "" },
});
const browser = new Browser();
/** @type {Record<string, unknown>} */
const report = { rounds, quick: options.quick, sections: {} };

/**
 * Opens a page on that origin, with the benchmarks in it, and closes it again.
 *
 * @template T
 * @param {string} origin
 * @param {(page: import("playwright-core").Page, debugging: import("playwright-core").CDPSession) => Promise<T>} work
 * @param {{ last?: boolean }} [options] Whether what the origin has stored is deleted.
 */
async function withPage(origin, work, { last = true } = {}) {
  const { page, messages } = await browser.newPage();
  try {
    const debugging = await page.context().newCDPSession(page);
    await page.goto(origin);
    await page.waitForFunction("globalThis.benchmarks !== undefined");
    const outcome = await work(page, debugging);
    if (last) await debugging.send("Storage.clearDataForOrigin", { origin, storageTypes: "all" });
    return outcome;
  } catch (error) {
    for (const message of messages) console.error(message);
    throw error;
  } finally {
    await page.close();
  }
}

/** Calls a benchmark in the page. @param {import("playwright-core").Page} page @param {string} name @param {unknown[]} parameters */
const call = (page, name, ...parameters) =>
  page.evaluate(
    ([name, parameters]) =>
      /** @type {any} */ (globalThis).benchmarks[/** @type {string} */ (name)](.../** @type {any[]} */ (parameters)),
    [name, parameters],
  );

/** @param {import("playwright-core").CDPSession} debugging */
async function collectGarbage(debugging) {
  await debugging.send("HeapProfiler.collectGarbage");
  await debugging.send("HeapProfiler.collectGarbage");
}

const median = (/** @type {number[]} */ values) => values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN;
const thousands = (/** @type {number} */ value) => Math.round(value).toLocaleString("en");
const milliseconds = (/** @type {number} */ value) => (value < 100 ? value.toFixed(1) : thousands(value));

/** @param {string} title @param {string[]} columns @param {[string, string[]][]} rows */
function print(title, columns, rows) {
  const widths = columns.map(
    (column, index) => Math.max(column.length, ...rows.map(([, cells]) => cells[index]?.length ?? 0)) + 3,
  );
  const line = (/** @type {string} */ name, /** @type {string[]} */ cells) =>
    console.log(`  ${name.padEnd(50)}${cells.map((cell, index) => cell.padStart(widths[index] ?? 0)).join("")}`);
  console.log(`\n${title}`);
  line("", columns);
  for (const [name, cells] of rows) line(name, cells);
}

/**
 * Takes the samples of all cells of a table, round by round.
 *
 * @template T
 * @param {string[]} rows
 * @param {string[]} columns
 * @param {(row: string, column: string) => Promise<T | null>} sample None if there is nothing to measure again.
 * @param {() => Promise<unknown>} [before] What precedes each round.
 */
async function samplesOf(rows, columns, sample, before) {
  /** @type {Map<string, T[]>} */
  const cells = new Map();
  /** @type {Set<string>} */
  const done = new Set();
  for (let round = 0; round < rounds; round++) {
    await before?.();
    for (const column of columns) {
      for (const row of rows) {
        const cell = `${row}\n${column}`;
        if (done.has(cell)) continue;
        const started = performance.now();
        const taken = await sample(row, column);
        if (taken === null) done.add(cell);
        else cells.set(cell, [...(cells.get(cell) ?? []), taken]);
        if ((typeof taken === "number" && taken > LONG_MS) || /** @type {any} */ (taken)?.late) done.add(cell);
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        if (options.verbose) console.error(`  round ${round + 1}: ${column}, ${row}: ${seconds} s`);
      }
    }
  }
  return (/** @type {string} */ row, /** @type {string} */ column) => cells.get(`${row}\n${column}`) ?? [];
}

/** @param {string} section @param {string[]} rows @param {string[]} columns @param {(row: string, column: string) => unknown} value */
function keep(section, rows, columns, value) {
  const table = Object.fromEntries(
    rows.map((row) => [row, Object.fromEntries(columns.map((column) => [column, value(row, column)]))]),
  );
  Object.assign(/** @type {object} */ (report.sections), { [section]: table });
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, "queue.json"), `${JSON.stringify(report, null, 2)}\n`);
}

const measurements = {
  async enqueue() {
    const rows = rowsOf("enqueue");
    const columns = ["1,000 one by one", "1,000 at once", "10,000 at once", "bulk call, 1,000"];
    const samples = await samplesOf(rows, columns, async (row, column) => {
      // It takes a minute.
      if (options.quick && column === "10,000 at once" && row.startsWith("@tanstack")) return null;
      return withPage(server.origin().origin, async (page, debugging) => {
        if (!(await call(page, "enqueue", row, column))) return null;
        await collectGarbage(debugging);
        return /** @type {number} */ (await call(page, "measure"));
      });
    });
    const rate = (/** @type {string} */ row, /** @type {string} */ column) => {
      const count = column.startsWith("10,000") ? 10_000 : 1000;
      return (count * 1000) / median(samples(row, column));
    };
    keep("enqueue", rows, columns, (row, column) => ({ perSecond: rate(row, column), milliseconds: samples(row, column) }));
    print(
      "Durable enqueue, actions a second, and the share of the first row",
      columns,
      rows.map((row) => [
        row,
        columns.map((column) => {
          const value = rate(row, column);
          return Number.isNaN(value) ? "–" : `${thousands(value)}  ${(value / rate(LIMIT.enqueue, column)).toFixed(2)}`;
        }),
      ]),
    );
  },

  async drain() {
    const rows = rowsOf("drain");
    const columns = ["1,000 at 0 ms", "1,000 at 20 ms", "10,000 at 0 ms", "10,000 at 20 ms"];
    /** @typedef {{ elapsed: number | null, requests: number, applied: number, late: boolean }} Drained */
    const samples = await samplesOf(rows, columns, async (row, column) => {
      const [size = "", latency = ""] = column.split(" at ");
      const count = Number(size.replace(",", ""));
      // A request for each: it takes minutes to fill, and then reaches the ceiling.
      if (count === 10_000 && row === "@tanstack/offline-transactions" && options.quick) return null;
      const { origin, books } = server.origin();
      return withPage(origin, async (page, debugging) => {
        if (!(await call(page, "drain", row, count, CEILING_MS))) return null;
        await collectGarbage(debugging);
        books.applied.clear();
        Object.assign(books, { requests: 0, latencyMs: Number.parseInt(latency) });
        const elapsed = /** @type {number | null} */ (await call(page, "measure"));
        if (elapsed !== null && books.applied.size !== count)
          throw new Error(`${row}: ${books.applied.size} of ${count} applied`);
        /** @type {Drained} */
        const drained = {
          elapsed,
          requests: books.requests,
          applied: books.applied.size,
          late: (elapsed ?? CEILING_MS) >= LONG_MS,
        };
        return drained;
      });
    });
    const value = (/** @type {string} */ row, /** @type {string} */ column) =>
      median(samples(row, column).flatMap(({ elapsed }) => elapsed ?? []));
    keep("drain", rows, columns, (row, column) => ({ milliseconds: value(row, column), samples: samples(row, column) }));
    print(
      `Drain, milliseconds (requests), and how many times the first row; a row that takes long has one sample, and ends at ${thousands(CEILING_MS)} ms`,
      columns,
      rows.map((row) => [
        row,
        columns.map((column) => {
          const [first] = samples(row, column);
          if (!first) return "–";
          if (first.elapsed === null) return `${thousands(first.applied)} done`;
          const elapsed = value(row, column);
          return `${milliseconds(elapsed)} (${thousands(first.requests)})  ${(elapsed / value(LIMIT.drain, column)).toFixed(2)}×`;
        }),
      ]),
    );
  },

  async cold() {
    const rows = rowsOf("cold");
    const columns = options.quick ? ["0", "10,000"] : ["0", "10,000", "100,000"];
    // Filled once: a start adds one action to the thousands.
    /** @type {Map<string, string>} */
    const filled = new Map();
    for (const row of rows) {
      for (const column of columns) {
        const { origin } = server.origin();
        const count = Number(column.replace(",", ""));
        await withPage(origin, (page) => call(page, "fillCold", row, count), { last: false });
        filled.set(`${row}\n${column}`, origin);
      }
    }
    // With a new browser for each round, which has none of the databases open.
    const before = async () => {
      await browser.kill();
      await browser.start();
      await withPage(server.origin().origin, (page) => call(page, "fillCold", LIMIT.cold, 0));
    };
    const start = (/** @type {string} */ row, /** @type {string} */ column) =>
      withPage(
        filled.get(`${row}\n${column}`) ?? "",
        async (page, debugging) => {
          await call(page, "coldStart", row);
          await collectGarbage(debugging);
          const heap = () => debugging.send("Runtime.getHeapUsage").then(({ usedSize }) => usedSize);
          const before = await heap();
          const elapsed = /** @type {number} */ (await call(page, "measure"));
          await collectGarbage(debugging);
          const wasmBytes = row === "steadfast" ? await call(page, "wasmBytes") : 0;
          return { elapsed, retainedBytes: (await heap()) - before, wasmBytes: /** @type {number} */ (wasmBytes) };
        },
        { last: false },
      );
    const sample = async (/** @type {string} */ row, /** @type {string} */ column) => ({
      "in a browser started anew": await start(row, column),
      "in one that had it open a moment ago": await start(row, column),
    });
    const samples = await samplesOf(rows, columns, sample, before);
    keep("cold", rows, columns, (row, column) => samples(row, column));
    for (const state of /** @type {const} */ (["in a browser started anew", "in one that had it open a moment ago"])) {
      const of = (
        /** @type {string} */ row,
        /** @type {string} */ column,
        /** @type {"elapsed" | "retainedBytes" | "wasmBytes"} */ member,
      ) => median(samples(row, column).map((sample) => sample[state][member]));
      print(
        `Opened ${state}, and the first action on disk, with so many queued: milliseconds, how many times the empty queue's, retained heap, memory of the WebAssembly`,
        columns,
        rows.map((row) => [
          row,
          columns.map((column) => {
            const elapsed = of(row, column, "elapsed");
            const wasmBytes = of(row, column, "wasmBytes");
            const wasm = wasmBytes ? ` + ${(wasmBytes / 1_048_576).toFixed(2)} MiB` : "";
            const retained = (of(row, column, "retainedBytes") / 1024).toFixed(0);
            return `${milliseconds(elapsed)}  ${(elapsed / of(row, "0", "elapsed")).toFixed(2)}×  ${retained} KiB${wasm}`;
          }),
        ]),
      );
    }
  },

  async main() {
    const rows = rowsOf("main");
    const works = ["drain", "atOnce", "bulk"];
    const counts = [10_000, 1000, 10_000];
    const columns = ["10,000 drained", "1,000 enqueued at once", "10,000 in a bulk call"];
    /** @typedef {{ elapsed: number, longestTask: number, longTasks: number, longestGap: number, ticks: number, wasmBefore: number, wasmAfter: number }} Held */
    const samples = await samplesOf(rows, columns, (row, column) =>
      withPage(server.origin().origin, async (page, debugging) => {
        const index = columns.indexOf(column);
        await call(page, "mainThread", row, works[index], counts[index]);
        await collectGarbage(debugging);
        return /** @type {Held} */ (await call(page, "measure"));
      }),
    );
    const of = (/** @type {string} */ row, /** @type {string} */ column, /** @type {keyof Held} */ member) =>
      median(samples(row, column).map((sample) => sample[member]));
    keep("main", rows, columns, (row, column) => samples(row, column));
    print(
      "Main thread: the longest task if over 50 ms (how many), the longest gap between two messages; memory of the WebAssembly before and after",
      columns,
      rows.map((row) => [
        row,
        columns.map((column) => {
          const [task, gap] = [of(row, column, "longestTask"), of(row, column, "longestGap")];
          const long = task > 0 ? `${task.toFixed(0)} (${of(row, column, "longTasks")})` : "–";
          const mebibytes = (/** @type {keyof Held} */ member) => (of(row, column, member) / 1_048_576).toFixed(1);
          const wasm = row.startsWith("steadfast") ? `  ${mebibytes("wasmBefore")} → ${mebibytes("wasmAfter")} MiB` : "";
          return `${long}  ${gap.toFixed(1)} ms${wasm}`;
        }),
      ]),
    );
  },

  async profile() {
    const works = /** @type {const} */ ([
      ["10,000 at once", (/** @type {any} */ page, /** @type {string} */ row) => call(page, "enqueue", row, "10,000 at once")],
      [
        "bulk call, 1,000",
        (/** @type {any} */ page, /** @type {string} */ row) => call(page, "enqueue", row, "bulk call, 1,000"),
      ],
      ["drain of 10,000", (/** @type {any} */ page, /** @type {string} */ row) => call(page, "drain", row, 10_000, CEILING_MS)],
    ]);
    for (const [title, prepare] of works) {
      for (const row of [title.startsWith("drain") ? LIMIT.drain : LIMIT.enqueue, "steadfast"]) {
        const asked = await withPage(server.origin().origin, async (page) => {
          await prepare(page, row);
          await call(page, "count");
          await call(page, "measure");
          return /** @type {Record<string, number>} */ (await page.evaluate("globalThis.benchmarks.asked"));
        });
        await withPage(server.origin().origin, async (page, debugging) => {
          await prepare(page, row);
          await collectGarbage(debugging);
          const file = join(results, `${row} ${title}.cpuprofile`.replaceAll(/[^\w.]+/g, "-"));
          await profile(`${row}: ${title}`, debugging, () => call(page, "measure"), file);
        });
        const counts = Object.entries(asked).toSorted(([, one], [, other]) => other - one);
        console.log(`  asked: ${counts.map(([name, count]) => `${name} ${count}`).join(", ")}`);
      }
    }
  },
};

// The browser is a group of its own, and would outlive an interrupt.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  process.once(signal, async () => {
    await browser[Symbol.asyncDispose]();
    process.exit(1);
  });
}
try {
  await browser.start();
  const agent = await withPage(server.origin().origin, (page) => page.evaluate("navigator.userAgent.match(/Chrome\\/\\S+/)[0]"));
  console.log(`Durable queues, ${agent}, medians of ${rounds} rounds; Steadfast is always strict, the rivals are as they come`);
  Object.assign(report, { agent, date: new Date().toISOString() });
  for (const section of sections) await measurements[/** @type {keyof typeof measurements} */ (section)]();
} finally {
  await browser[Symbol.asyncDispose]();
  server.close();
}
