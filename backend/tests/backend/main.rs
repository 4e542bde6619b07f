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
mod configuration;
mod connections;
mod correlation;
mod demonstration;
mod drafts;
mod endpoints;
mod faults;
mod files;
mod limits;
mod operations;
mod persistence;
mod preferences;
mod process;
mod services;
mod site;
mod support;
mod sync;
