// The package in Node: it imports without side effects, and where something is missing it says so.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";
import { ApiError, ClosedError, InvalidInputError, readError, Steadfast, SteadfastError, init } from "steadfast";

const baseUrl = "https://api.example";

/** @param {(request: Request) => Promise<Response>} fetch @param {object} [options] */
const open = (fetch, options) => Steadfast.open({ baseUrl, fetch, ...options });

/** @template T @param {Promise<T>} promise @returns {Promise<any>} */
const failure = (promise) =>
  promise.then(
    () => assert.fail("it should have failed"),
    (error) => error,
  );

test("a response below 400 comes back as it is", async () => {
  const answer = new Response("hello", { status: 201 });
  const sdk = await open(async () => answer);
  const response = await sdk.fetch("/a");
  assert.equal(response, answer);
  assert.equal(await response.text(), "hello");
  sdk.close();
});

test("a relative URL is resolved against baseUrl, and the request is as it was asked for", async () => {
  /** @type {Request[]} */
  const seen = [];
  const sdk = await open(async (request) => (seen.push(request), new Response()));
  await sdk.fetch("drafts?x=1", { method: "POST", body: "b", headers: { "x-own": "1" } });
  const [request] = seen;
  assert.equal(request?.url, "https://api.example/drafts?x=1");
  assert.equal(request?.method, "POST");
  assert.equal(request?.headers.get("x-own"), "1");
  assert.match(request?.headers.get("x-correlation-id") ?? "", /^req_\d{13}_[0-9a-z]{9}$/);
  assert.equal(await request?.text(), "b");
  sdk.close();
});

test("an error response becomes an ApiError that can be told from others", async () => {
  const body = {
    success: false,
    error: {
      code: "FILE_TOO_LARGE",
      message: "12 MB",
      correlationId: "c-1",
      userMessage: "Zu groß",
      retryable: false,
      severity: "low",
    },
  };
  const sdk = await open(async () => Response.json(body, { status: 413 }));
  const error = await failure(sdk.fetch("/upload"));
  assert.ok(error instanceof ApiError && error instanceof SteadfastError && error instanceof Error);
  assert.ok(ApiError.isApiError(error));
  assert.equal(error.name, "ApiError");
  assert.equal(error.message, "12 MB");
  assert.equal(error.userMessage, "Zu groß");
  assert.equal(error.category, "validation");
  assert.equal(error.correlationId, "c-1");
  assert.equal(error.retryAt, null);
  assert.deepEqual(error.request, { method: "GET", url: "https://api.example/upload", attempts: 1 });
  const plain = JSON.parse(JSON.stringify(error));
  assert.equal(plain.raw.text, JSON.stringify(body));
  assert.equal(plain.message, "12 MB");
  sdk.close();
});

test("a body that is no JSON is an error all the same, and kept to the letter", async () => {
  const page = "<html><head><title>502 Bad Gateway</title></head></html>";
  const sdk = await open(async () => new Response(page, { status: 502, headers: { "content-type": "text/html" } }));
  const error = await failure(sdk.fetch("/a", {}, { maxAttempts: 1 }));
  assert.equal(error.format.name, "html");
  assert.equal(error.message, "502 Bad Gateway");
  assert.equal(error.raw.text, page);
  sdk.close();
});

test("a Retry-After of two billion seconds ends the call and says when", async () => {
  const sdk = await open(async () => new Response("", { status: 503, headers: { "retry-after": "2000000000" } }));
  const error = await failure(sdk.fetch("/a"));
  assert.equal(error.retryAt.toISOString(), "2033-05-18T03:33:20.000Z");
  assert.equal(error.request.attempts, 1);
  sdk.close();
});

test("an abort rejects at once with the signal's own reason", async () => {
  const sdk = await open(() => new Promise(() => {}));
  const controller = new AbortController();
  const pending = failure(sdk.fetch("/a", { signal: controller.signal }));
  const reason = { any: "thing" };
  controller.abort(reason);
  assert.equal(await pending, reason);
  assert.equal((await failure(sdk.fetch("/a", { signal: AbortSignal.abort() }))).name, "AbortError");
  sdk.close();
});

test("a call is aborted by the signal it was given, by that of its Request, and by none where that is asked for", async () => {
  /** @type {AbortSignal[]} */
  const signals = [];
  const sdk = await open((request) => (signals.push(request.signal), new Promise(() => {})));
  const [one, other] = [new AbortController(), new AbortController()];
  const url = `${baseUrl}/a`;
  const calls = [
    sdk.fetch(url, { signal: one.signal }),
    sdk.fetch(new Request(url, { signal: one.signal })),
    sdk.fetch(new Request(url, { signal: other.signal }), { signal: one.signal }),
    sdk.json(url, { signal: one.signal }),
  ].map((call) => failure(/** @type {Promise<unknown>} */ (call)));
  const unmoved = [sdk.fetch(url), sdk.fetch(new Request(url, { signal: one.signal }), { signal: null })].map(failure);
  await new Promise(setImmediate);
  one.abort();
  for (const call of calls) assert.equal((await call).name, "AbortError");
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, true, true, true, false, false],
  );
  sdk.close();
  for (const call of unmoved) assert.ok((await call) instanceof ClosedError);
});

test("an abort after the response has arrived ends its body", async () => {
  /** @type {AbortSignal | undefined} */
  let signal;
  const sdk = await open(async (request) => ((signal = request.signal), new Response("{}")));
  const controller = new AbortController();
  await sdk.fetch("/a", { signal: controller.signal });
  assert.equal(signal?.aborted, false);
  controller.abort();
  assert.equal(signal?.aborted, true);
  sdk.close();
});

test("an abort while waiting for the next attempt ends the wait", async () => {
  let calls = 0;
  const sdk = await open(async () => (calls++, new Response("", { status: 503, headers: { "retry-after": "20" } })));
  const controller = new AbortController();
  sdk.on("retryScheduled", () => controller.abort());
  assert.equal((await failure(sdk.fetch("/a", { signal: controller.signal }))).name, "AbortError");
  assert.equal(calls, 1);
  sdk.close();
});

test("a failed request is sent again, with one key for all attempts, if it may be", async () => {
  /** @type {(string | null)[]} */
  const keys = [];
  const sdk = await open(
    async (request) => {
      keys.push(request.headers.get("idempotency-key"));
      if (keys.length < 3) throw new TypeError("Failed to fetch");
      return new Response();
    },
    { retry: { baseDelayMs: 1 } },
  );
  await sdk.fetch("/order", { method: "POST", body: "{}" }, { idempotencyKey: "order-7" });
  assert.deepEqual(keys, ['"order-7"', '"order-7"', '"order-7"']);
  sdk.close();
});

test("a POST without a key is sent once, whatever becomes of it", async () => {
  const sdk = await open(async () => {
    throw new TypeError("Failed to fetch");
  });
  const error = await failure(sdk.fetch("/order", { method: "POST", body: "{}" }));
  assert.equal(error.code, "NETWORK_ERROR");
  assert.equal(error.request.attempts, 1);
  sdk.close();
});

test("a wrong option says what, where and what is allowed", async () => {
  for (const [options, path] of /** @type {[any, string][]} */ ([
    [{ baseUrl: "not a url" }, "baseUrl"],
    [{ baseUrl, retry: { maxAttempts: 1.5 } }, "retry.maxAttempts"],
    [{ baseUrl, retries: 3 }, "retries"],
    [{ baseUrl, retry: { maxAttempts: Infinity } }, "retry.maxAttempts"],
    [{ baseUrl, retry: { multiplier: NaN } }, "retry.multiplier"],
    [{ baseUrl, sourceService: () => "x" }, "sourceService"],
    [{ baseUrl, userId: 7 }, "userId"],
    [{ baseUrl, fetch: "fetch" }, "fetch"],
    [{ baseUrl: "file:///home/ada/index.html" }, "baseUrl"],
    [{ baseUrl, trustedOrigins: ["https://files.example:443"] }, "trustedOrigins"],
    [{ baseUrl, trustedOrigins: ["*"] }, "trustedOrigins"],
    [{ baseUrl, sync: { path: "no-slash" } }, "sync.path"],
  ])) {
    const error = await failure(Steadfast.open(options));
    assert.ok(error instanceof InvalidInputError, String(error));
    assert.equal(error.path, path);
    assert.equal(error.subject, "options");
    assert.ok(error.allowed.length > 0 && error.message.includes(error.received));
  }
  const sdk = await open(async () => new Response());
  const error = await failure(sdk.fetch("/a", {}, /** @type {any} */ ({ maxAttempts: "3" })));
  assert.equal(error.path, "maxAttempts");
  sdk.close();
});

test("without a user nothing can be queued, and nothing when it is closed", async () => {
  const action = { type: "save_draft", data: {} };
  const anonymous = await open(async () => new Response());
  assert.equal((await failure(anonymous.queue.enqueue(action))).path, "userId");
  anonymous.close();
  const sdk = await open(() => new Promise(() => {}), { userId: "ada" });
  const { id, durability, settled } = await sdk.queue.enqueue(action);
  assert.equal(durability, "memory");
  sdk.close();
  assert.deepEqual([await settled, await sdk.queue.settled(id)], [{ status: "detached" }, { status: "detached" }]);
  assert.ok((await failure(sdk.queue.enqueue(action))) instanceof ClosedError);
});

test("data that JSON would change or lose is refused with its place, before anything is stored", async () => {
  const sdk = await open(() => new Promise(() => {}), { userId: "ada" });
  /** @type {any} */
  const cyclic = { a: [] };
  cyclic.a.push(cyclic);
  for (const [data, path] of /** @type {[unknown, string][]} */ ([
    [undefined, "data"],
    [{ n: 1n }, "data.n"],
    [{ list: [0, Number.NaN] }, "data.list[1]"],
    [{ "odd name": () => {} }, 'data["odd name"]'],
    [cyclic, "data.a[0]"],
    [{ map: new Map([[1, 2]]) }, "data.map"],
    [{ file: new Blob(["x"]) }, "data.file"],
    [{ bytes: new Uint8Array(3) }, "data.bytes"],
    [{ s: Symbol("s") }, "data.s"],
    [{ at: new Date(Number.NaN) }, "data.at"],
    [{ point: new (class Point {})() }, "data.point"],
    [{ deep: { of: { value: Infinity } } }, "data.deep.of.value"],
  ])) {
    const error = await failure(sdk.queue.enqueue({ type: "t", data }));
    assert.ok(error instanceof InvalidInputError, String(error));
    assert.equal(error.path, path);
  }
  for (const action of /** @type {any[]} */ ([
    null,
    {},
    { type: "", data: 1 },
    { type: "t", data: 1, priority: "urgent" },
    { type: "t", data: 1, kye: "k" },
    { type: "t", data: 1, key: 7n },
  ])) {
    assert.ok((await failure(sdk.queue.enqueue(action))) instanceof InvalidInputError);
  }
  assert.deepEqual(await sdk.queue.list(), []);
  const made = Object.assign(Object.create(null), { n: 1 });
  for (const data of [null, "text", 0, [], { at: new Date(0), left: undefined, made }])
    await sdk.queue.enqueue({ type: "t", data });
  assert.deepEqual(
    (await sdk.queue.list()).map(({ data }) => data),
    [null, "text", 0, [], { at: "1970-01-01T00:00:00.000Z", made: { n: 1 } }],
  );
  sdk.close();
});

test("events reach those who listen until they stop", async () => {
  const sdk = await open(async () => new Response("", { status: 404 }));
  /** @type {string[]} */
  const heard = [];
  const stop = sdk.on("callFailed", ({ because }) => heard.push(because));
  const all = (async () => {
    const types = [];
    for await (const event of sdk.events()) types.push(event.type);
    return types;
  })();
  await failure(sdk.fetch("/a"));
  await new Promise(setImmediate);
  stop();
  await failure(sdk.fetch("/a"));
  await new Promise(setImmediate);
  sdk.close();
  assert.deepEqual(heard, ["notRetryable"]);
  // The first answer also says that the backend can be reached.
  assert.deepEqual(await all, ["connectivityChanged", "callFailed", "callFailed"]);
});

test("events wait for who asked for them, and end with the SDK", async () => {
  const sdk = await open(async () => new Response("", { status: 404 }));
  const events = sdk.events();
  await failure(sdk.fetch("/a"));
  assert.equal((await events.next()).value?.type, "connectivityChanged", "what came before the first next is there");
  assert.equal((await events.next()).value?.type, "callFailed");
  const waiting = events.next();
  await events.return?.();
  assert.equal((await waiting).done, true, "return ends a wait");
  const controller = new AbortController();
  const aborted = sdk.events({ signal: controller.signal }).next();
  controller.abort();
  assert.equal((await aborted).done, true);
  sdk.close();
  assert.equal((await sdk.events().next()).done, true, "after close there is nothing to hear");
});

test("close ends calls on their way, and lets the process go", async () => {
  const sdk = await open(() => new Promise(() => {}), { userId: "ada" });
  await sdk.queue.enqueue({ type: "t", data: 1 });
  const call = failure(sdk.fetch("/a"));
  const sync = failure(sdk.queue.sync());
  await new Promise(setImmediate);
  sdk.close();
  assert.ok((await call) instanceof ClosedError);
  assert.ok((await sync) instanceof ClosedError);
  assert.ok((await failure(sdk.fetch("/a"))) instanceof ClosedError);
  assert.deepEqual(await sdk.queue.settled("x"), { status: "detached" });
  sdk.close();
});

test("a response whose body is in use already is an error all the same", async () => {
  const once = new Response("gone", { status: 503 });
  await once.text();
  const sdk = await open(async () => once);
  const error = await failure(sdk.fetch("/a", {}, { maxAttempts: 2, baseDelayMs: 0 }));
  assert.equal(error.status, 503);
  assert.equal(error.raw.truncated, true);
  sdk.close();
  await init();
  const read = await readError(once);
  assert.equal(read.status, 503);
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(100_000)) });
  const long = await readError(new Response(endless, { status: 500 }));
  assert.equal(long.raw.text.length, 256 << 10);
  assert.equal(long.raw.truncated, true);
});

test("an idempotency key with nothing in it is none", async () => {
  let calls = 0;
  const sdk = await open(async () => (calls++, new Response("", { status: 503 })));
  await failure(sdk.fetch("/order", { method: "POST", body: "{}", headers: { "idempotency-key": "" } }));
  assert.equal(calls, 1);
  sdk.close();
});

test("readError reads a response that came another way", async () => {
  await init();
  const error = await readError(
    Response.json({ error: { code: "X_FAILED", message: "no", recoverable: true } }, { status: 500 }),
  );
  assert.equal(error.format.name, "oriel");
  assert.equal(error.retryable, true);
});

test("a browser that cannot unpack the WebAssembly is told so, and a failed open can be tried again", () => {
  // In a process of its own: in this one the WebAssembly is loaded already.
  const script = `
    import { Steadfast } from "steadfast";
    const { DecompressionStream } = globalThis;
    delete globalThis.DecompressionStream;
    const { name } = await Steadfast.open({ baseUrl: "${baseUrl}" }).catch((error) => error);
    Object.assign(globalThis, { DecompressionStream });
    (await Steadfast.open({ baseUrl: "${baseUrl}" })).close();
    console.log(name);
  `;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: import.meta.dirname,
    encoding: "utf8",
  });
  assert.equal(output.trim(), "WasmUnavailableError");
});

test("a process ends when its calls are over, not when their deadlines are, and not before", () => {
  const script = `
    import { Steadfast } from "steadfast";
    let calls = 0;
    const fetch = async () => new Response("", { status: calls++ < 2 ? 503 : 200 });
    const sdk = await Steadfast.open({ baseUrl: "${baseUrl}", fetch, retry: { baseDelayMs: 20 } });
    // Nothing but the wait for the next attempt keeps the process alive.
    sdk.fetch("/a", {}, { attemptTimeoutMs: 600_000 }).then(({ status }) => console.log(calls, status));
  `;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: import.meta.dirname,
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.equal(output.trim(), "3 200");
});

test("the package can be required, and slim says that it brings no WebAssembly", async () => {
  const required = createRequire(import.meta.url)("steadfast");
  assert.equal(typeof required.Steadfast.open, "function");
  const { Steadfast: Slim } = await import("steadfast/slim");
  assert.equal(typeof Slim.open, "function");
});

test("using closes it at the end of the block, where the runtime knows that", async () => {
  const sdk = await open(async () => new Response(), { userId: "ada" });
  const dispose = /** @type {any} */ (Symbol).dispose;
  if (dispose) /** @type {any} */ (sdk)[dispose]();
  else sdk.close();
  assert.ok((await failure(sdk.queue.snapshot())) instanceof ClosedError);
});
