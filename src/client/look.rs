//! What the application sees of its queue, wherever it lies.

use super::places::Places;
use super::queue::{Queue, QueueError};
use crate::flat_map::FlatMap;
use crate::outbox;
use crate::platform::tables::{Durability, Lane};
use crate::platform::{Clock as _, Platform, Store as _, StoreError};
use crate::policy::gate::GateReason;
use crate::queue::action::Action;
use crate::queue::record::{BatchRecord, Counts, UserRecord};
use crate::store::At;
use crate::time::{WallTime, milliseconds};
use serde::Serialize;

/// What is in the queue, and what it waits for. What it costs does not depend on how much that is, unless some of it is being brought
/// from one place to another.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// What is in the queue.
    pub counts: Counts,
    /// How many of the pending are being sent, or were, without an answer.
    pub in_flight: usize,
    /// How many of the pending may be sent; the others wait behind one of their key, for another action, or for a moment.
    pub ready: u64,
    /// Until when the server is left alone, by the wall clock.
    pub next_attempt_at: Option<WallTime>,
    /// Why.
    pub waiting_for: Option<GateReason>,
    /// When the server answered a batch last, by the wall clock.
    pub last_sync_at: Option<WallTime>,
    /// How long it will take to send what is pending, at the pace of the last batches, in milliseconds; `None` while none was sent.
    pub remaining_ms: Option<u64>,
    /// Where new actions are stored.
    pub durability: Durability,
    /// Whether more lies in a place that cannot be used just now, which is not counted.
    pub is_partial: bool,
    /// Whether a request has a chance to reach the backend, as far as is known.
    pub online: bool,
}

/// An action, as it is listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The action.
    pub action: Action,
    /// Where it lies.
    pub place: Durability,
    /// Whether it is being sent, or was, without an answer.
    pub in_flight: bool,
}

/// How many there are of each kind, and how many may be sent.
fn counted(listed: &[Listed]) -> (Counts, u64) {
    let (mut counts, mut ready) = (Counts::default(), 0);
    for Listed { action, .. } in listed {
        let kind = match action.lane {
            Lane::Conflict => &mut counts.conflicts,
            Lane::Dead => &mut counts.dead,
            Lane::Unreadable => &mut counts.unreadable,
            _ => &mut counts.pending,
        };
        *kind += 1;
        ready += u64::from(action.lane.is_ready());
        counts.bytes = counts.bytes.saturating_add(action.bytes());
    }
    (counts, ready)
}

impl<P: Platform> Queue<P> {
    /// What is in the queue, and what it waits for.
    pub async fn snapshot(&self) -> Result<Snapshot, QueueError> {
        let store = self.platform.store();
        let own = self.drainer.look().await?;
        let (mut others, mut is_partial) = (Vec::new(), false);
        for place in store.places(self.user_id()).into_iter().filter(|place| *place != own.place) {
            match outbox::record(&At { store, place }, self.user_id()).await {
                Ok(record) => others.push(record),
                Err(failed) if failed.kind.is_of_the_store() => is_partial = true,
                Err(failed) => return Err(failed.into()),
            }
        }
        let now = self.platform.clock().wall();
        let sent_from = store.sends_from(self.user_id());
        // The server is left alone by whoever sends.
        let gate = others.iter().find(|record| Some(record.place) == sent_from).map_or(own.gate, |record| record.gate);
        let all = || others.iter().chain([&own]);
        let (counts, ready) = if !others.is_empty() && store.is_in_two_places(self.user_id()) {
            // What is there twice is one action, which only looking at each can tell.
            counted(&self.list(&Lane::ALL, None, u32::MAX).await?)
        } else {
            let ready =
                |record: &UserRecord| Lane::READY.into_iter().map(|lane| record.in_lane(lane)).fold(0, u64::saturating_add);
            let counts = others.iter().fold(own.counts(), |counts, record| counts.and(&record.counts()));
            (counts, all().map(ready).fold(0, u64::saturating_add))
        };
        let waiting_for = gate.reason(now);
        Ok(Snapshot {
            counts,
            in_flight: all().filter_map(|record| record.batch.as_ref()).map(BatchRecord::size).sum(),
            ready,
            next_attempt_at: waiting_for.map(|_| now.after(gate.remaining(now))),
            waiting_for,
            last_sync_at: all().filter_map(|record| record.last_sync).max(),
            remaining_ms: self.drainer.remaining(counts.pending).map(milliseconds),
            durability: own.place,
            is_partial,
            online: self.watch.report().online,
        })
    }

    /// Up to `limit` of the actions in those lanes, those in the best place first and in each place in order; from that place
    /// and sequence number on, if they are given. What lies where it cannot be reached is not among them.
    pub async fn list(&self, lanes: &[Lane], from: Option<(Durability, u64)>, limit: u32) -> Result<Vec<Listed>, QueueError> {
        let store = self.platform.store();
        let (mut listed, mut places) = (Vec::<Listed>::new(), Places::new(self));
        // The best one last: what is brought there meanwhile is found in both, and not in neither.
        while let Some(place) = places.next() {
            let first = match from {
                Some((first, _)) if first < place => continue,
                Some((first, seq)) if first == place => seq,
                _ => 0,
            };
            match places.work(place, &async |at| self.list_at(at, lanes, first, limit).await).await {
                Ok(mut found) => {
                    let ids: FlatMap<&str, ()> = found.iter().map(|found| (found.action.id.as_str(), ())).collect();
                    listed.retain(|below| !ids.contains_key(below.action.id.as_str()));
                    drop(ids);
                    found.append(&mut listed);
                    listed = found;
                }
                Err(failed) if failed.kind.is_of_the_store() && place != store.durability() => {}
                Err(failed) => return Err(failed.into()),
            }
        }
        listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(listed)
    }

    async fn list_at(&self, at: &At<'_, P::Store>, lanes: &[Lane], first: u64, limit: u32) -> Result<Vec<Listed>, StoreError> {
        let list = || outbox::list(at, self.user_id(), lanes, first, limit);
        let (mut record, mut actions) = list().await?;
        if at.place == at.store.durability() && self.drainer.lacks(&record) {
            self.drainer.restore().await?;
            (record, actions) = list().await?;
        }
        let with_flight = |action: Action| {
            let in_flight = record.is_in_flight(action.seq);
            Listed { action, place: at.place, in_flight }
        };
        Ok(actions.into_iter().map(with_flight).collect())
    }
}
