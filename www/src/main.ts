import { Steadfast } from "steadfast";
import { type Change, draftLabel, toAction, toChange } from "./changes.js";
import { ConnectionPanel } from "./connection-panel.js";
import type { Connection } from "./connection-state.js";
import { DraftList } from "./draft-list.js";
import { Editor } from "./editor.js";
import { EffectShelf } from "./effect-shelf.js";
import { byId, write } from "./element.js";
import { ErrorPanel } from "./error-panel.js";
import { FaultPanel } from "./fault-panel.js";
import { FaultSwitch } from "./fault-switch.js";
import { recall, remember } from "./memory.js";
import { NetworkCable } from "./network-cable.js";
import { keepShell } from "./offline-shell.js";
import { overlay } from "./overlay.js";
import { QueueWatch } from "./queue-watch.js";
import { ResiliencePanel } from "./resilience-panel.js";
import { ServerDocuments } from "./server-documents.js";
import { LANGUAGE_MEMORY } from "./telling.js";
import { giveUp, hideTrouble, showStoreTrouble, showTrouble } from "./trouble.js";
import { UnsavedWords } from "./unsaved-words.js";
import { WaitingList } from "./waiting-list.js";
import { writerId } from "./writer.js";

const TICK_MS = 1000;
/** How often a server that could not be asked for the documents is asked again. */
const STALE_RETRY_MS = 10_000;

/** An id that sorts by when it was made: drafts that are saved at the same moment keep their order. */
const newDraftId = () => `draft_${Date.now().toString(36)}_${crypto.randomUUID().slice(0, 8)}`;

const cable = new NetworkCable();
const writer = writerId();
byId("writer", HTMLElement).textContent = writer;
const credentials = { Authorization: `Bearer demo.${writer}` };

try {
  await start(
    await Steadfast.open({
      userId: writer,
      headers: () => credentials,
      // The demo's server takes the same token for ever; elsewhere, this gets a new one.
      refreshCredentials: () => Promise.resolve(),
      sourceService: "marginalia",
      language: recall(LANGUAGE_MEMORY) ?? undefined,
      fetch: cable.send,
      health: true,
      // Often, so that one can watch it.
      configuration: { refreshMs: 5000 },
      circuits: { refreshMs: 5000 },
      services: { portraits: { breaker: { openMs: 6000 }, bulkhead: { maxConcurrent: 4 } } },
    }),
  );
} catch (error) {
  giveUp(error);
  throw error;
}

async function start(sdk: Steadfast): Promise<void> {
  const unsaved = new UnsavedWords(writer);
  /** Drafts of which another device is known to have a newer version: their next save says what it is based on. */
  const editedElsewhere = new Set<string>();

  let isRenderDue = false;
  // Not with the next frame: a tab in the background has none, and its title still counts.
  const changed = () => {
    if (isRenderDue) return;
    isRenderDue = true;
    queueMicrotask(() => {
      isRenderDue = false;
      render();
    });
  };

  const documents = new ServerDocuments(sdk, writer, changed);
  const watch = new QueueWatch(sdk, {
    changed,
    applied: (action) => documents.fold(action),
    drained: () => void askServer(),
    failed: showTrouble,
    storeFailed: showStoreTrouble,
    read: hideTrouble,
  });
  let shelf = overlay(documents.current, []);

  /** Resolves when the change is on disk, and shown. */
  const enqueue = async (change: Change): Promise<void> => {
    await sdk.queue.enqueue(toAction(change));
    await watch.refresh();
  };
  const decide = (decision: Promise<unknown>) => {
    decision.then(() => watch.refresh()).catch(showTrouble);
  };

  const editor = new Editor(unsaved, {
    save: (draftId, { title, content }, seenVersion) => {
      const isChecked = editedElsewhere.delete(draftId);
      return enqueue({ type: "save_draft", draftId, title, content, ...(isChecked ? { baseVersion: seenVersion } : {}) });
    },
    delete: async (draftId) => {
      // What was never saved has nothing to be deleted.
      if (shelf.drafts.some((draft) => draft.draftId === draftId)) await enqueue({ type: "delete_draft", draftId });
      byId("new-draft", HTMLButtonElement).focus();
    },
    changed: () => {
      remember(`open.${writer}`, editor.openId ?? "");
      changed();
    },
  });
  const open = (draftId: string) => {
    editor.open(draftId, shelf);
    remember(`open.${writer}`, draftId);
    changed();
  };
  byId("new-draft", HTMLButtonElement).addEventListener("click", () => {
    open(newDraftId());
    editor.focusTitle();
  });

  const draftList = new DraftList((draftId) => {
    open(draftId);
    editor.focusText();
  });
  const effectShelf = new EffectShelf(({ id, tags }) => {
    const isBookmarked = shelf.bookmarked.has(id);
    enqueue(isBookmarked ? { type: "remove_bookmark", effectId: id } : { type: "bookmark_effect", effectId: id, tags }).catch(
      showTrouble,
    );
  });
  const waitingList = new WaitingList({
    tryAgain: ({ id }) => decide(sdk.queue.requeue(id)),
    discard: ({ id }) => decide(sdk.queue.discard(id)),
    keepAsCopy: (action) => {
      const change = toChange(action);
      if (change?.type !== "save_draft") return;
      const copy = { ...change, draftId: newDraftId(), title: `${draftLabel(change)} (my copy)` };
      // The copy is on disk before the original is given up.
      decide(enqueue(copy).then(() => sdk.queue.discard(action.id)));
      open(copy.draftId);
    },
  });
  const panel = new ConnectionPanel({
    goOffline: () => {
      cable.unplug();
      dismissHint();
      changed();
    },
    goOnline: () => {
      cable.plugIn();
      syncNow();
    },
    syncNow: () => syncNow(),
  });
  const faultSwitch = new FaultSwitch(cable.send, credentials);
  const faultPanel = new FaultPanel(faultSwitch, () => editElsewhere());
  const resiliencePanel = new ResiliencePanel(sdk, faultSwitch);
  const errorPanel = new ErrorPanel(sdk);

  const hint = byId("hint", HTMLDivElement);
  hint.hidden = recall("hint") === "done" || cable.isUnplugged;
  const dismissHint = () => {
    hint.hidden = true;
    remember("hint", "done");
  };
  byId("hint-dismiss", HTMLButtonElement).addEventListener("click", () => {
    dismissHint();
    byId("new-draft", HTMLButtonElement).focus();
  });

  /** Everything the page wants of the server, beside saving. */
  async function askServer(): Promise<void> {
    if (cable.isUnplugged) return;
    await Promise.all([documents.refresh(), faultSwitch.refresh(), errorPanel.isFilled || errorPanel.fill()]);
  }

  function syncNow(): void {
    watch.forgetFailures();
    documents.forgetProblem();
    changed();
    sdk.queue.sync().catch(showTrouble);
    void askServer();
  }

  /** Changes the open draft on the server behind the page's back, as another device of the same writer would. */
  async function editElsewhere(): Promise<string> {
    const draft = documents.current.drafts.find(({ draftId }) => draftId === editor.openId);
    if (!draft) return "Open a draft that is on the server first.";
    const { draftId, title, content } = draft;
    const data = { draftId, title, content: `${content}\n\n(A line that was added on another device.)` };
    const action = { id: crypto.randomUUID(), type: "save_draft", key: draftId, timestamp: new Date().toISOString(), data };
    await sdk.fetch(
      "/api/sync/queue-actions",
      {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ userId: writer, actions: [action] }),
      },
      { idempotencyKey: true },
    );
    editedElsewhere.add(draftId);
    return `Another device has changed ${draftLabel(draft)}. Save it here now, and see.`;
  }

  function connection(): Connection | null {
    const { snapshot, isSyncing, isBusy, lastFailure } = watch;
    if (!snapshot) return null;
    const isUnreachable = watch.isUnreachable || documents.isUnreachable;
    return { isUnplugged: cable.isUnplugged, isUnreachable, isSyncing, isBusy, snapshot, lastFailure };
  }

  function render(): void {
    const state = connection();
    if (!state) return;
    shelf = overlay(documents.current, watch.actions);
    const titles = new Map([...documents.current.drafts, ...shelf.drafts].map((draft) => [draft.draftId, draftLabel(draft)]));
    draftList.render(shelf, unsaved.all(), editor.openId);
    editor.render(shelf);
    effectShelf.render(shelf);
    waitingList.render(watch, cable.isUnplugged, (draftId) => titles.get(draftId));
    panel.render(state, { at: watch.savedAt, count: watch.savedCount });
    faultPanel.canEditElsewhere(documents.current.drafts.some(({ draftId }) => draftId === editor.openId));
    const note = byId("drafts-note", HTMLParagraphElement);
    note.hidden = !documents.problem && !cable.isUnplugged;
    write(note, "Shown as last seen on the server, with what waits here.");
  }

  const tick = () => {
    if (document.hidden) return;
    changed();
    resiliencePanel.tick();
    watch.glance().catch(showTrouble);
  };

  await watch.refresh();
  render();
  const lastOpen = recall(`open.${writer}`);
  const isKnown =
    lastOpen !== null && (shelf.drafts.some(({ draftId }) => draftId === lastOpen) || unsaved.of(lastOpen) !== undefined);
  const first = isKnown ? lastOpen : shelf.drafts[0]?.draftId;
  if (first) open(first);
  render();
  document.documentElement.dataset["ready"] = "true";

  panel.opensOffline(false);
  void keepShell(() => {
    document.documentElement.dataset["opensOffline"] = "true";
    panel.opensOffline(true);
  });
  setInterval(tick, TICK_MS);
  setInterval(() => {
    if (documents.areStale && !document.hidden) void askServer();
  }, STALE_RETRY_MS);
  window.addEventListener("online", () => void askServer());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void askServer();
  });
  void askServer();
  void resiliencePanel.refresh();
}
