//! A transaction that opens what it reads and seals what it writes.

use super::cipher::{self, NONCE, Sealing};
use super::ring::{Opened, Ring};
use crate::platform::tables::{Durability, Kind, Lane, Row, Transaction};
use crate::platform::{Access, Encryption, Keys, StoreError, StoreErrorKind};
use crate::time::WallTime;
use futures_util::future::try_join_all;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// See the module.
pub struct SealedTransaction<T, K> {
    inner: T,
    ring: Rc<Ring>,
    keys: Rc<K>,
    encryption: Encryption,
    access: Access,
    /// The record that was looked at first, until it is written.
    record: RefCell<Option<Looked>>,
    keeping: Option<Keeping>,
}

/// After the commit, the key of a user has to be there.
struct Keeping {
    user_id: String,
    /// Whether it may not be.
    unkept: Rc<Cell<bool>>,
    /// Whether the commit is none if that cannot be known.
    is_strict: bool,
}

struct Looked {
    user_id: String,
    text: Option<String>,
    /// Whether it has to be written, since others must learn from it which key is the newest.
    is_old: bool,
}

/// How the record of a queue is kept.
pub(super) enum Record {
    /// There is none.
    Absent,
    /// As it ought to be.
    Sealed,
    /// In plain text, or sealed with an older key, and other things with it.
    Rest,
    /// Sealed with a key that is not known.
    Unknown(Sealing),
}

impl<T: Transaction, K: Keys> SealedTransaction<T, K> {
    pub(super) fn new(inner: T, ring: Rc<Ring>, keys: Rc<K>, encryption: Encryption, access: Access) -> Self {
        Self { inner, ring, keys, encryption, access, record: RefCell::default(), keeping: None }
    }

    /// Makes sure that the newest key of a user is there, after the commit of what was sealed with it.
    pub(super) fn keeping(self, user_id: &str, unkept: Rc<Cell<bool>>, is_strict: bool) -> Self {
        Self { keeping: Some(Keeping { user_id: user_id.into(), unkept, is_strict }), ..self }
    }

    /// Gives the transaction back, with all that this one has to say in it.
    pub(super) fn into_inner(self) -> Result<T, StoreError> {
        if self.access == Access::Write
            && let Some(Looked { user_id, text: Some(text), is_old: true }) = self.record.take()
        {
            self.write_document(&user_id, Kind::Queue, "", Some(&text))?;
        }
        Ok(self.inner)
    }

    /// Looks how the record of a queue is kept, and remembers it for those who ask next.
    pub(super) async fn look_at_record(&self, user_id: &str) -> Result<Record, StoreError> {
        let text = self.inner.document(user_id, Kind::Queue, "").await?;
        let newest = self.ring.newest(user_id).map(cipher::Cipher::number);
        let sealing = text.as_deref().filter(|text| cipher::is_sealed(text)).map(Sealing::of);
        let found = match (&text, sealing) {
            (None, _) => Record::Absent,
            (Some(_), None) if newest.is_some() => Record::Rest,
            (Some(_), None) => Record::Sealed,
            (Some(_), Some(Some(sealing))) if !self.ring.has(user_id, sealing.number) => Record::Unknown(sealing),
            (Some(_), Some(sealing)) if sealing.as_ref().map(|sealing| sealing.number) == newest => Record::Sealed,
            (Some(_), Some(_)) => Record::Rest,
        };
        if !matches!(found, Record::Unknown(_)) || self.ring.knows(user_id) {
            let text = text.map(|text| self.open_document(user_id, Kind::Queue, "", text)).transpose()?;
            let is_old = matches!(found, Record::Rest);
            self.record.replace(Some(Looked { user_id: user_id.into(), text, is_old }));
        }
        Ok(found)
    }

    /// Seals the rows of a lane that are not sealed as they ought to be. The place of the last one, if there may be more.
    pub(super) async fn seal_rows(&self, user_id: &str, lane: Lane, from: u64, limit: u32) -> Result<Option<u64>, StoreError> {
        let mut rows = self.inner.rows(user_id, lane, from, u64::MAX >> 11, limit).await?;
        let last = rows.last().map(|row| row.seq).filter(|_| u32::try_from(rows.len()).is_ok_and(|count| count >= limit));
        for row in &mut rows {
            if !self.ring.open_row(user_id, row)? {
                self.write(user_id, row)?;
            }
        }
        Ok(last)
    }

    /// The same for documents.
    pub(super) async fn seal_documents(&self, user_id: &str, kind: Kind) -> Result<(), StoreError> {
        for (name, text) in self.inner.documents(user_id, kind).await? {
            if let Opened::Plain = self.ring.open_document(user_id, kind, &name, &text)? {
                self.write_document(user_id, kind, &name, Some(&text))?;
            }
        }
        Ok(())
    }

    /// A row as it is to be written.
    fn sealed<'r>(&self, user_id: &str, row: &'r Row) -> Result<Cow<'r, Row>, StoreError> {
        if let Some(row) = self.ring.as_it_was(user_id, row) {
            return Ok(Cow::Owned(row));
        }
        if self.seals() && self.ring.newest(user_id).is_some() {
            return self.ring.seal_row(user_id, row, &self.nonce()).map(Cow::Owned).ok_or_else(too_large);
        }
        Ok(Cow::Borrowed(row))
    }

    fn open_document(&self, user_id: &str, kind: Kind, name: &str, text: String) -> Result<String, StoreError> {
        Ok(match self.ring.open_document(user_id, kind, name, &text)? {
            Opened::Open(open, _) => open,
            Opened::Plain | Opened::Shut => text,
        })
    }

    fn open_all(&self, user_id: &str, mut rows: Vec<Row>) -> Result<Vec<Row>, StoreError> {
        for row in &mut rows {
            self.ring.open_row(user_id, row)?;
        }
        Ok(rows)
    }

    /// The rows of a key, whose it is whether they can be opened or not, by each of its names: what stands for it with each of the
    /// keys, and itself, where they are in plain text.
    fn ask_by_names<'t>(
        &'t self,
        user_id: &str,
        key: &str,
        limit: u32,
        ask: &dyn Fn(String, String) -> Pending<'t, Vec<Row>>,
    ) -> Pending<'t, Vec<Row>> {
        let (user_id, key) = (user_id.to_string(), key.to_string());
        let names = self.ring.names_of(&user_id, &key).into_iter().chain([key.clone()]);
        let asked: Vec<_> = names.map(|name| ask(user_id.clone(), name)).collect();
        Box::pin(async move {
            let mut rows = self.open_all(&user_id, try_join_all(asked).await?.into_iter().flatten().collect())?;
            for row in rows.iter_mut().filter(|row| cipher::is_sealed(&row.text)) {
                row.key = Some(key.clone());
            }
            // A key in plain text may read like a hidden one.
            rows.retain(|row| Ring::is_hidden(&key) || row.key.as_ref() == Some(&key));
            rows.sort_unstable_by_key(|row| row.seq);
            rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(rows)
        })
    }

    fn nonce(&self) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        self.keys.fill(&mut nonce);
        nonce
    }

    /// Whether rows are sealed. Documents of a queue that was ever sealed are, so that others see that there are keys.
    fn seals(&self) -> bool {
        self.encryption != Encryption::Off
    }
}

/// What is asked of a transaction. One type for all questions: futures of their own, and what holds and joins them, weigh more in
/// WebAssembly than what is done here.
type Pending<'t, A> = Pin<Box<dyn Future<Output = Result<A, StoreError>> + 't>>;

fn too_large() -> StoreError {
    StoreError::new(StoreErrorKind::Failed, "encrypting the queue", "a text is too long")
}

impl<T: Transaction, K: Keys> Transaction for SealedTransaction<T, K> {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn may_lie_above(&self, user_id: &str) -> bool {
        self.inner.may_lie_above(user_id)
    }

    async fn document(&self, user_id: &str, kind: Kind, name: &str) -> Result<Option<String>, StoreError> {
        if kind == Kind::Queue
            && name.is_empty()
            && let Some(looked) = self.record.borrow().as_ref().filter(|looked| looked.user_id == user_id)
        {
            return Ok(looked.text.clone());
        }
        let text = self.inner.document(user_id, kind, name).await?;
        text.map(|text| self.open_document(user_id, kind, name, text)).transpose()
    }

    async fn documents(&self, user_id: &str, kind: Kind) -> Result<Vec<(String, String)>, StoreError> {
        let documents = self.inner.documents(user_id, kind).await?.into_iter();
        let open = |(name, text): (String, String)| {
            let text = self.open_document(user_id, kind, &name, text)?;
            Ok((name, text))
        };
        documents.map(open).collect()
    }

    fn write_document(&self, user_id: &str, kind: Kind, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        if kind == Kind::Queue && name.is_empty() {
            let mut record = self.record.borrow_mut();
            *record = record.take().filter(|looked| looked.user_id != user_id);
        }
        match text {
            Some(text)
                if (self.seals() && kind != Kind::File || kind == Kind::Queue)
                    && self.ring.newest(user_id).is_some()
                    && !cipher::is_sealed(text) =>
            {
                let sealed = self.ring.seal_document(user_id, kind, name, text, &self.nonce()).ok_or_else(too_large)?;
                self.inner.write_document(user_id, kind, name, Some(&sealed))
            }
            text => self.inner.write_document(user_id, kind, name, text),
        }
    }

    fn rows(
        &self,
        user_id: &str,
        lane: Lane,
        first: u64,
        last: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> {
        let user_id = user_id.to_string();
        let found = async move { self.open_all(&user_id, self.inner.rows(&user_id, lane, first, last, limit).await?) };
        Box::pin(found) as Pending<'_, _>
    }

    fn find(&self, user_id: &str, id: &str) -> impl Future<Output = Result<Option<Row>, StoreError>> {
        let (user_id, id) = (user_id.to_string(), id.to_string());
        let found = async move {
            let found = self.inner.find(&user_id, &id).await?;
            Ok(self.open_all(&user_id, found.into_iter().collect())?.pop())
        };
        Box::pin(found) as Pending<'_, _>
    }

    fn find_all(&self, user_id: &str, ids: &[String]) -> impl Future<Output = Result<Vec<Option<Row>>, StoreError>> {
        let (user_id, ids) = (user_id.to_string(), ids.to_vec());
        let found = async move {
            let mut found = self.inner.find_all(&user_id, &ids).await?;
            for row in found.iter_mut().flatten() {
                self.ring.open_row(&user_id, row)?;
            }
            Ok(found)
        };
        Box::pin(found) as Pending<'_, _>
    }

    fn of_key(&self, user_id: &str, key: &str, first: u64, limit: u32) -> impl Future<Output = Result<Vec<Row>, StoreError>> {
        let ask = |user_id: String, name: String| {
            let found = async move { self.inner.of_key(&user_id, &name, first, limit).await };
            Box::pin(found) as Pending<'_, _>
        };
        self.ask_by_names(user_id, key, limit, &ask)
    }

    async fn last_of_key(&self, user_id: &str, key: &str) -> Result<Option<Row>, StoreError> {
        let ask = |user_id: String, name: String| {
            let found = async move { Ok(self.inner.last_of_key(&user_id, &name).await?.into_iter().collect()) };
            Box::pin(found) as Pending<'_, _>
        };
        Ok(self.ask_by_names(user_id, key, u32::MAX, &ask).await?.pop())
    }

    fn due(&self, user_id: &str, until: WallTime, limit: u32) -> impl Future<Output = Result<Vec<Row>, StoreError>> {
        let user_id = user_id.to_string();
        let found = async move { self.open_all(&user_id, self.inner.due(&user_id, until, limit).await?) };
        Box::pin(found) as Pending<'_, _>
    }

    fn after(&self, user_id: &str, id: &str, limit: u32) -> impl Future<Output = Result<Vec<Row>, StoreError>> {
        let (user_id, id) = (user_id.to_string(), id.to_string());
        let found = async move { self.open_all(&user_id, self.inner.after(&user_id, &id, limit).await?) };
        Box::pin(found) as Pending<'_, _>
    }

    async fn count(&self, user_id: &str, lane: Lane) -> Result<u64, StoreError> {
        self.inner.count(user_id, lane).await
    }

    fn write(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        self.inner.write(user_id, &*self.sealed(user_id, row)?)
    }

    fn write_new(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        self.inner.write_new(user_id, &*self.sealed(user_id, row)?)
    }

    fn delete(&self, user_id: &str, lane: Lane, first: u64, last: u64) -> Result<(), StoreError> {
        self.inner.delete(user_id, lane, first, last)
    }

    fn pace(&self) -> impl Future<Output = Result<(), StoreError>> {
        self.inner.pace()
    }

    async fn users(&self) -> Result<Vec<String>, StoreError> {
        self.inner.users().await
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        let (ring, keys) = (self.ring.clone(), self.keys.clone());
        let keeping = self.keeping.take().filter(|_| self.access == Access::Write);
        let kept = keeping.and_then(|keeping| Some((ring.newest(&keeping.user_id)?, keeping.user_id.clone(), keeping)));
        let Some((cipher, user_id, keeping)) = kept else { return self.into_inner()?.commit().await };
        keeping.unkept.set(keeping.is_strict || keeping.unkept.get());
        self.into_inner()?.commit().await?;
        match keys.keep(&user_id, cipher.key()).await {
            Ok(()) => keeping.unkept.set(false),
            Err(failed) if keeping.is_strict => {
                return Err(StoreError::new(StoreErrorKind::KeyUnavailable, failed.operation, failed.message));
            }
            // It was had from where it cannot be had now.
            Err(_) => {}
        }
        Ok(())
    }
}
