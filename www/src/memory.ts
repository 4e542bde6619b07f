/** What the page remembers across reloads, where the browser lets it. Losing it costs comfort, never an action. */

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(`marginalia.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`marginalia.${key}`, value);
  } catch {
    // Full, or forbidden.
  }
}

/** What was remembered as JSON; `null` if it was not, or is no JSON any more. */
export function recallJson(key: string): unknown {
  try {
    return JSON.parse(recall(key) ?? "null");
  } catch {
    return null;
  }
}
