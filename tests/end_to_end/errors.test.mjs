// The demo's errors, as a user meets them: told in a language, counted down, put at the fields of a form, pasted from elsewhere.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";

const backend = new Backend();
const browser = new Browser();
/** @type {import("playwright-core").Page} */
let page;
/** @type {string[]} */
let messages = [];

before(async () => {
  await backend.start();
  await browser.start();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await page?.close();
  ({ page, messages } = await browser.newPage());
  await page.goto(backend.origin);
  await page.evaluate(() => localStorage.removeItem("marginalia.language"));
  await page.reload();
  await page.waitForSelector("#error-ask:not([disabled])");
});

const notice = () => page.locator(".notice");
const card = () => page.locator("#error-result .card");
const member = (/** @type {string} */ name) =>
  card()
    .locator("dt", { hasText: new RegExp(`^${name}$`) })
    .locator("xpath=following-sibling::dd");

/** Asks for an error of the catalogue, and waits for what becomes of it. @param {string} path */
async function ask(path) {
  await page.locator("#error-result").evaluate((result) => result.replaceChildren());
  await page.selectOption("#error-case", /^(\/|https:)/.test(path) ? path : `/api/demo/errors/${path}`);
  await page.click("#error-ask");
  await card().waitFor();
}

/** @param {string} label */
const choose = (label) => page.getByRole("radio", { name: label }).check();

test("every error of the catalogue is shown, and none of them breaks the page", async () => {
  const paths = await page
    .locator("#error-case option")
    .evaluateAll((options) => options.map((option) => /** @type {HTMLOptionElement} */ (option).value));
  assert.ok(paths.length > 100, String(paths.length));
  for (const path of paths) {
    await ask(path);
    const isError = (await notice().count()) > 0;
    assert.notEqual(isError ? await notice().locator("button").textContent() : await card().textContent(), "", path);
    assert.equal(isError, !/success-with|graphql-partial/.test(path), path);
  }
  assert.deepEqual(
    messages.filter((message) => message.startsWith("uncaught")),
    [],
  );
});

test("a notice waits as long as the server asks, counting down, and then tries again", async () => {
  await ask("services/google-retry-info");
  assert.equal(await member("format").textContent(), "googleRpc: certain, by details[].@type");
  const button = notice().locator("button");
  assert.match((await button.textContent()) ?? "", /^Try again in 1[23] seconds$/);
  assert.equal(await button.getAttribute("aria-disabled"), "true");
  await notice().locator("button[aria-disabled=false]").waitFor();
  assert.equal(await button.textContent(), "You can try again now");
  const asked = page.waitForResponse((response) => response.url().endsWith("google-retry-info"));
  await button.click();
  await asked;
});

test("the error that is there is told in another language at once, from right to left where that is its way", async () => {
  await ask("oriel/token");
  assert.equal(await notice().locator(".notice-message").textContent(), "Please sign in and try again.");
  await page.selectOption("#telling-language", "ar");
  await page.locator(".notice[lang=ar]").waitFor();
  assert.equal(await notice().evaluate((element) => getComputedStyle(element).direction), "rtl");
  await page.selectOption("#telling-language", "de");
  await page.locator(".notice[lang=de]").waitFor();
  assert.equal(await notice().locator("button").textContent(), "Anmelden");
  await page.reload();
  await page.waitForSelector("#error-ask:not([disabled])");
  assert.equal(await page.locator("#telling-language").inputValue(), "de", "the choice is kept");
});

test("a backend's internals are shown to nobody but developers who ask for them", async () => {
  await ask("stellarflow/development-internal-error");
  const told = async () => (await notice().textContent()) ?? "";
  assert.ok(!(await told()).includes("SYSTEM_INTERNAL_ERROR"));
  await page.selectOption("#telling-disclosure", "technical");
  assert.ok((await told()).includes("SYSTEM_INTERNAL_ERROR"));
  assert.ok(!(await told()).includes("SELECT"));
  await page.check("#telling-development");
  assert.ok((await told()).includes("SELECT"));
});

test("what a server objects to stands at its fields, whichever framework it is written with", async () => {
  await choose("Fill in a form");
  const dialects = await page
    .locator("#sign-up-dialect option")
    .evaluateAll((options) => options.map((option) => /** @type {HTMLOptionElement} */ (option).value));
  assert.equal(dialects.length, 5);
  for (const dialect of dialects) {
    await page.fill("#sign-up-email", "ada");
    await page.selectOption("#sign-up-dialect", dialect);
    await page.locator("#sign-up-form").getByRole("button").click();
    await page.locator("#sign-up-form [aria-invalid=true] >> nth=2").waitFor();
    const errors = await page.locator("#sign-up-form .field-error").allTextContents();
    assert.deepEqual(errors, ["A name is needed.", "This is no e-mail address.", "Choose 1 to 8 drafts."], dialect);
    assert.equal(await page.evaluate(() => document.activeElement?.id), "sign-up-name");
  }
  await notice().getByRole("button", { name: "Check your input" }).click();
  assert.equal(await page.evaluate(() => document.activeElement?.id), "sign-up-name");
  for (const [field, value] of [
    ["name", "Ada"],
    ["email", "ada@example.com"],
    ["drafts", "3"],
  ])
    await page.fill(`#sign-up-${field}`, value);
  assert.equal(await page.locator("#sign-up-form [aria-invalid]").count(), 0, "gone once edited");
  await page.locator("#sign-up-form").getByRole("button").click();
  await page.locator(".card-success").waitFor();
});

test("a response from anywhere can be pasted whole, and is read", async () => {
  await choose("Paste one");
  await page.fill(
    "#paste-body",
    'HTTP/2 402\r\ncontent-type: application/json\r\nrequest-id: req_1\r\n\r\n{"error":{"type":"card_error","code":"card_declined","message":"Declined."}}',
  );
  assert.equal(await page.locator("#paste-status").inputValue(), "402");
  await page.locator("#paste-form").getByRole("button").click();
  assert.equal(await card().locator(".tag-code").textContent(), "card_declined");
  assert.match((await member("format").textContent()) ?? "", /^stripe: /);
  assert.equal(await member("requestId").textContent(), "req_1");
});

test("an answer that is a success with problems says what they are", async () => {
  await ask("news-filter/success-with-fallback");
  assert.equal(await member("fallbackUsed").textContent(), "Primary scoring service unavailable");
  await ask("standards/graphql-partial");
  assert.match((await card().textContent()) ?? "", /DOWNSTREAM_SERVICE_ERROR/);
});
