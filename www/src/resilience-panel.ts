import type { ConnectivityReason, ConnectivityState, Steadfast } from "steadfast";
import { Burst } from "./burst.js";
import { byId, write } from "./element.js";
import { EventLog } from "./event-log.js";
import { serviceName, shortly } from "./event-words.js";
import type { FaultSwitch } from "./fault-switch.js";
import { PreferenceForm } from "./preference-form.js";
import { ServiceList } from "./service-list.js";
import { momentText } from "./time.js";
import { CONFIGURATIONS, troubleOf, TROUBLES } from "./troubles.js";

const STATES: Record<ConnectivityState, string> = {
  unknown: "Not known yet",
  online: "Online",
  degraded: "Degraded",
  offline: "Offline",
  captivePortal: "Behind a sign-in page",
};

const REASONS: Record<ConnectivityReason, string> = {
  nothingKnown: "nothing has been heard yet",
  answered: "the server answers",
  browserOffline: "the browser says that there is no network",
  noNetwork: "there is no network",
  noAnswer: "the server does not answer, and nobody else has lately",
  backendSilent: "others answer, and the server does not",
  siblingsSilent: "the server answers, others do not",
  health: "the server’s own health says so",
  serverErrors: "the server answers with errors, one after the other",
  circuitOpen: "a circuit is open",
  unreadable: "something answers that the page may not read",
  pageInstead: "there is a page where the server has answered before",
  networkAuthentication: "the network wants a sign-in",
};

/** What stands around calls: who can be reached, the circuits, what the user and the server want of retries, and a burst to see it. */
export class ResiliencePanel {
  readonly #sdk: Steadfast;
  readonly #switch: FaultSwitch;
  readonly #services: ServiceList;
  readonly #preferences: PreferenceForm;
  readonly #trouble = byId("trouble-kind", HTMLSelectElement);
  readonly #about = byId("trouble-about", HTMLParagraphElement);
  readonly #wish = byId("configuration-kind", HTMLSelectElement);
  readonly #news = byId("resilience-news", HTMLParagraphElement);

  constructor(sdk: Steadfast, faultSwitch: FaultSwitch) {
    this.#sdk = sdk;
    this.#switch = faultSwitch;
    this.#services = new ServiceList(sdk);
    this.#preferences = new PreferenceForm(sdk);
    const burst = new Burst(sdk, () => log.clear());
    const log = new EventLog(sdk, (id) => burst.nameOf(id));
    byId("resilience-log-clear", HTMLButtonElement).addEventListener("click", () => log.clear());
    this.#watchReach();
    this.#watchServices();
    this.#offerTroubles();
  }

  /** Asks the server for what it knows better. */
  async refresh(): Promise<void> {
    await this.#preferences.load();
  }

  /** Time has passed. */
  tick(): void {
    this.#services.render();
    write(byId("configuration-now", HTMLPreElement), JSON.stringify(this.#sdk.configuration, null, 2));
  }

  #watchReach(): void {
    const { connectivity } = this.#sdk;
    const reach = byId("reach", HTMLParagraphElement);
    const detail = byId("reach-detail", HTMLParagraphElement);
    connectivity.subscribe(({ state, because, since }) => {
      reach.dataset["state"] = state;
      write(reach, STATES[state]);
      write(
        detail,
        `${REASONS[because]}, since ${momentText(since)}`.replace(/^./, (first) => first.toUpperCase()),
      );
    });
    const check = byId("reach-check", HTMLButtonElement);
    check.addEventListener("click", () => {
      connectivity.check().then(
        (state) => write(this.#news, `Looked again: ${STATES[state].toLowerCase()}.`),
        () => {},
      );
    });
  }

  #watchServices(): void {
    const render = () => this.tick();
    const types = [
      "circuitChanged",
      "servicePaused",
      "callWaits",
      "callFailed",
      "retryScheduled",
      "configurationChanged",
    ] as const;
    for (const type of types) this.#sdk.on(type, render);
    this.#sdk.on("circuitChanged", ({ service, to, openForMs }) => {
      const time = openForMs === null ? "" : ` for ${shortly(openForMs)}`;
      write(this.#news, `Circuit of ${serviceName(service)}: ${to === "halfOpen" ? "half-open" : to}${time}.`);
    });
    render();
  }

  #offerTroubles(): void {
    this.#trouble.append(...TROUBLES.map(({ label }, index) => new Option(label, String(index))));
    this.#switch.onChange((fault) => {
      byId("server-trouble", HTMLElement).hidden = false;
      const index = troubleOf(fault);
      this.#trouble.selectedIndex = index;
      write(this.#about, TROUBLES[index]?.about ?? "What is chosen under “Break things”.");
    });
    this.#trouble.addEventListener("change", () => {
      const trouble = TROUBLES[this.#trouble.selectedIndex];
      if (trouble) this.#set(this.#switch.set(trouble.fault));
    });
    this.#wish.append(...CONFIGURATIONS.map(({ label }, index) => new Option(label, String(index))));
    this.#wish.addEventListener("change", () => {
      this.#set(this.#switch.configure(CONFIGURATIONS[this.#wish.selectedIndex]?.configuration ?? null));
    });
  }

  #set(done: Promise<void>): void {
    done.catch(() => write(this.#about, "The server cannot be told: it gives no answer."));
  }
}
