import { ApiError, applyFieldErrors, type AppliedFieldErrors, type Steadfast } from "steadfast";
import { byId } from "./element.js";
import type { Results } from "./results.js";
import type { Telling } from "./telling.js";

/** A form that only the server checks. What it objects to is shown where it belongs, in whichever format it says so. */
export class SignUpForm {
  readonly #form = byId("sign-up-form", HTMLFormElement);
  readonly #dialect = byId("sign-up-dialect", HTMLSelectElement);
  readonly #sdk: Steadfast;
  readonly #telling: Telling;
  readonly #results: Results;
  #applied: AppliedFieldErrors | null = null;

  constructor(sdk: Steadfast, telling: Telling, results: Results) {
    this.#sdk = sdk;
    this.#telling = telling;
    this.#results = results;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const data = new FormData(this.#form);
    const drafts = Number.parseInt(String(data.get("drafts")), 10);
    const body = JSON.stringify({
      name: data.get("name"),
      email: data.get("email"),
      drafts: Number.isNaN(drafts) ? null : drafts,
    });
    const init = { method: "POST", headers: { "Content-Type": "application/json" }, body };
    this.#applied?.clear();
    try {
      const answer = await this.#sdk.json(`/api/demo/sign-ups/${this.#dialect.value}`, init, {
        maxAttempts: 1,
        service: "sign-ups",
      });
      this.#results.succeeded(answer);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#results.failed(error, { again: () => void this.#send(), fix: () => this.#focusFirstWrong() });
      this.#applied = applyFieldErrors(this.#form, error, { language: this.#telling.language });
    }
  }

  #focusFirstWrong(): void {
    const wrong = this.#form.querySelector("[aria-invalid=true]") ?? this.#form.elements[0];
    if (wrong instanceof HTMLElement) wrong.focus();
  }
}
