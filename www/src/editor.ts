import { byId, write } from "./element.js";
import type { Shelf, ShelfDraft } from "./overlay.js";
import { sameWords, type UnsavedWords, type Words } from "./unsaved-words.js";

export interface EditorActions {
  /** Resolves when the draft is on disk. `seenVersion` is the server's version that the words are based on; 0 for none. */
  save(draftId: string, words: Words, seenVersion: number): Promise<void>;
  delete(draftId: string): Promise<void>;
  /** The open draft, or what is unsaved of it, has changed. */
  changed(): void;
}

const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** The page that is being written. */
export class Editor {
  readonly #empty = byId("editor-empty", HTMLDivElement);
  readonly #form = byId("editor-form", HTMLFormElement);
  readonly #title = byId("draft-title", HTMLInputElement);
  readonly #text = byId("draft-text", HTMLTextAreaElement);
  readonly #standing = byId("draft-standing", HTMLParagraphElement);
  readonly #wordCount = byId("word-count", HTMLParagraphElement);
  readonly #complaint = byId("editor-complaint", HTMLParagraphElement);
  readonly #unsaved: UnsavedWords;
  readonly #actions: EditorActions;
  #openId: string | null = null;
  #seenVersion = 0;

  constructor(unsaved: UnsavedWords, actions: EditorActions) {
    this.#unsaved = unsaved;
    this.#actions = actions;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#save();
    });
    this.#form.addEventListener("input", () => this.#typed());
    byId("delete-draft", HTMLButtonElement).addEventListener("click", () => void this.#delete());
    byId("save-keys", HTMLElement).textContent = isApple ? "⌘ S" : "Ctrl S";
    document.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
      event.preventDefault();
      void this.#save();
    });
  }

  /** The id of the open draft. */
  get openId(): string | null {
    return this.#openId;
  }

  open(draftId: string, shelf: Shelf): void {
    this.#openId = draftId;
    const draft = shelf.drafts.find((listed) => listed.draftId === draftId);
    this.#fill(this.#unsaved.of(draftId) ?? draft ?? { title: "", content: "" });
    this.#seenVersion = draft?.version ?? 0;
    this.#complain("");
    this.render(shelf);
  }

  focusTitle(): void {
    this.#title.focus();
  }

  focusText(): void {
    this.#text.focus();
  }

  close(shelf: Shelf): void {
    this.#openId = null;
    this.render(shelf);
  }

  render(shelf: Shelf): void {
    this.#empty.hidden = this.#openId !== null;
    this.#form.hidden = this.#openId === null;
    if (this.#openId === null) return;
    const draft = shelf.drafts.find((listed) => listed.draftId === this.#openId);
    const hasUnsaved = this.#unsaved.of(this.#openId) !== undefined;
    if (draft && !hasUnsaved) {
      this.#fill(draft);
      this.#seenVersion = draft.version;
    }
    write(this.#standing, standingText(draft, hasUnsaved));
    this.#standing.dataset["standing"] = hasUnsaved || !draft ? "unsaved" : draft.standing;
    const words = this.#text.value.trim().split(/\s+/).filter(Boolean).length;
    write(this.#wordCount, words === 1 ? "1 word" : `${words} words`);
  }

  /** Leaves a field alone that says so already: the cursor stays where it is. */
  #fill({ title, content }: Words): void {
    if (this.#title.value !== title) this.#title.value = title;
    if (this.#text.value !== content) this.#text.value = content;
  }

  #words(): Words {
    return { title: this.#title.value, content: this.#text.value };
  }

  #typed(): void {
    if (this.#openId === null) return;
    this.#unsaved.keep(this.#openId, this.#words());
    this.#actions.changed();
  }

  async #save(): Promise<void> {
    const draftId = this.#openId;
    if (draftId === null) return;
    const words = this.#words();
    try {
      await this.#actions.save(draftId, words, this.#seenVersion);
    } catch (error) {
      this.#complain(`This could not be saved, not even here: ${(error as Error).message} Your words stay on the page.`);
      return;
    }
    this.#complain("");
    // What was typed since is still unsaved.
    const unsaved = this.#unsaved.of(draftId);
    if (unsaved && sameWords(unsaved, words)) this.#unsaved.forget(draftId);
    this.#actions.changed();
  }

  async #delete(): Promise<void> {
    const draftId = this.#openId;
    if (draftId === null) return;
    try {
      await this.#actions.delete(draftId);
    } catch (error) {
      this.#complain(`This could not be deleted: ${(error as Error).message}`);
      return;
    }
    this.#unsaved.forget(draftId);
    if (this.#openId === draftId) this.#openId = null;
    this.#actions.changed();
  }

  #complain(text: string): void {
    this.#complaint.hidden = text === "";
    write(this.#complaint, text);
  }
}

function standingText(draft: ShelfDraft | undefined, hasUnsaved: boolean): string {
  if (hasUnsaved || !draft) return "Not saved yet";
  switch (draft.standing) {
    case "waiting":
      return "On this device, waiting for the server";
    case "attention":
      return "Needs a decision: see Connection";
    case "saved":
      return `On the server, version ${draft.version}`;
  }
}
