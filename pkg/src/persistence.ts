const asked = new WeakSet<StorageManager>();

/**
 * @internal Asks the browser, once in a page, to keep what is stored when it runs out of space. `tell` is told what it said. Where it
 * cannot be asked, as in workers, nothing happens.
 */
export async function askForPersistence(tell: (granted: boolean) => void): Promise<void> {
  // Not everywhere, whatever the types say: old browsers, insecure pages, Node.
  const storage = (globalThis.navigator as Partial<Navigator> | undefined)?.storage;
  if (typeof storage?.persist !== "function" || asked.has(storage)) return;
  asked.add(storage);
  let granted = false;
  try {
    granted = await storage.persist();
  } catch {
    // As good as refused.
  }
  tell(granted);
}
