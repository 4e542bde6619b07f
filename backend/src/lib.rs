//! The reference backend of Steadfast.
//!
//! It takes batches of queued actions and applies each once, says what became of them, and answers with the errors of
//! the systems that Steadfast understands. It is a demonstration and a test bed: it listens on loopback only, and its
//! access check (`Authorization: Bearer demo.<userId>`) stands in for a real one.

mod applied_actions;
mod authentication;
mod clock;
mod configuration;
mod connection;
mod correlation;
mod database;
mod demonstration;
mod documents;
mod error;
mod faults;
mod files;
mod health;
mod multipart;
mod operations;
mod preferences;
mod request_body;
mod router;
mod server;
mod services;
mod site;
mod state;
mod sync;
mod traffic;

pub use database::DatabaseLocation;
pub use demonstration::CatalogueError;
pub use server::{Options, Server, StartError};
