import { invalidAction, type InvalidInputError } from "./errors.js";
import { type FileContent, type GivenFile, givenFiles } from "./files.js";
import { refuseForeign, serialize } from "./serialize.js";

/** How urgent an action is. `normal` is the default. */
export type Priority = "critical" | "high" | "normal" | "low";

/** Something the user did, to be brought to the server whenever it can be reached. */
export interface Action<Data = any> {
  /** What kind of action it is, in your words: `save_draft`. 1 to 256 characters. */
  readonly type: string;
  /** What the server needs to carry it out: anything JSON can hold, at most 1 MiB of it. See {@link resultOf}, too. */
  readonly data: Data;
  /**
   * What goes along with it and is no JSON: photos, recordings, documents, by what you call them, at most 32. They are stored as they
   * are, in IndexedDB only, and sent as parts of a form beside the data, in a request of their own. The event `uploadProgress` tells
   * how far that is.
   *
   * ```ts
   * await sdk.queue.enqueue({ type: "add_photo", key: "post-7", data: { caption }, files: { photo: input.files[0] } });
   * ```
   */
  readonly files?: Readonly<Record<string, FileContent | undefined>> | undefined;
  /**
   * What it is about: `draft_456`. Actions with the same key are applied in the order in which they were enqueued; different
   * keys never wait for each other. Without one, an action waits for no other.
   */
  readonly key?: string | undefined;
  /**
   * How urgent it is. What is more urgent is sent first; every eighth place in a batch belongs to the oldest action, so that nothing
   * waits for ever. Within a key, the order is that of enqueueing. The first `critical` one of a page has the browser asked to keep
   * the queue when it runs out of space (`navigator.storage.persist`): the event `persistence` says what came of it.
   */
  readonly priority?: Priority | undefined;
  /** Your own id for it, unique per user. Without one, Steadfast makes a UUIDv7. */
  readonly id?: string | undefined;
  /**
   * After how many milliseconds it ceases to be worth sending: from 1 to a year. If it has not been sent by then, it is not, and its
   * outcome is `expired`. Default: the option `queue.maxAgeMs`.
   */
  readonly ttlMs?: number | undefined;
  /**
   * The action that has to be applied before: its id, or its receipt. It is in the queue, or was applied a short while ago. While that
   * one is a dead letter or in conflict, this one waits; if it leaves the queue without being applied, this one becomes a dead letter
   * (`ACTION_DEPENDENCY_FAILED`).
   */
  readonly dependsOn?: string | { readonly id: string } | undefined;
  /**
   * What it does to the last action of its key, if that is of the same type and has never been sent:
   * - `replace`: it takes its place in line;
   * - `dropOlder`: it goes to the end of the line, and the older one is dropped;
   * - a function: it takes its place in line, with data that the function makes of the older one's and the newer one's. It gives the
   *   data at once, not a promise of it, and may be called more than once. If it throws, nothing is enqueued.
   *
   * The files of the newer one take the place of the older one's: all of them, or with a function those of the same name.
   *
   * The older one's outcome is `superseded`. One that may have been sent, that depends on another one or that another one depends on
   * is left alone, and the new one comes behind it. Needs a `key`. Default: nothing.
   */
  readonly coalesce?: "replace" | "dropOlder" | ((older: Data, newer: Data) => Data) | undefined;
}

/** A part of another action's result, in data that is to be sent when that one has been applied: see {@link resultOf}. */
export interface ResultReference {
  /** The id of the other action. */
  readonly $result: string;
  /** Which part: a JSON pointer (RFC 6901). Empty for all of it. */
  readonly at: string;
}

const references = new WeakSet<object>();

/**
 * Stands in an action's data for what the server will have made of another one, such as the id that it gives. It is replaced before
 * the data is sent. The action then depends on the other one, whether `dependsOn` says so or not; a further one it may not name.
 *
 * ```ts
 * const post = await sdk.queue.enqueue({ type: "create_post", data: { title } });
 * await sdk.queue.enqueue({ type: "add_photo", data: { postId: resultOf(post, "/id"), photo } });
 * ```
 *
 * In the URL of a request that is queued whole it stands in a template: `/api/posts/${resultOf(post, "/id")}/photos`.
 *
 * If the server says nothing there, the action becomes a dead letter. Data of your own with a member `$result` is sent as it is,
 * unless that member is the very id of the action that `dependsOn` names: then it counts as one of these, and is replaced.
 *
 * @param action The other action: its id, or its receipt.
 * @param at Which part of its result: a JSON pointer such as `/id` or `/items/0/url`. All of it, if it is not given.
 * @throws {@link InvalidInputError} for what is no id, or no JSON pointer.
 */
export function resultOf(action: string | { readonly id: string }, at = ""): ResultReference {
  const id = idOf(action);
  if (typeof id !== "string" || id === "") throw invalidAction("data.$result", id, "the id of an action, or its receipt");
  if (typeof at !== "string" || !/^(\/([^~]|~[01])*)?$/s.test(at)) {
    throw invalidAction("data.at", at, 'a JSON pointer such as "/id", or nothing for all of the result');
  }
  const reference = { $result: id, at };
  // In the URL of a request that is queued. No member: JSON has none of it.
  Object.defineProperty(reference, "toString", { value: () => `$result(${encoded(id)},${encoded(at)})` });
  references.add(Object.freeze(reference));
  return reference;
}

/** A text such that a URL holds it as it is. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * @internal What a request depends on: what it says itself, else what its URL names.
 *
 * @throws {@link InvalidInputError} if these are several.
 */
export function urlDependency(url: string, given: Action["dependsOn"]): Action["dependsOn"] {
  if (!url.includes("$result(")) return given;
  const known = idOf(given);
  let found = given;
  for (const [, id = ""] of url.matchAll(/\$result\(([\w.~%-]+),[\w.~%-]*\)/g)) {
    const named = decodeURIComponent(id);
    if ((known ?? idOf(found) ?? named) !== named) {
      throw invalidAction(
        "request.url",
        `naming the result of ${named}`,
        "to name the result of one action, that which it depends on",
      );
    }
    found ??= named;
  }
  return found;
}

/** @internal An action as the core takes it. */
export interface WrittenAction {
  readonly fields: string;
  readonly data: string;
  /** Makes one action's data of two. */
  readonly merge?: (older: string, newer: string) => string;
  /** What went wrong when it did that. */
  readonly failure?: InvalidInputError | undefined;
  /** What has to be stored before it, and named in its fields. */
  readonly files?: readonly GivenFile[] | undefined;
}

/**
 * @internal An action as the core takes it.
 *
 * @throws {@link InvalidInputError} for what JSON has no word for, and would silently change or leave out.
 */
export function written(action: Action): WrittenAction {
  const { data: value, files, ...rest } = Object(action) as Action;
  return writtenAs(rest, serialize(value), value, givenFiles(files));
}

/**
 * @internal The same, of an action whose data is a text already; `value` is what it was, if it may name another action's result.
 *
 * @throws {@link InvalidInputError} as {@link written}.
 */
export function writtenAs(
  action: Omit<Action, "type" | "data" | "files">,
  data: string,
  value: unknown,
  files?: readonly GivenFile[],
): WrittenAction {
  const { coalesce, dependsOn, ...all } = action as typeof action & Record<string, unknown>;
  const dependency = dependencyOf(value, data, idOf(dependsOn));
  if (dependency !== undefined) all.dependsOn = dependency;
  const isFunction = typeof coalesce === "function";
  if (coalesce !== undefined && !isFunction) all.coalesce = coalesce;
  refuseForeign("action", all);
  const fields = JSON.stringify(all);
  // Most have none.
  if (!isFunction) return files ? { fields, data, files } : { fields, data };
  if (all.key === undefined) throw invalidAction("coalesce", "a function", "a key beside it");
  return new Merging(fields, data, coalesce, files);
}

/** An action whose data may be merged with that of the one before it. */
class Merging implements WrittenAction {
  failure: InvalidInputError | undefined;

  constructor(
    readonly fields: string,
    readonly data: string,
    readonly coalesce: (older: unknown, newer: unknown) => unknown,
    readonly files: readonly GivenFile[] | undefined,
  ) {}

  readonly merge = (older: string, newer: string): string => {
    this.failure = undefined;
    try {
      return serialize(this.coalesce(JSON.parse(older), JSON.parse(newer)));
    } catch (thrown) {
      const error = invalidAction(
        "coalesce",
        `a function that failed: ${String(thrown)}`,
        "one that makes one action's data of two",
      );
      error.cause = thrown;
      this.failure = error;
      throw error;
    }
  };
}

/**
 * @internal Data that takes the place of an action's, as the core takes it.
 *
 * @throws {@link InvalidInputError} for what JSON has no word for.
 */
export function writtenData(value: unknown): string {
  return serialize(value);
}

function idOf(action: unknown): unknown {
  return typeof action === "object" && action !== null ? (action as { id?: unknown }).id : action;
}

/** What the action depends on: what it says itself, else what its data names. */
function dependencyOf(value: unknown, data: string, given: unknown): unknown {
  // Most data names nothing.
  if (!data.includes('"$result"')) return given;
  const named = new Set<string>();
  collect(value, named, new Set());
  for (const id of named) {
    if (given === undefined ? named.size > 1 : id !== given) {
      throw invalidAction("data", `naming the result of ${id}`, "to name the result of one action, that which it depends on");
    }
  }
  return given ?? named.values().next().value;
}

function collect(value: unknown, named: Set<string>, seen: Set<object>): void {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  if (references.has(value)) named.add((value as ResultReference).$result);
  else for (const member of Object.values(value)) collect(member, named, seen);
}
