import type { ErrorPreferencesChanges, Steadfast } from "steadfast";
import { ApiError } from "steadfast";
import { byId, write } from "./element.js";

/** What the user prefers of retries and fallbacks: it holds at once, also for calls that are under way. */
export class PreferenceForm {
  readonly #sdk: Steadfast;
  readonly #retry = byId("prefer-retry", HTMLInputElement);
  readonly #most = byId("prefer-most", HTMLSelectElement);
  readonly #fallback = byId("prefer-fallback", HTMLInputElement);
  readonly #state = byId("prefer-state", HTMLParagraphElement);

  constructor(sdk: Steadfast) {
    this.#sdk = sdk;
    this.#retry.addEventListener("change", () => void this.#update({ recovery: { autoRetryEnabled: this.#retry.checked } }));
    this.#fallback.addEventListener(
      "change",
      () => void this.#update({ recovery: { fallbackModeEnabled: this.#fallback.checked } }),
    );
    this.#most.addEventListener("change", () => {
      const most = this.#most.value;
      void this.#update({ recovery: { maxAutoRetries: most === "" ? null : Number(most) } });
    });
    sdk.on("preferencesChanged", () => this.#show());
    sdk.on("preferencesRefused", () => this.#show());
    this.#show();
  }

  /** Asks the server, for another device may have changed them. */
  async load(): Promise<void> {
    try {
      await this.#sdk.preferences.load();
    } catch {
      // What was known stays.
    }
    this.#show();
  }

  async #update(changes: ErrorPreferencesChanges): Promise<void> {
    const done = this.#sdk.preferences.update(changes);
    this.#show();
    try {
      await done;
      this.#show();
    } catch (error) {
      this.#show();
      write(this.#state, error instanceof ApiError ? error.userMessage : String(error));
    }
  }

  #show(): void {
    const { current, synced } = this.#sdk.preferences;
    this.#retry.checked = current.recovery?.autoRetryEnabled !== false && current.disclosure?.autoRetry !== false;
    this.#fallback.checked = current.recovery?.fallbackModeEnabled !== false;
    const most = String(current.recovery?.maxAutoRetries ?? "");
    if (most && ![...this.#most.options].some(({ value }) => value === most)) this.#most.add(new Option(`at most ${most}`, most));
    this.#most.value = most;
    write(this.#state, synced ? "" : "Holds on this device; the server has yet to hear of it.");
  }
}
