//! `navigator.onLine`, and what the browser tells of the page and of the network: events that may mean a good moment to look.

use super::global;
use crate::platform::{Connectivity, ConnectivityChange};
use gloo_events::EventListener;
use js_sys::Function;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, EventTarget, Navigator, PageTransitionEvent, VisibilityState};

/// What the page knows of itself and of the network.
#[derive(Debug, Clone, Copy)]
pub struct PageConnectivity;

type Listener = Rc<dyn Fn(ConnectivityChange)>;

impl Connectivity for PageConnectivity {
    type Subscription = Vec<EventListener>;

    fn online(&self) -> bool {
        global::member::<JsValue>("navigator").is_none_or(|navigator| {
            // Node's navigator says nothing of it.
            global::property::<JsValue>(&navigator, "onLine").is_none_or(|_| navigator.unchecked_into::<Navigator>().on_line())
        })
    }

    fn visible(&self) -> bool {
        global::member::<Document>("document").is_none_or(|document| document.visibility_state() != VisibilityState::Hidden)
    }

    fn subscribe(&self, listener: Box<dyn Fn(ConnectivityChange)>) -> Self::Subscription {
        let listener: Listener = listener.into();
        let mut subscription = vec![];
        // Not every global object is an event target: Node's is none.
        if global::member::<JsValue>("addEventListener").is_some() {
            let scope: EventTarget = js_sys::global().unchecked_into();
            subscription.push(tell(&scope, "online", &listener, ConnectivityChange::Online));
            subscription.push(tell(&scope, "offline", &listener, ConnectivityChange::Offline));
            let shown = listener.clone();
            subscription.push(EventListener::new(&scope, "pageshow", move |event| {
                // Only a page that comes back from the back/forward cache: a new one is opening just now anyway.
                if is_persisted(event) {
                    shown(ConnectivityChange::Resumed);
                    shown(ConnectivityChange::Visible);
                }
            }));
            let hidden = listener.clone();
            subscription.push(EventListener::new(&scope, "pagehide", move |event| {
                // Into the back/forward cache, where it keeps what it holds.
                if is_persisted(event) {
                    hidden(ConnectivityChange::Frozen);
                }
            }));
        }
        if let Some(document) = global::member::<Document>("document").filter(is_event_target) {
            let (page, shown) = (PageConnectivity, listener.clone());
            subscription.push(EventListener::new(&document, "visibilitychange", move |_| {
                shown(if page.visible() { ConnectivityChange::Visible } else { ConnectivityChange::Hidden });
            }));
            // Page Lifecycle: a frozen page runs no timers.
            // First, so that nothing is begun any more: tasks run between the listeners.
            subscription.push(tell(&document, "freeze", &listener, ConnectivityChange::Frozen));
            subscription.push(tell(&document, "freeze", &listener, ConnectivityChange::Hidden));
            let resumed = listener.clone();
            subscription.push(EventListener::new(&document, "resume", move |_| {
                resumed(ConnectivityChange::Resumed);
                // A page may go on in the background.
                if PageConnectivity.visible() {
                    resumed(ConnectivityChange::Visible);
                }
            }));
        }
        subscription.extend(other_networks(listener));
        subscription
    }
}

fn is_persisted(event: &web_sys::Event) -> bool {
    event.dyn_ref::<PageTransitionEvent>().is_some_and(PageTransitionEvent::persisted)
}

fn tell(target: &EventTarget, event: &'static str, listener: &Listener, change: ConnectivityChange) -> EventListener {
    let listener = listener.clone();
    EventListener::new(target, event, move |_| listener(change))
}

fn is_event_target(object: &Document) -> bool {
    global::property::<Function>(object, "addEventListener").is_some()
}

/// Hears when the device changes from one kind of network to another, where the browser tells (Network Information API). Its
/// `change` also comes with each new estimate of the bandwidth, which is no news here.
fn other_networks(listener: Listener) -> Option<EventListener> {
    let navigator = global::member::<JsValue>("navigator")?;
    let connection = global::property::<EventTarget>(&navigator, "connection")?;
    global::property::<Function>(&connection, "addEventListener")?;
    let kind_of = |connection: &JsValue| global::property::<JsValue>(connection, "type").and_then(|kind| kind.as_string());
    let known = RefCell::new(kind_of(&connection));
    let observed = connection.clone();
    Some(EventListener::new(&connection, "change", move |_| {
        let kind = kind_of(&observed);
        if known.replace(kind.clone()) != kind {
            listener(ConnectivityChange::NetworkChanged);
        }
    }))
}
