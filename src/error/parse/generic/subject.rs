//! Which object of a body the error is.

use super::super::vocabulary::{CODE, ENVELOPE};
use super::words::message_here;
use crate::json::Value;

/// The objects that tell of an error, from the body down to the innermost.
pub(super) struct Subject<'d> {
    /// The body, or the first entry of a body that is a list.
    pub(super) outer: Value<'d>,
    /// The object that the error itself is.
    pub(super) inner: Value<'d>,
    /// Those between the two, outermost first.
    pub(super) between: Vec<Value<'d>>,
    /// The body, if it is a list.
    pub(super) list: Option<Value<'d>>,
}

/// Envelopes stand in each other at most so deep.
const DEEPEST: usize = 4;

impl<'d> Subject<'d> {
    pub(super) fn of(body: Value<'d>) -> Self {
        let outer = if body.is_array() { body.items().find(|item| item.is_object()).unwrap_or(body) } else { body };
        let (mut inner, mut between) = (outer, Vec::new());
        while between.len() < DEEPEST {
            let Some(next) = envelope(inner).or_else(|| only_inner(inner)) else { break };
            if !inner.is_same(outer) {
                between.push(inner);
            }
            inner = next;
        }
        Self { outer, inner, between, list: body.is_array().then_some(body) }
    }

    /// From the innermost outwards.
    pub(super) fn inside_out(&self) -> impl Iterator<Item = Value<'d>> {
        let outer = (!self.inner.is_same(self.outer)).then_some(self.outer);
        std::iter::once(self.inner).chain(self.between.iter().rev().copied()).chain(outer)
    }
}

/// The error inside this object, if it holds one rather than being one.
fn envelope(object: Value<'_>) -> Option<Value<'_>> {
    ENVELOPE.iter().find_map(|name| {
        let inner = object.get(name)?;
        // Data is an error only as a list of results, of which the first failed.
        if *name == "data"
            && !inner.items().next().is_some_and(|first| first.get("code").is_some() && message_here(first).is_some())
        {
            return None;
        }
        if inner.is_array() {
            // A list beside a message tells more of the same error; alone, its first entry is the error.
            let first = inner.items().next().filter(|first| first.is_object())?;
            let is_told = message_here(object).is_some() || object.first(&["title", "error"]).is_some_and(Value::is_string);
            return (!is_told).then_some(first);
        }
        let speaks = inner.is_object() && (tells(inner) || envelope(inner).is_some());
        speaks.then_some(inner)
    })
}

/// The one object in an object that says nothing itself: an answer under the name of its method, as Alipay's.
fn only_inner(object: Value<'_>) -> Option<Value<'_>> {
    let mut objects = object.members().map(|(_, value)| value).filter(|value| value.is_object());
    let (only, none) = (objects.next()?, objects.next());
    let speaks = only.first(&CODE).is_some_and(|code| code.is_string() || code.is_number()) && message_here(only).is_some();
    (none.is_none() && speaks && !tells(object)).then_some(only)
}

/// Whether an object says what went wrong, in any way.
pub(super) fn tells(object: Value<'_>) -> bool {
    object.first(&CODE).is_some_and(|code| code.is_string() || code.is_number())
        || message_here(object).is_some()
        || object.first(&["type", "__type", "reason", "title", "status", "name", "error"]).is_some_and(Value::is_string)
}
