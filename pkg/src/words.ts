import type { Category, UserAction } from "./errors.js";
import english from "./words/en.js";

/**
 * What Steadfast says to people, in one language. Those it has are at `steadfast/words/de` and so on; an application can bring
 * more, or its own instead.
 *
 * In texts with `{when}` stands in its place when: "in 30 seconds".
 */
export interface Words {
  /** The language: a BCP 47 tag. */
  readonly language: string;
  /** What happened, by the kind of problem. */
  readonly categories: Readonly<Record<Category, string>>;
  /** What happened, by the error's code. Codes that are not here have the words of their category. */
  readonly codes: Readonly<Record<string, string>>;
  /** What can be done: what a button says, and a sentence. */
  readonly actions: Readonly<Record<UserAction, { readonly label: string; readonly sentence: string }>>;
  /** What a countdown says until the moment has come, and then. */
  readonly countdown: { readonly waiting: string; readonly now: string };
  /** What is said about a field when the server does not say it. */
  readonly fields: { readonly required: string; readonly invalid: string };
}

// Written out, so that bundlers see each and make a file of its own of it.
const SOURCES = new Map<string, () => Promise<{ readonly default: Words }>>([
  ["ar", () => import("./words/ar.js")],
  ["de", () => import("./words/de.js")],
  ["es", () => import("./words/es.js")],
  ["fr", () => import("./words/fr.js")],
  ["ja", () => import("./words/ja.js")],
  ["pt", () => import("./words/pt.js")],
  ["zh", () => import("./words/zh.js")],
]);

/** Those that are here. English always is: it is what is said when nothing else can be. */
const here = new Map<string, Words>([["en", english]]);
const underway = new Map<string, Promise<Words>>();

/** @internal The English words. */
export { english };

/** @internal Whether Steadfast has words in exactly that language. */
export function isOffered(language: string): boolean {
  return here.has(language) || SOURCES.has(language);
}

/** @internal The words of that language, if they are loaded. */
export function loadedWords(language: string): Words | undefined {
  return here.get(language);
}

/**
 * Loads the words of one of Steadfast's own languages, for `Steadfast.open({ words: [await loadWords("fr")] })` or so that
 * `explain(error, { language: "fr" })` has them. Once loaded they are kept; a failure is not remembered.
 *
 * @param language `ar`, `de`, `en`, `es`, `fr`, `ja`, `pt` or `zh`, or a tag that begins with one of these, such as `pt-BR`.
 * @throws `RangeError` if there are no words in that language; what `import()` throws if they cannot be loaded.
 */
export async function loadWords(language: string): Promise<Words> {
  const found = bestFit([language], (tag) => (isOffered(tag) ? tag : undefined));
  const known = found && here.get(found);
  if (known) return known;
  const source = found && SOURCES.get(found);
  if (!source) throw new RangeError(`There are no words in the language ${JSON.stringify(language)}.`);
  let loading = underway.get(found);
  if (!loading) {
    loading = source()
      .then(({ default: words }) => {
        here.set(found, words);
        return words;
      })
      .finally(() => underway.delete(found));
    underway.set(found, loading);
  }
  return loading;
}

/**
 * @internal What `find` has for the first of the language tags for which it has anything. Each is shortened from its end until
 * it has: `zh-hant-tw`, `zh-hant`, `zh` (RFC 4647, section 3.4). `find` gets them in lower case.
 */
export function bestFit<T>(tags: readonly string[], find: (tag: string) => T | undefined): T | undefined {
  for (const tag of tags) {
    const subtags = canonical(tag).toLowerCase().split("-");
    for (; subtags.length > 0; subtags.pop()) {
      const found = find(subtags.join("-"));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** With the older and longer names of a language replaced, `cmn` by `zh`; as it is, if it is not a tag at all. */
function canonical(tag: string): string {
  const hyphenated = tag.replaceAll("_", "-");
  try {
    return Intl.getCanonicalLocales(hyphenated)[0] ?? hyphenated;
  } catch {
    return hyphenated;
  }
}

/** @internal The languages that the page and the browser ask for, the most wanted first. */
export function environmentLanguages(): readonly string[] {
  const page = globalThis.document?.documentElement?.lang;
  return [...(page ? [page] : []), ...(globalThis.navigator?.languages ?? [])];
}
