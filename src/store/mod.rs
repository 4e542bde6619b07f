//! Where the queue is kept: stores that need no database.
//!
//! | module | what it is |
//! |---|---|
//! | [`table`] | the rows and documents of all users, with all the questions that are asked of them, and an undo log |
//! | [`memory`] | a store that is such a table, and ends with the page |

mod key_value;
mod ladder;
mod memory;
mod sorted;
pub mod table;
mod turn;

pub use key_value::{CAPACITY, Journalled, TextStore};
pub use ladder::{Ladder, LadderTransaction, Promotion, Rung};
pub use memory::{Backing, Memory, MemoryTransaction, Nowhere, TableStore, TableTransaction};
pub use table::Table;
