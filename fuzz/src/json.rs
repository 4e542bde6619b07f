//! What must hold for a JSON text that is read, and for the beginning of one.

use serde::de::IgnoredAny;
use steadfast::json::{Document, Value};

/// So many members of an object are looked up again by their names.
const LOOKED_UP: usize = 4;

/// So many beginnings of a text are read.
const BEGINNINGS: usize = 8;

/// Reads the bytes as JSON, and so many beginnings of them as cut-off JSON.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let read = Document::read(&text);
    let beginning = Document::read_beginning(&text);
    if let Ok(expected) = serde_json::from_str::<serde_json::Value>(&text) {
        let document = read.as_ref().expect("what serde_json reads is read");
        let written = document.root().to_json();
        let actual: serde_json::Value = serde_json::from_str(written.text()).expect("what is written is JSON");
        assert!(actual == expected, "JSON comes back as it was");
    }
    if let Some(beginning) = &beginning {
        is_written_as_json(beginning.root());
        assert_eq!(beginning.is_complete(), read.is_some(), "what is there to its end is complete");
    }
    let Some(document) = read else { return };
    assert!(document.is_complete());
    let root = document.root();
    let written = is_written_as_json(root);
    assert_eq!(beginning.map(|beginning| beginning.root().to_json().text().to_string()).as_ref(), Some(&written));
    let again = Document::read(&written).expect("what is written is read");
    assert_eq!(again.root().to_json().text(), written, "mended once is mended");
    members_are_found(root);
    if !root.is_object() && !root.is_array() {
        // Nothing tells the beginning of a number that stands alone from a number.
        return;
    }
    for end in ends(&text) {
        let Some(cut) = text.get(..end) else { continue };
        let Some(cut) = Document::read_beginning(cut) else {
            assert!(cut.trim_start().is_empty(), "the beginning of {end} bytes of an object or a list is read");
            continue;
        };
        is_written_as_json(cut.root());
        assert!(is_beginning(cut.root(), root), "the beginning of {end} bytes is the beginning of the whole");
    }
}

/// Where to cut: everywhere in a short text, in a long one here and there and towards its end.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    let step = (text.len() / BEGINNINGS).max(1);
    (0..text.len()).step_by(step).chain(text.len().saturating_sub(BEGINNINGS)..text.len())
}

/// Its JSON, which is JSON and of its kind.
fn is_written_as_json(value: Value<'_>) -> String {
    let written = value.to_json();
    serde_json::from_str::<IgnoredAny>(written.text()).expect("what is written is JSON");
    let first = match () {
        () if value.is_object() => "{",
        () if value.is_array() => "[",
        () if value.is_string() => "\"",
        () if value.is_null() => "null",
        () => "",
    };
    assert!(written.text().starts_with(first), "{written:?} begins with {first}");
    written.text().into()
}

/// A member is found by its name: of several the last, and none that is null.
fn members_are_found(value: Value<'_>) {
    for (name, _) in value.members().take(LOOKED_UP) {
        let name = name.as_str();
        let last = value.members().filter(|(other, _)| other.as_str() == name).last().map(|(_, value)| value);
        let expected = last.filter(|value| !value.is_null());
        let found = value.get(&name);
        assert_eq!(found.is_some(), expected.is_some(), "{name}");
        assert!(found.zip(expected).is_none_or(|(found, expected)| found.is_same(expected)), "{name}");
        assert!(!value.is_empty());
    }
    value.members().map(|(_, member)| member).chain(value.items()).filter(|inner| inner.is_object()).for_each(members_are_found);
    value.items().filter(|inner| inner.is_array()).for_each(members_are_found);
}

/// Whether a value is the beginning of another: the same up to where it ends, and there at most what is missing is.
fn is_beginning(cut: Value<'_>, whole: Value<'_>) -> bool {
    cut.is_null() || is_alike(cut, whole, true)
}

/// Whether two values are the same, but for what is missing at the end if the first `is_cut`.
fn is_alike(cut: Value<'_>, whole: Value<'_>, is_cut: bool) -> bool {
    let (count, all) = (cut.members().count() + cut.items().count(), whole.members().count() + whole.items().count());
    let same = |index: usize, cut: Value<'_>, whole: Value<'_>| {
        if is_cut && index + 1 == count { is_beginning(cut, whole) } else { is_alike(cut, whole, false) }
    };
    (count == all || is_cut && count < all)
        && (cut.is_object(), cut.is_array(), cut.is_null()) == (whole.is_object(), whole.is_array(), whole.is_null())
        && (cut.as_str(), cut.as_digits(), cut.as_bool()) == (whole.as_str(), whole.as_digits(), whole.as_bool())
        && cut.items().zip(whole.items()).enumerate().all(|(index, (cut, whole))| same(index, cut, whole))
        && cut
            .members()
            .zip(whole.members())
            .enumerate()
            .all(|(index, ((name, cut), (other, whole)))| name.as_str() == other.as_str() && same(index, cut, whole))
}
