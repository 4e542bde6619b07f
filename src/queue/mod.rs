//! What the queue decides: which actions make the next batch, and what an answer does to them. Pure; the transactions
//! that carry the decisions out are in [`crate::outbox`].

pub mod action;
pub mod answer;
pub mod draft;
pub mod plan;
pub mod record;
