//! What an action needs to know of another one: an id that the server gives, for instance.
//!
//! Data that is to be sent after another action has been applied may name a part of that action's result:
//! `{ "$result": "<the action's id>", "at": "/id" }`, with a JSON pointer (RFC 6901). It is put in before the data is sent.

use super::request::WholeRequest;
use crate::json::{Document, Json, Value};
use serde_json::value::RawValue;

/// What is missing before data can be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The server has not said what came of the other action, or not that part.
    #[error("the result of the action {id} has nothing at \"{at}\", which the data of this action names")]
    Part {
        /// The other action.
        id: String,
        /// The JSON pointer.
        at: String,
    },
    /// The data cannot be read.
    #[error("the data of this action cannot be read any longer")]
    Data,
}

/// The data, with all that it names of the result of that action put in.
pub fn put_in(data: &RawValue, id: &str, result: Option<&Json>) -> Result<Box<RawValue>, Missing> {
    let text = data.get();
    // Most data names nothing.
    if !text.contains(r#""$result""#) {
        return Ok(data.to_owned());
    }
    let document = Document::read(text).ok_or(Missing::Data)?;
    let known = result.and_then(|result| Document::read(result.text()));
    let mut put = String::with_capacity(text.len());
    let mut copied = 0;
    for (place, at) in places(document.root(), id) {
        let part = known.as_ref().and_then(|known| known.root().pointed(&at));
        let part = part.ok_or_else(|| Missing::Part { id: id.into(), at: at.clone() })?;
        put.push_str(text.get(copied..place.start).ok_or(Missing::Data)?);
        put.push_str(part.to_json().text());
        copied = place.end;
    }
    put.push_str(text.get(copied..).ok_or(Missing::Data)?);
    RawValue::from_string(put).map_err(|_| Missing::Data)
}

/// Puts all that an action names of the result of that one into what it will say: its data and, if it is a request, its URL.
pub fn complete(
    data: &mut Box<RawValue>,
    request: &mut Option<Box<WholeRequest>>,
    id: &str,
    result: Option<&Json>,
) -> Result<(), Missing> {
    let put = put_in(data, id, result)?;
    if let Some(request) = request {
        request.put_in(id, result)?;
    }
    *data = put;
    Ok(())
}

/// Where parts of the result of that action are named, in the order of the text, and which.
fn places(root: Value<'_>, id: &str) -> Vec<(std::ops::Range<usize>, String)> {
    let (mut found, mut open) = (Vec::new(), vec![root]);
    while let Some(value) = open.pop() {
        if value.is_array() {
            open.extend(value.items());
        } else if value.get("$result").is_some_and(|named| named.is(id)) {
            let at = value.get("at").and_then(Value::as_str).unwrap_or_default().into_owned();
            found.extend(value.span().map(|span| (span, at)));
        } else {
            open.extend(value.members().map(|(_, value)| value));
        }
    }
    found.sort_unstable_by_key(|(span, _)| span.start);
    found
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn put(data: &str, result: &str) -> Result<String, Missing> {
        let data = RawValue::from_string(data.into()).unwrap();
        let result = Json::new(result.into());
        put_in(&data, "a", result.as_ref()).map(|put| put.get().to_string())
    }

    #[test]
    fn parts_of_a_result_are_put_in_wherever_they_are_named() {
        let data = r#"{"post":{"$result":"a","at":"/id"},"all":[1,{"$result":"a"},"{\"$result\"}"],"other":{"$result":"b","at":"/id"},"n":1.10}"#;
        let expected =
            r#"{"post":"p/7","all":[1,{"id":"p/7","tags":["x"]},"{\"$result\"}"],"other":{"$result":"b","at":"/id"},"n":1.10}"#;
        assert_eq!(put(data, r#"{"id":"p/7","tags":["x"]}"#).unwrap(), expected);
        assert_eq!(put(r#"{"$result":"a","at":"/tags/0"}"#, r#"{"tags":["x"]}"#).unwrap(), r#""x""#);
        assert_eq!(put(r#"{"$result":"a","at":"/a~1b/~0"}"#, r#"{"a/b":{"~":7}}"#).unwrap(), "7");
    }

    #[test]
    fn data_that_names_nothing_stays_as_it_is_to_the_letter() {
        assert_eq!(put(r#"{ "n": 1.0 }"#, "1").unwrap(), r#"{ "n": 1.0 }"#);
    }

    #[test]
    fn what_is_not_there_is_missing_and_not_guessed() {
        let missing = Missing::Part { id: "a".into(), at: "/id".into() };
        for result in ["{}", "[]", "null", r#"{"ID":1}"#] {
            assert_eq!(put(r#"[{"$result":"a","at":"/id"}]"#, result), Err(missing.clone()), "{result}");
        }
    }
}
