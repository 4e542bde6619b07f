//! The deterministic world that the promises are proven in: virtual time, several tabs over one disk, a network that loses
//! things, a model server. The same seed gives the same run. Behind the feature `simulation`; never part of what ships.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a simulation fails by panicking"
)]

mod books;
pub mod chaos;
mod disk;
mod keys;
mod locks;
mod network;
mod places;
mod server;
mod tab;
mod texts;
mod witness;
mod world;

pub use books::{check_books, check_books_without, check_files};
pub use disk::{DiskFaults, SimFile, SimStore, SimTransaction};
pub use network::{Faults, SimHttp, SimPart, SimRequest, SimResponse};
pub use places::Places;
pub use server::{AppliedAction, Condition, ModelServer, Reply};
pub use tab::{Tab, TabPlatform, TabStore};
pub use texts::{SimTexts, SmallTexts};
pub use world::World;
