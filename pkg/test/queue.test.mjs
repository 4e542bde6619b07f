// The queue, with a server that the test plays. In Node it lies in memory: there is no other place.
import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidInputError, resultOf, Steadfast, StoreError } from "steadfast";

/** @typedef {{ id: string, type: string, key?: string, data: any }} Sent */

const baseUrl = "https://api.example";

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
 * An SDK, and a server that answers each action with what `answer` makes of it, as soon as it may: `server.hold` has it wait.
 *
 * @param {(action: Sent, count: number) => object | void} [answer] @param {object} [options]
 */
async function withServer(answer = () => {}, options = {}) {
  const server = {
    /** @type {Sent[]} */ seen: [],
    /** @type {Promise<unknown> | undefined} */ held: undefined,
    let: () => {},
    hold() {
      this.held = new Promise((resolve) => (this.let = () => resolve((this.held = undefined))));
    },
    data: () => server.seen.map(({ data }) => data),
  };
  const sdk = await Steadfast.open({
    baseUrl,
    userId: "ada",
    fetch: async (request) => {
      assert.equal(new URL(request.url).pathname, "/api/sync/queue-actions");
      const { actions } = /** @type {{ actions: Sent[] }} */ (await request.json());
      await server.held;
      const results = actions.map((action) => {
        server.seen.push(action);
        return { id: action.id, status: "applied", ...answer(action, server.seen.length) };
      });
      return Response.json({ success: true, results });
    },
    retry: { baseDelayMs: 250, maxDelayMs: 250, jitter: "none" },
    ...options,
  });
  open.add(sdk);
  return { sdk, server };
}

/** Something is being sent and not answered yet, so that what comes now waits. */
async function busy(/** @type {Awaited<ReturnType<typeof withServer>>} */ { sdk, server }) {
  server.hold();
  const sent = sdk.events();
  const receipt = await sdk.queue.enqueue({ type: "first", data: 0 });
  for await (const event of sent) if (event.type === "batchSent") break;
  return receipt;
}

const empty = async (/** @type {Steadfast} */ sdk) => {
  for await (const { pending } of sdk.queue.changes()) if (pending === 0) return;
};

/** What is reported while it runs. @param {(reported: any[]) => Promise<void>} run */
async function reporting(run) {
  /** @type {any[]} */
  const reported = [];
  const before = globalThis.reportError;
  globalThis.reportError = (error) => void reported.push(error);
  try {
    await run(reported);
  } finally {
    globalThis.reportError = before;
  }
}

const until = async (/** @type {() => boolean} */ condition) => {
  while (!condition()) await new Promise(setImmediate);
};

/** Puts something in the place of `navigator`'s member while it runs. */
async function withNavigator(/** @type {object} */ members, /** @type {() => Promise<void>} */ run) {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: members, configurable: true });
  try {
    await run();
  } finally {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else Reflect.deleteProperty(globalThis, "navigator");
  }
}

// Enqueueing.

test("where there is no disk an action is kept in memory, and the receipt says so", async () => {
  const { sdk, server } = await withServer(() => ({ result: { id: "p-1" } }));
  const receipt = await sdk.queue.enqueue({ type: "t", data: { n: 1 } });
  assert.equal(receipt.durability, "memory");
  assert.deepEqual(await receipt.settled, { status: "applied", result: { id: "p-1" } });
  assert.deepEqual(server.data(), [{ n: 1 }]);
});

test("a receipt begins to wait when somebody asks, and has one promise", async () => {
  const { sdk } = await withServer();
  let asked = 0;
  const { settled } = sdk.queue;
  sdk.queue.settled = (id) => (asked++, settled.call(sdk.queue, id));
  const receipts = await sdk.queue.enqueueAll([1, 2, 3].map((data) => ({ type: "t", data })));
  await empty(sdk);
  assert.equal(asked, 0);
  const [first] = receipts;
  assert.equal(first?.settled, first?.settled);
  assert.deepEqual([await first?.settled, asked], [{ status: "applied" }, 1]);
  const { id, seq, durability } = /** @type {import("steadfast").Receipt} */ (first);
  assert.deepEqual(structuredClone({ ...first }), { id, seq, durability });
});

test("what became of an action is also known to those who ask by its id, afterwards", async () => {
  const { sdk } = await withServer(({ data }) => (data === 1 ? { result: 7 } : { status: "rejected", error: { code: "NO" } }));
  const [one, two] = await sdk.queue.enqueueAll([1, 2].map((data) => ({ type: "t", data })));
  await empty(sdk);
  assert.deepEqual(await sdk.queue.settled(String(one?.id)), { status: "applied", result: 7 });
  const rejected = await sdk.queue.settled(String(two?.id));
  assert.equal(rejected.status === "rejected" && rejected.error.code, "NO");
  assert.deepEqual(await sdk.queue.settled("stranger"), { status: "gone" });
});

test("actions of one task keep their order, and a wrong one among them harms no other", async () => {
  const { sdk, server } = await withServer();
  const first = await busy({ sdk, server });
  const enqueued = [1, 2, 3, 4].map((data) =>
    sdk.queue.enqueue({ type: "t", data, ...(data === 3 && { priority: /** @type {any} */ ("urgent") }) }),
  );
  const group = sdk.queue.enqueueAll([5, 6].map((data) => ({ type: "t", data })));
  const broken = sdk.queue.enqueueAll([
    { type: "t", data: 7 },
    { type: "", data: 8 },
  ]);
  const last = Promise.all(Array.from({ length: 100 }, (_, n) => sdk.queue.enqueue({ type: "t", data: n + 9 })));
  assert.equal((await failure(/** @type {Promise<any>} */ (enqueued[2]))).path, "priority");
  assert.equal((await failure(broken)).path, "type");
  const receipts = [first, ...(await Promise.all([0, 1, 3].map((n) => enqueued[n]))), ...(await group), ...(await last)];
  const places = receipts.map((receipt) => receipt?.seq);
  assert.deepEqual(
    places,
    places.map((_, n) => Number(places[0]) + n),
  );
  server.let();
  await empty(sdk);
  assert.deepEqual(server.data(), [0, 1, 2, 4, 5, 6, ...Array.from({ length: 100 }, (_, n) => n + 9)]);
});

test("what is more urgent is sent first", async () => {
  const here = await withServer(undefined, { sync: { maxActions: 1 } });
  await busy(here);
  for (const priority of /** @type {const} */ (["low", "normal", "high", "critical"])) {
    await here.sdk.queue.enqueue({ type: "t", data: priority, priority });
  }
  assert.equal((await here.sdk.queue.snapshot()).ready, 5);
  here.server.let();
  await empty(here.sdk);
  assert.deepEqual(here.server.data(), [0, "critical", "high", "normal", "low"]);
});

test("a later action may take the place of an earlier one, or be merged with it", async () => {
  const here = await withServer();
  const { sdk, server } = here;
  await busy(here);
  const coalesced = async (/** @type {any} */ coalesce) => {
    const key = String(coalesce);
    const action = { type: "t", key, coalesce };
    const older = await sdk.queue.enqueue({ ...action, data: { n: [1] } });
    const { settled } = older;
    const between = await sdk.queue.enqueue({ type: "t", data: key });
    // Beside another one, which has nothing to say of it.
    const [, newer] = await Promise.all([
      sdk.queue.enqueue({ type: "t", data: "beside" }),
      sdk.queue.enqueue({ ...action, data: { n: [2] } }),
    ]);
    assert.deepEqual(await settled, { status: "superseded", by: newer.id });
    return newer.seq < between.seq;
  };
  assert.equal(await coalesced("replace"), true);
  assert.equal(await coalesced("dropOlder"), false);
  assert.equal(await coalesced((/** @type {any} */ a, /** @type {any} */ b) => ({ n: [...a.n, ...b.n] })), true);
  server.let();
  await empty(sdk);
  const keyed = server.seen.filter(({ key }) => key !== undefined);
  assert.deepEqual(
    keyed.map(({ data }) => data.n),
    [[2], [2], [1, 2]],
  );
});

test("a merge that throws, promises or gives what is no JSON refuses the action, and leaves the older one as it was", async () => {
  const here = await withServer();
  const { sdk, server } = here;
  await busy(here);
  await sdk.queue.enqueue({ type: "t", key: "k", data: 1 });
  const boom = new Error("boom");
  for (const [coalesce, cause] of /** @type {[any, any][]} */ ([
    [() => assert.fail(boom), boom],
    [async () => 2, InvalidInputError],
    [() => undefined, InvalidInputError],
  ])) {
    const error = await failure(sdk.queue.enqueue({ type: "t", key: "k", data: 2, coalesce }));
    assert.ok(error instanceof InvalidInputError);
    assert.equal(error.path, "coalesce");
    assert.ok(typeof cause === "function" ? error.cause instanceof cause : error.cause === cause);
  }
  const keyless = await failure(sdk.queue.enqueue({ type: "t", data: 1, coalesce: () => 1 }));
  assert.deepEqual([keyless.path, keyless.received], ["coalesce", "a function"]);
  assert.equal(
    (await failure(sdk.queue.enqueue({ type: "t", key: "k", data: 1, coalesce: /** @type {any} */ ("merge") }))).path,
    "coalesce",
  );
  server.let();
  await empty(sdk);
  assert.deepEqual(server.data(), [0, 1]);
});

test("what the server has made of one action is put into another's data", async () => {
  const here = await withServer(({ type }) => (type === "create" ? { result: { id: "p-7", tags: ["a"] } } : {}));
  const { sdk, server } = here;
  await busy(here);
  const post = await sdk.queue.enqueue({ type: "create", data: {} });
  // By the data alone, by the receipt, and by the id.
  await sdk.queue.enqueue({ type: "t", data: { post: resultOf(post, "/id"), all: [resultOf(post.id)] } });
  await sdk.queue.enqueue({ type: "t", data: "waits", dependsOn: post });
  await sdk.queue.enqueue({ type: "t", data: { tag: { $result: post.id, at: "/tags/0" } }, dependsOn: post.id });
  const mine = { $result: "of mine", other: { $result: 7 } };
  await sdk.queue.enqueue({ type: "t", data: mine });
  const [waiting] = (await sdk.queue.list()).filter(({ data }) => data === "waits");
  assert.deepEqual([waiting?.heldBy, waiting?.dependsOn], ["action", post.id]);
  server.let();
  await empty(sdk);
  const all = { id: "p-7", tags: ["a"] };
  const seen = server.seen
    .filter(({ type }) => type === "t")
    .map(({ data }) => JSON.stringify(data))
    .sort();
  assert.deepEqual(seen, [{ post: "p-7", all: [all] }, "waits", { tag: "a" }, mine].map((data) => JSON.stringify(data)).sort());
});

test("an action can name the result of one other, which there is", async () => {
  const here = await withServer();
  const { sdk } = here;
  await busy(here);
  const [a, b] = await sdk.queue.enqueueAll([1, 2].map((data) => ({ type: "t", data })));
  const [one, two] = [resultOf(String(a?.id)), resultOf(String(b?.id))];
  assert.equal((await failure(sdk.queue.enqueue({ type: "t", data: [one, two] }))).path, "data");
  assert.equal((await failure(sdk.queue.enqueue({ type: "t", data: one, dependsOn: b }))).path, "data");
  assert.equal((await failure(sdk.queue.enqueue({ type: "t", data: resultOf("stranger") }))).path, "dependsOn");
  assert.throws(() => resultOf("a", "id"), InvalidInputError);
  assert.throws(() => resultOf("a", "/~2"), InvalidInputError);
  assert.throws(() => resultOf(/** @type {any} */ ({})), InvalidInputError);
});

test("an action that was not sent in its time is not sent", async () => {
  const here = await withServer();
  await busy(here);
  const receipt = await here.sdk.queue.enqueue({ type: "t", data: 1, ttlMs: 1 });
  const [, listed] = await here.sdk.queue.list();
  const { expiresAt } = /** @type {import("steadfast").QueuedAction} */ (listed);
  await until(() => Date.now() > Number(expiresAt));
  here.server.let();
  assert.deepEqual(await receipt.settled, { status: "expired" });
  assert.deepEqual(here.server.data(), [0]);
  assert.equal((await failure(here.sdk.queue.enqueue({ type: "t", data: 1, ttlMs: 0 }))).path, "ttlMs");
});

test("a full queue says so, and gives up only what it may for what is more urgent", async () => {
  const full = await withServer(undefined, { queue: { maxActions: 2 } });
  await busy(full);
  await full.sdk.queue.enqueue({ type: "t", data: 1, priority: "low" });
  const error = await failure(full.sdk.queue.enqueue({ type: "t", data: 2 }));
  assert.ok(error instanceof StoreError);
  assert.equal(error.kind, "quotaExceeded");
  const evicting = await withServer(undefined, { queue: { maxActions: 2, evicts: ["low"] } });
  await busy(evicting);
  const { settled } = await evicting.sdk.queue.enqueue({ type: "t", data: 1, priority: "low" });
  await evicting.sdk.queue.enqueue({ type: "t", data: 2 });
  assert.deepEqual(await settled, { status: "evicted" });
  const wrong = Steadfast.open({ baseUrl, queue: { evicts: /** @type {any} */ (["urgent"]) } });
  assert.equal((await failure(wrong)).path, "queue.evicts");
});

// What needs a decision.

const versions = (/** @type {Sent} */ { data }) =>
  data.version === 2 ? {} : { status: "conflict", conflict: { conflictType: "version_mismatch", server: { version: 2 } } };

test("a handler decides a conflict, and the action is sent again in its place", async () => {
  /** @type {any[]} */
  const asked = [];
  const onConflict = (/** @type {any} */ action, /** @type {any} */ { server }) => {
    asked.push([action.state, action.data.n, server.version]);
    return { resolution: "merge", data: { ...action.data, version: server.version } };
  };
  const { sdk, server } = await withServer(versions, { onConflict });
  const receipt = await sdk.queue.enqueue({ type: "t", key: "k", data: { n: 1, version: 1 } });
  await sdk.queue.enqueue({ type: "t", key: "k", data: { n: 2, version: 2 } });
  await empty(sdk);
  assert.equal((await sdk.queue.settled(receipt.id)).status, "applied");
  assert.deepEqual(asked, [["conflict", 1, 2]]);
  assert.deepEqual(
    server.seen.filter(versionIsTwo).map(({ data }) => data.n),
    [1, 2],
  );
});
const versionIsTwo = (/** @type {Sent} */ { data }) => data.version === 2;

test("takeServer and drop take the action out, and what is behind it goes on", async () => {
  for (const resolution of /** @type {const} */ (["takeServer", "drop"])) {
    const { sdk, server } = await withServer(versions, { onConflict: async () => ({ resolution }) });
    const receipt = await sdk.queue.enqueue({ type: "t", key: "k", data: { n: 1, version: 1 } });
    const discarded = sdk.events();
    await sdk.queue.enqueue({ type: "t", key: "k", data: { n: 2, version: 2 } });
    for await (const event of discarded) if (event.type === "settled" && event.outcome.status === "discarded") break;
    await empty(sdk);
    assert.deepEqual(await sdk.queue.settled(receipt.id), { status: "discarded" });
    assert.deepEqual(
      server.seen.filter(versionIsTwo).map(({ data }) => data.n),
      [2],
    );
  }
});

test("a handler that fails is reported, and the conflict stays, to be resolved by hand", async () => {
  await reporting(async (reported) => {
    const boom = new Error("boom");
    for (const onConflict of [
      () => assert.fail(boom),
      async () => Promise.reject(boom),
      () => "keep",
      () => ({ resolution: "merge" }),
    ]) {
      reported.length = 0;
      const { sdk } = await withServer(versions, { onConflict });
      const { id, settled } = await sdk.queue.enqueue({ type: "t", data: { version: 1 } });
      assert.equal((await settled).status, "conflict");
      await until(() => reported.length > 0);
      assert.ok(reported[0] === boom || reported[0] instanceof InvalidInputError);
      assert.equal((await sdk.queue.snapshot()).conflicts, 1);
      assert.equal(await sdk.queue.resolve(id, { resolution: "keepLocal", data: { version: 2 } }), true);
      await empty(sdk);
      assert.deepEqual([await sdk.queue.settled(id), reported.length], [{ status: "applied" }, 1]);
    }
  });
});

test("a conflict that is left for later is asked about once", async () => {
  let asked = 0;
  const onConflict = () => (asked++, "later");
  const { sdk } = await withServer(versions, { onConflict });
  const first = await sdk.queue.enqueue({ type: "t", data: { version: 1 } });
  await first.settled;
  await until(() => asked === 1);
  const second = await sdk.queue.enqueue({ type: "t", data: { version: 1 } });
  await second.settled;
  await until(() => asked === 2);
  await sdk.queue.sync();
  assert.equal(asked, 2);
  // Sent as it is, it is in conflict again, and that is another conflict.
  assert.equal(await sdk.queue.resolve(first.id, { resolution: "keepLocal" }), true);
  await until(() => asked === 3);
});

test("a handler that always sends again is left out in the end", async () => {
  await reporting(async (reported) => {
    let asked = 0;
    const onConflict = () => (asked++, { resolution: "keepLocal" });
    const { sdk, server } = await withServer(versions, { onConflict });
    await sdk.queue.enqueue({ type: "t", data: { version: 1 } });
    await until(() => reported.length > 0);
    assert.match(String(reported[0]), /5 times/);
    assert.deepEqual([asked, server.seen.length, (await sdk.queue.snapshot()).conflicts], [5, 6, 1]);
  });
});

test("a conflict that another tab decides is left to it", async () => {
  /** @type {string[]} */
  const names = [];
  /** @type {any} */
  const locks = {
    request: async (/** @type {string} */ name, /** @type {any} */ options, /** @type {any} */ task) => {
      const isTaken = name.includes(":conflict:");
      if (isTaken) names.push(name);
      return (task ?? options)(isTaken ? null : { name });
    },
  };
  await withNavigator({ locks, onLine: true }, async () => {
    let asked = 0;
    const { sdk } = await withServer(versions, { onConflict: () => (asked++, "later") });
    const receipts = [];
    for (const n of [1, 2]) {
      receipts.push(await sdk.queue.enqueue({ type: "t", data: { version: 1 } }));
      await until(() => names.length === n);
    }
    assert.deepEqual(
      names,
      receipts.map(({ id }) => `steadfast:steadfast:ada:conflict:${id}`),
    );
    assert.deepEqual([(await sdk.queue.snapshot()).conflicts, asked], [2, 0]);
  });
});

test("only a conflict is resolved, and only by what is a resolution", async () => {
  const here = await withServer();
  const { sdk } = here;
  const { id } = await busy(here);
  assert.equal(await sdk.queue.resolve(id, { resolution: "drop" }), false);
  assert.equal(await sdk.queue.resolve(id, { resolution: "merge", data: { n: 2 } }), false);
  assert.equal(await sdk.queue.resolve("stranger", { resolution: "keepLocal" }), false);
  assert.deepEqual(
    (await sdk.queue.list()).map(({ id, data }) => [id, data]),
    [[id, 0]],
  );
  for (const wrong of /** @type {any[]} */ ([null, {}, "later", { resolution: "keep" }, { resolution: "merge" }])) {
    assert.ok((await failure(sdk.queue.resolve(id, wrong))) instanceof InvalidInputError);
  }
  assert.equal((await failure(Steadfast.open({ baseUrl, onConflict: /** @type {any} */ (true) }))).path, "onConflict");
});

test("dead letters are listed, put right, and exported", async () => {
  const answer = (/** @type {Sent} */ { data }) => (data.ok ? {} : { status: "rejected", error: { code: "NO", message: "no" } });
  const { sdk, server } = await withServer(answer);
  const [bad, worse] = await sdk.queue.enqueueAll([1, 2].map((n) => ({ type: "t", key: `k${n}`, data: { n } })));
  await empty(sdk);
  const dead = await sdk.queue.list({ states: ["dead"] });
  assert.deepEqual(
    dead.map(({ id, state, lastError }) => [id, state, lastError?.code]),
    [
      [bad?.id, "dead", "NO"],
      [worse?.id, "dead", "NO"],
    ],
  );
  assert.deepEqual(await sdk.queue.list({ states: ["pending", "conflict", "unreadable"] }), []);
  assert.deepEqual(await sdk.queue.list({ states: [] }), []);
  assert.deepEqual(
    (await sdk.queue.list({ from: worse })).map(({ id }) => id),
    [worse?.id],
  );
  assert.equal((await failure(sdk.queue.list({ states: /** @type {any} */ (["gone"]) }))).path, "states");
  assert.equal((await failure(sdk.queue.list({ limit: -1 }))).path, "limit");
  for (const [from, path] of [
    [{ durability: "disk", seq: 0 }, "from.durability"],
    [{ durability: "memory", seq: 0.5 }, "from.seq"],
  ])
    assert.equal((await failure(sdk.queue.list({ from: /** @type {any} */ (from) }))).path, path);
  const { snapshot, actions } = JSON.parse(await sdk.queue.export());
  assert.deepEqual([snapshot.dead, actions.length, actions[1].data, actions[1].lastError.code], [2, 2, { n: 2 }, "NO"]);
  const [bare] = JSON.parse(await sdk.queue.export({ data: false })).actions;
  assert.deepEqual(["data" in bare, "text" in bare, actions[0].text], [false, false, null]);
  assert.equal(await sdk.queue.requeue(String(bad?.id), { data: { ok: true } }), true);
  assert.equal(await sdk.queue.requeue("stranger"), false);
  await empty(sdk);
  assert.deepEqual([await sdk.queue.settled(String(bad?.id)), server.data().at(-1)], [{ status: "applied" }, { ok: true }]);
  assert.equal(await sdk.queue.discard(String(worse?.id)), true);
  assert.deepEqual(await sdk.queue.list(), []);
});

test("what cannot have been sent can be edited, and the rest says that it cannot", async () => {
  const here = await withServer();
  const { sdk, server } = here;
  const first = await busy(here);
  const { id } = await sdk.queue.enqueue({ type: "t", key: "k", data: { n: 1 } });
  const behind = await sdk.queue.enqueue({ type: "t", key: "k", data: { n: 2 } });
  const editable = (await sdk.queue.list()).map((action) => [action.id, action.editable, action.inFlight]);
  assert.deepEqual(editable, [
    [first.id, false, true],
    [id, true, false],
    [behind.id, true, false],
  ]);
  assert.equal(await sdk.queue.edit(id, { n: 3 }), "done");
  assert.equal(await sdk.queue.edit(first.id, { n: 3 }), "mayHaveBeenSent");
  assert.equal(await sdk.queue.edit("stranger", { n: 3 }), "noSuchAction");
  assert.equal((await failure(sdk.queue.edit(id, undefined))).path, "data");
  server.let();
  await empty(sdk);
  assert.deepEqual(server.data(), [0, { n: 3 }, { n: 2 }]);
});

test("what is still to be sent is not put back, and keeps its data", async () => {
  const here = await withServer();
  const { sdk, server } = here;
  await busy(here);
  const { id } = await sdk.queue.enqueue({ type: "t", data: { n: 1 } });
  assert.equal(await sdk.queue.requeue(id, { data: { n: 2 } }), false);
  server.let();
  await empty(sdk);
  assert.deepEqual(server.data(), [0, { n: 1 }]);
});

test("what expires behind a conflict leaves in time", async () => {
  const answer = () => ({ status: "conflict", conflict: { conflictType: "version_mismatch" } });
  const { sdk } = await withServer(answer);
  const head = await sdk.queue.enqueue({ type: "t", key: "k", data: 1 });
  assert.equal((await head.settled).status, "conflict");
  const behind = await sdk.queue.enqueue({ type: "t", key: "k", data: 2, ttlMs: 50 });
  assert.deepEqual(await behind.settled, { status: "expired" });
  assert.deepEqual([(await sdk.queue.snapshot()).pending, (await sdk.queue.snapshot()).conflicts], [0, 1]);
});

test("purge takes all out", async () => {
  const here = await withServer();
  const { sdk } = here;
  await busy(here);
  const receipt = await sdk.queue.enqueue({ type: "t", data: 1 });
  const { settled } = receipt;
  assert.equal(await sdk.queue.purge(), undefined);
  assert.deepEqual([await settled, await sdk.queue.list()], [{ status: "discarded" }, []]);
});

// Progress.

test("changes give what is there and then what is new, and who is slow gets the newest", async () => {
  const { sdk, server } = await withServer();
  assert.equal(sdk.queue.current, null);
  server.hold();
  const changes = sdk.queue.changes();
  const first = (await changes.next()).value;
  assert.deepEqual([first?.pending, first?.durability], [0, "memory"]);
  assert.equal(sdk.queue.current, first);
  const next = changes.next();
  for (let n = 0; n < 50; n++) await sdk.queue.enqueue({ type: "t", data: n });
  assert.ok(Number((await next).value?.pending) > 0);
  let seen = 0;
  for await (const { pending } of changes) {
    seen++;
    if (pending === 50) break;
  }
  assert.ok(seen <= 3, `${seen} snapshots were given where the newest was asked for`);
  assert.equal((await changes.next()).done, true);
  server.let();
});

test("changes end with their signal, with the SDK, and when they are given up", async () => {
  const { sdk } = await withServer();
  const controller = new AbortController();
  const all = [sdk.queue.changes({ signal: controller.signal }), sdk.queue.changes(), sdk.queue.changes()];
  for (const changes of all) assert.equal((await changes.next()).value?.pending, 0);
  // Nothing happens, and there is nothing new.
  const waiting = all.map((changes) => changes.next());
  controller.abort();
  await all[1]?.return?.();
  sdk.close();
  for (const next of waiting) assert.equal((await next).done, true);
  assert.equal((await sdk.queue.changes().next()).done, true);
  const aborted = await withServer();
  assert.equal((await aborted.sdk.queue.changes({ signal: AbortSignal.abort() }).next()).done, true);
});

test("without a user, changes say so", async () => {
  const { sdk } = await withServer(undefined, { userId: undefined });
  assert.equal((await failure(sdk.queue.changes().next())).path, "userId");
});

// Keeping it.

test("the browser is asked once to keep what is stored, at the first critical action", async () => {
  for (const [persist, granted] of /** @type {const} */ ([
    [async () => true, true],
    [async () => Promise.reject(new Error("no")), false],
  ])) {
    let asked = 0;
    const storage = { persist: () => (asked++, persist()) };
    await withNavigator({ storage, onLine: true }, async () => {
      const { sdk } = await withServer();
      /** @type {boolean[]} */
      const told = [];
      sdk.on("persistence", ({ granted }) => told.push(granted));
      await sdk.queue.enqueue({ type: "t", data: 1, priority: "high" });
      await failure(sdk.queue.enqueue({ type: "", data: 1, priority: "critical" }));
      assert.equal(asked, 0);
      await sdk.queue.enqueue({ type: "t", data: 1, priority: "critical" });
      await sdk.queue.enqueueAll([{ type: "t", data: 1, priority: "critical" }]);
      await until(() => told.length > 0);
      assert.deepEqual([asked, told], [1, [granted]]);
    });
  }
});

test("where there can be no key, what requires encryption is refused, and what prefers it is kept and said", async () => {
  const { sdk: required, server: unused } = await withServer(undefined, { queue: { encryption: "required" } });
  const refused = await failure(required.queue.enqueue({ type: "note", data: 1 }));
  assert.ok(refused instanceof StoreError);
  assert.equal(refused.kind, "keyUnavailable");
  assert.deepEqual(unused.seen, []);

  const { sdk, server } = await withServer(undefined, { queue: { encryption: "preferred" } });
  const told = new Promise((resolve) => sdk.on("encryptionUnavailable", resolve));
  const receipt = await sdk.queue.enqueue({ type: "note", data: 2 });
  assert.equal((await receipt.settled).status, "applied");
  assert.deepEqual(server.data(), [2]);
  assert.equal(/** @type {any} */ (await told).error.kind, "unavailable");

  const wrong = Steadfast.open({ baseUrl, queue: { encryption: /** @type {any} */ ("on") } });
  assert.equal((await failure(wrong)).path, "queue.encryption");
});
