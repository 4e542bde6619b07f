use steadfast::wire::{StatusConflict, SyncStatus};

use crate::{authentication::User, database::Database};

/// What the database says of a user's actions. All of it is of one moment.
pub(super) async fn read(database: &Database, user: &User) -> Result<SyncStatus, sqlx::Error> {
    let mut snapshot = database.readers().begin().await?;
    let (last_sync_time, processed, failed): (Option<String>, i64, i64) = sqlx::query_as(
        "SELECT
            (SELECT last_sync_at FROM users WHERE user_id = ?1),
            (SELECT count(*) FROM applied_actions WHERE user_id = ?1),
            (SELECT count(*) FROM unsettled_actions WHERE user_id = ?1 AND outcome = 'rejected')",
    )
    .bind(user.id())
    .fetch_one(&mut *snapshot)
    .await?;
    let conflicts: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT id, conflict_type, resolution FROM unsettled_actions
        WHERE user_id = ? AND outcome = 'conflict' ORDER BY answered_at, id",
    )
    .bind(user.id())
    .fetch_all(&mut *snapshot)
    .await?;
    snapshot.commit().await?;
    let conflicts = conflicts.into_iter().map(|(action_id, conflict_type, resolution)| StatusConflict {
        action_id,
        conflict_type,
        resolution,
    });
    Ok(SyncStatus {
        // A batch is applied while its sender waits, so between requests nothing is ever under way.
        sync_status: "idle".to_owned(),
        last_sync_time,
        pending_actions: 0,
        processed_actions: processed.unsigned_abs(),
        failed_actions: failed.unsigned_abs(),
        estimated_completion: None,
        conflicts: conflicts.collect(),
    })
}
