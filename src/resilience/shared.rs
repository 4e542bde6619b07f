//! What the tabs of an origin tell one another of the services they call: until when each wants to be left alone, and until when
//! its circuit is open. Only what a server has said or done is shared, never what may be the network of this device.
//!
//! Written down where it outlives the page, so that a reload does not ask earlier either, and posted to those who are there.

use crate::platform::{Channel, KeyValue, Platform};
use crate::policy::gate::LONGEST_HONOURED_HINT;
use crate::time::{WallTime, milliseconds};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where it is written down.
const KEY: &str = "services";
/// The most services that are written down; those that are of use for the shortest time go first.
const MOST_SHARED: usize = 32;

/// The shared state of one service, by the wall clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SharedService {
    since: WallTime,
    open_for_ms: u64,
    /// How often in a row its circuit has opened.
    pub opens: u32,
    paused_for_ms: u64,
    /// Whether this is the news that its circuit has closed again.
    pub has_recovered: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    scope: String,
    service: String,
    state: SharedService,
}

impl SharedService {
    /// The state at that moment. An `open_for` of zero means that the circuit is not open.
    pub fn new(since: WallTime, open_for: Duration, opens: u32, paused_for: Duration) -> Self {
        let (open_for_ms, paused_for_ms) = (milliseconds(open_for), milliseconds(paused_for));
        Self { since, open_for_ms, opens, paused_for_ms, has_recovered: false }
    }

    /// How long the circuit stays open.
    pub fn open_left(&self, now: WallTime) -> Duration {
        self.left(self.open_for_ms, now)
    }

    /// How long the service still wants to be left alone.
    pub fn pause_left(&self, now: WallTime) -> Duration {
        self.left(self.paused_for_ms, now)
    }

    /// Whether it is, by this clock, of a moment that has not come yet: the clock was set back since.
    pub fn is_ahead_of(&self, now: WallTime) -> bool {
        now < self.since
    }

    /// What is left of a wait. A wall clock that was set back does not prolong it beyond the wait first named.
    fn left(&self, whole_ms: u64, now: WallTime) -> Duration {
        let whole = Duration::from_millis(whole_ms).min(LONGEST_HONOURED_HINT);
        whole.saturating_sub(now.since(self.since))
    }
}

/// Writes the state of a service down, and gives what is written down then.
pub fn write<P: Platform>(platform: &P, service: &str, state: SharedService) -> Option<String> {
    let mut all = read(platform).as_deref().map(parse).unwrap_or_default();
    all.insert(service.into(), state);
    while all.len() > MOST_SHARED {
        let least = all.iter().min_by_key(|(_, state)| state.since.after(state.longest())).map(|(key, _)| key.clone());
        least.and_then(|key| all.remove(&key));
    }
    let text = serde_json::to_string(&all).ok()?;
    platform.key_value().write(KEY, &text);
    Some(text)
}

/// Tells the other tabs.
pub fn post<P: Platform>(platform: &P, scope: &str, service: &str, state: SharedService) {
    if let Ok(text) = serde_json::to_string(&Message { scope: scope.into(), service: service.into(), state }) {
        platform.channel().post(&text);
    }
}

/// What is written down.
pub fn read<P: Platform>(platform: &P) -> Option<String> {
    platform.key_value().read(KEY)
}

/// What that means. What cannot be read is nothing.
pub fn parse(text: &str) -> BTreeMap<String, SharedService> {
    serde_json::from_str(text).unwrap_or_default()
}

/// The message of another tab, if it is one about these services.
pub fn heard(scope: &str, message: &str) -> Option<(String, SharedService)> {
    let message: Message = serde_json::from_str(message).ok()?;
    (message.scope == scope).then_some((message.service, message.state))
}

impl SharedService {
    fn longest(&self) -> Duration {
        Duration::from_millis(self.open_for_ms.max(self.paused_for_ms))
    }
}
