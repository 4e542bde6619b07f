//! Files of an action: bytes that are stored beside the queue, as they are, and sent with the action.
//!
//! A row only names them. They lie in a place of their own, since a hundred megabytes must not hold up the transactions of the queue. So
//! each has a document that says what [holds](Holder) it, which is written in the transactions of the queue: before the file comes, when
//! an action takes it, and when that action leaves. What nothing holds any longer is deleted, by whoever looks next.

use crate::input::{InvalidInput, Subject};
use crate::json::Value;
use crate::time::WallTime;
use crate::wire::{LONGEST_NAME, WireFile};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most files of an action.
pub const MOST_FILES: usize = 32;

/// A file that no action has taken for so long is deleted: its page is gone. One that is still there stores it again.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The code of an action that cannot be sent because a file of it is gone.
pub const FILE_MISSING: &str = "FILE_MISSING";

/// A file of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueuedFile {
    /// By what it is found. No two files have the same.
    pub id: String,
    /// The name of its field; none if it is the whole body of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The content type; empty if it is not known.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// How large it is, in bytes.
    pub bytes: u64,
}

impl QueuedFile {
    /// Checks what an action was given as its files.
    pub fn read_all(given: Value<'_>) -> Result<Vec<Self>, InvalidInput> {
        let refuse = |path: &str, received: &str, allowed: &str| Err(InvalidInput::new(Subject::Action, path, received, allowed));
        let text = given.to_json();
        let files: Vec<Self> = match serde_json::from_str(text.text()) {
            Ok(files) => files,
            Err(error) => return refuse("files", &error.to_string(), "a list of { id, field?, name?, type, bytes }"),
        };
        if files.len() > MOST_FILES {
            return refuse("files", &files.len().to_string(), &["at most ", &MOST_FILES.to_string(), " files"].concat());
        }
        let is_short = |text: &String| text.chars().count() <= LONGEST_NAME;
        let allowed = || ["a text of at most ", &LONGEST_NAME.to_string(), " characters"].concat();
        for (index, file) in files.iter().enumerate() {
            let is_named = file.field.as_ref().is_none_or(|field| !field.is_empty() && is_short(field));
            if !is_named {
                return refuse("files.field", "a text that is empty or too long", &allowed());
            }
            if !file.name.as_ref().is_none_or(is_short) || !is_short(&file.kind) {
                return refuse("files", "a file name or a type that is too long", &allowed());
            }
            let is_twice = files.iter().take(index).any(|other| other.id == file.id);
            if is_twice || file.id.is_empty() || !is_short(&file.id) {
                return refuse("files.id", &file.id, "an id that was given when the file was stored, once");
            }
        }
        Ok(files)
    }

    /// As it is sent in a batch: the part of that number.
    pub fn to_wire(&self, number: usize) -> WireFile {
        WireFile {
            field: self.field.clone(),
            part: part_of(number),
            name: self.name.clone(),
            kind: self.kind.clone(),
            bytes: self.bytes,
        }
    }
}

/// The part of a batch that has the file of that number.
pub fn part_of(number: usize) -> String {
    ["file-", &number.to_string()].concat()
}

/// What holds a file: what its document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nothing yet. It was to be stored at that moment, for an action that is to come.
    Since(WallTime),
    /// The action of that id.
    Action(String),
    /// Nothing any longer: it is to be deleted.
    Nothing,
}

// No JSON: to read it would weigh more than all else that is done here.
const SINCE: &str = "since";
const ACTION: &str = "action";
const NOTHING: &str = "nothing";

impl Holder {
    /// What a document says. `None` if it cannot be read.
    pub fn read(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some((SINCE, moment)) => moment.parse().ok().map(|moment| Self::Since(WallTime(moment))),
            Some((ACTION, id)) => Some(Self::Action(id.into())),
            _ => (text == NOTHING).then_some(Self::Nothing),
        }
    }

    /// The text of the document.
    pub fn to_text(&self) -> String {
        match self {
            Self::Since(moment) => [SINCE, " ", &moment.0.to_string()].concat(),
            Self::Action(id) => [ACTION, " ", id].concat(),
            Self::Nothing => NOTHING.into(),
        }
    }

    /// Whether an action may take the file.
    pub fn is_to_come(&self) -> bool {
        matches!(self, Self::Since(_))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::json::Document;

    fn read(text: &str) -> Result<Vec<QueuedFile>, InvalidInput> {
        QueuedFile::read_all(Document::read(text).unwrap().root())
    }

    #[test]
    fn what_is_stored_of_a_file_is_read_again() {
        let text =
            r#"[{"id":"f1","field":"photo","name":"me.jpg","type":"image/jpeg","bytes":12345},{"id":"f2","type":"","bytes":0}]"#;
        assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        assert_eq!(read(r#"[{"id":"f","bytes":1}]"#).unwrap()[0].kind, "");
    }

    #[test]
    fn files_are_bounded_and_each_is_named_once() {
        let long = "é".repeat(LONGEST_NAME + 1);
        let many: Vec<String> = (0..=MOST_FILES).map(|id| format!(r#"{{"id":"{id}","bytes":1}}"#)).collect();
        for (path, given) in [
            ("files", "7".to_string()),
            ("files", r#"[{"id":"f"}]"#.into()),
            ("files", r#"[{"id":"f","bytes":-1}]"#.into()),
            ("files", format!("[{}]", many.join(","))),
            ("files.id", r#"[{"id":"","bytes":1}]"#.into()),
            ("files.id", r#"[{"id":"f","bytes":1},{"id":"f","bytes":1}]"#.into()),
            ("files.field", r#"[{"id":"f","field":"","bytes":1}]"#.into()),
            ("files.field", format!(r#"[{{"id":"f","field":"{long}","bytes":1}}]"#)),
            ("files", format!(r#"[{{"id":"f","name":"{long}","bytes":1}}]"#)),
            ("files", format!(r#"[{{"id":"f","type":"{long}","bytes":1}}]"#)),
        ] {
            assert_eq!(read(&given).unwrap_err().path, path, "{given}");
        }
    }

    #[test]
    fn what_holds_a_file_is_read_again_and_nothing_else_is_taken_for_it() {
        let ids = ["a", "", "with a space", "nothing"].map(|id| Holder::Action(id.into()));
        for holder in ids.into_iter().chain([Holder::Since(WallTime(7)), Holder::Since(WallTime(-7)), Holder::Nothing]) {
            assert_eq!(Holder::read(&holder.to_text()), Some(holder));
        }
        for text in ["", "{}", "7", "somebody", "since", "since x", "nothing at all"] {
            assert_eq!(Holder::read(text), None, "{text}");
        }
    }
}
