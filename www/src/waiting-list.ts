import type { QueuedAction } from "steadfast";
import { subjectOf, verbOf } from "./changes.js";
import { arrange, byId, make, makeButton, makeDrawing, write } from "./element.js";
import type { QueueWatch } from "./queue-watch.js";
import { momentText } from "./time.js";

/** How an action stands, as `data-state` of its row. */
type RowState = "waiting" | "sending" | "conflict" | "refused" | "saved";

const STATE_TEXTS: Record<RowState, string> = {
  waiting: "waiting",
  sending: "on its way",
  conflict: "needs a decision",
  refused: "refused",
  saved: "saved",
};

const ICONS = new Set(["save_draft", "delete_draft", "bookmark_effect", "remove_bookmark"]);

/** Longer queues are counted, not shown: nobody reads further, and the page stays quick. */
const MOST_ROWS = 1000;

export interface Decisions {
  tryAgain(action: QueuedAction): void;
  keepAsCopy(action: QueuedAction): void;
  discard(action: QueuedAction): void;
}

interface Row {
  readonly item: HTMLLIElement;
  readonly about: HTMLElement;
  readonly state: HTMLElement;
  readonly decision: HTMLDivElement;
}

/** Everything in the queue, in the order in which it is applied, and for a moment what has just left it. */
export class WaitingList {
  readonly #list = byId("waiting-list", HTMLOListElement);
  readonly #empty = byId("waiting-empty", HTMLParagraphElement);
  readonly #count = byId("waiting-count", HTMLParagraphElement);
  readonly #rows = new Map<string, Row>();
  readonly #decisions: Decisions;
  #newest = -1;

  constructor(decisions: Decisions) {
    this.#decisions = decisions;
  }

  render(watch: QueueWatch, isUnplugged: boolean, titleOf: (draftId: string) => string | undefined): void {
    const { actions, leaving } = watch;
    const shown = [...actions.filter(({ id }) => !leaving.has(id)), ...[...leaving.values()].map(({ action }) => action)]
      .sort((one, other) => one.seq - other.seq)
      .slice(0, MOST_ROWS);
    const ids = new Set(shown.map(({ id }) => id));
    for (const id of this.#rows.keys()) {
      if (!ids.has(id)) this.#rows.delete(id);
    }
    const parked = new Set<string>();
    const items = shown.map((action) => {
      const row = this.#rows.get(action.id) ?? this.#add(action);
      const left = leaving.get(action.id);
      const state = left ? "saved" : stateOf(action, !isUnplugged && watch.isSending(action));
      write(row.about, subjectOf(action, titleOf));
      const isParked = state === "waiting" && action.key !== null && parked.has(action.key);
      write(row.state, isParked ? "waiting behind a decision" : stateText(action, state, left?.wasThere ?? false));
      if (state === "conflict" && action.key !== null) parked.add(action.key);
      this.#show(row, action, state, left?.delay ?? 0);
      return row.item;
    });
    arrange(this.#list, items);
    const inQueue = actions.filter(({ id }) => !leaving.has(id)).length;
    this.#empty.hidden = items.length > 0;
    write(
      this.#count,
      inQueue > items.length ? `${inQueue}, the first ${items.length} shown` : inQueue > 0 ? String(inQueue) : "",
    );
    this.#revealNewest(shown);
  }

  #add(action: QueuedAction): Row {
    const about = make("span", "waiting-about");
    const state = make("span", "waiting-state");
    const time = make("time", "", momentText(action.timestamp));
    time.dateTime = new Date(action.timestamp).toISOString();
    const decision = make("div", "decision");
    const icon = makeDrawing(ICONS.has(action.type) ? `icon-${action.type}` : "icon-other", "0 0 20 20", "waiting-icon");
    const what = make("p", "waiting-what", make("span", "waiting-verb", verbOf(action.type)), " ", about);
    what.id = `action-${action.id}`;
    const body = make("div", "waiting-body", what, make("p", "waiting-meta", time, make("span", "dot", " · "), state), decision);
    const item = make("li", "waiting-row", make("div", "waiting-inner", icon, body));
    item.dataset["actionId"] = action.id;
    item.dataset["actionType"] = action.type;
    const row = { item, about, state, decision };
    this.#rows.set(action.id, row);
    return row;
  }

  #show({ item, decision }: Row, action: QueuedAction, state: RowState, delay: number): void {
    if (item.dataset["state"] === state) return;
    item.dataset["state"] = state;
    item.style.setProperty("--leave-after", `${delay}ms`);
    decision.replaceChildren(...(state === "conflict" || state === "refused" ? this.#decision(action) : []));
  }

  #decision(action: QueuedAction): HTMLElement[] {
    const { lastError, conflict } = action;
    const why = lastError?.userMessage ?? conflictText(action);
    const code = lastError?.code ?? conflict?.conflictType ?? "";
    const buttons = make("p", "decision-buttons");
    const decide = (label: string, choice: (action: QueuedAction) => void) => {
      const button = makeButton(label, "small", () => {
        this.#moveFocusOn(button);
        choice(action);
      });
      button.setAttribute("aria-describedby", `action-${action.id}`);
      buttons.append(button);
    };
    decide("Try again", (chosen) => this.#decisions.tryAgain(chosen));
    if (conflict && action.type === "save_draft") decide("Keep as a copy", (chosen) => this.#decisions.keepAsCopy(chosen));
    decide("Discard", (chosen) => this.#decisions.discard(chosen));
    return [make("p", "decision-why", why, " ", make("code", "", code)), buttons];
  }

  /** The button is about to go: the keyboard goes to the next decision, or to the heading. */
  #moveFocusOn(button: HTMLButtonElement): void {
    const row = button.closest("li");
    const others = [...this.#list.querySelectorAll<HTMLButtonElement>(".decision-buttons button")];
    const next = others.find((other) => !row?.contains(other));
    (next ?? byId("waiting-heading", HTMLHeadingElement)).focus({ preventScroll: true });
  }

  /** What was done last is what one looks for. */
  #revealNewest(shown: readonly QueuedAction[]): void {
    const last = shown.at(-1)?.seq ?? -1;
    const isNews = last > this.#newest;
    this.#newest = Math.max(this.#newest, last);
    if (isNews) this.#list.scrollTop = this.#list.scrollHeight;
  }
}

function stateOf(action: QueuedAction, isSending: boolean): RowState {
  if (action.state === "conflict") return "conflict";
  if (action.state === "dead") return "refused";
  return isSending ? "sending" : "waiting";
}

function stateText(action: QueuedAction, state: RowState, wasThere: boolean): string {
  if (wasThere) return "saved: the server had it already";
  if (action.state === "unreadable") return "kept for a newer version of this page";
  if (state === "waiting" && action.lastError) return `waiting: ${action.lastError.userMessage}`;
  return STATE_TEXTS[state];
}

function conflictText({ conflict }: QueuedAction): string {
  const { title, content, version } = Object(conflict?.server) as Record<string, unknown>;
  if (typeof content !== "string") return "It was changed elsewhere in the meantime.";
  const name = typeof title === "string" && title ? `“${title}”` : "This draft";
  return `${name} was changed elsewhere in the meantime${typeof version === "number" ? `, to version ${version}` : ""}.`;
}
