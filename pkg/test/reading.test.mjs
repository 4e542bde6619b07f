// Errors that are read outside of sdk.fetch, formats and codes of the application's own, and answers in JSON.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, init, InvalidInputError, parseError, readError, Steadfast } from "steadfast";

await init();

/** @type {import("steadfast").ErrorFormat} */
const acme = {
  name: "acme",
  read: ({ json, headers }) =>
    json?.acmeError && {
      code: json.acmeError.kind,
      message: json.acmeError.text,
      fieldErrors: json.acmeError.inputs,
      retryAfter: Number(headers.get("x-acme-pause") ?? Number.NaN) || null,
    },
};
const codes = { OUT_OF_STOCK: { category: "business", severity: "low", retryable: false } };
const body = {
  acmeError: { kind: "OUT_OF_STOCK", text: "None left", inputs: [{ path: "amount", message: "0 left", constraint: "max" }] },
};

/** @template T @param {Promise<T>} promise @returns {Promise<any>} */
const failure = (promise) =>
  promise.then(
    () => assert.fail("it should have failed"),
    (error) => error,
  );

test("a format of the application's own is asked first, and its codes are known", async () => {
  const sdk = await Steadfast.open({
    baseUrl: "https://api.example",
    formats: [acme],
    codes: /** @type {any} */ (codes),
    messages: { codes: { OUT_OF_STOCK: "Sold out." } },
    fetch: async () => Response.json(body, { status: 409, headers: { "x-acme-pause": "7" } }),
  });
  const error = await failure(sdk.fetch("/order", { method: "POST" }));
  assert.ok(error instanceof ApiError);
  assert.deepEqual([error.code, error.message, error.category, error.severity], ["OUT_OF_STOCK", "None left", "business", "low"]);
  assert.deepEqual([error.format.name, error.format.confidence], ["acme", "certain"]);
  assert.deepEqual([error.retryable, error.retryReason, error.retryHint?.afterMs], [false, "code", 7000]);
  assert.equal(error.userMessage, "Sold out.");
  assert.deepEqual(error.fieldErrors, [{ path: "amount", message: "0 left", constraint: "max", value: null, allowed: null }]);
  sdk.close();
});

test("what is of no format of the application's own is read as ever", () => {
  const error = parseError({ status: 404, body: { message: "gone" } }, { formats: [acme] });
  assert.deepEqual([error.message, error.category, error.format.name], ["gone", "not_found", "unknownJson"]);
});

test("a format that throws, or gives what JSON cannot hold, is reported and left out", (t) => {
  /** @type {any} */
  const cycle = {};
  cycle.details = cycle;
  const broken = [
    () => {
      throw new Error("oops");
    },
    () => cycle,
    /** @type {any} */ (async () => ({ code: "LATE" })),
    /** @type {any} */ (() => "a text"),
  ];
  for (const read of broken) {
    const complain = t.mock.method(console, "error", () => {});
    const error = parseError({ status: 500, body: "{}" }, { formats: [{ name: "broken", read }] });
    assert.equal(error.status, 500);
    assert.match(complain.mock.calls[0]?.arguments[0].message, /format broken/);
    complain.mock.restore();
  }
});

test("a wrong format or code is refused, and says what is allowed", () => {
  const refused = (/** @type {any} */ options) => {
    try {
      parseError({ status: 500 }, options);
    } catch (error) {
      assert.ok(error instanceof InvalidInputError);
      return error.message;
    }
    return assert.fail("it should have been refused");
  };
  assert.match(refused({ formats: [{ name: "x" }] }), /options\.formats\[0\] .*a function read/);
  assert.match(refused({ formats: {} }), /options\.formats .*a list/);
  for (const response of [
    undefined,
    {},
    { status: 0 },
    { status: 70_000 },
    { status: Number.NaN },
    { status: 500, headers: "a" },
  ]) {
    assert.throws(() => parseError(/** @type {any} */ (response)), InvalidInputError);
  }
  assert.match(refused({ codes: { A: { category: "odd" } } }), /options\.codes\.A\.category is "odd"; allowed: one of auth/);
});

test("an error that another client received is read at once, whatever its headers and body come as", () => {
  const text = JSON.stringify({ error: { code: "RENDER_BUSY", message: "Busy", recoverable: true } });
  for (const headers of [
    { "retry-after": "120", "set-cookie": ["a", "b"], missing: undefined },
    new Headers({ "retry-after": "120" }),
    /** @type {[string, string][]} */ ([["Retry-After", "120"]]),
  ]) {
    for (const body of [text, JSON.parse(text)]) {
      const error = parseError({ status: 503, headers, body });
      assert.deepEqual([error.code, error.format.name, error.retryHint?.afterMs], ["RENDER_BUSY", "oriel", 120_000]);
      assert.equal(error.raw.text, text);
      assert.ok(error instanceof ApiError);
    }
  }
  assert.equal(parseError({ status: 502 }).message, "HTTP 502");
  assert.equal(parseError({ status: 502, headers: { "x-a": "1\nretry-after\n9" } }).retryHint, null, "a header is one line");
});

test("a body longer than what is read is read as far as it goes", () => {
  const long = JSON.stringify({ message: "Too much", filler: "x".repeat(300_000), code: "LAST" });
  const error = parseError({ status: 400, body: long });
  assert.deepEqual([error.message, error.code, error.raw.truncated, error.raw.text.length], ["Too much", null, true, 262_144]);
});

test("an error in another charset is read", async () => {
  const shiftJis = Uint8Array.from([
    0x7b, 0x22, 0x6d, 0x65, 0x73, 0x73, 0x61, 0x67, 0x65, 0x22, 0x3a, 0x22, 0x83, 0x47, 0x22, 0x7d,
  ]);
  const response = () =>
    new Response(shiftJis, { status: 500, headers: { "content-type": "application/json; charset=Shift_JIS" } });
  assert.equal((await readError(response())).message, "エ");
  const sdk = await Steadfast.open({ baseUrl: "https://api.example", retry: { maxAttempts: 1 }, fetch: async () => response() });
  assert.equal((await failure(sdk.fetch("/"))).message, "エ");
  sdk.close();
});

test("an answer in JSON comes as a whole, with what is wrong with it", async () => {
  const answers = [
    Response.json(
      { success: true, data: { fallback_used: true, fallback_reason: "The scorer is away" } },
      { headers: { etag: "1" } },
    ),
    new Response(null, { status: 204 }),
    Response.json({ data: null, errors: [{ message: "No", extensions: { code: "FORBIDDEN" } }] }),
  ];
  /** @type {(string | null)[]} */
  const accepted = [];
  const sdk = await Steadfast.open({
    baseUrl: "https://api.example",
    fetch: async (request) => {
      accepted.push(request.headers.get("accept"));
      return /** @type {Response} */ (answers.shift());
    },
  });
  const { data, degraded, status, headers } = await sdk.json("/a");
  assert.equal(/** @type {any} */ (data).success, true);
  assert.deepEqual(degraded, { warnings: [], fallbackUsed: true, fallbackReason: "The scorer is away" });
  assert.deepEqual([status, headers.get("etag")], [200, "1"]);
  assert.match(accepted[0] ?? "", /^application\/json/);
  const none = await sdk.json("/b");
  assert.deepEqual([none.data, none.degraded, none.status], [null, null, 204]);
  const error = await failure(sdk.json("/c"));
  assert.deepEqual([error.code, error.category, error.status, error.format.name], ["FORBIDDEN", "permission", 200, "graphql"]);
  sdk.close();
});

test("a call for JSON is aborted like any other", async () => {
  const sdk = await Steadfast.open({ baseUrl: "https://api.example", fetch: () => new Promise(() => {}) });
  const controller = new AbortController();
  const call = failure(sdk.json("/a", { signal: controller.signal }));
  controller.abort("enough");
  assert.equal(await call, "enough");
  sdk.close();
});

test("whatever another client made of a body, the error is read", () => {
  const text = '{"message":"Zu groß"}';
  const bytes = new TextEncoder().encode(text);
  for (const body of [text, bytes, bytes.buffer, new DataView(bytes.buffer), JSON.parse(text)]) {
    const error = parseError({ status: 413, body });
    assert.deepEqual([error.message, error.raw.text], ["Zu groß", text]);
  }
  /** @type {any} */
  const cycle = {};
  cycle.cycle = cycle;
  for (const body of [cycle, 7n, () => {}, Symbol("x")]) assert.equal(parseError({ status: 500, body }).status, 500);
});

test("a header that is none hides no other", () => {
  const format = { name: "x", read: (/** @type {any} */ { headers }) => ({ code: headers.get("x-code") }) };
  const headers = { "not a name": "1", "x-\u0394": "2", "bad\nretry-after": "9", "x-code": "HERE", "x-odd": "\u0394" };
  const error = parseError({ status: 500, headers }, { formats: [format] });
  assert.deepEqual([error.code, error.retryHint], ["HERE", null]);
});
