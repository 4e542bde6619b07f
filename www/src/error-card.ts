import type { ApiError, Recovery, RetryHint, RetryReason } from "steadfast";
import { make } from "./element.js";
import { durationText, momentText } from "./time.js";

/** An error as a card: what to tell the user first, then what a developer wants to know. Nothing of it becomes a live link. */
export function errorCard(error: ApiError): HTMLElement {
  const card = make("article", "card card-error");
  card.dataset["severity"] = error.severity;
  card.append(
    make("p", "card-lead", error.userMessage),
    make(
      "p",
      "card-tags",
      tag(error.code ?? "no code", "tag-code"),
      tag(error.category),
      tag(`${error.severity} severity`),
      tag(statusText(error.status)),
    ),
    facts([
      ["Message", error.message],
      ["Retryable", `${error.retryable ? "yes" : "no"}, ${RETRY_REASONS[error.retryReason]}`],
      ["Come back", error.retryHint && hintText(error.retryHint)],
      ["Format", `${error.format.name}, ${error.format.confidence}: by ${error.format.mark}`],
      ["Correlation id", error.correlationId],
      ["Request id", error.requestId],
      ["Error id", error.errorId],
      ["Happened", error.timestamp],
      ["Service", error.service],
      ["Limit", error.rateLimit && limitText(error.rateLimit)],
      [
        "Provider",
        error.upstream && [error.upstream.provider, error.upstream.code, error.upstream.message].filter(Boolean).join(": "),
      ],
      ["Help", error.helpLink],
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
    card.append(make("h3", "card-heading", "Fields"), make("ul", "card-list", ...items));
  }
  if (error.recovery) card.append(...recoveryParts(error.recovery));
  if (present(error.businessContext)) card.append(disclosure("Business context", JSON.stringify(error.businessContext, null, 2)));
  if (present(error.details)) card.append(disclosure("Details", JSON.stringify(error.details, null, 2)));
  const { text, truncated, contentType } = error.raw;
  card.append(
    disclosure(`As received${contentType ? `, ${contentType}` : ""}${truncated ? ", cut off" : ""}`, text || "(empty)"),
  );
  return card;
}

/** An answer that is no error. It may still say that something went less than well. */
export function successCard(status: number, contentType: string | null, text: string): HTMLElement {
  const troubles = troublesOf(text);
  const card = make("article", "card card-success");
  card.append(
    make("p", "card-lead", troubles.length > 0 ? "It worked, though not all of it." : "It worked: this is no error."),
    make("p", "card-tags", tag("success"), tag(statusText(status)), ...(troubles.length > 0 ? [tag("degraded")] : [])),
  );
  if (troubles.length > 0) {
    card.append(
      make("h3", "card-heading", "Warnings"),
      make("ul", "card-list", ...troubles.map((trouble) => make("li", "", trouble))),
    );
  }
  card.append(disclosure(`As received${contentType ? `, ${contentType}` : ""}`, text || "(empty)"));
  return card;
}

const RETRY_REASONS: Record<RetryReason, string> = {
  body: "because the body says so",
  code: "because the code is known",
  status: "going by the HTTP status",
  network: "because no answer arrived",
};

const HINT_SOURCES: Record<RetryHint["source"], string> = {
  retryAfterHeader: "the Retry-After header",
  retryAfterMsHeader: "the retry-after-ms header",
  rateLimitHeader: "the RateLimit header",
  rateLimitResetHeader: "the reset of the limit, in a header",
  body: "the body",
  bodyReset: "a moment in the body",
};

function hintText({ afterMs, at, source, lenient }: RetryHint): string {
  return `in ${durationText(afterMs)}, at ${momentText(at)}, says ${HINT_SOURCES[source]}${lenient ? " (in a form of its own)" : ""}`;
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
  const parts: HTMLElement[] = [make("h3", "card-heading", "What the server suggests")];
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
    if (value) list.append(make("div", "", make("dt", "", name), make("dd", "", value)));
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

/** The warnings of a success, and whether a fallback had to step in. */
function troublesOf(text: string): string[] {
  let body: Record<string, unknown>;
  try {
    body = Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return [];
  }
  const { warnings } = body;
  const troubles = Array.isArray(warnings) ? warnings.map(warningText) : [];
  for (const part of [body, Object(body["data"]) as Record<string, unknown>]) {
    const reason = part["fallback_reason"];
    if (part["fallback_used"] === true) troubles.push(`A fallback stepped in${typeof reason === "string" ? `: ${reason}` : ""}`);
  }
  return troubles;
}

function warningText(warning: unknown): string {
  const { code, message } = Object(warning) as Record<string, unknown>;
  const parts = [code, message].filter((part) => typeof part === "string");
  return parts.length > 0 ? parts.join(": ") : (JSON.stringify(warning) ?? "");
}
