//! What the SDK asks of the world it runs in. Everything above is written against these traits and runs unchanged in a
//! browser (`browser`) and in the deterministic simulation that proves its promises (feature `simulation`).
//!
//! All is single-threaded, as the web is: no future here needs to be `Send`.

mod files;
pub mod first_version;
mod http;
mod keys;
mod store;
pub mod tables;
mod texts;

pub use crate::error::network::NetworkFailureKind;
pub use files::{Files, KeptFile};
pub use http::{
    FormValue, Headers, Http, NetworkFailure, OutgoingBody, OutgoingRequest, Progress, RequestSummary, Response, ResponseBody,
};
pub use keys::{DATA_KEY_BYTES, DataKey, Encryption, Keys, OfUsers, new_key_number};
pub use store::{Access, StoreError, StoreErrorKind};
pub use tables::{Durability, Store, Transaction};
pub use texts::Texts;

use crate::event::Event;
use crate::time::{MonotonicTime, WallTime};
use std::future::Future;
use std::time::Duration;

/// The world: one of each of its parts.
pub trait Platform: 'static {
    /// See [`Clock`].
    type Clock: Clock;
    /// See [`Random`].
    type Random: Random;
    /// See [`Http`].
    type Http: Http<File = <Self::Store as Files>::File>;
    /// See [`Store`] and [`Files`].
    type Store: Store + Files;
    /// See [`KeyValue`].
    type KeyValue: KeyValue;
    /// See [`Locks`].
    type Locks: Locks;
    /// See [`Channel`].
    type Channel: Channel;
    /// See [`Connectivity`].
    type Connectivity: Connectivity;

    /// The clocks.
    fn clock(&self) -> &Self::Clock;
    /// The source of randomness.
    fn random(&self) -> &Self::Random;
    /// The network.
    fn http(&self) -> &Self::Http;
    /// The disk.
    fn store(&self) -> &Self::Store;
    /// The small texts that all tabs share.
    fn key_value(&self) -> &Self::KeyValue;
    /// The locks between tabs.
    fn locks(&self) -> &Self::Locks;
    /// The channel between tabs.
    fn channel(&self) -> &Self::Channel;
    /// What the browser says of the network and of the page.
    fn connectivity(&self) -> &Self::Connectivity;
    /// Tells the application. Never re-enters the SDK before the current step is over.
    fn emit(&self, event: &Event);
    /// Runs a task in the background. Whoever spawns it makes it stoppable.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
}

/// The two clocks, and waiting.
pub trait Clock {
    /// For durations.
    fn monotonic(&self) -> MonotonicTime;
    /// For stamps.
    fn wall(&self) -> WallTime;
    /// Waits; however long. Dropping the future ends the wait.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// Randomness.
pub trait Random {
    /// Fills a buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);

    /// A number uniformly random in `[0, 1)`.
    fn unit(&self) -> f64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        // The 53 bits that a double holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let numerator = (u64::from_le_bytes(bytes) >> 11) as f64;
        numerator / 9_007_199_254_740_992.0
    }
}

/// Locks that all tabs of an origin share.
pub trait Locks {
    /// Held until it is dropped, or its tab is gone.
    type Guard;

    /// Waits for the lock of that name.
    fn acquire(&self, name: &str) -> impl Future<Output = Self::Guard>;
    /// The lock of that name if it is free, else `None`, without waiting for its holder. One that was dropped a moment ago may not
    /// be free yet. Where the world has no locks, or refuses them, everybody gets it: a lock saves work here, and what must be
    /// right is right without it.
    fn try_acquire(&self, name: &str) -> impl Future<Output = Option<Self::Guard>>;
    /// Whether a lock keeps others out here.
    fn exclude(&self) -> bool;
    /// Takes the lock of that name from whoever holds it, and does not hear of it.
    fn steal(&self, name: &str) -> impl Future<Output = Self::Guard>;
}

/// The longest value, in bytes of UTF-8, that a [`KeyValue`] shares with other tabs: what all of an origin's code has together is
/// some 5 MB, and reading and writing it holds up the page.
pub const LONGEST_SHARED_VALUE: usize = 64 << 10;

/// Small texts that the tabs of an origin share and that outlive them, to be read without waiting.
///
/// It does what it can and never fails: where there is no such place, where it is full or forbidden, and for values longer than
/// [`LONGEST_SHARED_VALUE`], the tab remembers for itself until it is gone. Another tab may see a write a moment late, and there
/// is no way to read and write in one step: what two tabs write at once, one of them loses.
pub trait KeyValue {
    /// What was written last under that key, here or in another tab.
    fn read(&self, key: &str) -> Option<String>;
    /// Replaces what is there under that key.
    fn write(&self, key: &str, value: &str);
    /// Forgets what is there under that key.
    fn remove(&self, key: &str);
}

/// Messages between the tabs of an origin. A tab does not hear itself.
pub trait Channel {
    /// Ends when it is dropped.
    type Subscription: 'static;

    /// Tells the other tabs.
    fn post(&self, message: &str);
    /// Hears the other tabs.
    fn subscribe(&self, listener: Box<dyn Fn(&str)>) -> Self::Subscription;
}

/// What the browser says of the network and of the page.
pub trait Connectivity {
    /// Ends when it is dropped.
    type Subscription: 'static;

    /// Whether the browser believes that there is a network: a hint, never proof.
    fn online(&self) -> bool;
    /// Whether the page is seen. A worker always is.
    fn visible(&self) -> bool;
    /// Hears of changes.
    fn subscribe(&self, listener: Box<dyn Fn(ConnectivityChange)>) -> Self::Subscription;
}

/// A change of what the browser says of the network, or of the page. Some are good moments to sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectivityChange {
    /// The browser believes that the network is back.
    Online,
    /// The browser believes that the network is gone.
    Offline,
    /// The page became visible, or came back from the back/forward cache.
    Visible,
    /// The page is no longer seen.
    Hidden,
    /// The page is about to be frozen: nothing will run in it until it is resumed.
    Frozen,
    /// The page goes on after it was frozen.
    Resumed,
    /// The device is on another kind of network.
    NetworkChanged,
}
