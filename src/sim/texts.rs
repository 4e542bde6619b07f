//! The texts of a device in which a queue is kept when its disk cannot be used, and the small ones that tabs share.

use super::world::Inner;
use crate::platform::{KeyValue, StoreError, StoreErrorKind, Texts};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What is kept of queues beside the disk.
#[derive(Debug, Default)]
pub(super) struct QueueTexts {
    texts: RefCell<BTreeMap<String, String>>,
    /// How much goes into them, in bytes; without end without it.
    room: Cell<Option<usize>>,
    /// Whether nobody can reach them.
    pub(super) is_denied: Cell<bool>,
}

impl QueueTexts {
    pub(super) fn clear(&self) {
        self.texts.borrow_mut().clear();
    }

    /// Whether no more goes into them than is there.
    pub(super) fn fill(&self, is_full: bool) {
        self.room.set(is_full.then(|| self.size()));
    }

    fn size(&self) -> usize {
        self.texts.borrow().iter().map(|(key, text)| key.len() + text.len()).sum()
    }

    /// As they are, reachable or not.
    pub(super) fn copy(&self) -> CopiedTexts {
        CopiedTexts(self.texts.clone())
    }
}

/// A tab's way to them.
#[derive(Clone)]
pub struct SimTexts {
    pub(super) world: Rc<Inner>,
}

fn failed(kind: StoreErrorKind, message: &str) -> StoreError {
    StoreError::new(kind, "reaching the texts", message)
}

impl SimTexts {
    fn reach(&self) -> Result<&QueueTexts, StoreError> {
        // Where tabs share no small texts, they share none at all.
        if self.world.queue_texts.is_denied.get() || self.world.texts.borrow().is_none() {
            return Err(failed(StoreErrorKind::Unavailable, "the texts cannot be reached"));
        }
        Ok(&self.world.queue_texts)
    }
}

impl Texts for SimTexts {
    fn read(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.reach().map(|kept| kept.texts.borrow().get(key).cloned())
    }

    fn write(&self, key: &str, text: &str) -> Result<(), StoreError> {
        let kept = self.reach()?;
        let before = kept.texts.borrow().get(key).map_or(0, |text| key.len() + text.len());
        if kept.room.get().is_some_and(|room| kept.size() - before + key.len() + text.len() > room) {
            return Err(failed(StoreErrorKind::QuotaExceeded, "there is no room for more texts"));
        }
        kept.texts.borrow_mut().insert(key.into(), text.into());
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.reach()?.texts.borrow_mut().remove(key);
        Ok(())
    }

    fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.reach()?.texts.borrow().keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }
}

/// What somebody has who looks on.
#[derive(Debug)]
pub(super) struct CopiedTexts(RefCell<BTreeMap<String, String>>);

impl Texts for CopiedTexts {
    fn read(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.0.borrow().get(key).cloned())
    }

    fn write(&self, key: &str, text: &str) -> Result<(), StoreError> {
        self.0.borrow_mut().insert(key.into(), text.into());
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.0.borrow_mut().remove(key);
        Ok(())
    }

    fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.0.borrow().keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }
}

/// Small texts by their keys, the newest version last.
pub(super) type Versions = BTreeMap<String, Vec<Written>>;

/// A small text that a tab has written, or removed.
pub(super) struct Written {
    text: Option<String>,
    by: u64,
    at: u64,
}

/// A tab's way to the small texts.
#[derive(Clone)]
pub struct SmallTexts {
    pub(super) world: Rc<Inner>,
    pub(super) tab: u64,
    // What the tab could not share.
    pub(super) own: Rc<RefCell<Versions>>,
}

impl SmallTexts {
    /// The world's texts, or the tab's own where nothing is shared.
    fn texts<T>(&self, visit: impl FnOnce(&mut Versions) -> T) -> T {
        match &mut *self.world.texts.borrow_mut() {
            Some(shared) => visit(shared),
            None => visit(&mut self.own.borrow_mut()),
        }
    }

    fn replace(&self, key: &str, text: Option<String>) {
        let (lag, now) = (self.world.text_lag.get(), self.world.now());
        let written = Written { text, by: self.tab, at: now };
        self.texts(|texts| {
            let versions = texts.entry(key.into()).or_default();
            // Of those that every tab has heard of, the newest is enough.
            let heard = versions.iter().rposition(|version| version.at.saturating_add(lag) <= now);
            versions.drain(..heard.unwrap_or(0));
            versions.push(written);
        });
    }
}

impl KeyValue for SmallTexts {
    fn read(&self, key: &str) -> Option<String> {
        let (lag, now) = (self.world.text_lag.get(), self.world.now());
        let has_arrived = |text: &&Written| text.by == self.tab || text.at.saturating_add(lag) <= now;
        self.texts(|texts| texts.get(key)?.iter().rev().find(has_arrived)?.text.clone())
    }

    fn write(&self, key: &str, value: &str) {
        self.replace(key, Some(value.into()));
    }

    fn remove(&self, key: &str) {
        self.replace(key, None);
    }
}
