/** What the server has of a writer. */
export interface Documents {
  readonly drafts: readonly Draft[];
  readonly bookmarks: readonly Bookmark[];
}

export interface Draft {
  readonly draftId: string;
  readonly title: string;
  readonly content: string;
  /** Counts the changes that the server has applied. */
  readonly version: number;
  readonly updatedAt: string;
}

export interface Bookmark {
  readonly effectId: string;
  readonly tags: readonly string[];
}

export const NO_DOCUMENTS: Documents = { drafts: [], bookmarks: [] };

/** Reads documents from an answer, or from what was remembered; `null` if they are none. */
export function readDocuments(value: unknown): Documents | null {
  const { drafts, bookmarks } = Object(value) as { drafts?: unknown; bookmarks?: unknown };
  if (!Array.isArray(drafts) || !Array.isArray(bookmarks)) return null;
  return drafts.every(isDraft) && bookmarks.every(isBookmark) ? { drafts, bookmarks } : null;
}

function isDraft(value: unknown): value is Draft {
  const { draftId, title, content, version, updatedAt } = Object(value) as Record<string, unknown>;
  return [draftId, title, content, updatedAt].every((member) => typeof member === "string") && typeof version === "number";
}

function isBookmark(value: unknown): value is Bookmark {
  const { effectId, tags } = Object(value) as Record<string, unknown>;
  return typeof effectId === "string" && Array.isArray(tags) && tags.every((tag) => typeof tag === "string");
}
