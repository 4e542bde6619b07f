// What a user interface shows of an error, and what it never shows.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { explain, init, InvalidInputError, readError } from "steadfast";
import de from "steadfast/words/de";

before(() => init());

/** @param {object} body @param {number} [status] @param {Record<string, string>} [headers] */
const read = (body, status = 500, headers = {}) => readError(Response.json(body, { status, headers }), { language: "en" });

const cosnap = (/** @type {object} */ more = {}) => ({
  success: false,
  error: {
    code: "VALIDATION_ERROR",
    message: "title is too long",
    correlationId: "c-1",
    userMessage: "Please shorten the title.",
    retryable: false,
    severity: "low",
    ...more,
  },
});

test("a standard explanation has what happened, what to do, and what helps with it", async () => {
  const error = await read(
    {
      success: false,
      error: {
        code: "VALIDATION_ERROR",
        message: "Validation failed",
        requestId: "req-1",
        documentation: "https://docs.example/errors/VALIDATION_ERROR",
        details: [
          { field: "maxAgents", message: "At most 10", constraint: "max" },
          { field: "name", constraint: "required" },
        ],
      },
    },
    422,
  );
  assert.deepEqual(explain(error), {
    message: "Something in your input isn't right. Please check it and try again.",
    action: "fixFields",
    actionLabel: "Check your input",
    actionSentence: "Please check the marked fields.",
    retryAt: null,
    reference: "req-1",
    fieldErrors: [
      { path: "maxAgents", message: "At most 10" },
      { path: "name", message: "Please fill in this field." },
    ],
    helpLink: "https://docs.example/errors/VALIDATION_ERROR",
  });
  const minimal = explain(error, { disclosure: "minimal" });
  assert.deepEqual([minimal.reference, minimal.fieldErrors, minimal.helpLink, minimal.technical], [null, [], null, undefined]);
  assert.equal(minimal.actionLabel, "Check your input");
  const technical = explain(error, { disclosure: "technical" });
  assert.equal(technical.technical?.code, "VALIDATION_ERROR");
  assert.equal(technical.technical?.status, 422);
  assert.equal(technical.technical?.message, "Validation failed");
  assert.equal(technical.technical?.body, undefined);
});

test("how much is told can be a user's preference, or decided by the error", async () => {
  const error = await read(cosnap(), 422);
  assert.equal(explain(error, { disclosure: { level: "standard", showTechnicalDetails: false } }).technical, undefined);
  assert.ok(explain(error, { disclosure: { level: "standard", showTechnicalDetails: true } }).technical);
  assert.equal(explain(error, { disclosure: { level: "minimal" } }).reference, null);
  const bySeverity = (/** @type {import("steadfast").ApiErrorData} */ { severity }) =>
    severity === "low" ? "technical" : "minimal";
  assert.ok(explain(error, { disclosure: bySeverity }).technical);
  for (const disclosure of /** @type {any[]} */ (["verbose", 3, { level: "all" }, null]))
    assert.throws(() => explain(error, { disclosure }), InvalidInputError);
});

test("it can be told in another language than the rest, except what the server said", async () => {
  const error = await readError(new Response("", { status: 401 }), { language: "en", words: [de] });
  assert.deepEqual(
    [explain(error, { language: "de" }).message, explain(error, { language: "de" }).actionLabel],
    ["Bitte melden Sie sich an und versuchen Sie es erneut.", "Anmelden"],
  );
  assert.equal(explain(error).actionLabel, "Sign in");
  assert.equal(explain(await read(cosnap(), 422), { language: "de" }).message, "Please shorten the title.");
});

test("what is to be waited for says how long, and once it is over, to try again", async (context) => {
  let now = 1000;
  context.mock.method(performance, "now", () => now);
  const error = await read({}, 503, { "retry-after": "30" });
  const { action, actionLabel, actionSentence, retryAt } = explain(error);
  assert.deepEqual([action, actionLabel, actionSentence], ["wait", "Try again in 30 seconds", "Please try again in 30 seconds."]);
  assert.deepEqual(retryAt, error.retryAt);
  now += 31_000;
  assert.deepEqual([explain(error).action, explain(error).actionLabel], ["retry", "Try again"]);
});

test("only a link to the web is passed on", async () => {
  for (const [link, passed] of [
    ["https://docs.example/a", "https://docs.example/a"],
    ["http://docs.example/a", "http://docs.example/a"],
    ["javascript:alert(1)", null],
    ["JaVaScRiPt:alert(1)", null],
    [" \tjavascript:alert(1)", null],
    ["data:text/html,<script>alert(1)</script>", null],
    ["/docs/a", null],
    ["https://ada:secret@docs.example/", null],
  ]) {
    const error = await read({ success: false, error: { code: "SYSTEM_X", message: "m", requestId: "r", documentation: link } });
    assert.equal(
      error.helpLink,
      /^(https?:|\/)/.test(/** @type {string} */ (link)) ? link : null,
      "what is no link is not handed on at all",
    );
    assert.equal(explain(error).helpLink, passed);
  }
});

test("a stack in what the server says to the user is not said", async () => {
  for (const stack of [
    "Error: boom\n    at Object.<anonymous> (/srv/app.js:10:5)\n    at Module._compile (node:internal:1:2)",
    "Error: boom at handler (/srv/app.js:10:5)",
    'Traceback (most recent call last):\n  File "/srv/app.py", line 3, in <module>',
    "panicked\nstack backtrace:\n   0: core::panicking",
    "java.lang.NullPointerException\n\tat com.example.Main.run(Main.java:12)",
    '{"error":{"stack":"/srv/app.js"}}',
    "failed: SELECT * FROM users WHERE id = 7 -- /srv",
  ]) {
    const { message, technical } = explain(await read(cosnap({ userMessage: stack, message: stack })), {
      disclosure: "technical",
    });
    assert.doesNotMatch(JSON.stringify([message, technical]), /srv|backtrace|Main\.java|WHERE|line 3/, stack);
    assert.ok(message.length > 0);
  }
  const words = "Please select a plan from the list, at the latest today, at 10:30:15.";
  assert.equal(explain(await read(cosnap({ userMessage: words }))).message, words, "and what is none stays as it is");
});

test("however long what a server sends is, explaining it does not take long", async () => {
  const long = (/** @type {string} */ part) => part.repeat(Math.floor(200_000 / part.length));
  for (const text of ["at ", "at a", "a:1:1", "SELECT ", ") ", "[", '{"', "at\t", "x", 'File "'].map(long)) {
    const error = await read({ error: { code: "X", message: `at ${text}`, recoverable: true, details: { text } } });
    const start = performance.now();
    explain(error, { disclosure: "technical" });
    assert.ok(performance.now() - start < 1000, `${text.slice(0, 10)} took ${performance.now() - start} ms`);
  }
});

test("in development everything is shown", async () => {
  const details = { stack: "Error: x\n    at y", query: "SELECT 1", params: ["p"], environment: { node: "20" } };
  const error = await read({ success: false, error: { code: "SYSTEM_INTERNAL_ERROR", message: "m", requestId: "r", details } });
  const { technical } = explain(error, { disclosure: "technical", development: true });
  assert.deepEqual(technical?.details, details);
  assert.match(technical?.body ?? "", /SELECT 1/);
  assert.deepEqual(explain(error, { disclosure: "technical" }).technical?.details, {});
});

test("however a backend nests its internals, they never get into an explanation", async () => {
  // A linear congruential generator: the same cases in every run.
  let state = 20_250_821;
  const below = (/** @type {number} */ end) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * end);
  };
  /** @template T @param {readonly T[]} items @returns {T} */
  const pick = (items) => /** @type {T} */ (items[below(items.length)]);
  const internals =
    "stack stackTrace STACK_TRACE trace traceback backtrace query sqlQuery queries sql statement params queryParams parameters bindings environment env NODE_ENV nodeEnv debug_info exception password apiKey authToken".split(
      " ",
    );
  const names = ["details", "context", "cause", "data", "meta", "items", "error", "a"];
  const planted = "PLANTED";
  /** @returns {unknown} */
  const secret = () =>
    pick([planted, [planted], { deep: [{ planted }] }, { [planted]: 1 }, `{"a":"${planted}"}`, [[[planted]]], { id: planted }]);
  /** @param {number} depth @returns {unknown} */
  const nest = (depth) => {
    const inner = depth === 0 ? { [pick(internals)]: secret(), kept: "shown" } : nest(depth - 1);
    return pick([
      () => ({ [pick(names)]: inner }),
      () => [inner, 1, null],
      () => ({ n: 1, [pick(names)]: [inner], [pick(internals)]: secret() }),
      () => ({ text: JSON.stringify(inner) }),
      () => ({ text: `Error: broke\n    at ${planted} (/srv/${planted}.js:1:2)`, [pick(names)]: inner }),
    ])();
  };
  for (let run = 0; run < 2000; run++) {
    const details = nest(below(8));
    const body = pick([
      () => ({ success: false, error: { code: "SYSTEM_X", message: "m", requestId: "r", details } }),
      () => cosnap({ details, businessContext: details }),
      () => ({ error: { code: "X", message: "m", recoverable: true, details } }),
      () => ({ error: { code: 1001, message: "m", metadata: details } }),
      () => ({ error: "broke", details, stack: planted }),
      () => details,
    ])();
    const error = await read(/** @type {object} */ (body));
    assert.match(error.raw.text, /PLANTED/);
    for (const disclosure of /** @type {const} */ (["minimal", "standard", "technical"])) {
      assert.doesNotMatch(JSON.stringify(explain(error, { disclosure })), /PLANTED/, JSON.stringify(body));
    }
  }
});

test("a body that nests as deep as it can is explained all the same", async () => {
  const details = JSON.parse(`${'{"a":'.repeat(100)}1${"}".repeat(100)}`);
  const error = await read({ success: false, error: { code: "SYSTEM_X", message: "m", requestId: "r", details } });
  assert.match(JSON.stringify(explain(error, { disclosure: "technical" })), /…/);
});
