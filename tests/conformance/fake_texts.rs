//! `localStorage` as it behaves when a page dies, and when it is full.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use steadfast::platform::{StoreError, StoreErrorKind, Texts};

/// Its clones are the same texts.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeTexts {
    pub(crate) texts: Rc<RefCell<BTreeMap<String, String>>>,
    /// How many more changes the page makes before it dies; it lives on without it.
    pub(crate) changes_until_death: Rc<Cell<Option<u32>>>,
    /// How much room there is, in UTF-16 units; without end without it.
    pub(crate) room: Rc<Cell<Option<usize>>>,
    pub(crate) is_denied: Rc<Cell<bool>>,
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

impl FakeTexts {
    /// How much there is, in UTF-16 units.
    pub(crate) fn units(&self) -> usize {
        self.texts.borrow().iter().map(|(key, text)| length(key) + length(text)).sum()
    }

    fn allow(&self) -> Result<(), StoreError> {
        if self.is_denied.get() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "reading the queue", "SecurityError"));
        }
        Ok(())
    }

    /// A dead page neither changes anything nor learns of it.
    fn live(&self) -> Result<(), StoreError> {
        self.allow()?;
        match self.changes_until_death.get() {
            Some(0) => Err(StoreError::new(StoreErrorKind::Unavailable, "writing to the queue", "the page is gone")),
            left => {
                self.changes_until_death.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }
}

impl Texts for FakeTexts {
    fn read(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.allow()?;
        Ok(self.texts.borrow().get(key).cloned())
    }

    fn write(&self, key: &str, text: &str) -> Result<(), StoreError> {
        self.live()?;
        let before = self.texts.borrow().get(key).map_or(0, |text| length(key) + length(text));
        if self.room.get().is_some_and(|room| self.units() - before + length(key) + length(text) > room) {
            return Err(StoreError::new(StoreErrorKind::QuotaExceeded, "writing to the queue", "QuotaExceededError"));
        }
        self.texts.borrow_mut().insert(key.into(), text.into());
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.live()?;
        self.texts.borrow_mut().remove(key);
        Ok(())
    }

    fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.allow()?;
        Ok(self.texts.borrow().keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }
}
