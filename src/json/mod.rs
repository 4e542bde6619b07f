//! Reading JSON that others wrote: a reader that borrows from the text, is bounded in depth, and takes what real backends
//! send, where `serde_json` rightly refuses it.
//!
//! It takes what `JSON.parse` takes and, beyond that, `NaN` and infinities (as null: Python writes them), raw control
//! characters and unknown escapes in strings, half of a surrogate pair, and, if it is told that the text was cut off, a text
//! that ends anywhere: what was open is closed. It reads in one pass, without recursion, into one list of nodes.

mod scan;
mod write;

pub(crate) use write::{ToJson, to_json};

use serde::ser::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use write::escape;

/// How deep arrays and objects may stand in each other.
pub const DEEPEST: usize = 128;

/// A JSON text that was read.
#[derive(Debug)]
pub struct Document<'t> {
    text: &'t str,
    nodes: Vec<Node>,
    complete: bool,
    /// Whether something in it is not quite JSON.
    mended: bool,
}

/// A value in a text. An array's items follow it; an object's names and values follow it in turn.
#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    /// Where it begins in the text, and where it ends; of a string, without its quotes.
    start: u32,
    end: u32,
    /// The node after it and all that is in it.
    next: u32,
    /// Of an object, a bit for each name that may be in it: most names that are asked for are in no object.
    names: u32,
}

/// The bit of a name.
fn bit(name: &[u8]) -> u32 {
    let first = name.first().copied().unwrap_or_default();
    let last = name.last().copied().unwrap_or_default();
    1 << ((u32::from(first) * 5 + u32::from(last) * 3 + u32::try_from(name.len()).unwrap_or(0)) % 32)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    True,
    False,
    Number,
    /// A string that stands in the text as it is.
    Plain,
    /// A string with something in it that is escaped, or should be.
    Escaped,
    Array,
    Object,
}

/// One value of a document.
#[derive(Clone, Copy)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    index: u32,
    node: Node,
}

impl<'t> Document<'t> {
    /// Reads a text; `None` if it is not JSON, or nested deeper than [`DEEPEST`].
    ///
    /// ```
    /// use steadfast::json::Document;
    ///
    /// let document = Document::read(r#"{"error":{"code":"OUT_OF_STOCK","left":0}}"#).unwrap();
    /// let error = document.root().get("error").unwrap();
    /// assert_eq!(error.text("code").as_deref(), Some("OUT_OF_STOCK"));
    /// ```
    pub fn read(text: &'t str) -> Option<Self> {
        scan::scan(text, false)
    }

    /// Reads a text that may end anywhere. [`is_complete`](Self::is_complete) tells whether it did.
    pub fn read_beginning(text: &'t str) -> Option<Self> {
        scan::scan(text, true)
    }

    /// Whether the text was there to its end.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The value that the text is.
    pub fn root(&'t self) -> Value<'t> {
        Value { document: self, index: 0, node: self.nodes.first().copied().unwrap_or(NULL) }
    }
}

const NULL: Node = Node { kind: Kind::Null, start: 0, end: 0, next: 1, names: 0 };

impl<'d> Value<'d> {
    fn at(self, index: u32) -> Option<Value<'d>> {
        let node = *self.document.nodes.get(index as usize)?;
        Some(Value { document: self.document, index, node })
    }

    fn slice(self) -> &'d str {
        self.document.text.get(self.node.start as usize..self.node.end as usize).unwrap_or_default()
    }

    /// The member of that name that is not null. Of several, the last, as in `JSON.parse`.
    pub fn get(self, name: &str) -> Option<Value<'d>> {
        if self.node.names & bit(name.as_bytes()) == 0 {
            return None;
        }
        let (nodes, text) = (&self.document.nodes, self.document.text.as_bytes());
        let (mut index, mut found) = (self.index as usize + 1, None);
        while index < self.node.next as usize {
            let (key, node) = (nodes.get(index)?, nodes.get(index + 1)?);
            let same = match key.kind {
                Kind::Plain => {
                    (key.end - key.start) as usize == name.len()
                        && text.get(key.start as usize..key.end as usize) == Some(name.as_bytes())
                }
                _ => self.at(u32::try_from(index).ok()?)?.is(name),
            };
            if same {
                found = Some(index + 1);
            }
            index = node.next as usize;
        }
        self.at(u32::try_from(found?).ok()?).filter(|value| !value.is_null())
    }

    /// The first of these members that is there and not null.
    pub fn first(self, names: &[&str]) -> Option<Value<'d>> {
        names.iter().find_map(|name| self.get(name))
    }

    /// The names and values of an object; of anything else, none.
    pub fn members(self) -> impl Iterator<Item = (Name<'d>, Value<'d>)> {
        self.inside(Kind::Object).filter_map(|name| Some((Name(name), name.at(name.node.next)?)))
    }

    /// The items of an array; of anything else, none.
    pub fn items(self) -> impl Iterator<Item = Value<'d>> {
        self.inside(Kind::Array)
    }

    /// The nodes right inside a container: an array's items, an object's names.
    fn inside(self, kind: Kind) -> impl Iterator<Item = Value<'d>> {
        let end = if self.node.kind == kind { self.node.next } else { 0 };
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            let value = if index < end { self.at(index) } else { None }?;
            index = if kind == Kind::Object { self.at(value.node.next)?.node.next } else { value.node.next };
            Some(value)
        })
    }

    /// Whether it is the same value, in the same place.
    pub fn is_same(self, other: Value<'_>) -> bool {
        self.index == other.index
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.node.kind == Kind::Object
    }

    /// Whether it is an array.
    pub fn is_array(self) -> bool {
        self.node.kind == Kind::Array
    }

    /// Whether it is a string.
    pub fn is_string(self) -> bool {
        matches!(self.node.kind, Kind::Plain | Kind::Escaped)
    }

    /// Whether it is a number.
    pub fn is_number(self) -> bool {
        self.node.kind == Kind::Number
    }

    /// Whether it is null.
    pub fn is_null(self) -> bool {
        self.node.kind == Kind::Null
    }

    /// Whether it is `NaN` or an infinity, which Python writes and JSON does not have: read as null.
    pub fn is_no_number(self) -> bool {
        self.is_null() && matches!(self.slice(), "NaN" | "Infinity" | "-Infinity")
    }

    /// Whether it is an array or an object with nothing in it.
    pub fn is_empty(self) -> bool {
        matches!(self.node.kind, Kind::Array | Kind::Object) && self.node.next == self.index + 1
    }

    /// `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        match self.node.kind {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// A string.
    pub fn as_str(self) -> Option<Cow<'d, str>> {
        match self.node.kind {
            Kind::Plain => Some(Cow::Borrowed(self.slice())),
            Kind::Escaped => Some(Cow::Owned(unescape(self.slice()))),
            _ => None,
        }
    }

    /// A number as its digits, as written.
    pub fn as_digits(self) -> Option<&'d str> {
        (self.node.kind == Kind::Number).then(|| self.slice())
    }

    /// A number.
    pub fn as_number(self) -> Option<f64> {
        self.as_digits()?.parse().ok()
    }

    /// A number, or a string that is one.
    pub fn as_f64(self) -> Option<f64> {
        match self.node.kind {
            Kind::Number => self.slice().parse().ok(),
            _ => self.as_str()?.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        }
    }

    /// A whole number that is not negative, or a string that is one.
    pub fn as_u64(self) -> Option<u64> {
        match self.node.kind {
            Kind::Number => self.slice().parse().ok(),
            _ => self.as_str()?.trim().parse().ok(),
        }
    }

    /// Whether it is this string.
    pub fn is(self, text: &str) -> bool {
        match self.node.kind {
            Kind::Plain => self.slice() == text,
            Kind::Escaped => means(self.slice(), text),
            _ => false,
        }
    }

    /// A member that is a string with something in it.
    pub fn text(self, name: &str) -> Option<String> {
        self.get(name)?.as_str().filter(|text| !text.trim().is_empty()).map(Cow::into_owned)
    }

    /// Where a container stands in the text, unless something in the text had to be mended.
    pub(crate) fn span(self) -> Option<std::ops::Range<usize>> {
        (self.document.complete && !self.document.mended).then_some(self.node.start as usize..self.node.end as usize)
    }

    /// What a JSON pointer (RFC 6901) names, from here.
    pub fn pointed(self, pointer: &str) -> Option<Value<'d>> {
        let Some(path) = pointer.strip_prefix('/') else { return pointer.is_empty().then_some(self) };
        path.split('/').try_fold(self, |value, token| {
            let name = token.replace("~1", "/").replace("~0", "~");
            if value.is_array() { value.items().nth(name.parse().ok()?) } else { value.get(&name) }
        })
    }

    /// Its JSON, to the letter, unless something in the text had to be mended.
    pub fn to_json(self) -> Json {
        let mut out = String::new();
        if self.document.complete && !self.document.mended {
            let quote = u32::from(self.is_string());
            let (start, end) = (self.node.start - quote, self.node.end + quote);
            out.push_str(self.document.text.get(start as usize..end as usize).unwrap_or_default());
        } else {
            self.write(&mut out);
        }
        Json(out.into())
    }

    fn write(self, out: &mut String) {
        /// What closes a container, and where it ends.
        struct Open {
            end: u32,
            with: char,
        }
        let mut open: Vec<Open> = Vec::new();
        let mut index = self.index;
        // Names and values follow each other in an object: every other node is a name.
        let mut is_name: Vec<bool> = vec![false];
        while index < self.node.next {
            let Some(value) = self.at(index) else { break };
            let name = is_name.last().copied().unwrap_or(false);
            match value.node.kind {
                Kind::Null => out.push_str("null"),
                Kind::True => out.push_str("true"),
                Kind::False => out.push_str("false"),
                Kind::Number => out.push_str(value.slice()),
                Kind::Plain => {
                    out.push('"');
                    out.push_str(value.slice());
                    out.push('"');
                }
                Kind::Escaped => escape(&unescape(value.slice()), out),
                Kind::Array | Kind::Object => {
                    let object = value.node.kind == Kind::Object;
                    out.push(if object { '{' } else { '[' });
                    open.push(Open { end: value.node.next, with: if object { '}' } else { ']' } });
                    is_name.push(object);
                }
            }
            index += 1;
            let opened = matches!(value.node.kind, Kind::Array | Kind::Object) && value.node.next > index;
            if name {
                out.push(':');
                set_last(&mut is_name, false);
                continue;
            }
            if opened {
                continue;
            }
            while open.last().is_some_and(|container| container.end == index) {
                if let Some(container) = open.pop() {
                    out.push(container.with);
                }
                is_name.pop();
            }
            if let Some(container) = open.last() {
                out.push(',');
                let object = container.with == '}';
                set_last(&mut is_name, object);
            }
        }
    }
}

fn set_last(list: &mut [bool], value: bool) {
    if let Some(last) = list.last_mut() {
        *last = value;
    }
}

/// The name of a member.
#[derive(Clone, Copy)]
pub struct Name<'d>(Value<'d>);

impl<'d> Name<'d> {
    /// Whether it is this one.
    pub fn is(self, name: &str) -> bool {
        self.0.is(name)
    }

    /// The name.
    pub fn as_str(self) -> Cow<'d, str> {
        self.0.as_str().unwrap_or_default()
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.to_json().text())
    }
}

/// The string that an escaped one means. Half of a surrogate pair becomes U+FFFD; an unknown escape, what is escaped.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let (character, after) = unescape_one(rest.get(at + 1..).unwrap_or_default());
        out.extend(character);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether an escaped string means this one. It is compared as it is read: a body may be all names that are escaped.
fn means(escaped: &str, text: &str) -> bool {
    let (mut escaped, mut text) = (escaped, text);
    while let Some(at) = escaped.find('\\') {
        let Some(left) = text.strip_prefix(escaped.get(..at).unwrap_or_default()) else { return false };
        let (character, after) = unescape_one(escaped.get(at + 1..).unwrap_or_default());
        let Some(left) = character.map_or(Some(left), |character| left.strip_prefix(character)) else { return false };
        (escaped, text) = (after, left);
    }
    escaped == text
}

/// The character that follows a backslash means, and what is left.
fn unescape_one(text: &str) -> (Option<char>, &str) {
    let Some(escaped) = text.chars().next() else { return (None, text) };
    let rest = text.get(escaped.len_utf8()..).unwrap_or_default();
    let character = match escaped {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => return unescape_unit(rest),
        other => other,
    };
    (Some(character), rest)
}

/// Reads what follows a `\u`, and gives what is left.
fn unescape_unit(text: &str) -> (Option<char>, &str) {
    fn unit(text: &str) -> Option<u32> {
        text.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        u32::from_str_radix(text.get(..4)?, 16).ok()
    }
    let Some(first) = unit(text) else { return (Some(char::REPLACEMENT_CHARACTER), text) };
    let rest = text.get(4..).unwrap_or_default();
    if (0xD800..0xDC00).contains(&first) {
        let second = rest.strip_prefix("\\u").and_then(unit).filter(|second| (0xDC00..0xE000).contains(second));
        if let Some(second) = second {
            let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            return (char::from_u32(code).or(Some(char::REPLACEMENT_CHARACTER)), rest.get(6..).unwrap_or_default());
        }
    }
    (char::from_u32(first).or(Some(char::REPLACEMENT_CHARACTER)), rest)
}

/// JSON of a shape that only the backend and the application know, handed on as text: whatever a body's `details` are.
#[derive(Clone, PartialEq)]
pub struct Json(Box<str>);

impl Json {
    /// The JSON in that text; `None` if it is not JSON.
    pub fn new(text: String) -> Option<Self> {
        RawValue::from_string(text).ok().map(|known| Self(Box::<str>::from(known)))
    }

    /// The JSON of what knows how it is written.
    pub(crate) fn of(value: &(impl ToJson + ?Sized)) -> Self {
        let mut text = String::with_capacity(512);
        value.write(&mut text);
        Self(text.into())
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        Self(value.to_string().into())
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|known| Self(known.into()))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.text().into()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
