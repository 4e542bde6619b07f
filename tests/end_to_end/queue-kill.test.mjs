// The whole browser is killed at random moments while it enqueues and drains: what has a receipt is applied once and in order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Backend } from "./backend.mjs";
import { Browser } from "./browser.mjs";
import { assertDelivered, buildSite, keysOf, newTab, random, until } from "./queue.mjs";

/** How often the browser is killed. */
const rounds = Number(process.env["STEADFAST_ROUNDS"] ?? 5);
const seed = Number(process.env["STEADFAST_SEED"] ?? Date.now() % 1_000_000);
/** How many actions of each key a page tries to enqueue. */
const NUMBERS = 15;
const KEYS = keysOf("draft", 4);

test(`a browser that is killed ${rounds} times in the middle of a drain loses and repeats nothing (seed ${seed})`, async (test) => {
  const { site, remove } = await buildSite();
  const backend = new Backend({ site });
  const browser = new Browser();
  test.after(async () => {
    await browser[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    remove();
  });
  await backend.start();
  // A drain that takes its time has more moments to be killed at.
  await backend.setFault({ kind: "latency", latencyMs: 20 });
  const unit = random(seed);
  /** @type {string[]} */
  let received = [];
  /** Receipts that promise less than they should. @type {string[]} */
  const lesser = [];
  /** @type {Record<string, number>} */
  const begun = {};
  let killedWithWork = 0;
  let forgotten = 0;
  /**
   * Chromium itself now and then starts with empty storage after such an end, localStorage and databases of any origin alike. What
   * was in it nobody can bring back.
   * @param {import("./queue.mjs").Tab} tab
   */
  const forgive = async (tab) => {
    if ((await tab.work("witness")) || received.length === 0) return;
    forgotten++;
    const applied = new Set((await backend.appliedActions("ada")).map(({ id }) => id));
    received = received.filter((id) => applied.has(id));
  };

  for (let round = 1; round <= rounds; round++) {
    await browser.start();
    const tab = await newTab(browser, backend.origin, "ada");
    await tab.page.exposeFunction("tell", (/** @type {{ id: string, durability: string }} */ { id, durability }) => {
      received.push(id);
      if (durability !== "indexedDb") lesser.push(`${id}: ${durability} in round ${round}`);
    });
    await tab.load({ options: { sync: { maxActions: 5 } } });
    await forgive(tab);
    const from = (round - 1) * NUMBERS + 1;
    const to = round * NUMBERS;
    for (const key of KEYS) begun[key] = to;
    // It ends with the browser at the latest.
    const enqueued = tab.work("enqueue", { keys: KEYS, from, to }).catch(() => {});
    // After so many receipts of this round and so many batches, and a moment later.
    const [receipts, batches, moment] = [Math.floor(unit() * NUMBERS * KEYS.length), Math.floor(unit() * 6), unit() * 40];
    const before = received.length;
    await until("there is something to be killed in", () => received.length - before >= receipts && tab.sent.length >= batches, {
      seen: () => tab.state(),
    });
    await setTimeout(moment);
    const applied = (await backend.appliedActions("ada")).length;
    if (applied < received.length) killedWithWork++;
    await browser.kill();
    await enqueued;
  }

  await browser.start();
  const tab = await (await newTab(browser, backend.origin, "ada")).load();
  await forgive(tab);
  await tab.drained();
  assert.deepEqual(lesser.slice(0, 10), [], `${lesser.length} receipts`);
  const applied = await backend.appliedActions("ada");
  assertDelivered(applied, { received, begun });
  assert.ok(forgotten <= 1 + rounds / 10, `the browser has forgotten everything ${forgotten} times`);
  test.diagnostic(
    `${received.length} receipts, ${applied.length} applied, killed with work left in ${killedWithWork} of ${rounds}; forgotten by the browser ${forgotten} times`,
  );
});
