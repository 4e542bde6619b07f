import { Reader, type ReaderInstance, requireCore } from "./core.js";
import {
  ApiError,
  type Category,
  type FieldError,
  invalidOption,
  type Recovery,
  type Severity,
  toError,
  type Upstream,
  type WrittenError,
} from "./errors.js";
import { Vocabulary, type WordsOptions } from "./vocabulary.js";

/** A response, as a format of yours sees it. */
export interface ReceivedResponse {
  /** The HTTP status. */
  readonly status: number;
  /** The headers that the page may read. */
  readonly headers: Headers;
  /** The body's text, or its first 256 KiB. */
  readonly text: string;
  /** The body as JSON; `undefined` if it is none. */
  readonly json: any;
}

/** What a format of yours read: what it leaves out is concluded from the headers, the code and the status. */
export interface ErrorReading {
  readonly code?: string | number | null;
  readonly message?: string | null;
  readonly userMessage?: string | null;
  readonly category?: Category | null;
  readonly severity?: Severity | null;
  readonly retryable?: boolean | null;
  /** Seconds until the server wants to be asked again. */
  readonly retryAfter?: number | null;
  readonly correlationId?: string | null;
  readonly requestId?: string | null;
  readonly errorId?: string | null;
  readonly timestamp?: string | null;
  readonly fieldErrors?: readonly ({ readonly path: string } & Partial<FieldError>)[] | null;
  readonly recovery?: Partial<Recovery> | null;
  readonly helpLink?: string | null;
  readonly service?: string | null;
  readonly businessContext?: unknown;
  readonly upstream?: Partial<Upstream> | null;
  readonly details?: unknown;
}

/**
 * A wire format of your own. It is asked before all that Steadfast knows.
 *
 * ```ts
 * const acme: ErrorFormat = {
 *   name: "acme",
 *   read: ({ json }) =>
 *     json?.acmeError && {
 *       code: json.acmeError.kind,
 *       message: json.acmeError.text,
 *       fieldErrors: json.acmeError.inputs,
 *     },
 * };
 * const sdk = await Steadfast.open({ formats: [acme], codes: { OUT_OF_STOCK: { category: "business", retryable: false } } });
 * ```
 */
export interface ErrorFormat {
  /** What `error.format.name` says. */
  readonly name: string;
  /**
   * What the response says; nothing if it is not of this format. It is asked about error responses, and about what `sdk.json` gets
   * as a success. What it throws is reported, and the response read without it.
   */
  read(response: ReceivedResponse): ErrorReading | null | undefined | false | "" | 0;
}

/** What is known of a code of yours before a response says more. */
export interface CodeFacts {
  readonly category?: Category;
  readonly severity?: Severity;
  /** Whether the same request may succeed later. */
  readonly retryable?: boolean;
}

/** What you add to Steadfast's reading of errors. */
export interface ReadingOptions {
  /** Wire formats of your own, asked in this order. */
  readonly formats?: readonly ErrorFormat[] | undefined;
  /** What your codes mean. They overrule Steadfast's table; what a response says overrules them. */
  readonly codes?: Readonly<Record<string, CodeFacts>> | undefined;
}

/** A response that some other client has received. */
export interface ResponseLike {
  readonly status: number;
  /** `Headers`, pairs of them, or an object of them. */
  readonly headers?: Iterable<readonly [string, string]> | Readonly<Record<string, unknown>>;
  /** Its body: the text, its bytes, or what the text was parsed to. A `Blob` takes time to be read: give its `text()`. */
  readonly body?: unknown;
}

/** The most that is read of an error's body: as much as in `sdk.fetch`. */
const LARGEST_BODY = 256 << 10;

const readers = new WeakMap<ReadingOptions, ReaderInstance>();
const standard: ReadingOptions = {};

/** @internal The core's reader with these formats and codes; one for each object of options. */
export function readerOf(options: ReadingOptions = standard): ReaderInstance {
  const key = options.formats || options.codes ? options : standard;
  let reader = readers.get(key);
  if (!reader) {
    requireCore();
    const formats = key.formats ?? [];
    if (!Array.isArray(formats)) throw invalidOption("formats", formats, "a list of formats");
    for (const [index, format] of formats.entries()) {
      if (typeof format?.read !== "function" || typeof format.name !== "string" || !format.name) {
        throw invalidOption(`formats[${index}]`, format, "an object with a name and a function read");
      }
    }
    const names = formats.map(({ name }) => name);
    try {
      reader = new Reader(names, formats.map(wrapped), JSON.stringify(key.codes ?? {}));
    } catch (thrown) {
      throw toError(thrown, new Vocabulary());
    }
    readers.set(key, reader);
  }
  return reader;
}

/** A format as the core calls it: from the status, the headers and the text to JSON, or to null. */
function wrapped(format: ErrorFormat): (status: number, headers: string[], text: string) => string | null {
  return (status, flat, text) => {
    try {
      const reading: unknown = format.read({ status, headers: headersOf(flat), text, json: jsonOf(text) });
      if (!reading) return null;
      if (typeof reading !== "object" || typeof (reading as { then?: unknown }).then === "function") {
        throw new TypeError(`it must return an object or nothing, and at once; it returned ${String(reading)}`);
      }
      return JSON.stringify(reading);
    } catch (error) {
      const failure = new Error(`Steadfast: the format ${format.name} failed to read a response`, { cause: error });
      if (typeof reportError === "function") reportError(failure);
      else console.error(failure);
      return null;
    }
  };
}

function headersOf(flat: readonly string[]): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < flat.length; at += 2) {
    try {
      headers.append(flat[at] as string, flat[at + 1] as string);
    } catch {
      // What is no header cannot be asked for.
    }
  }
  return headers;
}

let lastText: string | undefined;
let lastJson: unknown;

/** The text as JSON, `undefined` if it is none. Several formats are asked about one text. */
function jsonOf(text: string): unknown {
  if (text !== lastText) {
    lastText = text;
    try {
      lastJson = JSON.parse(text);
    } catch {
      lastJson = undefined;
    }
  }
  return lastJson;
}

/**
 * Reads an error response that did not come through `sdk.fetch` into an {@link ApiError}. Never fails on what is in it. Steadfast
 * must have been opened, or `init` awaited, before.
 *
 * @throws {@link InvalidInputError} for wrong options.
 */
export async function readError(response: Response, options: WordsOptions & ReadingOptions = {}): Promise<ApiError> {
  const vocabulary = new Vocabulary(options);
  const ready = vocabulary.ready();
  const reader = readerOf(options);
  const { bytes, truncated } = await readBody(response);
  const text = reader.read(response.status, lines(response.headers), bytes, truncated) as string;
  await ready;
  return new ApiError(JSON.parse(text) as WrittenError, vocabulary);
}

/**
 * Reads an error that another client has received, at once: `parseError({ status, headers, body })`. Never fails on what is in
 * it. Steadfast must have been opened, or `init` awaited, before.
 *
 * ```ts
 * axios.interceptors.response.use(undefined, ({ response }) => {
 *   throw parseError({ status: response.status, headers: response.headers, body: response.data });
 * });
 * ```
 *
 * @throws {@link InvalidInputError} for wrong options.
 */
export function parseError(response: ResponseLike, options: WordsOptions & ReadingOptions = standard): ApiError {
  const { status, headers = [], body } = Object(response) as Partial<ResponseLike>;
  if (!Number.isInteger(status) || (status as number) < 100 || (status as number) > 999) {
    throw invalidOption("status", status, "the HTTP status of a response, from 100 to 999");
  }
  if (typeof headers !== "object" || headers === null) {
    throw invalidOption("headers", headers, "Headers, pairs of names and values, or an object of them");
  }
  const reader = readerOf(options);
  const bytes = bytesOf(body);
  if (bytes) {
    const truncated = bytes.length > LARGEST_BODY;
    const read = reader.read(status as number, lines(headers), bytes.subarray(0, LARGEST_BODY), truncated) as string;
    return new ApiError(JSON.parse(read) as WrittenError, vocabularyOf(options));
  }
  const whole = textOf(body);
  const truncated = whole.length > LARGEST_BODY;
  const text = truncated ? whole.slice(0, LARGEST_BODY) : whole;
  const written = JSON.parse(reader.readText(status as number, lines(headers), text, truncated) as string) as WrittenError & {
    raw: { text: string };
  };
  // The core leaves out what is here already.
  written.raw.text = text;
  return new ApiError(written, vocabularyOf(options));
}

function bytesOf(body: unknown): Uint8Array | undefined {
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  return ArrayBuffer.isView(body) ? new Uint8Array(body.buffer, body.byteOffset, body.byteLength) : undefined;
}

/** The text of a body that may have been parsed, or be something that JSON cannot hold. */
function textOf(body: unknown): string {
  if (typeof body === "string") return body;
  if (body === undefined || body === null) return "";
  try {
    return JSON.stringify(body) ?? "";
  } catch {
    return String(body);
  }
}

const vocabularies = new WeakMap<WordsOptions, Vocabulary>();

function vocabularyOf(options: WordsOptions): Vocabulary {
  let vocabulary = vocabularies.get(options);
  if (!vocabulary) vocabularies.set(options, (vocabulary = new Vocabulary(options)));
  return vocabulary;
}

/** Names and values in turn, a line each: header values have no line breaks. */
function lines(headers: NonNullable<ResponseLike["headers"]>): string {
  const pairs = Symbol.iterator in headers ? (headers as Iterable<readonly [string, string]>) : Object.entries(headers);
  let text = "";
  for (const [name, value] of pairs) {
    if (value === undefined || value === null || typeof value === "function") continue;
    const line = `${oneLine(name)}\n${oneLine(String(value))}`;
    text = text ? `${text}\n${line}` : line;
  }
  return text;
}

function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, " ") : text;
}

/** What breaks off, or was read before, is cut off: the status and the headers still say something. */
async function readBody(response: Response): Promise<{ bytes: Uint8Array; truncated: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let truncated = response.bodyUsed;
  try {
    const reader = response.body?.getReader();
    for (let chunk = await reader?.read(); chunk?.value; chunk = await reader?.read()) {
      const taken = chunk.value.subarray(0, LARGEST_BODY - length);
      chunks.push(taken);
      length += taken.length;
      if (taken.length < chunk.value.length) {
        truncated = true;
        await reader?.cancel();
        break;
      }
    }
  } catch {
    truncated = true;
  }
  // Not through a Blob: Chromium keeps those in another process, and asking it takes fifty times as long as all the rest.
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { bytes, truncated };
}
