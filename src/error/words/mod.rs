//! What to say to people: an error's words in eight languages.
//!
//! The tables are JSON, a file per language, because the npm package is made from the same ones. Nothing that the npm package's
//! WebAssembly runs comes here: they cost it nothing. They are for frontends in Rust.

use super::{ApiError, Category, UserAction};
use serde_json::Value;

/// The words of one language.
///
/// ```
/// use steadfast::error::{ApiError, words::Words};
///
/// let error = ApiError::without_response("NETWORK_OFFLINE", "no network".into(), true);
/// let words = Words::of("de-AT").unwrap_or_else(Words::english);
/// assert_eq!(error.user_text(&words), "Sie sind offline. Bitte prüfen Sie Ihre Internetverbindung.");
/// assert_eq!(words.action_label(error.user_action), "Erneut versuchen");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    table: Value,
}

/// The tables, by their language.
const TABLES: [(&str, &str); 8] = [
    ("ar", include_str!("ar.json")),
    ("de", include_str!("de.json")),
    ("en", ENGLISH),
    ("es", include_str!("es.json")),
    ("fr", include_str!("fr.json")),
    ("ja", include_str!("ja.json")),
    ("pt", include_str!("pt.json")),
    ("zh", include_str!("zh.json")),
];

const ENGLISH: &str = include_str!("en.json");

impl Words {
    /// The languages there are words in.
    pub fn languages() -> impl Iterator<Item = &'static str> {
        TABLES.iter().map(|(language, _)| *language)
    }

    /// The words for a language tag (BCP 47), found by shortening it from its end as RFC 4647, section 3.4 has it: `zh-Hant-TW`
    /// gets `zh`. `None` if there are none.
    pub fn of(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_']).next()?;
        let (_, table) = TABLES.iter().find(|(name, _)| name.eq_ignore_ascii_case(language))?;
        Some(Self::read(table))
    }

    /// The English words.
    pub fn english() -> Self {
        Self::read(ENGLISH)
    }

    fn read(table: &str) -> Self {
        // A test reads them all.
        Self { table: serde_json::from_str(table).unwrap_or_default() }
    }

    /// The language they are in: `en`.
    pub fn language(&self) -> &str {
        self.text(&["language"])
    }

    /// What happened, for someone who met a problem of that kind.
    pub fn of_category(&self, category: Category) -> &str {
        self.text(&["categories", category.name()])
    }

    /// What happened, by the code; `None` if there is nothing to say beyond the category's words.
    pub fn of_code(&self, code: &str) -> Option<&str> {
        self.table.get("codes")?.get(code)?.as_str()
    }

    /// What the button for that action says: "Sign in". In that of [`UserAction::Wait`], `{when}` is to be replaced: "in 30
    /// seconds".
    pub fn action_label(&self, action: UserAction) -> &str {
        self.text(&["actions", action.name(), "label"])
    }

    /// What to do, in a sentence: "Please sign in, then try again." In that of [`UserAction::Wait`], `{when}` is to be replaced.
    pub fn action_sentence(&self, action: UserAction) -> &str {
        self.text(&["actions", action.name(), "sentence"])
    }

    fn text(&self, path: &[&str]) -> &str {
        path.iter().try_fold(&self.table, |table, name| table.get(name)).and_then(Value::as_str).unwrap_or_default()
    }
}

impl ApiError {
    /// What to tell the user: the server's own words, else those for the code, else those for the category.
    pub fn user_text<'text>(&'text self, words: &'text Words) -> &'text str {
        let of_code = || self.code.as_deref().and_then(|code| words.of_code(code));
        self.user_message.as_deref().or_else(of_code).unwrap_or_else(|| words.of_category(self.category))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::error::known_code;
    use std::collections::BTreeMap;

    /// Every text of a table by its path: `actions.wait.label`.
    fn texts(table: &str) -> BTreeMap<String, String> {
        fn walk(value: &Value, path: &str, into: &mut BTreeMap<String, String>) {
            match value {
                Value::Object(members) => {
                    for (name, member) in members {
                        walk(member, &format!("{path}.{name}"), into);
                    }
                }
                Value::String(text) => assert_eq!(into.insert(path.trim_start_matches('.').to_owned(), text.clone()), None),
                other => panic!("{path} is {other}"),
            }
        }
        let mut found = BTreeMap::new();
        walk(&serde_json::from_str(table).unwrap(), "", &mut found);
        found
    }

    /// What is to be replaced in a text.
    fn placeholders(text: &str) -> Vec<&str> {
        text.split('{').skip(1).map(|rest| rest.split_once('}').expect("a placeholder ends").0).collect()
    }

    #[test]
    fn all_languages_say_the_same_things_with_the_same_placeholders() {
        let english = texts(ENGLISH);
        for (language, table) in TABLES {
            let own = texts(table);
            assert_eq!(own.get("language").map(String::as_str), Some(language));
            assert!(own.keys().eq(english.keys()), "{language} says other things than English");
            for (path, text) in &own {
                assert_eq!(placeholders(text), placeholders(&english[path]), "{language} {path}");
            }
        }
    }

    #[test]
    fn no_text_is_empty_and_none_is_left_untranslated() {
        let english = texts(ENGLISH);
        for (language, table) in TABLES {
            for (path, text) in texts(table).iter().filter(|(path, _)| *path != "language") {
                assert_eq!(text.trim(), text, "{language} {path}");
                assert!(!text.is_empty(), "{language} {path}");
                assert!(language == "en" || *text != english[path], "{language} {path} is English");
                assert!(!["zh", "ja", "ar"].contains(&language) || !text.is_ascii(), "{language} {path}: {text}");
            }
        }
    }

    #[test]
    fn every_kind_of_problem_and_every_action_has_words_in_every_language() {
        for language in Words::languages() {
            let words = Words::of(language).unwrap();
            for category in Category::ALL {
                assert!(!words.of_category(category).is_empty(), "{language} {category:?}");
            }
            for action in UserAction::ALL {
                let waits = action == UserAction::Wait;
                for text in [words.action_label(action), words.action_sentence(action)] {
                    assert!(!text.is_empty(), "{language} {action:?}");
                    assert_eq!(placeholders(text), if waits { vec!["when"] } else { vec![] }, "{language} {action:?}");
                }
            }
        }
    }

    #[test]
    fn names_are_those_of_the_wire_and_the_lists_are_complete() {
        for category in Category::ALL {
            assert_eq!(serde_json::to_value(category).unwrap(), category.name());
        }
        for action in UserAction::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.name());
        }
        let english = texts(ENGLISH);
        assert_eq!(english.keys().filter(|path| path.starts_with("categories.")).count(), Category::ALL.len());
        assert_eq!(english.keys().filter(|path| path.starts_with("actions.")).count(), 2 * UserAction::ALL.len());
    }

    #[test]
    fn only_known_codes_have_words_and_none_that_only_repeat_their_category() {
        let words = Words::english();
        for (code, text) in words.table["codes"].as_object().unwrap() {
            let known = known_code(code).unwrap_or_else(|| panic!("{code} is not known"));
            assert_ne!(text, words.of_category(known.category), "{code} says what its category says");
        }
    }

    #[test]
    fn a_language_is_found_by_any_tag_that_begins_with_it() {
        for (tag, language) in [("de", "de"), ("de-AT", "de"), ("zh-Hant-TW", "zh"), ("PT_br", "pt"), ("en-GB", "en")] {
            assert_eq!(Words::of(tag).unwrap().language(), language);
        }
        for tag in ["", "-", "tlh", "den", "d"] {
            assert_eq!(Words::of(tag), None, "{tag}");
        }
    }

    #[test]
    fn the_servers_words_come_before_those_for_the_code_and_these_before_those_for_the_category() {
        let words = Words::english();
        let mut error = ApiError::without_response("NETWORK_TIMEOUT", String::new(), true);
        assert_eq!(error.user_text(&words), "The server didn't answer in time. Please try again.");
        error.code = Some("SOMETHING_ELSE".into());
        assert_eq!(error.user_text(&words), words.of_category(Category::Timeout));
        error.user_message = Some("Kurze Pause".into());
        assert_eq!(error.user_text(&words), "Kurze Pause");
    }
}
