import { ApiError } from "steadfast";
import { byId, write } from "./element.js";
import type { Fault, FaultSwitch } from "./fault-switch.js";

interface Choice {
  readonly label: string;
  readonly about: string;
  readonly fault: Fault;
}

const CHOICES: readonly Choice[] = [
  {
    label: "Slow answers, 2 s",
    about: "The server takes two seconds for each batch. Keep writing: nothing blocks.",
    fault: { kind: "latency", latencyMs: 2000 },
  },
  {
    label: "Unavailable, 503",
    about: "The server is down for maintenance. Steadfast backs off, and comes back by itself.",
    fault: { kind: "status", status: 503 },
  },
  {
    label: "Too many requests, 429",
    about: "The server asks to be left alone for ten seconds. No tab asks earlier, not even after a reload.",
    fault: { kind: "status", status: 429, retryAfter: "10" },
  },
  {
    label: "A hotel’s sign-in page",
    about: "The network answers 200 with a page of its own. That is no success, and nothing is lost to it.",
    fault: { kind: "html" },
  },
  {
    label: "Lost answers",
    about: "The server saves, and its answer is lost on the way. Steadfast asks again, and everything is saved once.",
    fault: { kind: "commit_then_drop" },
  },
  {
    label: "Half of it refused",
    about: "The server refuses every second change. Those wait below Connection for your decision.",
    fault: { kind: "reject_half" },
  },
];

/** The server's fault switch, if it has one, as far as it concerns saving. */
export class FaultPanel {
  readonly #panel = byId("faults", HTMLElement);
  readonly #kind = byId("fault-kind", HTMLSelectElement);
  readonly #count = byId("fault-count", HTMLInputElement);
  readonly #about = byId("fault-about", HTMLParagraphElement);
  readonly #now = byId("fault-now", HTMLParagraphElement);
  readonly #elsewhere = byId("edit-elsewhere", HTMLButtonElement);
  readonly #switch: FaultSwitch;

  constructor(faultSwitch: FaultSwitch, editElsewhere: () => Promise<string>) {
    this.#switch = faultSwitch;
    faultSwitch.onChange((fault) => this.#show(fault));
    this.#kind.append(...CHOICES.map(({ label }, index) => new Option(label, String(index))));
    this.#kind.addEventListener("change", () => this.#explain());
    this.#explain();
    byId("fault-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const { fault } = this.#choice();
      const count = this.#count.valueAsNumber;
      void this.#set(Number.isInteger(count) && count > 0 ? { ...fault, count } : fault);
    });
    byId("fault-clear", HTMLButtonElement).addEventListener("click", () => void this.#set(null));
    this.#elsewhere.addEventListener("click", () => {
      editElsewhere().then(
        (done) => write(this.#now, done),
        (error: unknown) => write(this.#now, explanation(error)),
      );
    });
  }

  canEditElsewhere(can: boolean): void {
    this.#elsewhere.disabled = !can;
  }

  async #set(fault: Fault | null): Promise<void> {
    try {
      await this.#switch.set(fault);
    } catch (error) {
      write(this.#now, explanation(error));
    }
  }

  #show(fault: Fault | null): void {
    this.#panel.hidden = false;
    this.#panel.dataset["fault"] = fault?.kind ?? "none";
    write(this.#now, fault ? nowText(fault) : "The server behaves.");
  }

  #choice(): Choice {
    return CHOICES[this.#kind.selectedIndex] ?? (CHOICES[0] as Choice);
  }

  #explain(): void {
    write(this.#about, this.#choice().about);
  }
}

function nowText({ kind, status, count, path }: Fault): string {
  if (path && !path.startsWith("/api/sync/")) return "Now: what is chosen under Resilience.";
  const choice = CHOICES.find(({ fault }) => fault.kind === kind && fault.status === status);
  const times = count === undefined ? "until you stop it" : count === 1 ? "once more" : `${count} more times`;
  return `Now: ${choice?.label ?? kind}, ${times}.`;
}

function explanation(error: unknown): string {
  return error instanceof ApiError ? error.userMessage : "The server gave no answer that could be read.";
}
