//! An `IDBRequest` as a future. It wakes within the request's event, while the transaction is still active.

use crate::browser::global::describe;
use crate::platform::{StoreError, StoreErrorKind};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DomException, Event, IdbRequest};

/// Something that happens once, in a JavaScript event.
#[derive(Debug, Default)]
pub(super) struct Once<T> {
    state: Rc<RefCell<(Option<T>, Option<Waker>)>>,
}

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl<T> Once<T> {
    pub(super) fn new() -> Self {
        Self { state: Rc::new(RefCell::new((None, None))) }
    }

    /// It has happened. What happens after that is ignored.
    pub(super) fn happen(&self, value: T) {
        let waker = {
            let mut state = self.state.borrow_mut();
            state.0.get_or_insert(value);
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Once<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.state.borrow_mut();
        if let Some(value) = state.0.take() {
            return Poll::Ready(value);
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

/// The closures of a request, detached when it is dropped: an event must not call what is gone.
struct Handlers<'a> {
    request: &'a IdbRequest,
    _closures: [Closure<dyn FnMut(Event)>; 2],
}

impl Drop for Handlers<'_> {
    fn drop(&mut self) {
        self.request.set_onsuccess(None);
        self.request.set_onerror(None);
    }
}

/// The result of a request.
pub(super) async fn result_of(request: &IdbRequest, operation: &'static str) -> Result<JsValue, StoreError> {
    let outcome = Once::new();
    let (succeeded, failed) = (outcome.clone(), outcome.clone());
    let on_success = Closure::new(move |_: Event| succeeded.happen(true));
    let on_error = Closure::new(move |event: Event| {
        // Handled here: it must not surface as an error of the page as well.
        event.stop_propagation();
        failed.happen(false);
    });
    request.set_onsuccess(Some(on_success.as_ref().unchecked_ref()));
    request.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    let handlers = Handlers { request, _closures: [on_success, on_error] };
    let succeeded = outcome.await;
    drop(handlers);
    if succeeded {
        return request.result().map_err(|thrown| store_error(operation, &thrown));
    }
    match request.error() {
        Ok(Some(error)) => Err(store_error(operation, &error)),
        _ => Err(StoreError::new(StoreErrorKind::Failed, operation, "the request failed without a reason")),
    }
}

/// What IndexedDB threw, or gave as the reason for an abort.
pub(super) fn store_error(operation: &'static str, thrown: &JsValue) -> StoreError {
    let name = thrown.dyn_ref::<DomException>().map(DomException::name).unwrap_or_default();
    let kind = match name.as_str() {
        "QuotaExceededError" => StoreErrorKind::QuotaExceeded,
        "InvalidStateError" => StoreErrorKind::Closed,
        "SecurityError" | "NotSupportedError" => StoreErrorKind::Unavailable,
        "DataCloneError" | "VersionError" => StoreErrorKind::Unreadable,
        _ => StoreErrorKind::Failed,
    };
    StoreError::new(kind, operation, describe(thrown))
}
