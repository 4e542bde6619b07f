//! Who waits for an action to be settled, in this tab.

use crate::flat_map::FlatMap;
use crate::queue::record::Counts;
use futures_channel::oneshot;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::cell::RefCell;

/// What a tab tells the others when it has changed a queue.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// Whose queue it is.
    pub user_id: String,
    /// What is in it now.
    pub counts: Counts,
    /// What was settled: ids, and the JSON of an [`Outcome`](crate::queue::record::Outcome) each.
    pub settled: Vec<(String, Box<RawValue>)>,
}

/// Who waits for an action to be settled, in this tab. The drain that settles it may run in another.
#[derive(Debug, Default)]
pub struct Waiters {
    by_id: RefCell<FlatMap<String, Vec<oneshot::Sender<Box<RawValue>>>>>,
}

impl Waiters {
    /// Waits for that action; gives the JSON of its [`Outcome`](crate::queue::record::Outcome). Ends without one when the SDK is
    /// closed.
    pub fn wait(&self, id: &str) -> oneshot::Receiver<Box<RawValue>> {
        let (sender, receiver) = oneshot::channel();
        let mut by_id = self.by_id.borrow_mut();
        match by_id.get_mut(id) {
            Some(waiting) => waiting.push(sender),
            None => by_id.insert(id.into(), vec![sender]),
        }
        receiver
    }

    /// Tells those who wait.
    pub fn resolve(&self, id: &str, outcome: &RawValue) {
        let waiting = self.by_id.borrow_mut().remove(id).unwrap_or_default();
        for waiter in waiting {
            // One that no longer listens is no loss.
            drop(waiter.send(outcome.to_owned()));
        }
    }

    /// Which actions are waited for.
    pub fn ids(&self) -> Vec<String> {
        self.by_id.borrow().keys().cloned().collect()
    }

    /// Ends all waiting.
    pub fn clear(&self) {
        self.by_id.borrow_mut().clear();
    }
}
