//! Writes docs/errors.md: a page for every code in the library's table, after `StellarFlow`'s documentation template.
//!
//! ```sh
//! cargo run -q --example error_pages
//! ```
//!
//! Statuses come from the pages, the rest of what can be concluded from the library, the words from `pages.json`, and the order
//! of it all from `template.md`.

mod behaviour;
mod document;
mod error;
mod excerpt;
mod markdown;
mod prose;
mod tables;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let prose = serde_json::from_str(include_str!("pages.json"))?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    std::fs::write(path, document::render(&prose)?)?;
    Ok(())
}
