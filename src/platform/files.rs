//! Files beside the queue.

use super::StoreError;
use std::future::Future;

/// Keeps the files of queued actions, each under its user and its id. It knows nothing of the queue: what holds a file stands in a
/// document of the store, which is written before the file is, and deleted after it.
pub trait Files {
    /// A file. To copy it copies no bytes.
    type File: Clone + 'static;

    /// How large a file is, in bytes.
    fn size(&self, file: &Self::File) -> u64;
    /// Keeps files, all of them or none. Resolves when they are on disk.
    fn write_files(&self, user_id: &str, files: Vec<(String, Self::File)>) -> impl Future<Output = Result<(), StoreError>>;
    /// The file of that id, as one of that content type. `None` if it is not there, or can never be read.
    fn file(&self, user_id: &str, id: &str, kind: &str) -> impl Future<Output = Result<Option<Self::File>, StoreError>>;
    /// Deletes files, those that are there.
    fn delete_files(&self, user_id: &str, ids: &[String]) -> impl Future<Output = Result<(), StoreError>>;
    /// The ids of all files of a user.
    fn file_ids(&self, user_id: &str) -> impl Future<Output = Result<Vec<String>, StoreError>>;
}

/// A file as it is kept.
#[derive(Debug, Clone)]
pub struct KeptFile<F> {
    /// The file.
    pub file: F,
    /// Whether it is encrypted.
    pub is_sealed: bool,
}
