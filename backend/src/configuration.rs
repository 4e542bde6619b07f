//! How clients are to handle errors. The fault switch can say something else, be it nonsense.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use steadfast::wire::{ErrorHandlingConfiguration, RetryDefaults};

use crate::{error::RequestError, request_body};

/// The largest configuration that can be set, in bytes.
const LARGEST: usize = 256 << 10;

/// What `GET /api/config/error-handling` says instead of the usual, if anything.
#[derive(Debug, Default)]
pub(crate) struct ConfigurationSwitch {
    text: RwLock<Option<Arc<str>>>,
}

impl ConfigurationSwitch {
    fn set(&self, text: Option<Arc<str>>) {
        *self.text.write().unwrap_or_else(PoisonError::into_inner) = text;
    }

    fn get(&self) -> Option<Arc<str>> {
        self.text.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The configuration of the specification.
fn usual() -> ErrorHandlingConfiguration {
    ErrorHandlingConfiguration {
        retry_defaults: Some(RetryDefaults { max_attempts: 3, base_delay: 1000, backoff_multiplier: 2.0 }),
        circuit_breaker: Some(json!({ "failureThreshold": 5, "recoveryTimeout": 30000, "halfOpenMaxCalls": 3 })),
        error_disclosure: Some(json!({ "levelThresholds": { "critical": 1, "high": 2, "medium": 3 } })),
        business_rules: Some(json!({ "highValueCustomerThreshold": 1000, "priorityEscalationEnabled": true })),
    }
}

/// `GET /api/config/error-handling`: 304 without a body to a client that has it already (RFC 9110 §13.1.2).
pub(crate) async fn error_handling(
    State(switch): State<Arc<ConfigurationSwitch>>,
    headers: HeaderMap,
) -> Result<Response, RequestError> {
    let text = match switch.get() {
        Some(text) => text,
        None => serde_json::to_string(&usual())?.into(),
    };
    let tag = tag_of(&text);
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|tags| tags.to_str().is_ok_and(|tags| names(tags, &tag)));
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { Body::from(text.to_string()).into_response() };
    let headers = response.headers_mut();
    if !known {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    // It may be kept, and is asked for again every time.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    Ok(response)
}

fn tag_of(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// Whether `If-None-Match` names the tag. It is compared weakly. No tag of this server has a comma in it.
fn names(tags: &str, tag: &str) -> bool {
    tags.split(',').map(str::trim).any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

/// `PUT /api/faults/configuration`: any JSON.
pub(crate) async fn set(State(switch): State<Arc<ConfigurationSwitch>>, request: Request) -> Result<Json<Value>, RequestError> {
    let body = request_body::read(request).await?;
    if body.len() > LARGEST {
        return Err(RequestError::BodyTooLarge { limit: LARGEST });
    }
    let configuration: Value = serde_json::from_slice(&body).map_err(|source| RequestError::Syntax { source })?;
    let text = String::from_utf8_lossy(&body);
    switch.set(Some(text.into()));
    Ok(Json(json!({ "configuration": configuration })))
}

/// `DELETE /api/faults/configuration`: the usual one again.
pub(crate) async fn clear(State(switch): State<Arc<ConfigurationSwitch>>) -> Json<Value> {
    switch.set(None);
    Json(json!({ "configuration": null }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_among_others_and_compared_weakly() {
        assert!(["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"].iter().all(|tags| names(tags, "\"a\"")));
        assert!(!["", "\"b\"", "a", "\"ab\"", "W/\"b\""].iter().any(|tags| names(tags, "\"a\"")));
    }
}
