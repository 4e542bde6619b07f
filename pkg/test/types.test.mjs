// The published types stand alone: in an application that checks its libraries too, with nothing but the DOM.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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

const inBrowser = `
import { applyFieldErrors } from "steadfast";
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
// @ts-expect-error no element
applyFieldErrors("form", { fieldErrors: [] });
`;

for (const [where, source, lib, types] of /** @type {const} */ ([
  ["with nothing but the DOM", consumer + inBrowser, ["ES2022", "DOM"], []],
  ["in Node, without the DOM", consumer, ["ES2022"], ["node"]],
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
