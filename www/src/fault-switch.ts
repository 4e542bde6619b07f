const FAULTS = "/api/faults";

/** As the reference backend's fault switch takes it. */
export interface Fault {
  readonly kind: string;
  readonly latencyMs?: number;
  readonly status?: number;
  readonly retryAfter?: string;
  readonly service?: string;
  readonly count?: number;
  readonly path?: string;
}

/**
 * The server's fault switch, if it has one. What it is asked goes past Steadfast: a circuit that a fault has opened must not keep
 * anyone from mending it.
 */
export class FaultSwitch {
  readonly #send: (request: Request) => Promise<Response>;
  readonly #headers: Record<string, string>;
  readonly #listeners: ((fault: Fault | null) => void)[] = [];

  constructor(send: (request: Request) => Promise<Response>, headers: Record<string, string>) {
    this.#send = send;
    this.#headers = headers;
  }

  /** Has `listener` called with what is set, whenever the server has said so. */
  onChange(listener: (fault: Fault | null) => void): void {
    this.#listeners.push(listener);
  }

  /** Looks for the switch, and at how it is set. */
  async refresh(): Promise<void> {
    try {
      await this.#ask("GET", FAULTS);
    } catch {
      // Without an answer, what is shown stays: a server without the switch never had it shown.
    }
  }

  /** Sets it; `null` for a server that behaves. */
  async set(fault: Fault | null): Promise<void> {
    await this.#ask(fault ? "PUT" : "DELETE", FAULTS, fault);
  }

  /** Has the server say that of how it wants to be treated; `null` for what it says usually. */
  async configure(configuration: object | null): Promise<void> {
    const response = await this.#request(configuration ? "PUT" : "DELETE", `${FAULTS}/configuration`, configuration);
    if (!response.ok) throw new Error(`The fault switch answered ${response.status}.`);
  }

  async #ask(method: string, path: string, body?: object | null): Promise<void> {
    const response = await this.#request(method, path, body);
    if (!response.ok) throw new Error(`The fault switch answered ${response.status}.`);
    const { fault } = (await response.json()) as { fault: Fault | null };
    for (const listener of this.#listeners) listener(fault);
  }

  #request(method: string, path: string, body: object | null = null): Promise<Response> {
    const headers = { ...this.#headers, ...(body && { "Content-Type": "application/json" }) };
    return this.#send(new Request(path, { method, headers, body: body && JSON.stringify(body) }));
  }
}
