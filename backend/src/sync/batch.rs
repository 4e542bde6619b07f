//! A batch: each action in array order, all in one transaction.

use std::collections::HashSet;

use serde_json::json;
use sqlx::{Acquire, SqliteConnection};
use steadfast::wire::{ActionResult, ActionStatus, Conflict, StandardError, WireAction};

use super::{
    action::{Action, Refusal},
    effect,
};
use crate::{authentication::User, clock, correlation::CorrelationId, database::Database, files::ReceivedFile};

/// An action, and the files that came with it.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) action: WireAction,
    pub(super) files: Vec<ReceivedFile>,
}

impl Submitted {
    pub(super) fn without_files(action: WireAction) -> Self {
        Self { action, files: Vec::new() }
    }
}

/// What becomes of an action.
enum Outcome {
    Applied,
    Duplicate,
    Rejected(StandardError),
    Conflict(Conflict),
    Retry(StandardError),
}

/// What the decisions of one batch have in common.
struct Batch<'a> {
    user: &'a User,
    correlation_id: &'a CorrelationId,
    now: String,
    /// The keys of which an action was not applied but still may be: what follows it must not overtake it.
    held: HashSet<&'a str>,
}

/// Applies the actions and says what became of each. Either the answer is as the database has it, or nothing happened.
///
/// `reject_half` is the fault of that name.
pub(super) async fn apply<'a>(
    database: &Database,
    user: &'a User,
    actions: &'a [Submitted],
    correlation_id: &'a CorrelationId,
    reject_half: bool,
) -> Result<Vec<ActionResult>, sqlx::Error> {
    let mut batch = Batch { user, correlation_id, now: clock::now(), held: HashSet::new() };
    let mut transaction = database.write().await?;
    batch.record_sync(&mut transaction).await?;
    let mut results = Vec::with_capacity(actions.len());
    for (index, submitted) in actions.iter().enumerate() {
        let reject = reject_half && index % 2 == 1;
        let outcome = batch.settle(&mut transaction, submitted, reject).await?;
        let action = &submitted.action;
        batch.record(&mut transaction, action, &outcome).await?;
        if let (Some(key), Outcome::Conflict(_) | Outcome::Retry(_)) = (&action.key, &outcome) {
            batch.held.insert(key);
        }
        results.push(outcome.into_result(action));
    }
    transaction.commit().await?;
    Ok(results)
}

impl Batch<'_> {
    /// Decides in a savepoint, which stays only if the action is applied: with it stay the dedupe row and the effect.
    async fn settle(
        &self,
        connection: &mut SqliteConnection,
        submitted: &Submitted,
        reject: bool,
    ) -> Result<Outcome, sqlx::Error> {
        let mut savepoint = connection.begin().await?;
        match self.decide(&mut savepoint, submitted, reject).await {
            Ok(Outcome::Applied) => {
                savepoint.commit().await?;
                Ok(Outcome::Applied)
            }
            Ok(outcome) => {
                savepoint.rollback().await?;
                Ok(outcome)
            }
            // The database refused this action; the others need not suffer for it. If the trouble is of the database
            // as a whole, the rollback fails too, and with it the batch.
            Err(error @ sqlx::Error::Database(_)) => {
                savepoint.rollback().await?;
                tracing::error!(correlation_id = %self.correlation_id, action = submitted.action.id, %error, "not applied");
                let message = "The action could not be stored";
                Ok(Outcome::Retry(self.error("SYSTEM_INTERNAL_ERROR", message, true)))
            }
            Err(error) => Err(error),
        }
    }

    async fn decide(
        &self,
        connection: &mut SqliteConnection,
        submitted: &Submitted,
        reject: bool,
    ) -> Result<Outcome, sqlx::Error> {
        let action = &submitted.action;
        // First of all: that an action was applied stays true, whatever else is the matter.
        let inserted = sqlx::query(
            "INSERT INTO applied_actions (user_id, id, type, key, applied_at) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (user_id, id) DO NOTHING",
        )
        .bind(self.user.id())
        .bind(&action.id)
        .bind(&action.kind)
        .bind(action.key.as_deref())
        .bind(&self.now)
        .execute(&mut *connection)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(Outcome::Duplicate);
        }
        if reject {
            let message = "The fault switch asked for this rejection";
            return Ok(Outcome::Rejected(self.error("FAULT_REJECTED", message, false)));
        }
        if action.key.as_deref().is_some_and(|key| self.held.contains(key)) {
            let message = "An earlier action of the same key has not been applied";
            return Ok(Outcome::Retry(self.error("SYNC_PREDECESSOR_PENDING", message, true)));
        }
        let effect = match Action::read(submitted) {
            Ok(effect) => effect,
            Err(refusal) => return Ok(Outcome::Rejected(self.refused(&refusal))),
        };
        match effect::carry_out(connection, self.user.id(), &action.id, &effect, &self.now).await? {
            None => Ok(Outcome::Applied),
            Some(conflict) => Ok(Outcome::Conflict(conflict)),
        }
    }

    fn error(&self, code: &str, message: &str, retryable: bool) -> StandardError {
        let user_message = if retryable { "This will be saved a little later." } else { "This change could not be saved." };
        StandardError {
            code: code.to_owned(),
            message: message.to_owned(),
            details: None,
            correlation_id: self.correlation_id.to_string(),
            timestamp: self.now.clone(),
            user_message: user_message.to_owned(),
            retryable,
            retry_after: None,
            help_link: None,
            severity: if retryable { "low" } else { "medium" }.to_owned(),
        }
    }

    fn refused(&self, refusal: &Refusal) -> StandardError {
        let (code, message, details) = match refusal {
            Refusal::UnknownType(problem) => ("UNKNOWN_ACTION_TYPE", "There is no such type of action", json!([problem])),
            Refusal::InvalidData(problems) => ("VALIDATION_ERROR", "The data of the action is invalid", json!(problems)),
        };
        StandardError { details: Some(details), ..self.error(code, message, false) }
    }

    async fn record_sync(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO users (user_id, last_sync_at) VALUES (?1, ?2)
            ON CONFLICT (user_id) DO UPDATE SET last_sync_at = ?2",
        )
        .bind(self.user.id())
        .bind(&self.now)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Keeps for the status what waits for the user, and forgets it once it is applied.
    async fn record(&self, connection: &mut SqliteConnection, action: &WireAction, outcome: &Outcome) -> Result<(), sqlx::Error> {
        let (name, conflict) = match outcome {
            Outcome::Rejected(_) => ("rejected", None),
            Outcome::Conflict(conflict) => ("conflict", Some(conflict)),
            // A retry says nothing new about the action.
            Outcome::Retry(_) => return Ok(()),
            Outcome::Applied | Outcome::Duplicate => {
                sqlx::query("DELETE FROM unsettled_actions WHERE user_id = ? AND id = ?")
                    .bind(self.user.id())
                    .bind(&action.id)
                    .execute(connection)
                    .await?;
                return Ok(());
            }
        };
        sqlx::query(
            "INSERT OR REPLACE INTO unsettled_actions
                (user_id, id, outcome, conflict_type, resolution, answered_at)
            VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(self.user.id())
        .bind(&action.id)
        .bind(name)
        .bind(conflict.map(|conflict| conflict.conflict_type.as_str()))
        .bind(conflict.map(|conflict| conflict.resolution.as_deref().unwrap_or_default()))
        .bind(&self.now)
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Outcome {
    fn into_result(self, action: &WireAction) -> ActionResult {
        let (status, error, conflict) = match self {
            Self::Applied => (ActionStatus::Applied, None, None),
            Self::Duplicate => (ActionStatus::Duplicate, None, None),
            Self::Rejected(error) => (ActionStatus::Rejected, Some(error), None),
            Self::Conflict(conflict) => (ActionStatus::Conflict, None, Some(conflict)),
            Self::Retry(error) => (ActionStatus::Retry, Some(error), None),
        };
        ActionResult { id: action.id.clone(), status, error, conflict, result: None }
    }
}
