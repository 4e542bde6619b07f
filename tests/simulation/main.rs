//! The promises of the queue and of the call path, in the deterministic world: see `src/sim`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod broken_variants;
mod calls;
mod chaos;
mod cleared;
mod connectivity;
mod files;
mod herd;
mod network_failures;
mod places;
mod queue;
mod requests;
mod resilience;
mod scenarios;
mod settings;

use steadfast::queue::draft::Draft;

/// An action of that key.
fn draft(id: &str, key: Option<&str>) -> Draft {
    let key = key.map_or_else(|| "null".into(), |key| format!("\"{key}\""));
    Draft::read(&format!(r#"{{"id":"{id}","type":"save_draft","key":{key}}}"#), r#"{"n":1}"#).unwrap()
}
