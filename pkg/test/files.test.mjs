// Files in the queue, in Node: it has no IndexedDB, and so no place for them. What becomes of them in browsers is in tests/end_to_end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, InvalidInputError, Steadfast, StoreError } from "steadfast";

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

/**
 * An SDK, and the bodies that its server has seen.
 *
 * @param {(request: Request) => Response} [answer]
 */
async function withServer(answer = () => new Response()) {
  /** @type {{ type: string | null, text: string }[]} */
  const seen = [];
  const sdk = await Steadfast.open({
    baseUrl: "https://api.example",
    userId: "ada",
    fetch: async (request) => {
      seen.push({ type: request.headers.get("content-type"), text: await request.clone().text() });
      return answer(request);
    },
    retry: { maxAttempts: 1, baseDelayMs: 250, maxDelayMs: 250, jitter: "none" },
  });
  open.add(sdk);
  return { sdk, seen };
}

const photo = new Blob([new Uint8Array([255, 254, 0])], { type: "image/png" });

/** @returns {FormData} */
function form() {
  const form = new FormData();
  form.append("caption", "Sea");
  form.append("photo", photo, "sea.png");
  return form;
}

test("where there is no place for a file it is refused, with what to do, and nothing is stored", async () => {
  const { sdk, seen } = await withServer();
  for (const enqueue of /** @type {(() => Promise<unknown>)[]} */ ([
    () => sdk.queue.enqueue({ type: "add_photo", key: "k", data: {}, files: { photo } }),
    () =>
      sdk.queue.enqueueAll([
        { type: "a", data: {} },
        { type: "add_photo", data: {}, files: { photo } },
      ]),
    () => sdk.queue.enqueueRequest("/a", { method: "PUT", body: photo }),
    () => sdk.queue.enqueueRequest("/a", { method: "PUT", body: new Uint8Array([255, 254, 0]) }),
    () => sdk.queue.enqueueRequest("/a", { method: "POST", body: form() }),
    () => sdk.queue.enqueueRequest(new Request("https://api.example/a", { method: "POST", body: form() })),
    () => sdk.queue.enqueueRequest("/a", { method: "PUT", body: new Blob(["text ".repeat(1 << 18)], { type: "text/plain" }) }),
  ])) {
    const error = await failure(enqueue());
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.kind, "unavailable");
    assert.match(error.message, /IndexedDB/);
  }
  assert.equal((await sdk.queue.snapshot()).pending, 0);
  assert.deepEqual(seen, []);
});

test("what is no file is refused, and says what is", async () => {
  const { sdk } = await withServer();
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`f${index}`, photo]));
  for (const [files, path] of /** @type {[any, string][]} */ ([
    ["photo", "files"],
    [[photo], "files"],
    [photo, "files"],
    [{ photo: "text" }, "files.photo"],
    [{ photo: null }, "files.photo"],
    [{ photo: {} }, "files.photo"],
    [{ photo: new SharedArrayBuffer(1) }, "files.photo"],
    [{ photo: new Uint8Array(new SharedArrayBuffer(1)) }, "files.photo"],
    [{ "": photo }, "files.field"],
    [{ ["x".repeat(257)]: photo }, "files.field"],
    [{ photo: new File([photo], "x".repeat(257)) }, "files"],
    [many, "files"],
  ])) {
    const error = await failure(sdk.queue.enqueue({ type: "add_photo", data: {}, files }));
    assert.ok(error instanceof InvalidInputError, `${path}: ${error}`);
    assert.equal(error.path, path, String(error));
  }
  const init = /** @type {any} */ ({ method: "POST", body: photo, files: { photo } });
  assert.equal((await failure(sdk.queue.enqueueRequest("/a", init))).path, "files");
  await assert.rejects(sdk.queue.enqueueRequest("/a", { body: photo }), TypeError, "GET has no body");
  assert.equal((await sdk.queue.snapshot()).pending, 0);
});

test("a file that is undefined is none, and neither is a body that is text", async () => {
  const { sdk, seen } = await withServer((request) =>
    request.url.endsWith("/queue-actions") ? Response.json({ success: true, processed: 1 }) : new Response(),
  );
  const action = await sdk.queue.enqueue({ type: "t", data: {}, files: { photo: undefined } });
  assert.deepEqual(
    (await sdk.queue.list()).map(({ files }) => files),
    [[]],
  );
  assert.deepEqual(await sdk.queue.files(action.id), []);
  assert.equal(await sdk.queue.files("another"), null);
  assert.equal((await action.settled).status, "applied");
  const bodies = [
    new Blob(["grüße"], { type: "text/plain;charset=utf-8" }),
    new Blob(['{"n":1}'], { type: "application/vnd.shop+json" }),
    new TextEncoder().encode("bytes that are text"),
  ];
  for (const body of bodies) {
    const receipt = await sdk.queue.enqueueRequest("/a", { method: "PUT", body });
    assert.equal((await receipt.settled).status, "applied");
  }
  assert.deepEqual(seen.slice(1), [
    { type: "text/plain;charset=utf-8", text: "grüße" },
    { type: "application/vnd.shop+json", text: '{"n":1}' },
    // As fetch has it for text.
    { type: "text/plain;charset=UTF-8", text: "bytes that are text" },
  ]);
  const texts = new FormData();
  texts.append("caption", "Sea");
  const receipt = await sdk.queue.enqueueRequest("/a", { method: "POST", body: texts });
  assert.equal((await receipt.settled).status, "applied");
  assert.match(seen.at(-1)?.type ?? "", /^multipart\/form-data; boundary=/);
  assert.match(seen.at(-1)?.text ?? "", /name="caption"\r\n\r\nSea\r\n/);
});

test("a call with a file is sent as ever, and one that fails says why the file could not be queued", async () => {
  let isOffline = false;
  const { sdk, seen } = await withServer(() => {
    if (isOffline) throw new TypeError("Failed to fetch");
    return new Response();
  });
  for (const body of [photo, form()]) {
    isOffline = false;
    await sdk.fetch("/a", { method: "POST", body }, { queueIfOffline: true });
    isOffline = true;
    const error = await failure(sdk.fetch("/a", { method: "POST", body }, { queueIfOffline: true }));
    assert.ok(error instanceof ApiError);
    assert.equal(error.queued, null);
    assert.ok(error.cause instanceof StoreError, String(error.cause));
  }
  assert.match(seen[2]?.text ?? "", /filename="sea.png"/);
  const error = await failure(sdk.fetch("/a", { method: "POST" }, { queueAs: { type: "t", data: 1, files: { photo } } }));
  assert.ok(error.cause instanceof StoreError);
  const wrong = /** @type {any} */ ({ queueAs: { type: "t", data: 1, files: { photo: 7 } } });
  assert.ok((await failure(sdk.fetch("/a", { method: "POST" }, wrong))) instanceof InvalidInputError);
});
