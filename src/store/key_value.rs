//! A store in texts under keys, such as `localStorage`: a text for each row and each document.
//!
//! All rows are read once, into a [`Table`] that is good as long as nobody else has written: whoever writes leaves a new version.
//! A commit checks that the version is still the one that its transaction began with, and then is made in four steps, none of
//! which waits:
//!
//! 1. all changes are written as one text, the journal. From here on it is committed;
//! 2. each change is made;
//! 3. the version is replaced;
//! 4. the journal is removed.
//!
//! Whoever begins a transaction and finds a journal makes its changes (again). So a page that dies between any two writes leaves all
//! of a transaction or nothing. Tabs in one process cannot come between these steps; those in several processes can, if they write in
//! the same moment. Rows are kept by their ids, so that neither takes the other's.
//!
//! | key | text |
//! |---|---|
//! | `row:<seq>:<length of the user's id>:<user's id><id>` | checksum, lane and what it is found by as JSON, a line feed, the text |
//! | `document:<kind>:<length of the user's id>:<user's id><name>` | checksum, the text |
//! | `version` | a number, and who has written it |
//! | `journal` | checksum, changes |
//! | `reserve` | nothing but blanks |
//!
//! Where there is no room left for a journal, not even a deletion could be committed. The reserve gives way to one that takes in no new
//! row, and comes back when there is room again. It is there as long as anything else is.

use super::memory::{Backing, TableStore};
use super::table::{Changed, Table};
use crate::platform::tables::{Durability, Kind, Lane, Row};
use crate::platform::{Access, StoreError, StoreErrorKind, Texts};
use crate::time::WallTime;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;

/// How much there may be of the queue, keys and texts together, in UTF-16 units. Browsers give an origin 5 MB or 5 million units for
/// all that its code keeps there.
pub const CAPACITY: usize = 2_000_000;

const COMMITTING: &str = "committing to disk";

const KINDS: [Kind; 3] = [Kind::Queue, Kind::History, Kind::File];
const ROW: &str = "row:";
const DOCUMENT: &str = "document:";
const VERSION: &str = "version";
const JOURNAL: &str = "journal";
const DAMAGED_JOURNAL: &str = "damaged journal";
const RESERVE: &str = "reserve";
/// How long the reserve is: enough for the journal of a batch that has been settled.
const RESERVE_UNITS: usize = 32_768;

/// A store in texts. See [`Journalled`].
pub type TextStore<T> = TableStore<Journalled<T>>;

/// Keeps a table in texts.
///
/// A row that is damaged, or that a newer version has written, lies in [`Lane::Unreadable`], with all that is there as its text, until
/// it is deleted; the others are read. A damaged document is read as it is, its checksum included, which is no JSON.
#[derive(Debug)]
pub struct Journalled<T> {
    texts: T,
    writer: String,
    /// The number of the version that it has written last. It gives none twice, not even when all is deleted in between: whoever knows
    /// the earlier one would take it for what it has read.
    written: Cell<u64>,
    mirror: RefCell<Mirror>,
}

/// What the table has been read from.
#[derive(Debug, Default)]
struct Mirror {
    version: Option<String>,
    /// Whether it holds all that there was at that version. If not, it has to be read anew.
    is_whole: bool,
    /// How much there is, in UTF-16 units.
    units: usize,
    has_reserve: bool,
}

/// A change of one text.
struct Entry {
    key: String,
    before: Option<String>,
    after: Option<String>,
}

impl<T: Texts> Journalled<T> {
    /// Keeps a table in these texts, all of which are its own. `writer` is a name that no one else has who writes them.
    pub fn new(texts: T, writer: &str) -> Self {
        Self { texts, writer: writer.into(), written: Cell::default(), mirror: RefCell::default() }
    }

    /// The texts.
    pub fn texts(&self) -> &T {
        &self.texts
    }

    /// Makes the changes of a journal that somebody has left.
    fn finish_journal(&self) -> Result<(), StoreError> {
        let Some(journal) = self.texts.read(JOURNAL)? else { return Ok(()) };
        if let Some(entries) = checked(JOURNAL, &journal).and_then(read_journal) {
            make(&self.texts, &entries).map_err(|failed| match failed.kind {
                // Until there is room for what has been committed, nothing can be done here.
                StoreErrorKind::QuotaExceeded => StoreError { kind: StoreErrorKind::Unavailable, ..failed },
                _ => failed,
            })?;
        } else {
            // What it says cannot be known. What has been made of it is read like the rest.
            self.texts.write(DAMAGED_JOURNAL, &journal)?;
        }
        self.mirror.borrow_mut().is_whole = false;
        self.texts.remove(JOURNAL)
    }

    fn load(&self, table: &mut Table) -> Result<Mirror, StoreError> {
        let version = self.texts.read(VERSION)?;
        let (mut units, mut is_whole, mut has_reserve) = (0, true, false);
        *table = Table::default();
        let mut rows = Vec::new();
        for key in self.texts.keys("")? {
            if key == RESERVE {
                has_reserve = true;
                units += RESERVE.len() + RESERVE_UNITS;
                continue;
            }
            let Some(text) = self.texts.read(&key)? else { continue };
            units += length(&key) + length(&text);
            if let Some((seq, user_id, id)) = key.strip_prefix(ROW).and_then(read_key) {
                rows.push((seq, user_id.to_string(), read_row(&key, seq, id, &text)));
            } else if let Some((kind, user_id, name)) = key.strip_prefix(DOCUMENT).and_then(read_key)
                && let Some(kind) = KINDS.into_iter().find(|known| *known as u64 == kind)
            {
                table.write_document(user_id, kind, name, Some(checked(&key, &text).unwrap_or(&text)));
            }
        }
        rows.sort_by(|one, other| (one.0, &one.2.id).cmp(&(other.0, &other.2.id)));
        for (_, user_id, row) in rows {
            let is_free = table.row(&user_id, row.lane, row.seq).is_none();
            if !(is_free && table.write(&user_id, &row)) {
                // Two processes gave one place away in the same moment, or wrote one id. One comes when the other has gone.
                is_whole = false;
            }
        }
        table.commit();
        Ok(Mirror { version, is_whole, units, has_reserve })
    }

    /// Holds room, or gives it back. What cannot be done now is done another time.
    fn see_to_reserve(&self, mirror: &mut Mirror, is_wanted: bool) {
        if mirror.has_reserve == is_wanted {
            return;
        }
        let done = if is_wanted { self.texts.write(RESERVE, &" ".repeat(RESERVE_UNITS)) } else { self.texts.remove(RESERVE) };
        if done.is_ok() {
            let units = RESERVE.len() + RESERVE_UNITS;
            mirror.units = if is_wanted { mirror.units + units } else { mirror.units.saturating_sub(units) };
            mirror.has_reserve = is_wanted;
        }
    }

    /// What a table's changes come to, with the texts as they are now.
    fn entries(&self, table: &Table) -> Result<Vec<Entry>, StoreError> {
        let mut texts = Vec::new();
        for change in table.changes() {
            let user_id = change.user_id.as_str();
            match &change.what {
                Changed::Document { kind, name, .. } => {
                    let key = [DOCUMENT, &key(*kind as u64, user_id, name)].concat();
                    let text = table.document(user_id, *kind, name).map(|text| with_checksum(&key, &[text]));
                    texts.push((key, text));
                }
                Changed::Row { lane, seq, before } => {
                    for row in before.as_deref().into_iter().chain(table.row(user_id, *lane, *seq)) {
                        let key = [ROW, &key(row.seq, user_id, &row.id)].concat();
                        let now = table.find(user_id, &row.id).filter(|now| now.seq == row.seq);
                        let text = now.map(|now| write_row(&key, now)).transpose()?;
                        texts.push((key, text));
                    }
                }
            }
        }
        texts.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        texts.dedup_by(|one, other| one.0 == other.0);
        let mut entries = Vec::new();
        for (key, after) in texts {
            let before = self.texts.read(&key)?;
            if before != after {
                entries.push(Entry { key, before, after });
            }
        }
        Ok(entries)
    }
}

impl<T: Texts> Backing for Journalled<T> {
    const DURABILITY: Durability = Durability::LocalStorage;

    fn refresh(&self, table: &mut Table, _: Access) -> Result<(), StoreError> {
        self.finish_journal()?;
        let version = self.texts.read(VERSION)?;
        let is_current = self.mirror.borrow().is_whole && self.mirror.borrow().version == version;
        if !is_current {
            self.mirror.replace(Mirror::default());
            self.mirror.replace(self.load(table)?);
        }
        Ok(())
    }

    fn keep(&self, table: &Table) -> Result<(), StoreError> {
        if table.changes().is_empty() {
            return Ok(());
        }
        let mut entries = self.entries(table)?;
        if entries.is_empty() {
            return Ok(());
        }
        let before = self.texts.read(VERSION)?;
        let mut mirror = self.mirror.borrow_mut();
        if mirror.version != before || self.texts.read(JOURNAL)?.is_some() {
            let message = "another tab has written at the same moment; nothing was changed";
            return Err(StoreError::new(StoreErrorKind::Overtaken, COMMITTING, message));
        }
        let number = before.as_deref().and_then(|text| text.split(':').next()?.parse().ok()).unwrap_or(0_u64);
        let number = number.max(self.written.get()).wrapping_add(1);
        self.written.set(number);
        let version = [&number.to_string(), ":", &self.writer].concat();
        entries.push(Entry { key: VERSION.into(), before, after: Some(version.clone()) });

        let units = |text: fn(&Entry) -> Option<&String>| -> usize {
            let those = entries.iter().filter_map(|entry| text(entry).map(|text| length(&entry.key) + length(text)));
            those.sum()
        };
        let (gone, added) = (units(|entry| entry.before.as_ref()), units(|entry| entry.after.as_ref()));
        let is_new_row = |entry: &Entry| entry.before.is_none() && entry.key.starts_with(ROW);
        // What has its share goes on being sent, and for that a little more may have to be written down.
        let share = if entries.iter().any(is_new_row) { CAPACITY } else { CAPACITY + RESERVE_UNITS };
        if mirror.units + added > share + gone && added > gone {
            return Err(StoreError::new(StoreErrorKind::QuotaExceeded, COMMITTING, "the queue has its share of localStorage"));
        }

        let journal = with_checksum(JOURNAL, &[&write_journal(&entries)]);
        if let Err(failed) = self.texts.write(JOURNAL, &journal) {
            if failed.kind != StoreErrorKind::QuotaExceeded || !mirror.has_reserve || entries.iter().any(is_new_row) {
                return Err(failed);
            }
            self.see_to_reserve(&mut mirror, false);
            if let Err(failed) = self.texts.write(JOURNAL, &journal) {
                self.see_to_reserve(&mut mirror, true);
                return Err(failed);
            }
        }
        if let Err(failed) = make(&self.texts, &entries) {
            for entry in &mut entries {
                std::mem::swap(&mut entry.before, &mut entry.after);
            }
            // If this fails as well, the journal stays, and whoever comes next goes on with it.
            make(&self.texts, &entries).and_then(|()| self.texts.remove(JOURNAL)).unwrap_or_default();
            mirror.is_whole = false;
            return Err(failed);
        }
        (mirror.version, mirror.units) = (Some(version), (mirror.units + added).saturating_sub(gone));
        // One that stays is made once more, by whoever comes next, before anything else happens.
        self.texts.remove(JOURNAL).unwrap_or_default();
        self.see_to_reserve(&mut mirror, !table.users().is_empty());
        Ok(())
    }
}

/// Makes changes, first those that make room, the version last: nobody takes what is half made for the whole.
fn make(texts: &impl Texts, entries: &[Entry]) -> Result<(), StoreError> {
    let mut ordered: Vec<&Entry> = entries.iter().collect();
    let added = |entry: &Entry| entry.after.as_deref().map_or(0, str::len);
    let gone = |entry: &Entry| entry.before.as_deref().map_or(0, str::len);
    ordered.sort_by_key(|entry| (entry.key == VERSION, entry.after.is_some(), Reverse(gone(entry).saturating_sub(added(entry)))));
    for entry in ordered {
        match &entry.after {
            Some(text) => texts.write(&entry.key, text)?,
            None => texts.remove(&entry.key)?,
        }
    }
    Ok(())
}

/// In UTF-16 units.
fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// A number, and two texts: the end of a key.
fn key(number: u64, user_id: &str, name: &str) -> String {
    [&number.to_string(), ":", &user_id.len().to_string(), ":", user_id, name].concat()
}

fn read_key(key: &str) -> Option<(u64, &str, &str)> {
    let (number, key) = key.split_once(':')?;
    let (length, key) = key.split_once(':')?;
    let (user_id, name) = key.split_at_checked(length.parse().ok()?)?;
    Some((number.parse().ok()?, user_id, name))
}

/// The checksum of a text under its key, in eight digits, and the text, which is given in parts: FNV-1a.
fn with_checksum(key: &str, parts: &[&str]) -> String {
    let mut sum = 0x811c_9dc5_u32;
    for part in [key].iter().chain(parts) {
        for byte in part.bytes() {
            sum = (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    let mut text = String::with_capacity(8 + parts.iter().map(|part| part.len()).sum::<usize>());
    for place in (0..8).rev() {
        text.push(char::from_digit((sum >> (4 * place)) & 15, 16).unwrap_or('0'));
    }
    text.extend(parts.iter().copied());
    text
}

/// The text behind a checksum that is right.
fn checked<'a>(key: &str, text: &'a str) -> Option<&'a str> {
    let (_, content) = text.split_at_checked(8)?;
    (with_checksum(key, &[content]) == text).then_some(content)
}

/// Lane, and what it is found by: see [`Row`].
type Columns = (Lane, Option<String>, Option<WallTime>, Option<String>);

fn write_row(key: &str, row: &Row) -> Result<String, StoreError> {
    let columns = serde_json::to_string(&(row.lane, &row.key, row.due, &row.after))
        .map_err(|error| StoreError::new(StoreErrorKind::Failed, COMMITTING, error.to_string()))?;
    Ok(with_checksum(key, &[&columns, "\n", &row.text]))
}

fn read_row(key: &str, seq: u64, id: &str, text: &str) -> Row {
    let parts = checked(key, text).and_then(|content| content.split_once('\n'));
    let read = parts.and_then(|(columns, text)| Some((serde_json::from_str::<Columns>(columns).ok()?, text)));
    match read {
        Some(((lane, key, due, after), text)) => {
            Row { lane, seq, id: id.into(), key, due, after, text: text.into(), weight: None }
        }
        None => {
            Row { lane: Lane::Unreadable, seq, id: id.into(), key: None, due: None, after: None, text: text.into(), weight: None }
        }
    }
}

/// For each change the length of its key, that of its text or `-`, then both.
fn write_journal(entries: &[Entry]) -> String {
    let mut journal = String::new();
    for entry in entries {
        journal += &entry.key.len().to_string();
        journal.push(':');
        match &entry.after {
            Some(text) => journal += &text.len().to_string(),
            None => journal.push('-'),
        }
        journal.push(':');
        journal += &entry.key;
        journal += entry.after.as_deref().unwrap_or_default();
    }
    journal
}

fn read_journal(mut journal: &str) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !journal.is_empty() {
        let (key_length, rest) = journal.split_once(':')?;
        let (text_length, rest) = rest.split_once(':')?;
        let (key, rest) = rest.split_at_checked(key_length.parse().ok()?)?;
        let (text, rest) = if text_length == "-" {
            (None, rest)
        } else {
            let (text, rest) = rest.split_at_checked(text_length.parse().ok()?)?;
            (Some(text.to_string()), rest)
        };
        entries.push(Entry { key: key.into(), before: None, after: text });
        journal = rest;
    }
    Some(entries)
}
