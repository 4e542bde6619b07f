const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000];

const formats = new Map<string, Intl.RelativeTimeFormat>();

/**
 * @internal "in 30 seconds", in that language. Seconds and minutes are rounded up, so that nobody comes back too early; from two
 * hours on it is about as long.
 */
export function relativeTime(ms: number, language: string): string {
  let format = formats.get(language);
  if (!format) formats.set(language, (format = new Intl.RelativeTimeFormat(language, { numeric: "always" })));
  const seconds = Math.ceil(ms / SECOND);
  const minutes = Math.ceil(ms / MINUTE);
  if (seconds < 60) return format.format(seconds, "second");
  if (minutes < 120) return format.format(minutes, "minute");
  if (ms < 2 * DAY) return format.format(Math.round(ms / HOUR), "hour");
  return format.format(Math.round(ms / DAY), "day");
}
