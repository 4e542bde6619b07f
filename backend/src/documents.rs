//! What a user has: the effects of the actions that were applied.

use axum::{Json, extract::State};
use serde::Serialize;
use sqlx::{SqliteConnection, types};

use crate::{authentication::User, database::Database, error::RequestError};

/// Everything that a user has.
#[derive(Debug, Serialize)]
pub(crate) struct Documents {
    drafts: Vec<Draft>,
    bookmarks: Vec<Bookmark>,
}

/// A draft, as it is stored and as it is sent.
#[derive(Debug, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Draft {
    #[serde(rename = "draftId")]
    #[sqlx(rename = "draft_id")]
    id: String,
    title: String,
    content: String,
    pub(crate) version: i64,
    updated_at: String,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
struct Bookmark {
    effect_id: String,
    tags: types::Json<Vec<String>>,
    created_at: String,
}

impl Draft {
    /// The draft, unless it was deleted or never was.
    pub(crate) async fn find(
        connection: &mut SqliteConnection,
        user_id: &str,
        draft_id: &str,
    ) -> Result<Option<Self>, sqlx::Error> {
        sqlx::query_as(
            "SELECT draft_id, title, content, version, updated_at FROM drafts
            WHERE user_id = ? AND draft_id = ? AND NOT deleted",
        )
        .bind(user_id)
        .bind(draft_id)
        .fetch_optional(connection)
        .await
    }
}

/// `GET /api/documents`.
pub(crate) async fn documents(State(database): State<Database>, user: User) -> Result<Json<Documents>, RequestError> {
    let mut snapshot = database.readers().begin().await?;
    let drafts = sqlx::query_as(
        "SELECT draft_id, title, content, version, updated_at FROM drafts
        WHERE user_id = ? AND NOT deleted ORDER BY draft_id",
    )
    .bind(user.id())
    .fetch_all(&mut *snapshot)
    .await?;
    let bookmarks = sqlx::query_as("SELECT effect_id, tags, created_at FROM bookmarks WHERE user_id = ? ORDER BY effect_id")
        .bind(user.id())
        .fetch_all(&mut *snapshot)
        .await?;
    snapshot.commit().await?;
    Ok(Json(Documents { drafts, bookmarks }))
}
