//! A transaction on one user's queue: the rows, the record that counts them, and the rules by which actions lie in their lanes.
//!
//! What lies in one of the lanes that are sent from may be sent. Of a key, only the first actions lie there, up to [`WINDOW`], and
//! none that comes after one which cannot be sent: these wait. So a drain reads what it sends and nothing else, and holding back or
//! letting go a key touches no more than a window of its actions, however many there are.

use crate::broken::{self, Variant};
use crate::error::ApiError;
use crate::platform::tables::{Kind, Lane, Row, Store, Transaction};
use crate::platform::{Access, StoreError, StoreErrorKind};
use crate::queue::action::{Action, ActionState};
use crate::queue::dependency;
use crate::queue::file::{Holder, QueuedFile};
use crate::queue::outcome::Outcome;
use crate::queue::record::{RECORD_VERSION, Run, UserRecord};
use crate::queue::settlement::bury;
use crate::time::WallTime;

/// The most actions of a key that lie in the lanes that are sent from.
pub(super) const WINDOW: u32 = 100;
/// The last sequence number: a double is exact up to here.
pub(super) const LAST: u64 = (1 << 53) - 1;
/// How many rows are read at a time where there may be many.
pub(super) const PAGE: u32 = 200;

pub(super) struct Ledger<'u, T> {
    pub(super) transaction: T,
    pub(super) user_id: &'u str,
    pub(super) record: UserRecord,
    stored: Option<String>,
    access: Access,
}

impl<'u, T: Transaction> Ledger<'u, T> {
    pub(super) async fn open<S: Store<Transaction = T>>(store: &S, user_id: &'u str, access: Access) -> Result<Self, StoreError> {
        let transaction = store.transaction(access).await?;
        Self::within(transaction, user_id, access).await
    }

    pub(super) async fn within(transaction: T, user_id: &'u str, access: Access) -> Result<Self, StoreError> {
        let stored = transaction.document(user_id, Kind::Queue, "").await?;
        let known: Option<UserRecord> = stored.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let is_in_order = stored.is_none() || known.as_ref().is_some_and(|record| record.schema_version >= RECORD_VERSION);
        let mut record = known.unwrap_or_default();
        record.schema_version = record.schema_version.max(RECORD_VERSION);
        record.place = transaction.durability();
        let mut ledger = Self { transaction, user_id, record, stored, access };
        if !is_in_order {
            ledger.recount().await?;
        }
        Ok(ledger)
    }

    /// A queue that is written to for the first time comes into being. `now` is later than whatever was read of the queue before: by
    /// this moment it is told from one that was deleted.
    pub(super) fn begin_life(&mut self, now: WallTime) {
        if self.record.created_at == WallTime::default() {
            self.record.created_at = now;
            // Whoever drained a queue that was here before and was deleted knows none of its epochs.
            self.record.epoch = self.record.epoch.max(u64::try_from(now.0).unwrap_or(0) & LAST);
        }
    }

    /// Counts what is there, where an earlier version, or damage, has left the record without it.
    async fn recount(&mut self) -> Result<(), StoreError> {
        self.record.lanes = [0; 10];
        self.record.bytes = 0;
        (self.record.batch, self.record.next_batch) = (None, None);
        // Nobody knows.
        self.record.has_let_go = true;
        // Nobody knows when the next one's time comes: it is looked up.
        (self.record.next_due, self.record.delayed_at) = (Some(WallTime::default()), None);
        // Whoever drained knows another epoch.
        self.record.epoch = self.record.epoch.wrapping_add(1 << 20) & LAST;
        let mut waiting: Vec<String> = Vec::new();
        for lane in Lane::ALL {
            let mut from = 0;
            loop {
                let rows = self.transaction.rows(self.user_id, lane, from, LAST, PAGE).await?;
                let Some(last) = rows.last() else { break };
                from = last.seq.saturating_add(1);
                for row in &rows {
                    let action = Action::read(row, self.user_id);
                    self.record.next_seq = self.record.next_seq.max(row.seq.saturating_add(1));
                    self.record.count(lane, action.bytes());
                    waiting.extend(action.key.filter(|key| lane == Lane::Waiting && !waiting.contains(key)));
                }
            }
        }
        if self.access == Access::Write {
            for key in waiting {
                self.release(&key).await?;
            }
        }
        Ok(())
    }

    /// Writes an action at a place that it has, or that another one has left.
    pub(super) fn insert(&mut self, action: &Action) -> Result<(), StoreError> {
        let row = self.enter(action)?;
        self.write_row(&row)
    }

    /// Writes a new action at a place that none has had.
    pub(super) fn append(&mut self, action: &Action) -> Result<(), StoreError> {
        let row = self.enter(action)?;
        self.transaction.write_new(self.user_id, &row)
    }

    /// Counts an action. Gives its row.
    fn enter(&mut self, action: &Action) -> Result<Row, StoreError> {
        self.record.count(action.lane, action.bytes());
        let row =
            action.to_row().map_err(|error| StoreError::new(StoreErrorKind::Failed, "writing an action", error.to_string()))?;
        if let Some(due) = row.due {
            self.record.expect(due);
        }
        Ok(row)
    }

    /// Writes a row, which the record counts already.
    pub(super) fn write_row(&mut self, row: &Row) -> Result<(), StoreError> {
        self.transaction.write(self.user_id, row)
    }

    /// Deletes the rows of a lane with these sequence numbers, which the record counts no longer.
    pub(super) fn delete_rows(&mut self, runs: impl IntoIterator<Item = Run>) -> Result<(), StoreError> {
        runs.into_iter().try_for_each(|run| self.transaction.delete(self.user_id, run.lane, run.first, run.last))
    }

    fn delete_row(&mut self, lane: Lane, seq: u64) -> Result<(), StoreError> {
        self.delete_rows([Run { lane, first: seq, last: seq }])
    }

    /// Writes an action that lay in `from`, where it lies now. `bytes` is what it weighed.
    pub(super) fn rewrite(&mut self, from: Lane, bytes: u64, action: &Action) -> Result<(), StoreError> {
        if from != action.lane {
            self.delete_row(from, action.seq)?;
        }
        self.record.discount(from, bytes);
        self.insert(action)
    }

    /// Moves an action that is as it was.
    fn relocate(&mut self, mut action: Action, to: Lane) -> Result<(), StoreError> {
        let from = action.lane;
        action.lane = to;
        self.rewrite(from, action.bytes(), &action)
    }

    /// Deletes an action, and lets go of its files.
    pub(super) fn remove(&mut self, action: &Action) -> Result<(), StoreError> {
        self.let_go(&action.files)?;
        self.remove_row(action)
    }

    /// Deletes an action. Its files are somebody else's.
    pub(super) fn remove_row(&mut self, action: &Action) -> Result<(), StoreError> {
        self.record.discount(action.lane, action.bytes());
        self.delete_row(action.lane, action.seq)
    }

    /// Writes down what holds a file.
    pub(super) fn write_holder(&self, id: &str, holder: &Holder) -> Result<(), StoreError> {
        self.transaction.write_document(self.user_id, Kind::File, id, Some(&holder.to_text()))
    }

    /// An action that was written holds its files.
    pub(super) fn hold_files(&self, action: &Action) -> Result<(), StoreError> {
        if broken::is(Variant::FilesNotHeld) {
            return Ok(());
        }
        action.files.iter().try_for_each(|file| self.write_holder(&file.id, &Holder::Action(action.id.clone())))
    }

    /// Nothing holds these files any longer. They are deleted by whoever sees next that there are such.
    pub(super) fn let_go(&mut self, files: &[QueuedFile]) -> Result<(), StoreError> {
        if broken::is(Variant::FilesNotLetGo) {
            return Ok(());
        }
        files.iter().try_for_each(|file| self.let_go_of(&file.id))
    }

    /// The same for one.
    pub(super) fn let_go_of(&mut self, id: &str) -> Result<(), StoreError> {
        self.record.has_let_go = true;
        self.write_holder(id, &Holder::Nothing)
    }

    /// The same for all of the user's, those included that are yet to be stored.
    pub(super) async fn let_go_of_all(&mut self) -> Result<(), StoreError> {
        let files = self.transaction.documents(self.user_id, Kind::File).await?;
        files.iter().try_for_each(|(id, _)| self.let_go_of(id))
    }

    /// Puts aside what cannot be read, as it is. What comes after it in its key waits for a version that can read it.
    pub(super) async fn quarantine(&mut self, row: Row) -> Result<(), StoreError> {
        let action = Action::read(&row, self.user_id);
        self.record.discount(row.lane, action.bytes());
        self.record.count(Lane::Unreadable, action.bytes());
        self.delete_row(row.lane, row.seq)?;
        let (seq, key) = (row.seq, action.key);
        let aside = Row { lane: Lane::Unreadable, key: key.clone(), due: None, after: None, ..row };
        self.write_row(&aside)?;
        match key {
            Some(key) if !broken::is(Variant::UnreadableHoldsNothing) => self.hold(&key, seq).await,
            _ => Ok(()),
        }
    }

    /// The readable ones of some rows. What cannot be read is put aside, and then `None` is returned: what was read together with
    /// it may have to wait now.
    pub(super) async fn readable(&mut self, rows: Vec<Row>) -> Result<Option<Vec<Action>>, StoreError> {
        let mut actions = Vec::with_capacity(rows.len());
        let mut held: Vec<Option<String>> = Vec::new();
        for row in rows {
            let action = Action::read(&row, self.user_id);
            if action.state == ActionState::Unreadable {
                // One of its key has been put aside: this one waits behind it by now, and is no longer where it was read.
                if action.key.is_some() && held.contains(&action.key) {
                    continue;
                }
                self.quarantine(row).await?;
                held.push(action.key);
            } else {
                actions.push(action);
            }
        }
        Ok(held.is_empty().then_some(actions))
    }

    /// The action of that id, with the row that it was read from.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Action>, StoreError> {
        Ok(self.transaction.find(self.user_id, id).await?.map(|row| Action::read(&row, self.user_id)))
    }

    /// Holds back what may be sent of a key after that action.
    pub(super) async fn hold(&mut self, key: &str, seq: u64) -> Result<(), StoreError> {
        // There may be others of it in between that wait already.
        let rows = self.transaction.of_key(self.user_id, key, seq.saturating_add(1), WINDOW.saturating_mul(2)).await?;
        for row in rows {
            if !row.lane.is_ready() || self.record.is_in_flight(row.seq) {
                continue;
            }
            let action = Action::read(&row, self.user_id);
            if action.state == ActionState::Unreadable {
                // As it is: a version that can read it must not send it either.
                self.record.discount(row.lane, action.bytes());
                self.record.count(Lane::Waiting, action.bytes());
                self.delete_row(row.lane, row.seq)?;
                self.write_row(&Row { lane: Lane::Waiting, ..row })?;
            } else {
                self.relocate(action, Lane::Waiting)?;
            }
        }
        Ok(())
    }

    /// Lets those of a key that wait go, as far as nothing holds them back, and as many as there is room for.
    pub(super) async fn release(&mut self, key: &str) -> Result<(), StoreError> {
        let rows = self.transaction.of_key(self.user_id, key, 0, WINDOW.saturating_add(1)).await?;
        let (mut lane, mut window, mut waiting) = (None, 0_u32, Vec::new());
        for row in rows {
            if row.lane.is_ready() {
                lane = Some(row.lane);
                window = window.saturating_add(1);
            } else if row.lane == Lane::Waiting && window < WINDOW {
                let action = Action::read(&row, self.user_id);
                if action.state == ActionState::Unreadable {
                    self.quarantine(row).await?;
                    break;
                }
                window = window.saturating_add(1);
                waiting.push(action);
            } else {
                break;
            }
        }
        let others = window.saturating_sub(u32::try_from(waiting.len()).unwrap_or(WINDOW));
        let most_urgent = waiting.iter().map(|action| Lane::of(action.priority)).min();
        if let Some(lane) = lane.or(most_urgent) {
            for (place, mut action) in (others..).zip(waiting) {
                action.window = place;
                self.relocate(action, lane)?;
            }
        }
        Ok(())
    }

    /// Lets go what waits behind actions that have left, or have let go of their key.
    pub(super) async fn release_all(&mut self, keys: Vec<String>) -> Result<(), StoreError> {
        for key in keys {
            if self.record.in_lane(Lane::Waiting) == 0 || broken::is(Variant::ReleaseForgotten) {
                break;
            }
            self.release(&key).await?;
        }
        Ok(())
    }

    /// Puts an action back among those that are to be sent, in its old place. `from` is the lane in which it lies on disk, `bytes`
    /// what it weighs there.
    pub(super) async fn put_back(&mut self, from: Lane, bytes: u64, mut action: Action) -> Result<(), StoreError> {
        action.state = ActionState::Pending;
        action.not_before = None;
        action.lane = if action.key.is_some() { Lane::Waiting } else { Lane::of(action.priority) };
        self.rewrite(from, bytes, &action)?;
        match &action.key {
            Some(key) => self.release(key).await,
            None => Ok(()),
        }
    }

    /// Makes the actions of a key that may be sent as urgent as one that comes behind them. Says whether they are now: those that
    /// are on their way cannot be hurried.
    pub(super) async fn promote(&mut self, key: &str, lane: Lane) -> Result<bool, StoreError> {
        let rows = self.transaction.of_key(self.user_id, key, 0, WINDOW.saturating_add(1)).await?;
        if rows.iter().any(|row| self.record.is_in_flight(row.seq)) && !broken::is(Variant::PromotionMovesBatch) {
            return Ok(false);
        }
        // Those that are as urgent already stay, whatever is said of them; and all that are moved can be read, or none is.
        let less_urgent = rows.iter().filter(|row| row.lane.is_ready() && row.lane > lane);
        let actions: Vec<Action> = less_urgent.map(|row| Action::read(row, self.user_id)).collect();
        if actions.iter().any(|action| action.state == ActionState::Unreadable) {
            return Ok(false);
        }
        for action in actions {
            self.relocate(action, lane)?;
        }
        Ok(true)
    }

    /// Tells the actions that depend on one what became of it. Says what became of them.
    pub(super) async fn tell_dependents(&mut self, id: &str, outcome: &Outcome) -> Result<Vec<(String, Outcome)>, StoreError> {
        let mut settled = Vec::new();
        // A dead letter may be put right, and a conflict decided.
        let is_forgotten = broken::is(Variant::DependentsForgotten);
        if matches!(outcome, Outcome::Rejected { .. } | Outcome::Conflict { .. }) || is_forgotten {
            return Ok(settled);
        }
        while self.record.in_lane(Lane::Dependent) > 0 {
            let rows = self.transaction.after(self.user_id, id, PAGE).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let action = Action::read(&row, self.user_id);
                if action.state == ActionState::Unreadable {
                    self.quarantine(row).await?;
                } else {
                    settled.extend(self.tell(action, id, outcome).await?);
                }
            }
        }
        Ok(settled)
    }

    /// Tells an action what became of the one that it depends on. Says what became of it, if that settles it.
    pub(super) async fn tell(
        &mut self,
        mut action: Action,
        id: &str,
        outcome: &Outcome,
    ) -> Result<Option<(String, Outcome)>, StoreError> {
        let bytes = action.bytes();
        let failed = match outcome {
            Outcome::Applied { .. } | Outcome::Duplicate { .. } if broken::is(Variant::ResultNotPutIn) => None,
            Outcome::Applied { result } | Outcome::Duplicate { result } => {
                dependency::complete(&mut action.data, &mut action.request, id, result.as_ref())
                    .err()
                    .map(|missing| missing.to_string())
            }
            _ => Some(["the action ", id, ", on which this one depends, has left the queue without being applied"].concat()),
        };
        let Some(message) = failed else {
            action.depends_on = None;
            self.put_back(Lane::Dependent, bytes, action).await?;
            return Ok(None);
        };
        // It still depends on it: whoever puts it back as it is must not send it without.
        let outcome = bury(&mut action, ApiError::without_response("ACTION_DEPENDENCY_FAILED", message, false));
        self.rewrite(Lane::Dependent, bytes, &action)?;
        self.release_all(action.key.into_iter().collect()).await?;
        Ok(Some((action.id, outcome)))
    }

    /// Finds the lane for a new action behind the last one of its key.
    pub(super) async fn place(&mut self, action: &mut Action, last: Option<&Action>) -> Result<(), StoreError> {
        let own = Lane::of(action.priority);
        action.window = 0;
        action.lane = match last {
            _ if action.depends_on.is_some() && !broken::is(Variant::DependentGoesAtOnce) => Lane::Dependent,
            None => own,
            Some(last) if last.lane.is_ready() && last.window.saturating_add(1) < WINDOW => {
                action.window = last.window.saturating_add(1);
                self.shared_lane(action, last.lane).await?
            }
            Some(_) => Lane::Waiting,
        };
        Ok(())
    }

    /// The lane for a new action among those of its key, of which the last one before it lies in that lane: if they may be sent, the
    /// most urgent that it can hurry them to.
    pub(super) async fn shared_lane(&mut self, action: &Action, lane: Lane) -> Result<Lane, StoreError> {
        let own = Lane::of(action.priority);
        if !lane.is_ready() || own >= lane {
            return Ok(lane);
        }
        let key = action.key.as_deref().unwrap_or_default();
        let is_hurried = broken::is(Variant::UrgentOvertakesItsKey) || self.promote(key, own).await?;
        Ok(if is_hurried { own } else { lane })
    }

    /// Writes the record, and gives the transaction back.
    pub(super) fn hand_back(self) -> Result<(T, UserRecord), StoreError> {
        if self.access == Access::Write {
            let text = serde_json::to_string(&self.record)
                .map_err(|error| StoreError::new(StoreErrorKind::Failed, "writing the record", error.to_string()))?;
            let (place, schema_version) = (self.record.place, RECORD_VERSION);
            let is_new = self.stored.is_none() && self.record == UserRecord { place, schema_version, ..UserRecord::default() };
            if self.stored.as_ref() != Some(&text) && !is_new {
                self.transaction.write_document(self.user_id, Kind::Queue, "", Some(&text))?;
            }
        }
        Ok((self.transaction, self.record))
    }

    /// Resolves when all of it is on disk. Gives the record as it is then.
    pub(super) async fn commit(self) -> Result<UserRecord, StoreError> {
        let (transaction, record) = self.hand_back()?;
        transaction.commit().await?;
        Ok(record)
    }
}
