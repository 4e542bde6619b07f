import { draftLabel } from "./changes.js";
import { arrange, byId, make, write } from "./element.js";
import type { Shelf, Standing } from "./overlay.js";
import { agoText } from "./time.js";
import type { Words } from "./unsaved-words.js";

interface Entry {
  readonly draftId: string;
  readonly label: string;
  readonly note: string;
  readonly standing: Standing | "unsaved";
}

interface Row {
  readonly item: HTMLLIElement;
  readonly button: HTMLButtonElement;
  readonly label: HTMLSpanElement;
  readonly note: HTMLSpanElement;
}

const STANDING_NOTES: Record<Exclude<Standing, "saved">, string> = { waiting: "waiting", attention: "needs a decision" };

/** The drafts, the one changed last first. */
export class DraftList {
  readonly #list = byId("draft-list", HTMLUListElement);
  readonly #empty = byId("drafts-empty", HTMLParagraphElement);
  readonly #rows = new Map<string, Row>();
  readonly #open: (draftId: string) => void;
  #shown = "";

  constructor(open: (draftId: string) => void) {
    this.#open = open;
  }

  render(shelf: Shelf, unsaved: ReadonlyMap<string, Words>, openId: string | null): void {
    const entries = listEntries(shelf, unsaved, openId);
    this.#empty.hidden = entries.length > 0;
    for (const draftId of this.#rows.keys()) {
      if (!entries.some((entry) => entry.draftId === draftId)) this.#rows.delete(draftId);
    }
    const items = entries.map((entry) => {
      const row = this.#rows.get(entry.draftId) ?? this.#add(entry.draftId);
      write(row.label, entry.label);
      write(row.note, entry.note);
      row.item.dataset["standing"] = entry.standing;
      if (entry.draftId === openId) row.button.setAttribute("aria-current", "true");
      else row.button.removeAttribute("aria-current");
      return row.item;
    });
    arrange(this.#list, items);
    this.#reveal(openId, entries);
  }

  /** Keeps the open draft in view when it is another one, or has moved. */
  #reveal(openId: string | null, entries: readonly Entry[]): void {
    const shown = `${openId} ${entries.findIndex((entry) => entry.draftId === openId)}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    const item = this.#rows.get(openId ?? "")?.item;
    if (!item) return;
    const list = this.#list.getBoundingClientRect();
    const { top, bottom } = item.getBoundingClientRect();
    // The list alone is scrolled: the page stays where the reader is.
    if (top < list.top) this.#list.scrollTop -= list.top - top;
    else if (bottom > list.bottom) this.#list.scrollTop += bottom - list.bottom;
  }

  #add(draftId: string): Row {
    const label = make("span", "draft-label");
    const note = make("span", "draft-note");
    const button = make("button", "draft", label, note);
    button.type = "button";
    button.addEventListener("click", () => this.#open(draftId));
    const item = make("li", "", button);
    item.dataset["draftId"] = draftId;
    const row = { item, button, label, note };
    this.#rows.set(draftId, row);
    return row;
  }
}

function listEntries(shelf: Shelf, unsaved: ReadonlyMap<string, Words>, openId: string | null): Entry[] {
  const known = new Set(shelf.drafts.map((draft) => draft.draftId));
  const fresh = [...unsaved.keys(), ...(openId === null ? [] : [openId])].filter((draftId) => !known.has(draftId));
  const unsavedEntries = [...new Set(fresh)].map((draftId): Entry => {
    const words = unsaved.get(draftId) ?? { title: "", content: "" };
    return { draftId, label: draftLabel(words), note: "not saved yet", standing: "unsaved" };
  });
  const entries = shelf.drafts.map((draft): Entry => {
    const words = unsaved.get(draft.draftId);
    const standing = words ? "unsaved" : draft.standing;
    const state = standing === "unsaved" ? "unsaved changes" : standing === "saved" ? "" : STANDING_NOTES[standing];
    const note = [agoText(draft.touchedAt), state].filter(Boolean).join(", ");
    return { draftId: draft.draftId, label: draftLabel(words ?? draft), note, standing };
  });
  return [...unsavedEntries, ...entries];
}
