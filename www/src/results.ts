import type { ApiError, JsonAnswer } from "steadfast";

/** What the buttons of a notice lead to. */
export interface Ways {
  /** Makes the same call once more. */
  again(): void;
  /** Leads to what is to be corrected, if that is on the page. */
  fix?(): void;
}

/** What becomes of a call. */
export interface Results {
  failed(error: ApiError, ways: Ways): void;
  succeeded(answer: JsonAnswer<unknown>): void;
}
