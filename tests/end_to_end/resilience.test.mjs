// Resilience across tabs and reloads: the built package in a real Chromium, against the real backend.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { build } from "esbuild";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("steadfast").SteadfastOptions} SteadfastOptions */

const root = resolve(import.meta.dirname, "../..");
const site = mkdtempSync(join(tmpdir(), "steadfast-resilience-"));
const backend = new Backend({ site });
const browser = new Browser();
const DOCUMENTS = "/api/documents";
/** What the tabs of a test share. */
let database = "";
let tests = 0;
/** @type {Set<Tab>} */
const tabs = new Set();

before(async () => {
  writeFileSync(
    join(site, "index.html"),
    '<!doctype html><meta charset="utf-8"><title>Resilience</title><script src="main.js"></script>',
  );
  await build({
    stdin: { contents: 'export * from "steadfast";', loader: "js", resolveDir: root },
    bundle: true,
    format: "iife",
    globalName: "steadfast",
    target: "es2022",
    outfile: join(site, "main.js"),
  });
  await Promise.all([backend.start(), browser.start()]);
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  rmSync(site, { recursive: true, force: true });
});
afterEach(async () => {
  await backend.setFault(null);
  await Promise.all([...tabs].map(({ page }) => page.close()));
  tabs.clear();
});

/** A tab with an SDK in it, and the paths that it has asked the backend for. */
class Tab {
  /** @type {string[]} */
  asked = [];
  /** @param {Page} page @param {string[]} messages @param {SteadfastOptions} options */
  constructor(page, messages, options) {
    this.page = page;
    this.messages = messages;
    this.options = options;
    page.on("request", (request) => this.asked.push(new URL(request.url()).pathname));
  }

  /** Loads the page anew, as a reload does. */
  async load() {
    await this.page.goto(`${backend.origin}/`);
    await this.page.evaluate(
      async ({ database, options }) => {
        const { Steadfast } = /** @type {any} */ (globalThis).steadfast;
        const refreshCredentials = async (/** @type {any} */ { fetch }) => {
          const count = Number(localStorage.getItem(`${database}:refreshed`) ?? 0) + 1;
          localStorage.setItem(`${database}:refreshed`, String(count));
          // With the new credentials the backend is content again.
          await fetch("/api/faults", { method: "DELETE" });
        };
        const sdk = await Steadfast.open({
          headers: () => ({ authorization: "Bearer demo.ada" }),
          refreshCredentials,
          database,
          ...options,
        });
        const events = /** @type {any[]} */ ([]);
        Object.assign(globalThis, { sdk, events });
        (async () => {
          for await (const event of sdk.events()) events.push(event);
        })();
      },
      { database, options: this.options },
    );
    return this;
  }

  /**
   * So many calls at once: for each its status, or the code of its error.
   * @param {number} [count] @param {object} [options] @returns {Promise<(string | number)[]>}
   */
  calls(count = 1, options = {}) {
    return this.page.evaluate(
      ({ count, options, path }) => {
        const { sdk } = /** @type {any} */ (globalThis);
        // Each with a URL of its own: a browser asks for the same one after the other, to find it in its cache.
        const call = () =>
          sdk.json(`${path}?${Math.random()}`, {}, options).then(
            (/** @type {any} */ { status }) => status,
            (/** @type {any} */ error) => error.code ?? error.name,
          );
        return Promise.all(Array.from({ length: count }, call));
      },
      { count, options, path: DOCUMENTS },
    );
  }

  /** How often the documents were asked for since this was asked last. */
  count() {
    return this.asked.splice(0).filter((path) => path === DOCUMENTS).length;
  }

  /** The state of the circuit to the backend, as this tab knows it. */
  circuit() {
    return this.page.evaluate(() => {
      const { sdk } = /** @type {any} */ (globalThis);
      return sdk.services.get(location.origin)?.breaker ?? null;
    });
  }

  /** The events of that type. @param {string} type @returns {Promise<any[]>} */
  events(type) {
    return this.page.evaluate((type) => {
      const { events } = /** @type {any} */ (globalThis);
      return events.filter((/** @type {any} */ event) => event.type === type);
    }, type);
  }

  /** Resolves to the first event of that type. @param {string} type @returns {Promise<any>} */
  async event(type) {
    await this.page.waitForFunction(
      (type) => /** @type {any} */ (globalThis).events.some((/** @type {any} */ event) => event.type === type),
      type,
    );
    return (await this.events(type))[0];
  }
}

/** A new tab, with an SDK that was opened like this. @param {SteadfastOptions} [options] */
async function tab(options = {}) {
  const { page, messages } = await browser.newPage();
  const tab = await new Tab(page, messages, { retry: { maxAttempts: 1 }, ...options }).load();
  tabs.add(tab);
  return tab;
}

/** Two tabs that share what tabs share. @param {SteadfastOptions} [options] */
async function twoTabs(options) {
  database = `test-${++tests}`;
  return /** @type {[Tab, Tab]} */ ([await tab(options), await tab(options)]);
}

for (const [who, options] of /** @type {const} */ ([
  ["a user", { userId: "ada" }],
  ["nobody in particular", {}],
])) {
  test(`what a server asks of one tab holds for the other, and after a reload, for ${who}`, async () => {
    const [first, second] = await twoTabs(options);
    await backend.setFault({ kind: "status", status: 429, retryAfter: "60", path: DOCUMENTS, count: 1 });
    assert.deepEqual(await first.calls(), ["RATE_LIMIT_EXCEEDED"]);
    assert.deepEqual(await second.calls(2), ["SERVICE_PAUSED", "SERVICE_PAUSED"]);
    assert.deepEqual([first.count(), second.count()], [1, 0]);
    await first.load();
    assert.deepEqual(await first.calls(), ["SERVICE_PAUSED"]);
    assert.equal(first.count(), 0);
    const [{ error }] = await first.events("callFailed");
    assert.ok(error.retryHint.afterMs > 30_000 && error.retryHint.afterMs <= 75_000, String(error.retryHint.afterMs));
  });
}

test("a circuit that opens in one tab is open in the other, and one probe closes it in both", async () => {
  const [first, second] = await twoTabs({ userId: "ada", breaker: { consecutiveFailures: 3, openMs: 1500, halfOpenCalls: 1 } });
  await second.calls();
  second.count();
  await backend.setFault({ kind: "status", status: 500, path: DOCUMENTS });
  for (let index = 0; index < 3; index++) await first.calls();
  assert.equal((await first.circuit())?.state, "open");
  assert.deepEqual(await second.calls(), ["CIRCUIT_OPEN"]);
  assert.deepEqual([first.count(), second.count()], [3, 0]);

  // It has recovered, and takes its time: whoever asks meanwhile finds a probe on its way.
  await backend.setFault({ kind: "latency", latencyMs: 1500, path: DOCUMENTS, count: 1 });
  await Promise.all(
    [first, second].map(({ page }) =>
      page.waitForFunction(() => {
        const { sdk } = /** @type {any} */ (globalThis);
        return sdk.services.get(location.origin).breaker.openRemainingMs === null;
      }),
    ),
  );
  const results = (await Promise.all([first.calls(20), second.calls(20)])).flat();
  assert.equal(first.count() + second.count(), 1, "one probe for all tabs");
  assert.equal(results.filter((result) => result === 200).length, 1);
  assert.equal(results.filter((result) => result === "CIRCUIT_OPEN").length, 39);
  assert.deepEqual(await first.calls(3), [200, 200, 200]);
  assert.deepEqual(await second.calls(3), [200, 200, 200]);
  for (const tab of [first, second]) assert.equal((await tab.circuit())?.state, "closed");
});

test("credentials that have expired are refreshed once for all tabs", async () => {
  const [first, second] = await twoTabs();
  // Late, so that all have been sent before the first is answered; and no more than the connections that a browser has.
  await backend.setFault({ kind: "status", status: 401, latencyMs: 500, path: DOCUMENTS });
  const results = await Promise.all([first.calls(2), second.calls(2)]);
  assert.deepEqual(new Set(results.flat()), new Set([200]));
  assert.deepEqual([first.count(), second.count()], [4, 4], "each once before and once after");
  const refreshed = await first.page.evaluate((database) => localStorage.getItem(`${database}:refreshed`), database);
  assert.equal(refreshed, "1");
  const told = [...(await first.events("credentialsRefreshed")), ...(await second.events("credentialsRefreshed"))];
  assert.deepEqual(
    told.map(({ succeeded }) => succeeded),
    [true],
  );
});

test("the server's configuration is kept across reloads, and a broken one changes nothing", async () => {
  database = `test-${++tests}`;
  /** @param {unknown} document */
  const configure = async (document) => {
    const response = await fetch(`${backend.origin}/api/faults/configuration`, {
      method: document ? "PUT" : "DELETE",
      ...(document !== null && { body: JSON.stringify(document), headers: { "content-type": "application/json" } }),
    });
    assert.ok(response.ok, String(response.status));
  };
  try {
    await configure({ retryDefaults: { maxAttempts: 4, baseDelay: 100 }, circuitBreaker: { failureThreshold: 100 } });
    const first = await tab({ configuration: true, retry: { maxDelayMs: 0 } });
    await first.event("configurationChanged");
    const configured = () => first.page.evaluate(() => /** @type {any} */ (globalThis).sdk.configuration.retryDefaults);
    assert.deepEqual(await configured(), { maxAttempts: 4, baseDelay: 100 });

    await backend.setFault({ kind: "drop", path: "/api/" });
    await first.load();
    assert.deepEqual(await configured(), { maxAttempts: 4, baseDelay: 100 }, "it holds before the server has been asked");
    first.count();
    await first.calls();
    assert.equal(first.count(), 4);

    await backend.setFault(null);
    await configure(["no", "configuration"]);
    await first.load();
    await first.event("configurationIgnored");
    assert.deepEqual(await configured(), { maxAttempts: 4, baseDelay: 100 });
  } finally {
    await backend.setFault(null);
    await configure(null);
  }
});

test("what the user prefers in one tab holds in the other, and after a reload", async () => {
  const [first, second] = await twoTabs({
    userId: "ada",
    retry: { maxAttempts: 3, baseDelayMs: 0, maxDelayMs: 0 },
    breaker: false,
  });
  await backend.setFault({ kind: "status", status: 500, path: DOCUMENTS });
  await second.calls();
  assert.equal(second.count(), 3);
  const synced = await first.page.evaluate(async () => {
    const { sdk } = /** @type {any} */ (globalThis);
    return (await sdk.preferences.update({ recovery: { maxAutoRetries: 1 } })).synced;
  });
  assert.equal(synced, true);
  const current = (/** @type {Tab} */ { page }) => page.evaluate(() => /** @type {any} */ (globalThis).sdk.preferences.current);
  await second.calls();
  assert.equal(second.count(), 2);
  await second.event("preferencesChanged");
  assert.deepEqual(await current(second), { recovery: { maxAutoRetries: 1 } });
  await second.load();
  assert.deepEqual(await current(second), { recovery: { maxAutoRetries: 1 } });
  assert.deepEqual(await second.page.evaluate(() => /** @type {any} */ (globalThis).sdk.preferences.load()), {
    recovery: { maxAutoRetries: 1 },
  });
});

test("a call that fails is queued as the action that does the same, and arrives once", async () => {
  database = `test-${++tests}`;
  const first = await tab({ userId: "ada" });
  await backend.setFault({ kind: "status", status: 503, path: DOCUMENTS });
  const told = await first.page.evaluate(async (path) => {
    const { sdk } = /** @type {any} */ (globalThis);
    const data = { draftId: "draft-1", content: "written during an outage" };
    const error = await sdk
      .fetch(path, { method: "PUT", body: "{}" }, { queueAs: { type: "save_draft", data } })
      .catch((/** @type {any} */ error) => error);
    const outcome = await error.queued?.settled;
    return { status: error.status, id: error.queued?.id, outcome: outcome?.status };
  }, DOCUMENTS);
  assert.equal(told.status, 503);
  assert.equal(told.outcome, "applied");
  assert.deepEqual(
    (await backend.appliedActions("ada")).map(({ id }) => id),
    [told.id],
  );
});

test("a service that the backend's own circuit breaker leaves alone is left alone in the page", async () => {
  database = `test-${++tests}`;
  const stand = async (/** @type {object} */ circuit) => {
    const response = await fetch(`${backend.origin}/api/faults/services/runninghub_api`, {
      method: "PUT",
      body: JSON.stringify(circuit),
      headers: { "content-type": "application/json" },
    });
    assert.ok(response.ok, await response.text());
  };
  await stand({ circuitBreakerState: "open", recoverAfterMs: 60_000 });
  try {
    const first = await tab({ circuits: true });
    const { service, to, because } = await first.event("circuitChanged");
    assert.deepEqual([service, to, because], ["runninghub_api", "open", "told"]);
    assert.deepEqual(await first.calls(1, { service: "runninghub_api" }), ["CIRCUIT_OPEN"]);
    assert.equal(first.count(), 0);
    assert.deepEqual(await first.calls(), [200]);
  } finally {
    await stand({ circuitBreakerState: "closed" });
  }
});

test("an operation that has failed is done again, from the page", async () => {
  database = `test-${++tests}`;
  const first = await tab({ userId: "ada" });
  await backend.setFault({ kind: "status", status: 504, service: "runninghub_api", path: DOCUMENTS, count: 1 });
  const told = await first.page.evaluate(async (path) => {
    const { sdk } = /** @type {any} */ (globalThis);
    const error = await sdk.json(path).catch((/** @type {any} */ error) => error);
    const { retryCount, newRequestId } = await sdk.operations.retry(error, { modifiedParams: { quality: "low" } });
    const [recovered] = await sdk.operations.recover([error]);
    return { service: error.service, retryCount, newRequestId, recovered: recovered.status };
  }, DOCUMENTS);
  assert.match(told.newRequestId, /^req_/);
  assert.deepEqual([told.service, told.retryCount, told.recovered], ["runninghub_api", 1, "queued"]);
});

test("nothing goes wrong that the console would tell of", async () => {
  const [first] = await twoTabs({ userId: "ada", timeline: true });
  assert.deepEqual(await first.calls(2), [200, 200]);
  const names = await first.page.evaluate(() => performance.getEntriesByType("measure").map(({ name }) => name));
  assert.equal(names.filter((name) => name === `steadfast: GET ${DOCUMENTS}`).length, 2);
  await first.page.evaluate(() => /** @type {any} */ (globalThis).sdk.close());
  assert.deepEqual(
    first.messages.filter((message) => !message.includes("favicon")),
    [],
  );
});
