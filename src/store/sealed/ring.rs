//! The keys that a tab has in memory.

use super::cipher::{self, Cipher, NONCE, Sealing};
use crate::platform::tables::{Kind, Lot, Row};
use crate::platform::{DataKey, StoreError, StoreErrorKind};
use crate::queue::action::Action;
use std::cell::Cell;
use std::rc::Rc;
use zeroize::Zeroize as _;

/// What stands before a hidden key where the key itself cannot be known. It keeps rows of one key together.
const HIDDEN: &str = "\0hidden:";

/// The keys of users: see the module.
#[derive(Default)]
pub(super) struct Ring {
    /// By user, the newest last.
    ciphers: Vec<(String, Rc<Cipher>)>,
    pub(super) asked: Asked,
    /// Whether something was found that may be opened with keys which have not been asked for.
    is_lacking: Cell<bool>,
}

/// Whose keys have been asked for.
#[derive(Default)]
pub(super) enum Asked {
    /// Nobody's.
    #[default]
    OfNobody,
    /// One user's.
    Of(String),
    /// All users'.
    OfAll,
    /// They could not be had.
    InVain(StoreError),
}

/// What a text is.
pub(super) enum Opened<T> {
    /// It was never sealed.
    Plain,
    /// It was sealed with a key, of that number, and this is what it says.
    Open(T, u64),
    /// It is damaged, or its key is gone.
    Shut,
}

impl Ring {
    pub(super) fn new(asked: Asked, keys: &[(String, DataKey)]) -> Self {
        let ciphers = keys.iter().map(|(user_id, key)| (user_id.clone(), Rc::new(Cipher::new(key))));
        Self { ciphers: ciphers.collect(), asked, is_lacking: Cell::default() }
    }

    /// One that has these keys, and those of `known` that are not among them: they may be in memory alone, since what kept them was
    /// deleted, and what was sealed with them is still there.
    pub(super) fn beside(asked: Asked, keys: &[(String, DataKey)], known: &Self) -> Self {
        let mut ring = Self::new(asked, keys);
        for (user_id, cipher) in &known.ciphers {
            if !ring.has(user_id, cipher.number()) {
                ring.ciphers.push((user_id.clone(), cipher.clone()));
            }
        }
        ring.ciphers.sort_by_key(|(_, cipher)| cipher.number());
        ring
    }

    /// The same keys, after they were asked for once more in vain.
    pub(super) fn after_failure(&self, failed: StoreError) -> Self {
        let asked = match &self.asked {
            Asked::Of(user_id) => Asked::Of(user_id.clone()),
            Asked::OfAll => Asked::OfAll,
            Asked::OfNobody | Asked::InVain(_) => Asked::InVain(failed),
        };
        Self { ciphers: self.ciphers.clone(), asked, is_lacking: Cell::default() }
    }

    /// The same keys, of which there may be more by now.
    pub(super) fn in_doubt(&self) -> Self {
        Self { ciphers: self.ciphers.clone(), asked: Asked::OfNobody, is_lacking: Cell::default() }
    }

    /// Whether all keys of a user are in it.
    pub(super) fn knows(&self, user_id: &str) -> bool {
        match &self.asked {
            Asked::Of(asked) => asked == user_id,
            Asked::OfAll => true,
            Asked::OfNobody | Asked::InVain(_) => false,
        }
    }

    /// Whether something was found that may be opened with keys which have not been asked for: they are worth being asked for.
    pub(super) fn is_lacking(&self) -> bool {
        self.is_lacking.get()
    }

    fn of<'a>(&'a self, user_id: &'a str) -> impl DoubleEndedIterator<Item = &'a Cipher> {
        self.ciphers.iter().filter(move |(owner, _)| owner == user_id).map(|(_, cipher)| cipher.as_ref())
    }

    /// What is to be sealed with.
    pub(super) fn newest(&self, user_id: &str) -> Option<&Cipher> {
        self.ciphers.iter().rev().find(|(owner, _)| owner == user_id).map(|(_, cipher)| cipher.as_ref())
    }

    pub(super) fn has(&self, user_id: &str, number: u64) -> bool {
        self.of(user_id).any(|cipher| cipher.number() == number)
    }

    pub(super) fn has_several(&self, user_id: &str) -> bool {
        self.of(user_id).nth(1).is_some()
    }

    fn open(&self, user_id: &str, place: &str, text: &str) -> Result<Opened<Vec<u8>>, StoreError> {
        if !cipher::is_sealed(text) {
            return Ok(Opened::Plain);
        }
        let number = Sealing::of(text).map(|sealing| sealing.number);
        let cipher = self.of(user_id).find(|cipher| Some(cipher.number()) == number);
        match cipher {
            Some(cipher) => Ok(cipher.open(place, text).map_or(Opened::Shut, |bytes| Opened::Open(bytes, cipher.number()))),
            None if self.knows(user_id) => Ok(Opened::Shut),
            None => {
                self.is_lacking.set(true);
                let (kind, message) = match &self.asked {
                    Asked::InVain(failed) => (StoreErrorKind::KeyUnavailable, failed.message.clone()),
                    _ => (StoreErrorKind::Overtaken, "the key has not been asked for yet".into()),
                };
                Err(StoreError::new(kind, "decrypting the queue", message))
            }
        }
    }

    pub(super) fn open_document(&self, user_id: &str, kind: Kind, name: &str, text: &str) -> Result<Opened<String>, StoreError> {
        Ok(match self.open(user_id, &place_of_document(user_id, kind, name), text)? {
            Opened::Plain => Opened::Plain,
            Opened::Open(bytes, number) => String::from_utf8(bytes).map_or(Opened::Shut, |text| Opened::Open(text, number)),
            Opened::Shut => Opened::Shut,
        })
    }

    pub(super) fn seal_document(&self, user_id: &str, kind: Kind, name: &str, text: &str, nonce: &[u8; NONCE]) -> Option<String> {
        let place = place_of_document(user_id, kind, name);
        self.newest(user_id)?.seal(&place, 0, nonce, text.as_bytes())
    }

    /// Opens a row. Whether it was sealed with the newest key.
    pub(super) fn open_row(&self, user_id: &str, row: &mut Row) -> Result<bool, StoreError> {
        Ok(match self.open(user_id, &place_of_row(user_id, &row.id), &row.text)? {
            Opened::Plain => false,
            Opened::Open(bytes, number) => {
                // What opens is as it was sealed.
                (row.key, row.text) = read(bytes).unwrap_or_default();
                self.newest(user_id).is_some_and(|cipher| cipher.number() == number)
            }
            Opened::Shut => {
                row.key = row.key.take().map(|hidden| [HIDDEN, &hidden].concat());
                row.weight = Sealing::of(&row.text).map(|sealing| sealing.weight);
                // There is nothing to be done about it.
                true
            }
        })
    }

    /// A row as it is kept.
    pub(super) fn seal_row(&self, user_id: &str, row: &Row, nonce: &[u8; NONCE]) -> Option<Row> {
        seal_row(self.newest(user_id)?, user_id, row, nonce)
    }

    /// The same with the key of that sealed text.
    pub(super) fn seal_row_like(&self, sealed: &str, user_id: &str, row: &Row, nonce: &[u8; NONCE]) -> Option<Row> {
        let number = Sealing::of(sealed)?.number;
        seal_row(self.of(user_id).find(|cipher| cipher.number() == number)?, user_id, row, nonce)
    }

    /// A row that could not be opened, as it was kept, if it is one.
    pub(super) fn as_it_was(&self, user_id: &str, row: &Row) -> Option<Row> {
        if !cipher::is_sealed(&row.text) {
            return None;
        }
        let key = row.key.as_deref().map(|key| match (key.strip_prefix(HIDDEN), self.newest(user_id)) {
            (Some(hidden), _) => hidden.into(),
            (None, Some(cipher)) => cipher.hide(key),
            (None, None) => key.into(),
        });
        Some(Row { key, ..row.clone() })
    }

    /// Whether a key stands for one that cannot be known.
    pub(super) fn is_hidden(key: &str) -> bool {
        key.starts_with(HIDDEN)
    }

    /// By what else than itself the rows of a key may be found.
    pub(super) fn names_of(&self, user_id: &str, key: &str) -> Vec<String> {
        match key.strip_prefix(HIDDEN) {
            Some(hidden) => vec![hidden.into()],
            None => self.of(user_id).map(|cipher| cipher.hide(key)).collect(),
        }
    }

    /// Opens what lay in a lesser place.
    pub(super) fn open_lot(&self, lot: &mut Lot) -> Result<(), StoreError> {
        for row in &mut lot.rows {
            self.open_row(&lot.user_id, row)?;
        }
        for (kind, name, text) in &mut lot.documents {
            if let Opened::Open(open, _) = self.open_document(&lot.user_id, *kind, name, text)? {
                *text = open;
            }
        }
        Ok(())
    }
}

fn seal_row(cipher: &Cipher, user_id: &str, row: &Row, nonce: &[u8; NONCE]) -> Option<Row> {
    // Who cannot open it must count it like those who can.
    let weight = row.weight.unwrap_or_else(|| Action::read(row, user_id).bytes());
    let mut content = write(row.key.as_deref(), &row.text);
    let text = cipher.seal(&place_of_row(user_id, &row.id), weight, nonce, &content);
    content.zeroize();
    let text = text?;
    let key = row.key.as_deref().map(|key| cipher.hide(key));
    Some(Row { key, text, ..row.clone() })
}

/// What a row's text belongs to: its id, which it keeps wherever it lies.
fn place_of_row(user_id: &str, id: &str) -> String {
    ["row:", &user_id.len().to_string(), ":", user_id, id].concat()
}

fn place_of_document(user_id: &str, kind: Kind, name: &str) -> String {
    ["document:", &(kind as u8).to_string(), ":", &user_id.len().to_string(), ":", user_id, name].concat()
}

/// A key and a text as one: the length of the key and one more, or none, in four bytes, then both.
fn write(key: Option<&str>, text: &str) -> Vec<u8> {
    let length = key.map_or(0, |key| key.len().saturating_add(1));
    let mut bytes = Vec::with_capacity(4 + length + text.len());
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(key.unwrap_or_default().as_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn read(mut bytes: Vec<u8>) -> Option<(Option<String>, String)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let key = match usize::try_from(u32::from_be_bytes(*length)).ok()?.checked_sub(1) {
        None => None,
        Some(length) => Some(String::from_utf8(rest.get(..length)?.to_vec()).ok()?),
    };
    bytes.drain(..4 + key.as_ref().map_or(0, String::len));
    Some((key, String::from_utf8(bytes).ok()?))
}
