//! Keys in memory, which cannot be had when they are told so.

use std::cell::{Cell, RefCell};
use std::future::{Future, ready};
use std::rc::Rc;
use steadfast::platform::{DataKey, Keys, OfUsers, StoreError, StoreErrorKind};

/// Its clones are the same keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeKeys {
    pub(crate) kept: Rc<RefCell<OfUsers>>,
    /// With what they cannot be had.
    pub(crate) failure: Rc<Cell<Option<StoreErrorKind>>>,
    /// How often they were asked for.
    pub(crate) asked: Rc<Cell<u32>>,
    drawn: Rc<Cell<u64>>,
    /// The number of the next one.
    next: Rc<Cell<u64>>,
}

/// What a file belongs to, as it is written before it.
fn mark(user_id: &str, place: &str, number: u64) -> Vec<u8> {
    format!("{number} {user_id} {place} ").into_bytes()
}

impl FakeKeys {
    fn answer(&self, of: impl Fn(&str) -> bool) -> Result<OfUsers, StoreError> {
        self.asked.set(self.asked.get() + 1);
        if let Some(kind) = self.failure.get() {
            return Err(StoreError::new(kind, "reading the keys", "it was told to"));
        }
        Ok(self.kept.borrow().iter().filter(|(owner, _)| of(owner)).cloned().collect())
    }
}

impl Keys for FakeKeys {
    type File = Rc<[u8]>;

    fn seal_file(&self, user_id: &str, place: &str, file: &Self::File) -> impl Future<Output = Result<Self::File, StoreError>> {
        let newest = self.answer(|owner| owner == user_id).map(|keys| keys.last().map_or(0, |(_, key)| key.number));
        let hidden = |byte: &u8| !byte;
        ready(newest.map(|newest| mark(user_id, place, newest).into_iter().chain(file.iter().map(hidden)).collect()))
    }

    fn open_file(
        &self,
        user_id: &str,
        place: &str,
        sealed: &Self::File,
        _kind: &str,
    ) -> impl Future<Output = Result<Option<Self::File>, StoreError>> {
        let open = |(_, key): &(String, DataKey)| sealed.strip_prefix(mark(user_id, place, key.number).as_slice());
        let keys = self.answer(|owner| owner == user_id);
        ready(keys.map(|keys| keys.iter().find_map(open).map(|hidden| hidden.iter().map(|byte| !byte).collect())))
    }

    fn load(&self, user_id: Option<&str>) -> impl Future<Output = Result<OfUsers, StoreError>> {
        ready(self.answer(|owner| user_id.is_none_or(|user_id| user_id == owner)))
    }

    fn make(&self, user_id: &str, newest: Option<u64>) -> impl Future<Output = Result<OfUsers, StoreError>> {
        let is_there = self.kept.borrow().iter().any(|(owner, key)| owner == user_id && Some(key.number) > newest);
        if !is_there && self.failure.get().is_none() {
            self.next.set(self.next.get() + 1);
            let number = self.next.get();
            let bytes = std::array::from_fn(|place| u8::try_from((number * 31 + place as u64 * 7) % 251).unwrap());
            self.kept.borrow_mut().push((user_id.into(), DataKey { number, bytes: Box::new(bytes) }));
        }
        ready(self.answer(|owner| owner == user_id))
    }

    fn keep(&self, user_id: &str, key: &DataKey) -> impl Future<Output = Result<(), StoreError>> {
        let is_there = self.kept.borrow().iter().any(|(owner, known)| owner == user_id && known == key);
        if !is_there && self.failure.get().is_none() {
            self.kept.borrow_mut().push((user_id.into(), key.clone()));
            self.kept.borrow_mut().sort_by_key(|(_, key)| key.number);
        }
        ready(self.answer(|_| false).map(|_| ()))
    }

    fn forget(&self, user_id: &str, before: u64) -> impl Future<Output = Result<(), StoreError>> {
        self.kept.borrow_mut().retain(|(owner, key)| owner != user_id || key.number >= before);
        ready(Ok(()))
    }

    fn fill(&self, buffer: &mut [u8]) {
        self.drawn.set(self.drawn.get() + 1);
        for (byte, random) in buffer.iter_mut().zip(self.drawn.get().to_le_bytes()) {
            *byte = random;
        }
    }
}
