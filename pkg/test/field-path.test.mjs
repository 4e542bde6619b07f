// Which of a form's fields a server means.
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";

const source = join(resolve(import.meta.dirname, ".."), "src/field-path.ts");
const { outputFiles } = await build({ entryPoints: [source], format: "esm", write: false });
const [output] = outputFiles;
/** @type {typeof import("../src/field-path.js")} */
const { match, segmentsOf } = await import(`data:text/javascript,${encodeURIComponent(output?.text ?? "")}`);

/** @param {string} path @param {string[]} names @param {string[]} [ids] */
function fieldOf(path, names, ids = []) {
  const candidates = [
    ...names.map((name) => ({ name, names: [segmentsOf(name)], ids: [] })),
    ...ids.map((id) => ({ name: `#${id}`, names: [], ids: [segmentsOf(id)] })),
  ];
  return match(path, candidates)?.candidate.name ?? null;
}

test("all ways to write a path come to the same segments", () => {
  for (const [path, segments] of /** @type {[string, string[]][]} */ ([
    ["name", ["name"]],
    ["/data/attributes/maxAgents", ["data", "attributes", "maxAgents"]],
    ["#/profile/color", ["profile", "color"]],
    ["#/caf%C3%A9/100%25", ["café", "100%"]],
    ["#/100%", ["100%"]],
    ["/a~1b/m~0n", ["a/b", "m~n"]],
    ["body.0.name", ["body", "0", "name"]],
    ["items[0].price", ["items", "0", "price"]],
    ["items.0.price", ["items", "0", "price"]],
    ["user[name]", ["user", "name"]],
    ["user[address][city]", ["user", "address", "city"]],
    ['user["first.name"]', ["user", "first.name"]],
    ["user['x']", ["user", "x"]],
    ["$.items[0]", ["items", "0"]],
    ["tags[]", ["tags"]],
    ["", []],
    ["/", []],
    ["..[]..", []],
    ["[".repeat(100_000), []],
  ])) {
    assert.deepEqual(segmentsOf(path), segments, path);
  }
});

test("a field is found by its whole path before any part of it", () => {
  assert.equal(fieldOf("data.name", ["name", "data.name"]), "data.name");
  assert.equal(fieldOf("/data/attributes/maxAgents", ["name", "maxAgents"]), "maxAgents");
  assert.equal(fieldOf("body.0.name", ["name"]), "name");
  assert.equal(fieldOf("data.attributes.name", ["attributes[name]", "name"]), "attributes[name]");
  assert.equal(fieldOf("items[0].price", ["items.1.price", "items.0.price"]), "items.0.price");
  assert.equal(fieldOf("/user/name", ["user[name]"]), "user[name]");
  assert.equal(fieldOf("name", ["user[name]"]), "user[name]");
});

test("case and underscores matter only when nothing else fits", () => {
  assert.equal(fieldOf("max_agents", ["maxAgents"]), "maxAgents");
  assert.equal(fieldOf("body.max_agents", ["maxAgents", "max_agents"]), "max_agents");
  assert.equal(fieldOf("MaxAgents", ["max-agents"]), "max-agents");
  assert.equal(fieldOf("Body.FirstName", ["first_name"]), "first_name");
});

test("what fits two fields fits none, and a name comes before an id", () => {
  assert.equal(fieldOf("name", ["user[name]", "company[name]"]), null);
  assert.equal(fieldOf("maxagents", ["max_agents", "maxAgents"]), null);
  assert.equal(fieldOf("name", ["name"], ["name"]), "name");
  assert.equal(fieldOf("email", ["name"], ["email"]), "#email");
  assert.equal(fieldOf("", ["name"]), null);
  assert.equal(fieldOf("nothing.like.it", ["name"]), null);
});

test("a path into a list means the list, when it has no fields of its own", () => {
  assert.equal(fieldOf("tags.1", ["tags"]), "tags");
  assert.equal(fieldOf("/tags/0", ["tags", "tags.0"]), "tags.0");
  assert.equal(match("tags.1", [{ names: [["tags"]], ids: [] }])?.index, 1);
});

test("leaving out what may mean something is a guess", () => {
  const candidates = [{ names: [["city"]], ids: [] }];
  assert.equal(match("billing.city", candidates)?.isGuess, true);
  assert.equal(match("body.city", candidates)?.isGuess, false);
  assert.equal(match("city", candidates)?.isGuess, false);
});
