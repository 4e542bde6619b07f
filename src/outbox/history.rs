//! What became of the actions that were settled last, for those who ask late: after a reload, or in another tab.

use super::ledger::Ledger;
use crate::flat_map::FlatMap;
use crate::json::Json;
use crate::platform::StoreError;
use crate::platform::tables::{Kind, Transaction};
use crate::queue::outcome::Outcome;
use crate::queue::record::UserRecord;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// So many transactions are remembered.
const KEPT: u64 = 64;

/// The name of an entry, such that their order is that of their numbers.
fn name(number: u64) -> String {
    let digits = number.to_string();
    ["0".repeat(20_usize.saturating_sub(digits.len())), digits].concat()
}

/// Whether some of what was written down in that queue is forgotten by now.
pub(super) fn forgets(record: &UserRecord) -> bool {
    record.history >= KEPT
}

/// Writes down what became of actions, and forgets what is old.
pub(super) fn write<T: Transaction>(ledger: &mut Ledger<'_, T>, settled: &[(String, Outcome)]) -> Result<(), StoreError> {
    if settled.is_empty() {
        return Ok(());
    }
    // What cannot be written as JSON is not remembered.
    serde_json::to_string(settled).map_or(Ok(()), |text| write_text(ledger, &text))
}

/// Writes down what was written down elsewhere, unless it was brought here before and could not be deleted there.
pub(super) async fn take_over<'t, T: Transaction>(
    ledger: &mut Ledger<'_, T>,
    texts: impl Iterator<Item = &'t String>,
) -> Result<(), StoreError> {
    let mut texts = texts.peekable();
    if texts.peek().is_none() {
        return Ok(());
    }
    let known = ledger.transaction.documents(ledger.user_id, Kind::History).await?;
    let known: FlatMap<&str, ()> = known.iter().map(|(_, text)| (text.as_str(), ())).collect();
    for text in texts.filter(|text| !known.contains_key(text.as_str())) {
        write_text(ledger, text)?;
    }
    Ok(())
}

fn write_text<T: Transaction>(ledger: &mut Ledger<'_, T>, text: &str) -> Result<(), StoreError> {
    let number = ledger.record.history;
    ledger.record.history = number.wrapping_add(1);
    ledger.transaction.write_document(ledger.user_id, Kind::History, &name(number), Some(text))?;
    match number.checked_sub(KEPT) {
        Some(old) => ledger.transaction.write_document(ledger.user_id, Kind::History, &name(old), None),
        None => Ok(()),
    }
}

/// That an action was applied, and what came of it.
#[derive(serde::Deserialize)]
pub(super) struct Applied {
    status: String,
    pub(super) result: Option<Json>,
}

impl Applied {
    /// If that is what its outcome says.
    pub(super) fn read(outcome: &RawValue) -> Option<Self> {
        let known: Self = serde_json::from_str(outcome.get()).ok()?;
        matches!(known.status.as_str(), "applied" | "duplicate").then_some(known)
    }
}

/// Those of the actions of which something was written down since there was so much.
pub(super) async fn since<T: Transaction>(
    transaction: &T,
    user_id: &str,
    wanted: &FlatMap<String, u64>,
) -> Result<FlatMap<String, ()>, StoreError> {
    let mut gone = FlatMap::default();
    if wanted.is_empty() {
        return Ok(gone);
    }
    for (name, text) in transaction.documents(user_id, Kind::History).await? {
        let Ok(number) = name.parse::<u64>() else { continue };
        let settled: Vec<(String, IgnoredAny)> = serde_json::from_str(&text).unwrap_or_default();
        let ours = settled.into_iter().filter(|(id, _)| wanted.get(id.as_str()).is_some_and(|since| number >= *since));
        gone.extend(ours.map(|(id, _)| (id, ())));
    }
    Ok(gone)
}

/// Whether an action of that outcome has left the queue: a dead letter and a conflict are still there.
pub(super) fn is_final(outcome: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Status {
        status: String,
    }
    serde_json::from_str::<Status>(outcome.get()).is_ok_and(|known| !matches!(known.status.as_str(), "rejected" | "conflict"))
}

/// What became of those of the actions that are remembered, by id: the JSON of an [`Outcome`] each, the last one last.
pub(super) async fn find<T: Transaction>(
    transaction: &T,
    user_id: &str,
    ids: &[String],
) -> Result<Vec<(String, Box<RawValue>)>, StoreError> {
    let entries = transaction.documents(user_id, Kind::History).await?;
    let readable = entries.iter().filter_map(|(_, text)| serde_json::from_str::<Vec<(String, Box<RawValue>)>>(text).ok());
    let wanted: FlatMap<&str, ()> = ids.iter().map(|id| (id.as_str(), ())).collect();
    Ok(readable.flatten().filter(|(id, _)| wanted.contains_key(id.as_str())).collect())
}
