// The README's examples run as they stand there, and log what it says that they log.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";

const root = resolve(import.meta.dirname, "../..");
const examples = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? "");
const site = mkdtempSync(join(tmpdir(), "steadfast-site-"));
const backend = new Backend({ site });
const browser = new Browser();

before(async () => {
  await backend.start();
  await browser.start();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  rmSync(site, { recursive: true, force: true });
});

/** The one example with this in it. @param {string} part */
function exampleWith(part) {
  const [example, ...more] = examples.filter((code) => code.includes(part));
  assert.ok(example && more.length === 0, `the README has one example with ${part}`);
  assert.ok(example.trim().split("\n").length <= 20, "it is short");
  return example;
}

let runs = 0;

/** Runs an example until it has logged so many lines, and gives them. @param {string} example @param {number} count */
async function run(example, count) {
  // A name of its own: by its time alone, a file that was written anew within a second looks unchanged.
  const script = `example-${(runs += 1)}.js`;
  await build({
    stdin: { contents: example, loader: "ts", resolveDir: root },
    outfile: join(site, script),
    bundle: true,
    format: "esm",
    target: "es2022",
  });
  writeFileSync(
    join(site, "index.html"),
    `<!doctype html><html lang="en"><title>example</title><script type="module" src="${script}"></script>`,
  );
  const { page, messages } = await browser.newPage();
  /** @type {string[]} */
  const logged = [];
  const done = new Promise((resolve) => {
    page.on("console", (message) => {
      if (message.type() === "log" && logged.push(message.text()) === count) resolve(undefined);
    });
    page.on("pageerror", resolve);
  });
  await page.goto(`${backend.origin}/?${script}`);
  await done;
  await page.close();
  assert.deepEqual(
    messages.filter((message) => message.startsWith("uncaught")),
    [],
  );
  return logged;
}

for (const [name, part] of [
  ["of one typed error out of any wire format", "google-retry-info"],
  ["of a format of one's own", "ErrorFormat"],
  ["of successes that are none", "success-with-fallback"],
  ["of calls that help the server", "createPolicy"],
]) {
  test(`the README's example ${name} logs what it says`, async () => {
    const example = exampleWith(part ?? "");
    const promised = [...example.matchAll(/^\/\/ (.*[^.\n])$/gm)].map(([, line]) => line);
    assert.ok(promised.length > 0);
    assert.deepEqual(await run(example, promised.length), promised);
  });
}

test("the README's example of a queued action brings it to the server", async () => {
  const [receipt, settled] = (await run(exampleWith("enqueue"), 2)).sort((one) => (one.startsWith("On disk") ? -1 : 1));
  assert.match(receipt ?? "", /^On disk \(indexedDb\)/);
  assert.match(settled ?? "", / applied$/);
});
