import { ApiError, type QueuedAction, type Steadfast } from "steadfast";
import { type Documents, NO_DOCUMENTS, readDocuments } from "./documents.js";
import { recallJson, remember } from "./memory.js";
import { oneAtATime } from "./one-at-a-time.js";
import { withApplied } from "./overlay.js";

/** The documents on the server, as they were last seen. They are remembered, so that the page is not empty without a network. */
export class ServerDocuments {
  current: Documents;
  /** Why the server could not be asked the last time; `null` if it could, `undefined` before the first time. */
  problem: ApiError | SyntaxError | null | undefined;
  /** Asks the server. Never rejects: see `problem`. */
  readonly refresh: () => Promise<void>;
  readonly #sdk: Steadfast;
  readonly #memory: string;
  readonly #onChange: () => void;
  #folds = 0;

  constructor(sdk: Steadfast, writer: string, onChange: () => void) {
    this.#sdk = sdk;
    this.#memory = `documents.${writer}`;
    this.#onChange = onChange;
    this.current = readDocuments(recallJson(this.#memory)) ?? NO_DOCUMENTS;
    this.refresh = oneAtATime(() => this.#ask());
  }

  /** Whether they may be out of date because the server could not be asked. */
  get areStale(): boolean {
    return this.problem !== null;
  }

  /** Whether no answer at all arrived the last time. */
  get isUnreachable(): boolean {
    return this.problem instanceof ApiError && this.problem.status === null;
  }

  /** The network may be another one now. */
  forgetProblem(): void {
    if (this.problem) this.problem = undefined;
  }

  /** The server has applied the action: between its leaving the queue and the next answer, nothing must jump back. */
  fold(action: QueuedAction): void {
    this.#folds += 1;
    this.#set(withApplied(this.current, action));
  }

  async #ask(): Promise<void> {
    for (;;) {
      const folds = this.#folds;
      try {
        const response = await this.#sdk.fetch("/api/documents");
        const documents = readDocuments(await response.json());
        if (!documents) throw new SyntaxError("The answer has no drafts and bookmarks in it.");
        // An answer from before an action was applied does not know of it.
        if (folds !== this.#folds) continue;
        this.problem = null;
        this.#set(documents);
      } catch (error) {
        // A page of another network's, or an answer that broke off, is as good as none.
        this.problem = error instanceof ApiError ? error : new SyntaxError("The answer could not be read.", { cause: error });
      }
      this.#onChange();
      return;
    }
  }

  #set(documents: Documents): void {
    this.current = documents;
    remember(this.#memory, JSON.stringify(documents));
    this.#onChange();
  }
}
