//! Brings the queue to the server: [`Drainer`] sends what is due, [`schedule`] decides when.

mod batch;
mod drain;
mod files;
mod keep;
mod news;
mod promotion;
mod replay;
mod reply;
pub mod schedule;
mod succession;
mod turn;
mod waiters;

pub use drain::{DrainReport, Drainer, SyncPolicy};
pub use waiters::{Announcement, Waiters};
