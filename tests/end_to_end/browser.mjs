// A real Chromium with a profile of its own, as a process group that can be killed and started again.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const candidates = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const executable = candidates.find((path) => path && existsSync(path)) ?? "chromium";
const flags = [
  "--headless=new",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--no-first-run",
  "--remote-debugging-port=0",
  // Chromium's sandbox refuses to run as root, as containers do.
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
];

export class Browser {
  #profile = mkdtempSync(join(tmpdir(), "steadfast-profile-"));
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  /** @type {import("playwright-core").Browser | undefined} */
  #connection;

  /**
   * @param {{ flags?: string[], hides?: boolean }} [options] `hides`: tabs behind another one know that they are not seen, as they do
   *   where nobody drives them
   */
  constructor({ flags: more = [], hides = false } = {}) {
    this.flags = [...flags, ...more];
    this.hides = hides;
  }

  async start() {
    const started = spawn(executable, [...this.flags, `--user-data-dir=${this.#profile}`, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe"],
      // A group of its own, so that a kill reaches the renderers too.
      detached: true,
    });
    this.#process = started;
    const lines = createInterface({ input: /** @type {import("node:stream").Readable} */ (started.stderr) });
    const endpoint = await new Promise((resolve, reject) => {
      started.once("exit", (code) => reject(new Error(`Chromium ended with ${code}`)));
      // Read on after that too: a full pipe would stop the browser.
      lines.on("line", (line) => {
        const listening = /DevTools listening on (ws:\S+)/.exec(line);
        if (listening) resolve(listening[1]);
      });
    });
    this.#connection = await chromium.connectOverCDP(endpoint, { noDefaults: this.hides });
    return this;
  }

  /** A new tab, with what it logs and what goes wrong in it. */
  async newPage() {
    const [context] = this.#connection?.contexts() ?? [];
    if (!context) throw new Error("the browser is not running");
    const page = await context.newPage();
    /** @type {string[]} */
    const messages = [];
    page.on("console", (message) => messages.push(message.text()));
    page.on("pageerror", (error) => messages.push(`uncaught: ${error.message}`));
    return { page, messages };
  }

  /** The DevTools protocol of a page. @param {import("playwright-core").Page} page */
  protocol(page) {
    return page.context().newCDPSession(page);
  }

  /** The process ids of its renderers. */
  async renderers() {
    const session = await this.#connection?.newBrowserCDPSession();
    const { processInfo } = (await session?.send("SystemInfo.getProcessInfo")) ?? { processInfo: [] };
    await session?.detach();
    return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  }

  /** Ends all of its processes where they stand. */
  async kill() {
    const killed = this.#process;
    if (!killed?.pid || killed.exitCode !== null || killed.signalCode !== null) return;
    const ended = once(killed, "exit");
    process.kill(-killed.pid, "SIGKILL");
    await ended;
    await this.#connection?.close().catch(() => {});
  }

  async [Symbol.asyncDispose]() {
    await this.kill();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
