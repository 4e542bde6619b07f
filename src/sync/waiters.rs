//! Who waits for an action to be settled, in this tab.

use crate::flat_map::FlatMap;
use crate::outbox::Purged;
use crate::queue::durability::Durability;
use crate::queue::record::Counts;
use crate::time::WallTime;
use futures_channel::oneshot;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::cell::RefCell;

/// What a tab tells the others when it has changed a queue.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// Whose queue it is.
    pub user_id: String,
    /// What is in it now.
    pub counts: Counts,
    /// What was settled: ids, and the JSON of an [`Outcome`](crate::queue::outcome::Outcome) each.
    pub settled: Vec<(String, Box<RawValue>)>,
    /// What has other data now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<(String, Box<RawValue>)>,
    /// What was brought to a better place: where it lay, and when the queue was created there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<(Durability, WallTime)>,
    /// The queues out of which all was taken, whatever it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purged: Vec<Purged>,
}

/// Who waits for an action to be settled, in this tab. The drain that settles it may run in another.
#[derive(Debug, Default)]
pub struct Waiters {
    by_id: RefCell<FlatMap<String, Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    senders: Vec<oneshot::Sender<Box<RawValue>>>,
    /// Whether it is known that there is something to wait for.
    is_looked_up: bool,
}

impl Waiters {
    /// Waits for that action; gives the JSON of its [`Outcome`](crate::queue::outcome::Outcome). Ends without one when the SDK is
    /// closed.
    pub fn wait(&self, id: &str) -> oneshot::Receiver<Box<RawValue>> {
        let (sender, receiver) = oneshot::channel();
        let mut by_id = self.by_id.borrow_mut();
        if let Some(waiting) = by_id.get_mut(id) {
            waiting.senders.push(sender);
        } else {
            by_id.insert(id.into(), Waiting { senders: vec![sender], is_looked_up: false });
        }
        receiver
    }

    /// Tells those who wait.
    pub fn resolve(&self, id: &str, outcome: &RawValue) {
        let waiting = self.by_id.borrow_mut().remove(id).unwrap_or_default();
        for waiter in waiting.senders {
            // One that no longer listens is no loss.
            drop(waiter.send(outcome.to_owned()));
        }
    }

    /// Which actions are waited for: those that were not looked up yet, or all.
    pub fn to_look_up(&self, all: bool) -> Vec<String> {
        let by_id = self.by_id.borrow();
        let waiting = by_id.iter().filter(|(_, waiting)| all || !waiting.is_looked_up);
        waiting.map(|(id, _)| id.clone()).collect()
    }

    /// These have been looked up. Whoever still waits for one of them is told when it is settled.
    pub fn looked_up(&self, ids: &[String]) {
        let mut by_id = self.by_id.borrow_mut();
        for id in ids {
            if let Some(waiting) = by_id.get_mut(id.as_str()) {
                waiting.is_looked_up = true;
            }
        }
    }

    /// Ends all waiting.
    pub fn clear(&self) {
        self.by_id.borrow_mut().clear();
    }
}
