//! What pages are told is so.

use super::{DEPENDENCY_FAILED, FILE_MISSING, Known, OUTCOME_UNKNOWN, Promises};
use crate::event::Event;

impl Promises {
    /// What a page is told of an action's fate is so.
    pub(super) fn check_outcome(&self, now: u64, action: usize, outcome: &str) {
        let status = outcome.split(r#""status":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let is_so = {
            let mut books = self.books.borrow_mut();
            let books = &mut *books;
            let is_certain = books.is_certain();
            let (evicts, has_purged) = (books.evicts, books.has_purged[books.actions[action].user]);
            let same_key = |other: &Known, known: &Known| other.user == known.user && other.key == known.key;
            let coalesces = |known: &Known| {
                let mut others = books.actions.iter();
                known.key.is_some() && others.any(|other| same_key(other, known) && other.particulars.coalescing.is_some())
            };
            let may_be_superseded = coalesces(&books.actions[action]);
            let known = &mut books.actions[action];
            // Where there are no locks, what is brought from one place to another may be sent from both in the same moment.
            let is_certain = is_certain && (books.locks || !known.was_below);
            let given_up = |known: &mut Known, may_be: bool| {
                known.is_given_up = true;
                // A server that has changed its mind about what it had applied, and said so, is believed.
                may_be && (!is_certain || known.applied == 0 || known.is_denied)
            };
            match status {
                "applied" | "duplicate" => known.applied > 0,
                "rejected" if known.particulars.depends_on.is_some() && outcome.contains(DEPENDENCY_FAILED) => {
                    known.has_lost_its_dependency = true;
                    known.is_refused = true;
                    true
                }
                // What nobody can say of it, nobody has said.
                "rejected" if known.particulars.is_once && outcome.contains(OUTCOME_UNKNOWN) => {
                    known.is_refused = true;
                    true
                }
                // It was deleted, as all was.
                "rejected" if known.may_lack_files && outcome.contains(FILE_MISSING) => {
                    known.is_refused = true;
                    true
                }
                "rejected" => known.is_refused,
                "conflict" => known.is_conflicting,
                "discarded" => {
                    known.is_discarded |= has_purged;
                    known.is_discarded
                }
                "gone" => known.is_settled(),
                "superseded" => given_up(known, may_be_superseded),
                "expired" => {
                    let may_expire = known.particulars.time_to_live.is_some();
                    given_up(known, may_expire)
                }
                "evicted" => given_up(known, evicts),
                _ => false,
            }
        };
        if !is_so {
            let id = self.books.borrow().actions[action].id.clone().unwrap_or_default();
            self.break_promise(now, format!("a page was told that {id} is {status}, which it is not"));
        }
    }

    pub(super) fn sees_told(&self, now: u64, tab: u64, event: &Event) {
        self.note(now, || format!("tab {tab} is told {}", serde_json::to_string(event).unwrap()));
        match event {
            Event::Settled { id, outcome } => {
                if outcome.get().contains(r#""status":"superseded""#) {
                    self.count("superseded told");
                } else if outcome.get().contains(r#""status":"evicted""#) {
                    self.count("evicted told");
                } else if outcome.get().contains(r#""status":"expired""#) {
                    self.count("expired told");
                }
                let action = self.books.borrow().by_id.get(id).copied();
                if let Some(action) = action {
                    self.check_outcome(now, action, outcome.get());
                } else {
                    let mut books = self.books.borrow_mut();
                    books.told_early.entry(id.clone()).or_default().push(outcome.get().into());
                }
            }
            Event::UploadProgress { sent_bytes, total_bytes, .. } if sent_bytes == total_bytes => {
                self.count("files on their way");
            }
            Event::StoreFailed { .. } => self.count("disk failures told"),
            Event::BatchSplit { .. } => self.count("batches halved"),
            Event::BatchFailed { .. } => self.count("batches failed"),
            _ => {}
        }
    }
}
