// Files in the queue: stored while the network is away, sent whole, once and with progress, and gone from the disk afterwards.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";
import { buildSite, newTab, until } from "./queue.mjs";
import { DrivenBrowser, engines } from "./webdriver.mjs";

const MEGABYTE = 1 << 20;
/** More than a connection holds on its way: a server that does not read stops it. */
const LARGE = 32 * MEGABYTE;

const { site, remove } = await buildSite();
const backend = new Backend({ site });
const browser = new Browser();
/** @type {import("./queue.mjs").Tab[]} */
const tabs = [];
let users = 0;

before(async () => {
  await Promise.all([backend.start(), browser.start()]);
});
after(async () => {
  await browser[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  remove();
});
afterEach(async () => {
  await backend.setFault(null);
  await Promise.all(tabs.splice(0).map(({ page }) => page.close()));
});

/** A tab of a user of its own. @param {import("steadfast").SteadfastOptions} [options] */
async function open(options = {}) {
  const user = `files-${++users}`;
  const tab = await newTab(browser, backend.origin, user);
  tabs.push(tab);
  return { user, tab: await tab.load({ options }) };
}

/** Waits until no file is left on the disk. @param {import("./queue.mjs").Tab} tab */
async function tidied(tab) {
  const count = async () => (await tab.work("storedFiles", tab.user)).count;
  await until("no file is left", async () => (await count()) === 0, { limit: 10_000, seen: count });
}

/** Checks what an attempt has told of its progress: more and more, and in the end all of it. @param {any[]} events @param {string} id @param {number} size */
function assertProgress(events, id, size) {
  const told = events.filter((event) => event.id === id);
  assert.ok(told.length > 0, "nothing was told of its progress");
  let sent = -1;
  for (const { sentBytes, totalBytes } of told) {
    assert.ok(totalBytes >= size && totalBytes <= size + 4096, `${totalBytes} of ${size}`);
    assert.ok(sentBytes > sent && sentBytes <= totalBytes, `${sentBytes} after ${sent} of ${totalBytes}`);
    sent = sentBytes;
  }
  assert.equal(sent, told[0].totalBytes);
}

/** Where it is sent to, by how it was queued. @param {string} as */
const pathOf = (as) => ({ action: "/api/sync/queue-actions", form: "/api/photos" })[as] ?? "/api/files/";
/** Where the backend keeps a file, by how it was queued. @param {string} as @param {string} id */
const placeOf = (as, id) => (as === "action" || as === "form" ? `${id}.photo` : id);

for (const as of /** @type {const} */ (["action", "blob", "buffer", "form"])) {
  test(`a file that is queued offline as ${as} survives a reload and reaches the server whole, with progress`, async () => {
    const size = 5 * MEGABYTE;
    const { user, tab } = await open();
    await backend.kill();
    const { sha256, durability } = await tab.work("upload", { as, id: "one", size });
    assert.equal(durability, "indexedDb");
    await backend.start();
    await backend.setFault({ kind: "status", status: 503, path: "/api/" });
    await tab.load();
    assert.equal((await tab.work("storedFiles", user)).readable, 1);
    const [listed] = await tab.page.evaluate(() => /** @type {any} */ (globalThis).sdk.queue.list());
    const isNamed = as === "action" || as === "form";
    const name = { action: "me.jpg", form: "sea.png", blob: null, buffer: null }[as];
    const type = { action: "image/jpeg", form: "image/png", blob: "image/png", buffer: "application/octet-stream" }[as];
    assert.deepEqual(listed.files, [{ field: isNamed ? "photo" : null, name, type, bytes: size }]);
    await backend.setFault(null);
    await tab.sync();
    await tab.drained();
    const [{ savedAt, ...file }, ...others] = /** @type {any[]} */ (await backend.files(user));
    const caption = { action: "Sea", form: "Été", blob: null, buffer: null }[as];
    const fileName = name;
    assert.deepEqual(file, { fileId: placeOf(as, "one"), name: fileName, type, caption, bytes: size, sha256, version: 1 });
    assert.deepEqual(others, []);
    assert.deepEqual(
      (await backend.appliedActions(user)).map(({ id }) => id),
      ["one"],
    );
    const { sentBytes, totalBytes } = (await tab.work("eventsOf", "uploadProgress")).at(-1);
    assert.equal(sentBytes, totalBytes);
    await tidied(tab);
  });

  test(`a file as ${as} whose answer is lost has its effect once`, async () => {
    const { user, tab } = await open();
    await backend.setFault({ kind: "commit_then_drop", path: pathOf(as), count: 1 });
    const { sha256 } = await tab.work("upload", { as, id: "one", size: MEGABYTE });
    await tab.drained();
    // On a connection that it has used before, the browser may have asked again by itself.
    assert.ok((await tab.work("eventsOf", "batchFailed")).length <= 1);
    const files = await backend.files(user);
    assert.deepEqual(
      files.map((file) => [file.fileId, file.sha256, file.version]),
      [[placeOf(as, "one"), sha256, 1]],
    );
    assert.equal((await backend.appliedActions(user)).length, 1);
    await tidied(tab);
  });

  test(`a file as ${as} in a dead letter can be read after a reload, and requeue sends it`, async () => {
    const { user, tab } = await open();
    await backend.setFault({ kind: "status", status: 422, path: "/api/" });
    const { sha256 } = await tab.work("upload", { as, id: "one", size: MEGABYTE });
    const dead = async () => (await tab.page.evaluate(() => /** @type {any} */ (globalThis).sdk.queue.snapshot())).dead;
    await until("it is a dead letter", async () => (await dead()) === 1, { seen: () => tab.state() });
    await tab.load();
    const [file, ...others] = await tab.work("files", "one");
    assert.deepEqual([file.sha256, file.bytes, file.blobType, others], [sha256, MEGABYTE, file.type, []]);
    assert.equal(await tab.page.evaluate(() => /** @type {any} */ (globalThis).sdk.queue.files("other")), null);
    await backend.setFault(null);
    assert.equal(await tab.page.evaluate(() => /** @type {any} */ (globalThis).sdk.queue.requeue("one")), true);
    await tab.drained();
    assert.deepEqual(
      (await backend.files(user)).map((file) => [file.sha256, file.version]),
      [[sha256, 1]],
    );
    await tidied(tab);
  });

  test(`a file as ${as} that is encrypted is nowhere in the clear, survives a reload, and reaches the server`, async () => {
    const options = /** @type {const} */ ({ queue: { encryption: "required" } });
    const { user, tab } = await open(options);
    await backend.setFault({ kind: "drop", path: "/api/" });
    const { sha256 } = await tab.work("upload", { as, id: "one", size: 5 * MEGABYTE });
    assert.deepEqual(await tab.work("storedFiles", user), { count: 1, readable: 0 });
    await tab.load({ options });
    const [file] = await tab.work("files", "one");
    assert.equal(file.sha256, sha256);
    await backend.setFault(null);
    await tab.sync();
    await tab.drained();
    assert.deepEqual(
      (await backend.files(user)).map((file) => [file.sha256, file.type, file.version]),
      [[sha256, file.type, 1]],
    );
    await tidied(tab);
  });
}

test("it is told how far an upload is, and a tab that crashes in the middle of one leaves it to the next, once", async () => {
  const { user, tab } = await open();
  // It does not read the request at first.
  await backend.setFault({ kind: "latency", latencyMs: 2000, path: "/api/sync/", count: 1 });
  const { sha256 } = await tab.work("upload", { as: "action", id: "one", size: LARGE });
  const told = await until("it is under way", async () => {
    const events = await tab.work("eventsOf", "uploadProgress");
    return events.length > 0 && events;
  });
  assert.ok(told.at(-1).sentBytes < LARGE, "it was too fast to be in the middle of it");
  const crashed = new Promise((resolve) => tab.page.once("crash", resolve));
  const protocol = await browser.protocol(tab.page);
  protocol.send("Page.crash").catch(() => {});
  await crashed;
  const next = await newTab(browser, backend.origin, user);
  tabs.push(next);
  await backend.setFault({ kind: "latency", latencyMs: 1000, path: "/api/sync/", count: 1 });
  await next.load();
  await next.drained();
  assert.deepEqual(
    (await backend.files(user)).map((file) => [file.sha256, file.version]),
    [[sha256, 1]],
  );
  const events = await next.work("eventsOf", "uploadProgress");
  assertProgress(events, "one", LARGE);
  assert.ok(events.length > 1, "it was told in between as well");
  await tidied(next);
});

test("a call with a file that fails offline is queued with it, and sent after a reload under the same key", async () => {
  const { user, tab } = await open();
  await backend.setFault({ kind: "drop", path: "/api/" });
  const { sha256, durability } = await tab.work("upload", { as: "call", id: "one", size: 3 * MEGABYTE });
  assert.equal(durability, "indexedDb");
  await tab.load();
  await backend.setFault(null);
  await tab.sync();
  await tab.drained();
  assert.deepEqual(
    (await backend.files(user)).map((file) => [file.fileId, file.sha256, file.type, file.version]),
    [["one", sha256, "image/png", 1]],
  );
  assert.deepEqual(
    (await backend.appliedActions(user)).map(({ id }) => id),
    ["one"],
  );
  await tidied(tab);
});

test("what comes after an action with a file in its key is applied after it, though it is there first", async () => {
  const { user, tab } = await open();
  await tab.page.evaluate(async (size) => {
    const { queue } = /** @type {{ sdk: import("steadfast").Steadfast }} */ (/** @type {any} */ (globalThis)).sdk;
    const files = { photo: new Blob([new Uint8Array(size)]) };
    await Promise.all([
      queue.enqueue({ id: "1", type: "save_draft", key: "k", data: { draftId: "k", content: "" } }),
      queue.enqueue({ id: "2", type: "add_photo", key: "k", data: {}, files }),
      queue.enqueue({ id: "3", type: "save_draft", key: "k", data: { draftId: "k", content: "" } }),
      queue.enqueue({ id: "4", type: "save_draft", key: "other", data: { draftId: "o", content: "" }, dependsOn: "3" }),
    ]);
  }, MEGABYTE);
  await tab.drained();
  assert.deepEqual(
    (await backend.appliedActions(user)).map(({ id }) => id),
    ["1", "2", "3", "4"],
  );
});

test("a file of an action that is discarded, replaced or purged is deleted, and what is refused leaves none", async () => {
  const { user, tab } = await open();
  await backend.setFault({ kind: "drop", path: "/api/" });
  const stored = async () => (await tab.work("storedFiles", user)).count;
  const evaluate = (/** @type {string} */ name, /** @type {unknown} */ parameter) =>
    tab.page.evaluate(({ name, parameter }) => /** @type {any} */ (globalThis).sdk.queue[name](parameter), { name, parameter });
  for (const id of ["1", "2", "3"]) await tab.work("upload", { as: "action", id, size: MEGABYTE });
  assert.equal(await stored(), 3);
  await evaluate("discard", "2");
  await until("the discarded one's is gone", async () => (await stored()) === 2);
  // What comes under an id that there is already is that action, and its files are not needed.
  await assert.rejects(tab.work("upload", { as: "action", id: "x".repeat(300), size: MEGABYTE }), /id/);
  assert.equal(await stored(), 2);
  const replaced = await tab.page.evaluate(async (size) => {
    const { queue } = /** @type {{ sdk: import("steadfast").Steadfast }} */ (/** @type {any} */ (globalThis)).sdk;
    const one = (/** @type {string} */ id) => {
      const files = { photo: new Blob([new Uint8Array(size)]) };
      return queue.enqueue({ id, type: "add_photo", key: "k", coalesce: "replace", data: {}, files });
    };
    const first = await one("a");
    await one("b");
    return first.settled;
  }, MEGABYTE);
  assert.deepEqual(replaced, { status: "superseded", by: "b" });
  await until("the replaced one's is gone", async () => (await stored()) === 3);
  await evaluate("purge", undefined);
  await until("all are gone", async () => (await stored()) === 0);
});

test("a file that was picked is copied: what becomes of it on the user's disk changes nothing, unless it was before", async (test) => {
  const directory = mkdtempSync(join(tmpdir(), "steadfast-picked-"));
  test.after(() => rmSync(directory, { recursive: true, force: true }));
  const paths = ["kept", "changed", "gone"].map((name) => join(directory, `${name}.bin`));
  const [kept = "", changed = "", gone = ""] = paths;
  const content = randomBytes(3 * MEGABYTE);
  for (const path of paths) writeFileSync(path, content);
  const { user, tab } = await open();
  await backend.setFault({ kind: "drop", path: "/api/" });
  await tab.page.evaluate(() => document.body.insertAdjacentHTML("beforeend", '<input id="picked" type="file" multiple>'));
  // As a user does: Playwright would hand over copies.
  const protocol = await browser.protocol(tab.page);
  const { root } = await protocol.send("DOM.getDocument");
  const { nodeId } = await protocol.send("DOM.querySelector", { nodeId: root.nodeId, selector: "#picked" });
  await protocol.send("DOM.setFileInputFiles", { files: paths, nodeId });
  writeFileSync(changed, "something else");
  rmSync(gone);
  const enqueue = (/** @type {number} */ index) =>
    tab.page.evaluate(async (index) => {
      const { queue } = /** @type {{ sdk: import("steadfast").Steadfast }} */ (/** @type {any} */ (globalThis)).sdk;
      const photo = /** @type {HTMLInputElement} */ (document.getElementById("picked")).files?.[index];
      try {
        return (await queue.enqueue({ id: `file${index}`, type: "add_photo", key: "k", data: {}, files: { photo } })).durability;
      } catch (error) {
        return `${/** @type {Error} */ (error).name}: ${/** @type {Error} */ (error).message}`;
      }
    }, index);
  // At the same time: what is wrong with one is nothing to the other.
  const [fine, ...refused] = await Promise.all([enqueue(0), enqueue(1), enqueue(2)]);
  assert.equal(fine, "indexedDb");
  // Chromium would store what is gone as an empty file.
  for (const said of refused) assert.match(said, /^InvalidInputError: action.files.photo is a file that cannot be read/);
  rmSync(kept);
  assert.equal(await tab.work("pending"), 1);
  await tab.load();
  await backend.setFault(null);
  await tab.sync();
  await tab.drained();
  const sha256 = createHash("sha256").update(content).digest("hex");
  assert.deepEqual(
    (await backend.files(user)).map((file) => [file.fileId, file.name, file.sha256]),
    [["file0.photo", "kept.bin", sha256]],
  );
  await tidied(tab);
});

test("a file that is too large for the queue, or comes under an id that is there, is refused and leaves nothing", async () => {
  const { user, tab } = await open({ queue: { maxBytes: 5 * MEGABYTE } });
  await backend.setFault({ kind: "drop", path: "/api/" });
  await tab.work("upload", { as: "action", id: "one", size: 3 * MEGABYTE });
  for (const [what, message] of /** @type {const} */ ([
    [{ as: "action", id: "two", size: 6 * MEGABYTE }, /StoreError.*6291456 bytes/],
    [{ as: "blob", id: "two", size: 3 * MEGABYTE }, /StoreError/],
    [{ as: "action", id: "one", size: 1000 }, /InvalidInputError.*already/],
  ])) {
    await assert.rejects(tab.work("upload", what), message);
  }
  assert.equal(await tab.work("pending"), 1);
  await until("what was refused has left nothing", async () => (await tab.work("storedFiles", user)).count === 1);
});

test("an upload whose credentials have expired is sent again as a whole, with those that were fetched", async () => {
  const { user, tab } = await open();
  await backend.setFault({ kind: "status", status: 401, path: "/api/sync/", count: 1 });
  await tab.page.evaluate((userId) => {
    const { sdk, work } = /** @type {any} */ (globalThis);
    // It cannot fetch credentials, and might be the one that sends.
    sdk.close();
    return work.open(userId, { refreshCredentials: () => void Object.assign(globalThis, { refreshed: true }) });
  }, user);
  const { sha256 } = await tab.work("upload", { as: "action", id: "one", size: 3 * MEGABYTE });
  await tab.drained();
  assert.equal(await tab.page.evaluate(() => /** @type {any} */ (globalThis).refreshed), true);
  assert.deepEqual(
    (await backend.files(user)).map((file) => [file.sha256, file.version]),
    [[sha256, 1]],
  );
});

test("a page that has replaced fetch sends files through it, and tells only the end", async () => {
  const { user, tab } = await open();
  await tab.page.evaluate(() => {
    const { fetch } = globalThis;
    Object.assign(globalThis, { seen: 0 });
    globalThis.fetch = (...parameters) => {
      /** @type {any} */ (globalThis).seen++;
      return fetch(...parameters);
    };
  });
  const { sha256 } = await tab.work("upload", { as: "form", id: "one", size: MEGABYTE });
  await tab.drained();
  assert.deepEqual(
    (await backend.files(user)).map((file) => file.sha256),
    [sha256],
  );
  assert.ok((await tab.page.evaluate(() => /** @type {any} */ (globalThis).seen)) > 0);
  const told = (await tab.work("eventsOf", "uploadProgress")).map((/** @type {any} */ { sentBytes, totalBytes }) => [
    sentBytes,
    totalBytes,
  ]);
  assert.deepEqual(told, [[MEGABYTE, MEGABYTE]]);
});

test("a page without IndexedDB is told that a file cannot be queued, and keeps nothing of it", async () => {
  const { tab } = await open();
  await tab.load({ faults: "indexedDB=missing" });
  await assert.rejects(tab.work("upload", { as: "action", id: "one", size: 1000 }), /StoreError/);
  assert.equal(await tab.work("pending"), 0);
});

const firefox = engines.firefox("") ? {} : { skip: "no Firefox with geckodriver" };
test("Firefox that is killed in the middle of an upload sends the file whole, once, with progress", firefox, async (test) => {
  const browser = new DrivenBrowser("firefox");
  test.after(() => browser[Symbol.asyncDispose]());
  await browser.start();
  const load = async () => {
    await browser.goto(`${backend.origin}/`);
    await browser.work("open", "files-firefox");
  };
  await load();
  await backend.setFault({ kind: "latency", latencyMs: 3000, path: "/api/sync/", count: 1 });
  const { sha256, durability } = await browser.work("upload", { as: "action", id: "one", size: LARGE });
  assert.equal(durability, "indexedDb");
  await until("it is under way", async () => (await browser.work("eventsOf", "uploadProgress")).length > 0);
  await browser.kill();
  await browser.start();
  await load();
  await until("nothing waits", async () => (await browser.work("pending")) === 0, { seen: () => browser.work("events") });
  const files = await backend.files("files-firefox");
  assert.deepEqual(
    files.map((file) => [file.sha256, file.version]),
    [[sha256, 1]],
  );
  assertProgress(await browser.work("eventsOf", "uploadProgress"), "one", LARGE);
  await until("no file is left", async () => (await browser.work("storedFiles", "files-firefox")).count === 0);
});

for (const engine of /** @type {(keyof typeof engines)[]} */ (["firefox", "webkit"])) {
  const isHere = engines[engine]("") ? {} : { skip: `no ${engine} with its driver` };
  for (const encryption of /** @type {const} */ (["off", "required"])) {
    test(
      `${engine} keeps files over a reload and sends each whole and once, with encryption ${encryption}`,
      isHere,
      async (test) => {
        const browser = new DrivenBrowser(engine);
        test.after(() => browser[Symbol.asyncDispose]());
        await browser.start();
        const user = `files-${engine}-${encryption}`;
        const load = async () => {
          await browser.goto(`${backend.origin}/`);
          await browser.work("open", user, { queue: { encryption } });
        };
        await load();
        if (!(await browser.work("keepsBlobs"))) return test.skip("its session is a private one, which keeps no blobs");
        await backend.setFault({ kind: "drop", path: "/api/" });
        /** @type {[string, string][]} */
        const expected = [];
        for (const as of ["action", "blob", "buffer", "form"]) {
          const { sha256, durability } = await browser.work("upload", { as, id: as, size: 2 * MEGABYTE });
          assert.equal(durability, "indexedDb");
          expected.push([placeOf(as, as), sha256]);
        }
        assert.deepEqual(await browser.work("storedFiles", user), { count: 4, readable: encryption === "off" ? 4 : 0 });
        await load();
        const [file] = await browser.work("files", "form");
        assert.deepEqual([file.name, file.type, file.sha256], ["sea.png", "image/png", expected[3]?.[1]]);
        // Each answer is lost once.
        await backend.setFault({ kind: "commit_then_drop", path: "/api/", count: 4 });
        await until("nothing waits", async () => (await browser.work("pending")) === 0, { seen: () => browser.work("events") });
        const files = await backend.files(user);
        assert.deepEqual(
          files.map(({ fileId, sha256, version }) => [fileId, sha256, version]).sort(),
          expected.map(([id, sha256]) => [id, sha256, 1]).sort(),
        );
        assert.equal((await backend.appliedActions(user)).length, 4);
        for (const id of ["action", "blob", "buffer", "form"]) {
          const told = (await browser.work("eventsOf", "uploadProgress")).filter((/** @type {any} */ event) => event.id === id);
          assert.equal(told.at(-1)?.sentBytes, told.at(-1)?.totalBytes, id);
        }
        await until("no file is left", async () => (await browser.work("storedFiles", user)).count === 0);
      },
    );
  }
}

const webkit = engines.webkit() ? {} : { skip: "no WebKit with its driver" };
test(
  "WebKit in a private session, which keeps no blobs, refuses files, keeps nothing of them, and goes on",
  webkit,
  async (test) => {
    const browser = new DrivenBrowser("webkit");
    test.after(() => browser[Symbol.asyncDispose]());
    await browser.start();
    await browser.goto(`${backend.origin}/`);
    await browser.work("open", "files-private");
    if (await browser.work("keepsBlobs")) return test.skip("it keeps them");
    for (const as of ["action", "form"]) {
      await assert.rejects(browser.work("upload", { as, id: as, size: 1000 }), /StoreError.*(Blob|blob)/);
    }
    assert.equal(await browser.work("pending"), 0);
    await browser.work("enqueue", { keys: ["draft"], from: 1, to: 1 });
    assert.deepEqual(
      (await browser.work("receipts")).map((/** @type {any} */ { durability }) => durability),
      ["indexedDb"],
    );
  },
);
