//! The durable queue: each function is one store transaction, in which the pure decisions of [`crate::queue`] are made on
//! what is on disk and carried out. Written once, for every store.

mod absorb;
mod append;
mod decide;
mod dependents;
mod drain;
mod due;
mod files;
mod history;
mod ledger;
mod look;
mod mark;
mod mirror;
mod ready;
mod restore;

pub use absorb::{Absorbed, absorb};
pub use append::{AppendError, Appended, Newcomer, append, append_behind, appended};
pub use decide::{Change, Decided, Resolution, discard, edit, purge, requeue, resolve};
pub use drain::{Batch, Begin, Claim, Claiming, Failure, Step, begin, claim, close_gate, read_again, settle};
pub use due::{Arrived, bring_due};
pub use files::{Holders, Revision, revise_files};
pub use look::{Known, find, list, outcomes, record, while_it_is};
pub use mark::mark_sent;
pub use mirror::{Mirror, Purged};
pub use ready::{Following, let_wait, may_go, may_go_still};
pub use restore::{Restored, restore};
