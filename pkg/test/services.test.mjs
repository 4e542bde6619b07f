// The services that calls go to: circuits, pauses, bulkheads.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ApiError, InvalidInputError, Steadfast } from "steadfast";

/** @typedef {import("steadfast").SteadfastOptions} SteadfastOptions */
/** @typedef {(request: Request, number: number) => Response | Promise<Response>} Server */

const baseUrl = "https://api.example";
/** Retries that follow at once. */
const atOnce = { baseDelayMs: 0, maxDelayMs: 0 };

/** @type {Set<Steadfast>} */
const opened = new Set();
after(() => {
  for (const sdk of opened) sdk.close();
});

/**
 * An SDK whose network that server is, and the requests that it has got.
 * @param {Server} server @param {SteadfastOptions} [options]
 */
async function open(server, options) {
  /** @type {Request[]} */
  const requests = [];
  const fetch = async (/** @type {Request} */ request) => server(request, requests.push(request));
  const sdk = await Steadfast.open({ baseUrl, fetch, retry: { maxAttempts: 1, ...atOnce }, ...options });
  opened.add(sdk);
  return { sdk, requests };
}

/** @param {Promise<unknown>} promise @returns {Promise<any>} */
const failure = (promise) =>
  promise.then(
    (value) => assert.fail(`it should have failed, and gave ${JSON.stringify(value)}`),
    (error) => error,
  );

/** The events of that type, as they come. @param {Steadfast} sdk @param {any} type @returns {any[]} */
function heard(sdk, type) {
  /** @type {any[]} */
  const events = [];
  sdk.on(type, (event) => events.push(event));
  return events;
}

/** A promise, and what settles it. */
function gated() {
  /** @type {(value?: any) => void} */
  let resolve = () => {};
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}

const status = (/** @type {number} */ code, /** @type {HeadersInit} */ headers = {}) =>
  new Response("", { status: code, headers });

// Circuits.

test("a service that fails is left alone, and the caller is told for how long", async () => {
  const { sdk, requests } = await open(() => status(500), { breaker: { consecutiveFailures: 3, openMs: 60_000 } });
  const changes = heard(sdk, "circuitChanged");
  for (let index = 0; index < 3; index++) assert.equal((await failure(sdk.fetch("/"))).status, 500);
  const refused = await failure(sdk.fetch("/"));
  assert.ok(refused instanceof ApiError);
  assert.deepEqual([refused.code, refused.status, refused.retryable], ["CIRCUIT_OPEN", null, true]);
  assert.equal(refused.request?.attempts, 0);
  assert.equal(refused.request?.url, `${baseUrl}/`);
  assert.match(refused.correlationId ?? "", /^req_/);
  assert.ok(Number(refused.retryHint?.afterMs) > 50_000 && refused.retryHint?.source === "circuitBreaker");
  assert.equal(requests.length, 3);
  await turn();
  assert.deepEqual(
    changes.map(({ service, from, to, because }) => [service, from, to, because]),
    [[baseUrl, "closed", "open", "consecutiveFailures"]],
  );
  assert.ok(changes[0].openForMs >= 60_000 && changes[0].openForMs <= 66_000);
});

test("answers that say no are those of a service that works", async () => {
  const { sdk } = await open((_, number) => status([400, 401, 403, 404, 409, 422, 429, 501][number % 8] ?? 0), {
    breaker: { consecutiveFailures: 1 },
  });
  for (let index = 0; index < 16; index++) await failure(sdk.fetch("/"));
  assert.equal(sdk.services.get(baseUrl)?.breaker?.state, "closed");
});

test("services are listed, opened, closed and reset by hand, one or all", async () => {
  let answer = 200;
  const { sdk, requests } = await open(() => status(answer), { breaker: { consecutiveFailures: 2 } });
  assert.deepEqual(sdk.services.list(), []);
  assert.equal(sdk.services.get(baseUrl), undefined);
  await sdk.fetch("/");
  await sdk.fetch("/search", {}, { service: "search" });
  assert.deepEqual(
    sdk.services.list().map(({ service, breaker }) => [service, breaker?.state, breaker?.calls]),
    [
      [baseUrl, "closed", 2],
      ["search", "closed", 1],
    ],
  );
  const { budget, bulkhead, sendRate, pausedForMs } = sdk.services.get(baseUrl) ?? {};
  assert.ok(budget && budget.available === budget.capacity);
  assert.deepEqual([bulkhead, sendRate, pausedForMs], [null, null, null]);

  sdk.services.open("search");
  assert.equal((await failure(sdk.fetch("/search", {}, { service: "search" }))).code, "CIRCUIT_OPEN");
  await sdk.fetch("/");
  sdk.services.openAll();
  assert.equal((await failure(sdk.fetch("/"))).code, "CIRCUIT_OPEN");
  sdk.services.close("search");
  assert.equal(sdk.services.get("search")?.breaker?.state, "closed");
  sdk.services.closeAll();
  await sdk.fetch("/search", {}, { service: "search" });
  assert.equal(requests.length, 4);
  answer = 500;
  await failure(sdk.fetch("/"));
  assert.equal(sdk.services.get(baseUrl)?.breaker?.failuresInARow, 1);
  sdk.services.resetAll();
  assert.equal(sdk.services.get(baseUrl)?.breaker?.failuresInARow, 0);
  sdk.services.openAll();
  sdk.services.reset(baseUrl);
  assert.equal(sdk.services.get(baseUrl)?.breaker?.state, "closed");
  sdk.close();
  assert.throws(() => sdk.services.list(), { name: "ClosedError" });
  assert.throws(() => sdk.services.open("x"), { name: "ClosedError" });
});

test("the part of a backend that an error names is held responsible, and not the rest", async () => {
  const body = {
    success: false,
    error: { code: "AI_FAILED", message: "m", correlationId: "c", retryable: true },
    context: { service: "runninghub_api" },
  };
  const { sdk, requests } = await open(
    ({ url }) => (url.includes("effects") ? Response.json(body, { status: 503 }) : new Response()),
    { services: { runninghub_api: { breaker: { consecutiveFailures: 2 } } } },
  );
  await failure(sdk.fetch("/effects/1"));
  await failure(sdk.fetch("/effects/2"));
  const refused = await failure(sdk.fetch("/effects/3"));
  assert.equal(refused.code, "CIRCUIT_OPEN");
  assert.match(refused.message, /runninghub_api/);
  assert.equal(requests.length, 2);
  await sdk.fetch("/drafts");
  assert.equal(sdk.services.get(baseUrl)?.breaker?.state, "closed");
});

test("protections of single services go by their keys, and say where they are wrong", async () => {
  const { sdk } = await open(() => status(500), { breaker: false, budget: false, services: { search: { breaker: true } } });
  for (let index = 0; index < 6; index++) await failure(sdk.fetch("/search", {}, { service: "search" }));
  assert.equal(sdk.services.get("search")?.breaker?.state, "open");
  assert.equal(sdk.services.get(baseUrl)?.breaker, null);
  assert.equal(sdk.services.get(baseUrl)?.budget, null);
  for (const [options, path] of /** @type {[any, string][]} */ ([
    [{ services: { search: { breaker: { openMs: 0 } } } }, "services.search.breaker.openMs"],
    [{ services: { search: { retries: 1 } } }, "services.search.retries"],
    [{ services: [] }, "services"],
    [{ breaker: { openMS: 1 } }, "breaker.openMS"],
    [{ adaptiveRate: "yes" }, "adaptiveRate"],
    [{ configuration: { refreshMs: 1 } }, "configuration.refreshMs"],
    [{ circuits: { path: "health" } }, "circuits.path"],
    [{ correlation: { ids: "random" } }, "correlation.ids"],
    [{ correlation: { tracedOrigins: ["api.example"] } }, "correlation.tracedOrigins"],
    [{ correlation: { sampleRatio: 2 } }, "correlation.sampleRatio"],
    [{ refreshCredentials: true }, "refreshCredentials"],
    [{ retry: { jitter: "much" } }, "retry.jitter"],
    [{ timeline: "yes" }, "timeline"],
  ])) {
    const error = await failure(open(() => status(200), options));
    assert.ok(error instanceof InvalidInputError, `${path}: ${error}`);
    assert.equal(error.path, path);
  }
});

// Pauses.

test("what a service has asked for holds for all calls to it", async () => {
  const { sdk, requests } = await open(() => status(429, { "retry-after": "120" }));
  const paused = heard(sdk, "servicePaused");
  assert.equal((await failure(sdk.fetch("/a"))).status, 429);
  const refused = await failure(sdk.json("/b"));
  assert.deepEqual([refused.code, refused.status, refused.retryable], ["SERVICE_PAUSED", null, true]);
  assert.ok(
    refused.retryHint.afterMs > 110_000 && refused.retryHint.afterMs <= 135_000,
    "up to 15 s longer than it was asked to",
  );
  assert.equal(refused.retryHint.source, "earlierAnswer");
  assert.equal(requests.length, 1);
  await turn();
  assert.deepEqual(
    paused.map(({ service, forMs }) => [service, forMs >= 120_000 && forMs <= 135_000]),
    [[baseUrl, true]],
  );
  assert.ok(Number(sdk.services.get(baseUrl)?.pausedForMs) > 110_000);
  sdk.services.reset(baseUrl);
  assert.equal((await failure(sdk.fetch("/c"))).code, "SERVICE_PAUSED", "what it has asked for stands");
});

test("a call waits in its place until the moment has come", async () => {
  const { sdk, requests } = await open((_, number) => status(number === 1 ? 503 : 200, { "retry-after-ms": "20" }), {
    retry: { maxAttempts: 2, ...atOnce },
  });
  const waits = heard(sdk, "callWaits");
  const start = performance.now();
  const [first, second] = await Promise.all([
    sdk.fetch("/a"),
    (async () => {
      while (!sdk.services.get(baseUrl)?.pausedForMs) await turn();
      return sdk.fetch("/b");
    })(),
  ]);
  assert.deepEqual([first.status, second.status], [200, 200]);
  assert.ok(performance.now() - start >= 19);
  assert.equal(requests.length, 3);
  await turn();
  assert.ok(waits.length >= 1 && waits.every(({ because, service }) => because === "paused" && service === baseUrl));
});

test("who stands in line before a bulkhead when a service asks for patience has it", async () => {
  const gate = gated();
  const { sdk, requests } = await open(
    async (_, number) => (number === 1 ? (await gate.promise, status(503, { "retry-after-ms": "10" })) : status(200)),
    { bulkhead: { maxConcurrent: 1 } },
  );
  const first = failure(sdk.fetch("/a"));
  const second = sdk.fetch("/b");
  await turn();
  gate.resolve();
  assert.equal((await first).status, 503);
  assert.equal((await second).status, 200);
  assert.equal(requests.length, 2);
});

// Urgency and bulkheads.

test("interactive calls go before background calls that came earlier", async () => {
  const gate = gated();
  const { sdk, requests } = await open((_, number) => (number === 1 ? gate.promise : status(200)), {
    bulkhead: { maxConcurrent: 1, maxQueued: 2 },
  });
  const first = sdk.fetch("/first");
  await turn();
  const background = sdk.fetch("/background", {}, { urgency: "background" });
  const interactive = sdk.fetch("/interactive");
  await turn();
  assert.deepEqual(sdk.services.get(baseUrl)?.bulkhead, { running: 1, queued: 2 });
  const full = await failure(sdk.fetch("/full", {}, { urgency: "background" }));
  assert.deepEqual([full.code, full.retryHint], ["BULKHEAD_FULL", null]);
  gate.resolve(status(200));
  await Promise.all([first, background, interactive]);
  assert.deepEqual(
    requests.map(({ url }) => new URL(url).pathname),
    ["/first", "/interactive", "/background"],
  );
});
