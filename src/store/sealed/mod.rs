//! A store that encrypts what it is given before another store keeps it.
//!
//! What is read and written within a transaction is opened and sealed at once, with a data key that is in memory by then: a
//! transaction of IndexedDB ends by itself as soon as anything else is awaited in it. See
//! `docs/decisions/0014-encryption-at-rest.md`.
//!
//! Sealed are the texts of rows and documents, and the keys that rows are found by. What else a row has beside its text (its place, its
//! id, when it is due and what it depends on) is as it was. Text that is there in the clear is read as it is.
//!
//! **Which key.** What is written is sealed with the newest key of its user. The record of a queue is always sealed with the newest key
//! that anything of the queue was sealed with, and is looked at first in each transaction. So a tab that does not know the newest key
//! notices, lets go of the transaction, asks for the keys, and begins again; and nobody seals with a key that was forgotten.
//!
//! **What cannot be opened**, because it is damaged or its key is gone, is given out as it is, and put back as it is: for those above, it
//! is a text that they cannot read. If its key may be had later, the transaction fails with [`StoreErrorKind::KeyUnavailable`] instead;
//! if it has only not been asked for, since the record of the queue says nothing of it, with [`StoreErrorKind::Overtaken`], and the next
//! one asks.

mod cipher;
mod files;
mod opener;
mod ring;
mod transaction;

pub use opener::Opener;
pub use transaction::SealedTransaction;

use super::turn::Turn;
use crate::platform::tables::{Durability, Kind, Lane, Lot, PlaceChange, Store, Transaction};
use crate::platform::{Access, Encryption, Keys, StoreError, StoreErrorKind};
use cipher::{Cipher, Sealing};
use ring::{Asked, Ring};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use transaction::Record;

/// How many rows are sealed in one transaction of those that were there before.
const PAGE: u32 = 200;

/// A store that seals what another one keeps: see the module. Its clones are the same store.
pub struct Sealed<S, K> {
    shared: Rc<Shared<S, K>>,
}

struct Shared<S, K> {
    inner: S,
    keys: Rc<K>,
    encryption: Encryption,
    /// Whose queue this tab works on.
    user_id: Option<String>,
    ring: RefCell<Rc<Ring>>,
    /// One asks for keys at a time.
    asking: Rc<Turn>,
    failure: RefCell<Option<StoreError>>,
    /// Whether something may be there that was not sealed with the newest key.
    has_rest: Cell<bool>,
    /// Whether something may have been written with a key that is not there.
    unkept: Rc<Cell<bool>>,
    /// The record whose key was asked for and is not there any longer. Whoever seals another one with that key has it still.
    gone: RefCell<Option<Sealing>>,
}

impl<S, K> Clone for Sealed<S, K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S: Store, K: Keys> Sealed<S, K> {
    /// Seals what `inner` keeps, as far as that is wanted, with the keys of the user whose queue this tab works on. No key is asked for
    /// before it is needed: with [`Encryption::Off`] not before something is found that was sealed.
    pub fn new(inner: S, keys: K, encryption: Encryption, user_id: Option<String>) -> Self {
        let shared = Shared {
            inner,
            keys: Rc::new(keys),
            encryption,
            user_id,
            ring: RefCell::default(),
            asking: Rc::default(),
            failure: RefCell::default(),
            has_rest: Cell::new(false),
            unkept: Rc::default(),
            gone: RefCell::default(),
        };
        Self { shared: Rc::new(shared) }
    }

    /// The store that keeps it.
    pub fn inner(&self) -> &S {
        &self.shared.inner
    }

    fn ring(&self) -> Rc<Ring> {
        self.shared.ring.borrow().clone()
    }

    /// Asks for the keys of the tab's user, unless another one has while this one waited. `before` is what was known. Whether they have
    /// been asked for here.
    async fn ask(&self, user_id: &str, before: &Rc<Ring>) -> Result<bool, StoreError> {
        let shared = &self.shared;
        let _alone = shared.asking.take().await;
        if !Rc::ptr_eq(before, &shared.ring.borrow()) {
            return Ok(false);
        }
        let mut found = shared.keys.load(Some(user_id)).await;
        if shared.encryption != Encryption::Off && found.as_ref().is_ok_and(Vec::is_empty) {
            found = shared.keys.make(user_id, None).await;
            if found.as_ref().is_ok_and(Vec::is_empty) {
                found = Err(StoreError::new(StoreErrorKind::Failed, "making a key for the queue", "it was deleted at once"));
            }
        }
        match found {
            Ok(keys) => {
                shared.ring.replace(Rc::new(Ring::beside(Asked::Of(user_id.into()), &keys, before)));
                Ok(true)
            }
            Err(failed) => {
                if shared.encryption != Encryption::Off && matches!(before.asked, Asked::OfNobody) {
                    shared.failure.replace(Some(failed.clone()));
                }
                // What is known stays. The next one asks again.
                shared.ring.replace(Rc::new(before.after_failure(failed.clone())));
                Err(unavailable(&failed))
            }
        }
    }

    /// The keys, if they are wanted; asked for if they have not been.
    async fn wanted(&self, user_id: &str, access: Access) -> Result<Rc<Ring>, StoreError> {
        let encryption = self.shared.encryption;
        let mut ring = self.ring();
        if encryption == Encryption::Off && !ring.is_lacking() {
            return Ok(ring);
        }
        if !ring.knows(user_id) {
            // Whether it is known now is looked at below.
            let _: Result<bool, StoreError> = self.ask(user_id, &ring).await;
            ring = self.ring();
        }
        match &ring.asked {
            Asked::InVain(failed) if encryption == Encryption::Required && access == Access::Write => Err(unavailable(failed)),
            _ => Ok(ring),
        }
    }

    /// Begins a transaction where new actions go to, or in another place.
    async fn begin(&self, place: Option<Durability>, access: Access) -> Result<SealedTransaction<S::Transaction, K>, StoreError> {
        if let Some(user_id) = &self.shared.user_id {
            return self.begin_for(user_id, place, access).await;
        }
        let inner = self.begin_inner(place, access).await?;
        Ok(SealedTransaction::new(inner, self.ring(), self.shared.keys.clone(), Encryption::Off, access))
    }

    async fn begin_inner(&self, place: Option<Durability>, access: Access) -> Result<S::Transaction, StoreError> {
        match place {
            Some(place) => self.shared.inner.transaction_at(place, access).await,
            None => self.shared.inner.transaction(access).await,
        }
    }

    async fn begin_for(
        &self,
        user_id: &str,
        place: Option<Durability>,
        access: Access,
    ) -> Result<SealedTransaction<S::Transaction, K>, StoreError> {
        let shared = &self.shared;
        let mut is_certain = false;
        loop {
            let ring = self.wanted(user_id, access).await?;
            if let Some(key) = ring.newest(user_id).filter(|_| shared.unkept.get()) {
                shared.keys.keep(user_id, key.key()).await.map_err(|failed| unavailable(&failed))?;
                shared.unkept.set(false);
            }
            let inner = self.begin_inner(place, access).await?;
            let transaction = SealedTransaction::new(inner, ring.clone(), shared.keys.clone(), shared.encryption, access);
            match transaction.look_at_record(user_id).await? {
                Record::Unknown(sealing) if shared.gone.borrow().as_ref() == Some(&sealing) => {}
                Record::Unknown(sealing) => {
                    drop(transaction);
                    if self.ask(user_id, &ring).await? && !self.ring().has(user_id, sealing.number) {
                        shared.gone.replace(Some(sealing));
                    }
                    continue;
                }
                Record::Sealed => {}
                // All may have been deleted since the key was read, and the key with it: a moment ago, or since this transaction waits.
                // Where the record does not say that the newest key is in use, it has to be certain that others find it.
                Record::Absent | Record::Rest if access == Access::Write && !is_certain && ring.newest(user_id).is_some() => {
                    drop(transaction);
                    is_certain = true;
                    shared.unkept.set(true);
                    continue;
                }
                Record::Rest => {
                    shared.has_rest.set(shared.encryption != Encryption::Off);
                    return Ok(transaction.keeping(user_id, shared.unkept.clone(), true));
                }
                Record::Absent => return Ok(transaction.keeping(user_id, shared.unkept.clone(), true)),
            }
            // Elsewhere than in the database, the key may have been renewed without a trace where this tab writes.
            let is_elsewhere = place.unwrap_or_else(|| shared.inner.durability()) != Durability::IndexedDb;
            return Ok(if is_elsewhere { transaction.keeping(user_id, shared.unkept.clone(), false) } else { transaction });
        }
    }

    /// Seals what is there, a page at a time, so that nobody waits long.
    async fn seal_all(&self, user_id: &str) -> Result<(), StoreError> {
        let transaction = self.transaction(Access::Write).await?;
        transaction.seal_documents(user_id, Kind::History).await?;
        transaction.commit().await?;
        for lane in Lane::ALL {
            let mut from = Some(0);
            while let Some(first) = from {
                let transaction = self.transaction(Access::Write).await?;
                from = transaction.seal_rows(user_id, lane, first, PAGE).await?.map(|last| last.saturating_add(1));
                transaction.commit().await?;
            }
        }
        Ok(())
    }
}

fn unavailable(failed: &StoreError) -> StoreError {
    StoreError::new(StoreErrorKind::KeyUnavailable, failed.operation, failed.message.clone())
}

impl<S: Store, K: Keys> Store for Sealed<S, K> {
    type Transaction = SealedTransaction<S::Transaction, K>;

    fn durability(&self) -> Durability {
        self.shared.inner.durability()
    }

    async fn transaction(&self, access: Access) -> Result<Self::Transaction, StoreError> {
        self.begin(None, access).await
    }

    async fn transaction_at(&self, place: Durability, access: Access) -> Result<Self::Transaction, StoreError> {
        self.begin(Some(place), access).await
    }

    fn step_down(&self, error: StoreError) -> bool {
        // In a lesser place it would be no less in the clear.
        let is_refused = error.kind == StoreErrorKind::KeyUnavailable && self.shared.encryption == Encryption::Required;
        !is_refused && self.shared.inner.step_down(error)
    }

    fn is_in_doubt(&self, user_id: &str) {
        self.shared.inner.is_in_doubt(user_id);
    }

    fn may_send(&self, user_id: &str) -> bool {
        self.shared.inner.may_send(user_id)
    }

    fn sends_from(&self, user_id: &str) -> Option<Durability> {
        self.shared.inner.sends_from(user_id)
    }

    fn is_in_two_places(&self, user_id: &str) -> bool {
        self.shared.inner.is_in_two_places(user_id)
    }

    fn usable_places(&self) -> Vec<Durability> {
        self.shared.inner.usable_places()
    }

    fn places(&self, user_id: &str) -> Vec<Durability> {
        self.shared.inner.places(user_id)
    }

    fn is_thought_to_hold(&self, user_id: &str, place: Durability) -> bool {
        self.shared.inner.is_thought_to_hold(user_id, place)
    }

    fn nothing_is_left(&self, user_id: &str, place: Durability) {
        self.shared.inner.nothing_is_left(user_id, place);
    }

    async fn users_below(&self) -> Vec<String> {
        self.shared.inner.users_below().await
    }

    async fn promote(
        &self,
        user_id: &str,
        others: &[String],
        absorb: impl AsyncFn(Self::Transaction, Lot) -> Result<Self::Transaction, StoreError>,
    ) -> Result<(), StoreError> {
        let shared = &self.shared;
        // What lies there may be another user's, whose keys nobody has needed until now, or sealed with a key that is newer.
        let mut ring = Rc::new(self.ring().in_doubt());
        // Nothing is sealed above with a key that only this page has.
        if let Some(newest) = ring.newest(user_id) {
            shared.keys.keep(user_id, newest.key()).await.map_err(|failed| unavailable(&failed))?;
        }
        loop {
            let within = async |inner, mut lot: Lot| {
                ring.open_lot(&mut lot)?;
                // What another user has had encrypted stays so, whatever is wanted here.
                let is_others = shared.user_id.as_ref() != Some(&lot.user_id);
                let encryption = match shared.encryption {
                    Encryption::Off if is_others => Encryption::Preferred,
                    own => own,
                };
                let transaction = SealedTransaction::new(inner, ring.clone(), shared.keys.clone(), encryption, Access::Write);
                transaction.look_at_record(&lot.user_id).await?;
                // Its key may have been deleted in the meantime: whoever writes next makes sure of it.
                shared.unkept.set(true);
                absorb(transaction, lot).await?.into_inner()
            };
            match shared.inner.promote(user_id, others, within).await {
                Err(_) if ring.is_lacking() => {
                    let keys = shared.keys.load(None).await.map_err(|failed| unavailable(&failed))?;
                    ring = Rc::new(Ring::beside(Asked::OfAll, &keys, &ring));
                }
                promoted => return promoted,
            }
        }
    }

    fn may_be_promoted(&self, user_id: &str) -> bool {
        self.shared.inner.may_be_promoted(user_id)
    }

    fn on_loss(&self, listener: Box<dyn Fn()>) {
        self.shared.inner.on_loss(listener);
    }

    fn take_key_failure(&self) -> Option<StoreError> {
        self.shared.failure.take()
    }

    async fn seal_the_rest(&self, user_id: &str) -> Result<(), StoreError> {
        if !self.shared.has_rest.replace(false) {
            return Ok(());
        }
        let sealed = self.seal_all(user_id).await;
        // What does not fit is sealed when it is written next.
        let is_worth_another_try = sealed.as_ref().is_err_and(|failed| failed.kind != StoreErrorKind::QuotaExceeded);
        self.shared.has_rest.set(is_worth_another_try);
        sealed
    }

    async fn renew_key(&self, user_id: &str) -> Result<(), StoreError> {
        let shared = &self.shared;
        // Whether there is a key is known by then.
        drop(self.transaction(Access::Read).await?);
        let _alone = shared.asking.take().await;
        let Some(newest) = self.ring().newest(user_id).map(Cipher::number) else { return Ok(()) };
        let keys = shared.keys.make(user_id, Some(newest)).await?;
        shared.ring.replace(Rc::new(Ring::new(Asked::Of(user_id.into()), &keys)));
        Ok(())
    }

    async fn forget_old_keys(&self, user_id: &str) -> Result<(), StoreError> {
        let shared = &self.shared;
        let ring = self.ring();
        // What lies in a lesser place may need them yet.
        if !ring.has_several(user_id) || shared.inner.may_be_promoted(user_id) {
            return Ok(());
        }
        let Some(newest) = ring.newest(user_id).map(Cipher::number) else { return Ok(()) };
        // Whoever knows only an old one must see that there is a newer one.
        let transaction = shared.inner.transaction(Access::Read).await?;
        let record = transaction.document(user_id, Kind::Queue, "").await?;
        drop(transaction);
        if record.as_deref().and_then(Sealing::of).map(|sealing| sealing.number) == Some(newest) {
            shared.keys.forget(user_id, newest).await?;
        }
        Ok(())
    }

    fn close(&self) {
        self.shared.inner.close();
    }

    fn take_changes(&self) -> Vec<PlaceChange> {
        self.shared.inner.take_changes()
    }
}
