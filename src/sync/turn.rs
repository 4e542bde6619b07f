//! One drain at a time: a lock between tabs, and what is done about a tab that holds it and stands still.
//!
//! A page that the browser freezes keeps its locks, and every other one would wait until it is thawed. So a page lets go of the lock
//! when it is told that it will be frozen, and one that waits for long asks whether the holder is still there. Where nobody answers,
//! it takes the lock; the epoch in each transaction keeps the books right if the other one wakes up after all.

use super::Drainer;
use crate::platform::{Channel, Clock, Locks, Platform};
use futures_util::future::{Either, select};
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
        let mut patience = PATIENCE;
        loop {
            match select(waiting.as_mut(), pin!(clock.sleep(patience))).await {
                Either::Left((guard, _)) => return guard,
                // It may have begun to answer only now.
                Either::Right(_) if self.has_answered.replace(false) => patience = PATIENCE,
                Either::Right(_) if patience == ANSWER => return locks.steal(&self.lock).await,
                Either::Right(_) => {
                    channel.post(&[ASKS, &self.user_id].concat());
                    patience = ANSWER;
                }
            }
        }
    }

    /// Hears what is asked and answered about the lock. Says whether that was it.
    pub(super) fn hear_of_turn(&self, message: &str) -> bool {
        if message.strip_prefix(ASKS) == Some(&self.user_id) {
            if self.is_draining.get() {
                self.platform.channel().post(&[ANSWERS, &self.user_id].concat());
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
        if let Some(drain) = self.drain.take() {
            drain.abort();
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
