//! How much a user's queue may hold, and what makes room.

use super::record::UserRecord;
use super::row::Lane;
use crate::wire::Priority;

/// How much a user's queue may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueLimits {
    /// Actions.
    pub actions: u64,
    /// Bytes of their data and names.
    pub bytes: u64,
    /// The priorities whose actions may be given up to make room for others that are more urgent.
    pub evicts: Vec<Priority>,
}

impl Default for QueueLimits {
    /// A million actions, 256 MiB, and nothing is given up.
    fn default() -> Self {
        Self { actions: 1_000_000, bytes: 256 << 20, evicts: Vec::new() }
    }
}

/// How much is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// So many actions.
    pub actions: u64,
    /// So many bytes.
    pub bytes: u64,
}

impl QueueLimits {
    /// By how much a queue is over its limits.
    pub fn excess(&self, record: &UserRecord) -> Option<Excess> {
        let excess = Excess {
            actions: record.counts().total().saturating_sub(self.actions),
            bytes: record.bytes.saturating_sub(self.bytes),
        };
        (excess.actions > 0 || excess.bytes > 0).then_some(excess)
    }

    /// Whether a queue may become another: it keeps within its limits, or does not grow.
    pub fn allow(&self, from: &UserRecord, to: &UserRecord) -> bool {
        self.excess(to).is_none() || to.counts().total() <= from.counts().total() && to.bytes <= from.bytes
    }

    /// Whether an action of the one priority is given up for one of the other.
    pub fn gives_up(&self, priority: Priority, newer: Priority) -> bool {
        self.evicts.contains(&priority) && priority < newer
    }

    /// The lanes from which actions are given up for one of that priority, the first to be emptied first: the least urgent, and
    /// in a lane the oldest. What lies there is not always of that priority. What is being sent, waits behind others or awaits a decision is never given up.
    pub fn gives_up_for(&self, priority: Priority) -> Vec<Lane> {
        let mut evicted: Vec<Priority> = self.evicts.iter().copied().filter(|other| self.gives_up(*other, priority)).collect();
        evicted.sort_unstable();
        evicted.dedup();
        evicted.into_iter().map(Lane::of).collect()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_less_urgent_and_declared_makes_room_the_least_urgent_first() {
        let limits = QueueLimits { evicts: vec![Priority::Normal, Priority::Low, Priority::Low], ..QueueLimits::default() };
        assert_eq!(limits.gives_up_for(Priority::Critical), [Lane::Low, Lane::Normal]);
        assert_eq!(limits.gives_up_for(Priority::Normal), [Lane::Low]);
        assert_eq!(limits.gives_up_for(Priority::Low), []);
        assert_eq!(QueueLimits::default().gives_up_for(Priority::Critical), []);
    }

    #[test]
    fn nothing_is_given_up_for_what_is_no_more_urgent_nor_what_was_not_declared() {
        let limits = QueueLimits { evicts: vec![Priority::Normal], ..QueueLimits::default() };
        assert!(limits.gives_up(Priority::Normal, Priority::High));
        assert!(!limits.gives_up(Priority::Normal, Priority::Normal));
        assert!(!limits.gives_up(Priority::Low, Priority::High));
    }

    #[test]
    fn a_queue_that_is_over_its_limits_may_stay_so_and_grow_in_neither_way() {
        let limits = QueueLimits { actions: 1, bytes: 10, evicts: vec![] };
        let record = |sizes: &[u64]| {
            let mut record = UserRecord::default();
            for bytes in sizes {
                record.count(Lane::Normal, *bytes);
            }
            record
        };
        let from = record(&[20, 20]);
        for (sizes, is_allowed) in
            [(&[20, 20][..], true), (&[20, 1], true), (&[20, 21], false), (&[1, 1, 1], false), (&[10], true)]
        {
            assert_eq!(limits.allow(&from, &record(sizes)), is_allowed, "{sizes:?}");
        }
    }

    #[test]
    fn a_queue_is_over_its_limits_by_actions_or_by_bytes() {
        let limits = QueueLimits { actions: 2, bytes: 10, evicts: vec![] };
        let mut record = UserRecord::default();
        record.count(Lane::Normal, 5);
        record.count(Lane::Dead, 5);
        assert_eq!(limits.excess(&record), None);
        record.count(Lane::Waiting, 1);
        assert_eq!(limits.excess(&record), Some(Excess { actions: 1, bytes: 1 }));
    }
}
