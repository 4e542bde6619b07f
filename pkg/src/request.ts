import { type Action, urlDependency, writtenAs, type WrittenAction } from "./action.js";
import { invalidAction } from "./errors.js";
import { type GivenFile, givenFile, isBlob, isBuffer, isForm } from "./files.js";
import { serialize } from "./serialize.js";

/**
 * A request that is queued whole: what `fetch` takes, and what an {@link Action} may say beside its data.
 *
 * Credentials in its headers (`Authorization`, `Cookie`, `X-Api-Key` and whatever else looks like one by its name) are not stored:
 * those of the option `headers` are added when it is sent.
 */
export interface QueuedRequestInit<Data = any> extends Omit<Action<Data>, "type" | "data" | "files"> {
  /** The HTTP method. Default `GET`, or `POST` if there is `data`. */
  readonly method?: string | undefined;
  /** Its headers, less credentials. An `Idempotency-Key` of your own becomes its `id`. */
  readonly headers?: RequestInit["headers"] | undefined;
  /**
   * Its body: whatever `fetch` takes. Text, at most 1 MiB of it, what `JSON.stringify` gives among it; or a file, which is stored as it
   * is: a `Blob`, an `ArrayBuffer` or a stream of something else than text, or a form (`FormData`) with files in it.
   */
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
  /** The fields of its body, if that is a form with files: each a text, or the place of one of the action's `files`. */
  readonly form: readonly QueuedFormField[] | null;
  readonly replay: "always" | "onlyIfUnsent";
}

/** A field of a form that is queued. */
export type QueuedFormField = { readonly name: string } & ({ readonly text: string } | { readonly file: number });

/** @internal As the core stores it. */
export interface StoredRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: "data" | "file" | { readonly text: string } | { readonly form: readonly QueuedFormField[] };
  readonly credentials?: string;
  readonly replay?: "always" | "onlyIfUnsent";
}

/** @internal */
export function queuedRequest({ method, url, headers = [], body, replay = "always" }: StoredRequest): QueuedRequest {
  const { text = null, form = null } =
    typeof body === "object" ? (body as { text?: string; form?: readonly QueuedFormField[] }) : {};
  return { method, url, headers, text, form, replay };
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
    ...(method !== undefined || json !== undefined ? { method: method ?? methodFor(input) } : {}),
    ...(credentials !== undefined && { credentials }),
    headers: made,
  };
  const url = input instanceof Request ? input : new URL(String(input), baseUrl).href;
  const given = json ?? body;
  if (typeof given === "string" || given instanceof URLSearchParams) {
    return written(new Request(url, { ...plain, body: given }), { text: String(given) }, rest, data);
  }
  const type = made.get("content-type");
  const files = filesOf(given, type);
  // Without its body, which may be large: the method says whether it may have one.
  if (files) return written(new Request(url, { ...plain, body: new Uint8Array() }), files, rest, undefined);
  const isThere = given !== undefined && given !== null;
  const request = new Request(url, isThere ? ({ ...plain, body: given, duplex: "half" } as RequestInit) : plain);
  if (!request.body && !isThere) return written(request, {}, rest, undefined);
  return bodyOf(request).then((body) => written(request, body, rest, undefined));
}

/** The method of a request with a body that names none. */
function methodFor(input: Request | string | URL): string {
  return input instanceof Request && !["GET", "HEAD"].includes(input.method) ? input.method : "POST";
}

/**
 * @internal A call's request, as it is queued if the call fails. `given` is the body that the caller has given for it: a file, which is
 * not read before it is needed. What else there is in the request is read from a copy.
 */
export async function writtenCall(
  request: Request,
  { ...rest }: QueueIfOffline,
  id: string,
  given: unknown,
): Promise<WrittenAction> {
  const files = filesOf(given, request.headers.get("content-type"));
  if (files) return written(request, files, { ...rest, id }, undefined);
  const copy = request.clone();
  return written(copy, copy.body || isBodyHidden(copy) ? await bodyOf(copy) : {}, { ...rest, id }, undefined);
}

/** Whether a request may have a body though it has no member that says so (Firefox before 2026). */
function isBodyHidden(request: Request): boolean {
  return !("body" in Request.prototype) && !["GET", "HEAD"].includes(request.method);
}

/** The body of a request as it is stored. */
interface WrittenBody {
  readonly text?: string;
  readonly form?: readonly QueuedFormField[];
  readonly files?: readonly GivenFile[];
}

/** The most text that is stored as text, in bytes. */
const LARGEST_TEXT = 1 << 20;

/** A body that is plain to see to be no text, without reading it; `type` is what its header says it is. */
function filesOf(body: unknown, type: string | null): WrittenBody | undefined {
  if (isForm(body)) {
    const files: GivenFile[] = [];
    const form = [...body.entries()].map(([name, value]): QueuedFormField => {
      if (typeof value === "string") return { name, text: value };
      return { name, file: files.push(givenFile("body", value, name)) - 1 };
    });
    return files.length === 0 ? undefined : { form, files };
  }
  const isContent = isBlob(body) || isBuffer(body);
  if (!isContent) return undefined;
  const said = type ?? (isBlob(body) ? body.type : "");
  const bytes = isBlob(body) ? body.size : body.byteLength;
  if (bytes <= LARGEST_TEXT && (said === "" || isTextual(said))) return undefined;
  return { files: [givenFile("body", body, undefined, essence(said))] };
}

/** Whether what is of that content type is text. */
function isTextual(type: string): boolean {
  return /^text\/|[/+](json|xml)$|^application\/(x-www-form-urlencoded|javascript|x-ndjson)$/i.test(essence(type));
}

/** A content type without its parameters. */
function essence(type: string): string {
  return (type.split(";", 1)[0] ?? "").trim();
}

/** The body of a request, read: text where it can be, else a file. */
async function bodyOf(request: Request): Promise<WrittenBody> {
  const blob = await request.blob();
  const type = request.headers.get("content-type") ?? "";
  if (blob.size === 0) return {};
  if (blob.size <= LARGEST_TEXT) {
    try {
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await blob.arrayBuffer()) };
    } catch {
      // It is no text.
    }
  }
  return { files: [givenFile("body", blob.slice(0, blob.size, essence(type)))] };
}

type Rest = Omit<QueuedRequestInit, "method" | "headers" | "body" | "data" | "credentials">;

function written(request: Request, { text, form, files }: WrittenBody, rest: Rest, data: unknown): WrittenAction {
  const { replay, id, ...action } = rest;
  if ("files" in action) throw invalidAction("files", "given beside a request", "files in its body");
  const own = keyOf(request.headers.get("idempotency-key"));
  const isData = text !== undefined && (data !== undefined || isJson(text));
  const body = form ? { form } : files ? "file" : isData ? "data" : text === undefined ? undefined : { text };
  const headers = [...request.headers];
  const stored: StoredRequest = {
    method: request.method,
    url: request.url,
    // The browser sets the boundary of a form.
    headers: form ? headers.filter(([name]) => name !== "content-type") : headers,
    ...(body !== undefined && { body }),
    credentials: request.credentials,
    ...(replay !== undefined && { replay }),
  };
  const dependsOn = urlDependency(request.url, action.dependsOn);
  const named = { ...action, ...((id ?? own) !== undefined && { id: id ?? own }), dependsOn, request: stored };
  // On one line. In JSON a line break stands between tokens, and nowhere else.
  return writtenAs(named, isData ? text.replaceAll(/[\r\n]+/g, " ") : "null", data, files);
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
