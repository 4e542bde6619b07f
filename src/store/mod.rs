//! Where the queue is kept. Above this floor there is one [`Store`](crate::platform::tables::Store), and nobody asks which.
//!
//! ```text
//!                        Sealed                          encrypts, if that is wanted
//!                        Ladder                          one store out of three: down when a rung fails, up by promotion
//!             ┌────────────┼──────────────┐
//!          IndexedDB    TextStore       Memory           a rung each
//!        (browser/…)       │              │
//!                     Journalled       Nowhere           what stands behind a table: texts with a journal, or nothing
//!                          └── TableStore ┘              transactions over a table: one at a time, undone when dropped
//!                               Table                    rows and documents, sorted in each way in which they are asked for
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `sealed` | [`Sealed`]: what lies below says nothing to those who have no key |
//! | `ladder` | [`Ladder`]: the three rungs of a tab, what goes from one to the other, and what may be sent from below |
//! | `at` | [`At`]: the one place that a drain works on |
//! | `key_value` | [`TextStore`]: a text for each row, in `localStorage`; a page that dies leaves all of a transaction or nothing |
//! | `memory` | [`TableStore`], and [`Memory`], which is one with nothing behind it |
//! | [`table`] | [`Table`]: the rows and documents of all users, and an undo log |
//! | [`runs`] | rows that lie together in one record, where each record costs |
//! | `sorted` | a long sorted list in short pieces |
//! | `turn` | one at a time, in the order in which they came |
//!
//! What each of them promises is in `tests/conformance/promises.rs`, which every store is tested with.

mod at;
mod key_value;
mod ladder;
mod memory;
pub mod runs;
mod sealed;
mod sorted;
pub mod table;
pub(crate) mod turn;

pub use at::At;
pub use key_value::{CAPACITY, Journalled, TextStore};
pub use ladder::{Ladder, LadderTransaction, Promotion, Rung};
pub use memory::{Backing, Memory, MemoryTransaction, Nowhere, TableStore, TableTransaction};
pub use sealed::{Opener, Sealed, SealedTransaction};
pub use table::Table;
