// The README's example runs as it stands there.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";

const root = resolve(import.meta.dirname, "../..");

test("the README's example runs as it stands there", async () => {
  const example = /```ts\n(.*?)```/s.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1];
  assert.ok(example, "the README has an example");
  assert.ok(example.trim().split("\n").length <= 20, "it is short");
  const site = mkdtempSync(join(tmpdir(), "steadfast-site-"));
  writeFileSync(
    join(site, "index.html"),
    '<!doctype html><title>example</title><script type="module" src="example.js"></script>',
  );
  await build({
    stdin: { contents: example, loader: "ts", resolveDir: root },
    outfile: join(site, "example.js"),
    bundle: true,
    format: "esm",
    target: "es2022",
  });
  const backend = new Backend({ site });
  const browser = new Browser();
  try {
    await backend.start();
    await browser.start();
    const { page, messages } = await browser.newPage();
    const settled = page.waitForEvent("console", (message) => message.text().includes("applied"));
    const explained = page.waitForEvent("console", (message) => message.text().includes("RESOURCE_NOT_FOUND"));
    await page.goto(backend.origin);
    await Promise.all([settled, explained]);
    assert.ok(
      messages.some((message) => message.includes("indexedDb")),
      messages.join("\n"),
    );
    assert.ok(!messages.some((message) => message.startsWith("uncaught")), messages.join("\n"));
  } finally {
    await browser[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    rmSync(site, { recursive: true, force: true });
  }
});
