//! Files beside a queue that is encrypted. They are encrypted and opened before and after they are written and read, not in the middle
//! of a transaction.

use super::{Sealed, unavailable};
use crate::platform::tables::Store;
use crate::platform::{Access, Encryption, Files, KeptFile, Keys, StoreError, StoreErrorKind};

/// What a file belongs to, beside its user.
fn place_of(id: &str) -> String {
    ["file/", id].concat()
}

impl<S: Store + Files<File = KeptFile<K::File>>, K: Keys> Files for Sealed<S, K> {
    type File = K::File;

    fn size(&self, file: &K::File) -> u64 {
        // A copy is a handle.
        self.inner().size(&KeptFile { file: file.clone(), is_sealed: false })
    }

    async fn write_files(&self, user_id: &str, files: Vec<(String, K::File)>) -> Result<(), StoreError> {
        let shared = &self.shared;
        // What is written with a key that is renewed just now is not taken by any action: the queue is emptied then.
        let is_sealed =
            shared.encryption != Encryption::Off && self.wanted(user_id, Access::Write).await?.newest(user_id).is_some();
        let mut kept = Vec::with_capacity(files.len());
        for (id, file) in files {
            let file = if is_sealed { shared.keys.seal_file(user_id, &place_of(&id), &file).await? } else { file };
            kept.push((id, KeptFile { file, is_sealed }));
        }
        shared.inner.write_files(user_id, kept).await
    }

    async fn file(&self, user_id: &str, id: &str, kind: &str) -> Result<Option<K::File>, StoreError> {
        let shared = &self.shared;
        let Some(KeptFile { file, is_sealed }) = shared.inner.file(user_id, id, kind).await? else { return Ok(None) };
        if !is_sealed {
            return Ok(Some(file));
        }
        shared.keys.open_file(user_id, &place_of(id), &file, kind).await.map_err(|failed| match failed.kind {
            // The file cannot be read, which no key would change.
            StoreErrorKind::Unreadable => failed,
            _ => unavailable(&failed),
        })
    }

    async fn delete_files(&self, user_id: &str, ids: &[String]) -> Result<(), StoreError> {
        self.shared.inner.delete_files(user_id, ids).await
    }

    async fn file_ids(&self, user_id: &str) -> Result<Vec<String>, StoreError> {
        self.shared.inner.file_ids(user_id).await
    }
}
