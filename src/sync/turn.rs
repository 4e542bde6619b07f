//! One drain at a time: a lock between tabs, and what is done about a tab that holds it and stands still.
//!
//! A page that the browser freezes keeps its locks, and every other one would wait until it is thawed. So a page lets go of the lock
//! when it is told that it will be frozen, and one that waits for long asks whether the holder is still there. Where nobody answers,
//! it takes the lock; the epoch in each transaction keeps the books right if the other one wakes up after all.

use super::Drainer;
use crate::broken::{self, Variant};
use crate::platform::{Channel, Clock, Locks, Platform};
use futures_channel::oneshot;
use futures_util::future::{Either, abortable, select};
use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

/// So long whoever waits believes that the other one is at work.
const PATIENCE: Duration = Duration::from_secs(15);
/// So long whoever holds the lock has to say that it is there.
const ANSWER: Duration = Duration::from_secs(5);

/// What a tab asks that waits for the lock of a user's queue, and what its holder answers: these words, and the user's id.
const ASKS: &str = "drain?";
const ANSWERS: &str = "drain!";

impl<P: Platform> Drainer<P> {
    /// Waits until nobody else drains.
    pub(super) async fn turn(&self) -> <P::Locks as Locks>::Guard {
        let (locks, clock, channel) = (self.platform.locks(), self.platform.clock(), self.platform.channel());
        let mut waiting = pin!(locks.acquire(&self.lock));
        let taking = [&*self.lock, ":taking"].concat();
        let mut waits = 0;
        loop {
            if let Either::Left((guard, _)) = select(waiting.as_mut(), pin!(clock.sleep(PATIENCE))).await {
                return guard;
            }
            // One at a time: the next one to ask is answered by whoever has just taken it.
            let (_alone, asks) = match locks.try_acquire(&taking).await {
                Some(alone) => (alone, 1),
                None if waits < 2 => {
                    waits += 1;
                    continue;
                }
                // Whoever was about to take it stands still as well; or it is another one each time, which has taken it by the time
                // that is asked once more.
                None => (locks.steal(&taking).await, 2),
            };
            waits = 0;
            let mut is_there = false;
            for _ in 0..asks {
                self.has_answered.set(false);
                channel.post(&[ASKS, &self.user_id].concat());
                if let Either::Left((guard, _)) = select(waiting.as_mut(), pin!(clock.sleep(ANSWER))).await {
                    return guard;
                }
                is_there = self.has_answered.get() || broken::is(Variant::NobodySteals);
            }
            if !is_there {
                let guard = locks.steal(&self.lock).await;
                // To those who have asked meanwhile.
                channel.post(&[ANSWERS, &self.user_id].concat());
                return guard;
            }
        }
    }

    /// Goes on after the page was frozen.
    pub fn wake(&self) {
        for waiting in self.frozen.take().unwrap_or_default() {
            // One that no longer waits is no loss.
            let _: Result<(), ()> = waiting.send(());
        }
    }

    /// Waits while the page is frozen, or about to be: a transaction that is begun then stays open, and holds up all other tabs.
    pub async fn awake(&self) {
        loop {
            let (sender, woken) = oneshot::channel();
            match self.frozen.borrow_mut().as_mut() {
                Some(waiting) => waiting.push(sender),
                None => return,
            }
            // It ends with the queue, too.
            let _: Result<(), oneshot::Canceled> = woken.await;
        }
    }

    /// Does something, unless the page is frozen, or about to be: then it does it when the page goes on. `None` if it was broken off
    /// because the page was about to be frozen; it may be done all the same. One thing at a time.
    pub async fn unless_frozen<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.awake().await;
        let (work, abort) = abortable(work);
        self.append.replace(Some(abort));
        let done = work.await;
        self.append.take();
        done.ok()
    }

    /// Says that this tab drains, if that was asked while it did not yet.
    pub(super) fn answer_late(&self) {
        if self.was_asked.take() {
            self.answer();
        }
    }

    fn answer(&self) {
        self.platform.channel().post(&[ANSWERS, &self.user_id].concat());
    }

    /// Hears what is asked and answered about the lock. Says whether that was it.
    pub(super) fn hear_of_turn(&self, message: &str) -> bool {
        if message.strip_prefix(ASKS) == Some(&self.user_id) {
            if self.is_draining.get() {
                self.answer();
            } else {
                // It may be about to: the one before may have gone just now, and nobody else would answer.
                self.was_asked.set(true);
            }
            return true;
        }
        if message.strip_prefix(ANSWERS) == Some(&self.user_id) {
            self.has_answered.set(true);
            return true;
        }
        false
    }

    /// Lets go of everything at once: the page is about to be frozen. What is on its way is sent again, under the same key.
    pub fn let_go(&self) {
        self.frozen.borrow_mut().get_or_insert_default();
        for work in [self.drain.take(), self.append.take()].into_iter().flatten() {
            work.abort();
        }
    }
}

/// Says that this tab drains, until it is dropped.
pub(super) struct Draining<'a>(&'a Cell<bool>);

impl<'a> Draining<'a> {
    pub(super) fn begin(flag: &'a Cell<bool>) -> Self {
        flag.set(true);
        Self(flag)
    }
}

impl Drop for Draining<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
