//! What an application hands to `enqueue`, checked.

use crate::input::{InvalidInput, Subject};
use crate::wire::{LARGEST_DATA, LONGEST_NAME, Priority};
use serde_json::{Value, value::RawValue};

/// An action that is not yet in the queue.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The caller's own id, if it has one.
    pub id: Option<String>,
    /// What kind it is.
    pub kind: String,
    /// Actions with the same key are applied in the order in which they were enqueued.
    pub key: Option<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// The JSON text that will be sent.
    pub data: Box<RawValue>,
}

impl Draft {
    /// Checks what `enqueue` was given: `fields` is its JSON object without `data`, `data` the JSON text of that.
    pub fn read(fields: &str, data: String) -> Result<Self, InvalidInput> {
        let subject = Subject::Action;
        let Ok(Value::Object(fields)) = serde_json::from_str(fields) else {
            return Err(InvalidInput::new(subject, "", "something else", "an object { type, data, key?, priority?, id? }"));
        };
        if let Some(unknown) = fields.keys().find(|name| !matches!(name.as_str(), "id" | "type" | "key" | "priority")) {
            return Err(InvalidInput::new(subject, unknown, "a member of no meaning", "type, data, key, priority and id"));
        }
        let name = |member: &str| match fields.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if (1..=LONGEST_NAME).contains(&text.chars().count()) => Ok(Some(text.clone())),
            Some(other) => {
                Err(InvalidInput::new(subject, member, &shown(other), &format!("a string of 1 to {LONGEST_NAME} characters")))
            }
        };
        let priority = match fields.get("priority") {
            None | Some(Value::Null) => Priority::default(),
            Some(other) => other
                .as_str()
                .and_then(Priority::from_name)
                .ok_or_else(|| InvalidInput::new(subject, "priority", &shown(other), &Priority::NAMES.join(", ")))?,
        };
        let kind = name("type")?.ok_or_else(|| {
            InvalidInput::new(subject, "type", "nothing", &format!("a string of 1 to {LONGEST_NAME} characters"))
        })?;
        if data.len() > LARGEST_DATA {
            let size = format!("{} bytes of JSON", data.len());
            return Err(InvalidInput::new(subject, "data", &size, &format!("at most {LARGEST_DATA} bytes of JSON")));
        }
        let data = RawValue::from_string(data)
            .map_err(|error| InvalidInput::new(subject, "data", &error.to_string(), "a value that JSON can hold"))?;
        Ok(Self { id: name("id")?, kind, key: name("key")?, priority, data })
    }
}

/// A value as it is shown in an error: its JSON, cut short.
pub(crate) fn shown(value: &Value) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_priority_says_what_where_and_what_is_allowed() {
        let error = Draft::read(r#"{"type":"save_draft","priority":"urgent"}"#, "{}".into()).unwrap_err();
        assert_eq!(error.to_string(), r#"action.priority is "urgent"; allowed: critical, high, normal, low"#);
    }

    #[test]
    fn a_misspelt_member_is_refused_and_not_ignored() {
        let error = Draft::read(r#"{"type":"save_draft","priorty":"high"}"#, "{}".into()).unwrap_err();
        assert_eq!(error.path, "priorty");
    }

    #[test]
    fn data_keeps_its_text_to_the_letter() {
        let text = r#"{"n":1.10000000000000000001,"big":123456789012345678901234567890}"#;
        let draft = Draft::read(r#"{"type":"t"}"#, text.into()).unwrap();
        assert_eq!(draft.data.get(), text);
        assert_eq!(draft.priority, Priority::Normal);
    }

    #[test]
    fn names_are_bounded() {
        for fields in [r#"{"type":""}"#, r"{}", r#"{"type":7}"#, r"[]", r#"{"type":"t","key":""}"#, "nonsense"] {
            assert!(Draft::read(fields, "{}".into()).is_err(), "{fields}");
        }
        let long = format!(r#"{{"type":"{}"}}"#, "é".repeat(LONGEST_NAME + 1));
        assert_eq!(Draft::read(&long, "{}".into()).unwrap_err().path, "type");
        assert_eq!(Draft::read(r#"{"type":"t"}"#, format!("\"{}\"", "x".repeat(LARGEST_DATA))).unwrap_err().path, "data");
    }
}
