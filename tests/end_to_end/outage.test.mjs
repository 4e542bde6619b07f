// The main job, on the built page against the real backend: what the user does during an outage survives everything.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";

/** How often the main test runs: once, or as often as asked for. */
const rounds = Number(process.env.STEADFAST_ROUNDS ?? 1);

/**
 * @param {import("playwright-core").Page} page
 * @param {Backend} backend
 * @param {string} user
 */
async function open(page, backend, user) {
  await page.goto(`${backend.origin}/?user=${user}`);
  await page.locator("html[data-ready=true]").waitFor();
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
 * The ids of the waiting actions, oldest first.
 * @param {import("playwright-core").Page} page
 */
async function waiting(page) {
  const items = page.getByRole("list", { name: "Waiting" }).locator("[data-action-id]");
  /** @type {{ id: string, seq: number }[]} */
  const found = await items.evaluateAll((elements) =>
    elements.map((element) => {
      const { actionId = "", seq } = /** @type {HTMLElement} */ (element).dataset;
      return { id: actionId, seq: Number(seq) };
    }),
  );
  return found.sort((one, other) => one.seq - other.seq).map(({ id }) => id);
}

for (let round = 1; round <= rounds; round++) {
  test(`fifty actions survive a dead server and a killed browser, once and in order (round ${round})`, async () => {
    const backend = new Backend();
    const browser = new Browser();
    try {
      await backend.start();
      await browser.start();
      let { page } = await browser.newPage();
      await open(page, backend, "ada");
      await page.getByRole("button", { name: "New draft" }).click();
      await save(page, "written online");
      await pending(page, 0);
      const online = await backend.appliedActions("ada");
      assert.ok(online.length >= 1, "what was written online has arrived");

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
      ({ page } = await browser.newPage());
      await open(page, backend, "ada");
      await pending(page, 0);

      const applied = await backend.appliedActions("ada");
      assert.deepEqual(
        applied.slice(online.length).map(({ id }) => id),
        ids,
      );
    } finally {
      await browser[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    }
  });
}

test("an answer that is lost after the commit does not apply anything twice", async () => {
  const backend = new Backend();
  const browser = new Browser();
  try {
    await backend.start();
    await browser.start();
    const { page } = await browser.newPage();
    await open(page, backend, "ada");
    await page.getByRole("button", { name: "New draft" }).click();
    await backend.setFault({ kind: "commit_then_drop", count: 2 });
    for (let index = 1; index <= 5; index++) await save(page, `version ${index}`);
    await page.getByRole("button", { name: "Sync now" }).click();
    await pending(page, 0);
    const applied = await backend.appliedActions("ada");
    const saves = applied.filter(({ type }) => type === "save_draft");
    assert.equal(new Set(applied.map(({ id }) => id)).size, applied.length);
    assert.ok(saves.length >= 5);
    const documents = await page.request.get(`${backend.origin}/api/documents`, { headers: { authorization: "Bearer demo.ada" } });
    const { drafts } = await documents.json();
    assert.equal(drafts[0].content, "version 5");
  } finally {
    await browser[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  }
});

test("two tabs drain together without repeating anything, and both end up in sync", async () => {
  const backend = new Backend();
  const browser = new Browser();
  try {
    await backend.start();
    await browser.start();
    const first = await browser.newPage();
    const second = await browser.newPage();
    await open(first.page, backend, "ada");
    await open(second.page, backend, "ada");
    await backend.setFault({ kind: "status", status: 503 });
    for (const { page } of [first, second]) {
      await page.getByRole("button", { name: "New draft" }).click();
      for (let index = 1; index <= 10; index++) await save(page, `version ${index}`);
    }
    await backend.setFault(null);
    await Promise.all([first, second].map(({ page }) => page.getByRole("button", { name: "Sync now" }).click()));
    await pending(first.page, 0);
    await pending(second.page, 0);
    const applied = await backend.appliedActions("ada");
    assert.equal(new Set(applied.map(({ id }) => id)).size, applied.length);
    assert.ok(applied.length >= 20);
  } finally {
    await browser[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  }
});

test("a page that is reloaded while the server is down still shows what waits, and brings it home later", async () => {
  const backend = new Backend();
  const browser = new Browser();
  try {
    await backend.start();
    await browser.start();
    const { page } = await browser.newPage();
    await open(page, backend, "ada");
    // The worker that keeps the page for offline use takes over with the second visit at the latest.
    await page.evaluate(async () => (await navigator.serviceWorker.ready).active);
    await page.reload();
    await page.locator("html[data-ready=true]").waitFor();
    await page.getByRole("button", { name: "New draft" }).click();
    await backend.kill();
    for (let index = 1; index <= 3; index++) await save(page, `offline ${index}`);
    await page.reload();
    await page.locator("html[data-ready=true]").waitFor();
    const before = Number(await page.locator("#status").getAttribute("data-pending"));
    assert.ok(before >= 3, `${before} wait`);
    await backend.start();
    await page.getByRole("button", { name: "Sync now" }).click();
    await pending(page, 0);
    assert.ok((await backend.appliedActions("ada")).length >= 3);
  } finally {
    await browser[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
  }
});
