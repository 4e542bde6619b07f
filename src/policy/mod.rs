//! Decisions about when to send again: pure functions, with the time and the randomness passed in.

pub mod backoff;
pub mod configuration;
mod document;
pub mod gate;
pub mod health;
pub mod hint;
pub mod preferences;
pub mod retry;
