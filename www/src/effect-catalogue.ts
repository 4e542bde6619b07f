/** A portrait style. Its drawing is the symbol `portrait-<id>` of the page. */
export interface Effect {
  readonly id: string;
  readonly name: string;
  readonly tags: readonly string[];
}

export const EFFECTS: readonly Effect[] = [
  { id: "rembrandt", name: "Rembrandt light", tags: ["painting", "light"] },
  { id: "cyanotype", name: "Cyanotype", tags: ["photograph", "blue"] },
  { id: "halftone", name: "Halftone", tags: ["print", "dots"] },
  { id: "charcoal", name: "Charcoal", tags: ["drawing"] },
  { id: "risograph", name: "Risograph", tags: ["print", "colour"] },
  { id: "stained-glass", name: "Stained glass", tags: ["glass", "colour"] },
  { id: "cut-paper", name: "Cut paper", tags: ["paper", "silhouette"] },
  { id: "linocut", name: "Linocut", tags: ["print", "black"] },
];

export function effectName(id: string): string {
  return EFFECTS.find((effect) => effect.id === id)?.name ?? id;
}
