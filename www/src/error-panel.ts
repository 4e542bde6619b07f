import { ApiError, type Steadfast } from "steadfast";
import { byId, make, write } from "./element.js";
import { errorCard, successCard } from "./error-card.js";

interface Entry {
  readonly format: string;
  readonly title: string;
  readonly status: number;
  readonly path: string;
}

/** The catalogue of errors that the server can give, each to be asked for and looked at. */
export class ErrorPanel {
  readonly #cases = byId("error-case", HTMLSelectElement);
  readonly #button = byId("error-ask", HTMLButtonElement);
  readonly #note = byId("error-note", HTMLParagraphElement);
  readonly #result = byId("error-result", HTMLDivElement);
  readonly #sdk: Steadfast;

  constructor(sdk: Steadfast) {
    this.#sdk = sdk;
    byId("error-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#ask(this.#cases.value);
    });
  }

  /** Whether the catalogue is there. */
  get isFilled(): boolean {
    return !this.#button.disabled;
  }

  async fill(): Promise<void> {
    try {
      const response = await this.#sdk.fetch("/api/demo/errors", {}, { maxAttempts: 1 });
      const entries = (await response.json()) as Entry[];
      const groups = new Map<string, HTMLOptGroupElement>();
      for (const { format, title, status, path } of entries) {
        let group = groups.get(format);
        if (!group) {
          group = make("optgroup");
          group.label = format;
          groups.set(format, group);
        }
        group.append(new Option(`${status} · ${title}`, path));
      }
      this.#cases.replaceChildren(...groups.values());
      this.#cases.disabled = this.#button.disabled = false;
      this.#say("");
    } catch {
      this.#say("The list could not be fetched. It is asked for again when the server can be reached.");
    }
  }

  async #ask(path: string): Promise<void> {
    let card: HTMLElement;
    try {
      const response = await this.#sdk.fetch(path, {}, { maxAttempts: 1 });
      card = successCard(response.status, response.headers.get("Content-Type"), await response.text());
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      card = errorCard(error);
    }
    this.#result.replaceChildren(card);
  }

  #say(text: string): void {
    this.#note.hidden = text === "";
    write(this.#note, text);
  }
}
