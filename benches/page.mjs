// What is measured, in the page. The first row of each group is the limit: what the platform can do at best, by hand.
import { init, readError, Steadfast } from "steadfast";

const COUNT = 1000;
const data = { draftId: "draft_456", content: "x".repeat(200), metadata: { tags: ["a", "b"], pinned: false } };
let databases = 0;

/** @param {IDBRequest | IDBTransaction} subject */
const done = (subject) =>
  new Promise((resolve, reject) => {
    if (subject instanceof IDBTransaction) subject.oncomplete = resolve;
    else subject.onsuccess = () => resolve(subject.result);
    subject.onerror = () => reject(subject.error);
  });

/** @returns {Promise<IDBDatabase>} */
async function rawDatabase() {
  const opening = indexedDB.open(`raw-${performance.now()}-${databases++}`, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("actions", { keyPath: "seq" });
  return done(opening);
}

const unreachable = () => Promise.reject(new TypeError("offline"));

/** @param {(request: Request) => Promise<Response>} fetch */
const open = (fetch) =>
  Steadfast.open({
    userId: "ada",
    database: `sdk-${performance.now()}-${databases++}`,
    fetch,
    retry: { baseDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
  });

/** @param {IDBDatabase} database @param {number} from @param {number} count */
function put(database, from, count) {
  const transaction = database.transaction("actions", "readwrite", { durability: "strict" });
  for (let seq = from; seq < from + count; seq++)
    transaction.objectStore("actions").put({ seq, id: crypto.randomUUID(), row: JSON.stringify(data) });
  transaction.commit();
  return done(transaction);
}

/** @param {() => Promise<unknown>} work */
async function time(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** @param {(sdk: Steadfast) => Promise<unknown>} work */
async function withQueue(work) {
  const sdk = await open(unreachable);
  await sdk.queue.snapshot();
  const elapsed = await time(() => work(sdk));
  sdk.close();
  return elapsed;
}

/** @param {(database: IDBDatabase) => Promise<unknown>} work */
async function withRaw(work) {
  const database = await rawDatabase();
  const elapsed = await time(() => work(database));
  database.close();
  return elapsed;
}

const each = (/** @type {(index: number) => Promise<unknown>} */ work) =>
  Promise.all(Array.from({ length: COUNT }, (_, index) => work(index)));
const action = { type: "save_draft", key: "draft_456", data };

/** @param {IDBDatabase} database */
async function drainByHand(database) {
  for (;;) {
    const reading = database.transaction("actions", "readonly").objectStore("actions").getAll(null, 100);
    /** @type {{ seq: number, id: string, row: string }[]} */
    const rows = await done(reading);
    const [first, last] = [rows[0], rows.at(-1)];
    if (!first || !last) return;
    const actions = rows.map(({ id, row }) => ({ id, type: "save_draft", data: JSON.parse(row) }));
    const response = await fetch("/api/sync/queue-actions", { method: "POST", body: JSON.stringify({ userId: "ada", actions }) });
    await response.json();
    const transaction = database.transaction("actions", "readwrite", { durability: "strict" });
    transaction.objectStore("actions").delete(IDBKeyRange.bound(first.seq, last.seq));
    transaction.commit();
    await done(transaction);
  }
}

const bodies = [
  {
    success: false,
    error: {
      code: "AI_PROCESSING_TIMEOUT",
      message: "Upstream took 61 s",
      details: { seconds: 61 },
      correlationId: "req_1_abc",
      timestamp: "2025-08-21T10:30:00Z",
      userMessage: "The AI is slow",
      retryable: true,
      retryAfter: 30,
      severity: "medium",
    },
    context: { endpoint: "/api/effects", method: "POST", statusCode: 504, requestId: "r-9" },
  },
  {
    success: false,
    error: {
      code: "VALIDATION_ERROR",
      message: "Request validation failed",
      details: [{ field: "name", constraint: "required", message: "Name is required", path: "/name" }],
      requestId: "req-abc123",
    },
  },
  {
    error: {
      code: "PAYMENT_DECLINED",
      message: "Payment declined",
      details: { reason: "insufficient_funds" },
      timestamp: "2024-01-01T00:00:00Z",
      recoverable: true,
    },
  },
  { error: { type: "api_error", message: "Internal server error", code: "internal", error_id: "0f8c" } },
  {
    success: false,
    error: {
      code: 429,
      message: "Rate limit exceeded",
      metadata: { headers: { "X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0" } },
    },
  },
].map((body) => JSON.stringify(body));

const CALLS = 2000;
/** @param {(index: number) => Promise<unknown>} call */
async function perCall(call) {
  for (let index = 0; index < 100; index++) await call(index);
  const elapsed = await time(async () => {
    for (let index = 0; index < CALLS; index++) await call(index);
  });
  return (elapsed * 1000) / CALLS;
}

/** @type {Record<string, { unit: string, rows: Record<string, () => Promise<number>> }>} */
const groups = {
  "durable enqueue of 1,000, one by one": {
    unit: "milliseconds",
    rows: {
      "by hand, a transaction each": () =>
        withRaw(async (database) => {
          for (let index = 0; index < COUNT; index++) await put(database, index, 1);
        }),
      "steadfast, enqueue": () =>
        withQueue(async ({ queue }) => {
          for (let index = 0; index < COUNT; index++) await queue.enqueue(action);
        }),
    },
  },
  "durable enqueue of 1,000 at once": {
    unit: "milliseconds",
    rows: {
      "by hand, one transaction for all": () => withRaw((database) => put(database, 0, COUNT)),
      "by hand, a transaction each": () => withRaw((database) => each((index) => put(database, index, 1))),
      "steadfast, enqueueAll": () => withQueue(({ queue }) => queue.enqueueAll(Array(COUNT).fill(action))),
      "steadfast, enqueue": () => withQueue(({ queue }) => each(() => queue.enqueue(action))),
    },
  },
  "drain of 1,000": {
    unit: "milliseconds",
    rows: {
      "by hand: getAll(100), POST, range delete": async () => {
        const database = await rawDatabase();
        await put(database, 0, COUNT);
        const elapsed = await time(() => drainByHand(database));
        database.close();
        return elapsed;
      },
      steadfast: async () => {
        let offline = true;
        const sdk = await open((request) => (offline ? unreachable() : fetch(request)));
        await sdk.queue.enqueueAll(Array(COUNT).fill(action));
        await sdk.queue.sync();
        offline = false;
        const elapsed = await time(() => sdk.queue.sync());
        const { pending } = await sdk.queue.snapshot();
        if (pending !== 0) throw new Error(`${pending} are left`);
        sdk.close();
        return elapsed;
      },
    },
  },
  "a successful call over a fetch that answers at once": {
    unit: "microseconds",
    rows: {
      "new Request, new Response": () =>
        perCall(async () => new Response("{}", { status: new Request("/a").signal.aborted ? 500 : 200 })),
      "steadfast, fetch": async () => {
        const sdk = await Steadfast.open({ fetch: async () => new Response("{}") });
        const elapsed = await perCall(() => sdk.fetch("/a"));
        sdk.close();
        return elapsed;
      },
    },
  },
  "reading an error of one of five formats": {
    unit: "microseconds",
    rows: {
      "JSON.parse of the body's text": () =>
        perCall(async (index) => JSON.parse(await new Response(bodies[index % 5], { status: 500 }).text())),
      "steadfast, readError": () => perCall((index) => readError(new Response(bodies[index % 5], { status: 500 }))),
    },
  },
};

await init();
Object.assign(globalThis, {
  benchmarks: {
    groups: Object.entries(groups).map(([group, { unit, rows }]) => ({ group, unit, rows: Object.keys(rows) })),
    run: (/** @type {string} */ group, /** @type {string} */ row) => groups[group]?.rows[row]?.(),
  },
});
