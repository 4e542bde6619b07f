// Having operations that failed queued once more, with a server that the test plays.
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";

const source = join(resolve(import.meta.dirname, ".."), "src/operations.ts");
const { outputFiles } = await build({ entryPoints: [source], format: "esm", bundle: true, write: false });
/** @type {typeof import("../src/operations.js")} */
const { Operations } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? "")}`);

/** @typedef {{ path: string, body: any, key: string | undefined, init: RequestInit }} Sent */

/** A server that answers each request with what `answer` makes of it, or fails with what that throws. */
function server(/** @type {(sent: Sent, count: number) => unknown} */ answer) {
  /** @type {Sent[]} */
  const sent = [];
  return {
    sent,
    /** @type {import("../src/operations.js").Requests["json"]} */
    async json(path, init, { idempotencyKey }) {
      const request = { path, init, body: JSON.parse(String(init.body)), key: idempotencyKey };
      sent.push(request);
      return { data: /** @type {any} */ (await answer(request, sent.length)) };
    },
  };
}

const queued = (/** @type {Sent} */ _, /** @type {number} */ count) => ({
  success: true,
  newRequestId: `req_new_${count}`,
  estimatedCompletion: "2025-08-21T10:35:00Z",
  message: "Operation queued for retry",
});

/** What an error is to `Operations`. */
const failed = (/** @type {object} */ more = {}) => ({
  requestId: "req_1",
  correlationId: "c_1",
  code: "NETWORK_TIMEOUT",
  ...more,
});
const refusal = Object.assign(new Error("no"), { status: 422, retryable: false });
const outage = Object.assign(new Error("down"), { status: 503, retryable: true });
const lost = Object.assign(new Error("no answer"), { status: null, retryable: true });

test("a retry says which request failed, why, and which retry it is", async () => {
  const backend = server(queued);
  const answer = await new Operations(backend).retry(failed(), { modifiedParams: { quality: "medium", timeout: 60_000 } });
  assert.deepEqual(answer, {
    newRequestId: "req_new_1",
    estimatedCompletion: new Date("2025-08-21T10:35:00Z"),
    message: "Operation queued for retry",
    retryCount: 1,
  });
  const [request] = backend.sent;
  assert.equal(request?.path, "/api/operations/retry");
  assert.equal(request?.init.method, "POST");
  assert.deepEqual(request?.body, {
    originalRequestId: "req_1",
    retryReason: "network_timeout",
    retryCount: 1,
    modifiedParams: { quality: "medium", timeout: 60_000 },
  });
  assert.match(String(request?.key), /^[0-9a-f]{32}$/);
});

test("without a request id the correlation id stands in, and without both nothing is sent", async () => {
  const backend = server(queued);
  const operations = new Operations(backend);
  await operations.retry(failed({ requestId: null }));
  assert.equal(backend.sent[0]?.body.originalRequestId, "c_1");
  for (const error of [{}, { requestId: null, correlationId: null }, { requestId: "" }, { requestId: "x".repeat(257) }, null]) {
    await assert.rejects(operations.retry(/** @type {any} */ (error)), { name: "InvalidInputError", path: "error" });
  }
  assert.equal(backend.sent.length, 1);
});

test("the reason is the code in lower case, else the status", async () => {
  const backend = server(queued);
  const operations = new Operations(backend);
  for (const [error, reason] of /** @type {[object, string][]} */ ([
    [{ code: "AI_PROCESSING_TIMEOUT" }, "ai_processing_timeout"],
    [{ code: "ResourceNotFound" }, "resource_not_found"],
    [{ code: "https://errors.example/out-of-stock" }, "https_errors_example_out_of_stock"],
    [{ code: "__proto__" }, "proto"],
    [{ code: "Ü", status: 502 }, "http_502"],
    [{ code: null, status: 504 }, "http_504"],
    [{ code: null }, "unknown"],
    [{ code: "x".repeat(63) + "_y" }, "x".repeat(63)],
  ])) {
    await operations.retry(failed(error));
    assert.equal(backend.sent.at(-1)?.body.retryReason, reason);
  }
  await operations.retry(failed(), { reason: "user_asked" });
  assert.equal(backend.sent.at(-1)?.body.retryReason, "user_asked");
});

test("retries are counted by operation, whatever its ids, and each has its key", async () => {
  const backend = server(queued);
  const operations = new Operations(backend);
  const first = await operations.retry(failed());
  const second = await operations.retry(failed({ requestId: first.newRequestId }));
  await operations.retry(failed({ requestId: second.newRequestId }));
  await operations.retry(failed());
  await operations.retry(failed({ requestId: "req_other" }));
  assert.deepEqual(
    backend.sent.map(({ body }) => [body.originalRequestId, body.retryCount]),
    [
      ["req_1", 1],
      ["req_new_1", 2],
      ["req_new_2", 3],
      ["req_1", 4],
      ["req_other", 1],
    ],
  );
  assert.equal(new Set(backend.sent.map(({ key }) => key)).size, 5);
});

test("a retry whose answer was lost is the same when it is asked for again, and queues nothing twice", async () => {
  const backend = server((_, count) => {
    if (count <= 2) throw count === 1 ? lost : outage;
    return queued(_, count);
  });
  const operations = new Operations(backend);
  await assert.rejects(operations.retry(failed()), lost);
  await assert.rejects(operations.retry(failed()), outage);
  assert.equal((await operations.retry(failed())).retryCount, 1);
  const [first, ...again] = backend.sent;
  for (const request of again) assert.deepEqual([request.key, request.body], [first?.key, first?.body]);
  await operations.retry(failed());
  assert.equal(backend.sent.at(-1)?.body.retryCount, 2);
  assert.notEqual(backend.sent.at(-1)?.key, first?.key);
});

test("another wish for an operation whose answer was lost is a further retry", async () => {
  const backend = server((request, count) => {
    if (count === 1) throw lost;
    return queued(request, count);
  });
  const operations = new Operations(backend);
  await assert.rejects(operations.retry(failed(), { modifiedParams: { quality: "medium" } }), lost);
  await operations.retry(failed(), { modifiedParams: { quality: "low" } });
  const [first, second] = backend.sent;
  assert.equal(second?.body.retryCount, 2);
  assert.notEqual(second?.key, first?.key);
});

test("two clicks queue an operation once", async () => {
  const backend = server(queued);
  const operations = new Operations(backend);
  await Promise.all([operations.retry(failed()), operations.retry(failed())]);
  const [first, second] = backend.sent;
  assert.deepEqual([second?.key, second?.body], [first?.key, first?.body]);
});

test("a retry that is refused does not count", async () => {
  const backend = server((request, count) => {
    if (count === 1) throw refusal;
    return queued(request, count);
  });
  const operations = new Operations(backend);
  await assert.rejects(operations.retry(failed()), refusal);
  await operations.retry(failed());
  assert.equal(backend.sent[1]?.body.retryCount, 1);
  assert.notEqual(backend.sent[1]?.key, backend.sent[0]?.key);
});

test("the caller's own count is sent as it is, and counted on from", async () => {
  const backend = server(queued);
  const operations = new Operations(backend);
  await operations.retry(failed(), { retryCount: 3 });
  await operations.retry(failed());
  assert.deepEqual(
    backend.sent.map(({ body }) => body.retryCount),
    [3, 4],
  );
});

test("what the server does not say is null", async () => {
  for (const answer of [null, {}, "queued", { newRequestId: 7, estimatedCompletion: "soon", message: "" }, []]) {
    const read = await new Operations(server(() => answer)).retry(failed());
    assert.deepEqual(read, { newRequestId: null, estimatedCompletion: null, message: null, retryCount: 1 });
  }
});

test("a wrong option says what, where and what is allowed, and nothing is sent", async () => {
  const backend = server(queued);
  const operations = new Operations(backend, "ada");
  for (const [options, path] of /** @type {[any, string][]} */ ([
    [{ reason: "Network timeout" }, "reason"],
    [{ reason: "" }, "reason"],
    [{ retryCount: 0 }, "retryCount"],
    [{ retryCount: 1.5 }, "retryCount"],
    [{ modifiedParams: [1] }, "modifiedParams"],
    [{ modifiedParams: new Map() }, "modifiedParams"],
    [{ modifiedParams: null }, "modifiedParams"],
    [{ modifiedParams: { a: { b: 1n } } }, "modifiedParams.a.b"],
  ])) {
    await assert.rejects(operations.retry(failed(), options), { name: "InvalidInputError", subject: "options", path });
  }
  for (const [errors, options, path] of /** @type {[any, any, string][]} */ ([
    ["all", {}, "errors"],
    [Array(101).fill(failed()), {}, "errors"],
    [[failed(), {}], {}, "errors[1]"],
    [[failed()], { strategy: "" }, "strategy"],
    [[failed()], { userId: "" }, "userId"],
  ])) {
    await assert.rejects(operations.recover(errors, options), { name: "InvalidInputError", subject: "options", path });
  }
  await assert.rejects(new Operations(backend).recover([failed()]), { path: "userId" });
  assert.equal(backend.sent.length, 0);
});

test("the signal goes with the request", async () => {
  const backend = server(queued);
  const { signal } = new AbortController();
  await new Operations(backend, "ada").retry(failed(), { signal });
  await new Operations(backend, "ada").recover([failed()], { signal });
  assert.deepEqual(
    backend.sent.map(({ init }) => init.signal === signal),
    [true, true],
  );
});

test("several operations are recovered at once, each for itself and in its place", async () => {
  const error = { code: "OPERATION_NOT_RECOVERABLE", message: "no", userMessage: "Sorry.", retryable: false, more: 1 };
  const backend = server(() => ({
    success: true,
    recovered: [
      { requestId: "req_3", status: "refused", error },
      { requestId: "req_1", status: "queued", newRequestId: "req_9" },
      { requestId: "req_4", status: "postponed" },
      { requestId: "req_unasked", status: "queued" },
      null,
    ],
  }));
  const operations = new Operations(backend, "ada");
  const ids = ["req_1", "req_2", "req_3", "req_1", "req_4"];
  const recovered = await operations.recover(
    ids.map((requestId) => ({ requestId, code: requestId === "req_2" ? null : "TIMEOUT" })),
  );
  const nothing = { newRequestId: null, error: null };
  const { more, ...known } = error;
  assert.equal(more, 1);
  assert.deepEqual(recovered, [
    { requestId: "req_1", status: "queued", newRequestId: "req_9", error: null },
    { requestId: "req_2", status: "unknown", ...nothing },
    { requestId: "req_3", status: "refused", newRequestId: null, error: known },
    { requestId: "req_1", status: "queued", newRequestId: "req_9", error: null },
    { requestId: "req_4", status: "unknown", ...nothing },
  ]);
  assert.equal(backend.sent[0]?.path, "/api/operations/recover-batch");
  assert.deepEqual(backend.sent[0]?.body, {
    failedOperations: [
      { requestId: "req_1", errorCode: "TIMEOUT", userId: "ada" },
      { requestId: "req_2", userId: "ada" },
      { requestId: "req_3", errorCode: "TIMEOUT", userId: "ada" },
      { requestId: "req_4", errorCode: "TIMEOUT", userId: "ada" },
    ],
    recoveryStrategy: "auto_retry",
  });
  await operations.retry(failed({ requestId: "req_9" }));
  assert.equal(backend.sent[1]?.body.retryCount, 2, "what was recovered was retried once");
});

test("a batch whose answer was lost has the same key when it is sent again, and another one has another", async () => {
  const backend = server((_, count) => {
    if (count === 1) throw lost;
    return { success: true, recovered: [] };
  });
  const operations = new Operations(backend, "ada");
  await assert.rejects(operations.recover([failed()]), lost);
  await operations.recover([failed()]);
  await operations.recover([failed()]);
  await operations.recover([failed()], { userId: "bob", strategy: "later" });
  const keys = backend.sent.map(({ key }) => key);
  assert.equal(keys[1], keys[0]);
  assert.equal(new Set(keys).size, 3);
  assert.deepEqual([backend.sent[3]?.body.recoveryStrategy, backend.sent[3]?.body.failedOperations[0].userId], ["later", "bob"]);
});

test("of nothing nothing is asked", async () => {
  const backend = server(queued);
  assert.deepEqual(await new Operations(backend, "ada").recover([]), []);
  assert.equal(backend.sent.length, 0);
});

test("what is remembered is bounded, and what was asked for last stays", async () => {
  const backend = server(queued);
  const operations = new Operations(backend);
  await operations.retry(failed());
  await operations.retry(failed({ requestId: "req_forgotten" }));
  for (let index = 0; index < 600; index++) {
    await operations.retry(failed({ requestId: `req_other_${index}` }));
    if (index % 100 === 0) await operations.retry(failed());
  }
  await operations.retry(failed());
  assert.equal(backend.sent.at(-1)?.body.retryCount, 8);
  await operations.retry(failed({ requestId: "req_forgotten" }));
  assert.equal(backend.sent.at(-1)?.body.retryCount, 1);
});
