/** The languages that Steadfast has words in, by their tags, each with its own name. */
export const LANGUAGES: readonly (readonly [tag: string, name: string])[] = [
  ["ar", "العربية"],
  ["de", "Deutsch"],
  ["en", "English"],
  ["es", "Español"],
  ["fr", "Français"],
  ["ja", "日本語"],
  ["pt", "Português"],
  ["zh", "中文"],
];

/** Which way a language is written, as the attribute `dir` takes it. */
export function directionOf(tag: string): "ltr" | "rtl" {
  return tag === "ar" ? "rtl" : "ltr";
}
