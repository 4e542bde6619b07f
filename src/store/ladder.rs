//! Three stores, of which a tab uses the best that works.
//!
//! ```text
//!   upper    IndexedDB      survives crashes of the browser
//!   middle   localStorage   survives the page
//!   lowest   memory         ends with the page
//! ```
//!
//! A tab begins on the upper rung. When a rung cannot be used, it **steps down**, and from then on everything of this tab goes to the
//! rung below, so that what comes later does not end up before what came earlier. It comes back up by **promotion**: when the upper
//! rung works again, what lies below is moved there, in order, and only when nothing is left below does the tab go on above.
//!
//! Whether anything lies above a tab that is below is remembered in a **hint**, a small text beside the stores: only if nothing does
//! may what lies below be sent, for it must not overtake. What lies above is sent first. That is possible where the rung above is full,
//! and so takes nothing new, but can be read and deleted from, which makes room; where it cannot be read, all waits.
//!
//! Nothing is lost on the way: a row is deleted below after it has been committed above, and one whose id is above already is not
//! written again. The page may die at any point, and whoever promotes next goes on. Until then nothing is sent from below: it may have
//! been sent from above.

use crate::broken::{self, Variant};
use crate::platform::tables::{Durability, Kind, Lane, Lot, PlaceChange, Row, Store, Transaction};
use crate::platform::{Access, Files, KeyValue, StoreError, StoreErrorKind};
use crate::time::WallTime;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The hint of a user, before the user's id.
const HOLDS: &str = "holds:";
/// How the hint says that what lies below may lie above as well.
const BEING_MOVED: char = '+';

const KINDS: [Kind; 2] = [Kind::Queue, Kind::History];

/// The places of a ladder, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// The first choice.
    Upper,
    /// The second.
    Middle,
    /// The last resort.
    Lowest,
}

impl Rung {
    const ALL: [Self; 3] = [Self::Upper, Self::Middle, Self::Lowest];

    fn below(self) -> Option<Self> {
        match self {
            Self::Upper => Some(Self::Middle),
            Self::Middle => Some(Self::Lowest),
            Self::Lowest => None,
        }
    }

    /// As the hint names it.
    fn letter(self) -> char {
        match self {
            Self::Upper => 'u',
            Self::Middle => 'm',
            Self::Lowest => 'l',
        }
    }
}

/// What a promotion has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// Which rung the tab uses now.
    pub rung: Rung,
    /// How many rows were written above.
    pub moved: u64,
    /// How many rows were above already, and were only deleted below.
    pub skipped: u64,
}

/// A store of three: see the module. Its clones are the same ladder.
#[derive(Debug)]
pub struct Ladder<A, B, C, K> {
    shared: Rc<Shared<A, B, C, K>>,
}

#[derive(Debug)]
struct Shared<A, B, C, K> {
    upper: A,
    middle: B,
    lowest: C,
    hints: K,
    active: Cell<Rung>,
    /// The rungs that could not be used when that was tried last.
    unusable: RefCell<Vec<Rung>>,
    /// The rungs that were left, and of which this tab has not seen whether anything lies there.
    unseen: RefCell<Vec<Rung>>,
    /// The rungs that this tab has written to since they were seen empty.
    used: RefCell<Vec<Rung>>,
    changes: RefCell<Vec<PlaceChange>>,
    is_promoting: Cell<bool>,
    is_closed: Cell<bool>,
    /// Whose actions on the lowest rung may lie above as well.
    moved: RefCell<Vec<String>>,
}

impl<A, B, C, K> Clone for Ladder<A, B, C, K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<A: Store, B: Store, C: Store, K: KeyValue> Ladder<A, B, C, K> {
    /// A ladder of these stores, the best first, on its upper rung. `hints` are shared by all tabs that share the stores.
    pub fn new(upper: A, middle: B, lowest: C, hints: K) -> Self {
        let shared = Shared {
            upper,
            middle,
            lowest,
            hints,
            active: Cell::new(Rung::Upper),
            unusable: RefCell::default(),
            unseen: RefCell::default(),
            used: RefCell::default(),
            changes: RefCell::default(),
            is_promoting: Cell::new(false),
            is_closed: Cell::new(false),
            moved: RefCell::default(),
        };
        Self { shared: Rc::new(shared) }
    }

    /// Which rung this tab uses.
    pub fn rung(&self) -> Rung {
        self.shared.active.get()
    }

    /// Goes on a rung below `from`, for a caller for whom a commit there has failed for good. Nothing happens if the tab has left it
    /// already. `false` if there is nothing below.
    pub fn step_down_from(&self, from: Rung, error: StoreError) -> bool {
        let Some(to) = from.below() else { return false };
        if self.rung() == from {
            if error.kind != StoreErrorKind::QuotaExceeded {
                self.is_unusable(from);
            }
            self.go(to, Some(error));
        }
        true
    }

    /// Looks whether a better rung works again, and if so moves what lies below to it, and goes on there. To be called
    /// once in a while when this tab is below, and once before anything else when it begins: earlier pages may have left something.
    /// Nobody may be sending from below meanwhile, in no tab: whoever calls this holds the lock that they need for it, that of the
    /// `user_id` whose queue this tab works on, and those of the `others` whose queues are moved as well.
    ///
    /// `absorb` writes a lot to the better rung, by the rules of appending, and hands the transaction back; it is gone below when that has been committed. Nothing but
    /// the methods of its transaction may be awaited in it. Rows that are above already are not in the lot. What it fails with ends the
    /// promotion: what has been moved stays above, the rest below, and the tab where it was.
    pub async fn climb<F>(&self, user_id: &str, others: &[String], absorb: F) -> Result<Promotion, StoreError>
    where
        F: AsyncFn(LadderTransaction<A, B, C, K>, Lot) -> Result<LadderTransaction<A, B, C, K>, StoreError>,
    {
        let mut promotion = Promotion { rung: self.rung(), moved: 0, skipped: 0 };
        if self.shared.is_promoting.replace(true) {
            return Ok(promotion);
        }
        let _promoting = Promoting(&self.shared.is_promoting);
        let to = self.best().await?;
        let mut movable: Vec<&str> = others.iter().map(String::as_str).chain([user_id]).collect();
        for from in Rung::ALL.into_iter().filter(|rung| *rung > to) {
            match self.move_up(from, to, &movable, &absorb, &mut promotion).await {
                Ok(()) => {
                    self.shared.remember(user_id, from, false);
                }
                // Where there is no such rung, or nothing on it as far as is known, it is passed over. What came earlier is not.
                Err(failed) if failed.kind.is_of_the_store() && from != self.rung() && !self.may_hold(from, user_id) => {
                    movable.retain(|owner| !self.may_hold(from, owner));
                }
                Err(failed) => return Err(failed),
            }
        }
        promotion.rung = self.rung();
        Ok(promotion)
    }

    /// The best rung that works, if none above that of this tab does then that.
    async fn best(&self) -> Result<Rung, StoreError> {
        let own = self.rung();
        for rung in Rung::ALL.into_iter().filter(|rung| *rung < own) {
            match self.begin(rung, Access::Read).await {
                Ok(_) => {
                    self.shared.unusable.borrow_mut().retain(|unusable| *unusable != rung);
                    return Ok(rung);
                }
                Err(failed) if failed.kind.is_of_the_store() => self.is_unusable(rung),
                Err(_) => {}
            }
        }
        self.begin(own, Access::Read).await.map(|_| own).inspect_err(|failed| {
            // Or whoever begins next would wait for it as long again.
            if failed.kind.is_of_the_store() {
                self.step_down_from(own, failed.clone());
            }
        })
    }

    /// Moves all that lies on a rung and is to be moved, and the tab if it is there.
    async fn move_up<F>(
        &self,
        from: Rung,
        to: Rung,
        movable: &[&str],
        absorb: &F,
        promotion: &mut Promotion,
    ) -> Result<(), StoreError>
    where
        F: AsyncFn(LadderTransaction<A, B, C, K>, Lot) -> Result<LadderTransaction<A, B, C, K>, StoreError>,
    {
        loop {
            // It is held until all is above: nothing can be appended below in between, and whoever waits for it finds the tab above.
            let below = self.begin(from, Access::Write).await?;
            let users = below.users().await?;
            let Some(user_id) = users.iter().find(|user_id| movable.contains(&user_id.as_str())).cloned() else {
                if users.is_empty() {
                    self.shared.used.borrow_mut().retain(|used| *used != from);
                }
                if self.rung() == from {
                    self.go(to, None);
                }
                return Ok(());
            };
            // From here on: what is changed below in the meantime is not changed above.
            let was_above = self.shared.may_be_above(&user_id, from);
            self.shared.is_being_moved(&user_id, from, true);
            let unmoved = Unmoved { shared: &self.shared, user_id: user_id.clone(), from, was_above };
            let mut lot = Lot {
                user_id,
                from: self.durability_of(from),
                rows: Vec::new(),
                documents: Vec::new(),
                may_have_been_brought: was_above,
            };
            for kind in KINDS {
                let found = below.documents(&lot.user_id, kind).await?;
                lot.documents.extend(found.into_iter().map(|(name, text)| (kind, name, text)));
            }
            for lane in Lane::ALL {
                lot.rows.extend(below.rows(&lot.user_id, lane, 0, u64::MAX >> 11, u32::MAX).await?);
            }
            lot.rows.sort_by_key(|row| row.seq);
            for row in &lot.rows {
                below.delete(&lot.user_id, row.lane, row.seq, row.seq)?;
            }
            for (kind, name, _) in &lot.documents {
                below.write_document(&lot.user_id, *kind, name, None)?;
            }
            let user_id = lot.user_id.clone();

            // What may lie in a still better place may lie there wherever it is brought.
            let was_above_there = self.shared.may_be_above(&user_id, to);
            if was_above {
                self.shared.is_being_moved(&user_id, to, true);
            }
            let above = self.begin(to, Access::Write).await?;
            let mut new = Vec::new();
            for row in std::mem::take(&mut lot.rows) {
                if above.find(&user_id, &row.id).await?.is_some() && !broken::is(Variant::PromotedTwice) {
                    promotion.skipped += 1;
                    // Whoever wrote it there may not have known that it was.
                    self.shared.remember(&user_id, to, true);
                } else {
                    new.push(row);
                }
            }
            promotion.moved += u64::try_from(new.len()).unwrap_or(u64::MAX);
            let above = absorb(above, Lot { rows: new, ..lot }).await?;
            let was_above = unmoved.may_be_above_now();
            if broken::is(Variant::DeletedBeforePromoted) {
                below.commit().await?;
                return above.commit().await;
            }
            above.commit().await.inspect_err(|failed| {
                if is_certain(failed) {
                    self.shared.is_being_moved(&user_id, from, was_above);
                    self.shared.is_being_moved(&user_id, to, was_above_there);
                }
            })?;
            below.commit().await?;
            self.shared.is_being_moved(&user_id, from, false);
            self.shared.remember(&user_id, from, false);
        }
    }

    /// Whether something may lie on a rung that cannot be looked at.
    fn may_hold(&self, rung: Rung, user_id: &str) -> bool {
        self.shared.used.borrow().contains(&rung) || self.shared.hint(user_id).contains(rung.letter())
    }

    /// The best of the rungs above that of this tab that hold something of a user's, as far as is known.
    fn first_above(&self, user_id: &str) -> Option<Rung> {
        let holding = self.shared.hint(user_id);
        let unseen = self.shared.unseen.borrow();
        let may_hold = |rung: &Rung| holding.contains(rung.letter()) || unseen.contains(rung) && self.is_usable(*rung);
        Rung::ALL.into_iter().find(|rung| *rung < self.rung() && may_hold(rung))
    }

    /// Whether a rung could be used when that was tried last, if it was.
    fn is_usable(&self, rung: Rung) -> bool {
        !self.shared.unusable.borrow().contains(&rung)
    }

    fn durability_of(&self, rung: Rung) -> Durability {
        match rung {
            Rung::Upper => self.shared.upper.durability(),
            Rung::Middle => self.shared.middle.durability(),
            Rung::Lowest => self.shared.lowest.durability(),
        }
    }

    async fn begin(&self, rung: Rung, access: Access) -> Result<LadderTransaction<A, B, C, K>, StoreError> {
        let on = match rung {
            Rung::Upper => On::Upper(self.shared.upper.transaction(access).await?),
            Rung::Middle => On::Middle(self.shared.middle.transaction(access).await?),
            Rung::Lowest => On::Lowest(self.shared.lowest.transaction(access).await?),
        };
        Ok(LadderTransaction {
            on,
            durability: self.durability_of(rung),
            users: RefCell::default(),
            unmoved: RefCell::default(),
            has_written: Cell::default(),
            shared: self.shared.clone(),
        })
    }

    /// A rung cannot be used: it is left, if the tab is on it.
    fn give_up(&self, rung: Rung, failed: &StoreError) {
        self.is_unusable(rung);
        if rung == self.rung()
            && let Some(below) = rung.below()
        {
            self.go(below, Some(failed.clone()));
        }
    }

    fn is_unusable(&self, rung: Rung) {
        let mut unusable = self.shared.unusable.borrow_mut();
        if !unusable.contains(&rung) {
            unusable.push(rung);
        }
    }

    fn go(&self, to: Rung, error: Option<StoreError>) {
        let from = self.shared.active.replace(to);
        let mut unseen = self.shared.unseen.borrow_mut();
        unseen.retain(|rung| *rung < to);
        if from < to {
            unseen.push(from);
        }
        drop(unseen);
        let change = PlaceChange { from: self.durability_of(from), to: self.durability_of(to), error };
        self.shared.changes.borrow_mut().push(change);
    }
}

impl<A, B, C, K: KeyValue> Shared<A, B, C, K> {
    /// The letters of the rungs that hold something of a user's.
    fn hint(&self, user_id: &str) -> String {
        self.hints.read(&[HOLDS, user_id].concat()).unwrap_or_default()
    }

    /// Remembers whether a rung holds something of a user's. Whether that is another thing than was known.
    fn remember(&self, user_id: &str, rung: Rung, holds: bool) -> bool {
        rung != Rung::Lowest && self.note(user_id, rung.letter(), holds)
    }

    /// Remembers whether what lies on a rung of a user's may lie above as well. On the lowest it is this page's own.
    fn is_being_moved(&self, user_id: &str, rung: Rung, is_so: bool) {
        match rung {
            Rung::Upper => {}
            Rung::Middle => drop(self.note(user_id, BEING_MOVED, is_so)),
            Rung::Lowest => {
                let mut moved = self.moved.borrow_mut();
                moved.retain(|known| known != user_id);
                moved.extend(is_so.then(|| user_id.to_string()));
            }
        }
    }

    /// Whether what lies on a rung of a user's may lie above as well, so that it may have been sent from there.
    fn may_be_above(&self, user_id: &str, rung: Rung) -> bool {
        match rung {
            Rung::Upper => false,
            Rung::Middle => self.hint(user_id).contains(BEING_MOVED),
            Rung::Lowest => self.moved.borrow().iter().any(|known| known == user_id),
        }
    }

    /// Notes whether something is so. Whether that is another thing than was known.
    fn note(&self, user_id: &str, letter: char, is_so: bool) -> bool {
        let known = self.hint(user_id);
        if known.contains(letter) == is_so {
            return false;
        }
        let key = [HOLDS, user_id].concat();
        let mut hint = known.replace(letter, "");
        if is_so {
            hint.push(letter);
        }
        if hint.is_empty() {
            self.hints.remove(&key);
        } else {
            self.hints.write(&key, &hint);
        }
        true
    }
}

/// Whether nothing has happened. What has failed may have happened all the same, unless there was no room for it, or another tab was
/// faster.
fn is_certain(failed: &StoreError) -> bool {
    matches!(failed.kind, StoreErrorKind::QuotaExceeded | StoreErrorKind::Overtaken)
}

/// While nothing is above, nothing that lies below may be there: it is as it was before, if this is dropped.
struct Unmoved<'a, A, B, C, K: KeyValue> {
    shared: &'a Shared<A, B, C, K>,
    user_id: String,
    from: Rung,
    was_above: bool,
}

impl<A, B, C, K: KeyValue> Unmoved<'_, A, B, C, K> {
    /// It may be there from now on. Whether it might have been before.
    fn may_be_above_now(mut self) -> bool {
        std::mem::replace(&mut self.was_above, true)
    }
}

impl<A, B, C, K: KeyValue> Drop for Unmoved<'_, A, B, C, K> {
    fn drop(&mut self) {
        self.shared.is_being_moved(&self.user_id, self.from, self.was_above);
    }
}

/// Ends with the promotion, however it ends.
struct Promoting<'a>(&'a Cell<bool>);

impl Drop for Promoting<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl<A: Store, B: Store, C: Store, K: KeyValue> Store for Ladder<A, B, C, K> {
    type Transaction = LadderTransaction<A, B, C, K>;

    /// That of the rung that this tab uses. See [`Transaction::durability`] for what was written.
    fn durability(&self) -> Durability {
        self.durability_of(self.rung())
    }

    /// Goes on a rung below.
    fn step_down(&self, error: StoreError) -> bool {
        self.step_down_from(self.rung(), error)
    }

    fn is_in_doubt(&self, user_id: &str) {
        self.shared.is_being_moved(user_id, self.rung(), true);
    }

    /// Whether, as far as is known, nothing lies above this tab's rung.
    fn may_send(&self, user_id: &str) -> bool {
        self.first_above(user_id).is_none()
    }

    fn sends_from(&self, user_id: &str) -> Option<Durability> {
        let rung = self.first_above(user_id).filter(|_| !broken::is(Variant::LesserPlaceOvertakes)).unwrap_or(self.rung());
        // What was about to be promoted is promoted first.
        let may_be = (rung == self.rung() || self.is_usable(rung)) && !self.shared.may_be_above(user_id, rung);
        may_be.then(|| self.durability_of(rung))
    }

    async fn transaction_at(&self, place: Durability, access: Access) -> Result<LadderTransaction<A, B, C, K>, StoreError> {
        let Some(rung) = Rung::ALL.into_iter().find(|rung| self.durability_of(*rung) == place) else {
            return self.transaction(access).await;
        };
        self.begin(rung, access).await.inspect_err(|failed| {
            if failed.kind.is_of_the_store() {
                self.give_up(rung, failed);
            }
        })
    }

    fn places(&self, user_id: &str) -> Vec<Durability> {
        let others = Rung::ALL.into_iter().filter(|rung| *rung != self.rung() && self.may_hold(*rung, user_id));
        [self.rung()].into_iter().chain(others).map(|rung| self.durability_of(rung)).collect()
    }

    fn is_in_two_places(&self, user_id: &str) -> bool {
        Rung::ALL.into_iter().any(|rung| self.shared.may_be_above(user_id, rung))
    }

    fn usable_places(&self) -> Vec<Durability> {
        Rung::ALL.into_iter().filter(|rung| self.is_usable(*rung)).map(|rung| self.durability_of(rung)).collect()
    }

    fn is_thought_to_hold(&self, user_id: &str, place: Durability) -> bool {
        let rung = Rung::ALL.into_iter().find(|rung| self.durability_of(*rung) == place);
        rung.is_some_and(|rung| self.shared.hint(user_id).contains(rung.letter()) || self.shared.unseen.borrow().contains(&rung))
    }

    /// That there is something again, the ladder notices by itself.
    fn nothing_is_left(&self, user_id: &str, place: Durability) {
        for rung in Rung::ALL.into_iter().filter(|rung| self.durability_of(*rung) == place) {
            self.shared.unseen.borrow_mut().retain(|unseen| *unseen != rung);
            self.shared.remember(user_id, rung, false);
        }
    }

    /// See [`Ladder::climb`].
    async fn promote(
        &self,
        user_id: &str,
        others: &[String],
        absorb: impl AsyncFn(Self::Transaction, Lot) -> Result<Self::Transaction, StoreError>,
    ) -> Result<(), StoreError> {
        self.climb(user_id, others, absorb).await.map(|_| ())
    }

    async fn users_below(&self) -> Vec<String> {
        let mut users = Vec::new();
        for rung in Rung::ALL.into_iter().filter(|rung| *rung > Rung::Upper) {
            // What cannot be looked at is not moved either.
            let Ok(below) = self.begin(rung, Access::Read).await else { continue };
            users.extend(below.users().await.unwrap_or_default());
        }
        users.sort_unstable();
        users.dedup();
        users
    }

    fn may_be_promoted(&self, user_id: &str) -> bool {
        let holding = self.shared.hint(user_id);
        self.rung() != Rung::Upper || Rung::ALL.into_iter().any(|rung| rung > Rung::Upper && holding.contains(rung.letter()))
    }

    fn on_loss(&self, listener: Box<dyn Fn()>) {
        self.shared.upper.on_loss(listener);
    }

    fn close(&self) {
        self.shared.is_closed.set(true);
    }

    fn take_changes(&self) -> Vec<PlaceChange> {
        self.shared.changes.take()
    }

    async fn transaction(&self, access: Access) -> Result<LadderTransaction<A, B, C, K>, StoreError> {
        loop {
            let rung = self.rung();
            if self.shared.is_closed.get() && rung == Rung::Lowest && access == Access::Write {
                let message = "the client is closed, and nothing but the memory of the page can be had";
                return Err(StoreError::new(StoreErrorKind::Unavailable, "writing to the queue", message));
            }
            match (self.begin(rung, access).await, rung.below()) {
                // While it waited, the tab may have gone elsewhere.
                (Ok(_), _) if self.rung() != rung => {}
                (Err(failed), Some(_)) if failed.kind.is_of_the_store() => self.give_up(rung, &failed),
                (begun, _) => return begun,
            }
        }
    }
}

/// Files lie on the upper rung, and nowhere else.
impl<A: Files, B, C, K> Files for Ladder<A, B, C, K> {
    type File = A::File;

    fn size(&self, file: &A::File) -> u64 {
        self.shared.upper.size(file)
    }

    async fn write_files(&self, user_id: &str, files: Vec<(String, A::File)>) -> Result<(), StoreError> {
        self.shared.upper.write_files(user_id, files).await
    }

    async fn file(&self, user_id: &str, id: &str, kind: &str) -> Result<Option<A::File>, StoreError> {
        self.shared.upper.file(user_id, id, kind).await
    }

    async fn delete_files(&self, user_id: &str, ids: &[String]) -> Result<(), StoreError> {
        self.shared.upper.delete_files(user_id, ids).await
    }

    async fn file_ids(&self, user_id: &str) -> Result<Vec<String>, StoreError> {
        self.shared.upper.file_ids(user_id).await
    }
}

/// A transaction on one of the rungs.
pub struct LadderTransaction<A: Store, B: Store, C: Store, K: KeyValue> {
    on: On<A::Transaction, B::Transaction, C::Transaction>,
    durability: Durability,
    /// For whom it has written something that is to be sent.
    users: RefCell<Vec<String>>,
    /// Whose queues it has read here while nothing of them could lie above.
    unmoved: RefCell<Vec<String>>,
    has_written: Cell<bool>,
    shared: Rc<Shared<A, B, C, K>>,
}

enum On<A, B, C> {
    Upper(A),
    Middle(B),
    Lowest(C),
}

impl<A: Store, B: Store, C: Store, K: KeyValue> LadderTransaction<A, B, C, K> {
    /// The rung that it writes to.
    pub fn rung(&self) -> Rung {
        match self.on {
            On::Upper(_) => Rung::Upper,
            On::Middle(_) => Rung::Middle,
            On::Lowest(_) => Rung::Lowest,
        }
    }

    /// Begins to read of a user's queue.
    fn sees(&self, user_id: &str) {
        let mut unmoved = self.unmoved.borrow_mut();
        if !self.may_lie_above(user_id) && !unmoved.iter().any(|known| known == user_id) {
            unmoved.push(user_id.into());
        }
    }

    fn will_write(&self, user_id: &str, row: &Row) {
        self.has_written.set(true);
        let mut users = self.users.borrow_mut();
        if !matches!(row.lane, Lane::Dead | Lane::Unreadable) && !users.iter().any(|known| known == user_id) {
            users.push(user_id.into());
        }
    }

    /// What it has read of a queue is about to be brought to a better place by another tab, which has read it as well.
    fn is_overtaken(&self) -> bool {
        let rung = self.rung();
        self.has_written.get() && self.unmoved.borrow().iter().any(|user_id| self.shared.may_be_above(user_id, rung))
    }
}

/// Does the same on whichever rung it is.
macro_rules! on {
    ($self:ident, $transaction:ident => $what:expr) => {
        match &$self.on {
            On::Upper($transaction) => $what,
            On::Middle($transaction) => $what,
            On::Lowest($transaction) => $what,
        }
    };
}

impl<A: Store, B: Store, C: Store, K: KeyValue> Transaction for LadderTransaction<A, B, C, K> {
    fn durability(&self) -> Durability {
        self.durability
    }

    fn may_lie_above(&self, user_id: &str) -> bool {
        self.shared.may_be_above(user_id, self.rung())
    }

    async fn document(&self, user_id: &str, kind: Kind, name: &str) -> Result<Option<String>, StoreError> {
        self.sees(user_id);
        on!(self, transaction => transaction.document(user_id, kind, name).await)
    }

    async fn documents(&self, user_id: &str, kind: Kind) -> Result<Vec<(String, String)>, StoreError> {
        on!(self, transaction => transaction.documents(user_id, kind).await)
    }

    fn write_document(&self, user_id: &str, kind: Kind, name: &str, text: Option<&str>) -> Result<(), StoreError> {
        self.has_written.set(true);
        on!(self, transaction => transaction.write_document(user_id, kind, name, text))
    }

    async fn rows(&self, user_id: &str, lane: Lane, first: u64, last: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        on!(self, transaction => transaction.rows(user_id, lane, first, last, limit).await)
    }

    async fn find(&self, user_id: &str, id: &str) -> Result<Option<Row>, StoreError> {
        on!(self, transaction => transaction.find(user_id, id).await)
    }

    async fn find_all(&self, user_id: &str, ids: &[String]) -> Result<Vec<Option<Row>>, StoreError> {
        on!(self, transaction => transaction.find_all(user_id, ids).await)
    }

    async fn of_key(&self, user_id: &str, key: &str, first: u64, limit: u32) -> Result<Vec<Row>, StoreError> {
        on!(self, transaction => transaction.of_key(user_id, key, first, limit).await)
    }

    async fn last_of_key(&self, user_id: &str, key: &str) -> Result<Option<Row>, StoreError> {
        on!(self, transaction => transaction.last_of_key(user_id, key).await)
    }

    async fn due(&self, user_id: &str, until: WallTime, limit: u32) -> Result<Vec<Row>, StoreError> {
        on!(self, transaction => transaction.due(user_id, until, limit).await)
    }

    async fn after(&self, user_id: &str, id: &str, limit: u32) -> Result<Vec<Row>, StoreError> {
        on!(self, transaction => transaction.after(user_id, id, limit).await)
    }

    async fn count(&self, user_id: &str, lane: Lane) -> Result<u64, StoreError> {
        on!(self, transaction => transaction.count(user_id, lane).await)
    }

    fn write(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        self.will_write(user_id, row);
        on!(self, transaction => transaction.write(user_id, row))
    }

    fn write_new(&self, user_id: &str, row: &Row) -> Result<(), StoreError> {
        self.will_write(user_id, row);
        on!(self, transaction => transaction.write_new(user_id, row))
    }

    fn delete(&self, user_id: &str, lane: Lane, first: u64, last: u64) -> Result<(), StoreError> {
        self.has_written.set(true);
        on!(self, transaction => transaction.delete(user_id, lane, first, last))
    }

    async fn pace(&self) -> Result<(), StoreError> {
        match &self.on {
            On::Upper(transaction) => transaction.pace().await,
            // They write at once.
            On::Middle(_) | On::Lowest(_) => Ok(()),
        }
    }

    async fn users(&self) -> Result<Vec<String>, StoreError> {
        on!(self, transaction => transaction.users().await)
    }

    async fn commit(self) -> Result<(), StoreError> {
        let rung = self.rung();
        if self.is_overtaken() {
            let message = "another tab is bringing this to a better place; nothing was changed";
            return Err(StoreError::new(StoreErrorKind::Overtaken, "committing to the queue", message));
        }
        let Self { on, users, shared, .. } = self;
        if !users.borrow().is_empty() && !shared.used.borrow().contains(&rung) {
            shared.used.borrow_mut().push(rung);
        }
        // Before, since the page may die as soon as it is committed.
        let mut users = users.into_inner();
        let unknown: Vec<bool> = users.iter().map(|user_id| shared.remember(user_id, rung, true)).collect();
        let committed = match on {
            On::Upper(transaction) => transaction.commit().await,
            On::Middle(transaction) => transaction.commit().await,
            On::Lowest(transaction) => transaction.commit().await,
        };
        if let Err(failed) = &committed {
            let mut unknown = unknown.into_iter();
            users.retain(|_| unknown.next() == Some(true) && is_certain(failed));
        }
        for user_id in &users {
            // After a success once more: in the meantime another tab may have seen the end of what was there before.
            shared.remember(user_id, rung, committed.is_ok());
        }
        committed
    }
}
