//! Errors understood, actions never lost.
//!
//! Steadfast stands between a web frontend and its backend. It reads the error responses of any backend into one
//! [`ApiError`](error::ApiError), retries what is safe to retry, and keeps what the user did while offline in a durable queue
//! that it brings to the server, in order, once, when connectivity returns.
//!
//! Most use it as the npm package `steadfast`, whose face is [`js`](https://www.npmjs.com/package/steadfast); Rust frontends
//! use this crate. Pure decisions are below, effects at the edge:
//!
//! | module | what it does |
//! |---|---|
//! | [`error`] | one error out of any wire format |
//! | [`policy`] | whether to send again, and when |
//! | [`queue`] | which actions to send, and what an answer does to them |
//! | [`connectivity`] | whether the backend can be reached |
//! | [`platform`] | what the floors above ask of the world |
//! | [`store`] | where the queue is kept when there is no database |
//! | [`outbox`] | the store transactions that carry the queue's decisions out |
//! | [`call`] | the call path |
//! | [`sync`] | the drain |
//! | [`resilience`] | what stands around a call: retry, budget, breaker, bulkhead, hedging |
//! | [`client`] | the client that ties it all together |
//! | [`wire`] | what travels between the SDK and a backend |

#![cfg_attr(not(target_arch = "wasm32"), forbid(unsafe_code))]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")
)]

#[doc(hidden)]
pub mod broken;
pub mod call;
pub mod client;
pub mod connectivity;
pub mod error;
pub mod event;
pub mod flat_map;
pub mod input;
pub mod json;
pub mod outbox;
pub mod platform;
pub mod policy;
pub mod queue;
pub mod resilience;
pub mod store;
pub mod sync;
pub mod time;
pub mod wire;

#[cfg(target_arch = "wasm32")]
pub mod browser;
#[cfg(target_arch = "wasm32")]
pub mod js;
#[cfg(feature = "simulation")]
pub mod sim;
