import { recallJson, remember } from "./memory.js";

/** What stands in the two fields of the editor. */
export interface Words {
  readonly title: string;
  readonly content: string;
}

export function sameWords(one: Words, other: Words): boolean {
  return one.title === other.title && one.content === other.content;
}

/** What was typed and not saved yet, by draft. It survives a reload: nobody should lose words to an accident. */
export class UnsavedWords {
  readonly #memory: string;

  constructor(writer: string) {
    this.#memory = `unsaved.${writer}`;
  }

  /** Read anew each time, because another tab may have written. */
  all(): Map<string, Words> {
    const words = new Map<string, Words>();
    for (const [draftId, value] of Object.entries(Object(recallJson(this.#memory)) as Record<string, unknown>)) {
      const { title, content } = Object(value) as Record<string, unknown>;
      if (typeof title === "string" && typeof content === "string") words.set(draftId, { title, content });
    }
    return words;
  }

  of(draftId: string): Words | undefined {
    return this.all().get(draftId);
  }

  keep(draftId: string, words: Words): void {
    this.#write(this.all().set(draftId, words));
  }

  forget(draftId: string): void {
    const words = this.all();
    if (words.delete(draftId)) this.#write(words);
  }

  #write(words: Map<string, Words>): void {
    remember(this.#memory, JSON.stringify(Object.fromEntries(words)));
  }
}
