//! Who is told what has become of actions: those who wait, the application here, and other tabs.

use super::Drainer;
use super::waiters::Announcement;
use crate::event::Event;
use crate::outbox::{self, Purged};
use crate::platform::{Channel as _, Platform, Store as _, StoreError};
use crate::queue::outcome::Outcome;
use crate::queue::record::Counts;
use serde_json::value::{RawValue, to_raw_value};

/// What has been settled and nobody has been told of. They are when it is dropped, whatever else becomes of the drain.
pub(super) struct News<'d, P: Platform> {
    pub(super) drainer: &'d Drainer<P>,
    pub(super) counts: Counts,
    pub(super) settled: Vec<(String, Outcome)>,
}

impl<P: Platform> Drop for News<'_, P> {
    fn drop(&mut self) {
        self.drainer.announce(self.counts, std::mem::take(&mut self.settled));
    }
}

impl<P: Platform> Drainer<P> {
    /// Tells the other tabs what is in the queue now and, like those who wait and the application here, what was settled.
    pub fn announce(&self, counts: Counts, settled: Vec<(String, Outcome)>) {
        self.announce_decision(counts, settled, None, &[]);
    }

    /// The same, and what else was decided: which action has other data now, and which queues were purged.
    pub fn announce_decision(
        &self,
        counts: Counts,
        settled: Vec<(String, Outcome)>,
        edited: Option<(String, Box<RawValue>)>,
        purged: &[Purged],
    ) {
        self.known.set(counts);
        let settled: Vec<(String, Box<RawValue>)> =
            settled.into_iter().filter_map(|(id, outcome)| Some((id, to_raw_value(&outcome).ok()?))).collect();
        // What other tabs have in memory was not.
        let posted = purged.iter().filter(|queue| !queue.is_in_memory()).copied().collect();
        let announcement = Announcement { user_id: self.user_id.clone(), counts, settled, edited, moved: None, purged: posted };
        self.post(&announcement);
        self.tell(announcement.settled);
        self.copy(announcement.edited, purged);
    }

    /// Tells the other tabs, and nobody here.
    pub(super) fn post(&self, announcement: &Announcement) {
        if let Ok(message) = serde_json::to_string(announcement) {
            self.platform.channel().post(&message);
        }
    }

    /// What was decided holds for what this tab has put into the queue as well. Says whether it is to be looked what became of it.
    fn copy(&self, edited: Option<(String, Box<RawValue>)>, purged: &[Purged]) -> bool {
        if let Some((id, data)) = edited {
            self.mirror.borrow_mut().edit(&id, data);
        }
        let mut mirror = self.mirror.borrow_mut();
        mirror.purge(purged);
        !mirror.purged().is_empty()
    }

    /// Finds out what became of actions that are waited for: of those that nobody has looked for yet, or of all. They may have been
    /// settled in an earlier life of the page, or by a tab that could not tell.
    pub async fn look_up(&self, all: bool) -> Result<(), StoreError> {
        let mut ids = self.waiters.to_look_up(all);
        let purged = self.mirror.borrow().purged();
        ids.extend(purged.into_iter().filter(|id| !ids.contains(id)).collect::<Vec<_>>());
        if ids.is_empty() {
            return Ok(());
        }
        let mut known = outbox::outcomes(self.platform.store(), &self.user_id, &ids).await?;
        if self.lacks(&known.record) {
            self.restore().await?;
            known = outbox::outcomes(self.platform.store(), &self.user_id, &ids).await?;
        }
        for place in self.platform.store().usable_places() {
            // What left another place is known there.
            if known.absent.is_empty() {
                break;
            }
            if place == known.record.place {
                continue;
            }
            match outbox::outcomes(&self.at(place), &self.user_id, &known.absent).await {
                Ok(there) => known.take_over(there),
                Err(failed) if failed.kind.is_of_the_store() => {}
                Err(failed) => return Err(failed),
            }
        }
        self.waiters.looked_up(&ids);
        for (id, outcome) in known.settled.into_iter().rev() {
            // The last one counts: a dead letter may have been put back since.
            let was_purged = self.mirror.borrow_mut().was_purged(&id);
            if was_purged {
                self.tell(vec![(id, outcome)]);
                continue;
            }
            self.mirror.borrow_mut().settle(&id, &outcome);
            self.waiters.resolve(&id, &outcome);
        }
        // What is not here may lie above.
        for id in &known.open {
            self.mirror.borrow_mut().was_purged(id);
        }
        let outcomes = (to_raw_value(&Outcome::Gone), to_raw_value(&Outcome::Discarded));
        if let (true, (Ok(gone), Ok(discarded))) = (self.platform.store().may_send(&self.user_id), outcomes) {
            for id in &known.absent {
                // It may be there when that place can be used again; if not, it is put there.
                if self.mirror.borrow().is_elsewhere(id, &known.record) {
                    continue;
                }
                self.mirror.borrow_mut().forget(id);
                let was_purged = self.mirror.borrow_mut().was_purged(id);
                if was_purged {
                    self.tell(vec![(id.clone(), discarded.clone())]);
                } else {
                    self.waiters.resolve(id, &gone);
                }
            }
        }
        Ok(())
    }

    /// Hears what another tab has done. Says whether something waits now, since that tab may be gone before it has sent it, or is to
    /// be looked up.
    pub fn hear(&self, message: &str) -> bool {
        if self.hear_of_turn(message) {
            return false;
        }
        let Ok(announcement) = serde_json::from_str::<Announcement>(message) else { return false };
        if announcement.user_id != self.user_id {
            return false;
        }
        if let Some((place, created_at)) = announcement.moved {
            self.mirror.borrow_mut().moved_elsewhere(place, created_at);
        }
        self.tell(announcement.settled);
        let is_to_look = self.copy(announcement.edited, &announcement.purged);
        self.platform.emit(&Event::QueueChanged { counts: announcement.counts });
        announcement.counts.pending > 0 || is_to_look
    }

    pub(super) fn tell(&self, settled: Vec<(String, Box<RawValue>)>) {
        for (id, outcome) in settled {
            self.mirror.borrow_mut().settle(&id, &outcome);
            self.waiters.resolve(&id, &outcome);
            self.platform.emit(&Event::Settled { id, outcome });
        }
    }
}
