/**
 * Keeps the page's own files, so that it opens without a network. It never touches the API: what is asked of the server is
 * Steadfast's business.
 */

/** What build.mjs puts in: the files, and a hash of what is in them. */
declare const SHELL_VERSION: string;
declare const SHELL_PATHS: readonly string[];

// The part of the worker's own world that is used here; TypeScript's library for it cannot be mixed with that of pages.
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface ServiceWorkerScope {
  readonly location: Location;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: "fetch", listener: (event: FetchEvent) => void): void;
}
const scope = globalThis as unknown as ServiceWorkerScope;

const PREFIX = "marginalia-shell-";
const CACHE = `${PREFIX}${SHELL_VERSION}`;
/** A network that is there and does not answer must not keep the page from opening. */
const PATIENCE_MS = 3000;

scope.addEventListener("install", (event) => event.waitUntil(install()));
scope.addEventListener("activate", (event) => event.waitUntil(activate()));
scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.location.origin || url.pathname.startsWith("/api/")) return;
  if (request.mode === "navigate") {
    if (url.pathname === "/") event.respondWith(openPage(request));
  } else if (SHELL_PATHS.includes(url.pathname)) {
    event.respondWith(keptOrFetched(request));
  }
});

async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(SHELL_PATHS.map((path) => new Request(path, { cache: "no-cache" })));
  await scope.skipWaiting();
}

async function activate(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
  await scope.clients.claim();
}

/** The newest page if the network has it soon, else the one that is kept. */
async function openPage(request: Request): Promise<Response> {
  const kept = await caches.match("/", { cacheName: CACHE });
  if (!kept) return fetch(request);
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return response.status >= 500 ? kept : response;
  } catch {
    return kept;
  }
}

/** The files are named by their content: the kept one is the right one. */
async function keptOrFetched(request: Request): Promise<Response> {
  return (await caches.match(request.url, { cacheName: CACHE })) ?? fetch(request);
}
