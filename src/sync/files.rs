//! Files of actions: stored before their actions, read when these are sent, and deleted after them. At every step a page may die; see
//! [`crate::queue::file`].

use super::Drainer;
use crate::broken::{self, Variant};
use crate::call::correlation::unique_id;
use crate::error::ApiError;
use crate::event::Event;
use crate::outbox::{self, Batch, Holders, Revision};
use crate::platform::tables::Durability;
use crate::platform::{Clock, Files, Platform, Progress, Random, Store, StoreError, StoreErrorKind};
use crate::queue::action::Action;
use crate::queue::answer::Verdict;
use crate::queue::file::FILE_MISSING;
use crate::queue::limits::QueueLimits;
use crate::time::{MonotonicTime, milliseconds};
use futures_util::future::LocalBoxFuture;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// How often it is looked for what pages that are gone have left behind.
const SWEEP: Duration = Duration::from_secs(3600);
/// How often it is told how much has left.
const PROGRESS: Duration = Duration::from_millis(100);
/// An attempt may take so much longer for each second of [`BYTES_PER_SECOND`].
const BYTES_PER_SECOND: u64 = 16 << 10;
/// After how many failures an action whose files cannot be read just now waits as if they had been its own.
const FAILURES: u32 = 5;

/// A file.
pub(super) type FileOf<P> = <<P as Platform>::Store as Files>::File;

/// What is sent with a batch.
pub(super) enum Attached<F> {
    /// These files, in order.
    Files(Vec<F>),
    /// It is not sent: this becomes of its action.
    Withheld(Verdict),
}

impl<P: Platform> Drainer<P> {
    /// Stores files for actions that are to come. Gives their ids, in order, by which an action takes them within an hour.
    pub async fn store_files(&self, files: Vec<FileOf<P>>, limits: &QueueLimits) -> Result<Vec<String>, StoreError> {
        let (store, user_id) = (self.platform.store(), &self.user_id);
        self.awake().await;
        let ids: Vec<String> = files.iter().map(|_| unique_id(self.platform.as_ref())).collect();
        let bytes = files.iter().fold(0_u64, |bytes, file| bytes.saturating_add(store.size(file)));
        self.revise(Revision::Expect { ids: &ids, bytes, limits }).await?;
        self.awake().await;
        let stored = async {
            store.write_files(user_id, ids.iter().cloned().zip(files).collect()).await?;
            // All of the user's may have been taken out meanwhile, and what was written since would be nobody's.
            Ok(self.revise(Revision::Look).await?.expect(&ids))
        };
        let failed = match stored.await {
            Ok(true) => return Ok(ids),
            Ok(false) => {
                let message = "the queue was emptied while they were stored";
                StoreError::new(StoreErrorKind::FilesGone, "storing files", message)
            }
            Err(failed) => failed,
        };
        // What remains of them is swept up.
        if let Err(error) = self.drop_files(&ids).await {
            self.platform.emit(&Event::StoreFailed { error });
        }
        Err(failed)
    }

    /// No action will take these files: those that none has taken are deleted.
    pub async fn drop_files(&self, ids: &[String]) -> Result<(), StoreError> {
        self.revise(Revision::GiveUp(ids)).await?;
        // Those that no document knows as well.
        self.sweep_up(ids.to_vec()).await
    }

    /// Deletes the files that nothing holds any longer.
    pub async fn delete_let_go(&self) -> Result<(), StoreError> {
        let ids = self.revise(Revision::Look).await?.let_go();
        if !ids.is_empty() {
            self.platform.store().delete_files(&self.user_id, &ids).await?;
        }
        self.revise(Revision::Forget(&ids)).await?;
        Ok(())
    }

    /// See [`outbox::revise_files`]. One future for all who ask.
    fn revise<'a>(&'a self, revision: Revision<'a>) -> LocalBoxFuture<'a, Result<Holders, StoreError>> {
        Box::pin(outbox::revise_files(self.platform.store(), &self.user_id, revision, self.now()))
    }

    /// The same, if there may be any, in the background: what fails is told, and tried again.
    pub(super) async fn clean_up(&self, has_let_go: bool) {
        if has_let_go
            && self.platform.store().durability() == Durability::IndexedDb
            && let Err(error) = self.delete_let_go().await
        {
            self.platform.emit(&Event::StoreFailed { error });
        }
    }

    /// Deletes the files of what the server has taken, before anybody knows that it has.
    pub(super) async fn delete_early(&self, actions: &[Action], verdicts: &[Verdict]) {
        let is_taken = |verdict: &Verdict| matches!(verdict, Verdict::Applied(_) | Verdict::Duplicate(_));
        let taken = actions.iter().zip(verdicts).filter(|(_, verdict)| is_taken(verdict));
        let ids: Vec<String> = taken.flat_map(|(action, _)| &action.files).map(|file| file.id.clone()).collect();
        // One that is still there is no loss.
        drop(self.platform.store().delete_files(&self.user_id, &ids).await);
    }

    /// Deletes what pages that are gone have left behind.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        // Before the documents are read: what is there has had one.
        let kept = self.platform.store().file_ids(&self.user_id).await?;
        self.sweep_up(kept).await
    }

    /// The same, if these files are there as far as is known.
    async fn sweep_up(&self, kept: Vec<String>) -> Result<(), StoreError> {
        let mut holders = self.revise(Revision::Look).await?;
        let strays: Vec<String> = kept.into_iter().filter(|id| !holders.know(id)).collect();
        if !strays.is_empty() {
            self.platform.store().delete_files(&self.user_id, &strays).await?;
        }
        if !holders.known.is_empty() {
            holders = self.revise(Revision::Sweep).await?;
        }
        if holders.has_let_go { self.delete_let_go().await } else { Ok(()) }
    }

    /// The same now and then, in the background.
    pub(super) async fn sweep_now_and_then(&self) {
        let now = self.platform.clock().monotonic();
        let is_early = self.swept_at.get().is_some_and(|swept_at: MonotonicTime| now.since(swept_at) < SWEEP);
        if is_early || self.platform.store().durability() != Durability::IndexedDb {
            return;
        }
        self.swept_at.set(Some(now));
        if let Err(error) = self.sweep().await {
            self.swept_at.set(None);
            self.platform.emit(&Event::StoreFailed { error });
        }
    }

    /// The file of that id, as one of that content type.
    pub async fn file(&self, id: &str, kind: &str) -> Result<Option<FileOf<P>>, StoreError> {
        self.platform.store().file(&self.user_id, id, kind).await
    }

    /// Reads the files of a batch.
    pub(super) async fn attached(&self, batch: &Batch) -> Result<Attached<FileOf<P>>, StoreError> {
        let mut files = Vec::new();
        let [action] = batch.actions.as_slice() else { return Ok(Attached::Files(files)) };
        if action.files.is_empty() {
            return Ok(Attached::Files(files));
        }
        let store = self.platform.store();
        for file in &action.files {
            match store.file(&self.user_id, &file.id, &file.kind).await {
                Ok(Some(found)) => files.push(found),
                Ok(None) if broken::is(Variant::SentWithoutFile) => {}
                Ok(None) => return Ok(Attached::Withheld(Verdict::Rejected(Box::new(missing(action, &file.id))))),
                // Nothing can be had of the place just now.
                Err(error) if error.kind.is_of_the_store() || error.kind == StoreErrorKind::KeyUnavailable => {
                    return Err(error);
                }
                // It waits, and holds nothing but its key.
                Err(error) => {
                    self.platform.emit(&Event::StoreFailed { error });
                    let wait = self.policy.backoff.delay(FAILURES, self.platform.random().unit());
                    return Ok(Attached::Withheld(Verdict::Postponed(wait)));
                }
            }
        }
        Ok(Attached::Files(files))
    }

    /// How long an attempt may take that sends an action with these files.
    pub(super) fn patience_for(&self, actions: &[Action]) -> Duration {
        let bytes = actions.iter().fold(0_u64, |bytes, action| bytes.saturating_add(action.bytes_of_files()));
        self.policy.timeout.saturating_add(Duration::from_secs(bytes.div_ceil(BYTES_PER_SECOND)))
    }

    /// Tells how much of an action has left: now and then, and at the end.
    pub(super) fn progress_of(&self, action: &Action) -> Option<Progress> {
        if action.files.is_empty() {
            return None;
        }
        let (platform, id, told) = (self.platform.clone(), action.id.clone(), Cell::new(None::<MonotonicTime>));
        Some(Rc::new(move |sent_bytes, total_bytes| {
            let now = platform.clock().monotonic();
            let is_early = told.get().is_some_and(|told| milliseconds(now.since(told)) < milliseconds(PROGRESS));
            if !is_early || sent_bytes >= total_bytes {
                told.set(Some(now));
                platform.emit(&Event::UploadProgress { id: id.clone(), sent_bytes, total_bytes });
            }
        }))
    }
}

/// What is said of an action whose file is gone.
fn missing(action: &Action, id: &str) -> ApiError {
    let file = action.files.iter().find(|file| file.id == id);
    let name = file.and_then(|file| file.name.as_deref().or(file.field.as_deref())).unwrap_or(id);
    let message = ["The file ", name, " is no longer stored, or cannot be read; the action is not sent without it."].concat();
    ApiError::without_response(FILE_MISSING, message, false)
}
