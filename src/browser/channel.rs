//! `BroadcastChannel`. Where there is none, the tabs do not hear one another, and each learns from the disk.

use crate::platform::Channel;
use gloo_events::EventListener;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

/// The channel between the tabs that share a database.
#[derive(Debug)]
pub struct BroadcastChannels {
    // One end for both directions: a tab does not hear what it posts on the end that it listens on.
    end: Option<BroadcastChannel>,
}

impl BroadcastChannels {
    /// The channel of the database of that name.
    pub fn new(database: &str) -> Self {
        Self { end: BroadcastChannel::new(&format!("steadfast:{database}")).ok() }
    }
}

impl Channel for BroadcastChannels {
    type Subscription = Option<EventListener>;

    fn post(&self, message: &str) {
        if let Some(end) = &self.end {
            // It fails only when it is closed, and then nobody waits.
            let _: Result<(), JsValue> = end.post_message(&JsValue::from_str(message));
        }
    }

    fn subscribe(&self, listener: Box<dyn Fn(&str)>) -> Self::Subscription {
        self.end.as_ref().map(|end| {
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
        if let Some(end) = &self.end {
            end.close();
        }
    }
}
