// What an application would write itself to read the errors of the five documented systems: by hand, and with zod 4.
import { z } from "zod";
import cosnap from "./bodies/cosnap.json" with { type: "json" };
import newsFilter from "./bodies/news_filter.json" with { type: "json" };
import oriel from "./bodies/oriel.json" with { type: "json" };
import qwenProxy from "./bodies/qwen_proxy.json" with { type: "json" };
import stellarFlow from "./bodies/stellar_flow.json" with { type: "json" };

/** An error of each of the five documented systems, as its text. */
export const texts = [cosnap, stellarFlow, oriel, qwenProxy, newsFilter].map((body) => JSON.stringify(body));

/**
 * @typedef {object} Normalised The least that an application needs; an `ApiError` has four times as much.
 * @property {string} code
 * @property {string} message
 * @property {boolean | null} retryable
 * @property {number | null} retryAfterMs
 * @property {string | null} requestId
 * @property {{ path: string, message: string }[]} fieldErrors
 */

const milliseconds = (/** @type {number | undefined} */ seconds) => (seconds === undefined ? null : seconds * 1000);

/** By the mark of each format. @param {any} body @returns {Normalised} */
export function byHand({ error, context, recovery }) {
  /** @type {Normalised} */
  const read = {
    code: error.code,
    message: error.message,
    retryable: null,
    retryAfterMs: null,
    requestId: null,
    fieldErrors: [],
  };
  if (error.correlationId !== undefined) {
    read.retryable = error.retryable;
    read.retryAfterMs = milliseconds(error.retryAfter);
    read.requestId = context?.requestId ?? error.correlationId;
  } else if (error.recoverable !== undefined) {
    read.retryable = error.recoverable;
  } else if (error.error_id !== undefined) {
    read.code ??= error.type;
    read.requestId = error.error_id;
  } else if (typeof error.code === "number") {
    read.code = String(error.code);
  } else {
    read.retryAfterMs = milliseconds(recovery?.retryAfter);
    read.requestId = error.requestId ?? null;
    if (Array.isArray(error.details)) {
      read.fieldErrors = error.details.map((/** @type {any} */ { field, message }) => ({ path: field, message }));
    }
  }
  return read;
}

const union = z.union([
  z.looseObject({
    success: z.literal(false),
    error: z.looseObject({
      code: z.string(),
      message: z.string(),
      correlationId: z.string(),
      timestamp: z.string(),
      userMessage: z.string(),
      retryable: z.boolean(),
      retryAfter: z.number().optional(),
      helpLink: z.string().optional(),
      severity: z.enum(["low", "medium", "high", "critical"]),
      details: z.unknown().optional(),
    }),
    context: z
      .looseObject({ endpoint: z.string(), method: z.string(), statusCode: z.number(), requestId: z.string() })
      .optional(),
    businessContext: z.unknown().optional(),
  }),
  z.looseObject({
    error: z.looseObject({
      code: z.string(),
      message: z.string(),
      details: z.unknown().optional(),
      timestamp: z.string(),
      recoverable: z.boolean(),
    }),
  }),
  z.looseObject({
    error: z.looseObject({ message: z.string(), type: z.string(), code: z.string().optional(), error_id: z.string() }),
  }),
  z.looseObject({
    success: z.literal(false),
    error: z.looseObject({
      code: z.number(),
      message: z.string(),
      metadata: z
        .looseObject({
          provider_name: z.string().optional(),
          raw: z.unknown().optional(),
          headers: z.record(z.string(), z.string()).optional(),
        })
        .optional(),
    }),
  }),
  z.looseObject({
    success: z.literal(false),
    error: z.looseObject({
      code: z.string(),
      message: z.string(),
      details: z
        .array(
          z.looseObject({
            field: z.string(),
            constraint: z.string().optional(),
            message: z.string(),
            value: z.unknown().optional(),
            path: z.string().optional(),
          }),
        )
        .optional(),
      timestamp: z.string().optional(),
      requestId: z.string().optional(),
      documentation: z.string().optional(),
    }),
    recovery: z.looseObject({ suggestedAction: z.string().optional(), retryAfter: z.number().optional() }).optional(),
  }),
]);

/** By hand too, once a union of the five formats has been checked. @param {unknown} body @returns {Normalised} */
export function withZod(body) {
  const { success, data, error } = union.safeParse(body);
  if (!success) throw error;
  return byHand(data);
}
