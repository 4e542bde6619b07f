//! Where a row of the first version's database belongs in the [tables](super::tables).

use super::tables::Lane;
use crate::time::WallTime;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The layout of an action that the first version wrote.
const SCHEMA_VERSION: u32 = 1;

/// Where a row belongs. Its text says all else, and stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The lane.
    pub lane: Lane,
    /// The key among whose actions it has its place. A dead letter has none any longer.
    pub key: Option<String>,
    /// When its time comes.
    pub due: Option<WallTime>,
}

/// An action as the first version wrote it, to the type of each member: what that version could not read is not taken for
/// readable now.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    schema_version: u32,
    #[serde(rename = "id")]
    _id: String,
    #[serde(rename = "userId")]
    _user_id: String,
    #[serde(rename = "seq")]
    _seq: u64,
    key: Option<String>,
    #[serde(rename = "type")]
    _kind: String,
    #[serde(default)]
    priority: Option<String>,
    #[serde(rename = "timestamp")]
    _timestamp: WallTime,
    #[serde(rename = "data")]
    _data: IgnoredAny,
    state: State,
    #[serde(rename = "attempts")]
    _attempts: u32,
    not_before: Option<WallTime>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Pending,
    Conflict,
    Dead,
}

/// What is read of an action that cannot be read as a whole.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Names<'t> {
    #[serde(borrow)]
    key: Option<&'t RawValue>,
}

/// Where the row with this text belongs.
///
/// A pending action with a key waits behind it, even the first: which one that is, is found where all of them are. One with a key
/// whose time has not come waits there, too, and not for its time, or the others of its key would overtake it. What cannot be read
/// stands before them as well, as long as its key can be read.
pub fn place(text: &str) -> Place {
    let action = serde_json::from_str::<Action>(text).ok().filter(|action| action.schema_version <= SCHEMA_VERSION);
    let Some(Action { state, key, not_before, priority, .. }) = action else {
        let names: Names<'_> = serde_json::from_str(text).unwrap_or_default();
        let key = names.key.and_then(|key| serde_json::from_str(key.get()).ok());
        return Place { lane: Lane::Unreadable, key, due: None };
    };
    let lane = match (state, &key, not_before) {
        (State::Conflict, ..) => Lane::Conflict,
        (State::Dead, ..) => Lane::Dead,
        (State::Pending, Some(_), _) => Lane::Waiting,
        (State::Pending, None, Some(_)) => Lane::Delayed,
        (State::Pending, None, None) => match priority.as_deref() {
            Some("critical") => Lane::Critical,
            Some("high") => Lane::High,
            Some("low") => Lane::Low,
            _ => Lane::Normal,
        },
    };
    Place { lane, key: key.filter(|_| lane != Lane::Dead), due: not_before.filter(|_| lane == Lane::Delayed) }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    /// An action as the first version wrote it, with these members instead of its own.
    fn text(members: &[(&str, &str)]) -> String {
        let mut action = [
            ("schemaVersion", "1"),
            ("id", r#""a""#),
            ("userId", r#""ada""#),
            ("seq", "7"),
            ("key", "null"),
            ("type", r#""save_draft""#),
            ("priority", r#""normal""#),
            ("timestamp", "1780315200000"),
            ("data", r#"{"state":"dead","text":"half an emoji: \ud83d"}"#),
            ("state", r#""pending""#),
            ("attempts", "0"),
            ("notBefore", "null"),
            ("lastError", "null"),
            ("conflict", "null"),
        ];
        for (name, value) in members {
            action.iter_mut().find(|(own, _)| own == name).unwrap().1 = value;
        }
        let members: Vec<_> = action.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    fn lane(members: &[(&str, &str)]) -> Lane {
        let Place { lane, key, due } = place(&text(members));
        assert_eq!((key, due), (None, None));
        lane
    }

    #[test]
    fn a_pending_action_lies_in_the_lane_of_its_priority() {
        for (priority, expected) in [
            (r#""critical""#, Lane::Critical),
            (r#""high""#, Lane::High),
            (r#""normal""#, Lane::Normal),
            (r#""low""#, Lane::Low),
            (r#""unheard of""#, Lane::Normal),
            ("null", Lane::Normal),
        ] {
            assert_eq!(lane(&[("priority", priority)]), expected, "{priority}");
        }
        assert_eq!(place(&text(&[]).replace(r#""priority":"normal","#, "")).lane, Lane::Normal);
    }

    #[test]
    fn a_pending_action_with_a_key_waits_behind_it_and_one_with_a_time_for_its_time() {
        let waiting = |key: &str| Place { lane: Lane::Waiting, key: Some(key.into()), due: None };
        assert_eq!(place(&text(&[("key", r#""draft_1""#)])), waiting("draft_1"));
        assert_eq!(place(&text(&[("key", r#""Gr\u00fc\u00dfe""#), ("notBefore", "5")])), waiting("Grüße"));
        assert_eq!(place(&text(&[("key", r#""""#)])), waiting(""));
        let delayed = Place { lane: Lane::Delayed, key: None, due: Some(WallTime(5)) };
        assert_eq!(place(&text(&[("notBefore", "5"), ("priority", r#""critical""#)])), delayed);
    }

    #[test]
    fn a_conflict_keeps_its_place_among_those_of_its_key_and_a_dead_letter_does_not() {
        let members = |state| text(&[("state", state), ("key", r#""draft_1""#), ("notBefore", "5"), ("priority", r#""high""#)]);
        let conflict = Place { lane: Lane::Conflict, key: Some("draft_1".into()), due: None };
        assert_eq!(place(&members(r#""conflict""#)), conflict);
        assert_eq!(place(&members(r#""dead""#)), Place { lane: Lane::Dead, key: None, due: None });
    }

    #[test]
    fn what_the_first_version_could_not_read_is_not_taken_for_readable() {
        for row in ["", "{\"key\":\"draft_1\"", "[]", "{}", "7"] {
            assert_eq!(place(row), Place { lane: Lane::Unreadable, key: None, due: None }, "{row}");
        }
        for (name, value) in
            [("schemaVersion", "2"), ("state", r#""unreadable""#), ("key", "7"), ("seq", "-1"), ("notBefore", r#""soon""#)]
        {
            assert_eq!(lane(&[(name, value)]), Lane::Unreadable, "{name}: {value}");
        }
    }

    #[test]
    fn what_cannot_be_read_keeps_its_key_if_that_can_be_read() {
        let newer = text(&[("schemaVersion", "2"), ("key", r#""draft_1""#)]);
        assert_eq!(place(&newer), Place { lane: Lane::Unreadable, key: Some("draft_1".into()), due: None });
    }
}
