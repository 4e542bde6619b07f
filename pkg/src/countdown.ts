import { type ApiErrorData, originOf } from "./errors.js";
import { relativeTime } from "./relative-time.js";

/** What a countdown can be given. */
export interface CountdownOptions {
  /** Ends it when aborted. */
  readonly signal?: AbortSignal;
  /** The language to tell it in: see {@link WordsOptions.language}. Default: that of the SDK that the error comes from. */
  readonly language?: string | readonly string[];
}

/**
 * Counts down to the moment at which the server wants to be asked again (`error.retryAt`). `listener` is called at once, then
 * each minute, in the last minute each second, and a last time when the moment has come, with `remainingMs` 0. For an error that
 * names no moment, that is at once. Returns what ends it.
 *
 * ```ts
 * const stop = countdown(error, (text, remainingMs) => {
 *   button.textContent = text; // "Try again in 30 seconds", …, "You can try again now"
 *   button.disabled = remainingMs > 0;
 * });
 * ```
 *
 * It is measured by the monotonic clock, from the moment at which the error arrived: setting the computer's clock changes
 * nothing, and what was missed while the page was frozen is caught up with.
 */
export function countdown(
  error: ApiErrorData,
  listener: (text: string, remainingMs: number) => void,
  { signal, language }: CountdownOptions = {},
): () => void {
  const { deadline, vocabulary } = originOf(error);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let told = Infinity;

  const stop = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  };
  const tick = () => {
    const remaining = deadline === null ? 0 : Math.max(0, Math.round(deadline - performance.now()));
    const { language: tag, countdown: texts } = vocabulary.words(language);
    if (remaining === 0) {
      stop();
      listener(texts.now, 0);
      return;
    }
    const step = remaining > 60_000 ? 60_000 : 1000;
    const left = Math.ceil(remaining / step) * step;
    // Never more than a minute ahead: a timer takes no more than 2^31 - 1 milliseconds, and none is right after a long sleep.
    timer = setTimeout(tick, remaining - (left - step));
    // A timer may come a little early.
    if (left >= told) return;
    told = left;
    listener(
      texts.waiting.replace("{when}", () => relativeTime(remaining, tag)),
      remaining,
    );
  };

  if (signal?.aborted) return stop;
  signal?.addEventListener("abort", stop);
  tick();
  return stop;
}
