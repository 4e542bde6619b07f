// Whole requests in the queue, with a server that the test plays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, InvalidInputError, resultOf, Steadfast } from "steadfast";

/** @template T @param {Promise<T>} promise @returns {Promise<any>} */
const failure = (promise) =>
  promise.then(
    () => assert.fail("it should have failed"),
    (error) => error,
  );

/** Closes what a test has opened. @type {Set<Steadfast>} */
const open = new Set();
test.afterEach(() => {
  for (const sdk of open) sdk.close();
  open.clear();
});

/** @typedef {{ method: string, url: string, headers: Headers, text: string }} Seen */

/**
 * An SDK, and what its server has seen. `answer` gives a `Response`, or throws as `fetch` does.
 *
 * @param {(seen: Seen, count: number) => Response | Promise<Response>} answer @param {object} [options]
 */
async function withServer(answer, options = {}) {
  /** @type {Seen[]} */
  const seen = [];
  const sdk = await Steadfast.open({
    baseUrl: "https://api.example/app/",
    userId: "ada",
    headers: () => ({ authorization: "Bearer new" }),
    fetch: async (request) => {
      const { method, url, headers } = request;
      const one = { method, url, headers, text: await request.text() };
      return answer(one, seen.push(one));
    },
    retry: { maxAttempts: 1, baseDelayMs: 10, maxDelayMs: 10, jitter: "none" },
    ...options,
  });
  open.add(sdk);
  return { sdk, seen };
}

const offline = () => {
  throw new TypeError("Failed to fetch");
};

test("a request is sent as it is, under its id, with the credentials of the moment and without stored ones", async () => {
  const { sdk, seen } = await withServer(() => Response.json({ id: "d7" }, { status: 201 }));
  const receipt = await sdk.queue.enqueueRequest("drafts/7?v=2", {
    method: "put",
    body: JSON.stringify({ title: "Hello" }),
    headers: { Authorization: "Bearer old", "X-Api-Key": "secret", "If-Match": '"7"' },
    id: "draft 7",
  });
  assert.deepEqual(await receipt.settled, { status: "applied", result: { id: "d7" } });
  const [{ method, url, headers, text }] = /** @type {[Seen]} */ (seen);
  assert.deepEqual([method, url, text], ["PUT", "https://api.example/app/drafts/7?v=2", '{"title":"Hello"}']);
  assert.equal(headers.get("idempotency-key"), '"draft 7"');
  assert.equal(headers.get("authorization"), "Bearer new");
  assert.equal(headers.get("x-api-key"), null);
  assert.equal(headers.get("if-match"), '"7"');
  assert.match(headers.get("x-correlation-id") ?? "", /^req_/);
});

test("a body is text of any kind, or data that is sent as JSON; a form and a Request are read", async () => {
  const { sdk, seen } = await withServer(() => new Response());
  const all = [
    await sdk.queue.enqueueRequest("/a", { data: { n: 1 } }),
    await sdk.queue.enqueueRequest("/a", { method: "POST", body: "plain, not JSON" }),
    await sdk.queue.enqueueRequest("/a", { method: "POST", body: new URLSearchParams({ a: "ü b" }) }),
    await sdk.queue.enqueueRequest(new Request("https://api.example/r", { method: "PATCH", body: "[ 1.0 ]" })),
    await sdk.queue.enqueueRequest("/a", { method: "DELETE" }),
    await sdk.queue.enqueueRequest("/a", { method: "POST", body: new TextEncoder().encode("grüße") }),
  ];
  for (const { settled } of all) assert.equal((await settled).status, "applied");
  assert.deepEqual(
    seen.map(({ method, text }) => [method, text]),
    [
      ["POST", '{"n":1}'],
      ["POST", "plain, not JSON"],
      ["POST", "a=%C3%BC+b"],
      ["PATCH", "[ 1.0 ]"],
      ["DELETE", ""],
      ["POST", "grüße"],
    ],
  );
  assert.equal(seen[0]?.headers.get("content-type"), "application/json");
  assert.match(seen[2]?.headers.get("content-type") ?? "", /^application\/x-www-form-urlencoded/);
});

test("what cannot be queued is refused, and nothing is stored", async () => {
  const { sdk, seen } = await withServer(() => new Response());
  for (const [url, init, path] of /** @type {[string, any, string][]} */ ([
    ["/a", { data: 1, body: "1" }, "body"],
    ["/a", { data: 1n }, "data"],
    ["/a", { data: 1, replay: "never" }, "request"],
    ["/a", { data: 1, kind: "x" }, "kind"],
    ["/a", { data: 1, priority: "urgent" }, "priority"],
    ["/a", { method: "POST", body: "x".repeat(2 ** 20 + 1) }, "request.body"],
    ["data:text/plain,a", { method: "GET" }, "request.url"],
    [`/a/${resultOf("one")}`, { data: resultOf("two") }, "data"],
    [`/a/${resultOf("one")}`, { data: 1, dependsOn: "two" }, "request.url"],
  ])) {
    const error = await failure(sdk.queue.enqueueRequest(url, init));
    assert.ok(error instanceof InvalidInputError, `${path}: ${error}`);
    assert.equal(error.path, path, String(error));
    assert.doesNotMatch(error.message, /Bearer/);
  }
  assert.equal((await sdk.queue.snapshot()).pending, 0);
  assert.equal(seen.length, 0);
});

test("parts of another one's result stand in the data and in the URL", async () => {
  const { sdk, seen } = await withServer(() => Response.json({ id: "p/7" }));
  const post = await sdk.queue.enqueueRequest("/posts", { data: {}, id: "it's (one), of *mine*" });
  const photo = await sdk.queue.enqueueRequest(`/posts/${resultOf(post, "/id")}/photos`, {
    data: { post: resultOf(post, "/id") },
  });
  assert.equal((await photo.settled).status, "applied");
  assert.deepEqual([seen[1]?.url, seen[1]?.text], ["https://api.example/posts/p%2F7/photos", '{"post":"p/7"}']);
});

test("a later one takes the place of an earlier one, and a function makes one body of two", async () => {
  let isHeld = true;
  const { sdk, seen } = await withServer(() => (isHeld ? offline() : new Response()));
  const first = await sdk.queue.enqueueRequest("/first", { data: 0, key: "k" });
  const init = { method: "PUT", key: "k", type: "add" };
  const older = await sdk.queue.enqueueRequest("/a", { ...init, data: { n: 1 } });
  const merge = (/** @type {any} */ one, /** @type {any} */ other) => ({ n: one.n + other.n });
  const newer = await sdk.queue.enqueueRequest("/a", { ...init, data: { n: 2 }, coalesce: merge });
  assert.deepEqual(await older.settled, { status: "superseded", by: newer.id });
  isHeld = false;
  await sdk.queue.sync();
  assert.equal((await first.settled).status, "applied");
  assert.equal((await newer.settled).status, "applied");
  assert.equal(seen.at(-1)?.text, '{"n":3}');
});

test("a conflict is decided by the handler, with the server's answer", async () => {
  const { sdk, seen } = await withServer(
    ({ text }) => (JSON.parse(text).v === 8 ? new Response() : Response.json({ v: 8 }, { status: 409 })),
    {
      onConflict: (/** @type {any} */ { data, request }, /** @type {any} */ { server }) => {
        assert.equal(request.method, "PUT");
        return { resolution: "keepLocal", data: { ...data, v: server.v } };
      },
    },
  );
  await sdk.queue.enqueueRequest("/a", { method: "PUT", data: { title: "mine", v: 7 }, id: "mine" });
  for await (const { pending, conflicts } of sdk.queue.changes()) if (pending + conflicts === 0) break;
  assert.deepEqual(
    seen.map(({ text }) => text),
    ['{"title":"mine","v":7}', '{"title":"mine","v":8}'],
  );
});

test("a dead letter tells what was to be sent, and goes again with other data", async () => {
  const { sdk, seen } = await withServer((_, count) =>
    count === 1 ? Response.json({ error: { code: "VALIDATION_ERROR", message: "no" } }, { status: 422 }) : new Response(),
  );
  const receipt = await sdk.queue.enqueueRequest("/a?x=1", {
    method: "POST",
    body: "a=b",
    headers: { "content-type": "text/x" },
  });
  assert.equal((await receipt.settled).status, "rejected");
  const [dead] = await sdk.queue.list({ states: ["dead"] });
  const { type, request, data, lastError } = /** @type {any} */ (dead);
  assert.deepEqual([type, data, lastError.code], ["POST /a", null, "VALIDATION_ERROR"]);
  const headers = [["content-type", "text/x"]];
  const url = "https://api.example/a?x=1";
  assert.deepEqual(request, { method: "POST", url, headers, text: "a=b", form: null, replay: "always" });
  assert.match(await sdk.queue.export(), /a=b/);
  assert.doesNotMatch(await sdk.queue.export({ data: false }), /a=b/);
  await sdk.queue.requeue(receipt.id, { data: { a: "c" } });
  for await (const { pending, dead } of sdk.queue.changes()) if (pending + dead === 0) break;
  assert.deepEqual([seen[1]?.text, seen[1]?.headers.get("content-type")], ['{"a":"c"}', "application/json"]);
});

test("JSON on several lines is one body, and takes nobody else's place", async () => {
  const { sdk, seen } = await withServer(() => Response.json({}));
  const body = JSON.stringify({ title: "two\nlines", tags: ["a"] }, null, 2);
  const receipts = await Promise.all([
    sdk.queue.enqueueRequest("/pretty", { method: "PUT", body }),
    sdk.queue.enqueueRequest("/windows", { method: "PUT", body: body.replaceAll("\n", "\r\n") }),
    sdk.queue.enqueueRequest("/innocent", { method: "PUT", data: 1 }),
  ]);
  for (const { settled } of receipts) assert.equal((await settled).status, "applied");
  assert.deepEqual(
    seen.map(({ url, text }) => [new URL(url).pathname, JSON.parse(text)]),
    [
      ["/pretty", JSON.parse(body)],
      ["/windows", JSON.parse(body)],
      ["/innocent", 1],
    ],
  );
});

test("a Request with data of its own keeps its method", async () => {
  const { sdk, seen } = await withServer(() => Response.json({}));
  const url = "https://api.example/a";
  const receipts = [
    await sdk.queue.enqueueRequest(new Request(url, { method: "PUT" }), { data: 1 }),
    await sdk.queue.enqueueRequest(new Request(url), { data: 2 }),
  ];
  for (const { settled } of receipts) await settled;
  assert.deepEqual(
    seen.map(({ method, text }) => [method, text]),
    [
      ["PUT", "1"],
      ["POST", "2"],
    ],
  );
});

test("a call that fails is queued whole, and both have one key", async () => {
  let isOffline = true;
  const { sdk, seen } = await withServer(() => (isOffline ? offline() : Response.json(1)));
  const init = { method: "POST", body: '{"n":1}', headers: { authorization: "Bearer own", "x-shop": "1" } };
  const error = await failure(sdk.fetch("/a", init, { queueIfOffline: { key: "k", priority: "high" } }));
  assert.ok(error instanceof ApiError);
  const [queued] = await sdk.queue.list();
  assert.deepEqual([queued?.id, queued?.key, queued?.priority, queued?.type], [error.queued?.id, "k", "high", "POST /a"]);
  assert.doesNotMatch(JSON.stringify(queued), /Bearer/);
  isOffline = false;
  await sdk.queue.sync();
  assert.equal((await error.queued?.settled)?.status, "applied");
  const keys = new Set(seen.map(({ headers }) => headers.get("idempotency-key")));
  assert.deepEqual([...keys], [`"${queued?.id}"`]);
  assert.deepEqual([seen.at(-1)?.text, seen.at(-1)?.headers.get("x-shop")], ['{"n":1}', "1"]);
  assert.equal(seen[0]?.text, '{"n":1}', "the body was read from a copy");
});

test("true is enough, for sdk.json as well; what is no failure that passes is not queued", async () => {
  const { sdk } = await withServer(({ url }) => (url.endsWith("/gone") ? new Response("", { status: 410 }) : offline()));
  const error = await failure(sdk.json("/a", { method: "DELETE" }, { queueIfOffline: true }));
  assert.equal((await sdk.queue.list()).at(0)?.id, error.queued?.id);
  assert.equal((await failure(sdk.fetch("/gone", { method: "DELETE" }, { queueIfOffline: true }))).queued, null);
  assert.equal((await failure(sdk.fetch("/a", {}, { queueIfOffline: false }))).queued, null);
});

test("what must not be sent twice is not queued when the server may have seen it", async () => {
  const { sdk } = await withServer(({ url }) => (url.endsWith("/busy") ? new Response("", { status: 429 }) : offline()));
  const options = { queueIfOffline: /** @type {const} */ ({ replay: "onlyIfUnsent" }) };
  const init = { method: "POST", body: "{}" };
  assert.equal((await failure(sdk.fetch("/a", init, options))).queued, null);
  assert.ok((await failure(sdk.fetch("/busy", init, options))).queued, "429 says that it was not carried out");
});

test("wrong words for queueing are refused before anything is sent", async () => {
  const { sdk, seen } = await withServer(() => new Response());
  for (const [options, path] of /** @type {[any, string][]} */ ([
    [{ queueIfOffline: "yes" }, "queueIfOffline"],
    [{ queueIfOffline: true, queueAs: { type: "t", data: 1 } }, "queueIfOffline"],
    [{ queueIfOffline: { priority: "urgent" } }, "priority"],
    [{ queueIfOffline: { kind: "t" } }, "kind"],
  ])) {
    const error = await failure(sdk.fetch("/a", { method: "POST", body: "{}" }, options));
    assert.ok(error instanceof InvalidInputError, String(error));
    assert.equal(error.path, path);
  }
  assert.equal(seen.length, 0);
});
