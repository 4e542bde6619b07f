//! The `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that comes again under its key has its effect
//! once, and the answer that it had.

use axum::http::{HeaderMap, HeaderValue};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::SqliteConnection;
use steadfast::wire::LONGEST_NAME;

use super::as_value;
use crate::{authentication::User, clock, error::RequestError};

const HEADER: &str = "idempotency-key";

/// The key of a request: a string as structured fields have it (RFC 9651 §3.3.3), or, as many send it, without its quotes.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<String>, RequestError> {
    let invalid = || {
        let message = format!("must be one string of 1 to {LONGEST_NAME} visible ASCII characters and spaces, in quotes");
        RequestError::Invalid { field: "Idempotency-Key".to_owned(), message }
    };
    let mut sent = headers.get_all(HEADER).iter();
    let Some(value) = sent.next() else { return Ok(None) };
    let text = Some(value).filter(|_| sent.next().is_none()).map(HeaderValue::to_str).and_then(Result::ok).ok_or_else(invalid)?;
    let text = text.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').ok_or_else(invalid)?,
        None => text,
    };
    let usable = (1..=LONGEST_NAME).contains(&key.len())
        && key.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\');
    if usable { Ok(Some(key.to_owned())) } else { Err(invalid()) }
}

/// A request and its key, if it has one. All that it does is in one transaction with the effect of the request.
pub(super) struct Keyed<'a> {
    user: &'a User,
    path: &'a str,
    key: Option<String>,
    request: Value,
}

impl<'a> Keyed<'a> {
    pub(super) fn new(user: &'a User, path: &'a str, key: Option<String>, body: &[u8]) -> Result<Self, RequestError> {
        Ok(Self { user, path, key, request: as_value(body)? })
    }

    /// What was answered under the key before. Another request under it is refused.
    pub(super) async fn earlier<T: DeserializeOwned>(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<T>, RequestError> {
        let Some(key) = &self.key else { return Ok(None) };
        let stored: Option<(String, String)> =
            sqlx::query_as("SELECT request, answer FROM keyed_answers WHERE user_id = ? AND path = ? AND key = ?")
                .bind(self.user.id())
                .bind(self.path)
                .bind(key)
                .fetch_optional(connection)
                .await?;
        let Some((request, answer)) = stored else { return Ok(None) };
        if serde_json::from_str::<Value>(&request)? != self.request {
            return Err(RequestError::KeyReused);
        }
        Ok(Some(serde_json::from_str(&answer)?))
    }

    /// Keeps the answer for when the request comes again. A refusal is not kept: asked again, it is the same.
    pub(super) async fn record(&self, connection: &mut SqliteConnection, answer: &impl Serialize) -> Result<(), RequestError> {
        let Some(key) = &self.key else { return Ok(()) };
        sqlx::query("INSERT INTO keyed_answers (user_id, path, key, request, answer, answered_at) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(self.user.id())
            .bind(self.path)
            .bind(key)
            .bind(self.request.to_string())
            .bind(serde_json::to_string(answer)?)
            .bind(clock::now())
            .execute(connection)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key(values: &[&str]) -> Result<Option<String>, RequestError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        key_of(&headers)
    }

    #[test]
    fn a_key_is_read_with_its_quotes_and_without() {
        assert_eq!(key(&[]).unwrap(), None);
        for value in ["\"order 7\"", "order 7", " \"order 7\" "] {
            assert_eq!(key(&[value]).unwrap().as_deref(), Some("order 7"), "{value}");
        }
    }

    #[test]
    fn what_is_no_single_string_is_no_key() {
        let long = format!("\"{}\"", "x".repeat(257));
        for values in [&[""][..], &["\"\""], &["\""], &["\"a"], &["a\"b"], &["\"a\\\"b\""], &["é"], &["a", "a"], &[&long]] {
            assert!(matches!(key(values), Err(RequestError::Invalid { .. })), "{values:?}");
        }
    }
}
