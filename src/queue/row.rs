//! Where an action lies in the queue, and what it is found by.

use crate::time::WallTime;
use crate::wire::Priority;
use serde::{Deserialize, Serialize};

/// A part of a user's queue. What lies in one lane is in the order of its sequence numbers.
///
/// What lies in one of the first four may be sent; nothing else may. So whoever looks for work reads what he takes, and no more,
/// however much lies elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", from = "u8")]
#[repr(u8)]
pub enum Lane {
    /// To be sent, before all others.
    Critical = 0,
    /// To be sent.
    High = 1,
    /// To be sent.
    Normal = 2,
    /// To be sent.
    Low = 3,
    /// Behind others of its key.
    Waiting = 4,
    /// Until its time has come.
    Delayed = 5,
    /// Until another action has been applied.
    Dependent = 6,
    /// Until a conflict is decided.
    Conflict = 7,
    /// A dead letter.
    Dead = 8,
    /// It cannot be read: a newer version has written it, or it is damaged.
    Unreadable = 9,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Self; 10] = [
        Self::Critical,
        Self::High,
        Self::Normal,
        Self::Low,
        Self::Waiting,
        Self::Delayed,
        Self::Dependent,
        Self::Conflict,
        Self::Dead,
        Self::Unreadable,
    ];
    /// Those from which actions are sent, the most urgent first.
    pub const READY: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// The lane that a priority asks for.
    pub fn of(priority: Priority) -> Self {
        match priority {
            Priority::Critical => Self::Critical,
            Priority::High => Self::High,
            Priority::Normal => Self::Normal,
            Priority::Low => Self::Low,
        }
    }

    /// Where something lies of which it is not known.
    pub(crate) fn unknown() -> Self {
        Self::Unreadable
    }

    /// Whether what lies in it may be sent.
    pub fn is_ready(self) -> bool {
        self <= Self::Low
    }
}

impl From<Lane> for u8 {
    fn from(lane: Lane) -> Self {
        lane as Self
    }
}

impl From<u8> for Lane {
    /// What a newer version has put elsewhere cannot be read.
    fn from(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Unreadable)
    }
}

/// How long an id is that names a place, and where in it the place begins.
const NAMING: (usize, usize) = (36, 24);

/// The id that begins like a UUID and ends with a place, so that the action can be found without an index of ids. A UUIDv7 that loses
/// its last 48 random bits to the place is still one: the millisecond, the place and 26 random bits tell it from all others of a user.
pub fn id_at(unique: &str, seq: u64) -> String {
    match unique.get(..NAMING.1).filter(|_| unique.len() == NAMING.0) {
        Some(beginning) if seq >> 48 == 0 => {
            let mut id = String::with_capacity(NAMING.0);
            id.push_str(beginning);
            id.extend((0..12).rev().map(|digit| char::from_digit((seq >> (4 * digit) & 15) as u32, 16).unwrap_or('0')));
            id
        }
        _ => unique.into(),
    }
}

/// The place that an id names, if it is one that does.
pub fn place_named_by(id: &str) -> Option<u64> {
    let digits = id.get(NAMING.1..).filter(|digits| id.len() == NAMING.0 && !digits.contains('+'))?;
    u64::from_str_radix(digits, 16).ok()
}

/// An action as the store sees it: a text, and what it is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The part of the queue that it lies in.
    pub lane: Lane,
    /// Its place there. No two rows of a user have the same, whatever their lanes. Below 2^53.
    pub seq: u64,
    /// No two rows of a user have the same.
    pub id: String,
    /// The key among whose actions it has its place.
    pub key: Option<String>,
    /// When its time comes.
    pub due: Option<WallTime>,
    /// The id of the action that it depends on.
    pub after: Option<String>,
    /// All that is known of it.
    pub text: String,
    /// What it weighs against the limits of the queue, in bytes, where the text may not tell. A store need not keep it.
    pub weight: Option<u64>,
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_the_place_that_it_was_made_for_and_no_other() {
        let unique = "019e830e-1b8a-7410-83eb-7fe86e17dcfd";
        for seq in [0, 1, 255, 1 << 40, (1 << 48) - 1] {
            let id = id_at(unique, seq);
            assert_eq!((place_named_by(&id), id.len(), &id[..24]), (Some(seq), 36, &unique[..24]));
        }
        assert_eq!(id_at(unique, 1 << 48), unique);
        assert_eq!(id_at("mine", 7), "mine");
        for other in ["", "mine", "019e830e-1b8a-7410-83eb-7fe86e17dcfg", "grüße-grüße-grüße-grüße-grüße"] {
            assert_eq!(place_named_by(other), None, "{other}");
        }
    }
}
