//! Who is calling. A stand-in for a real access check: whoever says `Bearer demo.<userId>` is that user.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header::AUTHORIZATION, request::Parts},
};

use crate::error::RequestError;

const SCHEME: &str = "bearer";
const PREFIX: &str = "demo.";
/// Who may do what is nobody's in particular.
const ADMINISTRATOR: &str = "admin";
const LONGEST: usize = 128;

/// The user that the credentials are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    id: String,
}

impl User {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Refuses what names another user. `place` says where the name stood.
    pub(crate) fn must_be(&self, named: &str, place: &'static str) -> Result<(), RequestError> {
        if self.id == named { Ok(()) } else { Err(RequestError::OtherUser { place }) }
    }

    /// Refuses whoever is not the user of that name.
    pub(crate) fn must_be_administrator(&self) -> Result<(), RequestError> {
        if self.id == ADMINISTRATOR { Ok(()) } else { Err(RequestError::NotAdministrator) }
    }

    fn of_request(headers: &HeaderMap) -> Result<Self, RequestError> {
        let header = headers.get(AUTHORIZATION).map(HeaderValue::to_str);
        let header = header.ok_or(RequestError::TokenMissing)?;
        let invalid = |reason| RequestError::TokenInvalid { reason };
        let header = header.map_err(|_| invalid("not ASCII"))?.trim();
        if header.is_empty() || header.eq_ignore_ascii_case(SCHEME) {
            return Err(RequestError::TokenMissing);
        }
        let (scheme, token) = header.split_once(' ').ok_or(invalid("no token"))?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(invalid("another scheme than Bearer"));
        }
        let id = token.trim_start().strip_prefix(PREFIX).ok_or(invalid("malformed token"))?;
        let usable = (1..=LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if usable { Ok(Self { id: id.to_owned() }) } else { Err(invalid("malformed token")) }
    }
}

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = RequestError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, RequestError> {
        Self::of_request(&parts.headers)
    }
}
