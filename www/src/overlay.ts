import type { QueuedAction } from "steadfast";
import { toChange } from "./changes.js";
import type { Bookmark, Documents, Draft } from "./documents.js";

/** Whether the server has it, will have it, or refuses it as it is. */
export type Standing = "saved" | "waiting" | "attention";

export interface ShelfDraft extends Draft {
  readonly standing: Standing;
  /** When it was last changed: milliseconds since the epoch. */
  readonly touchedAt: number;
}

/** What the writer has, from the writer's point of view. */
export interface Shelf {
  /** The one that was changed last comes first. */
  readonly drafts: readonly ShelfDraft[];
  /** The effects that are bookmarked. */
  readonly bookmarked: ReadonlySet<string>;
  /** The effects whose bookmark is still to be saved or removed, or cannot be. */
  readonly bookmarkStandings: ReadonlyMap<string, Standing>;
}

type Deed = Pick<QueuedAction, "type" | "data" | "timestamp">;

/** The documents as they are once the server has applied the action. */
export function withApplied(documents: Documents, action: Deed): Documents {
  const drafts = new Map(documents.drafts.map((draft) => [draft.draftId, draft]));
  const bookmarks = new Map(documents.bookmarks.map((bookmark) => [bookmark.effectId, bookmark]));
  apply(action, drafts, bookmarks, 1);
  return { drafts: [...drafts.values()], bookmarks: [...bookmarks.values()] };
}

/** The documents with what is still in the queue laid over them. */
export function overlay(documents: Documents, queued: readonly QueuedAction[]): Shelf {
  const drafts = new Map(documents.drafts.map((draft) => [draft.draftId, draft]));
  const bookmarks = new Map(documents.bookmarks.map((bookmark) => [bookmark.effectId, bookmark]));
  const standings = new Map<string, Standing>();
  for (const action of queued) {
    const change = toChange(action);
    if (!change) continue;
    const subject = "draftId" in change ? change.draftId : change.effectId;
    if (action.state !== "pending") standings.set(subject, "attention");
    else if (standings.get(subject) !== "attention") standings.set(subject, "waiting");
    // A refused deletion has deleted nothing, but the words of a refused save are still the writer's.
    if (action.state === "pending" || change.type === "save_draft") apply(action, drafts, bookmarks, 0);
  }
  return {
    drafts: [...drafts.values()]
      .map((draft) => ({
        ...draft,
        standing: standings.get(draft.draftId) ?? "saved",
        touchedAt: Date.parse(draft.updatedAt) || 0,
      }))
      .sort((one, other) => other.touchedAt - one.touchedAt || (one.draftId < other.draftId ? 1 : -1)),
    bookmarked: new Set(bookmarks.keys()),
    bookmarkStandings: standings,
  };
}

function apply(
  { type, data, timestamp }: Deed,
  drafts: Map<string, Draft>,
  bookmarks: Map<string, Bookmark>,
  versions: 0 | 1,
): void {
  const change = toChange({ type, data });
  switch (change?.type) {
    case "save_draft": {
      const { draftId, title, content } = change;
      const version = (drafts.get(draftId)?.version ?? 0) + versions;
      drafts.set(draftId, { draftId, title, content, version, updatedAt: new Date(timestamp).toISOString() });
      break;
    }
    case "delete_draft":
      drafts.delete(change.draftId);
      break;
    case "bookmark_effect":
      bookmarks.set(change.effectId, change);
      break;
    case "remove_bookmark":
      bookmarks.delete(change.effectId);
      break;
  }
}
