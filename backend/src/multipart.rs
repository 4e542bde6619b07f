//! Bodies of type `multipart/form-data` (RFC 7578).

use std::convert::Infallible;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, header::CONTENT_TYPE},
};
use futures_util::stream;

use crate::error::RequestError;

/// One part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// A part with a file name is a file.
    pub(crate) file_name: Option<String>,
    /// Its content type; empty, if it has none.
    pub(crate) kind: String,
    pub(crate) content: Bytes,
}

/// The boundary, if the body is a form.
pub(crate) fn boundary_of(headers: &HeaderMap) -> Option<String> {
    multer::parse_boundary(headers.get(CONTENT_TYPE).map(HeaderValue::to_str)?.ok()?).ok()
}

/// The parts of a form, in their order. One that does not end with its last boundary is refused: it may have been cut off.
pub(crate) async fn parts(boundary: String, body: Vec<u8>) -> Result<Vec<Part>, RequestError> {
    let refused =
        |error: multer::Error| RequestError::Invalid { field: ".".to_owned(), message: format!("is no whole form: {error}") };
    let body = stream::once(async { Ok::<_, Infallible>(Bytes::from(body)) });
    let mut form = multer::Multipart::new(body, boundary);
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.map_err(refused)? {
        let name = field.name().map(ToOwned::to_owned).ok_or_else(|| RequestError::Invalid {
            field: format!("parts[{}]", parts.len()),
            message: "must have a name".to_owned(),
        })?;
        let file_name = field.file_name().map(ToOwned::to_owned);
        let kind = field.headers().get(CONTENT_TYPE.as_str()).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        parts.push(Part { name, file_name, kind, content: field.bytes().await.map_err(refused)? });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const FORM: &str = "--x\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\nÉté\r\n\
        --x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\r\n--\r\n\r\n--x--\r\n";

    #[tokio::test]
    async fn a_form_is_read_part_by_part() {
        let parts = parts("x".to_owned(), FORM.into()).await.unwrap();
        let part = |name: &str, file_name: Option<&str>, kind: &str, content: &'static str| Part {
            name: name.to_owned(),
            file_name: file_name.map(ToOwned::to_owned),
            kind: kind.to_owned(),
            content: content.into(),
        };
        assert_eq!(parts, [part("caption", None, "", "Été"), part("photo", Some("a.png"), "image/png", "\r\n--\r\n")]);
    }

    #[tokio::test]
    async fn a_form_that_was_cut_off_is_refused_wherever_that_was() {
        for end in 0..FORM.len() - "--\r\n".len() {
            let Some(cut) = FORM.as_bytes().get(..end) else { continue };
            assert!(matches!(parts("x".to_owned(), cut.into()).await, Err(RequestError::Invalid { .. })), "{end}");
        }
    }

    #[test]
    fn a_boundary_is_found_in_a_form_alone() {
        let boundary = |kind: &'static str| boundary_of(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]));
        assert_eq!(boundary("multipart/form-data; boundary=x").as_deref(), Some("x"));
        assert_eq!(boundary("application/json"), None);
        assert_eq!(boundary_of(&HeaderMap::new()), None);
    }
}
