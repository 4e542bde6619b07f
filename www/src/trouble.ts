import { StoreError, WasmUnavailableError } from "steadfast";
import { byId, make } from "./element.js";

/** Says on the page what keeps it from working, and what can be done about it. */
export function showTrouble(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof StoreError) {
    showStoreTrouble(error.kind, message);
  } else if (error instanceof WasmUnavailableError) {
    show(
      "WebAssembly cannot run here.",
      "Update the browser, or allow WebAssembly for this page in its settings, and reload.",
      message,
    );
  } else {
    show("Something went wrong.", "Reload the page. What you saved before is still on this device.", message);
  }
}

/** The same for the disk, which may fail while nobody waits for it. */
export function showStoreTrouble(kind: string, message: string): void {
  switch (kind) {
    case "quotaExceeded":
      return show("The disk is full.", "Make some room, then go on. Nothing that was saved before is lost.", message);
    case "blocked":
      return show("Another tab holds an older version of the page.", "Close it, and reload this one.", message);
    default:
      return show(
        "This browser does not let the page store anything.",
        "Leave private browsing, or allow site data for this page, and reload.",
        message,
      );
  }
}

/** The page cannot be used at all: what it shows would be wrong, and its buttons would do nothing. */
export function giveUp(error: unknown): void {
  showTrouble(error);
  for (const id of ["room", "hint", "status-link"]) byId(id, HTMLElement).hidden = true;
}

export function hideTrouble(): void {
  byId("trouble", HTMLDivElement).hidden = true;
}

function show(headline: string, advice: string, message: string): void {
  const box = byId("trouble", HTMLDivElement);
  box.replaceChildren(make("p", "", make("strong", "", headline), " ", advice), make("p", "note", message));
  box.hidden = false;
}
