// Where the time goes: Chromium's CPU profile of the main thread, by function and by file.
import { writeFileSync } from "node:fs";

/** @param {string} url */
function fileOf(url) {
  if (url.startsWith("wasm:") || url.endsWith(".wasm")) return "wasm";
  return url === "" ? "browser" : (url.split("/").at(-1) ?? url);
}

/**
 * Profiles some work, prints where most of it was spent, and keeps the profile for DevTools.
 *
 * @param {string} title
 * @param {import("playwright-core").CDPSession} debugging
 * @param {() => Promise<unknown>} work
 * @param {string} file
 */
export async function profile(title, debugging, work, file) {
  await debugging.send("Profiler.enable");
  await debugging.send("Profiler.setSamplingInterval", { interval: 100 });
  await debugging.send("Profiler.start");
  await work();
  const { profile } = await debugging.send("Profiler.stop");
  writeFileSync(file, JSON.stringify(profile));
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  /** @type {Map<string, number>} */
  const self = new Map();
  /** @type {Map<string, number>} */
  const total = new Map();
  /** @type {Map<string, number>} */
  const files = new Map();
  const add = (/** @type {Map<string, number>} */ sums, /** @type {string} */ name, /** @type {number} */ time) =>
    sums.set(name, (sums.get(name) ?? 0) + time);
  let all = 0;
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const time = (profile.timeDeltas?.[index] ?? 0) / 1000;
    all += time;
    const frame = nodes.get(id)?.callFrame;
    if (!frame) continue;
    const name = (/** @type {typeof frame} */ { functionName, url }) =>
      `${functionName.replaceAll(/\[[0-9a-f]{16}\]|_[0-9a-f]{16}/g, "").slice(0, 150) || "(anonymous)"}  [${fileOf(url)}]`;
    add(self, name(frame), time);
    add(files, frame.functionName.startsWith("(") ? frame.functionName : fileOf(frame.url), time);
    const seen = new Set();
    for (let at = /** @type {number | undefined} */ (id); at !== undefined; at = parents.get(at)) {
      const above = nodes.get(at)?.callFrame;
      if (!above || seen.has(name(above))) continue;
      seen.add(name(above));
      add(total, name(above), time);
    }
  }
  const top = (/** @type {Map<string, number>} */ sums, /** @type {number} */ count) =>
    [...sums].toSorted(([, one], [, other]) => other - one).slice(0, count);
  console.log(`\n${title}: ${all.toFixed(0)} ms in the profile`);
  console.log(
    `  by file: ${top(files, 9)
      .map(([name, time]) => `${name} ${time.toFixed(1)}`)
      .join(", ")}`,
  );
  for (const [heading, sums, count] of /** @type {const} */ ([
    ["self", self, 25],
    ["with what it calls", total, 25],
  ])) {
    console.log(`  ${heading}, ms`);
    for (const [name, time] of top(sums, count)) console.log(`  ${time.toFixed(1).padStart(9)}  ${name}`);
  }
}
