//! One at a time, in the order in which they came: as transactions of a database are.

use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// Who is next.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    is_taken: Cell<bool>,
    waiting: RefCell<VecDeque<oneshot::Sender<Held>>>,
}

/// The turn of whoever has it. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    turn: Option<Rc<Turn>>,
}

impl Turn {
    /// Waits for those who came before.
    pub(crate) async fn take(self: &Rc<Self>) -> Held {
        if !self.is_taken.replace(true) {
            return Held { turn: Some(self.clone()) };
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().push_back(sender);
        match receiver.await {
            Ok(held) => held,
            // Not before the turn itself is gone, of which there is a reference here.
            Err(oneshot::Canceled) => Held { turn: None },
        }
    }

    fn pass_on(self: Rc<Self>) {
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            let Some(next) = next else {
                self.is_taken.set(false);
                return;
            };
            match next.send(Held { turn: Some(self.clone()) }) {
                Ok(()) => return,
                // He no longer waits.
                Err(mut held) => held.turn = None,
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            turn.pass_on();
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn those_who_wait_come_in_their_order_and_those_who_left_are_passed_over() {
        let turn = Rc::new(Turn::default());
        let first = turn.take().now_or_never().unwrap();
        let mut second = Box::pin(turn.take());
        let mut third = Box::pin(turn.take());
        let mut fourth = Box::pin(turn.take());
        for waiting in [&mut second, &mut third, &mut fourth] {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        drop(second);
        drop(first);
        assert!(turn.take().now_or_never().is_none(), "nobody comes before those who wait");
        assert!(fourth.as_mut().now_or_never().is_none());
        let held = third.as_mut().now_or_never().unwrap();
        drop(held);
        // It was given the turn, and leaves without having looked.
        drop(fourth);
        assert!(turn.take().now_or_never().is_some());
    }
}
