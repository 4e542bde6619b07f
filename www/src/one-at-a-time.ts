/** `task`, of which never two run at once: whoever asks while it runs shares one more run, which begins after the asking. */
export function oneAtATime(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        running = task();
        return running;
      });
    return next;
  };
}
