// Counting down to the moment that a server has named, on clocks that the test moves.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { countdown, init, readError } from "steadfast";
import de from "steadfast/words/de";

before(() => init());

/** A monotonic clock and timers that move together, and a wall clock beside them. @param {import("node:test").TestContext} context */
function clocks(context) {
  let now = 1000;
  let jumped = Date.now();
  context.mock.method(performance, "now", () => now);
  context.mock.method(Date, "now", () => jumped + now);
  context.mock.timers.enable({ apis: ["setTimeout"] });
  return {
    /** @param {number} ms */
    advance(ms) {
      for (let passed = 0; passed < ms; passed += 100) {
        now += Math.min(100, ms - passed);
        context.mock.timers.tick(Math.min(100, ms - passed));
      }
    },
    /** The page is frozen: time passes, and no timer runs. @param {number} ms */
    freeze(ms) {
      now += ms;
    },
    /** Somebody sets the wall clock. @param {number} ms */
    jump(ms) {
      jumped += ms;
    },
  };
}

/** @param {number | string | null} seconds @param {any} [options] */
const wait = (seconds, options = { language: "en" }) =>
  readError(new Response("", { status: 503, headers: seconds === null ? {} : { "retry-after": String(seconds) } }), options);

/** @param {any} error @param {any} [options] */
function heard(error, options) {
  /** @type {string[]} */
  const texts = [];
  const stop = countdown(error, (text) => texts.push(text), options);
  return { texts, stop };
}

test("it tells each second of the last minute, and at last that the moment has come", async (context) => {
  const { advance } = clocks(context);
  const { texts } = heard(await wait(3));
  assert.deepEqual(texts, ["Try again in 3 seconds"]);
  advance(2000);
  assert.deepEqual(texts.slice(1), ["Try again in 2 seconds", "Try again in 1 second"]);
  advance(900);
  assert.equal(texts.length, 3);
  advance(100);
  assert.deepEqual(texts.slice(3), ["You can try again now"]);
  advance(60_000);
  assert.equal(texts.length, 4, "and then nothing more");
});

test("above a minute it tells each minute", async (context) => {
  const { advance } = clocks(context);
  const { texts } = heard(await wait(150));
  advance(92_000);
  assert.deepEqual(texts, [
    "Try again in 3 minutes",
    "Try again in 2 minutes",
    "Try again in 1 minute",
    "Try again in 59 seconds",
    "Try again in 58 seconds",
  ]);
});

test("hours and days, far beyond what a timer can take", async (context) => {
  const { advance } = clocks(context);
  const { texts, stop } = heard(await wait(60 * 86_400));
  advance(60_000);
  assert.deepEqual(texts, ["Try again in 60 days", "Try again in 60 days"]);
  stop();
  const hours = heard(await wait(3 * 3600));
  assert.deepEqual(hours.texts, ["Try again in 3 hours"]);
  hours.stop();
});

test("a jump of the wall clock changes nothing", async (context) => {
  const { advance, jump } = clocks(context);
  const error = await wait(30);
  jump(86_400_000);
  const { texts } = heard(error);
  assert.deepEqual(texts, ["Try again in 30 seconds"]);
  jump(-10 * 86_400_000);
  advance(1000);
  assert.deepEqual(texts.slice(1), ["Try again in 29 seconds"]);
});

test("it is counted from the arrival of the error, not from when the countdown begins", async (context) => {
  const { advance } = clocks(context);
  const error = await wait(30);
  advance(10_000);
  assert.deepEqual(heard(error).texts, ["Try again in 20 seconds"]);
  advance(20_000);
  assert.deepEqual(heard(error).texts, ["You can try again now"]);
});

test("what was missed while the page was frozen is caught up with", async (context) => {
  const { advance, freeze } = clocks(context);
  const { texts } = heard(await wait(30));
  freeze(20_000);
  advance(1000);
  assert.deepEqual(texts.slice(1), ["Try again in 9 seconds"]);
  freeze(3_600_000);
  advance(1000);
  assert.deepEqual(texts.slice(2), ["You can try again now"]);
});

test("it ends by its function, by its signal, and from within", async (context) => {
  const { advance } = clocks(context);
  const error = await wait(30);
  const byFunction = heard(error);
  const controller = new AbortController();
  const bySignal = heard(error, { signal: controller.signal });
  let calls = 0;
  const own = new AbortController();
  countdown(error, () => (calls++, own.abort()), { signal: own.signal });
  byFunction.stop();
  byFunction.stop();
  controller.abort();
  advance(40_000);
  assert.deepEqual([byFunction.texts.length, bySignal.texts.length, calls], [1, 1, 1]);
  assert.deepEqual(heard(error, { signal: AbortSignal.abort() }).texts, []);
});

test("an error that names no moment is over at once", async (context) => {
  clocks(context);
  /** @type {number[]} */
  const remaining = [];
  countdown(await wait(null), (_, ms) => remaining.push(ms));
  assert.deepEqual(remaining, [0]);
});

test("every language counts in its own words", async (context) => {
  clocks(context);
  const error = await wait(30, { words: [de] });
  assert.deepEqual(heard(error, { language: "de-AT" }).texts, ["Erneut versuchen in 30 Sekunden"]);
  for (const language of ["ar", "es", "fr", "ja", "pt", "zh"]) {
    await readError(new Response("", { status: 503 }), { language });
    const [text] = heard(error, { language }).texts;
    assert.match(text ?? "", /30/, language);
    assert.doesNotMatch(text ?? "", /\{|Try/, language);
  }
});

test("plain data counts down as well", async (context) => {
  clocks(context);
  const { texts } = heard(JSON.parse(JSON.stringify(await wait(30))), { language: "en" });
  assert.deepEqual(texts, ["Try again in 30 seconds"]);
});
