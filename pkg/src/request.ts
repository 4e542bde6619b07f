import { type Action, invalidAction, urlDependency, writtenAs, type WrittenAction } from "./action.js";
import { serialize } from "./serialize.js";

/**
 * A request that is queued whole: what `fetch` takes, and what an {@link Action} may say beside its data.
 *
 * Credentials in its headers (`Authorization`, `Cookie`, `X-Api-Key` and whatever else looks like one by its name) are not stored:
 * those of the option `headers` are added when it is sent.
 */
export interface QueuedRequestInit<Data = any> extends Omit<Action<Data>, "type" | "data"> {
  /** The HTTP method. Default `GET`, or `POST` if there is `data`. */
  readonly method?: string | undefined;
  /** Its headers, less credentials. An `Idempotency-Key` of your own becomes its `id`. */
  readonly headers?: RequestInit["headers"] | undefined;
  /** Its body, at most 1 MiB: text, what `JSON.stringify` gives among it, or whatever else `fetch` makes text of. */
  readonly body?: RequestInit["body"] | undefined;
  /**
   * Its body as a value, sent as JSON: anything JSON can hold. May name parts of another action's result: see {@link resultOf}. In
   * place of `body`.
   */
  readonly data?: Data;
  /** Which cookies go along: as for `fetch`. Default `same-origin`. */
  readonly credentials?: RequestInit["credentials"] | undefined;
  /** What kind of action it is, in your words. Default: its method and path, such as `PUT /api/drafts/7`. */
  readonly type?: string | undefined;
  /**
   * Whether it may be sent again if it is not known what became of it: no answer came, or the server failed over it.
   * - `always`, the default: it is sent again, under the same `Idempotency-Key`, until there is an answer. The server must know by
   *   it that it has carried the request out, or the method must be one that may be repeated (`PUT`, `DELETE`).
   * - `onlyIfUnsent`: it becomes a dead letter (`REQUEST_OUTCOME_UNKNOWN`), and is sent again only if you `requeue` it. For a `POST`
   *   to a server that does not honour `Idempotency-Key`.
   */
  readonly replay?: "always" | "onlyIfUnsent" | undefined;
}

/** What a call is queued as, if it fails for want of a connection: see the option `queueIfOffline` of calls. */
export type QueueIfOffline = Omit<QueuedRequestInit, "method" | "headers" | "body" | "data" | "credentials" | "coalesce"> & {
  /** What it does to the last action of its key, if that is the same request with another body. */
  readonly coalesce?: "replace" | "dropOlder" | undefined;
};

/** A request that stands in the queue. */
export interface QueuedRequest {
  readonly method: string;
  readonly url: string;
  /** As they are stored: without credentials. */
  readonly headers: readonly (readonly [string, string])[];
  /** Its body, if that is text; JSON is the action's `data`. */
  readonly text: string | null;
  readonly replay: "always" | "onlyIfUnsent";
}

/** @internal As the core stores it. */
export interface StoredRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: "data" | { readonly text: string };
  readonly credentials?: string;
  readonly replay?: "always" | "onlyIfUnsent";
}

/** @internal */
export function queuedRequest({ method, url, headers = [], body, replay = "always" }: StoredRequest): QueuedRequest {
  return { method, url, headers, text: typeof body === "object" ? body.text : null, replay };
}

/**
 * @internal A request as the core takes it. What `fetch` would read at once is read at once, so that requests come into the queue in
 * the order in which they were handed in; a promise is given for what has to be read first.
 *
 * @throws {@link InvalidInputError} for what cannot be queued.
 */
export function writtenRequest(
  input: Request | string | URL,
  init: QueuedRequestInit = {},
  baseUrl: string,
): WrittenAction | Promise<WrittenAction> {
  const { method, headers, body, data, credentials, ...rest } = Object(init) as QueuedRequestInit;
  if (data !== undefined && body !== undefined && body !== null) {
    throw invalidAction("body", "given beside data", "either body, as fetch takes it, or data, which is sent as JSON");
  }
  const json = data === undefined ? undefined : serialize(data);
  const made = new Headers(headers ?? (input instanceof Request ? input.headers : undefined));
  if (json !== undefined && !made.has("content-type")) made.set("content-type", "application/json");
  const plain = {
    ...(method !== undefined || json !== undefined ? { method: method ?? "POST" } : {}),
    ...(credentials !== undefined && { credentials }),
    headers: made,
  };
  const url = input instanceof Request ? input : new URL(String(input), baseUrl).href;
  const given = json ?? body;
  if (typeof given === "string" || given instanceof URLSearchParams) {
    return written(new Request(url, { ...plain, body: given }), String(given), rest, data);
  }
  const isThere = given !== undefined && given !== null;
  const request = new Request(url, isThere ? ({ ...plain, body: given, duplex: "half" } as RequestInit) : plain);
  if (!request.body && !isThere) return written(request, null, rest, undefined);
  return textOf(request).then((text) => written(request, text, rest, undefined));
}

/** @internal A call's request, as it is queued if the call fails; its body is read from a copy. */
export async function writtenCall(request: Request, { ...rest }: QueueIfOffline, id: string): Promise<WrittenAction> {
  const copy = request.clone();
  return written(copy, copy.body || isBodyHidden(copy) ? await textOf(copy) : null, { ...rest, id }, undefined);
}

/** Whether a request may have a body though it has no member that says so (Firefox before 2026). */
function isBodyHidden(request: Request): boolean {
  return !("body" in Request.prototype) && !["GET", "HEAD"].includes(request.method);
}

async function textOf(request: Request): Promise<string | null> {
  const bytes = await request.arrayBuffer();
  if (bytes.byteLength === 0) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalidAction("body", "no text", "text: JSON, a form, or anything else in UTF-8");
  }
}

type Rest = Omit<QueuedRequestInit, "method" | "headers" | "body" | "data" | "credentials">;

function written(request: Request, text: string | null, rest: Rest, data: unknown): WrittenAction {
  const { replay, id, ...action } = rest;
  const own = keyOf(request.headers.get("idempotency-key"));
  const isData = text !== null && (data !== undefined || isJson(text));
  const stored: StoredRequest = {
    method: request.method,
    url: request.url,
    headers: [...request.headers],
    ...(text !== null && { body: isData ? "data" : { text } }),
    credentials: request.credentials,
    ...(replay !== undefined && { replay }),
  };
  const dependsOn = urlDependency(request.url, action.dependsOn);
  const named = { ...action, ...((id ?? own) !== undefined && { id: id ?? own }), dependsOn, request: stored };
  return writtenAs(named, isData ? text : "null", data);
}

/** Whether a text is one value of JSON, to the letter. */
function isJson(text: string): boolean {
  if (!/^["{[\dtfn-]/.test(text) || /\s$/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** @internal The key in an `Idempotency-Key`, which many write without the quotes that the header's draft asks for. */
export function keyOf(header: string | null): string | undefined {
  const key = header || undefined;
  const isQuoted = key !== undefined && /^"(?:[^"\\]|\\["\\])*"$/.test(key);
  return isQuoted ? key.slice(1, -1).replace(/\\(.)/g, "$1") || undefined : key;
}
