import { type Connection, nextAttemptText, reportOn } from "./connection-state.js";
import { byId, write } from "./element.js";
import { momentText } from "./time.js";

const DURABILITY_TEXTS: Record<string, string> = { indexedDb: "this browser’s database" };

export interface ConnectionActions {
  goOffline(): void;
  goOnline(): void;
  syncNow(): void;
}

/** What the connection does, and the two ways to change it. */
export class ConnectionPanel {
  readonly #status = byId("status", HTMLParagraphElement);
  readonly #statusLink = byId("status-link", HTMLAnchorElement);
  readonly #detail = byId("status-detail", HTMLParagraphElement);
  readonly #switch = byId("work-offline", HTMLButtonElement);
  readonly #next = byId("fact-next", HTMLElement);
  readonly #saved = byId("fact-saved", HTMLElement);
  readonly #durability = byId("fact-durability", HTMLElement);
  readonly #shell = byId("fact-shell", HTMLElement);

  constructor(actions: ConnectionActions) {
    this.#switch.addEventListener("click", () => {
      if (this.#switch.getAttribute("aria-checked") === "true") actions.goOnline();
      else actions.goOffline();
    });
    byId("sync-now", HTMLButtonElement).addEventListener("click", () => actions.syncNow());
  }

  render(connection: Connection, saved: { readonly at: number | null; readonly count: number }): void {
    const { state, headline, detail } = reportOn(connection);
    this.#status.dataset["state"] = state;
    this.#status.dataset["pending"] = String(connection.snapshot.pending);
    write(this.#status, headline);
    this.#statusLink.dataset["state"] = state;
    write(this.#statusLink, headline);
    write(this.#detail, detail);
    this.#switch.setAttribute("aria-checked", String(connection.isUnplugged));
    const { durability } = connection.snapshot;
    write(this.#durability, DURABILITY_TEXTS[durability] ?? durability);
    write(this.#saved, saved.at === null ? "nothing yet" : `${momentText(saved.at)}, ${saved.count} in this visit`);
    const title = connection.snapshot.pending > 0 ? `(${connection.snapshot.pending}) Marginalia` : "Marginalia";
    if (document.title !== title) document.title = title;
    write(this.#next, nextAttemptText(connection, Date.now()));
  }

  opensOffline(does: boolean): void {
    write(this.#shell, does ? "opens without a network" : "needs the network to open");
  }
}
