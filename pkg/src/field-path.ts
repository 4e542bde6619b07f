/** @internal Which of a form's fields a server means, however it writes it. */

/** No field has a longer path. */
const LONGEST = 1000;

/** The segments of a path or of a control's name: `/items/0/price`, `items[0].price` and `items.0.price` are the same. */
export function segmentsOf(path: string): readonly string[] {
  if (path.length > LONGEST) return [];
  const pointer = /^#?\//.exec(path);
  if (pointer) return pointerSegments(path);
  const segments: string[] = [];
  for (const [, doubled, single, bracketed, plain] of path.matchAll(/\[(?:"([^"]*)"|'([^']*)'|([^\]]*))\]|([^.[\]]+)/g)) {
    segments.push(doubled ?? single ?? bracketed ?? plain ?? "");
  }
  // JSONPath begins with the document, forms in PHP end in [].
  return segments.filter((segment, index) => segment !== "" && !(segment === "$" && index === 0));
}

/** A JSON Pointer, also as a URI fragment (RFC 6901, sections 3 and 6). */
function pointerSegments(path: string): readonly string[] {
  let text = path;
  if (path.startsWith("#")) {
    try {
      text = decodeURIComponent(path.slice(1));
    } catch {
      text = path.slice(1);
    }
  }
  return text
    .split("/")
    .filter((segment) => segment !== "")
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** What a field can be known by. */
export interface Candidate {
  /** By its names, which come before its ids. */
  readonly names: readonly (readonly string[])[];
  readonly ids: readonly (readonly string[])[];
}

/** Which field a path means. */
export interface Match<T extends Candidate> {
  readonly candidate: T;
  /** Which of its controls, if it has several and the path ends with a number. */
  readonly index: number | null;
  /** Whether a part of the path that may have meant something had to be left out. */
  readonly isGuess: boolean;
}

/** What only says in which part of the request a field stands. */
const WRAPPERS = new Set(
  "body query path header headers cookie params payload request input form json data attributes root".split(" "),
);

/**
 * The field that a path means, if there is one and only one: by the whole path, then without what wraps it, then by its end, then
 * by the end of the field's name; first as it is written, then without regard to case, `_` and `-`; and at last the list that a
 * path into a list begins with.
 */
export function match<T extends Candidate>(path: string, candidates: readonly T[]): Match<T> | null {
  const whole = segmentsOf(path);
  const stem = whole.slice(0, whole.findLastIndex((segment) => !/^\d+$/.test(segment)) + 1);
  const last = whole.at(-1);
  const index = stem.length < whole.length && last !== undefined ? Number(last) : null;
  for (const [segments, at] of [[whole, null] as const, ...(index === null ? [] : [[stem, index] as const])]) {
    if (segments.length === 0) continue;
    for (const fold of [asIs, folded]) {
      const found = matchSegments(segments.map(fold), candidates, fold);
      if (found) return { ...found, index: at };
    }
  }
  return null;
}

function matchSegments<T extends Candidate>(
  segments: readonly string[],
  candidates: readonly T[],
  fold: (segment: string) => string,
): Omit<Match<T>, "index"> | null {
  const only = (accepts: (known: readonly string[]) => boolean): T | null => {
    for (const kind of ["names", "ids"] as const) {
      const accepted = candidates.filter((candidate) => candidate[kind].some((known) => accepts(known.map(fold))));
      if (accepted.length > 1) return null;
      if (accepted[0]) return accepted[0];
    }
    return null;
  };
  let mayDrop = true;
  for (let from = 0; from < segments.length; from++) {
    const rest = segments.slice(from);
    const candidate = only((known) => same(known, rest));
    if (candidate) return { candidate, isGuess: !mayDrop };
    mayDrop &&= WRAPPERS.has(rest[0] ?? "");
  }
  const candidate = only((known) => known.length > segments.length && same(known.slice(-segments.length), segments));
  return candidate && { candidate, isGuess: false };
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((segment, index) => segment === other[index]);
}

function asIs(segment: string): string {
  return segment;
}

function folded(segment: string): string {
  return segment.toLowerCase().replaceAll(/[_\-\s]/g, "");
}
