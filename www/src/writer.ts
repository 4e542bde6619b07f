import { recall, remember } from "./memory.js";

// What the reference backend takes as a user id.
const USABLE = /^[\x21-\x7e]{1,128}$/;

/** Who writes here: a guest who stays the same in this browser, or whoever `?user=` names. */
export function writerId(): string {
  const named = new URLSearchParams(location.search).get("user");
  if (named && USABLE.test(named)) return named;
  const known = recall("writer");
  if (known && USABLE.test(known)) return known;
  const guest = `guest-${crypto.randomUUID().slice(0, 4)}`;
  remember("writer", guest);
  return guest;
}
