// What the queues are drained to: a backend that applies everything at once, in memory, as docs/sync-contract.md says, and serves
// the page. Each sample has an origin of its own, `row-7.localhost`, and with it a database, a process and books of its own.
import { createServer } from "node:http";

/**
 * @typedef {object} Books What a sample's origin has asked for.
 * @property {number} latencyMs How long each answer is held back.
 * @property {number} requests
 * @property {Set<string>} applied The ids of the actions.
 */

/** @param {Record<string, { type: string, content: string | Uint8Array }>} files */
export async function startServer(files) {
  /** @type {Map<string, Books>} */
  const origins = new Map();
  const server = createServer((request, response) => {
    const host = request.headers.host ?? "";
    if (request.method !== "POST") {
      const file = files[request.url ?? ""];
      response.writeHead(file ? 200 : 404, { "content-type": file?.type ?? "text/plain", "cache-control": "no-store" });
      response.end(file?.content);
      return;
    }
    /** @type {Buffer[]} */
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const books = origins.get(host);
      if (!books) return response.writeHead(404).end();
      books.requests++;
      const results = [];
      for (const { id } of JSON.parse(Buffer.concat(chunks).toString()).actions) {
        results.push({ id, status: books.applied.has(id) ? "duplicate" : "applied" });
        books.applied.add(id);
      }
      const answer = JSON.stringify({ success: true, results });
      const send = () => response.writeHead(200, { "content-type": "application/json" }).end(answer);
      if (books.latencyMs === 0) send();
      else setTimeout(send, books.latencyMs);
    });
  });
  // No connection is closed between two batches.
  server.keepAliveTimeout = 600_000;
  await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  let count = 0;
  return {
    /** A new origin, and its books. */
    origin() {
      const host = `row-${++count}.localhost:${port}`;
      /** @type {Books} */
      const books = { latencyMs: 0, requests: 0, applied: new Set() };
      origins.set(host, books);
      return { origin: `http://${host}`, books };
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
