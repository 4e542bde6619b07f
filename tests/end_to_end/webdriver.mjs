// Firefox and WebKit, through their drivers (WebDriver), each with a profile of its own as far as they have any.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** Where a program is, if it is here. @param {string} name */
function found(name) {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
}

/** WebKit's small browser, where distributions put it. */
function miniBrowser() {
  for (const directory of ["/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/libexec"]) {
    const versions = existsSync(directory) ? readdirSync(directory).filter((name) => name.startsWith("webkit2gtk-4")) : [];
    const path = versions
      .sort()
      .map((version) => join(directory, version, "MiniBrowser"))
      .findLast((path) => existsSync(path));
    if (path) return path;
  }
  return undefined;
}

/** A port that is free. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

/** How a browser is driven: the command, and what it is asked for. @typedef {{ command: string[], capabilities: object }} Driving */

/** What is here to be driven, by name; `undefined` where something is missing. */
export const engines = {
  /** @param {string} profile @param {Record<string, unknown>} [preferences] @returns {Driving | undefined} */
  firefox(profile, preferences) {
    const [driver, binary] = [found("geckodriver"), found("firefox") ?? found("firefox-esr")];
    if (!driver || !binary) return undefined;
    // Into a profile that it has not made itself, the driver puts none.
    const lines = Object.entries(preferences ?? {}).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
    if (lines.length > 0) writeFileSync(join(profile, "user.js"), lines.join(""));
    const options = { binary, args: ["-headless", "-profile", profile] };
    return { command: [driver, "--port"], capabilities: { "moz:firefoxOptions": options } };
  },
  /** Keeps nothing beyond a session. @returns {Driving | undefined} */
  webkit() {
    const [driver, screen, binary] = [found("WebKitWebDriver"), found("xvfb-run"), miniBrowser()];
    if (!driver || !screen || !binary) return undefined;
    const options = { binary, args: ["--automation"] };
    return { command: [screen, "-a", driver, "--port"], capabilities: { "webkitgtk:browserOptions": options } };
  },
};

/** A browser with one tab, that can be killed and started again. */
export class DrivenBrowser {
  #profile = mkdtempSync(join(tmpdir(), "steadfast-driven-"));
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  #session = "";

  /** @param {keyof typeof engines} engine @param {Record<string, unknown>} [preferences] of Firefox */
  constructor(engine, preferences) {
    this.driving = engines[engine](this.#profile, preferences);
  }

  async start() {
    if (!this.driving) throw new Error("there is no such browser here");
    const [program = "", ...parameters] = this.driving.command;
    const port = await freePort();
    // WebKit's driver takes no space there, and the other either.
    const started = spawn(program, [...parameters.slice(0, -1), `${parameters.at(-1)}=${port}`], {
      stdio: "ignore",
      env: { ...process.env, WEBKIT_DISABLE_COMPOSITING_MODE: "1" },
      // A group of its own, so that a kill reaches the browser too.
      detached: true,
    });
    this.#process = started;
    const root = `http://127.0.0.1:${port}`;
    for (const deadline = Date.now() + 30_000; ;) {
      const status = await fetch(`${root}/status`).catch(() => undefined);
      if (status?.ok) break;
      if (Date.now() > deadline || started.exitCode !== null) throw new Error(`${program} does not answer`);
      await setTimeout(50);
    }
    this.#session = root;
    const capabilities = { alwaysMatch: this.driving.capabilities };
    const { sessionId } = await this.#ask("POST", "/session", { capabilities });
    this.#session = `${root}/session/${sessionId}`;
    await this.#ask("POST", "/timeouts", { script: 120_000, pageLoad: 60_000 });
    return this;
  }

  /** @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
  async #ask(method, path, body) {
    const response = await fetch(`${this.#session}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const { value } = JSON.parse(await response.text());
    if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
    return value;
  }

  /** @param {string} url */
  goto(url) {
    return this.#ask("POST", "/url", { url });
  }

  /** Calls a function of the page's `work`, or gives what it has collected. @param {string} name @param {unknown[]} parameters */
  async work(name, ...parameters) {
    const script = `
      const [name, parameters, done] = arguments;
      const member = globalThis.work[name];
      Promise.resolve(typeof member === "function" ? member(...parameters) : member)
        .then((value) => done({ value }), (error) => done({ error: String(error) }));`;
    const { value, error } = await this.#ask("POST", "/execute/async", { script, args: [name, parameters] });
    if (error) throw new Error(error);
    return value;
  }

  /** Ends all of its processes where they stand. */
  async kill() {
    const killed = this.#process;
    if (!killed?.pid || killed.exitCode !== null || killed.signalCode !== null) return;
    const ended = once(killed, "exit");
    process.kill(-killed.pid, "SIGKILL");
    await ended;
  }

  async [Symbol.asyncDispose]() {
    await this.kill();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
