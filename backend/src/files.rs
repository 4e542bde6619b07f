//! The files that a user has sent.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{
        HeaderName, HeaderValue,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::SqliteConnection;

use crate::{authentication::User, database::Database, error::RequestError};

/// The SHA-256 of the file, in hexadecimal.
const SHA_256: HeaderName = HeaderName::from_static("x-content-sha256");

/// A file as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedFile {
    /// The name of its part in an action or a form.
    pub(crate) field: Option<String>,
    /// The name of the file.
    pub(crate) name: Option<String>,
    /// Its content type; empty, if it has none.
    pub(crate) kind: String,
    pub(crate) content: axum::body::Bytes,
}

/// What is said of the files.
#[derive(Debug, Serialize)]
pub(crate) struct Files {
    files: Vec<FileFacts>,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
struct FileFacts {
    file_id: String,
    name: Option<String>,
    #[serde(rename = "type")]
    #[sqlx(rename = "type")]
    kind: String,
    caption: Option<String>,
    bytes: i64,
    sha256: String,
    version: i64,
    saved_at: String,
}

/// `GET /api/files`.
pub(crate) async fn files(State(database): State<Database>, user: User) -> Result<Json<Files>, RequestError> {
    let files = sqlx::query_as(
        "SELECT file_id, name, type, caption, length(content) AS bytes, sha256, version, saved_at FROM files
        WHERE user_id = ? ORDER BY file_id",
    )
    .bind(user.id())
    .fetch_all(database.readers())
    .await?;
    Ok(Json(Files { files }))
}

/// `GET /api/files/{fileId}`: the file itself. It is somebody's, and never shown as a page of ours.
pub(crate) async fn file(
    State(database): State<Database>,
    user: User,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, RequestError> {
    let Path(file_id) = path.map_err(|_| RequestError::NotFound)?;
    let stored: Option<(Vec<u8>, String, String)> =
        sqlx::query_as("SELECT content, type, sha256 FROM files WHERE user_id = ? AND file_id = ?")
            .bind(user.id())
            .bind(&file_id)
            .fetch_optional(database.readers())
            .await?;
    let (content, kind, sha256) = stored.ok_or(RequestError::NotFound)?;
    let kind = HeaderValue::from_str(&kind).ok().filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    if let Ok(sha256) = HeaderValue::from_str(&sha256) {
        headers.insert(SHA_256, sha256);
    }
    Ok(response)
}

/// Keeps a file under that id, in the place of what is there.
pub(crate) async fn save(
    connection: &mut SqliteConnection,
    user_id: &str,
    file_id: &str,
    caption: Option<&str>,
    file: &ReceivedFile,
    now: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO files (user_id, file_id, name, type, caption, content, sha256, version, saved_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)
        ON CONFLICT (user_id, file_id) DO UPDATE SET
            name = ?3, type = ?4, caption = ?5, content = ?6, sha256 = ?7, version = version + 1, saved_at = ?8",
    )
    .bind(user_id)
    .bind(file_id)
    .bind(file.name.as_deref())
    .bind(&file.kind)
    .bind(caption)
    .bind(&*file.content)
    .bind(format!("{:x}", Sha256::digest(&file.content)))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
