//! Web Locks. Where there are none (an insecure context), each tab drains on its own word, and the epoch in every
//! transaction of a drain keeps the books right.

use super::global;
use crate::platform::Locks;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
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
    #[wasm_bindgen(method, catch)]
    fn request(this: &LockManager, name: &str, options: &Object, callback: &Function) -> Result<Promise, JsValue>;
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
        let Ok(controller) = AbortController::new() else { return WebLock { release: None } };
        let options = option("signal", &controller.signal());
        let mut withdrawal = Withdrawal(Some(controller));
        let guard = request(name, &options).await.unwrap_or(WebLock { release: None });
        withdrawal.0 = None;
        guard
    }

    async fn try_acquire(&self, name: &str) -> Option<WebLock> {
        // Nothing to withdraw: it is answered at once, and the two options exclude each other.
        request(name, &option("ifAvailable", &JsValue::TRUE)).await
    }

    fn exclude(&self) -> bool {
        manager().is_some()
    }

    async fn steal(&self, name: &str) -> WebLock {
        request(name, &option("steal", &JsValue::TRUE)).await.unwrap_or(WebLock { release: None })
    }
}

fn option(name: &str, value: &JsValue) -> Object {
    let options = Object::new();
    let _: Result<bool, JsValue> = Reflect::set(&options, &JsValue::from_str(name), value);
    options
}

fn manager() -> Option<LockManager> {
    let navigator = global::member::<JsValue>("navigator")?;
    global::property::<JsValue>(&navigator, "locks").map(JsCast::unchecked_into)
}

/// The lock; `None` if another holds it and it was asked for only if it is free. Refused or missing, it is granted: without
/// the lock the epoch has to do.
async fn request(name: &str, options: &Object) -> Option<WebLock> {
    const UNLOCKED: Option<WebLock> = Some(WebLock { release: None });
    let Some(manager) = manager() else { return UNLOCKED };
    let mut release = None;
    let held = Promise::new(&mut |resolve, _| release = Some(resolve));
    // Released when nobody waits for it any longer, too.
    let guard = WebLock { release };
    let (grant, granted) = oneshot::channel();
    let callback = Closure::once_into_js(move |lock: JsValue| -> JsValue {
        let is_granted = !lock.is_null();
        // Whoever asked may be gone by now; then nobody would ever release it.
        if grant.send(is_granted).is_ok() && is_granted { held.into() } else { JsValue::UNDEFINED }
    });
    let Ok(request) = manager.request(name, options, callback.unchecked_ref()) else { return UNLOCKED };
    let (refuse, refused) = oneshot::channel();
    // The promise rejects when locks are not to be had here, as in a sandboxed frame, or when the request is withdrawn.
    wasm_bindgen_futures::spawn_local(async move {
        if JsFuture::from(request).await.is_err() {
            // Nobody listens if it was withdrawn.
            let _: Result<(), ()> = refuse.send(());
        }
    });
    match select(granted, refused).await {
        Either::Left((Ok(false), _)) => None,
        _ => Some(guard),
    }
}
