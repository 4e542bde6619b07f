//! Web Locks. Where there are none (an insecure context), each tab drains on its own word, and the epoch in every
//! transaction of a drain keeps the books right.

use super::global;
use crate::platform::Locks;
use futures_channel::oneshot;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
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
        // The promise rejects when the request is withdrawn; what it says then is of no interest to anyone.
        wasm_bindgen_futures::spawn_local(async move {
            let _: Result<JsValue, JsValue> = wasm_bindgen_futures::JsFuture::from(request).await;
        });
        let guard = WebLock { release };
        // An error means that locks are not to be had here, as in a sandboxed frame: the epoch has to do.
        let _: Result<(), oneshot::Canceled> = granted.await;
        withdrawal.0 = None;
        guard
    }
}
