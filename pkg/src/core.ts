import { ClosedError, SteadfastError, WasmUnavailableError } from "./errors.js";
import initialise, { Core, Policy, Reader } from "../wasm/steadfast.js";
import type { WasmSource } from "./wasm-source.js";

export { Core, Policy, Reader };
/** @internal */
export type ReaderInstance = Reader;
/** @internal */
export type PolicyInstance = Policy;

/** @internal The core of an open SDK. */
export class CoreHandle {
  #core: Core | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  get(): Core {
    if (!this.#core) throw new ClosedError("Steadfast is closed; open it again.");
    return this.#core;
  }

  /** Stops it, and lets go of the database and the channel to the other tabs as soon as nothing uses them any longer. */
  close(): void {
    this.#core?.close();
    this.#core?.free();
    this.#core = undefined;
  }
}

let loading: Promise<void> | undefined;
let isLoaded = false;

/** @internal For what cannot wait for the core: says what to wait for before. */
export function requireCore(): void {
  if (isLoaded) return;
  throw new SteadfastError("Steadfast is not loaded yet: await Steadfast.open(), or init(), before.");
}

/** @internal Loads the core once. A failure is not remembered: the next call tries again. */
export function loadCore(source: () => WasmSource | Promise<WasmSource>): Promise<void> {
  loading ??= load(source).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(source: () => WasmSource | Promise<WasmSource>): Promise<void> {
  if (typeof WebAssembly !== "object") {
    throw new WasmUnavailableError("This browser has no WebAssembly, or it is switched off.");
  }
  try {
    await initialise({ module_or_path: await source() });
    isLoaded = true;
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError) && !(error instanceof EvalError)) throw error;
    throw new WasmUnavailableError(
      `The WebAssembly module could not be compiled: ${error.message}. A content security policy must allow it with script-src 'wasm-unsafe-eval'.`,
      { cause: error },
    );
  }
}
