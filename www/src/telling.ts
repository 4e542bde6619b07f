import type { Disclosure, Steadfast } from "steadfast";
import { byId } from "./element.js";
import { LANGUAGES } from "./languages.js";
import { remember } from "./memory.js";

/** What `Telling` remembers the language under. */
export const LANGUAGE_MEMORY = "language";

/** How errors are told on the page: in which language, and how much of them. */
export class Telling {
  readonly #sdk: Steadfast;
  readonly #language = byId("telling-language", HTMLSelectElement);
  readonly #disclosure = byId("telling-disclosure", HTMLSelectElement);
  readonly #development = byId("telling-development", HTMLInputElement);

  /** `changed` is called whenever something is to be told differently. */
  constructor(sdk: Steadfast, changed: () => void) {
    this.#sdk = sdk;
    this.#language.append(
      ...LANGUAGES.map(([tag, name]) => {
        const option = new Option(name, tag, false, tag === sdk.language);
        option.lang = tag;
        return option;
      }),
    );
    this.#language.addEventListener("change", () => {
      remember(LANGUAGE_MEMORY, this.#language.value);
      void sdk.setLanguage(this.#language.value).then(changed);
    });
    this.#disclosure.addEventListener("change", changed);
    this.#development.addEventListener("change", changed);
  }

  /** The language of the words in use: English, if those that were asked for could not be loaded. */
  get language(): string {
    return this.#sdk.language;
  }

  get disclosure(): Disclosure {
    return this.#disclosure.value as Disclosure;
  }

  get development(): boolean {
    return this.#development.checked;
  }
}
