import { writtenData } from "./action.js";
import { invalidAction, SteadfastError } from "./errors.js";
import type { Conflict, Outcome } from "./outcome.js";
import type { ListOptions, QueuedAction } from "./queue.js";

/** What becomes of an action that stands in conflict with something newer. */
export type Resolution =
  /**
   * It is sent again, in its place: as it is, or with other `data`. The server is asked the same once more if nothing in the data
   * says that it is to win, such as the version that it was made for.
   */
  | { readonly resolution: "keepLocal"; readonly data?: unknown }
  /** It leaves the queue: what the server has holds. Its outcome is `discarded`. */
  | { readonly resolution: "takeServer" }
  /** It is sent again, in its place, with data made of both. */
  | { readonly resolution: "merge"; readonly data: unknown }
  /** It leaves the queue: the user no longer wants it. Its outcome is `discarded`. */
  | { readonly resolution: "drop" };

/** Decides conflicts: see the option `onConflict`. */
export type ConflictHandler = (action: QueuedAction, conflict: Conflict) => Resolution | "later" | Promise<Resolution | "later">;

/** @internal A resolution as the queue carries it out. */
export interface Decision {
  /** Whether the action is sent again, or leaves the queue. */
  readonly goesBack: boolean;
  /** Other data, as JSON. */
  readonly data?: string | undefined;
}

/**
 * @internal
 * @throws {@link InvalidInputError} for what is no resolution.
 */
export function decisionOf(resolution: Resolution): Decision {
  const { resolution: name, data } = Object(resolution) as { resolution?: unknown; data?: unknown };
  switch (name) {
    case "takeServer":
    case "drop":
      return { goesBack: false };
    case "keepLocal":
      return { goesBack: true, data: data === undefined ? undefined : writtenData(data) };
    case "merge":
      return { goesBack: true, data: writtenData(data) };
  }
  const shown = typeof name === "string" ? JSON.stringify(name) : String(name ?? resolution);
  throw invalidAction("resolution", shown, "{ resolution }: keepLocal, takeServer, merge with data, or drop; or later");
}

/** So often in a row a handler may send an action again that comes back in conflict. */
const MOST_IN_A_ROW = 5;
/** Tabs that hear of the same conflict at the same time do so within this: milliseconds. */
const HEARD_TOGETHER = 1000;
const PAGE = 100;

/** What conflicts are decided with. */
interface Desk {
  readonly handler: ConflictHandler;
  /** What the locks between tabs begin with: of this database and this user. */
  readonly scope: string;
  /** Up to `limit` of the actions in conflict, from that place on. */
  list(from: ListOptions["from"], limit: number): Promise<QueuedAction[]>;
  decide(id: string, decision: Decision): Promise<unknown>;
}

/** @internal Has the application's handler decide conflicts, once each. */
export class Conflicts {
  readonly #desk: Desk;
  /** Of which conflicts this tab has heard, and has not looked at them since; `"all"` if it does not know yet which there are. */
  #heard: Set<string> | "all" = "all";
  /** What is being decided. */
  readonly #open = new Set<string>();
  /** What has been heard of once more meanwhile. */
  readonly #again = new Set<string>();
  /** How often the handler has sent actions again that have not been settled since. */
  readonly #inARow = new Map<string, number>();
  #isLooking = false;

  /** Begins with what is there. */
  constructor(desk: Desk) {
    this.#desk = desk;
    this.#look();
  }

  /** An action is settled, for now or for good. */
  hear(id: string, outcome: Outcome): void {
    if (outcome.status === "conflict") this.#note(id);
    else this.#inARow.delete(id);
  }

  #note(id: string): void {
    if (this.#heard !== "all") this.#heard.add(id);
    this.#look();
  }

  #look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    // In a task of its own: what is heard of is still being told.
    void Promise.resolve().then(() => this.#goThrough());
  }

  async #goThrough(): Promise<void> {
    let heard: Set<string> | "all" = new Set();
    try {
      while (this.#heard === "all" || this.#heard.size > 0) {
        heard = this.#heard;
        this.#heard = new Set();
        await this.#goThroughThese(heard);
      }
    } catch (error) {
      // Those are looked at when the next one is heard of.
      this.#heard = heard === "all" || this.#heard === "all" ? "all" : new Set([...heard, ...this.#heard]);
      report(error);
    } finally {
      this.#isLooking = false;
    }
  }

  async #goThroughThese(heard: ReadonlySet<string> | "all"): Promise<void> {
    let from: ListOptions["from"];
    for (;;) {
      const page = await this.#desk.list(from, PAGE);
      for (const action of page) {
        if (heard !== "all" && !heard.has(action.id)) continue;
        if (this.#open.has(action.id)) this.#again.add(action.id);
        else void this.#handle(action);
      }
      const last = page.at(-1);
      if (!last || page.length < PAGE) return;
      from = { ...last, seq: last.seq + 1 };
    }
  }

  async #handle({ id, durability, seq }: QueuedAction): Promise<void> {
    this.#open.add(id);
    try {
      await alone(`${this.#desk.scope}:${id}`, async (hasCompany) => {
        const [action] = await this.#desk.list({ durability, seq }, 1);
        // What was heard until now was of this one.
        this.#again.delete(id);
        if (this.#heard !== "all") this.#heard.delete(id);
        // Another tab may have decided it meanwhile.
        if (action?.id !== id || !action.conflict) return;
        const isDecided = await this.#ask(action, action.conflict).catch(report);
        if (!isDecided && hasCompany) await new Promise((resolve) => setTimeout(resolve, HEARD_TOGETHER));
      });
    } catch (error) {
      report(error);
    } finally {
      this.#open.delete(id);
      if (this.#again.delete(id)) this.#note(id);
    }
  }

  async #ask(action: QueuedAction, conflict: Conflict): Promise<boolean> {
    const { id } = action;
    const times = this.#inARow.get(id) ?? 0;
    if (times >= MOST_IN_A_ROW) {
      throw new SteadfastError(
        `onConflict has sent the action ${id} again ${times} times, and it is in conflict all the same: it waits for queue.resolve.`,
      );
    }
    const said = await this.#desk.handler(action, conflict);
    if (said === "later") return false;
    const decision = decisionOf(said);
    if (decision.goesBack) this.#inARow.set(id, times + 1);
    await this.#desk.decide(id, decision);
    return true;
  }
}

/** Does it while no other tab does, or not at all. */
async function alone(name: string, task: (hasCompany: boolean) => Promise<void>): Promise<void> {
  // Not everywhere, whatever the types say: old browsers, insecure pages, Node.
  const locks = (globalThis.navigator as Partial<Navigator> | undefined)?.locks;
  if (!locks) return task(false);
  let isAnswered = false;
  try {
    await locks.request(name, { ifAvailable: true }, (lock) => {
      isAnswered = true;
      return lock ? task(true) : undefined;
    });
  } catch (error) {
    if (isAnswered) throw error;
    // Refused, as in a frame without an origin of its own: there are no other tabs, then.
    await task(false);
  }
}

function report(thrown: unknown): void {
  // What is not decided is still there, for whoever opens Steadfast next.
  if (thrown instanceof SteadfastError && thrown.name === "ClosedError") return;
  if (typeof reportError === "function") reportError(thrown);
  else console.error(thrown);
}
