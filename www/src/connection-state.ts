import type { EventOf, Snapshot } from "steadfast";
import { durationText, momentText } from "./time.js";

export type ConnectionState = "synced" | "saving" | "offline" | "waiting" | "attention";

export interface Connection {
  readonly isUnplugged: boolean;
  readonly isUnreachable: boolean;
  readonly isSyncing: boolean;
  /** Whether it is syncing, or about to. */
  readonly isBusy: boolean;
  readonly snapshot: Snapshot;
  readonly lastFailure: EventOf<"batchFailed"> | null;
}

/** What is to be said of the connection: a state, a headline that is announced, and a sentence that explains it. */
export interface Report {
  readonly state: ConnectionState;
  readonly headline: string;
  readonly detail: string;
}

export function reportOn({ isUnplugged, isUnreachable, isSyncing, isBusy, snapshot, lastFailure }: Connection): Report {
  const { pending, conflicts, dead, waitingFor, nextAttemptAt, online } = snapshot;
  const undecided = conflicts + dead;
  const waiting = pending === 0 ? "nothing waiting" : `${pending} waiting`;
  const decisions = undecided === 0 ? "" : ` ${undecided === 1 ? "One needs" : `${undecided} need`} a decision.`;

  if (isUnplugged) {
    return {
      state: "offline",
      headline: `Offline — ${waiting}`,
      detail: `You asked to work offline. Everything is kept on this device.${decisions}`,
    };
  }
  if (!online || isUnreachable || waitingFor === "network") {
    const why = online ? "The server cannot be reached." : "This device has no network.";
    return {
      state: "offline",
      headline: `Offline — ${waiting}`,
      detail: `${why} Everything is kept on this device.${decisions}`,
    };
  }
  if (pending > 0 && !isSyncing && waitingFor !== null) {
    const why = lastFailure?.error.userMessage ?? "The server could not take it yet.";
    return { state: "waiting", headline: waitingHeadline(waitingFor, nextAttemptAt, pending), detail: `${why}${decisions}` };
  }
  if (pending > 0 && (isSyncing || (isBusy && undecided === 0))) {
    return { state: "saving", headline: "Saving…", detail: `${pending} on the way to the server.${decisions}` };
  }
  if (pending > 0 && undecided === 0) {
    // Another tab has put it into the queue, and this one knows nothing of its being sent.
    return { state: "waiting", headline: `${pending} waiting to be sent`, detail: "Everything is kept on this device." };
  }
  if (undecided > 0) {
    const headline = undecided === 1 ? "One change needs a decision" : `${undecided} changes need a decision`;
    const rest = pending === 0 ? "Everything else is saved." : `${pending} more ${pending === 1 ? "waits" : "wait"} behind.`;
    return { state: "attention", headline, detail: `Nothing is thrown away until you decide. ${rest}` };
  }
  return { state: "synced", headline: "In sync", detail: "Everything you did is on the server." };
}

function waitingHeadline(waitingFor: Snapshot["waitingFor"], nextAttemptAt: number | null, pending: number): string {
  switch (waitingFor) {
    case "serverHint":
      return nextAttemptAt === null ? "Server asks to wait" : `Server asks to wait until ${momentText(nextAttemptAt)}`;
    case "authentication":
      return `Signed out — ${pending} waiting`;
    default:
      return `Server is in trouble — ${pending} waiting`;
  }
}

/** When the server is asked next. */
export function nextAttemptText({ isUnplugged, isSyncing, isBusy, snapshot }: Connection, now: number): string {
  const { pending, conflicts, dead, nextAttemptAt } = snapshot;
  if (pending === 0) return "nothing to send";
  if (isUnplugged) return "when you are back online";
  if (!isSyncing && nextAttemptAt === null && conflicts + dead > 0) return "after your decision";
  if (!isSyncing && nextAttemptAt !== null && nextAttemptAt > now) return `in ${durationText(nextAttemptAt - now)}`;
  return isBusy ? "now" : "soon";
}
