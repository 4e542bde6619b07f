//! `BroadcastChannel`. Where there is none, the tabs do not hear one another, and each learns from the disk.

use crate::platform::Channel;
use gloo_events::EventListener;
use std::cell::OnceCell;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

/// The channel between the tabs that share a database.
#[derive(Debug)]
pub struct BroadcastChannels {
    name: String,
    // One end for both directions: a tab does not hear what it posts on the end that it listens on. Opened when it is first
    // needed: an open one keeps a page out of the back/forward cache in some browsers, and a process alive in Node.
    end: OnceCell<Option<BroadcastChannel>>,
}

impl BroadcastChannels {
    /// The channel of the database of that name.
    pub fn new(database: &str) -> Self {
        Self { name: format!("steadfast:{database}"), end: OnceCell::new() }
    }

    fn end(&self) -> Option<&BroadcastChannel> {
        self.end.get_or_init(|| BroadcastChannel::new(&self.name).ok()).as_ref()
    }
}

impl Channel for BroadcastChannels {
    type Subscription = Option<EventListener>;

    fn post(&self, message: &str) {
        if let Some(end) = self.end() {
            // It fails only when it is closed, and then nobody waits.
            let _: Result<(), JsValue> = end.post_message(&JsValue::from_str(message));
        }
    }

    fn subscribe(&self, listener: Box<dyn Fn(&str)>) -> Self::Subscription {
        self.end().map(|end| {
            EventListener::new(end, "message", move |event| {
                if let Some(text) = event.dyn_ref::<MessageEvent>().and_then(|event| event.data().as_string()) {
                    listener(&text);
                }
            })
        })
    }
}

impl Drop for BroadcastChannels {
    fn drop(&mut self) {
        if let Some(Some(end)) = self.end.get() {
            end.close();
        }
    }
}
