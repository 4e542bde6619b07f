//! A JSON document that a server sends about itself: found in what came, whatever is wrapped around it.

use crate::json::{Document, Value};
use std::borrow::Cow;

/// The largest body that is read, in bytes. The documents are a few hundred.
pub(super) const LARGEST: usize = 64 << 10;

/// What may stand around a document.
const ENVELOPES: [&str; 4] = ["data", "config", "configuration", "preferences"];
/// How many of them may stand in each other.
const DEEPEST: usize = 3;

/// The text of a body: UTF-8, without a byte order mark. `None` if it is too large.
pub(super) fn text_of(body: &[u8]) -> Option<Cow<'_, str>> {
    if body.len() > LARGEST {
        return None;
    }
    Some(String::from_utf8_lossy(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)))
}

/// The object that has one of these members, or that is empty: the one that was sent, or one in its envelopes.
pub(super) fn find<'d>(document: &'d Document<'d>, members: &[&str]) -> Option<Value<'d>> {
    let mut value = document.root();
    for _ in 0..=DEEPEST {
        if !value.is_object() {
            return None;
        }
        if value.is_empty() || members.iter().any(|name| last_member(value, name).is_some()) {
            return Some(value);
        }
        value = value.first(&ENVELOPES)?;
    }
    None
}

/// The member of that name, null included. Of several, the last, as in `JSON.parse`.
pub(super) fn last_member<'d>(value: Value<'d>, name: &str) -> Option<Value<'d>> {
    value.members().filter(|(key, _)| key.is(name)).last().map(|(_, value)| value)
}

/// The beginning of a text, for people.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => {
            let mut beginning = String::from(text.get(..cut).unwrap_or_default());
            beginning.push('…');
            beginning
        }
        None => text.into(),
    }
}
