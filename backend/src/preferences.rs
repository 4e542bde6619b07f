//! What a user prefers of error handling.

use axum::{
    Json,
    extract::{Request, State},
};
use sqlx::types;
use steadfast::wire::{ErrorPreferences, MOST_AUTO_RETRIES};

use crate::{authentication::User, clock, database::Database, error::RequestError, request_body};

const MOST_CHANNELS: usize = 16;
const LONGEST_WORD: usize = 64;

/// `GET /api/user/error-preferences`: of a user who has never said anything, an empty document.
pub(crate) async fn show(State(database): State<Database>, user: User) -> Result<Json<ErrorPreferences>, RequestError> {
    let stored: Option<types::Json<ErrorPreferences>> =
        sqlx::query_scalar("SELECT document FROM error_preferences WHERE user_id = ?")
            .bind(user.id())
            .fetch_optional(database.readers())
            .await?;
    Ok(Json(stored.map(|types::Json(document)| document).unwrap_or_default()))
}

/// `PUT /api/user/error-preferences`: replaces what is stored, and answers it.
pub(crate) async fn replace(
    State(database): State<Database>,
    user: Result<User, RequestError>,
    request: Request,
) -> Result<Json<ErrorPreferences>, RequestError> {
    let body = request_body::read(request).await;
    let user = user?;
    let document: ErrorPreferences = request_body::parse(&body?)?;
    check(&document)?;
    let mut transaction = database.write().await?;
    sqlx::query(
        "INSERT INTO error_preferences (user_id, document, updated_at) VALUES (?1, ?2, ?3)
        ON CONFLICT (user_id) DO UPDATE SET document = ?2, updated_at = ?3",
    )
    .bind(user.id())
    .bind(types::Json(&document))
    .bind(clock::now())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Json(document))
}

fn check(document: &ErrorPreferences) -> Result<(), RequestError> {
    if let Some(notifications) = &document.notifications {
        let channels = notifications.channels.as_deref().unwrap_or_default();
        if channels.len() > MOST_CHANNELS {
            return Err(invalid("notifications.channels", format!("must not have more than {MOST_CHANNELS} entries")));
        }
        channels.iter().try_for_each(|channel| check_word("notifications.channels", Some(channel)))?;
        check_word("notifications.frequency", notifications.frequency.as_deref())?;
    }
    if let Some(disclosure) = &document.disclosure {
        check_word("disclosure.level", disclosure.level.as_deref())?;
    }
    let retries = document.recovery.as_ref().and_then(|recovery| recovery.max_auto_retries);
    if retries.is_some_and(|retries| retries > MOST_AUTO_RETRIES) {
        return Err(invalid("recovery.maxAutoRetries", format!("must be 0 to {MOST_AUTO_RETRIES}")));
    }
    Ok(())
}

fn check_word(field: &str, word: Option<&str>) -> Result<(), RequestError> {
    let usable = word.is_none_or(|word| (1..=LONGEST_WORD).contains(&word.chars().count()));
    if usable { Ok(()) } else { Err(invalid(field, format!("must have 1 to {LONGEST_WORD} characters"))) }
}

fn invalid(field: &str, message: String) -> RequestError {
    RequestError::Invalid { field: field.to_owned(), message }
}
