//! What must hold for everything that comes from outside, whatever it is: a module per reader, each with a `holds` that takes
//! bytes and panics if something does not.
//!
//! The fuzz targets run these on bytes that a fuzzer makes up, `tests/robustness.rs` on the vectors and on bodies that are large
//! and nasty. Nothing here measures time: what takes far too long is found by the fuzzer's `-timeout`, or by a test that does
//! not end.

pub mod error_response;
pub mod exchange;
pub mod json;
pub mod network_failure;
pub mod options;
pub mod retry_hint;
pub mod success;
pub mod sync_answer;
