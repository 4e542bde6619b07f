//! What the application decides about actions, wherever they lie.

use super::Client;
use super::queue::{Queue, QueueError};
use crate::event::Event;
use crate::outbox::{self, Change, Decided, Resolution};
use crate::platform::tables::Durability;
use crate::platform::{Platform, Store, StoreError};
use crate::policy::gate::Trigger;
use crate::queue::file::QueuedFile;
use crate::queue::record::Counts;
use crate::store::At;
use crate::sync::schedule;
use serde::Serialize;
use serde_json::value::RawValue;

/// What came of the wish to change an action that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Edited {
    /// It is done.
    Done,
    /// There is none of that id.
    NoSuchAction,
    /// The server may have seen it as it is.
    MayHaveBeenSent,
}

impl<P: Platform> Queue<P> {
    /// The files of an action, whatever its state. `None` if there is none of that id.
    pub async fn files_of(&self, id: &str) -> Result<Option<Vec<QueuedFile>>, QueueError> {
        self.look_for(id).await?;
        let found = self.wherever(async |store| outbox::find(store, self.user_id(), id).await).await?;
        Ok(found.into_iter().next_back().map(|action| action.files))
    }

    /// Takes an action out of the queue, whatever its state. If it is being sent just now, the server may still apply it.
    /// Says whether there was one of that id.
    pub async fn discard(&self, id: &str) -> Result<bool, QueueError> {
        self.look_for(id).await?;
        let decided = self.wherever(async |store| outbox::discard(store, self.user_id(), id).await).await?;
        Ok(self.has_decided(decided))
    }

    /// Puts a dead letter or a conflict back among the pending, in its old place, with other data if there is any. Says whether
    /// there was one of that id; if not, nothing is changed.
    pub async fn requeue(&self, id: &str, data: Option<Box<RawValue>>) -> Result<bool, QueueError> {
        let decided = self.wherever(async |store| outbox::requeue(store, self.user_id(), id, data.clone()).await).await?;
        Ok(self.has_decided(decided))
    }

    /// Decides a conflict. Says whether there was one of that id; if not, nothing is changed.
    pub async fn resolve(&self, id: &str, resolution: Resolution) -> Result<bool, QueueError> {
        let decided = self.wherever(async |store| outbox::resolve(store, self.user_id(), id, resolution.clone()).await).await?;
        Ok(self.has_decided(decided))
    }

    /// Gives an action that is still to be sent other data, in its place and under its id.
    pub async fn edit(&self, id: &str, data: Box<RawValue>) -> Result<Edited, QueueError> {
        self.look_for(id).await?;
        let changes = self.wherever(async |store| {
            let change = outbox::edit(store, self.user_id(), id, data.clone()).await?;
            Ok(Some(change).filter(|change| !matches!(change, Change::NoSuchAction)))
        });
        let mut edited = Edited::NoSuchAction;
        for change in changes.await? {
            match change {
                Change::Done(decided) if edited != Edited::MayHaveBeenSent => {
                    self.tell(*decided, Some((id.into(), data.clone())));
                    edited = Edited::Done;
                }
                Change::MayHaveBeenSent => edited = Edited::MayHaveBeenSent,
                Change::Done(_) | Change::NoSuchAction => {}
            }
        }
        Ok(edited)
    }

    /// Takes all of the user's actions out of the queue, as on signing out for good. If they were encrypted, the key is forgotten: what
    /// may still be found of them somewhere cannot be read by anyone.
    ///
    /// # Errors
    /// A place cannot be reached in which something may lie. What could be reached is empty all the same.
    pub async fn purge(&self) -> Result<(), QueueError> {
        let store = self.platform.store();
        // The actions go, whatever becomes of the key.
        let renewed = store.renew_key(self.user_id()).await;
        let (mut has_let_go, mut purged, mut looked_at, mut left) = (false, Ok(()), Vec::new(), Counts::default());
        // The best place comes last: what is brought there meanwhile was committed there before it was gone elsewhere.
        while let Some(place) = store.places(self.user_id()).into_iter().filter(|place| !looked_at.contains(place)).min() {
            looked_at.push(place);
            match outbox::purge(&self.at(place), self.user_id()).await {
                Ok(decided) => {
                    has_let_go |= decided.record.has_let_go;
                    left = decided.record.counts();
                    self.tell(decided, None);
                }
                Err(failed) => purged = Err(failed),
            }
        }
        // What lies where it could not be reached is still put back, should it be deleted there.
        if purged.is_ok() {
            self.drainer.announce_decision(left, Vec::new(), None, true);
        }
        // Also those that no action had taken yet. What is being stored just now finds out.
        let deleted = if has_let_go { self.drainer.sweep().await } else { Ok(()) };
        purged?;
        renewed?;
        store.forget_old_keys(self.user_id()).await?;
        Ok(deleted?)
    }

    /// What this tab has put into the queue is in it, also if the storage was cleared a moment ago.
    async fn look_for(&self, id: &str) -> Result<(), QueueError> {
        if self.drainer.mirror.borrow().has(id) {
            self.drainer.look().await?;
        }
        Ok(())
    }

    fn at(&self, place: Durability) -> At<'_, P::Store> {
        At { store: self.platform.store(), place }
    }

    /// Does something in each place in which the queue may lie, and gives what came of it. What is brought from one place to another
    /// just now lies in both; the best place comes last, since it was committed there before it was gone elsewhere. What cannot be
    /// reached is passed over, unless new actions go there.
    async fn wherever<T>(
        &self,
        work: impl AsyncFn(&At<'_, P::Store>) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let (store, mut looked_at, mut found) = (self.platform.store(), Vec::new(), Vec::new());
        // Where new actions go to may change meanwhile.
        while let Some(place) = store.places(self.user_id()).into_iter().filter(|place| !looked_at.contains(place)).min() {
            looked_at.push(place);
            match work(&self.at(place)).await {
                Ok(done) => found.extend(done),
                Err(failed) if failed.kind.is_of_the_store() && place != store.durability() => {}
                Err(failed) => return Err(failed),
            }
        }
        Ok(found)
    }

    fn has_decided(&self, decided: Vec<Decided>) -> bool {
        let any = !decided.is_empty();
        for decided in decided {
            self.tell(decided, None);
        }
        any
    }

    fn tell(&self, Decided { settled, record }: Decided, edited: Option<(String, Box<RawValue>)>) {
        let counts = record.counts();
        self.drainer.announce_decision(counts, settled, edited, false);
        self.platform.emit(&Event::QueueChanged { counts });
        // What stood behind it may go now.
        schedule::request(&self.requests, Trigger::Enqueued);
    }
}

/// The same, for those who have no queue at hand.
impl<P: Platform> Client<P> {
    /// See [`Queue::discard`].
    pub async fn discard(&self, id: &str) -> Result<bool, QueueError> {
        self.queue()?.discard(id).await
    }

    /// See [`Queue::requeue`].
    pub async fn requeue(&self, id: &str) -> Result<bool, QueueError> {
        self.queue()?.requeue(id, None).await
    }
}
