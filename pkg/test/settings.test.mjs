// What holds for calls beside the application's options: the server's configuration, its own circuits, what the user prefers; and
// the performance timeline.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { InvalidInputError, Steadfast } from "steadfast";

/** @typedef {import("steadfast").SteadfastOptions} SteadfastOptions */

const baseUrl = "https://api.example";
const atOnce = { baseDelayMs: 0, maxDelayMs: 0 };

/** @type {Set<Steadfast>} */
const opened = new Set();
after(() => {
  for (const sdk of opened) sdk.close();
});

/**
 * An SDK, the paths that were asked for, and its events. Everything but what `answers` knows fails.
 * @param {Record<string, () => Response | Promise<Response>>} answers @param {SteadfastOptions} [options]
 */
async function open(answers, options) {
  /** @type {string[]} */
  const paths = [];
  /** @type {any[]} */
  const events = [];
  const fetch = async (/** @type {Request} */ { url }) => {
    const { pathname } = new URL(url);
    paths.push(pathname);
    return answers[pathname]?.() ?? new Response("", { status: 503 });
  };
  const sdk = await Steadfast.open({ baseUrl, fetch, budget: false, ...options });
  opened.add(sdk);
  void (async () => {
    for await (const event of sdk.events()) events.push(event);
  })();
  /** The next event of that type. @param {string} type */
  const next = async (type) => {
    for (;;) {
      const index = events.findIndex((event) => event.type === type);
      if (index >= 0) return events.splice(index, 1)[0];
      await turn();
    }
  };
  const count = (/** @type {string} */ path) => paths.filter((asked) => asked === path).length;
  return { sdk, paths, count, next, events };
}

/** @param {Promise<unknown>} promise @returns {Promise<any>} */
const failure = (promise) =>
  promise.then(
    (value) => assert.fail(`it should have failed, and gave ${JSON.stringify(value)}`),
    (error) => error,
  );

const CONFIGURATION = "/api/config/error-handling";
const HEALTH = "/api/health/detailed";
const PREFERENCES = "/api/user/error-preferences";

// Configuration.

test("without being asked to, Steadfast asks for nothing", async () => {
  const { sdk, paths } = await open({});
  for (let index = 0; index < 5; index++) await turn();
  assert.deepEqual(paths, []);
  assert.deepEqual(sdk.configuration, {});
  sdk.close();
  assert.throws(() => sdk.configuration, { name: "ClosedError" });
});

test("what the server configures holds for calls that begin then, and the call's own options before it", async () => {
  const document = {
    retryDefaults: { maxAttempts: 4, baseDelay: 100, backoffMultiplier: 1 },
    circuitBreaker: { failureThreshold: 50, recoveryTimeout: 5000, halfOpenMaxCalls: 1 },
    errorDisclosure: { levelThresholds: { standard: 2 } },
    businessRules: { highValueCustomerThreshold: 1000, priorityEscalationEnabled: true },
  };
  const { sdk, next, count } = await open({ [CONFIGURATION]: () => Response.json(document) }, { configuration: true });
  assert.deepEqual((await next("configurationChanged")).adjustments, []);
  assert.deepEqual(sdk.configuration, document);
  await failure(sdk.fetch("/a", {}, atOnce));
  assert.equal(count("/a"), 4);
  await failure(sdk.fetch("/b", {}, { maxAttempts: 2, ...atOnce }));
  assert.equal(count("/b"), 2, "what the call says comes first");
  assert.equal(sdk.services.get(baseUrl)?.breaker?.state, "closed");
});

test("the application's options come before the server's", async () => {
  const document = { retryDefaults: { maxAttempts: 9 }, circuitBreaker: { failureThreshold: 1 } };
  const { sdk, next, count } = await open(
    { [CONFIGURATION]: () => Response.json(document) },
    { configuration: true, retry: { maxAttempts: 2, ...atOnce }, breaker: { consecutiveFailures: 3 } },
  );
  await next("configurationChanged");
  await failure(sdk.fetch("/a"));
  assert.equal(count("/a"), 2);
  assert.equal(sdk.services.get(baseUrl)?.breaker?.state, "closed");
  await failure(sdk.fetch("/b", {}, { maxAttempts: 1 }));
  assert.equal(sdk.services.get(baseUrl)?.breaker?.state, "open");
});

test("what is not allowed is brought to what is, and said", async () => {
  const document = { retryDefaults: { maxAttempts: 1000, baseDelay: "soon", backoffMultiplier: 2 } };
  const { sdk, next } = await open({ [CONFIGURATION]: () => Response.json(document) }, { configuration: true });
  const { adjustments } = await next("configurationChanged");
  assert.deepEqual(
    adjustments.map((/** @type {any} */ { member, received, used }) => [member, received, used]),
    [
      ["retryDefaults.maxAttempts", "1000", "10"],
      ["retryDefaults.baseDelay", '"soon"', null],
    ],
  );
  assert.ok(adjustments.every((/** @type {any} */ { allowed }) => allowed.length > 0));
  assert.deepEqual(sdk.configuration.retryDefaults, { maxAttempts: 10, backoffMultiplier: 2 });
});

test("a configuration that is none changes nothing, and is said", async () => {
  for (const answer of [() => Response.json([1, 2]), () => Response.json("yes"), () => Response.json(null)]) {
    const { sdk, next, events } = await open({ [CONFIGURATION]: answer }, { configuration: true });
    const { message } = await next("configurationIgnored");
    assert.ok(message.length > 0);
    assert.deepEqual(sdk.configuration, {});
    assert.ok(!events.some(({ type }) => type === "configurationChanged"));
    sdk.close();
  }
});

test("it is asked for elsewhere and again, and a server that has none is no harm", async () => {
  let number = 0;
  const answers = { "/settings": () => Response.json({ retryDefaults: { maxAttempts: ++number + 1 } }) };
  const { sdk, next, count } = await open(answers, { configuration: { path: "/settings", refreshMs: 1000 } });
  await next("configurationChanged");
  assert.equal(sdk.configuration.retryDefaults?.maxAttempts, 2);
  assert.equal(count("/settings"), 1);
  sdk.close();
  const none = await open({ [CONFIGURATION]: () => new Response("", { status: 404 }) }, { configuration: true });
  assert.equal((await none.next("callFailed")).error.status, 404);
  assert.deepEqual(none.sdk.configuration, {});
});

// Circuits of the backend's own.

test("a service that is out at the backend is left alone here, without failing first", async () => {
  const report = {
    services: {
      search: { status: "unhealthy", circuitBreakerState: "open", recoveryTime: new Date(Date.now() + 60_000).toISOString() },
      mail: { status: "healthy", circuitBreakerState: "closed" },
    },
  };
  const { sdk, next, count } = await open(
    { [HEALTH]: () => Response.json(report), "/mail": () => new Response(), "/a": () => new Response() },
    { circuits: true },
  );
  const { service, to, because } = await next("circuitChanged");
  assert.deepEqual([service, to, because], ["search", "open", "told"]);
  const refused = await failure(sdk.fetch("/search", {}, { service: "search" }));
  assert.equal(refused.code, "CIRCUIT_OPEN");
  assert.ok(refused.retryHint.afterMs > 50_000);
  assert.equal(count("/search"), 0);
  await sdk.fetch("/mail", {}, { service: "mail" });
  await sdk.fetch("/a");
});

// What the user prefers.

test("what the user prefers holds at once, for a call that is under way too", async () => {
  const { sdk, next, count } = await open(
    { [PREFERENCES]: () => Response.json({ success: true }) },
    { retry: { maxAttempts: 20, baseDelayMs: 5, multiplier: 1, jitter: "none" }, breaker: false },
  );
  const call = failure(sdk.fetch("/a"));
  await next("retryScheduled");
  const { synced, preferences } = await sdk.preferences.update({ recovery: { autoRetryEnabled: false } });
  assert.deepEqual([synced, preferences], [true, { recovery: { autoRetryEnabled: false } }]);
  assert.equal((await call).status, 503);
  assert.equal((await next("callFailed")).because, "autoRetryOff");
  assert.ok(count("/a") < 20);
  await failure(sdk.fetch("/b"));
  assert.equal(count("/b"), 1);
  await sdk.preferences.update({ recovery: { autoRetryEnabled: true, maxAutoRetries: 2 } });
  await failure(sdk.fetch("/c"));
  assert.equal(count("/c"), 3);
});

test("an empty answer to an update says that it has arrived", async () => {
  for (const answer of [() => Response.json({}), () => new Response(null, { status: 204 })]) {
    const { sdk } = await open({ [PREFERENCES]: answer });
    const { synced, preferences } = await sdk.preferences.update({ recovery: { maxAutoRetries: 1 } });
    assert.deepEqual([synced, preferences], [true, { recovery: { maxAutoRetries: 1 } }]);
  }
});

test("what cannot be preferred is refused with its place", async () => {
  const { sdk, paths } = await open({});
  const error = await failure(sdk.preferences.update(/** @type {any} */ ({ recovery: { maxAutoRetries: -1 } })));
  assert.ok(error instanceof InvalidInputError);
  assert.equal(error.path, "preferences.recovery.maxAutoRetries");
  assert.deepEqual(paths, []);
});

test("operations are retried through the calls of the SDK", async () => {
  const { sdk, count } = await open({ "/api/operations/retry": () => Response.json({ newRequestId: "req_2" }) });
  const error = await failure(sdk.fetch("/a", {}, { maxAttempts: 1 }));
  const { newRequestId, retryCount } = await sdk.operations.retry(error);
  assert.deepEqual([newRequestId, retryCount], ["req_2", 1]);
  assert.equal(count("/api/operations/retry"), 1);
});

test("after close, preferences and operations say so", async () => {
  const { sdk } = await open({ [PREFERENCES]: () => Response.json({}) });
  sdk.close();
  assert.equal((await failure(sdk.preferences.update({ recovery: { maxAutoRetries: 1 } }))).name, "ClosedError");
  assert.equal((await failure(sdk.preferences.load())).name, "ClosedError");
  assert.equal((await failure(sdk.operations.retry({ requestId: "r" }))).name, "ClosedError");
  assert.deepEqual(sdk.preferences.current, {});
});

// Timeline.

test("calls, their waits and turning points are put on the timeline, until it is closed", async () => {
  let number = 0;
  const headers = { "server-timing": "db;dur=12" };
  const { sdk } = await open(
    {
      "/a": () => (number++ ? new Response("", { headers }) : new Response("", { status: 503 })),
    },
    { timeline: true, retry: { maxAttempts: 2, baseDelayMs: 1 }, breaker: { consecutiveFailures: 2 } },
  );
  await sdk.fetch("/a?token=secret");
  await failure(sdk.json("/b"));
  const entries = () => performance.getEntries().filter(({ name }) => name.startsWith("steadfast: "));
  await turn();
  const [a, b] = ["GET /a", "GET /b"].map((name) => entries().find((entry) => entry.name === `steadfast: ${name}`));
  assert.equal(a?.entryType, "measure");
  const detail = /** @type {any} */ (a).detail;
  assert.equal(detail.url, `${baseUrl}/a`, "what a query may hold is not told");
  assert.equal(detail.status, 200);
  assert.deepEqual(detail.serverTiming, [{ name: "db", duration: 12, description: "" }]);
  assert.equal(/** @type {any} */ (b).detail.status, 503);
  assert.equal(/** @type {any} */ (b).detail.attempts, 2);
  const names = entries().map(({ name }) => name);
  assert.ok(names.includes("steadfast: wait, GET /a"), String(names));
  assert.ok(
    names.some((name) => name.startsWith("steadfast: circuit open")),
    String(names),
  );
  sdk.close();
  assert.deepEqual(entries(), []);
  const { sdk: quiet } = await open({ "/a": () => new Response() });
  await quiet.fetch("/a");
  assert.deepEqual(entries(), []);
});
