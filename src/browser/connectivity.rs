//! `navigator.onLine`, and the events that may mean a good moment to sync.

use super::global;
use crate::platform::{Connectivity, ConnectivityChange};
use gloo_events::EventListener;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, EventTarget, Navigator, PageTransitionEvent, VisibilityState};

/// What the page knows of itself and of the network.
#[derive(Debug, Clone, Copy)]
pub struct PageConnectivity;

impl Connectivity for PageConnectivity {
    type Subscription = Vec<EventListener>;

    fn online(&self) -> bool {
        global::member::<JsValue>("navigator").is_none_or(|navigator| navigator.unchecked_into::<Navigator>().on_line())
    }

    fn subscribe(&self, listener: Box<dyn Fn(ConnectivityChange)>) -> Self::Subscription {
        // Not every global object is an event target: Node's is none.
        if global::member::<JsValue>("addEventListener").is_none() {
            return vec![];
        }
        let listener: Rc<dyn Fn(ConnectivityChange)> = listener.into();
        let scope: EventTarget = js_sys::global().unchecked_into();
        let tell = |change| {
            let listener = listener.clone();
            move |_: &web_sys::Event| listener(change)
        };
        let mut subscription = vec![
            EventListener::new(&scope, "online", tell(ConnectivityChange::Online)),
            EventListener::new(&scope, "offline", tell(ConnectivityChange::Offline)),
        ];
        let shown = listener.clone();
        subscription.push(EventListener::new(&scope, "pageshow", move |event| {
            // Only a page that comes back from the back/forward cache: a new one is opening just now anyway.
            if event.dyn_ref::<PageTransitionEvent>().is_some_and(PageTransitionEvent::persisted) {
                shown(ConnectivityChange::Visible);
            }
        }));
        if let Some(document) = global::member::<Document>("document") {
            let observed = document.clone();
            subscription.push(EventListener::new(&document, "visibilitychange", move |_| {
                if observed.visibility_state() == VisibilityState::Visible {
                    listener(ConnectivityChange::Visible);
                }
            }));
        }
        subscription
    }
}
