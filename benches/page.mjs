// What is measured, in the page. The first row of each group is the limit: what the platform can do at best, by hand.
import ky from "ky";
import { init, parseError, readError, Steadfast } from "steadfast";
import { policies } from "./policies.mjs";
import { byHand, texts, withZod } from "./rivals.mjs";

/** @param {() => Promise<unknown>} work */
async function time(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const CALLS = 2000;
/** @param {(index: number) => Promise<unknown>} call */
async function perCall(call) {
  for (let index = 0; index < 100; index++) await call(index);
  const elapsed = await time(async () => {
    for (let index = 0; index < CALLS; index++) await call(index);
  });
  return (elapsed * 1000) / CALLS;
}

const headers = { "content-type": "application/json" };
const respond = (/** @type {number} */ index) => new Response(texts[index % texts.length], { status: 500, headers });

/** What was read last: nothing that is read may look unused. @type {unknown} */
let kept;

/** Reads the texts in turn for a quarter of a second. @param {(text: string) => unknown} read */
async function perText(read) {
  const start = performance.now();
  let [count, elapsed] = [0, 0];
  while (elapsed < 250) {
    for (let index = 0; index < 1000; index++) kept = read(texts[index % texts.length] ?? "");
    count += 1000;
    elapsed = performance.now() - start;
  }
  if (!kept) throw new Error("nothing was read");
  return (elapsed * 1000) / count;
}

/** Calls what a policy makes of a function, for a quarter of a second. @param {(task: () => Promise<unknown>) => () => Promise<unknown>} policy */
async function perExecution(policy) {
  let [calls, count, elapsed] = [0, 0, 0];
  const call = policy(async () => ++calls);
  for (let index = 0; index < 1000; index++) await call();
  const start = performance.now();
  while (elapsed < 250) {
    for (let index = 0; index < 1000; index++) kept = await call();
    count += 1000;
    elapsed = performance.now() - start;
  }
  if (kept !== calls || calls !== count + 1000)
    throw new Error(`${count + 1000} executions, ${calls} calls, the last gave ${kept}`);
  return (elapsed * 1000) / count;
}

/** Sends requests to a network that answers each with another response. @param {(fetch: (request: Request) => Promise<Response>) => Promise<(url: string) => Promise<Response>>} open */
async function perAnswer(open) {
  let sent = 0;
  /** @type {Response | undefined} */
  let last;
  const send = await open(async (request) => {
    if (request.url !== address) throw new Error(`asked for ${request.url}`);
    sent++;
    return (last = new Response("{}"));
  });
  const elapsed = await perCall(async () => {
    const response = await send(address);
    // Some hand on a copy.
    if (response !== last && !(response.ok && response.constructor === Response)) throw new Error("another response");
  });
  if (sent !== CALLS + 100) throw new Error(`${sent} requests were sent`);
  return elapsed;
}

const address = new URL("/a", location.href).href;

/** @type {Record<string, { unit: string, rows: Record<string, () => Promise<number>> }>} */
const groups = {
  "a successful call over a fetch that answers at once": {
    unit: "microseconds",
    rows: {
      "new Request, new Response": () => perAnswer(async (fetch) => (url) => fetch(new Request(url))),
      "ky, retry": () =>
        perAnswer(async (fetch) => {
          const client = ky.create({ fetch: (request) => fetch(/** @type {Request} */ (request)), timeout: false });
          return (url) => client(url);
        }),
      "ky, retry and timeout": () =>
        perAnswer(async (fetch) => {
          const client = ky.create({ fetch: (request) => fetch(/** @type {Request} */ (request)), timeout: 30_000 });
          return (url) => client(url);
        }),
      "steadfast, fetch": async () => {
        /** @type {Steadfast | undefined} */
        let sdk;
        const elapsed = await perAnswer(async (fetch) => {
          const opened = await Steadfast.open({ fetch });
          sdk = opened;
          return (url) => opened.fetch(url);
        });
        sdk?.close();
        return elapsed;
      },
    },
  },
  "a wrapped, successful call of a function": {
    unit: "microseconds",
    rows: Object.fromEntries(Object.entries(policies).map(([name, policy]) => [name, () => perExecution(policy)])),
  },
  "reading an error of one of five formats, from its text": {
    unit: "microseconds",
    rows: {
      "JSON.parse alone": () => perText((text) => JSON.parse(text)),
      "JSON.parse, by hand": () => perText((text) => byHand(JSON.parse(text))),
      "JSON.parse, zod 4 union of the five": () => perText((text) => withZod(JSON.parse(text))),
      "steadfast, parseError": () => perText((body) => parseError({ status: 500, headers, body })),
    },
  },
  "reading an error of one of five formats, from its Response": {
    unit: "microseconds",
    rows: {
      "JSON.parse alone": () => perCall(async (index) => JSON.parse(await respond(index).text())),
      "JSON.parse, by hand": () => perCall(async (index) => byHand(JSON.parse(await respond(index).text()))),
      "JSON.parse, zod 4 union of the five": () => perCall(async (index) => withZod(JSON.parse(await respond(index).text()))),
      "steadfast, readError": () => perCall((index) => readError(respond(index))),
    },
  },
};

await init();
for (const body of texts) {
  const { code, message } = parseError({ status: 500, headers, body });
  for (const rival of [byHand, withZod]) {
    const read = rival(JSON.parse(body));
    if (String(read.code) !== code || read.message !== message) throw new Error(`read differently: ${body}`);
  }
}
Object.assign(globalThis, {
  benchmarks: {
    groups: Object.entries(groups).map(([group, { unit, rows }]) => ({ group, unit, rows: Object.keys(rows) })),
    run: (/** @type {string} */ group, /** @type {string} */ row) => groups[group]?.rows[row]?.(),
  },
});
