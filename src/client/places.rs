//! The places in which a queue may lie.

use super::queue::Queue;
use crate::platform::tables::Durability;
use crate::platform::{Platform, Store as _, StoreError, StoreErrorKind};
use crate::store::At;

/// So often something is tried in a place in which other tabs write in the same moment.
const TRIES: u32 = 4;

/// The places in which something of a queue may lie, one after the other. What is brought from one to another just now lies in both;
/// the best place comes last, since it was committed there before it was gone elsewhere.
pub(super) struct Places<'q, P: Platform> {
    queue: &'q Queue<P>,
    looked_at: Vec<Durability>,
}

impl<'q, P: Platform> Places<'q, P> {
    /// Those of that queue.
    pub(super) fn new(queue: &'q Queue<P>) -> Self {
        Self { queue, looked_at: Vec::new() }
    }

    /// The next one. Where new actions go to may change meanwhile.
    pub(super) fn next(&mut self) -> Option<Durability> {
        let places = self.queue.platform.store().places(self.queue.user_id());
        let next = places.into_iter().filter(|place| !self.looked_at.contains(place)).min()?;
        self.looked_at.push(next);
        Some(next)
    }

    /// Does something in one of them, again if another tab was faster.
    pub(super) async fn work<T>(
        &self,
        place: Durability,
        work: &impl AsyncFn(&At<'_, P::Store>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tries = TRIES;
        loop {
            match work(&At { store: self.queue.platform.store(), place }).await {
                Err(failed) if failed.kind == StoreErrorKind::Overtaken && tries > 1 => tries -= 1,
                done => return done,
            }
        }
    }
}
