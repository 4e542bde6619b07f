//! The keys of a device, beside its disk: they come and go as it does.

use super::disk::SimFile;
use super::world::Inner;
use crate::platform::{DATA_KEY_BYTES, DataKey, Keys, OfUsers, StoreError, StoreErrorKind, new_key_number};
use std::rc::Rc;

/// A tab's way to the keys.
pub struct SimKeys {
    pub(super) world: Rc<Inner>,
    pub(super) tab: u64,
}

impl SimKeys {
    /// Others come in between, and now and then it fails.
    async fn reach(&self) -> Result<(), StoreError> {
        self.world.yield_for_a_while().await;
        self.world.reach_disk(self.tab, "reading the keys").await?;
        if self.world.happens(self.world.disk.faults.get().unavailable) {
            return Err(StoreError::new(StoreErrorKind::Failed, "reading the keys", "the disk failed"));
        }
        Ok(())
    }

    fn of(&self, user_id: Option<&str>) -> OfUsers {
        let keys = self.world.disk.keys.borrow();
        keys.iter().filter(|(owner, _)| user_id.is_none_or(|user_id| user_id == owner)).cloned().collect()
    }
}

/// What a file belongs to, as it is written before it.
fn mark(user_id: &str, place: &str, number: u64) -> Vec<u8> {
    format!("{number} {user_id} {place} ").into_bytes()
}

impl Keys for SimKeys {
    type File = SimFile;

    async fn seal_file(&self, user_id: &str, place: &str, file: &SimFile) -> Result<SimFile, StoreError> {
        self.reach().await?;
        let newest = self.of(Some(user_id)).pop().map(|(_, key)| key.number);
        let newest =
            newest.ok_or_else(|| StoreError::new(StoreErrorKind::KeyUnavailable, "encrypting a file", "there is no key"))?;
        let hidden = file.iter().map(|byte| !byte);
        Ok(mark(user_id, place, newest).into_iter().chain(hidden).collect())
    }

    async fn open_file(&self, user_id: &str, place: &str, sealed: &SimFile, _kind: &str) -> Result<Option<SimFile>, StoreError> {
        self.reach().await?;
        let keys = self.of(Some(user_id));
        let open = |(_, key): &(String, DataKey)| sealed.strip_prefix(mark(user_id, place, key.number).as_slice());
        Ok(keys.iter().find_map(open).map(|hidden| hidden.iter().map(|byte| !byte).collect()))
    }

    async fn load(&self, user_id: Option<&str>) -> Result<OfUsers, StoreError> {
        self.reach().await?;
        Ok(self.of(user_id))
    }

    async fn make(&self, user_id: &str, newest: Option<u64>) -> Result<OfUsers, StoreError> {
        self.reach().await?;
        if !self.of(Some(user_id)).iter().any(|(_, key)| Some(key.number) > newest) {
            let mut bytes = Box::new([0; DATA_KEY_BYTES]);
            self.world.fill(bytes.as_mut_slice());
            let mut random = [0; 2];
            self.world.fill(&mut random);
            let number = new_key_number(self.world.wall(), newest, u16::from_le_bytes(random));
            let key = (user_id.into(), DataKey { number, bytes });
            self.world.disk.made.borrow_mut().push(key.clone());
            self.world.disk.keys.borrow_mut().push(key);
        }
        // Here a crash finds the key on disk and nobody who knows of it.
        self.reach().await?;
        Ok(self.of(Some(user_id)))
    }

    async fn keep(&self, user_id: &str, key: &DataKey) -> Result<(), StoreError> {
        self.reach().await?;
        if !self.of(Some(user_id)).iter().any(|(_, known)| known == key) {
            self.world.disk.keys.borrow_mut().push((user_id.into(), key.clone()));
            self.world.disk.keys.borrow_mut().sort_by_key(|(_, key)| key.number);
        }
        Ok(())
    }

    async fn forget(&self, user_id: &str, before: u64) -> Result<(), StoreError> {
        self.reach().await?;
        self.world.disk.keys.borrow_mut().retain(|(owner, key)| owner != user_id || key.number >= before);
        Ok(())
    }

    fn fill(&self, buffer: &mut [u8]) {
        self.world.fill(buffer);
    }
}
