//! The platform of a browser: window, worker and service worker alike. Nothing is looked up before it is needed.

mod channel;
mod charset;
mod clock;
mod connectivity;
mod database;
mod global;
mod http;
mod key_value;
mod keys;
mod locks;
mod page_memory;
mod policy_violation;
mod random;
mod texts;
mod timer;
mod upload;

pub use channel::BroadcastChannels;
pub(crate) use charset::in_utf8;
pub use clock::BrowserClock;
pub use connectivity::PageConnectivity;
pub use database::{Database, DatabaseTransaction};
pub(crate) use global::describe;
pub use http::{Fetch, FetchRequest, FetchResponse, this_page};
pub use key_value::LocalStorage;
pub use keys::KeyDatabase;
pub use locks::{WebLock, WebLocks};
pub use random::BrowserRandom;
pub use texts::LocalTexts;

use crate::error::network::Surroundings;
use crate::event::Event;
use crate::platform::{Encryption, Platform, Random};
use crate::store::{Journalled, Ladder, Memory, Sealed, TextStore};
use js_sys::Function;
use page_memory::PageMemory;
use wasm_bindgen::JsValue;

/// The browser as a [`Platform`].
pub struct Browser {
    clock: BrowserClock,
    random: BrowserRandom,
    http: Fetch,
    store: Stores,
    key_value: LocalStorage,
    locks: WebLocks,
    channel: BroadcastChannels,
    connectivity: PageConnectivity,
    emit: Function,
}

impl Browser {
    /// A platform that keeps its queue in the database of that name. `emit` is called with each event as JSON text.
    pub fn new(database: &str, http: Fetch, emit: Function) -> Self {
        let clock = BrowserClock::new();
        Self {
            store: stores(database, &clock, Encryption::Off, None),
            clock,
            random: BrowserRandom,
            http,
            key_value: LocalStorage::new(database),
            locks: WebLocks,
            channel: BroadcastChannels::new(database),
            connectivity: PageConnectivity,
            emit,
        }
    }

    /// The same for a client of that user, whose queue in the database of that name is encrypted if that is wanted, and read if it was.
    #[must_use]
    pub fn for_user(self, database: &str, user_id: Option<String>, encryption: Encryption) -> Self {
        Self { store: stores(database, &self.clock, encryption, user_id), ..self }
    }
}

/// Where the queue is kept: in IndexedDB, below that in `localStorage`, below that in memory; encrypted, if that is wanted.
pub type Stores = Sealed<Ladder<Database, TextStore<LocalTexts>, Memory, LocalStorage>, KeyDatabase>;

fn stores(database: &str, clock: &BrowserClock, encryption: Encryption, user_id: Option<String>) -> Stores {
    let mut name = [0; 8];
    BrowserRandom.fill(&mut name);
    let writer = u64::from_le_bytes(name).to_string();
    let texts = TextStore::new(Journalled::new(LocalTexts::new(database), &writer));
    let memory = PageMemory::beside(database);
    let hints = LocalStorage::over(database, memory.hints);
    let ladder = Ladder::new(Database::new(database, clock.clone()), texts, memory.queues, hints);
    Sealed::new(ladder, KeyDatabase::new(database, clock.clone()), encryption, user_id)
}

impl Browser {
    /// A platform for policies that stand alone: they send nothing and store nothing.
    pub fn alone(emit: Function) -> Self {
        let surroundings = Surroundings::new(this_page(), Some(false), Some(false)).into();
        Self::new("policies", Fetch { fetch: None, headers: None, refresh: None, trusted_origins: vec![], surroundings }, emit)
    }
}

impl Platform for Browser {
    type Clock = BrowserClock;
    type Random = BrowserRandom;
    type Http = Fetch;
    type Store = Stores;
    type KeyValue = LocalStorage;
    type Locks = WebLocks;
    type Channel = BroadcastChannels;
    type Connectivity = PageConnectivity;

    fn clock(&self) -> &BrowserClock {
        &self.clock
    }
    fn random(&self) -> &BrowserRandom {
        &self.random
    }
    fn http(&self) -> &Fetch {
        &self.http
    }
    fn store(&self) -> &Stores {
        &self.store
    }
    fn key_value(&self) -> &LocalStorage {
        &self.key_value
    }
    fn locks(&self) -> &WebLocks {
        &self.locks
    }
    fn channel(&self) -> &BroadcastChannels {
        &self.channel
    }
    fn connectivity(&self) -> &PageConnectivity {
        &self.connectivity
    }

    fn emit(&self, event: &Event) {
        if let Ok(text) = serde_json::to_string(event) {
            // The listener queues; what the application's handlers throw is reported there.
            let _: Result<JsValue, JsValue> = self.emit.call1(&JsValue::UNDEFINED, &JsValue::from_str(&text));
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        wasm_bindgen_futures::spawn_local(task);
    }
}
