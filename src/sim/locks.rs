//! Locks that all tabs share, as browsers have them: who waits is served in order, and who steals one leaves those who wait waiting.

use super::world::Inner;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A lock of some name.
#[derive(Debug, Default)]
pub(super) struct Lock {
    holder: Option<u64>,
    waiting: VecDeque<(u64, Option<Waker>)>,
}

/// Holds a lock until it is dropped, unless it was stolen.
pub struct Held {
    world: Rc<Inner>,
    name: String,
    number: u64,
}

/// Waits for a lock until it is dropped.
pub(super) struct Acquisition {
    world: Rc<Inner>,
    name: String,
    number: u64,
    is_held: bool,
}

impl Lock {
    fn serve(&mut self) {
        if self.holder.is_none()
            && let Some((_, Some(waker))) = self.waiting.front()
        {
            waker.wake_by_ref();
        }
    }
}

impl Acquisition {
    pub(super) fn begin(world: &Rc<Inner>, name: &str) -> Self {
        let number = world.subscription_id();
        world.locks.borrow_mut().entry(name.into()).or_default().waiting.push_back((number, None));
        Self { world: world.clone(), name: name.into(), number, is_held: false }
    }
}

impl Future for Acquisition {
    type Output = Held;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Held> {
        let (world, name, number) = (self.world.clone(), self.name.clone(), self.number);
        let mut locks = world.locks.borrow_mut();
        let lock = locks.entry(name.clone()).or_default();
        if lock.holder.is_none() && lock.waiting.front().is_some_and(|(first, _)| *first == number) {
            lock.waiting.pop_front();
            lock.holder = Some(number);
            self.is_held = true;
            drop(locks);
            return Poll::Ready(Held { world, name, number });
        }
        for (_, waker) in lock.waiting.iter_mut().filter(|(other, _)| *other == number) {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Acquisition {
    fn drop(&mut self) {
        if !self.is_held
            && let Some(lock) = self.world.locks.borrow_mut().get_mut(&self.name)
        {
            lock.waiting.retain(|(other, _)| *other != self.number);
            lock.serve();
        }
    }
}

impl Held {
    /// The lock, if nobody holds it or waits for it.
    pub(super) fn at_once(world: &Rc<Inner>, name: &str) -> Option<Self> {
        let mut locks = world.locks.borrow_mut();
        let lock = locks.entry(name.into()).or_default();
        (lock.holder.is_none() && lock.waiting.is_empty()).then(|| {
            let number = world.subscription_id();
            lock.holder = Some(number);
            Self { world: world.clone(), name: name.into(), number }
        })
    }

    /// The lock, whoever holds it.
    pub(super) fn stolen(world: &Rc<Inner>, name: &str) -> Self {
        let number = world.subscription_id();
        world.locks.borrow_mut().entry(name.into()).or_default().holder = Some(number);
        Self { world: world.clone(), name: name.into(), number }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(lock) = self.world.locks.borrow_mut().get_mut(&self.name).filter(|lock| lock.holder == Some(self.number)) {
            lock.holder = None;
            lock.serve();
        }
    }
}
