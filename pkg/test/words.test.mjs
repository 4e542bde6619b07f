// What is said to people: in which language, in whose words, and what happens when the words cannot be had.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { ApiError, InvalidInputError, init, loadWords, readError, Steadfast } from "steadfast";
import de from "steadfast/words/de";
import en from "steadfast/words/en";

const baseUrl = "https://api.example";
before(() => init());

/** @param {object} [error] @param {number} [status] */
const response = (error = { code: "FILE_TOO_LARGE", recoverable: false }, status = 422) => Response.json({ error }, { status });

/** @param {any} [options] @param {any[]} parts */
const read = (options, ...parts) => readError(response(...parts), options);

test("an error is told in the language that is asked for, in the nearest there are words in", async () => {
  for (const [language, begins] of /** @type {[any, string][]} */ ([
    ["de", "Diese Datei"],
    ["de-AT", "Diese Datei"],
    ["pt-BR", "Este arquivo"],
    ["pt_PT", "Este arquivo"],
    ["zh-Hant-TW", "文件过大"],
    ["cmn", "文件过大"],
    ["EN-gb", "This file"],
    ["fr", "Ce fichier"],
    ["es-419", "Este archivo"],
    ["ja", "ファイル"],
    ["ar-EG", "حجم هذا الملف"],
    ["sv", "This file"],
    [["sv", "de", "fr"], "Diese Datei"],
    ["den", "This file"],
    ["not a tag", "This file"],
    ["", "This file"],
    [[], "This file"],
  ])) {
    const { userMessage } = await read({ language });
    assert.ok(userMessage.startsWith(begins), `${language}: ${userMessage}`);
  }
});

test("without being asked, an error is told in the language of the page, else of the browser", async (context) => {
  context.after(() => Reflect.deleteProperty(globalThis, "document"));
  const navigator = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  context.after(() => navigator && Object.defineProperty(globalThis, "navigator", navigator));
  const languages = /** @param {string[]} languages */ (languages) =>
    Object.defineProperty(globalThis, "navigator", { value: { languages }, configurable: true });
  languages(["tlh", "fr-CA"]);
  const error = await read();
  assert.match(error.userMessage, /^Ce fichier/);
  /** @type {any} */ (globalThis).document = { documentElement: { lang: "es" } };
  assert.match((await read()).userMessage, /^Este archivo/);
  assert.match(error.userMessage, /^Este archivo/, "the page's language has changed, and with it what is there already");
  /** @type {any} */ (globalThis).document = { documentElement: { lang: "sv" } };
  assert.match((await read()).userMessage, /^Ce fichier/);
  /** @type {any} */ (globalThis).document = { documentElement: { lang: "" } };
  languages([]);
  assert.match((await read()).userMessage, /^This file/);
});

test("the server comes first, then the application by code and by category, then Steadfast by code and by category", async () => {
  const messages = { codes: { FILE_TOO_LARGE: "code" }, categories: { validation: "category" } };
  const said = { code: "FILE_TOO_LARGE", correlationId: "c", userMessage: "server", retryable: false };
  assert.equal((await read({ messages }, said)).userMessage, "server");
  assert.equal((await read({ messages }, { ...said, userMessage: "" })).userMessage, "code");
  assert.equal((await read({ messages: { categories: messages.categories } })).userMessage, "category");
  assert.equal((await read()).userMessage, en.codes["FILE_TOO_LARGE"]);
  assert.equal((await read({}, { code: "MY_OWN", recoverable: false })).userMessage, en.categories.validation);
});

test("an application says things in several languages, or by a function", async () => {
  const messages = { codes: { FILE_TOO_LARGE: { en: "big", "pt-BR": "grande", sv: "stor" } } };
  const say = async (/** @type {any} */ language, /** @type {any} */ own = messages) =>
    (await read({ language, messages: own })).userMessage;
  assert.equal(await say("pt-br"), "grande");
  assert.equal(await say("sv-SE"), "stor", "a language that Steadfast does not have");
  assert.equal(await say("de"), de.codes["FILE_TOO_LARGE"], "the right language comes before the application's words");
  assert.equal(await say("tlh"), "big");
  const byStatus = { codes: { FILE_TOO_LARGE: (/** @type {any} */ { status, message }) => `${status} ${message}` } };
  assert.equal(await say("en", byStatus), "422 null");
  assert.equal(await say("en", { codes: { FILE_TOO_LARGE: () => undefined } }), en.codes["FILE_TOO_LARGE"]);
});

test("a function of the application that breaks takes nothing down, and is heard of", async (context) => {
  const reported = context.mock.method(console, "error", () => {});
  const broken = new Error("broken");
  const message = () => {
    throw broken;
  };
  const { userMessage } = await read({ messages: { codes: { FILE_TOO_LARGE: message } } });
  assert.equal(userMessage, en.codes["FILE_TOO_LARGE"]);
  assert.deepEqual(reported.mock.calls[0]?.arguments, [broken]);
});

test("a code that every object has a member of is a code like others", async () => {
  for (const code of ["constructor", "__proto__", "toString"]) {
    const { userMessage } = await read({ messages: { codes: {}, categories: {} } }, { code, recoverable: false });
    assert.equal(userMessage, en.categories.validation);
  }
});

test("an application brings its own words, in any language", async () => {
  const swedish = { ...en, language: "sv", codes: { FILE_TOO_LARGE: "Filen är för stor." } };
  assert.equal((await read({ words: [swedish], language: "sv-FI" })).userMessage, "Filen är för stor.");
  const partial = /** @type {any} */ ({ language: "da", categories: { auth: "Log ind" } });
  assert.equal((await read({ words: [partial], language: "da" })).userMessage, en.codes["FILE_TOO_LARGE"]);
  const austrian = { ...de, language: "de-AT", codes: { FILE_TOO_LARGE: "Zu groß, leider." } };
  assert.equal((await read({ words: [austrian], language: "de-AT" })).userMessage, "Zu groß, leider.");
  assert.equal((await read({ words: [austrian], language: "de-CH" })).userMessage, de.codes["FILE_TOO_LARGE"]);
});

test("message and userMessage are always there, also in plain data", async () => {
  const error = await readError(new Response("", { status: 503 }));
  assert.equal(error.message, "HTTP 503");
  assert.equal(error.userMessage, en.categories.unavailable);
  assert.equal(error.userAction, "retry");
  const plain = JSON.parse(JSON.stringify(error));
  assert.equal(plain.message, "HTTP 503");
  assert.equal(plain.userMessage, en.categories.unavailable);
  assert.equal(plain.userAction, "retry");
  assert.deepEqual(
    Object.keys(error.toJSON()).filter((name) => !(name in error)),
    [],
  );
});

test("errors in events have their words too, and can be copied", async () => {
  const sdk = await Steadfast.open({ baseUrl, language: "de", fetch: async () => response() });
  const told = new Promise((resolve) => sdk.on("callFailed", resolve));
  await assert.rejects(sdk.fetch("/a"));
  const value = /** @type {import("steadfast").EventOf<"callFailed">} */ (await told);
  assert.equal(value.error.userMessage, de.codes["FILE_TOO_LARGE"]);
  assert.equal(structuredClone(value).error.userMessage, de.codes["FILE_TOO_LARGE"]);
  assert.equal(value.error.message, "HTTP 422");
  assert.ok(!(value.error instanceof ApiError));
  sdk.close();
});

test("the language can be changed, for what is there already too", async () => {
  const sdk = await Steadfast.open({ baseUrl, language: "de", fetch: async () => response() });
  const error = await sdk.fetch("/a").catch((caught) => caught);
  assert.equal(sdk.language, "de");
  assert.match(error.userMessage, /^Diese Datei/);
  await sdk.setLanguage("ja");
  assert.equal(sdk.language, "ja");
  assert.match(error.userMessage, /^ファイル/);
  await assert.rejects(sdk.setLanguage(/** @type {any} */ (7)), InvalidInputError);
  assert.equal(sdk.language, "ja");
  sdk.close();
});

test("every language of the crate is in the package", async () => {
  const tables = join(import.meta.dirname, "../../src/error/words");
  const files = readdirSync(tables).filter((file) => file.endsWith(".json"));
  assert.ok(files.length >= 8);
  for (const file of files) {
    const words = JSON.parse(readFileSync(join(tables, file), "utf8"));
    assert.deepEqual(await loadWords(words.language), words);
    assert.deepEqual((await import(`steadfast/words/${words.language}`)).default, words);
  }
});

test("words can be loaded ahead of time, and only those that there are", async () => {
  assert.equal(await loadWords("de-DE"), de);
  assert.deepEqual(await loadWords("en-GB"), en);
  for (const language of ["tlh", "", "constructor"]) await assert.rejects(loadWords(language), RangeError);
});

test("wrong options say what is allowed", async () => {
  for (const [options, path] of /** @type {[any, string][]} */ ([
    [{ language: 7 }, "language"],
    [{ language: ["de", null] }, "language"],
    [{ words: de }, "words"],
    [{ words: ["de"] }, "words[0]"],
    [{ messages: "no" }, "messages"],
    [{ messages: { FILE_TOO_LARGE: "no" } }, "messages.FILE_TOO_LARGE"],
  ])) {
    for (const attempt of [read(options), Steadfast.open({ baseUrl, ...options })]) {
      await assert.rejects(attempt, (error) => error instanceof InvalidInputError && error.path === path, path);
    }
  }
});

test("a language that was chosen is asked of the server too, and one that was not is left to the browser", async () => {
  /** @type {(string | null)[]} */
  const asked = [];
  const sdk = await Steadfast.open({
    baseUrl: "https://api.example",
    language: ["pt-BR", "es"],
    fetch: async (request) => (asked.push(request.headers.get("accept-language")), new Response()),
  });
  await sdk.fetch("/a");
  await sdk.fetch("/a", { headers: { "Accept-Language": "fr" } });
  await sdk.fetch("https://elsewhere.example/a");
  await sdk.setLanguage("ja");
  await sdk.fetch("/a");
  await sdk.setLanguage(undefined);
  await sdk.fetch("/a");
  assert.deepEqual(asked, ["pt-BR, es;q=0.9", "fr", null, "ja", null]);
  sdk.close();
});
