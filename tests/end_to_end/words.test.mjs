// What is said to people, in a real browser: which words are loaded, and what a form shows of an error.
import assert from "node:assert/strict";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { build } from "esbuild";
import { Browser } from "./browser.mjs";

const root = resolve(import.meta.dirname, "../..");
const site = mkdtempSync(join(tmpdir(), "steadfast-words-"));
const browser = new Browser();

/** What the server does with a request for a file. @type {(path: string) => "serve" | "refuse" | "hang"} */
let treatment = () => "serve";
/** @type {string[]} */
let asked = [];
const server = createServer(({ url = "/", method }, response) => {
  const path = new URL(url, "http://localhost").pathname;
  if (path === "/api/teams") {
    response.writeHead(method === "POST" ? 422 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { code: "DRAFT_LOCKED", recoverable: false, details: {} } }));
    return;
  }
  if (path === "/favicon.ico") {
    response.writeHead(404).end();
    return;
  }
  asked.push(path);
  const treated = treatment(path);
  if (treated === "hang") return;
  if (treated === "refuse") {
    response.destroy();
    return;
  }
  const type = extname(path) === ".js" ? "text/javascript" : "text/html";
  response.writeHead(200, { "content-type": `${type}; charset=utf-8`, "cache-control": "no-store" });
  response.end(readFileSync(join(site, path === "/" ? "index.html" : path)));
});
let origin = "";

/** The language of whose words a file is, if it is one. @param {string} path */
const languageOf = (path) => /^\/(ar|de|es|fr|ja|pt|zh)-/.exec(path)?.[1];

before(async () => {
  cpSync(join(import.meta.dirname, "words.html"), join(site, "index.html"));
  const page = `import * as steadfast from "steadfast"; Object.assign(globalThis, { steadfast });`;
  await build({
    stdin: { contents: page, resolveDir: root, sourcefile: "main.js" },
    outdir: site,
    entryNames: "main",
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  await browser.start();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
  rmSync(site, { recursive: true, force: true });
});
beforeEach(() => {
  treatment = () => "serve";
  asked = [];
});

/** @param {(page: import("playwright-core").Page) => Promise<void>} [prepare] */
async function openPage(prepare) {
  const { page, messages } = await browser.newPage();
  await prepare?.(page);
  await page.goto(origin);
  await page.waitForFunction(() => "steadfast" in globalThis);
  return {
    page,
    async [Symbol.asyncDispose]() {
      await page.close();
      assert.deepEqual(
        messages.filter((message) => message.startsWith("uncaught")),
        [],
      );
    },
  };
}

/** @param {(page: import("playwright-core").Page) => Promise<void>} work @param {(page: import("playwright-core").Page) => Promise<void>} [prepare] */
async function inPage(work, prepare) {
  const opened = await openPage(prepare);
  try {
    await work(opened.page);
  } finally {
    await opened[Symbol.asyncDispose]();
  }
}

test("only the words of the page's language are loaded", () =>
  inPage(async (page) => {
    const told = await page.evaluate(async () => {
      const { Steadfast } = /** @type {any} */ (globalThis).steadfast;
      document.documentElement.lang = "de-AT";
      const sdk = await Steadfast.open({ fetch: async () => new Response("", { status: 401 }) });
      const error = await sdk.fetch("/a").catch((/** @type {any} */ caught) => caught);
      const first = error.userMessage;
      document.documentElement.lang = "en";
      const second = error.userMessage;
      sdk.close();
      return [first, second];
    });
    assert.deepEqual(told, ["Bitte melden Sie sich an und versuchen Sie es erneut.", "Please sign in and try again."]);
    assert.deepEqual(asked.map(languageOf).filter(Boolean), ["de"]);
  }));

test("words that cannot be loaded are told in English, reported, and loaded later", () =>
  inPage(
    async (page) => {
      treatment = (path) => (languageOf(path) ? "refuse" : "serve");
      const read = () =>
        page.evaluate(async () => {
          const { error, reported } = /** @type {any} */ (globalThis);
          const text = error.userMessage;
          await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
          return [text, reported.length];
        });
      await page.evaluate(async () => {
        const { Steadfast } = /** @type {any} */ (globalThis).steadfast;
        const sdk = await Steadfast.open({ language: "fr", fetch: async () => new Response("", { status: 401 }) });
        const reported = /** @type {any[]} */ ([]);
        sdk.on("wordsFailed", (/** @type {any} */ event) => reported.push(event));
        const error = await sdk.fetch("/a").catch((/** @type {any} */ caught) => caught);
        Object.assign(globalThis, { sdk, error, reported });
      });
      await page.clock.runFor(100);
      assert.deepEqual(await read(), ["Please sign in and try again.", 1]);
      const [event] = await page.evaluate(() => /** @type {any} */ (globalThis).reported);
      assert.deepEqual([event.type, event.language], ["wordsFailed", "fr"]);
      const attempts = () => asked.filter(languageOf).length;
      const before = attempts();
      await read();
      assert.equal(attempts(), before, "not asked for again at once");

      treatment = () => "serve";
      await page.clock.runFor(10_000);
      await read();
      await page.waitForFunction(() => /** @type {any} */ (globalThis).sdk.language === "fr");
      assert.deepEqual(await read(), ["Veuillez vous connecter, puis réessayer.", 1]);
    },
    (page) => page.clock.install(),
  ));

test("words that never arrive hold nothing up for more than a second", () =>
  inPage(async (page) => {
    treatment = (path) => (languageOf(path) ? "hang" : "serve");
    const [text, took] = await page.evaluate(async () => {
      const { init, readError } = /** @type {any} */ (globalThis).steadfast;
      await init();
      const start = performance.now();
      const error = await readError(new Response("", { status: 401 }), { language: "ja" });
      return [error.userMessage, performance.now() - start];
    });
    assert.equal(text, "Please sign in and try again.");
    assert.ok(took > 900 && took < 5000, String(took));
  }));

/** Applies field errors in the page; what became of them, with controls by their names. @param {import("playwright-core").Page} page @param {{ path: string, message?: string | null, constraint?: string }[]} fieldErrors @param {object} [options] */
const apply = (page, fieldErrors, options = {}) =>
  page.evaluate(async ([errors, given]) => {
    const { applyFieldErrors } = /** @type {any} */ (globalThis).steadfast;
    const all = /** @type {any[]} */ (errors).map((error) => ({ message: null, constraint: null, ...error }));
    const result = applyFieldErrors(document.getElementById("form"), { fieldErrors: all }, given);
    Object.assign(globalThis, { result });
    return {
      applied: result.applied.map((/** @type {any} */ { control, fieldError }) => [
        fieldError.path,
        control.getAttribute("name") ?? control.getAttribute("data-field"),
      ]),
      unmatched: result.unmatched.map((/** @type {any} */ { path }) => path),
      focused: document.activeElement?.getAttribute("name") ?? null,
    };
  }, /** @type {const} */ ([fieldErrors, options]));

/** All that an error could change in the page. @param {import("playwright-core").Page} page */
const state = (page) =>
  page.evaluate(() => [
    document.body.innerHTML,
    ...[...document.querySelectorAll("input, select, textarea, fieldset")].map(
      (control) => /** @type {HTMLInputElement} */ (control).validationMessage,
    ),
  ]);

/** What a control says. @param {import("playwright-core").Page} page @param {string} selector */
const shown = (page, selector) =>
  page.evaluate((selector) => {
    const control = /** @type {HTMLInputElement} */ (document.querySelector(selector));
    const ids = control.getAttribute("aria-describedby")?.split(" ") ?? [];
    return {
      invalid: control.getAttribute("aria-invalid"),
      validity: control.validationMessage,
      described: ids.map((id) => document.getElementById(id)?.textContent ?? `no ${id}`),
    };
  }, selector);

const clear = (/** @type {import("playwright-core").Page} */ page) =>
  page.evaluate(() => /** @type {any} */ (globalThis).result.clear());

test("field errors find their fields however they are written, and the rest is handed back", () =>
  inPage(async (page) => {
    const { applied, unmatched, focused } = await apply(
      page,
      [
        "/data/attributes/maxAgents",
        "#/name",
        "body.items.1.price",
        "user.role",
        "profile.bio",
        "color",
        "address",
        "tag.1",
        "elements",
        "outside",
        "rating",
        "disabled",
        "version",
        "send",
        "plain",
        "elsewhere",
        "billing.email",
        "shipping.email",
        "nothing",
        "",
      ].map((path) => ({ path, message: `${path} is wrong` })),
    );
    assert.deepEqual(applied, [
      ["/data/attributes/maxAgents", "max_agents"],
      ["#/name", "name"],
      ["body.items.1.price", "items[1].price"],
      ["user.role", "user[role]"],
      ["profile.bio", "profile.bio"],
      ["color", "color"],
      ["address", "address"],
      ["tag.1", "tag"],
      ["elements", "elements"],
      ["outside", "outside"],
      ["rating", "rating"],
      ["disabled", "disabled"],
    ]);
    assert.deepEqual(unmatched, ["version", "send", "plain", "elsewhere", "billing.email", "shipping.email", "nothing", ""]);
    assert.equal(focused, "name", "the first in the document, not in the list");
    assert.equal((await shown(page, "[name=tag]")).invalid, null);
    assert.equal((await shown(page, "[name=tag] + [name=tag]")).invalid, "true");
  }));

test("a field shows its errors to those who see and to those who hear, and keeps what described it", () =>
  inPage(async (page) => {
    await apply(page, [
      { path: "max_agents", message: "At most ten" },
      { path: "maxAgents", message: "A whole number" },
      { path: "email", message: "<b>not</b> an address" },
      { path: "name", constraint: "required" },
      { path: "color", message: "Choose one" },
    ]);
    const agents = await shown(page, "[name=max_agents]");
    assert.deepEqual(agents, {
      invalid: "true",
      validity: "At most ten\nA whole number",
      described: ["At most ten.", "Or fewer.", "At most ten\nA whole number"],
    });
    assert.deepEqual((await shown(page, "[name=email]")).described, ["<b>not</b> an address"]);
    assert.equal(await page.locator("[data-error-for=email]").isVisible(), true, "the page's own element is used");
    assert.equal(await page.locator("[data-error-for=email] b").count(), 0, "and as text");
    assert.deepEqual((await shown(page, "[name=name]")).described, ["Please fill in this field."]);
    assert.equal(await page.locator("label .field-error").count(), 0, "a message is not part of a label");
    for (const radio of ["[value=red]", "[value=blue]"]) assert.deepEqual((await shown(page, radio)).described, ["Choose one"]);
    assert.equal(await page.locator("#colors > .field-error").count(), 1);
    const computed = await page.getByLabel("Name").evaluate((control) => control.matches(":invalid"));
    assert.equal(computed, true);
  }));

test("clear puts everything back as it was, and applying again does not pile up", () =>
  inPage(async (page) => {
    await page.evaluate(() =>
      /** @type {HTMLInputElement} */ (document.querySelector("[name=email]")).setCustomValidity("taken before"),
    );
    const before = await state(page);
    const errors = ["max_agents", "email", "name", "color", "address", "rating", "profile.bio", "disabled"].map((path) => ({
      path,
      message: "wrong",
    }));
    await apply(page, errors, { focus: false });
    const once = await state(page);
    assert.notDeepEqual(once, before);
    const count = () => page.locator(".field-error").count();
    const made = await count();
    await apply(page, errors, { focus: false });
    assert.equal(await count(), made);
    await apply(page, errors.slice(0, 1), { focus: false });
    assert.equal(await count(), 1);
    assert.equal((await shown(page, "[name=email]")).validity, "taken before");
    await clear(page);
    assert.deepEqual(await state(page), before);
    await clear(page);
    assert.deepEqual(await state(page), before, "twice is once");
    await apply(page, errors, { focus: false });
    await page.evaluate(() => /** @type {HTMLFormElement} */ (document.getElementById("form")).reset());
    assert.deepEqual(await state(page), before, "a reset clears too");
  }));

test("what the page changed meanwhile stays changed", () =>
  inPage(async (page) => {
    await apply(page, [{ path: "max_agents", message: "wrong" }]);
    await page.evaluate(() => {
      const control = /** @type {HTMLInputElement} */ (document.querySelector("[name=max_agents]"));
      control.setAttribute("aria-invalid", "grammar");
      control.setAttribute("aria-describedby", `other ${control.getAttribute("aria-describedby")?.split(" ").at(-1)}`);
      control.setCustomValidity("of the page");
    });
    await clear(page);
    assert.deepEqual(await shown(page, "[name=max_agents]"), {
      invalid: "grammar",
      validity: "of the page",
      described: ["Or fewer."],
    });
  }));

test("an edit takes back the error of its field, and of no other", () =>
  inPage(async (page) => {
    await apply(page, [
      { path: "name", message: "wrong" },
      { path: "email", message: "wrong" },
      { path: "color", message: "wrong" },
    ]);
    await page.locator("[name=name]").pressSequentially("A");
    assert.deepEqual(await shown(page, "[name=name]"), { invalid: null, validity: "", described: [] });
    assert.equal((await shown(page, "[name=email]")).validity, "wrong");
    await page.locator("[value=blue]").check();
    assert.equal((await shown(page, "[value=red]")).invalid, null, "a group is one field");
    await page.locator("[name=email]").fill("ada@example.com");
    assert.equal(await page.locator("[data-error-for=email]").innerHTML(), "We write <b>rarely</b>.");
    assert.equal(await page.locator(".field-error").count(), 0);
  }));

test("the focus and the browser's validation are left alone when asked to", () =>
  inPage(async (page) => {
    const { focused } = await apply(page, [{ path: "name", message: "wrong" }], { focus: false, customValidity: false });
    assert.equal(focused, null);
    assert.deepEqual(await shown(page, "[name=name]"), { invalid: "true", validity: "", described: ["wrong"] });
    assert.equal((await apply(page, [{ path: "address", message: "wrong" }])).focused, null);
    assert.equal(await page.evaluate(() => document.activeElement?.id), "street", "a fieldset gives it to its first control");
    assert.equal((await apply(page, [{ path: "disabled" }, { path: "outside" }])).focused, "outside");
  }));

test("the README's example of words runs as it stands there", async () => {
  const examples = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);
  const example = examples.find((code) => code?.includes("applyFieldErrors"));
  assert.ok(example && example.trim().split("\n").length <= 25, "it is short");
  const script = `${example}
const [form, notice, button] = ["form", "notice", "action"].map((id) => document.getElementById(id));
await send(form as HTMLFormElement, notice!, button as HTMLButtonElement);
Object.assign(globalThis, { done: true });`;
  await build({
    stdin: { contents: script, loader: "ts", resolveDir: root, sourcefile: "example.ts" },
    outfile: join(site, "example.js"),
    bundle: true,
    format: "esm",
    target: "es2022",
  });
  writeFileSync(
    join(site, "example.html"),
    readFileSync(join(site, "index.html"), "utf8").replace("main.js", "example.js").replace('lang="en"', 'lang="de"'),
  );
  await inPage(async (page) => {
    await page.goto(`${origin}/example.html`);
    await page.waitForFunction(() => "done" in globalThis);
    assert.match((await page.locator("#notice").textContent()) ?? "", /^Das bearbeitet gerade jemand\. \(req_.*\)$/);
    assert.equal(await page.locator("#action").textContent(), "Eingaben prüfen");
  });
});
