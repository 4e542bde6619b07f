// Writes what the fuzzer starts from: the vectors, in the form in which each target reads its bytes, and a dictionary of the words
// that the readers look for, which are the strings in their sources.
//   node fuzz/seed.mjs [target...]
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const vectors = join(import.meta.dirname, "../tests/vectors");
const read = (...path) => readFileSync(join(vectors, ...path), "utf8");
const lines = (text) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** A response as fuzz/src/exchange.rs reads it. */
function exchange(status, headers, body, cut = false) {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`);
  return `${status}${cut ? " cut" : ""}\n${fields.join("")}\n${body}`;
}

const responses = [
  read("families.jsonl"),
  ...readdirSync(join(vectors, "specs"))
    .filter((name) => name.endsWith(".jsonl"))
    .map((name) => read("specs", name)),
]
  .flatMap(lines)
  .map(({ response }) => response);
const isJson = ({ body }) => ["{", "["].includes(body.trimStart()[0]);

/** Header values, and what bodies say of when to come back. */
function hints() {
  const { cases } = JSON.parse(read("rate_limit.json"));
  const resolved = cases.map(({ status, headers, body }) => {
    const { headers: inner = {}, rateLimit = {}, ...members } = body ?? {};
    const said = {
      after: members.afterMs && members.afterMs / 1000,
      until: members.until,
      timestamp: members.timestamp,
      limit: rateLimit.limit,
      remaining: rateLimit.remaining,
      reset: rateLimit.resetAt,
      ...inner,
    };
    const told = Object.entries(said).filter(([, value]) => value != null);
    return exchange(status, headers, told.map(([name, value]) => `${name}: ${value}\n`).join(""));
  });
  const values = ["retry_after.json", "timestamp.json"].flatMap((name) => JSON.parse(read(name)).cases);
  const single = values.map(({ value }) => exchange(503, { "Retry-After": value }, ""));
  const durations = ["6m0s", "1.5s", "120ms", "3.5s", "1h2m3.5s"];
  const others = durations.map((value) =>
    exchange(429, { "x-ratelimit-reset-tokens": value, date: "Mon, 01 Jun 2026 12:00:00 GMT" }, ""),
  );
  return [...resolved, ...single, ...others];
}

/** Answers to a batch of `action-0` to `action-2`, then what is on disk. */
function answers() {
  const statuses = ["applied", "duplicate", "rejected", "conflict", "retry", "perhaps"];
  const errors = responses.filter(isJson).slice(0, 60);
  const record = {
    nextSeq: 7,
    epoch: 3,
    counts: { pending: 2, conflicts: 1, dead: 0, bytes: 90 },
    batch: { key: "k", seqs: [0, 1, 2], failures: 4 },
    gate: { failures: 1, closed: { since: 1780315190000, until: 1780315290000, because: "serverHint" } },
  };
  const row = {
    schemaVersion: 1,
    id: "action-3",
    userId: "ada",
    seq: 3,
    key: "key-1",
    type: "save_draft",
    priority: "normal",
    timestamp: 1780315200000,
    data: { n: 1 },
    state: "pending",
    attempts: 0,
    notBefore: null,
    lastError: null,
    conflict: null,
  };
  const parts = [
    record,
    row,
    { ...row, schemaVersion: 2, data: "\\ud83d" },
    { ...row, state: "conflict", conflict: { conflictType: "x" } },
  ];
  const stored = parts.map((part) => JSON.stringify(part));
  return errors.map(({ body }, index) => {
    const entry = (id, status) => ({ id: `action-${id}`, status });
    const error = JSON.parse(body.trim().replace(/^[^{[]*/, "") || "null")?.error ?? {};
    const conflict = { conflictType: "version_mismatch", resolution: "manual_required", server: { title: "x" } };
    const results = [
      { ...entry(0, statuses[index % 6]), error, conflict },
      { ...entry(1, statuses[(index + 3) % 6]), error },
      { ...entry(2, "conflict"), conflict },
    ];
    return [JSON.stringify({ success: true, results }), ...stored.slice(0, index % 5)].join("\n---\n");
  });
}

/** What applications hand in. */
function options() {
  const retry = { maxAttempts: 3, baseDelayMs: 1000, multiplier: 2, maxDelayMs: 30000, attemptTimeoutMs: 5000, maxWaitMs: 60000 };
  const client = {
    baseUrl: "https://api.example.com",
    userId: "ada",
    sourceService: "web",
    database: "steadfast",
    development: true,
  };
  const sync = { path: "/api/sync/queue-actions", maxActions: 100, maxBytes: 262144, timeoutMs: 30000 };
  return [
    JSON.stringify({ ...client, probe: false, trustedOrigins: ["https://b.example"], retry, sync }),
    JSON.stringify({ ...retry, idempotencyKey: "order-7" }),
    JSON.stringify({ ...client, idempotencyKey: true }),
    JSON.stringify({ OUT_OF_STOCK: { category: "business", severity: "low", retryable: false }, OTHER: {} }),
    `${JSON.stringify({ type: "save_draft", key: "draft_1", priority: "high", id: "a-1" })}\n{"n":1.10000000000000000001}`,
  ];
}

function networkFailures() {
  const { messages, cases, defaults } = JSON.parse(read("network_failures.json"));
  const text = ({ name = "TypeError", message = "", cause = "" }, page, target) =>
    [name, message, cause ?? "", page, target].join("\n");
  const said = messages.map((entry) => text(entry, "https://app.example", "https://api.example.com/orders"));
  const met = cases.map(({ evidence }) => {
    const { rejection = {}, page, target } = { ...defaults, ...evidence };
    return text(rejection ?? {}, page ?? "", target ?? "");
  });
  return [...said, ...met];
}

const seeds = {
  error_response: () =>
    responses.flatMap(({ status, headers, body }) => [
      exchange(status, headers, body),
      exchange(status, headers, body.slice(0, (body.length * 2) / 3), true),
    ]),
  success: () => responses.map(({ headers, body }) => exchange(200, headers, body)),
  json: () => responses.filter(isJson).map(({ body }) => body),
  retry_hint: hints,
  sync_answer: answers,
  options,
  network_failure: networkFailures,
};

/** The sources whose strings a target's dictionary has. */
const sources = {
  error_response: ["error/parse", "policy/hint", "error/code.rs", "error/category.rs", "error/classify.rs"],
  success: ["error/parse", "policy/hint"],
  json: ["json"],
  retry_hint: ["policy/hint"],
  sync_answer: ["queue", "wire.rs", "policy/gate.rs", "error/parse/formats"],
  options: ["client/options.rs", "queue/draft.rs", "call"],
  network_failure: ["error/network"],
};

/** What no source has in one piece. */
const syntax = [
  '{"',
  '":"',
  '":',
  '","',
  '"}',
  "[{",
  "}]",
  "null",
  "true",
  "false",
  "NaN",
  "-Infinity",
  "1e999",
  "\\ud83d",
  "\n\n",
  "\n---\n",
];
const markup = [
  "<![CDATA[",
  "]]>",
  "</",
  "/>",
  "&#x41;",
  "data: ",
  "\n\ndata: ",
  "charset=utf-16",
  "charset=iso-8859-1",
  "%41",
  ")]}',",
  "500 cut\n",
];

function dictionary(target) {
  const files = sources[target].flatMap((name) => {
    const path = join(import.meta.dirname, "../src", name);
    if (name.endsWith(".rs")) return [path];
    const inside = readdirSync(path, { recursive: true }).filter((file) => file.endsWith(".rs") && !file.endsWith("tests.rs"));
    return inside.map((file) => join(path, file));
  });
  const found = new Set([...syntax, ...markup]);
  for (const file of files) {
    const [code] = readFileSync(file, "utf8").split("mod tests {");
    const literals = code.replace(/^ *\/\/.*$/gm, "").matchAll(/"((?:[^"\\\n]|\\.){1,40})"/g);
    for (const [, literal] of literals) {
      // An escape of Rust's that JSON does not have is no word that anyone sends.
      if (!/\\[^"\\nrt]/.test(literal)) found.add(JSON.parse(`"${literal.replaceAll("\t", "\\t")}"`));
    }
  }
  const escape = (byte) =>
    byte < 0x20 || byte > 0x7e || byte === 0x22 || byte === 0x5c
      ? `\\x${byte.toString(16).padStart(2, "0")}`
      : String.fromCharCode(byte);
  return [...found].map((word) => `"${[...Buffer.from(word)].map(escape).join("")}"\n`).join("");
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(seeds);
for (const target of wanted) {
  const directory = join(import.meta.dirname, "corpus", target);
  mkdirSync(directory, { recursive: true });
  const texts = seeds[target]();
  for (const text of texts) {
    // Named by its content, as libFuzzer names what it finds: writing a seed twice changes nothing.
    writeFileSync(join(directory, createHash("sha1").update(text).digest("hex")), text);
  }
  const words = dictionary(target);
  writeFileSync(`${directory}.dict`, words);
  console.log(`${target}: ${texts.length} seeds, ${words.split("\n").length - 1} words`);
}
