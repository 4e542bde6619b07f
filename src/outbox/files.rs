//! What holds the files of actions. The files themselves lie elsewhere: see [`crate::queue::file`].

use super::ledger::Ledger;
use crate::platform::tables::{Durability, Kind, Store, Transaction};
use crate::platform::{Access, StoreError, StoreErrorKind};
use crate::queue::action::{Action, ActionState};
use crate::queue::file::{Holder, LONGEST_WAIT};
use crate::queue::limits::QueueLimits;
use crate::time::WallTime;
use futures_util::future::try_join_all;

const STORING: &str = "storing files";

/// A transaction in the place that files belong to, and in no lesser one: what is not known there may well be known elsewhere.
async fn open<'u, S: Store>(store: &S, user_id: &'u str, access: Access) -> Result<Ledger<'u, S::Transaction>, StoreError> {
    let is_there = || store.durability() == Durability::IndexedDb;
    if is_there() {
        let transaction = store.transaction(access).await?;
        // It may have come to be elsewhere meanwhile. While this one is open, it does not come back.
        if is_there() {
            return Ledger::within(transaction, user_id, access).await;
        }
    }
    let message = "files are kept in IndexedDB alone, which cannot be used just now: send them at once, or make room and open the page anew";
    Err(StoreError::new(StoreErrorKind::Unavailable, STORING, message))
}

/// What [`Kind::File`] says of a file. `None` if there is nothing, or nothing that can be read.
async fn holder<T: Transaction>(ledger: &Ledger<'_, T>, id: &str) -> Result<Option<Holder>, StoreError> {
    let text = ledger.transaction.document(ledger.user_id, Kind::File, id).await?;
    Ok(text.as_deref().and_then(Holder::read))
}

/// Files of these ids are about to be stored, for actions that are to come. They have so many bytes together.
pub async fn expect_files<S: Store>(
    store: &S,
    user_id: &str,
    ids: &[String],
    bytes: u64,
    limits: &QueueLimits,
    now: WallTime,
) -> Result<(), StoreError> {
    if bytes > limits.bytes {
        let message =
            ["files of ", &bytes.to_string(), " bytes are more than the queue may hold (the option queue: maxBytes)"].concat();
        return Err(StoreError::new(StoreErrorKind::QuotaExceeded, STORING, message));
    }
    let ledger = open(store, user_id, Access::Write).await?;
    for id in ids {
        ledger.write_holder(id, &Holder::Since(now))?;
    }
    ledger.commit().await?;
    Ok(())
}

/// Whether all of these files are still to be taken by an action.
pub async fn are_expected<S: Store>(store: &S, user_id: &str, ids: &[String]) -> Result<bool, StoreError> {
    let ledger = open(store, user_id, Access::Read).await?;
    let holders = try_join_all(ids.iter().map(|id| holder(&ledger, id))).await?;
    Ok(holders.into_iter().all(|holder| holder.is_some_and(|holder| holder.is_to_come())))
}

/// No action will take these files. Those that one has taken are left to it.
pub async fn give_up_files<S: Store>(store: &S, user_id: &str, ids: &[String]) -> Result<(), StoreError> {
    let mut ledger = open(store, user_id, Access::Write).await?;
    for id in ids {
        if holder(&ledger, id).await?.is_some_and(|holder| holder.is_to_come()) {
            ledger.let_go_of(id)?;
        }
    }
    ledger.commit().await?;
    Ok(())
}

/// The files that nothing holds any longer. Nothing ever will: they may be deleted at any time.
pub async fn let_go<S: Store>(store: &S, user_id: &str) -> Result<Vec<String>, StoreError> {
    let ledger = open(store, user_id, Access::Read).await?;
    let documents = ledger.transaction.documents(user_id, Kind::File).await?.into_iter();
    Ok(documents.filter(|(_, text)| Holder::read(text) == Some(Holder::Nothing)).map(|(id, _)| id).collect())
}

/// These files were deleted, which nothing held.
pub async fn forget_files<S: Store>(store: &S, user_id: &str, ids: &[String]) -> Result<(), StoreError> {
    let mut ledger = open(store, user_id, Access::Write).await?;
    let documents = ledger.transaction.documents(user_id, Kind::File).await?.into_iter();
    let mut is_rest = false;
    for (id, _) in documents.filter(|(_, text)| Holder::read(text) == Some(Holder::Nothing)) {
        if ids.contains(&id) {
            ledger.transaction.write_document(user_id, Kind::File, &id, None)?;
        } else {
            is_rest = true;
        }
    }
    ledger.record.has_let_go = is_rest;
    ledger.commit().await?;
    Ok(())
}

/// Finds what was left behind by pages that are gone. What has waited for too long for an action, or whose action is gone, is let go;
/// of the files that are kept, of which `kept` were there before, those are given that no document knows: nothing ever will, since a
/// document comes before its file. Also given is whether something is let go by now.
pub async fn sweep_files<S: Store>(
    store: &S,
    user_id: &str,
    kept: Vec<String>,
    now: WallTime,
) -> Result<(Vec<String>, bool), StoreError> {
    let ledger = open(store, user_id, Access::Read).await?;
    let mut known = ledger.transaction.documents(user_id, Kind::File).await?;
    let mut has_let_go = ledger.record.has_let_go;
    if !known.is_empty() {
        drop(ledger);
        let mut ledger = open(store, user_id, Access::Write).await?;
        known = ledger.transaction.documents(user_id, Kind::File).await?;
        for (id, text) in &known {
            match Holder::read(text) {
                // By a clock that has been set back since: it would wait for as long as that.
                Some(Holder::Since(since)) if since > now => ledger.write_holder(id, &Holder::Since(now))?,
                Some(Holder::Since(since)) if now.since(since) > LONGEST_WAIT => ledger.let_go_of(id)?,
                Some(Holder::Action(action)) => {
                    let action = ledger.find(&action).await?;
                    // What cannot be read may hold it.
                    let holds = |action: &Action| {
                        action.state == ActionState::Unreadable || action.files.iter().any(|file| file.id == *id)
                    };
                    if !action.as_ref().is_some_and(holds) {
                        ledger.let_go_of(id)?;
                    }
                }
                Some(Holder::Nothing) => ledger.record.has_let_go = true,
                // A newer version may know what it says.
                Some(Holder::Since(_)) | None => {}
            }
        }
        has_let_go = ledger.commit().await?.has_let_go;
    }
    let strays = kept.into_iter().filter(|id| !known.iter().any(|(known, _)| known == id));
    Ok((strays.collect(), has_let_go))
}
