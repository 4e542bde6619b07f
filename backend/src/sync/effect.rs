//! What an action does to the database.

use serde_json::json;
use sqlx::SqliteConnection;
use steadfast::json::Json;
use steadfast::wire::Conflict;

use super::action::{Action, SaveDraft};
use crate::{documents::Draft, files};

/// Carries the action of that id out, unless something newer stands against it. May leave half of it behind if it fails.
pub(super) async fn carry_out(
    connection: &mut SqliteConnection,
    user_id: &str,
    id: &str,
    action: &Action<'_>,
    now: &str,
) -> Result<Option<Conflict>, sqlx::Error> {
    match action {
        Action::SaveDraft(draft) => return save_draft(connection, user_id, draft, now).await,
        Action::DeleteDraft { draft_id } => delete_draft(connection, user_id, draft_id, now).await?,
        Action::BookmarkEffect { effect_id, tags } => bookmark(connection, user_id, effect_id, tags, now).await?,
        Action::RemoveBookmark { effect_id } => remove_bookmark(connection, user_id, effect_id).await?,
        Action::AddPhoto { caption, files } => {
            for file in *files {
                let file_id = format!("{id}.{}", file.field.as_deref().unwrap_or_default());
                files::save(connection, user_id, &file_id, caption.as_deref(), file, now).await?;
            }
        }
        Action::SaveFile { file_id, file } => files::save(connection, user_id, file_id, None, file, now).await?,
    }
    Ok(None)
}

async fn save_draft(
    connection: &mut SqliteConnection,
    user_id: &str,
    draft: &SaveDraft,
    now: &str,
) -> Result<Option<Conflict>, sqlx::Error> {
    if let Some(base) = draft.base_version {
        let stored = Draft::find(connection, user_id, &draft.draft_id).await?;
        if base != stored.as_ref().map_or(0, |stored| stored.version) {
            return Ok(Some(Conflict {
                conflict_type: "version_mismatch".to_owned(),
                resolution: Some("manual_required".to_owned()),
                server: stored.map(|stored| Json::from(&json!(stored))),
            }));
        }
    }
    sqlx::query(
        "INSERT INTO drafts (user_id, draft_id, title, content, version, updated_at)
        VALUES (?1, ?2, coalesce(?3, ''), ?4, 1, ?5)
        ON CONFLICT (user_id, draft_id) DO UPDATE SET
            title = coalesce(?3, iif(deleted, '', title)), content = ?4, version = version + 1, updated_at = ?5,
            deleted = 0",
    )
    .bind(user_id)
    .bind(&draft.draft_id)
    .bind(draft.title.as_deref())
    .bind(&draft.content)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(None)
}

/// To delete what is not there is to have it deleted.
async fn delete_draft(connection: &mut SqliteConnection, user_id: &str, draft_id: &str, now: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE drafts SET deleted = 1, title = '', content = '', version = version + 1, updated_at = ?
        WHERE user_id = ? AND draft_id = ? AND NOT deleted",
    )
    .bind(now)
    .bind(user_id)
    .bind(draft_id)
    .execute(connection)
    .await?;
    Ok(())
}

async fn bookmark(
    connection: &mut SqliteConnection,
    user_id: &str,
    effect_id: &str,
    tags: &[String],
    now: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO bookmarks (user_id, effect_id, tags, created_at) VALUES (?, ?, ?, ?)
        ON CONFLICT (user_id, effect_id) DO UPDATE SET tags = excluded.tags",
    )
    .bind(user_id)
    .bind(effect_id)
    .bind(json!(tags).to_string())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

async fn remove_bookmark(connection: &mut SqliteConnection, user_id: &str, effect_id: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM bookmarks WHERE user_id = ? AND effect_id = ?")
        .bind(user_id)
        .bind(effect_id)
        .execute(connection)
        .await?;
    Ok(())
}
