//! The keys that a user's queue is encrypted with.

use super::StoreError;
use crate::time::WallTime;
use std::fmt;
use std::future::Future;
use zeroize::Zeroize as _;

/// Whether the queue is encrypted where it is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encryption {
    /// What is written is plain text. What was encrypted before can still be read.
    #[default]
    Off,
    /// It is encrypted if there can be a key, and plain text otherwise, which is said.
    Preferred,
    /// It is encrypted, or nothing is written.
    Required,
}

impl Encryption {
    /// The names of all of them.
    pub const NAMES: [&str; 3] = ["off", "preferred", "required"];

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "off" => Self::Off,
            "preferred" => Self::Preferred,
            "required" => Self::Required,
            _ => return None,
        })
    }
}

/// How many bytes a data key has: 32 to encrypt with, and 32 to hide with what has to be found.
pub const DATA_KEY_BYTES: usize = 64;

/// A key that a user's rows and documents are encrypted with. It is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey {
    /// What tells it from all other keys of the user, ever: a later one has a greater number. Below 2^48.
    pub number: u64,
    /// The key.
    pub bytes: Box<[u8; DATA_KEY_BYTES]>,
}

impl fmt::Debug for DataKey {
    /// A key has no place in a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DataKey").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Drop for DataKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// The number of a new key: the moment in milliseconds. Where the clock has been set back since the newest one was made, it is somewhere
/// above that: two that are made after the same one are told apart, though the first of them may have been deleted by then.
pub fn new_key_number(now: WallTime, newest: Option<u64>, random: u16) -> u64 {
    let now = u64::try_from(now.0).unwrap_or(0) & ((1 << 47) - 1);
    match newest {
        Some(newest) if newest >= now => newest.saturating_add(1).saturating_add(random.into()),
        _ => now,
    }
}

/// Whose keys.
pub type OfUsers = Vec<(String, DataKey)>;

/// Where data keys are kept, so that what holds the rows does not also hold what opens them. Nothing of this can be awaited inside a
/// [`Transaction`](super::Transaction).
pub trait Keys: 'static {
    /// A file that can be encrypted.
    type File: Clone + 'static;

    /// The keys of a user, or of all users: those of each with the newest last. Users without a key are not in it.
    fn load(&self, user_id: Option<&str>) -> impl Future<Output = Result<OfUsers, StoreError>>;
    /// Makes another key for a user, unless there is one already that is newer than `newest`, and gives all of that user's. Of several
    /// tabs that do this at once, one makes it.
    fn make(&self, user_id: &str, newest: Option<u64>) -> impl Future<Output = Result<OfUsers, StoreError>>;
    /// Makes sure that this key of a user is there, which it may not be any longer if all was deleted meanwhile.
    fn keep(&self, user_id: &str, key: &DataKey) -> impl Future<Output = Result<(), StoreError>>;
    /// Forgets the keys of a user that are older than that one.
    fn forget(&self, user_id: &str, before: u64) -> impl Future<Output = Result<(), StoreError>>;
    /// Encrypts a file of a user's with the newest key, which is there. It can be opened for that place, and for nothing else.
    fn seal_file(&self, user_id: &str, place: &str, file: &Self::File) -> impl Future<Output = Result<Self::File, StoreError>>;
    /// Opens a file that was encrypted for that place, as one of that content type. `None` if it is damaged, belongs elsewhere, or its
    /// key was forgotten; [`KeyUnavailable`](super::StoreErrorKind::KeyUnavailable) if the keys cannot be had just now.
    fn open_file(
        &self,
        user_id: &str,
        place: &str,
        sealed: &Self::File,
        kind: &str,
    ) -> impl Future<Output = Result<Option<Self::File>, StoreError>>;
    /// Fills a buffer with random bytes that no one can foresee.
    fn fill(&self, buffer: &mut [u8]);
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_has_a_number_of_its_own_even_if_the_clock_was_set_back_since_the_newest_one_was_made() {
        let now = WallTime(1_780_315_200_000);
        assert_eq!(new_key_number(now, None, 7), 1_780_315_200_000);
        assert_eq!(new_key_number(now, Some(1_780_315_199_999), 7), 1_780_315_200_000);
        assert_eq!(new_key_number(now, Some(1_780_315_200_000), 0), 1_780_315_200_001);
        let made = [3, 4].map(|random| new_key_number(now, Some(1_790_000_000_000), random));
        assert_eq!(made, [1_790_000_000_004, 1_790_000_000_005]);
    }
}
