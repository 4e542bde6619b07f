import { StoreError, WasmUnavailableError } from "steadfast";
import { byId, make } from "./element.js";

/** Says on the page what keeps it from working, and what can be done about it. */
export function showTrouble(error: unknown): void {
  const box = byId("trouble", HTMLDivElement);
  const message = error instanceof Error ? error.message : String(error);
  box.replaceChildren(make("p", "", make("strong", "", headlineOf(error)), " ", adviceOn(error)), make("p", "note", message));
  box.hidden = false;
}

export function hideTrouble(): void {
  byId("trouble", HTMLDivElement).hidden = true;
}

function headlineOf(error: unknown): string {
  if (error instanceof WasmUnavailableError) return "WebAssembly cannot run here.";
  if (error instanceof StoreError) return "This browser does not let the page store anything.";
  return "Marginalia could not start.";
}

function adviceOn(error: unknown): string {
  if (error instanceof WasmUnavailableError) return "Update the browser, or allow WebAssembly for this page in its settings, and reload.";
  if (!(error instanceof StoreError)) return "Reload the page. What you saved before is still on this device.";
  switch (error.kind) {
    case "quotaExceeded":
      return "The disk is full: make some room, then go on. Nothing that was saved before is lost.";
    case "blocked":
      return "Another tab holds an older version of the page: close it, and reload this one.";
    default:
      return "Leave private browsing, or allow site data for this page, and reload.";
  }
}
