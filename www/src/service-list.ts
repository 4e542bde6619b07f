import type { ServiceSnapshot, Steadfast } from "steadfast";
import { arrange, byId, make, makeButton, write } from "./element.js";
import { CIRCUITS, serviceName, shortly } from "./event-words.js";

interface Row {
  readonly element: HTMLLIElement;
  readonly state: HTMLElement;
  readonly detail: HTMLElement;
}

/** The services that were called, each with its circuit. */
export class ServiceList {
  readonly #sdk: Steadfast;
  readonly #list = byId("service-list", HTMLUListElement);
  readonly #rows = new Map<string, Row>();

  constructor(sdk: Steadfast) {
    this.#sdk = sdk;
    const all: readonly [string, () => void][] = [
      ["open-all", () => sdk.services.openAll()],
      ["close-all", () => sdk.services.closeAll()],
      ["reset-all", () => sdk.services.resetAll()],
    ];
    for (const [id, change] of all) byId(id, HTMLButtonElement).addEventListener("click", () => this.#change(change));
  }

  render(): void {
    const all = this.#sdk.services.list().sort((a, b) => rank(a) - rank(b));
    // Each error of the catalogue is a service of its own, by its path.
    const services = all.filter(({ service }) => !service.startsWith("/"));
    byId("services-empty", HTMLParagraphElement).hidden = services.length > 0;
    byId("services-all", HTMLElement).hidden = services.length < 2;
    const elements = services.map((service) => {
      const row = this.#rows.get(service.service) ?? this.#row(service.service);
      const state = service.breaker?.state ?? "none";
      row.element.dataset["state"] = service.pausedForMs !== null && state === "closed" ? "paused" : state;
      write(row.state, stateText(service));
      write(row.detail, detailText(service));
      return row.element;
    });
    arrange(this.#list, elements);
  }

  #row(service: string): Row {
    const name = make("h4", "service-name", serviceName(service));
    const [state, detail] = [make("p", "service-state"), make("p", "note service-detail")];
    const button = (label: string, change: () => void) => {
      const made = makeButton(label, "small", () => this.#change(change));
      made.setAttribute("aria-label", `${label} the circuit of ${serviceName(service)}`);
      return made;
    };
    const { services } = this.#sdk;
    const buttons = make(
      "p",
      "service-buttons",
      button("Open", () => services.open(service)),
      button("Close", () => services.close(service)),
      button("Reset", () => services.reset(service)),
    );
    const element = make("li", "service", make("div", "", name, state), buttons, detail);
    element.dataset["service"] = service;
    const row = { element, state, detail };
    this.#rows.set(service, row);
    return row;
  }

  #change(change: () => void): void {
    change();
    this.render();
  }
}

/** The server itself, then its parts that were called, then those that it only tells of. */
function rank({ service, breaker, pausedForMs }: ServiceSnapshot): number {
  if (service === location.origin) return 0;
  return breaker?.state !== "closed" || breaker.calls > 0 || pausedForMs !== null ? 1 : 2;
}

function stateText({ breaker, pausedForMs }: ServiceSnapshot): string {
  const pause = pausedForMs === null ? "" : `left alone for ${seconds(pausedForMs)}`;
  if (!breaker) return pause || "no circuit";
  const circuit = `circuit ${CIRCUITS[breaker.state]}`;
  if (breaker.openRemainingMs !== null) return `${circuit} for ${seconds(breaker.openRemainingMs)}`;
  if (breaker.state === "halfOpen") return breaker.probes > 0 ? `${circuit}, probing` : `${circuit}: the next calls are probes`;
  return [circuit, pause].filter(Boolean).join(", ");
}

function detailText({ service, breaker, budget, bulkhead, sendRate }: ServiceSnapshot): string {
  const parts: string[] = [];
  if (breaker && breaker.calls > 0) {
    const inARow = breaker.failuresInARow > 0 ? `, ${breaker.failuresInARow} in a row` : "";
    parts.push(`${breaker.failures} of ${breaker.calls} ${breaker.calls === 1 ? "call" : "calls"} failed lately${inARow}`);
  }
  // Retries are paid for by the server that they go to, not by its parts.
  if (budget && service.includes("://")) {
    parts.push(`${Math.floor(budget.available)} of ${budget.capacity} tokens for retries`);
    if (budget.refused > 0) parts.push(`${budget.refused} retries refused`);
  }
  if (bulkhead && bulkhead.running + bulkhead.queued > 0) parts.push(`${bulkhead.running} running, ${bulkhead.queued} in line`);
  if (sendRate?.active) parts.push(`${sendRate.allowedPerSecond.toFixed(1)} calls a second`);
  return parts.join(" · ");
}

/** Whole seconds, for counting down in. */
function seconds(milliseconds: number): string {
  return milliseconds >= 1000 ? `${Math.ceil(milliseconds / 1000)} s` : shortly(milliseconds);
}
