//! A bulkhead: so many at once, so many in line, and interactive work before background work.

use crate::policy::budget::Urgency;
use futures_channel::oneshot;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// How many may use a service at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkheadPolicy {
    /// The most that run at once. At least 1.
    pub max_concurrent: u32,
    /// The most that wait in line; more are refused.
    pub max_queued: u32,
}

/// The seats of a service, and the line before them. Cheap to clone; all clones are the same bulkhead.
#[derive(Debug, Clone, Default)]
pub struct Bulkhead {
    state: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    running: u32,
    interactive: VecDeque<oneshot::Sender<Seat>>,
    background: VecDeque<oneshot::Sender<Seat>>,
}

/// A place among those who run, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    bulkhead: Option<Bulkhead>,
}

/// All seats are taken, and the line is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// What is going on behind a bulkhead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkheadSnapshot {
    /// How many run.
    pub running: u32,
    /// How many wait in line.
    pub queued: usize,
}

impl Bulkhead {
    /// A seat, if one is free.
    pub fn enter_at_once(&self, policy: BulkheadPolicy) -> Option<Seat> {
        let mut state = self.state.borrow_mut();
        let is_free = state.running < policy.max_concurrent.max(1);
        is_free.then(|| {
            state.running += 1;
            Seat { bulkhead: Some(self.clone()) }
        })
    }

    /// Waits for a seat. Dropping the future leaves the line.
    pub async fn enter(&self, policy: BulkheadPolicy, urgency: Urgency) -> Result<Seat, Full> {
        if let Some(seat) = self.enter_at_once(policy) {
            return Ok(seat);
        }
        let turn = {
            let mut state = self.state.borrow_mut();
            state.forget_those_who_left();
            if state.queued() >= policy.max_queued as usize {
                // Nobody waits for background work: its last in line makes room for someone who is waited for.
                let makes_room =
                    urgency == Urgency::Interactive && policy.max_queued > 0 && state.background.pop_back().is_some();
                if !makes_room {
                    return Err(Full);
                }
            }
            let (seat, turn) = oneshot::channel();
            match urgency {
                Urgency::Interactive => state.interactive.push_back(seat),
                Urgency::Background => state.background.push_back(seat),
            }
            turn
        };
        // The line outlives everyone in it: it ends only with the bulkhead.
        turn.await.map_err(|_| Full)
    }

    /// How many run and how many wait.
    pub fn snapshot(&self) -> BulkheadSnapshot {
        let mut state = self.state.borrow_mut();
        state.forget_those_who_left();
        BulkheadSnapshot { running: state.running, queued: state.queued() }
    }

    /// Hands a seat on to whoever is next, interactive work first.
    fn hand_on(&self) {
        let mut seat = Seat { bulkhead: Some(self.clone()) };
        loop {
            let next = {
                let mut state = self.state.borrow_mut();
                let next = state.interactive.pop_front().or_else(|| state.background.pop_front());
                if next.is_none() {
                    state.running = state.running.saturating_sub(1);
                    // Given back here, and not when it is dropped.
                    seat.bulkhead = None;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(seat) {
                Ok(()) => return,
                // Gone before its turn came.
                Err(given_back) => seat = given_back,
            }
        }
    }
}

impl State {
    fn queued(&self) -> usize {
        self.interactive.len() + self.background.len()
    }

    fn forget_those_who_left(&mut self) {
        self.interactive.retain(|turn| !turn.is_canceled());
        self.background.retain(|turn| !turn.is_canceled());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(bulkhead) = self.bulkhead.take() {
            bulkhead.hand_on();
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const TWO_AND_ONE: BulkheadPolicy = BulkheadPolicy { max_concurrent: 2, max_queued: 1 };

    fn at_once(bulkhead: &Bulkhead, policy: BulkheadPolicy) -> Option<Result<Seat, Full>> {
        bulkhead.enter(policy, Urgency::Interactive).now_or_never()
    }

    #[test]
    fn those_beyond_the_line_are_refused_and_a_seat_that_is_left_goes_to_the_first_in_it() {
        let bulkhead = Bulkhead::default();
        let first = at_once(&bulkhead, TWO_AND_ONE).unwrap().unwrap();
        let second = at_once(&bulkhead, TWO_AND_ONE).unwrap().unwrap();
        let mut third = Box::pin(bulkhead.enter(TWO_AND_ONE, Urgency::Interactive));
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(at_once(&bulkhead, TWO_AND_ONE).unwrap().unwrap_err(), Full);
        assert_eq!(bulkhead.snapshot(), BulkheadSnapshot { running: 2, queued: 1 });
        drop(first);
        let third = third.now_or_never().unwrap().unwrap();
        assert_eq!(bulkhead.snapshot(), BulkheadSnapshot { running: 2, queued: 0 });
        drop((second, third));
        assert_eq!(bulkhead.snapshot(), BulkheadSnapshot::default());
    }

    #[test]
    fn interactive_work_goes_before_background_work_that_came_earlier() {
        let (bulkhead, policy) = (Bulkhead::default(), BulkheadPolicy { max_concurrent: 1, max_queued: 9 });
        let seat = at_once(&bulkhead, policy).unwrap().unwrap();
        let mut background = Box::pin(bulkhead.enter(policy, Urgency::Background));
        let mut interactive = Box::pin(bulkhead.enter(policy, Urgency::Interactive));
        assert!(background.as_mut().now_or_never().is_none() && interactive.as_mut().now_or_never().is_none());
        drop(seat);
        assert!(background.as_mut().now_or_never().is_none());
        drop(interactive.now_or_never().unwrap().unwrap());
        assert!(background.now_or_never().unwrap().is_ok());
    }

    #[test]
    fn a_line_full_of_background_work_makes_room_for_interactive_work() {
        let (bulkhead, policy) = (Bulkhead::default(), BulkheadPolicy { max_concurrent: 1, max_queued: 2 });
        let seat = at_once(&bulkhead, policy).unwrap().unwrap();
        let mut first = Box::pin(bulkhead.enter(policy, Urgency::Background));
        let mut second = Box::pin(bulkhead.enter(policy, Urgency::Background));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        let mut interactive = Box::pin(bulkhead.enter(policy, Urgency::Interactive));
        assert!(interactive.as_mut().now_or_never().is_none());
        assert_eq!(second.now_or_never().unwrap().unwrap_err(), Full);
        drop(seat);
        drop(interactive.now_or_never().unwrap().unwrap());
        assert!(first.now_or_never().unwrap().is_ok());
    }

    #[test]
    fn who_leaves_the_line_holds_up_nobody_and_a_seat_given_to_the_gone_is_not_lost() {
        let (bulkhead, policy) = (Bulkhead::default(), BulkheadPolicy { max_concurrent: 1, max_queued: 2 });
        let seat = at_once(&bulkhead, policy).unwrap().unwrap();
        let mut gone = Box::pin(bulkhead.enter(policy, Urgency::Interactive));
        let mut patient = Box::pin(bulkhead.enter(policy, Urgency::Interactive));
        assert!(gone.as_mut().now_or_never().is_none() && patient.as_mut().now_or_never().is_none());
        // It gets the seat, and is dropped before it looks.
        drop(seat);
        drop(gone);
        assert!(patient.now_or_never().unwrap().is_ok());
        assert_eq!(bulkhead.snapshot(), BulkheadSnapshot::default());
    }
}
