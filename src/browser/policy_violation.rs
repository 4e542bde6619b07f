//! What the page's content security policy forbids, as the browser reports it.

use super::{BrowserClock, global};
use crate::platform::Clock as _;
use gloo_events::EventListener;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::EventTarget;

/// The URLs that were forbidden since this began to listen.
#[derive(Debug)]
pub(super) struct PolicyViolations {
    urls: Rc<RefCell<Vec<String>>>,
    listener: Option<EventListener>,
}

impl PolicyViolations {
    /// Listens until it is dropped.
    pub(super) fn listen() -> Self {
        let urls = Rc::<RefCell<Vec<String>>>::default();
        let heard = urls.clone();
        // Not every global object is an event target: Node's is none.
        let listener = global::member::<JsValue>("addEventListener").map(|_| {
            let scope: EventTarget = js_sys::global().unchecked_into();
            EventListener::new(&scope, "securitypolicyviolation", move |event| {
                let text = |name| global::property::<JsValue>(event, name).and_then(|value| value.as_string());
                // A policy that only reports lets the request out.
                if text("disposition").as_deref() != Some("report") {
                    heard.borrow_mut().extend(text("blockedURI"));
                }
            })
        });
        Self { urls, listener }
    }

    /// Whether that URL is one of them. The report is a task of its own, which may come after the failure.
    pub(super) async fn include(self, url: &str) -> bool {
        if self.listener.is_none() {
            return false;
        }
        BrowserClock::new().sleep(Duration::ZERO).await;
        let address = url.split('#').next().unwrap_or(url);
        self.urls.borrow().iter().any(|forbidden| forbidden == address)
    }
}
