import { EFFECTS, type Effect } from "./effect-catalogue.js";
import { byId, make, makeDrawing, write } from "./element.js";
import type { Shelf } from "./overlay.js";

interface Card {
  readonly effect: Effect;
  readonly button: HTMLButtonElement;
  readonly note: HTMLSpanElement;
}

/** The portrait styles, each a switch for its bookmark. */
export class EffectShelf {
  readonly #cards: readonly Card[];

  constructor(toggle: (effect: Effect) => void) {
    this.#cards = EFFECTS.map((effect) => {
      const note = make("span", "effect-note");
      const portrait = make("span", "portrait", makeDrawing(`portrait-${effect.id}`, "0 0 96 120", ""));
      portrait.append(makeDrawing("icon-bookmark_effect", "0 0 20 20", "ribbon"));
      const button = make("button", "effect", portrait, make("span", "effect-name", effect.name), note);
      button.type = "button";
      button.dataset["effectId"] = effect.id;
      button.setAttribute("aria-label", `Bookmark ${effect.name}`);
      button.addEventListener("click", () => toggle(effect));
      return { effect, button, note };
    });
    byId("effect-list", HTMLUListElement).append(...this.#cards.map(({ button }) => make("li", "", button)));
  }

  render({ bookmarked, bookmarkStandings }: Shelf): void {
    for (const { effect, button, note } of this.#cards) {
      const isBookmarked = bookmarked.has(effect.id);
      const standing = bookmarkStandings.get(effect.id) ?? "saved";
      button.setAttribute("aria-pressed", String(isBookmarked));
      button.dataset["standing"] = standing;
      write(
        note,
        standing === "waiting" ? "waiting" : standing === "attention" ? "needs a decision" : isBookmarked ? "bookmarked" : "",
      );
    }
  }
}
