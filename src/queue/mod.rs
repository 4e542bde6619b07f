//! What the queue decides: where an action lies, which actions make the next batch, and what an answer does to them. Pure; the
//! transactions that carry the decisions out are in [`crate::outbox`].

pub mod action;
pub mod answer;
pub mod coalescing;
pub mod dependency;
pub mod draft;
pub mod durability;
pub mod file;
pub mod limits;
pub mod outcome;
pub mod plan;
pub mod record;
pub mod request;
pub mod row;
pub mod settlement;
