//! What holds the files of actions. The files themselves lie elsewhere: see [`crate::queue::file`].

use super::ledger::Ledger;
use crate::platform::tables::{Durability, Kind, Store, Transaction};
use crate::platform::{Access, StoreError, StoreErrorKind};
use crate::queue::action::{Action, ActionState};
use crate::queue::file::{Holder, LONGEST_WAIT};
use crate::queue::limits::QueueLimits;
use crate::time::WallTime;

const STORING: &str = "storing files";

/// What is to be done in a transaction on what holds files.
pub enum Revision<'a> {
    /// Nothing: it is looked at.
    Look,
    /// Files of these ids are about to be stored, for actions that are to come.
    Expect {
        /// Their ids.
        ids: &'a [String],
        /// How many bytes they have together.
        bytes: u64,
        /// How much the queue may hold.
        limits: &'a QueueLimits,
    },
    /// No action will take these files. Those that one has taken are left to it.
    GiveUp(&'a [String]),
    /// These files were deleted, which nothing held.
    Forget(&'a [String]),
    /// What was left behind by pages that are gone is let go: what has waited for too long for an action, or whose action is gone.
    Sweep,
}

/// What holds the files of a user.
#[derive(Debug)]
pub struct Holders {
    /// Of each file that is known, by id. A file comes after what is said of it, and goes before it.
    pub known: Vec<(String, Option<Holder>)>,
    /// Whether some may be let go, and are to be deleted.
    pub has_let_go: bool,
}

impl Holders {
    /// The files that nothing holds any longer. Nothing ever will: they may be deleted at any time.
    pub fn let_go(&self) -> Vec<String> {
        self.known.iter().filter(|(_, holder)| *holder == Some(Holder::Nothing)).map(|(id, _)| id.clone()).collect()
    }

    /// Whether all of these files are still to be taken by an action.
    pub fn expect(&self, ids: &[String]) -> bool {
        let is_to_come =
            |id: &String| self.known.iter().any(|(known, holder)| known == id && holder.as_ref().is_some_and(Holder::is_to_come));
        ids.iter().all(is_to_come)
    }

    /// Whether anything is known of a file. Of one that was there before these were read, nothing ever will be if nothing is.
    pub fn know(&self, id: &str) -> bool {
        self.known.iter().any(|(known, _)| known == id)
    }
}

/// Looks at what holds the files of a user, or changes it, in the place that files belong to and in no lesser one: what is not known
/// there may well be known elsewhere. Gives it as it is then.
pub async fn revise_files<S: Store>(
    store: &S,
    user_id: &str,
    revision: Revision<'_>,
    now: WallTime,
) -> Result<Holders, StoreError> {
    if let Revision::Expect { bytes, limits, .. } = &revision
        && *bytes > limits.bytes
    {
        let message =
            ["files of ", &bytes.to_string(), " bytes are more than the queue may hold (the option queue: maxBytes)"].concat();
        return Err(StoreError::new(StoreErrorKind::QuotaExceeded, STORING, message));
    }
    let is_there = || store.durability() == Durability::IndexedDb;
    let not_there = || {
        let message = "files are kept in IndexedDB alone, which cannot be used just now: send them at once, or make room and open the page anew";
        StoreError::new(StoreErrorKind::Unavailable, STORING, message)
    };
    if !is_there() {
        return Err(not_there());
    }
    let access = if matches!(revision, Revision::Look) { Access::Read } else { Access::Write };
    let transaction = store.transaction(access).await?;
    // It may have come to be elsewhere meanwhile. While this one is open, it does not come back.
    if !is_there() {
        return Err(not_there());
    }
    let mut ledger = Ledger::within(transaction, user_id, access).await?;
    let documents = ledger.transaction.documents(user_id, Kind::File).await?;
    let mut known: Vec<(String, Option<Holder>)> = documents.into_iter().map(|(id, text)| (id, Holder::read(&text))).collect();
    if let Revision::Expect { ids, .. } = &revision {
        for id in *ids {
            ledger.write_holder(id, &Holder::Since(now))?;
            known.push((id.clone(), Some(Holder::Since(now))));
        }
    }
    let mut forgotten = Vec::new();
    for (id, holder) in &mut known {
        let is_let_go = match (&revision, &*holder) {
            (Revision::GiveUp(ids), Some(Holder::Since(_))) => ids.contains(id),
            (Revision::Forget(ids), Some(Holder::Nothing)) if ids.contains(id) => {
                ledger.transaction.write_document(user_id, Kind::File, id, None)?;
                forgotten.push(id.clone());
                false
            }
            // By a clock that has been set back since: it would wait for as long as that.
            (Revision::Sweep, Some(Holder::Since(since))) if *since > now => {
                ledger.write_holder(id, &Holder::Since(now))?;
                false
            }
            (Revision::Sweep, Some(Holder::Since(since))) => now.since(*since) > LONGEST_WAIT,
            (Revision::Sweep, Some(Holder::Action(action))) => {
                let names = |action: &Action| action.files.iter().any(|file| file.id == *id);
                // What cannot be read may hold it.
                let holds = |action: Action| action.state == ActionState::Unreadable || names(&action);
                !ledger.find(action).await?.is_some_and(holds)
            }
            // A newer version may know what it says.
            _ => false,
        };
        if is_let_go {
            ledger.let_go_of(id)?;
            *holder = Some(Holder::Nothing);
        }
    }
    known.retain(|(id, _)| !forgotten.contains(id));
    let has_let_go = known.iter().any(|(_, holder)| *holder == Some(Holder::Nothing));
    ledger.record.has_let_go = has_let_go;
    ledger.commit().await?;
    Ok(Holders { known, has_let_go })
}
