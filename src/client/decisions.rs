//! What the application decides about actions, wherever they lie.

use super::Client;
use super::places::Places;
use super::queue::{Queue, QueueError};
use crate::event::Event;
use crate::outbox::{self, Change, Decided, Purged, Resolution};
use crate::platform::{Clock as _, Platform, Store, StoreError};
use crate::policy::gate::Trigger;
use crate::queue::file::QueuedFile;
use crate::queue::record::Counts;
use crate::store::At;
use crate::sync::schedule;
use serde::Serialize;
use serde_json::value::RawValue;
use std::cell::Cell;

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
        let edited = Cell::new(Edited::NoSuchAction);
        let changes = self.wherever(async |store| {
            if edited.get() == Edited::MayHaveBeenSent {
                return Ok(None);
            }
            Ok(match outbox::edit(store, self.user_id(), id, data.clone()).await? {
                Change::Done(decided) => {
                    edited.set(Edited::Done);
                    Some(decided)
                }
                Change::MayHaveBeenSent => {
                    edited.set(Edited::MayHaveBeenSent);
                    None
                }
                Change::NoSuchAction => None,
            })
        });
        for decided in changes.await? {
            self.tell(*decided, Some((id.into(), data.clone())));
        }
        Ok(edited.get())
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
        let (mut has_let_go, mut purged, mut left, mut places) = (false, Ok(Vec::new()), Counts::default(), Places::new(self));
        while let Some(place) = places.next() {
            let now = self.platform.clock().wall();
            match places.work(place, &async |store| outbox::purge(store, self.user_id(), now).await).await {
                Ok(decided) => {
                    has_let_go |= decided.record.has_let_go;
                    left = decided.record.counts();
                    if let Ok(purged) = &mut purged {
                        purged.push(Purged::of(&decided.record));
                    }
                    self.tell(decided, None);
                }
                Err(failed) => purged = Err(failed),
            }
        }
        // What lies where it could not be reached is still put back, should it be deleted there.
        if let Ok(purged) = &purged {
            self.drainer.announce_decision(left, Vec::new(), None, purged);
            schedule::request(&self.requests, Trigger::Enqueued);
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

    /// Does something in each place in which the queue may lie, and gives what came of it. What cannot be reached is passed over,
    /// unless new actions go there.
    async fn wherever<T>(
        &self,
        work: impl AsyncFn(&At<'_, P::Store>) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let mut places = Places::new(self);
        while let Some(place) = places.next() {
            match places.work(place, &work).await {
                Ok(done) => found.extend(done),
                Err(failed) if failed.kind.is_of_the_store() && place != self.platform.store().durability() => {}
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
        self.drainer.announce_decision(counts, settled, edited, &[]);
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
