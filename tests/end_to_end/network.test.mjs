// Real failures in a real browser, told apart: the page and the servers are on different ports, and so on different origins.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { build } from "esbuild";
import { Browser } from "./browser.mjs";

/**
 * What a page tells of a call.
 * @typedef {Partial<{ code: string | null, confidence: string, retryable: boolean, attempts: number | undefined, message: string, status: number | null, thrown: string }>} Told
 */

/** A server on a port of its own that answers as it is told, and remembers what it was asked. */
class Server {
  /** @type {string[]} */
  asked = [];
  /** @type {import("node:http").RequestListener} */
  answer = (_, response) => response.end();
  origin = "";
  #server = createServer((request, response) => {
    this.asked.push(`${request.method} ${request.url}`);
    this.answer(request, response);
  });

  async start() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
    this.origin = `http://127.0.0.1:${address.port}`;
    return this;
  }

  async stop() {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/**
 * Lets every origin in, and answers with that status and those headers.
 * @param {number} status @param {Record<string, string>} headers @returns {import("node:http").RequestListener}
 */
const open =
  (status, headers = {}) =>
  (request, response) => {
    const allowed = {
      "access-control-allow-origin": "*",
      "access-control-allow-headers": "*",
      "access-control-allow-methods": "*",
    };
    response.writeHead(request.method === "OPTIONS" ? 204 : status, { ...allowed, ...headers }).end();
  };

const browser = new Browser();
const site = new Server();
/** @type {Server} */
let api;
/** @type {import("playwright-core").Page} */
let page;
/** @type {string[]} */
let messages;

before(async () => {
  const bundled = await build({
    stdin: { contents: 'export * from "steadfast";', loader: "js", resolveDir: resolve(import.meta.dirname, "../..") },
    bundle: true,
    format: "iife",
    globalName: "steadfast",
    target: "es2022",
    write: false,
  });
  const script = bundled.outputFiles[0]?.contents;
  site.answer = (request, response) => {
    if (request.url === "/steadfast.js") return response.setHeader("content-type", "text/javascript").end(script);
    const policy = request.url === "/strict" ? `<meta http-equiv="content-security-policy" content="connect-src 'self'">` : "";
    return response.setHeader("content-type", "text/html").end(`<!doctype html>${policy}<script src="/steadfast.js"></script>`);
  };
  await Promise.all([browser.start(), site.start()]);
});

after(async () => {
  await browser[Symbol.asyncDispose]();
  await site.stop();
});

beforeEach(async () => {
  api = await new Server().start();
  ({ page, messages } = await browser.newPage());
  await page.goto(site.origin);
});

afterEach(async () => {
  await page.close();
  await api.stop();
});

/**
 * Calls from the page, and says what came of it.
 * @param {string} url @param {{ method?: string, options?: object, call?: object, warmUp?: string }} [how] @returns {Promise<Told>}
 */
function call(url, { method = "GET", options = {}, call = {}, warmUp = "" } = {}) {
  // Whether the backend can be reached at all is looked into by others.
  const given = { url, method, options: { baseUrl: api.origin, health: false, ...options }, call, warmUp };
  return page.evaluate(async ({ url, method, options, call, warmUp }) => {
    const { ApiError, Steadfast } = /** @type {typeof import('steadfast')} */ (/** @type {any} */ (globalThis).steadfast);
    const sdk = await Steadfast.open({ retry: { baseDelayMs: 1 }, ...options });
    try {
      if (warmUp) await sdk.fetch(warmUp);
      const response = await sdk.fetch(url, { method }, call);
      return { status: response.status };
    } catch (error) {
      if (!(error instanceof ApiError)) return { thrown: String(error) };
      const { code, status, message, retryable, format, request } = error;
      return { code, status, message, retryable, confidence: format.confidence, attempts: request?.attempts };
    } finally {
      sdk.close();
    }
  }, given);
}

/** @param {Told} told @param {string} code @param {string} confidence @param {number} attempts */
function isTold(told, code, confidence, attempts) {
  const { message, status, ...rest } = told;
  assert.deepEqual(rest, { code, confidence, attempts, retryable: attempts > 1 }, message);
  assert.equal(status, null);
}

test("a server that is down is unreachable, the more surely if another one answers", async () => {
  await api.stop();
  isTold(await call("/a"), "NETWORK_UNREACHABLE", "guess", 3);
  isTold(await call("/a", { warmUp: `${site.origin}/` }), "NETWORK_UNREACHABLE", "likely", 3);
});

test("a host that does not exist is unreachable", async () => {
  isTold(await call("http://steadfast.invalid/a"), "NETWORK_UNREACHABLE", "guess", 3);
});

test("an answer without CORS headers is told from a server that is down", async () => {
  isTold(await call("/a"), "NETWORK_CORS", "likely", 3);
  const probes = api.asked.filter((asked) => asked.startsWith("HEAD"));
  assert.deepEqual(probes, ["HEAD /", "HEAD /a"], "one probe for three attempts");
  isTold(await call("/a", { method: "PUT" }), "NETWORK_CORS", "likely", 3);
});

test("a gateway without CORS headers that is gone a moment later costs an attempt and no more", async () => {
  const allowing = open(200);
  let isDown = true;
  api.answer = (request, response) => {
    if (!isDown || request.method === "HEAD") return allowing(request, response);
    isDown = false;
    return response.writeHead(502).end();
  };
  assert.deepEqual(await call("/a"), { status: 200 });
});

test("what an extension blocks is told from what the server forbids", async () => {
  api.answer = open(200);
  await page.route("**/tracker/**", (route) => route.abort("blockedbyclient"));
  isTold(await call("/tracker/a"), "NETWORK_BLOCKED", "likely", 3);
  isTold(await call(`${site.origin}/tracker/a`), "NETWORK_BLOCKED", "likely", 3);
});

test("what the page's own policy forbids is certain, and not tried again", async () => {
  await page.goto(`${site.origin}/strict`);
  isTold(await call("/a"), "NETWORK_BLOCKED", "certain", 1);
  assert.deepEqual(api.asked, []);
});

test("offline is offline", async () => {
  api.answer = open(200);
  await page.context().setOffline(true);
  const told = await call("/a");
  await page.context().setOffline(false);
  isTold(told, "NETWORK_OFFLINE", "certain", 3);
});

test("a server that takes too long has not answered in time, whether it can be reached or not", async () => {
  api.answer = () => {};
  const told = await call("/a", { call: { attemptTimeoutMs: 100, maxAttempts: 2 } });
  assert.equal(told.code, "NETWORK_TIMEOUT", told.message);
});

test("an abort stays the caller's own", async () => {
  api.answer = () => {};
  const thrown = await page.evaluate(async (baseUrl) => {
    const { Steadfast } = /** @type {any} */ (globalThis).steadfast;
    const sdk = await Steadfast.open({ baseUrl });
    const controller = new AbortController();
    const call = sdk.fetch("/a", { signal: controller.signal });
    controller.abort();
    return call.catch((/** @type {unknown} */ error) => error === controller.signal.reason && String(error));
  }, api.origin);
  assert.match(String(thrown), /^AbortError/);
});

test("nothing is probed and nobody is warned where nobody is developing", async () => {
  const options = { development: false };
  isTold(await call("/a", { options }), "NETWORK_ERROR", "guess", 3);
  api.answer = open(429);
  assert.equal((await call("/a", { options })).status, 429);
  assert.ok(!api.asked.some((asked) => asked.startsWith("HEAD")), api.asked.join("\n"));
  assert.ok(!messages.some((message) => message.includes("Steadfast:")), messages.join("\n"));
});

test("a stand-in for fetch is asked for nothing that nobody has called for", async () => {
  const asked = await page.evaluate(async (baseUrl) => {
    const { Steadfast } = /** @type {any} */ (globalThis).steadfast;
    /** @type {string[]} */
    const asked = [];
    const fetch = async (/** @type {Request} */ request) => {
      asked.push(request.method);
      throw new TypeError("Failed to fetch");
    };
    const sdk = await Steadfast.open({ baseUrl, fetch });
    const error = await sdk.fetch("/a", {}, { maxAttempts: 1 }).catch((/** @type {unknown} */ thrown) => thrown);
    return [...asked, error.code];
  }, api.origin);
  assert.deepEqual(asked, ["GET", "NETWORK_ERROR"]);
});

test("a Retry-After that CORS may hide is told of once, and one that is exposed is heeded instead", async () => {
  const call429 = { call: { maxAttempts: 2, maxWaitMs: 0 } };
  const warnings = () => messages.filter((message) => message.includes("Access-Control-Expose-Headers: Retry-After"));
  api.answer = open(429, { "retry-after": "7" });
  assert.equal((await call("/a", call429)).attempts, 2, "backoff decides, for the hint cannot be seen");
  assert.equal(warnings().length, 1, messages.join("\n"));
  assert.ok(warnings()[0]?.includes(api.origin));
  api.answer = open(429, { "retry-after": "7", "access-control-expose-headers": "Retry-After" });
  assert.equal((await call("/a", call429)).attempts, 1, "seven seconds are longer than this call waits");
  assert.equal(warnings().length, 1, messages.join("\n"));
});
