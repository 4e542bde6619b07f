import { type ApiErrorData, type Category, invalidOption, originOf, type Severity, type UserAction } from "./errors.js";
import { withoutInternals, withoutInternalText } from "./internals.js";
import { relativeTime } from "./relative-time.js";
import type { Words } from "./words.js";

/**
 * How much is told: `minimal` is what happened and what to do; `standard` adds what helps with it: the reference to quote to
 * support, the fields, the link to help; `technical` adds what developers ask for.
 */
export type Disclosure = "minimal" | "standard" | "technical";

/** What an explanation can be given. */
export interface ExplainOptions {
  /**
   * How much is told. Default `standard`. A user's preferences can be given as Cosnap keeps them, `{ level, showTechnicalDetails }`,
   * or a function that decides by the error: `({ severity }) => (severity === "critical" ? "minimal" : "standard")`.
   */
  readonly disclosure?:
    Disclosure | { readonly level?: Disclosure; readonly showTechnicalDetails?: boolean } | ((error: ApiErrorData) => Disclosure);
  /** The language to tell it in: see {@link WordsOptions.language}. Default: that of the SDK that the error comes from. */
  readonly language?: string | readonly string[];
  /**
   * Shows a backend's internals, and the body as received, in `technical`. For development only: a build's own flag, such as
   * `import.meta.env.DEV`. Default `false`.
   */
  readonly development?: boolean;
}

/** What is wrong with one field. */
export interface ExplainedField {
  /** Which field, as the server writes it. */
  readonly path: string;
  /** What is wrong with it, in words. */
  readonly message: string;
}

/** What developers ask for. */
export interface Technical {
  readonly code: string | null;
  readonly category: Category;
  readonly severity: Severity;
  readonly status: number | null;
  /** The server's words for developers. */
  readonly message: string;
  readonly service: string | null;
  readonly correlationId: string | null;
  readonly requestId: string | null;
  readonly errorId: string | null;
  readonly timestamp: string | null;
  /** What the format calls details. */
  readonly details: unknown;
  /** The body as received. Only in development. */
  readonly body?: string;
}

/** What a user interface shows of an error. */
export interface Explanation {
  /** What happened, to the user. */
  readonly message: string;
  /** What the user can do now. */
  readonly action: UserAction;
  /** What a button for it says: "Sign in", "Try again in 30 seconds". {@link countdown} keeps the latter up to date. */
  readonly actionLabel: string;
  /** The same as a sentence: "Please sign in, then try again." */
  readonly actionSentence: string;
  /** When the server wants to be asked again. */
  readonly retryAt: Date | null;
  /** What to quote to support: the id of the error, else of the request, else of the call. `null` if it is `minimal`. */
  readonly reference: string | null;
  /** What is wrong with which field. Empty if it is `minimal`. */
  readonly fieldErrors: readonly ExplainedField[];
  /** Help, at an `http:` or `https:` address; the server's other links are not passed on. `null` if it is `minimal`. */
  readonly helpLink: string | null;
  /** What developers ask for, if it is `technical`. */
  readonly technical?: Technical;
}

/**
 * What a user interface shows of an error.
 *
 * ```ts
 * const { message, actionLabel, reference } = explain(error);
 * ```
 *
 * Stacks, queries, their parameters, the environment and credentials do not get into it, however deep in a body they stand, unless
 * `development` is on.
 *
 * @throws {@link InvalidInputError} for wrong options.
 */
export function explain(error: ApiErrorData, options: ExplainOptions = {}): Explanation {
  const { language, development = false } = options;
  const { received, vocabulary, deadline } = originOf(error);
  const level = levelOf(error, options.disclosure);
  const words = vocabulary.words(language);
  const cleaned = development ? (text: string) => text : withoutInternalText;

  const remaining = deadline === null ? 0 : Math.max(0, deadline - performance.now());
  // The moment to wait for may have come by now.
  const action = error.userAction === "wait" && remaining === 0 ? "retry" : error.userAction;
  const { label, sentence } = words.actions[action];
  const when = () => relativeTime(remaining, words.language);
  const explanation: Explanation = {
    message: cleaned(vocabulary.messageOf(received, language)) || vocabulary.ownMessageOf(received, language),
    action,
    actionLabel: label.replace("{when}", when),
    // Where the server named no field, none is marked.
    actionSentence: action === "fixFields" && error.fieldErrors.length === 0 ? label : sentence.replace("{when}", when),
    retryAt: error.retryHint && new Date(error.retryHint.at),
    reference: null,
    fieldErrors: [],
    helpLink: null,
  };
  if (level === "minimal") return explanation;

  const standard: Explanation = {
    ...explanation,
    reference: map(error.errorId ?? error.requestId ?? error.correlationId, cleaned),
    fieldErrors: error.fieldErrors.map((field) => ({ path: cleaned(field.path), message: cleaned(fieldMessage(field, words)) })),
    helpLink: map(error.helpLink, (link) => map(webLink(link), cleaned)),
  };
  if (level === "standard") return standard;

  const technical: Technical = {
    code: map(error.code, cleaned),
    category: error.category,
    severity: error.severity,
    status: error.status,
    message: cleaned(error.message),
    service: map(error.service, cleaned),
    correlationId: map(error.correlationId, cleaned),
    requestId: map(error.requestId, cleaned),
    errorId: map(error.errorId, cleaned),
    timestamp: map(error.timestamp, cleaned),
    details: development ? error.details : withoutInternals(error.details),
    ...(development && { body: error.raw.text }),
  };
  return { ...standard, technical };
}

/** @internal What is wrong with a field: what the server says, else what can be said of the rule. */
export function fieldMessage(
  { message, constraint }: { readonly message: string | null; readonly constraint: string | null },
  words: Words,
): string {
  return message || (/required|missing|blank|empty/i.test(constraint ?? "") ? words.fields.required : words.fields.invalid);
}

const LEVELS: readonly unknown[] = ["minimal", "standard", "technical"] satisfies Disclosure[];

function levelOf(error: ApiErrorData, disclosure: ExplainOptions["disclosure"] = "standard"): Disclosure {
  const decided = typeof disclosure === "function" ? disclosure(error) : disclosure;
  const preferences = typeof decided === "object" && decided !== null ? decided : { level: decided };
  const { level = "standard", showTechnicalDetails = false } = preferences as { level?: unknown; showTechnicalDetails?: boolean };
  if (!LEVELS.includes(level)) throw invalidOption("disclosure", level, "minimal, standard or technical");
  return showTechnicalDetails ? "technical" : (level as Disclosure);
}

function webLink(link: string): string | null {
  if (!URL.canParse(link)) return null;
  const { protocol, username, password, href } = new URL(link);
  return /^https?:$/.test(protocol) && !username && !password ? href : null;
}

function map<T, U>(value: T | null, change: (value: T) => U): U | null {
  return value === null ? null : change(value);
}
