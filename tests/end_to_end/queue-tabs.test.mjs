// Several tabs of one user, and the one that drains closes, crashes or stands still: another takes over.
import assert from "node:assert/strict";
import { test } from "node:test";
import { all, assertDelivered, idsOf, keysOf, newTab, surroundings, until } from "./queue.mjs";

/** @typedef {import("./queue.mjs").Tab} Tab */

/** How many actions are drained. */
const actions = Number(process.env["STEADFAST_ACTIONS"] ?? 2000);
const KEYS = keysOf("draft", 20);
const numbers = Math.ceil(actions / KEYS.length);
/**
 * After so many milliseconds at the latest another tab sends. One that stands still is given some time to say so; and if it does so in
 * the middle of a transaction, Chromium ends that only after a minute, in which no tab gets at the database.
 */
const TAKEN_OVER = { closed: 15_000, crashed: 15_000, frozen: 15_000, stopped: 120_000 };

const { backend, browser } = await surroundings({
  // Else a new tab may be given a process that was there before, and which is its own cannot be told.
  flags: ["--disable-features=SpareRendererForSitePerProcess"],
  hides: true,
});

/** Ways to end a tab, or to make it stand still; each gives what makes it go on, if it can. */
const ends = {
  /** @param {Tab} tab */
  async closed(tab) {
    await tab.page.close();
  },
  /** @param {Tab} tab */
  async crashed(tab) {
    const crashed = tab.page.waitForEvent("crash");
    const protocol = await browser.protocol(tab.page);
    // It is not answered.
    protocol.send("Page.crash").catch(() => {});
    await crashed;
  },
  /** As a browser does with a tab that was in the background for long. @param {Tab} tab @param {Tab[]} others */
  async frozen(tab, [other]) {
    await other?.page.bringToFront();
    const protocol = await browser.protocol(tab.page);
    await protocol.send("Page.setWebLifecycleState", { state: "frozen" });
    return () => protocol.send("Page.setWebLifecycleState", { state: "active" });
  },
  /**
   * Without a word, as a device does with a tab behind others that runs out of memory. Not the one in front: where that stands still
   * in the middle of a transaction, Chromium lets those behind it wait for as long as it takes, since they are less urgent.
   *
   * @param {Tab} tab @param {Tab[]} others
   */
  async stopped(tab, [other]) {
    await other?.page.bringToFront();
    const renderer = renderers.get(tab);
    assert.ok(renderer, "the tab has no renderer of its own");
    process.kill(renderer, "SIGSTOP");
    return () => process.kill(renderer, "SIGCONT");
  },
};

/** Which process renders a tab. @type {WeakMap<Tab, number>} */
const renderers = new WeakMap();

/** @param {string} user */
async function open(user) {
  const known = new Set(await browser.renderers());
  const tab = await (await newTab(browser, backend.origin, user)).load({ options: { sync: { maxActions: 50 } } });
  const [renderer] = (await browser.renderers()).filter((id) => !known.has(id));
  if (renderer) renderers.set(tab, renderer);
  return tab;
}

/** Which of the tabs has sent something last, if that was since. @param {Tab[]} tabs @param {number} moment */
function sender(tabs, moment) {
  const lastOf = (/** @type {Tab} */ { sent }) => sent.at(-1) ?? 0;
  const [last] = tabs.filter((tab) => lastOf(tab) > moment).sort((one, other) => lastOf(other) - lastOf(one));
  return last ?? false;
}

for (const count of [2, 5]) {
  for (const [how, end] of /** @type {[keyof typeof ends, (tab: Tab, others: Tab[]) => Promise<void | (() => unknown)>][]} */ (
    Object.entries(ends)
  )) {
    // To find out about one that has said nothing takes a while, each time, and as long for two as for five.
    if (how === "stopped" && count > 2 && actions < 10_000) continue;
    test(`of ${count} tabs, the one that drains is ${how} in the middle: another takes over`, async (test) => {
      const user = `${how}-${count}`;
      const tabs = [];
      for (let index = 0; index < count; index++) tabs.push(await open(user));
      const [first] = tabs;
      assert.ok(first);
      // All of it is there before anything goes.
      await backend.setFault({ kind: "drop" });
      await first.work("enqueueTogether", { keys: KEYS, from: 1, to: numbers });
      const received = (await first.collected("receipts")).map(({ id }) => id);
      assert.equal(received.length, KEYS.length * numbers);
      await backend.setFault({ kind: "latency", latencyMs: 30 });

      const began = Date.now();
      // Each resolves when its drain is over, if its tab sees that.
      for (const tab of tabs) tab.sync().catch(() => {});
      /** @type {(() => unknown)[]} */
      const revivals = [];
      try {
        // As long as there are others: each that drains goes, until two are left of which one drains to the end.
        const rest = [...tabs];
        for (let turn = 1; rest.length > 1 && turn <= 3; turn++) {
          const share = (turn * received.length) / 5;
          const draining = await until(
            "it drains",
            async () => (await backend.appliedActions(user)).length >= share && sender(rest, began),
          );
          rest.splice(rest.indexOf(draining), 1);
          const revive = await end(draining, rest);
          if (revive) revivals.push(revive);
          const stood = Date.now();
          const successor = await until("another takes over", () => sender(rest, stood), {
            limit: TAKEN_OVER[how],
            seen: () => Promise.all(rest.map((tab) => tab.state())),
          });
          test.diagnostic(`taken over after ${(successor.sent.find((moment) => moment > stood) ?? 0) - stood} ms`);
        }
        for (const tab of rest) await tab.drained(120_000);
        test.diagnostic(`${received.length} drained in ${Date.now() - began} ms`);
        assertDelivered(await backend.appliedActions(user), { received, begun: all(KEYS, numbers) });
      } finally {
        await backend.setFault(null);
        for (const revive of revivals) await revive();
      }
      assert.deepEqual(new Set(received), new Set(idsOf(KEYS, 1, numbers)));
      if (revivals.length > 0) {
        // Whoever stood still goes on where the others are by now.
        for (const tab of tabs) await tab.drained();
        assertDelivered(await backend.appliedActions(user), { received, begun: all(KEYS, numbers) });
      }
      // Some are gone already.
      await Promise.all(tabs.map((tab) => tab.page.close().catch(() => {})));
    });
  }
}
