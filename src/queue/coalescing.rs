//! What a new action does to the last one of its key that is still to be sent, if the caller has declared it.

use super::action::{Action, ActionState};
use super::file::QueuedFile;
use super::row::Lane;
use crate::broken::{self, Variant};
use serde_json::value::RawValue;
use std::fmt;
use std::rc::Rc;

/// Makes one action's data of two: the older one's and the newer one's, as JSON. It fails with what is wrong with it.
pub type Merge = Rc<dyn Fn(&str, &str) -> Result<String, String>>;

/// What a new action does to the last one of its key and type, if that has never been sent. The new one's id counts from then on,
/// and the other's outcome is `superseded`.
#[derive(Clone, Default)]
pub enum Coalescing {
    /// Nothing.
    #[default]
    Never,
    /// It takes its place.
    Replace,
    /// It goes to the end, and the older one is dropped.
    DropOlder,
    /// It takes its place, with data made of both.
    Merge(Merge),
}

impl fmt::Debug for Coalescing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Never => "Never",
            Self::Replace => "Replace",
            Self::DropOlder => "DropOlder",
            Self::Merge(_) => "Merge",
        })
    }
}

impl Coalescing {
    /// Whether `newer` may stand in for `older`, the last of its key. One that may have been sent is never touched: its effect may
    /// be there, and the server would know the new one by another id.
    pub fn applies(&self, older: &Action, newer: &Action, is_in_flight: bool) -> bool {
        !matches!(self, Self::Never)
            && (!is_in_flight && !older.may_have_been_applied() || broken::is(Variant::SentIsReplaced))
            && older.state == ActionState::Pending
            && (older.lane.is_ready() || older.lane == Lane::Waiting)
            && older.kind == newer.kind
            && match (&older.request, &newer.request) {
                (Some(older), Some(newer)) => older.is_about_the_same_as(newer),
                (older, newer) => older.is_none() && newer.is_none(),
            }
            && older.depends_on.is_none()
            && newer.depends_on.is_none()
    }

    /// Whether the new one takes the older one's place.
    pub fn keeps_place(&self) -> bool {
        !matches!(self, Self::DropOlder)
    }

    /// The data of the new one.
    pub fn data(&self, older: &Action, newer: &Action) -> Result<Box<RawValue>, String> {
        match self {
            Self::Merge(merge) => {
                RawValue::from_string(merge(older.data.get(), newer.data.get())?).map_err(|error| error.to_string())
            }
            _ => Ok(newer.data.clone()),
        }
    }

    /// The files of the new one: its own and, where it is made of both, those of the older one that have no other in their field.
    pub fn files(&self, older: &Action, newer: &Action) -> Vec<QueuedFile> {
        let mut files = newer.files.clone();
        if let Self::Merge(_) = self {
            let is_left = |file: &&QueuedFile| !newer.files.iter().any(|other| other.field == file.field);
            files.extend(older.files.iter().filter(is_left).cloned());
        }
        files
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::queue::plan::tests::action;

    #[test]
    fn what_may_have_been_sent_is_never_touched() {
        let (older, newer) = (action(1, Some("k")), action(2, Some("k")));
        assert!(Coalescing::Replace.applies(&older, &newer, false));
        assert!(!Coalescing::Never.applies(&older, &newer, false));
        assert!(!Coalescing::Replace.applies(&older, &newer, true));
        assert!(!Coalescing::Replace.applies(&Action { sent: true, ..older.clone() }, &newer, false));
        assert!(!Coalescing::Replace.applies(&Action { kind: "other".into(), ..older.clone() }, &newer, false));
        for lane in [Lane::Delayed, Lane::Dependent, Lane::Conflict, Lane::Dead, Lane::Unreadable] {
            assert!(!Coalescing::Replace.applies(&Action { lane, ..older.clone() }, &newer, false), "{lane:?}");
        }
    }

    #[test]
    fn what_is_merged_has_the_newer_files_and_the_older_ones_of_other_fields() {
        let file = |id: &str, field: &str| QueuedFile {
            id: id.into(),
            field: Some(field.into()),
            name: None,
            kind: String::new(),
            bytes: 1,
        };
        let (mut older, mut newer) = (action(1, Some("k")), action(2, Some("k")));
        older.files = vec![file("old a", "a"), file("old b", "b")];
        newer.files = vec![file("new b", "b"), file("new c", "c")];
        let ids = |how: &Coalescing| how.files(&older, &newer).into_iter().map(|file| file.id).collect::<Vec<_>>();
        assert_eq!(ids(&Coalescing::Merge(Rc::new(|_, newer| Ok(newer.into())))), ["new b", "new c", "old a"]);
        assert_eq!(ids(&Coalescing::Replace), ["new b", "new c"]);
    }

    #[test]
    fn data_is_merged_by_the_callers_function() {
        let (older, newer) = (action(1, Some("k")), action(2, Some("k")));
        let merge = Coalescing::Merge(Rc::new(|older, newer| Ok(format!("[{older},{newer}]"))));
        assert_eq!(merge.data(&older, &newer).unwrap().get(), r#"[{"n":1},{"n":2}]"#);
        let broken = Coalescing::Merge(Rc::new(|_, _| Ok("{".into())));
        assert!(broken.data(&older, &newer).is_err());
        assert_eq!(Coalescing::Replace.data(&older, &newer).unwrap().get(), r#"{"n":2}"#);
    }
}
