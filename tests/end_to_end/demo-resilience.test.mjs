// The demo's panel for resilience, as a developer meets it: a server is broken on purpose, calls are sent, and the page says what
// becomes of them, in every tab.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";

const PORTRAITS = { kind: "status", status: 503, service: "portraits", path: "/api/demo/" };

const backend = new Backend();
const browser = new Browser();
/** @type {import("playwright-core").Page} */
let page;
let user = 0;

before(async () => {
  await backend.start();
  await browser.start();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await backend.setFault(null);
  user += 1;
  page = await open();
  // What another test has come to is kept for a while, as it should be.
  await page.evaluate(() => localStorage.clear());
  await page.close();
  page = await open();
});
afterEach(async () => {
  await page.close();
});

/** The page in a new tab, once it knows of the fault switch. */
async function open() {
  const { page } = await browser.newPage();
  await page.goto(`${backend.origin}/?user=ada${user}`);
  await page.locator("#server-trouble:not([hidden])").waitFor();
  return page;
}

/** The service in a list, once its circuit stands like that. */
const circuit = (/** @type {import("playwright-core").Page} */ page, /** @type {string} */ state, service = "portraits") =>
  page.locator(`.service[data-service="${service}"][data-state="${state}"]`);

/** A line of the log. */
const line = (/** @type {string} */ type, /** @type {RegExp} */ text) =>
  page.locator(`#resilience-log [data-type="${type}"]`, { hasText: text }).first();

/** Sends a burst, and gives what is said of it when it is over. @param {number} count */
async function send(count) {
  await page.fill("#burst-count", String(count));
  await page.getByRole("button", { name: "Send them" }).click();
  await page.locator('#burst-summary[data-busy="false"]').waitFor();
  return page.locator("#burst-summary").textContent();
}

test("a burst against a service that fails opens its circuit, in every tab, and calls close it once the service is back", async () => {
  const second = await open();
  assert.equal(await send(3), "3 calls: 3 succeeded.");
  await page.selectOption("#trouble-kind", { label: "Its portrait service fails, 503" });
  await page.getByText("The errors name the service that has failed.").waitFor();
  assert.equal(await send(8), "8 calls: 8 failed.");
  await circuit(page, "open").waitFor();
  await line("circuitChanged", /portraits: closed → open, for .* \(too many failures in a row\)/).waitFor();
  await line("callFailed", /Call \d+ gives up on 503 SERVICE_UNAVAILABLE: the circuit is open/).waitFor();
  await circuit(second, "open").waitFor();
  await second.locator("#resilience-log", { hasText: "told by the server, or by another tab" }).waitFor();
  // The rest of the server is not held responsible.
  await circuit(page, "closed", backend.origin).waitFor();

  await page.selectOption("#trouble-kind", { label: "Nothing" });
  await page.getByText("The server answers as it should.").waitFor();
  await circuit(page, "halfOpen").waitFor();
  assert.equal(await send(3), "3 calls: 3 succeeded.");
  await circuit(page, "closed").waitFor();
  await circuit(second, "closed").waitFor();
  await page.locator('#reach[data-state="online"]').waitFor();
  await second.close();
});

test("a circuit that is held open by hand lets nothing pass until it is reset, and the last good answer stands in", async () => {
  await page.getByLabel("Fall back to the last good answer").check();
  assert.equal(await send(2), "2 calls: 2 succeeded.");
  await page.getByRole("button", { name: "Open the circuit of this server" }).click();
  await circuit(page, "forcedOpen", backend.origin).waitFor();
  assert.equal(await send(2), "2 calls: 2 stood in.");
  await line("fallbackUsed", /the last good answer stands in/).waitFor();
  await page.getByRole("button", { name: "Reset the circuit of this server" }).click();
  await circuit(page, "closed", backend.origin).waitFor();
  assert.equal(await send(2), "2 calls: 2 succeeded.");
});

test("a server that asks for patience is left alone for as long, and both tabs say so", async () => {
  const second = await open();
  await backend.setFault({ kind: "status", status: 429, retryAfter: "4", count: 1, path: "/api/demo/" });
  await page.fill("#burst-count", "1");
  await page.getByRole("button", { name: "Send them" }).click();
  await circuit(page, "paused", backend.origin).waitFor();
  await circuit(second, "paused", backend.origin).waitFor();
  await line("servicePaused", /this server wants to be left alone for [45]/).waitFor();
  await page.locator("#burst-summary", { hasText: "1 call: 1 succeeded." }).waitFor();
  await second.close();
});

test("whoever does not want retries gets none, after a reload either", async () => {
  await page.getByLabel("Send calls again by themselves").uncheck();
  await page.waitForFunction(() => document.getElementById("prefer-state")?.textContent === "");
  await page.reload();
  await page.locator("#server-trouble:not([hidden])").waitFor();
  assert.equal(await page.getByLabel("Send calls again by themselves").isChecked(), false);
  await backend.setFault({ ...PORTRAITS, count: 1 });
  assert.equal(await send(1), "1 call: 1 failed.");
  await line("callFailed", /the user does not want more retries/).waitFor();
  assert.equal(await page.locator('#resilience-log [data-type="retryScheduled"]').count(), 0);
});

test("what failed is done again by the server, by the id that the error gave", async () => {
  await page.selectOption("#error-case", { label: "429 · Google: RetryInfo and a quota in details" });
  await page.click("#error-ask");
  await page.getByRole("button", { name: "Have the server do it again" }).click();
  await page.getByText(/Queued once more as \S+ \(retry 1\), done by/).waitFor();
});
