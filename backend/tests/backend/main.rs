//! The backend over real HTTP on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "tests may fail by panicking, and read best with `json!` in place"
)]

mod authentication;
mod connections;
mod correlation;
mod demonstration;
mod endpoints;
mod faults;
mod limits;
mod persistence;
mod process;
mod site;
mod support;
mod sync;
