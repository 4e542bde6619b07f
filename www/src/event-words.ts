import type { ApiErrorData, CircuitReason, CircuitState, EventOf, SteadfastEvent } from "steadfast";

/** What a line of the log says of an event. */
export interface Told {
  readonly text: string;
  readonly tone: "plain" | "good" | "bad";
}

type Failure = EventOf<"callFailed">["because"];

const FAILURES: Record<Failure, string> = {
  notRetryable: "it would fail again",
  notRepeatable: "it may have had its effect, and has no idempotency key to be sent again with",
  attemptsExhausted: "that was its last attempt",
  hintBeyondMaxWait: "the server wants to be asked later than the call is ready to wait",
  deadlineTooClose: "the next wait would outlast its deadline",
  deadlineExceeded: "its time is over",
  budgetExhausted: "the budget for retries is used up",
  circuitOpen: "the circuit is open",
  bulkheadFull: "too many wait in line already",
  autoRetryOff: "the user does not want more retries",
};

const REASONS: Record<CircuitReason, string> = {
  consecutiveFailures: "too many failures in a row",
  failureRatio: "too many failures lately",
  slowCalls: "too many slow answers",
  probeFailed: "a probe failed",
  probeSlow: "a probe was slow",
  probesSucceeded: "the probes succeeded",
  openTimeOver: "its time is over",
  byHand: "by hand",
  told: "told by the server, or by another tab",
};

const FALLBACKS: Record<EventOf<"fallbackUsed">["fallback"], string> = {
  lastGood: "the last good answer",
  alternativeEndpoint: "another endpoint",
  function: "the application’s own fallback",
};

export const CIRCUITS: Record<CircuitState, string> = {
  closed: "closed",
  open: "open",
  halfOpen: "half-open",
  forcedOpen: "held open",
};

/** A service as people know it: the page's own origin is “this server”. */
export function serviceName(service: string): string {
  return service === location.origin ? "this server" : service;
}

/** Milliseconds, for reading. */
export function shortly(milliseconds: number): string {
  return milliseconds < 950 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1).replace(/\.0$/, "")} s`;
}

function why({ status, code }: ApiErrorData): string {
  return [status ?? "", code ?? ""].filter(Boolean).join(" ") || "no answer";
}

/** An event in words; `undefined` for those that have nothing to do with calls. `nameOf` names the call of that id. */
export function told(event: SteadfastEvent, nameOf: (id: string | null, error?: ApiErrorData) => string): Told | undefined {
  const say = (text: string, tone: Told["tone"] = "plain"): Told => ({ text, tone });
  switch (event.type) {
    case "retryScheduled": {
      const { correlationId, attempt, afterMs, because, error } = event;
      const asked = because === "serverHint" ? ", as the server asks" : "";
      return say(`${nameOf(correlationId, error)}: attempt ${attempt} got ${why(error)}. Again in ${shortly(afterMs)}${asked}.`);
    }
    case "callFailed":
      return say(
        `${nameOf(event.correlationId, event.error)} gives up on ${why(event.error)}: ${FAILURES[event.because]}.`,
        "bad",
      );
    case "hedgeSent":
      return say(`${nameOf(event.correlationId)} is slow: attempt ${event.attempt} gets company.`);
    case "callWaits": {
      const reason = event.because === "paused" ? "asked to be left alone" : "takes no more calls a second";
      return say(`A call waits ${shortly(event.waitMs)}: ${serviceName(event.service)} ${reason}.`);
    }
    case "servicePaused":
      return say(`${serviceName(event.service)} wants to be left alone for ${shortly(event.forMs)}.`);
    case "circuitChanged": {
      const { service, from, to, because, openForMs } = event;
      const time = openForMs === null ? "" : `, for ${shortly(openForMs)}`;
      const change = `Circuit of ${serviceName(service)}: ${CIRCUITS[from]} → ${CIRCUITS[to]}${time}`;
      return say(`${change} (${REASONS[because]}).`, to === "closed" ? "good" : to === "halfOpen" ? "plain" : "bad");
    }
    case "credentialsRefreshed":
      if (event.succeeded) return say("Credentials renewed, once for all calls.", "good");
      return say(`Credentials could not be renewed: ${event.message ?? "nobody says why"}.`, "bad");
    case "fallbackUsed":
      return say(`${nameOf(event.correlationId, event.error)}: ${FALLBACKS[event.fallback]} stands in for ${why(event.error)}.`);
    case "configurationChanged": {
      const changes = event.adjustments.map(
        ({ member, received, used }) => `${member} said ${received}, ${used === null ? "ignored" : `${used} is used`}`,
      );
      return say(["The server wants to be treated in another way.", ...changes.map((change) => `${change}.`)].join(" "));
    }
    case "configurationIgnored":
      return say(`The server’s configuration is of no use: ${event.message}.`, "bad");
    case "preferencesChanged":
      return say("Preferences were changed in another tab.");
    case "preferencesRefused":
      return say(`The server refuses the preferences: ${event.message}.`, "bad");
    case "connectivityChanged":
      return say(`Connectivity: ${event.state} (${event.because}).`, event.state === "online" ? "good" : "bad");
    case "warning":
      return say(event.message, "bad");
    default:
      return undefined;
  }
}
