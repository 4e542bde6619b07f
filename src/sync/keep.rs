//! What this tab has put into the queue outlives its storage: it is kept in memory, and written again when the storage was cleared.

use super::Drainer;
use crate::broken::{self, Variant};
use crate::event::Event;
use crate::flat_map::FlatMap;
use crate::outbox::{self, Appended, Newcomer, Restored};
use crate::platform::tables::Durability;
use crate::platform::{Platform, Store, StoreError};
use crate::queue::action::Action;
use crate::queue::record::UserRecord;

impl<P: Platform> Drainer<P> {
    /// Keeps what was taken in.
    pub fn keep(&self, groups: Vec<Vec<Newcomer>>, appended: &Appended) {
        self.has_restored(&appended.restored, &appended.record);
        let mut changed: FlatMap<&str, &Action> = FlatMap::default();
        changed.extend(appended.changed.iter().map(|action| (&*action.id, action)));
        let mut mirror = self.mirror.borrow_mut();
        for (group, places) in groups.into_iter().zip(&appended.groups) {
            let Ok(places) = places else { continue };
            for (newcomer, (_, seq)) in group.into_iter().zip(places) {
                let action = changed.get(&*newcomer.action.id).map(|action| Action::clone(action)).unwrap_or(newcomer.action);
                mirror.keep(action, *seq, &appended.record);
            }
        }
    }

    /// What the queue of that record lacks of what this tab has put into it.
    pub fn missing(&self, record: &UserRecord) -> Vec<Action> {
        if !self.lacks(record) {
            return Vec::new();
        }
        self.mirror.borrow().missing(record)
    }

    /// Whether the queue of that record may lack something of what this tab has put into it. What lay in a lesser place may also be
    /// gone from there because another tab has brought it to the better one.
    pub fn lacks(&self, record: &UserRecord) -> bool {
        let is_the_best_place = || record.place == Durability::IndexedDb || self.platform.store().may_send(&self.user_id);
        self.mirror.borrow().lacks(record) && is_the_best_place() && !broken::is(Variant::ClearedIsForgotten)
    }

    /// Looks at the record of the queue, and puts into the queue what it lacks.
    pub async fn look(&self) -> Result<UserRecord, StoreError> {
        let record = outbox::record(self.platform.store(), &self.user_id).await?;
        if self.lacks(&record) {
            return self.restore().await;
        }
        if record.counts().total() == 0 {
            self.mirror.borrow_mut().all_is_settled(&record);
        }
        Ok(record)
    }

    /// Puts into the queue what it lacks.
    pub async fn restore(&self) -> Result<UserRecord, StoreError> {
        let missing = |record: &UserRecord| self.missing(record);
        let (restored, record) = outbox::restore(self.platform.store(), &self.user_id, &|| self.now(), &missing).await?;
        self.has_restored(&restored, &record);
        if restored.count > 0 {
            self.announce(record.counts(), restored.settled);
        }
        Ok(record)
    }

    pub(super) fn has_restored(&self, restored: &Restored, record: &UserRecord) {
        if restored.places.is_empty() {
            return;
        }
        self.mirror.borrow_mut().found(restored.places.clone(), record);
        if restored.count > 0 {
            self.platform.emit(&Event::ActionsRestored { count: restored.count });
        }
    }
}
