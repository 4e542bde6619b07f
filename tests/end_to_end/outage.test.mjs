// The main job, on the built page against the real backend: what the user does during an outage survives everything.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";

/** How often the main test runs: once, or as often as asked for. */
const rounds = Number(process.env.STEADFAST_ROUNDS ?? 1);

/**
 * A backend and a browser, both running, both gone after the test.
 * @param {import("node:test").TestContext} test
 */
async function setUp(test) {
  const backend = new Backend();
  const browser = new Browser();
  test.after(async () => {
    await browser[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  });
  await Promise.all([backend.start(), browser.start()]);
  return { backend, browser };
}

/**
 * Opens the page in a new tab.
 * @param {Browser} browser
 * @param {Backend} backend
 */
async function open(browser, backend) {
  const { page } = await browser.newPage();
  await page.goto(`${backend.origin}/?user=ada`);
  await page.locator("html[data-ready=true]").waitFor();
  return page;
}

/**
 * @param {import("playwright-core").Page} page
 * @param {number} count
 */
async function pending(page, count) {
  await page.locator(`#status[data-pending="${count}"]`).waitFor();
}

/**
 * Writes a version of the open draft and saves it.
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
async function save(page, text) {
  await page.getByRole("textbox", { name: "Text" }).fill(text);
  await page.getByRole("button", { name: "Save", exact: true }).click();
}

/**
 * The ids of the waiting actions, in the order in which they will be applied.
 * @param {import("playwright-core").Page} page
 */
function waiting(page) {
  const items = page.getByRole("list", { name: "Waiting" }).locator("[data-action-id]:not([data-state=saved])");
  return items.evaluateAll((elements) =>
    elements.map((element) => /** @type {HTMLElement} */ (element).dataset["actionId"] ?? ""),
  );
}

/**
 * What the backend has applied, once it is that many.
 * @param {Backend} backend
 * @param {number} count
 */
async function applied(backend, count) {
  for (const deadline = Date.now() + 60_000; ;) {
    const actions = await backend.appliedActions("ada");
    if (actions.length >= count) return actions;
    assert.ok(Date.now() < deadline, `${actions.length} of ${count} have arrived within a minute`);
    await setTimeout(50);
  }
}

for (let round = 1; round <= rounds; round++) {
  test(`fifty actions survive a dead server and a killed browser, once and in order (round ${round})`, async (test) => {
    const { backend, browser } = await setUp(test);
    let page = await open(browser, backend);
    await page.getByRole("button", { name: "New draft" }).click();
    await save(page, "written online");
    const online = await applied(backend, 1);
    await pending(page, 0);

    await backend.kill();
    for (let index = 1; index <= 50; index++) {
      await save(page, `written offline, ${index}`);
      await pending(page, index);
    }
    const ids = await waiting(page);
    assert.equal(new Set(ids).size, 50);

    await browser.kill();
    await backend.start();
    await browser.start();
    page = await open(browser, backend);
    await pending(page, 0);

    const all = await applied(backend, online.length + 50);
    assert.deepEqual(
      all.slice(online.length).map(({ id }) => id),
      ids,
    );
  });
}

test("an answer that is lost after the commit does not apply anything twice", async (test) => {
  const { backend, browser } = await setUp(test);
  const page = await open(browser, backend);
  await page.getByRole("button", { name: "New draft" }).click();
  await backend.setFault({ kind: "commit_then_drop", count: 2 });
  for (let index = 1; index <= 5; index++) await save(page, `version ${index}`);
  const all = await applied(backend, 5);
  await pending(page, 0);
  assert.equal(all.length, 5);
  assert.equal(new Set(all.map(({ id }) => id)).size, 5);
  const documents = await page.request.get(`${backend.origin}/api/documents`, { headers: { authorization: "Bearer demo.ada" } });
  const { drafts } = await documents.json();
  assert.equal(drafts[0].content, "version 5");
});

test("two tabs drain together without repeating anything, and both end up in sync", async (test) => {
  const { backend, browser } = await setUp(test);
  const first = await open(browser, backend);
  const second = await open(browser, backend);
  await backend.setFault({ kind: "status", status: 503 });
  for (const page of [first, second]) {
    await page.getByRole("button", { name: "New draft" }).click();
    for (let index = 1; index <= 10; index++) await save(page, `version ${index}`);
  }
  await pending(first, 20);
  await pending(second, 20);
  await backend.setFault(null);
  await Promise.all([first, second].map((page) => page.getByRole("button", { name: "Sync now" }).click()));
  await pending(first, 0);
  await pending(second, 0);
  const all = await backend.appliedActions("ada");
  assert.equal(all.length, 20);
  assert.equal(new Set(all.map(({ id }) => id)).size, 20);
});

test("a page that is reloaded while the server is down still shows what waits, and brings it home later", async (test) => {
  const { backend, browser } = await setUp(test);
  const page = await open(browser, backend);
  // The worker that keeps the page for offline use takes over with the second visit at the latest.
  await page.evaluate(async () => (await navigator.serviceWorker.ready).active);
  await page.reload();
  await page.locator("html[data-ready=true]").waitFor();
  await page.getByRole("button", { name: "New draft" }).click();
  await backend.kill();
  for (let index = 1; index <= 3; index++) {
    await save(page, `offline ${index}`);
    await pending(page, index);
  }
  const ids = await waiting(page);
  await page.reload();
  await page.locator("html[data-ready=true]").waitFor();
  await pending(page, 3);
  assert.deepEqual(await waiting(page), ids);
  await backend.start();
  await page.getByRole("button", { name: "Sync now" }).click();
  await pending(page, 0);
  assert.deepEqual(
    (await backend.appliedActions("ada")).map(({ id }) => id),
    ids,
  );
});
