/** Keeps the page itself, so that it opens without a network. Tells when it does. */
export async function keepShell(onReady: () => void): Promise<void> {
  // Only secure pages have one.
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("/service-worker.js");
    await navigator.serviceWorker.ready;
    onReady();
  } catch {
    // Switched off, or the first visit had no network: the page works, it only needs the network to open.
  }
}
