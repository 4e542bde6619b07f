import { type ApiError, InvalidInputError, type Steadfast, SteadfastError } from "steadfast";
import { make, makeButton, write } from "./element.js";
import { momentText } from "./time.js";

/** Has the server do once more what failed with that error, under the id that it gave. */
export function operationButton(sdk: Steadfast, error: ApiError): HTMLElement {
  const outcome = make("p", "note");
  outcome.setAttribute("role", "status");
  const button = makeButton("Have the server do it again", "small", () => {
    button.disabled = true;
    void retry(sdk, error).then((text) => {
      write(outcome, text);
      button.disabled = false;
    });
  });
  return make("div", "operation", button, outcome);
}

async function retry(sdk: Steadfast, error: ApiError): Promise<string> {
  try {
    const { newRequestId, estimatedCompletion, retryCount } = await sdk.operations.retry(error);
    const when = estimatedCompletion ? `, done by ${momentText(estimatedCompletion.getTime())}` : "";
    return `Queued once more as ${newRequestId ?? "a new request"} (retry ${retryCount})${when}.`;
  } catch (thrown) {
    if (thrown instanceof InvalidInputError) return "The error gives no id to do it again by.";
    // An ApiError has words for users, all others for developers.
    if (thrown instanceof SteadfastError) return "userMessage" in thrown ? String(thrown.userMessage) : thrown.message;
    throw thrown;
  }
}
