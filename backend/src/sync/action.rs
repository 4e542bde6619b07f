//! What an action asks for, read from its data.

use serde::Serialize;
use serde_json::{Map, Value};
use steadfast::wire::WireAction;

use super::batch::Submitted;
use crate::files::ReceivedFile;

const TYPES: [&str; 6] = ["save_draft", "delete_draft", "bookmark_effect", "remove_bookmark", "add_photo", "save_file"];
const ID_LIMIT: usize = 200;
const TITLE_LIMIT: usize = 200;
const CONTENT_LIMIT: usize = 100_000;
const TAG_LIMIT: usize = 100;
const TAGS_LIMIT: usize = 50;
const CAPTION_LIMIT: usize = 1000;
/// The file that an `add_photo` cannot do without.
const PHOTO: &str = "photo";

/// An action that is understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action<'a> {
    SaveDraft(SaveDraft),
    DeleteDraft {
        draft_id: String,
    },
    BookmarkEffect {
        effect_id: String,
        tags: Vec<String>,
    },
    RemoveBookmark {
        effect_id: String,
    },
    /// The photo, and whatever else came with it.
    AddPhoto {
        caption: Option<String>,
        files: &'a [ReceivedFile],
    },
    SaveFile {
        file_id: String,
        file: &'a ReceivedFile,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct SaveDraft {
    pub(super) draft_id: String,
    /// Nothing keeps the title that is stored.
    pub(super) title: Option<String>,
    pub(super) content: String,
    /// The version that the user saw; 0 is that of a draft that does not exist.
    pub(super) base_version: Option<i64>,
}

/// Why an action can never be applied as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    UnknownType(Problem),
    InvalidData(Vec<Problem>),
}

/// What is wrong with one field.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    field: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraint: Option<&'static str>,
}

impl<'a> Action<'a> {
    pub(super) fn read(submitted: &'a Submitted) -> Result<Self, Refusal> {
        let Submitted { action, files } = submitted;
        match action.kind.as_str() {
            "save_draft" => Self::read_with(action, |data| {
                Self::SaveDraft(SaveDraft {
                    draft_id: data.id("draftId"),
                    title: data.optional_text("title", TITLE_LIMIT),
                    content: data.text("content", CONTENT_LIMIT),
                    base_version: data.version("baseVersion"),
                })
            }),
            "delete_draft" => Self::read_with(action, |data| Self::DeleteDraft { draft_id: data.id("draftId") }),
            "bookmark_effect" => {
                Self::read_with(action, |data| Self::BookmarkEffect { effect_id: data.id("effectId"), tags: data.tags("tags") })
            }
            "remove_bookmark" => Self::read_with(action, |data| Self::RemoveBookmark { effect_id: data.id("effectId") }),
            "add_photo" => {
                if !files.iter().any(|file| file.field.as_deref() == Some(PHOTO)) {
                    return Err(Refusal::file_missing("Must have a photo"));
                }
                Self::read_with(action, |data| Self::AddPhoto { caption: data.optional_text("caption", CAPTION_LIMIT), files })
            }
            "save_file" => {
                let [file] = files.as_slice() else { return Err(Refusal::file_missing("Must be one file")) };
                Self::read_with(action, |data| Self::SaveFile { file_id: data.id("fileId"), file })
            }
            _ => {
                let message = format!("Must be one of: {}", TYPES.join(", "));
                Err(Refusal::UnknownType(Problem { field: "type", message, constraint: Some("enum") }))
            }
        }
    }

    fn read_with(action: &WireAction, read: impl FnOnce(&mut Data) -> Self) -> Result<Self, Refusal> {
        let Ok(members) = serde_json::from_str(action.data.get()) else {
            let message = "Must be an object".to_owned();
            return Err(Refusal::InvalidData(vec![Problem { field: "data", message, constraint: Some("type") }]));
        };
        let mut data = Data { members, problems: Vec::new() };
        let action = read(&mut data);
        if data.problems.is_empty() { Ok(action) } else { Err(Refusal::InvalidData(data.problems)) }
    }
}

impl Refusal {
    fn file_missing(message: &str) -> Self {
        Self::InvalidData(vec![Problem { field: "files", message: message.to_owned(), constraint: Some("required") }])
    }
}

/// The data of an action. It notes every problem, so that the user can mend all of them at once.
struct Data {
    members: Map<String, Value>,
    problems: Vec<Problem>,
}

impl Data {
    fn problem(&mut self, field: &'static str, message: impl Into<String>, constraint: &'static str) {
        self.problems.push(Problem { field, message: message.into(), constraint: Some(constraint) });
    }

    /// The member, if it is there. `null` is as good as missing.
    fn take(&mut self, field: &str) -> Option<Value> {
        self.members.remove(field).filter(|value| !value.is_null())
    }

    fn optional_text(&mut self, field: &'static str, limit: usize) -> Option<String> {
        let Value::String(text) = self.take(field)? else {
            self.problem(field, "Must be a string", "type");
            return None;
        };
        if text.chars().count() > limit {
            self.problem(field, format!("Must not exceed {limit} characters"), "maxLength");
        }
        Some(text)
    }

    fn text(&mut self, field: &'static str, limit: usize) -> String {
        let problems = self.problems.len();
        let text = self.optional_text(field, limit);
        if text.is_none() && self.problems.len() == problems {
            self.problem(field, "Is required", "required");
        }
        text.unwrap_or_default()
    }

    fn id(&mut self, field: &'static str) -> String {
        let problems = self.problems.len();
        let id = self.text(field, ID_LIMIT);
        if id.is_empty() && self.problems.len() == problems {
            self.problem(field, "Must not be empty", "minLength");
        }
        id
    }

    fn version(&mut self, field: &'static str) -> Option<i64> {
        let value = self.take(field)?;
        let version = value.as_i64().filter(|version| *version >= 0);
        if version.is_none() {
            self.problem(field, "Must be a whole number, 0 or more", "type");
        }
        version
    }

    fn tags(&mut self, field: &'static str) -> Vec<String> {
        let Some(value) = self.take(field) else {
            return Vec::new();
        };
        let Ok(tags) = serde_json::from_value::<Vec<String>>(value) else {
            self.problem(field, "Must be a list of strings", "type");
            return Vec::new();
        };
        if tags.len() > TAGS_LIMIT {
            self.problem(field, format!("Must not have more than {TAGS_LIMIT} entries"), "maxItems");
        }
        if tags.iter().any(|tag| tag.chars().count() > TAG_LIMIT) {
            self.problem(field, format!("Each must not exceed {TAG_LIMIT} characters"), "maxLength");
        }
        tags
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::{json, value::to_raw_value};
    use steadfast::wire::Priority;

    use super::*;

    fn submitted(kind: &str, data: &Value, fields: &[&str]) -> Submitted {
        let action = WireAction {
            id: "a".to_owned(),
            kind: kind.to_owned(),
            key: None,
            timestamp: "2025-08-21T09:30:00Z".to_owned(),
            priority: Priority::Normal,
            data: to_raw_value(data).unwrap(),
            files: Vec::new(),
        };
        let file = |field: &&str| ReceivedFile {
            field: Some((*field).to_owned()),
            name: None,
            kind: String::new(),
            content: "x".into(),
        };
        Submitted { action, files: fields.iter().map(file).collect() }
    }

    fn problems(kind: &str, data: &Value) -> Vec<(&'static str, &'static str)> {
        problems_of(&submitted(kind, data, &[]))
    }

    fn problems_of(submitted: &Submitted) -> Vec<(&'static str, &'static str)> {
        match Action::read(submitted) {
            Err(Refusal::InvalidData(problems)) => {
                problems.into_iter().map(|problem| (problem.field, problem.constraint.unwrap())).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn members_that_are_not_known_are_ignored() {
        let data = json!({ "draftId": "draft_456", "content": "...", "metadata": {} });
        let expected = SaveDraft { draft_id: "draft_456".to_owned(), title: None, content: "...".to_owned(), base_version: None };
        assert_eq!(Action::read(&submitted("save_draft", &data, &[])), Ok(Action::SaveDraft(expected)));
    }

    #[test]
    fn every_problem_is_said_at_once() {
        let data = json!({ "draftId": "", "title": "x".repeat(201), "baseVersion": 1.5 });
        assert_eq!(
            problems("save_draft", &data),
            [("draftId", "minLength"), ("title", "maxLength"), ("content", "required"), ("baseVersion", "type"),]
        );
    }

    #[test]
    fn lengths_are_counted_in_characters_and_the_limit_itself_is_allowed() {
        let data = json!({ "draftId": "d", "title": "é".repeat(200), "content": "é".repeat(100_000) });
        assert!(Action::read(&submitted("save_draft", &data, &[])).is_ok());
        let data = json!({ "draftId": "d", "content": "x".repeat(100_001) });
        assert_eq!(problems("save_draft", &data), [("content", "maxLength")]);
    }

    #[test]
    fn wrong_types_are_named() {
        assert_eq!(problems("save_draft", &json!({ "draftId": 7, "content": [] })), [("draftId", "type"), ("content", "type")]);
        assert_eq!(problems("delete_draft", &json!({})), [("draftId", "required")]);
        assert_eq!(problems("bookmark_effect", &json!({ "effectId": "e", "tags": ["a", 1] })), [("tags", "type")]);
        assert_eq!(problems("remove_bookmark", &json!("e")), [("data", "type")]);
        assert_eq!(
            problems("save_draft", &json!({ "draftId": "d", "content": "", "baseVersion": -1 })),
            [("baseVersion", "type")]
        );
    }

    #[test]
    fn an_unknown_type_is_refused_whatever_its_data() {
        assert!(matches!(Action::read(&submitted("send_rocket", &json!(null), &[])), Err(Refusal::UnknownType(_))));
    }

    #[test]
    fn files_that_are_missing_are_a_problem_like_any_other() {
        assert_eq!(problems("add_photo", &json!({ "caption": "" })), [("files", "required")]);
        assert_eq!(problems_of(&submitted("add_photo", &json!({}), &["thumbnail"])), [("files", "required")]);
        assert!(Action::read(&submitted("add_photo", &json!({}), &["thumbnail", "photo"])).is_ok());
        assert_eq!(problems_of(&submitted("save_file", &json!({ "fileId": "f" }), &["a", "b"])), [("files", "required")]);
        assert_eq!(problems_of(&submitted("save_file", &json!({}), &["a"])), [("fileId", "required")]);
    }
}
