// The queue drains in a service worker when no page is open: the built package in Chromium, against the real backend.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as forward } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { build } from "esbuild";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";

const root = resolve(import.meta.dirname, "../..");
const site = mkdtempSync(join(tmpdir(), "steadfast-worker-"));
after(() => rmSync(site, { recursive: true, force: true }));
const TAG = "steadfast:steadfast";

/** What the pages and the dedicated worker run. */
const page = `
import { Steadfast } from "steadfast";
const retry = { baseDelayMs: 250, maxDelayMs: 500 };
const open = (user, options) =>
  Steadfast.open({
    baseUrl: location.origin, userId: user, sourceService: "page", health: false, retry,
    // Its own network can be gone, and not that of the service worker.
    fetch: (request) => (globalThis.isCutOff ? Promise.reject(new TypeError("Failed to fetch")) : fetch(request)),
    headers: () => ({ authorization: "Bearer demo." + user }),
    ...options,
  });
Object.assign(globalThis, {
  signIn: async (user) => {
    const cache = await caches.open("session");
    await (user ? cache.put("/user", new Response(user)) : cache.delete("/user"));
  },
  start: async (user, { script = "/worker.js", type = "classic", options = {} } = {}) => {
    await globalThis.signIn(user);
    await navigator.serviceWorker.register(script, { type });
    await navigator.serviceWorker.ready;
    globalThis.sdk = await open(user, { backgroundSync: true, ...options });
    globalThis.told = [];
    for (const type of ["backgroundSyncRegistered", "backgroundSyncRefused"]) sdk.on(type, (event) => told.push(event));
  },
  enqueueFile: async (id, size) => {
    const files = { photo: new Blob([new Uint8Array(size).fill(7)], { type: "image/png" }) };
    return sdk.queue.enqueue({ id, type: "add_photo", key: "draft_1", data: { caption: id }, files });
  },
  enqueue: async (ids) =>
    sdk.queue.enqueueAll(ids.map((id) => ({ id, type: "save_draft", key: "draft_1", data: { draftId: "draft_1", content: id } }))),
});
if (!globalThis.document) {
  onmessage = async ({ data: { user, ids } }) => {
    globalThis.sdk = await open(user);
    await enqueue(ids);
    const outcomes = await Promise.all(ids.map((id) => sdk.queue.settled(id)));
    postMessage(outcomes.map(({ status }) => status));
  };
}
`;

/** What the service worker runs, however it gets hold of the function. */
const worker = `
const report = (text) => fetch("/outcome", { method: "POST", body: text });
const { waitUntil } = ExtendableEvent.prototype;
ExtendableEvent.prototype.waitUntil = function (work) {
  if (this.type === "sync") work.then(() => report("resolved"), (thrown) => report("rejected: " + thrown.message));
  if (this.type === "message") work.then(() => report("looked"));
  return waitUntil.call(this, work);
};
const without = new URL(location.href).searchParams.get("without");
if (without === "sync") Object.defineProperty(registration, "sync", { value: undefined });
if (without !== "drain") drainInBackground({
  userId: async () => (await (await caches.open("session")).match("/user"))?.text() ?? null,
  headers: async ({ userId }) => ({ authorization: "Bearer demo." + userId }),
  sourceService: "worker",
  retry: { baseDelayMs: 250, maxDelayMs: 500 },
  sync: { maxActions: 2 },
  onEvent: ({ type, id }) => void (type === "settled" && fetch("/heard", { method: "POST", body: id })),
});
`;

await build({
  stdin: { contents: page, resolveDir: root, sourcefile: "page.js" },
  outfile: join(site, "page.js"),
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
});
writeFileSync(join(site, "index.html"), `<!doctype html><title>Queue</title><script type="module" src="/page.js"></script>`);
writeFileSync(
  join(site, "worker.js"),
  `importScripts("/dist/service-worker.classic.js"); const { drainInBackground } = steadfast; ${worker}`,
);
writeFileSync(join(site, "worker-module.js"), `import { drainInBackground } from "/dist/service-worker.js"; ${worker}`);

/**
 * A batch that the gateway has seen.
 * @typedef {{ from: string, user: string, authorization: string, ids: string[] }} Batch
 */

/** The JSON of a batch, which with files is the first part of a form. @param {string} body @param {string | undefined} type */
function batchOf(body, type = "") {
  if (!type.startsWith("multipart/")) return JSON.parse(body);
  const begin = body.indexOf("\r\n\r\n") + 4;
  return JSON.parse(body.slice(begin, body.indexOf("\r\n--", begin)));
}

/** Serves the site, and stands between it and the backend, where the network can fail. */
class Gateway {
  isDown = false;
  /** @type {Batch[]} */
  batches = [];
  /** What became of the sync events. @type {string[]} */
  outcomes = [];
  /** The actions of whose end the worker was told. @type {string[]} */
  heard = [];
  /** How many batches were under way at the same time, at most. */
  mostAtOnce = 0;
  /** Called with each batch when the backend has answered it; the answer goes on when its promise resolves. @type {(batch: Batch) => unknown} */
  beforeAnswer = () => {};
  /** Answers in the backend's place, if it says anything. @type {(batch: Batch) => { status: number, headers?: object, body: unknown } | undefined} */
  instead = () => undefined;
  #atOnce = 0;
  /** @param {string} backend */
  constructor(backend) {
    this.server = createServer(async (request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://localhost");
      // A client that is gone before it has said anything has nothing to be answered.
      const body = await buffer(request).catch(() => undefined);
      if (body === undefined) return;
      if (pathname === "/outcome") {
        this.outcomes.push(body.toString());
        response.end();
      } else if (pathname === "/heard") {
        this.heard.push(body.toString());
        response.end();
      } else if (!pathname.startsWith("/api/")) {
        const file = pathname.startsWith("/dist/")
          ? join(root, "pkg", pathname)
          : join(site, pathname === "/" ? "index.html" : pathname);
        const type = extname(file) === ".js" ? "text/javascript" : "text/html";
        response.writeHead(existsSync(file) ? 200 : 404, {
          "content-type": `${type}; charset=utf-8`,
          "cache-control": "no-store",
        });
        response.end(existsSync(file) ? readFileSync(file) : "");
      } else if (this.isDown) {
        request.socket.destroy();
      } else {
        await this.#pass(backend, request, body, response);
      }
    });
  }

  /** @param {string} backend @param {import("node:http").IncomingMessage} request @param {Buffer} body @param {import("node:http").ServerResponse} response */
  async #pass(backend, request, body, response) {
    const isBatch = request.url?.startsWith("/api/sync/") && request.method === "POST";
    const { userId = "", actions = [] } = isBatch ? batchOf(body.toString(), request.headers["content-type"]) : {};
    const { "x-source-service": from, authorization } = request.headers;
    const batch = {
      from: String(from),
      user: userId,
      authorization: String(authorization),
      ids: actions.map((/** @type {{ id: string }} */ { id }) => id),
    };
    if (isBatch) {
      this.batches.push(batch);
      this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
      // Until the client has its answer, or has gone.
      response.once("close", () => this.#atOnce--);
      const answer = this.instead(batch);
      if (answer) {
        response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
        response.end(JSON.stringify(answer.body));
        return;
      }
    }
    const passed = forward(backend + request.url, { method: request.method, headers: request.headers });
    passed.end(body);
    const [answer] = await once(passed, "response");
    const answered = await text(answer);
    if (isBatch) await this.beforeAnswer(batch);
    response.writeHead(answer.statusCode, answer.headers);
    response.end(answered);
  }

  async start() {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    // Service workers need a secure context, which this device is.
    this.origin = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (this.server.address()).port}`;
    return this;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** Until it holds. @param {() => unknown} condition @param {string} what */
async function until(condition, what) {
  for (const deadline = Date.now() + 30_000; ;) {
    const held = await condition();
    if (held) return held;
    assert.ok(Date.now() < deadline, `within half a minute: ${what}`);
    await setTimeout(20);
  }
}

/** A promise, and what resolves it. */
function gate() {
  let open = () => {};
  /** @type {Promise<void>} */
  const opened = new Promise((resolve) => (open = resolve));
  return { open, opened };
}

/** A backend, the gateway before it, and a browser with a blank page, from which service workers are commanded. @param {import("node:test").TestContext} test */
async function setUp(test) {
  const backend = new Backend({ site });
  const browser = new Browser();
  /** @type {Gateway | undefined} */
  let running;
  test.after(async () => {
    await browser[Symbol.asyncDispose]();
    running?.stop();
    await backend[Symbol.asyncDispose]();
  });
  await Promise.all([backend.start(), browser.start()]);
  const gateway = (running = await new Gateway(backend.origin).start());
  const { page: blank } = await browser.newPage();
  const commands = await blank.context().newCDPSession(blank);
  let registrationId = "";
  commands.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
    const ours = registrations.find(({ scopeURL, isDeleted }) => scopeURL.startsWith(gateway.origin ?? "") && !isDeleted);
    if (ours) registrationId = ours.registrationId;
  });
  await commands.send("ServiceWorker.enable");
  return {
    backend,
    browser,
    gateway,
    /** As Chromium does when the network is there. Does not wait for what comes of it. */
    wake: async () => {
      await until(() => registrationId, "the service worker is known");
      const event = { origin: gateway.origin ?? "", registrationId, tag: TAG, lastChance: false };
      await commands.send("ServiceWorker.dispatchSyncEvent", event);
    },
    kill: () => commands.send("ServiceWorker.stopAllWorkers"),
    open: async () => {
      const { page, messages } = await browser.newPage();
      page.setDefaultTimeout(30_000);
      await page.goto(gateway.origin ?? "");
      await page.waitForFunction("globalThis.start");
      return { page, messages };
    },
    applied: async (/** @type {string} */ user) => (await backend.appliedActions(user)).map(({ id }) => id),
  };
}

/** @param {import("playwright-core").Page} page */
const start = (page, user = "ada", options = {}) =>
  page.evaluate(([user, options]) => /** @type {any} */ (globalThis).start(user, options), [user, options]);
/** @param {import("playwright-core").Page} page @param {string[]} ids */
const enqueue = (page, ids) => page.evaluate((ids) => /** @type {any} */ (globalThis).enqueue(ids), ids).then(() => {});
/** @param {import("playwright-core").Page} page */
const signIn = (page, /** @type {string | null} */ user) =>
  page.evaluate((user) => /** @type {any} */ (globalThis).signIn(user), user);
/** Closes it during an outage. What it sends at last must not come through when that ends. @param {import("playwright-core").Page} page */
async function leave(page) {
  await page.evaluate("globalThis.isCutOff = true");
  await page.close();
}
/** @param {import("playwright-core").Page} page @returns {Promise<{ type: string }[]>} */
const told = (page) => page.evaluate("told");
/** @param {import("playwright-core").Page} page */
async function registered(page) {
  await page.waitForFunction(`told.some(({ type }) => type === "backgroundSyncRegistered")`);
}
const names = (/** @type {number} */ count, letter = "a") => Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);

test("what was enqueued during an outage is sent after the last page was closed, once and in order", async (test) => {
  const { gateway, open, wake, applied } = await setUp(test);
  const { page } = await open();
  await start(page);
  gateway.isDown = true;
  await enqueue(page, names(5));
  await registered(page);
  // Chromium takes itself for online and fires at once; that comes to nothing, and is left for another try.
  await until(() => gateway.outcomes.length >= 1, "the sync event ends");
  assert.match(gateway.outcomes[0] ?? "", /^rejected: 5 actions are left/);
  await leave(page);
  gateway.isDown = false;
  await wake();
  await until(() => gateway.outcomes.length >= 2, "the second sync event ends");
  assert.equal(gateway.outcomes[1], "resolved");
  assert.deepEqual(await applied("ada"), names(5));
  await until(() => gateway.heard.length === 5, "the worker is told of each");
  assert.deepEqual([...new Set(gateway.batches.map(({ from }) => from))], ["worker"]);
});

test("a file that was enqueued during an outage is sent after the last page was closed, once and in order", async (test) => {
  const { backend, gateway, open, wake, applied } = await setUp(test);
  const { page } = await open();
  await start(page);
  gateway.isDown = true;
  await page.evaluate((size) => /** @type {any} */ (globalThis).enqueueFile("photo", size).then(() => {}), 3 << 20);
  await enqueue(page, names(2));
  await registered(page);
  await until(() => gateway.outcomes.length >= 1, "the sync event ends");
  await leave(page);
  gateway.isDown = false;
  await wake();
  await until(() => gateway.outcomes.length >= 2, "the second sync event ends");
  assert.equal(gateway.outcomes[1], "resolved");
  assert.deepEqual(await applied("ada"), ["photo", ...names(2)]);
  const sha256 = createHash("sha256")
    .update(Buffer.alloc(3 << 20, 7))
    .digest("hex");
  assert.deepEqual(
    (await backend.files("ada")).map((file) => [file.fileId, file.sha256, file.type, file.version]),
    [["photo.photo", sha256, "image/png", 1]],
  );
  assert.deepEqual([...new Set(gateway.batches.map(({ from }) => from))], ["worker"]);
});

for (const [kind, script, type] of [
  ["a classic service worker", "/worker.js", "classic"],
  ["a service worker that is a module", "/worker-module.js", "module"],
])
  test(`Chromium wakes ${kind} by itself when the page that enqueued is gone`, async (test) => {
    const { gateway, open, applied } = await setUp(test);
    const { page } = await open();
    await start(page, "ada", { script, type });
    await page.evaluate("globalThis.isCutOff = true");
    const reached = gate();
    const held = gate();
    gateway.beforeAnswer = () => {
      reached.open();
      return held.opened;
    };
    await enqueue(page, names(3));
    await registered(page);
    await reached.opened;
    await page.close();
    held.open();
    await until(() => gateway.outcomes.length >= 1, "the sync event ends");
    // There may be a second one, asked for by the page when it was left.
    assert.equal(gateway.outcomes[0], "resolved");
    assert.deepEqual(await applied("ada"), names(3));
    assert.deepEqual([...new Set(gateway.batches.map(({ from }) => from))], ["worker"]);
  });

test("what is enqueued in the moment before the page is closed is sent", async (test) => {
  const { gateway, open, applied } = await setUp(test);
  const { page } = await open();
  await start(page);
  await page.evaluate("globalThis.isCutOff = true");
  await enqueue(page, names(3));
  await page.close();
  await until(() => gateway.outcomes.length >= 1, "the sync event ends");
  assert.equal(gateway.outcomes[0], "resolved");
  assert.deepEqual(await applied("ada"), names(3));
});

test("a worker that is killed while it drains is woken again, and nothing is repeated or lost", async (test) => {
  const { gateway, open, wake, kill, applied } = await setUp(test);
  const { page } = await open();
  await start(page, "ada", { options: { backgroundSync: false } });
  gateway.isDown = true;
  await enqueue(page, names(6));
  await leave(page);
  gateway.isDown = false;
  const reached = gate();
  const held = gate();
  gateway.beforeAnswer = ({ ids }) => {
    if (!ids.includes("a3")) return;
    reached.open();
    return held.opened;
  };
  await wake();
  // The backend has the second of three batches, and nobody hears that.
  await reached.opened;
  await kill();
  gateway.beforeAnswer = () => {};
  held.open();
  assert.deepEqual(await applied("ada"), names(4));
  await wake();
  await until(() => gateway.outcomes.includes("resolved"), "the second sync event ends");
  assert.deepEqual(await applied("ada"), names(6));
  assert.deepEqual(
    gateway.batches.map(({ ids }) => ids.join()),
    ["a1,a2", "a3,a4", "a3,a4", "a5,a6"],
  );
});

test("a page and the worker never drain at the same time", async (test) => {
  const { gateway, open, wake, applied } = await setUp(test);
  const { page } = await open();
  await start(page, "ada", { options: { backgroundSync: false, sync: { maxActions: 2 } } });
  const reached = gate();
  const held = gate();
  gateway.beforeAnswer = () => {
    reached.open();
    return held.opened;
  };
  await enqueue(page, names(8));
  await reached.opened;
  await wake();
  // It asks for the lock that the page holds.
  await page.waitForFunction(async () =>
    ((await navigator.locks.query()).pending ?? []).some(({ name }) => name?.startsWith("steadfast")),
  );
  held.open();
  await until(() => gateway.outcomes.length >= 1, "the sync event ends");
  assert.deepEqual(gateway.outcomes, ["resolved"]);
  assert.deepEqual(await applied("ada"), names(8));
  assert.equal(gateway.mostAtOnce, 1);
  assert.equal(gateway.batches.flatMap(({ ids }) => ids).length, 8);
});

test("what one user has enqueued is not sent while another is signed in, or nobody", async (test) => {
  const { gateway, open, wake, applied } = await setUp(test);
  const { page } = await open();
  await start(page, "ada", { options: { backgroundSync: false } });
  gateway.isDown = true;
  await enqueue(page, names(4));
  await page.evaluate("sdk.close()");
  await signIn(page, null);
  gateway.isDown = false;
  await wake();
  await until(() => gateway.outcomes.length >= 1, "the sync event without anybody ends");
  await signIn(page, "bob");
  await wake();
  await until(() => gateway.outcomes.length >= 2, "the sync event of the other ends");
  assert.deepEqual(gateway.outcomes, ["resolved", "resolved"]);
  assert.deepEqual(gateway.batches, []);

  // And in the middle of a drain: the first batch was on its way, the second is not sent.
  gateway.beforeAnswer = () => signIn(page, "bob");
  await signIn(page, "ada");
  await wake();
  await until(() => gateway.outcomes.length >= 3, "the sync event of both ends");
  assert.deepEqual(await applied("ada"), names(2));
  assert.deepEqual(await applied("bob"), []);
  gateway.beforeAnswer = () => {};
  await signIn(page, "ada");
  await wake();
  await until(() => gateway.outcomes.length >= 4, "the last sync event ends");
  assert.deepEqual(await applied("ada"), names(4));
  for (const { user, authorization } of gateway.batches) assert.equal(authorization, `Bearer demo.${user}`);
});

test("nor is it sent to another origin, which gets no headers but the browser's cookies", async (test) => {
  /** @type {string[]} */
  const seen = [];
  let beforeAnswer = async () => {};
  const elsewhere = createServer(async (request, response) => {
    if (request.method === "POST") {
      seen.push(request.url ?? "");
      await beforeAnswer();
    }
    response.writeHead(200, {
      "access-control-allow-origin": "*",
      "access-control-allow-headers": "content-type, idempotency-key",
      "content-type": "application/json",
    });
    response.end("{}");
  });
  test.after(() => elsewhere.close());
  elsewhere.listen(0, "127.0.0.1");
  await once(elsewhere, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (elsewhere.address());
  const { gateway, open, wake } = await setUp(test);
  const { page } = await open();
  await start(page, "ada", { options: { backgroundSync: false } });
  await page.evaluate(async (origin) => {
    const { sdk } = Object.assign(/** @type {any} */ (globalThis), { isCutOff: true });
    for (const path of ["/first", "/second"])
      await sdk.queue.enqueueRequest(origin + path, { method: "POST", key: "notes", data: { path } });
    sdk.close();
  }, `http://127.0.0.1:${port}`);
  beforeAnswer = () => signIn(page, "bob");
  await wake();
  await until(() => gateway.outcomes.length >= 1, "the sync event of both ends");
  assert.deepEqual(seen, ["/first"]);
  beforeAnswer = async () => {};
  await signIn(page, "ada");
  await wake();
  await until(() => gateway.outcomes.length >= 2, "the last sync event ends");
  assert.equal(seen.at(-1), "/second");
});

test("a moment that the server has named is waited for if it is near, and else left to the browser's next try", async (test) => {
  const { gateway, open, wake, applied } = await setUp(test);
  const { page } = await open();
  await start(page, "ada", { options: { backgroundSync: false } });
  gateway.isDown = true;
  await enqueue(page, names(2));
  await leave(page);
  gateway.isDown = false;
  const busy = (/** @type {string} */ seconds) => ({
    status: 503,
    headers: { "retry-after": seconds },
    body: { error: { code: "BUSY" } },
  });
  gateway.instead = () => (gateway.batches.length === 1 ? busy("1") : undefined);
  await wake();
  await until(() => gateway.outcomes.length >= 1, "the first sync event ends");
  assert.deepEqual(gateway.outcomes, ["resolved"]);
  assert.deepEqual(await applied("ada"), names(2));

  const { page: again } = await open();
  await start(again, "ada", { options: { backgroundSync: false } });
  gateway.isDown = true;
  await enqueue(again, ["a3"]);
  await leave(again);
  gateway.isDown = false;
  gateway.instead = () => busy("3600");
  await wake();
  await until(() => gateway.outcomes.length >= 2, "the second sync event ends");
  assert.match(gateway.outcomes[1] ?? "", /^rejected: 1 actions are left: the next attempt is in \d{4} seconds/);
  const asked = gateway.batches.length;
  await wake();
  await until(() => gateway.outcomes.length >= 3, "the third sync event ends");
  assert.match(gateway.outcomes[2] ?? "", /^rejected: the server is left alone/);
  assert.equal(gateway.batches.length, asked);
});

test("conflicts and dead letters wait for a person, and not for the browser", async (test) => {
  const { gateway, open, wake } = await setUp(test);
  const { page } = await open();
  await start(page, "ada", { options: { backgroundSync: false } });
  gateway.isDown = true;
  await enqueue(page, names(2));
  await leave(page);
  gateway.isDown = false;
  gateway.instead = ({ ids }) => ({
    status: 200,
    body: {
      results: ids.map((id, index) => ({ id, status: index === 0 ? "conflict" : "retry", conflictType: "version_mismatch" })),
    },
  });
  await wake();
  await until(() => gateway.outcomes.length >= 1, "the sync event ends");
  assert.deepEqual(gateway.outcomes, ["resolved"]);
});

test("the browser is asked once while something waits, and not at all for what goes through at once", async (test) => {
  const { gateway, open, applied } = await setUp(test);
  const { page } = await open();
  await start(page);
  await enqueue(page, names(3));
  await until(async () => (await applied("ada")).length === 3, "all are applied");
  await page.waitForFunction("sdk.queue.snapshot().then(({ pending }) => pending === 0)");
  gateway.isDown = true;
  for (const id of ["b1", "b2", "b3"]) await enqueue(page, [id]);
  await until(() => gateway.outcomes.length >= 1, "the sync event ends");
  // One more, for which nothing would be waited if it had to be asked for.
  await page.evaluate(() => Object.defineProperty(navigator, "onLine", { value: false }));
  await enqueue(page, ["b4"]);
  const tags = await page.evaluate(async () => /** @type {any} */ (await navigator.serviceWorker.ready).sync.getTags());
  assert.deepEqual(tags, [TAG]);
  assert.deepEqual(await told(page), [{ type: "backgroundSyncRegistered", tag: TAG }]);
});

for (const [what, happen] of /** @type {const} */ ([
  [
    "a page that is left",
    () => {
      Object.defineProperty(document, "visibilityState", { value: "hidden" });
      document.dispatchEvent(new Event("visibilitychange"));
    },
  ],
  [
    "a page without a network that enqueues",
    async () => {
      Object.defineProperty(navigator, "onLine", { value: false });
      await /** @type {any} */ (globalThis).enqueue(["a2"]);
    },
  ],
  ["a page that closes Steadfast", () => /** @type {any} */ (globalThis).sdk.close()],
]))
  test(`${what} asks at once`, async (test) => {
    const { gateway, open } = await setUp(test);
    const { page } = await open();
    // Its own time stands still: nothing is asked for because it has taken too long.
    await page.clock.install();
    await start(page);
    await page.clock.pauseAt(Date.now() + 3_600_000);
    gateway.isDown = true;
    await enqueue(page, names(1));
    const tags = () => page.evaluate(async () => /** @type {any} */ (await navigator.serviceWorker.ready).sync.getTags());
    assert.deepEqual(await tags(), []);
    await page.evaluate(happen);
    await until(async () => (await tags()).length === 1, "it is registered");
  });

test("without Background Sync nothing is registered, and the next page drains", async (test) => {
  const { gateway, open, applied } = await setUp(test);
  const options = { script: "/worker.js?without=drain", options: { backgroundSync: { registration: { scope: "/" } } } };
  const { page } = await open();
  await start(page, "ada", options);
  gateway.isDown = true;
  await enqueue(page, names(2));
  await page.evaluate("sdk.close()");
  assert.deepEqual(await told(page), []);
  await leave(page);
  gateway.isDown = false;
  const { page: next } = await open();
  await start(next, "ada", options);
  await until(async () => (await applied("ada")).length === 2, "the next page has drained");
  assert.deepEqual(await applied("ada"), names(2));
});

test("without Background Sync the worker drains when it wakes for something else, once a minute", async (test) => {
  const { gateway, open, kill, applied } = await setUp(test);
  const options = { script: "/worker.js?without=sync", options: { backgroundSync: { registration: { scope: "/" } } } };
  const { page } = await open();
  await start(page, "ada", options);
  gateway.isDown = true;
  await enqueue(page, names(2));
  await page.evaluate("sdk.close()");
  await kill();
  gateway.isDown = false;
  const post = () => page.evaluate(async () => (await navigator.serviceWorker.ready).active?.postMessage("anything"));
  await post();
  await until(() => gateway.outcomes.length >= 1, "it has looked");
  assert.deepEqual(await applied("ada"), names(2));
  gateway.isDown = true;
  await start(page, "ada", options);
  await enqueue(page, ["a3"]);
  await page.evaluate("sdk.close()");
  gateway.isDown = false;
  await post();
  await until(() => gateway.outcomes.length >= 2, "it has been asked again");
  assert.deepEqual(await applied("ada"), names(2));
});

test("Steadfast in a dedicated worker enqueues and drains as in a page", async (test) => {
  const { open, applied } = await setUp(test);
  const { page } = await open();
  const outcomes = await page.evaluate(async (ids) => {
    const worker = new Worker("/page.js", { type: "module" });
    const answer = new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
    worker.postMessage({ user: "ada", ids });
    return answer;
  }, names(3));
  assert.deepEqual(outcomes, ["applied", "applied", "applied"]);
  assert.deepEqual(await applied("ada"), names(3));
});
