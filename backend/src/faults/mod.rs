//! The fault switch: makes the server misbehave on request, so that clients can be tried against it.
//!
//! It is there only if the server was started with it.

mod injection;
mod routes;
mod switch;

pub(crate) use injection::{RejectHalf, inject};
pub(crate) use routes::{PATH, clear, set, show};
pub(crate) use switch::FaultSwitch;
