import { ApiError, type CallOptions, type JsonAnswer, type Steadfast } from "steadfast";
import { byId, make, write } from "./element.js";
import { errorCard, successCard } from "./error-card.js";
import { errorNotice } from "./error-notice.js";
import { PasteForm } from "./paste-form.js";
import type { Results, Ways } from "./results.js";
import { SignUpForm } from "./sign-up-form.js";
import { Telling } from "./telling.js";

interface Entry {
  readonly format: string;
  readonly title: string;
  readonly status: number;
  readonly path: string;
}

/** A call that gets no answer at all. */
interface SilentCase {
  readonly title: string;
  readonly url: string;
  readonly options?: CallOptions;
}

const SILENT_CASES: readonly SilentCase[] = [
  { title: "The page’s own policy forbids it", url: "https://elsewhere.example/" },
  { title: "The answer takes too long", url: "/api/demo/errors", options: { attemptTimeoutMs: 1 } },
];

/** Three ways to an error, and what becomes of it: what the user sees, and what the code gets. */
export class ErrorPanel {
  readonly #cases = byId("error-case", HTMLSelectElement);
  readonly #button = byId("error-ask", HTMLButtonElement);
  readonly #note = byId("error-note", HTMLParagraphElement);
  readonly #announcement = byId("error-announcement", HTMLParagraphElement);
  readonly #result = byId("error-result", HTMLDivElement);
  readonly #sdk: Steadfast;
  readonly #telling: Telling;
  /** Shows the latest result as it is to be told now. */
  #show = () => {};
  #stop = () => {};

  constructor(sdk: Steadfast) {
    this.#sdk = sdk;
    this.#telling = new Telling(sdk, () => this.#show());
    const results: Results = {
      failed: (error, ways) => this.#failed(error, ways),
      succeeded: (answer) => this.#succeeded(answer),
    };
    new PasteForm(results.failed);
    new SignUpForm(sdk, this.#telling, results);
    byId("error-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#ask(this.#cases.value);
    });
    this.#chooseWay();
  }

  /** Whether the catalogue is there. */
  get isFilled(): boolean {
    return !this.#button.disabled;
  }

  async fill(): Promise<void> {
    try {
      const { data: entries } = await this.#sdk.json<Entry[]>("/api/demo/errors", {}, { maxAttempts: 1 });
      const groups = new Map<string, HTMLOptGroupElement>();
      const add = (label: string, option: HTMLOptionElement) => {
        const group = groups.get(label) ?? make("optgroup");
        group.label = label;
        group.append(option);
        groups.set(label, group);
      };
      for (const { format, title, status, path } of entries) add(format, new Option(`${status} · ${title}`, path));
      for (const { title, url } of SILENT_CASES) add("no answer", new Option(title, url));
      this.#cases.replaceChildren(...groups.values());
      this.#cases.disabled = this.#button.disabled = false;
      this.#say("");
    } catch {
      this.#say("The list could not be fetched. It is asked for again when the server can be reached.");
    }
  }

  /** One of the three forms is there at a time. */
  #chooseWay(): void {
    const ways = byId("ways", HTMLFieldSetElement);
    const choose = () => {
      for (const way of ways.querySelectorAll("input")) byId(way.value, HTMLFormElement).hidden = !way.checked;
    };
    ways.addEventListener("change", choose);
    choose();
  }

  async #ask(url: string): Promise<void> {
    const silent = SILENT_CASES.find((silentCase) => silentCase.url === url);
    try {
      // A service of its own: an error of the catalogue says nothing of the rest of the backend, nor of the other ones.
      this.#succeeded(await this.#sdk.json(url, {}, { ...silent?.options, maxAttempts: 1, service: url }));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#failed(error, { again: () => void this.#ask(url) });
    }
  }

  #failed(error: ApiError, ways: Ways): void {
    this.#show = () => {
      this.#stop();
      const notice = errorNotice(error, this.#telling, ways);
      this.#stop = notice.stop;
      this.#result.replaceChildren(
        make("div", "result-half", make("h3", "result-heading", "What the user sees"), notice.element),
        make("div", "result-half", make("h3", "result-heading", "What your code gets"), errorCard(error)),
      );
    };
    this.#show();
    this.#announce(error.userMessage);
  }

  #succeeded(answer: JsonAnswer<unknown>): void {
    this.#show = () => {
      this.#stop();
      this.#result.replaceChildren(successCard(answer));
    };
    this.#show();
    this.#announce("It worked.");
  }

  /** The result itself is no live region: a countdown in it would be read out every second. */
  #announce(text: string): void {
    this.#announcement.lang = this.#telling.language;
    this.#announcement.textContent = "";
    this.#announcement.textContent = text;
  }

  #say(text: string): void {
    this.#note.hidden = text === "";
    write(this.#note, text);
  }
}
