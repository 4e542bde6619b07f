/**
 * Steadfast with its WebAssembly inside: it needs no network to start, because networks are what it is for.
 *
 * @module
 */
import { loadCore } from "./core.js";
import { embeddedWasm } from "./embedded.js";
import type { SteadfastOptions } from "./options.js";
import { Steadfast as Base } from "./steadfast.js";

export * from "./exports.js";

/** Loads the WebAssembly ahead of time. `Steadfast.open` does it by itself; `readError` needs one of the two. */
export function init(): Promise<void> {
  return loadCore(embeddedWasm);
}

export class Steadfast extends Base {
  /**
   * Opens Steadfast. What is in the user's queue begins to drain.
   *
   * @throws {@link InvalidInputError} for a wrong option, {@link WasmUnavailableError} where WebAssembly cannot run. A failed
   * `open` can be tried again.
   */
  static open(options: SteadfastOptions = {}): Promise<Steadfast> {
    return this.openFrom(embeddedWasm, options);
  }
}
