import { type Category, invalidOption, type ReceivedError } from "./errors.js";
import { bestFit, english, environmentLanguages, isOffered, loadedWords, loadWords, type Words } from "./words.js";

/**
 * What an application says about an error: a text; a text per language, by its tag; or a function of the error, which can leave
 * it to Steadfast by returning nothing.
 */
export type Message = string | Readonly<Record<string, string>> | ((error: ReceivedError) => string | null | undefined);

/** What an application says about errors, by their code and by their category. */
export interface Messages {
  /** By the error's code: `{ DRAFT_LOCKED: "Somebody else is editing this." }`. */
  readonly codes?: Readonly<Record<string, Message>>;
  /** By the kind of problem, for codes that are not in `codes`. */
  readonly categories?: Readonly<Partial<Record<Category, Message>>>;
}

/** In which language, and in whose words, errors are told to people. */
export interface WordsOptions {
  /**
   * The language, or several, the most wanted first: BCP 47 tags. The best that there are words in is taken: `pt-BR` gets `pt`,
   * `zh-Hant` gets `zh`. Default: the page's `<html lang>`, then the browser's languages. What there are no words in is told in
   * English. If this is given, requests to trusted origins ask for it, too: `Accept-Language`.
   */
  readonly language?: string | readonly string[] | undefined;
  /**
   * Words that are there already and need not be loaded: `import de from "steadfast/words/de"` puts them into the application's
   * own bundle. They come before Steadfast's own, and can be in any language.
   */
  readonly words?: readonly Words[] | undefined;
  /** What the application says itself. What the server says to the user, in an error's `userMessage`, comes before it. */
  readonly messages?: Messages | undefined;
}

/** How long `open` and `readError` wait for words. Then English stands in until they come. */
const LONGEST_WAIT_MS = 1000;
/** How long after a failure to load them words are not asked for again. */
const PAUSE_MS = 10_000;

/** @internal What to say about errors, in the language of the moment. */
export class Vocabulary {
  readonly #own = new Map<string, Words>();
  readonly #messages: Messages;
  readonly #onFailure: (language: string, cause: unknown) => void;
  readonly #underway = new Map<string, Promise<void>>();
  readonly #failedAt = new Map<string, number>();
  #language: readonly string[] | undefined;

  constructor(
    { language, words = [], messages = {} }: WordsOptions = {},
    onFailure: (language: string, cause: unknown) => void = () => {},
  ) {
    this.#language = tagsOf(language);
    if (!Array.isArray(words)) throw invalidOption("words", words, "a list of Words, such as steadfast/words/de exports");
    for (const [index, own] of words.entries()) {
      const { language: tag, categories } = Object(own) as Partial<Words>;
      if (typeof tag !== "string" || typeof categories !== "object")
        throw invalidOption(`words[${index}]`, own, "Words, such as steadfast/words/de exports");
      // What words that were made for an earlier version lack is said in English.
      this.#own.set(tag.toLowerCase(), { ...english, ...own });
    }
    if (typeof messages !== "object" || messages === null)
      throw invalidOption("messages", messages, "an object with codes and categories");
    for (const name of Object.keys(messages)) {
      if (name !== "codes" && name !== "categories") throw invalidOption(`messages.${name}`, "given", "codes and categories");
    }
    this.#messages = messages;
    this.#onFailure = onFailure;
  }

  setLanguage(language: string | readonly string[] | undefined): void {
    this.#language = tagsOf(language);
    this.#failedAt.clear();
  }

  /** The languages that the application has chosen, as `Accept-Language` writes them (RFC 9110 §12.5.4); none, if it left that open. */
  acceptLanguage(): string | undefined {
    const tags = this.#language?.filter((tag) => /^[\w*-]+$/.test(tag)).slice(0, 10);
    // Each is wanted a little less than the one before.
    return tags?.map((tag, index) => (index ? `${tag};q=${(1 - index / 10).toFixed(1)}` : tag)).join(", ") || undefined;
  }

  /** The words of the best language of which there are any: English until they are loaded, which this begins. */
  words(language?: string | readonly string[]): Words {
    const found = this.#find(this.#tags(language));
    if (typeof found !== "string") return found;
    const failedAt = this.#failedAt.get(found);
    if (failedAt === undefined || performance.now() - failedAt >= PAUSE_MS) void this.#load(found);
    return english;
  }

  /** Resolves when the words are here, or there is no use in waiting for them. Never rejects. */
  async ready(): Promise<void> {
    const found = this.#find(this.#tags());
    if (typeof found !== "string") return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([this.#load(found), new Promise((resolve) => (timer = setTimeout(resolve, LONGEST_WAIT_MS)))]);
    clearTimeout(timer);
  }

  /**
   * What to tell the user: what the server says, else what the application says of the code, else of the category, else
   * Steadfast's words for the code, else for the category.
   */
  messageOf(error: ReceivedError, language?: string | readonly string[]): string {
    return error.userMessage || this.ownMessageOf(error, language);
  }

  /** The same, as if the server had said nothing. */
  ownMessageOf(error: ReceivedError, language?: string | readonly string[]): string {
    const words = this.words(language);
    const tags = [...this.#tags(language), words.language];
    const { codes, categories } = this.#messages;
    return (
      said(member(codes, error.code), error, tags) ||
      said(member(categories, error.category), error, tags) ||
      member(words.codes, error.code) ||
      member(words.categories, error.category) ||
      english.categories.unknown
    );
  }

  #tags(language?: string | readonly string[]): readonly string[] {
    return tagsOf(language) ?? this.#language ?? environmentLanguages();
  }

  /** The words, or the language whose words are to be loaded. */
  #find(tags: readonly string[]): Words | string {
    return bestFit(tags, (tag) => this.#own.get(tag) ?? loadedWords(tag) ?? (isOffered(tag) ? tag : undefined)) ?? english;
  }

  #load(language: string): Promise<void> {
    let loading = this.#underway.get(language);
    if (!loading) {
      loading = loadWords(language)
        .then(
          () => {},
          (cause: unknown) => {
            this.#failedAt.set(language, performance.now());
            this.#onFailure(language, cause);
          },
        )
        .finally(() => this.#underway.delete(language));
      this.#underway.set(language, loading);
    }
    return loading;
  }
}

let standard: Vocabulary | undefined;

/** @internal That of errors that come from elsewhere than `Steadfast.open` and `readError`. */
export function standardVocabulary(): Vocabulary {
  return (standard ??= new Vocabulary());
}

function tagsOf(language: string | readonly string[] | undefined): readonly string[] | undefined {
  if (language === undefined) return undefined;
  const tags: readonly unknown[] = Array.isArray(language) ? language : [language];
  for (const tag of tags) {
    if (typeof tag !== "string") throw invalidOption("language", tag, "a language tag such as pt-BR, or a list of them");
  }
  return tags as readonly string[];
}

/** A member of its own: a server may well name an error `constructor`. */
function member<T>(table: Readonly<Record<string, T>> | undefined, name: string | null): T | undefined {
  return table && name !== null && Object.hasOwn(table, name) ? table[name] : undefined;
}

function said(message: Message | undefined, error: ReceivedError, tags: readonly string[]): string | undefined {
  if (typeof message === "function") {
    try {
      const text = message(error);
      return typeof text === "string" ? text : undefined;
    } catch (thrown) {
      // An error is being told: that its telling broke must not take its place, nor be lost.
      report(thrown);
      return undefined;
    }
  }
  if (typeof message !== "object" || message === null) return message;
  const texts = new Map(Object.entries(message).map(([tag, text]) => [tag.toLowerCase().replaceAll("_", "-"), text]));
  return bestFit(tags, (tag) => texts.get(tag));
}

function report(thrown: unknown): void {
  if (typeof globalThis.reportError === "function") globalThis.reportError(thrown);
  else console.error(thrown);
}
