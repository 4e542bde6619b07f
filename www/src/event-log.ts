import type { ApiErrorData, Steadfast } from "steadfast";
import { byId, make } from "./element.js";
import { told } from "./event-words.js";

/** The most lines that are kept. */
const MOST_LINES = 300;

/** What Steadfast tells of calls, a line each, since the last burst. */
export class EventLog {
  readonly #list = byId("resilience-log", HTMLOListElement);
  readonly #empty = byId("resilience-log-empty", HTMLParagraphElement);
  #began = Date.now();

  /** `nameOf` names a call by its correlation id, if it is one of the burst's. */
  constructor(sdk: Steadfast, nameOf: (id: string | null) => string | undefined) {
    const name = (id: string | null, error?: ApiErrorData) => {
      const { method, url } = error?.request ?? {};
      return nameOf(id) ?? (url ? `${method} ${new URL(url).pathname}` : "A call of the page");
    };
    void (async () => {
      for await (const event of sdk.events()) {
        const line = told(event, name);
        if (line) this.#add(event.type, line.text, line.tone);
      }
    })();
  }

  /** Begins anew. */
  clear(): void {
    this.#began = Date.now();
    this.#list.replaceChildren();
    this.#empty.hidden = false;
  }

  #add(type: string, text: string, tone: string): void {
    const list = this.#list;
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    const time = make("span", "log-time", `${((Date.now() - this.#began) / 1000).toFixed(1)} s`);
    const line = make("li", "log-line", time, make("code", "log-type", type), make("span", "log-text", text));
    line.dataset["tone"] = tone;
    line.dataset["type"] = type;
    list.append(line);
    this.#empty.hidden = true;
    if (list.childElementCount > MOST_LINES) list.firstElementChild?.remove();
    if (isAtEnd) list.scrollTop = list.scrollHeight;
  }
}
