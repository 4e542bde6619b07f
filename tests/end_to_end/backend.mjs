// The real backend, as a process that can be killed and started again on the same port and database.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const root = resolve(import.meta.dirname, "../..");

export class Backend {
  #directory = mkdtempSync(join(tmpdir(), "steadfast-backend-"));
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  #port = "0";
  origin = "";

  /** @param {{ site?: string, flags?: string[] }} [options] */
  constructor({ site = join(root, "www/dist"), flags = ["--faults"] } = {}) {
    this.parameters = ["--site", site, "--database", join(this.#directory, "backend.sqlite"), ...flags];
  }

  async start() {
    const binary = process.env.STEADFAST_BACKEND ?? join(root, "target/debug/steadfast-backend");
    const started = spawn(binary, ["--port", this.#port, ...this.parameters], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, RUST_LOG: "error" },
    });
    this.#process = started;
    for await (const line of createInterface({ input: /** @type {import("node:stream").Readable} */ (started.stdout) })) {
      const address = /listening on (http:\S+:(\d+))/.exec(line);
      if (address) {
        [, this.origin, this.#port] = address;
        return this;
      }
    }
    throw new Error(`the backend ended with ${started.exitCode} before it listened`);
  }

  /** Ends it where it stands. */
  async kill() {
    const killed = this.#process;
    if (!killed || killed.exitCode !== null || killed.signalCode !== null) return;
    const ended = once(killed, "exit");
    killed.kill("SIGKILL");
    await ended;
  }

  async [Symbol.asyncDispose]() {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** All of a user's, in the order in which they were applied. @param {string} user */
  async appliedActions(user) {
    /** @type {{ position: number, id: string, type: string, key: string | null }[]} */
    const all = [];
    for (;;) {
      const response = await fetch(`${this.origin}/api/applied-actions?limit=1000&after=${all.at(-1)?.position ?? 0}`, {
        headers: { authorization: `Bearer demo.${user}` },
      });
      if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
      const { actions } = JSON.parse(await response.text());
      all.push(...actions);
      if (actions.length < 1000) return all;
    }
  }

  /** What is known of a user's files. @param {string} user */
  async files(user) {
    const response = await fetch(`${this.origin}/api/files`, { headers: { authorization: `Bearer demo.${user}` } });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    /** @type {{ files: { fileId: string, name: string | null, type: string, caption: string | null, bytes: number, sha256: string, version: number }[] }} */
    const { files } = JSON.parse(await response.text());
    return files;
  }

  /** @param {{ kind: string, [setting: string]: unknown } | null} fault */
  async setFault(fault) {
    const response = await fetch(`${this.origin}/api/faults`, {
      method: fault ? "PUT" : "DELETE",
      ...(fault && { body: JSON.stringify(fault), headers: { "content-type": "application/json" } }),
    });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  }
}
