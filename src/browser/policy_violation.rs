//! What the page's content security policy forbids, as the browser reports it.

use super::{BrowserClock, global};
use crate::platform::Clock as _;
use gloo_events::EventListener;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::EventTarget;

/// The most reports that are remembered: a page that forbids what it asks for may do so for ever.
const MOST_REPORTS: usize = 64;

thread_local! {
    // One listener for all requests, for as long as the scope lives: one for each would cost each of them as much as its deadline.
    static REPORTS: Reports = Reports::listen();
}

/// The URLs that were forbidden, the latest last, each with its number.
#[derive(Debug, Default)]
struct Heard {
    count: u64,
    urls: VecDeque<(u64, String)>,
}

struct Reports {
    heard: Rc<RefCell<Heard>>,
    listener: Option<EventListener>,
}

impl Reports {
    fn listen() -> Self {
        let heard = Rc::<RefCell<Heard>>::default();
        let listening = heard.clone();
        // Not every global object is an event target: Node's is none.
        let listener = global::member::<JsValue>("addEventListener").map(|_| {
            let scope: EventTarget = js_sys::global().unchecked_into();
            EventListener::new(&scope, "securitypolicyviolation", move |event| {
                let text = |name| global::property::<JsValue>(event, name).and_then(|value| value.as_string());
                // A policy that only reports lets the request out.
                if text("disposition").as_deref() == Some("report") {
                    return;
                }
                if let Some(url) = text("blockedURI") {
                    let mut heard = listening.borrow_mut();
                    heard.count += 1;
                    let number = heard.count;
                    heard.urls.push_back((number, url));
                    if heard.urls.len() > MOST_REPORTS {
                        heard.urls.pop_front();
                    }
                }
            })
        });
        Self { heard, listener }
    }
}

/// The URLs that were forbidden since this began to listen.
#[derive(Debug, Clone, Copy)]
pub(super) struct PolicyViolations {
    /// How many were reported before.
    before: u64,
}

impl PolicyViolations {
    /// Listens from now on.
    pub(super) fn listen() -> Self {
        Self { before: REPORTS.with(|reports| reports.heard.borrow().count) }
    }

    /// Whether that URL is one of them. The report is a task of its own, which may come after the failure.
    pub(super) async fn include(self, url: &str) -> bool {
        if REPORTS.with(|reports| reports.listener.is_none()) {
            return false;
        }
        BrowserClock::new().sleep(Duration::ZERO).await;
        let address = url.split('#').next().unwrap_or(url);
        REPORTS.with(|reports| {
            let heard = reports.heard.borrow();
            heard.urls.iter().any(|(number, forbidden)| *number > self.before && forbidden == address)
        })
    }
}
