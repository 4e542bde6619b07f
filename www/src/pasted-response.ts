import type { ResponseLike } from "steadfast";

/** What stands in the three fields of the form. */
export interface PastedResponse {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

/** `HTTP/1.1 429 Too Many Requests`, as `curl -i` and proxies' logs begin. */
const STATUS_LINE = /^\s*HTTP\/[\d.]+ (\d{3})\b.*\r?\n/;

/** A whole response, pasted as one text, in its three parts; `null` if it is a body alone. */
export function splitResponse(text: string): PastedResponse | null {
  const line = STATUS_LINE.exec(text);
  if (!line) return null;
  const [head = "", ...rest] = text.slice(line[0].length).split(/\r?\n\r?\n/);
  return { status: Number(line[1]), headers: head.trim(), body: rest.join("\n\n") };
}

/** As `parseError` takes it. Lines that are no header are passed over. */
export function toResponse({ status, headers, body }: PastedResponse): ResponseLike {
  const pairs = headers.split(/\r?\n/).flatMap((line): [string, string][] => {
    const [, name, value] = /^\s*([!#$%&'*+.^`|~\w-]+)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value]];
  });
  return { status, headers: pairs, body };
}
