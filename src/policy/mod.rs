//! Decisions about when to send again: pure functions, with the time and the randomness passed in.

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod configuration;
pub mod connectivity;
mod document;
pub mod gate;
pub mod health;
pub mod hint;
pub mod pause;
pub mod preferences;
pub mod retry;
pub mod send_rate;
