import { type ApiError, countdown, explain, type Technical, type UserAction } from "steadfast";
import { make, makeButton, write } from "./element.js";
import { directionOf } from "./languages.js";
import type { Ways } from "./results.js";
import type { Telling } from "./telling.js";

export interface Notice {
  readonly element: HTMLElement;
  /** Ends what goes on in it. */
  stop(): void;
}

/** What an application does when its button is pressed; trying again is done here. */
const ELSEWHERE: Record<Exclude<UserAction, "retry" | "wait">, string> = {
  signIn: "Here an application opens its sign-in.",
  fixFields: "Here an application leads to the first field that is wrong.",
  contactSupport: "Here an application opens its support page, with the reference.",
  nothing: "Here an application closes the notice.",
};

/** An error as a user gets to see it: what `explain` makes of it, and no more. */
export function errorNotice(error: ApiError, { language, disclosure, development }: Telling, ways: Ways): Notice {
  const told = explain(error, { language, disclosure, development });
  const notice = make("article", "notice");
  notice.lang = language;
  notice.dir = directionOf(language);
  const message = make("p", "notice-message", told.message);
  // The server's own words may be in another language than Steadfast's.
  message.dir = "auto";
  notice.append(message);

  if (told.fieldErrors.length > 0) {
    const items = told.fieldErrors.map((field) => {
      const text = make("span", "", field.message);
      text.dir = "auto";
      return make("li", "", make("bdi", "", make("code", "", field.path || "/")), " ", text);
    });
    notice.append(make("ul", "card-list", ...items));
  }

  const aside = make("p", "note notice-aside");
  aside.lang = "en";
  aside.dir = "ltr";
  const button = makeButton(told.actionLabel, "primary", () => {
    const { action } = explain(error, { language });
    if (action === "retry") ways.again();
    else if (action === "fixFields" && ways.fix) ways.fix();
    // Whoever waits is told by the button itself.
    else if (action !== "wait") write(aside, ELSEWHERE[action]);
  });
  const foot = make("p", "notice-foot", button);
  if (told.reference) {
    const reference = make("code", "notice-reference", told.reference);
    reference.title = "The reference to quote to support";
    foot.append(make("bdi", "", reference));
  }
  notice.append(foot);
  if (told.helpLink) {
    const link = make("a", "", new URL(told.helpLink).host, " ↗");
    link.href = told.helpLink;
    link.title = told.helpLink;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    notice.append(make("p", "notice-help", make("bdi", "", link)));
  }
  if (told.technical) notice.append(technicalPart(told.technical));
  notice.append(aside);

  let stop = () => {};
  if (told.action === "wait") {
    stop = countdown(
      error,
      (text, remaining) => {
        write(button, text);
        button.setAttribute("aria-disabled", String(remaining > 0));
      },
      { language },
    );
  }
  return { element: notice, stop: () => stop() };
}

function technicalPart(technical: Technical): HTMLElement {
  const shown = Object.entries(technical).filter(([, value]) => value !== null && value !== "");
  const pre = make("pre", "", JSON.stringify(Object.fromEntries(shown), null, 2));
  pre.tabIndex = 0;
  pre.dir = "ltr";
  return make("div", "notice-technical", pre);
}
