import { invalidAction } from "./errors.js";

/** What an action or a request may carry beside its data: it is stored as it is, and never made text. */
export type FileContent = Blob | ArrayBuffer | ArrayBufferView;

/** What is known of a file in the queue without reading it. */
export interface FileMetadata {
  /** What the action calls it: `photo`. `null` if it is the body of a request. */
  readonly field: string | null;
  /** The name of the file; `null` if it has none. */
  readonly name: string | null;
  /** Its content type, such as `image/jpeg`; empty if it is not known. */
  readonly type: string;
  /** How long it is. */
  readonly bytes: number;
}

/** A file in the queue. */
export interface QueuedFile extends FileMetadata {
  /** The file itself; `null` if it is gone, or cannot be decrypted. */
  readonly blob: Blob | null;
}

/** @internal A file that is to be stored with an action. */
export interface GivenFile {
  /** Where it stands in the action, for whoever is told that something is wrong with it. */
  readonly path: string;
  readonly field?: string;
  readonly name?: string;
  readonly blob: Blob;
  /** How long it was when it was given. */
  readonly bytes: number;
}

/** @internal A file as the core names it. */
export interface StoredFile {
  readonly id: string;
  readonly field?: string | null;
  readonly name?: string | null;
  readonly type: string;
  readonly bytes: number;
}

/** @internal */
export function metadataOf({ field = null, name = null, type, bytes }: StoredFile): FileMetadata {
  return { field, name, type, bytes };
}

/** @internal The name of the platform's type that the value is of, in whatever frame it was made. */
function typeName(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

/** @internal */
export function isBlob(value: unknown): value is Blob {
  return ["Blob", "File"].includes(typeName(value));
}

/** @internal */
export function isBuffer(value: unknown): value is ArrayBuffer | ArrayBufferView {
  return typeName(value) === "ArrayBuffer" || ArrayBuffer.isView(value);
}

/** @internal */
export function isForm(value: unknown): value is FormData {
  return typeName(value) === "FormData";
}

/**
 * @internal A file of its content, taken at once: what the application writes into a buffer later is not in it.
 *
 * @throws {@link InvalidInputError} for what is no content of a file.
 */
export function givenFile(path: string, content: unknown, field?: string, type?: string): GivenFile {
  const named = field === undefined ? {} : { field };
  if (isBlob(content)) {
    const { name } = content as Partial<File>;
    return { path, ...named, ...(name && { name }), blob: content, bytes: content.size };
  }
  // A buffer that is shared with others may change while it is copied.
  const buffer: unknown = ArrayBuffer.isView(content) ? content.buffer : content;
  if (typeName(buffer) === "ArrayBuffer") {
    const blob = new Blob([content as BlobPart], type ? { type } : {});
    return { path, ...named, blob, bytes: blob.size };
  }
  const received = typeof content === "object" && content !== null ? `a ${typeName(content)}` : String(content);
  throw invalidAction(path, received, "a Blob, a File, an ArrayBuffer or a view of one");
}

/**
 * @internal The files of an action, by what it calls them. Those that are `undefined` are left out, as in its data.
 *
 * @throws {@link InvalidInputError} for what is no file.
 */
export function givenFiles(files: unknown): readonly GivenFile[] | undefined {
  if (files === undefined) return undefined;
  if (typeName(files) !== "Object") throw invalidAction("files", typeName(files), "an object of files: { photo: blob }");
  const given = Object.entries(files as object).filter(([, content]) => content !== undefined);
  return given.length === 0 ? undefined : given.map(([field, content]) => givenFile(`files.${field}`, content, field));
}

/**
 * @internal Makes sure that files can be read. One that the user has picked may be gone from the disk by now, or be another one, and a
 * browser may store it as an empty one then.
 *
 * @throws {@link InvalidInputError} for the first that cannot.
 */
export async function checkReadable(files: readonly GivenFile[]): Promise<void> {
  for (const { path, blob, bytes } of files) {
    try {
      // Of an empty one all of it: what is gone counts as empty.
      const { byteLength } = await (bytes === 0 ? blob : blob.slice(bytes - 1, bytes)).arrayBuffer();
      if (byteLength === Math.min(bytes, 1)) continue;
    } catch (thrown) {
      const received = `a file that cannot be read (${(thrown as Error).name})`;
      const error = invalidAction(path, received, "a file that is there, as it was picked");
      error.cause = thrown;
      throw error;
    }
    throw invalidAction(path, "a file that has changed since it was picked", "a file that is there, as it was picked");
  }
}

/** @internal The fields of an action as the core can check them, before its files are stored. */
export function fieldsToCheck(fields: string, files: readonly GivenFile[] | undefined): string {
  return files
    ? fieldsWithFiles(
        fields,
        files,
        files.map((_, index) => String(index)),
      )
    : fields;
}

/** @internal The fields of an action as the core takes them, once its files have ids. */
export function fieldsWithFiles(fields: string, files: readonly GivenFile[], ids: readonly string[]): string {
  const stored = files.map(({ field, name, blob, bytes }, index): Partial<StoredFile> => ({
    ...(ids[index] !== undefined && { id: ids[index] }),
    ...(field !== undefined && { field }),
    ...(name !== undefined && { name }),
    type: blob.type,
    bytes,
  }));
  return JSON.stringify({ ...(JSON.parse(fields) as object), files: stored });
}
