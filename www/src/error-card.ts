import type { ApiError, Degraded, JsonAnswer, Recovery, RetryHint, RetryReason } from "steadfast";
import { make } from "./element.js";
import { durationText, momentText } from "./time.js";

/** An error as code gets it: its members by their names. Nothing of it becomes a live link. */
export function errorCard(error: ApiError): HTMLElement {
  const card = make("article", "card card-error");
  card.dataset["severity"] = error.severity;
  const { name, mark, confidence } = error.format;
  card.append(
    make(
      "p",
      "card-tags",
      tag(error.code ?? "no code", "tag-code"),
      tag(error.category),
      tag(`${error.severity} severity`),
      tag(statusText(error.status)),
    ),
    facts([
      ["format", `${name}: ${confidence}, by ${mark}`],
      ["message", error.message],
      ["retryable", `${error.retryable}, ${RETRY_REASONS[error.retryReason]}`],
      ["retryHint", error.retryHint && hintText(error.retryHint)],
      ["userAction", error.userAction],
      ["correlationId", error.correlationId],
      ["requestId", error.requestId],
      ["errorId", error.errorId],
      ["timestamp", error.timestamp],
      ["service", error.service],
      ["rateLimit", error.rateLimit && limitText(error.rateLimit)],
      [
        "upstream",
        error.upstream && [error.upstream.provider, error.upstream.code, error.upstream.message].filter(Boolean).join(": "),
      ],
      ["helpLink", error.helpLink],
    ]),
  );
  if (error.fieldErrors.length > 0) {
    const items = error.fieldErrors.map(({ path, message, constraint, value, allowed }) => {
      const item = make("li", "", make("code", "", path), ` ${message ?? "is not accepted"}`);
      const more = [
        constraint && `rule: ${constraint}`,
        value !== null && value !== undefined && `was: ${JSON.stringify(value)}`,
        allowed !== null && allowed !== undefined && `allowed: ${JSON.stringify(allowed)}`,
      ].filter(Boolean);
      if (more.length > 0) item.append(" ", make("span", "note", `(${more.join("; ")})`));
      return item;
    });
    card.append(make("h4", "card-heading", "fieldErrors"), make("ul", "card-list", ...items));
  }
  if (error.recovery) card.append(...recoveryParts(error.recovery));
  if (present(error.businessContext)) card.append(disclosure("businessContext", JSON.stringify(error.businessContext, null, 2)));
  if (present(error.details)) card.append(disclosure("details", JSON.stringify(error.details, null, 2)));
  const { text, truncated, contentType } = error.raw;
  card.append(disclosure(`raw${contentType ? `, ${contentType}` : ""}${truncated ? ", cut off" : ""}`, text || "(empty)"));
  return card;
}

/** An answer that is no error. It may still say that something went less than well. */
export function successCard({ data, degraded, status }: JsonAnswer<unknown>): HTMLElement {
  const card = make("article", "card card-success");
  card.append(
    make("p", "card-lead", degraded ? "It worked, though not all of it." : "It worked: this is no error."),
    make("p", "card-tags", tag("success"), tag(statusText(status)), ...(degraded ? [tag("degraded")] : [])),
  );
  if (degraded) card.append(...degradedParts(degraded));
  card.append(disclosure("data", JSON.stringify(data, null, 2)));
  return card;
}

function degradedParts({ warnings, fallbackUsed, fallbackReason }: Degraded): HTMLElement[] {
  const parts = [facts([["fallbackUsed", fallbackUsed ? (fallbackReason ?? "true") : null]])];
  if (warnings.length > 0) {
    const items = warnings.map(({ code, message }) => make("li", "", [code, message].filter(Boolean).join(": ")));
    parts.push(make("h4", "card-heading", "warnings"), make("ul", "card-list", ...items));
  }
  return parts;
}

const RETRY_REASONS: Record<RetryReason, string> = {
  body: "because the body says so",
  header: "because a header says so",
  code: "because the code is known",
  hint: "because it says when to come back",
  status: "going by the HTTP status",
  network: "because no answer arrived",
  idempotency: "because of its idempotency key",
};

const HINT_SOURCES: Record<RetryHint["source"], string> = {
  retryAfterHeader: "the Retry-After header",
  retryAfterMsHeader: "the retry-after-ms header",
  rateLimitHeader: "the RateLimit header",
  rateLimitResetHeader: "the reset of the limit, in a header",
  body: "the body",
  bodyReset: "a moment in the body",
  circuitBreaker: "a circuit that is open",
  earlierAnswer: "an earlier answer",
};

function hintText({ afterMs, at, source, confidence }: RetryHint): string {
  return `in ${durationText(afterMs)}, at ${momentText(at)}: ${confidence}, by ${HINT_SOURCES[source]}`;
}

function limitText({ limit, remaining, resetAt }: NonNullable<ApiError["rateLimit"]>): string {
  return [
    limit !== null && `${limit} requests`,
    remaining !== null && `${remaining} left`,
    resetAt !== null && `new ones at ${momentText(resetAt)}`,
  ]
    .filter(Boolean)
    .join(", ");
}

function recoveryParts({ suggestedAction, links }: Recovery): HTMLElement[] {
  const parts: HTMLElement[] = [make("h4", "card-heading", "recovery")];
  if (suggestedAction) parts.push(make("p", "", suggestedAction));
  if (links.length > 0) {
    // As text: where they lead is the server's word, and a page should not make it a click away.
    const items = links.map(({ rel, href, method }) =>
      make("li", "", `${rel}: `, make("code", "", method ? `${method} ${href}` : href)),
    );
    parts.push(make("ul", "card-list", ...items));
  }
  return parts;
}

function statusText(status: number | null): string {
  return status === null ? "no answer" : `HTTP ${status}`;
}

function tag(text: string, more = ""): HTMLElement {
  return make("span", `tag ${more}`.trim(), text);
}

function facts(entries: readonly (readonly [string, string | null])[]): HTMLElement {
  const list = make("dl", "card-facts");
  for (const [name, value] of entries) {
    if (value) list.append(make("div", "", make("dt", "", make("code", "", name)), make("dd", "", value)));
  }
  return list;
}

function disclosure(summary: string, text: string): HTMLElement {
  const pre = make("pre", "", text);
  // So that the keyboard can scroll it.
  pre.tabIndex = 0;
  return make("details", "card-raw", make("summary", "", summary), pre);
}

function present(value: unknown): boolean {
  return value !== null && value !== undefined;
}
