//! What an application hands to `enqueue`, checked.

use super::coalescing::{Coalescing, Merge};
use super::file::QueuedFile;
use super::request::{Body, WholeRequest};
use crate::input::{InvalidInput, Subject};
use crate::json::{Document, Json, Value};
use crate::wire::{LARGEST_DATA, LONGEST_NAME, Priority};
use serde_json::value::RawValue;
use std::time::Duration;

/// What an action may be given, beside its data.
const MEMBERS: [&str; 9] = ["id", "type", "key", "priority", "ttlMs", "dependsOn", "coalesce", "request", "files"];

/// The longest time after which an action may cease to be worth sending: a year.
const LONGEST_TIME_TO_LIVE: u64 = 366 * 86_400_000;

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
    /// After how long it ceases to be worth sending.
    pub time_to_live: Option<Duration>,
    /// The id of the action that must be applied before.
    pub depends_on: Option<String>,
    /// What it does to the last one of its key.
    pub coalescing: Coalescing,
    /// What it is sent as, if it is a whole request.
    pub request: Option<Box<WholeRequest>>,
    /// Its files, which are stored already.
    pub files: Vec<QueuedFile>,
}

impl Draft {
    /// Checks what `enqueue` was given: `fields` is its JSON object without `data`, `data` the JSON text of that.
    pub fn read(fields: &str, data: &str) -> Result<Self, InvalidInput> {
        Ok(Self { data: Self::read_data(data)?, ..Self::read_fields(fields)? })
    }

    /// The same with that data.
    pub fn with_data(self, data: &str) -> Result<Self, InvalidInput> {
        Ok(Self { data: checked(data)?, ..self })
    }

    /// Checks all but the data, for which `null` stands.
    pub fn read_fields(fields: &str) -> Result<Self, InvalidInput> {
        let subject = Subject::Action;
        let document = Document::read(fields);
        let Some(fields) = document.as_ref().map(Document::root).filter(|fields| fields.is_object()) else {
            return Err(InvalidInput::new(
                subject,
                "",
                "something else",
                "an object { type, data, key?, priority?, id?, ttlMs?, dependsOn?, coalesce?, files? }",
            ));
        };
        if let Some((unknown, _)) = fields.members().find(|(name, _)| !MEMBERS.iter().any(|known| name.is(known))) {
            return Err(InvalidInput::new(
                subject,
                &unknown.as_str(),
                "a member of no meaning",
                "type, data, key, priority, id, ttlMs, dependsOn, coalesce and files",
            ));
        }
        let name = |member: &str| {
            let Some(value) = fields.get(member) else { return Ok(None) };
            if let Some(text) = value.as_str().filter(|text| (1..=LONGEST_NAME).contains(&text.chars().count())) {
                return Ok(Some(text.into_owned()));
            }
            let allowed = format!("a string of 1 to {LONGEST_NAME} characters");
            Err(InvalidInput::new(subject, member, &shown(value), &allowed))
        };
        let priority = match fields.get("priority") {
            None => Priority::default(),
            Some(other) => other
                .as_str()
                .and_then(|name| Priority::from_name(&name))
                .ok_or_else(|| InvalidInput::new(subject, "priority", &shown(other), &Priority::NAMES.join(", ")))?,
        };
        let request = fields.get("request").map(WholeRequest::read).transpose()?.map(Box::new);
        let files = fields.get("files").map(QueuedFile::read_all).transpose()?.unwrap_or_default();
        match &request {
            Some(request) => request.check_files(files.len())?,
            None if files.iter().any(|file| file.field.is_none()) => {
                return Err(InvalidInput::new(subject, "files.field", "nothing", "a name for each file of an action"));
            }
            None => {}
        }
        let kind = name("type")?.or_else(|| request.as_ref().map(|request| request.kind())).ok_or_else(|| {
            InvalidInput::new(subject, "type", "nothing", &format!("a string of 1 to {LONGEST_NAME} characters"))
        })?;
        let data = RawValue::NULL.to_owned();
        let time_to_live = match fields.get("ttlMs") {
            None => None,
            Some(value) => {
                let age = value.as_u64().filter(|age| (1..=LONGEST_TIME_TO_LIVE).contains(age));
                let allowed = || format!("a whole number of milliseconds from 1 to {LONGEST_TIME_TO_LIVE}");
                let age = age.ok_or_else(|| InvalidInput::new(subject, "ttlMs", &shown(value), &allowed()))?;
                Some(Duration::from_millis(age))
            }
        };
        let key = name("key")?;
        let coalescing = match fields.get("coalesce") {
            None => Coalescing::Never,
            Some(value) if value.is("replace") && key.is_some() => Coalescing::Replace,
            Some(value) if value.is("dropOlder") && key.is_some() => Coalescing::DropOlder,
            Some(value) => {
                let allowed =
                    r#""replace", "dropOlder" or a function that makes one action's data of two, for an action with a key"#;
                return Err(InvalidInput::new(subject, "coalesce", &shown(value), allowed));
            }
        };
        let (id, depends_on) = (name("id")?, name("dependsOn")?);
        Ok(Self { id, kind, key, priority, data, time_to_live, depends_on, coalescing, request, files })
    }
}

impl Draft {
    /// Checks the JSON text of an action's data.
    pub fn read_data(data: &str) -> Result<Box<RawValue>, InvalidInput> {
        checked(data)
    }

    /// Has it take the place of the last one of its key, with data that this function makes of both.
    pub fn merge_by(&mut self, merge: Merge) -> Result<(), InvalidInput> {
        if self.key.is_none() {
            return Err(InvalidInput::new(Subject::Action, "coalesce", "a function", "a key beside it"));
        }
        if self.request.as_ref().is_some_and(|request| request.body != Body::Data) {
            return Err(InvalidInput::new(Subject::Action, "coalesce", "a function", "a body of JSON that it can make of two"));
        }
        self.coalescing = Coalescing::Merge(merge);
        Ok(())
    }
}

/// The JSON text of an action's data.
fn checked(data: &str) -> Result<Box<RawValue>, InvalidInput> {
    if data.len() > LARGEST_DATA {
        let size = format!("{} bytes of JSON", data.len());
        return Err(InvalidInput::new(Subject::Action, "data", &size, &format!("at most {LARGEST_DATA} bytes of JSON")));
    }
    let value: Result<&RawValue, _> = serde_json::from_str(data);
    value
        .map(ToOwned::to_owned)
        .map_err(|error| InvalidInput::new(Subject::Action, "data", &error.to_string(), "a value that JSON can hold"))
}

/// A value as it is shown in an error: its JSON, cut short.
pub(crate) fn shown(value: Value<'_>) -> String {
    cut_short(value.to_json().text())
}

/// The same for a string.
pub(crate) fn quoted(text: &str) -> String {
    cut_short(Json::of(text).text())
}

fn cut_short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((cut, _)) => [text.get(..cut).unwrap_or_default(), "…"].concat(),
        None => text.into(),
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_priority_says_what_where_and_what_is_allowed() {
        let error = Draft::read(r#"{"type":"save_draft","priority":"urgent"}"#, "{}").unwrap_err();
        assert_eq!(error.to_string(), r#"action.priority is "urgent"; allowed: critical, high, normal, low"#);
    }

    #[test]
    fn a_misspelt_member_is_refused_and_not_ignored() {
        let error = Draft::read(r#"{"type":"save_draft","priorty":"high"}"#, "{}").unwrap_err();
        assert_eq!(error.path, "priorty");
    }

    #[test]
    fn data_keeps_its_text_to_the_letter() {
        let text = r#"{"n":1.10000000000000000001,"big":123456789012345678901234567890}"#;
        let draft = Draft::read(r#"{"type":"t"}"#, text).unwrap();
        assert_eq!(draft.data.get(), text);
        assert_eq!(draft.priority, Priority::Normal);
    }

    #[test]
    fn files_of_an_action_have_names_and_those_of_a_request_are_its_body() {
        let read = |fields: &str| Draft::read(fields, "{}").map_err(|error| error.path);
        let file = r#"{"id":"f","bytes":1}"#;
        assert_eq!(read(&format!(r#"{{"type":"t","files":[{file}]}}"#)).unwrap_err(), "files.field");
        let named = r#"{"type":"t","files":[{"id":"f","field":"photo","bytes":1}]}"#;
        assert_eq!(read(named).unwrap().files[0].field.as_deref(), Some("photo"));
        let request = |body: &str, files: &str| {
            format!(r#"{{"request":{{"method":"PUT","url":"https://a.example/","body":{body}}},"files":[{files}]}}"#)
        };
        assert!(read(&request(r#""file""#, file)).is_ok());
        assert_eq!(read(&request(r#""data""#, file)).unwrap_err(), "files");
        assert_eq!(read(&request(r#""file""#, "")).unwrap_err(), "files");
    }

    #[test]
    fn names_are_bounded() {
        for fields in [r#"{"type":""}"#, r"{}", r#"{"type":7}"#, r"[]", r#"{"type":"t","key":""}"#, "nonsense"] {
            assert!(Draft::read(fields, "{}").is_err(), "{fields}");
        }
        let long = format!(r#"{{"type":"{}"}}"#, "é".repeat(LONGEST_NAME + 1));
        assert_eq!(Draft::read(&long, "{}").unwrap_err().path, "type");
        assert_eq!(Draft::read(r#"{"type":"t"}"#, &format!("\"{}\"", "x".repeat(LARGEST_DATA))).unwrap_err().path, "data");
    }
}
