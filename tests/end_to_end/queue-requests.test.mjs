// Whole requests: queued while the network is away, sent after a reload, carried out once though an answer is lost.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";
import { buildSite, newTab, until } from "./queue.mjs";

const { site, remove } = await buildSite();
const backend = new Backend({ site });
const browser = new Browser();

before(async () => {
  await Promise.all([backend.start(), browser.start()]);
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  remove();
});

test("a request that is queued offline survives a reload and has its effect once", async () => {
  const user = "requests";
  const tab = await (await newTab(browser, backend.origin, user)).load();
  await backend.kill();
  const id = await tab.page.evaluate(async () => {
    const { queue } = /** @type {{ sdk: import("steadfast").Steadfast }} */ (/** @type {any} */ (globalThis)).sdk;
    const headers = { Authorization: "Bearer demo.somebody" };
    const init = { method: "PUT", body: JSON.stringify({ content: "offline" }), headers, key: "d7" };
    const receipt = await queue.enqueueRequest("/api/drafts/d7", init);
    return `${receipt.durability} ${receipt.id}`;
  });
  assert.match(id, /^indexedDb /);
  await backend.start();
  // The first answer is lost: the request comes again under its key.
  await backend.setFault({ kind: "commit_then_drop", path: "/api/drafts/", count: 1 });
  await tab.load();
  await tab.drained();
  const applied = await backend.appliedActions(user);
  assert.deepEqual(
    applied.map((action) => `indexedDb ${action.id}`),
    [id],
    "the credentials of the moment of sending are the user's, and it was carried out once",
  );
  await until("the page has told", async () => (await tab.work("pending")) === 0);
});
