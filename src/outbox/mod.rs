//! The durable queue: each function is one store transaction, in which the pure decisions of [`crate::queue`] are made on
//! what is on disk and carried out. Written once, for every store.

mod absorb;
mod append;
mod decide;
mod drain;
mod history;
mod ledger;
mod look;
mod mark;

pub use absorb::absorb;
pub use append::{AppendError, Appended, Newcomer, append, appended};
pub use decide::{Change, Decided, discard, edit, purge, requeue};
pub use drain::{Batch, Begin, Claim, Claiming, Step, begin, claim, close_gate, read_again, settle};
pub use look::{Known, list, outcomes, record};
pub use mark::mark_sent;
