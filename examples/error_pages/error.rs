//! What can be wrong between the words and the library.

use std::fmt;

/// Why the document cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    /// A value cannot be written.
    #[error("the text cannot be put together")]
    Format(#[from] fmt::Error),
    /// A part of an error is no JSON.
    #[error("an example cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The library knows something that the prose does not explain.
    #[error("examples/error_pages/pages.json has no words for the {subject} {name}")]
    Unexplained {
        /// What kind of thing it is.
        subject: &'static str,
        /// Which one.
        name: String,
    },
    /// The prose explains something that the library does not know.
    #[error("examples/error_pages/pages.json explains the {subject} {name}, which does not exist")]
    Unknown {
        /// What kind of thing it is.
        subject: &'static str,
        /// Which one.
        name: String,
    },
}

/// What this example's functions return.
pub(crate) type Result<T> = std::result::Result<T, DocumentError>;

/// What was found, or that it was not.
pub(crate) fn explained<T>(subject: &'static str, name: &str, found: Option<T>) -> Result<T> {
    found.ok_or_else(|| DocumentError::Unexplained { subject, name: name.into() })
}

/// Fails if a name is none of the library's.
pub(crate) fn refuse_strangers<'a>(
    subject: &'static str,
    mut names: impl Iterator<Item = &'a String>,
    exists: impl Fn(&str) -> bool,
) -> Result<()> {
    match names.find(|name| !exists(name)) {
        Some(name) => Err(DocumentError::Unknown { subject, name: name.clone() }),
        None => Ok(()),
    }
}
