//! The rules of the queue, over a store in memory: whatever is done to it in whatever order, its books are right, nothing is lost,
//! nothing is sent that must not be, and nothing waits for ever.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod dependents;
mod intake;
mod model;
mod ready;
mod rules;
