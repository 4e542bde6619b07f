// Calls, and what becomes of them: retries, hedges, fallbacks, the queue, credentials, correlation.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { after, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ApiError, degradation, InvalidInputError, Steadfast } from "steadfast";

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
  const fetch = async (/** @type {Request} */ request) => {
    // What is queued stays there.
    if (request.url.endsWith("/api/sync/queue-actions")) return /** @type {Promise<Response>} */ (new Promise(() => {}));
    return server(request, requests.push(request));
  };
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

/** An error in the form of StellarFlow, with a place to ask instead. @param {string} href @param {HeadersInit} [headers] */
const elsewhere = (href, headers) => {
  const recovery = { suggestedAction: "Ask there", alternativeEndpoint: href };
  const error = { code: "SYSTEM_OVERLOADED", message: "too much", recovery };
  return Response.json({ success: false, error }, { status: 503, ...(headers && { headers }) });
};

test("wrong options of a call say what, where and what is allowed, and nothing is sent", async () => {
  const { sdk, requests } = await open(() => status(200), { userId: "ada" });
  for (const [options, path] of /** @type {[any, string][]} */ ([
    [{ hedge: { afterMs: "soon" } }, "hedge.afterMs"],
    [{ hedge: {} }, "hedge.afterMs"],
    [{ urgency: "high" }, "urgency"],
    [{ service: "" }, "service"],
    [{ totalTimeoutMs: 0 }, "totalTimeoutMs"],
    [{ jitter: true }, "jitter"],
    [{ fallback: "lastgood" }, "fallback"],
    [{ fallback: ["lastGood", { status: 200 }] }, "fallback[1]"],
    [{ queueAs: { data: 1 } }, "type"],
    [{ queueAs: { type: "t", data: 1n } }, "data"],
    [{ idempotencyKey: "ü" }, "idempotencyKey"],
    [{ refreshCredentials: "no" }, "refreshCredentials"],
    [{ retries: 1 }, "retries"],
  ])) {
    for (const error of [await failure(sdk.fetch("/", {}, options)), await failure(sdk.json("/", {}, options))]) {
      assert.ok(error instanceof InvalidInputError, `${path}: ${error}`);
      assert.equal(error.path, path);
      assert.ok(error.allowed.length > 0);
      assert.doesNotMatch(error.message, /apart/, "no option that there is not for applications");
    }
  }
  assert.equal(requests.length, 0);
});

// Retries.

test("the total timeout ends a call with what went wrong, and waits in no line beyond it", async () => {
  const { sdk, requests } = await open(() => status(503));
  const failed = heard(sdk, "callFailed");
  const options = {
    maxAttempts: 20,
    baseDelayMs: 60_000,
    maxDelayMs: 60_000,
    jitter: /** @type {const} */ ("none"),
    totalTimeoutMs: 50,
  };
  const error = await failure(sdk.fetch("/", {}, options));
  assert.equal(error.status, 503);
  assert.equal(requests.length, 1);
  await turn();
  assert.equal(failed[0].because, "deadlineTooClose");

  const gate = gated();
  const full = await open(() => gate.promise.then(() => status(200)), { bulkhead: { maxConcurrent: 1 } });
  const holder = full.sdk.fetch("/");
  await turn();
  assert.equal((await failure(full.sdk.fetch("/", {}, { totalTimeoutMs: 10 }))).code, "DEADLINE_EXCEEDED");
  gate.resolve();
  assert.equal((await holder).status, 200);
});

test("jitter decides what share of a delay is waited", async () => {
  const retry = /** @type {const} */ ({ maxAttempts: 4, baseDelayMs: 4, multiplier: 2, jitter: "none" });
  const { sdk } = await open(() => status(503), { retry, breaker: false });
  const scheduled = heard(sdk, "retryScheduled");
  const delays = async (/** @type {object} */ options) => {
    await failure(sdk.fetch("/", {}, options));
    await turn();
    return scheduled.splice(0).map(({ afterMs }) => afterMs);
  };
  assert.deepEqual(await delays({}), [4, 8, 16]);
  const equal = await delays({ jitter: "equal" });
  assert.ok(
    equal.every((delay, index) => delay >= 2 << index && delay <= 4 << index),
    String(equal),
  );
  const full = await delays({ jitter: "full" });
  assert.ok(
    full.every((delay, index) => delay <= 4 << index),
    String(full),
  );
  const smooth = await delays({ jitter: "decorrelated", maxDelayMs: 20 });
  assert.ok(smooth.length === 3 && smooth.every((delay) => delay <= 20), String(smooth));
});

test("a budget that is used up ends retries, and calls go on", async () => {
  const { sdk, requests } = await open(() => status(503), {
    retry: { maxAttempts: 20, ...atOnce },
    breaker: false,
    budget: { capacity: 10, cost: 5, refillMs: 0 },
  });
  const failed = heard(sdk, "callFailed");
  await failure(sdk.fetch("/"));
  await failure(sdk.fetch("/"));
  assert.equal(requests.length, 4);
  await turn();
  assert.deepEqual(
    failed.map(({ because }) => because),
    ["budgetExhausted", "budgetExhausted"],
  );
  assert.equal(sdk.services.get(baseUrl)?.budget?.refused, 2);
});

// Hedges.

test("a slow GET gets company, the first answer counts, and the loser is aborted", async () => {
  const { sdk, requests } = await open((request, number) =>
    number > 1
      ? new Response("second")
      : new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason))),
  );
  const sent = heard(sdk, "hedgeSent");
  const response = await sdk.fetch("/", {}, { hedge: { afterMs: 2 } });
  assert.equal(await response.text(), "second");
  assert.equal(requests.length, 2);
  assert.equal(requests[0]?.signal.aborted, true);
  assert.equal(requests[1]?.signal.aborted, false);
  const ids = requests.map(({ headers }) => headers.get("x-correlation-id"));
  assert.equal(ids[0], ids[1], "it is one call");
  await turn();
  assert.deepEqual(
    sent.map(({ correlationId, attempt, hedge }) => [correlationId, attempt, hedge]),
    [[ids[0], 1, 1]],
  );
});

test("nothing else gets company, whatever its key", async () => {
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    const { sdk, requests } = await open(() => new Promise((resolve) => setTimeout(resolve, 10, status(200))));
    await sdk.fetch("/", { method }, { hedge: { afterMs: 1 }, idempotencyKey: true });
    assert.equal(requests.length, 1, method);
  }
});

// Fallbacks.

test("the last good answer stands in, and says so", async () => {
  const { sdk } = await open((_, number) =>
    number % 2 ? Response.json({ number }, { headers: { "x-own": "1", "content-type": "application/json" } }) : status(503),
  );
  const used = heard(sdk, "fallbackUsed");
  const good = await sdk.json("/articles", {}, { fallback: "lastGood" });
  assert.equal(good.degraded, null);
  const old = await sdk.json("/articles", {}, { fallback: "lastGood" });
  assert.deepEqual(old.data, { number: 1 });
  assert.equal(old.status, 200);
  assert.equal(old.headers.get("x-own"), "1");
  assert.equal(old.degraded?.fallbackUsed, true);
  assert.equal(old.degraded?.fallbackReason, "HTTP 503");
  assert.deepEqual(old.degraded?.warnings, [{ code: null, message: "HTTP 503" }]);
  await turn();
  assert.deepEqual(
    used.map(({ fallback, error, correlationId }) => [fallback, error.status, typeof correlationId]),
    [["lastGood", 503, "string"]],
  );
});

test("the last good response can be read like any other, again and again", async () => {
  const { sdk } = await open((_, number) => (number === 1 ? new Response("körper", { status: 203 }) : status(503)));
  const good = await sdk.fetch("/a", {}, { fallback: "lastGood" });
  assert.equal(degradation(good), null);
  assert.equal(await good.text(), "körper");
  for (let index = 0; index < 2; index++) {
    const old = await sdk.fetch("/a", {}, { fallback: "lastGood" });
    assert.equal(old.status, 203);
    assert.equal(await old.text(), "körper");
    assert.equal(degradation(old)?.fallbackUsed, true);
  }
  assert.equal((await failure(sdk.fetch("/b", {}, { fallback: "lastGood" }))).status, 503, "that is another one");
  assert.equal((await failure(sdk.fetch("/a"))).status, 503, "who has not asked for it does not get it");
  assert.equal((await failure(sdk.fetch("/a", { method: "POST" }, { fallback: "lastGood" }))).status, 503);
});

test("a user does not get the last good answer of another", async () => {
  const { sdk } = await open((_, number) => (number === 1 ? Response.json("ada's") : status(503)), { breaker: false });
  const lastGood = /** @type {const} */ ({ fallback: "lastGood" });
  const as = (/** @type {string} */ user, /** @type {HeadersInit} */ more = {}) => ({
    headers: { authorization: user, ...more },
  });
  await sdk.json("/me", as("ada"), lastGood);
  assert.equal((await failure(sdk.json("/me", as("bob"), lastGood))).status, 503);
  assert.equal((await failure(sdk.json("/me", {}, lastGood))).status, 503);
  assert.equal((await failure(sdk.json("/me", as("ada", { "x-tenant": "2" }), lastGood))).status, 503);
  assert.equal((await failure(sdk.json("/me", { ...as("ada"), credentials: "omit" }, lastGood))).status, 503);
  assert.equal((await sdk.json("/me", as("ada"), lastGood)).data, "ada's");
  const correlated = as("ada", { "x-correlation-id": "another-with-each-call" });
  assert.equal((await sdk.json("/me", correlated, lastGood)).data, "ada's");
  sdk.forget();
  assert.equal((await failure(sdk.json("/me", as("ada"), lastGood))).status, 503);
});

test("what a call is answered that was under way when all was forgotten is not kept", async () => {
  const gate = gated();
  const { sdk } = await open((_, number) => (number === 1 ? gate.promise.then(() => Response.json("ada's")) : status(503)));
  const early = sdk.json("/me", {}, { fallback: "lastGood" });
  await turn();
  sdk.forget();
  gate.resolve();
  assert.equal((await early).data, "ada's");
  assert.equal((await failure(sdk.json("/me", {}, { fallback: "lastGood" }))).status, 503);
});

test("the last good answer says how old it is, and does not stand in when it is older than an hour", async (context) => {
  const { sdk } = await open((_, number) => (number === 1 ? Response.json(1) : status(503)), { breaker: false });
  await sdk.json("/a", {}, { fallback: "lastGood" });
  const start = Date.now();
  const clock = context.mock.method(Date, "now", () => start + 60_000);
  const old = await sdk.json("/a", {}, { fallback: "lastGood" });
  assert.ok((old.degraded?.ageMs ?? 0) >= 59_000, `${old.degraded?.ageMs} ms`);
  assert.equal((await sdk.json("/a", {}, { fallback: () => 2 })).degraded?.ageMs, undefined);
  clock.mock.mockImplementation(() => start - 60_000);
  assert.ok(((await sdk.json("/a", {}, { fallback: "lastGood" })).degraded?.ageMs ?? -1) >= 0, "the clock was turned back");
  clock.mock.mockImplementation(() => start + 3_601_000);
  assert.equal((await failure(sdk.json("/a", {}, { fallback: "lastGood" }))).status, 503);
});

test("answers to fetch and to json are kept apart", async () => {
  const { sdk } = await open((_, number) => (number === 1 ? Response.json([1]) : status(503)));
  const headers = { accept: "application/json" };
  await sdk.fetch("/a", { headers }, { fallback: "lastGood" });
  assert.equal((await failure(sdk.json("/a", { headers }, { fallback: "lastGood" }))).status, 503);
});

test("a response that is large, or does not end, is not kept, and its caller reads it all the same", async () => {
  let pulled = 0;
  const endless = () =>
    new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(1 << 16));
      },
    });
  const { sdk } = await open(({ url }, number) => {
    if (number % 2 === 0) return status(503);
    return new Response(endless(), url.endsWith("events") ? { headers: { "content-type": "text/event-stream" } } : {});
  });
  for (const path of ["/download", "/events"]) {
    pulled = 0;
    const response = await sdk.fetch(path, {}, { fallback: "lastGood" });
    const reader = response.body?.getReader();
    for (let index = 0; index < 40; index++) assert.equal((await reader?.read())?.value?.length, 1 << 16);
    await turn();
    assert.ok(pulled < 60, `${pulled} chunks were pulled for 40 that were read`);
    await reader?.cancel();
    assert.equal((await failure(sdk.fetch(path, {}, { fallback: "lastGood" }))).status, 503);
  }
});

test("a failure that will not pass is not covered up", async () => {
  const { sdk } = await open((_, number) => (number === 1 ? Response.json(1) : status(404)));
  await sdk.json("/a", {}, { fallback: "lastGood" });
  assert.equal((await failure(sdk.json("/a", {}, { fallback: ["lastGood", () => 2] }))).status, 404);
});

test("the place that the error names is asked once, if it is a trusted one", async () => {
  const { sdk, requests } = await open(({ url }) =>
    url.includes("alternative") ? Response.json("other") : elsewhere("/v2/alternative"),
  );
  const { data, degraded } = await sdk.json("/a", {}, { fallback: "alternativeEndpoint" });
  assert.equal(data, "other");
  assert.deepEqual([degraded?.fallbackUsed, degraded?.fallbackReason], [true, "too much"]);
  assert.equal(requests[1]?.url, `${baseUrl}/v2/alternative`);
  const response = await sdk.fetch("/a", {}, { fallback: "alternativeEndpoint" });
  assert.equal(await response.json(), "other");
  assert.equal(degradation(response)?.fallbackUsed, true);
  assert.equal((await failure(sdk.json("/a", { method: "PUT" }, { fallback: "alternativeEndpoint" }))).status, 503);

  const evil = await open(() => elsewhere("https://evil.example/a"));
  assert.equal((await failure(evil.sdk.json("/a", {}, { fallback: "alternativeEndpoint" }))).status, 503);
  assert.equal(evil.requests.length, 1);
  const itself = await open(() => elsewhere("/a"));
  assert.equal((await failure(itself.sdk.json("/a", {}, { fallback: "alternativeEndpoint" }))).status, 503);
  assert.equal(itself.requests.length, 1);
});

test("the place that the error names is asked in the time that is left, and not if none is", async (context) => {
  const start = performance.now();
  for (const { retry, options } of [
    { retry: {}, options: { totalTimeoutMs: 60_000 } },
    { retry: { totalTimeoutMs: 60_000 }, options: {} },
  ]) {
    let now = 0;
    const clock = context.mock.method(performance, "now", () => start + now);
    const spends = async (/** @type {number} */ spent) => {
      now = 0;
      const { sdk, requests } = await open(
        ({ url, signal }) => {
          if (!url.endsWith("/alternative")) {
            now = spent;
            return elsewhere("/alternative");
          }
          return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        },
        { retry: { maxAttempts: 1, ...retry } },
      );
      assert.equal((await failure(sdk.json("/a", {}, { fallback: "alternativeEndpoint", ...options }))).status, 503);
      return requests.length;
    };
    assert.equal(await spends(60_000), 1, "nothing is left");
    assert.equal(await spends(59_980), 2, "twenty milliseconds are left");
    clock.mock.restore();
  }
});

test("who is not trusted sends nobody anywhere, and a place with a password in it is none", async () => {
  const { sdk, requests } = await open(({ url }) =>
    url.startsWith(baseUrl) ? Response.json("secret") : elsewhere(`${baseUrl}/delete-all`),
  );
  const other = await failure(sdk.json("https://other.example/a", {}, { fallback: "alternativeEndpoint" }));
  assert.equal(other.status, 503);
  assert.equal(requests.length, 1);
  for (const userinfo of ["me:secret@", "me@", ":secret@"]) {
    const { sdk, requests } = await open(() => elsewhere(`https://${userinfo}api.example/b`));
    const error = await failure(sdk.json("/a", {}, { fallback: "alternativeEndpoint" }));
    assert.ok(error instanceof ApiError, String(error));
    assert.equal(requests.length, 1);
  }
});

test("the place that the error names is asked although the service wants to be left alone, or its circuit is open", async () => {
  const { sdk, requests } = await open(
    ({ url }) => (url.includes("alternative") ? Response.json("other") : elsewhere("/alternative", { "retry-after": "600" })),
    { breaker: { consecutiveFailures: 1 } },
  );
  assert.equal((await sdk.json("/a", {}, { fallback: "alternativeEndpoint" })).data, "other");
  assert.equal(requests.length, 2);
  assert.equal(sdk.services.get(baseUrl)?.breaker?.state, "open");
});

test("of several fallbacks the first that has something counts", async () => {
  const { sdk, requests } = await open(() => elsewhere("/nowhere"));
  /** @type {unknown[]} */
  const errors = [];
  const { data, degraded } = await sdk.json(
    "/a",
    {},
    {
      fallback: ["lastGood", "alternativeEndpoint", (error) => (errors.push(error), { made: "up" })],
    },
  );
  assert.deepEqual(data, { made: "up" });
  assert.equal(degraded?.fallbackUsed, true);
  assert.ok(errors[0] instanceof ApiError);
  assert.equal(requests.length, 2);
});

test("what a fallback throws is what the call rejects with, and what a fetch is given must be a response", async () => {
  const { sdk } = await open(() => status(503));
  const mine = new Error("mine");
  assert.equal(await failure(sdk.json("/a", {}, { fallback: () => Promise.reject(mine) })), mine);
  const response = await sdk.fetch("/a", {}, { fallback: () => new Response("made up") });
  assert.equal(await response.text(), "made up");
  assert.equal(degradation(response)?.fallbackReason, "HTTP 503");
  const error = await failure(sdk.fetch("/a", {}, { fallback: /** @type {any} */ (() => "made up") }));
  assert.match(String(error), /TypeError.*Response/);
});

test("what is to be queued is queued although a fallback throws, or gives what is none", async () => {
  const mine = new Error("mine");
  const queueAs = { type: "t", data: 1 };
  const useless = [() => Promise.reject(mine), /** @type {any} */ (() => "made up")];
  for (const give of useless) {
    const { sdk } = await open(() => status(503), { userId: "ada" });
    /** @type {any} */
    let told;
    const fallback = (/** @type {any} */ error) => ((told = error), give());
    const thrown = await failure(sdk.fetch("/a", { method: "POST" }, { fallback, queueAs }));
    assert.ok(thrown === mine || thrown instanceof TypeError, String(thrown));
    assert.deepEqual(
      (await sdk.queue.list()).map(({ id }) => id),
      [told.queued.id],
    );
  }
});

test("what the caller takes back while a fallback is looked for is not queued", async () => {
  const { sdk } = await open(() => status(503), { userId: "ada" });
  const controller = new AbortController();
  /** @type {any} */
  let told;
  const fallback = (/** @type {any} */ error) => {
    told = error;
    controller.abort("enough");
    throw controller.signal.reason;
  };
  const options = { fallback, queueAs: { type: "t", data: 1 } };
  assert.equal(await failure(sdk.fetch("/a", { method: "POST", signal: controller.signal }, options)), "enough");
  assert.deepEqual([told.queued, told.cause, await sdk.queue.list()], [null, undefined, []]);
});

test("an abort is no failure that something could stand in for", async () => {
  const { sdk } = await open(() => new Promise(() => {}));
  const controller = new AbortController();
  const options = { fallback: () => assert.fail("called"), queueAs: undefined };
  const pending = failure(sdk.json("/a", { signal: controller.signal }, options));
  await turn();
  controller.abort("enough");
  assert.equal(await pending, "enough");
});

test("a user who wants no fallbacks gets none, from now on", async () => {
  const { sdk } = await open(({ url }) => (url.includes("preferences") ? Response.json({}) : status(503)), { breaker: false });
  assert.equal((await sdk.json("/a", {}, { fallback: () => 1 })).data, 1);
  const { synced } = await sdk.preferences.update({ recovery: { fallbackModeEnabled: false } });
  assert.equal(synced, true);
  assert.equal((await failure(sdk.json("/a", {}, { fallback: () => 1 }))).status, 503);
  await sdk.preferences.update({ recovery: { fallbackModeEnabled: null } });
  assert.equal((await sdk.json("/a", {}, { fallback: () => 1 })).data, 1);
});

// The queue.

test("what is to be queued is checked before anything is sent", async () => {
  const { sdk, requests } = await open(() => status(503));
  const error = await failure(sdk.fetch("/a", { method: "POST" }, { queueAs: { type: "t", data: 1 } }));
  assert.ok(error instanceof InvalidInputError);
  assert.equal(error.path, "userId");
  assert.equal(requests.length, 0);
});

test("a call that is to be queued carries the action's id as its key, on insecure pages too", async () => {
  const { sdk, requests } = await open(() => status(503), {
    userId: "ada",
    retry: { maxAttempts: 2, ...atOnce },
    breaker: false,
  });
  const { randomUUID } = crypto;
  Object.defineProperty(crypto, "randomUUID", { value: undefined, configurable: true });
  try {
    await failure(sdk.fetch("/a", { method: "POST", body: "{}" }, { queueAs: { type: "t", data: 1 } }));
  } finally {
    Object.defineProperty(crypto, "randomUUID", { value: randomUUID, configurable: true });
  }
  const keys = requests.map(({ headers }) => headers.get("idempotency-key"));
  assert.equal(keys.length, 2, "with a key a POST may be sent again");
  assert.ok(keys[0] && keys[0].length > 8 && keys[0] === keys[1]);
  await failure(sdk.fetch("/a", { method: "POST" }, { queueAs: { type: "t", data: 1, id: "mine" } }));
  await failure(sdk.fetch("/a", { method: "POST" }, { queueAs: { type: "t", data: 1 }, idempotencyKey: "call" }));
  assert.deepEqual(
    requests.slice(2).map(({ headers }) => headers.get("idempotency-key")),
    ['"mine"', '"mine"', '"call"', '"call"'],
  );
});

test("the caller's own Idempotency-Key is the key, and no other is made", async () => {
  const { sdk, requests } = await open(() => status(503), {
    userId: "ada",
    retry: { maxAttempts: 2, ...atOnce },
    breaker: false,
  });
  const keys = async (/** @type {string} */ own, /** @type {any} */ options) => {
    requests.length = 0;
    await failure(sdk.fetch("/a", { method: "POST", headers: { "idempotency-key": own } }, options));
    return requests.map(({ headers }) => headers.get("idempotency-key"));
  };
  const queueAs = { type: "t", data: 1 };
  assert.deepEqual(await keys("order-7", { idempotencyKey: true }), ["order-7", "order-7"]);
  assert.deepEqual(await keys('"order-7"', { idempotencyKey: true }), ['"order-7"', '"order-7"']);
  assert.deepEqual(await keys("order-7", { queueAs }), ["order-7", "order-7"]);
  assert.deepEqual(await keys('"order-7"', { queueAs, idempotencyKey: true }), ['"order-7"', '"order-7"']);
  assert.deepEqual(await keys("order-7", { queueAs: { ...queueAs, id: "mine" } }), ['"mine"', '"mine"']);
  assert.deepEqual(await keys("order-7", { idempotencyKey: "call" }), ['"call"', '"call"']);
});

test("the action has the caller's own Idempotency-Key as its id", async () => {
  const { sdk } = await open(() => status(503), { userId: "ada", breaker: false });
  for (const [own, id] of [
    ["order-7", "order-7"],
    ['"order-7"', "order-7"],
    ['"a\\"b\\\\c"', 'a"b\\c'],
    ['"unfinished', '"unfinished'],
  ]) {
    /** @type {any[]} */
    const actions = [];
    sdk.queue.enqueue = async (action) => (actions.push(action), /** @type {any} */ ({ id: action.id }));
    const headers = { "idempotency-key": String(own) };
    const error = await failure(sdk.fetch("/a", { method: "POST", headers }, { queueAs: { type: "t", data: 1 } }));
    assert.deepEqual([actions[0]?.id, error.queued?.id], [id, id]);
  }
});

test("that the queue is full, too, does not hide what went wrong", async () => {
  const { sdk } = await open((_, number) => status(number === 1 ? 503 : 404), { userId: "ada", queue: { maxActions: 1 } });
  await sdk.queue.enqueue({ type: "t", data: 0 });
  const options = { queueAs: { type: "t", data: 1 } };
  const error = await failure(sdk.fetch("/a", { method: "POST" }, options));
  assert.ok(error instanceof ApiError);
  assert.deepEqual([error.status, error.queued, error.cause instanceof Error && error.cause.name], [503, null, "StoreError"]);
  const fatal = await failure(sdk.fetch("/a", { method: "POST" }, options));
  assert.deepEqual([fatal.status, fatal.queued, fatal.cause], [404, null, undefined], "what would fail again is not queued");
});

// Credentials.

/** A backend that takes one token, and what knows it. @param {SteadfastOptions} [options] @param {(fetch: any) => unknown} [refresh] */
async function guarded(options, refresh) {
  let valid = "new";
  let token = "old";
  const counts = { refreshed: 0 };
  const opened = await open(
    ({ url, headers }) => {
      if (url.endsWith("/token")) return Response.json({ token: valid });
      return headers.get("authorization") === valid ? Response.json("in") : status(401);
    },
    {
      headers: () => ({ authorization: token }),
      refreshCredentials: async ({ error, fetch }) => {
        counts.refreshed++;
        assert.ok(error instanceof ApiError && error.status === 401);
        if (refresh) return refresh(fetch);
        ({ token } = await (await fetch("/token", { method: "POST" })).json());
      },
      ...options,
    },
  );
  return {
    ...opened,
    counts,
    expire: () => (valid += "er"),
  };
}

test("credentials that have expired are refreshed once for all calls, which are then sent again", async () => {
  const { sdk, requests, counts, expire } = await guarded();
  const refreshed = heard(sdk, "credentialsRefreshed");
  const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => sdk.json(`/${index}`)));
  assert.ok(answers.every(({ data }) => data === "in"));
  assert.equal(counts.refreshed, 1);
  assert.equal(requests.length, 101);
  await turn();
  assert.deepEqual(refreshed, [{ type: "credentialsRefreshed", succeeded: true, message: null }]);
  expire();
  assert.equal((await sdk.json("/again")).data, "in");
  assert.equal(counts.refreshed, 2);
});

test("a refresh does not wait for those who wait for it", async () => {
  for (const options of [
    { bulkhead: { maxConcurrent: 2 } },
    { services: { [baseUrl]: { bulkhead: { maxConcurrent: 1, maxQueued: 9 } } } },
  ]) {
    const { sdk, counts } = await guarded(options);
    const answers = await Promise.all(Array.from({ length: 5 }, (_, index) => sdk.json(`/${index}`)));
    assert.ok(answers.every(({ data }) => data === "in"));
    assert.equal(counts.refreshed, 1);
  }
});

test("a refresh whose own request is refused does not come back to itself", async () => {
  /** @type {any} */
  let inner;
  const { sdk, requests, counts } = await guarded({}, async (fetch) => {
    inner = await failure(fetch("/elsewhere"));
    throw inner;
  });
  const refreshed = heard(sdk, "credentialsRefreshed");
  const error = await failure(sdk.json("/a"));
  assert.equal(error.status, 401);
  assert.equal(inner.status, 401);
  assert.equal(counts.refreshed, 1);
  assert.equal(requests.length, 2);
  assert.equal((await failure(sdk.json("/b"))).status, 401);
  assert.equal(counts.refreshed, 1, "and is not tried again at once");
  await turn();
  assert.deepEqual(
    refreshed.map(({ succeeded, message }) => [succeeded, typeof message]),
    [[false, "string"]],
  );
});

test("a call can do without a refresh, and other refusals do not ask for one", async () => {
  const { sdk, counts } = await guarded();
  assert.equal((await failure(sdk.json("/a", {}, { refreshCredentials: false }))).status, 401);
  assert.equal(counts.refreshed, 0);
  const forbidden = await open(() => status(403), { refreshCredentials: () => assert.fail("called") });
  await failure(forbidden.sdk.fetch("/"));
  const foreign = await open(() => status(401), { refreshCredentials: () => assert.fail("called") });
  await failure(foreign.sdk.fetch("https://other.example/"));
});

test("a refresh that throws at once is one that has failed", async () => {
  const { sdk } = await guarded({
    refreshCredentials: () => {
      throw new Error("no way");
    },
  });
  const refreshed = heard(sdk, "credentialsRefreshed");
  assert.equal((await failure(sdk.json("/a"))).status, 401);
  await turn();
  assert.match(refreshed[0].message, /no way/);
});

// Correlation.

test("calls say who they are, on each attempt, and to trusted origins only", async () => {
  const { sdk, requests } = await open((_, number) => status(number < 3 ? 503 : 200), {
    retry: { maxAttempts: 3, ...atOnce },
    trustedOrigins: ["https://files.example"],
    correlation: { ids: "uuid", tracedOrigins: [baseUrl] },
    sourceService: "shop",
  });
  await sdk.fetch("/a");
  const sent = requests.map(({ headers }) => Object.fromEntries(headers));
  assert.match(sent[0]?.["x-correlation-id"] ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(sent.map((headers) => headers["x-correlation-id"])).size, 1);
  assert.deepEqual(
    sent.map((headers) => headers["x-attempt"]),
    ["1", "2", "3"],
  );
  assert.ok(sent.every((headers) => headers["x-source-service"] === "shop"));
  const traces = sent.map((headers) => /^00-([0-9a-f]{32})-([0-9a-f]{16})-0[0-3]$/.exec(headers["traceparent"] ?? "") ?? []);
  assert.equal(new Set(traces.map(([, trace]) => trace)).size, 1, "one trace");
  assert.equal(new Set(traces.map(([, , span]) => span)).size, 3, "a span for each attempt");
  assert.ok(traces[0]?.[1]);

  await sdk.fetch("https://files.example/a");
  assert.ok(requests.at(-1)?.headers.get("x-correlation-id"));
  await sdk.fetch("https://evil.example/a");
  const evil = requests.at(-1)?.headers;
  for (const name of ["x-correlation-id", "x-attempt", "x-source-service", "traceparent", "tracestate"]) {
    assert.equal(evil?.get(name), null, name);
  }
});

test("a call continues the trace that its request brings, and traces can be switched off", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const { sdk, requests } = await open(() => status(200), { correlation: { tracedOrigins: [baseUrl] } });
  await sdk.fetch("/", { headers: { traceparent, tracestate: "vendor=1", "x-correlation-id": "mine-1" } });
  const [continued] = requests;
  assert.match(continued?.headers.get("traceparent") ?? "", /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  assert.equal(continued?.headers.get("tracestate"), "vendor=1");
  assert.equal(continued?.headers.get("x-correlation-id"), "mine-1");
  const off = await open(() => status(200), { correlation: { tracedOrigins: [baseUrl], traces: false, attemptNumber: false } });
  await off.sdk.fetch("/");
  assert.deepEqual(
    ["traceparent", "x-attempt"].map((name) => off.requests[0]?.headers.get(name)),
    [null, null],
  );
});

// The end.

test("nothing hangs on the signals of listeners after the SDK was closed", async () => {
  const { sdk } = await open(() => status(200));
  const { signal } = new AbortController();
  const hanging = () => getEventListeners(signal, "abort").length;
  sdk.on("callFailed", () => {}, { signal });
  const events = sdk.events({ signal });
  sdk.connectivity.subscribe(() => {}, { signal });
  assert.equal(hanging(), 3);
  sdk.close();
  assert.equal(hanging(), 0);
  assert.equal((await events.next()).done, true);
  sdk.on("callFailed", () => {}, { signal });
  sdk.events({ signal });
  sdk.connectivity.subscribe(() => {}, { signal });
  assert.equal(hanging(), 0);
});
