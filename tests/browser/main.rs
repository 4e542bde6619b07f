//! The browser's side of the platform, in a real browser: `wasm-pack test --headless`.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod breaker;
mod client;
mod clock;
mod connectivity;
mod database;
mod files;
mod hints;
mod http;
mod key_value;
mod keys;
mod locks;
mod network_failures;
mod outbox;
mod parse;
mod policies;
mod random;
mod stores;
mod trace_context;
mod upload;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

use js_sys::Function;
use steadfast::browser::{BrowserRandom, Fetch, this_page};
use steadfast::error::network::Surroundings;
use steadfast::platform::Random as _;

/// A database name that no other test, and no earlier run, has used.
fn fresh_database() -> String {
    let mut random = [0; 8];
    BrowserRandom.fill(&mut random);
    format!("test-{:016x}", u64::from_le_bytes(random))
}

/// A network that answers as the body of this JavaScript function says, which gets a `request`.
fn network(body: &str) -> Fetch {
    let surroundings = Surroundings::new(this_page(), Some(false), Some(false)).into();
    Fetch {
        fetch: Some(Function::new_with_args("request", body)),
        headers: None,
        refresh: None,
        trusted_origins: vec![],
        surroundings,
    }
}
