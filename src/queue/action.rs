//! A queued action, as it lies on disk.

use super::file::QueuedFile;
use super::request::{Replay, WholeRequest};
use super::row::{Lane, Row};
use crate::broken::{self, Variant};
use crate::time::WallTime;
use crate::wire::{Conflict, Priority, WireAction};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The layout of a stored action that this version writes.
pub const SCHEMA_VERSION: u32 = 2;

/// A queued action.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// The layout it was written in.
    pub schema_version: u32,
    /// Stable across attempts, reloads and tabs.
    #[serde(default)]
    pub id: String,
    /// Whose it is. It is sent under no other user's credentials.
    #[serde(default)]
    pub user_id: String,
    /// Its place in the user's queue.
    #[serde(default)]
    pub seq: u64,
    /// Actions with the same key are applied in the order of `seq`.
    #[serde(default)]
    pub key: Option<String>,
    /// What kind it is, in the application's words.
    #[serde(rename = "type")]
    pub kind: String,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// When the user acted. For people; the order is `seq`.
    pub timestamp: WallTime,
    /// The JSON text that will be sent.
    pub data: Box<RawValue>,
    /// Where it stands.
    #[serde(default)]
    pub state: ActionState,
    /// How often the server has looked at it and not applied it.
    #[serde(default)]
    pub attempts: u32,
    /// Not to be sent before.
    #[serde(default)]
    pub not_before: Option<WallTime>,
    /// Why it was not applied the last time: the JSON of an [`ApiError`](crate::error::ApiError).
    #[serde(default)]
    pub last_error: Option<Box<RawValue>>,
    /// What stands against it.
    #[serde(default)]
    pub conflict: Option<Conflict>,
    /// When it is no longer worth sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<WallTime>,
    /// By how many milliseconds the server's clock was ahead when that moment was named, as far as was known.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub server_ahead: i64,
    /// The id of the action that must be applied first, and whose result its data may name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<String>,
    /// Whether the server may have seen it: it has been part of a request. Then its data is what it is.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub sent: bool,
    /// Whether the server has failed over it when it was sent by itself: then it is sent by itself again.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub alone: bool,
    /// How many actions of its key were let into the lanes to be sent together before it.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub window: u32,
    /// What it is sent as instead of a place in a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Box<WholeRequest>>,
    /// Its files, which lie beside the queue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<QueuedFile>,
    /// The part of the queue that it lies in.
    #[serde(skip, default = "Lane::unknown")]
    pub lane: Lane,
    /// What is stored of one that cannot be read, as it is.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What one that cannot be read weighs, if that is known.
    #[serde(skip)]
    pub weight: Option<u64>,
}

/// Where an action on disk stands. One that is being sent is `Pending` and in the user's batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ActionState {
    /// It waits to be sent, or for the answer.
    #[default]
    Pending,
    /// The server has something newer; its key is parked until the application decides.
    Conflict,
    /// A dead letter: the server will never take it as it is. It is kept until the application decides.
    Dead,
    /// A newer version has written it, or it is damaged. It is kept as it is and not sent; never written, only found.
    Unreadable,
}

/// An action as it is stored: without what the row has beside the text, and without what is usual.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored<'a> {
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: &'a Option<String>,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "is_usual")]
    priority: Priority,
    timestamp: WallTime,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "is_usual")]
    state: ActionState,
    #[serde(skip_serializing_if = "is_usual")]
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<WallTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: &'a Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: &'a Option<Conflict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<WallTime>,
    #[serde(skip_serializing_if = "is_usual")]
    server_ahead: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    depends_on: &'a Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    sent: bool,
    #[serde(skip_serializing_if = "is_usual")]
    alone: bool,
    #[serde(skip_serializing_if = "is_usual")]
    window: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: &'a Option<Box<WholeRequest>>,
    #[serde(skip_serializing_if = "<[QueuedFile]>::is_empty")]
    files: &'a [QueuedFile],
}

fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What is read of a row that cannot be read as a whole.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Names<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    files: Option<&'a RawValue>,
}

impl Action {
    /// An action that nothing has happened to yet: of usual priority, without a key and without a place.
    pub fn new(id: String, user_id: &str, kind: String, data: Box<RawValue>, timestamp: WallTime) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            id,
            user_id: user_id.into(),
            seq: 0,
            key: None,
            kind,
            priority: Priority::Normal,
            timestamp,
            data,
            state: ActionState::Pending,
            attempts: 0,
            not_before: None,
            last_error: None,
            conflict: None,
            expires_at: None,
            server_ahead: 0,
            depends_on: None,
            sent: false,
            alone: false,
            window: 0,
            request: None,
            files: Vec::new(),
            lane: Lane::Normal,
            text: None,
            weight: None,
        }
    }

    /// Reads a row. One that a newer version has written, or that is damaged, stands in for itself: what can be read of it is
    /// there, and it is neither sent nor written again, so that a version which can read it finds it as it was.
    pub fn read(row: &Row, user_id: &str) -> Self {
        if let Some(action) = Self::read_again(row, user_id).filter(|_| row.lane != Lane::Unreadable) {
            return action;
        }
        // Member by member: what is in the data must not hide the key.
        let names: Names<'_> = serde_json::from_str(&row.text).unwrap_or_default();
        let text = |name: Option<&RawValue>| serde_json::from_str::<String>(name?.get()).ok();
        let id = row.id.clone();
        // It weighs what it weighed for the version that has written it.
        let data = names.data.unwrap_or(RawValue::NULL).to_owned();
        Self {
            schema_version: 0,
            seq: row.seq,
            // Known or not, what stands behind it in its key must not overtake it.
            key: row.key.clone().or_else(|| text(names.key)),
            state: ActionState::Unreadable,
            sent: true,
            request: names.request.and_then(|request| serde_json::from_str(request.get()).ok()),
            files: names.files.and_then(|files| serde_json::from_str(files.get()).ok()).unwrap_or_default(),
            lane: row.lane,
            text: Some(row.text.clone()),
            weight: row.weight,
            ..Self::new(id, user_id, text(names.kind).unwrap_or_default(), data, WallTime(0))
        }
    }

    /// Reads a row that was put aside, if this version can read it after all.
    pub fn read_again(row: &Row, user_id: &str) -> Option<Self> {
        let action = serde_json::from_str::<Self>(&row.text).ok().filter(|action| action.schema_version <= SCHEMA_VERSION)?;
        Some(Self { seq: row.seq, id: row.id.clone(), user_id: user_id.into(), lane: row.lane, ..action })
    }

    /// As it is stored.
    pub fn to_row(&self) -> Result<Row, serde_json::Error> {
        let text = match &self.text {
            // What cannot be read stays as it is, wherever it is written again.
            Some(text) => text.clone(),
            None => serde_json::to_string(&Stored {
                schema_version: self.schema_version,
                key: &self.key,
                kind: &self.kind,
                priority: self.priority,
                timestamp: self.timestamp,
                data: &self.data,
                state: self.state,
                attempts: self.attempts,
                not_before: self.not_before,
                last_error: &self.last_error,
                conflict: &self.conflict,
                expires_at: self.expires_at,
                server_ahead: self.server_ahead,
                depends_on: &self.depends_on,
                sent: self.sent,
                alone: self.alone,
                window: self.window,
                request: &self.request,
                files: &self.files,
            })?,
        };
        Ok(Row {
            lane: self.lane,
            seq: self.seq,
            id: self.id.clone(),
            // A dead letter has no place among those of its key any longer.
            key: self.key.clone().filter(|_| self.lane != Lane::Dead),
            due: self.due(),
            after: self.depends_on.clone().filter(|_| self.lane == Lane::Dependent),
            weight: Some(self.bytes()),
            text,
        })
    }

    /// When something becomes of it by itself: it may be sent again, or is no longer worth sending.
    pub fn due(&self) -> Option<WallTime> {
        let again = self.not_before.filter(|_| self.lane == Lane::Delayed);
        again.into_iter().chain(self.expires_at.filter(|_| self.may_expire())).min()
    }

    /// Whether it may cease to be worth sending. What may have been sent has its effect, perhaps: only the server can tell.
    fn may_expire(&self) -> bool {
        self.lane <= Lane::Dependent && (!self.may_have_been_applied() || broken::is(Variant::ExpiresSent))
    }

    /// When it expires, if it may, by a clock that the server's is so many milliseconds ahead of now: if the clocks have come apart
    /// since that moment was named, the later one.
    pub fn expiry(&self, server_ahead: i64) -> Option<WallTime> {
        let named = self.expires_at.filter(|_| self.may_expire())?;
        let apart = self.server_ahead.saturating_sub(server_ahead);
        Some(WallTime(named.0.saturating_add(apart.max(0))))
    }

    /// What it weighs against the limits: the bytes of its data, its names and its files, and of the request that it is.
    pub fn bytes(&self) -> u64 {
        if let Some(weight) = self.weight {
            return weight;
        }
        self.bytes_of_files().saturating_add(self.bytes_of_row())
    }

    /// The bytes of its files.
    pub fn bytes_of_files(&self) -> u64 {
        self.files.iter().fold(0, |bytes, file| bytes.saturating_add(file.bytes))
    }

    /// The bytes of all but its files.
    pub fn bytes_of_row(&self) -> u64 {
        let names = self.id.len() + self.kind.len() + self.key.as_ref().map_or(0, String::len);
        let request = self.request.as_ref().map_or(0, |request| request.bytes());
        ((self.data.get().len() + names) as u64).saturating_add(request)
    }

    /// Gives it other data, which is what it will say from now on. If it has ceased to wait for another action, it no longer depends on
    /// that, unless its URL names what came of it. Files that were what a request said are let go: these.
    #[must_use = "nothing holds these files any longer"]
    pub fn give(&mut self, data: Box<RawValue>) -> Vec<QueuedFile> {
        self.data = data;
        let needs_it = |other: &String| self.request.as_ref().is_some_and(|request| request.names(other));
        if self.lane != Lane::Dependent && !self.depends_on.as_ref().is_some_and(needs_it) {
            self.depends_on = None;
        }
        let Some(request) = &mut self.request else { return Vec::new() };
        request.take_data();
        if request.body.has_files() { Vec::new() } else { std::mem::take(&mut self.files) }
    }

    /// Whether it is never part of a batch with others: the server has failed over it when it was alone, or it is sent in another way.
    pub fn goes_alone(&self) -> bool {
        self.alone || self.request.is_some() || !self.files.is_empty()
    }

    /// Whether the server may have applied it, as far as is known: then only what the server says ends it.
    pub fn may_have_been_applied(&self) -> bool {
        self.sent || self.request.as_ref().is_some_and(|request| request.is_in_doubt)
    }

    /// Whether it must not be sent again once the server may have seen it.
    pub fn is_sent_once(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.replay == Replay::OnlyIfUnsent)
    }

    /// As it is sent.
    pub fn to_wire(&self) -> WireAction {
        WireAction {
            id: self.id.clone(),
            kind: self.kind.clone(),
            key: self.key.clone(),
            timestamp: self.timestamp.to_rfc3339(),
            priority: self.priority,
            data: self.data.clone(),
            files: self.files.iter().enumerate().map(|(number, file)| file.to_wire(number)).collect(),
        }
    }

    /// A dead letter or a conflict, as it was when it was new: to be sent again as it is.
    pub fn reset(&mut self) {
        self.state = ActionState::Pending;
        self.attempts = 0;
        self.not_before = None;
        self.last_error = None;
        self.conflict = None;
        self.alone = false;
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn row(text: &str, key: Option<&str>) -> Row {
        Row {
            lane: Lane::Normal,
            seq: 7,
            id: "action-7".into(),
            key: key.map(Into::into),
            due: None,
            after: None,
            text: text.into(),
            weight: None,
        }
    }

    #[test]
    fn a_row_of_a_newer_version_holds_back_its_key_whatever_its_data_is() {
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        for data in ["1", r#""half an emoji: \ud83d""#, &deep] {
            let text = format!(r#"{{"schemaVersion":3,"key":"draft_1","type":"save_draft","data":{data}}}"#);
            let action = Action::read(&row(&text, None), "ada");
            assert_eq!(
                (action.state, action.key.as_deref(), &*action.kind),
                (ActionState::Unreadable, Some("draft_1"), "save_draft")
            );
            assert_eq!((action.seq, &*action.id), (7, "action-7"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_as_it_was_wherever_it_is_written_again() {
        for text in [r#"{"schemaVersion":3,"type":"save_draft","data":1,"of":"the future"}"#, "{", "s1.sealed"] {
            let row = Row { weight: Some(4), ..row(text, Some("draft_1")) };
            assert_eq!(Action::read(&row, "ada").to_row().unwrap(), row);
        }
    }

    #[test]
    fn a_damaged_row_stands_in_for_itself_and_keeps_the_key_that_it_is_found_by() {
        for text in ["", "{\"key\":\"draft_1\"", "[]", "{\"key\":7,\"type\":[]}"] {
            let action = Action::read(&row(text, Some("k")), "ada");
            assert_eq!((action.state, action.key.as_deref(), &*action.kind), (ActionState::Unreadable, Some("k"), ""), "{text}");
        }
    }

    #[test]
    fn an_action_is_read_as_it_was_stored() {
        let stored = super::super::plan::tests::action(7, Some("k"));
        let row = stored.to_row().unwrap();
        let read = Action::read(&row, "ada");
        assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&stored).unwrap());
        assert_eq!(read.to_row().unwrap(), row);
        assert_eq!((row.key.as_deref(), row.due, row.after), (Some("k"), None, None));
    }

    #[test]
    fn files_weigh_and_are_named_also_by_what_this_version_cannot_read() {
        let plain = super::super::plan::tests::action(7, None);
        let files = vec![QueuedFile { id: "f".into(), field: Some("photo".into()), name: None, kind: "a/b".into(), bytes: 1000 }];
        let with_files = Action { files, ..plain.clone() };
        assert_eq!((with_files.bytes(), with_files.bytes_of_row()), (plain.bytes() + 1000, plain.bytes()));
        assert!(with_files.goes_alone() && !plain.goes_alone());
        let row = with_files.to_row().unwrap();
        assert_eq!(Action::read(&row, "ada").files, with_files.files);
        let newer = Row { text: row.text.replacen(r#""schemaVersion":2"#, r#""schemaVersion":3"#, 1), ..row };
        let unreadable = Action::read(&newer, "ada");
        assert_eq!((unreadable.state, unreadable.bytes()), (ActionState::Unreadable, with_files.bytes()));
        assert_eq!(unreadable.files, with_files.files);
        let wire = serde_json::to_string(&with_files.to_wire()).unwrap();
        assert!(wire.ends_with(r#""files":[{"field":"photo","part":"file-0","type":"a/b","bytes":1000}]}"#), "{wire}");
        assert!(!serde_json::to_string(&plain.to_wire()).unwrap().contains("files"));
    }

    #[test]
    fn a_dead_letter_is_not_found_among_those_of_its_key() {
        let dead = Action { lane: Lane::Dead, ..super::super::plan::tests::action(7, Some("k")) };
        assert_eq!(dead.to_row().unwrap().key, None);
    }
}
