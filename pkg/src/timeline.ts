import type { SteadfastEvent } from "./events.js";

/** One metric of a `Server-Timing` header. */
export interface ServerTiming {
  readonly name: string;
  /** Milliseconds; 0 if the server gave none. */
  readonly duration: number;
  readonly description: string;
}

/** The most metrics that are read of a response. */
const MOST_METRICS = 100;

/**
 * @internal What a `Server-Timing` header says (W3C Server Timing, §"The Server-Timing header field"). Several headers are one,
 * with commas. Of a parameter that stands there twice the first counts; what makes no sense is left out.
 */
export function parseServerTiming(value: string | null | undefined): ServerTiming[] {
  const metrics: ServerTiming[] = [];
  for (const entry of split(value ?? "", ",")) {
    const [name = "", ...parameters] = split(entry, ";");
    if (!isToken(name.trim())) continue;
    const known = new Map<string, string>();
    for (const parameter of parameters) {
      const equals = parameter.indexOf("=");
      const key = (equals < 0 ? parameter : parameter.slice(0, equals)).trim().toLowerCase();
      if (isToken(key) && !known.has(key)) known.set(key, equals < 0 ? "" : unquoted(parameter.slice(equals + 1).trim()));
    }
    const duration = Number.parseFloat(known.get("dur") ?? "");
    metrics.push({
      name: name.trim(),
      duration: Number.isFinite(duration) ? duration : 0,
      description: known.get("desc") ?? "",
    });
    if (metrics.length === MOST_METRICS) break;
  }
  return metrics;
}

/** The parts between separators, of which those in quotes are none. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') isQuoted = !isQuoted;
    else if (character === "\\" && isQuoted) at += 1;
    else if (character === separator && !isQuoted) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** RFC 9110 §5.6.2. */
function isToken(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/.test(text);
}

/** The value of a quoted string (RFC 9110 §5.6.4), which may lack its end; a token as it is, up to what cannot be one. */
function unquoted(text: string): string {
  if (!text.startsWith('"')) return /^[^\s"]*/.exec(text)?.[0] ?? "";
  let value = "";
  for (let at = 1; at < text.length && text[at] !== '"'; at += 1) {
    if (text[at] === "\\") at += 1;
    value += text[at] ?? "";
  }
  return value;
}

/** What is known of a call when it is over. */
export interface CallFacts {
  readonly method: string;
  /** Of the URL only host and path are shown: what else is in it may be a secret. */
  readonly url: string;
  /** The status of the response, if there was one. */
  readonly status?: number | null | undefined;
  /** The code of the error, if there was one. */
  readonly code?: string | null | undefined;
  /** How often it was sent, if that is known. */
  readonly attempts?: number | undefined;
  readonly correlationId?: string | null | undefined;
  /** The response's headers: `Server-Timing`, and the correlation id if there is no other. */
  readonly headers?: Headers | undefined;
}

/** The part of `performance` that a timeline needs. */
export type Stage = Pick<Performance, "now" | "mark" | "measure" | "clearMarks" | "clearMeasures">;

type Detail = Record<string, unknown>;
type Kind = "measure" | "mark";
/** The colours of DevTools that mean something to us. */
type Color = "primary" | "secondary" | "warning" | "error";

/** Other events that are a moment worth a mark, and how bad each is. */
const MARKED: { readonly [Type in SteadfastEvent["type"]]?: Color } = {
  batchFailed: "error",
  batchSplit: "warning",
  connectivityChanged: "secondary",
  credentialsRefreshed: "secondary",
  fallbackUsed: "warning",
  hedgeSent: "secondary",
  storeFailed: "error",
  warning: "warning",
};

/** No wait is drawn longer than this: a server may ask for years, and nothing else would be seen. */
const LONGEST_WAIT = 60 * 60 * 1000;

/**
 * @internal Calls, waits and turning points on the performance timeline, where DevTools show them on tracks of their own
 * (https://developer.chrome.com/docs/devtools/performance/extension) and a `PerformanceObserver` hears of them. It keeps no more
 * than the last so many of its entries in the page's buffer, and never lets a call fail.
 */
export class Timeline {
  readonly #stage: Stage;
  readonly #most: number;
  /** The entries that are in the buffer, the oldest first. */
  #entries: { readonly kind: Kind; readonly name: string }[] = [];
  #syncStarted: number | null = null;

  private constructor(stage: Stage, most: number) {
    this.#stage = stage;
    this.#most = most;
  }

  /** `null` if nobody asked for it, or there is no timeline here. */
  static open(isWanted: boolean, stage: Partial<Stage> | undefined = globalThis.performance, most = 500): Timeline | null {
    const names = ["now", "mark", "measure", "clearMarks", "clearMeasures"] as const;
    if (!isWanted || !names.every((name) => typeof stage?.[name] === "function")) return null;
    return new Timeline(stage as Stage, most);
  }

  /** What the timeline's clock shows: the `start` of a call that begins now. */
  now(): number {
    return this.#stage.now();
  }

  /** A call is over, its waits included. `start` and `end` are what {@link now} said. */
  call(start: number, end: number, facts: CallFacts): void {
    const { headers, url, status, code, ...rest } = facts;
    const serverTiming = parseServerTiming(headers?.get("server-timing"));
    const correlationId = facts.correlationId ?? headers?.get("x-correlation-id") ?? undefined;
    const known = { ...rest, correlationId, status, code, url: withoutSecrets(url) };
    const more = serverTiming.length > 0 ? { serverTiming } : {};
    const rows = serverTiming.map(({ name, duration, description }): [string, unknown] => [
      `server: ${name}`,
      [description, duration > 0 ? `${duration} ms` : ""].filter(Boolean).join(", "),
    ]);
    this.#measure(
      nameOf(facts.method, url),
      start,
      end,
      "Calls",
      code == null ? "primary" : "error",
      { ...given(known), ...more },
      rows,
    );
  }

  /** Something happened, just now. */
  event(event: SteadfastEvent): void {
    const now = this.now();
    switch (event.type) {
      case "retryScheduled": {
        const { correlationId, attempt, afterMs, because, error } = event;
        const name = error.request ? `${error.request.method} ${pathOf(error.request.url)}` : "a call";
        const detail = given({ correlationId, attempt, because, code: error.code, status: error.status });
        return this.#wait(`wait, ${name}`, now, afterMs, detail);
      }
      case "callWaits":
        return this.#wait(`turn, ${event.service}`, now, event.waitMs, scalars(event));
      case "servicePaused":
        return this.#wait(`paused, ${event.service}`, now, event.forMs, scalars(event));
      case "circuitChanged": {
        const color = event.to === "closed" ? "secondary" : "error";
        return this.#mark(`steadfast: circuit ${event.to}, ${event.service}`, color, scalars(event));
      }
      case "syncStarted":
        this.#syncStarted = now;
        return;
      case "syncFinished": {
        const start = this.#syncStarted ?? now;
        this.#syncStarted = null;
        return this.#measure("steadfast: sync", start, now, "Queue", "secondary", scalars(event));
      }
      default: {
        const color = MARKED[event.type];
        if (color) this.#mark(`steadfast: ${event.type}`, color, scalars(event));
      }
    }
  }

  /** A wait as it is planned: that it was cut short is seen by the end of its call. */
  #wait(name: string, start: number, ms: number, detail: Detail): void {
    this.#measure(`steadfast: ${name}`, start, start + Math.min(ms, LONGEST_WAIT), "Waits", "warning", detail);
  }

  #measure(
    name: string,
    start: number,
    end: number,
    track: string,
    color: Color,
    detail: Detail,
    rows: [string, unknown][] = [],
  ): void {
    const properties = [...Object.entries(detail).filter(([, value]) => typeof value !== "object"), ...rows];
    const devtools = { dataType: "track-entry", track, trackGroup: "Steadfast", color, properties, tooltipText: name };
    this.#put("measure", name, () =>
      this.#stage.measure(name, { start, end: Math.max(start, end), detail: { ...detail, devtools } }),
    );
  }

  #mark(name: string, color: Color, detail: Detail): void {
    const devtools = { dataType: "marker", color, properties: Object.entries(detail), tooltipText: name };
    this.#put("mark", name, () => this.#stage.mark(name, { detail: { ...detail, devtools } }));
  }

  #put(kind: Kind, name: string, put: () => void): void {
    try {
      put();
      this.#entries.push({ kind, name });
      while (this.#entries.length > this.#most) this.#clearOldest();
    } catch {
      // A timeline that takes no entries is no reason for a call to fail.
    }
  }

  /** Entries are cleared by name: those of the same name go with the oldest. Observers have long heard of them. */
  #clearOldest(): void {
    const [oldest] = this.#entries;
    if (!oldest) return;
    this.#entries = this.#entries.filter(({ kind, name }) => kind !== oldest.kind || name !== oldest.name);
    if (oldest.kind === "measure") this.#stage.clearMeasures(oldest.name);
    else this.#stage.clearMarks(oldest.name);
  }

  /** Takes all its entries out of the page's buffer. */
  close(): void {
    while (this.#entries.length > 0) this.#clearOldest();
  }
}

const nameOf = (method: string, url: string) => `steadfast: ${method} ${pathOf(url)}`;

/** The path of a URL, whatever it is. */
function pathOf(url: string): string {
  return URL.canParse(url) ? new URL(url).pathname : (/^[^?#]*/.exec(url)?.[0] ?? "");
}

function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return pathOf(url);
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** What is known of it. */
function given(detail: Detail): Detail {
  return Object.fromEntries(Object.entries(detail).filter(([, value]) => value !== undefined && value !== null));
}

/** What an event says in plain values, and the code of its error. */
function scalars(event: SteadfastEvent): Detail {
  const { type: _, ...rest } = event as SteadfastEvent & { readonly error?: { readonly code?: string | null } };
  const plain = Object.entries(rest).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return given({ ...Object.fromEntries(plain), code: (rest as { code?: unknown }).code ?? rest.error?.code });
}
