/** Where the WebAssembly module can come from. */
export type WasmSource = WebAssembly.Module | BufferSource | Response | URL | string;
