//! The actions of a user in the order in which they were applied.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::{Deserialize, Serialize};

use crate::{authentication::User, database::Database, error::RequestError};

const MOST: u32 = 1000;

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Page {
    /// Only what was applied after this position.
    after: i64,
    limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: 0, limit: 100 }
    }
}

/// A page of applied actions.
#[derive(Debug, Serialize)]
pub(crate) struct AppliedActions {
    actions: Vec<AppliedAction>,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
struct AppliedAction {
    position: i64,
    id: String,
    #[serde(rename = "type")]
    #[sqlx(rename = "type")]
    kind: String,
    key: Option<String>,
    applied_at: String,
}

/// `GET /api/applied-actions?after=POSITION&limit=N`: the next page begins after the last position of this one.
pub(crate) async fn applied_actions(
    State(database): State<Database>,
    user: User,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<AppliedActions>, RequestError> {
    let invalid = |rejection: QueryRejection| RequestError::Invalid { field: "query".to_owned(), message: rejection.body_text() };
    let Query(page) = page.map_err(invalid)?;
    let actions = sqlx::query_as(
        "SELECT position, id, type, key, applied_at FROM applied_actions
        WHERE user_id = ? AND position > ? ORDER BY position LIMIT ?",
    )
    .bind(user.id())
    .bind(page.after)
    .bind(page.limit.min(MOST))
    .fetch_all(database.readers())
    .await?;
    Ok(Json(AppliedActions { actions }))
}
