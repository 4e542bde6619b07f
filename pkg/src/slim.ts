/**
 * Steadfast without its WebAssembly, for libraries and for runtimes that bring their own: `steadfast/wasm` is the file.
 *
 * @module
 */
import { loadCore } from "./core.js";
import type { SteadfastOptions } from "./options.js";
import { Steadfast as Base } from "./steadfast.js";
import type { WasmSource } from "./wasm-source.js";

export * from "./exports.js";
export type { WasmSource } from "./wasm-source.js";

/** Loads the WebAssembly from a URL, a response, bytes or a compiled module. */
export function init(source: WasmSource): Promise<void> {
  return loadCore(() => source);
}

export class Steadfast extends Base {
  /**
   * Opens Steadfast. What is in the user's queue begins to drain. `wasm` is not needed if `init` was awaited.
   *
   * @throws {@link InvalidInputError} for a wrong option, {@link WasmUnavailableError} where WebAssembly cannot run. A failed
   * `open` can be tried again.
   */
  static open({ wasm, ...options }: SteadfastOptions & { readonly wasm?: WasmSource } = {}): Promise<Steadfast> {
    return this.openFrom(() => {
      if (wasm === undefined)
        throw new TypeError("steadfast/slim brings no WebAssembly: await init(source), or give open a wasm option.");
      return wasm;
    }, options);
  }
}
