import { type ApiError, parseError } from "steadfast";
import { byId } from "./element.js";
import { splitResponse, toResponse } from "./pasted-response.js";
import type { Results } from "./results.js";

/** Any error response, pasted, and what Steadfast reads in it. */
export class PasteForm {
  readonly #status = byId("paste-status", HTMLInputElement);
  readonly #headers = byId("paste-headers", HTMLTextAreaElement);
  readonly #body = byId("paste-body", HTMLTextAreaElement);

  constructor(read: Results["failed"]) {
    const submit = () => read(this.#read(), { again: submit });
    byId("paste-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      submit();
    });
    this.#body.addEventListener("input", () => this.#split());
  }

  #read(): ApiError {
    const status = this.#status.valueAsNumber;
    return parseError(toResponse({ status, headers: this.#headers.value, body: this.#body.value }));
  }

  /** A whole response, as `curl -i` prints it, goes where its parts belong. */
  #split(): void {
    const whole = splitResponse(this.#body.value);
    if (!whole) return;
    this.#status.valueAsNumber = whole.status;
    this.#headers.value = whole.headers;
    this.#body.value = whole.body;
  }
}
