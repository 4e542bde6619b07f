/**
 * @internal Takes out of what a backend sent what is only for those who develop it: stacks, queries and their parameters, the
 * environment, credentials. Backends leave them in where they should not; here they end.
 */

/** Names whose values are never shown, whatever they are. */
const INTERNAL = /stack|trace|^frames?$|quer(y|ies)|sql|statement|param|binding|environ|exception|debug/i;
/** The same for `env`, `NODE_ENV`, `nodeEnv` and `envVariables`, and not for `envelope`. */
const ENVIRONMENT = /(^|[^a-z])env([^a-z]|$)/i;
const CAMEL_CASE_ENVIRONMENT = /(^env|[a-z]Env)([A-Z]|$)/;
/** Names whose values are never shown, unless they are numbers: a count of tokens is none. */
const CREDENTIAL = /passw(or)?d|secret|token|credential|authorization|cookie|api.?key|private.?key|session/i;

/** Deeper than this, nothing is shown. */
const DEEPEST = 32;
const ELLIPSIS = "…";

/** A line of a stack. Bounded in what they look through: a server chooses how long a line is. */
const FRAMES = [
  // JavaScript, Java and .NET.
  /^\s+at\s+\S/,
  /^\s*at\s+[\w$.<>/]{1,300}\(/,
  /\bat\s.{0,200}?(\.\w{1,5}|<anonymous>|node:[\w/]{1,100}):\d+:\d+/,
  // Python.
  /Traceback \(most recent|^\s*File ".{1,500}", line \d/,
  // Rust and Go.
  /stack backtrace:|^\s*\d+:\s+(0x[0-9a-f]|\w{1,100}::)|^goroutine \d/,
  // Ruby and PHP.
  /^\s*from \S{1,500}:\d+:in |^#\d+\s/,
];
/** A statement of SQL. In capitals only: people are told to select something from a list, too. */
const SQL = /\b(SELECT\b[^]{1,1000}?\bFROM\b|INSERT\s+INTO\b|UPDATE\b[^]{1,1000}?\bSET\b|DELETE\s+FROM\b)/;

/** A text without the stack or the statement that it ends with. */
export function withoutInternalText(text: string): string {
  const parsed = /^\s*[[{]/.test(text) ? parse(text) : undefined;
  if (parsed !== undefined) return JSON.stringify(withoutInternals(parsed));
  // A line break may have been escaped twice on its way.
  const lines = text.split(/\r?\n|\\n/);
  const first = lines.findIndex((line) => FRAMES.some((frame) => frame.test(line)));
  const shown = first < 0 ? text : lines.slice(0, first).join("\n").trimEnd();
  const statement = shown.search(SQL);
  return statement < 0 ? shown : shown.slice(0, statement).trimEnd() + ELLIPSIS;
}

/** JSON without internals, at every depth. */
export function withoutInternals(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return withoutInternalText(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEEPEST) return ELLIPSIS;
  if (Array.isArray(value)) return value.map((item) => withoutInternals(item, depth + 1));
  const shown = Object.entries(value).filter(([name, member]) => {
    if (CREDENTIAL.test(name) && typeof member !== "number") return false;
    return ![INTERNAL, ENVIRONMENT, CAMEL_CASE_ENVIRONMENT].some((pattern) => pattern.test(name));
  });
  return Object.fromEntries(shown.map(([name, member]) => [withoutInternalText(name), withoutInternals(member, depth + 1)]));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
