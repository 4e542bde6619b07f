//! Decisions about when to send again: pure functions, with the time and the randomness passed in.

pub mod backoff;
pub mod connectivity;
pub mod gate;
pub mod hint;
pub mod retry;
