//! Which actions make the next batch.

use super::action::{Action, ActionState};
use crate::broken::{self, Variant};
use crate::flat_map::FlatMap;
use crate::policy::gate::LONGEST_HONOURED_HINT;
use crate::time::WallTime;

/// How large a batch may be. One action always fits, however large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Actions.
    pub actions: usize,
    /// Bytes of their data and names.
    pub bytes: u64,
}

/// Gathers a batch from a user's actions, which are offered to it in the order of their sequence.
///
/// An action goes into the batch unless it is dead, is not due, or stands behind one of its key that did not go. So the
/// actions of a key keep their order, and no key waits for another.
#[derive(Debug)]
pub struct Planner {
    limits: BatchLimits,
    now: WallTime,
    batch: Vec<Action>,
    bytes: u64,
    held_keys: FlatMap<String, ()>,
    next_due: Option<WallTime>,
    full: bool,
}

/// What a [`Planner`] gathered.
#[derive(Debug)]
pub struct Plan {
    /// The actions to send now, in order; empty if none is due.
    pub batch: Vec<Action>,
    /// When the first of those that were passed over is due.
    pub next_due: Option<WallTime>,
}

impl Planner {
    /// A plan for now.
    pub fn new(limits: BatchLimits, now: WallTime) -> Self {
        Self { limits, now, batch: Vec::new(), bytes: 0, held_keys: FlatMap::default(), next_due: None, full: false }
    }

    /// Whether it can take more. Once it says no, nothing that is offered goes into the batch.
    pub fn wants_more(&self) -> bool {
        !self.full
    }

    /// Looks at the next action of the user.
    pub fn offer(&mut self, action: Action) {
        let due = match action.state {
            ActionState::Dead => return,
            ActionState::Conflict | ActionState::Unreadable => false,
            ActionState::Pending => match self.not_due_until(&action) {
                None => true,
                Some(moment) => {
                    self.next_due = Some(self.next_due.map_or(moment, |earliest| earliest.min(moment)));
                    false
                }
            },
        };
        let behind = action.key.as_ref().is_some_and(|key| self.held_keys.contains_key(key))
            || broken::is(Variant::OneKeyBlocksAll) && self.held_keys.keys().next().is_some();
        if broken::is(Variant::RetryLosesOrder) && !due && action.state == ActionState::Pending {
            return;
        }
        if !due || behind {
            self.held_keys.extend(action.key.map(|key| (key, ())));
            return;
        }
        let bytes = self.bytes.saturating_add(action.bytes());
        if self.full || (!self.batch.is_empty() && bytes > self.limits.bytes) {
            self.full = true;
            return;
        }
        self.bytes = bytes;
        self.batch.push(action);
        self.full = self.batch.len() >= self.limits.actions.max(1);
    }

    /// The batch.
    pub fn finish(self) -> Plan {
        Plan { batch: self.batch, next_due: self.next_due }
    }

    /// A moment further away than any wait the SDK sets was set by a clock that has jumped since.
    fn not_due_until(&self, action: &Action) -> Option<WallTime> {
        action.not_before.filter(|moment| *moment > self.now && moment.since(self.now) <= LONGEST_HONOURED_HINT * 2)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) mod tests {
    use super::*;
    use crate::queue::action::SCHEMA_VERSION;
    use crate::wire::Priority;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    const NOW: WallTime = WallTime(1_780_315_200_000);

    pub(crate) fn action(seq: u64, key: Option<&str>) -> Action {
        Action {
            schema_version: SCHEMA_VERSION,
            id: format!("action-{seq}"),
            user_id: "ada".into(),
            seq,
            key: key.map(Into::into),
            kind: "save_draft".into(),
            priority: Priority::Normal,
            timestamp: NOW,
            data: RawValue::from_string(format!(r#"{{"n":{seq}}}"#)).unwrap(),
            state: ActionState::Pending,
            attempts: 0,
            not_before: None,
            last_error: None,
            conflict: None,
        }
    }

    fn plan(actions: Vec<Action>, limit: usize) -> Plan {
        let mut planner = Planner::new(BatchLimits { actions: limit, bytes: 1 << 18 }, NOW);
        for action in actions {
            planner.offer(action);
        }
        planner.finish()
    }

    fn sequences(plan: &Plan) -> Vec<u64> {
        plan.batch.iter().map(|action| action.seq).collect()
    }

    #[test]
    fn a_parked_key_does_not_hold_another() {
        let mut parked = action(1, Some("a"));
        parked.state = ActionState::Conflict;
        let plan = plan(vec![parked, action(2, Some("a")), action(3, Some("b")), action(4, None)], 100);
        assert_eq!(sequences(&plan), [3, 4]);
    }

    #[test]
    fn a_dead_letter_does_not_hold_its_key() {
        let mut dead = action(1, Some("a"));
        dead.state = ActionState::Dead;
        assert_eq!(sequences(&plan(vec![dead, action(2, Some("a"))], 100)), [2]);
    }

    #[test]
    fn an_action_larger_than_a_batch_goes_alone() {
        let mut large = action(1, None);
        large.data = RawValue::from_string(format!("\"{}\"", "x".repeat(1 << 19))).unwrap();
        assert_eq!(sequences(&plan(vec![large.clone(), action(2, None)], 100)), [1]);
        large.seq = 3;
        assert_eq!(sequences(&plan(vec![action(2, None), large], 100)), [2]);
    }

    #[test]
    fn a_wait_that_no_one_set_was_set_by_a_clock_that_jumped() {
        let mut waits = action(1, None);
        waits.not_before = Some(WallTime(NOW.0 + 365 * 86_400_000));
        assert_eq!(sequences(&plan(vec![waits], 100)), [1]);
    }

    proptest! {
        #[test]
        fn a_batch_never_overtakes_within_a_key(rows in prop::collection::vec((0_u8..4, 0_u8..5), 0..40), limit in 1_usize..10) {
            let actions: Vec<Action> = rows.iter().enumerate().map(|(index, (key, state))| {
                let mut action = action(index as u64, Some(&key.to_string()));
                match state {
                    0 => action.state = ActionState::Conflict,
                    1 => action.state = ActionState::Dead,
                    2 => action.not_before = Some(WallTime(NOW.0 + 1000)),
                    _ => {}
                }
                action
            }).collect();
            let plan = plan(actions.clone(), limit);
            prop_assert!(plan.batch.len() <= limit);
            for sent in &plan.batch {
                prop_assert!(sent.state == ActionState::Pending && sent.not_before.is_none());
                let before = actions.iter().filter(|other| other.key == sent.key && other.seq < sent.seq);
                for earlier in before.filter(|earlier| earlier.state != ActionState::Dead) {
                    prop_assert!(plan.batch.iter().any(|other| other.seq == earlier.seq), "{} overtook {}", sent.seq, earlier.seq);
                }
            }
        }
    }
}
