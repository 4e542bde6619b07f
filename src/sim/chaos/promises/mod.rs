//! What was promised, what came of it, and whether the two agree. Nothing here knows how the queue works: only what pages were
//! told, what was sent, what the server did, and what is stored.

mod sent;
mod stored;
mod told;
mod users;

pub(super) use stored::{is_orphan, is_without_file};

use super::super::witness::{Sight, Witness};
use super::conditions::Conditions;
use super::tally::Tally;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

/// All users there may be.
pub(super) const USERS: [&str; 2] = ["ada", "bob"];
/// The code of an action whose dependency was not applied.
const DEPENDENCY_FAILED: &str = "ACTION_DEPENDENCY_FAILED";
/// The code of a request that may have been carried out, and must not be sent again.
const OUTCOME_UNKNOWN: &str = "REQUEST_OUTCOME_UNKNOWN";
/// The code of an action of which a file was deleted, as all was.
const FILE_MISSING: &str = "FILE_MISSING";
/// As much as is told of an event.
const LONGEST_LINE: usize = 400;

/// Keeps the books.
#[derive(Debug)]
pub(super) struct Promises {
    books: RefCell<Books>,
    tells: bool,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "conditions of a run, each by itself")]
struct Books {
    locks: bool,
    dedupes: bool,
    /// By number.
    actions: Vec<Known>,
    by_id: HashMap<String, usize>,
    /// Those that were promised and are not settled.
    open: Vec<usize>,
    keys: HashMap<(usize, u64), Key>,
    /// When the pages that stood still last went on.
    thawed: HashMap<u64, u64>,
    /// What was sent under each idempotency key.
    bodies: HashMap<String, u64>,
    /// How many actions were promised.
    promised: usize,
    /// The highest place on disk that was promised, by user.
    highest: [Option<u64>; 2],
    under_way: Vec<UnderWay>,
    waits: Vec<Wait>,
    /// What users have put back of what the server did not take, by number: since which request, and whether it is on disk. The server
    /// has said nothing of it since.
    put_back: HashMap<usize, (u64, bool)>,
    /// What users have taken back, which the books may not know by number yet.
    discarded: HashSet<String>,
    /// What pages were told of actions which the books do not know by number yet: outcomes.
    told_early: HashMap<String, Vec<String>>,
    /// What depends on something that will never be applied, which the books may not know by number yet.
    without_dependency: HashSet<String>,
    /// What the server breaks on, without a word as to whether it will ever take it.
    breaking: BTreeSet<String>,
    /// Whether what has been sent arrives, if at all, while its page waits for it; whether some are given up for others.
    has_echoes: bool,
    evicts: bool,
    has_frozen: bool,
    has_edits: bool,
    /// By user.
    has_purged: [bool; 2],
    /// How often somebody else has signed in, by tab.
    hands: HashMap<u64, u64>,
    /// How often all has been deleted.
    life: u64,
    violation: Option<String>,
    tally: Tally,
    lines: Vec<String>,
}

/// An action.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that may have happened to it")]
struct Known {
    user: usize,
    key: Option<u64>,
    id: Option<String>,
    seq: Option<u64>,
    is_promised: bool,
    /// How often the server has applied it.
    applied: u32,
    /// The server has said, or meant to say, that it will never take it.
    is_refused: bool,
    /// It has said so after it had applied it.
    is_denied: bool,
    /// The server has said, or meant to say, that something stands against it.
    is_conflicting: bool,
    is_discarded: bool,
    /// A policy has given it up, and said so.
    is_given_up: bool,
    /// It has taken the place of one that was put back, or of one that had.
    is_late: bool,
    /// What it depends on will never be applied.
    has_lost_its_dependency: bool,
    particulars: Particulars,
    /// What it may arrive with.
    data: Vec<String>,
    /// What it was before it was edited, and the last request that may have been sent with that.
    outdated: Option<(Vec<String>, u64)>,
    is_being_edited: bool,
    /// A user has wanted it sent again.
    may_be_repeated: bool,
    /// Which of the promises it was, of all.
    order: usize,
    /// The tab that has it in memory.
    kept_by: Option<u64>,
    /// Whether it has outlived a queue that was deleted: its place was another one.
    has_survived: bool,
    /// Whether it was kept in a lesser place, where its place was another one.
    was_below: bool,
    /// The tab that was promised it, and how often somebody else had signed in there.
    by: Option<(u64, u64)>,
    /// Whether its files may have been deleted, as all was.
    may_lack_files: bool,
    /// Whether the tab that has it in memory has still to put it on disk again.
    is_adrift: bool,
}

/// What is special about an action.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Particulars {
    pub(super) coalescing: Option<&'static str>,
    /// In milliseconds.
    pub(super) time_to_live: Option<u64>,
    /// The number of another one.
    pub(super) depends_on: Option<usize>,
    /// Whether it is sent by itself, to an endpoint of its own; and if so, whether it must not be sent twice.
    pub(super) is_whole: bool,
    pub(super) is_once: bool,
    /// How many files it has.
    pub(super) files: usize,
}

/// A change of an action's data.
#[derive(Debug)]
pub(super) struct Edit {
    action: usize,
    life: u64,
    pub(super) data: String,
}

impl Books {
    /// Whether what the server has not applied by the time of its answer it never will, unless it is asked again.
    fn is_certain(&self) -> bool {
        self.dedupes && !self.has_echoes && !self.has_frozen
    }
}

impl Known {
    /// Whether it may arrive with that.
    fn may_be(&self, data: &str, number: usize) -> bool {
        if let Some(other) = self.particulars.depends_on {
            return data == format!(r#"{{"n":{number},"after":{other}}}"#) || self.data.iter().skip(1).any(|known| known == data);
        }
        self.data.iter().any(|known| known == data)
    }

    /// Whether its file is all that is sent of it.
    fn is_body(&self) -> bool {
        self.particulars.is_whole && self.particulars.files == 1
    }

    /// What is in one of its files. What is sent by itself says which action it is.
    fn content(&self, number: usize, index: usize) -> Vec<u8> {
        if self.is_body() {
            return self.data[0].clone().into_bytes();
        }
        // No text.
        let mut content = format!("file {index} of action {number}").repeat(1 + number % 3).into_bytes();
        content.extend([0, 0xff, 0xfe]);
        content
    }

    fn is_settled(&self) -> bool {
        self.applied > 0 || self.is_discarded || self.is_given_up
    }

    /// Whether it may be applied out of its turn: a dead letter does not hold its key, so that what is put back later comes
    /// later; neither does what was discarded, whose request may still be on its way.
    fn is_out_of_turn(&self) -> bool {
        self.is_refused || self.is_discarded || self.is_given_up || self.is_late
    }
}

/// What the server has applied of a key.
#[derive(Debug, Default)]
struct Key {
    /// In the order of their first application.
    applied: Vec<usize>,
    is_checked: bool,
}

/// A page that stood still may not have noticed for so long, in milliseconds, that another has taken over: until its next transaction.
const OVERTAKEN_UNAWARE: u64 = 60_000;

/// A request that its page waits for.
#[derive(Debug)]
struct UnderWay {
    number: u64,
    tab: u64,
    user: usize,
    /// Whether its page stood still meanwhile, so that others may have taken over.
    was_frozen: bool,
}

/// A page that waits for an action to be settled.
#[derive(Debug)]
struct Wait {
    tab: u64,
    action: usize,
    is_over: bool,
}

impl Promises {
    pub(super) fn new(conditions: &Conditions, tells: bool) -> Self {
        let Conditions { locks, dedupes, evicts, .. } = *conditions;
        let has_echoes = conditions.has_echoes();
        Self { books: RefCell::new(Books { locks, dedupes, has_echoes, evicts, ..Books::default() }), tells }
    }

    /// Tells what happens, if it is to be told.
    pub(super) fn note(&self, now: u64, line: impl FnOnce() -> String) {
        if self.tells {
            let mut line = line();
            if let Some((end, _)) = line.char_indices().nth(LONGEST_LINE) {
                line.truncate(end);
                line.push('…');
            }
            let (minutes, seconds, millis) = (now / 60_000, now / 1000 % 60, now % 1000);
            self.books.borrow_mut().lines.push(format!("{minutes:>5}:{seconds:02}.{millis:03}  {line}"));
        }
    }

    pub(super) fn count(&self, name: &'static str) {
        self.books.borrow_mut().tally.count(name);
    }

    /// A promise is broken. Only the first is kept.
    pub(super) fn break_promise(&self, now: u64, what: String) {
        self.note(now, || format!("BROKEN: {what}"));
        self.books.borrow_mut().violation.get_or_insert(what);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.books.borrow().violation.is_some()
    }

    /// The end: what happened, what was broken, and the trace.
    pub(super) fn close(&self) -> (Tally, Option<String>, Vec<String>) {
        let mut books = self.books.borrow_mut();
        (std::mem::take(&mut books.tally), books.violation.take(), std::mem::take(&mut books.lines))
    }
}

impl Witness for Promises {
    fn sees(&self, now: u64, sight: Sight<'_>) {
        match sight {
            Sight::Sent { tab, number, credentials_of, request } => self.sees_sent(now, tab, number, credentials_of, request),
            Sight::Over { number } => self.books.borrow_mut().under_way.retain(|request| request.number != number),
            Sight::Fate { number, fate } => {
                self.count(fate);
                self.note(now, || format!("#{number}: {fate}"));
            }
            Sight::CarriedOut { number, batch, results } => self.sees_carried_out(now, number, batch, results),
            Sight::Refused { number, status, request } => self.sees_refused(now, number, status, request),
            Sight::Told { tab, event } => self.sees_told(now, tab, event),
            Sight::Lost { ids } => {
                self.note(now, || format!("nobody has {ids:?} any longer"));
                for id in ids {
                    self.count("lost with a page's memory");
                    self.discard(id);
                }
            }
            Sight::Died { tab } => {
                self.count("crashes");
                self.note(now, || format!("tab {tab} crashes"));
                self.forget_waits(tab);
            }
        }
    }
}
