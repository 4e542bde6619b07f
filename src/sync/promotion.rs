//! How the queue comes back to the best place that works.

use super::Drainer;
use super::waiters::Announcement;
use crate::event::Event;
use crate::outbox::{self, Absorbed};
use crate::platform::tables::{Durability, Lot, Store};
use crate::platform::{Clock, Locks, Platform, Random};
use crate::queue::record::UserRecord;
use std::cell::RefCell;
use std::time::Duration;

/// So often it is tried to have the lock at once. Then it is waited for, and taken from whoever stands still.
const PATIENCE: u32 = 4;

impl<P: Platform> Drainer<P> {
    /// Brings what had to be kept in a lesser place to the best one that works, unless another tab is sending just now, or this was
    /// tried a moment ago.
    ///
    /// An earlier page may have left something in a lesser place without a word: that is looked for once. `may_wait` says whether there
    /// is time to wait for a tab that seems to stand still.
    pub async fn promote(&self, may_wait: bool) {
        let store = self.platform.store();
        self.tell_place_changes();
        if self.rests() {
            return;
        }
        if !store.may_be_promoted(&self.user_id) && !self.leaves_others.get() {
            let has_looked = self.has_looked_below.get() || store.users_below().await.is_empty();
            self.has_looked_below.set(has_looked);
            if has_looked {
                return;
            }
        }
        let failures = self.promotions.get().0;
        let lock = match self.platform.locks().try_acquire(&self.lock).await {
            None if may_wait && failures >= PATIENCE => Some(self.turn().await),
            lock => lock,
        };
        let Some(_nobody_sends) = lock else {
            return self.rest_from_promotion(failures.saturating_add(1));
        };
        let (mut others, mut locks) = (Vec::new(), Vec::new());
        self.leaves_others.set(false);
        for other in store.users_below().await.into_iter().filter(|other| *other != self.user_id) {
            if let Some(lock) = self.platform.locks().try_acquire(&self.lock_of(&other)).await {
                others.push(other);
                locks.push(lock);
            } else {
                self.leaves_others.set(true);
            }
        }
        let taken_in = RefCell::new(Vec::new());
        let absorb = async |transaction, lot: Lot| {
            let (user_id, from) = (lot.user_id.clone(), lot.from);
            let missing = |record: &UserRecord| if user_id == self.user_id { self.missing(record) } else { Vec::new() };
            let (transaction, absorbed) = outbox::absorb(transaction, lot, self.now(), &missing).await?;
            taken_in.borrow_mut().push((user_id, from, absorbed));
            Ok(transaction)
        };
        let promoted = store.promote(&self.user_id, &others, absorb).await;
        drop(locks);
        let mut taken_in = taken_in.into_inner();
        let has_failed = promoted.is_err();
        if let Err(error) = promoted {
            // Of the last one it is not known whether it was committed.
            taken_in.pop();
            self.platform.emit(&Event::StoreFailed { error });
        } else {
            self.has_looked_below.set(true);
        }
        for (user_id, from, Absorbed { restored, created_at, record }) in taken_in {
            let counts = record.counts();
            if user_id == self.user_id {
                self.mirror.borrow_mut().moved((from, created_at), &record);
                self.has_restored(&restored, &record);
                self.announce(counts, restored.settled);
            }
            // Another user's tabs have no other way to know that there is something to send; and what is gone from there was not deleted.
            let moved = (from != Durability::Memory).then_some((from, created_at));
            self.post(&Announcement { user_id, counts, moved, ..Announcement::default() });
        }
        if !has_failed {
            // What this tab has put there is here now, unless it was deleted: then it is put here again.
            self.mirror.borrow_mut().nothing_is_below(store.durability());
        }
        let is_done = !has_failed && !store.may_be_promoted(&self.user_id) && !self.leaves_others.get();
        self.rest_from_promotion(if is_done { 0 } else { failures.saturating_add(1) });
        self.tell_place_changes();
    }

    /// The lock of another user's drain.
    fn lock_of(&self, user_id: &str) -> String {
        [self.lock.strip_suffix(&self.user_id).unwrap_or_default(), user_id].concat()
    }

    /// After so many failures in a row a better place is not tried again for a while.
    fn rest_from_promotion(&self, failures: u32) {
        let pause = self.policy.backoff.delay(failures, self.platform.random().unit());
        let now = self.platform.clock().monotonic();
        self.promotions.set((failures, now.after(if failures > 0 { pause } else { Duration::ZERO })));
    }

    /// Whether it is too early to try a better place again.
    fn rests(&self) -> bool {
        let (failures, until) = self.promotions.get();
        failures > 0 && self.platform.clock().monotonic() < until
    }

    /// When a better place is tried again, if this is not the best one.
    pub(super) fn next_promotion(&self) -> Option<Duration> {
        let until = self.promotions.get().1;
        let is_below = self.platform.store().may_be_promoted(&self.user_id) || self.leaves_others.get();
        (is_below || !self.has_looked_below.get()).then(|| until.since(self.platform.clock().monotonic()))
    }

    pub(super) fn tell_place_changes(&self) {
        for change in self.platform.store().take_changes() {
            self.platform.emit(&Event::PlaceChanged { change });
        }
        if let Some(error) = self.platform.store().take_key_failure() {
            self.platform.emit(&Event::EncryptionUnavailable { error });
        }
    }
}
