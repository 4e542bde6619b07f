//! Web Locks. Where there are none (an insecure context), each tab drains on its own word, and the epoch in every
//! transaction of a drain keeps the books right.

use super::global;
use crate::platform::Locks;
use futures_channel::oneshot;
use futures_util::future::select;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;

#[wasm_bindgen]
extern "C" {
    /// `navigator.locks`, which web-sys has only under its flag for unstable interfaces.
    type LockManager;
    #[wasm_bindgen(method)]
    fn request(this: &LockManager, name: &str, options: &Object, callback: &Function) -> Promise;
}

/// The origin's locks.
#[derive(Debug, Clone, Copy)]
pub struct WebLocks;

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct WebLock {
    release: Option<Function>,
}

impl Drop for WebLock {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            let _: Result<JsValue, JsValue> = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Withdraws a request for a lock that is no longer awaited.
struct Withdrawal(Option<AbortController>);

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

impl Locks for WebLocks {
    type Guard = WebLock;

    async fn acquire(&self, name: &str) -> WebLock {
        let manager = global::member::<JsValue>("navigator")
            .and_then(|navigator| global::property::<JsValue>(&navigator, "locks"))
            .map(JsCast::unchecked_into::<LockManager>);
        let (Some(manager), Ok(controller)) = (manager, AbortController::new()) else { return WebLock { release: None } };
        let options = Object::new();
        let _: Result<bool, JsValue> = Reflect::set(&options, &JsValue::from_str("signal"), &controller.signal());
        let mut release = None;
        let held = Promise::new(&mut |resolve, _| release = Some(resolve));
        let (grant, granted) = oneshot::channel();
        let callback = Closure::once_into_js(move |_lock: JsValue| -> JsValue {
            // Whoever asked may be gone by now; then nobody would ever release it.
            if grant.send(()).is_ok() { held.into() } else { JsValue::UNDEFINED }
        });
        let mut withdrawal = Withdrawal(Some(controller));
        let request = manager.request(name, &options, callback.unchecked_ref());
        let (refuse, refused) = oneshot::channel();
        // The promise rejects when locks are not to be had here, as in a sandboxed frame, or when the request is withdrawn.
        wasm_bindgen_futures::spawn_local(async move {
            if JsFuture::from(request).await.is_err() {
                // Nobody listens if it was withdrawn.
                let _: Result<(), ()> = refuse.send(());
            }
        });
        let guard = WebLock { release };
        // Refused or not, the drain goes on: without the lock the epoch has to do.
        drop(select(granted, refused).await);
        withdrawal.0 = None;
        guard
    }
}
