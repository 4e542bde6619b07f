//! Hearing what becomes of a transaction: of its reads, and of itself.
//!
//! The requests of a transaction are answered in the order in which they were made (Indexed Database API, "request": each is
//! processed after those before it). So one closure serves all reads, and each of them knows by its number when it is its turn.
//! Writes are not listened to, but for a few: one that fails aborts the transaction.

use super::failure::store_error;
use super::{COMMITTING, PATIENCE, TIMED_OUT};
use crate::browser::BrowserClock;
use crate::browser::timer::microseconds;
use crate::platform::{Clock, StoreError, StoreErrorKind};
use crate::time::milliseconds;
use futures_util::future::LocalBoxFuture;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DomException, Event, IdbRequest, IdbTransaction, IdbTransactionMode};

/// A timer that comes so much later than it was due comes after a freeze of the page, and before the answers of that time.
const LATE: u64 = 1_000_000;
/// How long those answers are waited for.
const GRACE: Duration = Duration::from_secs(2);

/// Which writes are listened to.
const MILESTONE: u32 = 100;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    Aborted,
    TimedOut,
}

/// What is waited for, or what has come instead.
enum Heard {
    Answer,
    End(End),
}

#[derive(Debug, Default)]
struct State {
    /// How many reads were begun.
    asked: Cell<u32>,
    /// How many of them have been answered.
    answered: Cell<u32>,
    end: Cell<Option<End>>,
    /// When something was heard last, or began to be waited for, in microseconds.
    since: Cell<u64>,
    /// How many writes were made.
    written: Cell<u32>,
    /// Why the first request that has failed did so. Not every browser makes that the transaction's own reason (Firefox does not,
    /// when it is being committed already).
    reason: RefCell<Option<DomException>>,
    /// Who waits, and for which answer.
    waiting: RefCell<Vec<(u32, Waker)>>,
}

/// What waits for the end and not for an answer.
const THE_END: u32 = u32::MAX;

impl State {
    fn happened(&self, due: impl Fn(u32) -> bool) {
        // Woken after the borrow: a waker may run its task at once.
        let woken: Vec<_> = self.waiting.borrow_mut().extract_if(.., |(number, _)| due(*number)).collect();
        for (_, waker) in woken {
            waker.wake();
        }
    }

    fn fail(&self, event: &Event) {
        let request = event.target().map(JsCast::unchecked_into::<IdbRequest>);
        let reason = request.and_then(|request| request.error().ok().flatten());
        let mut first = self.reason.borrow_mut();
        *first = first.take().or(reason);
    }

    fn wait(&self, number: u32, waker: &Waker) {
        let mut waiting = self.waiting.borrow_mut();
        match waiting.iter_mut().find(|(own, _)| *own == number) {
            Some((_, own)) if own.will_wake(waker) => {}
            Some((_, own)) => own.clone_from(waker),
            None => waiting.push((number, waker.clone())),
        }
    }
}

/// A transaction that is listened to.
pub(super) struct Listening {
    pub(super) transaction: IdbTransaction,
    state: Rc<State>,
    clock: BrowserClock,
    /// One timer for whatever is waited for, begun when something is. Whoever waits drives it.
    timer: RefCell<Option<(u64, LocalBoxFuture<'static, ()>)>>,
    on_answer: Option<Closure<dyn FnMut(Event)>>,
    _on_end: Closure<dyn FnMut(Event)>,
}

/// How much longer a transaction may take for each row that it writes or deletes, in microseconds. On a slow disk, WebKit takes half of it
/// for each that it deletes.
const PER_WRITE: u64 = 15_000;
/// More rows than this are not expected in a range: it may well be longer than what lies in it.
const MOST_AT_ONCE: u32 = 20_000;

impl Listening {
    pub(super) fn new(transaction: IdbTransaction, clock: BrowserClock) -> Self {
        let state = Rc::<State>::default();
        let (answers, ends) = (state.clone(), state.clone());
        let on_answer = Closure::new(move |_: Event| {
            answers.since.set(microseconds());
            let answered = answers.answered.get();
            answers.answered.set(answered.wrapping_add(1));
            answers.happened(|number| number <= answered);
        });
        let on_end = Closure::new(move |event: Event| {
            // It must not surface as an error of the page as well.
            event.stop_propagation();
            let end = match event.type_().as_str() {
                // WebKit completes a transaction that was told to commit though a write of it has failed since, and keeps the rest.
                "complete" if ends.reason.borrow().is_none() => End::Complete,
                "complete" | "abort" => End::Aborted,
                // A request has failed. The transaction is aborted next.
                _ => return ends.fail(&event),
            };
            ends.end.set(ends.end.get().or(Some(end)));
            ends.happened(|_| true);
        });
        let listener = Some(on_end.as_ref().unchecked_ref());
        transaction.set_oncomplete(listener);
        transaction.set_onabort(listener);
        transaction.set_onerror(listener);
        Self { transaction, state, clock, timer: RefCell::default(), on_answer: Some(on_answer), _on_end: on_end }
    }

    /// What a read will be answered. All that is asked of the transaction and has an answer comes through here, in its order.
    pub(super) fn ask(&self, request: IdbRequest, operation: &'static str) -> Answer<'_> {
        request.set_onsuccess(self.on_answer.as_ref().map(|closure| closure.as_ref().unchecked_ref()));
        let number = self.state.asked.get();
        self.state.asked.set(number.wrapping_add(1));
        Answer { wait: self.until(number), request, operation }
    }

    /// Whether anything was written.
    pub(super) fn has_written(&self) -> bool {
        self.state.written.get() > 0
    }

    /// How many answers were asked for.
    pub(super) fn asked(&self) -> u32 {
        self.state.asked.get()
    }

    /// Resolves when that many have come.
    pub(super) async fn reach(&self, answers: u32) -> Result<(), StoreError> {
        let Some(last) = answers.checked_sub(1) else { return Ok(()) };
        match self.until(last).await {
            Heard::Answer => Ok(()),
            Heard::End(end) => Err(self.failure(end, COMMITTING)),
        }
    }

    /// A write of so many rows. Only that of each hundredth row is listened to, so that it is seen that many of them go on.
    pub(super) fn tell(&self, request: IdbRequest, rows: u64) {
        let before = self.state.written.get();
        let written = before.saturating_add(u32::try_from(rows).unwrap_or(u32::MAX));
        self.state.written.set(written);
        if before / MILESTONE < written / MILESTONE {
            drop(self.ask(request, COMMITTING));
        }
    }

    /// So many rows may be deleted by one request.
    pub(super) fn expect_deletions(&self, most: u64) {
        self.expect_work(most);
    }

    /// What it is asked for may take as long as so many rows.
    pub(super) fn expect_work(&self, most: u64) {
        let most = u32::try_from(most).unwrap_or(u32::MAX).min(MOST_AT_ONCE);
        self.state.written.set(self.state.written.get().saturating_add(most));
    }

    /// Resolves when all of it is on disk.
    pub(super) async fn complete(&self) -> Result<(), StoreError> {
        match self.until(THE_END).await {
            Heard::Answer | Heard::End(End::Complete) => Ok(()),
            Heard::End(end) => Err(self.failure(end, COMMITTING)),
        }
    }

    fn until(&self, number: u32) -> Until<'_> {
        Until { listening: self, number, waits: false }
    }

    /// Why it ended.
    fn failure(&self, end: End, operation: &'static str) -> StoreError {
        if end == End::TimedOut {
            return StoreError::new(StoreErrorKind::TimedOut, operation, TIMED_OUT);
        }
        // That it was aborted is all that a request knows which was only dragged along.
        let own = self.transaction.error().filter(|own| own.name() != "AbortError");
        match own.or_else(|| self.state.reason.borrow().clone()) {
            Some(reason) => store_error(operation, &reason),
            // It is not one of its requests that has failed: the browser has closed the connection.
            None => StoreError::new(StoreErrorKind::Closed, operation, "the browser has aborted the transaction"),
        }
    }

    /// What was thrown; or, if that is only because the transaction has been aborted before, why it was.
    pub(super) fn thrown(&self, operation: &'static str, thrown: &JsValue) -> StoreError {
        match self.state.end.get() {
            Some(end @ (End::Aborted | End::TimedOut)) => self.failure(end, operation),
            _ => store_error(operation, thrown),
        }
    }

    pub(super) fn abort(&self) {
        // It fails if the transaction has ended already.
        let _: Result<(), JsValue> = self.transaction.abort();
    }

    /// Polls the timer; whether it is too late.
    fn is_too_late(&self, context: &mut Context<'_>) -> bool {
        let patience = milliseconds(PATIENCE).saturating_mul(1000);
        // WebKit carries out thousands of writes without a sign of life.
        let patience = patience.saturating_add(u64::from(self.state.written.get()).saturating_mul(PER_WRITE));
        let mut timer = self.timer.borrow_mut();
        loop {
            let (due, sleep) = timer.get_or_insert_with(|| self.sleep(PATIENCE));
            if sleep.as_mut().poll(context).is_pending() {
                return false;
            }
            let (due, now) = (*due, microseconds());
            let left = self.state.since.get().saturating_add(patience).saturating_sub(now);
            let next = if left > 0 {
                Duration::from_micros(left)
            } else if now.saturating_sub(due) > LATE {
                GRACE
            } else {
                *timer = None;
                return true;
            };
            *timer = Some(self.sleep(next));
        }
    }

    fn sleep(&self, duration: Duration) -> (u64, LocalBoxFuture<'static, ()>) {
        let clock = self.clock.clone();
        let due = microseconds().saturating_add(milliseconds(duration).saturating_mul(1000));
        (due, Box::pin(async move { clock.sleep(duration).await }))
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Listening").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if matches!(self.state.end.get(), Some(End::Complete | End::Aborted)) {
            return;
        }
        self.transaction.set_oncomplete(None);
        self.transaction.set_onabort(None);
        self.transaction.set_onerror(None);
        if self.state.asked != self.state.answered
            && let Some(on_answer) = self.on_answer.take()
        {
            // Answers may still come to what is no longer there. JavaScript collects it together with them.
            on_answer.into_js_value();
        }
    }
}

/// Until the read of that number is answered, or the transaction is over.
struct Until<'a> {
    listening: &'a Listening,
    number: u32,
    waits: bool,
}

impl Until<'_> {
    fn is_answered(&self) -> bool {
        self.number < self.listening.state.answered.get()
    }
}

impl Future for Until<'_> {
    type Output = Heard;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Heard> {
        let (listening, number) = (self.listening, self.number);
        if self.is_answered() {
            return Poll::Ready(Heard::Answer);
        }
        if let Some(end) = listening.state.end.get() {
            return Poll::Ready(Heard::End(end));
        }
        if !self.waits {
            self.waits = true;
            listening.state.since.set(microseconds());
        }
        if listening.is_too_late(context) {
            listening.state.end.set(Some(End::TimedOut));
            // What only reads is left in the line: a transaction that stands still before it, in a page that does, is ended by Chromium
            // only while others wait.
            if listening.transaction.mode() != Ok(IdbTransactionMode::Readonly) {
                listening.abort();
            }
            listening.state.happened(|_| true);
            return Poll::Ready(Heard::End(End::TimedOut));
        }
        listening.state.wait(number, context.waker());
        Poll::Pending
    }
}

impl Drop for Until<'_> {
    fn drop(&mut self) {
        if self.waits {
            let state = &self.listening.state;
            state.waiting.borrow_mut().retain(|(number, _)| *number != self.number);
            if !self.is_answered() && state.end.get().is_none() {
                // The timer would have woken this one: another one has to drive it on.
                state.happened(|_| true);
            }
        }
    }
}

/// What a read will be answered.
pub(super) struct Answer<'a> {
    wait: Until<'a>,
    request: IdbRequest,
    operation: &'static str,
}

impl Future for Answer<'_> {
    type Output = Result<JsValue, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let heard = std::task::ready!(Pin::new(&mut self.wait).poll(context));
        let (listening, operation) = (self.wait.listening, self.operation);
        Poll::Ready(match heard {
            Heard::Answer => self.request.result().map_err(|thrown| store_error(operation, &thrown)),
            Heard::End(end) => Err(listening.failure(end, operation)),
        })
    }
}
