// The published types stand alone: in an application that checks its libraries too, with nothing but the DOM.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";

const consumer = `
import { ApiError, countdown, explain, type Settled, Steadfast, type SteadfastEvent, type Words } from "steadfast";
import german from "steadfast/words/de";

export async function main(): Promise<string | null> {
  const sdk: Steadfast = await Steadfast.open({ userId: "ada", retry: { maxAttempts: 5 } });
  const { settled } = await sdk.queue.enqueue({ type: "save_draft", data: { n: 1 }, priority: "high" });
  const outcome: Settled = await settled;
  if (outcome.status === "rejected") return outcome.error.userMessage;
  sdk.on("batchFailed", ({ error, nextAttemptAt }) => console.log(error.category, new Date(nextAttemptAt)));
  for await (const event of sdk.events()) exhaustive(event);
  try {
    await sdk.fetch("/a", { method: "POST" }, { idempotencyKey: true });
  } catch (error) {
    if (error instanceof ApiError) return error.code;
  }
  // @ts-expect-error a priority that there is not
  await sdk.queue.enqueue({ type: "t", data: 1, priority: "urgent" });
  return null;
}
const swedish: Words = { ...german, language: "sv" };
export function tell(error: ApiError): string {
  countdown(error, (text, remainingMs) => console.log(text, remainingMs / 1000), { signal: AbortSignal.timeout(1), language: "de" });
  const { message, technical } = explain(error, { disclosure: ({ severity }) => (severity === "low" ? "technical" : "minimal") });
  return message + (technical?.code ?? "");
}
export const options: Parameters<typeof Steadfast.open>[0] = {
  language: ["sv", "de"],
  words: [swedish],
  messages: { codes: { A: "a", B: { de: "b" }, C: ({ status }) => String(status) }, categories: { auth: "d" } },
};
// @ts-expect-error a category that there is not
export const wrong: Parameters<typeof Steadfast.open>[0] = { messages: { categories: { autth: "d" } } };
function exhaustive(event: SteadfastEvent): number {
  return event.type === "enqueued" ? event.counts.pending : 0;
}
`;

const queued = `
import { type Action, type Edited, type FileContent, type Outcome, type QueuedFile, type QueueOptions, type Receipt, type Resolution, resultOf, type Snapshot } from "steadfast";

export async function queued(sdk: Steadfast, signal: AbortSignal): Promise<number> {
  const add: Action<{ points: number }> = {
    type: "add", key: "score", data: { points: 1 }, ttlMs: 1000, coalesce: (older, newer) => ({ points: older.points + newer.points }),
  };
  const receipt: Receipt = await sdk.queue.enqueue(add);
  await sdk.queue.enqueue({ type: "t", key: "k", data: { n: 1 }, coalesce: (older, newer) => ({ n: older.n + newer.n }) });
  await sdk.queue.enqueueAll([add, { type: "t", data: { id: resultOf(receipt, "/id") }, dependsOn: receipt, coalesce: "replace" }]);
  // @ts-expect-error a merge of other data
  await sdk.queue.enqueue({ type: "t", key: "k", data: { n: 1 }, coalesce: (older: string) => older });
  const outcome: Outcome | { status: "gone" | "detached" } = await receipt.settled;
  if (outcome.status === "superseded") return outcome.by.length;
  if (outcome.status === "applied") return Number(outcome.result);
  const photo: FileContent = new Blob([]);
  await sdk.queue.enqueue({ type: "add_photo", data: {}, files: { photo, scan: new Uint8Array(3), note: undefined } });
  // @ts-expect-error a text is no file
  await sdk.queue.enqueue({ type: "add_photo", data: {}, files: { photo: "text" } });
  const kept: readonly QueuedFile[] | null = await sdk.queue.files(receipt.id);
  sdk.on("uploadProgress", ({ id, sentBytes, totalBytes }) => console.log(id, sentBytes / totalBytes, kept?.[0]?.blob?.size));
  const edited: Edited = await sdk.queue.edit(receipt.id, { points: 2 });
  const resolution: Resolution = { resolution: "merge", data: 1 };
  await sdk.queue.resolve(receipt.id, resolution);
  // @ts-expect-error a merge needs data
  await sdk.queue.resolve(receipt.id, { resolution: "merge" });
  for await (const { pending, remainingMs } of sdk.queue.changes({ signal })) console.log(pending, remainingMs ?? 0);
  const current: Snapshot | null = sdk.queue.current;
  const limits: QueueOptions = { maxActions: 10, evicts: ["low"], encryption: "preferred" };
  await Steadfast.open({ userId: "ada", queue: limits, onConflict: async ({ data }, { server }) => (server ? { resolution: "keepLocal", data } : "later") });
  // @ts-expect-error a resolution that there is not
  await Steadfast.open({ onConflict: () => ({ resolution: "keep" }) });
  sdk.on("placeChanged", ({ from, to, error }) => console.log(from, to, error?.kind));
  sdk.on("actionsRestored", ({ count }) => console.log(count));
  sdk.on("persistence", ({ granted }) => console.log(granted));
  const [dead] = await sdk.queue.list({ states: ["dead"], limit: 1 });
  return edited.length + (current?.ready ?? 0) + (dead?.seq ?? 0) + (await sdk.queue.export({ data: false })).length;
}
`;

const resilient = `
import {
  type CallOptions, type Configuration, createPolicy, degradation, type EventOf, type Executor, type FailureFacts, type Fallback,
  type JsonAnswer, type Policy, type PolicyContext, type PolicyOptions, type ServiceSnapshot, type SteadfastOptions, wrap,
} from "steadfast";

export const guards: SteadfastOptions = {
  breaker: { consecutiveFailures: 3, openMs: 10_000 },
  budget: false,
  bulkhead: true,
  adaptiveRate: true,
  services: { search: { bulkhead: { maxConcurrent: 4 } } },
  configuration: { path: "/settings", refreshMs: 60_000 },
  circuits: true,
  correlation: { ids: "uuid", tracedOrigins: ["https://files.example"] },
  refreshCredentials: async ({ error, fetch }) => {
    const response: Response = await fetch("/token", { method: "POST" });
    return [error.code, response.status];
  },
  timeline: true,
};
export async function resilient(sdk: Steadfast, signal: AbortSignal): Promise<number> {
  const options: PolicyOptions = { retry: { maxAttempts: 4, jitter: "equal" }, breaker: true, timeoutMs: 100, hedge: { afterMs: 50 } };
  const policy: Policy = createPolicy(options);
  const text: string = await policy.execute(({ attempt, signal }: PolicyContext) => String(attempt) + signal.aborted, { signal });
  const n: number = await wrap(policy, sdk.policy({ service: "search" })).execute(async () => text.length);
  const mine: Executor = { execute: async (run) => run({ attempt: 1, hedge: 0, signal }) };
  const nested: { a: 1 } = await wrap(mine, wrap(policy)).execute(() => ({ a: 1 }) as const);
  createPolicy({ handle: (thrown): FailureFacts => ({ retryable: thrown instanceof ApiError, afterMs: undefined }) });
  createPolicy({ handle: (thrown) => thrown !== null, fallback: () => 1 });
  policy.on("circuitChanged", ({ from, to, because, openForMs }: EventOf<"circuitChanged">) => [from, to, because, openForMs ?? 0]);
  const { breaker, budget }: ServiceSnapshot = policy.state;
  if (breaker?.state === "forcedOpen") return breaker.failures + (budget?.available ?? 0);
  const answer: JsonAnswer<{ title: string }[]> = await sdk.json<{ title: string }[]>("/a", {}, {
    service: "search", urgency: "background", fallback: ["lastGood", "alternativeEndpoint", () => []],
  });
  const response = await sdk.fetch("/a", {}, { fallback: () => new Response(), queueAs: { type: "t", data: 1 }, totalTimeoutMs: 100 });
  const reason: string | null | undefined = degradation(response)?.fallbackReason;
  const configured: Configuration = sdk.configuration;
  const { retryCount } = await sdk.operations.retry(new Error("no ApiError") as ApiError, { retryCount: 2 });
  const { synced } = await sdk.preferences.update({ recovery: { maxAutoRetries: null } });
  const fallbacks: readonly Fallback<number>[] = ["lastGood", async (error) => error.status ?? 0];
  const call: CallOptions<number> = { fallback: fallbacks, idempotencyKey: "k" };
  sdk.services.open("search");
  for (const { service, pausedForMs } of sdk.services.list()) console.log(service, pausedForMs);
  // @ts-expect-error a jitter that there is not
  createPolicy({ retry: { jitter: "some" } });
  // @ts-expect-error a handle that promises
  createPolicy({ handle: async () => true });
  // @ts-expect-error a fallback that there is not
  await sdk.json("/a", {}, { fallback: "lastgood" });
  // @ts-expect-error a fallback of another type
  await sdk.json<string>("/a", {}, { fallback: () => 1 });
  // @ts-expect-error the fallback of a fetch is a response
  await sdk.fetch("/a", {}, { fallback: () => "text" });
  // @ts-expect-error hedges need a time
  createPolicy({ hedge: { max: 2 } });
  // @ts-expect-error what a function gives is what is given
  const wrong: string = await policy.execute(() => 1);
  return n + nested.a + answer.data.length + retryCount + Number(synced) + Number(reason) + Number(call) + Number(configured) + wrong.length;
}
`;

const inBrowser = `
import { applyFieldErrors } from "steadfast";
import { type BackgroundDrain, drainInBackground } from "steadfast/service-worker";
import { init, Steadfast as Slim } from "steadfast/slim";
export async function slim(): Promise<void> {
  await init(new URL("https://cdn.example/steadfast.wasm"));
  await Slim.open({ wasm: new ArrayBuffer(8) });
}
export function mark(form: HTMLFormElement, error: ApiError): HTMLElement | undefined {
  const { applied, unmatched, clear } = applyFieldErrors(form, error, { focus: false });
  for (const { path } of unmatched) console.log(path);
  clear();
  return applied[0]?.control;
}
export async function inBackground(registration: ServiceWorkerRegistration): Promise<number> {
  await Steadfast.open({ userId: "ada", backgroundSync: { registration } });
  const background: BackgroundDrain = drainInBackground({
    userId: async () => null,
    headers: ({ userId }) => ({ authorization: userId }),
    onEvent: (event) => void exhaustive(event),
  });
  // @ts-expect-error without a user there is no queue
  drainInBackground({});
  return (await background.drain())?.pending ?? 0;
}
// @ts-expect-error no element
applyFieldErrors("form", { fieldErrors: [] });
`;

/** The examples of a page, one after the other. */
const examples = (/** @type {string} */ page) =>
  [...readFileSync(resolve(import.meta.dirname, "../../docs", page), "utf8").matchAll(/^```ts\n(.*?)^```$/gms)]
    .map(([, example]) => example)
    .join("\n");

for (const [where, source, lib, types] of /** @type {const} */ ([
  ["with nothing but the DOM", consumer + queued + resilient + inBrowser, ["ES2022", "DOM"], []],
  ["in the examples of the page about the queue", examples("queue.md"), ["ES2022", "DOM"], []],
  ["in Node, without the DOM", consumer + queued + resilient, ["ES2022"], ["node"]],
]))
  test(`the published types stand alone, ${where}`, () => {
    const directory = mkdtempSync(join(tmpdir(), "steadfast-types-"));
    try {
      const installed = join(directory, "node_modules/steadfast");
      mkdirSync(installed, { recursive: true });
      const root = resolve(import.meta.dirname, "..");
      for (const published of ["package.json", "dist"])
        cpSync(join(root, published), join(installed, published), { recursive: true });
      writeFileSync(join(directory, "consumer.ts"), source);
      writeFileSync(
        join(directory, "tsconfig.json"),
        JSON.stringify({
          compilerOptions: {
            strict: true,
            noEmit: true,
            skipLibCheck: false,
            target: "ES2022",
            lib,
            module: "ESNext",
            moduleResolution: "bundler",
            types,
            typeRoots: [join(dirname(createRequire(import.meta.url).resolve("@types/node/package.json")), "..")],
          },
          files: ["consumer.ts"],
        }),
      );
      const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
      execFileSync(process.execPath, [compiler, "-p", directory], { encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      assert.fail(/** @type {{ stdout?: string }} */ (error).stdout ?? String(error));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
