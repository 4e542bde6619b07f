import type { Fault } from "./fault-switch.js";

/** The routes that the calls of the panel go to. */
const PATH = "/api/demo/";

/** What can be wrong with the server that the calls go to. */
export interface Trouble {
  readonly label: string;
  readonly about: string;
  readonly fault: Fault | null;
}

export const TROUBLES: readonly Trouble[] = [
  { label: "Nothing", about: "The server answers as it should.", fault: null },
  {
    label: "Its portrait service fails, 503",
    about:
      "The errors name the service that has failed. Its circuit opens, for 6 s at first; calls to the rest of the server go on.",
    fault: { kind: "status", status: 503, service: "portraits", path: PATH },
  },
  {
    label: "All of it fails, 500",
    about:
      "The errors name nobody. The circuit of what the route is known to need opens, else that of the whole server: the page is refused, too.",
    fault: { kind: "status", status: 500, path: PATH },
  },
  {
    label: "Twice too busy: 429, back in 4 s",
    about: "All calls wait for as long as the server asks, in every tab. Then it answers.",
    fault: { kind: "status", status: 429, retryAfter: "4", count: 2, path: PATH },
  },
  {
    label: "Three answers take 3 s",
    about: "Hedge the calls: a second attempt goes beside each that is slow, and the first answer counts.",
    fault: { kind: "latency", latencyMs: 3000, count: 3, path: PATH },
  },
  {
    label: "Connections break",
    about: "No answer comes. Is it the server or the network? Steadfast has a look before it says so.",
    fault: { kind: "drop", path: PATH },
  },
  {
    label: "Answers get lost",
    about: "The server does what it is asked, and nobody hears of it. A POST is only sent again if it has an idempotency key.",
    fault: { kind: "commit_then_drop", path: PATH },
  },
  {
    label: "The sign-in expired, 401",
    about: "Credentials are renewed once for all calls, which are then sent again.",
    fault: { kind: "status", status: 401, count: 3, path: PATH },
  },
];

/** Which of them it is; -1 if it is none. */
export function troubleOf(fault: Fault | null): number {
  if (!fault) return 0;
  return TROUBLES.findIndex(
    ({ fault: other }) => other && other.kind === fault.kind && other.status === fault.status && other.path === fault.path,
  );
}

/** What the server can say of how it wants to be treated. */
export const CONFIGURATIONS: readonly { readonly label: string; readonly configuration: object | null }[] = [
  { label: "as usual", configuration: null },
  {
    label: "open circuits after 2 failures",
    configuration: {
      retryDefaults: { maxAttempts: 3, baseDelay: 500, backoffMultiplier: 2 },
      circuitBreaker: { failureThreshold: 2, recoveryTimeout: 3000, halfOpenMaxCalls: 1 },
    },
  },
  {
    label: "nonsense",
    configuration: { retryDefaults: { maxAttempts: 9999, baseDelay: "soon" }, circuitBreaker: { recoveryTimeout: -5 } },
  },
];
