//! One `setTimeout` for all waits.
//!
//! Most waits are deadlines of calls that succeed long before: with a timer each, such a call pays for setting one, for clearing it,
//! and for a closure between them. Here it pays for an entry in a queue. The timer is armed for the earliest wait; one that is
//! dropped leaves the timer as it is, which finds nothing to do when it fires and is armed for the next.

use js_sys::Function;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

/// The longest that `setTimeout` can wait, in milliseconds: beyond it fires at once (HTML, "timer initialization steps": a `long`).
const LONGEST_TIMEOUT: u64 = i32::MAX as u64;

/// By how many microseconds a timer may come early by the other clock: both are rounded, each in its way.
const ROUNDING: u64 = 2_000;

/// After how many microseconds a timer that has not fired is set anew when the next wait begins: it may have been a test's, whose
/// timers are gone.
const PATIENCE: u64 = 1_000_000;

#[wasm_bindgen]
extern "C" {
    // Looked up at each call: a test may have put clocks of its own there.
    #[wasm_bindgen(js_namespace = performance, js_name = now, catch)]
    fn performance_now() -> Result<f64, JsValue>;
    #[wasm_bindgen(js_name = setTimeout, catch)]
    fn set_timeout(callback: &Function, delay: i32, id: u32) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = clearTimeout, catch)]
    fn clear_timeout(handle: &JsValue) -> Result<(), JsValue>;

    /// What `setTimeout` gives in Node, where a timer keeps the process alive. In browsers it is a number.
    type NodeTimeout;
    #[wasm_bindgen(method, catch, js_name = ref)]
    fn keep_process(this: &NodeTimeout) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = unref)]
    fn let_process_end(this: &NodeTimeout) -> Result<JsValue, JsValue>;
}

/// The monotonic clock, in microseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and a clock that is no number stands at 0"
)]
pub(super) fn microseconds() -> u64 {
    (performance_now().unwrap_or_else(|_| js_sys::Date::now()) * 1000.0) as u64
}

/// When a wait ends, and which of those that end then it is: the one that began first ends first.
type Place = (u64, u32);

/// The timer, and who waits for it.
pub(super) struct Timer {
    state: RefCell<State>,
    fire: Closure<dyn Fn(JsValue)>,
}

#[derive(Default)]
struct State {
    /// In the order of their places. Most begin behind all others, and end among the first: a queue is smaller and faster than a map.
    waits: VecDeque<(Place, Waker)>,
    armed: Option<Armed>,
    last_id: u32,
    /// By how much the timers' clock was found to be ahead of the one that can be read.
    ahead: u64,
}

/// A `setTimeout` that has not fired yet.
struct Armed {
    id: u32,
    due: u64,
    handle: JsValue,
    /// Whether the process would go on for it: in Node, while anybody waits.
    keeps_process: bool,
    /// Whether it makes up for one that came early.
    is_repeated: bool,
}

impl State {
    fn now(&self) -> u64 {
        microseconds().saturating_add(self.ahead)
    }

    /// Where a wait is, or where it would be.
    fn index(&self, place: Place) -> Result<usize, usize> {
        self.waits.binary_search_by_key(&place, |(place, _)| *place)
    }

    fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }
}

impl Timer {
    pub(super) fn new() -> Rc<Self> {
        Rc::new_cyclic(|timer| {
            let timer = timer.clone();
            let fire = Closure::new(move |id: JsValue| {
                if let Some(timer) = timer.upgrade() {
                    Self::fire(&timer, id.as_f64());
                }
            });
            Self { state: RefCell::default(), fire }
        })
    }

    /// A wait of so many milliseconds, from when it is first polled.
    pub(super) fn wait(&self, milliseconds: u64) -> Wait<'_> {
        Wait { timer: self, milliseconds, place: None }
    }

    fn begin(&self, milliseconds: u64, waker: &Waker) -> Place {
        let mut state = self.state.borrow_mut();
        let now = state.now();
        let due = now.saturating_add(milliseconds.saturating_mul(1000));
        let place = (due, state.next_id());
        let is_only = state.waits.is_empty();
        let index = state.index(place).unwrap_or_else(|index| index);
        state.waits.insert(index, (place, waker.clone()));
        let is_armed = state.armed.as_ref().is_some_and(|armed| armed.due <= due && now <= armed.due.saturating_add(PATIENCE));
        drop(state);
        if !is_armed {
            self.arm(None);
        } else if is_only {
            self.keep_process(true);
        }
        place
    }

    /// Sets the timer for the earliest wait; for none if nobody waits. `missed` is the moment before which the last one came.
    fn arm(&self, missed: Option<u64>) {
        // Never borrowed while JavaScript is called: a stand-in for `setTimeout` may call back at once.
        let mut state = self.state.borrow_mut();
        let Some(&((due, _), _)) = state.waits.front() else { return };
        let now = state.now();
        let is_repeated = missed.is_some_and(|missed| due <= missed);
        // A millisecond more than it seems: one that comes early again does not come so by rounding.
        let delay = due.saturating_sub(now).div_ceil(1000).saturating_add(is_repeated.into()).min(LONGEST_TIMEOUT);
        let due = due.min(now.saturating_add(delay.saturating_mul(1000)));
        let id = state.next_id();
        let armed = Armed { id, due, handle: JsValue::UNDEFINED, keeps_process: true, is_repeated };
        let replaced = state.armed.replace(armed);
        drop(state);
        disarm(replaced);
        let handle = set_timeout(self.fire.as_ref().unchecked_ref(), i32::try_from(delay).unwrap_or(i32::MAX), id);
        let mut state = self.state.borrow_mut();
        if let Some(armed) = state.armed.as_mut().filter(|armed| armed.id == id) {
            match handle {
                Ok(handle) => armed.handle = handle,
                Err(_) => state.armed = None,
            }
        }
    }

    /// `id` is that of the timer, unless a stand-in for `setTimeout` passes no arguments on.
    #[expect(clippy::float_cmp, reason = "whole numbers")]
    fn fire(&self, id: Option<f64>) {
        let mut state = self.state.borrow_mut();
        // Another one could not be cleared: it was set by a test's stand-in, which is gone, or before there was one.
        let Some(armed) = state.armed.take_if(|armed| id.is_none_or(|id| id == f64::from(armed.id))) else { return };
        let mut now = state.now();
        let early = armed.due.saturating_sub(now);
        let is_rounded = early > 0 && early <= ROUNDING && !armed.is_repeated;
        if early > 0 && !is_rounded {
            // The clock that can be read is coarser than that (Firefox, resisting fingerprinting), or stands still, or one of
            // the two is a test's. A timer never comes early by its own, and that is the one that all waits go by.
            state.ahead = state.ahead.saturating_add(early);
            now = armed.due;
        }
        let count = state.waits.partition_point(|((due, _), _)| *due <= now);
        let due: Vec<_> = state.waits.drain(..count).collect();
        drop(state);
        self.arm(is_rounded.then_some(armed.due));
        for (_, waker) in due {
            waker.wake();
        }
    }

    fn end(&self, place: Place) {
        let mut state = self.state.borrow_mut();
        // Dropped only after the borrow: it may take a task with it that waits, too.
        let removed = state.index(place).ok().and_then(|index| state.waits.remove(index));
        let was_last = removed.is_some() && state.waits.is_empty();
        drop(state);
        if was_last {
            self.keep_process(false);
        }
    }

    fn keep_process(&self, keep: bool) {
        let mut state = self.state.borrow_mut();
        let Some(armed) = state.armed.as_mut().filter(|armed| armed.keeps_process != keep) else { return };
        armed.keeps_process = keep;
        if !armed.handle.is_object() {
            return;
        }
        let handle: NodeTimeout = armed.handle.clone().unchecked_into();
        drop(state);
        // A stand-in may have neither.
        let _: Result<JsValue, JsValue> = if keep { handle.keep_process() } else { handle.let_process_end() };
    }
}

fn disarm(armed: Option<Armed>) {
    if let Some(armed) = armed {
        // It fails only where timers are a test's, and then it is the test's own.
        let _: Result<(), JsValue> = clear_timeout(&armed.handle);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        disarm(self.state.get_mut().armed.take());
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Timer").finish_non_exhaustive()
    }
}

/// Ends when its time has come, never earlier; dropping it ends the wait.
pub(super) struct Wait<'a> {
    timer: &'a Timer,
    milliseconds: u64,
    place: Option<Place>,
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let place = match self.place {
            Some(place) => place,
            None => self.timer.begin(self.milliseconds, context.waker()),
        };
        self.place = Some(place);
        let mut state = self.timer.state.borrow_mut();
        let index = state.index(place);
        let Some((_, waker)) = index.ok().and_then(|index| state.waits.get_mut(index)) else { return Poll::Ready(()) };
        if !waker.will_wake(context.waker()) {
            let replaced = mem::replace(waker, context.waker().clone());
            drop(state);
            drop(replaced);
        }
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.timer.end(place);
        }
    }
}
