// Runs the benchmarks in Chromium and prints them beside the limit of the platform. Rows are interleaved over several rounds
// and the median is shown. Only the ratios mean anything, and only within one run.
//   node benches/run.mjs [ROUNDS] [PART]      five rounds of every group, or of those with PART in their name
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { Browser } from "../tests/end_to_end/browser.mjs";

const root = resolve(import.meta.dirname, "..");
const rounds = Number(process.argv[2] ?? 5);
const part = process.argv[3] ?? "";

const { outputFiles } = await build({
  entryPoints: [join(root, "benches/page.mjs")],
  bundle: true,
  format: "esm",
  write: false,
});
const [script] = outputFiles;
const server = createServer((request, response) => {
  const isScript = request.url === "/page.js";
  response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
  response.end(isScript ? script?.text : '<!doctype html><title>benchmarks</title><script type="module" src="page.js"></script>');
});
await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(undefined)));
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());

const browser = new Browser();
/** @type {string[]} */
let messages = [];
try {
  await browser.start();
  const opened = await browser.newPage();
  const { page } = opened;
  messages = opened.messages;
  const debugging = await page.context().newCDPSession(page);
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.waitForFunction("globalThis.benchmarks !== undefined");
  const version = JSON.parse(readFileSync(join(root, "pkg/package.json"), "utf8")).version;
  console.log(
    `steadfast ${version}, ${await page.evaluate("navigator.userAgent.match(/Chrome\\/\\S+/)[0]")}, medians of ${rounds} rounds\n`,
  );
  /** @type {{ group: string, unit: string, rows: string[] }[]} */
  const groups = await page.evaluate("globalThis.benchmarks.groups");
  for (const { group, unit, rows } of groups.filter(({ group }) => group.includes(part))) {
    /** @type {Map<string, number[]>} */
    const samples = new Map(rows.map((row) => [row, []]));
    for (let round = 0; round < rounds; round++) {
      for (const row of rows) {
        // No row pays for what the one before has left behind.
        await debugging.send("HeapProfiler.collectGarbage");
        samples
          .get(row)
          ?.push(await page.evaluate(([group, row]) => /** @type {any} */ (globalThis).benchmarks.run(group, row), [group, row]));
      }
    }
    console.log(`${group}, ${unit}`);
    const median = (/** @type {number[]} */ values) =>
      values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN;
    const [limit] = rows.map((row) => median(samples.get(row) ?? []));
    for (const row of rows) {
      const value = median(samples.get(row) ?? []);
      console.log(
        `  ${row.padEnd(52)}${value.toFixed(value < 100 ? 2 : 0).padStart(12)}${(value / (limit ?? 1)).toFixed(2).padStart(9)}×`,
      );
    }
    console.log();
  }
} finally {
  for (const message of messages) console.error(message);
  await browser[Symbol.asyncDispose]();
  server.close();
}
