import type { Action, QueuedAction } from "steadfast";
import { effectName } from "./effect-catalogue.js";

/** What can be changed here. */
export type Change =
  | {
      readonly type: "save_draft";
      readonly draftId: string;
      readonly title: string;
      readonly content: string;
      readonly baseVersion?: number;
    }
  | { readonly type: "delete_draft"; readonly draftId: string }
  | { readonly type: "bookmark_effect"; readonly effectId: string; readonly tags: readonly string[] }
  | { readonly type: "remove_bookmark"; readonly effectId: string };

/** The change as an action for the queue. Changes of one draft, or of one bookmark, keep their order. */
export function toAction({ type, ...data }: Change): Action {
  return { type, key: "draftId" in data ? data.draftId : `effect_${data.effectId}`, data };
}

/** The change that a queued action is; `null` for one that this application does not know. */
export function toChange({ type, data }: Pick<QueuedAction, "type" | "data">): Change | null {
  const { draftId, title, content, effectId, tags } = Object(data) as Record<string, unknown>;
  if (typeof draftId === "string") {
    if (type === "delete_draft") return { type, draftId };
    if (type !== "save_draft") return null;
    return { type, draftId, title: typeof title === "string" ? title : "", content: typeof content === "string" ? content : "" };
  }
  if (typeof effectId === "string") {
    if (type === "remove_bookmark") return { type, effectId };
    if (type === "bookmark_effect") return { type, effectId, tags: Array.isArray(tags) ? tags.map(String) : [] };
  }
  return null;
}

const VERBS: Record<Change["type"], string> = {
  save_draft: "Save",
  delete_draft: "Delete",
  bookmark_effect: "Bookmark",
  remove_bookmark: "Remove bookmark",
};

/** What an action does, in a word or two. */
export function verbOf(type: string): string {
  return VERBS[type as Change["type"]] ?? type;
}

/** What an action is about. `titleOf` knows the drafts. */
export function subjectOf(action: QueuedAction, titleOf: (draftId: string) => string | undefined): string {
  const change = toChange(action);
  switch (change?.type) {
    case "save_draft":
      return draftLabel(change);
    case "delete_draft":
      return titleOf(change.draftId) ?? "a draft";
    case "bookmark_effect":
    case "remove_bookmark":
      return effectName(change.effectId);
    case undefined:
      return action.key ?? "";
  }
}

/** What a draft is called: its title, or how it begins. */
export function draftLabel({ title, content }: { readonly title: string; readonly content: string }): string {
  const beginning = content.trim().split("\n", 1)[0] ?? "";
  return title.trim() || (beginning.length > 40 ? `${beginning.slice(0, 40).trimEnd()}…` : beginning) || "Untitled";
}
