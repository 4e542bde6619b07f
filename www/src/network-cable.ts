import { recall, remember } from "./memory.js";

const unplugged = () => new TypeError("Failed to fetch");

/** The page's way to the network, which can be unplugged. What is under way then fails as it would in a tunnel. */
export class NetworkCable {
  #unplugging = new AbortController();

  constructor() {
    if (recall("offline") === "yes") this.#unplugging.abort(unplugged());
  }

  get isUnplugged(): boolean {
    return this.#unplugging.signal.aborted;
  }

  unplug(): void {
    remember("offline", "yes");
    this.#unplugging.abort(unplugged());
  }

  plugIn(): void {
    remember("offline", "no");
    if (this.isUnplugged) this.#unplugging = new AbortController();
  }

  /** What Steadfast sends requests with. */
  readonly send = (request: Request): Promise<Response> => {
    const { signal } = this.#unplugging;
    if (signal.aborted) return Promise.reject(unplugged());
    return fetch(request, { signal: AbortSignal.any([request.signal, signal]) });
  };
}
