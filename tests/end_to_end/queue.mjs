// The page of the tests of the queue, and what they check in the backend's books.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { setTimeout } from "node:timers/promises";
import { build } from "esbuild";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {typeof import("./queue-page.mjs")} _ */

/** Builds the page. @returns the directory, and what deletes it */
export async function buildSite() {
  const site = mkdtempSync(join(tmpdir(), "steadfast-queue-"));
  writeFileSync(
    join(site, "index.html"),
    '<!doctype html><meta charset="utf-8"><title>Queue</title><link rel="icon" href="data:,"><script src="page.js"></script>',
  );
  writeFileSync(
    join(site, "empty.html"),
    '<!doctype html><meta charset="utf-8"><title>Empty</title><link rel="icon" href="data:,">',
  );
  await build({
    entryPoints: [join(import.meta.dirname, "queue-page.mjs")],
    bundle: true,
    format: "iife",
    target: "es2022",
    outfile: join(site, "page.js"),
  });
  return { site, remove: () => rmSync(site, { recursive: true, force: true }) };
}

/**
 * A backend with that page and a Chromium, for all tests of a file: started before the first, gone after the last.
 * @param {ConstructorParameters<typeof Browser>[0]} [options] of the browser
 */
export async function surroundings(options) {
  const { site, remove } = await buildSite();
  const [backend, browser] = [new Backend({ site }), new Browser(options)];
  before(async () => {
    await Promise.all([backend.start(), browser.start()]);
  });
  after(async () => {
    await browser[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    remove();
  });
  return { backend, browser };
}

/**
 * Waits until something is so; fails with what was seen last when that takes too long.
 * @template T
 * @param {string} what
 * @param {() => Promise<T | false> | T | false} condition `false` if it is not so yet
 * @param {{ limit?: number, seen?: () => unknown }} [options]
 * @returns {Promise<T>}
 */
export async function until(what, condition, { limit = 60_000, seen } = {}) {
  for (const deadline = Date.now() + limit; ;) {
    const met = await condition();
    if (met !== false) return met;
    if (Date.now() > deadline) {
      assert.fail(`not within ${limit} ms: ${what}${seen ? `; seen: ${JSON.stringify(await seen())}` : ""}`);
    }
    await setTimeout(25);
  }
}

/**
 * Checks the books: each action that has a receipt was applied, none twice, each key's in order, and nothing that nobody asked for.
 * @param {{ id: string, key: string | null }[]} applied in order
 * @param {{ received: Iterable<string>, begun: Record<string, number> }} expected the ids that have receipts, and by key the last
 *   number that was begun: it may be there without a receipt
 */
export function assertDelivered(applied, { received, begun }) {
  const ids = new Set(applied.map(({ id }) => id));
  /** @type {Record<string, number>} */
  const last = {};
  const wrong = [];
  if (ids.size < applied.length) wrong.push(`${applied.length - ids.size} were applied twice`);
  for (const { id, key } of applied) {
    const [named = "", number = ""] = id.split(":");
    if (named !== key || !(Number(number) <= (begun[named] ?? 0))) wrong.push(`${id} is foreign`);
    if (Number(number) <= (last[named] ?? 0)) wrong.push(`${id} came after ${named}:${last[named]}`);
    last[named] = Number(number);
  }
  for (const id of received) if (!ids.has(id)) wrong.push(`${id} is lost`);
  assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} are wrong`);
}

/** The keys `a1`, `a2`, … @param {string} prefix @param {number} count */
export function keysOf(prefix, count) {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}

/** By key the same number. @param {string[]} keys @param {number} number */
export function all(keys, number) {
  return Object.fromEntries(keys.map((key) => [key, number]));
}

/** All ids of those keys. @param {string[]} keys @param {number} from @param {number} to */
export function idsOf(keys, from, to) {
  return keys.flatMap((key) => Array.from({ length: to - from + 1 }, (_, index) => `${key}:${from + index}`));
}

/** Random numbers from 0 to 1, the same ones for the same seed (mulberry32). @param {number} seed */
export function random(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A tab with the page in it. */
export class Tab {
  /** When it has sent batches, in milliseconds. @type {number[]} */
  sent = [];

  /** @param {Page} page @param {string[]} messages @param {string} origin @param {string} user */
  constructor(page, messages, origin, user) {
    this.page = page;
    this.messages = messages;
    this.origin = origin;
    this.user = user;
    page.on("request", (request) => {
      if (request.url().endsWith("/api/sync/queue-actions")) this.sent.push(Date.now());
    });
  }

  /**
   * Loads the page anew and opens the SDK.
   * @param {{ faults?: string, options?: import("steadfast").SteadfastOptions }} [how]
   */
  async load({ faults = "", options = {} } = {}) {
    await this.page.goto(`${this.origin}/${faults && `?${faults}`}`);
    await this.page.evaluate(({ user, options }) => /** @type {any} */ (globalThis).work.open(user, options), {
      user: this.user,
      options,
    });
    return this;
  }

  /**
   * Calls a function of the page's.
   * @param {string} name @param {unknown} [parameter] @returns {Promise<any>}
   */
  work(name, parameter) {
    return this.page.evaluate(({ name, parameter }) => /** @type {any} */ (globalThis).work[name](parameter), {
      name,
      parameter,
    });
  }

  /** What it has collected. @param {"receipts" | "failures" | "events"} name @returns {Promise<any[]>} */
  collected(name) {
    return this.page.evaluate((name) => /** @type {any} */ (globalThis).work[name], name);
  }

  /** Waits until nothing waits. @param {number} [limit] */
  async drained(limit) {
    await until("nothing waits", async () => (await this.work("pending")) === 0, {
      ...(limit && { limit }),
      seen: () => this.state(),
    });
  }

  /** Asks for a sync, as a user would who does not want to wait. */
  sync() {
    return this.page.evaluate(() => /** @type {any} */ (globalThis).sdk.queue.sync());
  }

  async state() {
    const snapshot = await this.page.evaluate(() => /** @type {any} */ (globalThis).sdk.queue.snapshot());
    return { snapshot, events: (await this.collected("events")).slice(-5), messages: this.messages };
  }
}

/** A new tab, not loaded yet. @param {import("./browser.mjs").Browser} browser @param {string} origin @param {string} user */
export async function newTab(browser, origin, user) {
  const { page, messages } = await browser.newPage();
  return new Tab(page, messages, origin, user);
}
