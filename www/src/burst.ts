import { ApiError, type CallOptions, degradation, type Steadfast, type Urgency } from "steadfast";
import { byId, make, write } from "./element.js";

type Fate = "under way" | "succeeded" | "stood in" | "failed";

/** How the calls of a burst are made. */
interface Wishes {
  readonly count: number;
  readonly method: "GET" | "POST";
  readonly options: CallOptions<Response>;
}

const GET = "/api/demo/errors";
const POST = "/api/demo/sign-ups/problem-details";
const SIGN_UP = { name: "Ada", email: "ada@example.com", drafts: 3 };

/** Several calls at once, and what becomes of each. */
export class Burst {
  readonly #sdk: Steadfast;
  readonly #chips = byId("burst-calls", HTMLOListElement);
  readonly #summary = byId("burst-summary", HTMLParagraphElement);
  readonly #numbers = new Map<string, number>();
  #fates: Fate[] = [];

  /** `began` is called when a burst begins. */
  constructor(sdk: Steadfast, began: () => void) {
    this.#sdk = sdk;
    byId("burst-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      began();
      this.#send(wishes());
    });
  }

  /** What the call of that correlation id is named. */
  nameOf(id: string | null): string | undefined {
    const number = this.#numbers.get(id ?? "");
    return number === undefined ? undefined : `Call ${number}`;
  }

  #send({ count, method, options }: Wishes): void {
    this.#numbers.clear();
    const fates = (this.#fates = Array<Fate>(count).fill("under way"));
    this.#chips.replaceChildren(...fates.map((_, index) => make("li", "chip", String(index + 1))));
    this.#show();
    for (let number = 1; number <= count; number++) {
      void this.#call(method, options, number).then((fate) => {
        // There may be another burst by now.
        if (fates !== this.#fates) return;
        fates[number - 1] = fate;
        this.#show();
      });
    }
  }

  async #call(method: Wishes["method"], options: CallOptions<Response>, number: number): Promise<Fate> {
    // The id is known before the call is made, so that each event can be told to be this one's.
    const id = crypto.randomUUID();
    this.#numbers.set(id, number);
    const headers = { "X-Correlation-Id": id };
    const post = { method, headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(SIGN_UP) };
    try {
      const response = await this.#sdk.fetch(method === "GET" ? GET : POST, method === "GET" ? { headers } : post, options);
      return degradation(response) ? "stood in" : "succeeded";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return "failed";
    }
  }

  #show(): void {
    const counts = new Map<Fate, number>();
    this.#fates.forEach((fate, index) => {
      counts.set(fate, (counts.get(fate) ?? 0) + 1);
      const chip = this.#chips.children[index] as HTMLElement;
      chip.dataset["fate"] = fate;
      chip.title = `Call ${index + 1}: ${fate}`;
    });
    const parts = [...counts].map(([fate, count]) => `${count} ${fate}`);
    const calls = this.#fates.length === 1 ? "1 call" : `${this.#fates.length} calls`;
    // Said once it is over: a number that counts up would be read out all the time.
    this.#summary.setAttribute("aria-busy", String(counts.has("under way")));
    this.#summary.dataset["busy"] = String(counts.has("under way"));
    write(this.#summary, `${calls}: ${parts.join(", ")}.`);
  }
}

function wishes(): Wishes {
  const count = byId("burst-count", HTMLInputElement).valueAsNumber;
  const kind = byId("burst-kind", HTMLSelectElement).value;
  const urgency = byId("burst-urgency", HTMLSelectElement).value as Urgency;
  const isHedged = byId("burst-hedge", HTMLInputElement).checked;
  const fallsBack = byId("burst-fallback", HTMLInputElement).checked;
  return {
    count: Number.isInteger(count) ? Math.min(Math.max(count, 1), 30) : 8,
    method: kind === "get" ? "GET" : "POST",
    options: {
      urgency,
      ...(kind === "keyed" && { idempotencyKey: true }),
      ...(isHedged && kind === "get" && { hedge: { afterMs: 300 } }),
      ...(fallsBack && { fallback: "lastGood" }),
    },
  };
}
